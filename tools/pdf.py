"""Print the built website into one PDF, ``_build/resnet-from-zero.pdf``, with its chapters as bookmarks.

A headless browser prints each page as a reader would, everything folded opened before; pypdf joins them.
A link from page to page leads to that page within the PDF.
"""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools import project

HTML = project.ROOT / "_build" / "html"
OUTPUT = project.ROOT / "_build" / "resnet-from-zero.pdf"
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
HOW = "Debian: apt install chromium; elsewhere any Chromium or Chrome, named by BOOK_CHROMIUM=/path/to/it."
FORMAT = {"format": "A4", "print_background": True}
MARGINS = {"top": "18mm", "bottom": "18mm", "left": "16mm", "right": "16mm"}
FOOT = (
    '<div style="width: 100%; font: 8px sans-serif; text-align: center">'
    '<span class="title"></span> \N{MIDDLE DOT} <span class="pageNumber"></span></div>'
)
SECONDS = 120  # for one page, on a busy machine
STILL = (
    "*, ::before, ::after { animation: none !important; transition: none !important; }"  # nothing fades in
)
SHOWN = "() => document.querySelectorAll('details').forEach((box) => { box.open = true; })"


def browser_path() -> str:
    """Where the browser is.

    Raises:
        FileNotFoundError: if there is none; it says how to get one.
    """
    asked = os.environ.get("BOOK_CHROMIUM")
    found = next((path for name in ([asked] if asked else NAMES) if (path := shutil.which(name))), None)
    if found is None:
        missing = f"BOOK_CHROMIUM is {asked!r}, which is no program" if asked else "There is no Chromium here"
        raise FileNotFoundError(f"{missing}. {HOW}")
    return found


def printed(pages: list[str], html: Path, path: str) -> Iterator[bytes]:
    """Each page of the website as a PDF."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        tab = browser.new_page(color_scheme="light")
        tab.set_default_timeout(1000 * SECONDS)
        for name in pages:
            tab.goto((html / f"{name}.html").as_uri(), wait_until="load")
            tab.add_style_tag(content=STILL)
            tab.evaluate(SHOWN)
            tab.evaluate("document.fonts.ready")
            yield tab.pdf(
                **FORMAT, margin=MARGINS, display_header_footer=True, header_template="<span></span>",
                footer_template=FOOT, outline=False, tagged=True,
            )  # fmt: skip
        browser.close()


def contents(root: Path = project.ROOT) -> list[tuple[str, int]]:
    """Every page with its depth: 0 for the cover and the parts' chapters, 1 for rooms."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    found = [(toc["root"], 0)]

    def walk(entries: list[dict], depth: int) -> None:
        for entry in entries:
            found.append((entry["file"], depth))
            walk(entry.get("sections", []), depth + 1)

    for part in toc["parts"]:
        walk(part["chapters"], 0)
    return found


def title(name: str, html: Path) -> str:
    """The title of a page, without the book's name after it."""
    text = (html / f"{name}.html").read_text(encoding="utf-8")
    from bs4 import BeautifulSoup

    return (
        BeautifulSoup(text.partition("</head>")[0], "html.parser").title.get_text().split(" \N{EM DASH} ")[0]
    )


def join(parts: Iterator[bytes], pages: list[tuple[str, int]], html: Path, output: Path) -> int:
    """Put the printed pages together, with bookmarks; return how many sheets there are."""
    from pypdf import PdfReader, PdfWriter

    writer, first, above = PdfWriter(), {}, []
    for (name, depth), content in zip(pages, parts, strict=True):
        first[(html / f"{name}.html").as_uri()] = start = len(writer.pages)
        writer.append(PdfReader(io.BytesIO(content)), import_outline=False)
        del above[depth:]
        above.append(
            writer.add_outline_item(
                title=title(name, html), page_number=start, parent=above[-1] if above else None
            )
        )
        print(f"\r{len(first)} of {len(pages)} pages, {len(writer.pages)} sheets", end="", file=sys.stderr)
    print(file=sys.stderr)
    for sheet in writer.pages:
        for note in sheet.get("/Annots", []):
            lead_inside(note.get_object(), writer, first)
    writer.add_metadata({"/Title": "ResNet from Zero"})
    writer.compress_identical_objects()
    output.parent.mkdir(exist_ok=True)
    part = output.with_suffix(".part")
    writer.write(part)
    part.replace(output)
    return len(writer.pages)


def lead_inside(note: Any, writer: Any, first: dict[str, int]) -> None:
    """Turn a link to a page of the website on this disk into one to its first sheet."""
    from pypdf.generic import ArrayObject, DictionaryObject, NameObject

    action = note.get("/A", {})
    address = urlsplit(str(action.get("/URI", "")))
    if address.scheme != "file":
        return
    sheet = first.get(Path(unquote(address.path)).as_uri())
    del note[NameObject("/A")]
    if sheet is None:  # a file beside the pages; it would lead to this disk
        return
    place = ArrayObject([writer.pages[sheet].indirect_reference, NameObject("/Fit")])
    note[NameObject("/A")] = DictionaryObject(
        {NameObject("/S"): NameObject("/GoTo"), NameObject("/D"): place}
    )


def lack() -> str:
    """What is missing for the PDF, in words, or nothing."""
    for package in ("playwright", "pypdf"):
        if importlib.util.find_spec(package) is None:
            return f"{package} is not installed; `make pdf` would install it."
    if not (HTML / "book" / "index.html").is_file():
        return "The website is not built yet: run make book first."
    try:
        browser_path()
    except FileNotFoundError as error:
        return str(error)
    return ""


def main(names: list[str]) -> int:
    """Print all pages, or those named; return the exit status."""
    if missing := lack():
        print(missing)
        return 1
    pages = [(page, depth) for page, depth in contents() if not names or page.removeprefix("book/") in names]
    parts = printed([page for page, _ in pages], HTML, browser_path())
    sheets = join(parts, pages, HTML, OUTPUT)
    print(f"{OUTPUT.relative_to(project.ROOT)}: {sheets} sheets, {OUTPUT.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
