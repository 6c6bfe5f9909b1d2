"""One Chinese word for each word of the glossary: what stands there, and in ``locale/zh_CN/terms.toml``."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tools import glossary, project
from tools.translation import faithful

TERMS = project.ROOT / "locale" / "zh_CN" / "terms.toml"


@dataclass(frozen=True)
class Term:
    """A word of the glossary.

    english, chinese: what the glossary says; the English one for both where it has no Chinese word.
    also: other Chinese words that may stand for it.
    never: what is never said for it.
    is_free: whether the word has an everyday sense too, so that the Chinese word is not asked for.
    """

    english: str
    chinese: str
    also: tuple[str, ...]
    never: tuple[str, ...]
    is_free: bool

    @property
    def pattern(self) -> re.Pattern[str]:
        """The English word as it stands in a text, also in the plural; never as a part of a longer one."""
        return re.compile(rf"(?<![\w-]){re.escape(self.english)}(?:s|es)?(?![\w-])", re.I)


@cache
def terms(page: Path = glossary.PAGE, more: Path = TERMS) -> tuple[Term, ...]:
    """All words of the glossary.

    Raises:
        ValueError: if ``terms.toml`` speaks of a word that the glossary does not have.
    """
    kept = tomllib.loads(more.read_text(encoding="utf-8"))
    found = [(english, chinese) for english, chinese, _ in glossary.entries(page)]
    if unknown := kept.keys() - {english for english, _ in found}:
        raise ValueError(f"{more.name} has words that are not in the glossary: {', '.join(sorted(unknown))}")
    made = []
    for english, chinese in found:
        said = kept.get(english, {})
        also, never = tuple(said.get("also", ())), tuple(said.get("not", ()))
        made.append(Term(english, chinese or english, also, never, said.get("free", False)))
    return tuple(made)


def faults(message: str, translation: str) -> list[str]:
    """Words of the glossary that a translation says another way."""
    prose, said = faithful.parts(message)[1], faithful.parts(translation)[1]
    found, longer = [], prose
    for term in sorted(terms(), key=lambda one: -len(one.english)):
        shorter = term.pattern.sub(faithful.BARE, longer)
        if shorter == longer:
            continue
        longer = shorter  # "training error" is not asked for its "error" once more
        for wrong in term.never:
            if wrong in said and wrong not in prose:  # a Chinese text is quoted
                found.append(f"{term.english} is {term.chinese}, not {wrong}")
        right = (term.chinese, *term.also, term.english)
        if not term.is_free and not any(word.lower() in said.lower() for word in right):
            found.append(f"{term.english} is not said as {' or '.join((term.chinese, *term.also))}")
    return found
