"""The explorer: what the kernel sends, what sliders do to it, the naive forms, and the view in a browser."""

import base64
import io
import itertools
import json
import math
import re
import sys
import threading
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from test_explorer_page import draw
from test_frame import margins

import marginlab
from marginlab import budget, explore, reference
from marginlab.explorer import _widgets, bundle, forms, naive
from marginlab.explorer import page as built
from marginlab.family import FAMILY
from marginlab.heads import BY_NAME


@pytest.fixture(scope="module")
def explorer():
    return explore("cosface", seed=1)


@pytest.fixture(scope="module")
def other():
    return explore("softmax")


@pytest.fixture
def sent(explorer, monkeypatch):
    """The messages that the explorer's drawing is sent, as (message, buffers)."""
    messages = []
    send = lambda self, content, buffers=None: messages.append((content, buffers))  # noqa: E731
    monkeypatch.setattr(type(explorer.drawing), "send", send)
    yield messages
    settle(explorer)


def settle(*explorers):
    while any(e._thread and e._thread.is_alive() for e in explorers):
        time.sleep(0.01)


# Sliders.


def test_sliders_start_at_the_trainers_defaults():
    for head, member in FAMILY.items():
        assert {s["name"]: s["default"] for s in bundle.sliders(head)} == member.defaults


@pytest.mark.parametrize("head", FAMILY)
def test_no_slider_reaches_a_value_that_the_head_refuses(head):
    for end in ("min", "max"):
        BY_NAME[head](10, **{s["name"]: s[end] for s in bundle.sliders(head)})


def test_it_shows_a_first_run(explorer):
    assert explorer.words.endswith("of the test images right after 2500 steps.")
    assert list(explorer.sliders) == ["margin", "scale"]
    assert explorer.settings == {"head": "cosface", "naive": None, "seed": 1, "margin": 0.1, "scale": 30.0}
    run = explorer.drawing.run
    assert run["settings"].items() >= explorer.settings.items()
    assert [f["step"] for f in run["frames"]] == list(range(125, 2501, 125))
    assert len(explorer.drawing.labels) == 1000
    assert len(explorer.drawing.images) == 196_000
    assert max(explorer.drawing.images) == 15


def test_units_stand_beside_the_sliders(explorer):
    rows = [row.children for row in explorer.rows.children[1:-1]]
    assert [(slider.description, unit.value) for slider, unit in rows] == [
        ("margin", "cosine units"),
        ("scale", "times ψ"),
    ]


def test_without_a_kernel_there_is_a_picture(explorer):
    data, _ = explorer._repr_mimebundle_()
    assert data["image/png"].startswith("iVBOR")
    assert "application/vnd.jupyter.widget-view+json" in data


def test_unknown_head():
    with pytest.raises(ValueError, match=r"head must be one of softmax, .*'arcfase'"):
        explore("arcfase")


@pytest.mark.parametrize("seed", [-1, 10, 1.5, True, "0"])
def test_bad_seed(seed):
    with pytest.raises(ValueError, match="seed must be a whole number from 0 to 9"):
        explore("arcface", seed)


@pytest.mark.parametrize("missing", ["anywidget", "ipywidgets"])
def test_what_to_install_is_said(missing, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "marginlab.explorer._widgets")
    monkeypatch.delattr(marginlab.explorer, "_widgets")
    with pytest.raises(ImportError, match=rf'needs {missing}: pip install "marginlab\[lab\]"'):
        explore()


# What is sent.


def test_a_run_is_sent_in_buffers_and_kept_as_state(explorer, sent):
    explorer.sliders["margin"].value = 0.15
    settle(explorer)
    (begin, _), *frames = sent
    assert begin["settings"]["margin"] == 0.15
    assert begin["settings"]["steps"] == 2500
    assert len(frames) == 20
    trained = explorer.result.frames
    for (message, (embeddings, directions)), frame in zip(frames, trained, strict=True):
        assert message["id"] == begin["id"]
        assert message["frame"] == {
            "step": frame.step,
            "loss": frame.loss,
            "accuracy": frame.accuracy,
            "died": None,
        }
        np.testing.assert_array_equal(np.frombuffer(embeddings, "float32").reshape(-1, 2), frame.embeddings)
        np.testing.assert_array_equal(
            np.frombuffer(directions, "float32").reshape(-1, 2), frame.class_directions
        )
        assert len(json.dumps(message)) < 200
    assert explorer.drawing.floats == b"".join(part for _, parts in frames for part in parts)
    assert explorer.drawing.run["words"] == explorer.words


def test_the_last_of_many_moves_wins_and_no_run_speaks_after_it_was_abandoned(explorer, sent):
    for margin in (0.05, 0.2, 0.15, 0.02, 0.3, 0.12):
        explorer.sliders["margin"].value = margin
        time.sleep(0.05)
    settle(explorer)
    trainer = explorer.trainers["cosface", None]
    assert trainer.head.margin == 0.12
    assert explorer.drawing.run["settings"]["margin"] == 0.12
    assert trainer.traces == 1
    ids = [message["id"] for message, _ in sent]
    assert ids == sorted(ids)
    assert ids.count(ids[-1]) == 21
    assert not [thread for thread in threading.enumerate() if thread.name == "explorer"]


def test_a_drawn_digit_is_embedded_as_a_test_image_is(explorer, sent):
    _, (x, _) = marginlab.load_mnist()
    trainer = explorer.trainers["cosface", None]
    embedded = []
    for i in trainer._sample[:5]:
        explorer.drawing._handle_custom_msg({"drawn": True}, [memoryview(x[i].tobytes())])
        message, (buffer,) = sent[-1]
        assert message == {"drawn": True}
        embedded.append(np.frombuffer(buffer, "float32"))
    last = trainer.retrain(margin=explorer.sliders["margin"].value, seed=explorer.seed.value).frames[-1]
    np.testing.assert_allclose(embedded, last.embeddings[:5], rtol=1e-4, atol=1e-4)


def test_an_infeasible_margin_is_explained(explorer, sent):
    explorer.sliders["margin"].value = 1.0
    settle(explorer)
    words = str(budget(head="cosface", margin=1.0, scale=30.0))
    assert words.startswith("No arrangement of 10 classes in the plane can satisfy this margin")
    assert sent[0][0]["words"] == words  # while it trains
    assert explorer.words.endswith(words)
    assert "right after 2500 steps." in explorer.words
    explorer.sliders["margin"].value = 0.1


