"""Every page in a real browser: nothing from elsewhere, no error, no raw formula, for every reader."""

from __future__ import annotations

import os
import re

import in_browser
import pytest

from tools import project

PAGES = [*project.toc_pages(), "search", "genindex", "py-modindex"]
SAMPLE = [  # in every width and both modes: one of each kind
    *("book/index", "book/02_residual_math", "book/05_fine_tuning/where_it_looks", "book/reference/models"),
    *("book/bibliography", "book/lists/results", "search"),
]
# In Chinese the chapters and one of each kind, unless all is asked for; the markup is that of English pages.
IN_CHINESE = [
    *(page for page in project.toc_pages() if re.fullmatch(r"book/0\d_[a-z_]+", page)),
    *("book/01_background/self_test", "book/glossary", "book/articles/first", "book/lists/exercises"),
    *("book/touch/descent", "book/live/lesions", "book/reproducing"),
]
EACH = [(in_browser.PHONE, "light"), (in_browser.DESK, "dark")]
EVERYWHERE = "BOOK_VIEWS"  # set to "all" to look at every page in every width and both modes
EVERYTHING = os.environ.get(EVERYWHERE) == "all"
CHINESE = [f"zh/{page}" for page in (PAGES if EVERYTHING else [*dict.fromkeys([*SAMPLE, *IN_CHINESE])])]
ALL = [(width, mode) for width in in_browser.WIDTHS for mode in in_browser.MODES]


@pytest.mark.parametrize("name", [*PAGES, *CHINESE])
def test_a_page_is_whole_and_open_to_everybody(browser, site, name):
    views = ALL if name in SAMPLE or EVERYTHING else EACH
    with in_browser.visit(browser, site, f"{name}.html") as seen:
        found = in_browser.faults(seen, views)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", [*SAMPLE, "zh/book/02_residual_math", "zh/search"])
def test_a_page_needs_no_server(browser, files, name):
    with in_browser.visit(browser, files, f"{name}.html") as seen:
        found = seen.heard + in_browser.raw_formulas(seen.page)
    assert not found, "\n".join(found)
