"""What stays as it is while a run goes on, in plain values: so a run and its checkpoint can be compared.

Introduced in chapter 4.

Each function gives a dictionary from words to plain values (numbers, texts, lists). They are taken when a run
is built, before the first step; two runs built alike give the same.
"""

from __future__ import annotations

import functools
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from types import NoneType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torch.utils.data import BatchSampler, DataLoader

from resnet_utils.runtime import given
from resnet_utils.runtime.types import LossFunction
from resnet_utils.training.run import Callback, TrainingRun, length, unwrapped

MOVES = {  # what a schedule counts with, and so no setting
    "last_epoch", "_step_count", "_last_lr", "_get_lr_called_within_step", "_is_initial", "best",
    "num_bad_epochs", "cooldown_counter", "T_cur", "T_i",
}  # fmt: skip
LABELS = ("labels", "targets", "tensors")  # where data sets keep what a sample is asked for
AUGMENT = ("augment", "transform", "target_transform", "transforms")  # and what they do to an image
SHOWN = 200  # letters of a value that an error message shows
MOST_NUMBERS = 60  # of a tensor that is compared as a list


@given.explained
def of_run(run: TrainingRun) -> dict[str, Any]:
    """Every setting of ``run``.

    Args:
        run: as it was built.
    """
    return {
        **of_layers(run.model),
        **of_parameters(run.model),
        **of_optimizer(run.optimizer, run.scheduler),
        **of_schedule(run.scheduler, run.schedule_every),
        **of_loader(run.loader),
        **of_validation(run.valid_loader),
        "the loss": of_loss(run.loss_function),
        **of_pace(run),
        **of_callbacks(run.callbacks),
    }


@given.explained
def of_pace(run: TrainingRun) -> dict[str, Any]:
    """How a run computes; channels last are named only where they are: older files have no word for it.

    Args:
        run: whose pace may not be chosen yet.
    """
    return {"autocast": run.autocast} | (
        {"channels last": True} if run.pace and run.pace.channels_last else {}
    )


@given.explained
def of_layers(model: nn.Module) -> dict[str, Any]:
    """What each module of a network is, with its constants: two kinds may have the same weights, or none.

    Args:
        model: any; what is wrapped around it does not count.
    """
    return {
        f"the layer {name}": _without_address(f"{type(module).__name__}({module.extra_repr()})")
        for name, module in unwrapped(model).named_modules()
        if name
    }


@given.explained
def of_parameters(model: nn.Module) -> dict[str, bool]:
    """Which parameters learn: a frozen one may have the same name, kind and shape.

    Args:
        model: any; what is wrapped around it does not count.
    """
    return {f"learning of {name}": p.requires_grad for name, p in unwrapped(model).named_parameters()}


@given.explained
def of_validation(loader: Iterable | None) -> dict[str, Any]:
    """As ``of_loader``, of the batches that are evaluated on; a history of two kinds would mean nothing.

    Args:
        loader: of the validation; None: none.

    Raises:
        TypeError: if it cannot be gone through.
        ValueError: if it is a list of something else than batches.
    """
    if loader is None:
        return {"the validation": "none"}
    return {"the validation": "given"} | {
        f"{key} of the validation": value for key, value in _of_batches(loader).items()
    }


@given.explained
def of_optimizer(optimizer: Optimizer, scheduler: LRScheduler | None) -> dict[str, Any]:
    """Its class, and all constants of its groups; with a schedule, the rates where that begins.

    Args:
        optimizer: any.
        scheduler: of its rates; None: none.
    """
    given.of_kind("scheduler", scheduler, (LRScheduler, NoneType))
    settings: dict[str, Any] = {"the optimizer": type(optimizer).__name__}
    for index, group in enumerate(optimizer.param_groups):
        settings[f"the number of parameters in group {index}"] = len(group["params"])
        moving = {"params"}
        if isinstance(scheduler, ReduceLROnPlateau):
            group.setdefault("initial_lr", group["lr"])  # as every other schedule of torch does
        if "initial_lr" in group:
            moving |= {"lr"}
        if getattr(scheduler, "cycle_momentum", False):
            moving |= {"momentum", "betas"}
        for key in sorted(set(group) - moving):
            settings[f"{key} of group {index}"] = plain(group[key])
    return settings


