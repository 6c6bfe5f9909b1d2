"""Tests of ``resnet_utils.runtime.given``: what callers give is taken as it is meant, or refused in words."""

import copy
import inspect
import math
import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from resnet_utils.runtime import given


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_a_whole_number_may_be_python_or_numpy(value):
    number = given.whole_number("epochs", value)
    assert (number, type(number)) == (3, int)


@pytest.mark.parametrize("value", [2.0, 1.5, "3", None, True, np.True_, torch.tensor(3), [3], math.nan])
def test_what_is_no_whole_number_is_refused_with_its_name(value):
    with pytest.raises(ValueError, match="epochs must be a whole number of at least 1, got"):
        given.whole_number("epochs", value)


def test_a_whole_number_that_is_too_small_is_refused_with_its_unit():
    assert given.whole_number("count", 0, least=0) == 0
    with pytest.raises(ValueError, match=r"^patience must be at least 1 epoch, got 0$"):
        given.whole_number("patience", 0, unit="epoch")


@pytest.mark.parametrize("value", [True, np.False_, 0, 1])
def test_a_flag_is_true_or_false(value):
    assert given.yes_or_no("strict", value) is bool(value)


@pytest.mark.parametrize("value", ["no", None, 2, 0.5, [], "True"])
def test_a_text_is_no_flag(value):
    with pytest.raises(ValueError, match="strict must be True or False, got"):
        given.yes_or_no("strict", value)


@pytest.mark.parametrize("value", [0.5, 1, np.float32(0.5), torch.tensor([2.0]), np.array(2)])
def test_a_number_may_be_of_any_kind(value):
    assert given.real_number("lr", value) == float(value)


@pytest.mark.parametrize("value", ["0.1", None, True, 1j, [0.1, 0.2], torch.ones(2)])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="lr must be a number, got"):
        given.real_number("lr", value)


@pytest.mark.parametrize(
    "make", [list, tuple, iter, np.array, lambda v: torch.tensor(v, dtype=torch.float64)]
)
def test_a_list_of_numbers_keeps_all_its_digits(make):
    assert given.real_numbers("values", make([0.1, 1 / 3])) == [0.1, 1 / 3]


@pytest.mark.parametrize(
    "values", ["12", None, 3, {1: 2}, [0.1, "0.2"], [None], np.ones((2, 2)), np.ma.masked_equal([1, 2], 2)]
)
def test_what_is_no_list_of_numbers_is_refused(values):
    with pytest.raises(ValueError, match="values"):
        given.real_numbers("values", values)


@pytest.mark.parametrize("make", [list, tuple, np.array, torch.tensor])
def test_a_table_may_be_a_list_an_array_or_a_tensor(make):
    assert given.table("labels", make([1, 2, 3])).tolist() == [1, 2, 3]


def test_a_mask_is_never_dropped():
    masked = np.ma.masked_equal([1, 2, 3], 2)
    for value in (masked, [masked, masked]):
        with pytest.raises(ValueError, match=r"labels is a masked array .*a tensor has no mask"):
            given.table("labels", value)
    with pytest.raises(ValueError, match=r"labels is a masked array"):  # also where nothing is masked
        given.table("labels", np.ma.array([1, 2]))


@pytest.mark.parametrize("value", [["cat"], None, {"a": 1}, [[1], [1, 2]], np.array(["a"])])
def test_what_is_no_table_of_numbers_is_refused(value):
    with pytest.raises(ValueError, match="labels must be a tensor, an array or a list of numbers, got"):
        given.table("labels", value)


def test_a_loader_that_is_used_up_once_is_refused_where_it_is_needed_twice():
    batches = ((torch.zeros(1), torch.zeros(1)) for _ in range(2))
    given.require_batches(batches, name="train_loader", times=1)
    with pytest.raises(ValueError, match="train_loader is a generator, which can be gone through once"):
        given.require_batches(batches, name="train_loader", times=2)
    with pytest.raises(TypeError, match="train_loader must be a loader or a list of batches, got int"):
        given.require_batches(5, name="train_loader", times=1)


@given.explained
def narrow(images: torch.Tensor, count: int = 1, *, names: list[str] | None = None) -> int:
    """A function that trusts its caller."""
    if count < 0:
        raise ValueError("count must not be negative")
    return images.numel() // count + len(names or [])


