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

from tools import executions, interface, project

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


def took(run: executions.Execution, say: interface.Say) -> str:
    """``147 s (35 s of processor time)``: other programs may have kept the processor busy."""
    if not run.busy:
        return f"{run.seconds} s"
    return say("{seconds} s ({busy} s of processor time)", seconds=run.seconds, busy=run.busy)


def commit(run: executions.Execution, address: str | None) -> nodes.Node:
    """The commit, as a link where the repository has an address."""
    shown = nodes.literal("", run.short_commit().rstrip("+"))
    where = f"{address}/commit/{run.commit.rstrip('+')}"
    return nodes.reference("", "", shown, refuri=where) if address else shown


def filled(text: str, **parts: nodes.Node) -> nodes.paragraph:
    """A paragraph with ``{name}`` in its text replaced by the node of that name."""
    pieces = re.split(r"\{(\w+)\}", text)
    made = [parts[piece] if number % 2 else nodes.Text(piece) for number, piece in enumerate(pieces)]
    return nodes.paragraph("", "", *made)


def facts(
    docname: str, run: executions.Execution | None, address: str | None, language: str = interface.ENGLISH
) -> list[nodes.paragraph]:
    """The paragraphs at the foot of a page; none for a page that is generated."""
    source, say = source_of(docname), interface.words(language)
    if source is None:
        return []
    told = []
    if run is not None:
        when, seconds = interface.day(run.date, language), took(run, say)
        line = nodes.paragraph("", "", nodes.strong("", say("Tested with")))
        line += nodes.Text(say(" {versions}. ", versions=run.tested_with()))
        text = say("Last executed on {when} in {seconds}, at commit {{commit}}.", when=when, seconds=seconds)
        if run.commit.endswith("+"):
            text = say(
                "Last executed on {when} in {seconds}, at commit {{commit}}, with the changes that were "
                "committed together with its outputs.",
                when=when,
                seconds=seconds,
            )
        line.extend(filled(text, commit=commit(run, address)).children)
        told.append(line)
    last = nodes.paragraph()
    if when := changed().get(source):
        last += nodes.Text(say("The text was last changed on {when}. ", when=interface.day(when, language)))
    if address:
        report = f"{address}/issues/new?title={quote(f'{docname}: ')}"
        edit = nodes.reference("", say("Edit the text"), refuri=f"{address}/edit/{BRANCH}/{source}")
        mistake = nodes.reference("", say("report a mistake"), refuri=report)
        last.extend(filled(say("{edit} or {mistake}."), edit=edit, mistake=mistake).children)
    return [*told, last] if last.children else told


def add(app: Sphinx, doctree: nodes.document) -> None:
    """Put the facts at the end of the page."""
    name = app.env.docname
    address = project.address() if project.is_published() else None
    run = executions.read().get(name.removeprefix("book/"))
    if told := facts(name, run, address, app.config.language):
        doctree.next_node(nodes.section).append(nodes.container("", *told, classes=["page-facts"]))


def description(doctree: nodes.document) -> str:
    """The first sentences of a page, as many as there is room for, in plain text and without citations."""
    said = ""
    for paragraph in doctree.findall(nodes.paragraph):
        if not isinstance(paragraph.parent, nodes.section):
            continue  # of a list, a box or a note
        text = " ".join(CITED.sub("", paragraph.astext()).split())
        for sentence in re.split(r"(?<=[.?!]) (?=[A-Z])|(?<=[\u3002\uff1f\uff01])", text):
            if said and len(said) + len(sentence) >= MOST_LETTERS:
                return said
            gap = "" if not said or said[-1] in "\u3002\uff1f\uff01" else " "
            said = f"{said}{gap}{sentence}".rstrip()
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
