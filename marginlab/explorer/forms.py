"""Ways to write a margin loss wrongly: what the explorers offer under "break it". Plain data, without Keras.

`naive` makes Keras layers of these, and js/equation.js, which has them as JSON, the same in the page.
"""

import dataclasses
from typing import Any

__all__ = ["FORMS", "WHY", "Form", "ended", "why"]


@dataclasses.dataclass(frozen=True)
class Form:
    """A naive form of ψ(θ), c being the cosine to the true class as float32 has it.

    Attributes:
        title: in the list from which it is chosen.
        acos: whether θ is acos(c); else it is the cure's.
        clip: what c is clipped to before its acos, (low, high); None for no clip.
        unrolled: whether ψ is the unrolled cosine; else it is cos, which turns back up past π.
    """

    title: str
    acos: bool
    clip: tuple | None
    unrolled: bool


FORMS = {
    "acos": Form("acos(c), unguarded", True, None, True),
    "clip": Form("acos(c), c clipped", True, (-1 + 1e-5, 1 - 1e-5), True),
    "no-unroll": Form("cos, not unrolled", False, None, False),
    # Meant to keep the angle in [0, π]; but what it clips is the cosine, so all beyond 90° is read as 90°.
    "demo-clip": Form("the demo’s clip", True, (0.0, 1 - 1e-5), False),
}

_NEAR = (
    "This image lies so nearly on the line of its class direction that float32 rounds the cosine c of the two"
    " to"
)
_STEEP = f"{_NEAR} exactly {{c}}. There acos has the slope −1/√(1 − c²) = −∞"
# Why a run ended in NaN: c had no acos; or it had, and the slope of ψ(acos c) is no number.
WHY = {
    "beyond": f"{_NEAR} {{c}}. No angle has a cosine beyond ±1: its acos is NaN, and so is the loss.",
    "steep": f"{_STEEP}. The gradient then subtracts ∞ from ∞; and ∞ − ∞ is NaN.",
    "flat": f"{_STEEP}, and ψ the slope 0. The gradient multiplies them; and 0 · ∞ is NaN.",
    "other": "The loss or its gradient is no finite number.",
}


def why(c: float, flat: bool) -> str:
    """In words, what became of acos at a cosine c of float32; flat: whether the slope of ψ is 0 there."""
    kind = "beyond" if abs(c) > 1 else "flat" if flat else "steep"
    return WHY[kind].format(c=f"{c:.8g}".replace("-", "−"))


def ended(died: Any) -> str:
    """In words, how a run ended whose last frame has `died`: {step, example, label, why}."""
    example, label = died["example"], died["label"]
    which = (
        "" if example is None else f", at training image {example:,}, {'an' if label == 8 else 'a'} {label}"
    )
    return f"The run ended in NaN at step {died['step']:,}{which}. {died['why']}"
