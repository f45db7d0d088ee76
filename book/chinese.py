"""The book in Chinese: its catalogues, and the build of its pages.

python book/chinese.py messages    # brings the catalogues in book/locale up to date, and says what waits
python book/chinese.py             # builds the pages into _build/html/zh, as book/build.py does

A catalogue is gettext's: of each page one, `explorer.po` of what scripts say, `page.po` of what the book's
extensions write into pages. book/locale/README.md has the words that translators keep to.
"""

import hashlib
import io
import json
import os
import pickle
import posixpath
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import yaml
from babel.messages import extract, mofile, pofile
from babel.messages.catalog import Catalog

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "book" / "_ext")]

import asking  # noqa: E402
import moving  # noqa: E402
import symbols  # noqa: E402
from translated import FOLDER, LANGUAGE, LOCALE, PAGES, SCRIPT, WORDS  # noqa: E402

EXTENSIONS = ROOT / "book" / "_ext"
HTML, SCRATCH, COMPILED, DOCTREES = (
    ROOT / "_build" / name for name in ("html", FOLDER, "locale", f".doctrees-{FOLDER}")
)
CATALOGUES = LOCALE / LANGUAGE / "LC_MESSAGES"
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
SCRIPTS = "explorer"  # the catalogue of what scripts say
FOLDERS = ("marginlab/explorer/js", "book/figures", "book/asking", "book/_static")
# What the theme says in attributes, and has no translation of.
THEME = ("Main", "Page", "Toggle primary sidebar", "Toggle secondary sidebar", "Color mode", "Search...")
THEME += ("Link to this heading", "Link to this equation")
# What a catalogue is made from is read: nothing is executed, trained or drawn for it.
UNWRITTEN = {"sphinx.ext.viewcode", "embed"}  # pages that there are in English only
UNUSED = {"explorer", "embed", "exercises", "moving", "gallery", "symbols", "cited", "numbered"}


# ---- What there is to translate ----


def sphinx(builder, out, doctrees, toc, drop, config, **options):
    """An application of Sphinx with the book's configuration and a table of contents; drop: extensions."""
    from jupyter_book.config import get_final_config
    from sphinx.application import Sphinx

    given = {"external_toc_path": str(toc), "latex_individualpages": False, **config}
    settings, _ = get_final_config(user_yaml=ROOT / "_config.yml", sourcedir=ROOT, cli_config=given)
    settings["extensions"] = [name for name in settings["extensions"] if name not in drop]
    return Sphinx(ROOT, None, out, doctrees, builder, settings, status=None, **options)


def of_pages(folder: Path) -> None:
    """Writes a template of each page's messages. Its warnings are the build's to give."""
    toc = folder / "_toc.yml"
    parts = [{"file": page} for page in PAGES if page != TOC["root"]]
    toc.write_text(yaml.safe_dump({"format": TOC["format"], "root": TOC["root"], "chapters": parts}))
    os.environ["SOURCE_DATE_EPOCH"] = "0"  # a catalogue's date would differ at each call, and tell nothing
    config = {"gettext_compact": False, "gettext_location": False, "nb_execution_mode": "off"}
    config["project"] = "marginlab"
    with tempfile.TemporaryDirectory() as doctrees:
        sphinx("gettext", folder, doctrees, toc, UNUSED, config, warning=None).build()


def tagged(script: str) -> Iterator[str]:
    """The texts that a script has as say`…`, with {0}, {1} and so on for what stands in their gaps."""
    for match in re.finditer(r"\bsay`", script):
        parts, at = [""], match.end()
        while script[at] != "`":
            if script.startswith("${", at):
                at = _beyond(script, at + 2)
                parts.append("")
                continue
            at += script[at] == "\\"
            parts[-1] += script[at]
            at += 1
        yield "".join(f"{{{k - 1}}}{part}" if k else part for k, part in enumerate(parts))


def _beyond(script, at):
    """Where an expression ends that stands in a template, its brace being closed."""
    depth = 1
    while depth:
        sign = script[at]
        if sign in "\"'":
            at = script.index(sign, at + 1)
        elif sign == "`":
            at += 1
            while script[at] != "`":
                at = _beyond(script, at + 2) if script.startswith("${", at) else at + 1
        depth += {"{": 1, "}": -1}.get(sign, 0)
        at += 1
    return at


def source(page: str) -> Path:
    """The file that a page is written in."""
    return next(path for end in (".ipynb", ".md") if (path := ROOT / f"{page}{end}").exists())


