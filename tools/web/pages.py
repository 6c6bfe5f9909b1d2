"""Finish the pages that Jupyter Book has built: what the theme gets wrong is put right in the files.

Nothing of it is left to a script at the reader's. The head of a page is mended as text, its body as a tree;
each function mends one thing, and says for whom.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from pathlib import Path

from lxml import etree, html
from lxml.html import HtmlElement

from tools import interface

MOST_LETTERS = 155  # of a description; search engines show no more
# What every page loads and no page of this book uses, or what the book does otherwise:
UNUSED = [
    r'<script defer src="[^"]*/fontawesome\.js[^"]*"></script>',  # icons are a small font: tools/web/icons.py
    r'<link rel="preload" as="script"[^>]*>',  # these scripts can wait; preloaded, they delay what is seen
    r'<script[^>]*src="[^"]*/(?:doctools|sphinx_highlight|searchtools|language_data|translations|design-tabs)\.js[^>]*></script>',
    r'<script[^>]*src="[^"]*searchindex\.js[^>]*></script>',  # the search page has an index of its own
    r'<script[^>]*src="[^"]*/togglebutton\.js[^>]*></script>',  # what is folded is a <details>
    r"<link[^>]*/togglebutton\.css[^>]*>",
    r"<script>(?:let toggle|var togglebutton|DOCUMENTATION_OPTIONS\.)[^<]*</script>",
    r'<meta name="docsearch:[^>]*>',
]
BLOCKS = {
    "p",
    "div",
    "section",
    "li",
    "dt",
    "dd",
    "td",
    "th",
    "tr",
    "pre",
    "summary",
    "details",
    "h1",
    "h2",
    "h3",
}
VIEWPORT = re.compile(r'<meta name="viewport"[^>]*>')
BLOCKING = re.compile(r"<script src=")
# The theme's first script leaves "auto" to a later one, and every colour is then computed a second time.
UNDECIDED = 'document.documentElement.dataset.theme = localStorage.getItem("theme") || "auto";'
DECIDED = """{
      const { dataset } = document.documentElement;
      const wished = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
      dataset.theme = ["dark", "light"].includes(dataset.mode) ? dataset.mode : wished;
    }"""
STYLE_OF_TABS = re.compile(r"<link[^>]*/sphinx-design[^>]*>")


def mend_head(head: str) -> str:
    """The head without what nobody uses; scripts wait until the page is there."""
    for pattern in UNUSED:
        head = re.sub(pattern, "", head)
    first = VIEWPORT.search(head)
    if first:
        head = head[: first.end()] + VIEWPORT.sub("", head[first.end() :])
    return BLOCKING.sub("<script defer src=", head.replace(UNDECIDED, DECIDED))


def by_class(body: HtmlElement, tag: str, name: str) -> list[HtmlElement]:
    """Every element of that tag (* for any) that has the class."""
    return list(body.xpath(f".//{tag}[contains(concat(' ', normalize-space(@class), ' '), ' {name} ')]"))


def name_buttons_by_their_text(body: HtmlElement) -> None:
    """For those who speak to the page: a folded cell and the search field are called what they show."""
    for element in [*body.iter("summary"), *by_class(body, "button", "search-button-field")]:
        element.attrib.pop("aria-label", None)


def say_what_a_folded_cell_holds(body: HtmlElement, say: interface.Say) -> None:
    """For all who wonder whether to open it: the code of a figure, or what is set up."""
    told = {
        "figure": (say("Show the code of the figure"), say("Hide the code of the figure")),
        "cell": (say("Show the code of this cell"), say("Hide the code of this cell")),
        "set-up": (say("Show the set-up"), say("Hide the set-up")),
    }
    for fold in body.xpath("//details[contains(@class, 'above-input')]"):
        is_figure = fold.getparent().xpath(".//img | .//svg | .//figure")
        holds = "figure" if is_figure else "cell"
        if "importlib.util" in fold.text_content():
            holds = "set-up"
        for verb, state, words in zip(("Show", "Hide"), ("collapsed", "expanded"), told[holds], strict=True):
            for line in by_class(fold, "p", state):
                if line.text and line.text.startswith(f"{verb} code cell"):
                    line.text = words


def name_the_folds_of_the_sidebar(body: HtmlElement, say: interface.Say) -> None:
    """For those who listen: the arrow beside a chapter says whose pages it shows."""
    for summary in body.xpath("//li/details/summary[.//*[contains(@class, 'toctree-toggle')]]"):
        titles = summary.xpath("../../a")
        if titles:
            title = " ".join(titles[0].text_content().split())
            summary.set("aria-label", say("Pages of {title}", title=title))


def hide_icons_from_screen_readers(body: HtmlElement) -> None:
    """For those who listen: an icon has no name of its own; its button has."""
    for icon in body.xpath("//*[self::i or self::span][contains(@class, 'fa-')][not(normalize-space())]"):
        icon.set("aria-hidden", "true")
        icon.attrib.pop("title", None)


def name_the_sidebar(body: HtmlElement, say: interface.Say) -> None:
    """For those who go from landmark to landmark: all that is left of the text is one of them."""
    for sidebar in body.xpath("//div[@id='pst-primary-sidebar']"):
        sidebar.set("role", "region")
        sidebar.set("aria-label", say("The book"))


def drop_old_roles(body: HtmlElement) -> None:
    """For those who listen: entries of the bibliography had roles that no longer exist."""
    for entry in by_class(body, "div", "citation"):
        entry.attrib.pop("role", None)
    for entries in by_class(body, "div", "citation-list"):
        entries.attrib.pop("role", None)


def empty_headings_are_cells(body: HtmlElement) -> None:
    """For those who listen: an empty corner of a table heads nothing; what stands below it heads its row."""
    for cell in body.xpath("//th[not(normalize-space()) and not(.//img)]"):
        cell.tag = "td"
        if cell.getprevious() is None and cell.xpath("ancestor::thead"):
            for first in cell.xpath("ancestor::table[1]/tbody/tr/*[1][self::td and normalize-space()]"):
                first.tag = "th"
                first.set("scope", "row")


def fold_without_script(body: HtmlElement) -> None:
    """For those without a mouse, or scripts: hints and solutions become what browsers fold themselves."""
    for box in by_class(body, "div", "dropdown"):
        titles = box.xpath("./p[contains(@class, 'admonition-title')]")
        if "admonition" in box.get("class").split() and titles:
            box.tag = "details"
            titles[0].tag = "summary"
            for link in titles[0].iter("a"):  # a link in what opens would be a button in a button
                link.tag = "span"
                link.attrib.clear()


def plain_text(element: HtmlElement, skip: Callable[[HtmlElement], bool] = lambda child: False) -> str:
    """What an element says, with each formula as its TeX, and without the children that ``skip`` tells."""
    if element.get("class") == "katex":
        return "".join(note.text or "" for note in element.iter("annotation"))
    parts = [element.text or ""]
    for child in element:
        if isinstance(child.tag, str) and not skip(child):
            parts.append(plain_text(child, skip))
            if child.tag in BLOCKS:
                parts.append(" ")
        parts.append(child.tail or "")
    return "".join(parts)


def describe(body: HtmlElement) -> str:
    """The beginning of the page's text in one line, for those who find it by a search engine."""
    for paragraph in body.xpath("//article//p[not(ancestor::*[contains(@class, 'admonition')])]"):
        text = " ".join(plain_text(paragraph).split())
        if len(text) > 40:
            cut = f"{text[:MOST_LETTERS].rpartition(' ')[0] or text[:MOST_LETTERS]} ..."
            return text if len(text) <= MOST_LETTERS else cut
    return ""


