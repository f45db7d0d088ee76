"""What a class found hard: files of answers of every kind, counted; and the page that makes them."""

import json
import zipfile

import asking
import nbformat
import pytest
from built import ROOT, axe
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_output

from marginlab.course import __main__ as command
from marginlab.course import progress, report

KNOWN = progress.asked(ROOT / "lessons")
FOLDS = progress.hints()
QUESTION = next(it for it in KNOWN.values() if not it.id.startswith("prediction ") and it.choices)
WRONG = [k for k in range(len(QUESTION.choices)) if k != QUESTION.right]
CHOICE = next(it for it in KNOWN.values() if it.id.startswith("prediction ") and it.choices)
NUMBER = next(it for it in KNOWN.values() if not it.choices)
HINT = min(FOLDS)


def bare(it):
    return it.id.removeprefix("prediction ")


def answer(first, tries, **more):
    return {"firsts": {QUESTION.id: {"first": first, "tries": tries, "mark": QUESTION.mark} | more}}


def handed(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return progress.read(folder, KNOWN, FOLDS)


def test_the_marks_in_the_pages_are_those_that_the_report_knows():
    pages = {q.id: asking.mark(q) for _, q in asking.every(ROOT)}
    pages |= {f"prediction {p.id}": asking.mark(p) for _, p in asking.every_prediction(ROOT)}
    assert {name: it.mark for name, it in KNOWN.items()} == pages
    assert len(set(pages.values())) == len(pages)
    assert progress.mark("a  b", ["c\n"]) == progress.mark("a b", ["c"]) != progress.mark("a b", ["d"])


def test_it_counts_who_was_wrong_first_and_what_most_of_these_took(tmp_path):
    firsts = [(QUESTION.right, 1), (WRONG[0], 2), (WRONG[1], 3), (WRONG[1], 2)]
    files = {f"{k}/handed.json": answer(*it) for k, it in enumerate(firsts)}
    files["0/handed.json"]["hints"] = files["3/handed.json"]["hints"] = {HINT: True}
    files["1/handed.json"]["predictions"] = {
        bare(CHOICE): {"said": CHOICE.right, "mark": CHOICE.mark},
        bare(NUMBER): {"said": None, "mark": NUMBER.mark},
    }
    class_ = handed(tmp_path, files)
    (row,) = progress.hardest(class_, KNOWN)  # whoever predicted right is no row
    assert (row.asked, row.answered, row.wrong, row.tries) == (QUESTION, 4, 3, 2.0)
    assert (row.taken, row.taken_by, row.why) == (
        QUESTION.choices[WRONG[1]],
        2,
        QUESTION.reasons[WRONG[1]],
    )
    assert progress.most_opened(class_) == [(HINT, 2)]
    assert class_[1].shown == {NUMBER.id}
    assert [it.said for it in class_] == [[]] * 4


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cannot be read"),
        (b"\x00\xff\x13", "cannot be read"),
        (b'{"firsts": {', "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"[1, 2]", "cannot be read"),
        ({"of": "another program"}, "cannot be read"),
        (b" " * (progress.LARGEST + 1), "cannot be read"),
        ({"firsts": {}}, "no answers"),
        ({"firsts": ["a"], "hints": 3, "predictions": None}, "no answers"),
        ({"questions": {QUESTION.id: True}}, "no answers"),
        (answer(len(QUESTION.choices), 2), "1 that were changed or damaged"),
        (answer(True, 2), "1 that were changed or damaged"),
        (answer(QUESTION.right, 2), "1 that were changed or damaged"),
        (answer(WRONG[0], 0), "1 that were changed or damaged"),
        (answer(WRONG[0], 10**9), "1 that were changed or damaged"),
        (answer(WRONG[0], 1, mark="00000000"), "1 that another version of the book asks"),
        (answer(WRONG[0], 1, mark=["?"]), "1 that another version of the book asks"),
        ({"firsts": {"gone": {"first": 0, "tries": 1}}}, "1 that another version of the book asks"),
        ({"predictions": {bare(CHOICE): {"said": 99}, bare(NUMBER): 3}}, "2 that were changed or damaged"),
        ({"hints": {"gone-9": True}}, "1 hints that the sheets do not have"),
    ],
)
def test_what_cannot_be_counted_is_said_and_all_else_counts(tmp_path, content, words):
    bad, good = handed(tmp_path, {"a/handed.json": content, "b/handed.json": answer(WRONG[0], 2)})
    assert words in " ".join(bad.said)
    assert bad.size == 0
    assert (good.firsts, good.said) == ({QUESTION.id: (WRONG[0], 2)}, [])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["first", "tries", "mark", "said", QUESTION.id, bare(CHOICE), bare(NUMBER), HINT]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.fixed_dictionaries({}, optional={key: JSON for key in ("name", "firsts", "predictions", "hints")}))
