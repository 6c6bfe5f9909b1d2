"""The training loop: one epoch, and a whole run.

Introduced in chapter 4. Optimiser and schedules stand in ``optim``, the state of a run in ``checkpoint``.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import nn
from torch.amp import GradScaler
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from resnet_utils import runtime
from resnet_utils.evaluation import evaluate, kept_modes
from resnet_utils.runtime.types import Batches, Device, LossFunction
from resnet_utils.training import optim
from resnet_utils.training.checkpoint import TrainingRun, restore, save
from resnet_utils.training.regularization import EarlyStopping


@dataclass
class History:
    """What ``fit`` measured, one entry an epoch: losses in nats, accuracies as fractions in [0, 1].

    Args:
        train_loss: mean loss while training, by the loss function that was trained with.
        train_accuracy: share of right answers while training.
        valid_loss: mean cross-entropy on the validation images after each epoch; empty without them.
        valid_accuracy: share of right answers on them; likewise.
        lr: the largest rate of all groups at the epoch's end.
        seconds: time of training without validation.
    """

    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    valid_loss: list[float] = field(default_factory=list)
    valid_accuracy: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


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


def train_one_epoch(
    model: nn.Module,
    loader: Batches,
    optimizer: Optimizer,
    *,
    device: Device | None = None,
    scheduler: LRScheduler | None = None,
    loss_function: LossFunction | None = None,
    autocast: bool = False,
    scaler: GradScaler | None = None,
    description: str = "training",
    progress: bool = False,
) -> tuple[float, float]:
    """Train on every batch once.

    Args:
        model: the network, which is moved by the steps; its modules are left in the modes they came in.
        loader: batches of images (N, C, H, W) and labels: class numbers (N,), or shares of classes
            (N, num_classes), of which the accuracy takes the largest.
        optimizer: takes a step after each batch.
        device: where to compute; None: where the model lies.
        scheduler: takes a step after each batch, not after each epoch.
        loss_function: ``loss_function(logits, labels)`` gives the mean over a batch; None: cross-entropy.
        autocast: whether to compute in 16 bits where that is safe.
        scaler: what ``gradient_scaler`` gives, kept from epoch to epoch; only for ``autocast``.
        description: text before the progress bar, and in the error about a loss that is not finite.
        progress: whether to show a bar.

    Returns:
        Mean loss (nats) and accuracy (fraction) over the epoch's samples. Both are measured while the weights
        move, so they are not what ``evaluate`` would say afterwards.

    Raises:
        ValueError: if ``loader`` yields no sample.
        FloatingPointError: if the loss is not finite; the weights are then those before this batch.
    """
    device = torch.device(device or runtime.device_of(model))
    loss_function = loss_function or nn.functional.cross_entropy
    scaler = scaler or GradScaler(device.type, enabled=False)  # disabled, it passes everything through
    loss_sum, correct, seen = 0.0, 0, 0
    batches = runtime.progress(loader, description=description) if progress else loader
    with kept_modes(model):
        train_mode(model)
        for number, (images, labels) in enumerate(batches, start=1):  # (N, C, H, W), (N,)
            images, labels = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
            with torch.autocast(device.type, optim.half_type(device=device), enabled=autocast):
                logits = model(images)  # (N, num_classes)
                loss = loss_function(logits, labels)
            optim.require_finite(loss.item(), f"{description}, batch {number}", optimizer)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            if scheduler is not None:
                scheduler.step()
            loss_sum += loss.item() * len(labels)
            wanted = labels if labels.ndim == 1 else labels.argmax(dim=1)
            correct += (logits.argmax(dim=1) == wanted).sum()  # stays on the device until the end
            seen += len(labels)
    if seen == 0:
        raise ValueError("train_one_epoch() needs at least one sample, but the loader was empty")
    return loss_sum / seen, int(correct) / seen


def fit(
    model: nn.Module,
    train_loader: DataLoader,
    valid_loader: Batches | None = None,
    *,
    epochs: int,
    optimizer: Optimizer,
    device: Device | None = None,
    scheduler: LRScheduler | None = None,
    autocast: bool = False,
    loss_function: LossFunction | None = None,
    early_stopping: EarlyStopping | None = None,
    checkpoint: str | Path | None = None,
    progress: bool = True,
) -> History:
    """Train for a number of epochs, evaluating after each.

    Args:
        model: the network, which is trained in place.
        train_loader: batches of images (N, C, H, W) and labels, as ``train_one_epoch`` takes them.
        valid_loader: batches to evaluate on after each epoch; None: no evaluation.
        epochs: passes over ``train_loader``, at least 1; with a ``checkpoint``, those done before count.
        optimizer: takes a step after each batch.
        device: where to compute; None: where the model lies.
        scheduler: takes a step after each batch.
        autocast: whether to compute in 16 bits where that is safe; gradients are scaled where that needs it.
        loss_function: ``loss_function(logits, labels)`` gives the mean over a batch; None: cross-entropy.
        early_stopping: watches the loss on ``valid_loader``; ends the run before its time, and gives the
            model the weights of its best epoch at the end.
        checkpoint: a file to write the state to after each epoch. If it exists, the run goes on from it and
            ends as if it had never stopped, on a CPU with the same bits: build everything as the first time.
        progress: whether to show a bar for each epoch.

    Returns:
        What was measured, epoch by epoch, those before an interruption included.

    Raises:
        ValueError: for no epoch, an empty loader, too short a schedule, early stopping with nothing to watch
            or for another model, or a checkpoint that is damaged or belongs to another run (nothing is
            changed then).
        FloatingPointError: if the loss is not finite; the last checkpoint stays.
    """
    _check(model, valid_loader, epochs, early_stopping)
    device = torch.device(device or runtime.device_of(model))
    resuming = checkpoint is not None and Path(checkpoint).exists()
    optim.require_steps(scheduler, epochs * len(train_loader), from_start=resuming)
    scaler = optim.gradient_scaler(device=device) if autocast else None
    run = TrainingRun(model, optimizer, scheduler, scaler, train_loader, early_stopping)
    history = History(**restore(checkpoint, run, epochs=epochs)) if checkpoint and resuming else History()
    while len(history.train_loss) < epochs and not (early_stopping and early_stopping.is_due):
        started = time.perf_counter()
        loss, accuracy = train_one_epoch(
            model,
            train_loader,
            optimizer,
            device=device,
            scheduler=scheduler,
            loss_function=loss_function,
            autocast=autocast,
            scaler=scaler,
            description=f"epoch {len(history.train_loss) + 1}/{epochs}",
            progress=progress,
        )
        history.seconds.append(time.perf_counter() - started)
        history.train_loss.append(loss)
        history.train_accuracy.append(accuracy)
        history.lr.append(max(group["lr"] for group in optimizer.param_groups))
        if valid_loader is not None:
            _validate(run, valid_loader, history, device=device)
        if checkpoint is not None:
            save(checkpoint, run, asdict(history))
    if early_stopping is not None:
        early_stopping.restore()
    return history


def _check(
    model: nn.Module, valid_loader: Batches | None, epochs: int, early_stopping: EarlyStopping | None
) -> None:
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs}")
    if early_stopping is not None and valid_loader is None:
        raise ValueError("early_stopping needs a valid_loader, whose loss it watches, got None")
    if early_stopping is not None and early_stopping.model is not model:
        raise ValueError("early_stopping was made for another model: make it with the one that is trained")


def _validate(run: TrainingRun, loader: Batches, history: History, *, device: Device) -> None:
    """Measure the model after an epoch, and tell it to the history and to whatever watches."""
    loss, accuracy = evaluate(run.model, loader, device=device)
    history.valid_loss.append(loss)
    history.valid_accuracy.append(accuracy)
    if run.early_stopping is not None:
        run.early_stopping.should_stop(loss)