@given.explained
def of_schedule(scheduler: LRScheduler | None, every: str) -> dict[str, Any]:
    """Its class, what it counts, and all its constants, those of schedules inside it included.

    Args:
        scheduler: any of torch's; None: none.
        every: "step" or "epoch".
    """
    given.of_kind("scheduler", scheduler, (LRScheduler, NoneType))
    given.of_kind("every", every, str)
    if scheduler is None:
        return {"the schedule": "none"}
    settings = {"the schedule": type(scheduler).__name__.strip("_"), "what the schedule counts": every}
    for key, value in scheduler.state_dict().items():
        if key not in MOVES:
            settings[f"{key} of the schedule"] = _without_moves(plain(value))
    return settings


@given.explained
def of_loader(loader: Iterable) -> dict[str, Any]:
    """How batches are made, and of which images: batch size, order, classes, a sum over labels and pixels.

    Args:
        loader: a ``DataLoader``, what mixes the batches of one, or any list of batches.

    Raises:
        TypeError: if it cannot be gone through.
        ValueError: if its workers live on from epoch to epoch, with generators that nobody else sees, or it
            is a list of something else than batches.
    """
    bare = loader
    while not isinstance(bare, DataLoader) and isinstance(getattr(bare, "loader", None), Iterable):
        bare = bare.loader  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(bare, DataLoader) and bare.persistent_workers:
        raise ValueError(
            "what persistent workers have drawn cannot be kept in a checkpoint, and the run would go on as "
            "another one: make the loader with persistent_workers=False"
        )
    return _of_batches(loader)


def _of_batches(loader: Iterable) -> dict[str, Any]:
    given.require_batches(loader, name="loader", times=1)
    settings: dict[str, Any] = {"the number of batches": length(loader)}
    while not isinstance(loader, DataLoader) and isinstance(getattr(loader, "loader", None), Iterable):
        settings |= {
            f"{key} of {type(loader).__name__}": value
            for key, value in vars(loader).items()
            if isinstance(value, (int, float, str))
        }
        loader = loader.loader  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(loader, (list, tuple)):
        for place, batch in enumerate(loader, start=1):
            given.pair_of(batch, where=f"batch {place} of the loader")
        settings["the sum over the batches"] = _sum([_sum(part) for batch in loader for part in batch])
    if not isinstance(loader, DataLoader):
        return settings
    batches = loader.batch_sampler
    if batches is None and isinstance(loader.sampler, BatchSampler):
        batches = loader.sampler  # the data set is asked for whole batches
    order = getattr(batches, "sampler", loader.sampler)
    settings["the batch size"] = getattr(batches, "batch_size", loader.batch_size)
    settings["drop_last"] = getattr(batches, "drop_last", loader.drop_last)
    settings["the number of workers"] = loader.num_workers
    settings["the order"] = type(order).__name__
    if isinstance(weights := getattr(order, "weights", None), Tensor):
        settings["the weights of the order"] = _sum(weights)
    return settings | _of_images(loader.dataset)


def _of_images(dataset: Any) -> dict[str, Any]:
    """Number, classes, labels, pixels and augmentation of a data set, as far as it shows them."""
    settings: dict[str, Any] = {"the number of images": length(dataset)}
    for name in AUGMENT:
        if (transform := getattr(dataset, name, None)) is not None:
            settings[f"the {name}"] = _without_address(transform)
    if (shown := getattr(dataset, "mean_and_std", None)) is not None:
        settings["mean and std"] = [plain(value) for value in shown]
    while (inner := getattr(dataset, "split", None) or getattr(dataset, "dataset", None)) is not None:
        if (places := getattr(dataset, "indices", None)) is not None:
            settings["which images"] = _sum(places)
        if isinstance(inner, str):  # torchvision calls the name of a part so
            break
        dataset = inner
    if (classes := getattr(dataset, "classes", None)) is not None:
        settings["the classes"] = plain(classes)
    for name in LABELS:
        if (labels := getattr(dataset, name, None)) is not None:
            settings[f"the sum over the {name}"] = _sum(labels)
    if (names := getattr(dataset, "names", None)) and not hasattr(dataset, "images"):
        settings["the sum over the names"] = _sum(names)
        if (scaler := getattr(dataset, "scaler", "pillow")) != "pillow":
            settings["how the images are scaled"] = scaler
        settings["the size of the images"] = plain(getattr(dataset, "size", None))
    for name in ("images", "data"):
        if isinstance(pixels := getattr(dataset, name, None), Tensor) or hasattr(pixels, "tobytes"):
            settings["the sum over the pixels"] = _sum(pixels)
    return settings


