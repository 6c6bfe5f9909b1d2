"""A small Sphinx extension: what Sphinx leaves out when it gathers and replaces the messages of a text.

Sphinx translates what has a source: paragraphs, headings, captions. Titles of exercises have none until they
are given one; a heading with code, a formula or a role in it has lost them; the lists of pages have captions
of their own; HTML in a page is none of its messages. And a message is parsed once, where Sphinx would parse
it twice.
"""

from __future__ import annotations

import json
from collections import defaultdict
from copy import copy
from functools import cache
from pathlib import Path
from typing import Any

from docutils import frontend, nodes
from docutils.io import StringInput
from myst_parser.parsers.sphinx_ import MystParser
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.io import SphinxI18nReader
from sphinx.transforms import SphinxTransform, i18n
from sphinx.util.nodes import extract_messages
from sphinx_exercise.nodes import exercise_title, solution_title

from tools import interface

ADDED = (nodes.literal, nodes.math, addnodes.pending_xref)  # what a heading's text does not show
SELF_TEST = "self-test-says"  # class of a paragraph that becomes a part of a line when it has been translated
FILE = "messages.json"  # beside the folder of the built site: page -> its messages, in their order


def source_of(title: nodes.Element) -> str:
    """The MyST that a heading was written in."""
    parts = []
    for child in title.children:
        if isinstance(child, nodes.literal):
            parts.append(f"`{child.astext()}`")
        elif isinstance(child, nodes.math):
            parts.append(f"${child.astext()}$")
        elif isinstance(child, addnodes.pending_xref):
            _, name, content = child.rawsource.split(":", 2)
            parts.append(f"{{{name}}}{content}")
        else:
            parts.append(child.astext())
    return "".join(parts)


class Titles(SphinxTransform):
    """Gives titles the source that they were written in, before Sphinx looks for messages."""

    default_priority = 5  # Sphinx keeps messages at 10 and replaces them at 20

    def apply(self, **kwargs: Any) -> None:
        """Go through one page."""
        for term in self.document.findall(nodes.term):
            term["translatable"] = False  # the glossary has both languages
        headings = (nodes.title, nodes.rubric)
        for title in self.document.findall(lambda node: isinstance(node, headings)):
            if isinstance(title, (exercise_title, solution_title)):
                title["translatable"] = False  # sphinx-exercise says it itself, and puts the number in later
            elif any(isinstance(child, ADDED) for child in title.children):
                title.rawsource = source_of(title)
        for subtitle in self.document.findall(nodes.subtitle):  # of an exercise
            subtitle.source, subtitle.line = self.document["source"], subtitle.parent.line or 0
            subtitle.rawsource = source_of(subtitle)


class Messages(SphinxTransform):
    """Notes what Sphinx is about to translate, no more and no less.

    Its own builder of catalogues looks later, when references are resolved and titles have become others.
    """

    default_priority = 19

    def apply(self, **kwargs: Any) -> None:
        """Go through one page."""
        kept = getattr(self.env, "book_messages", {})
        kept[self.env.docname] = [text for _, text in extract_messages(self.document)]
        self.env.book_messages = kept


def write_messages(app: Sphinx, failed: Exception | None) -> None:
    """Write the messages of all pages; the English ones, whatever language the pages are in."""
    if failed is None:
        told = json.dumps(getattr(app.env, "book_messages", {}), ensure_ascii=False, indent=1)
        Path(app.outdir).parent.joinpath(FILE).write_text(told, encoding="utf-8")


def parsed(app: Sphinx, text: str, path: str, line: int, config: Any, settings: Any) -> nodes.Element:
    """A message as MyST: what Sphinx does for a text, where it would take each for a notebook."""
    reader = SphinxI18nReader()
    reader.setup(app)
    parser = MystParser()
    parser.set_application(app)
    source = StringInput(source=text, source_path=f"{path}:{line}:<translated>")
    document = reader.read(source=source, parser=parser, settings=settings)
    return document[0] if len(document) else document