def test_whatever_a_file_holds_it_is_read_and_only_what_is_sound_is_counted(tmp_path_factory, content):
    class_ = handed(tmp_path_factory.mktemp("class"), {"a/handed.json": content})
    assert len(class_) == 1
    for name, (first, tries) in class_[0].firsts.items():
        assert 0 <= first < len(KNOWN[name].choices)
        assert tries >= 1
    progress.hardest(class_, KNOWN)


def test_one_student_is_counted_once_by_the_folder_or_the_name_in_the_file(tmp_path):
    less, more = answer(WRONG[0], 1), answer(WRONG[0], 1) | {"hints": {HINT: True}}
    named = {"name": " Ada  Lovelace"}
    files = {
        "Zoë Q_12_assignsubmission_file_/handed.json": less,
        "Zoë Q_12_assignsubmission_file_/handed (1).json": more,
        "handed.json": less | named,
        "handed (1).json": more | {"name": "ada lovelace"},
        "handed (2).json": less,  # two without a name, from a form: who knows
        "handed (3).json": less,
        "nothing/essay.pdf": b"%PDF",
    }
    class_ = handed(tmp_path, files)
    assert len(class_) == 5
    twice = [it for it in class_ if any("There were 2 files" in each for each in it.said)]
    assert {it.student for it in twice} == {"12", "ada lovelace"}
    assert all(it.hints == {HINT} for it in twice)
    assert [it.said for it in class_ if not it.size] == [["There is no file of answers."]]


def test_a_zip_of_moodles_becomes_a_page_and_without_names_it_has_none(tmp_path, capsys):
    export, page = tmp_path / "export.zip", tmp_path / "class.html"
    with zipfile.ZipFile(export, "w") as out:
        for k, name in enumerate(("Ada Lovelace", "Grace <b>Hopper")):
            place = f"{name}_{k}_assignsubmission_file_/marginlab-handed.json"
            out.writestr(place, json.dumps(answer(WRONG[0], 2) | {"name": name, "hints": {HINT: True}}))
        out.writestr("Broken Bob_7_assignsubmission_file_/Bob.json", "{")
    marked = tmp_path / "receipts-marked.csv"
    marked.write_text(
        "line,name,head,verdict\n1,Ada,ArcFace,true\n2,Bob,ArcFace,forged\n", encoding="utf-8-sig"
    )
    options = [str(export), "--receipts", str(marked), "--out", str(page)]
    asked = ["--source", str(ROOT / "lessons"), "report", *options]
    command.main(asked)
    said, told = capsys.readouterr().out, page.read_text(encoding="utf-8")
    for words in ("2 of 2", "Hints most opened", "ArcFace", "Broken Bob", "cannot be read"):
        assert words in said
        assert words in told
    assert "Grace &lt;b&gt;Hopper" in told
    command.main([*asked, "--anonymous"])
    for text in (capsys.readouterr().out, page.read_text(encoding="utf-8")):
        assert "student 3" in text
        assert not [name for name in ("Ada", "Lovelace", "Hopper", "Bob") if name in text]


