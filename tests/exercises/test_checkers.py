"""Every checker of every chapter is tried: two right answers at least, and three wrong ones."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

from resnet_utils import exercises

CHAPTERS = sorted(module.name for module in pkgutil.iter_modules(exercises.__path__))
FEWEST_RIGHT, FEWEST_WRONG = 2, 3


def checkers(chapter):
    """The checkers of a chapter."""
    module = importlib.import_module(f"resnet_utils.exercises.{chapter}")
    found = inspect.getmembers(module, inspect.isfunction)
    return [f for name, f in found if name.startswith("check_") and f.__module__ == module.__name__]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_checker_has_right_and_wrong_answers(chapter):
    answers = importlib.import_module(f"exercises.test_{chapter}")
    for checker in checkers(chapter):
        right = sum(row[0] is checker for row in answers.RIGHT)
        wrong = sum(row[0] is checker for row in answers.WRONG)
        assert right >= FEWEST_RIGHT, f"{checker.__name__}: {right} right answers tried"
        assert wrong >= FEWEST_WRONG, f"{checker.__name__}: {wrong} wrong answers tried"


def test_every_chapter_has_checkers():
    assert CHAPTERS == ["ch01", "ch02", "ch03", "ch04", "ch05"]
    assert all(checkers(chapter) for chapter in CHAPTERS)
