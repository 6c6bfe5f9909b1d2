"""Your own photographs: from a folder to three parts that share no picture.

Introduced in chapter 5.

The parts are those of an honest test: the network learns from the first, the temperature and the threshold
come from the second, and the third judges, once. Photographs that memory would not hold stay on the disk, and
everything else is the same.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from resnet_utils.data import near_duplicates
from resnet_utils.data.layout import Layout, find_layout, read_layout
from resnet_utils.data.pieces import AnySplit
from resnet_utils.deployment.classifier import BATCH
from resnet_utils.runtime import given

TEST, VALID = 0.2, 0.2  # of all photographs; the rest trains
MOST_BYTES = 4e9  # of decoded pictures that are held in memory


@dataclass(frozen=True)
class Parts:
    """Labelled photographs in three parts that have no picture in common.

    Args:
        train: what the network learns from.
        valid: what sets its temperature and its threshold.
        test: what judges it, once.
        copies: (file, file) of nearly equal pictures; each such pair lies in one part.
        mixed: those of ``copies`` whose two files lie in different classes: one of the labels is wrong.
        aside: (file, reason) of what takes no part.
        given: the names of the parts that the folder itself had, such as ("train", "valid").
    """

    train: AnySplit
    valid: AnySplit
    test: AnySplit
    copies: tuple[tuple[str, str], ...] = ()
    mixed: tuple[tuple[str, str], ...] = ()
    aside: tuple[tuple[str, str], ...] = ()
    given: tuple[str, ...] = ()

    def __str__(self) -> str:
        counts = [f"{len(part)} to {use}" for part, use in self._uses()]
        return f"{', '.join(counts)}; pairs of copies: {len(self.copies)}; put aside: {len(self.aside)}"

    def _uses(self) -> list[tuple[AnySplit, str]]:
        return [(self.train, "train"), (self.valid, "set the temperature"), (self.test, "test")]


@given.explained
def beyond_memory(layout: Layout, *, size: int) -> str:
    """A line that says how much memory the photographs would take; "" where they may be held in it.

    Args:
        layout: of their folder.
        size: side in pixels of the squares that are read.

    Raises:
        ValueError: if not even those fit that a network is asked about at a time, or ``size`` is no whole
            number from 1 up.
    """
    size = given.whole_number("size", size, unit="pixel")
    count = sum(len(files) for files in layout.files.values())
    needed, at_once = 3 * size**2 * count, min(count, BATCH)
    if (floats := 4 * 3 * size**2 * at_once) > MOST_BYTES:
        raise ValueError(
            f"{at_once} photographs at once at {size} pixels take {floats / 1e9:.1f} GB of memory, more than "
            f"{MOST_BYTES / 1e9:.0f}; take a size of at most {int((MOST_BYTES / 12 / at_once) ** 0.5)}"
        )
    if needed <= MOST_BYTES:
        return ""
    return (
        f"{count:,} photographs at {size} pixels take {needed / 1e9:.1f} GB of memory, more than "
        f"{MOST_BYTES / 1e9:.0f}, so each is decoded whenever it is asked for; a size of at most "
        f"{int((MOST_BYTES / 3 / count) ** 0.5)} would be held in memory, which is faster"
    )


@given.explained
def read_photographs(folder: str | os.PathLike[str], *, size: int) -> dict[str, AnySplit]:
    """All photographs of a folder, by part: {"all": ...} where it has no parts of its own.

    ``data.layout`` says which folders are understood. What is no whole picture, or belongs to no class,
    stands in the ``quarantine`` of the first part. The parts are splits in memory; where that would take more
    than ``MOST_BYTES``, they are splits on disk with the same photographs.

    Args:
        folder: the folder with the photographs.
        size: side in pixels of the centred squares that are read.

    Raises:
        FileNotFoundError, NotADirectoryError: if it is not there, or no folder.
        ValueError: if it has no two classes, different classes in its parts, a class without a whole picture,
            or if not even a batch of this size fits into memory.
    """
    size = given.whole_number("size", size, unit="pixel")
    layout = find_layout(folder)
    source, on_disk = f"photographs of {', '.join(layout.classes)}", bool(beyond_memory(layout, size=size))
    found = read_layout(layout, size=size, source=source, on_disk=on_disk)
    first = next(iter(found))
    found[first] = replace(found[first], quarantine=found[first].quarantine + layout.aside)
    return found


@given.explained
def split_photographs(found: Mapping[str, AnySplit], *, seed: int = 0) -> Parts:
    """Three parts that share no picture: those of the folder where it has them, else drawn, class by class.

    Nearly equal pictures go to the same part. Where the folder has parts of its own, a training picture that
    is a copy of one in another part is put aside; what is missing is cut out of the training pictures.

    Args:
        found: from ``read_photographs``.
        seed: of the draw; another seed, other parts.

    Raises:
        ValueError: if a class has too few photographs to be in each part; the message counts them. Also if
            ``found`` has other parts than ``read_photographs`` gives.
    """
    if not {"all", "train"} & set(found):
        raise ValueError(
            f"found must have a part 'all' or 'train', it has {', '.join(map(repr, found)) or 'none'}"
        )
    aside = [pair for part in found.values() for pair in part.quarantine]
    pieces = {part: replace(split, quarantine=()) for part, split in found.items()}
    given = tuple(part for part in pieces if part != "all")
    whole = pieces.pop("all") if "all" in pieces else pieces.pop("train")
    for part in ("test", "valid"):  # what is in two parts stays in the one that judges
        if part in pieces:
            whole, leaked = _without_copies(whole, pieces[part], part)
            aside += leaked
    if len(given) == 3:
        pieces["valid"], leaked = _without_copies(pieces["valid"], pieces["test"], "test")
        aside += leaked
    pairs = near_duplicates.find_copies(whole)
    group = near_duplicates.groups(len(whole), [pair[:2] for pair in pairs])
    mixed = [pair for pair in pairs if whole.labels[pair.first] != whole.labels[pair.second]]
    copies, mixed = _names(whole, pairs), _names(whole, mixed)
    shares = {part: share for part, share in (("test", TEST), ("valid", VALID)) if part not in pieces}
    _require_enough(whole, group, parts=1 + len(shares))
    left = 1.0
    for part, share in shares.items():
        pieces[part], whole, group = _cut(whole, group, share=share / left, seed=seed)
        left -= share
    parts = Parts(whole, pieces["valid"], pieces["test"], copies, mixed, tuple(aside), given)
    for name, part in (("training", parts.train), ("validation", parts.valid), ("test", parts.test)):
        bare = [part.classes[k] for k, count in enumerate(_per_class(part)) if count == 0]
        if bare:
            raise ValueError(f"no photograph of {', '.join(map(repr, bare))} is left for the {name}")
    return parts


def _per_class(split: AnySplit) -> list[int]:
    return split.labels.bincount(minlength=len(split.classes)).tolist()


def _names(split: AnySplit, pairs: list[near_duplicates.Copy]) -> tuple[tuple[str, str], ...]:
    """The files of pairs of places."""
    return tuple((split.names[pair.first], split.names[pair.second]) for pair in pairs)


def _without_copies(split: AnySplit, other: AnySplit, part: str) -> tuple[AnySplit, list[tuple[str, str]]]:
    """``split`` without what ``other`` has too, and what was taken out, with the reason."""
    twins = {pair.first: pair.second for pair in near_duplicates.find_copies(split, other)}
    kept = [place for place in range(len(split)) if place not in twins]
    aside = [
        (split.names[k], f"a copy of {other.names[twins[k]]}, which is in the {part} part") for k in twins
    ]
    return split.subset(kept), sorted(aside)


def _require_enough(split: AnySplit, group: Tensor, *, parts: int) -> None:
    """Of each class at least one picture for each part, copies of one counted once."""
    first = torch.tensor(sorted(set(group.tolist())))
    counts = split.labels[first].bincount(minlength=len(split.classes)).tolist()
    few = [f"{split.classes[k]!r} has {count}" for k, count in enumerate(counts) if count < parts]
    if few:
        raise ValueError(
            f"too few photographs (copies of one counted once): {', '.join(few)}; each class needs at least "
            f"{parts}, one for each part, and many more for a good answer"
        )


def _cut(split: AnySplit, group: Tensor, *, share: float, seed: int) -> tuple[AnySplit, AnySplit, Tensor]:
    """A share of ``split``, the rest, and the groups of the rest."""
    numbered = replace(split, names=tuple(map(str, range(len(split)))))
    places = [
        [int(name) for name in part.names]
        for part in near_duplicates.split_groups(numbered, group, share=share, seed=seed)
    ]
    first, rest = (split.subset(sorted(part)) for part in places)
    return first, rest, _renumbered(group[sorted(places[1])])


def _renumbered(group: Tensor) -> Tensor:
    """The same groups, each called by the place of its first member again."""
    first: dict[int, int] = {}
    return torch.tensor([first.setdefault(number, place) for place, number in enumerate(group.tolist())])