def of_scripts() -> list[str]:
    """What scripts say: their own texts, and those of the tables that they are given."""
    from marginlab.explorer.bundle import MEMBERS
    from marginlab.explorer.forms import FORMS, WHY

    found = [form.title for form in FORMS.values()] + list(WHY.values())
    for member in MEMBERS.values():
        settings = list(member.settings.values())
        found += [member.title, *(it.name for it in settings), *(it.unit for it in settings)]
    found += [
        "seed",
        "(where it starts)",
    ]  # of js/settings.js, which is a worker's too and says nothing itself
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).glob("*.js")):
            found += tagged(path.read_text(encoding="utf-8"))
    return [text for text in dict.fromkeys(found) if text]


def of_extensions() -> list[str]:
    """What extensions write into pages, and the words of the axes on which something is predicted."""
    found = [*(part["caption"] for part in TOC["parts"]), *THEME]
    for path in sorted((ROOT / "book" / "_ext").glob("*.py")):
        with path.open("rb") as file:
            found += [text for _, text, _, _ in extract.extract("python", file, {"_": None})]
    for page in PAGES:
        for each in asking.predictions((ROOT / page).with_name("asking.yml")):
            found += asking.said_beside(each)
    sources = [source(page).read_text(encoding="utf-8") for page in PAGES]
    found += symbols.said(ROOT, sources)
    found += [
        shows for cell, _, shows in moving.CELLS if shows and any(f'"{cell}"' in text for text in sources)
    ]
    return list(dict.fromkeys(found))


def templates(folder: Path) -> None:
    """Writes the templates of all catalogues."""
    of_pages(folder)
    for name, texts in ((SCRIPTS, of_scripts()), (WORDS, of_extensions())):
        catalogue = Catalog(project="marginlab", version=" ", creation_date=datetime.fromtimestamp(0, UTC))
        for text in texts:
            catalogue.add(text)
        with (folder / f"{name}.pot").open("wb") as file:
            pofile.write_po(file, catalogue, width=0)


# ---- The catalogues ----


def catalogues(folder: Path = CATALOGUES, end: str = "po") -> dict[str, Catalog]:
    """Every catalogue of a folder, by its name."""
    found = {}
    for path in sorted(folder.rglob(f"*.{end}")):
        with path.open("rb") as file:
            name = path.relative_to(folder).with_suffix("").as_posix()
            found[name] = pofile.read_po(file, locale=LANGUAGE)
    return found


def waiting(catalogue: Catalog) -> list[str]:
    """The messages that are to be translated, or are fuzzy: whose English has changed."""
    return [it.id for it in catalogue if it.id and (it.fuzzy or not it.string)]


KEPT = re.compile(
    r"\{\w+\}"  # gaps
    r"|\$[^$]+\$"  # formulas
    r"|(?<=\]\()[^)\s]+(?=\))"  # where links lead
    r"|`+[^`]+`+"  # code
    r"|</?[a-z][^>]*>"  # HTML
)


def lost(english: str, translated: str) -> list[str]:
    """What a translation must keep and has not, or has beside it: gaps, formulas, addresses, code, HTML."""
    ours, theirs = (Counter(KEPT.findall(text)) for text in (english, translated))
    return sorted(((ours - theirs) + (theirs - ours)).elements())


def messages() -> None:
    """Brings the catalogues up to date with the English, and says what waits and what is wrong."""
    from sphinx_intl import basic

    with tempfile.TemporaryDirectory() as folder:
        templates(Path(folder))
        basic.update(str(LOCALE), folder, [LANGUAGE], line_width=0, ignore_obsolete=True)
    for name, catalogue in catalogues().items():
        print(f"{name}: {len(waiting(catalogue))} of {len(catalogue)} wait")
        for it in catalogue:
            if it.id and it.string and lost(it.id, it.string):
                print(f"  {it.string!r} differs in {lost(it.id, it.string)}")


# ---- The pages ----


def compiled() -> None:
    """Compiles the catalogues, and those of scripts into one that pages load. What is fuzzy stays English."""
    for name, catalogue in catalogues().items():
        path = COMPILED / LANGUAGE / "LC_MESSAGES" / f"{name}.mo"
        path.parent.mkdir(parents=True, exist_ok=True)
        made = io.BytesIO()
        mofile.write_mo(made, catalogue)
        if not path.exists() or path.read_bytes() != made.getvalue():
            path.write_bytes(made.getvalue())
    (COMPILED / SCRIPT).write_text(
        f"globalThis.marginlabWords = {json.dumps(texts(SCRIPTS), ensure_ascii=False)};\n", "utf-8"
    )


