"""What is read from an answer, whatever a reader hands over."""

import random
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from resnet_utils.exercises import answers

NUMBERS = {
    3: 3, 2.5: 2.5, Fraction(1, 4): 0.25, np.float32(0.5): 0.5, np.int64(7): 7, torch.tensor(4): 4,
    torch.tensor([[1.5]]): 1.5, torch.tensor(0.75, requires_grad=True): 0.75,
}  # fmt: skip
NO_NUMBERS = [
    None, True, np.bool_(True), torch.tensor(True), "3", [3], (1,), {}, float("nan"), float("inf"), 1j,
    10**400, torch.tensor([1.0, 2.0]), torch.empty(0), np.array("3"), Decimal(3), nn.ReLU(), lambda: 3,
]  # fmt: skip


@pytest.mark.parametrize(("given", "value"), [*NUMBERS.items(), (np.array([[2.0]]), 2.0)], ids=repr)
def test_one_number_of_any_library_is_read_as_a_float(given, value):
    found = answers.number(given)
    assert type(found) is float
    assert found == value


@pytest.mark.parametrize("given", NO_NUMBERS, ids=lambda given: str(given)[:20])
def test_anything_else_is_no_number_and_is_refused_in_words(given):
    assert answers.number(given) is None
    with pytest.raises(
        answers.Wrong, match=r"^the loss should be a number, and a finite one, but this is \S"
    ):
        answers.one_number(given, "the loss")


@pytest.mark.parametrize(
    "given", [*NUMBERS, *NO_NUMBERS, "x" * 500, torch.rand(3, 4), ["a"] * 1000, object()]
)
def test_what_is_said_of_an_answer_is_short_on_one_line_and_names_no_place_in_memory(given):
    said = answers.described(given)
    assert 0 < len(said) < 80
    assert "\n" not in said
    assert " at 0x" not in said


def draws(_=None):
    """A function that moves all three random states."""
    return random.random(), float(np.random.rand()), float(torch.rand(()))  # noqa: NPY002


def breaks(_=None):
    """The same, and then it fails with a message of two lines."""
    draws()
    raise KeyError("first line\nsecond line")


@pytest.mark.parametrize("function", [draws, breaks, None])
@pytest.mark.parametrize(
    "through", [answers.tried, lambda f: answers.reply(lambda: answers.result(f) and None)]
)
def test_a_readers_function_moves_no_random_state_also_when_it_fails(function, through):
    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
    wanted = draws()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
    through(function)
    assert draws() == wanted


def test_a_failing_function_becomes_one_sentence_with_its_error_and_where():
    value, said = answers.tried(breaks, 8, where="at width 8")
    assert value is None
    assert said.startswith("your function stops at width 8 with KeyError: ")
    assert "\n" not in said
    assert answers.tried(3) == (None, "a function is wanted, but this is 3")


def test_a_sentence_raised_inside_a_function_is_handed_on_as_it_is():
    def refuse():
        raise answers.Wrong("too many")

    assert answers.reply(answers.result, refuse) == "too many"


def test_a_check_that_says_nothing_is_correct_and_one_that_says_something_is_quoted():
    assert answers.reply(lambda: None) == answers.CORRECT
    assert answers.reply(lambda x: f"{x} is too low", 3) == "3 is too low"


def test_infinity_is_a_number_only_where_it_may_be_one():
    assert answers.number(float("inf")) is None
    assert answers.number(float("inf"), finite=False) == float("inf")
