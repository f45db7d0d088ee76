"""The catalogue of hazards: one section for each record of `marginlab.hazards`, in book/hazards.md."""

import itertools
import re
from pathlib import Path

PAGE = "book/hazards"
ISSUE = re.compile(r"([\w.-]+/[\w.-]+)#(\d+)")


def _entry(hazard):
    met = ISSUE.sub(r"[\1#\2](https://github.com/\1/issues/\2)", ", ".join(hazard.met))
    return f"""
(hazard-{hazard.name})=
### {hazard.symptom.rstrip(".")}

`HAZARDS["{hazard.name}"]`

**Why.** {hazard.why}

**Cure.** {hazard.cure}

```text
{hazard.table()}
```

:::{{dropdown}} The two formulas of {hazard.name}
**Naive**
```python
{hazard.source("naive")}
```
**Cured**
```python
{hazard.source("cured")}
```
:::

Met: {met}.
"""


def _write(app, docname, source):
    if docname != PAGE:
        return
    from marginlab import hazards

    for path in Path(hazards.__file__).parent.glob("*.py"):
        app.env.note_dependency(str(path))
    chapters = itertools.groupby(hazards.HAZARDS.values(), key=lambda hazard: hazard.chapter)
    for chapter, records in chapters:
        link = f"[chapter {int(chapter[:2])}](../lessons/{chapter}/lesson.ipynb)"
        source[0] += f"\n## Met in {link}\n" + "".join(map(_entry, records))


def setup(app):
    app.connect("source-read", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
