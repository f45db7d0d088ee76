"""The reader's own ψ in the explorer: what is said of it, and a page in which it is written and trained."""

import json
import math
import re
from urllib.parse import quote

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from test_explorer_page import IN_THE_BOOK, SIZES, on_a_screen, on_one_line, slider, trained, unfold
from test_explorer_page import open_page as open_page
from test_explorer_page import result as result
from test_explorer_page import site as site
from test_explorer_page import whole as whole
from test_frame import drawn, moment
from v8 import modules

from marginlab import reference
from marginlab.explorer.engine import Engine
from marginlab.family import OWN, OWN_PSI
from marginlab.formula import parse

START = {"head": "own", "naive": None, "psi": OWN_PSI, "m": 0.3, "scale": 30, "seed": 0, "moves": []}


v8 = modules("words", "code", "link", "charts", "svg", "poster", "verdicts")


def own(psi, **given):
    return {"head": "own", "naive": None, "psi": psi, "scale": 30, "seed": 0} | given


# ---- What is said before it trains ----

VERDICTS = {
    "ucos(theta + 0.3)": [True, True, True, None],
    "cos(theta) - 0.1": [True, True, True, True],
    "cos(theta + 0.3)": [False, True, True, False],
    "0.5*cos(theta)": [True, False, True, True],
    "1 - sqrt(theta)": [True, True, False, None],
    "1 - theta": [True, True, True, None],
    "log(theta)": [False, False, False, None],
    "0.9": [False, True, True, None],
}


@pytest.mark.parametrize("psi", VERDICTS)
def test_the_verdicts(v8, psi):
    found = v8.evaluate("s => verdicts.verdicts(s)", own(psi))
    assert [verdict["good"] for verdict in found] == VERDICTS[psi]


def test_a_verdict_says_where(v8):
    falls, fits, finite, stays = (
        verdict["words"] for verdict in v8.evaluate("s => verdicts.verdicts(s)", own("cos(theta + 0.3)"))
    )
    edge = math.degrees(math.pi - 0.3)
    low, high = map(float, re.findall(r"\d+\.\d", falls))
    assert low == pytest.approx(edge, abs=0.25)
    assert high == 180
    assert fits == "Ten classes fit: ψ(0) is 0.955, ≥ cos 36°."
    assert finite == f"Its pull is finite: {math.sin(0.3):.3f} at 0°, −{math.sin(0.3):.3f} at 180°."
    assert stays == f"Its angle leaves [0, π] at {edge:.1f}°: cos turns back."


# ---- What is drawn, and what is copied ----


@pytest.mark.parametrize("psi", ["ucos(theta + m) - theta/9", "1/(theta - 1)", "1e9*theta", "sqrt(-1)", "0"])
def test_any_formula_is_drawn_within_its_axes(v8, psi):
    settings = own(psi, **{name: 0.3 for name in parse(psi).letters})
    for paint in ("charts.drawPsi", "charts.drawPull", "plane.drawPlane"):
        root = drawn(v8, paint, moment(settings))
        paths = " ".join(node.get("d", "") for node in root)
        assert "NaN" not in paths
        assert "Infinity" not in paths
        numbers = [float(x) for x in re.findall(r"-?\d+\.?\d*", paths)]
        assert min(numbers) > -20
        assert max(numbers) < 480
    assert v8.evaluate(f"words.told({moment(settings)})").count("mlx-verdict") == 4
    assert v8.evaluate(f"words.chartsInWords({moment(settings)}, {{step: 1, loss: 1, accuracy: 1}})")


def test_copied_code_makes_the_head(v8):
    settings = own("ucos(theta + m) - a*theta/10", m=0.4, a=1.0, seed=3)
    text = v8.evaluate("s => code.code([s, { ...s, m: 0.6 }])", settings)
    assert 'head = heads.from_formula("ucos(theta + m) - a*theta/10")' in text
    assert "trainer = Trainer(head, seed=3, frames=20)\n" in text
    assert text.endswith(
        'trainer.retrain(m=0.4, a=1, scale=30)\nresult = trainer.retrain(m=0.6, a=1, scale=30, start="on")\n'
    )
    caption = v8.evaluate("s => poster.caption(s)", settings)
    assert caption == "ψ(θ) = ucos(theta + m) - a*theta/10 · m 0.4 · a 1 · scale 30"


# ---- The address ----


