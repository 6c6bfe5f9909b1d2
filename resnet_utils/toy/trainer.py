"""How the small live experiments of chapters 1 and 3 are trained and judged.

Introduced in chapter 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from resnet_utils import runtime
from resnet_utils.evaluation import accuracy, kept_modes
from resnet_utils.runtime import given, timing

BATCH_SIZE = 100
Data = tuple[Tensor, Tensor]  # points (N, 8) or pictures (N, 1, 8, 8), and their classes (N,)


@contextmanager
def one_thread() -> Iterator[None]:
    """One CPU thread inside: in networks this small several threads mostly wait for each other."""
    with timing.torch_threads(1):
        yield


@given.explained
def moved(data: Data, device: torch.device | str) -> Data:
    """Both tensors of ``data`` on ``device``."""
    return data[0].to(device), data[1].to(device)


@given.explained
def train_epochs(
    model: nn.Module,
    data: Data,
    *,
    seed: int,
    epochs: int,
    lr: float,
    falling: bool = False,
    sums: torch.dtype = torch.float64,
    until: float | None = None,
) -> tuple[float, ...]:
    """Train ``model`` in place by SGD with momentum 0.9; the mean loss of each epoch (nats), in train mode.

    Nothing holds the fit back: no weight decay, no augmentation. The model is left in train mode.

    Args:
        model: maps inputs to logits ``(N, num_classes)``.
        data: inputs and classes; moved to where the model lies.
        seed: decides the order of the samples.
        epochs: passes over ``data``, at least 1.
        lr: learning rate.
        falling: let the rate fall along a straight line, from step to step, to zero at the end.
        sums: precision in which the losses of an epoch are added up.
        until: stop after the first epoch whose mean loss is no greater, before ``epochs`` are over.

    Raises:
        ValueError: if ``epochs`` is less than 1.
    """
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs}")
    x, labels = moved(data, runtime.device_of(model))
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, fused=True)
    generator = torch.Generator().manual_seed(seed)
    num_steps, step, curve = epochs * -(-len(x) // BATCH_SIZE), 0, []
    model.train()
    for _ in range(epochs):
        total = torch.zeros((), dtype=sums, device=x.device)
        order = torch.randperm(len(x), generator=generator, device="cpu").to(x.device)
        for batch in order.split(BATCH_SIZE):
            optimizer.param_groups[0]["lr"] = lr * (1 - step / num_steps) if falling else lr
            loss = nn.functional.cross_entropy(model(x[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total, step = total + loss.detach().to(sums) * len(batch), step + 1
        curve.append(total.item() / len(x))
        if until is not None and curve[-1] <= until:
            break
    return tuple(curve)


@given.explained
@torch.no_grad()
def eval_logits(model: nn.Module, x: Tensor) -> Tensor:
    """Logits ``(N, num_classes)`` of ``model`` for all of ``x`` at once, in eval mode; its modes are left as
    they came. ``x`` is moved to where the model lies."""
    with kept_modes(model):
        return model.eval()(x.to(runtime.device_of(model)))


@given.explained
def loss_on(model: nn.Module, x: Tensor, labels: Tensor) -> float:
    """Mean cross-entropy (nats) of ``model`` over inputs ``x`` and their classes ``labels``, in eval mode."""
    logits = eval_logits(model, x)
    return nn.functional.cross_entropy(logits, labels.to(logits.device)).item()


@given.explained
def share_right(model: nn.Module, x: Tensor, labels: Tensor) -> float:
    """Share in [0, 1] of the inputs ``x`` for which ``model`` finds the class in ``labels``, in eval mode."""
    return accuracy(eval_logits(model, x), labels)
