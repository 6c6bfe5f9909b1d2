"""Six ways to use a trained network for another task, one function for all of them.

Introduced in chapter 5.

What they are made of stands in ``parts`` (frozen parts, rates by part) and in ``probe`` (cached
features and a linear head). A frozen BatchNorm must also stay in eval mode: ``training.train_one_epoch`` sees
to it (``training.train_mode``).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, fields

import torch
from torch import nn

from resnet_utils import evaluation, runtime, training
from resnet_utils.finetuning.parts import freeze, parameter_groups, unfreeze, unfreezing
from resnet_utils.finetuning.probe import cached_features, linear_probe
from resnet_utils.models.anatomy import anatomy
from resnet_utils.runtime import given, speed
from resnet_utils.runtime.speed import Fast
from resnet_utils.runtime.types import Batches, Device, LossFunction
from resnet_utils.training.run import length


@dataclass(frozen=True)
class Way:
    """One way to come to a classifier.

    Args:
        pretrained: whether it starts from trained weights.
        learns: "everything", "head", or "part by part".
        rates: "equal", or "by part": each part slower than the one above.
        cached: whether features are computed once.
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


@given.explained
def fine_tune(
    model: nn.Module,
    train_loader: Batches,
    valid_loader: Batches | None = None,
    *,
    way: str,
    epochs: int,
    lr: float,
    device: Device | None = None,
    factor: float = 0.3,
    weight_decay: float = 5e-4,
    probe_decay: float = 0.01,
    loss_function: LossFunction | None = None,
    fast: Fast = None,
    progress: bool = False,
) -> training.History:
    """Train a network in one of the ``WAYS``.

    SGD with momentum, in one cycle. The way decides what is frozen, whatever was before, and leaves it so.
    Gradual unfreezing has a cycle of its own in each phase. The linear probe ignores ``epochs`` and ``lr``:
    it has one best answer, and its history one entry.

    Args:
        model: comes with its new head (``models.replace_head``) and, where wanted, trained weights; it is
            trained in place. torchvision's and timm's ResNets will do (``models.anatomy``).
        train_loader: batches of images and labels; for a linear probe not augmented.
        valid_loader: batches to evaluate on after each epoch; None: no evaluation.
        way: one of ``WAYS``.
        epochs: passes over ``train_loader``, of all phases together.
        lr: the rate of the head at the peak of its cycle.
        device: where to compute; None: where the model lies.
        factor: what each part's rate is of that of the part above, in (0, 1], where the way's rates differ.
        weight_decay: of everything but biases and BatchNorms; not for the linear probe.
        probe_decay: of the linear probe, above 0.
        loss_function: ``loss_function(logits, labels)`` gives the mean over a batch; None: cross-entropy. The
            linear probe always takes cross-entropy.
        fast: in which order of memory and how many bits to compute: False, True, "auto" or None, as
            ``runtime.speed`` says.
        progress: whether to show a bar for each epoch.

    Returns:
        What ``training.fit`` measured, phase after phase.

    Raises:
        ValueError: for an unknown way, no epoch, a rate or decay that is none, a ``factor`` not in (0, 1], a
            loader that can be gone through only once, a ``progress`` that is neither True nor False, or a
            linear probe of augmented images, whose features would not stay the same. Nothing is frozen or
            trained then.
        TypeError: if the parts of ``model`` cannot be told.
        FloatingPointError: if the loss, or a feature, becomes NaN.
    """
    if not isinstance(way, str) or way not in WAYS:
        raise ValueError(f"way must be one of {', '.join(WAYS)}, got {way!r}")
    fast, progress = speed.asked(fast), given.yes_or_no("progress", progress)
    _require_numbers(lr=lr, factor=factor, weight_decay=weight_decay, probe_decay=probe_decay)
    epochs = given.whole_number("epochs", epochs, least=0 if WAYS[way].cached else 1)
    steps = _batches_in(train_loader, WAYS[way], epochs)
    anatomy(model, caller="fine_tune")
    runtime.chosen_device(device, model)
    if WAYS[way].cached:
        with speed.using(fast):
            return _fit_probe(model, train_loader, valid_loader, device=device, weight_decay=probe_decay)
    history = training.History()
    for opened, num_epochs in _phases(model, WAYS[way], epochs):
        for name in opened:
            unfreeze(model, name)
        groups = parameter_groups(model, lr, factor=factor if WAYS[way].rates == "by part" else 1.0)
        optimizer = training.sgd(
            model, lr, weight_decay=weight_decay, decay_norm_and_bias=False, groups=groups
        )
        schedule = training.one_cycle(optimizer, steps=num_epochs * steps)
        more = training.fit(
            model,
            train_loader,
            valid_loader,
            epochs=num_epochs,
            optimizer=optimizer,
            scheduler=schedule,
            device=device,
            loss_function=loss_function,
            fast=fast,
            progress=progress,
        )
        _append(history, more)
    return history