def name_what_is_english(body: HtmlElement) -> None:
    """For those who listen to another language: code and what it prints are English everywhere."""
    for part in body.xpath("//div[contains(@class, 'cell_input')] | //div[contains(@class, 'highlight-')]"):
        part.set("lang", "en")
    for part in body.xpath("//div[contains(@class, 'cell_output')]//pre | //code"):
        part.set("lang", "en")


def mend(page: str, language: str = interface.ENGLISH) -> str:
    """A whole page, mended."""
    head, middle, rest = page.partition("</head>")
    body, say = html.document_fromstring(rest).body, interface.words(language)
    name_buttons_by_their_text(body)
    say_what_a_folded_cell_holds(body, say)
    name_the_folds_of_the_sidebar(body, say)
    hide_icons_from_screen_readers(body)
    name_the_sidebar(body, say)
    if language != interface.ENGLISH:
        name_what_is_english(body)
    drop_old_roles(body)
    empty_headings_are_cells(body)
    fold_without_script(body)
    inner = etree.tostring(body, encoding="unicode", method="html", with_tail=False)
    head = mend_head(head)
    if "sd-" not in inner:
        head = STYLE_OF_TABS.sub("", head)
    if 'name="description"' not in head and (text := describe(body)):
        head += f'<meta name="description" content="{escape(text)}">\n'
    return f"{head}{middle}\n  {inner}\n</html>\n"


def finish(folder: Path, language: str = interface.ENGLISH) -> None:
    """Mend every page of the built site."""
    for path in sorted(folder.rglob("*.html")):
        page = path.read_text(encoding="utf-8")
        if "<body" in page and not path.is_relative_to(folder / "_static"):
            path.write_text(mend(page, language), encoding="utf-8")
