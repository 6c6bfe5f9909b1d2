"""Splits for the tests, whose images say which they are."""

import torch

from resnet_utils import data


def split_of(labels, *, channels=3, size=4):
    """Image k is filled with the value k."""
    number = len(labels)
    images = torch.arange(number, dtype=torch.uint8)[:, None, None, None].expand(number, channels, size, size)
    names = tuple(f"{k}.png" for k in range(number))
    classes = tuple("abcdefghij"[: max(labels) + 1])
    return data.Split(images.clone(), torch.tensor(labels), classes, source="test", names=names)
