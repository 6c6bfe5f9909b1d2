"""What a link to another page shows beside itself, taken from that page while the site is built.

Each page that others speak of has a script, such as ``previews/book/02_residual_math.js``: a page that was
opened without a server may load a script, though it may read no other page. `site/static/previews.js` asks
for it when a reader rests on a link. Words of the glossary and sources need none: their links have a title.
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path

from lxml import etree, html
from lxml.html import HtmlElement

FOLDER = "previews"
LINK = re.compile(r'<a class="reference internal" href="([^"#:]+)\.html#([^"]+)"(?=>)')  # without a title
KINDS = {"math", "proof", "exercise"}  # figures are too heavy to come along


def part(page: HtmlElement, name: str) -> str:
    """The equation, statement or exercise that a fragment of an address names, or nothing."""
    for found in page.xpath("//*[@id=$name]", name=name):
        inner = found.iter("div") if found.tag == "span" else ()  # a permanent link around what it names
        for element in (found, *found.iterancestors("div"), *inner):
            if element.tag == "div" and KINDS & set(element.get("class", "").split()):
                return etree.tostring(element, encoding="unicode", method="html", with_tail=False)
    return ""


def finish(folder: Path) -> None:
    """Write the scripts of a built site, and tell each link that has something to show where it is."""
    pages = {
        path.relative_to(folder).with_suffix("").as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*.html"))
    }
    trees: dict[str, HtmlElement] = {}
    parts: dict[str, dict[str, str]] = {}

    def told(found: re.Match[str]) -> str:
        there = posixpath.normpath(posixpath.join(posixpath.dirname(page), found[1]))
        if there not in pages or there == page:
            return found[0]
        if there not in trees:
            trees[there], parts[there] = html.document_fromstring(pages[there]), {}
        if found[2] not in parts[there]:
            parts[there][found[2]] = part(trees[there], found[2])
        return found[0] + (f' data-beside="{there}"' if parts[there][found[2]] else "")

    for page, text in pages.items():
        new = LINK.sub(told, text)
        if new != text:
            (folder / f"{page}.html").write_text(new, encoding="utf-8")
    for page, found in parts.items():
        if kept := {name: markup for name, markup in found.items() if markup}:
            script = folder / FOLDER / f"{page}.js"
            script.parent.mkdir(parents=True, exist_ok=True)
            told_to = f"window.bookPreviews[{json.dumps(page)}]"
            script.write_text(f"{told_to} = {json.dumps(kept, ensure_ascii=False)};\n", encoding="utf-8")
