"""What Moodle or Canvas exported: whose file is whose, which notebook counts, and zips that lie."""

import csv
import io
import stat
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

pytest.importorskip("nbgrader")
from marginlab import course
from marginlab.course import exports, report


def notebook(*answers):
    """A sheet of two cells to answer, and a test between them."""
    cells = []
    for number, answer in enumerate(answers or ("...", "YOUR ANSWER HERE")):
        kind = new_code_cell if number == 0 else new_markdown_cell
        cells.append(kind(answer))
        about = {"grade_id": f"x-{number}", "solution": True, "grade": number == 1, "locked": False}
        cells[-1].metadata = {"nbgrader": about}
    test = new_code_cell("assert True")
    test.metadata = {"nbgrader": {"grade_id": "x-test", "solution": False, "grade": True, "locked": True}}
    return new_notebook(cells=[cells[0], test, cells[1]])


EMPTY = notebook()


@pytest.mark.parametrize("order", [("exercises", "exercises (1)"), ("exercises (1)", "exercises")])
def test_of_two_notebooks_the_one_with_answers_counts_and_a_sentence_says_so(tmp_path, order):
    answered, empty = order
    one = exports.Submission("1", "Ada")
    for name, nb in ((answered, notebook("x = 1", "Since.")), (empty, EMPTY)):
        one.files.append(course.write_notebook(nb, tmp_path / f"{name}.ipynb"))
    one.files.sort()
    assert exports.read(one, EMPTY).cells[0].source == "x = 1"
    assert one.said == [
        f"There were 2 notebooks of this sheet: {answered}.ipynb (2 answers) was marked, "
        f"and not {empty}.ipynb (0 answers)."
    ]


def test_white_space_is_no_answer(tmp_path):
    one = exports.Submission("1", "Ada")
    for name, nb in (
        ("a", notebook(" ...\n", "YOUR  ANSWER HERE")),
        ("b", notebook("x = 1", "YOUR ANSWER HERE")),
    ):
        one.files.append(course.write_notebook(nb, tmp_path / f"{name}_exercises.ipynb"))
    assert exports.read(one, EMPTY).cells[0].source == "x = 1"
    assert "b_exercises.ipynb (1 answer) was marked, and not a_exercises.ipynb (0 answers)" in one.said[0]


def test_one_notebook_needs_no_sentence(tmp_path):
    one = exports.Submission(
        "1", "Ada", [course.write_notebook(notebook("1", "2"), tmp_path / "exercises.ipynb")]
    )
    exports.read(one, EMPTY)
    assert one.said == []