def test_an_error_while_training_is_shown_and_the_sliders_stay(explorer, sent, monkeypatch):
    def fail(**settings):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(explorer.trainers["cosface", None], "iter_frames", fail)
    explorer.seed.value = 4
    settle(explorer)
    assert sent[-1][0] == {"notice": "RuntimeError: out of luck"}
    monkeypatch.delattr(explorer.trainers["cosface", None], "iter_frames")
    explorer.seed.value = 2
    settle(explorer)
    assert "right after" in explorer.words


def test_broken_it_says_at_which_step_which_image_and_why(explorer, sent):
    explorer.breaks.value = "acos"
    settle(explorer)
    last = explorer.drawing.run["frames"][-1]
    trainer = explorer.trainers["cosface", "acos"]
    died = last["died"]
    assert last["loss"] is None
    assert 0 <= last["step"] - died["step"] < 5
    assert died["example"] in trainer.order.numpy()[died["step"] - 1]
    assert died["label"] == marginlab.load_mnist()[0][1][died["example"]]
    assert 0 <= died["theta"] < 1e-3
    assert np.isfinite(died["at"]).all()
    assert "float32 rounds the cosine c" in died["why"]
    assert (
        f"NaN at step {died['step']}, at training image {died['example']:,}, a {died['label']}."
        in explorer.words
    )
    assert all(np.isfinite(f["loss"]) for f in explorer.drawing.run["frames"][:-1])
    explorer.breaks.value = ""
    settle(explorer)
    assert "right after" in explorer.words


def test_two_explorers_train_at_once_and_plain_softmax_sends_its_weights(explorer, other):
    explorer.seed.value, other.seed.value = 3, 5
    settle(explorer, other)
    assert explorer.drawing.run["settings"]["seed"] == 3
    assert other.drawing.run["settings"]["seed"] == 5
    assert "right after 2500 steps" in explorer.words
    assert "right after 2500 steps" in other.words
    head = other.trainers["softmax", None].head
    size = other.drawing.run["frames"][-1]["sizes"][-1]
    rows = np.frombuffer(other.drawing.floats[-size:], "float32").reshape(10, 3)
    np.testing.assert_array_equal(rows, np.c_[head.class_directions.numpy(), head.bias.numpy()])
    assert other.breaks.disabled


def test_another_head_has_other_sliders(other):
    other.head.value = "combined"
    settle(other)
    assert list(other.sliders) == ["m1", "m2", "m3", "scale"]
    assert not other.breaks.disabled
    assert other.drawing.run["settings"]["head"] == "combined"
    assert other.result.settings["m2"] == 0.2


def test_side_by_side_on_one_time_line(page, explorer):
    page.evaluate(
        f"""() => {{
            window.settings = {json.dumps(explorer._shown)};
            window.frames = [{", ".join(map(in_javascript, explorer.result.frames))}];
            const labels = bytes('{base64_of(list(explorer.drawing.labels), "uint8")}');
            const make = group => {{
                const view = V.createView(root.appendChild(document.createElement("div")), {{labels, group}});
                view.reset(settings);
                frames.forEach(view.push);
                view.done("");
                return view;
            }};
            window.views = [make("a"), make("a"), make("b")];
        }}"""
    )
    page.wait_for_function("[...document.querySelectorAll('.mlx input')].every(i => i.value == 19)")
    page.evaluate("() => views[0].seek(4)")
    values = "[...document.querySelectorAll('.mlx input')].map(i => Number(i.value))"
    page.wait_for_function(f"{values}[1] == 4")
    assert page.evaluate(values) == [4, 4, 19]


@pytest.mark.parametrize("heads", [(), ("arcface",), ("arcface", "arcfase")])
def test_bad_comparisons(heads):
    with pytest.raises(ValueError, match=r"heads? must be"):
        marginlab.compare(*heads)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"scale": 300.0}, "scale must be a number from 1 to 128"),
        ({"naive": ["acos"]}, "naive must be one for each of 2 heads"),
        ({"naive": ["acos", "asin"]}, "naive must be one of acos"),
    ],
)
def test_comparisons_that_the_sliders_do_not_have(asked, words):
    with pytest.raises(ValueError, match=words):
        marginlab.compare("arcface", "cosface", **asked)


@pytest.mark.full
def test_a_comparison_may_have_one_scale_and_a_broken_side():
    both = marginlab.compare("normface", "arcface", scale=30.0, naive=(None, "acos"))
    whole, broken = both.explorers
    assert whole.settings["scale"] == broken.settings["scale"] == 30.0
    assert (whole.settings["naive"], broken.settings["naive"]) == (None, "acos")
    data, _ = both._repr_mimebundle_()
    runs = [json.loads(text) for text in built.DATA.findall(data["text/html"])]
    assert [run["settings"]["naive"] for run in runs] == [None, "acos"]
    assert [bool(run["frames"][-1]["died"]) for run in runs] == [False, True]
    assert runs[1]["frames"][-1]["loss"] is None
    assert runs[1]["words"].startswith("The run ended in NaN at step")


def test_a_comparison_has_one_seed_and_one_time(monkeypatch, explorer):
    both = marginlab.compare("cosface", "cosface", seed=2)
    one, two = both.explorers
    two.seed.value = 7
    settle(one, two)
    assert one.seed.value == 7
    assert one.drawing.run["settings"]["seed"] == two.drawing.run["settings"]["seed"] == 7
    assert one.drawing.group == two.drawing.group is not None
    data, _ = both._repr_mimebundle_()
    assert data["text/html"].count(one.drawing.group) == 2


# From here on.


