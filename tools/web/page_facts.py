"""A small Sphinx extension: what a page of the book says of itself, at its foot and to search engines.

When its notebook was last executed, with which versions, at which commit and in how many seconds; when its
text was last changed; links to change it or to report a mistake, once the repository has an address. And the
description of the page: its first sentences.
"""

from __future__ import annotations

import re
import subprocess
from functools import cache
from html import escape
from pathlib import Path
from urllib.parse import quote

from docutils import nodes
from sphinx.application import Sphinx

from tools import executions, project
from tools.web import lists

BRANCH = "main"
MOST_LETTERS = 160  # of a description: what the list of a search engine has room for
CITED = re.compile(r"\s*\[[^\[\]]*\d{4}[a-z]?\]")


def source_of(docname: str, root: Path = project.ROOT) -> str | None:
    """What one edits to change a page: the text of a notebook, or the page itself. None if generated."""
    name = docname.removeprefix("book/")
    for path in (f"text/{name}.md", f"book/{name}.md"):
        if (root / path).exists() and not name.startswith(("lists/", "reference/")):
            return path
    return None


@cache
def changed(root: Path = project.ROOT) -> dict[str, str]:
    """Path of a text -> the day of the last commit that touched it; empty where the history is not there."""
    try:
        if _git(root, "rev-parse", "--is-shallow-repository").strip() == "true":
            return {}
        log = _git(root, "log", "--format=%x00%cs", "--name-only", "--no-renames", "--", "text", "book/*.md")
    except (OSError, subprocess.CalledProcessError):
        return {}
    found: dict[str, str] = {}
    for entry in log.split("\0")[1:]:
        day, *paths = entry.split("\n")
        for path in filter(None, paths):
            found.setdefault(path, day)  # the newest comes first
    return found


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "core.quotePath=false", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def took(run: executions.Execution) -> str:
    """``147 s (35 s of processor time)``: other programs may have kept the processor busy."""
    return f"{run.seconds} s ({run.busy} s of processor time)" if run.busy else f"{run.seconds} s"


def commit(run: executions.Execution, address: str | None) -> list[nodes.Node]:
    """The commit as a link where the repository has an address; a plus is told in words."""
    plain = run.commit.rstrip("+")
    shown = nodes.literal("", run.short_commit().rstrip("+"))
    linked = nodes.reference("", "", shown, refuri=f"{address}/commit/{plain}")
    said = ", with the changes that were committed together with its outputs" if plain != run.commit else ""
    return [linked if address else shown, nodes.Text(said)]


def facts(docname: str, run: executions.Execution | None, address: str | None) -> list[nodes.paragraph]:
    """The paragraphs at the foot of a page; none for a page that is generated."""
    source = source_of(docname)
    if source is None:
        return []
    told = []
    if run is not None:
        line = nodes.paragraph("", "", nodes.strong("", "Tested with"), nodes.Text(f" {run.tested_with()}."))
        line += nodes.Text(f" Last executed on {lists.day(run.date)} in {took(run)}, at commit ")
        line.extend([*commit(run, address), nodes.Text(".")])
        told.append(line)
    last = nodes.paragraph()
    if when := changed().get(source):
        last += nodes.Text(f"The text was last changed on {lists.day(when)}. ")
    if address:
        report = f"{address}/issues/new?title={quote(f'{docname}: ')}"
        last += nodes.reference("", "Edit the text", refuri=f"{address}/edit/{BRANCH}/{source}")
        last += nodes.Text(" or ")
        last += nodes.reference("", "report a mistake", refuri=report)
        last += nodes.Text(".")
    return [*told, last] if last.children else told


def add(app: Sphinx, doctree: nodes.document) -> None:
    """Put the facts at the end of the page."""
    name = app.env.docname
    address = project.address() if project.is_published() else None
    run = executions.read().get(name.removeprefix("book/"))
    if told := facts(name, run, address):
        doctree.next_node(nodes.section).append(nodes.container("", *told, classes=["page-facts"]))


def description(doctree: nodes.document) -> str:
    """The first sentences of a page, as many as there is room for, in plain text and without citations."""
    said = ""
    for paragraph in doctree.findall(nodes.paragraph):
        if not isinstance(paragraph.parent, nodes.section):
            continue  # of a list, a box or a note
        text = " ".join(CITED.sub("", paragraph.astext()).split())
        for sentence in re.split(r"(?<=[.?!]) (?=[A-Z])", text):
            if said and len(said) + len(sentence) >= MOST_LETTERS:
                return said
            said = f"{said} {sentence}".strip()
    return said


def describe(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """Give a page its description before ``sphinxext.opengraph`` would cut one out of it."""
    if doctree is not None and (said := description(doctree)):
        context["metatags"] += f'<meta name="description" content="{escape(said)}" />\n'
        context["meta"] = (context["meta"] or {}) | {"og:description": escape(said)}


def setup(app: Sphinx) -> dict[str, bool]:
    """What Sphinx calls."""
    app.connect("doctree-read", add, priority=900)  # after the glossary, which links words of the text
    app.connect("html-page-context", describe, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
