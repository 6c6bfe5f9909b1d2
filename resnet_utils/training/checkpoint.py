"""The state of a training run in one file, so that an interrupted run goes on as if nothing had happened.

Introduced in chapter 4.

A run is more than its weights: the optimiser has momentum, the schedule a position, and every generator of
random numbers a state. All of it is kept, and the resumed run ends with the same bits on a CPU. The settings
it was built with (``settings``) are kept too, and compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch
from torch import Tensor

from resnet_utils.files import atomic, checked
from resnet_utils.runtime import given
from resnet_utils.runtime.seeding import (
    generators_of,
    global_generators,
    kept_generators,
    set_global_generators,
)
from resnet_utils.runtime.speed import Pace
from resnet_utils.training import optim, settings
from resnet_utils.training.run import History, TrainingRun, unwrapped

FORMAT = 4  # 3: nothing frozen, no validation; 2: no settings; 1: generators in another order
MOST_PROBLEMS = 6  # that an error message names
MOST_TENSORS = 3  # of them about the model
OPTIONAL = {"scheduler": "scheduler", "scaler": "scaler"}
PARTS = {
    "format", "model", "optimizer", "callbacks", "history", "steps", "epochs", "begun", "settings",
    "generators", "global_generators", *OPTIONAL,
}  # fmt: skip

KINDS = {  # of the parts; "optimizer" and "history" have an inner form too
    "model": Mapping, "optimizer": Mapping, "callbacks": Mapping, "history": Mapping, "settings": Mapping,
    "global_generators": Mapping, "generators": list, "steps": int, "epochs": int, "begun": int,
    "scheduler": Mapping | None, "scaler": Mapping | None,
}  # fmt: skip


@given.explained
def place_of(path: str | Path, *, name: str = "path") -> Path:
    """``path``, if a file can be written there.

    Args:
        path: the name of a file, which need not be there; nor need the folders around it.
        name: what the caller calls it, for the message.

    Raises:
        ValueError: if it can be no name of a file.
        IsADirectoryError: if it is a folder.
        NotADirectoryError: if it would lie in a file.
    """
    path = checked.path_of(path, name=name)
    if path.is_dir():
        raise IsADirectoryError(f"{name} must be the name of a file, got the folder {str(path)!r}")
    if around := [folder for folder in path.parents if folder.is_file()]:
        raise NotADirectoryError(f"{name} must lie in a folder, got {str(path)!r}, and {around[0]} is a file")
    return path


@given.explained
def save(path: str | Path, run: TrainingRun) -> None:
    """Write the state of ``run`` to ``path``.

    The file is written under another name and then renamed: a run killed at any moment leaves the old file
    or the new one, never half of one. Weights have the names of the bare network (``run.unwrapped``).

    Args:
        path: the file; its folder is made where needed.
        run: what has a state.

    Raises:
        ValueError: if ``path`` can be no name of a file.
        IsADirectoryError: if it is a folder.
        NotADirectoryError: if it would lie in a file.
    """
    path = place_of(path)
    state = _state(run) | {
        "format": FORMAT,
        "history": asdict(run.history),
        "steps": run.steps,
        "epochs": run.epochs,
        "begun": run.begun,
        "global_generators": global_generators(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic.whole(path) as unfinished, unfinished.open("wb") as file:  # a path's name would stand in it
        torch.save(state, file)


def _state(run: TrainingRun) -> dict[str, Any]:
    """The states of the parts of ``run``; None for a part that it does without."""
    return {
        "model": unwrapped(run.model).state_dict(),
        "optimizer": run.optimizer.state_dict(),
        **{part: None if (it := getattr(run, part)) is None else it.state_dict() for part in OPTIONAL},
        "callbacks": {
            name: callback.state_dict() for name, callback in settings.kept_callbacks(run.callbacks).items()
        },
        "settings": run.settings,
        "generators": [generator.get_state() for generator in generators_of(run.loader)],
    }


@given.explained
def restore(path: str | Path, run: TrainingRun, *, extend: bool = False) -> None:
    """Put the state in ``path`` into ``run`` and into the process's random generators.

    Everything is checked before anything is changed. A file from elsewhere cannot run code.

    Args:
        path: a file that ``save`` wrote.
        run: built as the first time; its parts take on the states in the file.
        extend: whether a run of more epochs than the file's may have other settings: then the schedule
            begins anew, and of the optimiser only what it has gathered, such as momentum, is taken over.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, is no checkpoint of a run, belongs to another model, optimiser,
            schedule, loader or loss, or holds more epochs than ``run`` wants, or the schedule ends too soon.
    """
    extend, state = given.yes_or_no("extend", extend), _read(path)
    done = len(state["history"]["train_loss"])
    extending = extend and run.epochs > state["epochs"]
    own = _state(run)
    unlike = _unlike_models(state["model"], own["model"])
    problems = unlike + _unlike_parts(state, own, extending=extending)
    if problems:
        hint = "Give another path, or delete the file to begin anew"
        longer = not extend and run.epochs > state["epochs"]
        if longer and not unlike and not _unlike_parts(state, own, extending=True):
            hint += "; extend=True trains on with other settings"
        shown = "; ".join(problems[:MOST_PROBLEMS])
        more = f"; and {len(problems) - MOST_PROBLEMS} more" if len(problems) > MOST_PROBLEMS else ""
        raise ValueError(f"the checkpoint {str(path)!r} belongs to another run: {shown}{more}. {hint}")
    if done > run.epochs:
        raise ValueError(f"the checkpoint holds {done} epochs, more than the {run.epochs} asked for")
    run.begun = done if extending else state["begun"]
    optim.require_schedule(run, epochs=run.epochs - run.begun, from_start=True)
    _load(run, state, extending=extending)


@given.explained
def pace_in(path: str | Path) -> Pace:
    """How the run computed whose state is in ``path``; files from before there was a choice: in float32.

    Args:
        path: a file that ``save`` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, or no checkpoint of a run.
    """
    there = _read(path)["settings"]
    return Pace(channels_last=bool(there.get("channels last")), half=bool(there.get("autocast")))


def _load(run: TrainingRun, state: dict[str, Any], *, extending: bool) -> None:
    unwrapped(run.model).load_state_dict(state["model"])
    groups = [dict(group) for group in run.optimizer.param_groups]
    run.optimizer.load_state_dict(state["optimizer"])
    if extending:  # the rates and constants of today
        for group, today in zip(run.optimizer.param_groups, groups, strict=True):
            group.update(today)
    for part in OPTIONAL:
        if state[part] is not None and not (extending and part == "scheduler"):
            getattr(run, part).load_state_dict(state[part])
    for name, callback in settings.kept_callbacks(run.callbacks).items():
        if name in state["callbacks"]:
            callback.load_state_dict(state["callbacks"][name])
    own = generators_of(run.loader)
    if len(own) == len(state["generators"]):  # an extended run may draw from others, and begins with these
        for generator, bits in zip(own, state["generators"], strict=True):
            generator.set_state(bits)
    set_global_generators(state["global_generators"])
    run.history, run.steps = History(**state["history"]), state["steps"]


def _read(path: str | Path) -> dict[str, Any]:
    """The content of a checkpoint file, on the CPU."""
    if not checked.path_of(path, name="path").is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}")
    try:
        with ZipFile(path) as archive:  # torch.load itself does not compare the checksums it wrote
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"wrong checksum of {damaged}")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen types here, depending on which byte is wrong
        raise ValueError(
            f"{str(path)!r} is damaged or no checkpoint of a training run: {_first_bytes(path)}"
            f"{type(error).__name__}. To begin anew, delete it or give another path"
        ) from None
    if not isinstance(state, dict) or set(state) != PARTS or state["format"] != FORMAT:
        raise ValueError(
            f"{str(path)!r} is no checkpoint of a training run (format {FORMAT}): {_what_it_is(state)}"
        )
    if misshapen := _misshapen(state):
        raise ValueError(
            f"{str(path)!r} is no checkpoint of a training run: its part {misshapen!r} is not what was saved"
        )
    return state


def _misshapen(state: dict[str, Any]) -> str:
    """The first part that does not have the form in which ``save`` writes it; "" if there is none."""
    wrong = [part for part, kind in KINDS.items() if not isinstance(state[part], kind)]
    if wrong:
        return wrong[0]
    history, groups = state["history"], state["optimizer"].get("param_groups")
    forms = {
        "model": all(isinstance(value, Tensor) for value in state["model"].values()),
        "history": set(history) == {field.name for field in fields(History)}
        and all(isinstance(values, list) for values in history.values()),
        "optimizer": isinstance(groups, list) and isinstance(state["optimizer"].get("state"), Mapping),
    }
    wrong = [part for part, right in forms.items() if not right]
    try:
        part = "generators"
        for bits in state[part]:
            torch.Generator().set_state(bits)
        part = "global_generators"
        with kept_generators(None):
            set_global_generators(state[part])
    except Exception:  # torch, NumPy and Python complain in half a dozen types
        wrong.append(part)
    return wrong[0] if wrong else ""


def _first_bytes(path: str | Path) -> str:
    """What a file that torch cannot read begins like."""
    with Path(path).open("rb") as file:
        start = file.read(64)
    kinds = {
        "it is empty, ": start == b"",
        "it is a page or text, ": start.lstrip()[:1] in (b"<", b"{") or start.startswith(b"version https"),
        "it is a file of safetensors, which load_weights reads, ": start[8:9] == b"{",
        "it holds more than tensors and plain values, or a part is damaged, ": start[:2] == b"PK",
    }
    return next((said for said, true in kinds.items() if true), "")


def _what_it_is(content: Any) -> str:
    """In words, what was found in a file in place of a checkpoint."""
    if not isinstance(content, Mapping):
        return f"it holds one {type(content).__name__}"
    names = [str(name) for name in content]
    some = ", ".join(names[:MOST_TENSORS]) + (", ..." if len(names) > MOST_TENSORS else "")
    if content and all(isinstance(value, Tensor) for value in content.values()):
        return f"it holds the weights of a network ({some}) and nothing else; load_weights reads them"
    if isinstance(content.get("format"), int) and "global_generators" in content:
        return f"it was written by another version of this package, as format {content['format']}"
    wrapped = [name for name in ("state_dict", "model_state_dict", "model", "net") if name in content]
    if wrapped:
        return f"it is another program's, with the weights under {wrapped[0]!r} (it has {some})"
    return f"it has {some or 'nothing in it'}"


def _unlike_models(saved: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> list[str]:
    """In words, in which tensors the network of a file and the one at hand differ."""
    problems = [
        f"the model's {key} is {one} in the file, {other} here"
        for key, one, other in _differences(_described(saved), _described(own))
    ]
    return problems[:MOST_TENSORS]


def _unlike_parts(state: dict[str, Any], own: dict[str, Any], *, extending: bool) -> list[str]:
    """In words, what else differs between the ``state`` of a file and the run at hand."""
    problems = []
    for part, name in OPTIONAL.items():
        if (state[part] is None) != (own[part] is None) and not (extending and part == "scheduler"):
            there, here = ("no" if side[part] is None else "a" for side in (state, own))
            problems.append(f"{there} {name} in the file, {here} {name} here")
    there, here = state["settings"], own["settings"]
    one_validates = there["the validation"] != here["the validation"]  # then that says it all
    for key, saved, mine in _differences(there, here):
        optional = (
            key.endswith("of the schedule") or " of group " in key
        )  # another torch may know more of them
        optional |= one_validates and key.endswith("of the validation")
        if optional and "missing" in (saved, mine):
            continue
        if not extending or key == "the optimizer" or key.startswith("the number of parameters"):
            problems.append(f"{key} is {_short(saved)} in the file, {_short(mine)} here")
    there, here = (
        [len(group.get("params", ())) for group in side["optimizer"]["param_groups"]] for side in (state, own)
    )
    if there != here and not problems:
        problems.append(f"the optimizer's groups hold {there} parameters in the file, {here} here")
    counts = len(state["generators"]), len(own["generators"])
    if counts[0] != counts[1] and not extending:
        problems.append(f"the loader has {counts[0]} generators in the file, {counts[1]} here")
    return problems


def _differences(saved: Mapping[str, Any], own: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Key and both values wherever two dictionaries differ."""
    values = [(key, saved.get(key, "missing"), own.get(key, "missing")) for key in {**saved, **own}]
    return [(key, one, other) for key, one, other in values if one != other]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= settings.SHOWN else f"{text[: settings.SHOWN]}..."


def _described(weights: Mapping[str, Tensor]) -> dict[str, str]:
    """``{"conv1.weight": "float32 (64, 3, 7, 7)"}``: what must agree between file and model."""
    return {
        key: f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
        for key, value in weights.items()
    }
