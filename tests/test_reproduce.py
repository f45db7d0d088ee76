"""The demo's table: its layers as written, its published figures, and a small run from end to end."""

import contextlib
import io
import json
import math
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from marginlab import MarginClassifier, encoders, heads, reproduce

RESULTS = Path(__file__).parents[1] / "book" / "results"
SECTIONS = {s.name: s for s in reproduce.SECTIONS}
KEYS = ["softmax", "sphereface", "cosface", "arcface"]
LAYERS = [reproduce.DemoSoftmax, reproduce.DemoSphereFace, reproduce.DemoCosFace, reproduce.DemoArcFace]


# The layers as written.


def points(n=400, seed=0):
    """Embeddings (n, 2) all round, and labels (n,)."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 3, (n, 2)).astype("float32"), rng.integers(0, 10, n)


def built(layer, seed=0):
    layer = reproduce.DemoModel(layer()).layer
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(0, 0.05, w.shape) for w in layer.get_weights()])
    return layer


def by_the_demo(layer, x, labels):
    """The demo's formulas, line for line, in NumPy: probabilities (n, 10)."""
    name, x, w = type(layer).__name__, x.astype("float64"), layer.w.numpy().T.astype("float64")
    if name == "DemoSoftmax":
        out = x @ w + layer.b.numpy()
    else:
        out = (x / np.linalg.norm(x, axis=1, keepdims=True)) @ (w / np.linalg.norm(w, axis=0))
        y_true = np.eye(10)[labels]
        if name == "DemoCosFace":
            out -= 0.1 * y_true
        else:
            orig_cos_theta = np.clip((y_true * out).sum(1, keepdims=True), -1 + 0.00001, 1 - 0.00001)
            if name == "DemoArcFace":
                cos_theta = np.cos(np.arccos(orig_cos_theta) + 0.15)
            else:
                cos_theta = np.cos(np.arccos(np.clip(orig_cos_theta, 0, 3.1415926)) * 2)
            out += (cos_theta - orig_cos_theta) * y_true
        out *= np.linalg.norm(x, axis=1, keepdims=True)
    e = np.exp(out - out.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_are_the_demos(layer):
    layer, (x, labels) = built(layer), points()
    np.testing.assert_allclose(layer(x, labels), by_the_demo(layer, x, labels), rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize("layer", LAYERS)
def test_loss_and_accuracy_are_the_demos(layer):
    model, (x, labels) = reproduce.DemoModel(layer()), points()
    p = by_the_demo(model.layer, x, labels)
    expected = -np.log(np.clip(p[np.arange(len(labels)), labels], 1e-9, 1)).mean()
    assert float(model.compute_loss(y=labels, y_pred=tf.constant(x))) == pytest.approx(expected, rel=1e-4)
    model.accuracy.update_state(labels, model.layer(x, labels))
    assert float(model.accuracy.result()) == pytest.approx(
        (p.argmax(1) == labels).mean(), abs=2 / len(labels)
    )


def test_the_clip_of_the_loss_takes_the_gradient_of_the_worst_images():
    model = reproduce.DemoModel(reproduce.DemoCosFace())
    layer, head = model.layer, right(model.layer, SECTIONS["CosFace"].head())
    x, labels = at(layer, [170])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        written = model.compute_loss(y=labels, y_pred=100 * x)
        cured = keras.losses.sparse_categorical_crossentropy(labels, head(100 * x, labels), from_logits=True)
    assert float(written) == pytest.approx(-math.log(1e-9))
    assert float(cured[0]) > 100
    assert np.abs(tape.gradient(written, x)).max() == 0
    assert np.abs(tape.gradient(cured, x)).max() > 10


def test_both_ways_start_from_the_same_weights():
    section = SECTIONS["CosFace"]
    keras.utils.set_random_seed(1)
    written = reproduce.DemoModel(section.layer())
    keras.utils.set_random_seed(1)
    cured = MarginClassifier(encoders.convnet(), section.head())
    cured(np.zeros((1, 28, 28), "float32"))
    for a, b in zip(written.trainable_variables, cured.trainable_variables, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("layer", LAYERS[1:])
def test_without_labels_there_is_no_margin(layer):
    layer, (x, _) = built(layer), points()
    head = right(layer, heads.NormFace(10, scale="norm"))
    np.testing.assert_allclose(layer.logits(x), head(x), rtol=1e-5, atol=1e-5)


def right(layer, head):
    """head, with the class directions of a layer of the demo."""
    head.build((None, 2))
    head.class_directions.assign(layer.w)
    return head


def at(layer, degrees):
    """Unit embeddings (n, 2) at these angles to class 3, and its labels."""
    w = layer.w.numpy()[3]
    a = math.atan2(w[1], w[0]) + np.radians(degrees)
    return tf.constant(np.c_[np.cos(a), np.sin(a)], "float32"), np.full(len(a), 3)


def turn(logits, x, labels):
    """Logits of the true class (n,), and the sizes (n,) of their gradients along the circle at unit x."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        true = tf.gather(logits(x, labels), labels, batch_dims=1)
    g = tape.gradient(true, x).numpy()
    return true.numpy(), np.abs(g[:, 1] * x[:, 0] - g[:, 0] * x[:, 1])


def test_spheres_clip_takes_the_gradient_past_90_degrees():
    layer = built(reproduce.DemoSphereFace)
    head = right(layer, SECTIONS["SphereFace"].head())
    x, labels = at(layer, [20, 50, 85, 95, 120, 150, 170])
    written, written_turn = turn(layer.logits, x, labels)
    cured, cured_turn = turn(head, x, labels)
    np.testing.assert_allclose(written[:3], cured[:3], atol=1e-5)
    np.testing.assert_allclose(written_turn[:3], cured_turn[:3], atol=1e-4)
    np.testing.assert_allclose(written[3:], -1, atol=1e-6)
    np.testing.assert_allclose(written_turn[3:], 0, atol=1e-6)
    np.testing.assert_allclose(
        cured_turn[3:], 2 * np.abs(np.sin(2 * np.radians([95, 120, 150, 170]))), rtol=1e-3
    )


def test_the_guard_of_acos_takes_the_margins_gradient():
    layer = built(reproduce.DemoArcFace)
    head = right(layer, SECTIONS["ArcFace"].head())
    x, labels = at(layer, [0.1])
    assert turn(layer.logits, x, labels)[1] < 0.003
    assert turn(head, x, labels)[1] == pytest.approx(math.sin(math.radians(0.1) + 0.15), rel=1e-3)


def test_arcface_as_written_turns_back_up():
    layer = built(reproduce.DemoArcFace)
    head = right(layer, SECTIONS["ArcFace"].head())
    x, labels = at(layer, [172, 178])
    (near, far), _ = turn(layer.logits, x, labels)
    assert far > near
    (near, far), _ = turn(head, x, labels)
    assert far < near


# The sections, and what the demo published.


def test_sections():
    assert list(SECTIONS) == ["Softmax", "SphereFace", "CosFace", "ArcFace"]
    assert [s.accuracy[-1] for s in reproduce.SECTIONS] == [0.9494, 0.9514, 0.9420, 0.9420]
    assert [s.loss[-1] for s in reproduce.SECTIONS] == [0.2131, 0.2652, 0.2778, 0.2778]
    assert all(len(s.loss) == len(s.accuracy) == 4 for s in reproduce.SECTIONS)


def test_the_arcface_section_is_cosface():
    arcface, cosface = SECTIONS["ArcFace"], SECTIONS["CosFace"]
    assert arcface.layer is cosface.layer is reproduce.DemoCosFace
    assert arcface.loss == cosface.loss == (0.7468, 0.3624, 0.2747, 0.2778)
    assert arcface.accuracy == cosface.accuracy == (0.5744, 0.9059, 0.9342, 0.9420)


def test_heads_done_right():
    made = [repr(s.head()) for s in reproduce.SECTIONS]
    assert made == [
        "Softmax(num_classes=10)",
        "SphereFace(num_classes=10, margin=2.0, scale='norm')",
        "CosFace(num_classes=10, margin=0.1, scale='norm')",
        "ArcFace(num_classes=10, margin=0.15, scale='norm')",
    ]


# A run.


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A small run in a folder that holds a full run's result: the folder, and what was printed."""
    out = tmp_path_factory.mktemp("results")
    (out / "reproduction.json").write_text("the full run's")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert reproduce.main(["--images", "640", "--epochs", "1", "--out", str(out)]) == 0
    keras.utils.clear_session()
    return out, printed.getvalue()


def numbers(value):
    if isinstance(value, dict | list):
        return [n for v in (value.values() if isinstance(value, dict) else value) for n in numbers(v)]
    return [] if isinstance(value, str) else [value]


def check(result, epochs):
    assert set(result) == {"quick", "settings", "versions", "seconds", "sections"}
    assert set(result["versions"]) == {"python", "tensorflow", "keras"}
    assert list(result["sections"]) == KEYS
    assert np.isfinite(numbers(result)).all()
    for key, section in result["sections"].items():
        assert set(section) == {"name", "published", "as_written", "right"}
        written = section["as_written"]
        common = {"ran", "loss", "accuracy", "test_loss", "test_accuracy", "seconds"}
        assert set(section["right"]) == common
        assert set(written) == common | {"test_accuracy_without_margin"}
        assert all(len(section[way][of]) == epochs for way in reproduce.WAYS for of in ("loss", "accuracy"))
        published = SECTIONS[section["name"]]
        assert section["published"]["loss"] == list(published.loss[:3]), key
        assert section["published"]["test_accuracy"] == published.accuracy[3], key
        assert written["test_accuracy"] <= written["test_accuracy_without_margin"], "a margin never helps"


@pytest.mark.full
def test_small_run_writes_its_result(small):
    out, _ = small
    result = json.loads((out / "reproduction-quick.json").read_text(encoding="utf-8"))
    check(result, epochs=1)
    assert result["quick"]
    assert result["settings"]["train_images"] == result["settings"]["test_images"] == 640
    cosface, arcface = (result["sections"][name]["as_written"] for name in ("cosface", "arcface"))
    assert arcface | {"seconds": 0} == cosface | {"seconds": 0}


@pytest.mark.full
def test_small_run_leaves_the_full_one(small):
    out, _ = small
    assert (out / "reproduction.json").read_text() == "the full run's"
    figures = {
        f"reproduction-quick_{k}_{way}.{s}" for k in KEYS for way in reproduce.WAYS for s in ("png", "svg")
    }
    names = {"reproduction.json", "reproduction-quick.json", "reproduction-quick.png"}
    assert {path.name for path in out.iterdir()} == names | figures


def test_small_run_prints_progress_and_table(small):
    _, printed = small
    progress = [line for line in printed.splitlines() if "epoch 1/1" in line]
    assert len(progress) == 8
    assert all("done, about" in line and line.endswith("left") for line in progress)
    assert progress[0].startswith("Softmax, as written")
    assert "100% done" in progress[-1]
    assert "\r" not in printed
    assert "QUICK VERSION, not comparable with the published figures: the first 640 training" in printed
    assert "cos(2·acos(max(cos θ, 0)))" in printed
    row = next(line for line in printed.splitlines() if line.startswith("ArcFace     0.9420 (0.2778)"))
    assert "CosFace, m = 0.1" in row
    assert row.endswith("ArcFace, m = 0.15")


def test_on_a_terminal_the_line_is_rewritten(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    progress = reproduce.Progress(epochs=2)
    progress.what = "Softmax, as written"
    progress.set_params({"steps": 4, "epochs": 2})
    progress.on_epoch_begin(0)
    progress.on_train_batch_end(0, {"loss": 1.0, "accuracy": 0.5})
    progress.on_epoch_end(0, {"loss": 0.5, "accuracy": 0.9})
    first, second = terminal.getvalue().split("\r")[1:]
    assert len(first) == 79
    assert "loss 1.0000" in first
    assert len(second) == 80
    assert second.endswith("\n")
    assert "loss 0.5000" in second


# The command line.


@pytest.fixture
def asked(monkeypatch):
    """What `run` was called with; it is interrupted at once."""
    calls = []

    def run(images, epochs):
        calls.append((images, epochs))
        raise KeyboardInterrupt

    monkeypatch.setattr(reproduce, "run", run)
    return calls


@pytest.mark.parametrize(
    ("arguments", "images", "epochs"),
    [
        ([], 60_000, 3),
        (["--quick"], 12_000, 1),
        (["--quick", "--epochs", "2"], 12_000, 2),
        (["--images", "9"], 9, 3),
    ],
)
def test_what_a_run_does_and_that_an_interrupted_one_writes_nothing(
    asked, tmp_path, capsys, arguments, images, epochs
):
    assert reproduce.main([*arguments, "--out", str(tmp_path / "a" / "b")]) == 130
    assert asked == [(images, epochs)]
    assert "Interrupted: no result was written." in capsys.readouterr().out
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_what_is_asked_for_without_a_folder_leaves_the_books_own_results_alone(asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert reproduce.main(["--quick"]) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["_build"]


def test_a_result_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "reproduction.json"
    reproduce.write(path, {"a": 1})

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    for where in ("json.dumps", "os.replace"):
        with monkeypatch.context() as patch:
            patch.setattr(where, interrupt)
            with pytest.raises(KeyboardInterrupt):
                reproduce.write(path, {"a": 2})
        assert json.loads(path.read_text()) == {"a": 1}
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "argument --epochs: must be a whole number from 1 to 1000, got '0'"),
        (["--images", "-5"], "argument --images: must be a whole number from 1 to 60000, got '-5'"),
        (["--images", "60001"], "argument --images: must be a whole number from 1 to 60000, got '60001'"),
        (["--images", "some"], "argument --images: must be a whole number from 1 to 60000, got 'some'"),
        (["--fast"], "unrecognized arguments: --fast"),
        (["--out", __file__], "argument --out: cannot make the folder"),
    ],
)
def test_bad_arguments(asked, capsys, arguments, message):
    with pytest.raises(SystemExit, match="2"):
        reproduce.main(arguments)
    assert message in capsys.readouterr().err
    assert not asked


# The committed result.


def test_committed_result():
    result = json.loads((RESULTS / "reproduction.json").read_text(encoding="utf-8"))
    check(result, epochs=3)
    assert not result["quick"]
    assert result["settings"] == {
        "train_images": 60_000,
        "test_images": 10_000,
        "epochs": 3,
        "batch": 32,
        "seed": 1,
        "optimizer": "adam",
    }
    right = {name: {**section["right"], "seconds": 0} for name, section in result["sections"].items()}
    assert right["arcface"]["ran"] == "ArcFace, m = 0.15"
    assert right["arcface"]["loss"] != right["cosface"]["loss"]
    assert right["arcface"]["test_accuracy"] != right["cosface"]["test_accuracy"]
    assert min(figures["test_accuracy"] for figures in right.values()) > 0.9
    text = reproduce.table(result)
    assert "QUICK" not in text
    assert "60,000 training and 10,000 test images, epochs: 3." in text


def test_committed_figure_is_small():
    assert (RESULTS / "reproduction.png").stat().st_size < 300_000