def texts(name: str) -> dict[str, str]:
    """What a catalogue has in the place of the English, but for what waits."""
    return {it.id: it.string for it in catalogues()[name] if it.id and it.string and not it.fuzzy}


def rests_on() -> str:
    """A fingerprint: of the catalogues, of the code, and of the English pages, which show all else."""
    paths = [
        ROOT / "_config.yml",
        Path(__file__),
        *sorted(EXTENSIONS.glob("*.py")),
        *sorted(CATALOGUES.rglob("*.po")),
    ]
    paths += [HTML / f"{page}.html" for page in PAGES]
    return hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in paths)).hexdigest()


def moved(text: str, page: str) -> str:
    """A page as it stands in its folder of the English book, where all is that is not translated.

    Naive: its own styles, scripts, pictures and untranslated pages beside it, a second book of 20 MB.
    """
    home = PurePosixPath(page).parent
    up = "../" * (len(home.parts) + 1)

    def address(match):
        before, path, rest = match.groups()
        to = posixpath.normpath(home / path)
        if to.startswith("..") or to.removesuffix(".html") in PAGES:
            return match[0]
        english = ' hreflang="en"' if before.startswith("href") and to.endswith(".html") else ""
        return f'{before}{up}{to}{rest}"{english}'

    text = re.sub(r'\b((?:href|src|action|srcset)=")(?![a-z]+:|#|//)([^"#?]+)([^"]*)"', address, text)
    text = re.sub(r'data-content_root="[^"]*"', f'data-content_root="{up}"', text)
    said = texts(WORDS)
    text = re.sub(rf'="({"|".join(map(re.escape, THEME))})"', lambda it: f'="{said.get(it[1], it[1])}"', text)
    return re.sub(r"<script[^>]*/translations\.js[^>]*></script>\n?", "", text)


def seeded(config: dict) -> dict:
    """Begins with what the English build has read, of which the translated pages alone are read anew.

    Naive: an environment of its own. Another language is another configuration, and Sphinx reads all pages
    for it, in more than a minute. So what it has kept says that it was read with this configuration. Returns
    that with what stays English.
    """
    shutil.rmtree(DOCTREES, ignore_errors=True)
    shutil.copytree(ROOT / "_build" / ".doctrees", DOCTREES)
    path = DOCTREES / "environment.pickle"
    environment = pickle.loads(path.read_bytes())
    for name, value in config.items():
        setattr(environment.config, name, value)
    environment.config.extensions = [it for it in environment.config.extensions if it not in UNWRITTEN]
    environment.version = {it: version for it, version in environment.version.items() if it not in UNWRITTEN}
    for page in PAGES:
        del environment.all_docs[page]
    path.write_bytes(pickle.dumps(environment))
    return {**config, "numfig_format": environment.config.numfig_format}


def build() -> int:
    """Builds the pages into the English book, unless nothing has changed. Returns 0 where all is well."""
    mark, known = rests_on(), SCRATCH / "made.txt"
    there = all((HTML / FOLDER / f"{page}.html").exists() for page in PAGES)
    if there and known.exists() and known.read_text() == mark:
        return 0
    compiled()
    config = {"language": LANGUAGE, "gettext_compact": False, "nitpicky": True}
    title, said = CONFIG["title"], texts(WORDS)
    config["html_title"] = texts(TOC["root"]).get(title, title)
    for way in ("show", "hide"):  # on folds whose cell belongs to no chapter
        text = said.get(f"{way.capitalize()} {{made}}", f"{way.capitalize()} {{made}}")
        config[f"nb_code_prompt_{way}"] = text.format(made=said.get("the code", "the code"))
    strict = {"warningiserror": True, "keep_going": True}
    app = sphinx("html", SCRATCH, DOCTREES, ROOT / "_toc.yml", UNWRITTEN, seeded(config), **strict)
    app.builder.search = False  # it finds what is in the English book
    app.build(False, [str(source(page)) for page in PAGES])
    if app.statuscode:
        return app.statuscode
    shutil.copy(COMPILED / SCRIPT, HTML / "_static" / SCRIPT)
    for page in PAGES:
        path = HTML / FOLDER / f"{page}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        made = (SCRATCH / f"{page}.html").read_text(encoding="utf-8")
        path.write_text(moved(made, page), encoding="utf-8")
    known.write_text(mark)
    return 0


if __name__ == "__main__":
    sys.exit(messages() if sys.argv[1:] == ["messages"] else build())
