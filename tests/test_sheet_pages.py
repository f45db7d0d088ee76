"""Each sheet of exercises as a page: text, fields that tell what is right, hints that fold, no solution."""

import html
import re
import sys

import nbformat
import pytest
from built import NAMES, ROOT, axe, load

pytest.importorskip("nbgrader")
sys.path.append(str(ROOT / "book" / "_ext"))
import sheet_page
from test_course import secrets

every = pytest.mark.parametrize("name", NAMES)


def source(name):
    return nbformat.read(ROOT / "lessons" / name / "exercises.ipynb", 4)


def fields(name):
    return [field for each in sheet_page.fields(source(name)).values() for field in each]


def address(book, name):
    return (book / "lessons" / name / "exercises.html").as_uri()


def own():
    """What the package and the chapters say themselves, which a sheet may say too."""
    package = [path for path in (ROOT / "marginlab").rglob("*") if path.suffix in (".py", ".js")]
    texts = [path.read_text(encoding="utf-8") for path in package]
    for name in NAMES:
        texts += [cell.source for cell in nbformat.read(ROOT / f"lessons/{name}/lesson.ipynb", 4).cells]
    return "\n".join(texts)


# ------------------------------------------------------------------ made, without a browser


def test_no_solution_in_what_the_pages_are_made_of():
    allowed = own()
    for name in NAMES:
        text = html.unescape(sheet_page.page(ROOT / "lessons" / name / "exercises.ipynb"))
        lines = secrets(name)
        assert len(lines) > 40
        assert [line for line in lines if line in text and line not in allowed] == []
        assert "HIDDEN TESTS" not in text
        assert "SOLUTION" not in text


@every
def test_tasks_stubs_marks_and_hints_are_all_there(name):
    from marginlab.course import released

    text = sheet_page.page(ROOT / "lessons" / name / "exercises.ipynb")
    marks = 0
    for cell in released(source(name)).cells:
        about = cell.metadata.get("nbgrader", {})
        marks += about.get("points", 0)
        if not (cell.cell_type == "markdown" and about.get("solution")):
            assert cell.source.strip().splitlines()[-1] in text
    told = re.findall(r"(?:tested|notebook): ([\d.]+) marks?[.<]", text)
    assert sum(map(float, told)) == marks
    checks = {c for cell in source(name).cells for c in re.findall(r"assert check_(\w+)\(", cell.source)}
    assert text.count("Hint 1 on check_") == text.count("Hint 3: how to go on") == len(checks) > 0


@every
def test_a_field_takes_what_the_sheet_takes(name):
    """As near as the page says is near enough for the sheet's own tests too, and the middle is no edge."""
    names, inside = {}, sheet_page.fields(source(name))
    for cell in source(name).cells:
        if cell.cell_type != "code" or not any(inside):
            continue
        exec(compile(cell.source, cell.id, "exec"), names)
        for field in inside.get(cell.id, ()):
            tests = [
                c
                for c in source(name).cells
                if c.metadata.get("nbgrader", {}).get("grade") and c.cell_type == "code"
            ]
            base = field.name.split("[")[0]
            tests = [c for c in tests if re.search(rf"assert (\.\.\. not in )?{base}\b", c.source)][:1]
            assert tests, field.name
            for value in near(field):
                assert field.mark(value) == field.mark(field.right)
                if value != field.right and field.near == "exactly":
                    continue
                changed = dict(names)
                if "[" in field.name:
                    changed[base] = list(names[base])
                exec(f"{field.name} = {value!r}", changed)
                exec(compile(tests[0].source, tests[0].id, "exec"), changed)
        if cell.id == list(inside)[-1]:
            break
    assert fields(name)


def near(field):
    """Answers that are right: the sheet's own, with its last digits changed, and nearly too far off."""
    if isinstance(field.right, str):
        return [field.right]
    if field.right == 0:
        return [0.0]
    return [field.right * (1 + share * field.percent / 100) for share in (0, 1e-9, -1e-9, 0.97, -0.97)]


@every
def test_a_field_refuses_what_is_wrong(name):
    for field in fields(name):
        wrong = (
            ["", "nan"]
            if isinstance(field.right, str)
            else [1.5 * field.right + 3, -field.right or 1, 1e9, 1e-3]
        )
        if isinstance(field.right, float) and field.right:
            wrong += [0, field.right * (1 + 3.1 * field.percent / 100)]
        for value in wrong:
            assert field.mark(value) != field.mark(field.right), (field.name, value)


@every
def test_the_right_number_is_not_in_the_page(name):
    """Neither in what is read nor in an attribute; and 0 looks like any other."""
    for field in fields(name):
        text = re.sub(r'"[0-9a-f]{64}"', '""', field.html())
        told = re.findall(r"(?<![\w.])[-+]?\d+\.?\d*", text.replace(field.name, ""))
        if isinstance(field.right, str):
            assert field.right not in text
        elif field.percent != abs(field.right):  # "within 1 %" says nothing of an answer 1
            assert [n for n in told if abs(float(n) - field.right) <= 1e-3 * abs(field.right)] == [], (
                field.name
            )


