"""Residual networks: blocks, their relatives, whole networks, and weights for them."""

from resnet_utils.models.pretrained import card_of, from_card, load_imagenet, shipped
from resnet_utils.models.resnet import NAMES, SPECS, STEMS, ResNet, Spec, build

__all__ = [
    "NAMES",
    "SPECS",
    "STEMS",
    "ResNet",
    "Spec",
    "build",
    "card_of",
    "from_card",
    "load_imagenet",
    "shipped",
]
