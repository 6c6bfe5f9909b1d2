"""The state of a training run in one file, so that an interrupted run goes on as if nothing had happened.

Introduced in chapter 4.

A run is more than its weights: the optimiser has momentum, the schedule a position, and every generator of
random numbers a state. All of it is kept, and the resumed run ends with the same bits on a CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from resnet_utils.files import atomic
from resnet_utils.runtime.seeding import generators_of, global_generators, set_global_generators
from resnet_utils.training.regularization import EarlyStopping

FORMAT = 2  # 1 had the loader's generators in another order
MOST_TENSORS = 3  # that an error message names
OPTIONAL = {"scheduler": "scheduler", "scaler": "scaler", "early_stopping": "stopping rule"}
PARTS = {"format", "model", "optimizer", "history", "generators", "global_generators", *OPTIONAL}


@dataclass
class TrainingRun:
    """Everything that changes while a model trains.

    Args:
        model: the network.
        optimizer: has its momentum.
        scheduler: has its position; None: no schedule.
        scaler: of the loss, for 16 bits; None: none.
        loader: of the training batches, with all generators it draws from (``seeding.generators_of``).
        early_stopping: has the best weights so far; None: none.
    """

    model: nn.Module
    optimizer: Optimizer
    scheduler: LRScheduler | None
    scaler: torch.amp.GradScaler | None
    loader: DataLoader
    early_stopping: EarlyStopping | None = None


def save(path: str | Path, run: TrainingRun, history: dict[str, list[float]]) -> None:
    """Write the state of ``run`` and its ``history`` to ``path``.

    The file is written under another name and then renamed: a run killed at any moment leaves the old file
    or the new one, never half of one.

    Args:
        path: the file; its folder is made where needed.
        run: what has a state.
        history: what was measured so far, a list for each column.
    """
    path = Path(path)
    state = _state(run) | {"format": FORMAT, "history": history, "global_generators": global_generators()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic.whole(path) as unfinished, unfinished.open("wb") as file:  # a path's name would stand in it
        torch.save(state, file)


def _state(run: TrainingRun) -> dict[str, Any]:
    """The states of the parts of ``run``; None for a part that it does without."""
    return {
        "model": run.model.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        **{part: None if (it := getattr(run, part)) is None else it.state_dict() for part in OPTIONAL},
        "generators": [generator.get_state() for generator in generators_of(run.loader)],
    }


def restore(path: str | Path, run: TrainingRun, *, epochs: int) -> dict[str, list[float]]:
    """Put the state in ``path`` into ``run`` and into the process's random generators; return the history.

    Everything is checked before anything is changed. A file from elsewhere cannot run code.

    Args:
        path: a file that ``save`` wrote.
        run: built as the first time; its parts take on the states in the file.
        epochs: the length of the whole run, at least what the file holds.

    Returns:
        What was measured before, a list for each column.

    Raises:
        ValueError: if the file is damaged, is no checkpoint of a run, belongs to another model, optimiser,
            schedule or loader, or holds more than ``epochs`` epochs.
    """
    state = _read(path)
    problems = _mismatches(state, _state(run))
    if problems:
        raise ValueError(
            f"the checkpoint {str(path)!r} belongs to another run: {'; '.join(problems)}. "
            "Give another path, or delete the file to begin anew"
        )
    done = len(state["history"]["train_loss"])
    if done > epochs:
        raise ValueError(f"the checkpoint holds {done} epochs, more than the {epochs} asked for")
    run.model.load_state_dict(state["model"])
    run.optimizer.load_state_dict(state["optimizer"])
    for part in OPTIONAL:
        if state[part] is not None:
            getattr(run, part).load_state_dict(state[part])
    for generator, bits in zip(generators_of(run.loader), state["generators"], strict=True):
        generator.set_state(bits)
    set_global_generators(state["global_generators"])
    return state["history"]


def _read(path: str | Path) -> dict[str, Any]:
    """The content of a checkpoint file, on the CPU."""
    try:
        with ZipFile(path) as archive:  # torch.load itself does not compare the checksums it wrote
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"wrong checksum of {damaged}")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen types here, depending on which byte is wrong
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        text = f"{str(path)!r} is damaged or no checkpoint ({reason}); delete it to begin anew"
        raise ValueError(text) from None
    if not isinstance(state, dict) or set(state) != PARTS or state["format"] != FORMAT:
        raise ValueError(f"{str(path)!r} is no checkpoint of a training run (format {FORMAT})")
    return state


def _mismatches(state: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """In words, what differs between the ``state`` of a file and the run as it is ``now``."""
    problems = []
    for key, saved, own in _differences(_described(state["model"]), _described(now["model"])):
        problems.append(f"the model's {key} is {saved} in the file, {own} here")
    del problems[MOST_TENSORS:]
    for part, name in OPTIONAL.items():
        if (state[part] is None) != (now[part] is None):
            there, here = ("no" if side[part] is None else "a" for side in (state, now))
            problems.append(f"{there} {name} in the file, {here} {name} here")
    settings = (_settings(side) for side in (state, now))
    problems += [f"{key} is {saved} in the file, {own} here" for key, saved, own in _differences(*settings)]
    counts = len(state["generators"]), len(now["generators"])
    if counts[0] != counts[1]:
        problems.append(f"the loader has {counts[0]} generators in the file, {counts[1]} here")
    return problems


def _differences(saved: dict[str, Any], own: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """Key and both values wherever two dictionaries differ."""
    values = [(key, saved.get(key, "missing"), own.get(key, "missing")) for key in saved | own]
    return [(key, one, other) for key, one, other in values if one != other]


def _settings(state: dict[str, Any]) -> dict[str, Any]:
    """The choices in the state of a run that stay as they are while it trains."""
    settings = {}
    for index, group in enumerate(state["optimizer"]["param_groups"]):
        settings[f"the number of parameters in group {index}"] = len(group["params"])
        rate = "initial_lr" if "initial_lr" in group else "lr"  # with a schedule, lr itself changes
        for key in ("weight_decay", "momentum", "nesterov", rate):
            settings[f"{key} of group {index}"] = group.get(key)
    for key in ("total_steps", "milestones", "gamma"):
        settings[f"{key} of the schedule"] = (state["scheduler"] or {}).get(key)
    settings["patience of the stopping rule"] = (state["early_stopping"] or {}).get("patience")
    return settings


def _described(weights: dict[str, Tensor]) -> dict[str, str]:
    """``{"conv1.weight": "float32 (64, 3, 7, 7)"}``: what must agree between file and model."""
    return {
        key: f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
        for key, value in weights.items()
    }
