"""The icons of the theme, only those that the pages use: a few kilobytes of a font, within the style itself.

The theme brings three fonts and a script, two megabytes in all, for a dozen signs. What is left of them is a
subset of its fonts; nothing has to be fetched for it, so nothing moves when it arrives.
"""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

NAMES = re.compile(r"\bfa-[a-z0-9-]+")
RULE = re.compile(
    r'((?:\.fa-[\w-]+:before,?)+)\{content:"\\([0-9a-f]+)"\}'
)  # .fa-bars:before{content:"\f0c9"}
CODE = re.compile(r'"\\(f[0-9a-f]{3})"')
LITERAL = re.compile("[\ue000-\uf8ff]")  # the same, as a letter
FACE = re.compile(r"@font-face\{[^}]*/(fa-[a-z]+-\d+)\.ttf[^}]*\}")


def used_names(pages: list[Path]) -> set[str]:
    """Names of icons, and of what turns or enlarges them, in the pages."""
    return {name for path in pages for name in NAMES.findall(path.read_text(encoding="utf-8"))}


def only_used(style: str, names: set[str]) -> tuple[str, set[int]]:
    """The style without the rules of icons that nobody uses, and the code points of those that are left."""

    def keep(rule: re.Match[str]) -> str:
        return rule[0] if names & set(NAMES.findall(rule[1])) else ""

    style = RULE.sub(keep, style)
    codes = {int(code, 16) for code in CODE.findall(style)} | {ord(sign) for sign in LITERAL.findall(style)}
    return style, codes


def small_font(file: Path, codes: set[int]) -> str:
    """The signs of a font that are wanted, as an address that holds the font itself; empty if it has none."""
    font = TTFont(file)
    wanted = codes & set(font.getBestCmap())
    if not wanted:
        return ""
    tool = subset.Subsetter(subset.Options(flavor="woff", layout_features=[], hinting=False))
    tool.populate(unicodes=wanted)
    tool.subset(font)
    font.flavor = "woff"
    buffer = io.BytesIO()
    font.save(buffer)
    return f"data:font/woff;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def finish(folder: Path) -> None:
    """Let the theme's style of a built site carry its icons, and take away what it then needs no longer."""
    static = folder / "_static"
    file = static / "styles" / "pydata-sphinx-theme.css"
    fonts = static / "vendor" / "fontawesome" / "webfonts"
    pages = [path for path in folder.rglob("*.html") if not path.is_relative_to(static)]
    style, codes = only_used(file.read_text(encoding="utf-8"), used_names(pages))
    book = static / "styles" / "sphinx-book-theme.css"
    codes |= {int(code, 16) for code in CODE.findall(book.read_text(encoding="utf-8"))}

    def carried(face: re.Match[str]) -> str:
        address = small_font(fonts / f"{face[1]}.ttf", codes)
        return re.sub(r"src:[^}]*\}$", f'src:url({address}) format("woff")}}', face[0]) if address else ""

    file.write_text(FACE.sub(carried, style), encoding="utf-8")
    for path in fonts.glob("fa-*"):
        path.unlink()
    for path in (static / "scripts").glob("fontawesome.js*"):
        path.unlink()
