"""Papers that the prose names, such as "Deng and others (2019)", link to their entries in the bibliography.

Notebooks stay plain text, and read right in JupyterLab. Who wrote what is read from references.bib alone.
"""

import functools
import re
from collections import defaultdict
from typing import Any

from docutils import nodes
from sphinx.util.nodes import make_refnode


def names(people: list) -> list[str]:
    """The ways in which the prose, in both languages, names authors: the first with an initial too."""
    last = [" ".join(person.last_names) for person in people]
    first = [last[0], *(f"{last[0]}, {name[0]}." for name in people[0].first_names[:1])]
    if len(people) == 1:
        return first
    if len(people) == 2:
        return [f"{last[0]} and {last[1]}", f"{last[0]} 和 {last[1]}"]
    return [f"{name} {others}" for name in first for others in ("and others", "等")] + [
        f"{', '.join(last[:-1])} and {last[-1]}"
    ]


def by_name(citations) -> dict[tuple[str, str], Any]:
    """{(names, year): citation}. Of two named alike the paper counts, and no preprint; else none."""
    found = defaultdict(list)
    for it in citations:
        for name in names(it.entry.persons["author"]):
            found[name, it.entry.fields["year"]].append(it)
    papers = {key: [it for it in its if it.entry.type != "misc"] or its for key, its in found.items()}
    return {key: its[0] for key, its in papers.items() if len(its) == 1}


@functools.lru_cache(maxsize=1)
def _named(names: frozenset[str]) -> re.Pattern:
    who = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    return re.compile(rf"\b({who})(,? \(?)(\d{{4}})((?:, \d{{4}})*)(\)?)")


def parts(text: str, cited: dict) -> list:
    """The text cut up: strings, and (words, citation) where a paper is named with its year."""
    out, at = [], 0
    years = cited and re.search(r"\d{4}", text)
    for match in _named(frozenset(name for name, _ in cited)).finditer(text) if years else ():
        name, between, first, more, end = match.groups()
        if (name, first) not in cited:
            continue
        out.append(text[at : match.start()])
        closed = end if between.endswith("(") and not more else ""
        out.append((f"{name}{between}{first}{closed}", cited[name, first]))
        for year in re.findall(r"\d{4}", more):
            out += [", ", (year, cited[name, year])] if (name, year) in cited else [f", {year}"]
        out.append("" if closed else end)
        at = match.end()
    return [part for part in [*out, text[at:]] if part]


def _link(app, doctree, docname):
    cited = by_name(app.env.get_domain("cite").citations)

    def made(part):
        if isinstance(part, str):
            return nodes.Text(part)
        words, it = part
        where, title = it.bibliography_key.docname, it.tooltip_entry
        told = title.text.render_as("text") if title else None
        return make_refnode(app.builder, docname, where, it.citation_id, [nodes.Text(words)], told)

    for node in list(doctree.findall(nodes.Text)):
        if not isinstance(node.parent, nodes.reference | nodes.literal | nodes.raw | nodes.title):
            found = parts(node.astext(), cited)
            if any(isinstance(part, tuple) for part in found):
                node.parent.replace(node, [made(part) for part in found])


def setup(app):
    app.connect("doctree-resolved", _link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
