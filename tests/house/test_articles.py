"""The appendix on the five articles: each statement is quoted, translated, put right and shown."""

from __future__ import annotations

import re

import pytest

from tools import project

PAGES = {"in_all_five": "G", "first": "A", "second": "B", "third": "C", "fourth": "D", "fifth": "E"}
FEWEST = 60  # the least that a careful reading finds
CHINESE = re.compile("[\u4e00-\u9fff]")


def statements(page):
    """Name -> text of each statement of one page."""
    text = (project.TEXT / "articles" / f"{page}.md").read_text(encoding="utf-8")
    pieces = re.split(r"^### ([A-G]\d+) .*$|^## .*$", text, flags=re.M)
    return {name: body for name, body in zip(pieces[1::2], pieces[2::2], strict=True) if name}


EVERY = [(name, body) for page in PAGES for name, body in statements(page).items()]


def test_there_are_as_many_as_a_careful_reading_finds():
    assert len(EVERY) >= FEWEST


@pytest.mark.parametrize("page", PAGES)
def test_the_numbers_of_a_page_run_from_one(page):
    names = list(statements(page))
    assert names == [f"{PAGES[page]}{number}" for number in range(1, len(names) + 1)]


@pytest.mark.parametrize(("name", "body"), EVERY, ids=[name for name, _ in EVERY])
def test_a_statement_is_quoted_and_put_right_and_shown(name, body):
    quote = re.search(r"^> (.+)$", body, re.M)
    assert quote, f"{name} quotes nothing"
    said = quote[1]
    assert CHINESE.search(said) or "`" in said or "$" in said or said.startswith(("*(", "future")), said
    if CHINESE.search(re.sub("`[^`]*`", "", said)) and not said.startswith("*("):
        assert " — " in said or "(" in said, f"{name} has no translation: {said}"
    assert body.count("**Right.**") == body.count("**Shown.**") == 1, name


@pytest.mark.parametrize(("name", "body"), EVERY, ids=[name for name, _ in EVERY])
def test_what_is_shown_can_be_found(name, body):
    shown = body.split("**Shown.**")[1]
    found = re.search(r"\{(?:doc|ref)\}`|By looking|\b[A-G]\d+\b|Every chapter|There", shown)
    if "the cell" in shown:
        assert re.search(r"\bassert\b|assert_close|raise AssertionError", body), f"{name} has no cell"
    elif "citation" in shown:
        assert "{cite" in body, f"{name} cites nothing"
    else:
        assert found, f"{name} leads nowhere: {shown.strip()[:80]}"
