"""Cures for over-fitting that change the loop or the loss: stopping in time, penalties.

Introduced in chapter 4; the penalties are used in chapter 5.

The others stand elsewhere: augmentation and mixed images in ``data.transforms``; weight decay is an option
of ``optim.sgd``, and label smoothing one of torch's cross-entropy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any

from torch import Tensor, nn

from resnet_utils.runtime import given
from resnet_utils.runtime.types import LossFunction
from resnet_utils.training.run import Callback, TrainingRun, unwrapped


@given.explained
class EarlyStopping(Callback):
    """Keeps the weights of the best epoch, and says when the loss has not improved for some epochs.

    Give it to ``fit``, as ``early_stopping`` or among the ``callbacks``: it watches the loss on the
    ``valid_loader`` of the run, and gives the model its best weights at the end. Or ask ``should_stop`` after
    each epoch and ``restore`` at the end. Watch images that are neither trained on nor tested on: whoever
    stops where the test loss is lowest has used the test images. Source: Prechelt 1998,
    doi:10.1007/3-540-49430-8_3.

    Args:
        model: the network that is trained.
        patience: epochs without a new lowest loss after which to stop, at least 1. With the number of all
            epochs, nothing stops, and the best epoch is chosen at the end.

    Raises:
        ValueError: if ``patience`` is below 1.
    """

    def __init__(self, model: nn.Module, *, patience: int) -> None:
        self.model, self.patience = unwrapped(model), given.whole_number("patience", patience, unit="epoch")
        self.best_loss, self.best_epoch, self.epoch = math.inf, 0, 0
        self._kept: dict[str, Tensor] = {}

    @property
    def is_due(self) -> bool:
        """Whether the last ``patience`` epochs brought no new lowest loss."""
        return self.epoch - self.best_epoch >= self.patience

    def should_stop(self, loss: float) -> bool:
        """Note the loss of one more epoch, and keep the weights if it is the lowest so far.

        Args:
            loss: on the watched images, in nats; nan counts as no improvement.

        Returns:
            True when it is time to stop.
        """
        self.epoch += 1
        if loss < self.best_loss:  # never true for nan
            self.best_loss, self.best_epoch = loss, self.epoch
            self._kept = {key: value.clone() for key, value in self.model.state_dict().items()}
        return self.is_due

    def restore(self) -> None:
        """Give the model the weights of its best epoch.

        Raises:
            RuntimeError: if no epoch has had a finite loss.
        """
        if not self._kept:
            raise RuntimeError("there is no best epoch yet: no finite loss has been noted")
        self.model.load_state_dict(self._kept)

    def check(self, run: TrainingRun) -> None:
        """The run has to be of this model, and to have a loss to watch."""
        if run.valid_loader is None:
            raise ValueError("early_stopping needs a valid_loader, whose loss it watches, got None")
        if unwrapped(run.model) is not self.model:
            raise ValueError(
                "early_stopping was made for another model: make it with the one that is trained"
            )

    def before_fit(self, run: TrainingRun) -> None:
        """A run that had stopped is not taken up again."""
        self._stop(run)

    def after_epoch(self, run: TrainingRun) -> None:
        """Note the loss of the epoch."""
        self.should_stop(run.history.valid_loss[-1])
        self._stop(run)

    def after_fit(self, run: TrainingRun) -> None:
        """Give the model its best weights."""
        self.restore()

    def _stop(self, run: TrainingRun) -> None:
        if self.is_due:
            run.stop(f"no lower loss since epoch {self.best_epoch}")

    def settings(self) -> dict[str, Any]:
        """The patience."""
        return {"patience": self.patience}

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint has to keep: the count of epochs, the best of them, and its weights."""
        counts = {name: getattr(self, name) for name in ("best_loss", "best_epoch", "epoch")}
        return counts | {"weights": self._kept}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where another one stood; the patience stays.

        Args:
            state: what ``state_dict`` returned there.
        """
        self.best_loss, self.best_epoch = state["best_loss"], state["best_epoch"]
        self.epoch, self._kept = state["epoch"], state["weights"]


@given.explained
def with_l1(model: nn.Module, strength: float, *, loss_function: LossFunction | None = None) -> LossFunction:
    """A loss plus ``strength`` times the sum of the absolute weights of ``model``.

    Counts what learns and has more than one axis: no bias, no scale or shift of a BatchNorm, nothing frozen.
    Gradient steps pull a weight towards zero, but do not stop it there: it becomes small, not exactly 0.
    Source: Tibshirani 1996, doi:10.1111/j.2517-6161.1996.tb02080.x, section 2.

    Args:
        model: whose weights are counted, as they are at each call.
        strength: nats for each unit of weight, at least 0.
        loss_function: what to add to; None: cross-entropy.

    Returns:
        A function of logits and labels, in nats, as ``fit`` takes it.

    Raises:
        ValueError: if ``strength`` is negative or not finite.
    """
    base = _checked_base(model, strength, loss_function)

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        return base(logits, labels) + strength * sum(w.abs().sum() for _, w in _penalized(model))

    loss.__wrapped__ = base  # which labels it takes, its base says
    return loss


@given.explained
def with_l2_from_start(
    model: nn.Module, strength: float, *, loss_function: LossFunction | None = None
) -> LossFunction:
    """A loss plus ``strength / 2`` times the squared distance of the weights from where they are now.

    So forgetting what was learned costs something; weight decay pulls towards zero instead, and should be off
    beside it. Counts the same weights as ``with_l1``. Call it after loading the weights, before training.
    Source: Li et al. 2018, arXiv:1802.01483, section 3 (L2-SP; they decay the new head towards zero, here it
    is held near its random start, which is close to zero).

    Args:
        model: whose weights are counted, against a copy made now.
        strength: nats for each half unit of squared distance, at least 0.
        loss_function: what to add to; None: cross-entropy.

    Returns:
        A function of logits and labels, in nats, as ``fit`` takes it.

    Raises:
        ValueError: if ``strength`` is negative or not finite.
    """
    base = _checked_base(model, strength, loss_function)
    start = {name: weight.detach().clone() for name, weight in model.named_parameters()}

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        for name, w in _penalized(model):  # the model may have been moved since
            start[name] = start[name].to(w.device)
        moved = sum((w - start[name]).square().sum() for name, w in _penalized(model))
        return base(logits, labels) + strength / 2 * moved

    loss.__wrapped__ = base
    return loss


def _penalized(model: nn.Module) -> list[tuple[str, Tensor]]:
    return [(name, w) for name, w in model.named_parameters() if w.requires_grad and w.ndim > 1]


def _checked_base(model: nn.Module, strength: float, loss_function: LossFunction | None) -> LossFunction:
    given.of_kind("model", model, nn.Module)
    given.of_kind("loss_function", loss_function, (Callable, NoneType))
    if not 0 <= given.real_number("strength", strength) < math.inf:
        raise ValueError(f"strength must be a finite number, at least 0, got {strength}")
    return nn.functional.cross_entropy if loss_function is None else loss_function
