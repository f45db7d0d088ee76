"""At the foot of each page: the version, when it last changed, what is new, and a way to report a problem."""

import functools
import subprocess
from pathlib import Path

from translated import _

CHANGES = "book/changelog"


@functools.cache
def _days(root: str) -> dict[str, str]:
    """{path below the root: day of the commit that last changed it}; empty where there is no git."""
    command = ["git", "-C", root, "log", "--format=@%cs", "--name-only", "--relative"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf-8").stdout
    except (OSError, subprocess.CalledProcessError):
        return {}
    days, day = {}, ""
    for line in said.splitlines():
        if line.startswith("@"):
            day = line[1:]
        elif line:
            days.setdefault(line, day)
    return days


def _foot(app, pagename, templatename, context, doctree):
    from marginlab import __version__

    source = Path(app.env.doc2path(pagename)) if pagename in app.env.found_docs else None
    if source and not source.is_relative_to(
        app.srcdir / "lessons"
    ):  # a sheet's page is made from its notebook
        sheet = Path(app.srcdir, f"{pagename}.ipynb")
        source = sheet if sheet.exists() else source
    day = source and _days(str(app.srcdir)).get(source.relative_to(app.srcdir).as_posix())
    changed = _(", changed on {day}").format(day=day) if day else ""
    news = app.builder.get_relative_uri(pagename, CHANGES) if app.builder.format == "html" else ""
    url = app.config.html_context.get("repository", "")
    to = f"{url}/issues/new" if url else ""  # without an address the text of a report is copied
    data = f'data-version="{__version__}{changed}" data-to="{to}"'
    new, report = _("What is new"), _("Report a problem here")
    context["theme_extra_footer"] = (
        f'<div class="marginlab-foot">marginlab {__version__}{changed} · <a href="{news}">{new}</a> · '
        f'<button type="button" class="marginlab-report" {data}>'
        f"{report}</button></div>"
    )


def setup(app):
    app.connect("html-page-context", _foot)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
