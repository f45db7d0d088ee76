"""A class of submissions of one sheet: how long grading takes, and how much memory at its peak.

    python tests/benchmarks/grading.py [COUNT [SHEET]]     # 100 of 05_arcface by default

In turn the full source, the empty release, and the source without one of its answers. Memory is summed over
the resident sets of all processes, so a page that they share counts more than once.
"""

import contextlib
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import nbformat
import psutil
from nbgrader.utils import is_grade, is_solution

from marginlab import course

LESSONS = Path(__file__).parents[2] / "lessons"


def submissions(folder, sheet, count):
    """Write them as Moodle exports them; returns the export's folder."""
    source = course.WithoutNotes()(nbformat.read(LESSONS / sheet / course.SHEET, 4), {})[0]
    course.release(LESSONS, folder / "release")
    empty = nbformat.read(folder / "release" / sheet / course.SHEET, 4)
    answers = [cell.id for cell in source.cells if is_solution(cell) and not is_grade(cell)]
    for number in range(count):
        nb = nbformat.from_dict(empty if number % 3 == 1 else source)
        if number % 3 == 2:
            nb.cells = [cell for cell in nb.cells if cell.id != answers[number % len(answers)]]
        course.write_notebook(
            nb, folder / "export" / f"Student_{number}_assignsubmission_file_" / course.SHEET
        )
    return folder / "export"


def watch(stop, peak):
    """Keep in peak[0] the largest sum of resident memory, of this process and all below it."""
    while not stop.wait(0.5):
        total = 0
        with contextlib.suppress(psutil.Error):
            for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
                total += process.memory_info().rss
        peak[0] = max(peak[0], total)


def main(count=100, sheet="05_arcface"):
    with tempfile.TemporaryDirectory() as folder:
        export = submissions(Path(folder), sheet, int(count))
        stop, peak = threading.Event(), [0]
        watcher = threading.Thread(target=watch, args=(stop, peak))
        watcher.start()
        start = time.perf_counter()
        rows = course.grade(export, sheet, Path(folder, "graded"), LESSONS)
        seconds = time.perf_counter() - start
        stop.set()
        watcher.join()
    scores = [{row["score"] for row in rows if int(row["student"]) % 3 == kind} for kind in range(3)]
    print(
        f"{len(rows)} submissions of {sheet}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}:", end=" "
    )
    print(f"{seconds:.0f} s, {seconds / len(rows):.2f} s each, {peak[0] / 2**30:.2f} GiB at the peak")
    for kind, found in zip(("full", "empty", "one answer missing"), scores, strict=True):
        print(f"{kind}: marks {sorted(found)} of {rows[0]['of']:g}")


if __name__ == "__main__":
    main(*sys.argv[1:])
