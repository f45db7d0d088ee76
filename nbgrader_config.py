"""nbgrader on the lessons: `nbgrader generate_assignment 05_arcface` works as it stands, in this folder."""

import os
import sys
from pathlib import Path

from nbgrader.converters import Autograde, GenerateAssignment, GenerateFeedback
from nbgrader.preprocessors import Execute

from marginlab.course import Harmless, Restore, WithoutNotes

c = get_config()  # noqa: F821  nbgrader provides it

# nbgrader finds the program alembic by PATH; a virtual environment need not be activated for that.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

c.CourseDirectory.source_directory = "lessons"
c.CourseDirectory.notebook_id = "exercises"  # beside it stands lesson.ipynb, which is no sheet
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "lesson.ipynb"]

# Teaching notes stand beside the exercises; no student sees them.
c.GenerateAssignment.preprocessors = [WithoutNotes, *GenerateAssignment.preprocessors.default_args[0]]
# Whatever came back is put into the order of the sheet, with the sheet's own tests.
c.Autograde.sanitize_preprocessors = Restore.sanitizers()
# What a student wrote or printed runs in nobody's browser.
steps = Autograde.autograde_preprocessors.default_args[0]
after = steps.index(Execute) + 1
c.Autograde.autograde_preprocessors = [*steps[:after], Harmless, *steps[after:]]
c.GenerateFeedback.preprocessors = [Harmless, *GenerateFeedback.preprocessors.default_args[0]]
c.Execute.timeout = 60
