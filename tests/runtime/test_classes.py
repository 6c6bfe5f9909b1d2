"""The classes of a loader are found, whoever made it."""

import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, Subset, TensorDataset, random_split

from resnet_utils import data, runtime
from resnet_utils.runtime.classes import difference


class Named(TensorDataset):
    """As torchvision's data sets: the names stand in an attribute."""

    def __init__(self, *classes):
        super().__init__(torch.zeros(4, 3, 8, 8), torch.zeros(4, dtype=torch.int64))
        self.classes = list(classes)


def test_classes_are_found_in_every_wrapping():
    named, split = Named("a", "b"), data.drawn_animals(4, size=8)
    plain = TensorDataset(torch.zeros(4))
    assert runtime.classes_of(split) == ("cat", "dog")
    assert runtime.classes_of(data.loader(split, 2)) == ("cat", "dog")
    assert runtime.classes_of(data.Mixup(data.loader(split, 2), 2)) == ("cat", "dog")
    for holder in (
        ["a", "b"],
        named,
        DataLoader(named, 2),
        DataLoader(Subset(named, [0]), 2),
        ConcatDataset([named, Subset(named, [1])]),
        DataLoader(random_split(named, [2, 2])[1]),
        ConcatDataset([plain, named]),  # one of them says nothing
    ):
        assert runtime.classes_of(holder) == ("a", "b")


@pytest.mark.parametrize(
    "holder", [None, 3, "ab", [], [torch.zeros(2), torch.zeros(2)], DataLoader(TensorDataset(torch.zeros(4)))]
)
def test_what_names_no_classes_has_none(holder):
    assert runtime.classes_of(holder) is None


def test_parts_with_other_classes_are_no_data_set():
    with pytest.raises(ValueError, match=r"parts have different classes: .*'c'\] only in the second"):
        runtime.classes_of(DataLoader(ConcatDataset([Named("a", "b"), Named("a", "c")])))


def test_a_difference_names_what_one_side_lacks_or_the_order():
    assert difference(("a", "b"), ("a",), names=("train", "val")).startswith("['b'] only in train (train: ")
    assert "not in the same order" in difference(("cat", "Dog"), ("Dog", "cat"))
    many = tuple(f"class {k}" for k in range(1000))
    assert len(difference(many, many[::-1])) < 600
