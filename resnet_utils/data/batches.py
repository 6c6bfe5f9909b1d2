"""A split, in memory or on disk, as batches for training: their order, their statistics, their weights.

Introduced in chapters 4 and 5.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    WeightedRandomSampler,
)

from resnet_utils.data.in_memory import Split
from resnet_utils.data.on_disk import SplitOnDisk
from resnet_utils.data.pieces import pieces
from resnet_utils.data.torchvision_v2 import seeded_if_torchvision
from resnet_utils.data.transforms import Transform
from resnet_utils.runtime import given, seeding

_CHUNK = 256  # pictures decoded at a time to measure them


@given.explained
def mean_std(split: Split | SplitOnDisk) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, for pixels in [0, 1].

    Counts how often each of the 256 values occurs, so the result is exact and the same on every machine.

    Args:
        split: the images to measure: those that are trained on, never those that are tested on.

    Returns:
        ``mean`` and ``std``, one number a channel each, as ``loader`` takes them.

    Raises:
        TypeError: if ``split`` is none.
        ValueError: if the split is empty.
    """
    _require_split(split, "mean_std")
    if len(split) == 0:
        raise ValueError("mean_std() needs at least one image, but the split is empty")
    counts = torch.zeros(split.shape[1], 256, dtype=torch.int64, device="cpu")
    for images in pieces(split, _CHUNK):
        for channel, values in enumerate(images.transpose(0, 1)):
            counts[channel] += values.flatten().bincount(minlength=256).cpu()
    values, mean, std = torch.arange(256, dtype=torch.float64, device="cpu") / 255, [], []
    for share in counts.double() / (counts.sum(dim=1, keepdim=True)):
        mean.append(float((share * values).sum()))
        std.append(float((share * (values - mean[-1]) ** 2).sum().sqrt()))
    return tuple(mean), tuple(std)


@given.explained
def class_weights(split: Split | SplitOnDisk) -> Tensor:
    """Weights of the classes for ``torch.nn.functional.cross_entropy``, float32 (num_classes,).

    ``N / (num_classes * images of the class)``: a rare class counts as much as a frequent one, and the
    weights of all N images have mean 1. It is the "balanced" of scikit-learn; King and Zeng 2001,
    doi:10.1093/oxfordjournals.pan.a004868.

    Args:
        split: the images that are trained on.

    Raises:
        TypeError: if ``split`` is none.
        ValueError: if some class has no image.
    """
    _require_split(split, "class_weights")
    counts = _counts(split)
    return (len(split) / (len(counts) * counts.double())).float()


def _require_split(split: object, caller: str) -> None:
    if not isinstance(split, (Split, SplitOnDisk)):
        raise TypeError(f"{caller} takes a data.Split or data.SplitOnDisk, got {type(split).__name__}")


def _counts(split: Split | SplitOnDisk) -> Tensor:
    counts = split.labels.cpu().bincount(minlength=len(split.classes))
    if not len(counts) or counts.min() == 0:
        sizes = dict(zip(split.classes, counts.tolist(), strict=True))
        raise ValueError(f"a class without images has no weight; there are {sizes}")
    return counts


