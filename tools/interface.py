"""The words that the website itself says, beside those of its texts, in the language of the page.

Each is written where it is used, ``say("Tested with {versions}.", versions=...)``, in Python, in a template
or in a script, and English is its key. The other language: ``locale/zh_CN/LC_MESSAGES/interface.po``. What
pages say in HTML of their own belongs to it, too.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from babel.dates import format_date
from babel.messages import Message, pofile

from tools import project

Say = Callable[..., str]
LOCALE = project.ROOT / "locale"
ENGLISH, CHINESE = "en", "zh_CN"
FOLDER = "zh"  # of the Chinese site, within the English one
TAGS = {ENGLISH: "en", CHINESE: "zh-CN"}  # as HTML names them
# What of a page's own HTML is said: the whole of such an element, and these attributes.
SAYING = re.compile(r"(<(p|figcaption|th|summary|text)\b[^<>]*>)(.*?)(</\2>)", re.S)
NAMING = re.compile(r"""(\s(?:alt|aria-label)=")([^"]*)(")""")
WORD = re.compile(r"[^\W\d_]{2,}")


def translated(language: str, domain: str, locale: Path = LOCALE) -> list[Message]:
    """The messages of a catalogue, without those that are missing or uncertain; none for English."""
    path = locale / language / "LC_MESSAGES" / f"{domain}.po"
    if language == ENGLISH:
        return []
    with path.open("rb") as file:
        found = pofile.read_po(file)
    return [entry for entry in found if entry.id and entry.string and not entry.fuzzy]


def catalogue(language: str, domain: str, locale: Path = LOCALE) -> dict[str, str]:
    """Message -> translation, for those that have one; empty for English."""
    return {entry.id: entry.string for entry in translated(language, domain, locale)}


def script_words(language: str, locale: Path = LOCALE) -> dict[str, str]:
    """Message -> translation of what scripts say to the reader; empty for English."""
    return {
        entry.id: entry.string
        for entry in translated(language, "interface", locale)
        if any(name.endswith(".js") for name, _ in entry.locations)
    }


def said_in_html(markup: str, say: Say) -> str:
    """HTML that a page brings itself, in the words of ``say``; where these are the same, so is the HTML.

    Each element that says something is one message, with what is marked up in it and single spaces; a number
    alone is none.
    """

    def replaced(before: str, text: str, after: str) -> str:
        message = " ".join(text.split())
        said = say(message) if WORD.search(message) else message
        return before + (text if said == message else said) + after

    markup = SAYING.sub(lambda found: replaced(found[1], found[3], found[4]), markup)
    return NAMING.sub(lambda found: replaced(*found.groups()), markup)


@cache
def words(language: str = ENGLISH) -> Say:
    """The function that says something in a language; what its catalogue lacks is said in English."""
    known = catalogue(language, "interface")

    def say(text: str, **values: object) -> str:
        said = known.get(text, text)
        return said.format(**values) if values else said

    return say


def html_messages(markup: str) -> list[str]:
    """What there is to say in HTML that a page brings itself: the messages that are replaced, each once."""
    found: dict[str, None] = {}
    said_in_html(markup, lambda text: found.setdefault(text) or text)
    return list(found)


def day(date: str, language: str = ENGLISH) -> str:
    """``29 November 2026`` for ``2026-11-29``, whatever the machine's language."""
    pattern = "y\u5e74M\u6708d\u65e5" if language == CHINESE else "d MMMM y"
    return format_date(datetime.date.fromisoformat(date), pattern, locale=language)
