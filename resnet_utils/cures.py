"""Cures for over-fitting that change the loop or the loss: mixed images, stopping in time, penalties.

Introduced in chapter 4; the penalties are used in chapter 5.

The others need no module: augmentation is ``data.shift`` and its like, weight decay an option of
``recipe.sgd``, and label smoothing an option of torch's cross-entropy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from resnet_utils.training import LossFunction

MOST_ALPHA = 2.0  # beyond it almost every image would be a half-and-half mixture


class Mixup:
    """The batches of ``loader``, in which each image and its label are mixed with those of another.

    Yields float images ``(N, C, H, W)`` and label shares ``(N, num_classes)``, which torch's cross-entropy
    takes as they are. One share for a batch, from a Beta(alpha, alpha) distribution, and a partner for each
    image from the same batch; partners and shares depend on ``seed`` and on the sizes of the batches alone.
    Source: Zhang et al. 2018, arXiv:1710.09412, section 2.

    Raises:
        ValueError: if ``alpha`` is not above 0 and at most 2, or ``num_classes`` is below 2.
    """

    def __init__(self, loader: DataLoader, num_classes: int, *, alpha: float = 0.2, seed: int = 0) -> None:
        if not 0 < alpha <= MOST_ALPHA:
            raise ValueError(f"alpha must be above 0 and at most {MOST_ALPHA:g}, got {alpha}")
        if num_classes < 2:
            raise ValueError(f"num_classes must be at least 2, got {num_classes}")
        self.loader, self.num_classes, self.alpha = loader, num_classes, alpha
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for images, labels in self.loader:
            partner = torch.randperm(len(labels), generator=self.generator)
            share = _beta(self.alpha, self.generator)
            sure = nn.functional.one_hot(labels, self.num_classes).to(images.dtype)
            yield images.lerp(images[partner], 1 - share), sure.lerp(sure[partner], 1 - share)


def _beta(alpha: float, generator: torch.Generator) -> float:
    """A number from the Beta(alpha, alpha) distribution, by Jöhnk's method (Metrika 8, 1964, pp. 5-15).

    torch's own sampler takes no generator.
    """
    while True:
        u, v = (torch.rand(2, generator=generator, dtype=torch.float64) ** (1 / alpha)).tolist()
        if 0 < u + v <= 1:
            return u / (u + v)


class EarlyStopping:
    """Keeps the weights of the best epoch, and says when the loss has not improved for ``patience`` epochs.

    Watch images that are neither trained on nor tested on: whoever stops where the test loss is lowest has
    used the test images.
    Source: Prechelt 1998, doi:10.1007/3-540-49430-8_3.

    Raises:
        ValueError: if ``patience`` is below 1.
    """

    def __init__(self, model: nn.Module, patience: int) -> None:
        if patience < 1:
            raise ValueError(f"patience must be at least 1 epoch, got {patience}")
        self.model, self.patience = model, patience
        self.best_loss, self.best_epoch, self.epoch = math.inf, 0, 0
        self._kept: dict[str, Tensor] = {}

    def should_stop(self, loss: float) -> bool:
        """Note the validation loss of one more epoch; True when it is time to stop."""
        self.epoch += 1
        if loss < self.best_loss:  # never true for nan
            self.best_loss, self.best_epoch = loss, self.epoch
            self._kept = {key: value.clone() for key, value in self.model.state_dict().items()}
        return self.epoch - self.best_epoch >= self.patience

    def restore(self) -> None:
        """Give the model the weights of its best epoch.

        Raises:
            RuntimeError: if no epoch has had a finite loss.
        """
        if not self._kept:
            raise RuntimeError("there is no best epoch yet: no finite loss has been noted")
        self.model.load_state_dict(self._kept)


def with_l1(model: nn.Module, strength: float, *, loss_function: LossFunction | None = None) -> LossFunction:
    """A loss, in nats, plus ``strength`` times the sum of the absolute weights of ``model``.

    Counts what learns and has more than one axis: no bias, no scale or shift of a BatchNorm, nothing frozen.
    ``loss_function`` defaults to cross-entropy. Gradient steps pull a weight towards zero, but do not stop it
    there: it becomes small, not exactly 0. Source: Tibshirani 1996, doi:10.1111/j.2517-6161.1996.tb02080.x,
    section 2.

    Raises:
        ValueError: if ``strength`` is negative or not finite.
    """
    base = _checked_base(strength, loss_function)

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        return base(logits, labels) + strength * sum(w.abs().sum() for _, w in _penalised(model))

    return loss


def with_l2_from_start(
    model: nn.Module, strength: float, *, loss_function: LossFunction | None = None
) -> LossFunction:
    """A loss, in nats, plus ``strength / 2`` times the squared distance of the weights from where they are.

    So forgetting what was learned costs something; weight decay pulls towards zero instead, and should be off
    beside it. Counts the same weights as ``with_l1``. Call it after loading the weights, before training.
    Source: Li et al. 2018, arXiv:1802.01483, section 3 (L2-SP; they decay the new head towards zero, here it
    is held near its random start, which is close to zero).

    Raises:
        ValueError: if ``strength`` is negative or not finite.
    """
    base = _checked_base(strength, loss_function)
    start = {name: weight.detach().clone() for name, weight in model.named_parameters()}

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        moved = sum((w - start[name]).square().sum() for name, w in _penalised(model))
        return base(logits, labels) + strength / 2 * moved

    return loss


def _penalised(model: nn.Module) -> list[tuple[str, Tensor]]:
    return [(name, w) for name, w in model.named_parameters() if w.requires_grad and w.ndim > 1]


def _checked_base(strength: float, loss_function: LossFunction | None) -> LossFunction:
    if not 0 <= strength < math.inf:
        raise ValueError(f"strength must be a finite number, at least 0, got {strength}")
    return loss_function or nn.functional.cross_entropy
