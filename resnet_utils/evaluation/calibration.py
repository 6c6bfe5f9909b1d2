"""Whether a probability means what it says: calibration, one temperature to mend it, and when to abstain.

Introduced in chapter 5.

Everything takes the logits ``(N, K)`` and labels ``(N,)`` that ``evaluation.predict`` returns, wherever they
lie, and computes in float64 on the CPU. The *confidence* of an answer is the largest softmax probability,
after division of the logits by a temperature.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from resnet_utils.evaluation.metrics import correct
from resnet_utils.runtime import given

BINS = 15  # as in Guo et al. 2017
TEMPERATURES = (0.05, 20.0)  # a fitted temperature stays within


@dataclass(frozen=True)
class Reliability:
    """Answers sorted into bins of equal width by their confidence; on the CPU, in float64 but for ``counts``.

    edges: ends of the bins, ``(bins + 1,)``, from 0 to 1.
    counts: number of answers in each bin, int64 ``(bins,)``.
    confidence: their mean confidence as a fraction, ``(bins,)``, NaN where a bin is empty.
    accuracy: the share of them that is right, ``(bins,)``, NaN where a bin is empty.
    """

    edges: Tensor
    counts: Tensor
    confidence: Tensor
    accuracy: Tensor


@given.explained
def confidence(logits: Tensor, *, temperature: float = 1.0) -> Tensor:
    """The probability of the most likely class, ``(N,)`` in float64, on the CPU.

    Args:
        logits: ``(N, K)``, finite, with N > 0 and K > 1.
        temperature: what the logits are divided by first, above 0; 1 leaves them as they are.

    Raises:
        ValueError: if ``logits`` or ``temperature`` are otherwise.
    """
    temperature = given.real_number("temperature", temperature)
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature must be above 0 and finite, got {temperature}")
    tempered = _exact(logits) / temperature
    if not torch.isfinite(tempered).all():
        raise ValueError(f"a temperature of {temperature} makes the logits infinite")
    return tempered.softmax(dim=1).amax(dim=1)


@given.explained
def reliability(logits: Tensor, labels: Tensor, *, temperature: float = 1.0, bins: int = BINS) -> Reliability:
    """Mean confidence and accuracy of the answers in each of ``bins`` bins, (0, 1/bins] to (1 - 1/bins, 1].

    Args:
        logits: as in ``confidence``.
        labels: class numbers ``(N,)``.
        temperature: as in ``confidence``.
        bins: number of bins, at least 1.

    Source: Guo et al. 2017, arXiv:1706.04599, section 2.

    Raises:
        ValueError: for shapes or labels that do not fit, or ``bins`` below 1.
    """
    bins = given.whole_number("bins", bins)
    sure, right = confidence(logits, temperature=temperature), correct(logits, labels).double()
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    place = torch.bucketize(sure, edges[1:-1])  # an answer on an edge belongs to the bin below
    counts = place.bincount(minlength=bins)

    def mean(values: Tensor) -> Tensor:
        return torch.zeros(bins, dtype=torch.float64).index_add(0, place, values) / counts

    return Reliability(edges, counts, mean(sure), mean(right))


@given.explained
def expected_calibration_error(
    logits: Tensor, labels: Tensor, *, temperature: float = 1.0, bins: int = BINS
) -> float:
    """Mean distance between confidence and accuracy over the bins, weighted by their answers; in [0, 1].

    Few images make it too large: even a perfect classifier's bins miss their mark by chance.

    Args:
        logits: as in ``reliability``.
        labels: as in ``reliability``.
        temperature: as in ``reliability``.
        bins: as in ``reliability``.

    Source: Guo et al. 2017, arXiv:1706.04599, equation 3.

    Raises:
        ValueError: as ``reliability``.
    """
    table = reliability(logits, labels, temperature=temperature, bins=bins)
    gaps = (table.confidence - table.accuracy).abs().nan_to_num(0.0)
    return float((table.counts * gaps).sum() / table.counts.sum())


@given.explained
def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature whose softmax gives these labels the largest likelihood; above 1: it was too sure.

    It changes no answer, since it changes no order of the logits. The loss is convex in 1 / temperature, so
    its slope has one zero, found by bisection; the result stays within ``TEMPERATURES``, which matters if
    every answer is right, or none.

    Args:
        logits: as in ``confidence``, of images that neither trained the network nor will judge it.
        labels: class numbers ``(N,)``.

    Source: Guo et al. 2017, arXiv:1706.04599, section 4.2.

    Raises:
        ValueError: for shapes or labels that do not fit.
    """
    z, labels = _exact(logits), given.table("labels", labels)
    correct(logits, labels)  # checks the labels
    wanted = z.gather(1, labels.cpu().long()[:, None])[:, 0]

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


@given.explained
def prior_corrected(
    logits: Tensor, *, trained: Sequence[float] | Tensor, wanted: Sequence[float] | Tensor | None = None
) -> Tensor:
    """Logits as of a network that had seen the classes in other shares: float64 ``(N, K)``, on the CPU.

    By Bayes' rule a probability is proportional to the share of its class, so each logit changes by the
    logarithm of the ratio of the shares. A network trained on 20 dogs for each cat says "dog" too often where
    both come equally often. Correct first, then fit a temperature.

    Args:
        logits: as in ``confidence``.
        trained: the share of each class among the training images, or their number; above 0.
        wanted: likewise where it is used; None: all the same.

    Source: Saerens et al. 2002, doi:10.1162/089976602753284446, equation 2.4; as "logit adjustment" Menon et
    al. 2021, arXiv:2007.07314.

    Raises:
        ValueError: if the logits are not fit for a softmax, or there is not one share above 0 a class.
    """
    exact = _exact(logits)
    shares = {"trained": trained, "wanted": [1.0] * exact.shape[1] if wanted is None else wanted}
    there, here = (
        torch.tensor(given.real_numbers(name, values), dtype=torch.float64, device="cpu")
        for name, values in shares.items()
    )
    for part in (there, here):
        if part.shape != exact.shape[1:] or not (part > 0).all() or not torch.isfinite(part).all():
            raise ValueError(
                f"there must be one share above 0 for each of {exact.shape[1]} classes, got {part.tolist()}"
            )
    return exact + (here / here.sum()).log() - (there / there.sum()).log()


def _exact(logits: Tensor) -> Tensor:
    """The logits in float64 on the CPU (Apple's GPUs have no float64), if they are fit for a softmax."""
    logits = given.table("logits", logits)
    if logits.ndim != 2 or logits.shape[0] == 0 or logits.shape[1] < 2:
        raise ValueError(f"logits must be (N, K) with N > 0 and K > 1, got shape {tuple(logits.shape)}")
    exact = logits.detach().cpu().double()
    if not torch.isfinite(exact).all():
        raise ValueError("logits must be finite, but some are infinite or no numbers")
    return exact
