"""The parts of a residual network, whoever built it: stem, stages, head; a new head, other input channels.

Introduced in chapter 5.

Our ``ResNet``, torchvision's and timm's share their parts' names: ``conv1``, ``bn1``, ``layer1`` ... and
``fc``. ``anatomy`` finds these parts by name, also inside DataParallel or a compiled network, so that
freezing, cached features, a linear probe and Grad-CAM work for all of them. What has no such parts is refused
in words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from resnet_utils.models.resnet import ResNet, fresh_head
from resnet_utils.runtime import given

HEADS = ("fc", "linear")  # torchvision and timm; many repositories for CIFAR-10
STAGE = re.compile(r"layer\d+")
WRAPPED = ("module", "_orig_mod")  # where DataParallel, AveragedModel and a compiled network keep theirs
ALLOWED = "allowed are models.build's networks, torchvision's and timm's ResNets, and others with these names"
HOW = ("sum", "mean", "repeat", "zero")

ModelOrState = TypeVar("ModelOrState", nn.Module, dict[str, Tensor])


@dataclass(frozen=True)
class Anatomy:
    """Where the parts of a network lie; the network itself is not copied.

    model: the bare network, without DataParallel and the like.
    parts: the modules of each part by its name, in the order an image passes them: ``stem``, ``layer1``, ...,
        ``fc``. Together they hold all parameters.
    head_name: what the network itself calls its head.
    num_classes: outputs of the head.
    """

    model: nn.Module
    parts: dict[str, list[nn.Module]]
    head_name: str
    num_classes: int

    @property
    def stages(self) -> list[str]:
        """The names of the stages: ``layer1``, ``layer2``, ..."""
        return [name for name in self.parts if name not in ("stem", "fc")]

    @property
    def head(self) -> nn.Module:
        """The head: what makes logits of one vector an image."""
        return self.model.get_submodule(self.head_name)

    def set_head(self, head: nn.Module) -> None:
        """Put another head in the place of the old one.

        Args:
            head: from vectors ``(N, C)`` to logits; it should lie where the network lies.
        """
        setattr(self.model, self.head_name, head)

    def vectors(self, images: Tensor) -> Tensor:
        """What the head gets for images (N, C, H, W): a vector each, ``(N, features)``, in the mode at hand.

        Args:
            images: where the network lies.

        Raises:
            ValueError: if the network gives its head anything else than one vector an image.
        """
        seen: list[Tensor] = []
        with _hooked(self.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))):
            self.model(images)
        if len(seen) != 1 or seen[0].ndim != 2:
            shapes = [tuple(one.shape) for one in seen]
            raise ValueError(f"the head of {_kind(self.model)} gets {shapes} instead of one vector an image")
        return seen[0]

    def with_map(self, images: Tensor, stage: str, change: Callable[[Tensor], Tensor]) -> Tensor:
        """Logits of images (N, C, H, W), with the map of a stage put through ``change`` on the way.

        Args:
            images: where the network lies.
            stage: one of ``stages``.
            change: from the stage's map to one of the same shape. The rest of the way gets a copy, so that a
                ReLU that works in place does not overwrite it.
        """
        last = self.parts[stage][-1]
        with _hooked(last.register_forward_hook(lambda _, inputs, out: change(out).clone())):
            return self.model(images)


@contextmanager
def _hooked(handle: RemovableHandle) -> Iterator[None]:
    """Remove a hook on leaving, also after an error."""
    try:
        yield
    finally:
        handle.remove()


@given.explained
def anatomy(model: nn.Module, *, caller: str = "anatomy") -> Anatomy:
    """The parts of a residual network.

    Args:
        model: of ``models.build``, torchvision, timm or anybody, if its direct parts are called as there;
            also in DataParallel, averaged or compiled.
        caller: the name of the function that asks, for the error.

    Raises:
        TypeError: if ``model`` has no such parts; the message says what it is and what is allowed. Also if
            ``caller`` is no text.
    """
    given.of_kind("caller", caller, str)
    if not isinstance(model, nn.Module):
        raise TypeError(f"{caller}() needs a network (nn.Module), got {type(model).__name__}")
    bare = innermost(model)
    if isinstance(bare, ResNet):
        return Anatomy(bare, bare.parts(), "fc", _outputs(bare.fc, bare, caller))
    children = dict(bare.named_children())
    stages = [name for name in children if STAGE.fullmatch(name)]
    head_name = next((name for name in HEADS if name in children), None)
    if "conv1" not in children or not stages or head_name is None:
        found = ", ".join([*list(children)[:6], *(["..."] if len(children) > 6 else [])]) or "none"
        raise TypeError(
            f"{caller}() needs a ResNet whose parts are called conv1, layer1, ... and fc; got a "
            f"{_kind(bare)} with the parts {found}; {ALLOWED}"
        )
    parts: dict[str, list[nn.Module]] = {"stem": []} | {name: [] for name in stages} | {"fc": []}
    place = "stem"  # what stands between two parts belongs to the one before it
    for name, child in children.items():
        place = name if name in stages else "fc" if name == head_name else place
        if any(True for _ in child.parameters()) or name in stages or name == head_name:
            parts[place].append(child)
    held = {id(p) for modules in parts.values() for module in modules for p in module.parameters()}
    loose = [name for name, p in bare.named_parameters() if id(p) not in held]
    after = parts["fc"][1:]
    if loose or after:
        what = ", ".join(loose[:3]) if loose else f"the {_kind(after[0])} behind its head"
        raise TypeError(
            f"{caller}() cannot tell to which part of the {_kind(bare)} belongs {what}; {ALLOWED}"
        )
    return Anatomy(bare, parts, head_name, _outputs(children[head_name], bare, caller))


@given.explained
def replace_head(model: nn.Module, num_classes: int, *, dropout: float = 0.0) -> None:
    """Put a fresh linear layer with ``num_classes`` outputs in place of the head, as ``ResNet.reset_head``.

    Works for every network that ``anatomy`` knows: torchvision's and timm's too.

    Args:
        model: the network, changed in place.
        num_classes: outputs of the new head, at least 2.
        dropout: chance with which each feature before it is left out in training, at least 0 and below 1.

    Raises:
        ValueError: if ``num_classes`` is below 2, or ``dropout`` not in [0, 1).
        TypeError: as ``anatomy``.
    """
    body = anatomy(model, caller="replace_head")
    if isinstance(body.model, ResNet):
        body.model.reset_head(num_classes, dropout=dropout)
        return
    old = next(module for module in body.head.modules() if isinstance(module, nn.Linear))
    body.set_head(fresh_head(old, num_classes, dropout=dropout).train(body.head.training))
    if isinstance(getattr(body.model, "num_classes", None), int):
        vars(body.model)["num_classes"] = num_classes  # timm's networks know theirs


@given.explained
def adapt_input(model_or_state: ModelOrState, channels: int, *, how: str = "sum") -> ModelOrState:
    """Trained weights for images with another number of channels: the first convolution gets other filters.

    A network is changed in place and returned; of a state dict comes a copy. ``how`` makes the filters of the
    new channels, from those of the c old ones:

    - ``"sum"``: each is their sum / ``channels``. For 1 channel that is the answer to the grey picture in c
      equal channels, to rounding, where each channel is normalised alike.
    - ``"mean"``: each is their mean, which makes the first map of a picture of equal channels larger by
      ``channels`` / c.
    - ``"repeat"``: the old ones in turn, R G B R ..., times c / ``channels``, so that a picture of equal
      channels keeps the size of its first map; what timm does.
    - ``"zero"``: the old ones stay, new ones begin at zero: with a fourth channel the answers are at first
      those of the first three.

    Args:
        model_or_state: a network that ``anatomy`` knows, or a state dict with its names.
        channels: of the images to come, at least 1.
        how: one of ``HOW``.

    Raises:
        ValueError: for fewer than 1 channel, an unknown ``how``, ``"zero"`` with fewer channels than before,
            a first convolution in groups, or a state dict without one.
        TypeError: as ``anatomy``.
    """
    if isinstance(channels, bool) or not isinstance(channels, int) or channels < 1:
        raise ValueError(f"channels must be a whole number of at least 1, got {channels!r}")
    if how not in HOW:
        raise ValueError(f"how must be one of {', '.join(HOW)}, got {how!r}")
    if isinstance(model_or_state, Mapping):
        key = next((k for k in model_or_state if re.search(r"(^|\.)conv1(\.0)?\.weight$", k)), None)
        if key is None:
            raise ValueError("the state dict has no conv1.weight; bring it to torchvision's names first")
        changed = dict(model_or_state)
        changed[key] = _other_channels(changed[key], channels, how)
        return changed  # pyright: ignore[reportReturnType] - the same kind as it came
    first = first_convolution(model_or_state)
    if first.groups != 1:
        raise ValueError(f"the first convolution has {first.groups} groups; only one can be adapted")
    with torch.no_grad():
        weight = _other_channels(first.weight, channels, how)
    first.weight = nn.Parameter(weight, requires_grad=first.weight.requires_grad)
    first.in_channels = channels
    return model_or_state


@given.explained
def first_convolution(model: nn.Module) -> nn.Conv2d:
    """The convolution that sees the image.

    Args:
        model: a network that ``anatomy`` knows.

    Raises:
        TypeError: as ``anatomy``.
    """
    stem = anatomy(model, caller="first_convolution").parts["stem"]
    return next(one for module in stem for one in module.modules() if isinstance(one, nn.Conv2d))


def _other_channels(weight: Tensor, channels: int, how: str) -> Tensor:
    """Filters ``(out, channels, h, w)`` made of ``weight`` (out, c, h, w), in its precision."""
    before = weight.shape[1]
    if how == "zero" and channels < before:
        raise ValueError(f"how='zero' adds channels, but {channels} are fewer than the {before} there are")
    if how == "zero":
        extra = weight.new_zeros(len(weight), channels - before, *weight.shape[2:])
        return torch.cat([weight.detach(), extra], dim=1)
    if how == "repeat":
        turn = torch.arange(channels, device=weight.device) % before
        return weight.detach()[:, turn] * (before / channels)
    whole = weight.detach().sum(dim=1, keepdim=True) / (channels if how == "sum" else before)
    return whole.repeat(1, channels, 1, 1)


@given.explained
def innermost(model: nn.Module) -> nn.Module:
    """The network inside DataParallel, an average or a compiled network; any other is handed back.

    Args:
        model: any module.
    """
    children = dict(model.named_children())
    inner = next((children[name] for name in WRAPPED if name in children), None)
    return model if inner is None or len(children) != 1 else innermost(inner)


def _outputs(head: nn.Module, model: nn.Module, caller: str) -> int:
    """Outputs of a head: those of its last linear layer."""
    layers = [module for module in head.modules() if isinstance(module, nn.Linear)]
    if not layers:
        raise TypeError(
            f"{caller}() needs a head with a linear layer, but that of the {_kind(model)} is a {_kind(head)}"
        )
    return layers[-1].out_features


def _kind(module: nn.Module) -> str:
    """The class of a module with where it comes from: ``torchvision.models.vgg.VGG``."""
    kind = type(module)
    return kind.__qualname__ if kind.__module__ == "__main__" else f"{kind.__module__}.{kind.__qualname__}"