def test_a_move_may_go_on_from_the_present_weights(explorer, sent):
    explorer.seed.value, explorer.sliders["margin"].value = 1, 0.0
    settle(explorer)
    explorer.start.value = "on"
    assert not sent[-1][0].get("settings")  # the choice alone trains nothing
    sent.clear()
    explorer.sliders["margin"].value = 0.1
    settle(explorer)
    begun = sent[0][0]["settings"]
    assert (begun["margin"], begun["steps"], begun["anneal"]) == (0.1, 750, None)
    assert [stage["margin"] for stage in begun["stages"]] == [0.0, 0.1]
    assert "right after 750 steps" in explorer.words
    kept = explorer.drawing.floats
    assert explorer._shown == explorer.settings | {"margin": 0.0, "moves": [{"margin": 0.1}]}
    # A run that has not arrived is itself moved: so the course is the same again.
    explorer.start.value = "anew"
    explorer.sliders["margin"].value = 0.0
    settle(explorer)
    explorer.start.value = "on"
    explorer.sliders["margin"].value = 0.3
    explorer.sliders["margin"].value = 0.1
    settle(explorer)
    assert explorer.drawing.floats == kept
    assert explorer.trainers["cosface", None].traces == 1
    # Another seed starts anew; and so does the move after the twentieth.
    explorer.seed.value = 2
    settle(explorer)
    assert len(explorer._stages) == 1
    explorer._stages = [explorer._stages[0]] * 21
    explorer.sliders["margin"].value = 0.2
    settle(explorer)
    assert explorer._stages == [explorer.settings]
    explorer.start.value, explorer.sliders["margin"].value = "anew", 0.1
    settle(explorer)


# Naive forms.

FORMULAS = {
    "acos": lambda t, m: reference.psi(t, *m),
    "clip": lambda t, m: reference.psi(np.clip(t, np.arccos(1 - 1e-5), np.arccos(-1 + 1e-5)), *m),
    "no-unroll": lambda t, m: np.cos(m[0] * t + m[1]) - m[2],
    "demo-clip": lambda t, m: np.cos(m[0] * np.clip(t, np.arccos(1 - 1e-5), np.pi / 2) + m[1]) - m[2],
}


@pytest.mark.parametrize("form", forms.FORMS)
def test_a_naive_head_is_its_formula_at_the_label_and_the_cosine_elsewhere(form):
    head = naive.naive_head("combined", form, m1=2.0, m2=0.3, m3=0.1, scale=3.0)
    head.build((None, 2))
    turns = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    head.class_directions.assign(np.c_[np.cos(turns), np.sin(turns)])
    theta = np.linspace(0.05, 3.1, 50)
    x = np.c_[np.cos(theta), np.sin(theta)].astype("float32")
    logits = np.asarray(head(x, np.zeros(50, int)))
    np.testing.assert_allclose(logits[:, 0], 3 * FORMULAS[form](theta, (2.0, 0.3, 0.1)), atol=2e-3)
    np.testing.assert_allclose(logits[:, 1:], np.asarray(head(x))[:, 1:], atol=1e-6)


def test_an_unguarded_head_remembers_the_first_example_that_fell():
    head = naive.naive_head("arcface", "acos")
    head.build((None, 2))
    head.class_directions.assign(np.tile([[1.0, 0.0]], (10, 1)))
    safe, fallen = [0.6, 0.8], [2.0, 0.0]
    for batch in ([safe, safe], [safe, fallen], [fallen, safe]):
        head(np.array(batch, "float32"), np.array([0, 1]))
    np.testing.assert_array_equal(head.fell, [2, 1, 1, 0, 2, 0])


def test_naive_heads_that_do_not_exist():
    with pytest.raises(ValueError, match=r"head must be one of normface, .*'softmax'"):
        naive.naive_head("softmax", "acos")
    with pytest.raises(ValueError, match=r"form must be one of acos, .*'asin'"):
        naive.naive_head("arcface", "asin")


# The view, in a browser.


def base64_of(array, kind):
    return base64.b64encode(np.ascontiguousarray(array, kind).tobytes()).decode()


def in_javascript(frame):
    """A Frame as an expression of JavaScript."""
    floats = lambda a: f"new Float32Array(bytes('{base64_of(a, 'float32')}').buffer)"  # noqa: E731
    return (
        f"{{step: {frame.step}, loss: {frame.loss}, accuracy: {frame.accuracy}, died: null, "
        f"embeddings: {floats(frame.embeddings)}, directions: {floats(frame.class_directions)}}}"
    )


@pytest.fixture
def page(browser):
    """A page with view.js and what it draws from as `V`; errors in it fail the test."""
    page = browser.new_page(viewport={"width": 1060, "height": 900})
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))

    def serve(route):
        name = route.request.url.rsplit("/", 1)[1]
        if name.endswith(".js"):
            route.fulfill(body=bundle.source(bundle.HERE / name), content_type="text/javascript")
        else:
            head = '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            route.fulfill(body=head + '<body><div id="root"></div>', content_type="text/html")

    page.route("**/*", serve)
    page.goto("http://explorer.test/")
    page.evaluate(
        """async () => {
            window.V = {};
            for (const name of ["view", "frame", "room"]) Object.assign(V, await import(`/${name}.js`));
            window.bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
            window.root = document.getElementById("root");
        }"""
    )
    yield page
    page.close()
    assert errors == []


@pytest.fixture
def view(page, explorer):
    """The page, with `view` showing the explorer's last whole run."""
    drawing, result = explorer.drawing, explorer.result
    frames = ", ".join(map(in_javascript, result.frames))
    settings = json.dumps(explorer._shown | {"steps": 2500, "anneal": [0.2, 0.7]})
    page.evaluate(
        f"""() => {{
            window.settings = {settings};
            window.frames = [{frames}];
            window.view = V.createView(root, {{labels: bytes('{base64_of(list(drawing.labels), "uint8")}'),
                images: bytes('{base64_of(list(drawing.images), "uint8")}')}});
            view.reset(settings);
            frames.forEach(view.push);
            view.done("Done.");
            document.querySelector(".mlx").classList.add("mlx-all");  // what is folded away too, as on paper
        }}"""
    )
    page.wait_for_function("document.querySelector('.mlx input').value == 19")
    return page


# What is written on a canvas since it was last cleared: text, colour, and its box in px.
RECORDER = """() => {
    const on = CanvasRenderingContext2D.prototype, {fillText, clearRect, arc} = on;
    on.clearRect = function (...args) {
        [this.canvas.texts, this.canvas.arcs] = [[], []];
        return clearRect.apply(this, args);
    };
    on.arc = function (...args) { this.canvas.arcs?.push(args); return arc.apply(this, args); };
    on.fillText = function (text, x, y) {
        const m = this.measureText(text);
        this.canvas.texts?.push({text, colour: this.fillStyle, left: x - m.actualBoundingBoxLeft,
            right: x + m.actualBoundingBoxRight, top: y - m.actualBoundingBoxAscent,
            bottom: y + m.actualBoundingBoxDescent});
        return fillText.call(this, text, x, y);
    };
}"""
WRITTEN = """k => {
    const canvas = document.querySelectorAll(".mlx-plane, .mlx-chart")[k];
    return [canvas.texts, canvas.clientWidth, canvas.clientHeight, canvas.arcs];
}"""


