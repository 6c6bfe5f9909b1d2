"""What of MyST is left in a notebook, as a host sees it that knows only Markdown and formulas.

    python tools/portable/leftovers.py book _build/html/notebooks

counts it in every notebook below these folders. It shares no code with what rewrites the notebooks.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.amsmath import amsmath_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat import NotebookNode

ROLE = re.compile(r"\{[a-zA-Z][\w:+-]*\}$")  # what stands before the code that a role becomes
IN_PROSE = {
    "a directive": re.compile(r"^\s*:{3,}|\{(?:exercise|solution)-(?:start|end)\}", re.M),
    "a target": re.compile(r"^\([^()\s]+\)=\s*$", re.M),
    "a substitution": re.compile(r"\{\{\s*[\w.|-]+\s*\}\}"),
    "the label of an equation": re.compile(r"^\s*\([\w:-]+\)\s*$"),
    "a comment": re.compile(r"^%", re.M),
    "an option of a directive": re.compile(r"^:[\w-]+:", re.M),
}


def markdown() -> MarkdownIt:
    """A parser that knows what every host knows: CommonMark, tables and formulas."""
    return MarkdownIt("commonmark").enable("table").use(dollarmath_plugin).use(amsmath_plugin)


def of_text(source: str) -> list[str]:
    """Every piece of MyST in a cell, named and quoted."""
    found = []
    for token in markdown().parse(source):
        if token.type == "fence" and token.info.startswith("{"):
            found.append(f"a directive: {token.info}")
        elif token.type in ("math_block_label", "math_block_eqno"):
            found.append(f"the label of an equation: {token.info}")
        elif token.type == "inline":
            found += _of_paragraph(token)
    return found


def _of_paragraph(token: Token) -> list[str]:
    found, before, text = [], "", ""
    for child in token.children or []:
        if child.type == "code_inline" and ROLE.search(before):
            found.append(f"a role: {ROLE.findall(before)[0]}`{child.content}`")
        before = child.content if child.type == "text" else ""
        text += {"text": child.content, "softbreak": "\n", "hardbreak": "\n"}.get(child.type, "\N{BULLET}")
    for name, pattern in IN_PROSE.items():
        found += [f"{name}: {piece[0].strip()}" for piece in pattern.finditer(text)]
    return found


def of_notebook(notebook: NotebookNode) -> list[str]:
    """Every piece of MyST in the prose of a notebook, with the number of its cell."""
    return [
        f"cell {number}: {piece}"
        for number, cell in enumerate(notebook.cells, start=1)
        if cell.cell_type == "markdown"
        for piece in of_text(cell.source)
    ]


def of_folder(folder: Path) -> list[str]:
    """Every piece of MyST in the notebooks below a folder, with the notebook's name."""
    return [
        f"{path.relative_to(folder).as_posix()}, {piece}"
        for path in sorted(folder.rglob("*.ipynb"))
        if ".ipynb_checkpoints" not in path.parts
        for piece in of_notebook(nbformat.read(path, as_version=4))
    ]


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(f"{name}: {len(of_folder(Path(name)))} pieces of MyST")
