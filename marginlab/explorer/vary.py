"""`vary`: a slider under a figure that a function draws."""

import base64
import functools
import io
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes

from marginlab import plots

__all__ = ["vary"]


def vary(draw: Callable[[Any], Axes], values: Sequence[Any], at: Any, name: str) -> Any:
    """A slider in JupyterLab, and the figure that `draw` makes of its value; in a page, that of `at` alone.

    Args:
        draw: a function of one of the values. It may train: it is called when the slider is let go.
        values: what the slider offers, in order.
        at: the one to begin with.
        name: what stands before the slider.

    Returns:
        An ipywidgets box.

    Raises:
        ValueError: if `at` is not one of the values.
        ImportError: without ipywidgets (``pip install "marginlab[lab]"``).
    """
    if at not in values:
        raise ValueError(f"at must be one of {list(values)!r}, got {at!r}")
    return _class()(draw, values, at, name)


@functools.cache
def _class():
    """The box's class, made on first use: not everyone has ipywidgets."""
    import ipywidgets as w

    class Varied(w.VBox):
        def __init__(self, draw, values, at, name):
            self.draw, self.still = draw, _svg(draw(at))
            style = {"description_width": "initial"}
            self.slider = w.SelectionSlider(
                options=list(values), value=at, description=name, continuous_update=False, style=style
            )
            self.picture = w.HTML(_image(self.still))
            self.slider.observe(self._moved, names="value")
            super().__init__([self.slider, self.picture])

        def _moved(self, change):
            self.slider.disabled = True
            try:
                self.picture.value = _image(_svg(self.draw(change["new"])))
            finally:
                self.slider.disabled = False

        def _repr_mimebundle_(self, **kwargs):
            found = super()._repr_mimebundle_(**kwargs)
            data, metadata = found if isinstance(found, tuple) else (found, {})
            return data | {"image/svg+xml": self.still}, metadata

    return Varied


def _svg(ax):
    """A figure as text, and closed, or the notebook would show it a second time."""
    buffer = io.StringIO()
    ax.figure.savefig(buffer, format="svg")
    plots.plt.close(ax.figure)
    return buffer.getvalue()


def _image(svg):
    data = base64.b64encode(svg.encode()).decode()
    return f'<img src="data:image/svg+xml;base64,{data}" style="max-width: 600px" alt="">'
