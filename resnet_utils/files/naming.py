"""One name for one weight: what others call the tensors of a residual network, and what torchvision does.

Introduced in chapters 4, 5 and 7.

Files come from training loops, wrappers and libraries that each put something in front of a name, or have a
word of their own. ``canonical`` brings all of them to torchvision's names:

=====================================  =============================================================
``module.``, ``_orig_mod.``            of DataParallel and ``torch.compile``, anywhere in a name: left out
``PREFIXES``                           ``model.``, ``backbone.`` and others in front, of Lightning and
                                       of one's own classes, in any number: left out
``linear.``, ``last_linear.``          the head ``fc.``, in repositories for CIFAR-10 and older libraries
``layer1.0.shortcut.0``                ``layer1.0.downsample.0``, likewise
``resnet.embedder.``, ``.encoder.``    transformers' (Hugging Face) ``ResNetForImageClassification``
=====================================  =============================================================

timm's ResNets have torchvision's names already.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from resnet_utils.runtime import given

WRAPPERS = (  # the entries under which files keep a state dict; the averaged weights (EMA) come last
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "weights",
    "params",
    "module",
    "state_dict_ema",
    "model_ema",
    "ema_state_dict",
    "ema",
    "params_ema",
)
PREFIXES = {"model", "backbone", "encoder", "net", "network", "resnet", "base_model", "ema_model"}
WRAPPED = {"module", "_orig_mod"}
NOT_WEIGHTS = {"n_averaged"}  # AveragedModel's counter
DEEPEST = 4  # entries within entries
HEADS = re.compile(r"^(?:linear|last_linear)\.")
SHORTCUT = re.compile(r"^(layer\d+\.\d+)\.shortcut\.")
# transformers/models/resnet/modeling_resnet.py, and its converter from torchvision's names
HUGGING_FACE = (
    (re.compile(r"^embedder\.embedder\.convolution\."), "conv1."),
    (re.compile(r"^embedder\.embedder\.normalization\."), "bn1."),
    (re.compile(r"^classifier\.1\."), "fc."),
    (re.compile(r"^stages\.(\d+)\.layers\.(\d+)\.shortcut\.convolution\."), "layer{0}.{1}.downsample.0."),
    (re.compile(r"^stages\.(\d+)\.layers\.(\d+)\.shortcut\.normalization\."), "layer{0}.{1}.downsample.1."),
    (re.compile(r"^stages\.(\d+)\.layers\.(\d+)\.layer\.(\d+)\.convolution\."), "layer{0}.{1}.conv{2}."),
    (re.compile(r"^stages\.(\d+)\.layers\.(\d+)\.layer\.(\d+)\.normalization\."), "layer{0}.{1}.bn{2}."),
)


class NoStateError(ValueError):
    """A file holds no state dict where one was looked for."""


def canonical(name: str) -> str:
    """Torchvision's name for the tensor that someone calls ``name``; an unknown one only loses its prefix.

    Args:
        name: such as ``"module.model.layer1.0.shortcut.0.weight"``.

    Raises:
        TypeError: if it is no text.
    """
    given.of_kind("name", name, str)
    words = [word for word in name.split(".") if word not in WRAPPED]
    while len(words) > 1 and words[0] in PREFIXES:
        del words[0]
    bare = ".".join(words)
    for pattern, form in HUGGING_FACE:
        if found := pattern.match(bare):
            numbers = [int(number) for number in found.groups()]
            # Their stages and layers of a block count from 0, torchvision's from 1; blocks from 0 in both.
            counted = [number if place == 1 else number + 1 for place, number in enumerate(numbers)]
            return form.format(*counted) + bare[found.end() :]
    return SHORTCUT.sub(r"\1.downsample.", HEADS.sub("fc.", bare))


def transformers_name(name: str) -> str:
    """What transformers' ``ResNetForImageClassification`` calls the tensor that torchvision calls ``name``.

    The other way round than ``canonical``.

    Args:
        name: such as ``"layer1.0.downsample.0.weight"``.

    Raises:
        ValueError: if torchvision's ResNets have no such name.
        TypeError: if it is no text.
    """
    given.of_kind("name", name, str)
    kinds = {"conv": "convolution", "bn": "normalization", "0": "convolution", "1": "normalization"}
    if found := re.fullmatch(r"(conv|bn)1\.(\w+)", name):
        return f"resnet.embedder.embedder.{kinds[found[1]]}.{found[2]}"
    if found := re.fullmatch(r"fc\.(weight|bias)", name):
        return f"classifier.1.{found[1]}"
    found = re.fullmatch(r"layer([1-4])\.(\d+)\.(?:downsample\.([01])|(conv|bn)([1-3]))\.(\w+)", name)
    if not found:
        raise ValueError(f"expected a name of torchvision's ResNets such as 'fc.weight', got {name!r}")
    stage, block, projection, kind, place, rest = found.groups()
    layer = "shortcut" if projection else f"layer.{int(place) - 1}"
    return f"resnet.encoder.stages.{int(stage) - 1}.layers.{block}.{layer}.{kinds[projection or kind]}.{rest}"


def find_state(content: Any, *, entry: str | None = None) -> tuple[dict[str, Tensor], str]:
    """The state dict in what a file holds, and the names of the entries that lead to it, joined by dots.

    Args:
        content: a state dict, or a dictionary with one under a name of ``WRAPPERS``, in some depth.
        entry: the name to take at the top, such as ``"state_dict_ema"``; None: the first of ``WRAPPERS``.

    Raises:
        NoStateError: if there is none; the message lists what there is.
        TypeError: if ``entry`` is no text.
    """
    given.of_kind("entry", entry, (str, type(None)))
    way: list[str] = []
    while len(way) < DEEPEST and isinstance(content, Mapping):
        if entry is not None and not way:
            if entry not in content:
                raise NoStateError(f"there is no entry {entry!r}, only {listed(content)}")
            content, way = content[entry], [entry]
            continue
        tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
        if tensors and len(tensors) == len(content):
            return tensors, ".".join(way)
        inner = [name for name in WRAPPERS if isinstance(content.get(name), Mapping)]
        if not inner:
            break
        content = content[inner[0]]
        way.append(inner[0])
    place = f" under {'.'.join(way)!r}" if way else ""
    raise NoStateError(
        f"expected names with tensors, bare or under 'state_dict', 'model' and the like, got{place} "
        f"{listed(content)}"
    )


def listed(content: Any) -> str:
    """What something that is no state dict holds, in a few words.

    Args:
        content: anything.
    """
    if not isinstance(content, Mapping):
        return f"{type(content).__name__.strip('_')}, which is no dictionary"
    if not content:
        return "an empty dictionary"
    shown = [f"{str(key)[:40]!r} ({type(value).__name__})" for key, value in list(content.items())[:6]]
    return ", ".join(shown) + (f" and {len(content) - 6} more" if len(content) > 6 else "")
