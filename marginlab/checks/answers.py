"""Worked answers, sealed in answers.json: a right function opens its own, and an instructor's key the others.

The key to a check's answer is made of what the student's function gives on the check's own points. A result
counts by the step of a ladder that it lies on, and only results count whose truth lies far from its step's
ends: rounding, and single precision, change no step, and a wrong function lands on others.
`python -m marginlab.course answers` makes the file from the sheets.
"""

import base64
import hashlib
import hmac
import json
import math
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from marginlab.checks.run import examine
from marginlab.checks.tasks import TASKS

__all__ = ["FILE", "material", "of_check", "of_exercise", "seal", "steps", "unseal"]

FILE = Path(__file__).with_name("answers.json")
_CLOSED = "This does not open it: the results are not those of a right function, or the key is another's."


def _keys(secret: str, salt: bytes) -> tuple[bytes, bytes]:
    """Two keys, one to read and one to sign, slow to make: whoever guesses waits for each guess."""
    both = hashlib.scrypt(secret.encode(), salt=salt, n=2**14, r=8, p=1, dklen=64)
    return both[:32], both[32:]


def _stream(key, data):
    """Data under a stream of HMAC-SHA256 of a counter. The same again takes it off."""
    blocks = range(-(-len(data) // 32))
    stream = b"".join(hmac.digest(key, block.to_bytes(8, "big"), "sha256") for block in blocks)
    return bytes(a ^ b for a, b in zip(data, stream, strict=False))


def seal(text: str, secret: str) -> dict[str, str]:
    """A text that opens with the secret alone. The same text and secret give the same again."""
    salt = hmac.digest(secret.encode(), text.encode(), "sha256")[:16]
    read, sign = _keys(secret, salt)
    hidden = _stream(read, zlib.compress(text.encode(), 9))
    signed = salt + hidden + hmac.digest(sign, salt + hidden, "sha256")
    return {"sealed": base64.b64encode(signed).decode(), "sum": hashlib.sha256(signed).hexdigest()[:16]}


def unseal(record: dict[str, Any], secret: str) -> str:
    """The text.

    Raises:
        ValueError: if the record was changed, or the secret is another's; it says which.
    """
    try:
        signed = base64.b64decode(record["sealed"], validate=True)
    except ValueError:
        signed = b""
    if hashlib.sha256(signed).hexdigest()[:16] != record["sum"] or len(signed) < 48:
        raise ValueError(f"{FILE.name} is damaged: install marginlab anew")
    salt, hidden, mark = signed[:16], signed[16:-32], signed[-32:]
    read, sign = _keys(secret, salt)
    if not hmac.compare_digest(mark, hmac.digest(sign, salt + hidden, "sha256")):
        raise ValueError(_CLOSED)
    return zlib.decompress(_stream(read, hidden)).decode()


def steps(value: float, height: float) -> float:
    """Where a number lies on a ladder whose steps are so high, as shares of the number; whole at their ends.

    Zero, and what is no number, lie nowhere: NaN.
    """
    size = abs(float(value))
    return math.log(size) / height if 0 < size < math.inf else math.nan


def _step(value, height):
    at = steps(value, height)
    return "none" if math.isnan(at) else f"{'-' if value < 0 else '+'}{math.floor(at)}"


def material(results: Sequence[tuple], where: list[list[int]], height: float) -> str:
    """What a key is made of: the steps of some results, [call, output, place in it] each."""
    found = []
    for call, output, place in where:
        try:
            found.append(_step(float(results[call][output].flat[place]), height))
        except (IndexError, TypeError, AttributeError):
            found.append("none")
    return " ".join(found)


def _records():
    return json.loads(FILE.read_text(encoding="utf-8"))


def of_check(name: str, f: Callable) -> str:
    """The worked answer to a check's exercise, opened by what f gives.

    Raises:
        KeyError: for a check whose exercise has no answer here.
        ValueError: if f is not right at every point, or the file was changed.
    """
    record = _records()["checks"][name]
    results = []
    for seed in range(record["seeds"]):
        report = examine(TASKS[name], f, seed)
        results += report.results
        if not report.passed:
            raise ValueError(f"At other points it is not right yet. {report.hint(1)}")
    return unseal(record, material(results, record["where"], record["height"]))


def of_exercise(name: str, key: str) -> str:
    """The worked answer to an exercise that no check opens, such as "x05-derive", by the instructor's key.

    Raises:
        KeyError: for an exercise that has none here.
        ValueError: if the key is not its key, or the file was changed.
    """
    records = _records()["exercises"]
    if name not in records:
        raise KeyError(f"{name!r} is none of {', '.join(records)}")
    return unseal(records[name], "".join(key.upper().split()).replace("-", ""))
