"""A page is there soon, and what is laid out later is found, reached and printed like the rest."""

from __future__ import annotations

import gzip
import io
from urllib.parse import unquote, urlsplit

import in_browser
import pytest

PAGE = "book/02_residual_math.html"  # the largest
SAMPLE = [PAGE, "book/index.html", "book/05_fine_tuning.html", "book/reference/models.html", "search.html"]
MOST_WAITED_FOR = 42_000  # bytes, compressed, that a browser has to have before it shows anything
MOST_SCRIPTS = 60_000
MOST_IN_ALL = 500_000  # without pictures
LAST = "summary"  # a section far below the first screen
PLACES = ["thm-backward", "ex-math-zero", "proven-measured-folklore", LAST]
LOADED = """() => performance.getEntriesByType("resource").map(
  (entry) => [entry.name, entry.initiatorType, entry.renderBlockingStatus === "blocking"])"""
SHIFTS = """() => new Promise((done) => {
  const found = [];
  const told = ({ value, sources }) => sources.map(({ node }) => `${value}: ${node && node.className}`);
  const observer = new PerformanceObserver((list) => found.push(...list.getEntries().flatMap(told)));
  observer.observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done(found), 500);
})"""
A_HAIR = 0.005  # of the screen; seen: 0.0003 and 0.0025, at a load of seven on two cores, in one load of many
WAITS = """(id) => !document.querySelector(`#${id} > p`).checkVisibility({ contentVisibilityAuto: true })"""
LEFT_OUT = """() => [...document.querySelectorAll("article section:not(details *)")].filter(
  (section) => !section.checkVisibility({ contentVisibilityAuto: true })).map((section) => section.id)"""


def weight(address: str) -> int:
    """Bytes of a file of the site on their way to the reader: compressed, if it is text."""
    content = (in_browser.HTML / unquote(urlsplit(address).path).lstrip("/")).read_bytes()
    return len(content) if address.endswith("woff2") else len(gzip.compress(content))


def laid_out(page) -> float:
    """How many boxes the browser has laid out so far."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(metric["value"] for metric in metrics if metric["name"] == "LayoutObjects")


@pytest.mark.parametrize("name", SAMPLE)
def test_a_page_is_light(browser, site, name):
    with in_browser.visit(browser, site, name) as seen:
        loaded = seen.page.evaluate(LOADED)
    waited_for = [address for address, _, is_blocking in loaded if is_blocking]
    files = {address for address, kind, _ in loaded if kind != "img"}
    assert len(waited_for) == 1, waited_for
    assert sum(map(weight, waited_for)) < MOST_WAITED_FOR
    if name != "search.html":  # which looks through all that the book says
        assert sum(weight(address) for address in files if address.endswith(".js")) < MOST_SCRIPTS
    assert weight(f"{site}/{name}") + sum(map(weight, files)) < MOST_IN_ALL


@pytest.mark.parametrize("width", [in_browser.PHONE, in_browser.DESK])
@pytest.mark.parametrize("name", SAMPLE)
def test_nothing_moves_while_a_page_is_loaded(browser, site, name, width):
    moved = []
    for _ in range(
        3
    ):  # with the machine full of other work a frame may come too early; a page's own fault stays
        with in_browser.visit(browser, site, name, width=width) as seen:
            moved = seen.page.evaluate(SHIFTS)
        if not moved or max(float(shift.partition(":")[0]) for shift in moved) > A_HAIR:
            break
    assert moved == []


def test_a_phone_lays_out_what_is_near(browser, site):
    with in_browser.visit(browser, site, PAGE, width=in_browser.PHONE) as seen:
        seen.page.wait_for_timeout(500)
        before = laid_out(seen.page)
        assert seen.page.evaluate(WAITS, LAST)
        in_browser.read_through(seen.page)
        assert before < laid_out(seen.page) / 3


@pytest.mark.parametrize("width", [in_browser.PHONE, in_browser.DESK])
@pytest.mark.parametrize("place", PLACES)
def test_a_link_into_a_page_leads_to_its_place(browser, site, place, width):
    with in_browser.visit(browser, site, f"{PAGE}#{place}", width=width) as seen:
        seen.page.wait_for_timeout(500)
        top = seen.page.evaluate("(id) => document.getElementById(id).getBoundingClientRect().top", place)
        assert 0 <= top < 150


def test_a_browser_finds_words_far_below(browser, site):
    with in_browser.visit(browser, site, PAGE, width=in_browser.PHONE) as seen:
        assert seen.page.evaluate(WAITS, LAST)
        words = seen.page.evaluate(
            "(id) => document.querySelector(`#${id} li`).textContent.slice(0, 12)", LAST
        )
        seen.page.evaluate("(id) => getSelection().collapse(document.getElementById(id), 0)", LAST)
        assert seen.page.evaluate("(words) => window.find(words)", words)
        seen.page.wait_for_timeout(300)
        assert not seen.page.evaluate(WAITS, LAST)


FONTS = """() => document.fonts.ready.then(() => [...document.fonts]
  .filter((font) => font.status === "loaded")
  .map((font) => `${font.family} ${font.style} ${font.weight}`).sort())"""


@pytest.mark.parametrize("origin", ["site", "files"])
def test_every_font_of_a_formula_is_there_before_the_formula_is_laid_out(browser, origin, request):
    with in_browser.visit(browser, request.getfixturevalue(origin), PAGE) as seen:
        at_once = seen.page.evaluate(FONTS)
        in_browser.lay_out(seen.page)
        assert any("KaTeX_Size" in font for font in at_once)
        assert seen.page.evaluate(FONTS) == at_once


def test_all_of_a_page_comes_on_paper(browser, site):
    from pypdf import PdfReader

    with in_browser.visit(browser, site, PAGE) as seen:
        assert seen.page.evaluate(WAITS, LAST)
        words = seen.page.locator(f"#{LAST} h2").text_content().split("#")[0]
        seen.page.emulate_media(media="print")
        assert seen.page.evaluate(LEFT_OUT) == []
        sheets = PdfReader(io.BytesIO(seen.page.pdf())).pages
        assert words in " ".join(sheet.extract_text() for sheet in sheets)