@given.explained
def loader(
    split: Split | SplitOnDisk,
    batch_size: int,
    *,
    shuffle: bool = False,
    balanced: bool = False,
    seed: int = 0,
    augment: Transform | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    drop_last: bool = False,
    num_workers: int = 0,
    as_bytes: bool = False,
) -> DataLoader:
    """Batches ``(images, labels)``: float32 (batch_size, C, H, W) and int64 (batch_size,).

    They lie where ``split`` lies. Each batch is cut out of the tensor at once; ``augment`` works on its
    bytes, then pixels become ``(pixel / 255 - mean) / std`` per channel. The order of the images depends on
    ``seed`` alone, and differs from epoch to epoch. Pictures on disk give the same bits as those in memory.

    Without workers, ``augment`` draws from its own generators, batch after batch. With workers, each of them
    draws from streams of its own that follow from ``augment``'s seeds, from ``seed`` and the epoch, and from
    the worker's number (``seeding.seed_worker``): repeatable too, but other draws for each ``num_workers``.

    Args:
        split: the images and labels.
        batch_size: images a batch, at least 1; the last one may have fewer.
        shuffle: whether each epoch has an order of its own; otherwise that of the split.
        balanced: whether each epoch draws its N images with replacement, each class as often as any other on
            average, so that a rare class is seen as often as a frequent one; needs ``shuffle``.
        seed: of the order, of the workers' streams, and of torchvision's transforms.
        augment: a transform of uint8 images (batch_size, C, H, W), such as those of ``transforms``; or one of
            ``torchvision.transforms.v2``, which then draws for each image (``PerImage``).
        mean: of the pixels in [0, 1], one number a channel, as from ``mean_std``; None: not subtracted.
        std: likewise, to divide by, above 0 and at most 1; both or neither.
        drop_last: whether to leave out a last batch that would be short.
        num_workers: processes that make batches ahead of time. 0 makes them in this process, which is faster
            for images in memory unless ``augment`` takes longer than a training step.
        as_bytes: whether to leave the images as uint8, for a network of ``models.fold_normalization``, which
            takes pixels from 0 to 255: a quarter of the memory, and no pass over it to normalize.

    Raises:
        TypeError: if ``split`` is none, or mean or std no list of numbers.
        ValueError: if a count or a flag is none, there would be no batch, mean and std do not fit the
            channels or pixels in [0, 1] or are given for bytes, ``augment`` changes labels, or workers are
            asked for images that lie on a GPU; while iterating, if ``augment`` gives anything but as many
            uint8 images.
    """
    _require_split(split, "loader")
    batch_size = given.whole_number("batch_size", batch_size)
    num_workers = given.whole_number("num_workers", num_workers, least=0)
    for name, value in (
        ("shuffle", shuffle), ("balanced", balanced), ("drop_last", drop_last), ("as_bytes", as_bytes)
    ):  # fmt: skip
        given.yes_or_no(name, value)
    if num_workers and split.device.type != "cpu":
        raise ValueError(f"workers need images on the CPU, these lie on {split.device}")
    if as_bytes and (mean is not None or std is not None):
        raise ValueError("as_bytes=True leaves pixels as they are: give mean and std to fold_normalization")
    if balanced and not shuffle:
        raise ValueError("balanced=True draws at random, so it needs shuffle=True")
    statistics = _checked_statistics(mean, std, channels=split.shape[1])
    if len(split) < (batch_size if drop_last else 1):
        raise ValueError(f"no batch of {batch_size} in {len(split)} images (drop_last={drop_last})")
    generator = torch.Generator().manual_seed(given.whole_number("seed", seed, least=0))
    return _Loader(
        _Batches(
            split,
            augment if augment is None else seeded_if_torchvision(augment, seed=seed),
            statistics,
            as_bytes=as_bytes,
        ),
        sampler=BatchSampler(_order(split, generator, shuffle, balanced), batch_size, drop_last),
        batch_size=None,  # the sampler makes the batches
        generator=generator,
        num_workers=num_workers,
        worker_init_fn=seeding.seed_worker,
    )


def _order(
    split: Split | SplitOnDisk, generator: torch.Generator, shuffle: bool, balanced: bool
) -> Sampler[int]:
    places = range(len(split))
    if balanced:
        weights = (1 / _counts(split).double())[split.labels.cpu()]
        with torch.device("cpu"):  # it makes a tensor of the weights
            return _Balanced(weights.tolist(), len(split), generator=generator)
    return _Shuffled(places, generator=generator) if shuffle else SequentialSampler(places)


def _checked_statistics(
    mean: Sequence[float] | None, std: Sequence[float] | None, *, channels: int
) -> tuple[list[float], list[float]] | None:
    if mean is None and std is None:
        return None
    if mean is None or std is None:
        raise ValueError("mean and std belong together: give both or neither")
    kept = []
    for name, values in (("mean", mean), ("std", std)):
        try:
            numbers = given.real_numbers(name, values)
        except ValueError:
            raise TypeError(f"{name} must be a list of numbers, one a channel, got {values!r}") from None
        if len(numbers) != channels:
            hint = "; these images are grey" if channels == 1 else ""
            raise ValueError(f"{name} needs {channels} values, one a channel, got {values}{hint}")
        kept.append(numbers)
    if not all(math.isfinite(number) for number in kept[0] + kept[1]) or min(kept[1]) <= 0:
        raise ValueError(f"std must be above 0, and both finite; got mean {mean} and std {std}")
    if min(kept[0]) < 0 or max(kept[0] + kept[1]) > 1:
        raise ValueError(
            "mean and std are those of pixels in [0, 1], as from mean_std; "
            f"got mean {mean} and std {std}. Divide values for 0 to 255 by 255"
        )
    return kept[0], kept[1]


