"""A class around the sheets: release and bundle them, vary their numbers, grade what comes back.

    python -m marginlab.course release DIR              the sheets as students get them
    python -m marginlab.course bundle course.zip        a zip for students: sheets, lessons, package
    python -m marginlab.course variants ids.txt DIR     the sheets with other numbers for each student
    python -m marginlab.course keys                     what opens the answers that no check opens
    python -m marginlab.course answers                  seal the worked answers anew, from the sheets
    python -m marginlab.course grade DIR 05_arcface     what Moodle or Canvas exported, to a table of marks
    python -m marginlab.course verify receipts.csv      homework by link: runs made again, and marked
    python -m marginlab.course report DIR               what a class found hard, from files of answers

Built on nbgrader (install the extra "exercises"). Submissions run behind a wall of the operating system, and
hidden tests in an interpreter that no submission has prepared: see the book's page on grading.
"""

from marginlab.course.bundling import bundle, contents
from marginlab.course.exports import Submission, collect
from marginlab.course.harmless import Harmless
from marginlab.course.run import Stopped, grade
from marginlab.course.sealed import answers, exercises, keys, write_answers
from marginlab.course.sheet import (
    SHEET,
    ForStudents,
    Restore,
    WithoutNotes,
    hidden_removed,
    numbers,
    release,
    released,
    set_numbers,
    sheets,
    variants,
    write_notebook,
    write_numbers,
)
from marginlab.course.walls import NoWall

__all__ = [
    "SHEET",
    "ForStudents",
    "Harmless",
    "NoWall",
    "Restore",
    "Stopped",
    "Submission",
    "WithoutNotes",
    "answers",
    "bundle",
    "collect",
    "contents",
    "exercises",
    "grade",
    "hidden_removed",
    "keys",
    "numbers",
    "release",
    "released",
    "set_numbers",
    "sheets",
    "variants",
    "write_answers",
    "write_notebook",
    "write_numbers",
]
