"""The training loop: one epoch, a whole run, evaluation.

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


@dataclass
class History:
    """What ``fit`` measured, one entry an epoch: losses in nats, accuracies as fractions in [0, 1].

    ``lr`` is the largest rate at the epoch's end, ``seconds`` the time of training without validation.
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
    device: Device,
    scheduler: LRScheduler | None = None,
    loss_function: LossFunction | None = None,
    autocast: bool = False,
    scaler: GradScaler | None = None,
    description: str = "training",
    progress: bool = False,
) -> tuple[float, float]:
    """Train on every batch once; mean loss (nats) and accuracy (fraction) over the epoch's samples.

    Both are measured while the weights move, so they are not what ``evaluate`` would say afterwards.
    ``scheduler`` takes a step after each batch. ``loss_function(logits, labels)`` gives the mean over a batch
    (default: cross-entropy). Labels are class numbers (N,), or shares of classes (N, num_classes), of which
    the accuracy takes the largest. ``autocast`` computes in 16 bits where that is safe (``gradient_scaler``).

    Raises:
        ValueError: if ``loader`` yields no sample.
        FloatingPointError: if the loss is not finite; the weights are then those before this batch.
    """
    device = torch.device(device)
    loss_function = loss_function or nn.functional.cross_entropy
    scaler = scaler or GradScaler(device.type, enabled=False)  # disabled, it passes everything through
    loss_sum, correct, seen = 0.0, 0, 0
    batches = runtime.progress(loader, description=description) if progress else loader
    with kept_modes(model):
        train_mode(model)
        for number, (images, labels) in enumerate(batches, start=1):  # (N, C, H, W), (N,)
            images, labels = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
            with torch.autocast(device.type, optim.half_type(device), enabled=autocast):
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
    valid_loader: DataLoader | None,
    *,
    epochs: int,
    optimizer: Optimizer,
    device: Device,
    scheduler: LRScheduler | None = None,
    autocast: bool = False,
    loss_function: LossFunction | None = None,
    checkpoint: str | Path | None = None,
    progress: bool = True,
) -> History:
    """Train for ``epochs`` epochs, evaluating after each; ``scheduler`` takes a step after each batch.

    With ``checkpoint``, the state is written there after each epoch. If the file exists, the run goes on from
    it and ends as if it had never stopped, on a CPU with the same bits: build everything as the first time.

    Raises:
        ValueError: for no epoch, an empty loader, too short a schedule, or a checkpoint that is damaged or
            belongs to another run (nothing is changed then).
        FloatingPointError: if the loss is not finite; the last checkpoint stays.
    """
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs}")
    resuming = checkpoint is not None and Path(checkpoint).exists()
    optim.require_steps(scheduler, epochs * len(train_loader), from_start=resuming)
    scaler = optim.gradient_scaler(device) if autocast else None
    run = TrainingRun(model, optimizer, scheduler, scaler, train_loader)
    history = History(**restore(checkpoint, run, epochs=epochs)) if resuming else History()
    for epoch in range(len(history.train_loss) + 1, epochs + 1):
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
            description=f"epoch {epoch}/{epochs}",
            progress=progress,
        )
        history.seconds.append(time.perf_counter() - started)
        history.train_loss.append(loss)
        history.train_accuracy.append(accuracy)
        history.lr.append(max(group["lr"] for group in optimizer.param_groups))
        if valid_loader is not None:
            loss, accuracy = evaluate(model, valid_loader, device=device)
            history.valid_loss.append(loss)
            history.valid_accuracy.append(accuracy)
        if checkpoint is not None:
            save(checkpoint, run, asdict(history))
    return history
