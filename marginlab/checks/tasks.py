"""All tasks by name, in the order of the sheets."""

from marginlab.checks.after import adaface, count_margins, subcenters
from marginlab.checks.carry_over import carry_over
from marginlab.checks.enrolling import bootstrap, imprint
from marginlab.checks.equation import psi, ucos
from marginlab.checks.gradients import arcface_gradient
from marginlab.checks.heads import arcface, cosface, sphereface
from marginlab.checks.losses import cross_entropy
from marginlab.checks.many import blockwise, memory
from marginlab.checks.normface import normface
from marginlab.checks.room import largest_margin, least_scale, loss_floor
from marginlab.checks.vectors import angle, unit
from marginlab.checks.verification import eer, tar_at_far

__all__ = ["TASKS"]

_SHEETS = (
    (unit, angle),
    (cross_entropy,),
    (normface, loss_floor, least_scale),
    (ucos, sphereface),
    (cosface, largest_margin),
    (arcface, arcface_gradient),
    (psi, tar_at_far, eer),
    (blockwise, memory, carry_over),
    (subcenters, count_margins, adaface),
    (imprint, bootstrap),
)
TASKS = {task.name: task for sheet in _SHEETS for task in sheet}
