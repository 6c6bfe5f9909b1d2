"""What a classifier's answers are worth: accuracy, confusion, worst mistakes.

Introduced in chapter 5.

Everything takes the logits ``(N, num_classes)`` and labels ``(N,)`` that ``evaluation.predict`` returns, or
arrays and lists of the same numbers. They may lie on different devices; what comes back lies on the CPU.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from resnet_utils.runtime import given


@given.explained
def correct(logits: Tensor, labels: Tensor) -> Tensor:
    """Whether the largest logit is that of the label: bool ``(N,)``, on the CPU.

    Args:
        logits: ``(N, num_classes)`` with N > 0.
        labels: class numbers ``(N,)``.

    Raises:
        ValueError: for shapes that do not fit, labels outside 0 ... num_classes - 1, or logits that are NaN.
    """
    logits, labels = _checked(logits, labels)
    return logits.argmax(dim=1) == labels


@given.explained
def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Fraction in [0, 1] of the samples whose largest logit is that of their label.

    Args:
        logits: as in ``correct``.
        labels: as in ``correct``.

    Raises:
        ValueError: as ``correct``.
    """
    return correct(logits, labels).sum().item() / len(labels)


@given.explained
def confusion(logits: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Counts ``(num_classes, num_classes)``, int64: row = true class, column = predicted class.

    Args:
        logits: as in ``correct``.
        labels: as in ``correct``.
        num_classes: number of classes, that of the logits.

    Raises:
        ValueError: as ``correct``, or if the logits have another number of classes.
    """
    logits, labels = _checked(logits, labels)
    num_classes = given.whole_number("num_classes", num_classes)
    if logits.shape[1] != num_classes:
        raise ValueError(f"logits have {logits.shape[1]} classes, but num_classes is {num_classes}")
    cells = labels * num_classes + logits.argmax(dim=1)  # one number for each pair
    return torch.bincount(cells, minlength=num_classes**2).view(num_classes, num_classes)


@given.explained
def recall(logits: Tensor, labels: Tensor) -> Tensor:
    """Of the samples of each class the share that is answered right: float64 ``(num_classes,)`` in [0, 1].

    NaN for a class without a sample. Where classes are of different size, one accuracy for all hides the
    small ones: of 20 to 1 images, 95 % are right by always saying the large one; the recalls are 1 and 0.

    Args:
        logits: as in ``correct``.
        labels: as in ``correct``.

    Raises:
        ValueError: as ``correct``.
    """
    logits, labels = _checked(logits, labels)
    table = confusion(logits, labels, logits.shape[1]).double()
    return table.diagonal() / table.sum(dim=1)


@given.explained
def balanced_accuracy(logits: Tensor, labels: Tensor) -> float:
    """The mean of ``recall`` over the classes that have samples, in [0, 1]; guessing gives 1 / their number.

    Args:
        logits: as in ``correct``.
        labels: as in ``correct``.

    Raises:
        ValueError: as ``correct``.
    """
    return float(recall(logits, labels).nanmean())


@given.explained
def most_wrong(logits: Tensor, labels: Tensor, count: int) -> Tensor:
    """Indices of the wrongly classified samples with the largest loss, the worst first: int64, on the CPU.

    These are the samples to look at: hard cases, wrong labels, broken files.

    Args:
        logits: as in ``correct``.
        labels: as in ``correct``.
        count: how many, at least 1; fewer come back when fewer are wrong.

    Raises:
        ValueError: if ``count`` is below 1, or as ``correct``.
    """
    count = given.whole_number("count", count)
    logits, labels = _checked(logits, labels)
    loss = nn.functional.cross_entropy(logits.double(), labels, reduction="none")  # (N,)
    worst_first = loss.argsort(descending=True, stable=True)
    wrong = (logits.argmax(dim=1) != labels)[worst_first]
    return worst_first[wrong][:count]


def _checked(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Both as tensors on the CPU, out of the graph, if they fit each other."""
    logits, labels = given.table("logits", logits), given.table("labels", labels)
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or len(labels) == 0:
        raise ValueError(
            "logits must be (N, num_classes) and labels (N,) with N > 0, "
            f"got {tuple(logits.shape)} and {tuple(labels.shape)}"
        )
    logits, labels = logits.detach().cpu(), labels.cpu()
    is_whole = not labels.is_floating_point() and labels.dtype != torch.bool
    if not is_whole or labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise ValueError(
            f"labels must be whole numbers from 0 to {logits.shape[1] - 1}, "
            f"got {labels.dtype} from {labels.min().item()} to {labels.max().item()}"
        )
    if logits.isnan().any():  # the largest of them would be the NaN
        raise ValueError("logits must be numbers, but some are NaN: the network or its images went wrong")
    return logits, labels.long()  # in bytes, label * num_classes would wrap around