@given.explained
def of_loss(loss_function: LossFunction | None) -> str:
    """A loss function in words, as far as it can be told: its name and its constants.

    Args:
        loss_function: a function, a module, ``functools.partial``; None: cross-entropy.
    """
    given.of_kind("loss_function", loss_function, (Callable, NoneType))
    if loss_function is None or loss_function is nn.functional.cross_entropy:
        return "cross_entropy"
    if isinstance(loss_function, functools.partial):
        constants = [plain(part) for part in (loss_function.args, loss_function.keywords)]
        return f"{of_loss(loss_function.func)} with {constants}"
    if isinstance(loss_function, nn.Module):
        constants = {
            key: plain(value)
            for key, value in (vars(loss_function) | dict(loss_function.named_buffers())).items()
            if not key.startswith("_") and key != "training"
        }
        return f"{type(loss_function).__name__}({', '.join(f'{k}={v}' for k, v in constants.items())})"
    name = getattr(loss_function, "__qualname__", type(loss_function).__name__)
    cells = dict(
        zip(
            getattr(getattr(loss_function, "__code__", None), "co_freevars", ()),
            getattr(loss_function, "__closure__", None) or (),
            strict=True,
        )
    )
    told = {key: cell.cell_contents for key, cell in cells.items()}
    constants = [f"{key}={value}" for key, value in told.items() if isinstance(value, (int, float, str))]
    inner = [of_loss(value) for key, value in told.items() if callable(value) and key == "base"]
    return f"{name}({', '.join([*constants, *inner])})"


@given.explained
def of_callbacks(callbacks: Iterable[Callback]) -> dict[str, Any]:
    """Which callbacks take part in the numbers, and their settings; a log takes none.

    Args:
        callbacks: of a run.
    """
    kept = kept_callbacks(callbacks)
    settings: dict[str, Any] = {"the callbacks": list(kept)}
    for name, callback in kept.items():
        settings |= {f"{key} of {name}": plain(value) for key, value in callback.settings().items()}
    return settings


@given.explained
def kept_callbacks(callbacks: Iterable[Callback]) -> dict[str, Callback]:
    """Those with settings or a state, by name: their class, with a number where one comes twice.

    Args:
        callbacks: of a run.
    """
    kept: dict[str, Callback] = {}
    for callback in callbacks:
        if callback.settings() or callback.state_dict():
            name = type(callback).__name__
            count = sum(type(other) is type(callback) for other in kept.values())
            kept[f"{name} {count + 1}" if count else name] = callback
    return kept


def plain(value: Any) -> Any:
    """``value`` as numbers, texts, lists and dictionaries; what cannot be said so becomes its kind, in words.

    Args:
        value: a setting.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {key if isinstance(key, (int, str)) else str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(one) for one in value]
    if isinstance(value, Tensor):
        return value.tolist() if value.numel() <= MOST_NUMBERS else f"{tuple(value.shape)} {_sum(value)}"
    return getattr(value, "__qualname__", type(value).__name__)


def _without_moves(value: Any) -> Any:
    """A schedule's constants, without what the schedules inside it count with."""
    if isinstance(value, dict):
        return {key: _without_moves(one) for key, one in value.items() if key not in MOVES}
    return [_without_moves(one) for one in value] if isinstance(value, list) else value


def _without_address(thing: Any) -> str:
    """Its ``repr``, or a text as it is, without where things lie in memory."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", thing if isinstance(thing, str) else repr(thing))


def _sum(values: Any) -> str:
    """A checksum, eight hex digits, of tensors, arrays or lists of plain values."""
    if isinstance(values, Tensor):
        content = values.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
    elif hasattr(values, "tobytes"):
        content = values.tobytes()
    elif isinstance(values, (list, tuple)) and values and isinstance(values[0], Tensor):
        content = " ".join(_sum(each) for each in values).encode()
    else:
        content = repr(list(values) if isinstance(values, Iterable) else values).encode()
    return f"{zlib.crc32(content):08x}"
