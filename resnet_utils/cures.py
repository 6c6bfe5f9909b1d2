"""Two cures for over-fitting that change the training loop itself: mixing images, and stopping in time.

Introduced in chapter 4.

The others need no module: augmentation is ``data.shift`` and its like, weight decay an option of
``recipe.sgd``, and label smoothing an option of torch's cross-entropy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

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
