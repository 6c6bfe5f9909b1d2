"""What a training often needs besides: callbacks of a few lines each, for ``fit(..., callbacks=[...])``.

Introduced in chapter 4. What a callback may do stands in ``run``. ``EarlyStopping``, in ``regularization``,
is one too.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from torch import nn
from torch.optim import swa_utils

from resnet_utils.files import atomic, checked, weights
from resnet_utils.runtime import chosen_device, given, processes, seeding
from resnet_utils.runtime.types import Batches, Device
from resnet_utils.training.run import Callback, History, TrainingRun, unwrapped

COLUMNS = tuple(column.name for column in fields(History))


@given.explained
class GradientAccumulation(Callback):
    """A step of the optimiser after every few batches: their mean gradient is that of one large batch.

    So a batch can be larger than the memory. The samples count equally, however the batches are cut, and what
    is left over at the end of an epoch makes a step of its own. It is the same as one large batch where the
    loss is a mean over the samples; BatchNorm still sees the small batches. A schedule that counts steps
    counts those of the optimiser: ``ceil(len(loader) / batches)`` an epoch.

    Args:
        batches: how many go into one step, at least 1.

    Raises:
        ValueError: if ``batches`` is no whole number from 1 up.
    """

    def __init__(self, batches: int) -> None:
        self.batches_a_step = given.whole_number("batches", batches)

    def is_step_due(self, run: TrainingRun) -> bool:
        """Whether enough batches of ``run`` have been through backward."""
        return run.batches >= self.batches_a_step

    def settings(self) -> dict[str, Any]:
        """The number of batches."""
        return {"batches": self.batches_a_step}


@given.explained
class GradientClipping(Callback):
    """Shorten the gradient to ``max_norm`` where it is longer, all parameters taken together.

    Source: Pascanu et al. 2013, arXiv:1211.5063, section 3.2.

    Args:
        max_norm: the largest length, above 0.

    Raises:
        ValueError: if ``max_norm`` is not above 0.
    """

    def __init__(self, max_norm: float) -> None:
        if not given.real_number("max_norm", max_norm) > 0:
            raise ValueError(f"max_norm must be above 0, got {max_norm}")
        self.max_norm = max_norm
        self.norm = math.nan

    def before_step(self, run: TrainingRun) -> None:
        """Shorten the gradient of the model in ``run``; its length before is kept as ``norm``."""
        self.norm = float(nn.utils.clip_grad_norm_(run.model.parameters(), self.max_norm))

    def settings(self) -> dict[str, Any]:
        """The largest length."""
        return {"max_norm": self.max_norm}


@given.explained
class EMA(Callback):
    """A second network, whose weights are a moving average of those that are trained.

    After each step ``average = decay * average + (1 - decay) * weights``, begun with the weights after the
    first step; so about the last ``1 / (1 - decay)`` steps count. The averaged network is ``averaged``, to be
    evaluated or saved as any other. Its BatchNorms have the running statistics of the trained network, which
    belong to other weights: call ``update_bn`` after the training. Source: Polyak and Juditsky 1992,
    doi:10.1137/0330046; torch's ``swa_utils``.

    Args:
        model: the network that is trained; it is copied, on the device where it lies.
        decay: share of the past, in (0, 1).

    Raises:
        ValueError: if ``decay`` lies outside.
    """

    def __init__(self, model: nn.Module, *, decay: float = 0.999) -> None:
        if not 0 < given.real_number("decay", decay) < 1:
            raise ValueError(f"decay must lie between 0 and 1, got {decay}")
        self.model, self.decay = unwrapped(model), decay
        self._average = swa_utils.AveragedModel(
            self.model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(decay)
        )

    @property
    def averaged(self) -> nn.Module:
        """The network with the averaged weights."""
        return self._average.module

    def check(self, run: TrainingRun) -> None:
        """The model has to be the one that ``run`` trains."""
        if unwrapped(run.model) is not self.model:
            raise ValueError("EMA was made for another model: make it with the one that is trained")

    def after_step(self, run: TrainingRun) -> None:
        """Move the average by the step that ``run`` has taken."""
        self._average.update_parameters(self.model)

    def update_bn(self, loader: Batches, *, device: Device | None = None) -> None:
        """Give the averaged network's BatchNorms the mean and variance of the training images.

        The generators of the loader and of the process are afterwards as they were.

        Args:
            loader: the batches to measure, those that were trained on, augmented and mixed as they were; of
                ``Shares`` the whole.
            device: where to compute; None: where the averaged network lies.
        """
        if isinstance(loader, processes.Shares):  # every process measures all images, and finds the same
            loader = loader.loader
        with seeding.kept_generators(loader):
            swa_utils.update_bn(loader, self.averaged, chosen_device(device, self.averaged))

    def settings(self) -> dict[str, Any]:
        """The share of the past."""
        return {"decay": self.decay}

    def state_dict(self) -> dict[str, Any]:
        """The averaged weights, and how many steps are in them."""
        return self._average.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from the average of another one.

        Args:
            state: what ``state_dict`` returned there.
        """
        self._average.load_state_dict(state)


