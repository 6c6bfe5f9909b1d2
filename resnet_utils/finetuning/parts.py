"""The parts of a trained network: frozen parts, rates that differ by part, parts opened one by one.

Introduced in chapter 5.

The parts of a network are those of ``models.anatomy``: ``stem``, the stages ``layer1``, ``layer2``, ..., and
the head ``fc``; torchvision's and timm's ResNets have them too. A frozen BatchNorm must also stay in eval
mode: ``training.train_one_epoch`` sees to it (``training.train_mode``).
"""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from resnet_utils.models.anatomy import anatomy
from resnet_utils.runtime import given

ALL_BUT_HEAD = "all but head"


@given.explained
def freeze(model: nn.Module, through: str = ALL_BUT_HEAD) -> None:
    """Freeze the parameters from the stem up to and including one part; leave the others alone.

    Args:
        model: whose parameters stop learning.
        through: the last part that is frozen, ``"layer2"`` for example, or ``ALL_BUT_HEAD``.

    Raises:
        ValueError: if ``through`` names no part; the head cannot be the last one frozen, since then
            nothing would be left to train.
        TypeError: if the parts of ``model`` cannot be told (``models.anatomy``).
    """
    parts = anatomy(model, caller="freeze").parts
    names = [name for name in parts if name != "fc"]
    if through not in [*names, ALL_BUT_HEAD]:
        raise ValueError(f"through must be one of {', '.join([*names, ALL_BUT_HEAD])}, got {through!r}")
    last = names[-1] if through == ALL_BUT_HEAD else through
    for name in names[: names.index(last) + 1]:
        _set_trainable(parts[name], False)


@given.explained
def unfreeze(model: nn.Module, part: str) -> None:
    """Make the parameters of one part trainable again; leave the others alone.

    Args:
        model: whose parameters learn again.
        part: ``"layer4"`` for example.

    Raises:
        ValueError: if ``part`` names no part.
        TypeError: as ``freeze``.
    """
    parts = anatomy(model, caller="unfreeze").parts
    if part not in parts:
        raise ValueError(f"part must be one of {', '.join(parts)}, got {part!r}")
    _set_trainable(parts[part], True)


def _set_trainable(modules: list[nn.Module], trainable: bool) -> None:
    for module in modules:
        module.requires_grad_(trainable)


@given.explained
def parameter_groups(model: nn.Module, lr: float, *, factor: float = 0.3) -> list[dict[str, Any]]:
    """One group of trainable parameters a part, for ``training.sgd(model, lr, groups=...)``, stem first.

    Early layers hold what many tasks share, so they learn more slowly. A frozen part has no group. Each group
    also carries its "name". Source: Howard and Ruder 2018, arXiv:1801.06146, section 3.2 (they divide by 2.6
    a layer).

    Args:
        model: whose parameters learn.
        lr: the rate of the head.
        factor: what each part's rate is of that of the part above, in (0, 1].

    Raises:
        ValueError: if ``factor`` is not in (0, 1], ``lr`` below 0 or not finite, or everything is frozen.
        TypeError: as ``freeze``.
    """
    lr, factor = given.real_number("lr", lr), given.real_number("factor", factor)
    if not 0 < factor <= 1:
        raise ValueError(f"factor must be above 0 and at most 1, got {factor}")
    if not 0 <= lr < math.inf:
        raise ValueError(f"lr must be at least 0 and finite, got {lr}")
    groups, parts = [], anatomy(model, caller="parameter_groups").parts
    for depth, (name, modules) in enumerate(reversed(parts.items())):
        trainable = [p for module in modules for p in module.parameters() if p.requires_grad]
        if trainable:
            groups.insert(0, {"name": name, "params": trainable, "lr": lr * factor**depth})
    if not groups:
        raise ValueError("every parameter is frozen: replace the head or unfreeze a part first")
    return groups


@given.explained
def unfreezing(model: nn.Module, epochs: int) -> list[tuple[list[str], int]]:
    """Which parts to open and for how many epochs to train then, phase by phase, from the head downward.

    One epoch a phase, and the last one has all that remain. With fewer epochs than parts, the lowest parts
    open together. Source: Howard and Ruder 2018, arXiv:1801.06146, section 3.3.

    Args:
        model: whose parts are counted.
        epochs: of all phases together, at least 1.

    Returns:
        Names of the parts to open, and epochs, for each phase.

    Raises:
        ValueError: if ``epochs`` is no whole number from 1 up.
        TypeError: as ``freeze``.
    """
    epochs = given.whole_number("epochs", epochs)
    downward = list(reversed(anatomy(model, caller="unfreezing").parts))
    alone = min(len(downward), epochs) - 1  # phases that open one part
    phases = [([name], 1) for name in downward[:alone]]
    return [*phases, (downward[alone:], epochs - alone)]
