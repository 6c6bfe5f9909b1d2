"""Oxford's trimaps from a small folder of the same layout."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from resnet_utils.data import trimaps


@pytest.fixture
def folder(tmp_path, monkeypatch):
    root = tmp_path / "oxford-iiit-pet"
    (root / "images").mkdir(parents=True)
    (root / "annotations" / "trimaps").mkdir(parents=True)
    for number, name in enumerate(("Abyssinian_1", "beagle_2", "pug_3")):
        picture = np.full((40, 60, 3), 40 * number, dtype=np.uint8)
        picture[:, 30:] = 200  # the right half is bright, and it is the pet
        Image.fromarray(picture).save(root / "images" / f"{name}.jpg", quality=95)
        classes = np.full((40, 60), 2, dtype=np.uint8)
        classes[:, 30:], classes[:, 29:31] = 1, 3
        Image.fromarray(classes).save(root / "annotations" / "trimaps" / f"{name}.png")
    (root / "annotations" / "trainval.txt").write_text("#a note\nAbyssinian_1 1 1 1\nbeagle_2 2 2 1\n")
    (root / "annotations" / "test.txt").write_text("pug_3 3 2 2\n")
    monkeypatch.setenv("RESNET_BOOK_DATA", str(tmp_path))
    return root


def test_images_and_classes_are_cut_alike(folder):
    train, test = trimaps.pet_trimaps(size=20)
    assert (train.names, test.names) == (("Abyssinian_1", "beagle_2"), ("pug_3",))
    assert train.images.shape == (2, 3, 20, 20)
    assert train.masks.unique().tolist() == [0, 1, 2]
    bright = train.images[:, 0] > 150
    assert (bright[:, :, 12:] == (train.masks == 0)[:, :, 12:]).all()
    assert (bright[:, :, :8] == (train.masks == 0)[:, :, :8]).all()
    assert len(trimaps.pet_trimaps(size=8, most=1)[0]) == 1


def test_classes_are_never_mixed_as_they_shrink(folder):
    stripes = np.ones((40, 60), dtype=np.uint8)
    stripes[:, ::2] = 3  # pet and border; their mean would be 2, the background
    Image.fromarray(stripes).save(folder / "annotations" / "trimaps" / "pug_3.png")
    _, test = trimaps.pet_trimaps(size=16)
    assert set(test.masks.unique().tolist()) <= {0, 2}


def test_without_the_photographs_it_says_where_they_should_be(monkeypatch, tmp_path):
    monkeypatch.setenv("RESNET_BOOK_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="should hold oxford-iiit-pet/"):
        trimaps.pet_trimaps()
    with pytest.raises(ValueError, match="size must be at least 1 pixel, got 0"):
        trimaps.pet_trimaps(size=0)