@given.explained
class BestCheckpoint(Callback):
    """A file with the weights of the best epoch so far, whole at every moment.

    ``files.weights.load_weights(model, path)`` reads it; its card says which epoch, and how good. Choose by
    validation images: whoever chooses by the test images has used them.

    Args:
        path: a name that ends in .safetensors; its folder must exist.
        monitor: a loss or accuracy of ``History``: the lowest loss or the highest accuracy is the best.

    Raises:
        ValueError: for another column or ending.
        TypeError: if ``path`` is no path.
    """

    def __init__(self, path: str | Path, *, monitor: str = "valid_loss") -> None:
        allowed = [name for name in COLUMNS if name.endswith(("_loss", "_accuracy"))]
        if monitor not in allowed:
            raise ValueError(f"monitor must be one of {', '.join(allowed)}, got {monitor!r}")
        self.path, self.monitor = checked.path_of(path), monitor
        if self.path.suffix != ".safetensors":
            raise ValueError(f"weights are saved as .safetensors, got the name {self.path.name!r}")
        self.best, self.best_epoch = math.nan, 0

    def check(self, run: TrainingRun) -> None:
        """A column of the validation needs a validation in ``run``."""
        if self.monitor.startswith("valid") and run.valid_loader is None:
            raise ValueError(f"BestCheckpoint needs a valid_loader to watch {self.monitor}, got None")

    def after_epoch(self, run: TrainingRun) -> None:
        """Write the weights if no epoch of ``run`` was better."""
        value = getattr(run.history, self.monitor)[-1]
        sign = 1 if self.monitor.endswith("accuracy") else -1
        if math.isnan(self.best) or sign * value > sign * self.best:
            self.best, self.best_epoch = value, run.epoch
            if run.is_first:
                card = {"epoch": run.epoch, self.monitor: value}
                weights.save_weights(unwrapped(run.model), self.path, card=card)

    def settings(self) -> dict[str, Any]:
        """What is watched."""
        return {"monitor": self.monitor}

    def state_dict(self) -> dict[str, Any]:
        """The best value and its epoch; the weights are in the file."""
        return {"best": self.best, "best_epoch": self.best_epoch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where another one stood.

        Args:
            state: what ``state_dict`` returned there.
        """
        self.best, self.best_epoch = state["best"], state["best_epoch"]


@given.explained
class CSVLog(Callback):
    """A file with a row for each epoch: its number, then the columns of ``History``.

    It is written anew after each epoch, so it is whole at every moment, and a run that goes on from a
    checkpoint has each epoch once.

    Args:
        path: the file; its folder must exist.

    Raises:
        TypeError: if that is no path.
        ValueError: if it is an empty text.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = checked.path_of(path)

    def after_epoch(self, run: TrainingRun) -> None:
        """Write all rows so far."""
        if not run.is_first:
            return
        columns = {name: values for name, values in asdict(run.history).items() if values}
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["epoch", *columns])
        table.writerows(zip(range(1, run.epoch + 1), *columns.values(), strict=True))
        atomic.write(self.path, text.getvalue())


@given.explained
class TensorBoard(Callback):
    """The columns of ``History`` as curves for TensorBoard, and the loss of single steps beside them.

    Look at them with ``tensorboard --logdir FOLDER``. Needs the package tensorboard, which is an extra:
    ``pip install "resnet-utils[tensorboard]"``.

    Args:
        folder: where the event files go, one folder a run; it is made where needed.
        every: steps from one entry of the training loss to the next, at least 1.

    Raises:
        ImportError: if the package tensorboard is missing.
        ValueError: if ``every`` is below 1, or ``folder`` an empty text.
        TypeError: if ``folder`` is no path.
    """

    def __init__(self, folder: str | Path, *, every: int = 50) -> None:
        self.folder = checked.path_of(folder, name="folder")
        self.every = given.whole_number("every", every, unit="step")
        self._open = _summary_writer()
        self._writer: Any = None

    def before_fit(self, run: TrainingRun) -> None:
        """Open the event file; what an interrupted run wrote after its checkpoint is marked as undone."""
        if run.is_first:
            self._writer = self._open(str(self.folder), purge_step=run.steps + 1)

    def after_step(self, run: TrainingRun) -> None:
        """The loss of a batch, now and then."""
        if self._writer is not None and run.steps % self.every == 0:
            self._writer.add_scalar("step/loss", run.loss, run.steps)

    def after_epoch(self, run: TrainingRun) -> None:
        """One point on each curve, over the number of steps."""
        if self._writer is None:
            return
        for name, values in asdict(run.history).items():
            if values:
                self._writer.add_scalar(f"epoch/{name}", values[-1], run.steps)
        self._writer.flush()

    def after_fit(self, run: TrainingRun) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()


def _summary_writer() -> Any:
    """torch's writer of event files; imported here, since it needs a package that most readers do without."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError(
            "TensorBoard() needs the package tensorboard, which is not installed: "
            'pip install "resnet-utils[tensorboard]", or take CSVLog, which needs nothing'
        ) from error
    return SummaryWriter
