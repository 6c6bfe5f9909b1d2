"""Photographs of pets whose every pixel is named: pet, background, or the border between them.

Introduced in chapter 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from resnet_utils.data.datasets import data_folder
from resnet_utils.data.pictures import read_picture
from resnet_utils.runtime import given

PIXELS = ("pet", "background", "border")


@dataclass(frozen=True)
class Trimaps:
    """Images and the class of each of their pixels.

    Args:
        images: uint8 (N, 3, size, size).
        masks: int64 (N, size, size), index into ``PIXELS``.
        names: the file of each image, without its ending.
    """

    images: Tensor
    masks: Tensor
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)


@given.explained
def pet_trimaps(*, size: int = 96, most: int | None = None) -> tuple[Trimaps, Trimaps]:
    """Oxford-IIIT Pet's official parts for training and test, from ``oxford-iiit-pet/`` in the data folder.

    Of each photograph the largest centred square is scaled; of the classes the nearest pixel is taken, so
    that none is mixed.

    Args:
        size: side in pixels.
        most: the first so many of each part; all unless given.

    Raises:
        FileNotFoundError: if ``RESNET_BOOK_DATA`` names no folder with the photographs.
        ValueError: for a ``size`` or ``most`` that is no whole number from 1 up.

    Source: Parkhi et al. 2012, doi:10.1109/CVPR.2012.6248092.
    """
    size = given.whole_number("size", size, unit="pixel")
    most = None if most is None else given.whole_number("most", most)
    folder = data_folder()
    root = folder / "oxford-iiit-pet" if folder else None
    if root is None or not root.is_dir():
        raise FileNotFoundError("Oxford-IIIT Pet is wanted: RESNET_BOOK_DATA should hold oxford-iiit-pet/")
    return _part(root, "trainval", size, most), _part(root, "test", size, most)


def _part(root: Path, part: str, size: int, most: int | None) -> Trimaps:
    """One official list, whose lines begin with the name of a photograph."""
    lines = (root / "annotations" / f"{part}.txt").read_text(encoding="utf-8").splitlines()
    names = [line.split()[0] for line in lines if line and not line.startswith("#")][:most]
    images = [read_picture(root / "images" / f"{name}.jpg", size) for name in names]
    masks = [_classes(root / "annotations" / "trimaps" / f"{name}.png", size) for name in names]
    pixels = torch.from_numpy(np.stack(masks).astype(np.int64) - 1)  # the files count from 1
    return Trimaps(torch.from_numpy(np.stack(images)), pixels, tuple(names))


def _classes(path: Path, size: int) -> np.ndarray:
    """The centred square of a trimap, scaled by its nearest pixels: (size, size)."""
    from PIL import Image, ImageOps

    with Image.open(path) as picture:
        return np.asarray(ImageOps.fit(picture, (size, size), Image.Resampling.NEAREST))
