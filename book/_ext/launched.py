"""Buttons that open the notebook of a chapter or a sheet on Colab and Binder, where an address is set.

They open what book/launch.py has put on a branch: the notebooks with a first cell that fetches and installs,
and the sheets without their solutions.
"""

import sys
from pathlib import Path
from urllib.parse import quote, urlsplit

from translated import _

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from address import BRANCH

COLAB, BINDER = "https://colab.research.google.com", "https://mybinder.org"
LOGOS = {"Colab": "_static/images/logo_colab.png", "Binder": "_static/images/logo_binder.svg"}


def links(url: str, pagename: str) -> dict[str, str]:
    """{service: where it opens this page's notebook}: none without an address, or of a page without one."""
    if not url or not pagename.startswith("lessons/"):
        return {}
    where, name = urlsplit(url).path.strip("/"), f"{quote(pagename)}.ipynb"
    return {
        "Colab": f"{COLAB}/github/{where}/blob/{BRANCH}/{name}",
        "Binder": f"{BINDER}/v2/gh/{where}/{BRANCH}?urlpath=lab/tree/{name}",
    }


def _buttons(app, pagename, templatename, context, doctree):
    url = app.config.html_context.get("repository", "")
    found = [
        {
            "type": "link",
            "text": name,
            "tooltip": _("Open this notebook on {service}").format(service=name),
            "url": to,
            "icon": LOGOS[name],
        }
        for name, to in links(url, pagename).items()
    ]
    if found and "header_buttons" in context:
        group = {"type": "group", "tooltip": _("Run this notebook elsewhere"), "icon": "fas fa-rocket"}
        context["header_buttons"].append(group | {"label": "launch-buttons", "buttons": found})


def setup(app):
    # After the theme has begun its list, and before its template draws it.
    app.connect("html-page-context", _buttons, priority=502)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
