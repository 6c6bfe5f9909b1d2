"""What readers do with a page: copy code, open a solution, go through it by keyboard, print it."""

from __future__ import annotations

import in_browser

PAGE = "book/02_residual_math.html"
STOPS = 40  # of the Tab key, from the beginning of a page


def test_the_copy_button_copies(browser, site):
    with in_browser.visit(browser, site, PAGE) as seen:
        cell = seen.page.locator("div.cell_input div.highlight:visible").nth(1)
        cell.hover()
        cell.locator("button.copybtn").click()
        copied = seen.page.evaluate("navigator.clipboard.readText()")
        assert copied.strip() == cell.locator("pre").inner_text().strip()
        assert copied.strip()


def test_hints_solutions_and_folded_cells_open_by_keyboard(browser, site):
    with in_browser.visit(browser, site, PAGE) as seen:
        for kind in ("details.hint", "details.solution", "details.hide"):
            box = seen.page.locator(kind).first
            inside = box.locator(":scope > *:not(summary)").first
            assert not inside.is_visible()
            box.locator(":scope > summary").focus()
            seen.page.keyboard.press("Enter")
            assert inside.is_visible(), kind


def test_what_opens_says_what(browser, site):
    with in_browser.visit(browser, site, PAGE) as seen:
        in_browser.lay_out(seen.page)  # what is not laid out yet shows no words
        names = seen.page.eval_on_selector_all(
            "article summary", "all => all.map((one) => one.innerText.trim())"
        )
        assert all(names)
        assert any(name.startswith("Solution to Exercise") for name in names)


def test_the_keyboard_is_always_seen(browser, site):
    with in_browser.visit(browser, site, PAGE) as seen:
        unmarked = []
        for _ in range(STOPS):
            seen.page.keyboard.press("Tab")
            mark = seen.page.evaluate(
                "() => { const style = getComputedStyle(document.activeElement);"
                " const name = document.activeElement.outerHTML.slice(0, 80);"
                " return [name, style.outlineStyle, style.outlineWidth]; }"
            )
            if mark[1] == "none" or mark[2] == "0px":
                unmarked.append(mark)
        assert unmarked == []


def test_a_box_is_a_stop_only_where_it_has_to_be_scrolled(browser, site):
    boxes = ".katex-display, article pre, .pst-scrollable-table-container"
    wrong = """(boxes) => [...document.querySelectorAll(boxes)].filter(
        (box) => (box.tabIndex === 0) !== (box.scrollWidth > box.clientWidth)).map((box) => box.outerHTML)"""
    for width in (in_browser.PHONE, in_browser.DESK):
        with in_browser.visit(browser, site, PAGE, width=width) as seen:
            in_browser.lay_out(seen.page)
            assert seen.page.evaluate(wrong, boxes) == []
            if width == in_browser.PHONE:
                assert seen.page.locator("article pre[tabindex='0']").count() > 3


def test_nothing_is_cut_or_closed_on_paper(browser, site):
    cut = """() => [...document.querySelectorAll("pre")].filter(
        (pre) => pre.scrollWidth > pre.clientWidth + 1).map((pre) => pre.textContent.slice(0, 60))"""
    with in_browser.visit(browser, site, PAGE, width=700) as seen:
        seen.page.emulate_media(media="print")
        seen.page.wait_for_timeout(300)
        assert seen.page.evaluate(cut) == []
        assert seen.page.locator("details.solution > section").first.bounding_box()["height"] > 20


def test_nothing_moves_for_a_reader_who_asked_for_that(browser, site):
    moving = """() => {
      for (const box of document.querySelectorAll("details")) box.open = true;
      return document.getAnimations().filter((one) => one.effect.getComputedTiming().duration > 10).length;
    }"""
    with in_browser.visit(browser, site, PAGE) as seen:
        assert seen.page.evaluate(moving) > 0, "what opens fades in"
    with in_browser.visit(browser, site, PAGE) as seen:
        seen.page.emulate_media(reduced_motion="reduce")
        assert seen.page.evaluate(moving) == 0
