"""What the experiments on cats and dogs share: the photographs, the shipped backbone, their batches."""

from pathlib import Path

import record
import torch
from pretrain_source import MEAN, STD
from torch.utils.data import DataLoader

from resnet_utils import data, models

SOURCE = models.shipped("resnet18-source")


def photographs(size: int, tiny: bool) -> tuple[data.Split, data.Split]:
    """Training and validation photographs, (N, 3, size, size); in the tiny mode a few drawings instead."""
    if tiny:
        return data.drawn_animals(64, size=size, seed=0), data.drawn_animals(64, size=size, seed=1)
    record.given("cats_vs_dogs")
    return data.cats_vs_dogs(size=size)


def backbone(*, path: Path = SOURCE, pretrained: bool = True) -> models.ResNet:
    """The shipped network, or that of ``path``, with a fresh head for two classes; the caller has seeded."""
    model = models.from_card(path, pretrained=pretrained)
    model.reset_head(2)
    return model.to(memory_format=torch.channels_last)


def batches(
    split: data.Split,
    seed: int,
    *,
    batch: int = 32,
    augmented: bool = True,
    scale: tuple[float, float] = (0.5, 1.0),
    size: int | None = None,
) -> DataLoader:
    """Training batches; ``augmented``: mirrored or not, and cut to a part of the area, of ``size`` pixels."""
    crop = data.RandomResizedCrop(scale=scale, size=size, seed=seed)
    augment = data.Compose([crop, data.RandomHorizontalFlip(seed=seed)]) if augmented else None
    return data.loader(
        split, batch, shuffle=True, seed=seed, augment=augment, mean=MEAN, std=STD, drop_last=True
    )


def as_they_are(split: data.Split) -> DataLoader:
    """The images in order, without augmentation: to test on, or to cache features of."""
    return data.loader(split, 250, mean=MEAN, std=STD)
