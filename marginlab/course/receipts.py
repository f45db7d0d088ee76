"""Homework by link: receipts of runs in the page, made again by the page's own engine, and marked.

A receipt is one line of CSV, which an explorer of the built book writes under "Hand in this run"
(explorer/js/receipt.js):

    receipt,name,run,accuracy,end,weights,seal
    marginlab 0123456789ab,"Ada","head=arcface&margin=0.3&scale=30&seed=0",0.9636,step 2500,abb6…,51c0…

The first cell names the engine, run is a link's query, weights and seal are 32 digits of a SHA-256: of the
weights at the end, and of all the cells before it. The seal is no secret: it tells an edit from a slip, and
binds the name. What only a run can give are the accuracy, the end and the weights.
"""

import collections
import csv
import dataclasses
import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from marginlab.course.report import aligned, as_text
from marginlab.explorer import bundle, page
from marginlab.explorer.engine import Engine

__all__ = ["COLUMNS", "MARKED", "Receipt", "Unreadable", "mark", "read", "summary", "table", "write"]

COLUMNS: tuple[str, ...] = ("receipt", "name", "run", "accuracy", "end", "weights", "seal")
MARKED: tuple[str, ...] = ("line", "name", "head", "settings", "claimed", "found", "verdict", "why")
LONGEST = 5000  # characters of a line: of the longest formula and twenty moves it has half
SECONDS = 120.0
_ENGINE = re.compile(r"\s*marginlab ([0-9a-f]{12})\s*")
_DIGITS = re.compile(r"[0-9a-f]{32}")


@dataclasses.dataclass(frozen=True)
class Receipt:
    """A line of a file, as it claims to be; name and the rest as they are sealed."""

    line: int
    version: str
    name: str
    run: str
    accuracy: str
    end: str
    weights: str
    seal: str

    @property
    def sealed(self) -> bool:
        """Whether the seal fits what is said."""
        said = (self.version, self.name, self.run, self.accuracy, self.end, self.weights)
        return hashlib.sha256("\n".join(said).encode()).hexdigest()[:32] == self.seal


@dataclasses.dataclass(frozen=True)
class Unreadable:
    """A line of a file that holds no receipt, and why."""

    line: int
    why: str


# ---- To read ----


def read(path: str | Path) -> list[Receipt | Unreadable]:
    """The receipts of a file, as a text editor, a spreadsheet or a form's export leaves them.

    Separated by commas, semicolons or tabs, with other columns or without, as UTF-8, UTF-16 or what Windows
    writes. Blank lines and headers are passed over.
    """
    lines = re.split(r"\r\n|\n|\r", _text(Path(path).read_bytes()))
    found = [_of_line(number, line, number == 1) for number, line in enumerate(lines, 1)]
    return [it for it in found if it is not None]


def _text(data):
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _of_line(number, line, first):
    if not line.strip(" \t,;\"'") or {"receipt", "weights", "seal"} <= set(re.findall(r"\w+", line)):
        return None
    if len(line) > LONGEST:
        return Unreadable(number, f"it is longer than {LONGEST} characters")
    cells = _cells(line)
    if cells is None:
        if first and "marginlab" not in line:
            return None  # the header of another table
        return Unreadable(number, "there is no receipt of seven cells in it")
    version, name, run, accuracy, end, weights, seal = (_tidy(cell) for cell in cells)
    receipt = Receipt(
        number, version, name, run, accuracy.replace(",", "."), end, weights.lower(), seal.lower()
    )
    if not re.fullmatch(r"\d(\.\d+)?(e-\d+)?", receipt.accuracy):
        return Unreadable(number, "its accuracy is no number")
    if not (_DIGITS.fullmatch(receipt.weights) and _DIGITS.fullmatch(receipt.seal)):
        return Unreadable(number, "its weights or its seal are not 32 hexadecimal digits")
    return receipt


def _tidy(text):
    """As js/receipt.js has a name before it seals it."""
    plain = re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufeff\s]+", " ", unicodedata.normalize("NFC", text))
    return plain.strip()


def _cells(text, depth=0):
    """The seven cells of a receipt somewhere in a line, with the engine's digits first; or None.

    A spreadsheet may have the whole line in one cell, its quotes doubled: that cell is read once more.
    """
    for quoted in (text, text.strip().strip('"').replace('""', '"')):
        for delimiter in ",;\t":
            row = next(csv.reader([quoted], delimiter=delimiter), [])
            for i, cell in enumerate(row):
                engine = _ENGINE.fullmatch(cell)
                if engine and len(row) >= i + len(COLUMNS):
                    return [engine[1], *row[i + 1 : i + len(COLUMNS)]]
                inside = depth < 2 and "marginlab " in cell and cell != text and _cells(cell, depth + 1)
                if inside:
                    return inside
    return None


# ---- To mark ----


