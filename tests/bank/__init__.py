"""Students' functions, right and wrong, with what each must get.

Right ones are in many styles, and must get full marks. Wrong ones say beside them how many parts of
their check are right, and which mistake the hint must name.
"""

import importlib
import pkgutil
from collections.abc import Callable
from typing import NamedTuple


class Entry(NamedTuple):
    check: str
    f: Callable
    parts: int | None  # right parts; None is all
    mistake: str


BANK = []


def right(check):
    """The function must get full marks."""
    return lambda f: BANK.append(Entry(check, f, None, "")) or f


def wrong(check, parts, mistake):
    """The function must get this many parts, and the hint of this mistake."""
    return lambda f: BANK.append(Entry(check, f, parts, mistake)) or f


def entry(check, parts, mistake, name):
    """`wrong` of a function that is made, and gets its name here."""

    def put(f):
        f.__name__ = name
        wrong(check, parts, mistake)(f)

    return put


for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"bank.{_module.name}")
