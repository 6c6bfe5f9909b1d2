"""What a classifier's answers are worth: accuracy with its interval, comparisons, confusion, worst mistakes.

Introduced in chapter 5.

Most of it takes the logits and labels that ``training.predict`` returns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist

import torch
from torch import Tensor, nn

from resnet_utils import degradation


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Fraction in [0, 1] of the samples whose largest logit is that of their label.

    Raises:
        ValueError: if the shapes are not ``(N, num_classes)`` and ``(N,)`` with N > 0.
    """
    _check(logits, labels)
    return (logits.argmax(dim=1) == labels).sum().item() / len(labels)


def accuracy_interval(correct: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Lower and upper end, as fractions, of Wilson's interval for an accuracy of ``correct`` in ``total``.

    Covers chance in drawing the test images only, not in training. Unlike p +- 1.96 standard errors it stays
    inside [0, 1] and makes sense at 0 and at ``total`` correct.
    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.

    Raises:
        ValueError: if not 0 <= ``correct`` <= ``total``, ``total`` is 0, or ``confidence`` not in (0, 1).
    """
    if total < 1 or not 0 <= correct <= total:
        raise ValueError(f"need 0 <= correct <= total and total > 0, got {correct} of {total}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)  # 1.96 for 95 %
    p = correct / total
    centre = (p + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z / (1 + z**2 / total) * math.sqrt(p * (1 - p) / total + z**2 / (4 * total**2))
    # The formula's ends at 0 and at ``total`` are 0 and 1; said exactly, since floats may miss them by a bit.
    return (0.0 if correct == 0 else centre - half), (1.0 if correct == total else centre + half)


def mcnemar(first: Tensor, second: Tensor) -> tuple[int, int, float]:
    """Two classifiers on the same images: how many only the first has right, how many only the second, and p.

    ``first`` and ``second`` say for each image whether the answer is right, bool (N,). p is the chance that
    two equally good classifiers differ by that much or more: images on which both are right or both wrong
    say nothing, and the others fall like coins. Exact and two-sided, whatever the counts.
    Source: McNemar 1947, doi:10.1007/BF02295996; exact form: Dietterich 1998, doi:10.1162/089976698300017197.

    Raises:
        ValueError: if the two are not bool (N,) of the same length N > 0.
    """
    if first.dtype != torch.bool or second.dtype != torch.bool or first.ndim != 1:
        kinds = f"{first.dtype} {tuple(first.shape)} and {second.dtype} {tuple(second.shape)}"
        raise ValueError(f"right and wrong must be bool (N,), got {kinds}")
    if first.shape != second.shape or len(first) == 0:
        raise ValueError(f"both need the same images, at least one; got {len(first)} and {len(second)}")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    total, fewer = only_first + only_second, min(only_first, only_second)
    ways = sum(math.comb(total, k) for k in range(fewer + 1))  # whole numbers: nothing is rounded before /
    return only_first, only_second, min(1.0, 2 * ways / 2**total)


def paired_interval(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Mean of ``first - second`` over runs with the same seeds, and half the width of its 95 % interval.

    Runs of one seed share their images and their order, so what they share falls out of the difference.
    Student's t on the differences (``degradation.interval``), in the unit of the values.

    Raises:
        ValueError: if the two differ in length, or have fewer than 2 or more than 10 runs.
    """
    if len(first) != len(second):
        raise ValueError(f"each run needs its partner, got {len(first)} and {len(second)} runs")
    return degradation.interval([a - b for a, b in zip(first, second, strict=True)])


def paired_gains(runs: Mapping[str, Sequence[float]], over: str) -> dict[str, tuple[float, float]]:
    """``paired_interval`` of each of ``runs`` over the one named ``over``, in their order, without itself.

    Raises:
        ValueError: if nothing is named ``over``, or as ``paired_interval``.
    """
    if over not in runs:
        raise ValueError(f"nothing is named {over!r}; there are {', '.join(runs)}")
    return {name: paired_interval(values, runs[over]) for name, values in runs.items() if name != over}


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
