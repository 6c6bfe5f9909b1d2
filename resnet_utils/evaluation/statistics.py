"""How sure a number is: every interval and every test of the book.

Introduced in chapters 1 and 5.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from statistics import NormalDist

import torch
from torch import Tensor


def risk_bound(mistakes: int, total: int, *, delta: float = 0.05) -> float:
    """The error rate at which ``mistakes`` or fewer in ``total`` answers have only the chance ``delta``.

    The exact one-sided bound of Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404.

    Raises:
        ValueError: if not 0 <= ``mistakes`` <= ``total`` with ``total`` above 0, or ``delta`` not in (0, 1).
    """
    if total < 1 or not 0 <= mistakes <= total or not 0 < delta < 1:
        raise ValueError(
            f"need 0 <= mistakes <= total, total > 0 and delta in (0, 1), got {mistakes} of {total}, {delta}"
        )
    if mistakes == total:
        return 1.0
    # log of each binomial coefficient, so that nothing overflows
    ways = [
        math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1) for k in range(mistakes + 1)
    ]
    low, high = mistakes / total, 1.0
    for _ in range(60):
        p = (low + high) / 2
        chance = sum(math.exp(w + k * math.log(p) + (total - k) * math.log1p(-p)) for k, w in enumerate(ways))
        low, high = (p, high) if chance > delta else (low, p)
    return high


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
    Student's t on the differences (``interval``), in the unit of the values.

    Raises:
        ValueError: if the two differ in length, or have fewer than 2 or more than 10 runs.
    """
    if len(first) != len(second):
        raise ValueError(f"each run needs its partner, got {len(first)} and {len(second)} runs")
    return interval([a - b for a, b in zip(first, second, strict=True)])


def paired_gains(runs: Mapping[str, Sequence[float]], over: str) -> dict[str, tuple[float, float]]:
    """``paired_interval`` of each of ``runs`` over the one named ``over``, in their order, without itself.

    Raises:
        ValueError: if nothing is named ``over``, or as ``paired_interval``.
    """
    if over not in runs:
        raise ValueError(f"nothing is named {over!r}; there are {', '.join(runs)}")
    return {name: paired_interval(values, runs[over]) for name, values in runs.items() if name != over}


T_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)  # Student's t for 2 to 10 runs


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half the width of its 95 % confidence interval (Student's t), in the unit of ``values``.

    Raises:
        ValueError: for fewer than 2 or more than 10 values.
    """
    if not 2 <= len(values) <= len(T_95) + 1:
        raise ValueError(f"an interval needs 2 to {len(T_95) + 1} values, got {len(values)}")
    error = statistics.stdev(values) / len(values) ** 0.5
    return statistics.fmean(values), T_95[len(values) - 2] * error
