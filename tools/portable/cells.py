"""A notebook of the book as a portable one: prose rewritten, exercises under headings, solutions folded.

A code cell stays what the tests have run, to the byte; only what its host reads about folding is added.
"""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Mapping

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from pybtex.database import Entry

from tools import interface, references
from tools.portable.prose import Piece, Unsupported, Writer

# Each host folds by a word of its own. A solution lies under a heading that JupyterLab and Colab fold.
CODE_FOLDED = {"cellView": "form", "_kg_hide-input": True}  # Colab, Kaggle
SOURCE_FOLDED = {"jupyter": {"source_hidden": True}}  # JupyterLab
OUTPUT_FOLDED = {"_kg_hide-output": True}
HEADING_FOLDED = {"jp-MarkdownHeadingCollapsed": True}
HEADING = re.compile(r"#+ ")
BOLD_TITLE = re.compile(r"\*\*((?:(?!\*\*).)+?)[.:]?\*\*\n+(?=\S)")


def portable(
    notebook: NotebookNode, writer: Writer, *, website: str = "", papers: Mapping[str, Entry] | None = None
) -> NotebookNode:
    """The portable twin of ``notebook``, which stays as it is.

    Args:
        notebook: an executed notebook of the book.
        writer: rewrites its prose.
        website: address of its page, for a link below the title; empty while there is none.
        papers: what can be cited, by key; what the notebook cites and does not list is listed at its end.

    Raises:
        Unsupported: if something in it has no Markdown, or if a solution would fold code that comes after it.
    """
    result = NotebookNode(copy.deepcopy({**notebook, "cells": []}))
    outline = _Outline(writer)
    for number, cell in enumerate(notebook.cells):
        try:
            made = outline.code(cell) if cell.cell_type == "code" else outline.prose(cell)
        except Unsupported as error:
            raise Unsupported(f"cell {number + 1}: {error}") from error
        result.cells += made
    result.cells += _unlisted(notebook, papers or {}, writer.say)
    if website:
        _link(result, website, writer.say)
    result.metadata["colab"] = {"collapsed_sections": outline.folded, "provenance": []}
    nbformat.validate(result)
    return result


class _Outline:
    """Where in its headings a notebook stands while its cells are made one after the other."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.level, self.title = 1, ""  # of the last heading that the author wrote
        self.in_solution = self.is_after_solution = False
        self.folded: list[str] = []  # the cells whose sections are folded

    def code(self, cell: NotebookNode) -> list[NotebookNode]:
        """A code cell with what its hosts read about folding; below a figure with a caption, that too.

        Raises:
            Unsupported: if it comes right after a solution, with which it would be folded.
        """
        if self.is_after_solution:
            raise Unsupported(
                "code right after a solution would be folded with it; a sentence has to come first"
            )
        made = copy.deepcopy(cell)
        if self.in_solution:
            made.metadata |= CODE_FOLDED | OUTPUT_FOLDED
        elif "hide-input" in cell.metadata.get("tags", []):
            made.metadata |= copy.deepcopy(CODE_FOLDED | SOURCE_FOLDED)
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if "caption" not in figure:
            return [made]
        caption = self.writer.text(figure["caption"])
        if "name" in figure:
            number = self.writer.names.number("figure", figure["name"], self.writer.page)
            caption = f"**{number}.** {caption}"
        return [made, new_markdown_cell(caption, id=f"{cell.id}-caption")]

    def prose(self, cell: NotebookNode) -> list[NotebookNode]:
        """The cells that one cell of prose becomes; a folded heading stands in a cell of its own."""
        parts: list[tuple[str, bool]] = []  # text, whether it is a folded heading
        is_open = False  # whether the next text belongs to the last part
        for piece in self.writer.pieces(cell.source):
            text = self._shown(piece)
            if piece.kind == "text" and is_open:
                parts[-1] = (_under(parts[-1][0], text, self.writer.say), False)
            elif text:
                parts.append((text, piece.kind == "solution"))
            is_open = piece.kind in ("text", "exercise")
        return [self._cell(cell, number, *part) for number, part in enumerate(parts, start=1)]

    def _shown(self, piece: Piece) -> str:
        """The Markdown of a piece; takes note of where the notebook stands after it."""
        if piece.kind == "end":
            self.in_solution, self.is_after_solution = False, True
            return ""
        if piece.kind == "solution":
            self.in_solution, self.is_after_solution = True, False
            return f"{'#' * (self.level + 2)} {piece.text}"
        if piece.kind == "exercise":
            self.is_after_solution = False
            return f"{'#' * (self.level + 1)} {piece.text}"
        tokens = self.writer.parser.parse(piece.text)
        back = ""
        if self.is_after_solution and not (tokens and tokens[0].type == "heading_open"):
            words = self.writer.say("Back to: {title}", title=self.title)
            back = f"{'#' * (self.level + 1)} {words}\n\n"  # ends what is folded
        self.is_after_solution = False
        for token, following in itertools.pairwise(tokens):
            if token.type == "heading_open":
                self.level, self.title = int(token.tag[1]), following.content
        return back + piece.text

    def _cell(self, cell: NotebookNode, number: int, text: str, is_folded: bool) -> NotebookNode:
        made = copy.deepcopy(cell)
        made.source, made.id = text, cell.id if number == 1 else f"{cell.id}-{number}"
        if is_folded:
            made.metadata |= HEADING_FOLDED | {"id": made.id}  # Colab knows a cell by this one
            self.folded.append(made.id)
        return made


def _under(heading: str, text: str, say: interface.Say) -> str:
    """A text under what stands before it; an exercise without a title takes the bold words it begins with."""
    untitled = re.escape(say("Exercise {number}", number="1")).replace("1", r"[\d.]+")
    if re.fullmatch(rf"#+ {untitled}", heading) and (title := BOLD_TITLE.match(text)):
        return f"{heading}: {title[1]}\n\n{text[title.end() :]}"
    return f"{heading}\n\n{text}"


def _unlisted(notebook: NotebookNode, papers: Mapping[str, Entry], say: interface.Say) -> list[NotebookNode]:
    """A cell with the papers that a notebook cites and does not list: here is no page of all papers."""
    told = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    cited = {key.strip() for group in references.CITE.findall(told) for key in group.split(",")}
    lines = [references.line(papers[key]) for key in sorted(cited & papers.keys())]
    missing = [line for line in lines if line not in told]
    if not missing:
        return []
    listed = f"\n## {say('References')}" in told
    head = say("The papers in full:") if listed else f"## {say('References')}"
    return [new_markdown_cell("\n".join([head, "", *missing]), id="papers")]


def _link(notebook: NotebookNode, website: str, say: interface.Say) -> None:
    """Say below the title where the same page is on the website."""
    first = next(cell for cell in notebook.cells if cell.cell_type == "markdown")
    title, _, rest = first.source.partition("\n")
    if HEADING.match(title):
        words = say("This page on the website of the book")
        first.source = f"{title}\n\n*[{words}]({website})*\n{rest}"