def _append(history: training.History, more: training.History) -> None:
    """Add the epochs of another phase."""
    for column in fields(history):
        getattr(history, column.name).extend(getattr(more, column.name))


def _phases(model: nn.Module, way: Way, epochs: int) -> list[tuple[list[str], int]]:
    """Which parts to open, and for how many epochs to train then; what does not learn at first is frozen."""
    if way.learns == "everything":
        return [(list(anatomy(model, caller="fine_tune").parts), epochs)]
    freeze(model)
    return [(["fc"], epochs)] if way.learns == "head" else unfreezing(model, epochs)


def _require_numbers(*, lr: float, factor: float, weight_decay: float, probe_decay: float) -> None:
    """Refuse rates and decays that are none, before anything has changed."""
    for name, value in (("lr", lr), ("factor", factor), ("weight_decay", weight_decay)):
        if not 0 <= given.real_number(name, value) < math.inf:
            raise ValueError(f"{name} must be at least 0 and finite, got {value}")
    if not 0 < given.real_number("probe_decay", probe_decay) < math.inf:
        raise ValueError(f"probe_decay must be above 0 and finite, got {probe_decay}")


def _batches_in(loader: Batches, way: Way, epochs: int) -> int:
    """How many batches an epoch has; what cannot be gone through as the way does it is refused."""
    given.require_batches(loader, name="train_loader", times=1 if way.cached else epochs + 1)
    if way.cached and getattr(getattr(loader, "dataset", None), "augment", None) is not None:
        raise ValueError("a linear probe sees each image once, as it is: give it a loader without augment")
    steps = length(loader)
    if not way.cached and not steps:
        what = "has no length" if steps is None else "is empty"
        raise ValueError(f"one cycle of the rate counts the batches before it begins; train_loader {what}")
    return steps or 0


def _fit_probe(
    model: nn.Module,
    train_loader: Batches,
    valid_loader: Batches | None,
    *,
    device: Device | None,
    weight_decay: float,
) -> training.History:
    """Give the model the best head for its features; a history of one entry."""
    place, body = runtime.chosen_device(device, model), anatomy(model, caller="fine_tune")
    freeze(model)
    started = time.perf_counter()
    features, labels = cached_features(model, train_loader, device=place)
    head = linear_probe(features, labels, num_classes=body.num_classes, weight_decay=weight_decay)
    with torch.no_grad():
        logits = head(features)
    body.set_head(head.to(place).train(body.head.training))
    history = training.History(lr=[0.0], seconds=[time.perf_counter() - started])
    history.train_loss.append(nn.functional.cross_entropy(logits, labels).item())
    history.train_accuracy.append((logits.argmax(dim=1) == labels).double().mean().item())
    if valid_loader is not None:
        loss, accuracy = evaluation.evaluate(model, valid_loader, device=place)
        history.valid_loss.append(loss)
        history.valid_accuracy.append(accuracy)
    return history