def written(page, k):
    """The texts on a canvas, 0 being the plane, with its width, its height and the circles on it."""
    texts, *rest = page.evaluate(WRITTEN, k)
    assert texts
    return texts, *rest


def overlaps(texts):
    return [
        (a["text"], b["text"])
        for a, b in itertools.combinations(texts, 2)
        if a["left"] < b["right"]
        and b["left"] < a["right"]
        and a["top"] < b["bottom"]
        and b["top"] < a["bottom"]
    ]


def shown(page, settings, frames="frames", died=None, described=False):
    """Shows frames with other settings, or a run that dies; waits until all is drawn, or in words too."""
    page.evaluate(
        """([settings, died]) => {
            view.reset({seed: 0, naive: null, steps: 2500, anneal: [0.2, 0.7], ...settings});
            for (const frame of eval(settings.frames)) view.push(frame);
            if (died) view.push({...frames[0], step: died.step, loss: NaN, died});
            view.seek(99);
        }""",
        [settings | {"frames": frames}, died],
    )
    if described:
        page.wait_for_timeout(400)
    # One picture draws the plane and a chart, the next two another chart each; one more for good measure.
    page.evaluate("async () => { for (let k = 0; k < 5; k++) await new Promise(requestAnimationFrame) }")


DIED = {"step": 130, "example": 41234, "label": 7, "theta": 2e-4, "at": [3.0, -4.0]}
DIED |= {"why": forms.why(1.0, flat=False)}
EVERY = [{"head": "softmax"}]  # with each of its naive forms, and one that dies
for head, rows in ((head, bundle.sliders(head)) for head in FAMILY):
    if head != "softmax":
        usual = {s["name"]: s["default"] for s in rows}
        EVERY += [{"head": head, **usual, "naive": form} for form in (None, *forms.FORMS)]
EVERY += [
    {"head": "sphereface", "margin": 4, "scale": 10},
    {"head": "sphereface", "margin": 1, "scale": 10},
    {"head": "arcface", "margin": 1.5, "scale": 30, "naive": "no-unroll"},
    {"head": "combined", "m1": 3, "m2": 1, "m3": 0.5, "scale": 30},
    {"head": "cosface", "margin": 0, "scale": 30},
]


def has_margin(settings):
    return settings["head"] != "softmax" and tuple(margins(settings)) != (1, 0, 0)


@pytest.mark.full
@pytest.mark.parametrize("width", [360, 1060])
def test_no_words_on_a_picture_touch_or_leave_it(view, width):
    view.set_viewport_size({"width": width, "height": 900})
    view.evaluate(RECORDER)
    found = []
    for settings in EVERY:
        for died in (None, DIED) if settings.get("naive") == "acos" else (None,):
            shown(view, settings, died=died)
            for k in range(4):
                texts, w, h, _ = written(view, k)
                out = [t for t in texts if t["left"] < 0 or t["right"] > w or t["top"] < 0 or t["bottom"] > h]
                found += [(settings, k, what) for what in [*overlaps(texts), *out]]
    assert found == []


@pytest.mark.parametrize("width", [360, 1060])
def test_names_of_classes_never_overlap_in_the_plane(view, width):
    view.set_viewport_size({"width": width, "height": 900})
    view.evaluate(RECORDER)
    # The tests of `spread` try many sets of angles; these are to see that the picture keeps to it.
    for turns in (
        [0.3] * 10,
        [0, 0.01] * 5,
        [3.14, -3.14] * 5,
        list(np.linspace(-0.2, 0.2, 10)),
        list(range(10)),
    ):
        view.evaluate(
            """turns => {
                window.close = frames.slice(-1).map(f => ({...f, directions:
                    Float32Array.from(turns.flatMap(t => [Math.cos(t), Math.sin(t)]))}));
            }""",
            turns,
        )
        shown(view, {"head": "cosface", "margin": 0.1, "scale": 30}, "close")
        names = written(view, 0)[0]
        assert sorted(t["text"] for t in names) == list("0123456789")
        assert overlaps(names) == []


@pytest.mark.parametrize("settings", EVERY, ids=lambda s: "-".join(map(str, s.values())))
def test_the_words_are_true_of_each_head(view, settings):
    """Of hatching where there is some, of a margin where there is one, of a naive form where it is drawn."""
    for frames in ("frames", "frames.slice(0, 1)"):  # with all of the margin, and before it comes in
        shown(view, settings, frames)
        whole = frames == "frames"
        what = view.locator(".mlx-what").inner_text()
        progress, psi, pull = view.locator("figure .mlx-key").all_inner_texts()
        margin = has_margin(settings)
        assert ("Hatched" in what) == (margin and whole)
        assert ("has not come in" in what) == (margin and not whole)
        assert ("nearest ray" in what) == (settings["head"] != "softmax")
        assert ("margin comes in" in progress) == margin
        assert "logarithmic" in progress
        if settings["head"] == "softmax":
            assert "Softmax" in psi
            assert "Softmax" in pull
        elif not margin:
            assert "no margin" in psi
            assert "cos θ" in psi
            assert "‖x‖·cos θ becomes scale·cos θ" in progress
        else:
            assert ("no margin yet" in psi) == (not whole)
        passes = view.evaluate("s => V.turningPoint(s)", settings) < math.pi - 1e-9
        assert ("past π" in psi) == (passes and whole)
        assert "atched" not in progress + psi + pull  # that is the plane's alone
        assert ("as it is broken" in pull) == ("as it is broken" in psi) == bool(settings.get("naive"))
        assert ("Logarithmic axis" in pull) == (settings.get("naive") in ("acos", "clip"))
        assert not re.search(r"\b0 digits", pull)
        if settings.get("naive") == "no-unroll" and frames == "frames":
            turns = view.evaluate("s => V.turningPoint(s)", settings) < math.pi - 1e-9
            assert ("no difference here" in pull) == (not turns)


