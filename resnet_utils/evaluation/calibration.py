"""Whether a probability means what it says: calibration, one temperature to mend it, and when to abstain.

Introduced in chapter 5.

Everything takes the logits ``(N, K)`` and labels ``(N,)`` that ``training.predict`` returns, and computes in
float64. The *confidence* of an answer is the largest softmax probability, after division of the logits by a
temperature.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

BINS = 15  # as in Guo et al. 2017
TEMPERATURES = (0.05, 20.0)  # a fitted temperature stays within


@dataclass(frozen=True)
class Reliability:
    """Answers sorted into bins of equal width by their confidence; every tensor has one entry a bin.

    counts: int64.  confidence, accuracy: means over the bin as fractions, NaN where it is empty.
    """

    edges: Tensor  # (bins + 1,), from 0 to 1
    counts: Tensor
    confidence: Tensor
    accuracy: Tensor


def confidence(logits: Tensor, *, temperature: float = 1.0) -> Tensor:
    """The probability of the most likely class, ``(N,)`` in float64.

    Raises:
        ValueError: if ``logits`` are not ``(N, K)`` with N > 0 and K > 1 and finite, or ``temperature``
            is not above 0.
    """
    if logits.ndim != 2 or logits.shape[0] == 0 or logits.shape[1] < 2 or not torch.isfinite(logits).all():
        raise ValueError(
            f"logits must be finite and (N, K) with N > 0 and K > 1, got shape {tuple(logits.shape)}"
        )
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature must be above 0 and finite, got {temperature}")
    return (logits.detach().double() / temperature).softmax(dim=1).amax(dim=1)


def reliability(logits: Tensor, labels: Tensor, *, temperature: float = 1.0, bins: int = BINS) -> Reliability:
    """Mean confidence and accuracy of the answers in each of ``bins`` bins, (0, 1/bins] to (1 - 1/bins, 1].

    Source: Guo et al. 2017, arXiv:1706.04599, section 2.

    Raises:
        ValueError: for shapes or labels that do not fit, or ``bins`` below 1.
    """
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    sure, right = confidence(logits, temperature=temperature), _right(logits, labels)
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    place = torch.bucketize(sure.cpu(), edges[1:-1])  # an answer on an edge belongs to the bin below
    counts = place.bincount(minlength=bins)

    def mean(values: Tensor) -> Tensor:
        return torch.zeros(bins, dtype=torch.float64).index_add(0, place, values.cpu()) / counts

    return Reliability(edges, counts, mean(sure), mean(right))


def expected_calibration_error(
    logits: Tensor, labels: Tensor, *, temperature: float = 1.0, bins: int = BINS
) -> float:
    """Mean distance between confidence and accuracy over the bins, weighted by their answers; in [0, 1].

    Few images make it too large: even a perfect classifier's bins miss their mark by chance.
    Source: Guo et al. 2017, arXiv:1706.04599, equation 3.
    """
    table = reliability(logits, labels, temperature=temperature, bins=bins)
    gaps = (table.confidence - table.accuracy).abs().nan_to_num(0.0)
    return float((table.counts * gaps).sum() / table.counts.sum())


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature whose softmax gives these labels the largest likelihood; above 1: it was too sure.

    Fit it on images that neither trained the network nor will judge it. It changes no answer, since it
    changes no order of the logits. The loss is convex in 1 / temperature, so its slope has one zero, found by
    bisection; the result stays within ``TEMPERATURES``, which matters if every answer is right, or none.
    Source: Guo et al. 2017, arXiv:1706.04599, section 4.2.

    Raises:
        ValueError: for shapes or labels that do not fit.
    """
    _right(logits, labels)  # checks both
    z = logits.detach().double()
    wanted = z.gather(1, labels[:, None])[:, 0]

    def slope(inverse: float) -> float:
        """Derivative of the mean loss by the inverse temperature: expected minus wanted logit."""
        return float((((z * inverse).softmax(dim=1) * z).sum(dim=1) - wanted).mean())

    low, high = (1 / limit for limit in reversed(TEMPERATURES))
    if slope(low) >= 0 or slope(high) <= 0:
        return TEMPERATURES[1] if slope(low) >= 0 else TEMPERATURES[0]
    for _ in range(60):  # 60 halvings leave no more than float64's own error
        middle = math.sqrt(low * high)
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return 1 / math.sqrt(low * high)


def _right(logits: Tensor, labels: Tensor) -> Tensor:
    """1.0 where the largest logit is the label's, else 0.0: ``(N,)`` in float64."""
    confidence(logits)  # checks them
    if labels.shape != logits.shape[:1] or labels.is_floating_point():
        raise ValueError(
            f"labels must be whole numbers ({len(logits)},), got {labels.dtype} {tuple(labels.shape)}"
        )
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise ValueError(
            f"labels must lie in 0 to {logits.shape[1] - 1}, got {int(labels.min())} to {int(labels.max())}"
        )
    return (logits.argmax(dim=1) == labels).double()