def test_a_formula_is_in_the_address_and_read_back(v8):
    for psi in ("ucos(theta + m) - 0.1*theta", "θ^2/π − 1", "min(1, 2-theta)"):
        written = v8.evaluate(
            """settings => {
                self.history = { state: null, replaceState(_, __, address) { self.address = address; } };
                link.toAddress("explorer", settings);
                return address;
            }""",
            v8.evaluate("s => settings.complete(s)", own(psi, m=0.4)),
        )
        assert re.fullmatch(r"#explorer\?head=own&psi=[^&+ ]+&(m=0.4&)?scale=30&seed=0", written)
        found = v8.evaluate("q => link.read(q)", written.split("?")[1])
        assert (found["words"], found["settings"]["psi"]) == ("", psi)


LINKS = {
    "head=own": (OWN_PSI, ""),
    "head=own&psi=ucos(theta+m)&m=0.5": ("ucos(theta+m)", ""),  # a + that was written by hand is one
    "head=own&psi=cos(theta)+-+0.1": ("cos(theta)+-+0.1", ""),
    "head=own&psi=a+*+theta": ("a * theta", ""),  # and as a form would send a space
    "head=own&psi=sin(x)": (OWN_PSI, "ψ cannot be “sin(x)”, for there is no “x”; there are theta"),
    "head=own&psi=": (OWN_PSI, "ψ cannot be “”, for it is empty (at character 1); it is ucos(theta + m)"),
    "head=own&psi=" + "(" * 5000: (OWN_PSI, "for it has more than 200 characters"),
    "head=own&psi=constructor": (OWN_PSI, "there is no “constructor”"),
    "head=own&psi=%3Cimg%20src=x%3E": (OWN_PSI, "“<” is no part of a formula"),
    "head=own&psi=theta&m=0.3": ("theta", "“m” is no setting of Your own ψ"),
    "head=own&psi=m*theta&m=99": ("m*theta", "m cannot be “99”, and is 4"),
    "head=own&naive=acos": (OWN_PSI, "there is no way to break Your own ψ called “acos”"),
    "head=own&moves=m:0.5;a:1": (OWN_PSI, "“a:1” is no move of Your own ψ"),
    "head=arcface&psi=theta": (None, "“psi” is no setting of ArcFace"),
}


@pytest.mark.parametrize("query", LINKS)
def test_of_a_link_what_can_be_is_taken_and_the_rest_is_told(v8, query):
    psi, words = LINKS[query]
    found = v8.evaluate("q => link.read(q)", query)
    assert found["settings"].get("psi") == psi
    assert words in found["words"]
    assert bool(words) == bool(found["words"])


# ---- The engine ----


@pytest.mark.full
def test_the_formula_of_arcface_gives_the_very_frames_of_arcface_in_the_page():
    with Engine() as engine:
        theirs = engine.run({"head": "arcface", "margin": 0.3, "scale": 30.0, "seed": 0, "naive": None})
        for psi, letters in (("ucos(theta+0.3)", {}), (OWN_PSI, {"m": 0.3})):
            ours = engine.run(own(psi, scale=30.0, **letters))
            for a, b in zip(ours.frames, theirs.frames, strict=True):
                assert (a.step, a.loss, a.accuracy) == (b.step, b.loss, b.accuracy)
                np.testing.assert_array_equal(a.embeddings, b.embeddings)
                np.testing.assert_array_equal(a.class_directions, b.class_directions)


