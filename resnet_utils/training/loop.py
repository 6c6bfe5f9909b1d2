"""The training loop: one epoch, and a whole run.

Introduced in chapter 4. Optimiser and schedules stand in ``optim``, what else can happen in a run in
``callbacks``, its state in ``checkpoint``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from resnet_utils import data, runtime
from resnet_utils.evaluation import answers, evaluate, kept_modes
from resnet_utils.runtime import given, processes, speed
from resnet_utils.runtime.speed import Fast
from resnet_utils.runtime.types import Batches, Device, LossFunction
from resnet_utils.training import checkpoint as files
from resnet_utils.training import distributed, optim, settings
from resnet_utils.training.regularization import EarlyStopping
from resnet_utils.training.run import Callback, History, TrainingRun, is_parallel, length


@given.explained
def train_mode(model: nn.Module) -> None:
    """Put ``model`` into train mode, except each BatchNorm whose own parameters are all frozen.

    ``requires_grad=False`` does not stop a BatchNorm in train mode from moving its running mean and variance.

    Args:
        model: any network; its modules are switched in place.
    """
    model.train()
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            own = list(module.parameters(recurse=False))
            if own and not any(parameter.requires_grad for parameter in own):
                module.eval()


@given.explained
def train_one_epoch(
    model: nn.Module,
    loader: Batches,
    optimizer: Optimizer,
    *,
    device: Device | None = None,
    scheduler: LRScheduler | None = None,
    loss_function: LossFunction | None = None,
    autocast: bool | None = None,
    fast: Fast = None,
    scaler: GradScaler | None = None,
    callbacks: Sequence[Callback] = (),
    description: str = "training",
    progress: bool = False,
) -> tuple[float, float]:
    """Train on every batch once.

    Args:
        model: the network, which is moved by the steps; its modules are left in the modes they came in.
        loader: batches of images (N, C, H, W) and labels: class numbers (N,), shares of classes
            (N, num_classes), or with a binary cross-entropy yes-or-no numbers (``evaluation.answers``).
        optimizer: takes a step after each batch, or when the callbacks say so.
        device: where to compute; None: where the model lies.
        scheduler: takes a step after each step of the optimiser, not after each epoch.
        loss_function: ``loss_function(logits, labels)`` gives the mean over a batch; None: cross-entropy.
        autocast: whether to compute in 16 bits where that is safe; None: as ``fast`` decides.
        fast: in which order of memory to compute and, unless ``autocast`` says so, in how many bits: False,
            True, "auto" or None, as ``runtime.speed`` says.
        scaler: what ``gradient_scaler`` gives, kept from epoch to epoch; only for ``autocast``.
        callbacks: what else to do around the steps, such as ``GradientClipping(1.0)``.
        description: text before the progress bar, and in the error about a loss that is not finite.
        progress: whether to show a bar.

    Returns:
        Mean loss (nats) and accuracy (fraction) over the epoch's samples. Both are measured while the
            weights move, so they are not what ``evaluate`` would say afterwards.

    Raises:
        ValueError: if ``loader`` yields no sample, no pair of images and labels, images or labels that do not
            fit the network or the loss, images that are not finite, or a last batch of one image where a
            BatchNorm needs more; if there is no such ``device``, the loss gives no single number, or a
            switch is neither True nor False.
        FloatingPointError: if the loss is not finite; the weights are then those before this batch.
    """
    given.of_kind("description", description, str)
    autocast, progress = _switch("autocast", autocast), given.yes_or_no("progress", progress)
    run = TrainingRun(
        model,
        optimizer,
        loader,
        runtime.chosen_device(device, model),
        scheduler=scheduler,
        loss_function=loss_function,
        autocast=bool(autocast),
        half=autocast,
        fast=speed.asked(fast),
        scaler=scaler,
        callbacks=callbacks,
    )
    return _epoch(run, description, progress=progress)


def _switch(name: str, value: bool | None) -> bool | None:
    """True, False, or None where that is left to others."""
    return None if value is None else given.yes_or_no(name, value)


def _epoch(run: TrainingRun, description: str, *, progress: bool) -> tuple[float, float]:
    """Every batch once: forward, backward and, where it is due, a step. Mean loss and accuracy."""
    distributed.require_shares(run.model, run.loader)
    shown = progress and run.is_first
    batches = runtime.progress(run.loader, description=description) if shown else run.loader
    loss_sum, correct, asked, seen = 0.0, 0, 0, 0
    with kept_modes(run.model), ExitStack() as order:
        train_mode(run.model)
        pairs = given.batches(batches, caller="train_one_epoch")
        for number, (images, labels) in enumerate(pairs, start=1):  # (N, C, H, W), (N,)
            images = images.to(run.device, non_blocking=True)
            if number == 1:
                order.enter_context(speed.kept_order(run.model, _pace_of(run, images)))
            right, samples = _backward(run, images, labels, f"{description}, batch {number}")
            if all(callback.is_step_due(run) for callback in run.callbacks):
                _step(run)
            loss_sum += run.loss * samples
            correct += right.sum()  # stays on the device until the end
            asked += right.numel()
            seen += samples
        if run.batches:  # left over, fewer than a step was waiting for
            _step(run)
    if seen == 0:
        raise ValueError("train_one_epoch() needs at least one sample, but got an empty loader")
    if is_parallel(run.model):
        distributed.same_statistics(run.model)
        correct, asked = processes.total(int(correct), asked)
    return loss_sum / seen, int(correct) / asked


def _pace_of(run: TrainingRun, images: Tensor) -> speed.Pace:
    """How a run computes; chosen on its first images, and noted where its checkpoint will compare it."""
    if run.pace is None:
        speed.agree(distributed.pace_of_first if is_parallel(run.model) else None)
        batches = length(run.loader)
        to_come = None if batches is None else run.epochs * batches * len(images)
        pace = speed.choose(run.fast, run.model, images, training=True, half=run.half, to_come=to_come)
        _take(run, pace)
        if run.settings:
            run.settings |= settings.of_pace(run)
    return run.pace or speed.PLAIN


def _take(run: TrainingRun, pace: speed.Pace) -> None:
    """Let ``run`` compute at a pace."""
    run.pace, run.autocast = pace, pace.half
    if pace.half and run.scaler is None:
        run.scaler = optim.gradient_scaler(device=run.device)


def _backward(run: TrainingRun, images: Tensor, labels: Tensor, where: str) -> tuple[Tensor, int]:
    """Add the gradients of a batch to those that wait for a step.

    Which answers were right, here; and how many images the batch has, in all processes that train together.
    """
    distributed.require_a_share_each(run, len(labels))
    with torch.autocast(run.device.type, optim.half_type(device=run.device), enabled=run.autocast):
        logits = answers.logits_of(run.model, speed.arranged(images, run.pace or speed.PLAIN))  # (N, classes)
        answers.require_labels(logits, labels, loss_function=run.loss_function)
        labels = labels.to(run.device, non_blocking=True)
        nobody = not len(labels)  # a share of a small batch may be empty: sum and gradient are 0
        loss = logits.sum() if nobody else answers.loss_of(run.loss_function, logits, labels)
    run.loss, samples, times = distributed.loss_of_all(run, loss, len(labels))
    if not math.isfinite(run.loss):
        answers.require_finite_images(images, where=where)
    optim.require_finite(run.loss, where, run.optimizer)
    if not loss.requires_grad:
        raise ValueError(
            "the loss does not depend on any parameter that learns: is the whole network frozen, or the loss "
            "computed from detached numbers?"
        )
    if run.batches == 0:
        run.optimizer.zero_grad()
        run.samples, run.first = 0, samples
    run.batches, run.samples = run.batches + 1, run.samples + samples
    loss = loss * (
        len(labels) * times / run.first
    )  # a batch counts by its size beside the first one; that one as 1
    (loss if run.scaler is None else run.scaler.scale(loss)).backward()
    return answers.right_answers(logits, labels, loss_function=run.loss_function), samples


def _step(run: TrainingRun) -> None:
    """One step with the mean gradient of all samples that wait for it."""
    scaler = run.scaler or GradScaler(run.device.type, enabled=False)  # passes everything through
    scaler.unscale_(run.optimizer)
    if run.batches > 1:
        for group in run.optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.mul_(run.first / run.samples)
    for callback in run.callbacks:
        callback.before_step(run)
    scaler.step(run.optimizer)
    scaler.update()
    if run.scheduler is not None and run.schedule_every == "step":
        run.scheduler.step()
    run.batches, run.steps = 0, run.steps + 1
    for callback in run.callbacks:
        callback.after_step(run)


@given.explained
def fit(
    model: nn.Module,
    train_loader: Batches,
    valid_loader: Batches | None = None,
    *,
    epochs: int,
    optimizer: Optimizer,
    device: Device | None = None,
    scheduler: LRScheduler | None = None,
    schedule_every: str | None = None,
    autocast: bool | None = None,
    fast: Fast = None,
    loss_function: LossFunction | None = None,
    callbacks: Sequence[Callback] = (),
    early_stopping: EarlyStopping | None = None,
    checkpoint: str | Path | None = None,
    extend: bool = False,
    progress: bool = True,
) -> History:
    """Train for a number of epochs, evaluating after each.

    Args:
        model: the network, which is trained in place.
        train_loader: batches of images (N, C, H, W) and labels, as ``train_one_epoch`` takes them.
        valid_loader: batches to evaluate on after each epoch; None: no evaluation.
        epochs: passes over ``train_loader``, at least 1; with a ``checkpoint``, those done before count.
        optimizer: takes a step after each batch, or when the callbacks say so.
        device: where to compute; None: where the model lies.
        scheduler: of the rate, made for ``optimizer``. ReduceLROnPlateau watches the validation: its loss,
            or with ``mode="max"`` its accuracy.
        schedule_every: what the schedule counts, "step" of the optimiser or "epoch". None: steps for
            ``one_cycle`` and ``step_schedule``, epochs for ReduceLROnPlateau; any other has to be told.
        autocast: whether to train in 16 bits where that is safe; gradients are scaled where that needs it.
            None: as ``fast`` decides, and the validation too; otherwise that is in float32.
        fast: in which order of memory to compute and, unless ``autocast`` says so, in how many bits: False,
            True, "auto" or None, as ``runtime.speed`` says.
            What a checkpoint was begun with stays.
        loss_function: ``loss_function(logits, labels)`` gives the mean over a batch; None: cross-entropy.
            Where it is a binary cross-entropy, the validation takes it too.
        callbacks: what else to do, asked in this order (``run.Callback``; the usual ones in ``callbacks``).
        early_stopping: watches the loss on ``valid_loader``; ends the run before its time, and gives the
            model the weights of its best epoch at the end. The same as one more callback.
        checkpoint: a file to write the state to after each epoch. If it exists, the run goes on from it and
            ends as if it had never stopped, on a CPU with the same bits: build everything as the first time.
            Where only ``epochs`` is larger, and the schedule lasts, it goes on for longer.
        extend: whether a run that asks for more epochs than its checkpoint was for may have other settings
            from where the file ends: a new schedule, made for the epochs to come, another rate, batch size,
            patience. The weights, the optimiser's memory and the history are taken over.
        progress: whether to show a bar while an epoch runs and then a line with its numbers, on stderr.

    Returns:
        What was measured, epoch by epoch, those before an interruption included.

    Raises:
        ValueError: for no epoch, an empty loader or one that can be gone through only once, images, labels,
            classes, loss, device, schedule, optimizer or callbacks that do not fit, images that are not
            finite, a switch that is neither True nor False, or a checkpoint that is damaged or belongs to
            another run (nothing is changed then).
        TypeError: for a callback or a loader that is none.
        IsADirectoryError, NotADirectoryError: if ``checkpoint`` is a folder, or would lie in a file.
        FloatingPointError: if the loss is not finite, or an answer to the validation images is NaN; the last
            checkpoint stays.
    """
    place = runtime.chosen_device(device, model)
    autocast, progress = _switch("autocast", autocast), given.yes_or_no("progress", progress)
    run = TrainingRun(
        model,
        optimizer,
        train_loader,
        place,
        valid_loader=valid_loader,
        scheduler=scheduler,
        schedule_every=optim.schedule_unit(scheduler, schedule_every),
        loss_function=loss_function,
        autocast=bool(autocast),
        half=autocast,
        fast=speed.asked(fast),
        scaler=optim.gradient_scaler(device=place) if autocast else None,
        callbacks=[*callbacks, *([] if early_stopping is None else [early_stopping])],
        epochs=epochs,
    )
    _start(run, checkpoint, extend=extend)
    while run.epoch < epochs and not run.stopped:
        _fit_one_epoch(run, progress=progress)
        if checkpoint is not None and run.is_first:
            files.save(checkpoint, run)
        if is_parallel(run.model):
            processes.wait()  # until the first has written its files
    for callback in run.callbacks:
        callback.after_fit(run)
    return run.history


def _start(run: TrainingRun, checkpoint: str | Path | None, *, extend: bool) -> None:
    """Check that everything fits, then take up the state in the checkpoint, where there is one."""
    run.epochs = given.whole_number("epochs", run.epochs)
    given.require_batches(run.loader, name="train_loader", times=run.epochs)
    if run.valid_loader is not None:
        given.require_batches(run.valid_loader, name="valid_loader", times=run.epochs)
    for callback in run.callbacks:
        if not isinstance(callback, Callback):
            raise TypeError(f"callbacks must be a list of training.Callback, it has {callback!r}")
    if isinstance(run.optimizer, torch.optim.LBFGS):
        raise ValueError("LBFGS asks for the loss several times a step, which this loop does not do")
    if checkpoint is not None:
        files.place_of(checkpoint, name="checkpoint")
    if given.yes_or_no("extend", extend) and checkpoint is None:
        raise ValueError("extend=True needs the checkpoint of the run to extend, got None")
    mine = {id(one) for one in run.model.parameters()}
    if not any(id(one) in mine for group in run.optimizer.param_groups for one in group["params"]):
        raise ValueError(
            "the optimizer has no parameter of this model: make it after the model, from its own"
        )
    data.require_same_classes(run.loader, run.valid_loader, names=("training", "validation"))
    for callback in run.callbacks:
        callback.check(run)
    there = checkpoint is not None and Path(checkpoint).exists()
    if checkpoint is not None and is_parallel(run.model):
        there = distributed.agree_on(there)
    if checkpoint is not None and there:
        saved = files.pace_in(checkpoint)
        _take(run, saved if run.half is None else replace(saved, half=run.half))
    if checkpoint is not None:
        run.settings = settings.of_run(run) | distributed.settings_of(run)
    if checkpoint is not None and there:
        files.restore(checkpoint, run, extend=extend)
    else:
        optim.require_schedule(run, epochs=run.epochs, from_start=False)
    for callback in run.callbacks:
        callback.before_fit(run)


def _fit_one_epoch(run: TrainingRun, *, progress: bool) -> None:
    """Train on every batch, measure, and tell the history and whoever asks."""
    name, history, started = f"epoch {run.epoch + 1}/{run.epochs}", run.history, time.perf_counter()
    loss, accuracy = _epoch(run, name, progress=progress)
    history.seconds.append(time.perf_counter() - started)
    history.train_loss.append(loss)
    history.train_accuracy.append(accuracy)
    history.lr.append(run.rate)
    said = f"{name}: training loss {loss:.4f}, accuracy {accuracy:.2%}"
    if run.valid_loader is not None:
        own = run.loss_function if answers.is_binary(run.loss_function) else None
        pace = run.pace or speed.PLAIN
        pace = pace if run.half is None else replace(pace, half=False)
        loss, accuracy = evaluate(
            run.model, run.valid_loader, device=run.device, loss_function=own, fast=pace
        )
        history.valid_loss.append(loss)
        history.valid_accuracy.append(accuracy)
        said += f"; validation loss {loss:.4f}, accuracy {accuracy:.2%}"
    optim.step_after_epoch(run)
    for callback in run.callbacks:
        callback.after_epoch(run)
    if progress and run.is_first:
        stopped = f"; stopped: {run.stopped}" if run.stopped else ""
        runtime.note(f"{said}; rate {history.lr[-1]:.3g}; {history.seconds[-1]:.1f} s{stopped}")
