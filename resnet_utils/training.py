"""The training loop: one epoch, a whole run, evaluation, and the optimiser and schedules of the book.

Introduced in chapter 4.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LRScheduler, MultiStepLR, OneCycleLR
from torch.utils.data import DataLoader

from resnet_utils import resume, runtime

Device = torch.device | str
LossFunction = Callable[[Tensor, Tensor], Tensor]


@dataclass
class History:
    """What ``fit`` measured, one entry an epoch.

    Losses are in nats, accuracies fractions in [0, 1], ``lr`` the largest rate of the epoch's last batch,
    ``seconds`` the time of training without validation. Without a validation loader its lists stay empty.
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

    ``requires_grad=False`` does not stop a BatchNorm in train mode: it normalises with the batch and moves
    its running mean and variance. Only eval mode stops it.
    """
    model.train()
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            own = list(module.parameters(recurse=False))
            if own and not any(parameter.requires_grad for parameter in own):
                module.eval()


def train_one_epoch(
    model: nn.Module,
    loader: Iterable[tuple[Tensor, Tensor]],
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
    (default: cross-entropy). ``autocast`` computes in 16 bits where that is safe; see ``gradient_scaler``.

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
            with torch.autocast(device.type, _half(device), enabled=autocast):
                logits = model(images)  # (N, num_classes)
                loss = loss_function(logits, labels)
            _require_finite(loss.item(), f"{description}, batch {number}", optimizer)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            if scheduler is not None:
                scheduler.step()
            loss_sum += loss.item() * len(labels)
            correct += (logits.argmax(dim=1) == labels).sum()  # stays on the device until the end
            seen += len(labels)
    if seen == 0:
        raise ValueError("train_one_epoch() needs at least one sample, but the loader was empty")
    return loss_sum / seen, int(correct) / seen


def _require_finite(loss: float, where: str, optimizer: Optimizer) -> None:
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"the loss became {loss} ({where}, learning rate {_largest_lr(optimizer):g}); "
            "lower the learning rate, or look for inputs that are not finite"
        )


def _largest_lr(optimizer: Optimizer) -> float:
    return max(float(group["lr"]) for group in optimizer.param_groups)


def _half(device: torch.device) -> torch.dtype:
    """The 16-bit type of ``autocast``: bfloat16, but float16 on GPUs that only emulate bfloat16."""
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16


def gradient_scaler(device: Device) -> GradScaler | None:
    """The loss scaler that ``autocast`` needs on ``device``, or None where it needs none.

    float16 has so small a range that gradients vanish unless the loss is scaled up; bfloat16 has float32's
    range. Source: Micikevicius et al. 2018, arXiv:1710.03740, section 3.2.
    """
    device = torch.device(device)
    return GradScaler(device.type) if _half(device) == torch.float16 else None


@torch.no_grad()
def predict(
    model: nn.Module, loader: Iterable[tuple[Tensor, Tensor]], device: Device
) -> tuple[Tensor, Tensor]:
    """Logits ``(N, num_classes)`` and labels ``(N,)`` of every sample of ``loader``, in order, on the CPU.

    The model computes in eval mode and is left in the mode it came in.

    Raises:
        ValueError: if ``loader`` yields no sample.
    """
    all_logits, all_labels = [], []
    with kept_modes(model):
        model.eval()
        for images, labels in loader:  # (N, C, H, W), (N,)
            all_logits.append(model(images.to(device)).cpu())
            all_labels.append(labels.cpu())
    if sum(len(labels) for labels in all_labels) == 0:
        raise ValueError("predict() needs at least one sample, but the loader was empty")
    return torch.cat(all_logits), torch.cat(all_labels)


@torch.no_grad()
def evaluate(
    model: nn.Module, loader: Iterable[tuple[Tensor, Tensor]], device: Device
) -> tuple[float, float]:
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

    With ``checkpoint``, the state is written there after each epoch. If the file exists already, the run goes
    on from it and ends as if it had never stopped: with the same bits on a CPU. For that, build model,
    optimiser, schedule and loaders as the first time. An epoch cut short begins anew.

    Raises:
        ValueError: for no epoch, an empty loader, a schedule with too few steps, or a checkpoint that is
            damaged or belongs to another run (nothing is changed then).
        FloatingPointError: if the loss is not finite; the last checkpoint stays.
    """
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs}")
    scaler = gradient_scaler(device) if autocast else None
    run = resume.Run(model, optimizer, scheduler, scaler, train_loader)
    history = History()
    if checkpoint is not None and Path(checkpoint).exists():
        history = History(**resume.restore(checkpoint, run))
    done = len(history.train_loss)
    _require_steps(scheduler, epochs - done, len(train_loader), done)
    for epoch in range(done + 1, epochs + 1):
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
        history.lr.append(_largest_lr(optimizer))
        if valid_loader is not None:
            loss, accuracy = evaluate(model, valid_loader, device)
            history.valid_loss.append(loss)
            history.valid_accuracy.append(accuracy)
        if checkpoint is not None:
            resume.save(checkpoint, run, asdict(history))
    return history


def _require_steps(scheduler: LRScheduler | None, epochs: int, batches: int, done: int) -> None:
    """Refuse a run that is over already, or one that outlasts its schedule, before it starts."""
    if epochs < 0:
        raise ValueError(f"the checkpoint holds {done} epochs, more than the {epochs + done} asked for")
    total = getattr(scheduler, "total_steps", math.inf)
    needed = epochs * batches + getattr(scheduler, "last_epoch", 0)
    if needed > total:
        raise ValueError(
            f"the schedule has {total} steps, one a batch, "
            f"but {epochs} epochs of {batches} batches need {needed}"
        )


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

    With ``decay_norm_and_bias=False`` weight decay spares biases and the scales and shifts of BatchNorm
    (every parameter with one axis), as in He et al. 2018, arXiv:1812.01187, section 3.1.
    ``groups`` (lists of parameters under "params", each with its own "lr") replaces the model's parameters,
    for rates that differ by stage. Without momentum there is nothing to look ahead with: no Nesterov.

    Raises:
        ValueError: if every parameter is frozen.
    """
    kept = []
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
        raise ValueError("sgd() needs at least one parameter with requires_grad=True, but all are frozen")
    return SGD(kept, lr=lr, momentum=momentum, nesterov=nesterov and momentum > 0)


def one_cycle(
    optimizer: Optimizer, *, steps: int, max_lr: float | Sequence[float] | None = None
) -> OneCycleLR:
    """A schedule of ``steps`` batches: up to ``max_lr`` in the first 30 %, then down to almost 0, by cosine.

    ``max_lr`` is one rate for all groups or one for each; left out, each group peaks at its own rate.
    The momentum stays as it is. Source: Smith and Topin 2017, arXiv:1708.07120.
    """
    if max_lr is None:
        max_lr = [group["lr"] for group in optimizer.param_groups]
    return OneCycleLR(optimizer, max_lr=max_lr, total_steps=steps, cycle_momentum=False)


def step_schedule(optimizer: Optimizer, *, milestones: Sequence[int], factor: float = 0.1) -> MultiStepLR:
    """A schedule that multiplies each rate by ``factor`` after as many batches as each milestone says.

    He et al. 2015 (arXiv:1512.03385, section 4.2) divide by 10 after 32,000 and 48,000 batches.
    """
    return MultiStepLR(optimizer, milestones=list(milestones), gamma=factor)
