"""How a network is trained, in Python and in the built pages alike: one table. Plain data, without Keras."""

import dataclasses

__all__ = ["RECIPE", "Recipe"]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What `Trainer` and the pages' own engine do unless they are told otherwise.

    Attributes:
        epochs: how often all images are seen.
        batch: images a step.
        rate: the highest of Adam's one cycle.
        beta2: of Adam.
        anneal: when the margin begins to come in and when all of it is there, in shares of the run.
        hidden: widths of the layers between the pixels and the embedding.
    """

    epochs: int = 5
    batch: int = 120
    rate: float = 0.02
    beta2: float = 0.95
    anneal: tuple[float, float] = (0.2, 0.7)
    hidden: tuple[int, ...] = (96, 48)


RECIPE = Recipe()
