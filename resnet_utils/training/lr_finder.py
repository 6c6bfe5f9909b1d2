"""Which learning rate? Raise it batch by batch and watch the loss.

Introduced in chapter 4.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from resnet_utils.runtime import given, seeding, types
from resnet_utils.training import loop, optim

WORSE = 4.0  # so many times the lowest loss, and the test is over
SMOOTHING = 0.9  # share of the past in the average of the loss


@dataclass(frozen=True)
class RangeTest:
    """What a range test found.

    Args:
        rates: learning rates, in rising order.
        losses: the loss at each, in nats, a running average over the batches so far.
    """

    rates: list[float]
    losses: list[float]

    def lowest(self) -> float:
        """The rate at which the loss was lowest; beyond it training falls apart."""
        return min(zip(self.losses, self.rates, strict=True))[1]

    def suggestion(self) -> float:
        """A tenth of the rate at which the loss was lowest: as large as is safe for many steps.

        Never below the rates that were tried: then it is the smallest of them. ``doubt`` says when the test
        has not shown enough for a suggestion.
        """
        return max(self.lowest() / 10, self.rates[0])

    def doubt(self) -> str:
        """Why the suggestion is not to be trusted, in words; "" where nothing speaks against it.

        The loss should fall first and then rise: a lowest loss at the last rate has no rise after it, and one
        near the first rate hardly a fall before it.
        """
        if self.lowest() == self.rates[-1]:
            return (
                f"the loss was lowest at {self.rates[-1]:.3g}, the largest rate measured, so its turn was "
                "not seen: test again with a larger `high`, or more `steps`"
            )
        if self.lowest() / 10 < self.rates[0]:
            return (
                f"the loss was lowest at {self.lowest():.3g}, not ten times the smallest rate tried, "
                f"{self.rates[0]:.3g}: test again with a smaller `low`"
            )
        return ""


@given.explained
def lr_range_test(
    model: nn.Module,
    loader: types.Batches,
    *,
    device: types.Device | None = None,
    low: float = 1e-4,
    high: float = 10.0,
    steps: int = 100,
    weight_decay: float = 1e-4,
    loss_function: types.LossFunction | None = None,
) -> RangeTest:
    """Train a copy of ``model`` while the rate grows by equal factors; stop when the loss has exploded.

    The model, the loader's order and every generator of random numbers are afterwards as they were.
    The optimiser is ``optim.sgd``. Source: Smith 2017, arXiv:1506.01186, section 3.3; rates by equal
    factors, the average and the early stop follow the fastai library.

    Args:
        model: the network to try; it is copied, not changed.
        loader: batches of images and labels, gone through as often as needed.
        device: where to compute; None: where the model lies.
        low: the rate of the first batch, above 0.
        high: the rate of the last batch, above ``low``.
        steps: batches, and so rates, at least 2.
        weight_decay: of the optimiser, as in the training to come.
        loss_function: ``loss_function(logits, labels)`` gives the mean over a batch; None: cross-entropy.

    Raises:
        ValueError: if not 0 < ``low`` < ``high``, both finite, ``steps`` is no whole number from 2 up, or
            ``loader`` yields no batch, the first time or when it is gone through again.
        FloatingPointError: if the very first loss is not finite.
    """
    low, high = given.real_number("low", low), given.real_number("high", high)
    if not 0 < low < high < math.inf:
        raise ValueError(f"need 0 < low < high, got low={low} and high={high}")
    steps = given.whole_number("steps", steps, least=2)
    given.require_batches(loader, name="loader", times=2)
    trial = copy.deepcopy(model)
    optimizer = optim.sgd(trial, low, weight_decay=weight_decay)
    rates: list[float] = []
    losses: list[float] = []
    average = 0.0
    with seeding.kept_generators(loader):
        for step, batch in zip(range(steps), _endless(loader), strict=False):
            rate = low * (high / low) ** (step / (steps - 1))
            for group in optimizer.param_groups:
                group["lr"] = rate
            try:
                loss, _ = loop.train_one_epoch(
                    trial, [batch], optimizer, device=device, loss_function=loss_function
                )
            except FloatingPointError:
                if step == 0:
                    raise
                break
            average = SMOOTHING * average + (1 - SMOOTHING) * loss
            rates.append(rate)
            losses.append(average / (1 - SMOOTHING ** (step + 1)))  # the average began at 0
            if losses[-1] > WORSE * min(losses):
                break
    return RangeTest(rates, losses)


def _endless(loader: types.Batches) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of ``loader``, epoch after epoch; without any it would never end."""
    while True:
        empty = True
        for batch in loader:
            empty = False
            yield batch
        if empty:
            raise ValueError("lr_range_test() needs batches each time it asks the loader, but got none")
