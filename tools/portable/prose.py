"""One cell of MyST as Markdown that any host renders.

The MyST parser of the website says what is what and on which lines; every other line stays as it was written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tools import interface

OPTION = re.compile(r":([\w-]+):[ \t]*(.*)")
GATE = re.compile(r"(exercise|solution)-(start|end)")
NOTES = {"attention", "caution", "danger", "error", "hint", "important", "note", "seealso", "tip", "warning"}
LEADS_OUT = re.compile(r"[a-z][\w+.-]*:", re.I)  # a link with a scheme
# What the parser makes of pieces that no rule here turns into Markdown.
UNKNOWN = {
    "dl_open": "a list of definitions",
    "footnote_ref": "a footnote",
    "footnote_block_open": "a footnote",
    "substitution_block": "a substitution",
    "substitution_inline": "a substitution",
    "front_matter": "front matter",
}


class Unsupported(ValueError):
    """A piece of MyST for which there is no Markdown here; the message says which."""


class Names(Protocol):
    """What things are called on the website; ``page`` is the name of the notebook that refers to them."""

    def role(self, name: str, content: str, page: str) -> str:
        """Markdown for a role."""
        ...

    def number(self, kind: str, label: str, page: str) -> str:
        """``Exercise 2.1``, ``Theorem 2.1``, ``Fig. 2.1``."""
        ...

    def equation(self, label: str, page: str) -> str:
        """``2.1``."""
        ...


@dataclass(frozen=True)
class Piece:
    """A run of Markdown ("text"), the title of an "exercise" or a "solution", or the "end" of a solution."""

    kind: str
    text: str = ""


@dataclass(frozen=True)
class Directive:
    """A directive, taken apart."""

    name: str
    argument: str
    options: dict[str, str]
    body: str


class Writer:
    """Rewrites the prose of one page.

    Args:
        parser: the website's own parser of MyST.
        names: what the website calls things.
        page: the name of the notebook, as Sphinx has it.
        say: what it says itself in; English without.
    """

    def __init__(self, parser: MarkdownIt, names: Names, page: str, say: interface.Say | None = None) -> None:
        self.parser, self.names, self.page = parser, names, page
        self.say = say or interface.words()

    def pieces(self, source: str) -> list[Piece]:
        """The cell in order, cut where an exercise or a solution begins or ends.

        Raises:
            Unsupported: if it has something that is not Markdown and for which there is no rule.
        """
        lines: list[str | None] = list(source.split("\n"))
        cuts: dict[int, Piece] = {}
        searched: dict[int, int] = {}
        for token in self.parser.parse(source):
            if token.type in UNKNOWN:
                raise Unsupported(f"{UNKNOWN[token.type]} cannot be shown by other hosts")
            if token.map is None:
                continue
            start, end = token.map
            if token.type == "inline":
                self._inline(token, lines, searched)
            elif token.type in ("myst_target", "myst_line_comment", "myst_block_break"):
                lines[start:end] = [None] * (end - start)
            elif token.type == "math_block_label":
                number = self.names.equation(token.info, self.page)
                shown = f"$$\n{token.content.strip()}\n\\tag{{{number}}}\n$$"
                lines[start:end] = [shown, *[None] * (end - start - 1)]
            elif token.type in ("fence", "colon_fence") and token.info.startswith("{"):
                if token.level:
                    raise Unsupported(f"{token.info} stands in a list or a quotation; move it out")
                lines[start:end] = [None] * (end - start)
                cut, shown = self._directive(directive(token))
                if cut is not None:
                    cuts[start] = cut
                lines[start] = shown
            elif token.type == "colon_fence":
                raise Unsupported("a fence of colons without a directive")
        return list(_joined(lines, cuts))

    def text(self, source: str) -> str:
        """A source that has neither exercise nor solution, in one piece."""
        pieces = self.pieces(source)
        if any(piece.kind != "text" for piece in pieces):
            raise Unsupported("an exercise or a solution begins inside another directive")
        return "\n".join(piece.text for piece in pieces).strip("\n")

    def _inline(self, token: Token, lines: list[str | None], searched: dict[int, int]) -> None:
        """Replace the roles of one paragraph, title or table cell, where they stand in its lines."""
        assert token.map is not None
        start, end = token.map
        region = "\n".join(line for line in lines[start:end] if line is not None)
        at = searched.get(start, 0)  # the cells of a row share a line
        for child in token.children or []:
            if child.type in UNKNOWN:
                raise Unsupported(f"{UNKNOWN[child.type]} cannot be shown by other hosts")
            if child.type in ("link_open", "image"):
                target = str(child.attrs.get("href") or child.attrs.get("src") or "")
                if not LEADS_OUT.match(target):
                    raise Unsupported(
                        f"a link to {target!r} leads nowhere on another host; use {{doc}} or {{ref}}"
                    )
            if child.type not in ("code_inline", "myst_role"):
                continue
            name = f"{{{child.meta['name']}}}" if child.type == "myst_role" else ""
            found = re.compile(name_and_ticks(name, child.content)).search(region, at)
            if found is None:
                raise Unsupported(f"{name}{child.content!r} was not found again in its own lines")
            shown = found[0]
            if name:
                shown = self.names.role(child.meta["name"], child.content, self.page)
                region = region[: found.start()] + shown + region[found.end() :]
            at = found.start() + len(shown)
        searched[start] = at
        lines[start:end] = [region, *[None] * (end - start - 1)]

    def _directive(self, given: Directive) -> tuple[Piece | None, str | None]:
        """The cut that a directive makes, or what is shown in its place."""
        if gate := GATE.fullmatch(given.name):
            return self._gate(gate[1], gate[2], given)
        if given.name.startswith("prf:"):
            return None, self._statement(given)
        if given.name in NOTES | {"admonition"}:
            return None, self._note(given)
        if given.name == "math":
            number = (
                self.names.equation(given.options["label"], self.page) if "label" in given.options else ""
            )
            tag = f"\n\\tag{{{number}}}" if number else ""
            return None, f"$$\n{given.body.strip()}{tag}\n$$"
        raise Unsupported(
            f"the directive {{{given.name}}} has no Markdown; give it some in tools/portable/prose.py"
        )

    def _gate(self, kind: str, side: str, given: Directive) -> tuple[Piece | None, str | None]:
        if side == "end":
            return (Piece("end") if kind == "solution" else None), None
        if kind == "solution":
            exercise = self.names.number("exercise", given.argument, self.page)
            return Piece("solution", self.say("Solution to {exercise}", exercise=exercise)), None
        number = self.names.number("exercise", _label(given), self.page)
        title = self.text(given.argument)
        return Piece("exercise", f"{number}: {title}" if title else number), None

    def _statement(self, given: Directive) -> str:
        """A theorem as a quotation, so that one sees where it ends; a proof between its two usual words."""
        kind, body = given.name.removeprefix("prf:"), self.text(given.body)
        if kind == "proof":
            ends_in_formula = body.endswith("$$") or body.endswith("}")
            return f"*{self.say('Proof.')}* {body}" + ("\n\n∎" if ends_in_formula else " ∎")
        title = f" ({self.text(given.argument)})" if given.argument else ""
        return self._quoted(f"**{self.names.number(kind, _label(given), self.page)}{title}.** {body}")

    def _note(self, given: Directive) -> str:
        """A note as a quotation under its title; one that unfolds on the website unfolds here too."""
        title, body = notes(self.say).get(given.name, given.name.capitalize()), given.body
        if given.name == "admonition":
            title = self.text(given.argument)
        elif given.argument:
            body = f"{given.argument}\n{body}"
        if "dropdown" in given.options.get("class", "").split():
            return f"<details>\n<summary>{title}</summary>\n\n{self.text(body)}\n\n</details>"
        return self._quoted(f"**{title}**\n\n{self.text(body)}")

    def _quoted(self, text: str) -> str:
        """A quotation. Hosts take formulas out before they see the marks, so each formula gets one line."""
        lines: list[str | None] = list(text.split("\n"))
        for token in self.parser.parse(text):
            if token.map is not None and token.type in ("math_block", "amsmath"):
                start, end = token.map
                joined = " ".join(line.strip() for line in lines[start:end] if line)
                lines[start:end] = [joined, *[None] * (end - start - 1)]
        return "\n".join(f"> {line}".rstrip() for line in lines if line is not None)


def notes(say: interface.Say) -> dict[str, str]:
    """The titles of notes that have none of their own."""
    return {
        "hint": say("Hint"),
        "note": say("Note"),
        "tip": say("Tip"),
        "warning": say("Warning"),
        "important": say("Important"),
        "seealso": say("Seealso"),
    }


def directive(token: Token) -> Directive:
    """The directive of a fence.

    Raises:
        Unsupported: if its options are written in YAML.
    """
    name, _, argument = token.info.removeprefix("{").partition("}")
    lines, options = token.content.split("\n"), {}
    if lines[0].strip() == "---":
        raise Unsupported(f"write the options of {{{name}}} as lines of the form `:name: value`")
    while lines and (found := OPTION.fullmatch(lines[0].strip())):
        options[found[1]] = found[2].strip()
        lines.pop(0)
    return Directive(name, argument.strip(), options, "\n".join(lines).strip("\n"))


def name_and_ticks(name: str, content: str) -> str:
    """A pattern for a role or for code as it stands in the source, where it may run over a line's end."""
    words = r"[\s>]+".join(re.escape(word) for word in content.split())
    return rf"{re.escape(name)}(`+)\s*{words}\s*\1"


def _label(given: Directive) -> str:
    if "label" not in given.options:
        raise Unsupported(f"{{{given.name}}} {given.argument} needs a `:label:`, by which it gets its number")
    return given.options["label"]


def _joined(lines: list[str | None], cuts: dict[int, Piece]) -> list[Piece]:
    """The lines between two cuts as one piece, with no empty piece among them."""
    found: list[Piece] = []
    kept: list[str] = []
    is_gap = False  # whether something was taken out since the last line that was kept

    def close() -> None:
        if text := "\n".join(kept).strip("\n"):
            found.append(Piece("text", text))
        kept.clear()

    for number, line in enumerate(lines):
        if number in cuts:
            close()
            found.append(cuts[number])
        if line is None:
            is_gap = True
        elif line or not is_gap or (kept and kept[-1]):  # of two empty lines around a gap, one is enough
            kept.append(line)
            is_gap = False
    close()
    return found
