"""Networks that come with weights: the shipped checkpoint, and torchvision's published ones.

Introduced in chapters 4 and 5.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from resnet_utils.files import downloads
from resnet_utils.files.weights import card, load_weights
from resnet_utils.models.resnet import ResNet, build

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum


def shipped(name: str) -> Path:
    """Path of the checkpoint ``name`` that comes with the package.

    Args:
        name: file name without ending, for example ``"resnet18-source"``.

    Raises:
        ValueError: if there is none of that name; the message lists those there are.
    """
    folder = Path(str(resources.files("resnet_utils.models"))) / "weights"
    names = sorted(path.stem for path in folder.glob("*.safetensors"))
    if name not in names:
        raise ValueError(f"no shipped checkpoint {name!r}; there are: {', '.join(names) or 'none'}")
    return folder / f"{name}.safetensors"


def load_imagenet(model: nn.Module, name: str, *, weights: str = "IMAGENET1K_V2") -> WeightsEnum:
    """Load torchvision's published ImageNet weights into our ``model``, key for key.

    Needs a network the first time; the file is then kept in ``downloads.cache_folder()``. Returns
    torchvision's enum member: its ``transforms()`` prepare an image, its ``meta`` has the published accuracy.

    Args:
        model: the network that is filled, in place; ``build(name)``, with 1000 outputs.
        name: torchvision's name of it, for example ``"resnet50"``.
        weights: torchvision's name of the weights.

    Raises:
        ValueError: for a name or weights that torchvision does not have (the message lists the valid
            ones), or where the file does not fit the model, for example because its head has not 1000
            outputs.
    """
    from torchvision import models as published

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
    filename = chosen.url.rsplit("/", 1)[-1]  # torchvision ends the name with the first digits of the sha256
    prefix = filename.rsplit("-", 1)[-1].removesuffix(".pth")
    load_weights(model, downloads.fetch(filename, [chosen.url], sha256=prefix))
    return chosen


def from_card(path: str | Path, *, pretrained: bool = True) -> ResNet:
    """The network that the card of a checkpoint describes, with its weights and the head it was trained with.

    The card (``weights.card``) holds "network" and "classes", and where they are not the usual ones
    "width" and "stem".

    Args:
        path: the checkpoint, a safetensors file.
        pretrained: False leaves the weights fresh ones: the opponent of fine-tuning.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file has no such card, or its weights do not fit the network of the card.
    """
    notes = card(path)
    missing = {"network", "classes"} - set(notes)
    if missing:
        raise ValueError(f"the card of {Path(path).name} does not say {' and '.join(sorted(missing))}")
    width = int(notes["width"]) if "width" in notes else None
    model = build(notes["network"], len(notes["classes"].split(", ")), width=width, stem=notes.get("stem"))
    if pretrained:
        load_weights(model, path)
    return model
