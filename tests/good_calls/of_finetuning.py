"""Calls of the functions in ``finetuning``."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from good_calls.makers import net
from resnet_utils import data, finetuning
from resnet_utils.data.layout import find_layout

CLASSES = 6  # of ``makers.loader``
SIZE = 32


@cache
def start() -> finetuning.Backbone:
    """The small network that comes with the book."""
    return finetuning.choose_backbone("book", size=SIZE)


@cache
def pictures() -> data.Split:
    """Drawings of two animals, with names."""
    drawn = data.drawn_animals(16, size=SIZE, species=("cat", "dog"))
    return replace(drawn, names=tuple(f"{number}.png" for number in range(16)))


@cache
def parts() -> finetuning.Parts:
    """The same in three parts."""
    return finetuning.split_photographs({"all": pictures()})


def folder_of_pictures(folder: Path) -> Path:
    """The same as files."""
    drawn = pictures()
    for name, image, label in zip(drawn.names, drawn.images, drawn.labels.tolist(), strict=True):
        place = folder / "animals" / drawn.classes[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(place / name)
    return folder / "animals"


def run(folder: Path) -> dict[str, Any]:
    """One pass over the folder."""
    return {
        "folder": folder_of_pictures(folder), "output": folder / "made", "weights": "book", "size": SIZE,
        "epochs": 1, "progress": False,
    }  # fmt: skip


CALLS = {
    "finetuning.backbones.choose_backbone": lambda _: {"weights": "book"},
    "finetuning.own.default_output": lambda folder: {"folder": folder},
    "finetuning.own.finetune_folder": run,
    "finetuning.own.about_parts": lambda _: {"parts": parts()},
    "finetuning.parts.unfreeze": lambda _: {"part": "layer3"},
    "finetuning.photographs.beyond_memory": lambda folder: {
        "layout": find_layout(folder_of_pictures(folder))
    },
    "finetuning.photographs.read_photographs": lambda folder: {"folder": folder_of_pictures(folder)},
    "finetuning.photographs.split_photographs": lambda _: {"found": {"all": pictures()}},
    "finetuning.probe.linear_probe": lambda _: {
        "features": torch.rand(4, 5, generator=torch.Generator().manual_seed(0)),
    },
    "finetuning.strategies.fine_tune": lambda _: {"model": net(CLASSES), "way": "full fine-tuning"},
    "finetuning.tuning.tune": lambda _: {
        "start": start(), "parts": parts(), "epochs": 1, "progress": False,
    },
    "finetuning.tuning.to_classifier": lambda _: {
        "model": start().with_head(2), "start": start(), "parts": parts(),
    },
}  # fmt: skip

UNBOUND: dict[tuple[str, str], str] = {}
