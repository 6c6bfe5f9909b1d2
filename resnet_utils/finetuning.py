"""Six ways to use a trained network for another task, one function for all of them.

Introduced in chapter 5.

What they are made of stands in ``finetuning_parts`` (the backbone, a new head, frozen parts, rates by part)
and in ``finetuning_probe`` (cached features and a linear head), and is offered from here too. A frozen
BatchNorm must also stay in eval mode: ``training.train_one_epoch`` sees to it (``training.train_mode``).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, fields

import torch
from torch import nn
from torch.utils.data import DataLoader

from resnet_utils import training
from resnet_utils.finetuning_parts import (
    ALL_BUT_HEAD,
    DropoutLinear,
    freeze,
    from_card,
    parameter_groups,
    parts,
    replace_head,
    unfreeze,
)
from resnet_utils.finetuning_probe import cached_features, linear_probe
from resnet_utils.models import ResNet

__all__ = [
    "ALL_BUT_HEAD", "WAYS", "DropoutLinear", "Way", "cached_features", "fine_tune", "freeze", "from_card",
    "linear_probe", "parameter_groups", "parts", "replace_head", "unfreeze", "unfreezing",
]  # fmt: skip


@dataclass(frozen=True)
class Way:
    """One way to come to a classifier.

    pretrained: whether it starts from trained weights.  learns: "everything", "head", or "part by part".
    rates: "equal", or "by part": each part slower than the one above.  cached: features computed once.
    """

    pretrained: bool
    learns: str
    rates: str = "equal"
    cached: bool = False


WAYS = {
    "from scratch": Way(pretrained=False, learns="everything"),
    "linear probe": Way(pretrained=True, learns="head", cached=True),
    "frozen backbone": Way(pretrained=True, learns="head"),
    "full fine-tuning": Way(pretrained=True, learns="everything"),
    "discriminative rates": Way(pretrained=True, learns="everything", rates="by part"),
    "gradual unfreezing": Way(pretrained=True, learns="part by part", rates="by part"),
}


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


def fine_tune(
    model: ResNet,
    way: str,
    train_loader: DataLoader,
    *,
    valid_loader: DataLoader | None,
    epochs: int,
    lr: float,
    device: training.Device,
    factor: float = 0.3,
    weight_decay: float = 5e-4,
    probe_decay: float = 0.01,
    loss_function: training.LossFunction | None = None,
    progress: bool = False,
) -> training.History:
    """Train ``model`` in one of the ``WAYS``; it comes with its new head and, where wanted, trained weights.

    SGD with momentum, in one cycle that peaks at ``lr``; ``factor`` is the step of the rates from part to
    part. The way decides what is frozen, whatever was before, and leaves it so. Gradual unfreezing has a
    cycle of its own in each phase. The linear probe ignores ``epochs`` and ``lr``: it has one best answer,
    with ``probe_decay``, and its history one entry.

    Raises:
        ValueError: for an unknown way, no epoch, a ``factor`` not in (0, 1], or a linear probe of augmented
            images, whose features would not stay the same.
    """
    if way not in WAYS:
        raise ValueError(f"way must be one of {', '.join(WAYS)}, got {way!r}")
    model.requires_grad_(True)
    if WAYS[way].cached:
        return _probe(model, train_loader, valid_loader, device=device, probe_decay=probe_decay)
    phases = [(list(parts(model)), epochs)]
    if WAYS[way].learns != "everything":
        freeze(model)
        phases = [(["fc"], epochs)] if WAYS[way].learns == "head" else unfreezing(model, epochs)
    history = training.History()
    for opened, num_epochs in phases:
        for name in opened:
            unfreeze(model, name)
        groups = parameter_groups(model, lr, factor=factor if WAYS[way].rates == "by part" else 1.0)
        optimizer = training.sgd(
            model, lr, weight_decay=weight_decay, decay_norm_and_bias=False, groups=groups
        )
        schedule = training.one_cycle(optimizer, steps=max(num_epochs, 1) * len(train_loader))
        more = training.fit(
            model,
            train_loader,
            valid_loader,
            epochs=num_epochs,
            optimizer=optimizer,
            scheduler=schedule,
            device=device,
            loss_function=loss_function,
            progress=progress,
        )
        for column in fields(history):
            getattr(history, column.name).extend(getattr(more, column.name))
    return history


def _probe(
    model: ResNet,
    train_loader: DataLoader,
    valid_loader: DataLoader | None,
    *,
    device: training.Device,
    probe_decay: float,
) -> training.History:
    if getattr(train_loader.dataset, "augment", None) is not None:
        raise ValueError("a linear probe sees each image once, as it is: give it a loader without augment")
    freeze(model)
    started = time.perf_counter()
    features, labels = cached_features(model, train_loader, device)
    head = linear_probe(features, labels, num_classes=model.fc.out_features, weight_decay=probe_decay)
    with torch.no_grad():
        logits = head(features)
    model.fc = head.to(device)
    history = training.History(lr=[0.0], seconds=[time.perf_counter() - started])
    history.train_loss.append(nn.functional.cross_entropy(logits, labels).item())
    history.train_accuracy.append((logits.argmax(dim=1) == labels).double().mean().item())
    if valid_loader is not None:
        loss, accuracy = training.evaluate(model, valid_loader, device)
        history.valid_loss.append(loss)
        history.valid_accuracy.append(accuracy)
    return history
