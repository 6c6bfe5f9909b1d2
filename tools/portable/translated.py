"""A notebook in the other language: its prose from the catalogue, its code and its outputs as they are.

    python tools/portable/translated.py FOLDER

writes the book's notebooks in Chinese, still in MyST, for JupyterLab (``make notebooks-zh``). The website and
the hosts get them in plain Markdown, by way of ``tools.portable.extension``.
"""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import nbformat
from markdown_it import MarkdownIt
from markdown_it.token import Token
from nbformat import NotebookNode

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tools import interface, project
from tools.portable.prose import OPTION

DIRECTIVE = re.compile(r"^([ \t]*)([`:]{3,})\{([\w:-]+)\}[ \t]*(.*)$")
# Directives whose content is no prose, or whose argument is none.
NOT_PROSE = {"math", "code", "code-block", "raw", "touch", "self-test", "include", "bibliography"}
LABELS = ("solution-start", "include", "figure", "image", "touch", "self-test", "math", "raw", "code-block")


# What the first message of a proof begins with on the website.
PROOF = ("Proof. ", "\u8bc1\u660e[\u3002\uff1a]")


class Translator:
    """Translates cells.

    Args:
        parser: the website's own parser of MyST.
        known: message -> translation.
    """

    def __init__(self, parser: MarkdownIt, known: Mapping[str, str]) -> None:
        self.parser, self.known = parser, known
        self.missing: list[str] = []  # messages that have words and no translation

    def message(self, text: str) -> str:
        """A paragraph, heading or caption in the other language; what is not known stays, and is noted."""
        whole = " ".join(line.strip() for line in text.split("\n")).strip()
        said = self.known.get(whole) or self.known.get(f"({whole})", "")[1:-1]
        said = said or self.known.get(whole.replace("'", "\u2019"), "")  # a title, when it has been set
        said = said or re.sub(rf"^{PROOF[1]}\s*", "", self.known.get(f"{PROOF[0]}{whole}", ""))
        if not said and interface.WORD.search(re.sub(r"(\{[\w:-]+\})?`[^`]*`|\$[^$]*\$", "", whole)):
            self.missing.append(whole)
        return said or text

    def source(self, source: str) -> str:
        """A piece of MyST."""
        lines: list[str | None] = list(source.split("\n"))
        searched: dict[int, int] = {}
        for token in self.parser.parse(source):
            if token.map is None:
                continue
            start, end = token.map
            if token.type == "inline":
                self._inline(token, lines, searched)
            elif token.type in ("fence", "colon_fence") and token.info.startswith("{"):
                lines[start:end] = [self._directive(token, lines[start:end]), *[None] * (end - start - 1)]
        return "\n".join(line for line in lines if line is not None)

    def _inline(self, token: Token, lines: list[str | None], searched: dict[int, int]) -> None:
        """Replace one message where it stands in its lines; the cells of a table's row share a line."""
        assert token.map is not None
        start, end = token.map
        region = "\n".join(line for line in lines[start:end] if line is not None)
        words = r"\s*(?:>\s*)*\n\s*(?:>\s*)*".join(
            re.escape(part.strip()) for part in token.content.split("\n")
        )
        found = re.compile(words).search(region, searched.get(start, 0))
        if found is None or not token.content.strip():
            return
        said = self.message(token.content)
        region = region[: found.start()] + said + region[found.end() :]
        searched[start] = found.start() + len(said)
        lines[start:end] = [region, *[None] * (end - start - 1)]

    def _directive(self, token: Token, lines: list[str | None]) -> str:
        """A directive with its title, its options and its content in the other language."""
        told = [line for line in lines if line is not None]
        found = DIRECTIVE.match(told[0])
        if found is None:
            return "\n".join(told)
        indent, fence, name, argument = found.groups()
        if argument and name not in LABELS:
            argument = self.message(argument)
        head = f"{indent}{fence}{{{name}}} {argument}".rstrip()
        has_end = re.fullmatch(r"\s*[`:]{3,}\s*", told[-1]) is not None and len(told) > 1
        inner = told[1:-1] if has_end else told[1:]
        options: list[str] = []
        while inner and (option := OPTION.fullmatch(inner[0].strip())):
            key, value = option.groups()
            options.append(f":{key}: {self.message(value)}" if key == "alt" else inner[0])
            inner = inner[1:]
        body = inner if name in NOT_PROSE else self.source("\n".join(inner)).split("\n") if inner else []
        return "\n".join([head, *options, *body, *(told[-1:] if has_end else [])])


def translated(notebook: NotebookNode, translator: Translator) -> NotebookNode:
    """The twin of ``notebook`` in the other language: every code cell and every output the same."""
    result = copy.deepcopy(notebook)
    for cell in result.cells:
        if cell.cell_type == "markdown":
            cell.source = translator.source(cell.source)
            continue
        shown = cell.metadata.get("mystnb", {})
        for part, key in (("figure", "caption"), ("figure", "alt"), ("image", "alt")):
            if told := shown.get(part, {}).get(key):
                shown[part][key] = translator.message(told)
    return result


def write(folder: Path, book: Path = project.BOOK) -> list[str]:
    """Write every notebook of the book in Chinese into ``folder``; the messages that are not translated."""
    from markdown_it.renderer import RendererHTML
    from myst_parser.config.main import MdParserConfig
    from myst_parser.parsers.mdit import create_md_parser

    extensions = {"amsmath", "colon_fence", "deflist", "dollarmath", "tasklist"}
    parser = create_md_parser(MdParserConfig(enable_extensions=extensions), RendererHTML)
    translator = Translator(parser, interface.catalogue(interface.CHINESE, "book"))
    for path in project.executed(book):
        made = translated(nbformat.read(path, as_version=4), translator)
        target = folder / path.relative_to(book)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(nbformat.writes(made, version=4) + "\n", encoding="utf-8")
    return translator.missing


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python tools/portable/translated.py FOLDER")
    left = write(Path(sys.argv[1]))
    print(f"{sys.argv[1]} holds the notebooks in Chinese")
    for text in left:
        print(f"not translated: {text[:100]!r}")
    raise SystemExit(bool(left))
