"""The minutes of a notebook: what counts as read, and what is rounded."""

from __future__ import annotations

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import sitting

SOLUTION = "```{solution-start} ex-a\n```"


def words(count):
    """Prose of so many words."""
    return new_markdown_cell("word " * count)


def test_two_hundred_words_or_twenty_lines_take_a_minute():
    code = new_code_cell("\n".join(f"line({k})" for k in range(20)) + "\n\n\n")
    assert sitting.minutes(new_notebook(cells=[words(200), code])) == 2


def test_what_is_folded_and_what_is_only_listed_is_not_read():
    folded = new_code_cell("hidden()", metadata={"tags": ["hide-input"]})
    solution = [new_markdown_cell(SOLUTION + "\nSo it is."), new_code_cell("solved()")]
    after = new_markdown_cell("```{solution-end}\n```\n\nGo on.\n\n## References\n\n- He, 2016, and others.")
    notebook = new_notebook(cells=[words(10), folded, *solution, after])
    assert sitting.words(notebook) == 10 + 2 + 2  # Go on., and the end of the solution with its fence
    assert sitting.code_lines(notebook) == 0


@pytest.mark.parametrize(("count", "minutes"), [(200, 1), (201, 2), (390, 2)])
def test_a_page_never_promises_fewer_minutes_than_counted(count, minutes):
    assert sitting.rounded(new_notebook(cells=[words(count)])) == minutes
