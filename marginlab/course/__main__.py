"""`python -m marginlab.course`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from marginlab import course


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m marginlab.course", description=course.__doc__.split("\n")[0]
    )
    parser.add_argument("--source", default="lessons", help="the folder of the lessons (default: lessons)")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("release", help="write the sheets as students get them")
    command.add_argument("target", help="the folder to write to")
    command = commands.add_parser("bundle", help="make the students' zip")
    command.add_argument("target", help="the zip to write")
    command = commands.add_parser("variants", help="write the sheets with other numbers for each student")
    command.add_argument("students", help="a text file, one student's id a line")
    command.add_argument("target", help="the folder to write to")
    command.add_argument("--seed", default="1", help="keep it: grading needs it again")
    commands.add_parser("keys", help="print the keys to the worked answers that no check opens")
    commands.add_parser("answers", help="seal the worked answers anew, after a change to a sheet")
    command = commands.add_parser("grade", help="grade submissions as Moodle or Canvas export them")
    command.add_argument("folder", help="the export, a folder or a zip")
    command.add_argument("sheet", help="such as 05_arcface")
    command.add_argument("--out", default="graded", help="where to write (default: graded)")
    command.add_argument("--jobs", type=int, help="submissions at a time (default: one a core)")
    command.add_argument("--seconds", type=float, default=300, help="limit on a submission (default: 300)")
    command.add_argument("--cell", type=float, default=60, help="limit on a cell, in seconds (default: 60)")
    command.add_argument("--megabytes", type=int, default=8192, help="limit on memory (default: 8192)")
    command.add_argument("--seed", default="", help="the seed that the variants were made with")
    trust = "grade even where nothing can shut submissions in: their code then runs as you"
    command.add_argument("--trust", action="store_true", help=trust)
    command = commands.add_parser("verify", help="make the runs of receipts again, and mark them")
    command.add_argument("file", help="a CSV of receipts; FILE-marked.csv is written beside it")
    command.add_argument("--anonymous", action="store_true", help="leave the names out")
    command.add_argument("--seconds", type=float, default=120, help="limit on a run (default: 120)")
    _report_options(commands.add_parser("report", help="say what a class found hard"))
    return parser


def _report_options(command):
    command.add_argument("folder", nargs="?", help="files of answers, as Moodle or Canvas export them")
    command.add_argument("--graded", help="the folder that grade wrote to: which checks were missed")
    command.add_argument("--receipts", help="the table that verify wrote, …-marked.csv")
    command.add_argument("--anonymous", action="store_true", help="leave the names out")
    command.add_argument("--out", default="class.html", help="the page to write (default: class.html)")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command."""
    options = vars(_parser().parse_args(arguments))
    command, source = options.pop("command"), options.pop("source")
    if command == "release":
        print(*course.release(source, options["target"]), sep="\n")
    elif command == "bundle":
        print(course.bundle(options["target"], source))
    elif command == "variants":
        students = Path(options["students"]).read_text(encoding="utf-8").split()
        print(len(course.variants(students, options["seed"], options["target"], source)), "notebooks written")
    elif command == "keys":
        print(*(f"{name:16} {key}" for name, key in course.keys(source).items()), sep="\n")
    elif command == "answers":
        print(course.write_answers(source))
    elif command == "verify":
        _verify(**options)
    elif command == "report":
        _report(source, **options)
    else:
        _grade(source, options)


def _verify(file, anonymous, seconds):
    from marginlab.course import receipts  # it needs the page's engine, which nothing else here does

    try:
        found = receipts.read(file)
        rows = list(receipts.mark(found, seconds, lambda run: print(f"… {run[:90]}", file=sys.stderr)))
        rows = [row | {"name": ""} if anonymous else row for row in rows]
        marked = receipts.write(file, rows)
    except (OSError, ImportError) as error:
        sys.exit(str(error))
    print(receipts.table(rows), receipts.summary(rows), f"The table is in {marked}", sep="\n\n")


def _report(source, folder, graded, receipts, anonymous, out):
    from marginlab.course import classes, report

    try:
        tables = classes.tables(source, folder, graded, receipts, anonymous)
        report.write_class(Path(out), tables)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    print(*(it.text() for it in tables), f"All of it is in {out}", sep="\n\n")


def _grade(source, options):
    out, sheet = options["out"], options["sheet"]
    files = f"{out}/grades-{sheet}.csv, {out}/report-{sheet}.html"
    try:
        rows = course.grade(source=source, **options)
    except course.NoWall as error:
        sys.exit(str(error))
    except course.Stopped as stopped:
        print(
            stopped,
            f"\nWhat was graded is in {files}. Run the command again for the others.",
            file=sys.stderr,
        )
        sys.exit(130)  # what a shell says of a program that Ctrl+C has ended
    print(f"{len(rows)} submissions of {sheet} are graded: {files}")


if __name__ == "__main__":
    main()
