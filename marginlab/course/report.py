"""What grading leaves for people: the table of marks, the class's pages, the sentences on students' pages."""

import collections
import csv
import dataclasses
import html
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.utils import is_grade

from marginlab.course.sheet import SHEET, cell_name

__all__ = [
    "COLUMNS",
    "Table",
    "aligned",
    "as_text",
    "failed",
    "tell",
    "write_class",
    "write_grades",
    "write_report",
]

COLUMNS: tuple[str, ...] = ("student", "name", "score", "of", "manual", "said")
# What a spreadsheet takes for a formula, and its wide twins.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")


def as_text(value: str) -> str:
    """Text that a spreadsheet shows, whatever it begins with: an apostrophe says that it is text."""
    return "'" + value if value.lstrip(" \u00a0").startswith(_FORMULA) else value


def aligned(rows: Iterable[Sequence[Any]], most: int = 44) -> str:
    """Rows as lines for a terminal, in columns; cells of more letters are cut."""
    cells = [[" ".join(str(cell).split()) for cell in row] for row in rows]
    cells = [[text if len(text) <= most else text[: most - 1] + "…" for text in row] for row in cells]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in cells)


@dataclasses.dataclass(frozen=True)
class Table:
    """One table of a class's report, for a page and for a terminal; words: what stands there without rows."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    words: str = "None."

    def text(self) -> str:
        """The ten first rows, for a terminal."""
        more = f"\n… and {len(self.rows) - 10} more" if len(self.rows) > 10 else ""
        body = aligned([self.head, *self.rows[:10]]) + more if self.rows else self.words
        return f"{self.title}\n{body}"

    def html(self) -> str:
        """All rows, for a page."""
        rows = [[html.escape(str(cell)) for cell in row] for row in self.rows]
        return f"<h2>{self.title}</h2>" + (_table(self.head, rows) if rows else f"<p>{self.words}</p>")


def write_class(path: Path, tables: Sequence[Table]) -> None:
    """Write the page of what a class found hard."""
    path.write_text(_page("What the class found hard", "".join(it.html() for it in tables)), encoding="utf-8")


def failed(graded: Path) -> list[tuple[str, str, int, str]]:
    """(sheet, check, by how many it was missed, the hint that most of them got) of all that was graded."""
    found = sorted(graded.glob(f"autograded/*/*/{SHEET}"))
    rows = []
    for sheet in sorted({path.parent.name for path in found}):
        students = [{"student": path.parents[1].name} for path in found if path.parent.name == sheet]
        rows += [(sheet, name, n, hints[0][0]) for name, n, hints in _missed(graded, sheet, students)]
    return sorted(rows, key=lambda row: -row[2])


def write_grades(path: Path, rows: Sequence[dict]) -> None:
    """Write the marks as CSV, a line for each student."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        for row in rows:
            text = {"student": row["student"], "name": row["name"], "said": " ".join(row["said"])}
            writer.writerow(row | {key: as_text(value) for key, value in text.items()})


def _page(title, body):
    style = (
        ":root{color-scheme:light dark}"
        "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}"
        "table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #8886;padding:.3rem .6rem;"
        "text-align:left;vertical-align:top}.bar{background:#4c78a8;height:1rem;display:inline-block}"
        "pre{white-space:pre-wrap;margin:0}"
        ".wide{overflow-x:auto}@media(max-width:600px){td,th{font-size:.8rem;padding:.2rem}}"
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{style}</style>"
        f"<h1>{title}</h1>{body}</html>\n"
    )


def _table(head, rows):
    def line(tag, cells):
        return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"

    table = "<table>" + line("th", head) + "".join(line("td", row) for row in rows) + "</table>"
    return f'<div class="wide" tabindex="0">{table}</div>'  # scrolls by keys where it is too wide


def _missed(out, sheet, rows):
    """For each automatic test: how many missed it, and the hints that they got, the most frequent first."""
    counts, hints = collections.Counter(), collections.defaultdict(collections.Counter)
    for row in rows:
        path = out / "autograded" / row["student"] / sheet / SHEET
        if not path.exists():
            continue
        for cell in nbformat.read(path, 4).cells:
            errors = [o for o in cell.get("outputs", []) if o.output_type == "error"]
            if cell.cell_type == "code" and is_grade(cell) and errors:
                said = "".join(o.text for o in cell.outputs if o.output_type == "stream").strip()
                counts[cell_name(cell)] += 1
                hints[cell_name(cell)][said or f"{errors[0].ename}: {errors[0].evalue}".strip(": ")] += 1
    return [(name, count, hints[name].most_common(2)) for name, count in counts.most_common()]


def write_report(path: Path, out: Path, sheet: str, rows: Sequence[dict]) -> None:
    """Write the class's page: how marks lie, which checks were missed, with which hint, what happened."""
    top = max((row["of"] for row in rows), default=0) or 1
    bins = collections.Counter(min(9, int(10 * row["score"] / top)) for row in rows)
    bars = [
        (
            f"{k * top / 10:.3g} to {(k + 1) * top / 10:.3g}",
            bins[k],
            f'<span class="bar" style="width:{20 * bins[k] / max(bins.values(), default=1):.1f}rem"></span>',
        )
        for k in range(10)
    ]
    missed = [
        (name, count, "".join(f"<pre>{n} ×: {html.escape(text[:400])}</pre>" for text, n in hints))
        for name, count, hints in _missed(out, sheet, rows)
    ]
    students = [
        (
            f'<a href="feedback/{row["student"]}/{sheet}/exercises.html">{html.escape(row["name"])}</a>'
            f" ({row['student']})",
            f"{row['score']:g} of {row['of']:g}",
            f"{row['manual']:g}" if row["manual"] else "",
            html.escape(" ".join(row["said"])),
        )
        for row in rows
    ]
    walls = collections.Counter(row["wall"] for row in rows if row["wall"])
    shut = "; ".join(f"{html.escape(wall)} ({count})" for wall, count in walls.most_common())
    body = f"<p>{len(rows)} submissions. Marks that are still to be given by hand are not in the scores.</p>"
    body += f"<p>Shut in by: {shut}.</p>" if shut else ""
    body += "<h2>Distribution</h2>" + _table(["marks", "students", ""], bars)
    body += "<h2>Most missed checks</h2>" + _table(["check", "missed by", "hint that they got"], missed)
    body += "<h2>Students</h2>" + _table(["student", "marks", "to mark by hand", "what happened"], students)
    path.write_text(_page(f"Sheet {sheet}", body), encoding="utf-8")


def tell(out: Path, sheet: str, row: dict) -> None:
    """Put the sentences about a submission on top of its feedback page; make the page where there is none."""
    path = out / "feedback" / row["student"] / sheet / "exercises.html"
    said = "".join(f"<li>{html.escape(text)}</li>" for text in row["said"])
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_page(f"Sheet {sheet}", f"<p>0 marks of {row['of']:g}.</p><ul>{said}</ul>"))
    elif said:
        text = path.read_text(encoding="utf-8")
        # The sentences name files, and MathJax would read a file's name as mathematics.
        note = f'<div class="container tex2jax_ignore"><h3>About this submission</h3><ul>{said}</ul></div>'
        os.chmod(path, 0o644)
        body = re.search(r"<body[^>]*>", text).end()
        path.write_text(text[:body] + note + text[body:], encoding="utf-8")
