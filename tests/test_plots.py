"""Figures: what is drawn, that it can be read, and that it looks as it did.

pytest tests/test_plots.py --mpl                                   compare with the baseline images
pytest tests/test_plots.py --mpl-generate-path=tests/baseline      draw them anew; then look at each
"""

import ast
import inspect
import itertools
import sys
from types import SimpleNamespace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.text import Text

from marginlab import plots
from marginlab.family import FAMILY

PI = np.pi


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


# Made data.


def flower(n=2000, width=0.11, radius=30.0, seed=0):
    """Ten petals, as softmax grows them: embeddings (n, 2), labels (n,), directions (10, 2)."""
    rng = np.random.default_rng(seed)
    angles = rng.permutation(10) * PI / 5 + rng.normal(0, 0.1, 10)
    labels = rng.integers(0, 10, n)
    r = radius * rng.beta(2.5, 2, n) * (0.7 + 0.5 * rng.random(10)[labels])
    a = angles[labels] + rng.normal(0, width, n)
    return np.c_[r * np.cos(a), r * np.sin(a)], labels, np.c_[np.cos(angles), np.sin(angles)]


def wreath(n=2000, seed=1):
    """Ten tight clusters on a ring with 1 % of strays, as a margin head makes them."""
    rng = np.random.default_rng(seed)
    angles = rng.permutation(10) * PI / 5
    labels = rng.integers(0, 10, n)
    place = np.where(rng.random(n) < 0.01, rng.integers(0, 10, n), labels)
    a, r = angles[place] + rng.normal(0, 0.035, n), rng.normal(8, 1, n)
    return np.c_[r * np.cos(a), r * np.sin(a)], labels, np.c_[np.cos(angles), np.sin(angles)]


def frames(n=13):
    def frame(i):
        t = i / (n - 1)
        embeddings, labels, directions = flower(300, 0.9 - 0.8 * t, 1 + 20 * t, seed=5)
        return SimpleNamespace(
            step=100 * i,
            loss=2.3 - 2 * t,
            accuracy=0.1 + 0.85 * t,
            embeddings=embeddings,
            labels=labels,
            class_directions=directions,
        )

    return [frame(i) for i in range(n)]


THETA = np.linspace(0, PI, 181)
SMALL = np.geomspace(1e-8, 1, 81)
STEPS = np.arange(0, 1000, 50)
MARGINS, SCALES = np.linspace(0, 1, 21), np.geomspace(1, 64, 13)
LOSSES = np.log1p(9 * np.exp(-SCALES[:, None] * (np.cos(MARGINS) - 0.8)))


def unrolled(phi):
    k = np.floor(phi / PI)
    return (-1) ** k * np.cos(phi) - 2 * k


def psi_curves():
    return {
        "NormFace": np.cos(THETA),
        "SphereFace, 1.5": (unrolled(1.5 * THETA), np.cos(1.5 * THETA)),
        "CosFace, 0.35": np.cos(THETA) - 0.35,
        "ArcFace, 0.5": (unrolled(THETA + 0.5), np.cos(THETA + 0.5)),
    }


def gradient_curves():
    size = np.sin(SMALL + 0.3)
    return {
        "atan2": size,
        "acos": np.where(SMALL < 1e-6, np.inf, np.where(SMALL < 3e-4, np.nan, size)),
        "clip, acos": np.where(SMALL < 4e-3, 0, size),
    }


def boundaries():
    theta1 = np.linspace(0, PI / 2, 91)
    with np.errstate(invalid="ignore"):
        cosface = np.arccos(np.where(np.cos(theta1) > 0.2, np.cos(theta1) - 0.35, np.nan))
    return theta1, {"NormFace": theta1, "SphereFace, 1.5": 1.5 * theta1, "CosFace, 0.35": cosface}


def training():
    losses = 2.3 * np.exp(-STEPS / 250) + 0.1
    losses[-5:] = np.nan
    return STEPS, losses, 0.97 - 0.87 * np.exp(-STEPS / 150)


