"""A slider under a figure: drawn anew when it moves; a picture where no kernel answers."""

import base64

import pytest

from marginlab import plots

pytest.importorskip("ipywidgets")
from marginlab.explorer.vary import vary


def drawn(calls):
    def draw(value):
        calls.append(value)
        ax = plots.plt.subplots()[1]
        ax.set_title(f"value {value}")
        return ax

    return draw


def test_it_draws_once_and_again_when_it_moves():
    calls = []
    box = vary(drawn(calls), (0, 1, 2), 1, "trouble")
    assert calls == [1]
    first = box.picture.value
    box.slider.value = 2
    assert calls == [1, 2]
    assert box.picture.value != first
    assert not box.slider.disabled
    assert plots.plt.get_fignums() == []


def test_a_page_shows_the_picture_it_began_with():
    box = vary(drawn([]), (0, 1), 0, "trouble")
    data, _ = box._repr_mimebundle_()
    assert data["image/svg+xml"].lstrip().startswith("<?xml")
    assert "application/vnd.jupyter.widget-view+json" in data
    assert base64.b64encode(data["image/svg+xml"].encode()).decode() in box.picture.value


def test_a_drawing_that_fails_leaves_a_slider_that_moves():
    def draw(value):
        if value:
            raise RuntimeError("no")
        return drawn([])(value)

    box = vary(draw, (0, 1), 0, "trouble")
    with pytest.raises(RuntimeError):
        box.slider.value = 1
    assert not box.slider.disabled


def test_the_first_value_must_be_one_of_them():
    with pytest.raises(ValueError, match=r"at must be one of \[0, 1\], got 2"):
        vary(drawn([]), (0, 1), 2, "trouble")
