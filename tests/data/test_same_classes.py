"""Two splits with other classes are refused, and both sides are named."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from resnet_utils import data

NAMES = some.lists(some.text(min_size=1, max_size=4), min_size=1, max_size=5, unique=True)


@given(NAMES, NAMES)
def test_equal_lists_pass_and_all_others_are_refused_with_both_sides(first, second):
    if first == second:
        assert data.require_same_classes(first, tuple(second)) == tuple(first)
        return
    with pytest.raises(ValueError, match="have different classes") as caught:
        data.require_same_classes(first, second, names=("training", "validation"))
    for name in {*first} ^ {*second}:
        assert repr(name) in str(caught.value)
    assert "training: " in str(caught.value)
    assert "validation: " in str(caught.value)


def test_a_side_that_does_not_say_is_not_judged():
    assert data.require_same_classes(["a", "b"], object()) is None
    assert data.require_same_classes(None, ["a", "b"]) is None


def test_loaders_of_splits_that_sort_otherwise_are_refused():
    one = data.drawn_animals(4, size=8, species=("cat", "dog"))
    two = data.drawn_animals(4, size=8, species=("dog", "cat"))
    with pytest.raises(
        ValueError, match=r"train and val have .* not in the same order .*classes=train.classes"
    ):
        data.require_same_classes(data.loader(one, 2), data.loader(two, 2), names=("train", "val"))
