"""What the experiments on cats and dogs share: the photographs, the shipped backbone, their batches."""

from pathlib import Path

import torch
from torch.utils.data import DataLoader

from resnet_utils import checkpoints, data, finetuning, models

SOURCE = checkpoints.shipped("resnet18-source")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def photographs(size: int, tiny: bool) -> tuple[data.Split, data.Split]:
    """Training and validation photographs, (N, 3, size, size); in the tiny mode a few drawings instead."""
    if tiny:
        return tuple(data.drawn_animals(64, size=size, seed=seed) for seed in (0, 1))
    folder = data.data_folder()
    if folder is None or not (folder / "cats_vs_dogs").is_dir():
        raise SystemExit("this experiment needs the photographs: set RESNET_BOOK_DATA to their folder")
    return data.cats_vs_dogs(size=size)


def backbone(*, path: Path = SOURCE, pretrained: bool = True) -> models.ResNet:
    """The shipped network, or that of ``path``, with a fresh head for two classes; the caller has seeded."""
    model = finetuning.from_card(path, pretrained=pretrained)
    finetuning.replace_head(model, 2)
    return model.to(memory_format=torch.channels_last)


def batches(
    split: data.Split, seed: int, *, batch: int = 32, augmented: bool = True, size: int | None = None
) -> DataLoader:
    """Training batches; ``augmented``: mirrored or not, and cut to a part of the area, of ``size`` pixels."""
    crop = data.random_resized_crop(scale=(0.35 if size else 0.5, 1.0), size=size, seed=seed)
    augment = data.compose(crop, data.flip(seed=seed))
    return data.loader(
        split, batch, shuffle=True, seed=seed, augment=augment if augmented else None,
        mean=MEAN, std=STD, drop_last=True,
    )  # fmt: skip


def as_they_are(split: data.Split) -> DataLoader:
    """The images in order, without augmentation: to test on, or to cache features of."""
    return data.loader(split, 250, mean=MEAN, std=STD)
