"""The two languages of the site: from each page to the same place in the other one."""

from __future__ import annotations

import re

import in_browser
import pytest

PAGE, PLACE = "book/02_residual_math.html", "sec-zero"


def language(page) -> str:
    return page.evaluate("document.documentElement.lang")


def test_the_link_leads_to_the_same_section_and_back(browser, site):
    with in_browser.visit(browser, site, PAGE) as seen:
        page = seen.page
        name = page.evaluate(f"document.getElementById({PLACE!r}).closest('section').id")
        for _ in range(3):  # what lies above is laid out when one comes near, and moves the rest
            page.evaluate(f"document.getElementById({name!r}).scrollIntoView()")
            page.wait_for_timeout(300)
        box = page.locator("a.language-switch").bounding_box()  # click() would scroll
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_url(re.compile(rf"/zh/{re.escape(PAGE)}#"))
        assert language(page) == "zh-CN"
        assert page.url.endswith(f"#{name}")
        page.locator("a.language-switch").click()
        page.wait_for_url(re.compile(rf"(?<!/zh)/{re.escape(PAGE)}#"))
        assert language(page) == "en"


def test_the_link_says_the_language_that_it_leads_to_in_that_language(browser, site):
    for path, shown, name, tag in ((PAGE, "中文", "中文", "zh-CN"), (f"zh/{PAGE}", "EN", "English", "en")):
        with in_browser.visit(browser, site, path) as seen:
            link = seen.page.locator("a.language-switch")
            assert (link.inner_text(), link.get_attribute("title")) == (shown, name)
            assert (link.get_attribute("lang"), link.get_attribute("hreflang")) == (tag, tag)


def test_code_and_what_it_prints_say_that_they_are_english(browser, site):
    with in_browser.visit(browser, site, f"zh/{PAGE}") as seen:
        boxes = seen.page.locator("article div.cell_input, article div.cell_output pre")
        tags = boxes.evaluate_all("(all) => all.map((box) => box.closest('[lang]').lang)")
        assert set(tags) == {"en"}
        assert seen.page.locator("article h1").evaluate("(h) => h.closest('[lang]').lang") == "zh-CN"


@pytest.mark.parametrize("words", ["捷径连接", "残差", "梯度消失"])
def test_the_search_finds_chinese_words(browser, site, words):
    with in_browser.visit(browser, site, f"zh/search.html?q={words}") as seen:
        results = seen.page.locator("#book-search-results li")
        results.first.wait_for()
        assert words in seen.page.locator("#book-search-results").inner_text()
        assert seen.page.locator("#book-search-results mark").first.inner_text() == words


def test_a_chinese_page_prints_no_english_sentence_of_the_website_itself(browser, site):
    with in_browser.visit(browser, site, f"zh/{PAGE}") as seen:
        shown = seen.page.locator(
            "nav.bd-links, .page-facts, .reading-progress, .bd-footer"
        ).all_inner_texts()
        told = " ".join(shown)
        assert "从零到微调好的 ResNet" in told
        assert not re.search(r"\b(?:Mark as read|Tested with|You have read|Beyond the classifier)\b", told)
