"""Every checker of every chapter is tried: two right answers at least, three wrong ones, and what they hide.

The answers stand in the tables of ``test_ch01`` and its like, beside what only one chapter asks.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil

import pytest

from resnet_utils import exercises
from tools import project

CHAPTERS = sorted(m.name for m in pkgutil.iter_modules(exercises.__path__) if m.name.startswith("ch"))
NEEDS = {"ch07": "keras"}  # what a chapter's answers are made with, and need not be there
MADE = [name for name in CHAPTERS if name not in NEEDS or importlib.util.find_spec(NEEDS[name])]
TABLES = {chapter: importlib.import_module(f"test_{chapter}") for chapter in MADE}
FEWEST_RIGHT, FEWEST_WRONG = 2, 3


def rows(table):
    """The rows of all chapters, with ids that are the same in every process: chapter, checker and number."""
    return [
        pytest.param(*row, id=f"{chapter}-{row[0].__name__}-{number}")
        for chapter, answers in TABLES.items()
        for number, row in enumerate(getattr(answers, table))
    ]


def checkers(chapter):
    """The checkers of a chapter."""
    module = importlib.import_module(f"resnet_utils.exercises.{chapter}")
    found = inspect.getmembers(module, inspect.isfunction)
    return [f for name, f in found if name.startswith("check_") and f.__module__ == module.__name__]


@pytest.mark.parametrize(("checker", "answer"), rows("RIGHT"))
def test_a_right_answer_is_accepted_in_any_form(checker, answer):
    assert checker(*answer) == "correct"


@pytest.mark.parametrize(("checker", "answer", "words"), rows("WRONG"))
def test_a_wrong_answer_is_refused_and_told_why(checker, answer, words):
    message = checker(*answer)
    assert message != "correct"
    assert words in message
    assert " at 0x" not in message


@pytest.mark.parametrize(("checker", "answer", "words"), rows("WRONG"))
def test_no_refusal_tells_the_answer(checker, answer, words):
    message = checker(*answer)
    secrets = [secret for answers in TABLES.values() for secret in answers.SECRETS.get(checker, [])]
    given = " ".join(str(value) for value in answer)  # a message may repeat what it was handed
    assert not [secret for secret in secrets if secret in message and secret not in given]


@pytest.mark.parametrize("chapter", MADE)
def test_every_checker_has_right_and_wrong_answers(chapter):
    for checker in checkers(chapter):
        right = sum(row[0] is checker for row in TABLES[chapter].RIGHT)
        wrong = sum(row[0] is checker for row in TABLES[chapter].WRONG)
        assert right >= FEWEST_RIGHT, f"{checker.__name__}: {right} right answers tried"
        assert wrong >= FEWEST_WRONG, f"{checker.__name__}: {wrong} wrong answers tried"
        assert inspect.getdoc(checker)


def test_every_chapter_has_checkers():
    mains = [f"ch{name[:2]}" for name in project.chapters() if name[0].isdigit() and "/" not in name]
    assert mains == CHAPTERS
    assert all(checkers(chapter) for chapter in CHAPTERS)
