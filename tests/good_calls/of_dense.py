"""Calls of the functions in ``dense``."""

import torch

from good_calls.makers import net
from resnet_utils import models
from resnet_utils.data.synthetic import groups
from resnet_utils.dense.detectors import faster_rcnn
from resnet_utils.dense.segmenters import SkipFCN

SMALL = {
    "anchor_sizes": (4, 8, 16, 32), "out_channels": 4, "head_width": 4, "image_size": (32, 32),
    "proposals": 8, "sampled": (8, 8),
}  # fmt: skip


def pixels(count: int = 2, size: int = 16):
    """Black pictures."""
    return torch.zeros(count, 3, size, size, dtype=torch.uint8)


def boxes(count: int = 2):
    """One box an image, of class 1."""
    return [
        {"boxes": torch.tensor([[2.0, 2.0, 9.0, 9.0]]), "labels": torch.tensor([1])} for _ in range(count)
    ]


def four_stages():
    """The smallest network that torchvision's segmenters can have inside."""
    return models.build("resnet18", width=1)


CALLS = {
    "dense.backbone.Pyramid": lambda _: {"out_channels": 4},
    "dense.backbone.dilate": lambda _: {"stages": ["layer3"]},
    "dense.detectors.faster_rcnn": lambda _: dict(SMALL),
    "dense.detectors.mask_rcnn": lambda _: {"model": four_stages()},
    "dense.segmenters.fcn": lambda _: {"model": four_stages()},
    "dense.segmenters.deeplab": lambda _: {"model": four_stages()},
    "dense.learning.normalized": lambda _: {"images": pixels()},
    "dense.learning.train_segmenter": lambda _: {
        "model": SkipFCN(net(), 3), "images": pixels(), "masks": torch.zeros(2, 16, 16, dtype=torch.int64),
        "batch": 2,
    },
    "dense.learning.segment": lambda _: {"model": SkipFCN(net(), 3), "images": pixels()},
    "dense.learning.box_targets": lambda _: {"groups": groups.draw_groups(2, size=32)},
    "dense.learning.mirrored": lambda _: {"target": boxes()[0], "width": 16},
    "dense.learning.train_detector": lambda _: {
        "model": faster_rcnn(net(), 3, **SMALL), "images": pixels(), "targets": boxes(), "batch": 2,
        "steps": 1,
    },
    "dense.learning.detect": lambda _: {"model": faster_rcnn(net(), 3, **SMALL), "images": pixels()},
}  # fmt: skip

UNBOUND: dict[tuple[str, str], str] = {}