def mark(
    receipts: Iterable[Receipt | Unreadable],
    seconds: float = SECONDS,
    tell: Callable[[str], Any] = lambda words: None,
) -> Iterator[dict[str, Any]]:
    """Of each receipt a row of `MARKED`; verdict: "true", "forged", "other version" or "unreadable".

    Each run is made once, by the engine of this package; those of the same settings share it.

    Args:
        receipts: as `read` gives them.
        seconds: the limit on a run.
        tell: hears in words of each run before it is made.

    Raises:
        ImportError: without mini-racer (``pip install "marginlab[book]"``).
    """
    runs: dict[str, dict] = {}
    with Engine() as engine:
        for receipt in receipts:
            if isinstance(receipt, Unreadable):
                yield dict.fromkeys(MARKED, "") | {
                    "line": receipt.line,
                    "verdict": "unreadable",
                    "why": receipt.why,
                }
                continue
            if receipt.run not in runs:
                tell(receipt.run)
                runs[receipt.run] = _made(engine, receipt.run, seconds)
            found = runs[receipt.run]
            verdict, why = _verdict(receipt, found)
            yield {
                "line": receipt.line,
                "name": receipt.name,
                "head": found["head"],
                "settings": found["settings"],
                "claimed": receipt.accuracy,
                "found": found.get("accuracy", ""),
                "verdict": verdict,
                "why": why,
            }


def _made(engine, run, seconds):
    """What comes of a run: {head, settings in words, accuracy, end, weights}; or {head, settings, wrong}.

    A formula is read by the parser of formulas alone, and only what the sliders can say is run.
    """
    asked = engine.read(run)
    settings = asked["settings"]
    if settings is None:
        return {"head": "", "settings": "", "wrong": asked["words"]}
    about = {"head": bundle.MEMBERS[settings["head"]].title, "settings": _in_words(settings)}
    if asked["words"] or asked["run"] != run:
        return about | {"wrong": asked["words"] or f"a page would have written {asked['run']}"}
    try:
        return about | engine.last(settings, seconds)
    except TimeoutError:
        return about | {"wrong": f"the run took longer than {seconds:g} seconds"}


def _in_words(settings):
    def pairs(given):
        return ", ".join(f"{name} {value}" for name, value in given.items() if value is not None)

    given = {name: value for name, value in settings.items() if name not in ("head", "moves", "psi")}
    formula = f"ψ = {settings['psi']}, " if "psi" in settings else ""
    return "; then ".join([formula + pairs(given), *map(pairs, settings["moves"])])


def _verdict(receipt, found):
    """The verdict, and why."""
    other = receipt.version != page.version()
    if "wrong" in found:
        if not receipt.sealed:
            return "forged", "its seal does not fit: it was changed after it was made"
        return ("other version" if other else "unreadable"), found["wrong"]
    differs = [
        f"{what} is {getattr(receipt, what)}, and comes out as {found[what]}"
        for what in ("accuracy", "end", "weights")
        if getattr(receipt, what) != found[what]
    ]
    if not receipt.sealed:
        whose = "its name, its version or its seal was changed"
        return "forged", "its seal does not fit: " + ("; ".join(differs) or whose)
    if differs and other:
        return "other version", f"made by engine {receipt.version}, and this one is {page.version()}"
    return ("forged", "; ".join(differs)) if differs else ("true", "")


# ---- To tell ----


def write(path: str | Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Write rows beside the file that they are of, as ``…-marked.csv``, which is given back."""
    target = Path(path).with_name(f"{Path(path).stem}-marked.csv")
    with open(target, "w", newline="", encoding="utf-8-sig") as file:  # by its mark a spreadsheet knows UTF-8
        writer = csv.DictWriter(file, MARKED)
        writer.writeheader()
        writer.writerows({key: as_text(str(value)) for key, value in row.items()} for row in rows)
    return target


def table(rows: Iterable[dict[str, Any]]) -> str:
    """Rows as a table for a terminal."""
    shown = ("line", "name", "head", "settings", "claimed", "found", "verdict")
    return aligned([shown, *([row[key] for key in shown] for row in rows)])


def summary(rows: Iterable[dict[str, Any]]) -> str:
    """Of a class: how many receipts, with which verdicts, of which heads, and what was wrong."""
    rows = list(rows)
    verdicts = collections.Counter(row["verdict"] for row in rows)
    heads = collections.Counter(row["head"] for row in rows if row["verdict"] == "true")

    def counted(counts):
        return ", ".join(f"{many} {what}" for what, many in counts.most_common()) or "none"

    lines = [f"{len(rows)} receipts: {counted(verdicts)}.", f"Heads of the true ones: {counted(heads)}."]
    lines += [f"Line {row['line']}, {row['verdict']}: {row['why']}." for row in rows if row["why"]]
    return "\n".join(lines)
