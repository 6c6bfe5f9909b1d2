"""A trained network to start from: ImageNet's weights, those that come with the book, or a file of yours.

Introduced in chapter 5.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path

import torch

from resnet_utils import models
from resnet_utils.files import checked
from resnet_utils.files import weights as files
from resnet_utils.models import ResNet
from resnet_utils.runtime import given

SHIPPED = "resnet18-source"
IMAGENET = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, which the shipped one learned with too
TEST_SHARE = 4 / 3  # side of a test picture, of that of the cut-outs in training; Touvron 2019: 1.15 to 1.7
OWN_WEIGHTS = (".safetensors", ".pth", ".pt", ".th", ".bin", ".ckpt")


@dataclass(frozen=True)
class Backbone:
    """A trained network and what it takes to train it further.

    Args:
        network: one of ``models.NAMES``.
        weights: where its weights come from, in a few words.
        size: side in pixels of the pictures that it is asked about.
        lr: the peak of the learning rate that goes with it.
        model: the network with the head that it came with; ``with_head`` copies it.
        mean: of each colour in [0, 1], as it was trained.
        std: likewise.
        advice: what else there is, in a sentence; "" where there is nothing better.
    """

    network: str
    weights: str
    size: int
    lr: float
    model: ResNet = field(repr=False)
    mean: tuple[float, float, float] = MEAN
    std: tuple[float, float, float] = STD
    advice: str = ""

    def with_head(self, num_classes: int, *, seed: int = 0) -> ResNet:
        """A copy of the network with a fresh head, on the CPU.

        Args:
            num_classes: outputs of the head, at least 2.
            seed: of the head's first weights.
        """
        model = copy.deepcopy(self.model)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model.reset_head(num_classes)
        return model


@given.explained
def choose_backbone(
    weights: str | Path = "auto", *, network: str | None = None, size: int | None = None
) -> Backbone:
    """The trained network that a fine-tuning starts from.

    Args:
        weights: "imagenet": torchvision's published ones, fetched once; "book": the small network that comes
            with the package and needs no connection; "auto": the first where they can be had, else the
            second; or the path of a file.
        network: one of ``models.NAMES``, for a file that does not say what it is, or a larger one of
            ``IMAGENET``; None: what the file's card says, or resnet18.
        size: side of the pictures in pixels, at least 32; None: what suits the network.

    Raises:
        ValueError: for weights or a network that do not go together, or a file that does not fit.
        FileNotFoundError: if there is no such file.
        ConnectionError: if ImageNet's weights are asked for and cannot be had.
    """
    if size is not None:
        given.whole_number("size", size, least=32, unit="pixels")
    if network is not None and network not in models.NAMES:
        raise ValueError(f"unknown network {network!r}; the valid names are {', '.join(models.NAMES)}")
    if str(weights) == "book":
        return _shipped(network, size)
    if str(weights) == "imagenet":
        return _imagenet(network or "resnet18", size)
    if str(weights) == "auto":
        return _first_at_hand(network, size)
    path = checked.path_of(weights, name="weights")
    if path.is_dir() or (not path.exists() and path.suffix not in OWN_WEIGHTS):
        raise ValueError(f"weights must be auto, imagenet, book or a file, got {str(weights)!r}")
    return _from_file(path, network, size)


def _shipped(network: str | None, size: int | None, *, advice: str = "") -> Backbone:
    path = models.shipped(SHIPPED)
    card = files.card(path)
    if network not in (None, card["network"]):
        raise ValueError(
            f"the book's weights are of a small {card['network']}, not of {network}; take imagenet"
        )
    return Backbone(
        card["network"],
        "the small weights that come with the book",
        size or 96,
        0.05,
        advice=advice or "with --weights imagenet (a connection, once) the start is much better",
        model=models.from_card(path),
    )


def _imagenet(network: str, size: int | None) -> Backbone:
    if network not in IMAGENET:
        raise ValueError(f"there are ImageNet weights for {', '.join(IMAGENET)}, not for {network}")
    model = models.build(network, 1000)
    chosen = models.load_imagenet(model, network)
    return Backbone(network, f"torchvision's {chosen.name}", size or 224, 0.01, model=model)


def _first_at_hand(network: str | None, size: int | None) -> Backbone:
    """ImageNet's weights where they can be had; the book's where not."""
    try:
        return _imagenet(network or "resnet18", size)
    except ConnectionError as error:
        reason = str(error).splitlines()[1:2]
        if network not in (None, files.card(models.shipped(SHIPPED))["network"]):
            raise
        why = f" ({reason[0].strip().rpartition(': ')[2]})" if reason else ""
        return _shipped(
            None,
            size,
            advice=f"ImageNet's, a much better start, could not be had{why}: run it once with a connection",
        )


def _from_file(path: Path, network: str | None, size: int | None) -> Backbone:
    """A file of ours says what it is; of any other the network has to be named."""
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    card = files.card(path) if path.suffix == ".safetensors" else {}
    if {"network", "classes"} <= set(card):
        if network not in (None, card["network"]):
            raise ValueError(f"{path.name} holds a {card['network']}, not a {network}")
        model, name = models.from_card(path), card["network"]
    elif network is None:
        raise ValueError(f"{path.name} does not say which network it is of; name it: --network resnet50")
    else:
        model, name = models.build(network, 1000), network
        files.load_weights(model, path, keep_head=True)  # any number of classes; the head is replaced anyway
    mean, std = (tuple(card.get(key, usual)) for key, usual in (("mean", MEAN), ("std", STD)))
    is_small = model.spec.stem == "cifar"  # a network for small pictures
    side = size or int(card.get("size") or (96 if is_small else 224))
    rate = 0.05 if is_small else 0.01
    return Backbone(name, f"the file {path.name}", side, rate, model, mean=mean, std=std)