FIGURES = {
    "class_directions": lambda: plots.class_directions(flower()[2]),
    "class_directions_close": lambda: plots.class_directions([[1, 0], [1, 0.02], [1, -0.02], [-1, 0.5]]),
    "scatter_flower": lambda: plots.scatter(*flower()),
    "scatter_wreath": lambda: plots.scatter(*wreath()),
    "scatter_on_circle_flower": lambda: plots.scatter_on_circle(*flower()),
    "scatter_on_circle_wreath": lambda: plots.scatter_on_circle(*wreath()),
    "frame_strip": lambda: plots.frame_strip(frames()),
    "frame_strip_rows": lambda: plots.frame_strip(frames(), columns=3, rows=2, share_limits=True),
    "psi": lambda: plots.psi(THETA, psi_curves()),
    "gradient_by_angle": lambda: plots.gradient_by_angle(SMALL, gradient_curves()),
    "gradient_by_angle_log": lambda: plots.gradient_by_angle(SMALL, gradient_curves(), log_y=True),
    "decision_boundary": lambda: plots.decision_boundary(*boundaries()),
    "loss_landscape": lambda: plots.loss_landscape(
        MARGINS, SCALES, LOSSES, chosen=(0.3, 30), largest_margin=0.63
    ),
    "training_curves": lambda: plots.training_curves(*training()),
}
each_figure = pytest.mark.parametrize("name", FIGURES)


def figure(drawn):
    return drawn if isinstance(drawn, Figure) else drawn.figure


def texts(ax):
    return [text.get_text() for text in ax.texts]


def cloud(ax):
    """The collection of rasterized points."""
    (points,) = [c for c in ax.collections if c.get_rasterized()]
    return points


# Every figure.


@each_figure
@pytest.mark.mpl_image_compare(
    baseline_dir="baseline", style="default", tolerance=5, savefig_kwargs={"dpi": 60}, deterministic=True
)
def test_looks_as_before(name):
    return figure(FIGURES[name]())


@each_figure
def test_returns_axes_or_a_figure_of_panels(name):
    assert isinstance(FIGURES[name](), Figure if name.startswith("frame_strip") else Axes)
    assert len(plt.get_fignums()) == 1


@each_figure
def test_text_is_legible_on_a_phone_and_inside_the_figure(name):
    fig = figure(FIGURES[name]())
    fig.canvas.draw()
    width, height = fig.canvas.get_width_height()
    # Tick labels outside the limits are kept by matplotlib, and not drawn.
    axes = [axis for ax in fig.axes for axis in (ax.xaxis, ax.yaxis)]
    ticks = [tick for axis in axes if axis.axes.axison for tick in axis._update_ticks()]
    unseen = {text for axis in axes for text in axis.findobj(Text) if text is not axis.label}
    unseen -= {text for tick in ticks for text in (tick.label1, tick.label2)}
    shown = [
        text for text in fig.findobj(Text) if text.get_text() and text.get_visible() and text not in unseen
    ]
    assert len(shown) > 3
    for text in shown:
        assert text.get_fontsize() * plots.PHONE / (72 * fig.get_figwidth()) >= 9, text
        box = text.get_window_extent()
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= width, text
        assert box.y1 <= height, text


@each_figure
def test_leaves_the_style_of_others_alone(name):
    before = dict(matplotlib.rcParams)
    FIGURES[name]()
    assert dict(matplotlib.rcParams) == before


DRAW_INTO = {
    "class_directions": lambda ax: plots.class_directions(flower()[2], ax=ax),
    "scatter": lambda ax: plots.scatter(*flower(50), ax=ax),
    "scatter_on_circle": lambda ax: plots.scatter_on_circle(*flower(50), ax=ax),
    "psi": lambda ax: plots.psi(THETA, psi_curves(), ax=ax),
    "gradient_by_angle": lambda ax: plots.gradient_by_angle(SMALL, gradient_curves(), ax=ax),
    "decision_boundary": lambda ax: plots.decision_boundary(*boundaries(), ax=ax),
    "loss_landscape": lambda ax: plots.loss_landscape(MARGINS, SCALES, LOSSES, ax=ax),
    "training_curves": lambda ax: plots.training_curves(*training(), ax=ax),
}


