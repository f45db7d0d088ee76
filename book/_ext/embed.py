"""embed.html: the explorer alone, for a frame in a page of somebody else's.

What follows its # says with what it begins, and which of its controls are hidden or locked: js/link.js reads
it. A button of the other explorers, "embed", makes such links.
"""

from explorer import runs

NAME = "embed.html"
SETTINGS = {"head": "arcface", "margin": 0.3, "scale": 30.0, "seed": 0, "naive": None}
# The book's pages have a switch for light and dark; who sees this one in a frame has the system's alone.
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Explorer: margin losses you can see</title>
<style>
html {{ color-scheme: light; background: #ffffff; color: #2b2d33; }}
html[data-theme="dark"] {{ color-scheme: dark; background: #15171b; color: #eceef2; }}
body {{ margin: 0; padding: 4px; font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }}
h1 {{ position: absolute; width: 1px; height: 1px; margin: 0; overflow: hidden; clip-path: inset(50%); }}
td, th {{ padding: 2px 12px 2px 0; text-align: left; }}
html.marginlab-present .marginlab-explorer {{ zoom: 1.35; }}
</style>
<script>
(() => {{
  const wished = matchMedia("(prefers-color-scheme: dark)");
  const dress = () => (document.documentElement.dataset.theme = wished.matches ? "dark" : "light");
  wished.addEventListener("change", dress);
  dress();
}})();
</script>
</head>
<body data-alone>
<main>
<h1>Explorer: margin losses you can see</h1>
{explorer}
</main>
{scripts}
</body>
</html>
"""


def _write(app, exception):
    if exception is not None or app.builder.name != "html":
        return
    from marginlab.explorer import page

    with runs(app) as run:
        explorer = page.html(SETTINGS, run(SETTINGS))
    names = (page.LIGHT, page.SCRIPT, "present.js")
    scripts = "\n".join(f'<script defer src="_static/{name}"></script>' for name in names)
    (app.outdir / NAME).write_text(PAGE.format(explorer=explorer, scripts=scripts), encoding="utf-8")


def setup(app):
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
