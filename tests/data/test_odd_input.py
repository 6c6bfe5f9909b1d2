"""Counts, flags, seeds and paths that are none: each public function of ``data`` says so in words."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from resnet_utils import data
from resnet_utils.data import near_duplicates

SPLIT = data.drawn_animals(8, size=8)
COUNTS = {
    "batch_size": lambda v: data.loader(SPLIT, v),
    "num_workers": lambda v: data.loader(SPLIT, 2, num_workers=v),
    "per_class": SPLIT.take,
    "padding": lambda v: data.RandomCrop(padding=v),
    "size of a cut-out": lambda v: data.RandomResizedCrop(v) if v is not None else data.RandomResizedCrop(0),
    "num_classes": lambda v: data.Mixup(data.loader(SPLIT, 2), v),
    "size of a picture": lambda v: data.read_picture("x.png", v),
    "size of a folder": lambda v: data.image_folder(".", size=v),
    "count of groups": lambda v: near_duplicates.groups(v, []),
    "bits": lambda v: near_duplicates.find_copies(SPLIT.images, most_bits=v),
}
SEEDS = {
    "loader": lambda v: data.loader(SPLIT, 2, seed=v),
    "take": lambda v: SPLIT.take(1, seed=v),
    "flip": lambda v: data.RandomHorizontalFlip(seed=v),
    "crop": lambda v: data.RandomCrop(padding=1, seed=v),
    "mixup": lambda v: data.Mixup(data.loader(SPLIT, 2), 2, seed=v),
    "groups": lambda v: near_duplicates.split_groups(SPLIT, torch.arange(8), share=0.5, seed=v),
}
NUMBERS = {
    "chance": data.RandomHorizontalFlip,
    "alpha": lambda v: data.Mixup(data.loader(SPLIT, 2), 2, alpha=v),
    "scale": lambda v: data.RandomResizedCrop(scale=v),
    "ratio": lambda v: data.RandomResizedCrop(ratio=(v, v)),
    "share": lambda v: near_duplicates.split_groups(SPLIT, torch.arange(8), share=v),
}
FLAGS = {
    "shuffle": lambda v: data.loader(SPLIT, 2, shuffle=v),
    "balanced": lambda v: data.loader(SPLIT, 2, shuffle=True, balanced=v),
    "drop_last": lambda v: data.loader(SPLIT, 2, drop_last=v),
}


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", [1.5, True, "4", None, -1, math.nan])
def test_a_count_that_is_none_is_refused_in_words(name, value):
    with pytest.raises(ValueError, match=r"must be"):
        COUNTS[name](value)


@pytest.mark.parametrize("name", SEEDS)
@pytest.mark.parametrize("value", [1.5, True, "4", None, -1])
def test_a_seed_is_a_whole_number(name, value):
    with pytest.raises(ValueError, match="seed must be"):
        SEEDS[name](value)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["0.5", None, math.nan, -1])
def test_a_number_that_is_none_is_refused_in_words(name, value):
    with pytest.raises(ValueError, match=r"must|need"):
        NUMBERS[name](value)


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("value", ["no", None, 2])
def test_a_flag_that_is_a_text_does_not_count_as_yes(name, value):
    with pytest.raises(ValueError, match=f"{name} must be True or False, got"):
        FLAGS[name](value)


@pytest.mark.parametrize("option", ["strict", "thorough"])
def test_a_folder_is_not_read_strictly_because_of_a_text(tmp_path, option):
    from PIL import Image

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name / "1.png")
    with pytest.raises(ValueError, match=f"{option} must be True or False, got 'no'"):
        data.image_folder_on_disk(tmp_path, size=8, **{option: "no"})


@pytest.mark.parametrize(
    "indices",
    [None, "01", (k for k in (0, 1)), 1, [0.0, 1.0], [True] * 8, np.ma.masked_equal([0, 1], 1), {0: 1}],
)
def test_places_that_are_none_are_refused(indices):
    with pytest.raises(ValueError, match="indices"):
        SPLIT.subset(indices)


def test_places_may_be_an_array_a_range_or_a_tensor():
    expected = SPLIT.subset([1, 2]).images
    for indices in (np.array([1, 2]), range(1, 3), torch.tensor([1, 2])):
        assert torch.equal(SPLIT.subset(indices).images, expected)


@pytest.mark.parametrize("ask", [data.mean_std, data.class_weights, lambda split: data.loader(split, 2)])
@pytest.mark.parametrize("value", [None, SPLIT.images, [1], SPLIT.labels])
def test_what_is_no_split_is_refused_by_its_kind(ask, value):
    with pytest.raises(
        TypeError, match=r"takes a data.Split or data.SplitOnDisk, got (NoneType|Tensor|list)"
    ):
        ask(value)


@pytest.mark.parametrize(
    "ask",
    [
        lambda v: data.image_folder(v, size=8),
        data.labels_from_csv,
        data.name_prefix,
        near_duplicates.find_copies,
    ],
)
@pytest.mark.parametrize("value", [None, 5])
def test_what_is_no_path_no_name_and_no_tensor_is_refused(ask, value):
    with pytest.raises(TypeError, match=r"(path|text|tensor), got (NoneType|int)"):
        ask(value)


def test_a_mean_that_is_a_list_of_texts_or_masked_is_refused():
    for mean in (["0.5"] * 3, np.ma.masked_equal([0.1, 0.2, 0.3], 0.2)):
        with pytest.raises(TypeError, match="mean must be a list of numbers"):
            data.loader(SPLIT, 2, mean=mean, std=(0.5,) * 3)


def test_a_path_of_a_picture_on_disk_is_a_size_of_whole_pixels():
    with pytest.raises(ValueError, match="size must be a whole number"):
        data.SplitOnDisk(Path(), ("a.png",), torch.tensor([0]), ("a", "b"), size=8.0)