def test_a_cell_that_begins_like_a_formula_is_text(tmp_path):
    names = ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\t=1", " =1", "＝1", "Ada", "O'Hara"]
    rows = [
        {"student": name, "name": name, "score": 1.5, "of": 2.0, "manual": 0.0, "said": [name], "wall": "x"}
        for name in names
    ]
    report.write_grades(tmp_path / "grades.csv", rows)
    with open(tmp_path / "grades.csv", encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    for name, row in zip(names, table, strict=True):
        want = name if name in ("Ada", "O'Hara") else "'" + name
        assert [row["student"], row["name"], row["said"]] == [want] * 3
        assert row["score"] == "1.5"
        assert "wall" not in row


def test_names_that_lose_their_odd_characters_stay_two_students(tmp_path):
    for name in ("=Ada", "@Ada", "Bob"):
        course.write_notebook(EMPTY, tmp_path / name / "exercises.ipynb")
    found = exports.collect(tmp_path)
    assert len({each.student for each in found}) == 3
    assert sorted(each.name for each in found) == ["=Ada", "@Ada", "Bob"]
    assert all(len(each.files) == 1 for each in found)
    late = exports.collect(tmp_path, taken={"Bob": "B/ob"})
    assert "Bob" not in {each.student for each in late}


def test_an_id_is_no_way_out_of_the_folder(tmp_path):
    (tmp_path / "..x").mkdir()
    (tmp_path / "…").mkdir()
    assert [each.student for each in exports.collect(tmp_path)] == ["_"]


def test_a_link_in_an_export_leads_nowhere(tmp_path):
    secret = course.write_notebook(EMPTY, tmp_path / "secret" / "exercises.ipynb")
    (tmp_path / "export" / "Ada").mkdir(parents=True)
    (tmp_path / "export" / "Ada" / "exercises.ipynb").symlink_to(secret)
    (tmp_path / "export" / "Bob").symlink_to(secret.parent)
    found = exports.collect(tmp_path / "export")
    assert [(each.student, each.files) for each in found] == [("Ada", [])]


# ------------------------------------------------------------------ zips

MOODLE = "Ada Lovelace_1_assignsubmission_file_/"


def zipped(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("Bob_2_assignsubmission_file_/exercises.ipynb", nbformat.writes(EMPTY))
        for name, data in members.items():
            file.writestr(name, data)
    return path


def unpacked(path, target):
    left_out = exports.unpack(path, target)
    found = {each.student: each for each in exports.collect(target, left_out)}
    assert [file.name for file in found["2"].files] == ["exercises.ipynb"]
    return found


def below(folder):
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def test_a_small_zip_that_unpacks_to_300_mb_is_not_unpacked(tmp_path):
    path = zipped(tmp_path / "export.zip", **{MOODLE + "exercises.ipynb": bytes(300 * 2**20)})
    assert path.stat().st_size < 2**20
    found = unpacked(path, tmp_path / "out")
    assert found["1"].said == ["exercises.ipynb is larger than 64 MB and was not read."]
    assert below(tmp_path / "out") < 2**20


def test_many_small_files_that_are_large_together_are_not_unpacked(tmp_path):
    members = {f"{MOODLE}{number}.ipynb": bytes(2**20) for number in range(150)}
    found = unpacked(zipped(tmp_path / "export.zip", **members), tmp_path / "out")
    assert found["1"].said == ["The files take more than 128 MB, and were not read."]
    assert below(tmp_path / "out") < 2**20


def test_an_export_that_is_too_large_as_a_whole_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(exports, "_EXPORT", 2**20)
    members = {f"S{n}_{n}_assignsubmission_file_/exercises.ipynb": bytes(2**17) for n in range(10, 20)}
    with pytest.raises(ValueError, match="would unpack to 1 MB in 11 files"):
        exports.unpack(zipped(tmp_path / "export.zip", **members), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_entry_that_lies_about_its_size_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr(exports, "LARGEST", 2**16)
    path = zipped(tmp_path / "export.zip", **{MOODLE + "exercises.ipynb": bytes(2**20)})
    data = path.read_bytes().replace((2**20).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    path.write_bytes(data)
    found = unpacked(path, tmp_path / "out")
    assert len(found["1"].said) == 1
    assert found["1"].files == []
    assert below(tmp_path / "out") < 2**16


@pytest.mark.parametrize(
    "name", ["../out.ipynb", "/etc/out.ipynb", f"{MOODLE}../../../out.ipynb", "C:\\out.ipynb"]
)
def test_nothing_is_written_outside(tmp_path, name):
    path = zipped(tmp_path / "export.zip", **{name: nbformat.writes(EMPTY)})
    exports.unpack(path, tmp_path / "a" / "b" / "out")
    assert [p.name for p in tmp_path.rglob("*.ipynb")] == ["exercises.ipynb"]
    assert not Path("/etc/out.ipynb").exists()


def test_a_link_in_a_zip_is_not_made(tmp_path):
    link = zipfile.ZipInfo(MOODLE + "exercises.ipynb")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = zipped(tmp_path / "export.zip")
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(link, "/etc/passwd")
    found = unpacked(path, tmp_path / "out")
    assert found["1"].files == []
    assert "lies outside" in found["1"].said[0]


def test_who_handed_in_no_notebook_is_there_all_the_same(tmp_path):
    found = unpacked(zipped(tmp_path / "export.zip", **{MOODLE + "essay.pdf": b"%PDF"}), tmp_path / "out")
    assert (found["1"].name, found["1"].files) == ("Ada Lovelace", [])


def test_what_is_no_zip_is_refused_in_words(tmp_path):
    (tmp_path / "export.zip").write_bytes(io.BytesIO(b"PK no").getvalue())
    with pytest.raises(ValueError, match="neither a folder nor a zip"):
        exports.unpack(tmp_path / "export.zip", tmp_path / "out")