def red(page, selector):
    """Whether its colour is the red of what has gone wrong."""
    return page.evaluate(
        """selector => {
            const probe = document.querySelector(".mlx-say").appendChild(document.createElement("i"));
            probe.style.color = "var(--red)";
            const colours = [document.querySelector(selector), probe].map(e => getComputedStyle(e).color);
            probe.remove();
            return colours[0] === colours[1];
        }""",
        selector,
    )


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_run_that_dies_says_what_and_why_in_red_with_a_key(view, dark):
    view.evaluate("dark => { document.documentElement.dataset.theme = dark ? 'dark' : 'light' }", dark)
    shown(view, {"head": "arcface", "margin": 0.5, "scale": 30, "naive": "acos"}, "[frames[0]]", DIED, True)
    assert now(view) == "NaN the run has ended · step 130"
    assert red(view, ".mlx-now b")
    progress, psi, pull = view.locator("figure .mlx-key").all_inner_texts()
    assert "× NaN: the run ends" in progress
    assert "× the image that ended it" in pull
    assert "× the image that ended it" in psi
    assert "digits" not in pull
    assert "no margin yet" in psi
    assert red(view, "figure:nth-of-type(3) .mlx-key b")
    # At step 130 the margin has not come in: ψ is cos θ, 1 at 0°, and not cos 0.5.
    assert "At this step ψ falls from 1.00 at 0°" in view.locator(".mlx-chart").nth(1).get_attribute(
        "aria-label"
    )
    assert "NaN" not in view.locator(".mlx-chart").nth(1).get_attribute("aria-label").replace("NaN at", "")
    view.evaluate("view.seek(0)")
    view.wait_for_timeout(350)
    assert not red(view, ".mlx-now b")
    assert "digits" not in view.locator("figure .mlx-key").nth(2).inner_text()


def test_the_loss_has_an_axis_of_its_own(view, explorer):
    """Marks at powers of ten at the right edge; and the loss stands where they say."""
    view.evaluate(RECORDER)
    shown(view, {"head": "cosface", "margin": 0.1, "scale": 30})
    texts, width, _, arcs = written(view, 1)
    marks = [t for t in texts if re.fullmatch(r"0\.\d*1|10*", t["text"]) and t["left"] > width - 44]
    assert len(marks) >= 2
    assert len({t["colour"] for t in marks}) == 1
    assert {t["colour"] for t in marks}.isdisjoint({t["colour"] for t in texts if t["text"].endswith("%")})
    value = [math.log10(float(t["text"])) for t in marks]
    place = [(t["top"] + t["bottom"]) / 2 for t in marks]
    slope, start = np.polyfit(value, place, 1)
    assert slope < 0
    last = explorer.result.frames[-1]
    heights = [y for x, y, r, *_ in arcs if r == 4.5]
    assert len(heights) == 2
    assert min(abs(y - (start + slope * math.log10(last.loss))) for y in heights) < 2
    percent = [t for t in texts if t["text"].endswith("%")]
    at = np.interp(
        100 * last.accuracy, [0, 50, 100], sorted([(t["top"] + t["bottom"]) / 2 for t in percent])[::-1]
    )
    assert min(abs(y - at) for y in heights) < 2
    assert "to compare within one head" in view.locator("figure .mlx-key").first.inner_text()


@pytest.mark.parametrize("settings", EVERY, ids=lambda s: "-".join(map(str, s.values())))
def test_axes_say_what_they_are_and_go_to_the_top(view, settings):
    view.evaluate(RECORDER)
    shown(view, settings)
    for k in (2, 3):
        texts, *_ = written(view, k)
        said = [t["text"] for t in texts]
        assert any(text.startswith("θ") for text in said)
        # The highest mark is less than one step below the upper edge, where the curve ends.
        marks = [t for t in texts if re.fullmatch(r"−?\d+(\.\d+)?", t["text"])]
        heights = sorted((t["top"] + t["bottom"]) / 2 for t in marks)
        assert len(heights) >= 2
        assert heights[0] - 12 < heights[1] - heights[0] + 1
    assert any("marks: the digits" in t["text"] for t in written(view, 2)[0])
    names = [t["text"] for t in written(view, 1)[0]]
    assert "step" in names


@pytest.mark.full
@pytest.mark.parametrize("width", [360, 560, 760, 1060])
def test_what_is_said_moves_nothing_that_is_shown(view, width):
    """Where pictures and buttons stand, through all heads, naive forms, moments, notices, and a death."""
    view.set_viewport_size({"width": width, "height": 900})
    where = """[".mlx-plane", ".mlx-chart", ".mlx-side button", ".mlx-bar input", ".mlx-say"]
        .flatMap(selector => [...document.querySelectorAll(selector)])
        .map(e => { const {left, top, width, height} = e.getBoundingClientRect();
            return [left, top + scrollY, width, e.className === "mlx-say" ? 0 : height]; })"""
    shown(view, EVERY[0])
    start = view.evaluate(where)
    moved = []
    for settings in EVERY:
        for frames in ("frames", "frames.slice(0, 1)"):
            for died in (None, DIED) if settings.get("naive") == "acos" else (None,):
                shown(view, settings, frames, died)
                moved += [(settings, frames, died)] if view.evaluate(where) != start else []
    view.get_by_role("button", name="on the circle").click()
    view.locator(".mlx-plane").focus()
    view.keyboard.press("ArrowRight")
    view.evaluate("view.notice('Compiling this form, which takes some seconds the first time …')")
    view.wait_for_timeout(350)
    moved += [] if view.evaluate(where) == start else ["circle, digit, notice"]
    assert moved == []


def test_the_headline_has_room_at_every_width(view):
    """One line that runs into nothing beside it."""
    shown(view, EVERY[0])
    wide = []
    for width in range(340, 1100, 20):
        view.set_viewport_size({"width": width, "height": 900})
        room = view.evaluate(
            "[...document.querySelectorAll('.mlx-now')].map(e => e.clientWidth - e.scrollWidth)"
        )
        assert len(room) == 1
        wide += [width] if room[0] < 0 else []
    assert wide == []


def test_angles_and_logits_of_the_shown_points(view, explorer):
    frame = explorer.result.frames[-1]
    labels = np.frombuffer(bytes(explorer.drawing.labels), "uint8")
    angles = view.evaluate("bytes => [...V.angles(frames[19], Uint8Array.from(bytes))]", labels.tolist())
    expected = reference.angle(frame.embeddings, frame.class_directions[labels])
    np.testing.assert_allclose(angles, expected, atol=1e-6)
    logits = view.evaluate("() => V.logits(frames[19], 7, settings)")
    scale = explorer._shown["scale"]
    expected = reference.logits(frame.embeddings[7:8], frame.class_directions, scale=scale)[0]
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def now(page):
    return page.locator(".mlx-now").inner_text()


