"""Figures: arrays in, Axes out. Knows no Keras.

Every function draws into `ax`, or into a new figure when none is given, and
returns the Axes; only `frame_strip`, which has many panels, returns the Figure.
Classes and curves are named where they lie, so that colour is never the only
way to tell them apart; names beside the axes need a figure with
layout="constrained", as a new one has. Wrong input raises a ValueError that names the argument,
says what came and what is allowed.
"""

import contextlib
import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, to_rgba_array
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, MultipleLocator, NullLocator
from matplotlib.transforms import Bbox
from numpy.typing import ArrayLike

__all__ = [
    "COLOURS",
    "DASHES",
    "PALETTE",
    "STYLE",
    "class_directions",
    "decision_boundary",
    "frame_strip",
    "gradient_by_angle",
    "loss_landscape",
    "mark_undrawable",
    "psi",
    "scatter",
    "scatter_on_circle",
    "styled",
    "training_curves",
]

# Found by annealing for the largest least distance (CIE76 and CIEDE2000) under
# normal vision, protanopia, deuteranopia and tritanopia (Machado et al. 2009),
# among colours of contrast 3:1 or more with white, as WCAG 2.1 asks of graphics.
# Each next colour is the one furthest from those before it.
PALETTE = (
    "#2f97fa",  # sky
    "#a93023",  # brick
    "#24365b",  # navy
    "#e8699b",  # pink
    "#6c26b5",  # violet
    "#969664",  # sage
    "#ac7801",  # ochre
    "#6e6db3",  # periwinkle
    "#1e735e",  # pine
    "#622022",  # maroon
)

# One colour a head and one a form, in every figure of the book that draws them.
COLOURS = {
    "naive": PALETTE[1],
    "cured": PALETTE[0],
    "softmax": PALETTE[5],
    "normface": PALETTE[2],
    "sphereface": PALETTE[6],
    "cosface": PALETTE[8],
    "arcface": PALETTE[4],
    "combined": PALETTE[3],
}

# Beside the colours, for whoever tells no colours apart: the first curve, the second …
DASHES = ("-", (0, (5, 1.6)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)))

INK, FAINT = "#2b2d33", "#c9ccd3"
PHONE = 340  # px: the width of a phone's column, at which text must still be read
SQUARE, WIDE = (5.0, 5.0), (6.0, 4.5)  # inches

# At PHONE px a figure W inches wide shows n points as n·PHONE/(72·W) px: 12 pt
# is 11 px in SQUARE and 9 px in WIDE.
STYLE: dict[Any, Any] = {
    "figure.figsize": SQUARE,
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.08,
    "font.family": "DejaVu Sans",
    "font.size": 13,
    "axes.labelsize": 13,
    "axes.titlesize": 13,
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
    "legend.fontsize": 12,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.facecolor": "white",
    "axes.linewidth": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "lines.linewidth": 2.4,
    "lines.solid_capstyle": "round",
}


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """A context, or decorator, in which figures are drawn in `STYLE`."""
    with matplotlib.rc_context(STYLE):
        yield
        # A notebook's backend turns interactive figures on when the first figure is made.
        # Undone with the style, no later figure would be shown.
        interactive = matplotlib.is_interactive()
    matplotlib.interactive(interactive)


# Input.


def _array(name, value, shape, allowed):
    """value as floats of the given shape, in which None is any length."""
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be {allowed}, got {value!r}") from None
    if array.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, array.shape, strict=True)):
        raise ValueError(f"{name} must be {allowed}, got shape {array.shape}")
    return array


def _points(name, value):
    return _array(name, value, (None, 2), "an array of numbers of shape (n, 2)")


def _axis(name, value, positive=False):
    """What the others are drawn against."""
    allowed = f"two or more ascending finite numbers{' above 0' * positive}, of shape (n,)"
    axis = _array(name, value, (None,), allowed)
    good = len(axis) >= 2 and np.isfinite(axis).all() and (np.diff(axis) > 0).all()
    if not good or (positive and axis[0] <= 0):
        raise ValueError(f"{name} must be {allowed}, got {axis}")
    return axis


