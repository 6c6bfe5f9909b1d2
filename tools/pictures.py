"""Gives every picture of a notebook its alternative text: the sentence before it.

Without one the website would offer the name of a file to a reader who cannot see the picture.
"""

from __future__ import annotations

import re

from nbformat import NotebookNode

KINDS = ("image/png", "image/jpeg", "image/svg+xml")


def sentence(markdown: str) -> str:
    """The last line of prose of a Markdown cell, without its marks; empty if it ends in something else."""
    last = markdown.strip().splitlines()[-1] if markdown.strip() else ""
    if last.startswith(("```", ":::", "|", "$$", "#")):
        return ""
    last = re.sub(r"\{[\w:]+\}`([^`<]+)(?:<[^>]*>)?`", r"\1", last)  # roles
    last = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", last)  # links
    return re.sub(r"[*`$\\]", "", last.removeprefix("- ")).removeprefix("Figure.").strip()


def describe(notebook: NotebookNode) -> None:
    """Set the alternative text of every picture, in place; one that the author has given stays."""
    before = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            before = sentence(cell.source)
            continue
        printed = "".join(o.get("text", "") for o in cell.outputs if o.output_type == "stream")
        shows = any(kind in output.get("data", {}) for output in cell.outputs for kind in KINDS)
        text = before or (printed.strip().splitlines() or [""])[0]
        if shows and text and "alt" not in cell.metadata.get("mystnb", {}).get("image", {}):
            cell.metadata["mystnb"] = {"image": {"alt": text}}