@pytest.mark.parametrize("name", DRAW_INTO)
def test_draws_into_the_axes_given(name):
    ax = Figure().subplots()
    assert DRAW_INTO[name](ax) is ax
    assert ax.has_data()
    assert not plt.get_fignums()


def test_every_public_function_is_tested():
    functions = {name for name in plots.__all__ if inspect.isfunction(getattr(plots, name))}
    assert functions == {*DRAW_INTO, "frame_strip", "styled", "mark_undrawable"}
    drawn = functions - {"styled", "mark_undrawable"}  # what the drawing functions are made of
    assert all(any(figure.startswith(name) for figure in FIGURES) for name in drawn)


def test_imports_only_numpy_and_matplotlib():
    tree = ast.parse(inspect.getsource(plots))
    names = [a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names]
    names += [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert {name.split(".")[0] for name in names} - sys.stdlib_module_names == {"matplotlib", "numpy"}


# Colours.

# Machado, Oliveira and Fernandes 2009, severity 1.0; on linear sRGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def linear(colours):
    srgb = np.array([to_rgb(colour) for colour in colours])
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def lab(linear_srgb):
    xyz = linear_srgb.clip(0, 1) @ XYZ.T / XYZ.sum(axis=1)
    x, y, z = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def least_distance(colours, vision):
    """The least CIE76 ΔE between two of the colours as seen."""
    seen = lab(linear(colours) @ np.transpose(VISION[vision]))
    return min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2))


def test_lab_of_known_colours():
    np.testing.assert_allclose(lab(linear(["white"])), [[100, 0, 0]], atol=0.01)
    np.testing.assert_allclose(lab(linear(["#ff0000"])), [[53.24, 80.09, 67.20]], atol=0.02)


@pytest.mark.parametrize("vision", VISION)
def test_palette_can_be_told_apart(vision):
    assert len(set(plots.PALETTE)) == 10
    assert least_distance(plots.PALETTE, vision) > 22


@pytest.mark.parametrize("vision", ["protanopia", "deuteranopia"])
def test_the_usual_palette_cannot_be_told_apart(vision):
    assert least_distance([f"C{i}" for i in range(10)], vision) < 8


def test_palette_stands_out_from_white():
    luminance = linear(plots.PALETTE) @ XYZ[1]
    assert (1.05 / (luminance + 0.05)).min() >= 3


# Embeddings.


def test_class_directions_are_normalised_and_named():
    ax = plots.class_directions([[3, 0], [0, -2], [0, 0], [np.nan, 1]])
    rays = [line.get_xydata()[1] for line in ax.lines]
    np.testing.assert_allclose(rays, [[1, 0], [0, -1]], atol=1e-12)
    assert sorted(texts(ax)) == ["0", "1"]


def test_close_class_directions_keep_their_names_apart():
    ax = plots.class_directions([[1, 0], [1, 0], [1, 0.001], [1, -0.001]])
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert len(boxes) == 4
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


# Of ten classes, where they stand: anywhere, in one heap, in two, a hair apart, on either side of ±π.
ANGLES = st.one_of(
    st.lists(st.floats(-PI, PI), min_size=2, max_size=10),
    st.tuples(st.floats(-PI, PI), st.integers(2, 10)).map(lambda a: [a[0]] * a[1]),
    st.lists(st.sampled_from([0.0, 0.01, PI, -PI, PI - 1e-9, 1e-300, 2.0, 2.1]), min_size=2, max_size=10),
)


