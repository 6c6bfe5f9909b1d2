"""Finding one's way: previews of what a link leads to, and marks of what was read."""

from __future__ import annotations

import re
import time

import in_browser
import pytest

PAGE = "book/02_residual_math.html"
ROOM = "book/02_residual_math/paths.html"
COVER = "book/index.html"
EXERCISES = "book/lists/exercises.html"
PREVIEW = "[role=tooltip].preview"
THEOREM = "article a.internal[href='#thm-forward']"
ELSEWHERE = "article a.internal[href*='.html#thm-']"
EQUATION = "article a.internal[href='#equation-eq-backward']"
EQUATION_ELSEWHERE = "article a.internal[href*='.html#equation-']"
WORD = "article a.internal[href*='glossary.html#term-']"
SOURCE = "article .bibtex-citation a"
SOON = 3000  # ms


def opened(page, selector):
    """The text of the preview that the first such link opens when the pointer rests on it."""
    link = page.locator(selector).first
    page.keyboard.press("Escape")  # closes what is open
    link.scroll_into_view_if_needed()
    link.hover()
    page.wait_for_selector(PREVIEW, timeout=SOON)
    return page.locator(PREVIEW).inner_text()


def focus(page, selector):
    """Reach the first such link by the Tab key, from the link or button before it."""
    page.eval_on_selector(selector, "(link) => { link.focus(); }")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")


def marks(page):
    """How many links are marked as read."""
    return page.locator(".read-mark").count()


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        (THEOREM, "Theorem 2.1"),
        (WORD, "."),
        (SOURCE, "Deep residual learning"),
        ("a[href='#ex-math-zero']", "Exercise 2."),
    ],
)
def test_a_link_shows_what_it_leads_to(browser, site, selector, words):
    with in_browser.visit(browser, site, PAGE) as seen:
        assert words in opened(seen.page, selector)
        assert seen.heard == []


@pytest.mark.parametrize("mode", in_browser.MODES)
def test_an_open_preview_is_no_barrier(browser, site, mode):
    with in_browser.visit(browser, site, PAGE, mode=mode) as seen:
        before = in_browser.barriers(seen.page)
        opened(seen.page, THEOREM)
        assert in_browser.barriers(seen.page) == before


@pytest.mark.parametrize("selector", [EQUATION, EQUATION_ELSEWHERE])
def test_the_number_of_an_equation_shows_the_equation(browser, site, selector):
    with in_browser.visit(browser, site, PAGE) as seen:
        number = seen.page.locator(selector).first.text_content()
        assert re.fullmatch(r"\(2\.\d+\)", number)
        assert number in opened(seen.page, selector)
        assert seen.page.locator(f"{PREVIEW} .katex-html").is_visible()
        assert seen.heard == []


# left, right and middle of the number and of the formula beside it
NUMBERED = """() => [...document.querySelectorAll("div.math > .eqno")].map((number) => {
  const [a, b] = [number, number.nextElementSibling].map((part) => part.getBoundingClientRect());
  return {says: number.innerText, left: a.left, right: a.right, formula: b.right,
    isBeside: a.top < b.bottom && b.top < a.bottom};
})"""


@pytest.mark.parametrize("width", [in_browser.PHONE, in_browser.DESK])
def test_a_numbered_equation_has_its_number_at_its_right(browser, site, width):
    with in_browser.visit(browser, site, PAGE, width=width) as seen:
        in_browser.lay_out(seen.page)  # what is not laid out yet shows no words
        found = seen.page.evaluate(NUMBERED)
    assert [place["says"].rstrip("#") for place in found] == [f"(2.{n})" for n in range(1, len(found) + 1)]
    for place in found:
        assert place["formula"] <= place["left"] < place["right"] <= width, place
        assert place["isBeside"], place


def test_a_theorem_of_another_page_is_shown(browser, site):
    with in_browser.visit(browser, site, PAGE) as seen:
        assert "Theorem 2." in opened(seen.page, ELSEWHERE)


def test_previews_need_no_server(browser, files):
    with in_browser.visit(browser, files, PAGE) as seen:
        assert opened(seen.page, WORD)
        assert opened(seen.page, SOURCE)
        assert "Theorem 2." in opened(seen.page, ELSEWHERE)
        assert seen.heard == []


def test_a_formula_in_a_preview_has_its_style_on_a_page_that_has_no_formula(browser, files):
    with in_browser.visit(browser, files, EXERCISES) as seen:
        assert seen.page.locator(".katex").count() == 0
        opened(seen.page, "article a.internal[href*='#ex-math-zero']")
        spoken = seen.page.locator(f"{PREVIEW} .katex-mathml").first
        assert spoken.bounding_box()["width"] <= 1, "what is spoken is not seen"
        assert seen.heard == []


def test_a_page_with_formulas_asks_for_their_style_no_second_time(browser, site):
    with in_browser.visit(browser, site, PAGE) as seen:
        asked = []
        seen.page.on("request", lambda request: asked.append(request.url))
        opened(seen.page, EQUATION_ELSEWHERE)
        assert seen.page.locator(f"{PREVIEW} .katex-html").is_visible()
        assert [url for url in asked if url.endswith(".css")] == []


