"""How a network is trained: the optimiser, the schedules of its learning rate, and 16-bit arithmetic.

Introduced in chapter 4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import NoneType
from typing import Any

import torch
from torch import nn
from torch.amp import GradScaler
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    CyclicLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
)

from resnet_utils.runtime import given, named_device
from resnet_utils.runtime.speed import sixteen_bits
from resnet_utils.runtime.types import Device
from resnet_utils.training.run import TrainingRun, length, steps_in

MANY = 10  # batches an epoch from which on a schedule of exactly as many steps is no schedule of epochs


@given.explained
def sgd(
    model: nn.Module,
    lr: float,
    *,
    momentum: float = 0.9,
    nesterov: bool = True,
    weight_decay: float = 1e-4,
    decay_norm_and_bias: bool = True,
    groups: Sequence[dict[str, Any]] | None = None,
) -> SGD:
    """Stochastic gradient descent over the parameters of ``model`` that are not frozen.

    Args:
        model: whose parameters learn; the frozen ones are left out.
        lr: the learning rate of every group that brings none of its own.
        momentum: share of the last step that the next one repeats, in [0, 1).
        nesterov: whether the gradient is taken a step ahead (Sutskever et al. 2013); without momentum there
            is nothing to look ahead with, and it has no effect.
        weight_decay: how strongly weights are pulled towards 0.
        decay_norm_and_bias: False spares biases and the scales and shifts of BatchNorm (every parameter with
            one axis) from weight decay, as in He et al. 2018, arXiv:1812.01187, section 3.1.
        groups: lists of parameters under "params", each with its own "lr", which take the place of the
            model's parameters, for rates that differ by stage.

    Raises:
        ValueError: if every parameter is frozen, or a rate, decay or momentum is out of its range, or one of
            the two switches neither True nor False.
    """
    nesterov = given.yes_or_no("nesterov", nesterov)
    decay_norm_and_bias = given.yes_or_no("decay_norm_and_bias", decay_norm_and_bias)
    if not 0 <= given.real_number("momentum", momentum) < 1:
        raise ValueError(f"momentum must be at least 0 and below 1, got {momentum}")
    kept = []
    rates = [group.get("lr", lr) for group in groups or ()] or [lr]
    for name, value in (("weight_decay", weight_decay), *(("lr", rate) for rate in rates)):
        if not 0 <= given.real_number(name, value) < math.inf:
            raise ValueError(f"{name} must be at least 0 and finite, got {value}")
    for group in groups if groups is not None else [{"params": list(model.parameters())}]:
        trainable = [parameter for parameter in group["params"] if parameter.requires_grad]
        spared = [] if decay_norm_and_bias else [parameter for parameter in trainable if parameter.ndim <= 1]
        decayed = (
            trainable if decay_norm_and_bias else [parameter for parameter in trainable if parameter.ndim > 1]
        )
        for parameters, decay in ((decayed, weight_decay), (spared, 0.0)):
            if parameters:
                kept.append({**group, "params": parameters, "weight_decay": decay})
    if not kept:
        raise ValueError(
            "sgd() needs a network, or groups, with at least one parameter that has requires_grad=True; here "
            "there is none, or all are frozen"
        )
    return SGD(kept, lr=lr, momentum=momentum, nesterov=nesterov and momentum > 0)


@given.explained
def one_cycle(
    optimizer: Optimizer, *, steps: int, max_lr: float | Sequence[float] | None = None
) -> OneCycleLR:
    """A schedule of ``steps`` batches: up to ``max_lr`` in the first 30 %, then down to almost 0, by cosine.

    The momentum stays as it is. Source: Smith and Topin 2017, arXiv:1708.07120.

    Args:
        optimizer: whose rates it sets.
        steps: batches in the whole training: epochs times batches an epoch.
        max_lr: the peak, one rate for all groups or one for each; None: each group peaks at its own rate.

    Raises:
        ValueError: if ``steps`` is no whole number from 1 up, or the peaks are not one number of at least 0
            for all groups or one for each.
    """
    steps, groups = given.whole_number("steps", steps), optimizer.param_groups
    if max_lr is None:
        max_lr = [float(group["lr"]) for group in groups]
    one = not isinstance(max_lr, Sequence)
    peaks = (
        [given.real_number("max_lr", max_lr)] * len(groups) if one else given.real_numbers("max_lr", max_lr)
    )
    if len(peaks) != len(groups) or not all(0 <= peak < math.inf for peak in peaks):
        raise ValueError(
            f"max_lr needs one rate, at least 0, or one for each of {len(groups)} groups, got {max_lr}"
        )
    return OneCycleLR(optimizer, max_lr=peaks, total_steps=steps, cycle_momentum=False)


@given.explained
def step_schedule(optimizer: Optimizer, *, milestones: Sequence[int], factor: float = 0.1) -> MultiStepLR:
    """A schedule that multiplies each rate by ``factor`` after as many batches as each milestone says.

    He et al. 2015 (arXiv:1512.03385, section 4.2) divide by 10 after 32,000 and 48,000 batches.

    Args:
        optimizer: whose rates it sets.
        milestones: numbers of batches, rising.
        factor: by which a rate is multiplied at each.

    Raises:
        ValueError: if the milestones are no whole numbers that rise, or ``factor`` is no number above 0.
    """
    milestones = [given.whole_number("each milestone", number) for number in milestones]
    if milestones != sorted(set(milestones)):
        raise ValueError(f"milestones must rise, got {milestones}")
    if not 0 < given.real_number("factor", factor) < math.inf:
        raise ValueError(f"factor must be above 0 and finite, got {factor}")
    return _StepMilestones(optimizer, milestones=milestones, gamma=factor)


class _StepMilestones(MultiStepLR):
    """Milestones that are known to count steps, where torch leaves that to whoever calls ``step``."""


@given.explained
def schedule_unit(scheduler: LRScheduler | None, every: str | None) -> str:
    """What a schedule counts: "step" or "epoch".

    Args:
        scheduler: any of torch's; None: none.
        every: what the caller says; None: nothing.

    Raises:
        ValueError: if that cannot be known, is neither, or is not what this schedule can count.
    """
    given.of_kind("scheduler", scheduler, (LRScheduler, NoneType))
    if every not in (None, "step", "epoch"):
        raise ValueError(f"schedule_every must be 'step' or 'epoch', got {every!r}")
    if scheduler is None:
        if every is not None:
            raise ValueError(f"schedule_every={every!r} needs a scheduler, got None")
        return "step"
    if isinstance(scheduler, ReduceLROnPlateau):
        if every == "step":
            raise ValueError("ReduceLROnPlateau watches the validation, so it counts epochs, not steps")
        return "epoch"
    if every is None and not isinstance(scheduler, (OneCycleLR, CyclicLR, _StepMilestones)):
        raise ValueError(
            f"{type(scheduler).__name__} may count steps or epochs: say schedule_every='step' or 'epoch'"
        )
    return every or "step"


@given.explained
def require_schedule(run: TrainingRun, *, epochs: int, from_start: bool) -> None:
    """Check that the schedule of ``run`` fits: its optimizer, what it watches, how long it lasts.

    Args:
        run: with its schedule; without one nothing is checked.
        epochs: to come.
        from_start: whether they count from the schedule's start, or from where it stands.

    Raises:
        ValueError: if it does not, or ``epochs`` is no whole number.
    """
    epochs, from_start = (
        given.whole_number("epochs", epochs),
        given.yes_or_no("from_start", from_start),
    )
    scheduler, every = run.scheduler, run.schedule_every
    if scheduler is None:
        return
    kind = type(scheduler).__name__
    if getattr(scheduler, "optimizer", run.optimizer) is not run.optimizer:
        raise ValueError(f"the {kind} was made for another optimizer: make it with the one that trains")
    if isinstance(scheduler, ReduceLROnPlateau) and run.valid_loader is None:
        raise ValueError("ReduceLROnPlateau needs a valid_loader to watch, got None")
    name = "T_max" if isinstance(scheduler, CosineAnnealingLR) else "total_steps"
    total, steps = getattr(scheduler, name, None), steps_in(run)
    if total is None or (every == "step" and steps is None):
        return  # it has no end, or the run's is unknown
    needed = epochs * (steps or 1) if every == "step" else epochs
    if every == "epoch" and steps is not None and steps >= MANY and total == epochs * steps:
        raise ValueError(
            f"the {kind} has {total} steps, as many as this run takes, but is to count its {epochs} epochs: "
            f"say schedule_every='step', or make it with {name}={epochs}"
        )
    needed += 0 if from_start else scheduler.last_epoch
    if needed > total:
        unit = "an epoch" if every == "epoch" else "a batch" if steps == length(run.loader) else "a step"
        beyond = "; beyond T_max the cosine would rise again" if name == "T_max" else ""
        raise ValueError(f"the schedule has {total} steps, one {unit}, but this run needs {needed}{beyond}")


@given.explained
def step_after_epoch(run: TrainingRun) -> None:
    """Move a schedule that counts epochs.

    Args:
        run: with the numbers of the epoch in its history.
    """
    if isinstance(run.scheduler, ReduceLROnPlateau):
        watched = run.history.valid_accuracy if run.scheduler.mode == "max" else run.history.valid_loss
        run.scheduler.step(watched[-1])
    elif run.scheduler is not None and run.schedule_every == "epoch":
        run.scheduler.step()


@given.explained
def require_finite(loss: float, where: str, optimizer: Optimizer) -> None:
    """Check a loss before it spoils the weights.

    Args:
        loss: of one batch.
        where: the epoch and batch, for the message.
        optimizer: its learning rate stands in the message.

    Raises:
        FloatingPointError: if the loss is not finite.
        ValueError: if it is no number.
    """
    given.of_kind("where", where, str)
    given.of_kind("optimizer", optimizer, Optimizer)
    loss = given.real_number("loss", loss)
    if not math.isfinite(loss):
        lr = max(group["lr"] for group in optimizer.param_groups)
        raise FloatingPointError(
            f"the loss became {loss} ({where}, learning rate {lr:g}); "
            "lower the learning rate, or look for inputs, or weights of the network, that are not finite"
        )


@given.explained
def half_type(*, device: Device) -> torch.dtype:
    """The 16-bit type of ``autocast``: bfloat16, but float16 on GPUs that only emulate bfloat16.

    Args:
        device: where the network computes.

    Raises:
        ValueError: for a name of no device here.
    """
    return sixteen_bits(device if isinstance(device, torch.device) else named_device(device))


@given.explained
def gradient_scaler(*, device: Device) -> GradScaler | None:
    """The loss scaler that ``autocast`` needs on ``device``, or None where it needs none.

    float16 has so small a range that gradients vanish unless the loss is scaled up; bfloat16 has float32's
    range. Source: Micikevicius et al. 2018, arXiv:1710.03740, section 3.2.

    Args:
        device: where the network computes.

    Raises:
        ValueError: for a name of no device here.
    """
    place = device if isinstance(device, torch.device) else named_device(device)
    return GradScaler(place.type) if half_type(device=place) == torch.float16 else None