@pytest.mark.parametrize("side", [1.5, 4.8])  # of the picture, in inches
@settings(max_examples=15)
@given(angles=ANGLES, reach=st.floats(0, 5))
def test_names_of_classes_never_touch_and_stay_near_their_place(side, angles, reach):
    angles = np.array(angles)
    w = np.c_[np.cos(angles), np.sin(angles)]
    labels = np.arange(len(w))
    figure, axes = plt.subplots(1, 3, figsize=(3 * side, side), layout="constrained")
    plots.class_directions(w, axes[0])
    plots.scatter_on_circle(w, labels, w, axes[1])
    # A heap in the middle, as softmax leaves it, and one point far out.
    plots.scatter(np.r_[w * reach / 100, [[5, 5]]], [*labels, labels[-1]], ax=axes[2])
    figure.canvas.draw()
    for ax in axes:
        names = [text for text in ax.texts if text.get_weight() == "bold"]
        assert [text.get_text() for text in sorted(names, key=lambda text: int(text.get_text()))] == [
            str(k) for k in labels
        ]
        boxes = [text.get_window_extent() for text in names]
        assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
        if ax is axes[2]:
            middle = ax.transData.transform((0, 0))
            far = max(np.hypot(*(box.get_points().mean(axis=0) - middle)) for box in boxes[:-1])
            assert far < 0.02 * reach * side * figure.dpi + 4 * boxes[0].height
    plt.close(figure)


def test_scatter_draws_every_point_in_its_class_colour():
    embeddings, labels, directions = flower(500)
    ax = plots.scatter(embeddings, labels, directions)
    points = cloud(ax)
    np.testing.assert_array_equal(points.get_offsets(), embeddings)
    drawn = [to_hex(colour) for colour in points.get_facecolors()]
    assert drawn == [plots.PALETTE[k] for k in labels]
    assert texts(ax) == [str(k) for k in range(10)]
    for k, text in enumerate(ax.texts):
        np.testing.assert_allclose(text.get_position(), np.median(embeddings[labels == k], axis=0))
        assert text.get_color() == plots.PALETTE[k]
    assert ax.get_aspect() == 1
    low, high = ax.get_xlim()
    assert low == -high == ax.get_ylim()[0] == -ax.get_ylim()[1]
    assert high > np.abs(embeddings).max()
    rays = [line for line in ax.lines if line.get_color() in plots.PALETTE]
    assert [line.get_color() for line in rays] == list(plots.PALETTE)
    ends = np.array([line.get_xydata()[1] for line in rays])
    assert (np.linalg.norm(ends, axis=1) > high).all()
    np.testing.assert_allclose(ends / np.linalg.norm(ends, axis=1, keepdims=True), directions)


def test_scatter_fades_and_shrinks_with_number():
    few, many = (cloud(plots.scatter(*flower(n))) for n in (100, 10_000))
    assert many.get_alpha() < few.get_alpha()
    assert many.get_sizes()[0] < few.get_sizes()[0]


def test_ten_thousand_points_stay_a_small_svg(tmp_path):
    path = tmp_path / "scatter.svg"
    plots.scatter(*flower(10_000)).figure.savefig(path)
    assert path.stat().st_size < 400_000


@pytest.mark.parametrize("draw", [plots.scatter, plots.scatter_on_circle])
def test_nan_points_and_empty_classes_are_left_out(draw):
    ax = draw([[1, 2], [np.nan, 0], [np.inf, 1], [-3, 1]], np.array([7, 1, 2, 7], dtype=np.uint8))
    assert len(cloud(ax).get_offsets()) == 2
    assert texts(ax) == ["7"]
    assert np.isfinite(ax.get_xlim()).all()


@pytest.mark.parametrize("draw", [plots.scatter, plots.scatter_on_circle])
@pytest.mark.parametrize(
    ("embeddings", "labels"), [(np.zeros((0, 2)), []), (np.full((3, 2), np.nan), [0, 1, 2])]
)
def test_nothing_to_draw_is_no_error(draw, embeddings, labels):
    ax = draw(embeddings, labels, directions=np.eye(2))
    ax.figure.canvas.draw()
    assert len(cloud(ax).get_offsets()) == 0
    assert np.diff(ax.get_xlim()) > 0


def test_labels_beyond_the_palette_have_colours_too():
    ax = plots.scatter([[1, 0], [0, 1]], [3, 13])
    first, second = cloud(ax).get_facecolors()
    np.testing.assert_array_equal(first, second)
    assert texts(ax) == ["3", "13"]


