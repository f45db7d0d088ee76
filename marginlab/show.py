"""What the lessons show: the package's own source, and tables, as Markdown.

In Markdown a page can colour, copy and search them, and print them on paper.
"""

import inspect
import textwrap
from typing import Any

import numpy as np
from IPython.display import Markdown

__all__ = ["Markdown", "code", "table"]


def code(*objects: Any) -> Markdown:
    """The source of functions, methods or classes, as it stands in the package."""
    sources = [textwrap.dedent(inspect.getsource(each)).rstrip() for each in objects]
    return Markdown("```python\n" + "\n\n\n".join(sources) + "\n```")


def table(columns: dict[str, Any], of: str = "") -> Markdown:
    """A table from ``{heading: values}``. Floats are shown to four digits, all else by `str`.

    Args:
        columns: the headings and their values, as many in each.
        of: what it is a table of, said below it. A table of runs says their seeds and their scale.

    Raises:
        ValueError: where two columns differ in length.
    """
    cells = [[_cell(value) for value in values] for values in columns.values()]
    rows = [list(columns), ["---:"] * len(columns), *map(list, zip(*cells, strict=True))]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return Markdown("\n".join([*lines, "", f"*{of}*"] if of else lines))


def _cell(value):
    if isinstance(value, float | np.floating):
        value = f"{value:.4g}"
    return str(value).replace("|", r"\|")
