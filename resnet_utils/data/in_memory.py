"""Labelled images in memory, and the loader that turns them into batches.

Introduced in chapters 4 and 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

import torch
from torch import Tensor

from resnet_utils.runtime import given


@given.explained
@dataclass(frozen=True)
class Split:
    """Labelled images in memory.

    Args:
        images: uint8 (N, C, H, W).
        labels: int64 (N,), index into ``classes``.
        classes: the name of each class.
        source: where the images come from, in words.
        names: the file of each image, relative to its root, or ().
        quarantine: (file, reason) of what was left out.
        ignored: (file, reason) of what is no part of the data, such as hidden files.

    Raises:
        ValueError: if a type, shape or device is another, a label names no class, two classes have one name,
            or the names are too few or many.
        TypeError: if ``classes`` is a single text or no list of texts, images or labels are no tensor, or the
            rest is of another kind.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    source: str
    names: tuple[str, ...] = ()
    quarantine: tuple[tuple[str, str], ...] = ()
    ignored: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        given.of_kind("source", self.source, str)
        for name in ("names", "quarantine", "ignored"):
            given.of_kind(name, getattr(self, name), (tuple, list))
        for name in ("images", "labels"):
            if not isinstance(value := getattr(self, name), Tensor):
                raise TypeError(f"{name} must be a tensor, got {type(value).__name__}: torch.as_tensor(...)")
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            kind = f"{self.images.dtype} of shape {tuple(self.images.shape)}"
            raise ValueError(f"images must be uint8 (N, C, H, W), got {kind}")
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            kind = f"{self.labels.dtype} of shape {tuple(self.labels.shape)}"
            raise ValueError(f"labels must be int64 ({len(self.images)},), got {kind}")
        if self.labels.device != self.images.device:
            both = f"images on {self.images.device} and labels on {self.labels.device}"
            raise ValueError(f"images and labels must lie on one device, got {both}")
        object.__setattr__(self, "classes", checked_classes(self.classes))
        if len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() < len(self.classes):
            span = f"{self.labels.min()} to {self.labels.max()}"
            raise ValueError(f"labels must be 0 to {len(self.classes) - 1}, got {span}")
        if self.names and len(self.names) != len(self.images):
            raise ValueError(f"{len(self.names)} names for {len(self.images)} images")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, H, W)."""
        return tuple(self.images.shape)

    @property
    def device(self) -> torch.device:
        """Where the images lie."""
        return self.images.device

    def images_at(self, places: Sequence[int]) -> Tensor:
        """The images at ``places``: uint8 (len(places), C, H, W).

        Args:
            places: places in this split.
        """
        return self.images[places.start : places.stop] if _is_slice(places) else self.images[places]

    def subset(self, indices: Sequence[int] | Tensor) -> Split:
        """The images at ``indices``, in that order, as a split of its own.

        Args:
            indices: places in this split, whole numbers from 0; a place may come twice.

        Raises:
            ValueError: for a place that there is not, or a mask of True and False.
        """
        places = places_of(indices, len(self))
        names = tuple(self.names[k] for k in places.tolist()) if self.names else ()
        return replace(self, images=self.images[places], labels=self.labels[places], names=names)

    def take(self, per_class: int, *, seed: int = 0) -> Split:
        """As many images of every class, drawn at random, in random order, as a split of its own.

        A smaller ``per_class`` takes a part of what a bigger one takes, with the same seed.

        Args:
            per_class: images of each class, from 1 to the size of the smallest class.
            seed: of the draw; another seed, other images.

        Raises:
            ValueError: if some class has fewer images.
        """
        return self.subset(take_places(self.labels, self.classes, per_class, seed=seed))


@given.explained
def checked_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """The names of the classes as a tuple.

    Args:
        classes: as they were given; "" is room that is left for the classes of another task.

    Raises:
        TypeError: if it is a single text, or no list of texts.
        ValueError: if a name comes twice: its two labels would mean the same.
    """
    if isinstance(classes, str):
        raise TypeError(f"classes must be a list of names, got the text {classes!r}")
    if not isinstance(classes, (list, tuple)) or not all(isinstance(name, str) for name in classes):
        raise TypeError(f"classes must be a list of names, got {classes!r:.200}")
    named = [name for name in classes if name]
    if len(set(named)) < len(named):
        twice = sorted({name for name in named if named.count(name) > 1})
        raise ValueError(f"each class needs a name of its own, got {twice} more than once")
    return tuple(classes)


def _is_slice(places: object) -> TypeGuard[range]:
    return isinstance(places, range) and places.step == 1  # no copy then


@given.explained
def places_of(indices: Sequence[int] | Tensor, count: int) -> Tensor:
    """``indices`` as int64 on the CPU.

    Args:
        indices: whole numbers from 0 to ``count`` - 1.
        count: how many places there are.

    Raises:
        ValueError: for other numbers, or a mask of True and False.
    """
    count = given.whole_number("count", count, least=0)
    found = given.table("indices", indices).cpu()
    if found.ndim != 1 or (len(found) and (found.is_floating_point() or found.dtype == torch.bool)):
        what = f"{found.dtype} {tuple(found.shape)}"
        raise ValueError(
            f"indices must be a list of whole numbers (of a mask, mask.nonzero()[:, 0]), got {what}"
        )
    places = found.to(torch.int64)
    if len(places) and not 0 <= places.min() <= places.max() < count:
        raise ValueError(f"indices must be 0 to {count - 1}, got {places.min()} to {places.max()}")
    return places


@given.explained
def take_places(labels: Tensor, classes: Sequence[str], per_class: int, *, seed: int) -> Tensor:
    """Places of ``per_class`` random samples of every class, in random order: int64, on the CPU.

    Args:
        labels: int64 (N,).
        classes: the name of each class.
        per_class: from 1 to the size of the smallest class.
        seed: of the draw.

    Raises:
        ValueError: if some class has fewer, or the labels are none of these classes.
    """
    labels, classes = labels.cpu(), checked_classes(classes)
    if labels.dtype != torch.int64 or labels.ndim != 1:
        raise ValueError(f"labels must be int64 (N,), got {labels.dtype} {tuple(labels.shape)}")
    if not classes or (len(labels) and not 0 <= labels.min() <= labels.max() < len(classes)):
        raise ValueError(f"labels must be numbers of the classes, got {labels[:5].tolist()} for {classes}")
    counts = labels.bincount(minlength=len(classes))
    if isinstance(per_class, bool) or not isinstance(per_class, int) or not 1 <= per_class <= counts.min():
        sizes = dict(zip(classes, counts.tolist(), strict=True))
        raise ValueError(f"per_class must be 1 to {counts.min()}, got {per_class}; there are {sizes}")
    order = torch.randperm(
        len(labels),
        generator=torch.Generator().manual_seed(given.whole_number("seed", seed, least=0)),
        device="cpu",
    )
    rank = torch.nn.functional.one_hot(labels[order], len(classes)).cumsum(0)
    return order[rank.gather(1, labels[order][:, None])[:, 0] <= per_class]