def test_scatter_on_circle_keeps_angles_and_gives_each_class_a_ring():
    embeddings, labels, directions = wreath(400)
    ax = plots.scatter_on_circle(embeddings, labels, directions)
    points = cloud(ax).get_offsets()
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    radii = np.linalg.norm(points, axis=1)
    np.testing.assert_allclose(points / radii[:, None], unit, atol=1e-12)
    rings = [np.unique(radii[labels == k].round(9)) for k in range(10)]
    assert all(len(ring) == 1 for ring in rings)
    assert (np.diff(np.concatenate(rings)) < 0).all()
    assert rings[0] < 1
    drawn = {round(patch.get_radius(), 9) for patch in ax.patches if isinstance(patch, Circle)}
    assert drawn >= set(np.concatenate(rings))
    (dots,) = [c for c in ax.collections if not c.get_rasterized()]
    np.testing.assert_allclose(dots.get_offsets(), 1.02 * directions)


def test_scatter_on_circle_raises_density_where_points_are():
    angles = np.r_[np.full(300, 1.0), np.full(100, -2.0)]
    ax = plots.scatter_on_circle(np.c_[np.cos(angles), np.sin(angles)], np.repeat([0, 1], [300, 100]))
    peaks = []
    for line, at in zip(ax.lines, (1.0, -2.0), strict=True):
        radius = np.linalg.norm(line.get_xydata(), axis=1)
        top = line.get_xydata()[np.nanargmax(radius)]
        assert np.arctan2(*top[::-1]) == pytest.approx(at, abs=0.01)
        peaks.append(np.nanmax(radius) - 1.02)
    assert peaks[0] == pytest.approx(3 * peaks[1])


# Frames.


def test_frame_strip_picks_evenly_and_says_which():
    fig = plots.frame_strip(frames(13), columns=4)
    assert [ax.get_title() for ax in fig.axes] == [
        "step 0\n10.0 %",
        "step 400\n38.3 %",
        "step 800\n66.7 %",
        "step 1200\n95.0 %",
    ]
    assert all(len(cloud(ax).get_offsets()) == 300 for ax in fig.axes)
    assert all(sorted(texts(ax)) == [str(k) for k in range(10)] for ax in fig.axes)


def test_frame_strip_draws_no_empty_panel():
    assert len(plots.frame_strip(frames(3), columns=5).axes) == 3


def test_frame_strip_limits():
    own = [ax.get_xlim()[1] for ax in plots.frame_strip(frames(), columns=3).axes]
    shared = [ax.get_xlim()[1] for ax in plots.frame_strip(frames(), columns=3, share_limits=True).axes]
    assert own[0] < own[1] < own[2]
    assert shared == [pytest.approx(own[2])] * 3


def test_frame_strip_says_where_training_became_nan():
    dead = frames(2)
    dead[1].embeddings = np.full_like(dead[1].embeddings, np.nan)
    dead[1].class_directions = np.full((10, 2), np.nan)
    dead[1].accuracy = 0.098
    first, last = plots.frame_strip(dead).axes
    assert "NaN" not in texts(first)
    assert texts(last) == ["NaN"]


# Curves.


def test_psi_draws_cures_solid_and_naive_dashed_in_one_colour():
    ax = plots.psi(THETA, psi_curves())
    styles = [(line.get_color(), line.get_linestyle()) for line in ax.lines]
    sky, brick, navy, pink = plots.PALETTE[:4]
    assert styles == [(sky, "-"), (brick, "-"), (brick, "--"), (navy, "-"), (pink, "-"), (pink, "--")]
    np.testing.assert_array_equal(ax.lines[2].get_ydata(), np.cos(1.5 * THETA))
    assert sorted(texts(ax)) == sorted(psi_curves())
    ends = [text.xy[1] for text in ax.texts]  # each name's leader touches its line's end
    np.testing.assert_allclose(sorted(ends), sorted([-1, -2, -1.35, unrolled(PI + 0.5)]))
    assert all(text.arrow_patch for text in ax.texts)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["unrolled", "naive"]
    assert plots.psi(THETA, {"NormFace": np.cos(THETA)}).get_legend() is None


