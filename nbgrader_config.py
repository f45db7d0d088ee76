"""nbgrader on the lessons: `nbgrader generate_assignment 05_arcface` works as it stands, in this folder."""

from nbgrader.converters import GenerateAssignment

from marginlab.course import Restore, WithoutNotes

c = get_config()  # noqa: F821  nbgrader provides it

c.CourseDirectory.source_directory = "lessons"
c.CourseDirectory.notebook_id = "exercises"  # beside it stands lesson.ipynb, which is no sheet
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "lesson.ipynb"]

# Teaching notes stand beside the exercises; no student sees them.
c.GenerateAssignment.preprocessors = [WithoutNotes, *GenerateAssignment.preprocessors.default_args[0]]
# Whatever came back is put into the order of the sheet, with the sheet's own tests.
c.Autograde.sanitize_preprocessors = Restore.sanitizers()
c.Execute.timeout = 60
