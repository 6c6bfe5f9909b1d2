"""Calls of the functions in ``models``."""

import torch
from torch import nn
from torchvision.models import ResNet18_Weights

from good_calls.makers import net
from resnet_utils import models
from resnet_utils.files import weights
from resnet_utils.models import preactivation
from resnet_utils.models.blocks import BasicBlock


def checkpoint(folder):
    """A file that says what network its weights are for."""
    model, path = models.build("resnet20", 3, width=1), folder / "net.safetensors"
    weights.save_weights(model, path, card=models.card_of(model, "resnet20", ["a", "b", "c"]))
    return path


def convolutions():
    """Two of them, each with a BatchNorm that ``fuse`` can fold into it."""
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1))


def of_conv():
    """A convolution, and what its images were normalized by."""
    middle = torch.full((3,), 0.5, dtype=torch.float64)
    return {"conv": nn.Conv2d(3, 4, 3), "mean": middle, "std": middle / 2}


CALLS = {
    "models.blocks.PadShortcut": lambda _: {"stride": 2},
    "models.folding.PixelConv2d": lambda _: of_conv(),
    "models.folding.Unchanged": lambda _: {"dimensions": 2},
    "models.modernized.ModernizedBlock": lambda _: {"step": 4},
    "models.resnet.Spec": lambda _: {
        "block": BasicBlock, "blocks_per_stage": (1, 1, 1), "stem": "cifar", "width": 4, "shortcut": "A",
    },
    "models.resnet.ResNet": lambda _: {"spec": net().spec},
    "models.resnet.DropoutLinear": lambda _: {"chance": 0.5},
    "models.variants.SqueezeExcite": lambda _: {"channels": 8, "reduction": 4},
    "models.variants.SEBlock": lambda _: {"reduction": 4},
    "models.variants.StochasticDepth": lambda _: {"drop": 0.5},
    "models.anatomy.adapt_input": lambda _: {"model_or_state": net()},
    "models.blocks.conv": lambda _: {"in_channels": 4, "out_channels": 8, "kernel_size": 3},
    "models.blocks.make_shortcut": lambda _: {
        "in_channels": 4, "out_channels": 8, "stride": 2, "shortcut": "B",
    },
    "models.blocks.strides": lambda _: {"stride": 2, "stride_on": "3x3"},
    "models.blocks.zero_last_scale": lambda _: {"block": BasicBlock(4, 4)},
    "models.folding.fuse": lambda _: {"model": convolutions()},
    "models.folding.fold_normalization": lambda _: {"model": convolutions(), "mean": 0.5, "std": [0.2] * 3},
    "models.initialization.he_normal": lambda _: {"weight": torch.empty(4, 3, 3, 3)},
    "models.initialization.looks_linear": lambda _: {"layers": [nn.Linear(3, 4), nn.Linear(4, 2)]},
    "models.initialization.redraw": lambda _: {"module": nn.Conv2d(3, 4, 3)},
    "models.modernized.modernized": lambda _: {"step": 7, "width": 4},
    "models.preactivation.order_of": lambda _: {"name": "original", "orders": preactivation.ORDERS},
    "models.preactivation.closing_steps": lambda _: {"order": "full pre-activation"},
    "models.pretrained.shipped": lambda _: {"name": "resnet18-source"},
    "models.pretrained.published_input": lambda _: {"weights": ResNet18_Weights.DEFAULT},
    "models.pretrained.card_of": lambda _: {
        "model": models.build("resnet20", 3, width=1), "network": "resnet20", "classes": ["a", "b", "c"],
    },
    "models.pretrained.from_card": lambda folder: {"path": checkpoint(folder)},
    "models.resnet.fresh_head": lambda _: {"old": nn.Linear(4, 3)},
    "models.resnet.build": lambda _: {"name": "resnet20", "width": 2},
    "models.variants.group_norm": lambda _: {"groups": 2},
}  # fmt: skip

UNBOUND: dict[tuple[str, str], str] = {}