@pytest.mark.parametrize(
    ("end", "ticks"),
    [(PI, ["0", "π/4", "π/2", "3π/4", "π"]), (2 * PI, ["0", "π/2", "π", "3π/2", "2π"])],
)
def test_psi_ticks_are_multiples_of_pi(end, ticks):
    theta = np.linspace(0, end, 9)
    ax = plots.psi(theta, {"NormFace": np.cos(theta)})
    ax.figure.canvas.draw()
    labels = [t.get_text() for t in ax.get_xticklabels() if -1e-9 <= t.get_position()[0] <= end + 1e-9]
    assert labels == ticks


def test_names_of_curves_never_overlap():
    curves = {f"curve {i}": np.cos(THETA) + 0.001 * i for i in range(8)}
    ax = plots.psi(THETA, curves)
    ax.figure.canvas.draw()
    boxes = [Text.get_window_extent(text) for text in ax.texts]  # without the leaders
    assert len(boxes) == 8
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_a_head_and_a_form_have_one_colour_each():
    assert set(plots.COLOURS) == {"naive", "cured", *FAMILY}
    assert len(set(plots.COLOURS.values())) == len(plots.COLOURS)
    ax = plots.gradient_by_angle(SMALL, {"cured": np.sin(SMALL), "naive": np.cos(SMALL)})
    assert [line.get_color() for line in ax.lines[:2]] == [plots.COLOURS["cured"], plots.COLOURS["naive"]]


def test_gradient_marks_nan_infinity_and_zero():
    linear_axis = plots.gradient_by_angle(SMALL, gradient_curves())
    assert linear_axis.get_xscale() == "log"
    assert linear_axis.get_yscale() == "linear"
    assert {"NaN", "∞"} <= set(texts(linear_axis))
    assert "0" not in texts(linear_axis)

    log_axis = plots.gradient_by_angle(SMALL, gradient_curves(), log_y=True)
    assert {"NaN", "∞", "0"} <= set(texts(log_axis))
    marks = {
        text.get_text(): line
        for text, line in zip(
            [t for t in log_axis.texts if t.get_text() in ("NaN", "∞", "0")],
            [line for line in log_axis.lines if line.get_marker() == "x"],
            strict=True,
        )
    }
    infinite = SMALL[SMALL < 1e-6]
    np.testing.assert_array_equal(marks["∞"].get_xdata(), infinite[[0, -1]])
    np.testing.assert_array_equal(marks["0"].get_xdata(), SMALL[SMALL < 4e-3][[0, -1]])
    assert marks["NaN"].get_ydata()[0] > 0.8
    assert marks["0"].get_ydata()[0] < 0.2
    assert marks["NaN"].get_color() == plots.PALETTE[1]


def test_gradient_marks_each_run_of_nan():
    sizes = np.ones(6)
    sizes[[0, 3, 4]] = np.nan
    theta = np.geomspace(0.01, 1, 6)
    ax = plots.gradient_by_angle(theta, {"acos": sizes})
    crosses = [line.get_xdata() for line in ax.lines if line.get_marker() == "x"]
    np.testing.assert_array_equal(crosses, [theta[[0, 0]], theta[[3, 4]]])


@pytest.mark.parametrize("log_y", [False, True])
@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_a_curve_with_nothing_to_draw_is_still_named(value, log_y):
    ax = plots.gradient_by_angle(SMALL, {"dead": np.full(len(SMALL), value)}, log_y=log_y)
    ax.figure.canvas.draw()
    assert "dead" in texts(ax)


def test_marks_stay_clear_of_the_curves():
    ax = plots.gradient_by_angle(SMALL, gradient_curves())
    top = ax.transAxes.inverted().transform(ax.transData.transform((1, np.sin(1.3))))[1]
    assert top < min(line.get_ydata()[0] for line in ax.lines if line.get_marker() == "x") - 0.02


