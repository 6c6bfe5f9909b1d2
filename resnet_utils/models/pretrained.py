"""Networks that come with weights: the shipped checkpoint, and torchvision's published ones.

Introduced in chapters 4 and 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from importlib import resources
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from resnet_utils import runtime
from resnet_utils.files import downloads
from resnet_utils.files.weights import card, fitted, load_weights
from resnet_utils.models.resnet import SPECS, ResNet, build
from resnet_utils.runtime import given

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum


@given.explained
def shipped(name: str) -> Path:
    """Path of a checkpoint that comes with the package.

    Args:
        name: its name without ending, such as ``"resnet18-source"``.

    Raises:
        ValueError: if there is none of that name; the message lists those there are.
    """
    folder = Path(str(resources.files("resnet_utils.models"))) / "weights"
    names = sorted(path.stem for path in folder.glob("*.safetensors"))
    if name not in names:
        raise ValueError(f"no shipped checkpoint {name!r}; there are: {', '.join(names) or 'none'}")
    return folder / f"{name}.safetensors"


@given.explained
def load_imagenet(
    model: nn.Module, name: str, *, weights: str = "DEFAULT", keep_head: bool = False, progress: bool = True
) -> WeightsEnum:
    """Load torchvision's published ImageNet weights into a model of ours, key for key.

    Needs a network the first time; the file is then kept in ``downloads.cache_folder()``. One that
    torchvision itself has fetched before is found where ``torch.hub`` keeps it. Returns torchvision's enum
    member: its ``transforms()`` prepare an image (``published_input``), its ``meta`` holds the published
    accuracy.

    Args:
        model: ``build(name)``, with a head of 1000 outputs.
        name: torchvision's name of the network, such as ``"resnet50"``.
        weights: which of its weights, such as ``"IMAGENET1K_V1"``; the newest of that network unless given.
        keep_head: leave the model's own head as it is, with any number of classes.
        progress: whether to show a bar while the file is fetched.

    Raises:
        ValueError: for a name or weights that torchvision does not have (the message lists the valid
            ones), or where they do not fit the model, for example because its head has not 1000 outputs;
            found out before anything is fetched.
        ConnectionError: if the file cannot be fetched, or ``BOOK_OFFLINE`` forbids it.
        OSError: if it cannot be written, as on a full disk.
    """
    from torchvision import models as published

    keep_head, progress = given.yes_or_no("keep_head", keep_head), given.yes_or_no("progress", progress)
    try:
        choices = published.get_model_weights(name)
    except ValueError:
        raise ValueError(
            f"torchvision has no network {name!r}; resnet18/34/50/101/152 have weights"
        ) from None
    if weights not in choices.__members__:
        allowed = ", ".join(choices.__members__)
        raise ValueError(f"{name} has no weights {weights!r}; torchvision has {allowed}")
    chosen = choices[weights]
    with torch.device("meta"):
        theirs = published.get_model(name, weights=None).state_dict()
    fitted(model, theirs, name=f"{name}'s {chosen.name}", keep_head=keep_head)
    filename = chosen.url.rsplit("/", 1)[-1]  # torchvision ends the name with the first digits of the sha256
    prefix = filename.rsplit("-", 1)[-1].removesuffix(".pth")
    bar = runtime.download_bar(filename) if progress else None
    most = 2 * 2**20 * chosen.meta.get("_file_size", downloads.MOST_BYTES / 2**21)  # stated in MiB
    kept = Path(torch.hub.get_dir()) / "checkpoints"
    path = downloads.fetch(filename, [chosen.url], sha256=prefix, also=[kept], most_bytes=most, bar=bar)
    load_weights(model, path, keep_head=keep_head)
    return chosen


@given.explained
def published_input(weights: WeightsEnum) -> dict[str, Any]:
    """What torchvision's weights want to see: ``size``, ``resize``, ``mean`` and ``std``.

    By the names that ``deployment.Classifier`` has for them: the picture's shorter side is scaled to
    ``resize`` pixels, and the middle ``size`` pixels are looked at (232 and 224 for the second edition, 256
    and 224 for the first). Mean and standard deviation are of each colour, in [0, 1].

    Args:
        weights: what ``load_imagenet`` returned.

    Raises:
        TypeError: if these are no weights of a classifier of torchvision's.
    """
    try:
        wanted = weights.transforms()
        sides = {"size": int(wanted.crop_size[0]), "resize": int(wanted.resize_size[0])}
    except AttributeError:
        raise TypeError(
            "weights must be those of a classifier of torchvision's, such as ResNet18_Weights.DEFAULT, got "
            f"{weights!r:.100}"
        ) from None
    return sides | {"mean": tuple(wanted.mean), "std": tuple(wanted.std)}


@given.explained
def card_of(model: ResNet, network: str, classes: Sequence[str]) -> dict[str, Any]:
    """What it takes to build a network again: "network", "options" of ``build`` and "classes", for a card.

    ``weights.save_weights(model, path, card=card_of(model, "resnet18", classes))`` writes a file that
    ``from_card`` reads. Only options that differ from the usual ones are named.

    Args:
        model: a network of ``build``.
        network: the name that it was built by.
        classes: the name of each of its outputs, in their order.

    Raises:
        ValueError: if ``model`` is no network of that name, or has another number of outputs, or ``classes``
            are no texts.
    """
    if not isinstance(model, ResNet):
        kind = f"{type(model).__module__}.{type(model).__qualname__}"
        raise ValueError(
            f"the model must come from models.build, got a {kind}; a ResNet of torchvision or timm gives its "
            "weights to ours: models.build(name, num_classes).load_state_dict(model.state_dict())"
        )
    if network not in SPECS:
        raise ValueError(f"unknown network {network!r}; the valid names are {', '.join(SPECS)}")
    if not isinstance(model.fc, nn.Linear):
        raise ValueError(f"the head must be one linear layer, as of build or reset_head, got {model.fc}")
    if not all(isinstance(name, str) for name in classes):
        raise ValueError(f"classes must be a list of names, each of them a text, got {classes!r:.200}")
    if len(classes) != model.fc.out_features:
        raise ValueError(f"need a name for each of {model.fc.out_features} classes, got {tuple(classes)}")
    usual = SPECS[network]
    options = {
        field.name: getattr(model.spec, field.name)
        for field in fields(usual)
        if field.name != "num_classes" and getattr(model.spec, field.name) != getattr(usual, field.name)
    }
    unlike = sorted(set(options) - _build_options())
    if unlike:
        raise ValueError(f"the model is no {network}: it has other {' and '.join(unlike)}")
    first = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    if first.in_channels != 3:
        options["in_channels"] = first.in_channels
    with torch.device("meta"):
        twin = build(network, len(classes), **options)
    if changed := _unlike(model, twin):
        raise ValueError(
            f"the model was changed after it was built ({changed}), so that its card could not build it again"
        )
    return {"network": network, "options": options, "classes": list(classes)}


def _unlike(model: ResNet, twin: ResNet) -> str:
    """Where a network and one built by the same options differ: the name and both kinds; "" if nowhere."""
    sides = [
        {name: "Linear" if isinstance(m, nn.Linear) else type(m).__name__ for name, m in net.named_modules()}
        for net in (model, twin)
    ]
    sides = [
        kinds | {name: str(tuple(value.shape)) for name, value in net.state_dict().items()}
        for kinds, net in zip(sides, (model, twin), strict=True)
    ]
    for name in {**sides[0], **sides[1]}:
        here, there = (side.get(name, "nothing") for side in sides)
        if here != there:
            return f"{name}: {here} instead of {there}"
    return ""


@given.explained
def from_card(path: str | Path, *, pretrained: bool = True, sha256: str | None = None) -> ResNet:
    """The network that the card of a checkpoint describes, with its weights and the head it was trained with.

    Args:
        path: a file of ours, whose card holds what ``card_of`` says.
        pretrained: load its weights; False leaves fresh ones: the opponent of fine-tuning.
        sha256: the checksum that the file must have, if its weights are loaded (default: any).

    Raises:
        FileNotFoundError: if there is no such file.
        IsADirectoryError: for a folder.
        ValueError: if the file has no such card, or its weights do not fit the network of the card.
    """
    pretrained = given.yes_or_no("pretrained", pretrained)
    notes, name = card(path), Path(path).name
    missing = {"network", "classes"} - set(notes)
    if missing:
        raise ValueError(f"the card of {name} does not say {' and '.join(sorted(missing))}")
    options, classes = notes.get("options", {}), notes["classes"]
    if not isinstance(options, dict) or not isinstance(classes, list):
        raise ValueError(
            f"the card of {name} has a list of classes and options by name, got {classes!r}, {options!r}"
        )
    unknown = sorted(set(options) - _build_options())
    if unknown:
        raise ValueError(f"the card of {name} has options that models.build does not know: {unknown}")
    model = build(notes["network"], len(classes), **options)
    if pretrained:
        load_weights(model, path, sha256=sha256)
    return model


def _build_options() -> set[str]:
    """The names of the options of ``build``."""
    return {
        name for name, option in signature(build).parameters.items() if option.kind is option.KEYWORD_ONLY
    }
