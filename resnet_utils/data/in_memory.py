"""Labelled images in memory, and the loader that turns them into batches.

Introduced in chapters 4 and 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, SequentialSampler

from resnet_utils.data.transforms import Transform


@dataclass(frozen=True)
class Split:
    """Labelled images in memory.

    images: uint8 (N, C, H, W).  labels: int64 (N,), index into ``classes``.  source: where they come from.
    names: the file of each image, relative to its root, or ().
    quarantine: (file, reason) of what was left out.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    source: str
    names: tuple[str, ...] = ()
    quarantine: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            kind = f"{self.images.dtype} of shape {tuple(self.images.shape)}"
            raise ValueError(f"images must be uint8 (N, C, H, W), got {kind}")
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            kind = f"{self.labels.dtype} of shape {tuple(self.labels.shape)}"
            raise ValueError(f"labels must be int64 ({len(self.images)},), got {kind}")
        if len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() < len(self.classes):
            span = f"{self.labels.min()} to {self.labels.max()}"
            raise ValueError(f"labels must be 0 to {len(self.classes) - 1}, got {span}")
        if self.names and len(self.names) != len(self.images):
            raise ValueError(f"{len(self.names)} names for {len(self.images)} images")

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: Sequence[int] | Tensor) -> Split:
        """The images at ``indices``, in that order."""
        indices = torch.as_tensor(indices, dtype=torch.int64)
        names = tuple(self.names[k] for k in indices.tolist()) if self.names else ()
        return replace(self, images=self.images[indices], labels=self.labels[indices], names=names)

    def take(self, per_class: int, seed: int = 0) -> Split:
        """``per_class`` images of every class, drawn by ``seed``, in random order.

        A smaller ``per_class`` takes a part of what a bigger one takes, with the same seed.

        Raises:
            ValueError: if some class has fewer images.
        """
        counts = self.labels.bincount(minlength=len(self.classes))
        if not 1 <= per_class <= counts.min():
            sizes = dict(zip(self.classes, counts.tolist(), strict=True))
            raise ValueError(f"per_class must be 1 to {counts.min()}, got {per_class}; there are {sizes}")
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        rank = torch.nn.functional.one_hot(self.labels[order], len(self.classes)).cumsum(0)
        return self.subset(order[rank.gather(1, self.labels[order][:, None])[:, 0] <= per_class])


def mean_std(split: Split) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, for pixels in [0, 1].

    Counts how often each of the 256 values occurs, so the result is exact and the same on every machine.
    """
    if len(split) == 0:
        raise ValueError("mean_std() needs at least one image, but the split is empty")
    values, mean, std = torch.arange(256, dtype=torch.float64) / 255, [], []
    for channel in split.images.transpose(0, 1):
        share = channel.flatten().bincount(minlength=256).double() / channel.numel()
        mean.append(float((share * values).sum()))
        std.append(float((share * (values - mean[-1]) ** 2).sum().sqrt()))
    return tuple(mean), tuple(std)


def loader(
    split: Split,
    batch_size: int,
    *,
    shuffle: bool = False,
    seed: int = 0,
    augment: Transform | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    drop_last: bool = False,
) -> DataLoader:
    """Batches ``(images, labels)``: float32 (batch_size, C, H, W) and int64 (batch_size,).

    Each batch is cut out of the tensor at once, without workers; ``augment`` works on its bytes, then pixels
    become ``(pixel / 255 - mean) / std`` per channel. The order depends on ``seed`` alone, and differs from
    epoch to epoch.

    Raises:
        ValueError: if there would be no batch, or mean and std do not fit the channels.
    """
    channels = split.images.shape[1]
    if (mean is None) != (std is None):
        raise ValueError("mean and std belong together: give both or neither")
    for name, values in (("mean", mean), ("std", std)):
        if values is not None and len(values) != channels:
            raise ValueError(f"{name} needs {channels} values, one a channel, got {values}")
    if std is not None and min(std) <= 0:
        raise ValueError(f"std must be above 0, got {std}")
    if batch_size < 1 or len(split) < (batch_size if drop_last else 1):
        raise ValueError(f"no batch of {batch_size} in {len(split)} images (drop_last={drop_last})")
    generator = torch.Generator().manual_seed(seed)
    order = RandomSampler(split, generator=generator) if shuffle else SequentialSampler(split)
    batches = BatchSampler(order, batch_size, drop_last)
    dataset = _Batches(split, augment, mean, std)
    return DataLoader(dataset, sampler=batches, batch_size=None, generator=generator)


class _Batches(Dataset):
    """Answers a list of places with a whole batch."""

    def __init__(
        self,
        split: Split,
        augment: Transform | None,
        mean: Sequence[float] | None,
        std: Sequence[float] | None,
    ) -> None:
        self.split, self.augment = split, augment
        self.mean = None if mean is None else torch.tensor(mean)[:, None, None]
        self.std = None if std is None else torch.tensor(std)[:, None, None]

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, places: list[int]) -> tuple[Tensor, Tensor]:
        images, labels = self.split.images[places], self.split.labels[places]
        if self.augment is not None:
            images = self.augment(images)
        images = images.float().div_(255)
        if self.mean is not None:
            images.sub_(self.mean).div_(self.std)
        return images, labels