def test_its_target_and_gradients_are_those_of_the_reference(v8):
    """Of a formula that CombinedMargin is too."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 50, 2))
    found = v8.evaluate(
        """([x, w, settings]) => x.map((_, i) => {
            const {psi, gx, gw} = equation.target(equation.unit(...x[i]), equation.unit(...w[i]), settings);
            return [psi, ...gx, ...gw];
        })""",
        [x.tolist(), w.tolist(), own("ucos(m*theta + a) - b", m=1.5, a=0.2, b=0.1)],
    )
    gx, gw = reference.target_gradients(x, w, 1.5, 0.2, 0.1)
    psi = reference.target_logit(x, w, 1.5, 0.2, 0.1)
    np.testing.assert_allclose(found, np.c_[psi, gx, gw], rtol=1e-10, atol=1e-12)


def test_both_tables_have_the_letters_of_the_grammar(v8):
    table = v8.evaluate("tables.FAMILY.own")
    assert [row["name"] for row in table["sliders"]] == list(OWN.settings)
    assert v8.evaluate("tables.GRAMMAR.letters") == [name for name in OWN.settings if name != "scale"]
    assert json.dumps(v8.evaluate("tables.OWN_PSI")) == json.dumps(OWN_PSI)


# ---- In a browser ----


def chosen(page):
    page.evaluate("document.querySelector('#explorer').dataset.state = ''")
    slider(page, "head").select_option("own")
    words = trained(page)
    page.evaluate("document.querySelector('#explorer').dataset.state = ''")
    return words


def test_a_formula_is_written_drawn_and_trained(open_page, site):
    page = open_page(site / "one.html")
    assert re.match(r"9[56]\.\d % of the 10,000 test images right", chosen(page))
    assert page.url.endswith("#explorer?head=own&psi=ucos(theta%20%2B%20m)&m=0.3&scale=30&seed=0")
    shown = "[...document.querySelectorAll('figure')].map(e => e.clientHeight > 0)"
    assert page.evaluate(shown) == [False, True, False]  # ψ, and its pull beside it
    field = slider(page, "psi")
    field.press("End")
    field.press_sequentially(" - a*thet")
    expect(page.locator(".mlp-wrong")).to_have_text(re.compile(r"This is no formula yet: there is no “thet”"))
    assert field.get_attribute("aria-invalid") == "true"
    assert field.input_value() == "ucos(theta + m) - a*thet"
    expect(page.locator(".mlx-lesson")).to_contain_text("leaves [0, π]")  # of the last good one
    field.press_sequentially("a/20")
    expect(page.locator(".mlp-wrong")).to_have_text("")
    caret = page.evaluate("[document.activeElement.name, document.activeElement.selectionStart]")
    assert caret == ["psi", 28]
    assert slider(page, "a").input_value() == "1"
    expect(page.locator(".mlx-lesson")).to_contain_text("0.346 at 0°")  # drawn before it is trained
    field.press("Enter")
    words = trained(page)
    assert re.match(r"9[56]\.\d % of the 10,000 test images right", words)
    assert "psi=ucos(theta%20%2B%20m)%20-%20a*theta%2F20&m=0.3&a=1&scale=30" in page.url
    page.evaluate("document.querySelector('#explorer').dataset.state = ''")
    slider(page, "a").fill("2")
    trained(page)
    assert "&m=0.3&a=2&scale=30" in page.url


def test_a_pause_trains_and_no_key_does(open_page, site):
    page = open_page(site / "one.html", before="self.begun = 0; addEventListener('message', () => 0);")
    chosen(page)
    field = slider(page, "psi")
    field.fill("")
    field.press_sequentially("cos(theta) - 0.2", delay=30)
    assert "psi=ucos" in page.url
    page.wait_for_function("location.hash.includes('cos(theta)%20-%200.2')")
    assert re.match(r"9[56]", trained(page))


@pytest.mark.full
def test_a_formula_outlives_another_head(open_page, site):
    page = open_page(site / "one.html", f"#explorer?head=own&psi={quote('cos(theta) - m', safe='')}&m=0.2")
    trained(page)
    for head in ("cosface", "own"):
        page.evaluate("document.querySelector('#explorer').dataset.state = ''")
        slider(page, "head").select_option(head)
        trained(page)
    assert slider(page, "psi").input_value() == "cos(theta) - m"


def test_of_a_wrong_formula_in_a_link_the_reader_is_told(open_page, site):
    page = open_page(site / "one.html", "#explorer?head=own&psi=sinn(theta)")
    expect(page.locator(".mlp-status")).to_contain_text("ψ cannot be “sinn(theta)”", timeout=20_000)
    assert slider(page, "psi").input_value() == OWN_PSI


@pytest.mark.full
@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 360)])
def test_nothing_stands_in_the_way_of_who_cannot_see_it(open_page, site, theme, width):
    page = open_page(site / "one.html", color_scheme=theme, viewport={"width": width, "height": 900})
    ground = "background: #121212; color: #ced6dd" if theme == "dark" else ""
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    page.evaluate("ground => { document.body.style = ground }", ground)
    unfold(page)
    chosen(page)
    for psi in ("cos(3*theta)", "cos(3*theta) + sinn"):
        slider(page, "psi").fill(psi)
        page.wait_for_timeout(300)
        found = Axe().run(page).response["violations"]
        assert [(v["id"], [node["html"][:200] for node in v["nodes"]]) for v in found] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.wait_for_timeout(1000)  # that run, if it has begun


@pytest.mark.parametrize("size", ["book", "phone"])
def test_all_of_it_is_on_a_screen_at_once(open_page, site, size):
    page = open_page(site / "one.html", **SIZES.get(size, SIZES["wide"]))
    if size == "book":
        page.evaluate(IN_THE_BOOK)
    page.wait_for_timeout(100)
    unfold(page)
    chosen(page)
    for psi in (OWN_PSI, "ucos(m*theta + a) - b", "cos(3*theta) - sqrt(theta)"):
        slider(page, "psi").fill(psi)
        page.wait_for_timeout(300)
        on_a_screen(page, size, psi)
        on_one_line(page)
