"""Take out of the theme's script what site/static/scroll.js does better.

The theme measures every box of code and every table as soon as a page is loaded, to find those that have to
be scrolled. For that a browser has to lay out the whole page, however far below the screen it goes on.
"""

from __future__ import annotations

import re
from pathlib import Path

SCRIPT = Path("_static") / "scripts" / "pydata-sphinx-theme.js"
MEASURES = re.compile(r',"complete"===document\.readyState\?(\w+)\(\):window\.addEventListener\("load",\1\)')


def without_measuring(script: str) -> str:
    """The theme's script without the call that measures the page.

    Raises:
        ValueError: if the call is not there exactly once: the theme has become another one.
    """
    shorter, found = MEASURES.subn("", script)
    if found != 1:
        raise ValueError(f"the theme's script calls for measuring {found} times, not once: {SCRIPT}")
    return shorter


def finish(folder: Path) -> None:
    """Shorten the theme's script in a built site."""
    file = folder / SCRIPT
    file.write_text(without_measuring(file.read_text(encoding="utf-8")), encoding="utf-8")