def test_it_says_in_words_what_it_shows(view, explorer):
    frame = explorer.result.frames[-1]
    view.wait_for_selector(".mlx-plane[aria-label]")
    assert f"{100 * frame.accuracy:.1f} % right · loss" in now(view)
    assert "step 2,500" in now(view)
    label = view.locator(".mlx-plane").get_attribute("aria-label")
    assert label.startswith("CosFace at step 2500: 1000 test digits in the plane. Class directions: 0 at ")
    assert all(c.get_attribute("aria-label") for c in view.locator("canvas[role=img]").all())
    assert view.locator(".mlx-say[aria-live=polite]").inner_text() == "Done."


def test_scrub_step_and_play(view):
    scrub = view.locator(".mlx input[type=range]")
    view.get_by_label("one frame back").click()
    view.wait_for_function("document.querySelector('.mlx-now').innerText.includes('step 2,375')")
    scrub.focus()
    view.keyboard.press("Home")
    view.wait_for_function("document.querySelector('.mlx-now').innerText.includes('step 125')")
    view.get_by_label("one frame on").click()
    view.wait_for_function("document.querySelector('.mlx-now').innerText.includes('step 250')")
    view.get_by_label("play", exact=True).click()
    assert view.get_by_label("pause").count() == 1
    view.wait_for_function("document.querySelector('.mlx-now').innerText.includes('step 2,500')")
    view.wait_for_selector("[aria-label=play]")


def test_a_run_that_comes_in_is_followed_unless_one_looks_back(view):
    view.evaluate("() => { view.reset(settings); view.push(frames[0]); view.push(frames[1]) }")
    view.wait_for_function("document.querySelector('.mlx-now').innerText.includes('step 250')")
    view.get_by_label("one frame back").click()
    view.evaluate("() => view.push(frames[2])")
    view.wait_for_timeout(300)
    assert "step 125" in now(view)
    assert view.evaluate("view.frames.length") == 3


def test_the_last_picture_stays_until_the_new_runs_first_frame(view):
    before = view.locator(".mlx-plane").screenshot()
    view.evaluate("() => view.reset({...settings, seed: 9})")
    view.wait_for_timeout(200)
    assert view.locator(".mlx-plane").screenshot() == before
    view.evaluate("() => view.push(frames[0])")
    view.wait_for_function("document.querySelector('.mlx-now').innerText.includes('step 125')")
    assert view.locator(".mlx-plane").screenshot() != before


def test_a_digit_by_mouse_and_by_keys(view, explorer):
    labels = bytes(explorer.drawing.labels)
    which = view.locator(".mlx-which")
    assert which.inner_text().startswith("Point at a dot")
    plane = view.locator(".mlx-plane")
    plane.focus()
    seen = set()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowDown", "ArrowUp", "ArrowLeft"):
        view.keyboard.press(key)
        view.wait_for_timeout(60)
        seen.add(which.inner_text())
    assert all(text.startswith("Digit ") and "θ to its class:" in text for text in seen)
    assert len(seen) >= 4
    assert view.locator(".mlx-logits span").count() == 10
    view.keyboard.press("Escape")
    view.wait_for_function("document.querySelector('.mlx-which').innerText.startsWith('Point')")

    # The frame's own points, where a mouse must find them.
    box = plane.bounding_box()
    frame = explorer.result.frames[-1]
    radii = np.linalg.norm(frame.embeddings, axis=1)
    reach = 1.12 * np.sort(radii)[int(0.985 * 999)]
    i = int(np.argsort(radii)[900])
    disc = box["width"] / 2 - 20
    x, y = (frame.embeddings[i] / reach * disc).tolist()
    view.mouse.move(box["x"] + box["width"] / 2 + x, box["y"] + box["width"] / 2 - y)
    view.wait_for_function("document.querySelector('.mlx-which').innerText.startsWith('Digit ')")
    assert which.inner_text().startswith(f"Digit {labels[i]}, read as ")


CORNER = [(0.05, 0.05), (0.05, 0.35)], [(0.2, 0.05), (0.2, 0.35)]  # small, and in a corner


def test_a_drawing_is_given_as_mnist_has_its_digits(view):
    view.evaluate("() => { view.destroy(); window.images = [] }")
    view.evaluate(
        """async () => {
            const {createPad} = await import("/pad.js"), canvas = document.createElement("canvas");
            root.append(Object.assign(document.createElement("div"), {className: "mlx-pad"}));
            root.lastChild.append(canvas);
            createPad(canvas, image => images.push(image && [...image]));
        }"""
    )
    for stroke in CORNER:
        draw(view, stroke)
    view.wait_for_timeout(100)
    image = np.array(view.evaluate("images.at(-1)")).reshape(28, 28)
    rows, columns = np.nonzero(image.sum(1))[0], np.nonzero(image.sum(0))[0]
    assert 19 <= np.ptp(rows) <= 21
    assert 10 <= np.ptp(columns) <= 14
    centre = [np.average(np.arange(28) + 0.5, weights=image.sum(axis)) for axis in (0, 1)]
    np.testing.assert_allclose(centre, 14, atol=0.1)
    assert image.max() > 200


def test_a_digit_of_ones_own_lands_in_the_plane(page, view):
    page.evaluate(
        """() => {
            view.destroy();
            window.asked = [];
            const embed = image => asked.push(image.length);
            view = V.createView(root, {labels: new Uint8Array(1000), embed});
            view.reset(settings);
            frames.forEach(view.push);
        }"""
    )
    says = page.locator(".mlx-own")
    page.get_by_role("button", name="draw a digit").press("Enter")
    assert says.inner_text().startswith("Draw a digit in the square")
    page.wait_for_function("document.querySelector('.mlx input').value == 19")
    before = page.locator(".mlx-plane").screenshot()
    for stroke in CORNER:
        draw(page, stroke)
    page.wait_for_function("asked.length > 1")
    assert set(page.evaluate("asked")) == {784}
    assert says.inner_text() == "Waiting for the network …"
    # Ten degrees from class 7, and so it is in the words.
    page.evaluate(
        """() => {
            const [x, y] = frames[19].directions.slice(14, 16);
            const [c, s] = [Math.cos(Math.PI / 18), Math.sin(Math.PI / 18)];
            view.landed([5 * (c * x - s * y), 5 * (s * x + c * y)]);
        }"""
    )
    page.wait_for_function("document.querySelector('.mlx-own').innerText.includes('10.0°')")
    assert says.inner_text() == "Read as 7. θ to its direction: 10.0°."
    after = page.locator(".mlx-plane").screenshot()
    assert after != before
    many = page.evaluate("asked.length")
    page.evaluate("() => view.push(frames[19])")
    assert page.evaluate("asked.length") == many + 1  # other weights, another place
    page.evaluate("() => view.seek(3)")
    page.wait_for_function("document.querySelector('.mlx-own').innerText.includes('shown at the last frame')")
    page.evaluate("() => view.seek(99)")
    page.get_by_role("button", name="clear").press("Enter")
    page.wait_for_function("document.querySelector('.mlx-own').innerText.includes('Draw a digit')")
    page.get_by_role("button", name="close").press("Enter")
    assert not page.locator(".mlx-pad").is_visible()
    assert page.evaluate("document.activeElement.innerText") == "draw a digit"


