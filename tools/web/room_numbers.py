"""A small Sphinx extension: chapters are numbered 1, 2, ... and their rooms 1.1, 1.2, ...; sections are not.

Sphinx counts a chapter's own sections first and goes on with its rooms, so that the first room of chapter 1
would be 1.12. Figures, theorems and exercises are not touched: they take the number of the chapter alone.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

Number = tuple[int, ...]


def plain(titles: dict[str, Number]) -> dict[str, Number]:
    """Page -> its number, the rooms of each chapter counted from one in the order that they stand in."""
    found: dict[str, Number] = {}
    rooms: dict[int, int] = {}
    for page, number in sorted(titles.items(), key=lambda item: item[1]):
        if len(number) > 1:
            rooms[number[0]] = rooms.get(number[0], 0) + 1
            number = (number[0], rooms[number[0]])
        found[page] = number
    return found


def renumber(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Give every page its plain number, in its heading and in the lists of pages."""
    titles = {page: numbers[""] for page, numbers in env.toc_secnumbers.items() if numbers.get("")}
    for page, number in plain(titles).items():
        for anchor in env.toc_secnumbers[page]:  # a section without an entry would be given the page's number
            env.toc_secnumbers[page][anchor] = None if anchor else number
        env.titles[page]["secnumber"] = number
        for link in env.tocs[page].findall(nodes.reference):
            if link.get("refuri") == page and not link.get("anchorname"):
                link["secnumber"] = number
            elif link.get("refuri") == page and "secnumber" in link:
                del link["secnumber"]
    return []


def setup(app: Sphinx) -> dict[str, bool]:
    """What Sphinx calls."""
    app.connect("env-get-updated", renumber, priority=900)  # after Sphinx has numbered pages and figures
    return {"parallel_read_safe": True, "parallel_write_safe": True}
