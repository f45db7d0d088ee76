"""The gallery of signs: its arithmetic in a bare V8; drawing, enrolling and comparing in a page."""

import re

import gallery
import numpy as np
import pytest
from built import LESSONS, axe, load
from playwright.sync_api import expect
from v8 import modules

from marginlab import reference, verification
from marginlab.explorer import page as built
from marginlab.explorer.engine import Engine

SETTINGS = {"head": "arcface", "margin": 0.3, "scale": 30.0, "seed": 0, "naive": None}
STRANGERS = next((name for name in LESSONS if "09_" in name), None)


v8 = modules("gallery")


@pytest.fixture(scope="module")
def cloud():
    """Two-dimensional embeddings of ten classes, some of them in another's place."""
    rng = np.random.default_rng(0)
    labels = rng.integers(10, size=3000)
    angle = 0.6 * labels + rng.normal(0, 0.05, 3000) + (rng.random(3000) < 0.05) * rng.uniform(0, 6, 3000)
    x = rng.uniform(1, 20, (3000, 1)) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return x, labels


def galleries(x, labels, size=5, many=10):
    """Similarities of galleries to images of other digits, by NumPy."""
    x, found = reference.unit(x), []
    for digit in range(10):
        own = np.flatnonzero(labels == digit)[: size * many]
        for start in range(0, len(own) - size + 1, size):
            direction = reference.unit(x[own[start : start + size]].mean(axis=0))
            others = np.arange(start % 9, len(x), 9)
            found.append(x[others[labels[others] != digit]] @ direction)
    return np.concatenate(found)


def test_threshold_and_counts_are_those_of_numpy(v8, cloud):
    x, labels = cloud
    said = v8.evaluate(
        """([x, labels]) => {
            const found = enrol.comparisons({ embeddings: x, labels });
            const threshold = enrol.thresholdAt(found, 0.01);
            const five = [0, 1, 2, 3, 4].map(k => enrol.unitOf(x, k));
            const direction = enrol.meanDirection(five);
            const taken = enrol.takenFor({ embeddings: x, labels }, direction, threshold);
            const own = enrol.acceptedByOthers(five, threshold);
            return { threshold, many: found.length, direction, taken, own };
        }""",
        [x.ravel().tolist(), labels.tolist()],
    )
    found = galleries(x, labels)
    assert said["many"] == len(found) > 20_000
    assert np.mean(found > said["threshold"]) <= 0.01 < np.mean(found >= said["threshold"] - 1e-12)
    same = np.append(np.zeros(len(found), bool), True)
    above = verification.threshold(np.append(found, 1.0), same, 0.01, draws=100)  # the first that is accepted
    assert said["threshold"] < float(above) + 1e-12
    unit = reference.unit(x)
    direction = reference.unit(unit[:5].mean(axis=0))
    np.testing.assert_allclose(said["direction"], direction, atol=1e-12)
    inside = unit @ direction > said["threshold"]
    assert said["taken"] == [int(inside[labels == d].sum()) for d in range(10)]
    others = [reference.unit(np.delete(unit[:5], k, axis=0).mean(axis=0)) for k in range(5)]
    assert said["own"] == sum(unit[k] @ others[k] > said["threshold"] for k in range(5))


def test_what_is_told_is_what_was_found(v8):
    def told(**changed):
        found = {"threshold": 0.999, "taken": [0] * 8 + [900, 100], "own": 5, "tested": 10_000} | changed
        return " ".join(v8.evaluate("found => gallery.told(found)", found))

    words = told(sixth=0.9)
    assert "2.6° from the direction" in words
    assert "1,000 would be taken for your sign, 900 of them 8s" in words
    assert "25.8° away, and is turned away" in words
    assert "does not tell your sign from digits" in words
    assert "accepted as your sign" in told(sixth=0.9995)
    assert "sixth" not in told()
    assert "tells your sign from nearly all digits" in told(taken=[0] * 10)
    assert "do not lie together" in told(own=2)


def test_a_sign_is_another_each_time_and_stays_on_the_pad(v8):
    signs = v8.evaluate(
        "Object.keys(signs.SIGNS).map(name => [0, 1, 2, 3, 4, 5].map(k => signs.drawnSign(name, k).flat()))"
    )
    assert len(signs) >= 5
    for drawn in signs:
        assert all(0 < v < 1 for points in drawn for point in points for v in point)
        assert len({str(points) for points in drawn}) == 6


