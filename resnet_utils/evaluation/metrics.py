"""What a classifier's answers are worth: accuracy with its interval, comparisons, confusion, worst mistakes.

Introduced in chapter 5.

Most of it takes the logits and labels that ``training.predict`` returns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Fraction in [0, 1] of the samples whose largest logit is that of their label.

    Raises:
        ValueError: if the shapes are not ``(N, num_classes)`` and ``(N,)`` with N > 0.
    """
    _check(logits, labels)
    return (logits.argmax(dim=1) == labels).sum().item() / len(labels)


def confusion(logits: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Counts ``(num_classes, num_classes)``, int64: row = true class, column = predicted class.

    Raises:
        ValueError: for shapes that do not fit, or labels outside 0 ... ``num_classes`` - 1.
    """
    _check(logits, labels)
    if logits.shape[1] != num_classes:
        raise ValueError(f"logits have {logits.shape[1]} classes, but num_classes is {num_classes}")
    cells = labels.cpu() * num_classes + logits.cpu().argmax(dim=1)  # one number for each pair
    return torch.bincount(cells, minlength=num_classes**2).view(num_classes, num_classes)


def most_wrong(logits: Tensor, labels: Tensor, count: int) -> Tensor:
    """Indices of the ``count`` wrongly classified samples with the largest loss, the worst first.

    Fewer when fewer are wrong. These are the samples to look at: hard cases, wrong labels, broken files.

    Raises:
        ValueError: if ``count`` is below 1, or shapes or labels do not fit.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    _check(logits, labels)
    loss = nn.functional.cross_entropy(logits.double(), labels, reduction="none")  # (N,)
    worst_first = loss.argsort(descending=True, stable=True)
    wrong = (logits.argmax(dim=1) != labels)[worst_first]
    return worst_first[wrong][:count]


def _check(logits: Tensor, labels: Tensor) -> None:
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or len(labels) == 0:
        raise ValueError(
            "logits must be (N, num_classes) and labels (N,) with N > 0, "
            f"got {tuple(logits.shape)} and {tuple(labels.shape)}"
        )
    if labels.is_floating_point() or labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise ValueError(
            f"labels must be whole numbers from 0 to {logits.shape[1] - 1}, "
            f"got {labels.dtype} from {labels.min().item()} to {labels.max().item()}"
        )