@pytest.mark.parametrize(
    "options", [[], ["nowhere"], ["tests"], ["--graded", "."], ["--receipts", "pyproject.toml"]]
)
def test_without_anything_to_report_it_says_so(options, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    source = ["--source", "book"] if options == ["tests"] else []
    with pytest.raises(SystemExit, match=r"nothing|neither|No such|no lesson|no folder|no table"):
        command.main([*source, "report", *options, "--out", str(tmp_path / "class.html")])
    assert not list(tmp_path.iterdir())


def test_the_checks_most_missed_come_from_graded_sheets(tmp_path, capsys):
    def graded(student, missed):
        sheet = nbformat.read(ROOT / "lessons/05_arcface/exercises.ipynb", 4)
        tests = [
            it
            for it in sheet.cells
            if it.cell_type == "code" and it.metadata.get("nbgrader", {}).get("grade")
        ]
        for cell in tests[:missed]:
            cell.outputs = [new_output("error", ename="AssertionError", evalue="of Ada", traceback=[])]
        path = tmp_path / "autograded" / student / "05_arcface" / "exercises.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(sheet, path)
        return [it.metadata.nbgrader.grade_id for it in tests[:missed]]

    both, (first, second) = graded("a", 1), graded("b", 2)
    assert both == [first]
    hint = "AssertionError: of Ada"
    assert report.failed(tmp_path) == [("05_arcface", first, 2, hint), ("05_arcface", second, 1, hint)]
    command.main(["report", "--graded", str(tmp_path), "--anonymous", "--out", str(tmp_path / "class.html")])
    said = capsys.readouterr().out
    assert first in said
    assert "Ada" not in said + (tmp_path / "class.html").read_text(encoding="utf-8")


# The pages.


def test_what_is_answered_and_opened_is_handed_in_and_read(book, page, tmp_path):
    page.goto((book / "lessons" / QUESTION.lesson / "lesson.html").as_uri())
    choices = page.locator(f"#question-{QUESTION.id} input")
    for k in (WRONG[0], WRONG[1], QUESTION.right, WRONG[0]):
        choices.nth(k).check()
    page.goto((book / "lessons" / "05_arcface" / "exercises.html").as_uri())
    page.locator("[data-hint=arcface-2] summary").focus()
    page.keyboard.press("Enter")
    page.locator("[data-hint=arcface-1] summary").evaluate(
        "it => { it.parentElement.open = true }"
    )  # a search
    page.goto((book / "book" / "review.html").as_uri())
    page.get_by_text("Hand in what I answered").click()
    assert page.get_by_text("In it now: 1 question, 0 predictions and 1 hint.").is_visible()
    page.get_by_label("Name, if you like").fill(" Ada ")
    page.get_by_text("See the whole file").click()
    shown = page.locator(".marginlab-handed pre").inner_text()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save what to hand in").click()
    download.value.save_as(tmp_path / "handed.json")
    assert (tmp_path / "handed.json").read_text() == shown
    page.get_by_label("Bring it back from a file").set_input_files(tmp_path / "handed.json")
    page.get_by_text("That file holds no progress of this book. Nothing was changed.").wait_for()
    assert json.loads(shown).keys() == {"marginlab", "name", "firsts", "predictions", "hints"}
    (it,) = progress.read(tmp_path, KNOWN, FOLDS)
    assert (it.name, it.said) == ("Ada", [])
    assert it.firsts == {QUESTION.id: (WRONG[0], 3)}
    assert it.hints == {"arcface-2"}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_handing_in_is_accessible_and_fits_a_phone(book, page, theme):
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme=theme)
    page.goto((book / "book" / "review.html").as_uri())
    page.get_by_text("Hand in what I answered").click()
    page.get_by_text("See the whole file").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert axe(page, ".marginlab-care") == []
