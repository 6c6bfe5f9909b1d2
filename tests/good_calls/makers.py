"""Small things that a call can be given: networks, images, labels, loaders; each made anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from resnet_utils import data, models


def net(num_classes: int = 3) -> nn.Module:
    """A ResNet of eight layers, width 4."""
    torch.manual_seed(0)
    row = replace(models.SPECS["resnet20"], blocks_per_stage=(1, 1, 1), width=4, num_classes=num_classes)
    return models.ResNet(row)


def images(count: int = 4, size: int = 16) -> torch.Tensor:
    """Noise, (count, 3, size, size)."""
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def labels(count: int = 4, num_classes: int = 3) -> torch.Tensor:
    """Classes in turn."""
    return torch.arange(count) % num_classes


def logits(count: int = 4, num_classes: int = 3) -> torch.Tensor:
    """Noise, (count, num_classes)."""
    return torch.randn(count, num_classes, generator=torch.Generator().manual_seed(2))


def split(count: int = 8, size: int = 16) -> data.Split:
    """Drawn animals."""
    return data.drawn_animals(count, size=size)


def batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Two batches of images and labels."""
    return [(images(), labels()), (images(2), labels(2))]


def loader():
    """A loader of drawn animals, six classes wide enough for ``net``."""
    return data.loader(split(), batch_size=4)


def loss_and_model() -> dict[str, Any]:
    """A loss, and the network whose it is."""
    model = net()
    return {"loss": model(images()).mean(), "model": model}


# An argument that has no default is made by its name, unless ``CALLS`` says otherwise.
BY_NAME: dict[str, Callable[[], Any]] = {
    "model": net, "net": net, "network": net, "module": net,
    "x": images, "images": images, "labels": labels, "logits": logits, "split": split,
    "loader": loader, "train_loader": loader, "valid_loader": loader,
    "in_channels": lambda: 4, "out_channels": lambda: 8, "width": lambda: 8, "in_features": lambda: 4,
    "out_features": lambda: 8,
    "count": lambda: 4, "seed": lambda: 0, "size": lambda: 16, "num_classes": lambda: 3, "epochs": lambda: 1,
    "steps": lambda: 2, "lr": lambda: 0.1, "depth": lambda: 2, "batch": lambda: 2, "channels": lambda: 3,
    "device": lambda: torch.device("cpu"), "name": lambda: "resnet18",
    "generator": lambda: torch.Generator().manual_seed(0),
}  # fmt: skip
