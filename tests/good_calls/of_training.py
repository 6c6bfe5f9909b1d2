"""Calls of the functions in ``training``."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import distributed as dist
from torch import nn

from good_calls.makers import batches, net
from resnet_utils.runtime.speed import Pace
from resnet_utils.training import checkpoint, optim, settings
from resnet_utils.training.callbacks import GradientClipping
from resnet_utils.training.run import TrainingRun


def trained() -> dict[str, Any]:
    """A network, batches for it, and its optimiser."""
    model = net()
    return {"model": model, "loader": batches(), "optimizer": optim.sgd(model, 0.1)}


def fitted() -> dict[str, Any]:
    """The same for ``fit``, which has a loader for each part."""
    made = trained()
    return made | {"train_loader": made.pop("loader"), "progress": False}


def run(**options: Any) -> TrainingRun:
    """A training that has not begun."""
    made = trained()
    run = TrainingRun(made["model"], made["optimizer"], made["loader"], torch.device("cpu"), **options)
    run.settings = settings.of_run(run)
    return run


def of_epochs() -> TrainingRun:
    """A training with a schedule that counts epochs."""
    made = run(schedule_every="epoch")
    made.scheduler = torch.optim.lr_scheduler.StepLR(made.optimizer, 1)
    made.optimizer.step()  # before the schedule's, which minds
    return made


def one_cycle() -> torch.optim.lr_scheduler.LRScheduler:
    """A schedule that counts steps."""
    return optim.one_cycle(optim.sgd(net(), 0.1), steps=2)


def saved(folder):
    """The file of a training's state."""
    checkpoint.save(folder / "run.pt", run())
    return folder / "run.pt"


def told() -> dict[str, Any]:
    """What torchrun says to a process that is alone."""
    alone = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
    os.environ |= alone | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0", "BOOK_DEVICE": "cpu"}
    return {}


def grouped() -> dict[str, Any]:
    """A process that is a group by itself."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    return {}


CALLS = {
    "training.callbacks.GradientAccumulation": lambda _: {"batches": 2},
    "training.callbacks.GradientClipping": lambda _: {"max_norm": 1.0},
    "training.callbacks.BestCheckpoint": lambda folder: {"path": folder / "best.safetensors"},
    "training.callbacks.CSVLog": lambda folder: {"path": folder / "log.csv"},
    "training.regularization.EarlyStopping": lambda _: {"patience": 2},
    "training.checkpoint.place_of": lambda folder: {"path": folder / "run.pt"},
    "training.checkpoint.save": lambda folder: {"path": folder / "run.pt", "run": run()},
    "training.checkpoint.restore": lambda folder: {"path": saved(folder), "run": run()},
    "training.checkpoint.pace_in": lambda folder: {"path": saved(folder)},
    "training.distributed.process_group": lambda _: told(),
    "training.distributed.parallel": lambda _: grouped(),
    "training.distributed.settings_of": lambda _: {"run": run()},
    "training.distributed.agree_on": lambda _: {"path_is_there": True},
    "training.distributed.loss_of_all": lambda _: {"run": run(), "loss": torch.tensor(1.0), "samples": 4},
    "training.distributed.require_a_share_each": lambda _: {"run": run(), "samples": 4},
    "training.distributed.pace_of_first": lambda _: {"pace": Pace()},
    "training.loop.train_one_epoch": lambda _: trained(),
    "training.loop.fit": lambda _: fitted(),
    "training.lr_finder.lr_range_test": lambda _: {"loader": batches(), "steps": 2},
    "training.optim.one_cycle": lambda _: {"optimizer": optim.sgd(net(), 0.1)},
    "training.optim.step_schedule": lambda _: {"optimizer": optim.sgd(net(), 0.1), "milestones": [2, 4]},
    "training.optim.schedule_unit": lambda _: {"scheduler": one_cycle(), "every": "step"},
    "training.optim.require_schedule": lambda _: {"run": of_epochs(), "from_start": True},
    "training.optim.step_after_epoch": lambda _: {"run": of_epochs()},
    "training.optim.require_finite": lambda _: {
        "loss": 1.0, "where": "batch 1", "optimizer": optim.sgd(net(), 0.1),
    },
    "training.regularization.with_l1": lambda _: {"strength": 0.1},
    "training.regularization.with_l2_from_start": lambda _: {"strength": 0.1},
    "training.run.length": lambda _: {"things": [1, 2]},
    "training.run.steps_in": lambda _: {"run": run()},
    "training.settings.of_run": lambda _: {"run": run()},
    "training.settings.of_pace": lambda _: {"run": run()},
    "training.settings.of_optimizer": lambda _: {"optimizer": optim.sgd(net(), 0.1), "scheduler": None},
    "training.settings.of_schedule": lambda _: {"scheduler": one_cycle(), "every": "step"},
    "training.settings.of_loss": lambda _: {"loss_function": nn.CrossEntropyLoss()},
    "training.settings.of_callbacks": lambda _: {"callbacks": [GradientClipping(1.0)]},
    "training.settings.kept_callbacks": lambda _: {"callbacks": [GradientClipping(1.0)]},
    "training.settings.plain": lambda _: {"value": {"rate": 0.1}},
}  # fmt: skip

UNBOUND: dict[tuple[str, str], str] = {}
