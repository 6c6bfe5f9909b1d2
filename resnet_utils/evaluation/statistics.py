"""How sure a number is: every interval and every test of the book.

Introduced in chapters 1 and 5.

An interval is always ``(low, high)``. The distributions are SciPy's; Wilson's formula stands in the open.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import NamedTuple

import torch
from torch import Tensor

from resnet_utils.runtime import given

# scipy.stats takes half a second to import, so each function asks for it when it is called.


class Interval(NamedTuple):
    """An interval in the unit of the values it is about; ``low, high = interval`` unpacks it.

    low: its lower end.
    high: its upper end.
    """

    low: float
    high: float

    @property
    def middle(self) -> float:
        """Half-way between the ends: the mean, for Student's intervals; not the share itself for Wilson's."""
        return (self.low + self.high) / 2

    @property
    def half(self) -> float:
        """Half the width, what stands behind the +- of a symmetric interval."""
        return (self.high - self.low) / 2


class Paired(NamedTuple):
    """What ``mcnemar`` finds, in this order.

    only_first: number of images that only the first classifier has right.
    only_second: number of images that only the second one has right.
    p: chance, in [0, 1], that two equally good classifiers differ by that much or more.
    """

    only_first: int
    only_second: int
    p: float


@given.explained
def mean_interval(values: Sequence[float], *, confidence: float = 0.95) -> Interval:
    """Student's t interval for the mean of a few runs; its ``middle`` is the mean, in the unit of ``values``.

    Args:
        values: one number a run, at least two, for example accuracies over seeds.
        confidence: share of such intervals that hold the true mean, in (0, 1).

    Source: Student 1908, doi:10.1093/biomet/6.1.1.

    Raises:
        ValueError: for fewer than 2 values, one that is not finite, or a ``confidence`` outside (0, 1).
    """
    _check_confidence(confidence)
    values = given.real_numbers("values", values)
    if len(values) < 2:
        raise ValueError(f"an interval needs at least 2 values, got {len(values)}")
    if not all(map(math.isfinite, values)):
        raise ValueError(f"an interval needs finite values, got {values}")
    from scipy import stats

    mean, error = statistics.fmean(values), statistics.stdev(values) / len(values) ** 0.5
    half = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1)) * error
    return Interval(mean - half, mean + half)


@given.explained
def paired_interval(first: Sequence[float], second: Sequence[float], *, confidence: float = 0.95) -> Interval:
    """Student's interval for the mean of ``first - second`` over runs with the same seeds.

    Runs of one seed share their images and their order, so what they share falls out of the difference.

    Args:
        first: one number a run.
        second: the number of the partner of each of those runs, in the same order and unit.
        confidence: as in ``mean_interval``.

    Raises:
        ValueError: if the two differ in length, or as ``mean_interval``.
    """
    first, second = given.real_numbers("first", first), given.real_numbers("second", second)
    if len(first) != len(second):
        raise ValueError(f"each run needs its partner, got {len(first)} and {len(second)} runs")
    return mean_interval([a - b for a, b in zip(first, second, strict=True)], confidence=confidence)


@given.explained
def paired_gains(
    runs: Mapping[str, Sequence[float]], *, over: str, confidence: float = 0.95
) -> dict[str, Interval]:
    """``paired_interval`` of each of ``runs`` over the one named ``over``, in their order, without itself.

    Args:
        runs: for each name one number a run, the seeds in the same order.
        over: the name of those that the others are compared with.
        confidence: as in ``mean_interval``; each interval by itself, with no correction for their number.

    Raises:
        ValueError: if nothing is named ``over``, or as ``paired_interval``.
    """
    given.of_kind("runs", runs, Mapping)
    if over not in runs:
        raise ValueError(f"nothing is named {over!r}; there are {', '.join(map(str, runs))} among the runs")
    return {
        name: paired_interval(values, runs[over], confidence=confidence)
        for name, values in runs.items()
        if name != over
    }


@given.explained
def recipe_interval(accuracies: Sequence[float], total: int, *, confidence: float = 0.95) -> Interval:
    """Interval for what a recipe reaches with a new seed's training on new images, as fractions in [0, 1].

    Two lucks are in it: that of the trainings (Student's interval over the runs) and that of the test images
    (the normal interval for the mean accuracy on so many), which all runs share, so that more seeds do not
    make it smaller. The two are independent, so their halves add up as squares; the ends stay inside [0, 1].

    Args:
        accuracies: of each run, in [0, 1], at least two, all on the same images.
        total: number of those images, at least 1.
        confidence: as in ``mean_interval``.

    Raises:
        ValueError: for an accuracy outside [0, 1], a ``total`` that is no whole number of at least 1, or as
            ``mean_interval``.
    """
    accuracies, images = given.real_numbers("accuracies", accuracies), given.whole_number("total", total)
    if any(not 0 <= share <= 1 for share in accuracies):
        raise ValueError(f"accuracies must be shares in [0, 1], got {accuracies}")
    seeds = mean_interval(accuracies, confidence=confidence)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    half = math.hypot(seeds.half, z * math.sqrt(seeds.middle * (1 - seeds.middle) / images))
    return Interval(max(0.0, seeds.middle - half), min(1.0, seeds.middle + half))


@given.explained
def recipe_gain(first: Tensor, second: Tensor, *, confidence: float = 0.95) -> Interval:
    """Interval for how much more often one recipe is right than another, for new seeds and new images.

    In fractions, between -1 and 1. Runs are paired by seed and answers by image, so that what they share
    falls out of the difference. The two lucks add up as in ``recipe_interval``; a part of them is counted in
    both, which makes the interval a little too wide.

    Args:
        first: whether each answer of the first recipe is right, bool (seeds, images), at least 2 by 2.
        second: the same of the second one, seeds and images in the same order.
        confidence: as in ``mean_interval``.

    Raises:
        ValueError: if the two are not bool (seeds, images) of one shape, or as ``mean_interval``.
    """
    first, second = given.table("first", first), given.table("second", second)
    fits = first.ndim == 2 and first.shape == second.shape
    if not fits or first.dtype != torch.bool or second.dtype != torch.bool:
        kinds = f"{first.dtype} {tuple(first.shape)} and {second.dtype} {tuple(second.shape)}"
        raise ValueError(f"right and wrong must be bool (seeds, images) of one shape, got {kinds}")
    if first.shape[1] < 2:
        raise ValueError(f"an interval needs at least 2 images, got {first.shape[1]}")
    change = first.cpu().double() - second.cpu().double()
    seeds = mean_interval(change.mean(dim=1).tolist(), confidence=confidence)
    by_image = change.mean(dim=0).tolist()
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    half = math.hypot(seeds.half, z * statistics.stdev(by_image) / len(by_image) ** 0.5)
    return Interval(seeds.middle - half, seeds.middle + half)


@given.explained
def accuracy_interval(correct: int, total: int, *, confidence: float = 0.95) -> Interval:
    """Wilson's interval for an accuracy, as fractions in [0, 1].

    Covers chance in drawing the test images only, not in training. Unlike p +- 1.96 standard errors it stays
    inside [0, 1] and makes sense at 0 and at ``total`` correct.

    Args:
        correct: number of right answers.
        total: number of answers, at least 1.
        confidence: share of such intervals that hold the true accuracy, in (0, 1).

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.

    Raises:
        ValueError: if not 0 <= ``correct`` <= ``total``, ``total`` is 0, one is no whole number (a share
            such as 0.93 is no count), or ``confidence`` not in (0, 1).
    """
    correct, total = _counts("correct", correct, total)
    if total < 1 or not 0 <= correct <= total:
        raise ValueError(f"need 0 <= correct <= total and total > 0, got {correct} of {total}")
    _check_confidence(confidence)
    z = NormalDist().inv_cdf((1 + confidence) / 2)  # 1.96 for 95 %
    p = correct / total
    center = (p + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z / (1 + z**2 / total) * math.sqrt(p * (1 - p) / total + z**2 / (4 * total**2))
    # The formula's ends at 0 and at ``total`` are 0 and 1; said exactly, since floats may miss them by a bit.
    return Interval(0.0 if correct == 0 else center - half, 1.0 if correct == total else center + half)


@given.explained
def risk_bound(mistakes: int, total: int, *, delta: float = 0.05) -> float:
    """The error rate, in [0, 1], at which so few mistakes have only the chance ``delta``.

    The exact one-sided bound of Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404: a quantile of the beta
    distribution.

    Args:
        mistakes: number of wrong answers.
        total: number of answers, at least 1.
        delta: chance, in (0, 1), that the true rate lies above the bound.

    Raises:
        ValueError: if not 0 <= ``mistakes`` <= ``total`` with ``total`` above 0, one is no whole number, or
            ``delta`` not in (0, 1).
    """
    mistakes, total = _counts("mistakes", mistakes, total)
    delta = given.real_number("delta", delta)
    if total < 1 or not 0 <= mistakes <= total or not 0 < delta < 1:
        raise ValueError(
            f"need 0 <= mistakes <= total, total > 0 and delta in (0, 1), got {mistakes} of {total}, {delta}"
        )
    if mistakes == total:
        return 1.0
    from scipy import stats

    return float(stats.beta.ppf(1 - delta, mistakes + 1, total - mistakes))


@given.explained
def mcnemar(first: Tensor, second: Tensor) -> Paired:
    """Two classifiers on the same images: ``(only_first, only_second, p)``.

    Images on which both are right or both wrong say nothing, and the others fall like coins if the two are
    equally good: the binomial test, exact and two-sided, whatever the counts.

    Args:
        first: whether the first one's answer to each image is right, bool ``(N,)``.
        second: the same of the second one, the images in the same order.

    Source: McNemar 1947, doi:10.1007/BF02295996; exact form: Dietterich 1998, doi:10.1162/089976698300017197.

    Raises:
        ValueError: if the two are not bool ``(N,)`` of the same length N > 0.
    """
    first, second = given.table("first", first), given.table("second", second)
    if first.dtype != torch.bool or second.dtype != torch.bool or {first.ndim, second.ndim} != {1}:
        kinds = f"{first.dtype} {tuple(first.shape)} and {second.dtype} {tuple(second.shape)}"
        raise ValueError(f"right and wrong must be bool (N,), got {kinds}")
    if first.shape != second.shape or len(first) == 0:
        raise ValueError(f"both need the same images, at least one; got {len(first)} and {len(second)}")
    first, second = first.cpu(), second.cpu()
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    if only_first + only_second == 0:
        return Paired(0, 0, 1.0)
    from scipy import stats

    test = stats.binomtest(only_first, only_first + only_second, 0.5)
    return Paired(only_first, only_second, float(test.pvalue))


def _counts(name: str, count: float, total: float) -> tuple[int, int]:
    """Both as plain whole numbers; a share in place of a count would give an interval of something else."""
    some, total = given.real_number(name, count), given.real_number("total", total)
    if not (some.is_integer() and total.is_integer()):
        raise ValueError(
            f"counts are whole numbers, got {some:g} of {total:g}; round(share * total) is meant"
        )
    return int(some), int(total)


def _check_confidence(confidence: float) -> None:
    if not 0 < given.real_number("confidence", confidence) < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
