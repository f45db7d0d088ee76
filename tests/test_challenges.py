"""The challenges for a ψ of one's own: their texts, their checks, and what was reached when they were set."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect
from test_explorer_page import open_page as open_page
from test_explorer_page import result as result
from test_explorer_page import site as site
from test_explorer_page import slider
from test_explorer_page import whole as whole
from v8 import modules

from marginlab.explorer.challenges import CHALLENGES, SEEDS
from marginlab.family import FAMILY

BOOK = Path(__file__).parents[1] / "book"
PAGE = (BOOK / "challenges.md").read_text(encoding="utf-8")
REACHED = json.loads((BOOK / "results" / "challenges.json").read_text(encoding="utf-8"))
BOX = '<div class="marginlab-challenge" data-challenge="{}"><p><b>{}.</b></p></div>'


v8 = modules("challenges")


def check(v8, name, seeds=None, **facts):
    whole = {"settings": {"scale": 30}, "accuracy": 0.97, "died": False, "finite": True, "median": 1.0}
    whole |= {"neighbours": 2, "pull": 0.3}
    return v8.evaluate(
        "([name, facts, seeds]) => challenges.CHECKS[name](facts, tables.CHALLENGES[name], seeds)",
        [name, whole | facts, seeds or {}],
    )


def test_each_is_told_on_its_page_with_its_numbers():
    told = dict(re.findall(r'data-challenge="(\w+)">\n\n\*\*(.*?)\n\n</div>', PAGE, re.DOTALL))
    assert list(told) == list(CHALLENGES)
    for name, asked in CHALLENGES.items():
        assert told[name].startswith(f"{asked['title']}.**")
    numbers = {name: re.findall(r"−?\d+(?:\.\d+)?", text) for name, text in told.items()}
    scale, hills = CHALLENGES["scale"], CHALLENGES["hills"]
    assert numbers["scale"][:2] == [f"{100 * scale['accuracy']:g}", f"{scale['scale']}"]
    assert numbers["hills"] == [f"{hills['median']}", f"{100 * hills['accuracy']:g}"]
    assert {"90", "−0.5"} < set(numbers["pull"])
    assert numbers["median"] == ["0", str(SEEDS - 1)]


def test_the_best_head_is_the_one_that_was_measured():
    medians = {head: float(np.median(accuracies)) for head, accuracies in REACHED["heads"].items()}
    assert set(medians) == set(FAMILY)
    asked = CHALLENGES["median"]
    assert asked["head"] == max(medians, key=medians.get)
    assert asked["accuracy"] == pytest.approx(max(medians.values()), abs=1e-9)


@pytest.mark.parametrize("name", [name for name in CHALLENGES if name not in ("order", "median")])
def test_what_was_tried_meets_it(v8, name):
    tried = REACHED["tried"][name]
    found = check(v8, name, **tried | {"settings": tried})
    assert found["met"], found["words"]


def test_five_seeds_are_asked_for_and_their_median_counts(v8):
    accuracies = REACHED["median"]["accuracies"]
    assert "the seeds 3, 4 are missing" in check(v8, "median", dict(enumerate(accuracies[:3])))["words"]
    found = check(v8, "median", dict(enumerate(accuracies)))
    assert found["met"], found["words"]
    low = dict(enumerate([0.99, 0.5, 0.5, 0.5, 0.99]))
    assert not check(v8, "median", low)["met"]


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("scale", {"settings": {"scale": 30}}),
        ("scale", {"settings": {"scale": 64}, "accuracy": 0.9649}),
        ("hills", {"median": 0.01, "accuracy": 0.94}),
        ("hills", {"median": 5.0}),
        ("death", {"died": False}),
        ("death", {"died": True, "finite": False}),
        ("order", {"neighbours": 9}),
        ("order", {"neighbours": 10, "died": True}),
        ("pull", {"pull": -0.4}),
        ("pull", {"pull": -2.0, "accuracy": 0.89}),
    ],
)
def test_what_is_not_enough(v8, name, facts):
    assert not check(v8, name, **facts)["met"]


@pytest.mark.parametrize(
    ("order", "count"),
    [
        (range(10), 10),
        (range(9, -1, -1), 10),
        ([3, 4, 5, 6, 7, 8, 9, 0, 1, 2], 10),
        ([*range(0, 10, 2), *range(1, 10, 2)], 1),
    ],
)
def test_neighbours_in_order_are_counted_either_way_round(v8, order, count):
    turns = np.empty(10)
    turns[list(order)] = 0.3 + 2 * np.pi * np.arange(10) / 10
    directions = np.c_[np.cos(turns), np.sin(turns)].ravel().tolist()
    assert v8.evaluate("d => challenges.neighbours(Float32Array.from(d))", directions) == count


def test_a_run_that_meets_one_is_told_and_remembered(open_page, site):
    page = (site / "one.html").read_text(encoding="utf-8")
    boxes = "".join(BOX.format(name, asked["title"]) for name, asked in CHALLENGES.items())
    path = site / "challenges.html"
    path.write_text(page.replace("</main>", f"{boxes}</main>"), encoding="utf-8")
    page = open_page(path, "#explorer?head=own&psi=cos(theta)")
    death = page.locator('[data-challenge="death"]')
    expect(death).to_contain_text("This run: The run lived, and ψ is finite everywhere.", timeout=60_000)
    expect(page.locator('[data-challenge="median"]')).to_contain_text("the seeds 1, 2, 3, 4 are missing")
    assert death.get_attribute("data-met") == "false"
    slider(page, "psi").fill("1e308*cos(theta)")
    slider(page, "psi").press("Enter")
    expect(death).to_have_attribute("data-met", "true", timeout=60_000)
    expect(page.locator(".marginlab-met")).to_have_text("Met: Finite, and dead.")
    page.reload()
    expect(death).to_contain_text("✓ Met.")
