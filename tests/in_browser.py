"""What is asked of a page in a real browser. A check returns what is wrong, in words; nothing is good."""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tools import pdf, project
from tools.web import vendor

HTML = project.ROOT / "_build" / "html"
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no host but ours: a page has to do without
]
WIDTHS = (360, 768, 1280, 1920)
MODES = ("light", "dark")
PHONE, DESK = 360, 1280
REQUIRED = (
    "BOOK_BROWSER"  # set to "required" where these tests may not be skipped, as in continuous integration
)

# What a reader sees of TeX that nobody has rendered; code may hold anything.
RAW = r"""() => {
  const signs = /\\\(|\\\[|\$\$|\\(frac|sum|partial|mathbf|operatorname|left|begin)\b/;
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (signs.test(walker.currentNode.data) && !parent.closest("code, pre, script, style, annotation"))
      found.push(walker.currentNode.data.trim().slice(0, 80));
  }
  for (const formula of document.querySelectorAll(".math"))
    if (!formula.querySelector(".katex-html") || formula.querySelector(".katex-error"))
      found.push(formula.textContent.trim().slice(0, 80));
  return found;
}"""
WIDE = """() => {
  const wide = document.documentElement.scrollWidth - innerWidth;
  return wide > 0 ? [`the page is ${wide} px wider than the window`] : [];
}"""
CUT = """() => {
  const scrolls = (element) => {
    for (let e = element; e; e = e.parentElement)
      if (/auto|scroll/.test(getComputedStyle(e).overflowX) && e.tagName !== "HTML") return true;
    return false;
  };
  return [...document.querySelectorAll(".math .katex-html > *")]
    .filter((base) => base.getBoundingClientRect().right > innerWidth + 1 && !scrolls(base))
    .map((base) => base.closest(".math").textContent.slice(0, 60));
}"""
LONG = """() => [...document.querySelectorAll(".cell_input pre, .cell_output pre")]
  .filter((pre) => pre.scrollWidth > pre.clientWidth + 1)
  .map((pre) => pre.textContent.trim().slice(0, 60))"""
EMPTY_PICTURES = """() => Promise.all([...document.images].map((picture) => {
  picture.loading = "eager";
  return picture.decode().then(() => null, () => picture.getAttribute("src").slice(0, 80));
})).then((all) => all.filter(Boolean))"""
AXE = "axe.run(document, {preload: false, resultTypes: ['violations']})"
# Text that is still fading in has too little contrast. An animation without an end is no reason to wait.
STILL = """() => Promise.allSettled(document.getAnimations()
  .filter((animation) => animation.effect.getComputedTiming().endTime < Infinity)
  .map((animation) => animation.finished)).then(() => null)"""


def no_browser() -> str:
    """Why there is no browser on this machine, in words, or nothing; it is the one that prints the PDF."""
    if importlib.util.find_spec("playwright") is None:
        return "Playwright is not installed (pip install playwright)"
    try:
        pdf.browser_path()
    except FileNotFoundError as error:
        return str(error)
    return ""


def no_site() -> str:
    """Why there is no site to look at, in words, or nothing."""
    return "" if (HTML / "book" / "index.html").is_file() else "the site is not built (make book)"


def is_required() -> bool:
    """Whether these tests must run."""
    return os.environ.get(REQUIRED) == "required"


class Quiet(SimpleHTTPRequestHandler):
    """A static server that does not tell of each request."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A static server of ``folder`` on this machine; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Visit:
    """An open page, and what was heard while it was loading."""

    page: Any
    origin: str
    heard: list[str] = field(default_factory=list)

    def note_request(self, request: Any) -> None:
        """Note a request that leaves the site."""
        if not request.url.startswith((self.origin, "data:", "blob:")):
            self.heard.append(f"asks another host: {request.url[:100]}")

    def note_message(self, message: Any) -> None:
        """Note an error of the console."""
        if message.type == "error":
            self.heard.append(f"console: {message.text[:150]} ({message.location['url'][-80:]})")


@contextmanager
def visit(browser: Any, origin: str, path: str, width: int = DESK, mode: str = "light") -> Iterator[Visit]:
    """Open a page of the site in a window of its own; ``origin`` is a server's address or ``file:///...``."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=mode,
        permissions=["clipboard-read", "clipboard-write"] if origin.startswith("http") else [],
    )
    page = context.new_page()
    seen = Visit(page, origin)
    page.on("request", seen.note_request)
    page.on("console", seen.note_message)
    page.on("pageerror", lambda error: seen.heard.append(f"script: {str(error)[:150]}"))
    page.goto(f"{origin}/{path}", wait_until="load")
    page.wait_for_timeout(100)
    try:
        yield seen
    finally:
        context.close()


@cache
def axe() -> str:
    """The script of axe-core."""
    return (vendor.named("axe-core", "test") / "axe.min.js").read_text(encoding="utf-8")


def raw_formulas(page: Any) -> list[str]:
    """TeX that a reader would see."""
    return [f"raw formula: {text}" for text in page.evaluate(RAW)]


def without_pictures(page: Any) -> list[str]:
    """Pictures that do not come."""
    return [f"no picture: {name}" for name in page.evaluate(EMPTY_PICTURES)]


def too_wide(page: Any) -> list[str]:
    """What does not fit the window: the page itself, a formula in a line, and on a desk a line of code."""
    found = page.evaluate(WIDE) + [f"formula is cut: {text}" for text in page.evaluate(CUT)]
    if page.viewport_size["width"] >= DESK:
        found += [f"a line has to be scrolled: {text}" for text in page.evaluate(LONG)]
    return found


def barriers(page: Any) -> list[str]:
    """What axe-core finds, with everything opened that can be."""
    lay_out(page)
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe())
    found = page.evaluate(AXE)["violations"]
    return [f"{rule['id']}: {node['html'][:120]}" for rule in found for node in rule["nodes"]]


def show(page: Any, width: int, mode: str) -> None:
    """Let an open page be seen in another window and in the other colours."""
    page.emulate_media(color_scheme=mode)
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(
        350
    )  # the theme waits for that long before it looks anew at what has to be scrolled


def read_through(page: Any) -> None:
    """Go from the top of a page to its end, a screen at a time: what is far below is laid out on the way."""
    page.mouse.move(page.viewport_size["width"] // 2, 400)
    place = -1
    while place < (place := page.evaluate("scrollY")):
        page.mouse.wheel(0, 800)
        page.wait_for_timeout(100)


def lay_out(page: Any) -> None:
    """Open all that can be opened, and let nothing wait until a reader comes near."""
    page.add_style_tag(content="* { content-visibility: visible !important; }")
    page.evaluate("document.querySelectorAll('details').forEach((box) => { box.open = true; })")
    page.wait_for_timeout(50)  # two frames, so that what fades in has begun
    page.evaluate(STILL)


def faults(seen: Visit, views: list[tuple[int, str]]) -> list[str]:
    """All that is wrong with a page in these views."""
    found = raw_formulas(seen.page) + without_pictures(seen.page)
    for width, mode in views:
        show(seen.page, width, mode)
        new = barriers(seen.page) + too_wide(seen.page)  # the first of them opens all that can be opened
        found += [f"{width} px, {mode}: {fault}" for fault in new]
    return seen.heard + found
