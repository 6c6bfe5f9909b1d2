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
from resnet_utils.runtime import seeding


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

    Raises:
        ValueError: if a type or shape is another, a label names no class, or the names are too few or many.
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
        """The images at ``indices``, in that order, as a split of its own.

        Args:
            indices: places in this split, whole numbers from 0; a place may come twice.
        """
        places = torch.as_tensor(indices, dtype=torch.int64).cpu()
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
        labels = self.labels.cpu()
        counts = labels.bincount(minlength=len(self.classes))
        if not 1 <= per_class <= counts.min():
            sizes = dict(zip(self.classes, counts.tolist(), strict=True))
            raise ValueError(f"per_class must be 1 to {counts.min()}, got {per_class}; there are {sizes}")
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        rank = torch.nn.functional.one_hot(labels[order], len(self.classes)).cumsum(0)
        return self.subset(order[rank.gather(1, labels[order][:, None])[:, 0] <= per_class])


def mean_std(split: Split) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, for pixels in [0, 1].

    Counts how often each of the 256 values occurs, so the result is exact and the same on every machine.

    Args:
        split: the images to measure: those that are trained on, never those that are tested on.

    Returns:
        ``mean`` and ``std``, one number a channel each, as ``loader`` takes them.

    Raises:
        ValueError: if the split is empty.
    """
    if len(split) == 0:
        raise ValueError("mean_std() needs at least one image, but the split is empty")
    values, mean, std = torch.arange(256, dtype=torch.float64) / 255, [], []
    for channel in split.images.transpose(0, 1):
        share = channel.flatten().bincount(minlength=256).cpu().double() / channel.numel()
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
    num_workers: int = 0,
) -> DataLoader:
    """Batches ``(images, labels)``: float32 (batch_size, C, H, W) and int64 (batch_size,).

    They lie where ``split`` lies. Each batch is cut out of the tensor at once; ``augment`` works on its
    bytes, then pixels become ``(pixel / 255 - mean) / std`` per channel. The order of the images depends on
    ``seed`` alone, and differs from epoch to epoch.

    Without workers, ``augment`` draws from its own generators, batch after batch. With workers, each of them
    draws from streams of its own that follow from ``augment``'s seeds, from ``seed`` and the epoch, and from
    the worker's number (``seeding.seed_worker``): repeatable too, but other draws for each ``num_workers``.

    Args:
        split: the images and labels.
        batch_size: images a batch, at least 1; the last one may have fewer.
        shuffle: whether each epoch has an order of its own; otherwise that of the split.
        seed: of the order, and of the workers' streams.
        augment: a transform of uint8 images (batch_size, C, H, W), such as those of ``transforms``.
        mean: of the pixels in [0, 1], one number a channel, as from ``mean_std``; None: not subtracted.
        std: likewise, to divide by; both or neither.
        drop_last: whether to leave out a last batch that would be short.
        num_workers: processes that make batches ahead of time. 0 makes them in this process, which is faster
            unless ``augment`` takes longer than a training step.

    Raises:
        ValueError: if there would be no batch, mean and std do not fit the channels, or workers are asked
            for images that lie on a GPU.
    """
    if num_workers and split.images.device.type != "cpu":
        raise ValueError(f"workers need images on the CPU, these lie on {split.images.device}")
    _check_statistics(mean, std, channels=split.images.shape[1])
    if batch_size < 1 or len(split) < (batch_size if drop_last else 1):
        raise ValueError(f"no batch of {batch_size} in {len(split)} images (drop_last={drop_last})")
    generator = torch.Generator().manual_seed(seed)
    order = RandomSampler(split, generator=generator) if shuffle else SequentialSampler(split)
    return DataLoader(
        _Batches(split, augment, mean, std),
        sampler=BatchSampler(order, batch_size, drop_last),
        batch_size=None,  # the sampler makes the batches
        generator=generator,
        num_workers=num_workers,
        worker_init_fn=seeding.seed_worker,
    )


def _check_statistics(mean: Sequence[float] | None, std: Sequence[float] | None, *, channels: int) -> None:
    if (mean is None) != (std is None):
        raise ValueError("mean and std belong together: give both or neither")
    for name, values in (("mean", mean), ("std", std)):
        if values is not None and len(values) != channels:
            raise ValueError(f"{name} needs {channels} values, one a channel, got {values}")
    if std is not None and min(std) <= 0:
        raise ValueError(f"std must be above 0, got {std}")


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
        kept = [
            torch.tensor(values, device=split.images.device) for values in (mean, std) if values is not None
        ]
        self.mean_and_std = [values[:, None, None] for values in kept]

    def generators(self) -> list[torch.Generator]:
        """Those of its transform."""
        return seeding.generators_of(self.augment)

    @property
    def classes(self) -> tuple[str, ...]:
        """Those of its split."""
        return self.split.classes

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, places: list[int]) -> tuple[Tensor, Tensor]:
        images, labels = self.split.images[places], self.split.labels[places]
        if self.augment is not None:
            images = self.augment(images)
        images = images.float().div_(255)
        if self.mean_and_std:
            mean, std = self.mean_and_std
            images.sub_(mean).div_(std)
        return images, labels
