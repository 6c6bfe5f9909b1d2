"""A trained network to start from, and its parts: a new head, frozen parts, rates that differ by part.

Introduced in chapter 5.

The parts of a network are named in the order the image passes them: ``stem`` (``conv1`` and ``bn1``), the
stages ``layer1``, ``layer2``, ..., and the head ``fc``. A frozen BatchNorm must also stay in eval mode:
``training.train_one_epoch`` sees to it (``training.train_mode``).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from resnet_utils.models import ResNet

ALL_BUT_HEAD = "all but head"


def parts(model: ResNet) -> dict[str, list[nn.Module]]:
    """The modules of each part by the part's name, from the stem to the head; together all parameters."""
    stages = {name: [model.get_submodule(name)] for name in model.stages}
    return {"stem": [model.conv1, model.bn1], **stages, "fc": [model.fc]}


class DropoutLinear(nn.Linear):
    """A linear layer that in train mode sets each input to zero with the given chance and scales up the rest.

    Shapes: ``(N, in_features) -> (N, out_features)``. Its parameters are called as those of a plain linear
    layer, so a checkpoint does not depend on the dropout. Draws from torch's global generator.
    Source: Srivastava et al. 2014, Journal of Machine Learning Research 15, section 4.
    """

    def __init__(self, in_features: int, out_features: int, chance: float) -> None:
        super().__init__(in_features, out_features)
        self.chance = chance

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(nn.functional.dropout(x, self.chance, self.training))


def replace_head(model: ResNet, num_classes: int, *, dropout: float = 0.0) -> None:
    """Put a fresh linear layer with ``num_classes`` outputs in place of ``model.fc``, trainable.

    It has torch's own initialisation, drawn on the CPU, and the old head's device and precision. ``dropout``
    is the chance with which each feature before it is left out in training.

    Raises:
        ValueError: if ``num_classes`` is below 2, or ``dropout`` not in [0, 1).
    """
    if num_classes < 2:
        raise ValueError(f"num_classes must be at least 2, got {num_classes}")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be at least 0 and below 1, got {dropout}")
    old, channels = model.fc.weight, model.fc.in_features
    head = DropoutLinear(channels, num_classes, dropout) if dropout else nn.Linear(channels, num_classes)
    model.fc = head.to(old.device, old.dtype)


def freeze(model: ResNet, through: str = ALL_BUT_HEAD) -> None:
    """Freeze the parameters from the stem up to and including the part ``through``; leave the others alone.

    Raises:
        ValueError: if ``through`` names no part; the head cannot be the last one frozen, since then
            nothing would be left to train.
    """
    names = [name for name in parts(model) if name != "fc"]
    if through not in [*names, ALL_BUT_HEAD]:
        raise ValueError(f"through must be one of {', '.join([*names, ALL_BUT_HEAD])}, got {through!r}")
    last = names[-1] if through == ALL_BUT_HEAD else through
    for name in names[: names.index(last) + 1]:
        _set_trainable(model, name, False)


def unfreeze(model: ResNet, part: str) -> None:
    """Make the parameters of one part trainable again, ``"layer4"`` for example; leave the others alone.

    Raises:
        ValueError: if ``part`` names no part.
    """
    if part not in parts(model):
        raise ValueError(f"part must be one of {', '.join(parts(model))}, got {part!r}")
    _set_trainable(model, part, True)


def _set_trainable(model: ResNet, part: str, trainable: bool) -> None:
    for module in parts(model)[part]:
        module.requires_grad_(trainable)


def parameter_groups(model: ResNet, lr: float, *, factor: float = 0.3) -> list[dict[str, Any]]:
    """One group of trainable parameters a part, for ``training.sgd(model, lr, groups=...)``, stem first.

    The head learns at ``lr`` and each part below it at ``factor`` times the rate of the part above: early
    layers hold what many tasks share. A frozen part has no group. Each group also carries its "name".
    Source: Howard and Ruder 2018, arXiv:1801.06146, section 3.2 (they divide by 2.6 a layer).

    Raises:
        ValueError: if ``factor`` is not in (0, 1], or everything is frozen.
    """
    if not 0 < factor <= 1:
        raise ValueError(f"factor must be above 0 and at most 1, got {factor}")
    groups = []
    for depth, (name, modules) in enumerate(reversed(parts(model).items())):
        trainable = [p for module in modules for p in module.parameters() if p.requires_grad]
        if trainable:
            groups.insert(0, {"name": name, "params": trainable, "lr": lr * factor**depth})
    if not groups:
        raise ValueError("every parameter is frozen: replace the head or unfreeze a part first")
    return groups


def unfreezing(model: ResNet, epochs: int) -> list[tuple[list[str], int]]:
    """Which parts to open and for how many epochs to train then, phase by phase, from the head downward.

    One epoch a phase, and the last one has all that remain. With fewer epochs than parts, the lowest parts
    open together. Source: Howard and Ruder 2018, arXiv:1801.06146, section 3.3.

    Raises:
        ValueError: if ``epochs`` is below 1.
    """
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs}")
    downward = list(reversed(parts(model)))
    alone = min(len(downward), epochs) - 1  # phases that open one part
    phases = [([name], 1) for name in downward[:alone]]
    return [*phases, (downward[alone:], epochs - alone)]
