"""The sheets' cells, run in one process: every set of numbers, nothing written yet, and wrong answers."""

import contextlib
import itertools
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

pytest.importorskip("nbgrader")
from marginlab import checks, course
from marginlab.room import least_scale

LESSONS = Path(__file__).parent.parent / "lessons"
SHEETS = course.sheets(LESSONS)
every = pytest.mark.parametrize("name", SHEETS)


def sheet(name):
    return nbformat.read(LESSONS / name / course.SHEET, 4)


def run(cell, space):
    exec(compile(cell.source, cell.id, "exec"), space)


def code(nb):
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def is_test(cell):
    about = cell.metadata.get("nbgrader", {})
    return about.get("grade") and about.get("locked")


@every
def test_every_set_of_numbers_can_be_solved(name, monkeypatch):
    space = {}
    for cell in code(sheet(name)):
        run(cell, space)
    # A check knows nothing of the numbers: it has passed, and need not run again.
    for check in checks.__all__:
        if check.startswith("check_"):
            monkeypatch.setattr(checks, check, lambda f: SimpleNamespace(passed=True))
    numbers = course.numbers(sheet(name))
    assert numbers
    for values in itertools.product(*numbers.values()):
        chosen = dict(zip(numbers, values, strict=True))
        space = {}
        for cell in code(course.write_numbers(sheet(name), chosen)):
            try:
                run(cell, space)
            except AssertionError as error:
                raise AssertionError(f"{cell.id} with {chosen}") from error
        assert {name: space[name] for name in chosen} == chosen


@every
def test_a_sheet_without_answers_says_so_in_words(name, tmp_path):
    course.release(LESSONS, tmp_path)
    space = {}
    for cell in code(nbformat.read(tmp_path / name / course.SHEET, 4)):
        if is_test(cell):
            with pytest.raises((AssertionError, NotImplementedError)) as raised:
                run(cell, space)
            assert raised.type is NotImplementedError or str(raised.value), cell.id
        else:
            with contextlib.suppress(NotImplementedError):
                run(cell, space)


def only_visible(cell):
    cell.source = course.hidden_removed(cell.source)
    return cell


ACOS = """def my_arcface(x, w, labels, margin, scale):
    unit = lambda v: v / np.linalg.norm(v.astype("float64"), axis=1, keepdims=True)
    out = unit(x) @ unit(w).T
    phi = np.arccos(np.clip(out[np.arange(len(x)), labels], -1, 1)) + margin
    out[np.arange(len(x)), labels] = np.where(phi < np.pi, np.cos(phi), -2 - np.cos(phi))
    return scale * out"""
