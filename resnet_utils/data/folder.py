"""Your own pictures in folders, as a split in memory or on disk; nothing is lost on the way without a reason.

Introduced in chapters 4 and 5.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from resnet_utils import runtime
from resnet_utils.data.in_memory import Split, checked_classes
from resnet_utils.data.listing import Labels, Listing, by_folder, by_labels, folder_of
from resnet_utils.data.on_disk import SplitOnDisk
from resnet_utils.data.pictures import check_picture, read_picture, require_scaler, require_share
from resnet_utils.runtime import given

_SHOWN = 5  # bad files named in an error


@given.explained
def image_folder(
    root: str | os.PathLike[str],
    *,
    size: int,
    classes: Sequence[str] | None = None,
    labels: Labels | None = None,
    strict: bool = True,
    source: str = "photographs",
    scaler: str = "pillow",
    share: float = 1.0,
) -> Split:
    """All pictures below a folder, one folder a class, decoded once to (N, 3, size, size).

    The largest centred square of each, upright, scaled to ``size`` (``read_picture`` says how). Every file is
    counted: it is kept, or stands in ``quarantine`` or ``ignored`` with the reason, and a line on stderr says
    how many were put aside. Ignored are hidden files, what file managers and archives leave (Thumbs.db,
    desktop.ini, __MACOSX), and files beside the class folders. For more pictures than memory holds there is
    ``image_folder_on_disk``.

    Args:
        root: the folder; the folders in it are the classes, sorted by name.
        size: side of the squares in pixels, at least 1.
        classes: names of the classes in the order of the labels, such as ``train.classes`` for the validation
            pictures, which may then lack some of them; None: those that are there.
        labels: for files in no class folders: a mapping of file -> class, as from ``labels_from_csv``, or a
            function of a file's name, such as ``name_prefix`` for cat.0.jpg. None: the folders tell.
        strict: whether a file that is no whole picture, or of no class in ``labels``, is an error; without,
            it is left out and stands in ``quarantine``.
        source: where the pictures come from, in words, for the split.
        scaler: one of ``pictures.SCALERS``, as ``read_picture`` takes it.
        share: how much of the square's side is kept, as ``read_picture`` takes it.

    Raises:
        FileNotFoundError, NotADirectoryError: if ``root`` is not there or no folder.
        ValueError: for an empty class, a single class, a class without one whole picture, folders that
            are the parts of a data set and not its classes, or a bad file.
    """
    listing, may_lack = _listed(root, size, classes, labels, source), classes is not None
    how = {"may_lack": may_lack, "strict": strict, "source": source, "scaler": scaler, "share": share}
    return _decoded(Path(root), listing, size, **how)


@given.explained
def image_folder_on_disk(
    root: str | os.PathLike[str],
    *,
    size: int,
    classes: Sequence[str] | None = None,
    labels: Labels | None = None,
    strict: bool = True,
    thorough: bool = False,
    source: str = "photographs",
    scaler: str = "pillow",
    share: float = 1.0,
) -> SplitOnDisk:
    """``image_folder`` for more pictures than memory holds: each is decoded when a batch asks for it.

    ``loader`` makes the same batches of it, bit for bit, as of the split in memory, and with ``num_workers``
    several processes decode. The files are looked at once before, with a progress bar.

    Args:
        root: the folder; the folders in it are the classes, sorted by name.
        size: side of the squares in pixels, at least 1.
        classes: as for ``image_folder``.
        labels: as for ``image_folder``.
        strict: as for ``image_folder``.
        thorough: whether every file is decoded once before, at ``size``. Without, only the head and the end
            of a JPEG are read, and one that turns out to be damaged stops the training with its name.
        source: where the pictures come from, in words, for the split.
        scaler: one of ``pictures.SCALERS``, as ``read_picture`` takes it.
        share: how much of the square's side is kept, as ``read_picture`` takes it.

    Raises:
        FileNotFoundError, NotADirectoryError: if ``root`` is not there or no folder.
        ValueError: as ``image_folder``.
    """
    given.yes_or_no("thorough", thorough)
    listing = _listed(root, size, classes, labels, source)
    _, listing = _sifted(
        Path(root), listing, _look(size, thorough), may_lack=classes is not None, strict=strict
    )
    return _left_on_disk(Path(root), listing, size, source, scaler, share)


@given.explained
def split_on_disk(
    root: Path,
    names: Sequence[str],
    labels: Sequence[int],
    *,
    classes: tuple[str, ...],
    size: int,
    source: str,
) -> SplitOnDisk:
    """``read_split`` without ``strict`` for more files than memory holds: the same files are kept.

    Each is decoded once before, and the pixels are forgotten again.

    Args:
        root: the folder that ``names`` count from.
        names: of the files, relative, with /.
        labels: the class of each, index into ``classes``.
        classes: the name of each class.
        size: side in pixels of the squares that ``read_picture`` makes.
        source: where the pictures come from, in words.

    Raises:
        ValueError: if a class has no whole picture, or a size, names and labels do not fit.
    """
    listing = _named(names, labels, classes, size, source)
    _, listing = _sifted(root, listing, _look(size, thorough=True), may_lack=False, strict=False)
    return _left_on_disk(root, listing, size, source, "pillow")


@given.explained
def read_split(
    root: Path,
    names: Sequence[str],
    labels: Sequence[int],
    *,
    classes: tuple[str, ...],
    size: int,
    strict: bool,
    source: str,
) -> Split:
    """The files that a list names, as a split.

    Args:
        root: the folder that ``names`` count from.
        names: of the files, relative, with /.
        labels: the class of each, index into ``classes``.
        classes: the name of each class.
        size: side in pixels of the squares that ``read_picture`` makes.
        strict: whether a file that is no whole picture is an error, or only stands in ``quarantine``.
        source: where the pictures come from, in words.

    Raises:
        ValueError: if a class has no whole picture, with ``strict`` if any file is none, or if a size, names
            and labels do not fit.
    """
    listing = _named(names, labels, classes, size, source)
    return _decoded(root, listing, size, may_lack=False, strict=strict, source=source)


def _decoded(
    root: Path,
    listing: Listing,
    size: int,
    *,
    may_lack: bool,
    strict: bool,
    source: str,
    scaler: str = "pillow",
    share: float = 1.0,
) -> Split:
    require_scaler(scaler)
    require_share(share)
    images = np.empty((len(listing.names), 3, size, size), dtype=np.uint8)

    def read(place: int, path: Path) -> None:
        images[place] = read_picture(path, size, scaler=scaler, share=share)

    kept, listing = _sifted(root, listing, read, may_lack=may_lack, strict=strict)
    return Split(
        torch.from_numpy(images[kept] if len(kept) < len(images) else images),
        torch.tensor(listing.labels, device="cpu"),
        listing.classes,
        source=source,
        names=listing.names,
        quarantine=listing.unusable,
        ignored=listing.ignored,
    )


def _look(size: int, thorough: bool) -> Callable[[int, Path], None]:
    """What raises for a file that is no whole picture, and keeps nothing of the others."""

    def look(_: int, path: Path) -> None:
        read_picture(path, size) if thorough else check_picture(path)

    return look


def _left_on_disk(
    root: Path, listing: Listing, size: int, source: str, scaler: str = "pillow", share: float = 1.0
) -> SplitOnDisk:
    return SplitOnDisk(
        root,
        listing.names,
        torch.tensor(listing.labels, device="cpu"),
        listing.classes,
        size=size,
        source=source,
        quarantine=listing.unusable,
        ignored=listing.ignored,
        scaler=scaler,
        share=share,
    )


def _named(
    names: Sequence[str], labels: Sequence[int], classes: Sequence[str], size: int, source: str
) -> Listing:
    """The listing of the files that a list names, once it is one."""
    given.whole_number("size", size, unit="pixel")
    given.of_kind("source", source, str)
    classes = checked_classes(classes)
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"names must be a list of files, got {names!r:.100}")
    numbers = [given.whole_number("each of labels", label, least=0) for label in labels]
    if len(numbers) != len(names) or max(numbers, default=0) >= len(classes):
        raise ValueError(
            "names and labels must be as many, and labels numbers of the classes; got "
            f"{len(names)} names, the labels {numbers[:_SHOWN]} and the classes {classes}"
        )
    return Listing(classes, tuple(names), tuple(numbers))


def _listed(
    root: str | os.PathLike[str],
    size: int,
    classes: Sequence[str] | None,
    labels: Labels | None,
    source: str,
) -> Listing:
    given.whole_number("size", size, unit="pixel")
    given.of_kind("source", source, str)
    root = folder_of(root)
    return by_folder(root, classes) if labels is None else by_labels(root, labels, classes)


def _sifted(
    root: Path, listing: Listing, use: Callable[[int, Path], None], *, may_lack: bool, strict: bool
) -> tuple[list[int], Listing]:
    """Places and listing of the files that ``use(place, path)`` takes; the others are put aside."""
    given.yes_or_no("strict", strict)
    kept: list[int] = []
    quarantine = list(listing.unusable)
    for place, name in enumerate(runtime.progress(listing.names, description="reading pictures")):
        try:
            use(place, root / name)
            kept.append(place)
        except ValueError as error:
            quarantine.append((name, str(error)))
    quarantine.sort()
    if strict and quarantine:
        raise ValueError(_complaint(root, quarantine))
    there = {listing.labels[place] for place in kept}
    bare = [name for number, name in enumerate(listing.classes) if number not in there]
    if bare and (not may_lack or not there):
        reasons = "; ".join(f"{name}: {reason}" for name, reason in quarantine[:_SHOWN])
        raise ValueError(f"no whole picture of {bare} in {root} ({reasons})")
    if quarantine:
        runtime.note(
            f"{len(kept)} pictures of {root} are read, {len(quarantine)} files are put aside (`quarantine`)"
        )
    names, labels = (tuple(column[place] for place in kept) for column in (listing.names, listing.labels))
    return kept, replace(listing, names=names, labels=labels, unusable=tuple(quarantine))


def _complaint(root: Path, quarantine: Sequence[tuple[str, str]]) -> str:
    shown = "".join(f"\n  {name}: {reason}" for name, reason in quarantine[:_SHOWN])
    more = f"\n  ... and {len(quarantine) - _SHOWN} more" if len(quarantine) > _SHOWN else ""
    return (
        f"{len(quarantine)} files in {root} are no whole pictures:{shown}{more}\n"
        "Remove them, or pass strict=False to leave them out and list them in `quarantine`."
    )
