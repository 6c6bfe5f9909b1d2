"""Calls of the functions in ``data``."""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from good_calls.makers import labels, split
from resnet_utils.data import layout
from resnet_utils.data.synthetic import canvas, faces

CLASSES = ("cat", "dog", "fox")


def picture(path: Path, shade: int = 90) -> Path:
    """A picture of 12 x 12 pixels, written as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (12, 12) if shade < 4 else (12, 12, 3)  # a mask of classes, or a photograph
    Image.fromarray(np.full(shape, shade, np.uint8)).save(path)
    return path


def classes_in(folder: Path) -> Path:
    """Two classes with a picture each."""
    picture(folder / "cat" / "1.png")
    picture(folder / "dog" / "1.png", 160)
    return folder


def listed(folder: Path) -> dict[str, Any]:
    """A folder and a list of its pictures."""
    return {
        "root": classes_in(folder), "names": ["cat/1.png", "dog/1.png"], "labels": [0, 1],
        "classes": ("cat", "dog"), "strict": True, "source": "photographs",
    }  # fmt: skip


def in_memory(_: Path) -> dict[str, Any]:
    """What a split is made of."""
    return {"images": (made := split()).images, "labels": made.labels, "classes": made.classes, "source": "x"}


def on_disk(folder: Path) -> dict[str, Any]:
    """What one of pictures on the disk is made of."""
    given = listed(folder) | {"labels": torch.tensor([0, 1]), "size": 16}
    return {name: value for name, value in given.items() if name != "strict"}


def table(folder: Path) -> dict[str, Any]:
    """A table of two files."""
    (folder / "labels.csv").write_text("file,class\n1.png,cat\n2.png,dog\n", encoding="utf-8")
    return {"path": folder / "labels.csv"}


def archive(folder: Path) -> dict[str, Any]:
    """An archive with a picture in it, and where to put that."""
    with zipfile.ZipFile(folder / "pets.zip", "w") as packed:
        packed.write(picture(folder / "1.png"), "cat/1.png")
    return {"archive": folder / "pets.zip", "folder": folder / "pets"}


def data_sets(folder: Path) -> dict[str, Any]:
    """Small data sets in a folder of the reader's; ``bad_calls.kept`` puts the variable back."""
    os.environ["RESNET_BOOK_DATA"] = str(folder)
    for part in ("train", "test", "val"):
        classes_in(folder / "cifar10" / part)
        classes_in(folder / "cats_vs_dogs" / part)
    for part in ("train", "t10k"):
        (raw := folder / "FashionMNIST" / "raw").mkdir(parents=True, exist_ok=True)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">4i", 0x803, 1, 28, 28) + bytes(28 * 28))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 0x801, 1) + bytes(1))
    pets = folder / "oxford-iiit-pet"
    picture(pets / "images" / "pug_1.jpg")
    picture(pets / "annotations" / "trimaps" / "pug_1.png", 1)
    for part in ("trainval", "test"):
        (pets / "annotations" / f"{part}.txt").write_text("pug_1 1 2 1\n", encoding="utf-8")
    return {}


def in_bytes(_: Path) -> dict[str, Any]:
    """Drawn animals as bytes."""
    return {"images": split().images}


def factors(count: int = 2) -> faces.Factors:
    """What ``draw`` decides before the first pixel."""
    return faces.roll(np.arange(count), 0)


def ground(count: int = 2, size: int = 16) -> dict[str, np.ndarray]:
    """White pictures, and a pose of each."""
    middle, white = np.full(count, size / 2), np.ones((3, count, size, size))
    return {"colors": white, "x": middle, "y": middle, "scale": middle / 2, "turn": np.zeros(count)}


def blank() -> canvas.Canvas:
    """To paint on."""
    return canvas.Canvas(**ground())


def places() -> dict[str, Any]:
    """Places around the middle."""
    return {"u": np.linspace(-1, 1, 5), "v": np.linspace(1, -1, 5)}