def parse_once(parse: Any) -> Any:
    """The same, which hands out what it made when it is asked a second time.

    Sphinx parses each message for titles first, and throws the result away where it is none.
    """
    made: defaultdict[str, list[nodes.Element]] = defaultdict(list)
    page: list[str] = [""]

    def again(app: Sphinx, text: str, *rest: Any) -> nodes.Element:
        if page[0] != app.env.docname:
            made.clear()
            page[0] = app.env.docname
        for number, known in enumerate(made[text]):
            parents = known.findall(nodes.Element)
            if all(child.parent is one for one in parents for child in one.children):  # nobody took a part
                return made[text].pop(number)
        found = parse(app, text, *rest)
        made[text].append(found)
        return found

    return again


class OneDocument(SphinxTransform):
    """Lets what came from a message belong to its page.

    Each part keeps the small document that it was parsed into, and all of them would be stored with the page.
    """

    default_priority = 21

    def apply(self, **kwargs: Any) -> None:
        """Go through one page."""
        for node in self.document.findall():
            node.document = self.document


def settings_once() -> None:
    """Let the parser of MyST ask docutils for its settings once, and not for each message."""
    known = cache(frontend.get_default_settings)
    frontend.get_default_settings = lambda *components: copy(known(*components))


def join_lines(app: Sphinx, doctree: nodes.document) -> None:
    """Make parts of a line of the paragraphs that were paragraphs only to be translated."""
    for paragraph in list(doctree.findall(nodes.paragraph)):
        if SELF_TEST in paragraph.get("classes", []):
            paragraph.replace_self(nodes.inline("", "", *paragraph.children))


def tell_solutions(app: Sphinx, doctree: nodes.document) -> None:
    """Let solutions and links to exercises show titles as they are now; they keep copies of their own."""
    kept = getattr(app.env, "sphinx_exercise_registry", {})
    for title in doctree.findall(exercise_title):
        entry = kept.get(title.parent.get("label"))
        for copied in entry["node"].findall(exercise_title) if entry else ():
            copied.children = []
            copied.extend(title.deepcopy().children)


def is_output(node: nodes.Node | None) -> bool:
    """Whether a node belongs to what a cell has put out: that stays as it came."""
    while node is not None:
        if isinstance(node, nodes.Element) and "cell_output" in node.get("classes", []):
            return True
        node = node.parent
    return False


def say_html(app: Sphinx, doctree: nodes.document) -> None:
    """Say the HTML that a page brings itself in the reader's language."""
    if app.config.language == interface.ENGLISH:
        return
    say = interface.words(app.config.language)
    for raw in list(doctree.findall(nodes.raw)):
        if "html" in raw["format"].split() and not is_output(raw):
            said = interface.said_in_html(raw.astext(), say)
            if said != raw.astext():
                raw.replace_self(nodes.raw(raw.rawsource, said, **raw.attributes))


def name_parts(app: Sphinx, doctree: nodes.document) -> None:
    """Say the captions of the lists of pages in the reader's language."""
    say = interface.words(app.config.language)
    for part in doctree.findall(addnodes.toctree):
        if caption := part.get("caption"):
            part["caption"] = say(caption)


def lend_words(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Let templates ask for words of the interface."""
    context["say"] = interface.words(app.config.language)


def setup(app: Sphinx) -> dict[str, bool]:
    """What Sphinx calls."""
    if app.config.language != interface.ENGLISH:
        i18n.publish_msgstr = parse_once(parsed)
        settings_once()
    app.add_transform(Titles)
    app.add_transform(Messages)
    app.add_transform(OneDocument)
    app.connect("doctree-read", join_lines, priority=400)  # before words of the glossary are linked
    app.connect("doctree-read", tell_solutions)
    app.connect("doctree-read", say_html)
    app.connect("doctree-read", name_parts, priority=950)  # when the list of pages has been put in
    app.connect("html-page-context", lend_words)
    app.connect("build-finished", write_messages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
