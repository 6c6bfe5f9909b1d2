"""Give each page one style sheet in place of a dozen: a browser shows nothing before it has them all.

Pages that ask for the same sheets share one. Its name holds a digest of what it says, so that a browser may
keep it for long.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

FOLDER = "_static"
# What precedes the folder is the way to the top of the site, as seen from the page.
LINK = re.compile(
    r'<link\b(?=[^>]*\brel="stylesheet")[^>]*\bhref="([^"]*?)((?:_static|vendor)/[^"?]+\.css)[^"]*"[^>]*>\s*'
)
ADDRESS = re.compile(r"""url\((["']?)(?!data:|https?:|/|#)([^"')]+)\1\)""")


def moved(style: str, place: str) -> str:
    """A style sheet that stood at ``place``, with its addresses as seen from ``_static``."""
    folder = posixpath.dirname(place)

    def anew(found: re.Match[str]) -> str:
        return f"url({found[1]}{posixpath.relpath(posixpath.join(folder, found[2]), FOLDER)}{found[1]})"

    return ADDRESS.sub(anew, style)


def joined(root: Path, places: tuple[str, ...]) -> str:
    """Write the sheets at these places into one; its name.

    Raises:
        ValueError: if one of them imports another, which works at the top of a sheet only.
    """
    parts = []
    for place in places:
        style = (root / place).read_text(encoding="utf-8")
        if "@import" in style:
            raise ValueError(f"{place} imports another style sheet, and cannot stand behind others")
        parts.append(moved(style, place))
    whole = "\n".join(parts)
    name = f"{FOLDER}/page-{hashlib.sha256(whole.encode()).hexdigest()[:12]}.css"
    (root / name).write_text(whole, encoding="utf-8")
    return name


def with_one(page: str, join: Callable[[tuple[str, ...]], str]) -> str:
    """A page whose head asks for one sheet, which ``join`` has made of those that it asked for.

    It stands where the last of them stood. A page that asks for one or none stays as it is.
    """
    head, end, body = page.partition("</head>")
    links = list(LINK.finditer(head))
    if len(links) < 2:
        return page
    name = join(tuple(posixpath.normpath(link[2]) for link in links))
    one = f'<link rel="stylesheet" href="{links[0][1]}{name}">\n'
    last = links[-1]
    return LINK.sub("", head[: last.start()]) + one + head[last.end() :] + end + body


def finish(folder: Path) -> None:
    """Let every page of a built site ask for one sheet; to be called when the sheets are as they shall be."""
    join = cache(lambda places: joined(folder, places))
    for path in sorted(folder.rglob("*.html")):
        if not path.is_relative_to(folder / FOLDER):
            page = path.read_text(encoding="utf-8")
            if (new := with_one(page, join)) != page:
                path.write_text(new, encoding="utf-8")
