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

CODE = re.compile(r'"\\(f[0-9a-f]{3})"')  # .fa-bars:before{content:"\f0c9"}
LITERAL = re.compile("[\ue000-\uf8ff]")  # the same, as a letter
FACE = re.compile(r"@font-face\{[^}]*/(fa-[a-z]+-\d+)\.ttf[^}]*\}")


def signs(style: str) -> set[int]:
    """Code points of all icons that a style sheet names."""
    return {int(code, 16) for code in CODE.findall(style)} | {ord(sign) for sign in LITERAL.findall(style)}


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
    """Let the theme's style of a built site carry its icons, and take away what it then needs no longer.

    To be called after ``styles.finish``, which leaves only the names of icons that some page has.
    """
    static = folder / "_static"
    fonts = static / "vendor" / "fontawesome" / "webfonts"
    sheets = {path: path.read_text(encoding="utf-8") for path in static.rglob("*.css")}
    codes = set().union(*(signs(style) for style in sheets.values()))

    def carried(face: re.Match[str]) -> str:
        address = small_font(fonts / f"{face[1]}.ttf", codes)
        return re.sub(r"src:[^}]*\}$", f'src:url({address}) format("woff")}}', face[0]) if address else ""

    file = static / "styles" / "pydata-sphinx-theme.css"
    file.write_text(FACE.sub(carried, sheets[file]), encoding="utf-8")
    for path in {*fonts.glob("fa-*"), *(static / "scripts").glob("fontawesome.js*"), *static.rglob("*.map")}:
        path.unlink()
