"""Fine-tuning on photographs of your own: train, then set the temperature and the threshold.

Introduced in chapter 5.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from resnet_utils import data, deployment, evaluation, runtime, training
from resnet_utils.data.pieces import AnySplit
from resnet_utils.evaluation import calibration, selective
from resnet_utils.finetuning.backbones import TEST_SHARE, Backbone
from resnet_utils.finetuning.parts import parameter_groups
from resnet_utils.finetuning.photographs import Parts
from resnet_utils.models import ResNet
from resnet_utils.runtime import given
from resnet_utils.runtime.speed import Fast
from resnet_utils.runtime.types import Device, LossFunction

BATCH = 32
STEPS, FEWEST_EPOCHS, MOST_EPOCHS = 120, 8, 60  # enough steps for few photographs, few passes for many
WEIGHT_DECAY = 1e-3


@given.explained
def default_epochs(count: int) -> int:
    """Passes over so many training photographs: at least 8, at most 60, else those that make 120 steps.

    Args:
        count: training photographs, at least 1.

    Raises:
        ValueError: if it is no whole number from 1 up.
    """
    count = given.whole_number("count", count)
    steps = max(1, count // BATCH)
    return min(MOST_EPOCHS, max(FEWEST_EPOCHS, math.ceil(STEPS / steps)))


@given.explained
def tune(
    start: Backbone,
    parts: Parts,
    *,
    epochs: int | None = None,
    lr: float | None = None,
    seed: int = 0,
    balanced: bool = False,
    device: Device | None = None,
    checkpoint: str | Path | None = None,
    fast: Fast = None,
    progress: bool = True,
) -> tuple[ResNet, training.History]:
    """Fine-tune a network on the training part; nothing is frozen.

    SGD in one cycle on random cut-outs, mirrored or not, that are smaller than the pictures of the test by
    the factor 4/3 (Touvron et al. 2019, arXiv:1906.06423): the recipe of ``experiments/best_recipe``.

    Args:
        start: the network, from ``choose_backbone``.
        parts: the photographs, read at ``start.size``.
        epochs: passes over the training part; None: ``default_epochs``.
        lr: peak of the rate; None: that of ``start``.
        seed: of the head, the order and the cut-outs.
        balanced: whether each class counts the same in the loss, however many photographs it has.
        device: where to compute; None: ``runtime.device()``.
        checkpoint: a file from which an interrupted run goes on, to the same bits.
        fast: how many bits to compute in: False, True, "auto" or None, as ``runtime.speed`` says; channels
            are last in any case. What a checkpoint was begun with stays.
        progress: whether to show how it goes.

    Returns:
        The trained network, and what was measured, with the validation part after each epoch.

    Raises:
        ValueError: if the photographs have another size, or the checkpoint belongs to another run.
        IsADirectoryError, NotADirectoryError: if ``checkpoint`` is a folder, or would lie in a file.
    """
    balanced, progress = given.yes_or_no("balanced", balanced), given.yes_or_no("progress", progress)
    given.of_kind("start", start, Backbone)
    if (size := parts.train.shape[-1]) != start.size:
        raise ValueError(f"the photographs were read at {size} pixels, the network wants {start.size}")
    place = runtime.device() if device is None else runtime.named_device(device)
    runtime.seed_everything(seed)
    model = start.with_head(len(parts.train.classes), seed=seed)
    model.to(memory_format=torch.channels_last).to(place)
    batches = _batches(start, parts.train, seed)
    epochs = default_epochs(len(parts.train)) if epochs is None else epochs
    lr = start.lr if lr is None else lr
    optimizer = training.sgd(
        model,
        lr,
        weight_decay=WEIGHT_DECAY,
        decay_norm_and_bias=False,
        groups=parameter_groups(model, lr, factor=1.0),
    )
    history = training.fit(
        model,
        batches,
        data.loader(parts.valid, BATCH, mean=start.mean, std=start.std),
        epochs=epochs,
        optimizer=optimizer,
        scheduler=training.one_cycle(optimizer, steps=max(epochs, 1) * len(batches)),
        device=place,
        loss_function=_loss(parts.train, place) if balanced else None,
        checkpoint=checkpoint,
        fast=fast,
        progress=progress,
    )
    return model, history


@given.explained
def to_classifier(
    model: ResNet, start: Backbone, parts: Parts, *, risk: float = 0.1
) -> deployment.Classifier:
    """The network as a classifier, with temperature and threshold from the validation part.

    The threshold is set so that at most a share ``risk`` of the answers is wrong, on photographs of the same
    kind, with probability 0.95. Where the validation part is too small for such a promise, the threshold is 0
    and every picture gets an answer.

    Args:
        model: from ``tune``.
        start: where it began.
        parts: the same photographs.
        risk: share of the answers that may be wrong, in (0, 1).

    Raises:
        ValueError: if ``risk`` lies outside.
    """
    if not 0 < risk < 1:
        raise ValueError(f"risk must lie between 0 and 1, got {risk}")
    plain = deployment.Classifier(
        model, start.network, parts.train.classes, size=start.size, mean=start.mean, std=start.std
    )
    logits, labels = plain.logits(parts.valid), parts.valid.labels
    temperature = calibration.fit_temperature(logits, labels)
    if evaluation.accuracy(logits, labels) == 1:  # no mistake says how sure it may be: not surer than it is
        temperature = max(1.0, temperature)
    threshold = selective.threshold_for_risk(
        logits, labels, temperature=temperature, risk=risk, otherwise=0.0
    )
    return replace(plain, temperature=temperature, threshold=threshold)


def _batches(start: Backbone, train: AnySplit, seed: int) -> torch.utils.data.DataLoader:
    """Random cut-outs of the training photographs, mirrored or not."""
    crop = max(24, round(start.size / TEST_SHARE / 8) * 8)
    augment = data.Compose([data.RandomResizedCrop(crop, seed=seed), data.RandomHorizontalFlip(seed=seed)])
    size = min(BATCH, len(train))
    return data.loader(
        train, size, shuffle=True, seed=seed, augment=augment, mean=start.mean, std=start.std, drop_last=True
    )


def _loss(train: AnySplit, device: torch.device) -> LossFunction:
    return nn.CrossEntropyLoss(weight=data.class_weights(train).to(device))
