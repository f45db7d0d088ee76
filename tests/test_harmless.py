"""Nothing that a student wrote acts in a browser; what only looks like it, and figures, stay as they are."""

import re

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output, new_raw_cell

pytest.importorskip("nbgrader")
from nbconvert.filters.markdown_mistune import markdown2html_mistune as rendered

from marginlab import course
from marginlab.course import harmless

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCRIPTS = [
    "<script>alert(1)</script>",
    "text <ScRiPt src=//x></sCrIpT> text",
    "<img src=x onerror=alert(1)>",
    '<img src="x" onerror="alert(1)">',
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<iframe src='javascript:alert(1)'></iframe>",
    "[a](javascript:alert(1))",
    "[a](<javascript:alert(1)>)",
    "[a](JaVaScRiPt:alert(1))",
    "[a](java&#115;cript:alert(1))",
    "[a](&#106;avascript:alert(1))",
    "[a](vbscript:x)",
    "[a](data:text/html;base64,PHNjcmlwdD4=)",
    "![a](javascript:alert(1))",
    "[a]\n\n[a]: javascript:alert(1)",
    "<a href=' javascript:alert(1)'>a</a>",
    '<a href="&#1;javascript:alert(1)">a</a>',
    '<a href="java\tscript:alert(1)">a</a>',
    "<div style='position:fixed'>20 of 20 marks</div>",
    "<details open ontoggle=alert(1)>",
    "<math href='javascript:alert(1)'>",
    "<form action=/logout><button>",
    "<style>@import '//x'</style>",
    "<base href=//x>",
    "<meta http-equiv=refresh content='0;url=//x'>",
    "<object data=x>",
    "<embed src=x>",
    "<input onfocus=alert(1) autofocus>",
    "<!--><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<a\nhref='javascript:alert(1)'>a</a>",
    "text <img src=x\nonerror=alert(1)>",
    '<p title="<img src=x onerror=alert(1)>">',
    "`<b>` <b onclick=alert(1)>",
    "```html\n<b>\n```\n<script>alert(1)</script>",
    "| a |\n|---|\n| <script>alert(1)</script> |",
    "$\\href{javascript:alert(1)}{x}$",
    "$$\\class{x}{y} \\require{html} \\style{color:red}{x}$$",
    "```mermaid\ngraph TD; A --> B; click A call alert()\n```",
    "![a](attachment:missing.png)",
]


@pytest.mark.parametrize("text", SCRIPTS)
def test_a_text_that_could_act_is_shown_as_its_source(text):
    cell = new_markdown_cell(text)
    assert not harmless.harmless(text)
    assert harmless.clean_text(cell)
    page = rendered(cell.source)
    assert re.fullmatch(
        r'(?s)<div class="highlight"><pre>.*</pre></div>\s*|<pre><code.*</code></pre>\s*', page
    )
    assert re.findall(r"<(?!/?(?:pre|code|div|span)\b)", page) == []
    assert text in cell.source, "and nothing of it is lost"


HONEST = [
    "For $a < b$ and $b>c$: `x<script>` is *text*, and so is x<y.",
    "## Title\n\n1. one\n2. two\n\n> a quotation\n\n| a | b |\n|:-:|---|\n| 1 | 2 |",
    "$$\\begin{aligned} a &= b \\\\ &< c \\end{aligned}$$",
    "[a link](https://example.org/x?y=1&z=2), <https://example.org>, [mail](mailto:a@b.org), [down](#title)",
    "H<sub>2</sub>O, <b>bold</b><br>\n<details><summary>more</summary>text</details>",
    f"![figure](data:image/png;base64,{PIXEL})",
    "```python\nif a <b: print('<script>alert(1)</script>')\n```",
    "- [x] done\n- [ ] not done\n\nfoo@example.org ~~gone~~",
    "θ̂ → ∞, “quotes”, 100 %",
    "",
]


@pytest.mark.parametrize("text", HONEST)
def test_an_honest_text_stays_to_the_letter(text):
    cell = new_markdown_cell(text)
    assert not harmless.clean_text(cell)
    assert cell.source == text


def test_a_picture_pasted_into_an_answer_stays_and_a_disguised_one_goes():
    cell = new_markdown_cell("![](attachment:a.png)", attachments={"a.png": {"image/png": PIXEL}})
    assert not harmless.clean_text(cell)
    assert cell.attachments == {"a.png": {"image/png": PIXEL}}
    for bundle in ({"text/html": "x"}, {"image/png": '"><script>'}, {"image/svg+xml": "x"}):
        cell = new_markdown_cell("![](attachment:a.png)", attachments={"a.png": bundle})
        assert harmless.clean_text(cell)
        assert "attachments" not in cell


def test_a_raw_cell_is_text():
    cell = new_raw_cell("<script>alert(1)</script>", metadata={"raw_mimetype": "text/html"})
    harmless.clean_text(cell)
    assert cell.cell_type == "markdown"
    assert "<script" not in rendered(cell.source)


def cleaned(data):
    output = new_output("display_data", data=data, metadata={"text/html": {"isolated": True}})
    harmless.clean_output(output)
    assert output.metadata == {}
    return output.data


def test_outputs_keep_text_tables_and_figures():
    table = '<style scoped>td {color: red}</style><table border="1"><tr><td>1 &lt; 2</td></tr></table>'
    got = cleaned({"text/html": table, "text/plain": "<b>", "image/png": PIXEL})
    assert got["text/plain"] == "<b>"
    assert got["image/png"] == PIXEL
    assert "<td>1 &lt; 2</td>" in got["text/html"]
    assert "color" not in got["text/html"]


def test_an_svg_figure_is_a_picture():
    got = cleaned({"image/svg+xml": "<svg onload='alert(1)'><circle/></svg>", "text/plain": "figure"})
    assert set(got) == {"text/html", "text/plain"}
    assert re.fullmatch(r'<img src="data:image/svg\+xml;base64,[A-Za-z0-9+/=]+">', got["text/html"])


@pytest.mark.parametrize(
    "data",
    [
        {"application/javascript": "alert(1)"},
        {"application/vnd.jupyter.widget-view+json": "{}"},
        {"image/png": '"><script>alert(1)</script>'},
        {"text/latex": "$\\href{javascript:alert(1)}{x}$"},
        {"text/markdown": "<script>alert(1)</script>"},
        {"text/html": "$\\href{javascript:alert(1)}{x}$"},
    ],
)
def test_other_outputs_go(data):
    assert cleaned(data | {"text/plain": "here"}) == {"text/plain": "here"}


@pytest.mark.parametrize("text", [text for text in SCRIPTS if "<" in text])
def test_html_outputs_lose_what_acts(text):
    got = re.sub('"[^"]*"', '""', cleaned({"text/html": text}).get("text/html", ""))
    assert not re.search(
        r"<[^>]*(?:\son\w+=|javascript:|<script|<style|<svg|<iframe|<form|<base|<meta)", got, re.I
    )
    assert not re.search(r"<(?:script|style|svg|iframe|form|base|meta|object|embed|math)", got, re.I)


def test_the_sheets_own_cells_are_left_alone():
    locked = new_markdown_cell("<script>ours</script>")
    about = {"grade_id": "x", "locked": True, "grade": False, "solution": False, "task": False}
    locked.metadata = {"nbgrader": about}
    nb, _ = course.Harmless()(_notebook(locked), {})
    assert nb.cells[0].source == "<script>ours</script>"


def _notebook(*cells):
    from nbformat.v4 import new_notebook

    return new_notebook(cells=[*cells, new_code_cell("1")])
