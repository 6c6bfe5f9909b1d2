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
from resnet_utils.evaluation.answers import require_labels
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
    """Both tensors of ``data`` on ``device``.

    Args:
        data: inputs and their classes.
        device: one that is here.

    Raises:
        ValueError: if it is not.
    """
    inputs, labels = data
    device = runtime.named_device(device)
    return inputs.to(device), labels.to(device)


def _require_fit(logits: Tensor, labels: Tensor, *, count: int) -> None:
    """Check that the logits of ``count`` inputs have a place for each of ``labels``, of these inputs or more.

    Raises:
        ValueError: if they have not.
    """
    if logits.ndim != 2 or len(logits) != count or count == 0 or not logits.is_floating_point():
        raise ValueError(
            f"the model must give logits (N, num_classes) for N > 0 inputs, got {logits.dtype} "
            f"{tuple(logits.shape)} for {count}"
        )
    require_labels(logits[:1].expand(len(labels), -1), labels)


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
        ValueError: if ``epochs`` is less than 1, another number is none or out of its range, the model has
            nothing to train, or inputs, classes and model do not fit together.
    """
    epochs, lr = given.whole_number("epochs", epochs), given.number_within("lr", lr, least=0)
    falling, seed = given.yes_or_no("falling", falling), given.whole_number("seed", seed, least=0)
    until = None if until is None else given.number_within("until", until)
    if not sums.is_floating_point:
        raise ValueError(f"sums must be a floating-point type, got {sums}")
    x, labels = moved(data, runtime.device_of(model))
    if x.ndim == 0 or labels.ndim == 0 or len(x) != len(labels) or len(x) == 0:
        raise ValueError(f"data must be one class an input, got {tuple(x.shape)} and {tuple(labels.shape)}")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError(f"the model has nothing to train, got a {type(model).__name__}")
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, fused=True)
    generator = torch.Generator().manual_seed(seed)
    num_steps, step, curve = epochs * -(-len(x) // BATCH_SIZE), 0, []
    model.train()
    for _ in range(epochs):
        total = torch.zeros((), dtype=sums, device=x.device)
        order = torch.randperm(len(x), generator=generator, device="cpu").to(x.device)
        for batch in order.split(BATCH_SIZE):
            optimizer.param_groups[0]["lr"] = lr * (1 - step / num_steps) if falling else lr
            logits = given.answer_of(model, x[batch], name="model")
            if step == 0:
                _require_fit(logits, labels, count=len(batch))
            loss = nn.functional.cross_entropy(logits, labels[batch])
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
    """Logits ``(N, num_classes)`` of ``model`` for all of ``x`` at once, in eval mode.

    Args:
        model: its modes are left as they came.
        x: inputs, moved to where the model lies.

    Raises:
        ValueError: if the model cannot take them.
    """
    with kept_modes(model):
        model.eval()
        return given.answer_of(model, x.to(runtime.device_of(model)), name="model")


@given.explained
def loss_on(model: nn.Module, x: Tensor, labels: Tensor) -> float:
    """Mean cross-entropy (nats) of ``model`` over inputs and their classes, in eval mode.

    Args:
        model: as in ``eval_logits``.
        x: likewise, one input or more.
        labels: the class of each of them.

    Raises:
        ValueError: if the three do not fit together.
    """
    logits = eval_logits(model, x)
    labels = labels.to(logits.device)
    if labels.ndim == 0 or len(labels) != len(x):
        raise ValueError(f"labels must be a class for each of {len(x)} inputs, got {tuple(labels.shape)}")
    _require_fit(logits, labels, count=len(x))
    return nn.functional.cross_entropy(logits, labels).item()


@given.explained
def share_right(model: nn.Module, x: Tensor, labels: Tensor) -> float:
    """Share in [0, 1] of the inputs for which ``model`` finds the class, in eval mode.

    Args:
        model: as in ``eval_logits``.
        x: likewise, one input or more.
        labels: the class of each of them.

    Raises:
        ValueError: if the three do not fit together.
    """
    return accuracy(eval_logits(model, x), labels)