def test_the_keyboard_opens_a_preview_and_escape_closes_it(browser, site):
    with in_browser.visit(browser, site, PAGE) as seen:
        focus(seen.page, THEOREM)
        seen.page.wait_for_selector(PREVIEW, timeout=SOON)
        link = seen.page.locator(THEOREM).first
        assert link.get_attribute("aria-describedby") == seen.page.locator(PREVIEW).get_attribute("id")
        seen.page.keyboard.press("Escape")
        assert seen.page.locator(PREVIEW).count() == 0
        assert link.get_attribute("aria-describedby") is None
        assert link.evaluate("(link) => link === document.activeElement")


def test_the_pointer_may_move_into_a_preview_and_out_of_it(browser, site):
    with in_browser.visit(browser, site, PAGE) as seen:
        opened(seen.page, THEOREM)
        seen.page.locator(PREVIEW).hover()
        seen.page.wait_for_timeout(600)
        assert seen.page.locator(PREVIEW).count() == 1
        seen.page.mouse.move(2, 2)
        seen.page.wait_for_selector(PREVIEW, state="detached", timeout=SOON)


def test_a_preview_fits_a_phone_and_names_nothing_twice(browser, site):
    with in_browser.visit(browser, site, PAGE, width=in_browser.PHONE) as seen:
        opened(seen.page, THEOREM)
        box = seen.page.locator(PREVIEW).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= in_browser.PHONE
        twice = """() => { const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
            return ids.filter((id, place) => id && ids.indexOf(id) !== place); }"""
        shown = set(seen.page.evaluate(twice))
        seen.page.keyboard.press("Escape")
        assert shown <= set(seen.page.evaluate(twice))


def test_a_page_is_read_when_the_reader_says_so(browser, site):
    with in_browser.visit(browser, site, PAGE) as seen:
        button = seen.page.locator(".reading-progress .mark")
        assert (button.inner_text(), button.get_attribute("aria-pressed"), marks(seen.page)) == (
            "Mark as read",
            "false",
            0,
        )
        button.focus()
        seen.page.keyboard.press("Enter")
        assert button.get_attribute("aria-pressed") == "true"
        assert marks(seen.page) == 1
        assert "nothing is sent" in seen.page.locator(".reading-progress").inner_text()
        seen.page.goto(f"{site}/{COVER}")
        assert "You have read 1 of " in seen.page.locator(".reading-progress").inner_text()
        assert marks(seen.page) == 2, "in the list of pages, and on the map"
        seen.page.locator(".reading-progress .clear").click()
        assert marks(seen.page) == 0
        assert seen.page.evaluate("localStorage.getItem('resnet-from-zero:read')") is None
        assert seen.heard == []


def test_a_page_is_read_when_its_end_was_reached_and_not_at_once(browser, site):
    with in_browser.visit(browser, site, ROOM) as seen:
        seen.page.clock.install()
        seen.page.reload()
        end = seen.page.locator(".reading-progress")
        # What is laid out on the way moves it, and the page is told in a frame, not by its clock.
        for _ in range(10):
            end.scroll_into_view_if_needed()
            time.sleep(0.1)
        seen.page.clock.run_for(30_000)
        assert marks(seen.page) == 0
        seen.page.clock.run_for(31_000)
        assert marks(seen.page) == 1


def test_without_storage_a_mark_lasts_as_long_as_the_page(browser, site):
    with in_browser.visit(browser, site, PAGE) as seen:
        refuse = "() => { throw new DOMException('no', 'SecurityError'); }"
        seen.page.add_init_script(f"Object.defineProperty(window, 'localStorage', {{ get: {refuse} }});")
        seen.page.reload()
        seen.page.locator(".reading-progress .mark").click()
        assert marks(seen.page) == 1
        assert "keeps no marks" in seen.page.locator(".reading-progress").inner_text()


@pytest.mark.parametrize("stored", ["nonsense", "{}", "[1, null]", '["book/no_such_page"]'])
def test_a_spoiled_store_does_no_harm(browser, site, stored):
    with in_browser.visit(browser, site, PAGE) as seen:
        seen.page.evaluate("(text) => localStorage.setItem('resnet-from-zero:read', text)", stored)
        seen.page.reload()
        assert "You have read 0 of " in seen.page.locator(".reading-progress").inner_text()
        seen.page.locator(".reading-progress .mark").click()
        assert marks(seen.page) == 1
        assert seen.heard == []


def test_the_page_for_what_is_not_there_leads_back(browser, site):
    with in_browser.visit(browser, site, "404.html") as seen:
        assert seen.page.get_by_role("heading", level=1).inner_text() == "This page is not here"
        assert seen.page.locator("#pst-primary-sidebar a[href='/book/01_background.html']").count() == 1
        assert seen.heard == []


def test_a_room_has_a_number_and_its_sections_have_none(browser, site):
    with in_browser.visit(browser, site, "book/01_background/layers.html") as seen:
        assert seen.page.locator("article h1 .section-number").inner_text().strip() == "1.1."
        assert seen.page.locator("article :is(h2, h3) .section-number").count() == 0
