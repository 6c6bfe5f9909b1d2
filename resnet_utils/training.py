"""The training loop: one epoch, a whole run, evaluation.

Introduced in chapter 4. Optimiser and schedules stand in ``recipe``, the checkpoint of a run in ``resume``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from resnet_utils import recipe, resume, runtime
from resnet_utils.recipe import gradient_scaler, one_cycle, sgd, step_schedule

__all__ = ["gradient_scaler", "one_cycle", "sgd", "step_schedule"]  # also offered from here
Device = torch.device | str
LossFunction = Callable[[Tensor, Tensor], Tensor]
Batches = Iterable[tuple[Tensor, Tensor]]  # images (N, C, H, W) and labels (N,), batch by batch


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


@contextmanager
def kept_modes(model: nn.Module) -> Iterator[None]:
    """On leaving, put every module of ``model`` back into the mode (train/eval) it came in."""
    modes = {module: module.training for module in model.modules()}
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


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
            with torch.autocast(device.type, recipe.half_type(device), enabled=autocast):
                logits = model(images)  # (N, num_classes)
                loss = loss_function(logits, labels)
            recipe.require_finite(loss.item(), f"{description}, batch {number}", optimizer)
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


@torch.no_grad()
def collected(
    compute: Callable[[Tensor], Tensor], model: nn.Module, loader: Batches, device: Device, *, caller: str
) -> tuple[Tensor, Tensor]:
    """``compute`` of all images, joined to ``(N, ...)``, and labels ``(N,)``, on the CPU.

    ``model`` is in eval mode meanwhile. An empty ``loader`` is a ValueError that names the ``caller``.
    """
    results, all_labels = [], []
    with kept_modes(model):
        model.eval()
        for images, labels in loader:  # (N, C, H, W), (N,)
            results.append(compute(images.to(device)).cpu())
            all_labels.append(labels.cpu())
    if sum(len(labels) for labels in all_labels) == 0:
        raise ValueError(f"{caller}() needs at least one sample, but the loader was empty")
    return torch.cat(results), torch.cat(all_labels)


def predict(model: nn.Module, loader: Batches, device: Device) -> tuple[Tensor, Tensor]:
    """Logits ``(N, num_classes)`` and labels ``(N,)`` of every sample of ``loader``, in order, on the CPU.

    The model computes in eval mode and is left in the mode it came in. Raises ValueError where ``loader``
    yields no sample.
    """
    return collected(model, model, loader, device, caller="predict")


@torch.no_grad()
def evaluate(model: nn.Module, loader: Batches, device: Device) -> tuple[float, float]:
    """Mean cross-entropy (nats) and accuracy (fraction in [0, 1]) over every sample of ``loader``.

    Sums over samples and divides once, so a short last batch is not over-weighted.
    The model computes in eval mode and float32, and is left in the mode it came in.

    Raises:
        ValueError: if ``loader`` yields no sample.
    """
    loss_sum, correct, seen = 0.0, 0, 0
    with kept_modes(model):
        model.eval()
        for images, labels in loader:  # (N, C, H, W), (N,)
            images, labels = images.to(device), labels.to(device)
            logits = model(images)  # (N, num_classes)
            loss_sum += nn.functional.cross_entropy(logits, labels, reduction="sum").item()
            correct += (logits.argmax(dim=1) == labels).sum().item()
            seen += len(labels)
    if seen == 0:
        raise ValueError("evaluate() needs at least one sample, but the loader was empty")
    return loss_sum / seen, correct / seen


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
    recipe.require_steps(scheduler, epochs * len(train_loader), from_start=resuming)
    scaler = gradient_scaler(device) if autocast else None
    run = resume.TrainingRun(model, optimizer, scheduler, scaler, train_loader)
    history = History(**resume.restore(checkpoint, run, epochs=epochs)) if resuming else History()
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
            loss, accuracy = evaluate(model, valid_loader, device)
            history.valid_loss.append(loss)
            history.valid_accuracy.append(accuracy)
        if checkpoint is not None:
            resume.save(checkpoint, run, asdict(history))
    return history