def test_a_field_without_an_answer_is_an_error():
    nb = source(NAMES[0])
    cell = next(cell for cell in nb.cells if cell.metadata.get("fields"))
    cell.metadata["fields"] = {"smallest": 1, "print": 1}
    with pytest.raises(ValueError, match=r"print.*no number and no word"):
        sheet_page.fields(nb)


# ------------------------------------------------------------------ in a browser


@every
def test_page(book, page, name):
    """From a file: no request, both themes, everything unfolded too, a phone's width, at most 3 MB."""
    load(page, address(book, name))
    assert page.locator("article h1").inner_text().startswith(f"Exercises to chapter {int(name[:2])}")
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
    assert page.locator(".marginlab-fold[open]").count() == 0
    page.evaluate("for (const it of document.querySelectorAll('details')) it.open = true")
    for theme in ("light", "dark"):
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        assert axe(page) == []
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for link in ("exercises.ipynb", "lesson.html"):
        assert page.locator(f"article .marginlab-sheet a[href='{link}']").count() == 1
        assert (book / "lessons" / name / link).exists()


@every
def test_page_from_a_server_is_small(served, page, name):
    sizes = {}
    page.on("requestfinished", lambda r: sizes.update({r.url: r.sizes()["responseBodySize"]}))
    load(page, f"{served}lessons/{name}/exercises.html")
    page.wait_for_load_state("networkidle")
    assert sum(sizes.values()) <= 3e6, sorted(sizes.items(), key=lambda item: -item[1])[:6]


@every
def test_fields(book, page, name):
    """The right number, a wrong one and nonsense; by keyboard alone. And what is right is in no attribute."""
    load(page, address(book, name))
    for field in fields(name):
        box = page.locator(f"input[id='field-{field.salt}']")
        said = page.locator(f"output[for='field-{field.salt}']")
        for text, words in answers(field):
            box.focus()
            box.fill("")
            page.keyboard.type(text)
            page.keyboard.press("Enter")
            assert said.inner_text().startswith(words), (field.name, text)
        box.fill(answers(field)[0][0])
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        assert said.inner_text() == "Right."
    assert axe(page, ".marginlab-field") == []


def answers(field):
    if isinstance(field.right, str):
        other = "near" if field.right == "far" else "far"
        return [
            (field.right, "Right."),
            (f'"{field.right}" ', "Right."),
            (other, "Not right"),
            ("", "Write one"),
        ]
    right = [(f"{value:.7g}", "Right.") for value in near(field)]
    exponent = [(f"{field.right:.6e}", "Right.")]
    wrong = [(f"{1.5 * field.right + 3:.6g}", "Not right")]
    return (
        right
        + exponent
        + wrong
        + [(text, "That is no number") for text in ("", "abc", "1,5", "1/2", "0x10", "Infinity")]
    )


def test_digests_are_those_of_python(book, page):
    """SHA-256 of texts of every length around a block's, by the page's own script and by hashlib."""
    load(page, address(book, NAMES[0]))
    field = fields(NAMES[0])[0]
    where = "document.querySelector('.marginlab-field')"
    box, said = page.locator(".marginlab-field input").first, page.locator(".marginlab-field output").first
    for length in (1, 40, 50, 51, 52, 53, 60, 61, 62, 63, 64, 130):
        salted = sheet_page.Field("x", "ä" + "s" * length, field.percent, field.right)
        page.evaluate(
            f"([salt, mark]) => Object.assign({where}.dataset, {{ salt, mark }})",
            [salted.salt, salted.mark(salted.right)],
        )
        box.fill(f"{field.right:.7g}")
        box.press("Enter")
        assert said.inner_text() == "Right.", length


def test_hints_fold_by_keyboard_and_are_open_on_paper(book, page):
    load(page, address(book, "05_arcface"))
    folds = page.locator(".marginlab-fold")
    hint = page.locator("summary", has_text="Hint 2").first
    hint.focus()
    page.keyboard.press("Enter")
    assert page.locator(".marginlab-fold[open] li").first.is_visible()
    assert page.locator(".marginlab-fold[open]").count() == 1
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator(".marginlab-fold[open]").count() == folds.count() > 10
    assert not page.locator(".marginlab-field button").first.is_visible()
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator(".marginlab-fold[open]").count() == 1


@every
def test_without_scripts_all_text_is_shown(book, browser, name):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address(book, name))
    text = page.locator("article").inner_text()
    for words in ("Hint 1 on check_", "Hint 2", "Hint 3", "(within ", "What is tested"):
        assert words in text
    assert all(it.is_visible() for it in page.locator(".marginlab-fold li, .marginlab-fold pre").all())
    context.close()


@every
def test_the_chapter_leads_to_its_sheet(book, page, name):
    load(page, (book / "lessons" / name / "lesson.html").as_uri())
    assert page.locator("article a[href='exercises.html']").count() == 1
    assert page.locator("article a[href='exercises.ipynb']").count() == 1
