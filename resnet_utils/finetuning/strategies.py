"""Six ways to use a trained network for another task, one function for all of them.

Introduced in chapter 5.

What they are made of stands in ``parts`` (frozen parts, rates by part) and in ``probe`` (cached
features and a linear head). A frozen BatchNorm must also stay in eval mode: ``training.train_one_epoch`` sees
to it (``training.train_mode``).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from torch.utils.data import DataLoader

from resnet_utils import training
from resnet_utils.finetuning.parts import (
    freeze,
    parameter_groups,
    unfreeze,
    unfreezing,
)
from resnet_utils.finetuning.probe import _probe
from resnet_utils.models import ResNet
from resnet_utils.runtime import types


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


def fine_tune(
    model: ResNet,
    way: str,
    train_loader: DataLoader,
    *,
    valid_loader: DataLoader | None,
    epochs: int,
    lr: float,
    device: types.Device,
    factor: float = 0.3,
    weight_decay: float = 5e-4,
    probe_decay: float = 0.01,
    loss_function: types.LossFunction | None = None,
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
    phases = [(list(model.parts()), epochs)]
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