def _line(name, value, length, axis, low=-np.inf, high=np.inf):
    """One number for each of an axis; NaN may stand anywhere."""
    line = _array(name, value, (length,), f"an array of numbers of shape ({length},), one for each of {axis}")
    if (line < low).any() or (line > high).any():
        raise ValueError(f"{name} must lie in [{low}, {high}], got {np.nanmin(line)} to {np.nanmax(line)}")
    return line


def _labels(value, length):
    labels = np.asarray(value)
    if labels.size == 0:
        labels = labels.astype(int)  # an empty list has no type of its own
    allowed = f"integers from 0, of shape ({length},), one for each of embeddings"
    if labels.dtype.kind not in "iu":
        raise ValueError(f"labels must be {allowed}, got {labels.dtype}")
    if labels.shape != (length,):
        raise ValueError(f"labels must be {allowed}, got shape {labels.shape}")
    if length and labels.min() < 0:
        raise ValueError(f"labels must be {allowed}, got {labels.min()}")
    return labels.astype(int)


def _curves(name, value, length, axis, most=1, low=-np.inf):
    """{curve: [line, …]} of one or, where a curve is a tuple, up to most lines each."""
    if not isinstance(value, dict) or not value:
        raise ValueError(f"{name} must be a dict of name to values, with one or more names, got {value!r}")
    curves = {curve: lines if isinstance(lines, tuple) else (lines,) for curve, lines in value.items()}
    for curve, lines in curves.items():
        if not 1 <= len(lines) <= most:
            allowed = (
                "values or a tuple (values, naive values)" if most > 1 else "values, not a tuple of them"
            )
            raise ValueError(f"{name}[{curve!r}] must be {allowed}, got a tuple of {len(lines)}")
    return {
        curve: [_line(f"{name}[{curve!r}]", line, length, axis, low) for line in lines]
        for curve, lines in curves.items()
    }


# Parts.


def _axes(ax, figsize=SQUARE):
    return plt.subplots(figsize=figsize)[1] if ax is None else ax


def _colour(k: int, name: str = "") -> str:
    return COLOURS[name] if name in COLOURS else PALETTE[k % len(PALETTE)]


def _halo(width=3.5, colour="white"):
    return [withStroke(linewidth=width, foreground=colour)]


class _Names(Artist):
    """Classes' labels, each where it is wished or as near as it can stand without touching one before it.

    How large a label is beside the axes is known only when they are drawn, at whatever size and
    resolution: so this finds the places then, and the labels are drawn after it.
    """

    zorder = 4.9

    def __init__(self, ax):
        super().__init__()
        self.labels = []  # (text, x, y)
        self.set_in_layout(False)
        ax.add_artist(self)

    def add(self, at, label, size=15.0):
        text = {"size": size, "weight": "bold", "ha": "center", "va": "center", "zorder": 5}
        axes: Any = self.axes
        text = axes.text(*at, str(label), color=_colour(label), path_effects=_halo(), **text)
        self.labels.append((text, *at))

    def get_window_extent(self, renderer=None):
        return Bbox.null()

    def draw(self, renderer):
        to_px = self.axes.transData
        middle = self.axes.bbox.get_points().mean(axis=0)
        taken = []
        for text, *wish in self.labels:
            text.set_position(wish)
            own, at = text.get_window_extent(renderer), to_px.transform(wish)
            for step in _nearby(at - middle, own.height / 8):
                box = own.translated(*step)
                if not any(box.padded(1).overlaps(other) for other in taken):
                    break
            taken.append(box)
            text.set_position(to_px.inverted().transform(at + step))
            far = float(np.linalg.norm(step))
            if far > 0.75 * own.height:  # far enough to need a line to where it belongs
                start = at + step * (1 - 0.5 * own.height / far)
                line = Line2D(*zip(at, start, strict=True), color=text.get_color(), lw=0.9)
                line.set_figure(self.axes.figure)
                line.draw(renderer)
        self.stale = False


