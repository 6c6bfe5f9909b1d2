"""Splits keep their parts together; the loader makes the same batches each time, with workers too."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from elsewhere import Elsewhere
from splits import split_of

from resnet_utils import data

# Split


def test_subset_keeps_images_labels_and_names_together():
    found = split_of([0, 1, 0, 1]).subset([3, 0])
    assert found.images[:, 0, 0, 0].tolist() == [3, 0]
    assert found.labels.tolist() == [1, 0]
    assert found.names == ("3.png", "0.png")


def test_take_gives_as_many_of_every_class():
    split = split_of([0] * 9 + [1] * 4 + [2] * 6)
    found = split.take(4, seed=1)
    assert found.labels.bincount().tolist() == [4, 4, 4]
    assert len(set(found.names)) == 12
    assert found.labels.tolist() != sorted(found.labels.tolist())


def test_smaller_take_is_part_of_a_bigger_one_and_seeds_differ():
    split = split_of([0, 1] * 30)
    assert set(split.take(5, seed=2).names) < set(split.take(9, seed=2).names)
    assert split.take(9, seed=2).names == split.take(9, seed=2).names
    assert set(split.take(9, seed=2).names) != set(split.take(9, seed=3).names)


@pytest.mark.parametrize("number", [0, 3, 1.5])
def test_take_more_than_there_is_tells_the_sizes(number):
    with pytest.raises(
        ValueError, match=rf"per_class must be 1 to 2, got {number}; there are .*'a': 3, 'b': 2"
    ):
        split_of([0, 0, 0, 1, 1]).take(number)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": torch.zeros(2, 3, 4, 4)}, r"images must be uint8 \(N, C, H, W\), got torch.float32"),
        ({"images": torch.zeros(2, 4, 4, dtype=torch.uint8)}, r"got torch.uint8 of shape \(2, 4, 4\)"),
        (
            {"labels": torch.tensor([0, 1, 0])},
            r"labels must be int64 \(2,\), got torch.int64 of shape \(3,\)",
        ),
        ({"labels": torch.tensor([0, 2])}, "labels must be 0 to 1, got 0 to 2"),
        ({"names": ("a",)}, "1 names for 2 images"),
    ],
)
def test_split_that_does_not_fit_together_is_refused(change, message):
    parts = {
        "images": torch.zeros(2, 3, 4, 4, dtype=torch.uint8),
        "labels": torch.tensor([0, 1]),
        "names": (),
    }
    with pytest.raises(ValueError, match=message):
        data.Split(**(parts | change), classes=("a", "b"), source="test")


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([0.5], "must be a list of whole numbers"),
        ([True, False, True, False], "of a mask, mask.nonzero"),
        ([4], "indices must be 0 to 3, got 4 to 4"),
        ([0, -1], "indices must be 0 to 3, got -1 to 0"),
        (2, "must be a list of whole numbers"),
    ],
)
def test_places_that_there_are_not_are_refused(indices, message):
    with pytest.raises(ValueError, match=message):
        split_of([0, 1, 0, 1]).subset(indices)


def test_no_places_make_an_empty_split():
    assert len(split_of([0, 1]).subset([])) == 0


def test_a_single_text_is_no_list_of_classes():
    with pytest.raises(TypeError, match="classes must be a list of names, got the text 'ab'"):
        replace(split_of([0, 1]), classes="ab")


@pytest.mark.parametrize(
    ("classes", "error", "message"),
    [
        (("a", "a"), ValueError, r"needs a name of its own, got \['a'\] more than once"),
        (("a", 1), TypeError, "classes must be a list of names"),
        (None, TypeError, "classes must be a list of names, got None"),
        ({"a", "b"}, TypeError, "classes must be a list of names"),
    ],
)
def test_classes_that_cannot_be_told_apart_are_refused_in_memory_and_on_disk(classes, error, message):
    with pytest.raises(error, match=message):
        replace(split_of([0, 1]), classes=classes)
    with pytest.raises(error, match=message):
        data.SplitOnDisk(Path(), ("a.png", "b.png"), torch.tensor([0, 1]), classes, size=8)


def test_a_list_of_classes_becomes_a_tuple_so_that_splits_can_be_compared():
    assert replace(split_of([0, 1]), classes=["a", "b"]).classes == ("a", "b")


@pytest.mark.parametrize("part", ["images", "labels"])
def test_arrays_in_place_of_tensors_are_refused(part):
    split = split_of([0, 1])
    with pytest.raises(TypeError, match=rf"{part} must be a tensor, got ndarray"):
        replace(split, **{part: getattr(split, part).numpy()})


def test_images_and_labels_on_two_devices_are_refused():
    split = split_of([0, 1])
    with pytest.raises(ValueError, match="must lie on one device, got images on cuda:0 and labels on cpu"):
        replace(split, images=Elsewhere(split.images))