def write_site(folder):
    """A page with an explorer and a gallery, and its files. Returns its path."""
    for name, text in (built.files() | {gallery.SCRIPT: gallery.script()}).items():
        (folder / name).write_text(text, encoding="utf-8")
    with Engine() as engine:
        cell = built.html(SETTINGS, engine.run(SETTINGS).kept())
    scripts = "".join(
        f'<script defer src="{s}"></script>' for s in (built.LIGHT, built.SCRIPT, gallery.SCRIPT)
    )
    (folder / "signs.html").write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Signs</title><main>{cell}'
        f'<div class="{gallery.CLASS}"><p>A pad stands here.</p></div></main>{scripts}</html>',
        encoding="utf-8",
    )
    return folder / "signs.html"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return write_site(tmp_path_factory.mktemp("signs"))


def keep_five(page, name="star"):
    page.get_by_label("A sign that is drawn for you").select_option(name)
    for k in range(5):
        page.get_by_role("button", name="draw it for me").press("Enter")
        keep = page.get_by_role("button", name="keep this drawing")
        expect(keep).to_be_enabled()
        keep.press("Enter")
        expect(page.locator(".marginlab-kept canvas")).to_have_count(k + 1)


ASK = """() => new Promise(answer => document.querySelector("#explorer").dispatchEvent(
    new CustomEvent("marginlab-embed", { detail: { images: [], answer } })))
    .then(({ embeddings, labels }) => [[...embeddings], [...labels]])"""


def test_five_signs_are_enrolled_by_keys_and_a_sixth_is_compared(page, site):
    asked = []
    page.on("request", lambda r: r.url.startswith(("file:", "data:", "blob:")) or asked.append(r.url))
    page.goto(site.as_uri())
    keep = page.get_by_role("button", name="keep this drawing")
    expect(keep).to_be_disabled()  # nothing is drawn
    keep_five(page)
    said = page.locator(".marginlab-said-of-signs")
    expect(said).to_contain_text("Of the 10,000 test digits", timeout=120_000)
    expect(said).not_to_contain_text("sixth")
    assert page.locator(".marginlab-circle circle.marginlab-five").count() == 5
    # The page's numbers are those of NumPy on the page's own embeddings.
    told = float(re.search(r"cosine of ([\d.]+)", said.inner_text())[1])
    embeddings, labels = page.evaluate(ASK)
    found = galleries(np.reshape(embeddings, (-1, 2)), np.array(labels))
    assert len(labels) == 10_000
    assert told == pytest.approx(np.sort(found)[len(found) - 1 - int(0.01 * len(found))], abs=6e-5)
    # Another one by hand, then all of it again.
    pad = page.locator(".marginlab-signpad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 40)
    page.mouse.down()
    for k in range(5):
        page.mouse.move(box["x"] + 60 + 10 * k, box["y"] + 40 + 25 * k)
    page.mouse.up()
    expect(said).to_contain_text("Your sixth lies", timeout=20_000)
    assert page.locator(".marginlab-circle circle.marginlab-sixth").count() == 1
    expect(keep).to_be_disabled()  # five are kept
    page.get_by_role("button", name="start over").press("Enter")
    expect(said).to_have_text("")
    expect(page.locator(".marginlab-kept canvas")).to_have_count(0)
    assert asked == []


@pytest.mark.full
def test_another_run_asks_anew(page, site):
    page.goto(site.as_uri())
    keep_five(page, "cross")
    said = page.locator(".marginlab-said-of-signs")
    expect(said).to_contain_text("Of the 10,000 test digits", timeout=120_000)
    before = said.inner_text()
    page.evaluate("location.hash = '#explorer?head=normface&scale=10'")
    page.wait_for_function(
        "before => document.querySelector('.marginlab-said-of-signs').innerText != before",
        arg=before,
        timeout=120_000,
    )


def test_without_scripts_and_on_paper_a_sentence_stands_there(book, browser, page):
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto((book / f"{STRANGERS}.html").as_uri())
    assert plain.locator(".marginlab-gallery p").is_visible()
    context.close()
    load(page, (book / f"{STRANGERS}.html").as_uri())
    page.emulate_media(media="print")
    assert page.locator(".marginlab-gallery .marginlab-on-paper").is_visible()
    assert not page.locator(".marginlab-gallery button").first.is_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_gallery_is_accessible_and_fits_a_phone(book, page, theme):
    load(page, (book / f"{STRANGERS}.html").as_uri())
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    keep_five(page)
    said = page.locator(".marginlab-said-of-signs")
    expect(said).to_contain_text("Of the 10,000 test digits", timeout=120_000)
    assert axe(page, ".marginlab-gallery") == []
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