def test_decision_boundary_shades_between_head_and_diagonal():
    theta1, heads = boundaries()
    ax = plots.decision_boundary(theta1, {"SphereFace, 1.5": heads["SphereFace, 1.5"]})
    diagonal, boundary = ax.lines
    np.testing.assert_allclose(*diagonal.get_data())
    np.testing.assert_allclose(boundary.get_ydata(), 1.5 * theta1)
    (band,) = ax.collections
    (path,) = band.get_paths()
    assert path.contains_point((0.8, 1.0))
    assert not path.contains_point((0.8, 1.3))
    assert not path.contains_point((0.8, 0.7))
    assert ax.get_xlim() == ax.get_ylim() == (0, PI / 2)
    assert ax.get_aspect() == 1
    assert texts(ax) == ["class 1", "class 2"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["SphereFace, 1.5"]


def test_loss_landscape_shows_losses_logarithmically():
    ax = plots.loss_landscape(MARGINS, SCALES, LOSSES, chosen=(0.3, 30), largest_margin=0.63)
    mesh = cloud(ax)
    np.testing.assert_array_equal(mesh.get_array(), LOSSES)
    assert (mesh.norm.vmin, mesh.norm.vmax) == (LOSSES.min(), LOSSES.max())
    assert mesh.norm(np.sqrt(LOSSES.min() * LOSSES.max())) == pytest.approx(0.5)
    limit, star = ax.lines
    np.testing.assert_array_equal(limit.get_xdata(), 0.63)
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (0.3, 30)
    assert "largest feasible margin" in texts(ax)
    assert ax.get_yscale() == "log"
    assert ax.figure.axes[1].get_ylabel() == "loss"


def test_loss_landscape_leaves_impossible_losses_grey():
    losses = LOSSES.copy()
    losses[0, 0], losses[1, 1], losses[2, 2] = np.nan, np.inf, 0
    mask = np.ma.getmaskarray(cloud(plots.loss_landscape(MARGINS, SCALES, losses)).get_array())
    assert mask.sum() == 3
    assert mask[[0, 1, 2], [0, 1, 2]].all()


def test_loss_landscape_of_one_loss_and_a_margin_for_each_scale():
    ax = plots.loss_landscape(MARGINS, SCALES, np.ones((13, 21)), largest_margin=np.linspace(0.2, 0.8, 13))
    ax.figure.canvas.draw()
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), np.linspace(0.2, 0.8, 13))


def test_training_curves_hold_both_and_mark_nan():
    steps, losses, accuracies = training()
    ax = plots.training_curves(steps, losses, accuracies)
    twin = ax.figure.axes[1]
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), losses)
    np.testing.assert_allclose(twin.lines[0].get_ydata(), 100 * accuracies)
    assert (ax.get_ylabel(), twin.get_ylabel()) == ("loss", "accuracy (%)")
    assert texts(ax) == ["NaN"]
    np.testing.assert_array_equal(ax.lines[1].get_xdata(), [750, 950])
    assert texts(plots.training_curves(STEPS, np.ones(20), accuracies)) == []


# Bad input: named, with what came and what is allowed.

