"""The search of the site: known terms are found, a hit leads to its section, with and without a server."""

from __future__ import annotations

from urllib.parse import quote_plus

import in_browser
import pytest

TERMS = [  # what a reader may look for, and a page that must be among the first ten
    ("shattered gradients", "02_residual_math/shattered_gradients"),
    ("Grad-CAM", "05_fine_tuning/where_it_looks"),
    ("calibration", "05_fine_tuning/how_sure"),
    ("receptive field", "04_full_network/cost_and_receptive_field"),
    ("Highway", "02_residual_math/gates_and_norms"),
    ("ConvNeXt", "04_full_network/convnext"),
    ("weight decay", "04_full_network/weight_decay"),
    ("weights_only", "reference/files"),
    ("degradation", "01_background"),
    ("HEIC", "questions"),
    ("max-pooling", "01_background/layers"),
    ("batchnrom", "03_building_blocks/batchnorm"),  # one slip of the finger
]


def results(page):
    """Address and excerpt of the first ten results."""
    page.wait_for_function("document.getElementById('book-search-said').textContent")
    links = page.eval_on_selector_all("#book-search-results li > a", "all => all.map((link) => link.href)")
    texts = page.eval_on_selector_all("#book-search-results li > p", "all => all.map((p) => p.innerHTML)")
    return list(zip(links, texts, strict=True))[:10]


@pytest.mark.parametrize("place", ["site", "files"])
def test_known_terms_are_found_with_an_excerpt(browser, site, files, place):
    origin = {"site": site, "files": files}[place]
    missed = []
    with in_browser.visit(browser, origin, "search.html") as seen:
        for term, name in TERMS:
            seen.page.goto(f"{origin}/search.html?q={quote_plus(term)}", wait_until="load")
            found = results(seen.page)
            if not any(f"/book/{name}.html" in link and "<mark>" in text for link, text in found):
                missed.append((term, [link.partition("/book/")[2] for link, _ in found]))
        assert seen.heard == []
    assert missed == []


def test_a_hit_leads_to_its_section(browser, site):
    with in_browser.visit(browser, site, "search.html?q=shattered+gradients") as seen:
        seen.page.click("#book-search-results li > a[href*='#'] >> nth=0")
        seen.page.wait_for_load_state("load")
        seen.page.wait_for_timeout(500)
        name = seen.page.evaluate("decodeURIComponent(location.hash.slice(1))")
        assert name
        top, bottom = seen.page.evaluate(
            "(id) => { const box = document.getElementById(id).getBoundingClientRect();"
            " return [box.top, box.bottom]; }",
            name,
        )
        assert top < 900
        assert bottom > 0
        assert seen.heard == []


def test_the_field_of_every_page_leads_to_the_search(browser, site):
    with in_browser.visit(browser, site, "book/glossary.html") as seen:
        seen.page.keyboard.press("Control+k")
        seen.page.keyboard.type("dropout")
        seen.page.keyboard.press("Enter")
        seen.page.wait_for_url("**/search.html?q=dropout")
        assert results(seen.page)


def test_words_that_are_nowhere_are_told_as_such(browser, site):
    with in_browser.visit(browser, site, "search.html?q=zzyzx") as seen:
        assert "No section has" in seen.page.inner_text("#book-search-said")
