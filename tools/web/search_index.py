"""What the search page looks through: every section of every page, as a script that also works from a file.

A browser lets no page read another one over ``file://``, so the text comes as a script and not as data.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from lxml import html
from lxml.html import HtmlElement

from tools import project
from tools.web import pages

FILE = Path("live") / "search-data.js"
NOT_SEARCHED = {"cell_input", "cell_output", "hide", "headerlink"}  # code: the reference has the names
HEADINGS = {"h1", "h2", "h3", "h4"}
NUMBER = re.compile(r"^\d+(\.\d+)*\.\s+")


def is_left_out(element: HtmlElement) -> bool:
    """Whether an element is no part of its section's text."""
    if element.tag in {"script", "style", *HEADINGS} or (element.tag == "section" and title_of(element)):
        return True
    return bool(NOT_SEARCHED & set(element.get("class", "").split()))


def title_of(section: HtmlElement) -> str:
    """The heading of a section, without its number."""
    for child in section:
        if child.tag in HEADINGS:
            text = pages.plain_text(child, lambda part: "headerlink" in part.get("class", ""))
            return NUMBER.sub("", " ".join(text.split()))
    return ""


def sections(page: str, address: str) -> list[tuple[str, str, str, str]]:
    """Address, title of the page, title and text of each section of a page."""
    articles = html.document_fromstring(page).xpath("//article")
    found = []
    for section in articles[0].xpath(".//section[@id]") if articles else []:
        title = title_of(section)
        text = " ".join(pages.plain_text(section, is_left_out).split())
        if not title:  # the inner part of a box: an exercise, a theorem
            continue
        page_title = found[0][2] if found else title
        found.append((f"{address}#{section.get('id')}" if found else address, page_title, title, text))
    return found


def write(folder: Path) -> None:
    """Write the sections of all pages of ``_toc.yml`` into the built site."""
    found = []
    for page in project.toc_pages():
        path = folder / f"{page}.html"
        if path.is_file():
            found += sections(path.read_text(encoding="utf-8").partition("</head>")[2], f"{page}.html")
    data = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    target = folder / FILE
    target.parent.mkdir(exist_ok=True)
    target.write_text(f"window.BOOK_SECTIONS={data};\n", encoding="utf-8")