def test_no_picture_draws_more_than_one_chart(view):
    view.wait_for_function("document.querySelector('.mlx input').value == 19")
    view.wait_for_timeout(300)
    view.evaluate(
        """() => {
            window.drawn = [];
            const charts = [...document.querySelectorAll(".mlx-chart")];
            const clear = CanvasRenderingContext2D.prototype.clearRect;
            CanvasRenderingContext2D.prototype.clearRect = function (...args) {
                drawn.push([document.timeline.currentTime, charts.indexOf(this.canvas)]);
                return clear.apply(this, args);
            };
            view.seek(3);
        }"""
    )
    view.wait_for_function("drawn.length >= 4")
    view.wait_for_timeout(200)  # and no more comes
    drawn = view.evaluate("drawn")
    assert sorted(which for _, which in drawn) == [-1, 0, 1, 2]  # all of them, the plane being -1
    times = [time for time, which in drawn if which >= 0]
    assert len(set(times)) == 3


def test_the_grey_steps_say_what_is_annealed(view):
    key = view.locator("figure .mlx-key").first
    for head, text in {"normface": "‖x‖·cos θ becomes", "arcface": "margin comes in"}.items():
        view.evaluate(
            """head => {
                view.reset({...settings, head, steps: 2500, anneal: [0.2, 0.7]});
                frames.forEach(view.push);
            }""",
            head,
        )
        view.wait_for_timeout(300)
        assert text in key.inner_text()


def test_the_circle_is_another_picture(view):
    before = view.locator(".mlx-plane").screenshot()
    view.get_by_role("button", name="on the circle").click()
    view.wait_for_timeout(200)
    assert view.locator(".mlx-plane").screenshot() != before
    assert "the hills say how many" in view.locator(".mlx-what").inner_text()
    view.get_by_role("button", name="on the circle").click()
    view.mouse.move(0, 0)
    view.wait_for_timeout(200)
    assert view.locator(".mlx-plane").screenshot() == before


def test_a_death_is_told_over_the_last_good_picture(view):
    view.evaluate(
        """() => {
            view.reset({...settings, naive: "acos", steps: undefined});
            view.push(frames[0]);
            const nothing = n => new Float32Array(n).fill(NaN);
            view.push({step: 130, loss: NaN, accuracy: NaN, embeddings: nothing(2000),
                directions: nothing(20), died: {step: 130, example: 41234, label: 7, why: "Because."}});
        }"""
    )
    dead = view.locator(".mlx-died")
    dead.wait_for()
    assert dead.inner_text().split("\n")[0] == "Training image 41,234, a 7, ended it."
    assert "Because." in dead.inner_text()
    assert now(view).startswith("NaN")
    view.get_by_label("one frame back").click()
    dead.wait_for(state="hidden")
    assert "step 125" in now(view)


def test_a_notice_stands_over_the_picture_and_goes(view):
    view.evaluate("view.notice('The kernel has stopped.')")
    assert view.locator(".mlx-notice[role=status]").inner_text() == "The kernel has stopped."
    assert view.locator(".mlx-plane").is_visible()
    view.evaluate("view.notice('')")
    assert not view.locator(".mlx-notice").is_visible()


def test_a_narrow_page_a_dark_one_and_the_end(view):
    view.set_viewport_size({"width": 360, "height": 740})
    view.wait_for_timeout(200)
    assert view.evaluate("document.documentElement.scrollWidth") <= 360
    ink = "getComputedStyle(document.querySelector('.mlx')).color"
    light = view.evaluate(ink)
    view.evaluate("() => { document.documentElement.dataset.theme = 'dark' }")
    view.wait_for_function(f"{ink} != '{light}'")
    view.evaluate("() => { delete document.documentElement.dataset.theme; view.destroy() }")
    assert view.evaluate("root.innerHTML") == ""


def test_with_reduced_motion_nothing_glides(page, view):
    page.emulate_media(reduced_motion="reduce")
    page.evaluate("() => { view.reset(settings); frames.slice(0, 8).forEach(view.push) }")
    page.wait_for_function("document.querySelector('.mlx-now').innerText.includes('step 1,000')")
    steps = page.evaluate(
        """async () => {
            const seen = new Set();
            document.querySelector("[data-do=play]").click();
            for (let k = 0; k < 40; k++) {
                await new Promise(requestAnimationFrame);
                seen.add(Number(document.querySelector(".mlx input").value));
            }
            return [...seen];
        }"""
    )
    assert all(step == int(step) for step in steps)


@pytest.mark.parametrize("circle", [False, True], ids=["plane", "circle"])
def test_a_picture_can_be_saved_and_both_kinds_show_the_same(view, browser, circle):
    view.evaluate("() => { view.reset({...settings, naive: 'no-unroll'}); frames.forEach(view.push) }")
    view.evaluate("() => view.seek(19)")
    if circle:
        view.get_by_role("button", name="on the circle").click()
    paths = {}
    for kind in ("png", "svg"):
        with view.expect_download() as download:
            view.get_by_text(f"save {kind.upper()}").click()
        assert download.value.suggested_filename == f"cosface-step-2500.{kind}"
        paths[kind] = Path(download.value.path())
    text = paths["svg"].read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    assert "CosFace · margin" in root[0].text
    assert len(text) < 600_000
    other = browser.new_page(viewport={"width": 980, "height": 620}, device_scale_factor=2)
    other.set_content(f"<body style='margin: 0'>{text}")
    drawn = other.screenshot()
    other.close()
    shapes, pixels = (
        np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"), int)
        for picture in (drawn, paths["png"].read_bytes())
    )
    assert shapes.shape == pixels.shape == (1240, 1960, 3)
    # Letters may lie half a pixel apart; all else is the same.
    assert np.mean(np.abs(shapes - pixels).max(axis=2) > 48) < 0.012
    assert np.ptp(pixels) > 200


