"""Answering only where it is sure: what abstaining buys, and a threshold that keeps a promise.

Introduced in chapter 5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from resnet_utils.evaluation.calibration import confidence
from resnet_utils.evaluation.metrics import correct
from resnet_utils.evaluation.statistics import risk_bound
from resnet_utils.runtime import given

LEAST_SHARE = 1e-300  # of a risk, or of a delta


@dataclass(frozen=True)
class RiskCurve:
    """What abstaining buys, one entry for each threshold, from the strictest to none at all; float64, CPU.

    threshold: an answer is given where its confidence is at least this.
    coverage: share of the images that get an answer, in [0, 1].
    risk: share of those answers that are wrong, in [0, 1].
    """

    threshold: Tensor
    coverage: Tensor
    risk: Tensor


@given.explained
def risk_curve(logits: Tensor, labels: Tensor, *, temperature: float = 1.0) -> RiskCurve:
    """Coverage and risk for every threshold that makes a difference.

    Answers of equal confidence are given or withheld together.

    Args:
        logits: ``(N, num_classes)``, as ``evaluation.predict`` returns them.
        labels: class numbers ``(N,)``.
        temperature: what the logits are divided by, above 0.

    Source: Geifman and El-Yaniv 2017, arXiv:1705.08500, section 2.

    Raises:
        ValueError: for shapes or labels that do not fit.
    """
    sure, order = confidence(logits, temperature=temperature).sort(descending=True, stable=True)
    wrong = (~correct(logits, labels)).double()[order]
    answers = torch.arange(1, len(sure) + 1, dtype=torch.float64)
    last = torch.ones_like(sure, dtype=torch.bool)  # the last one of each run of equal confidences
    last[:-1] = sure[:-1] != sure[1:]
    return RiskCurve(sure[last], (answers / len(sure))[last], (wrong.cumsum(0) / answers)[last])


@given.explained
def threshold_for_risk(
    logits: Tensor,
    labels: Tensor,
    *,
    risk: float,
    temperature: float = 1.0,
    delta: float = 0.05,
    otherwise: float | None = None,
) -> float:
    """The threshold below which to abstain, so that at most a share ``risk`` of the given answers is wrong.

    Holds on new images of the same kind with probability 1 - ``delta``. A binary search over the thresholds;
    each try costs a part of ``delta``.

    Args:
        logits: ``(N, num_classes)`` of images that neither trained the network nor set its temperature.
        labels: class numbers ``(N,)``.
        risk: share of the answers that may be wrong, in (0, 1).
        temperature: what the logits are divided by, above 0.
        delta: chance, in (0, 1), that the promise fails.
        otherwise: the threshold to return where no threshold can promise that risk, from 0 to 1 (0: always
            answer, and promise nothing); None: that is an error.

    Source: Geifman and El-Yaniv 2017, arXiv:1705.08500, algorithm 1 (SGR).

    Raises:
        ValueError: for a ``risk`` or ``delta`` outside (0, 1) or below 1e-300, shapes that do not fit, or if
            no threshold can promise that risk; the message says how many images it takes at least.
    """
    _require_shares(risk=risk, delta=delta)
    if otherwise is not None and not 0 <= given.real_number("otherwise", otherwise) <= 1:
        raise ValueError(f"otherwise must be a threshold from 0 to 1, got {otherwise}")
    curve, total = risk_curve(logits, labels, temperature=temperature), len(labels)
    tries = _tries(total)
    low, high, found = 0, len(curve.threshold) - 1, None
    while low <= high:  # in the direction of more coverage while the promise holds
        middle = (low + high) // 2
        answered = round(float(curve.coverage[middle]) * total)
        mistakes = round(float(curve.risk[middle]) * answered)
        if risk_bound(mistakes, answered, delta=delta / tries) <= risk:
            found, low = float(curve.threshold[middle]), middle + 1
        else:
            high = middle - 1
    if found is not None:
        return found
    if otherwise is not None:
        return otherwise
    raise ValueError(
        f"{total} images cannot promise a risk of {risk:g} with probability {1 - delta:g} for any threshold: "
        f"it takes at least {fewest_images(risk=risk, delta=delta)}, and few mistakes among the surest. "
        "Take more images, a larger risk or delta, or say what to take `otherwise`"
    )


@given.explained
def fewest_images(*, risk: float, delta: float = 0.05) -> int:
    """The number of images from which ``threshold_for_risk`` can promise a risk, if the surest are all right.

    Args:
        risk: share of the answers that may be wrong, in (0, 1).
        delta: chance, in (0, 1), that the promise fails.

    Raises:
        ValueError: for a ``risk`` or ``delta`` outside (0, 1), or below 1e-300.
    """
    _require_shares(risk=risk, delta=delta)
    tries = 1
    while True:  # without a mistake the bound is 1 - (delta / tries) ** (1 / images)
        images = math.ceil(math.log(delta / tries) / math.log1p(-risk))
        if images <= 2**tries:
            return images
        tries += 1


def _require_shares(*, risk: float, delta: float) -> None:
    """Refuse what is not in (0, 1), and what is so near 0 that the bound's logarithms would be infinite."""
    for name, value in (("risk", risk), ("delta", delta)):
        if not LEAST_SHARE <= given.real_number(name, value) < 1:
            raise ValueError(f"{name} must be between 0 and 1, and at least {LEAST_SHARE:g}, got {value}")


def _tries(images: int) -> int:
    """Thresholds that a binary search over so many images looks at."""
    return max(1, math.ceil(math.log2(images)))