POINTS = np.zeros((3, 2))
BAD = {
    "directions (C, 3)": (
        lambda: plots.class_directions(np.ones((4, 3))),
        r"directions .*\(n, 2\), got shape \(4, 3\)",
    ),
    "directions of words": (lambda: plots.class_directions("north"), r"directions .*numbers.*got 'north'"),
    "embeddings (n,)": (lambda: plots.scatter(np.ones(3), [0, 1, 2]), r"embeddings .*got shape \(3,\)"),
    "ragged embeddings": (
        lambda: plots.scatter([[1, 2], [3]], [0, 1]),
        r"embeddings .*got \[\[1, 2\], \[3\]\]",
    ),
    "labels too few": (lambda: plots.scatter(POINTS, [0, 1]), r"labels .*\(3,\).*got shape \(2,\)"),
    "labels float": (lambda: plots.scatter_on_circle(POINTS, [0.0, 1, 2]), r"labels .*integers.*got float64"),
    "labels bool": (lambda: plots.scatter(POINTS, [True, False, True]), r"labels .*integers.*got bool"),
    "labels one-hot": (lambda: plots.scatter(POINTS, np.eye(3, dtype=int)), r"labels .*got shape \(3, 3\)"),
    "labels negative": (lambda: plots.scatter(POINTS, [0, -1, 2]), r"labels .*from 0.*got -1"),
    "scatter directions": (
        lambda: plots.scatter(POINTS, [0, 1, 2], np.ones(3)),
        r"directions .*got shape \(3,\)",
    ),
    "no frames": (lambda: plots.frame_strip([]), r"frames .*got none"),
    "no columns": (lambda: plots.frame_strip(frames(2), columns=0), r"columns .*at least 1, got 0"),
    "half a row": (lambda: plots.frame_strip(frames(2), rows=1.5), r"rows .*whole.*got 1\.5"),
    "theta falls": (lambda: plots.psi([1, 0], {"a": [0, 1]}), r"theta .*ascending.*got \[1\. 0\.\]"),
    "theta NaN": (lambda: plots.psi([0, np.nan], {"a": [0, 1]}), r"theta .*finite.*nan"),
    "one theta": (lambda: plots.psi([0], {"a": [0]}), r"theta .*two or more"),
    "curves a list": (lambda: plots.psi([0, 1], [0, 1]), r"curves .*dict.*got \[0, 1\]"),
    "no curves": (lambda: plots.gradient_by_angle([1, 2], {}), r"curves .*one or more.*got \{\}"),
    "curve too long": (
        lambda: plots.psi([0, 1], {"a": [1, 2, 3]}),
        r"curves\['a'\] .*\(2,\).*got shape \(3,\)",
    ),
    "naive too long": (lambda: plots.psi([0, 1], {"a": ([1, 2], [1])}), r"curves\['a'\] .*got shape \(1,\)"),
    "three of a curve": (
        lambda: plots.psi([0, 1], {"a": ([1, 2],) * 3}),
        r"curves\['a'\] .*got a tuple of 3",
    ),
    "theta 0 on a log axis": (
        lambda: plots.gradient_by_angle([0, 1], {"a": [1, 1]}),
        r"theta .*above 0.*got \[0\. 1\.\]",
    ),
    "size below 0": (
        lambda: plots.gradient_by_angle([1, 2], {"a": [-1, 1]}),
        r"curves\['a'\] .*\[0, inf\], got -1\.0",
    ),
    "boundary too short": (
        lambda: plots.decision_boundary([0, 1], {"a": [0]}),
        r"boundaries\['a'\] .*got shape \(1,\)",
    ),
    "losses transposed": (
        lambda: plots.loss_landscape(MARGINS, SCALES, LOSSES.T),
        r"losses .*\(13, 21\), \(scales, margins\), got shape \(21, 13\)",
    ),
    "scale 0": (lambda: plots.loss_landscape([0, 1], [0, 1], np.ones((2, 2))), r"scales .*above 0"),
    "losses all 0": (lambda: plots.loss_landscape([0, 1], [1, 2], np.zeros((2, 2))), r"losses .*above 0"),
    "chosen": (lambda: plots.loss_landscape(MARGINS, SCALES, LOSSES, chosen=0.3), r"chosen .*pair"),
    "largest_margin": (
        lambda: plots.loss_landscape(MARGINS, SCALES, LOSSES, largest_margin=[0.1, 0.2]),
        r"largest_margin .*\(13,\).*scales, got shape \(2,\)",
    ),
    "accuracy in per cent": (
        lambda: plots.training_curves([0, 1], [1, 1], [10, 93]),
        r"accuracies .*\[0, 1\], got 10\.0 to 93\.0",
    ),
    "losses too few": (
        lambda: plots.training_curves([0, 1], [1], [0, 1]),
        r"losses .*steps, got shape \(1,\)",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    draw, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        draw()
    assert not plt.get_fignums()  # refused before a figure is made