def in_a_notebook(page, explorer):
    """Render the one module that a notebook loads, with a stand-in for the widget's model."""
    state = {"run": explorer.drawing.run, "group": None}
    blobs = {
        name: base64_of(list(getattr(explorer.drawing, name)), "uint8")
        for name in ("labels", "images", "floats")
    }
    page.evaluate(
        """async ([esm, state, blobs]) => {
            const url = URL.createObjectURL(new Blob([esm], {type: "text/javascript"}));
            const widget = (await import(url)).default, heard = {};
            // Offset by one, as a message's buffers may be.
            for (const name in blobs) {
                const raw = bytes(blobs[name]), odd = new Uint8Array(raw.length + 1);
                odd.set(raw, 1);
                state[name] = new DataView(odd.buffer, 1);
            }
            const model = {get: name => state[name], on: (e, f) => heard[e] = f, off: e => delete heard[e]};
            window.heard = heard;
            window.end = widget.render({model, el: root});
        }""",
        [_widgets.esm(), state, blobs],
    )


def test_the_notebooks_module_draws_state_messages_and_the_loss_of_its_kernel(page, explorer):
    in_a_notebook(page, explorer)
    accuracy = explorer.result.frames[-1].accuracy
    page.wait_for_function(f"document.querySelector('.mlx-now').innerText.includes('{100 * accuracy:.1f} %')")
    assert page.locator(".mlx-say").inner_text() == explorer.words
    page.evaluate(
        """() => {
            const id = 99, floats = n => new DataView(new Float32Array(n).fill(0.5).buffer);
            heard["msg:custom"]({id, settings: {head: "arcface", margin: 0.2, scale: 30}, words: "Off."});
            for (const [run, step] of [[id, 7], [id - 1, 9]]) {  // the second is of a run long abandoned
                const frame = {step, loss: 1, accuracy: 0.5, died: null};
                heard["msg:custom"]({id: run, frame}, [floats(2000), floats(20)]);
            }
        }"""
    )
    page.wait_for_function("document.querySelector('.mlx-now').innerText.includes('step 7')")
    assert page.locator(".mlx-say").inner_text() == "Off."
    page.evaluate("() => heard['comm_live_update']()")
    assert "The kernel has stopped" in page.locator(".mlx-notice").inner_text()
    page.evaluate("() => end()")
    assert page.evaluate("[root.innerHTML, Object.keys(heard).length]") == ["", 0]


def test_both_lives_draw_the_same_frame_alike(browser, page, explorer, tmp_path):
    """Pixel by pixel, the last frame of one run: as a notebook draws it, and as a built page does."""
    in_a_notebook(page, explorer)
    for name, text in built.files().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    scripts = "".join(f'<script defer src="{name}"></script>' for name in (built.LIGHT, built.SCRIPT))
    html = f'<!doctype html><meta charset="utf-8"><body>{explorer.page()}{scripts}'
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    other = browser.new_page(viewport=page.viewport_size)
    other.goto((tmp_path / "page.html").as_uri())
    pictures = []
    for life in (page, other):
        life.add_style_tag(content="body { margin: 8px; }")
        step = f"step {explorer.result.frames[-1].step:,}"
        life.wait_for_function(f"document.querySelector('.mlx-now')?.innerText.includes('{step}')")
        life.wait_for_timeout(1000)  # what glides has come to rest
        urls = life.evaluate("[...document.querySelectorAll('.mlx canvas')].map(c => c.toDataURL())")
        pictures.append([Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))) for url in urls])
    other.close()
    assert len(pictures[0]) == len(pictures[1]) >= 3
    for ours, theirs in zip(*pictures, strict=True):
        assert ours.size == theirs.size
        ours, theirs = (np.asarray(picture.convert("RGBA"), int) for picture in (ours, theirs))
        # A built page keeps coordinates to 1/2047 of the picture: edges may differ by a shade, and in the
        # rug, where marks a pixel wide lie in heaps, the shades add up.
        assert np.mean(np.abs(ours - theirs).max(axis=2) > 24) < 0.005
    assert np.ptp(np.asarray(pictures[0][0])) > 200  # and there is something on it


# The reader's own ψ.


@pytest.mark.full
def test_a_formula_is_trained_and_what_is_none_is_told():
    explorer = explore("own", psi="ucos(theta + m)")
    assert list(explorer.sliders) == ["m", "scale"]
    assert explorer.settings == {
        "head": "own",
        "naive": None,
        "seed": 0,
        "psi": "ucos(theta + m)",
        "m": 0.3,
        "scale": 30.0,
    }
    assert "9" in explorer.words
    assert explorer.breaks.disabled
    before = explorer.drawing.run["id"]
    explorer.formula.value = "ucos(theta + m) - a*thet"
    assert "there is no “thet”" in explorer.wrong.value
    assert 'role="status"' in explorer.wrong.value
    assert explorer.formula.value == "ucos(theta + m) - a*thet"
    assert explorer.drawing.run["id"] == before
    explorer.sliders["m"].value = 0.2
    settle(explorer)
    explorer.formula.value = "ucos(theta + m) - a*theta/20"
    settle(explorer)
    assert explorer.wrong.value == ""
    assert {name: slider.value for name, slider in explorer.sliders.items()} == {
        "m": 0.2,
        "a": 1.0,
        "scale": 30,
    }
    run = explorer.drawing.run
    assert run["settings"]["psi"] == "ucos(theta + m) - a*theta/20"
    assert explorer.result.settings["psi"] == run["settings"]["psi"]
    assert explorer.result.trained
    assert len(explorer.trainers) == 1
    assert '"psi":"ucos(theta + m) - a*theta/20"' in explorer.page()
    explorer.head.value = "cosface"
    settle(explorer)
    assert "psi" not in explorer.settings
    with pytest.raises(ValueError, match="psi must be a formula of theta, got '2 theta'"):
        explore("own", psi="2 theta")
