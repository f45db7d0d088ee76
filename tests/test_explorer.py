import time

import pytest

from marginlab import explore


@pytest.fixture(scope="module")
def explorer():
    return explore("cosface", seed=1)


def settle(explorer):
    while explorer._thread and explorer._thread.is_alive():
        time.sleep(0.01)


def test_it_shows_a_first_run(explorer):
    assert explorer.words.value.endswith("of the test images right after 2500 steps.")
    assert bytes(explorer.picture.value).startswith(b"\x89PNG")
    assert [slider.description for slider in explorer.sliders.values()] == ["margin", "scale", "seed"]
    assert (explorer.sliders["margin"].value, explorer.sliders["seed"].value) == (0.1, 1)


def test_without_a_kernel_the_picture_is_shown(explorer):
    data, _ = explorer._repr_mimebundle_()
    assert data["image/png"].startswith("iVBOR")
    assert "application/vnd.jupyter.widget-view+json" in data


def test_the_last_of_many_moves_wins(explorer):
    before = explorer.picture.value
    for margin in (0.05, 0.2, 0.15, 0.02):
        explorer.sliders["margin"].value = margin
        time.sleep(0.05)
    settle(explorer)
    assert explorer.trainer.head.margin == 0.02
    assert explorer.picture.value != before
    assert explorer.trainer.traces == 1


def test_an_infeasible_margin_is_explained(explorer):
    explorer.sliders["scale"].value = 128
    explorer.sliders["margin"].value = 1.0
    settle(explorer)
    assert "right after 2500 steps." in explorer.words.value
    explorer.sliders["margin"].value = 0.1


def test_an_error_while_training_is_shown_and_the_sliders_stay(explorer, monkeypatch):
    def fail(**settings):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(explorer.trainer, "iter_frames", fail)
    explorer.sliders["seed"].value = 4
    settle(explorer)
    assert explorer.words.value == "RuntimeError: out of luck"
    monkeypatch.undo()
    explorer.sliders["seed"].value = 2
    settle(explorer)
    assert "right after" in explorer.words.value


@pytest.mark.parametrize("head", ["softmax", "combined"])
def test_other_heads(head):
    names = {"softmax": ["seed"], "combined": ["m1", "m2", "m3", "scale", "seed"]}
    assert list(explore(head).sliders) == names[head]


def test_unknown_head():
    with pytest.raises(ValueError, match=r"head must be one of softmax, .*'arcfase'"):
        explore("arcfase")