CALLS = {
    "data.batches.loader": lambda _: {"batch_size": 4},
    "data.datasets.fashion_mnist": data_sets,
    "data.datasets.cats_vs_dogs": data_sets,
    "data.datasets.cifar10": data_sets,
    "data.trimaps.pet_trimaps": data_sets,
    "data.datasets.published_archives": lambda _: {"name": "CIFAR10"},
    "data.folder.image_folder": lambda folder: {"root": classes_in(folder)},
    "data.folder.image_folder_on_disk": lambda folder: {"root": classes_in(folder)},
    "data.folder.split_on_disk": lambda folder: {
        name: value for name, value in listed(folder).items() if name != "strict"
    },
    "data.folder.read_split": listed,
    "data.in_memory.checked_classes": lambda _: {"classes": list(CLASSES)},
    "data.in_memory.places_of": lambda _: {"indices": [0, 2]},
    "data.in_memory.take_places": lambda _: {"labels": labels(), "classes": CLASSES, "per_class": 1},
    "data.labels.name_prefix": lambda _: {"name": "cat.0.jpg"},
    "data.labels.labels_from_csv": table,
    "data.layout.find_layout": lambda folder: {"folder": classes_in(folder)},
    "data.layout.read_layout": lambda folder: {"layout": layout.find_layout(classes_in(folder))},
    "data.listing.by_folder": lambda folder: {"root": classes_in(folder), "classes": None},
    "data.listing.by_labels": lambda folder: {
        "root": classes_in(folder), "classes": None, "labels": {"cat/1.png": "cat", "dog/1.png": "dog"},
    },
    "data.listing.folder_of": lambda folder: {"root": folder},
    "data.listing.require_folder": lambda folder: {"root": folder},
    "data.listing.walk": lambda folder: {"root": classes_in(folder)},
    "data.listing.require_clear": lambda folder: {"root": classes_in(folder), "classes": ["cat", "dog"]},
    "data.listing.require_different": lambda _: {"names": ["cat", "dog"], "what": "classes"},
    "data.listing.is_class": lambda folder: {"entry": classes_in(folder) / "cat"},
    "data.near_duplicates.fingerprints": in_bytes,
    "data.near_duplicates.perceptual_hash": in_bytes,
    "data.near_duplicates.find_copies": in_bytes,
    "data.near_duplicates.bits_apart": lambda _: {
        "first": torch.eye(2, 64).bool(), "second": torch.eye(3, 64).bool(),
    },
    "data.near_duplicates.groups": lambda _: {"pairs": [(0, 2), (2, 3)]},
    "data.near_duplicates.split_groups": lambda _: {"group": torch.arange(8), "share": 0.5},
    "data.pictures.read_picture": lambda folder: {"path": picture(folder / "1.png")},
    "data.pictures.require_scaler": lambda _: {"scaler": "torch"},
    "data.pictures.require_share": lambda _: {"share": 0.9},
    "data.pictures.check_picture": lambda folder: {"path": picture(folder / "1.png")},
    "data.pieces.images_from": lambda _: {"start": 1, "stop": 3},
    "data.pieces.pieces": lambda _: {"count": 2},
    "data.same_classes.require_same_classes": lambda _: {"first": split(), "second": split()},
    "data.in_memory.Split": in_memory,
    "data.on_disk.SplitOnDisk": on_disk,
    "data.torchvision_v2.PerImage": lambda _: {"transform": torch.flip},
    "data.torchvision_v2.MixedBatches": lambda _: {"transform": torch.add},
    "data.transforms.Compose": lambda _: {"transforms": [torch.flip]},
    "data.transforms.RandomCrop": lambda _: {"padding": 2},
    "data.synthetic.canvas.Canvas": lambda _: ground(),
    "data.synthetic.faces.Dice": lambda _: {"purpose": 1, "columns": 3},
    "data.synthetic.canvas.at_window": lambda _: {"value": np.arange(3.0), "pictures": np.array([0, 2])},
    "data.synthetic.canvas.ellipse": lambda _: places() | {"a": 1.0, "b": 0.5},
    "data.synthetic.canvas.capsule": lambda _: places() | {"start": (0.0, 0.0, 0.2), "end": (1.0, 0.0, 0.1)},
    "data.synthetic.faces.require_species": lambda _: {"species": ["cat", "fox"]},
    "data.synthetic.faces.require_factors": lambda _: {"f": factors(), "names": ["x"]},
    "data.synthetic.faces.roll": lambda _: {"species": np.array([0, 1])},
    "data.synthetic.parts.paint_face": lambda _: {"canvas": blank(), "f": factors()},
    "data.synthetic.scene.render": lambda _: {"f": factors()},
    "data.synthetic.scene.grain": lambda _: {"bits": np.random.PCG64([0, 4]), "number": 2},
    "data.synthetic.scene.background": lambda _: {"f": factors()},
    "data.synthetic.scene.light": lambda _: {"f": factors()},
    "data.torchvision_v2.seeded_if_torchvision": lambda _: {"transform": torch.flip},
    "data.upload.ask_for_photographs": lambda folder: {"folder": folder},
    "data.upload.store": lambda folder: {"uploaded": {"1.png": b"x"}, "folder": folder},
    "data.upload.unpack": archive,
}  # fmt: skip

UNBOUND: dict[tuple[str, str], str] = {}

LISTED = "callers list the names of files, each with its reason"
NAMELESS = {"data.pictures.read_picture": LISTED, "data.pictures.check_picture": LISTED}