def test_an_explained_function_answers_as_before_and_keeps_its_name_signature_and_words():
    assert narrow(torch.zeros(6), 2, names=["a"]) == 4
    assert (narrow.__name__, narrow.__doc__) == ("narrow", "A function that trusts its caller.")
    assert list(inspect.signature(narrow).parameters) == ["images", "count", "names"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("x",), r"narrow\(\): images must be a tensor, got 'x', of the kind str"),
        ((None, 2), r"narrow\(\): images must be a tensor, got None, of the kind NoneType"),
        ((torch.zeros(2), "2"), r"narrow\(\): count must be a whole number, got '2', of the kind str"),
        ((torch.zeros(2), 1, 5), r"narrow\(\): names must be list\[str\] or None, got 5, of the kind int"),
    ],
)
def test_an_argument_of_another_kind_that_makes_a_function_fail_is_named(arguments, words):
    with pytest.raises(TypeError, match=f"^{words}$"):
        narrow(*arguments[:2], names=dict(enumerate(arguments)).get(2))


def test_an_error_in_its_own_words_is_left_alone_whatever_the_arguments_are(monkeypatch):
    monkeypatch.setattr(given, "PACKAGE", __file__)  # whose words are told by where they stand
    with pytest.raises(ValueError, match=r"^count must not be negative$"):
        narrow("x", -1)


def test_an_error_that_no_argument_explains_is_left_alone():
    with pytest.raises(ZeroDivisionError):
        narrow(torch.zeros(2), 0)


def test_what_works_is_not_held_against_the_signature():
    assert narrow(torch.zeros(3), 1.5) == 2  # a float is no whole number, and it can be divided by


def test_a_call_that_does_not_fit_the_signature_says_what_python_says():
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'images'"):
        narrow()


@given.explained
@dataclass(frozen=True)
class Pair:
    """A class that trusts its caller."""

    first: list[int]
    second: int = 0

    def __post_init__(self) -> None:
        len(self.first)


@given.explained
class Longer(Pair):
    """Another, whose constructor is written."""

    def __init__(self, first: list[int], name: str) -> None:
        super().__init__(first)
        name.strip()


def test_an_explained_class_is_the_same_class_with_its_signature_and_can_be_copied():
    pair = Pair([1], 2)
    assert (Pair.__name__, Pair.__doc__) == ("Pair", "A class that trusts its caller.")
    assert str(inspect.signature(Pair)) == "(first: list[int], second: int = 0) -> None"
    assert pair == replace(Pair([1]), second=2) == copy.deepcopy(pair) == pickle.loads(pickle.dumps(pair))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Pair(5), r"Pair\(\): first must be list\[int\], got 5, of the kind int"),
        (lambda: Longer([1], 5), r"Longer\(\): name must be a text, got 5, of the kind int"),
        (lambda: Longer(5, "x"), r"Pair\(\): first must be list\[int\], got 5, of the kind int"),
    ],
)
def test_an_explained_class_names_the_argument_that_made_its_constructor_fail(make, words):
    with pytest.raises(TypeError, match=f"^{words}$"):
        make()


@pytest.mark.parametrize("thing", [object, 5])
def test_what_has_no_constructor_in_python_cannot_be_explained(thing):
    with pytest.raises(TypeError, match="function must be a function, or a class with __init__, got "):
        given.explained(thing)


def test_a_single_text_is_no_list_of_texts():
    assert given.texts("limits", ("not for X-rays",)) == ["not for X-rays"]
    with pytest.raises(TypeError, match="limits must be a list of texts, got 'not for X-rays'"):
        given.texts("limits", "not for X-rays")


WHAT = "the network cannot take it"


@pytest.mark.parametrize("also", [None, KeyError])
def test_kinds_of_errors_that_are_no_tuple_are_refused_before_an_error_comes(also):
    with pytest.raises(TypeError, match="also must be a tuple"), given.reason_told(WHAT, also=also):
        pass


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("of a GPU"), KeyError("boxes"), OSError("full")])
def test_what_is_no_fault_of_the_input_passes_as_it_is(error):
    with pytest.raises(type(error)) as raised, given.reason_told(WHAT):
        raise error
    assert raised.value is error


@pytest.mark.parametrize(
    ("error", "also", "words"),
    [
        (RuntimeError("mat1 and mat2\nmore of it"), (), "the network cannot take it: mat1 and mat2"),
        (KeyError("boxes"), (KeyError,), "the network cannot take it: 'boxes'"),
    ],
)
def test_an_error_of_somebody_elses_code_comes_with_its_first_line_as_the_reason(error, also, words):
    with pytest.raises(ValueError, match=f"^{words}$") as raised, given.reason_told(WHAT, also=also):
        raise error
    assert raised.value.__cause__ is error
