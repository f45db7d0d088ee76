r"""Every naive formula beside its cure, each a record that can be run.

    from marginlab.hazards import HAZARDS
    HAZARDS["acos-at-one"].demonstrate()     # a table: where the two differ
    HAZARDS["acos-at-one"].plot()            # the same as a picture

A record says what one sees (`symptom`), why it is so, what cures it, and where
people met it. `naive` is the formula as it is often written; `cured` calls
marginlab. `fails` says at which points a result fails as described: somewhere
for the naive form, nowhere for the cured one, and the tests assert both.

Gradients of naive forms are TensorFlow's, since that is the backend that is
taught. Angles are in radians unless a label says degrees.
"""

from marginlab._tensorflow import tf as _tf  # noqa: F401 (says what to install, before a chapter asks)
from marginlab.hazards import (
    after_arcface,
    arcface,
    beyond_mnist,
    cosface,
    normface,
    softmax,
    sphereface,
    two_dimensions,
)
from marginlab.hazards.helpers import pairs, slopes
from marginlab.hazards.record import Hazard, Result

__all__ = ["HAZARDS", "Hazard", "Result", "pairs", "slopes"]

_CHAPTERS = (two_dimensions, softmax, normface, sphereface, cosface, arcface, beyond_mnist, after_arcface)
HAZARDS: dict[str, Hazard] = {
    record.name: record
    for chapter in _CHAPTERS
    for record in vars(chapter).values()
    if isinstance(record, Hazard)
}
