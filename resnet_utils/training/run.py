"""A training run as its callbacks see it, and what a callback may do.

Introduced in chapter 4. Those that come with the package stand in ``callbacks``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.amp import GradScaler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from resnet_utils.runtime import given, processes
from resnet_utils.runtime.speed import Fast, Pace
from resnet_utils.runtime.types import Batches, LossFunction


@dataclass
class History:
    """What ``fit`` measured, one entry an epoch: losses in nats, accuracies as fractions in [0, 1].

    Args:
        train_loss: mean loss while training, by the loss function that was trained with.
        train_accuracy: share of right answers while training (``evaluation.answers``).
        valid_loss: mean cross-entropy on the validation images after each epoch, or the binary one where the
            run trains with it; empty without them.
        valid_accuracy: share of right answers on them; likewise.
        lr: the largest rate of all groups at the epoch's end.
        seconds: time of training without validation.
    """

    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    valid_loss: list[float] = field(default_factory=list)
    valid_accuracy: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


class Callback:
    """Something that a run does besides training. Override what you need; each gets the ``TrainingRun``.

    One epoch is: for each batch a forward and a backward pass and ``is_step_due``; where all say yes,
    ``before_step``, the step, ``after_step``. Then the validation, ``after_epoch``, and the checkpoint. The
    callbacks are asked in the order of their list.
    """

    batches_a_step = 1  # how many is_step_due waits for; so the steps of an epoch can be counted

    def check(self, run: TrainingRun) -> None:
        """Before anything has changed: raise ``ValueError`` where ``run`` is not what this needs."""

    def before_fit(self, run: TrainingRun) -> None:
        """Before the first epoch of this call, after a checkpoint has been read."""

    def is_step_due(self, run: TrainingRun) -> bool:
        """After each backward pass: False keeps the gradients, and those of the next batch add up."""
        return True

    def before_step(self, run: TrainingRun) -> None:
        """The gradients have their true size, and the optimiser has not used them yet."""

    def after_step(self, run: TrainingRun) -> None:
        """The weights, and a schedule that counts steps, have moved."""

    def after_epoch(self, run: TrainingRun) -> None:
        """``run.history`` has the numbers of this epoch. ``run.stop("why")`` makes it the last one."""

    def after_fit(self, run: TrainingRun) -> None:
        """Once, after the last epoch."""

    def settings(self) -> dict[str, Any]:
        """Plain values that must be the same where a run goes on from its checkpoint."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint has to keep: tensors and plain values."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where another one stood; ``state`` is what its ``state_dict`` returned."""


@dataclass
class TrainingRun:
    """Everything that takes part in a training, and how far it has come.

    Args:
        model: the network.
        optimizer: has its momentum.
        loader: of the training batches, with all generators it draws from (``seeding.generators_of``).
        device: where to compute.
        valid_loader: batches to evaluate on after each epoch; None: none.
        scheduler: of the rate; None: none.
        schedule_every: what it counts: "step" or "epoch".
        loss_function: of logits and labels, the mean over a batch; None: cross-entropy.
        autocast: whether to compute in 16 bits where that is safe.
        half: what the caller has said about that; None: ``fast`` decides.
        fast: what the caller wants (``runtime.speed``).
        pace: what has been chosen; None: nothing yet, it will be on the first batch.
        scaler: of the loss, for 16 bits; disabled, it passes everything through.
        callbacks: what else to do.
        epochs: to train in all, those before an interruption included.
        history: what was measured, an entry an epoch.
        settings: what a checkpoint compares (``settings.of_run``); empty: there is none.
        begun: how many epochs were done when the present settings began; 0 unless it was extended.
        steps: how many the optimiser has taken.
        batches: how many have been through backward since its last step.
        samples: how many images were in them.
        first: how many were in the first of them.
        loss: of the last batch, nats.
        stopped: why no epoch is to follow this one; "": none has said so.
    """

    model: nn.Module
    optimizer: Optimizer
    loader: Batches
    device: torch.device
    valid_loader: Batches | None = None
    scheduler: LRScheduler | None = None
    schedule_every: str = "step"
    loss_function: LossFunction | None = None
    autocast: bool = False
    half: bool | None = None
    fast: Fast = False
    pace: Pace | None = None
    scaler: GradScaler | None = None
    callbacks: Sequence[Callback] = ()
    epochs: int = 1
    history: History = field(default_factory=History)
    settings: dict[str, Any] = field(default_factory=dict)
    begun: int = 0
    steps: int = 0
    batches: int = 0
    samples: int = 0
    first: int = 0
    loss: float = 0.0
    stopped: str = ""

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.history.train_loss)

    @property
    def rate(self) -> float:
        """The largest learning rate of all groups."""
        return max(float(group["lr"]) for group in self.optimizer.param_groups)

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and lines: of those that train one model together, the first."""
        return processes.is_first() or not is_parallel(self.model)

    def stop(self, why: str) -> None:
        """Let the epoch in progress be the last one.

        Args:
            why: the reason, in words; not empty.
        """
        self.stopped = why


@given.explained
def unwrapped(model: nn.Module) -> nn.Module:
    """The network itself, without what ``torch.compile``, DataParallel or DistributedDataParallel put around.

    Their names of weights begin with ``_orig_mod.`` or ``module.``; the bare network's do not, so a file of
    weights from one of them goes into any other.

    Args:
        model: any network.
    """
    wrappers = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    while isinstance(model, wrappers) or "_orig_mod" in model._modules:
        model = model.get_submodule("module" if isinstance(model, wrappers) else "_orig_mod")
    return model


@given.explained
def is_parallel(model: nn.Module) -> bool:
    """Whether several processes train ``model`` together (``distributed.parallel``).

    Args:
        model: any network, also compiled.
    """
    while "_orig_mod" in model._modules:
        model = model.get_submodule("_orig_mod")
    return isinstance(model, nn.parallel.DistributedDataParallel)


def length(things: Any) -> int | None:
    """How many batches or images there are; None where that cannot be told.

    Args:
        things: a loader, a data set.
    """
    try:
        return len(things)
    except TypeError:
        return None


@given.explained
def steps_in(run: TrainingRun) -> int | None:
    """How many steps the optimiser takes in an epoch; None where the loader has no length.

    Args:
        run: with its loader and callbacks.
    """
    batches = length(run.loader)
    together = max([callback.batches_a_step for callback in run.callbacks], default=1)
    return None if batches is None else math.ceil(batches / together)
