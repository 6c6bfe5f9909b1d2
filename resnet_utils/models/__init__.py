"""Residual networks: blocks, their relatives, whole networks, and weights for them."""

from resnet_utils.models.anatomy import adapt_input, replace_head
from resnet_utils.models.folding import fold_normalization, fuse
from resnet_utils.models.pretrained import card_of, from_card, load_imagenet, published_input, shipped
from resnet_utils.models.resnet import NAMES, SPECS, STEMS, ResNet, Spec, build

__all__ = [
    "NAMES",
    "SPECS",
    "STEMS",
    "ResNet",
    "Spec",
    "adapt_input",
    "build",
    "card_of",
    "fold_normalization",
    "from_card",
    "fuse",
    "load_imagenet",
    "published_input",
    "replace_head",
    "shipped",
]
