"""Labelled pictures that stay on the disk until a batch asks for them.

Introduced in chapter 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from resnet_utils.data.in_memory import Split, checked_classes, places_of, take_places
from resnet_utils.data.pictures import read_picture, require_scaler, require_share
from resnet_utils.runtime import given


@given.explained
@dataclass(frozen=True)
class SplitOnDisk:
    """Labelled pictures on disk, for ``loader``: as a ``Split``, with files in place of the images.

    Args:
        root: the folder that ``names`` count from.
        names: the file of each picture, relative, with /.
        labels: int64 (N,), index into ``classes``.
        classes: the name of each class.
        size: side in pixels of the squares that ``read_picture`` makes.
        source: where the pictures come from, in words.
        quarantine: (file, reason) of what was left out.
        ignored: (file, reason) of what is no part of the data.
        scaler: one of ``pictures.SCALERS``, as ``read_picture`` takes it.
        share: how much of the square's side is kept, as ``read_picture`` takes it.

    Raises:
        ValueError: if a type or shape is another, a label names no class, two classes have one name, the
            names are too few or many, ``size`` is no whole number from 1 up, the scaler is unknown, or
            ``share`` is no share.
        TypeError: if ``classes`` is no list of texts, ``labels`` no tensor, or the rest of another kind.
    """

    root: Path
    names: tuple[str, ...]
    labels: Tensor
    classes: tuple[str, ...]
    _: KW_ONLY
    size: int
    source: str = "photographs"
    quarantine: tuple[tuple[str, str], ...] = ()
    ignored: tuple[tuple[str, str], ...] = ()
    scaler: str = "pillow"
    share: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", Path(self.root))
        given.of_kind("source", self.source, str)
        for name in ("names", "quarantine", "ignored"):
            given.of_kind(name, getattr(self, name), (tuple, list))
        object.__setattr__(self, "classes", checked_classes(self.classes))
        if not isinstance(self.labels, Tensor):
            raise TypeError(f"labels must be a tensor, got {type(self.labels).__name__}")
        given.whole_number("size", self.size, unit="pixel")
        require_scaler(self.scaler)
        require_share(self.share)
        if self.labels.dtype != torch.int64 or self.labels.shape != (len(self.names),):
            kind = f"{self.labels.dtype} of shape {tuple(self.labels.shape)}"
            raise ValueError(f"labels must be int64 ({len(self.names)},), got {kind}")
        if len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() < len(self.classes):
            span = f"{self.labels.min()} to {self.labels.max()}"
            raise ValueError(f"labels must be 0 to {len(self.classes) - 1}, got {span}")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, C, H, W), were all of it in memory."""
        return len(self), 3, self.size, self.size

    @property
    def device(self) -> torch.device:
        """Where its batches come to lie: the CPU."""
        return torch.device("cpu")

    def images_at(self, places: Sequence[int]) -> Tensor:
        """The pictures at ``places``, decoded now: uint8 (len(places), 3, size, size).

        Args:
            places: places in this split.

        Raises:
            ValueError: if a file is damaged, or gone; the message names it.
        """
        images = np.empty((len(places), *self.shape[1:]), dtype=np.uint8)
        for row, place in enumerate(places):
            try:
                file, how = self.root / self.names[place], {"scaler": self.scaler, "share": self.share}
                images[row] = read_picture(file, self.size, **how)
            except ValueError as error:
                raise ValueError(
                    f"{self.root / self.names[place]}: {error} (image_folder_on_disk(..., thorough=True, "
                    "strict=False) puts such files aside before the training)"
                ) from None
        return torch.from_numpy(images)

    def subset(self, indices: Sequence[int] | Tensor) -> SplitOnDisk:
        """The pictures at ``indices``, in that order, as a split of its own.

        Args:
            indices: places in this split, whole numbers from 0; a place may come twice.

        Raises:
            ValueError: for a place that there is not.
        """
        places = places_of(indices, len(self))
        return replace(self, names=tuple(self.names[k] for k in places.tolist()), labels=self.labels[places])

    def take(self, per_class: int, *, seed: int = 0) -> SplitOnDisk:
        """As many pictures of every class, drawn at random: the same ones as ``Split.take``.

        Args:
            per_class: pictures of each class, from 1 to the size of the smallest class.
            seed: of the draw; another seed, other pictures.

        Raises:
            ValueError: if some class has fewer pictures.
        """
        return self.subset(take_places(self.labels, self.classes, per_class, seed=seed))

    def in_memory(self) -> Split:
        """All of it decoded, as a ``Split``.

        Raises:
            ValueError: if a file is damaged, or gone; the message names it.
        """
        return Split(
            self.images_at(range(len(self))),
            self.labels,
            self.classes,
            source=self.source,
            names=self.names,
            quarantine=self.quarantine,
            ignored=self.ignored,
        )