def _nearby(outward, unit):
    """Moves (2,) from none to ever larger ones, by `unit`, all around, outward first."""
    yield np.zeros(2)
    first = np.arctan2(outward[1], outward[0])
    for r in itertools.count(1):
        for k in range(24):
            turn = first + np.pi / 12 * ((k + 1) // 2) * (-1) ** k
            yield r * unit * np.array([np.cos(turn), np.sin(turn)])


def _unit(vectors):
    """Rows of length 1; a row without a direction becomes NaN."""
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(np.isfinite(unit).all(axis=1, keepdims=True), unit, np.nan)


def _angles(vectors):
    return np.arctan2(vectors[:, 1], vectors[:, 0])


def _rays(ax, directions, length, **line):
    """A line from the origin along each direction (C, 2) that is one."""
    for k, (x, y) in enumerate(length * _unit(directions)):
        if np.isfinite(x):
            ax.plot([0, x], [0, y], color=_colour(k), solid_capstyle="butt", **line)


def _name_around(ax, angles, radius, size=15.0, step=0.14):
    """Write label k at angles[k] (C,), radians, clear of its neighbour. Returns the radius that holds all.

    step is a label's height over the radius.
    """
    around = np.flatnonzero(np.isfinite(angles))
    around = around[np.argsort(angles[around] % (2 * np.pi))]
    gaps = np.diff(angles[around], prepend=angles[around[-1:]]) % (2 * np.pi)
    start = np.argmax(gaps) if len(gaps) else 0
    last = level = 0
    names = _Names(ax)
    for i in np.roll(np.arange(len(around)), -start):  # from the widest gap, which no pile straddles
        level = level + 1 if i != start and gaps[i] < step else 0
        last = max(last, level)
        r = radius * (1 + step * level)
        turn = angles[around[i]]
        names.add((r * np.cos(turn), r * np.sin(turn)), around[i], size)
    return radius * (1 + step * (last + 0.6))


def _square(ax, radius):
    """The origin in the middle: the angle is what is to be seen."""
    ax.set(xlim=(-radius, radius), ylim=(-radius, radius), aspect="equal")


def _circle(ax, radius=1.0, **line):
    ax.add_patch(Circle((0, 0), radius, fill=False, **({"ec": FAINT, "lw": 1.2, "zorder": 0} | line)))


def _pi(value, _=None):
    """0.785… as "π/4"."""
    part = Fraction(value / np.pi).limit_denominator(4)
    n, over = part.numerator, part.denominator
    return {0: "0", 1: "π", -1: "−π"}.get(n, f"{n}π".replace("-", "−")) + (f"/{over}" if over > 1 else "")


def _radians(axis, low, high):
    """Ticks at multiples of π/4, or of π/2 where the axis is long."""
    axis.axes.set(**{f"{axis.axis_name}lim": (low, high)})
    axis.set_major_locator(MultipleLocator(np.pi / (4 if high - low <= 1.01 * np.pi else 2)))
    axis.set_major_formatter(FuncFormatter(_pi))


def _name_ends(ax, ends, gap=0.085):
    """Name lines beside the right edge, without overlap. ends: [(name, colour, x, y)]; limits must be set."""
    to_fraction = ax.transData + ax.transAxes.inverted()
    ends = sorted(ends, key=lambda end: end[3])
    n = len(ends)
    wish = [to_fraction.transform((x, y))[1] - gap * i for i, (_, _, x, y) in enumerate(ends)]
    # Isotonic regression: the least squares move that keeps every gap.
    move = [max(min(np.mean(wish[j : k + 1]) for k in range(i, n)) for j in range(i + 1)) for i in range(n)]
    at = np.clip(move, 0, max(1 - gap * (n - 1), 0)) + gap * np.arange(n)
    for (name, colour, x, y), place in zip(ends, at, strict=True):
        leader = {
            "arrowstyle": "-",
            "color": colour,
            "lw": 0.9,
            "shrinkA": 1,
            "shrinkB": 0,
            "relpos": (0, 0.5),
        }
        text = {"color": colour, "size": 12, "va": "center", "annotation_clip": False, "arrowprops": leader}
        ax.annotate(name, (x, y), (1.06, place), textcoords="axes fraction", **text)


def _drawable(ax, y):
    return np.isfinite(y) & ((y > 0) | (ax.get_yscale() != "log"))


def _end(ax, name, colour, x, y):
    """Where a line ends: its last drawable point, or the top right corner if it has none."""
    drawn = np.flatnonzero(_drawable(ax, y))
    last = drawn[-1] if len(drawn) else -1
    return name, colour, x[last], y[last] if len(drawn) else ax.get_ylim()[1]


def mark_undrawable(ax: Axes, lines: list, row: float = 0.11) -> None:
    """Mark at the edge what a line cannot show: NaN and ∞ above, on a log axis 0 below.

    lines: [(colour, x, y)], already drawn. Each line with such values gets a row
    of its own, and the limits make room for the rows.
    """

    def rows(tests):
        marks = [(colour, x, {word: test(y) for word, test in tests.items()}) for colour, x, y in lines]
        return [mark for mark in marks if any(bad.any() for bad in mark[2].values())]

    above = rows({"NaN": np.isnan, "∞": np.isinf})
    below = rows({"0": lambda y: y == 0}) if ax.get_yscale() == "log" else []
    if not any(_drawable(ax, y).any() for _, _, y in lines):
        ax.set_ylim(0.1, 1)
    scale = ax.yaxis.get_transform()
    low, high = scale.transform(ax.get_ylim())
    unit = (high - low) / max(1 - row * len(above + below), 0.2)
    ax.set_ylim(*scale.inverted().transform([low - unit * row * len(below), high + unit * row * len(above)]))

    heights = [1 - row * (i + 0.75) for i in range(len(above))] + [
        row * (i + 0.25) for i in range(len(below))
    ]
    edge = ax.get_xaxis_transform()  # x in data, y in fractions of the axes
    for height, (colour, x, words) in zip(heights, above + below, strict=True):
        for word, bad in words.items():
            starts, stops = np.flatnonzero(np.diff(bad, prepend=False, append=False)).reshape(-1, 2).T
            for first, last in zip(starts, stops - 1, strict=True):
                line = {"color": colour, "lw": 1, "ms": 7, "mew": 2, "transform": edge, "clip_on": False}
                ax.plot(x[[first, last]], [height, height], "x-", **line)
                text = {"color": colour, "size": 12, "ha": "center", "va": "bottom"}
                middle = (x[(first + last) // 2], height)
                ax.annotate(word, middle, (0, 4), xycoords=edge, textcoords="offset points", **text)


# Embeddings.


@styled()
def class_directions(directions: ArrayLike, ax: Axes | None = None) -> Axes:
    """Class directions as rays on the unit circle, each with its label.

    Args:
        directions: (C, 2); only the direction of a row counts, and a row of
            zeros or NaN is left out.
    """
    directions = _points("directions", directions)
    ax = _axes(ax)
    unit = _unit(directions)
    _circle(ax)
    _rays(ax, directions, 1.0, lw=2.4)
    ax.scatter(*unit.T, s=70, c=[_colour(k) for k in range(len(unit))], zorder=3)
    _square(ax, _name_around(ax, _angles(unit), 1.15))
    ax.axis("off")
    return ax


def _cloud(ax, points, labels, size=1.0, alpha=0.4, **options):
    """Points ``(n, 2)`` in the order given, so that no class is painted over by the next."""
    n = max(len(points), 1)
    colours = to_rgba_array(PALETTE)[labels % len(PALETTE)]
    size, alpha = size * np.clip(15000 / n, 5, 30), np.clip(25 / n**0.5, alpha, 0.85)
    # Thousands of vector points would make an SVG of megabytes.
    ax.scatter(*points.T, s=size, c=colours, alpha=alpha, linewidths=0, rasterized=True, **options)


def _extent(embeddings):
    """The largest distance from the origin, of (n, 2) without NaN; 1 if there is none."""
    return np.linalg.norm(embeddings, axis=1).max(initial=0) or 1.0


def _finite(points):
    return np.isfinite(points).all(axis=1)


def _scatter_input(embeddings, labels, directions):
    embeddings = _points("embeddings", embeddings)
    labels = _labels(labels, len(embeddings))
    return embeddings, labels, None if directions is None else _points("directions", directions)


@styled()
def scatter(
    embeddings: ArrayLike, labels: ArrayLike, directions: ArrayLike | None = None, ax: Axes | None = None
) -> Axes:
    """2-D embeddings by class, the origin in the middle, each class named at its median.

    Args:
        embeddings: (N, 2); rows with NaN or infinity are left out.
        labels: (N,) integers from 0.
        directions: (C, 2) class directions, drawn as rays.
    """
    embeddings, labels, directions = _scatter_input(embeddings, labels, directions)
    ax = _axes(ax)
    ax.axhline(0, color=FAINT, lw=0.8, zorder=0)
    ax.axvline(0, color=FAINT, lw=0.8, zorder=0)
    finite = _finite(embeddings)
    embeddings, labels = embeddings[finite], labels[finite]
    radius = 1.05 * _extent(embeddings)
    if directions is not None:
        _rays(ax, directions, 2 * radius, lw=1.3, alpha=0.75, zorder=1)
    _cloud(ax, embeddings, labels, zorder=2)
    names = _Names(ax)
    for k in np.unique(labels):
        names.add(np.median(embeddings[labels == k], axis=0), k)
    _square(ax, radius)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(5))
    ax.set(xlabel="$x_1$", ylabel="$x_2$")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return ax


@styled()
def scatter_on_circle(
    embeddings: ArrayLike, labels: ArrayLike, directions: ArrayLike | None = None, ax: Axes | None = None
) -> Axes:
    """The directions of 2-D embeddings: how often each occurs, and whose they are.

    Outside the unit circle rises each class's density over the angle (smoothed
    by 2°, one height scale for all classes), so that overlap is seen as overlap.
    Inside, each class has a ring of its own, class 0 the outermost, with one dot
    for each embedding, so that a single stray is seen too.

    Args:
        embeddings: (N, 2); rows without a direction (zero, NaN) are left out.
        labels: (N,) integers from 0.
        directions: (C, 2) class directions, drawn as dots on the circle.
    """
    embeddings, labels, directions = _scatter_input(embeddings, labels, directions)
    ax = _axes(ax)
    unit = _unit(embeddings)
    finite = _finite(unit)
    unit, labels = unit[finite], labels[finite]
    angles = _angles(unit)
    classes = 1 + max(labels.max(initial=0), 9)

    bins = 360
    smooth = np.exp(-0.5 * (np.fft.rfftfreq(bins, 1 / bins) * np.radians(2)) ** 2)
    turn = np.linspace(-np.pi, np.pi, bins + 1)
    counts = np.array([np.histogram(angles[labels == k], turn)[0] for k in range(classes)])
    density = np.fft.irfft(np.fft.rfft(counts) * smooth, bins).clip(0)
    density /= density.max() or 1.0
    middle = (turn[:-1] + turn[1:]) / 2
    for k in np.unique(labels):
        r = 1.02 + 0.5 * density[k]
        x, y = r * np.cos(middle), r * np.sin(middle)
        seen = density[k] > 2e-3
        ax.fill(x[seen], y[seen], fc=_colour(k), alpha=0.3, lw=0, zorder=1)
        ax.plot(np.where(seen, x, np.nan), np.where(seen, y, np.nan), color=_colour(k), lw=1.5, zorder=2)
    ax.add_patch(Circle((0, 0), 1.02, fc="white", lw=0, zorder=2.5))

    rings = np.linspace(0.96, 0.42, classes)
    for r in rings:
        _circle(ax, r, zorder=2.6, lw=0.5)
    _circle(ax, 1.02, zorder=2.6, ec=INK, lw=1)
    _cloud(ax, unit * rings[labels, None], labels, size=1.6, alpha=0.6, zorder=3)
    if directions is not None:
        colours = [_colour(k) for k in range(len(directions))]
        ax.scatter(*1.02 * _unit(directions).T, s=55, c=colours, ec="white", lw=1.2, zorder=4)

    peaks = np.full(classes, np.nan)
    for k in np.unique(labels):
        peaks[k] = middle[np.argmax(density[k])]
    _square(ax, _name_around(ax, peaks, 1.66))
    ax.axis("off")
    return ax


@styled()
def frame_strip(frames: list, columns: int = 5, rows: int = 1, share_limits: bool = False) -> Figure:
    """Training in small multiples: columns × rows frames, evenly picked, first and last among them.

    Args:
        frames: objects with `step`, `accuracy` (0 to 1), `embeddings` (n, 2),
            `labels` (n,) and `class_directions` (C, 2).
        share_limits: one scale for all panels, instead of each panel its own.

    Returns:
        The Figure.
    """
    frames = list(frames)
    if not frames:
        raise ValueError("frames must be one or more frames, got none")
    for name, value in (("columns", columns), ("rows", rows)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    picks = np.unique(np.linspace(0, len(frames) - 1, min(columns * rows, len(frames))).round().astype(int))
    panels = [
        (frames[i], *_scatter_input(frames[i].embeddings, frames[i].labels, frames[i].class_directions))
        for i in picks
    ]
    extents = [_extent(embeddings[_finite(embeddings)]) for _, embeddings, _, _ in panels]
    if share_limits:
        extents = [max(extents)] * len(extents)

    width = 1.6 * columns
    size = 9.5 * 72 * width / PHONE  # pt that are 9.5 px on a phone
    fig, axes = plt.subplots(rows, columns, figsize=(width, rows * (1.6 + 2.9 * size / 72)), squeeze=False)
    for ax, (frame, embeddings, labels, directions), extent in zip(axes.flat, panels, extents, strict=False):
        finite = _finite(embeddings)
        _rays(ax, directions, 1.1 * extent, lw=1.0, alpha=0.75, zorder=1)
        _cloud(ax, embeddings[finite], labels[finite], size=0.3, zorder=2)
        # At the ends of the rays: early medians all lie in one heap.
        edge = _name_around(ax, _angles(_unit(directions)), 1.25 * extent, size, step=0.28)
        _square(ax, edge)
        if len(finite) and not finite.any():
            ax.text(0, 0, "NaN", size=size, ha="center", va="center", path_effects=_halo())
        ax.set_title(f"step {frame.step}\n{100 * frame.accuracy:.1f} %", size=size)
        ax.axis("off")
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    return fig


# Curves.


@styled()
def psi(theta: ArrayLike, curves: dict[str, Any], ax: Axes | None = None) -> Axes:
    """ψ(θ), the target logit over the scale, for one or more heads.

    Args:
        theta: (n,) radians, ascending.
        curves: name to values (n,), or to (values, naive values), the second
            drawn dashed in the same colour.
    """
    theta = _axis("theta", theta)
    curves = _curves("curves", curves, len(theta), "theta", most=2)
    ax = _axes(ax, WIDE)
    styles = "-", (0, (2.5, 1.5))
    for i, lines in enumerate(curves.values()):
        for y, style in zip(lines, styles, strict=False):
            ax.plot(theta, y, color=_colour(i), ls=style)
    _radians(ax.xaxis, theta.min(), theta.max())
    ax.set(xlabel="angle θ to the true class (rad)", ylabel="ψ(θ)")
    _name_ends(ax, [_end(ax, name, _colour(i), theta, y) for i, (name, (y, *_)) in enumerate(curves.items())])
    if any(len(lines) == 2 for lines in curves.values()):
        words = zip(styles, ("unrolled", "naive"), strict=True)
        handles = [Line2D([], [], color=INK, ls=style, label=word) for style, word in words]
        ax.legend(handles=handles, loc="lower left")
    return ax


@styled()
def gradient_by_angle(
    theta: ArrayLike, curves: dict[str, Any], log_y: bool = False, ax: Axes | None = None
) -> Axes:
    """The size of a gradient against the angle, both ends of the float range in view.

    Where a curve is NaN or infinite a cross at the upper edge says so; with
    `log_y`, where it is 0, a cross at the lower edge.

    Args:
        theta: (n,) radians above 0, ascending; on a log axis.
        curves: name to sizes (n,).
        log_y: whether sizes are on a log axis too.
    """
    theta = _axis("theta", theta, positive=True)
    curves = _curves("curves", curves, len(theta), "theta", low=0)
    ax = _axes(ax, WIDE)
    ax.set(xscale="log", yscale="log" if log_y else "linear")
    lines = []
    for i, (name, (y,)) in enumerate(curves.items()):
        # Where curves coincide, the wide one is seen on both sides of the narrow one.
        width = 2 + 1.8 * (len(curves) - 1 - i)
        ax.plot(theta, np.where(_drawable(ax, y), y, np.nan), color=_colour(i, name), lw=width)
        lines.append((name, _colour(i, name), theta, y))
    ax.set(xlabel="angle θ to the true class (rad)", ylabel="size of the gradient")
    ax.set_xlim(theta.min(), theta.max())
    ax.xaxis.set_major_locator(LogLocator(numticks=6))
    ax.xaxis.set_minor_locator(NullLocator())
    if log_y:
        ax.yaxis.set_minor_locator(NullLocator())
    mark_undrawable(ax, [line[1:] for line in lines])
    _name_ends(ax, [_end(ax, *line) for line in lines])
    return ax


@styled()
def decision_boundary(theta1: ArrayLike, boundaries: dict[str, Any], ax: Axes | None = None) -> Axes:
    """Two classes in the plane of the angles to each: where training draws the line for class 1.

    Above a head's boundary an example of class 1 is on the right side even with
    its margin. Between the boundary and the diagonal, shaded, it is classified
    rightly but not yet by the margin: no-man's-land. After Deng et al. 2019,
    "ArcFace", figure 5.

    Args:
        theta1: (n,) angle to class 1 in radians, ascending.
        boundaries: name to θ₂ (n,) in radians, NaN where the head has none.
    """
    theta1 = _axis("theta1", theta1)
    boundaries = _curves("boundaries", boundaries, len(theta1), "theta1")
    ax = _axes(ax)
    low, high = theta1.min(), theta1.max()
    ax.plot([low, high], [low, high], color=FAINT, lw=1.5, zorder=1)
    for i, (name, (theta2,)) in enumerate(boundaries.items()):
        ax.fill_between(theta1, theta1, theta2, color=_colour(i), alpha=0.3 / len(boundaries), lw=0)
        ax.plot(theta1, theta2, color=_colour(i), label=name)
    _radians(ax.xaxis, low, high)
    _radians(ax.yaxis, low, high)
    ax.set(xlabel="θ₁, angle to class 1 (rad)", ylabel="θ₂, angle to class 2 (rad)", aspect="equal")
    ax.text(0.04, 0.95, "class 1", transform=ax.transAxes, va="top", path_effects=_halo())
    ax.text(0.96, 0.5, "class 2", transform=ax.transAxes, ha="right")
    # Boundaries lie above the diagonal, so this corner is free.
    ax.legend(loc="lower right", labelcolor="linecolor")
    return ax


@styled()
def loss_landscape(
    margins: ArrayLike,
    scales: ArrayLike,
    losses: ArrayLike,
    chosen: tuple[float, float] | None = None,
    largest_margin: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Losses over margin and scale, in colour and contours, both logarithmic.

    Args:
        margins: (M,) in the head's own unit, ascending.
        scales: (S,) above 0, ascending; on a log axis.
        losses: (S, M); a loss that is not above 0 and finite stays grey.
        chosen: (margin, scale) to mark with a star.
        largest_margin: a number, the largest feasible margin, drawn as a line;
            or (S,), one for each scale.
    """
    margins, scales = _axis("margins", margins), _axis("scales", scales, positive=True)
    shape = (len(scales), len(margins))
    losses = _array("losses", losses, shape, f"an array of numbers of shape {shape}, (scales, margins)")
    losses = np.ma.masked_where(~(np.isfinite(losses) & (losses > 0)), losses)
    if not losses.count():
        raise ValueError("losses must be above 0 and finite somewhere, got no such value")
    mark = None if chosen is None else _array("chosen", chosen, (2,), "a pair (margin, scale)")
    limit = largest_margin
    if limit is not None:
        limit = np.full(len(scales), limit) if np.ndim(limit) == 0 else limit
        limit = _line("largest_margin", limit, len(scales), "scales")
    ax = _axes(ax, (5.0, 4.4))
    ax.set_facecolor(FAINT)
    ax.set_yscale("log", base=2)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    low, high = losses.min(), losses.max()
    norm = LogNorm(low, high if high > low else 2 * low)
    mesh = ax.pcolormesh(
        margins, scales, losses, norm=norm, cmap="viridis", shading="nearest", rasterized=True
    )
    if high > low:
        levels = np.geomspace(low, high, 7)[1:-1]
        lines = ax.contour(margins, scales, losses, levels=levels, colors="white", linewidths=0.9, alpha=0.8)
        plt.setp(ax.clabel(lines, fmt="%.2g", fontsize=11), path_effects=_halo(1.5, INK))
    bar = ax.figure.colorbar(mesh, ax=ax, label="loss")
    bar.outline.set_visible(False)
    bar.ax.minorticks_off()
    ends = (margins[0], margins[-1]), (scales[0], scales[-1])
    if limit is not None:
        ax.plot(limit, scales, color="white", ls=(0, (4, 2)))
        inward = -1 if 2 * limit[0] > margins[0] + margins[-1] else 1
        text = {"rotation": 90, "ha": "right" if inward < 0 else "left", "size": 12, "color": "white"}
        text |= {"textcoords": "offset points", "path_effects": _halo(1.5, INK)}
        ax.annotate("largest feasible margin", (limit[0], scales[0]), (4 * inward, 6), **text)
    if mark is not None:
        ax.plot(*mark, "*", ms=18, mfc=PALETTE[3], mec="white", mew=1.5, clip_on=False)
    ax.set(xlabel="margin", ylabel="scale", xlim=ends[0], ylim=ends[1])
    return ax


@styled()
def training_curves(
    steps: ArrayLike, losses: ArrayLike, accuracies: ArrayLike, ax: Axes | None = None
) -> Any:
    """Loss (left axis, logarithmic) and accuracy (right axis, per cent) against the step.

    Args:
        steps: (n,) ascending.
        losses: (n,); where one is NaN or infinite a cross at the upper edge says so.
        accuracies: (n,), from 0 to 1.

    Returns:
        The Axes of the loss. Its twin holds the accuracy.
    """
    steps = _axis("steps", steps)
    losses = _line("losses", losses, len(steps), "steps", low=0)
    accuracies = _line("accuracies", accuracies, len(steps), "steps", low=0, high=1)
    ax = _axes(ax, WIDE)
    ax.set(xlabel="step", yscale="log")
    twin = ax.twinx()
    for side, y, colour, label in (
        (ax, losses, _colour(1), "loss"),
        (twin, 100 * accuracies, _colour(0), "accuracy (%)"),
    ):
        side.plot(steps, np.where(_drawable(side, y), y, np.nan), color=colour)
        side.set_ylabel(label, color=colour, weight="bold")
        side.tick_params(axis="y", labelcolor=colour)
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_locator(NullLocator())
    twin.yaxis.set_major_locator(MultipleLocator(20))
    twin.set_ylim(0, 102 if np.isfinite(losses).all() else 119)  # room for the crosses above 100 %
    mark_undrawable(ax, [(_colour(1), steps, losses)])
    return ax