# (test cell, an answer that the visible test must refuse)
WRONG = [
    ("x05-break-two", 'broken["fallback"] = (math.pi - MARGIN - 1e-6, math.pi - MARGIN + 1e-6)\n'
     'broken["held"] = (0.0, 1e-20)'),
    ("x05-break-three", 'broken["fallback"] = (math.pi - MARGIN - 1e-6, math.pi - MARGIN + 1e-6)'),
    ("x05-break-three", 'broken["held"] = (0.0, 1e-20)'),
    ("x05-break-three", 'broken["easy"] = (1.0, 1.4)'),
    ("x05-break-repaired", "def repaired(theta, margin): return math.cos(theta) - margin"),
    ("x05-break-repaired", "def repaired(theta, margin): return -theta / 2"),
    ("x05-implement-hazards", ACOS),
    ("x02-floor-all", "def my_floor(s, C):\n    turn = 2 * np.pi * np.arange(C) / C\n"
     "    return np.log(np.exp(-s * (1 - np.cos(turn))).sum())"),
    ("x02-head-all", "def my_normface(x, w, s):\n    n = np.linalg.norm(x, axis=1, keepdims=True)\n"
     "    return s * np.where(n > 0, x / n, 0) @ (w / np.linalg.norm(w, axis=1, keepdims=True)).T"),
    ("x02-scale-test", "def my_least_scale(C, P): return min(reference_scale(C, 2, P), 1000)"),
    ("x00-unit-all", "def my_unit(x):\n    n = np.linalg.norm(x, axis=1, keepdims=True)\n"
     "    return x / np.where(n > 0, n, 1)"),
    ("x00-angle-hazards", "def my_angle(x, w):\n    c = np.sum(my_unit(x) * my_unit(w), axis=1)\n"
     "    return np.arccos(np.clip(c, -1, 1))"),
    ("x00-break-worst", "worst = 0.003"),
    ("x01-loss-hazards", "def my_cross_entropy(f, y):\n    p = np.exp(f - f.max(axis=1, keepdims=True))\n"
     "    return -np.log(np.maximum((p / p.sum(axis=1, keepdims=True))[np.arange(len(y)), y], 1e-300))"),
    ("x01-break-unheard", "unheard = [0.0, -40.0, -40.0]"),
    ("x03-break-test", "def flat_points(m): return [k * math.pi / m for k in range(1, int(m))]"),
    ("x04-limit-all", "def my_largest_margin(C): return 1 - math.cos(2 * math.pi / C)"),
    ("x04-break-shrinks", "shrinks = (0.9, 0.2, 0.35)"),
    ("x04-break-chosen", "def chosen(margin): return margin or 0.35"),
    ("x06-tar-all", "def my_tar_at_far(scores, same, far):\n    others = np.sort(scores[~same])[::-1]\n"
     "    return np.mean(scores[same] >= others[math.floor(far * len(others) + 1e-9)])"),
    ("x06-break-fair", "fair_gain = careless_gain"),
    ("x07-block-all", "def my_blockwise(x, w, s, block):\n"
     "    unit = lambda v: v / np.linalg.norm(v, axis=1, keepdims=True)\n"
     "    starts = range(0, len(w), block)\n"
     "    return s + np.log(sum(np.exp(s * (unit(x) @ unit(w[i:i + block]).T - 1)).sum(1) for i in starts))"),
    ("x07-break-first", "first_lost = 5001"),
    ("x07-break-merged", "merged = (70000, 70001, 70002)"),
    ("x07-break-safe", "def safe_labels(labels, C): return np.asarray(labels).astype(int)"),
    ("x08-nearest-ordinary", "def my_subcenters(x, w):\n"
     "    return np.einsum('bd,ckd->bck', x, w / np.linalg.norm(w, axis=-1, keepdims=True)).max(axis=2)"),
    ("x08-count-all", "def my_count_margins(n, low, high, p):\n    r = np.maximum(n, 1.0) ** -p\n"
     "    with np.errstate(all='ignore'): return low + (high - low) * (r - r.min()) / (r.max() - r.min())"),
    ("x08-adaface-all", "def my_adaface(t, a, mean, sd, m, h):\n    z = np.clip(h * (a - mean) / sd, -1, 1)\n"
     "    return np.cos(t - m * z) - m * (1 + z)"),
    ("x08-break-few", "too_few = [0, 1, 3, 3]"),
    ("x08-break-nan", "no_number = [0, 1, 2, 2, 3]"),
    ("x08-break-safe", "def safe_counts(labels, classes): return np.bincount(labels, minlength=classes)"),
    ("x09-imprint-all", "def my_imprint(x, labels):\n"
     "    rows = np.array([x[labels == j].mean(axis=0) for j in range(labels.max() + 1)])\n"
     "    return rows / np.linalg.norm(rows, axis=1, keepdims=True)"),
    ("x09-bootstrap-ordinary", "def my_bootstrap(scores, draws, far, confidence):\n"
     "    return np.quantile(scores, [(1 - confidence) / 2, (1 + confidence) / 2])"),
    ("x09-bootstrap-all", "def my_bootstrap(scores, draws, far, confidence):\n"
     "    k = math.floor(far * draws.shape[1] + 1e-9)\n"
     "    return np.quantile(np.sort(scores[draws], axis=1)[:, -1 - k], [0.025, 0.975])"),
    ("x09-break-worst", "def worst_rate(scores, group, t): return np.mean(scores > t)"),
    ("x09-break-hidden", "hidden = (np.where(np.arange(200) < 2, 0.9, 0.1), np.zeros(200))"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "answer"), WRONG, ids=[f"{n}-{i}" for i, (n, _) in enumerate(WRONG)])
def test_the_visible_test_refuses(name, answer):
    space = {"reference_scale": least_scale}
    nb = sheet(next(each for each in SHEETS if each[:2] == name[1:3]))
    for cell in code(nb):
        if cell.id == name:
            run(only_visible(cell), space)  # the sheet's own answer passes
            exec(answer, space)
            with pytest.raises(AssertionError) as raised:
                run(cell, space)
            assert str(raised.value)
            return
        if not is_test(cell):
            run(cell, space)
    pytest.fail(f"no cell {name}")
