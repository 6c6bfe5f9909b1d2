"""The same page in the other language: a link at the top of each page, and what search engines read of it.

The Chinese site lies in a folder of the English one, page by page under the same name and with the same
anchors; so the way over is known without asking anything. Its scripts are the same too, and find their words
in the one file that is not.
"""

from __future__ import annotations

import json
import re
import zlib
from fnmatch import fnmatch
from html import escape
from pathlib import Path

from tools import interface, project
from tools.web import settings

NAMES = {interface.ENGLISH: "English", interface.CHINESE: "\u4e2d\u6587"}
SHORT = {interface.ENGLISH: "EN", interface.CHINESE: "\u4e2d\u6587"}  # a telephone has no room for more
END_OF_HEAD, BUTTONS = "</head>", '<div class="article-header-buttons">'
LANG = re.compile(r"<html([^>]*?) lang=\"[^\"]*\"")
OF_WORDS = re.compile(rf"(/{re.escape(settings.WORDS)}\?v=)[0-9a-f]+")


def other(language: str) -> str:
    """The other language."""
    return interface.CHINESE if language == interface.ENGLISH else interface.ENGLISH


def way(page: str, language: str) -> str:
    """The relative address of the same page in the other language.

    Args:
        page: as the site of its language names it: ``book/index.html``.
        language: of the page.
    """
    up = "../" * page.count("/")
    return f"{up}{interface.FOLDER}/{page}" if language == interface.ENGLISH else f"{up}../{page}"


def alternates(page: str, site: str) -> str:
    """The addresses of a page in both languages, for search engines; ``site`` ends in a slash."""
    places = {interface.ENGLISH: f"{site}{page}", interface.CHINESE: f"{site}{interface.FOLDER}/{page}"}
    links = [
        f'<link rel="alternate" hreflang="{interface.TAGS[language]}" href="{escape(place)}">'
        for language, place in places.items()
    ]
    return "\n".join([*links, f'<link rel="alternate" hreflang="x-default" href="{escape(site)}{page}">', ""])


def switch(page: str, language: str) -> str:
    """The link to the other language, in that language."""
    there = other(language)
    tag, name = interface.TAGS[there], NAMES[there]
    return (
        f'<a class="language-switch btn btn-sm" href="{way(page, language)}" lang="{tag}" hreflang="{tag}" '
        f'rel="alternate" title="{name}">{SHORT[there]}</a>'
    )


def with_both(markup: str, page: str, language: str, site: str) -> str:
    """A page that names its language, leads to the other one, and says so to search engines."""
    tag = interface.TAGS[language]
    markup = LANG.sub(rf'<html\1 lang="{tag}"', markup, count=1)
    markup = markup.replace(BUTTONS, f"{BUTTONS}\n{switch(page, language)}", 1)
    if any(fnmatch(page, pattern) for pattern in settings.NOT_TO_BE_FOUND):
        return markup
    head, end, rest = markup.partition(END_OF_HEAD)
    return f"{head}{alternates(page, site) if site else ''}{end}{rest}"


def lend_words(folder: Path, language: str) -> str:
    """Let the scripts of a built site find their words in its language.

    Returns:
        The checksum of the file with them, as Sphinx makes it, so that a browser asks for it anew.
    """
    file = folder / "_static" / settings.WORDS
    script = file.read_text(encoding="utf-8")
    if known := interface.script_words(language):
        script = f"globalThis.BOOK_WORDS = {json.dumps(known, ensure_ascii=False, indent=0)};\n{script}"
        file.write_text(script, encoding="utf-8")
    return f"{zlib.crc32(script.encode()):08x}"


def finish(folder: Path, language: str) -> None:
    """Lead from every page of a built site to the same page in the other language, and lend scripts words."""
    checksum = lend_words(folder, language)
    site = project.site_address().rstrip("/") + "/" if project.is_published() else ""
    for path in sorted(folder.rglob("*.html")):
        page = path.relative_to(folder).as_posix()
        if not page.startswith("_static/"):
            markup = OF_WORDS.sub(rf"\g<1>{checksum}", path.read_text(encoding="utf-8"))
            path.write_text(with_both(markup, page, language, site), encoding="utf-8")
