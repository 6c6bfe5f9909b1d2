"""A network at work: its answers to every sample of a loader, with its modes kept.

Introduced in chapter 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from resnet_utils.runtime.types import Batches, Device


@contextmanager
def kept_modes(model: nn.Module) -> Iterator[None]:
    """On leaving, put every module of ``model`` back into the mode (train/eval) it came in."""
    modes = {module: module.training for module in model.modules()}
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


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
