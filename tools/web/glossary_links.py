"""A small Sphinx extension: the first use of each word of the glossary, on each page, leads to its entry.

The texts stay free of roles for this, since hosted notebooks would show them raw. The link carries the
definition as its title, which browsers show when one rests on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

from tools import glossary, interface

MOST = 10  # links of a page: each weighs as much as a sentence
NOT_WITHIN = (
    *(nodes.reference, nodes.literal, nodes.literal_block, nodes.title, nodes.term, nodes.math, nodes.raw),
    *(nodes.math_block, nodes.rubric, nodes.caption, nodes.strong, addnodes.pending_xref),
)
NOT_ON = re.compile(r"glossary$|bibliography$|reference/|lists/|/articles/|^index$")


@cache
def entries(language: str = interface.ENGLISH) -> dict[str, str]:
    """Word of a language -> the first sentence of its definition, in plain text."""
    found, known = {}, interface.catalogue(language, "book")
    for english, chinese, meaning in glossary.entries():
        told = known.get(meaning, meaning)
        plain = re.sub(r"\{term\}`([^`<]*?)(?: <[^`]*)?`|[`*$\\]", r"\1", told)
        word = english if language == interface.ENGLISH else chinese
        sentences = re.split(r"(?<=[.]) |(?<=\u3002)", plain)  # a page has room for the first
        found[word or english] = sentences[0]
    return found


@cache
def pattern(language: str = interface.ENGLISH) -> re.Pattern[str]:
    """Any word of the glossary, in English also in the plural; longer ones first."""
    words = "|".join(map(re.escape, sorted(entries(language), key=len, reverse=True)))
    if language == interface.CHINESE:  # its words have no ends that a pattern could see
        return re.compile(rf"(?<![A-Za-z-])({words})(?![A-Za-z-])", re.I)
    return re.compile(rf"(?<![\w-])({words})(?:s|es)?(?![\w-])", re.I)


def link_first_uses(app: Sphinx, doctree: nodes.document) -> None:
    """Turn the first use of each word into a reference to the glossary."""
    if NOT_ON.search(app.env.docname):
        return
    language = app.config.language
    names = {word.lower(): word for word in entries(language)}
    seen: set[str] = set()
    for text in list(doctree.findall(nodes.Text)):
        if _is_prose(text):
            found = pattern(language).finditer(text.astext())
            parts = _linked(text.astext(), found, names, seen, app.env.docname)
            if len(parts) > 1:
                text.parent.replace(text, parts)


def explain(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Give each link to the glossary the definition as its title."""
    terms = app.env.get_domain("std").objects
    meanings = {
        terms["term", word][1]: meaning
        for word, meaning in entries(app.config.language).items()
        if ("term", word) in terms
    }
    for reference in doctree.findall(nodes.reference):
        target = f"{reference.get('refuri', '')}#{reference.get('refid', '')}"
        if (found := re.search(r"#(term-[^#]+)", target)) and found[1] in meanings:
            reference["reftitle"] = meanings[found[1]]


def _is_prose(text: nodes.Text) -> bool:
    """Whether a text stands in running prose, and not in a title, a link, code or a formula."""
    node, is_in_paragraph = text.parent, False
    while node is not None:
        if isinstance(node, NOT_WITHIN):
            return False
        is_in_paragraph = is_in_paragraph or isinstance(node, nodes.paragraph)
        node = node.parent
    return is_in_paragraph


def _linked(
    text: str, matches: Iterable[re.Match[str]], names: dict[str, str], seen: set[str], docname: str
) -> list[nodes.Node]:
    """The text in pieces, with a reference for each word that was not met before."""
    parts: list[nodes.Node] = []
    end = 0
    for found in matches:
        word = names[found[1].lower()]
        if word in seen or len(seen) == MOST:
            continue
        seen.add(word)
        reference = addnodes.pending_xref(
            "",
            refdomain="std",
            reftype="term",
            reftarget=word,
            refexplicit=True,
            refwarn=True,
            refdoc=docname,
        )
        reference += nodes.Text(found[0])
        parts += [nodes.Text(text[end : found.start()]), reference]
        end = found.end()
    return [*parts, nodes.Text(text[end:])]


def setup(app: Sphinx) -> dict[str, bool]:
    """What Sphinx calls."""
    app.connect("doctree-read", link_first_uses)
    app.connect("doctree-resolved", explain)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