class _Shuffled(RandomSampler):
    """Every place once, in random order."""

    def __iter__(self) -> Iterator[int]:
        return _drawn_on_cpu(super().__iter__())


class _Balanced(WeightedRandomSampler):
    """Places drawn with replacement, each class as often as any other on average."""

    def __iter__(self) -> Iterator[int]:
        return _drawn_on_cpu(super().__iter__())


def _drawn_on_cpu(places: Iterator[int]) -> Iterator[int]:
    """``places``, whose generator lies on the CPU, also where torch's default device is a GPU."""
    if torch.get_default_device().type == "cpu":
        yield from places
        return
    with torch.device("cpu"):
        order = list(places)
    yield from order


class _Loader(DataLoader):
    """torch's loader draws the seed of its workers on the default device, even for a generator of the CPU."""

    def __iter__(self):  # type: ignore[override]
        if torch.get_default_device().type == "cpu":
            return super().__iter__()
        with torch.device("cpu"):
            return super().__iter__()

    def cut_batches(self, cut: Callable[[int], slice]) -> Iterator[tuple[Tensor, Tensor]]:
        """A piece of each batch, cut before it is decoded, or, where the whole is augmented, after that.

        Args:
            cut: from the size of a batch to the places of the piece.
        """
        pieces = _Loader(
            _Pieces(cast(_Batches, self.dataset), cut),
            sampler=self.sampler,
            batch_size=None,
            generator=self.generator,
            num_workers=self.num_workers,
            worker_init_fn=self.worker_init_fn,
        )
        return iter(pieces)


class _Batches(Dataset):
    """Answers a list of places with a whole batch."""

    def __init__(
        self,
        split: Split | SplitOnDisk,
        augment: Transform | None,
        statistics: tuple[list[float], list[float]] | None,
        *,
        as_bytes: bool,
    ) -> None:
        self.split, self.augment, self.as_bytes = split, augment, as_bytes
        self.mean_and_std = [
            torch.tensor(values, device=split.device)[:, None, None] for values in statistics or ()
        ]

    @property
    def classes(self) -> tuple[str, ...]:
        """Those of its split."""
        return self.split.classes

    def generators(self) -> list[torch.Generator]:
        """Those of its transform."""
        return seeding.generators_of(self.augment)

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, places: list[int]) -> tuple[Tensor, Tensor]:
        return self.piece(places, slice(None))

    def piece(self, places: list[int], mine: slice) -> tuple[Tensor, Tensor]:
        """The part ``mine`` of the batch of images at ``places``, augmented as a part of the whole."""
        if self.augment is None:
            images = self.split.images_at(places[mine])
        else:
            images = self.split.images_at(places)
            images = _as_bytes(self.augment(images), before=images)[mine]
        labels = self.split.labels[places[mine]]
        if self.as_bytes:
            return images, labels
        images = images.float().div_(255)
        if self.mean_and_std:
            mean, std = self.mean_and_std
            images.sub_(mean).div_(std)
        return images, labels


class _Pieces(Dataset):
    """Answers a list of places with a piece of its batch."""

    def __init__(self, batches: _Batches, cut: Callable[[int], slice]) -> None:
        self.batches, self.cut = batches, cut

    def generators(self) -> list[torch.Generator]:
        """Those of the transform."""
        return self.batches.generators()

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, places: list[int]) -> tuple[Tensor, Tensor]:
        return self.batches.piece(places, self.cut(len(places)))


def _as_bytes(images: Tensor, *, before: Tensor) -> Tensor:
    """What a transform made of the images ``before``, if it is as many images of bytes."""
    if not isinstance(images, Tensor):
        raise ValueError(f"augment must give a tensor of uint8 images, it gave {type(images).__name__}")
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[:2] != before.shape[:2]:
        raise ValueError(
            f"augment must give uint8 images {(*before.shape[:2], 'H', 'W')}, it gave {images.dtype} "
            f"{tuple(images.shape)}; bytes become floats, and are normalized, in the loader"
        )
    return images
