"""Calls with one argument spoilt, drawn by Hypothesis, and what a function may make of them.

An argument is spoilt in one of three ways. *Another kind*: a text for a network, nothing for a number; it
must be refused. *Out of bounds*: the right kind, a value that can mean nothing, such as -3 classes; it must
be refused. *Odd*: the right kind, and unusual: an empty list, a batch in complex numbers, a function that
returns nothing; it may be answered, or refused.

Refused means: an error that the docstring names, or a TypeError for another kind, raised by the package
itself, with words that name the argument or what was given.
"""

from __future__ import annotations

import inspect
import io
import math
import os
import random
import re
import signal
import traceback
import types
import typing
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import good_calls
import matplotlib.pyplot as plt
import numpy as np
import torch
from beartype import BeartypeConf
from beartype.door import is_bearable
from good_calls.makers import net
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as some
from PIL import Image
from torch import Tensor, nn
from torchvision.models import WeightsEnum

import resnet_utils
from resnet_utils.runtime import processes, seeding, speed

FOR_CHECKERS = {  # names that the package itself imports for type checkers only
    "Picture": str | os.PathLike[str] | bytes | Image.Image | np.ndarray | Tensor,
    "WeightsEnum": WeightsEnum,
}
PACKAGE = str(Path(resnet_utils.__file__).parent)
PATIENCE = 20  # seconds, after which a call hangs
MUST, MAY = "must be refused", "may be answered"

ANYTHING = some.one_of(
    some.none(), some.booleans(), some.integers(-3, 9), some.floats(-3, 3), some.text(max_size=5),
    some.binary(max_size=4), some.lists(some.integers(0, 3), max_size=3), some.builds(object),
    some.dictionaries(some.text(max_size=2), some.integers(), max_size=2),
    some.sampled_from([math.nan, 2.5, "resnet", b"x", len, range(3), Path("nowhere"), torch.float32, {1, 2}]),
    some.builds(nn.Identity), some.builds(torch.zeros, some.just(2)), some.builds(np.zeros, some.just(2)),
)  # fmt: skip
SHAPES = some.lists(some.integers(0, 3), max_size=4)
DTYPES = some.sampled_from(
    [torch.float32, torch.float64, torch.int64, torch.bool, torch.complex64, torch.uint8]
)
FILLED = some.sampled_from([0.0, 1.0, -1.0, math.nan, math.inf])


def tensor(shape: list[int], dtype: torch.dtype, value: float) -> Tensor:
    """One value everywhere."""
    whole = not (dtype.is_floating_point or dtype.is_complex)
    return torch.full(shape, value if not whole or math.isfinite(value) else 7, dtype=torch.float64).to(dtype)


def nothing(*_: object, **__: object) -> None:
    """Returns nothing, whatever it is asked."""


def odd_network() -> some.SearchStrategy[nn.Module]:
    """Networks that are none, or that answer with what is no number."""

    def spoilt() -> nn.Module:
        model = net()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(math.nan)
        return model

    def half() -> nn.Module:
        return net().to(torch.float64)

    return some.one_of(
        some.builds(nn.Identity), some.builds(nn.Sequential), some.builds(lambda: nn.Linear(2, 2)),
        some.builds(nn.ReLU), some.builds(lambda: nn.Conv2d(3, 4, 3)), some.builds(spoilt), some.builds(half),
    )  # fmt: skip


ODD: tuple[tuple[Any, some.SearchStrategy], ...] = (
    (bool, some.booleans()),
    (int, some.sampled_from([-1, 0, 1, 2, 3, 7, True])),
    (float, some.sampled_from([math.inf, -math.inf, -1.0, 0.0, 1e-300, 0.5, 1.0, 7])),
    (str, some.one_of(some.text(max_size=5), some.sampled_from(["", "..", "a/b", "\0", "猫"]))),
    (Path, some.sampled_from([Path("nowhere"), Path(".."), Path("empty"), Path("folder")])),
    (Tensor, some.builds(tensor, SHAPES, DTYPES, FILLED)),
    (nn.Module, odd_network()),
    (np.ndarray, some.builds(lambda shape, value: np.full(shape, value), SHAPES, FILLED)),
    (Mapping, some.sampled_from([{}, {"a": 1}, {1: None}])),
    (Sequence, some.sampled_from([[], (), [None], ["x"], [-1], [math.nan], [[1]], "ab", [object()]])),
    (Iterable, some.sampled_from([[], [None], [(1, 2, 3)], [{"images": 1}], range(3), "ab"])),
    (Callable, some.sampled_from([nothing, len, print, object])),
)

# What counts as the kind in most of Python, and may be taken: neither must it be refused.
ALIKE = {
    Tensor: (np.ndarray, list, tuple, int, float, range),
    Sequence: (Tensor, np.ndarray, range, set, dict, bytes, str),
    Iterable: (Tensor, np.ndarray, range, set, dict, bytes, str, nn.Sequential),
    Mapping: (),
    str: (),
    Path: (str, bytes),
    float: (int, np.ndarray, Tensor),
    int: (bool, np.ndarray, Tensor),
    bool: (int,),
    torch.device: (str, int),
    tuple: (list, range, Tensor, np.ndarray, str, bytes, set, dict),
    list: (tuple, range, Tensor, np.ndarray, str, bytes, set, dict),
    dict: (),
}

# Parameter -> the least whole number that means anything, in every function that has it.
LEAST = {
    "count": 0, "size": 1, "num_classes": 1, "epochs": 1, "steps": 1, "batch": 1, "batch_size": 1, "depth": 1,
    "width": 1, "bins": 1, "channels": 1, "in_channels": 1, "out_channels": 1, "kernel_size": 1, "stride": 1,
    "groups": 1, "rounds": 1, "threads": 1, "columns": 1, "num_workers": 0, "total": 1, "smallest": 1,
    "num_points": 1, "growth": 1, "per_stage": 1, "most_files": 1, "warmup": 0, "lag": 0, "digits": 0,
    "in_features": 1, "out_features": 1, "heads": 1, "reduction": 1, "padding": 1, "patience": 1, "every": 1,
    "batches": 1, "dimensions": 0, "window": 3, "seed": 0, "se": 1,
}  # fmt: skip
# Parameter -> the numbers between which it must lie, ends included.
WITHIN = {
    "confidence": (0, 1), "probability": (0, 1), "share": (0, 1), "dropout": (0, 1), "delta": (0, 1),
    "risk": (0, 1), "stochastic_depth": (0, 1), "lr": (0, math.inf), "weight_decay": (0, math.inf),
    "temperature": (0, math.inf), "momentum": (0, math.inf), "strength": (0, math.inf),
    "noise": (0, math.inf), "timeout": (0, math.inf), "pause": (0, math.inf), "tolerance": (0, math.inf),
    "label_noise": (0, 1), "duplicates": (0, 1), "background_shortcut": (0, 1), "low": (0, math.inf),
    "high": (0, math.inf), "p": (0, 1), "drop": (0, 1), "decay": (0, 1), "chance": (0, 1), "alpha": (0, 2),
    "max_norm": (0, math.inf), "most_bytes": (0, math.inf),
}  # fmt: skip
# Parameter -> it is one of a few names.
NAMES = {
    "way", "how", "stage", "stem", "shortcut", "order", "scaler", "species", "role", "through", "part",
    "down_to", "stride_on", "schedule_every", "only", "over", "norm", "monitor",
}  # fmt: skip


def parts_of(hint: Any) -> list[Any]:
    """The kinds that a hint allows, without what they hold."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [kind for part in typing.get_args(hint) for kind in parts_of(part)]
    if isinstance(hint, typing.TypeVar) and hint.__bound__:
        return parts_of(hint.__bound__)
    return [typing.get_origin(hint) or hint]


def hints_of(function: Callable) -> dict[str, Any]:
    """What a signature says of each parameter."""
    called = function.__init__ if inspect.isclass(function) else function
    return typing.get_type_hints(called, localns=FOR_CHECKERS)


def another_kind(hint: Any) -> some.SearchStrategy | None:
    """Values of a kind that a hint does not allow; None if it allows all."""
    kinds = parts_of(hint)
    if any(
        kind in (Any, object, inspect.Parameter.empty) or isinstance(kind, typing.TypeVar) for kind in kinds
    ):
        return None
    alike = tuple(one for kind in kinds for one in ALIKE.get(kind, ()))

    def is_other(value: object) -> bool:
        whole = isinstance(value, float) and value.is_integer() and int in kinds
        before = random.getstate()  # beartype picks an item of a list at random, and Hypothesis minds
        fits = is_bearable(value, hint, conf=BeartypeConf(is_pep484_tower=True))  # [1] for a list of floats
        random.setstate(before)
        return not (whole or fits or isinstance(value, alike))

    return ANYTHING.filter(is_other)


def out_of_bounds(name: str, parameter: str, hint: Any) -> some.SearchStrategy | None:
    """Values of the right kind that can mean nothing; None if none is known."""
    if (name, parameter) in good_calls.UNBOUND:
        return None
    kinds = parts_of(hint)
    if int in kinds and parameter in LEAST:
        return some.integers(LEAST[parameter] - 1000, LEAST[parameter] - 1)
    if float in kinds:
        low, high = WITHIN.get(parameter, (-math.inf, math.inf))
        values = [math.nan]
        values += [low - 1, low - 1e-3] if math.isfinite(low) else []
        values += [high + 1, high + 1e-3] if math.isfinite(high) else []
        return some.sampled_from(values)
    if str in kinds and parameter in NAMES:
        return some.text(alphabet="qxz", min_size=3, max_size=6)
    return None


def odd(hint: Any) -> some.SearchStrategy | None:
    """Values of the right kind that are unusual; None if none is known."""
    kinds = parts_of(hint)
    found = []
    for kind in kinds:
        if isinstance(kind, type):
            found += [
                values for base, values in ODD if kind is base or (base is not bool and _is(kind, base))
            ][:1]
    return some.one_of(found) if found else None


def _is(kind: type, base: Any) -> bool:
    try:
        return issubclass(kind, base) and base not in (bool, int, float, nn.Module)
    except TypeError:
        return False


@some.composite
def spoilt(draw: Callable, name: str) -> tuple[str, Any, str]:
    """A parameter of a function, a value for it, and whether it must be refused."""
    function = good_calls.FUNCTIONS[name]
    hints, ways = hints_of(function), []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        hint = hints.get(parameter.name, Any)
        for values, must in (
            (another_kind(hint), MUST),
            (out_of_bounds(name, parameter.name, hint), MUST),
            (odd(hint), MAY),
        ):
            if values is not None:
                ways.append((parameter.name, values, must))
    parameter, values, must = draw(some.sampled_from(ways))
    return parameter, draw(values), must


def can_be_spoilt(name: str) -> bool:
    """Whether a function has an argument at all that could be wrong."""
    function = good_calls.FUNCTIONS[name]
    hints = hints_of(function)
    return any(
        another_kind(hints[parameter.name]) is not None or odd(hints[parameter.name]) is not None
        for parameter in inspect.signature(function).parameters.values()
        if parameter.name in hints and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    )


def documented(function: Callable) -> set[str]:
    """The names of errors in a docstring's section "Raises"."""
    doc = inspect.getdoc(inspect.unwrap(function)) or ""
    _, _, raises = doc.partition("\nRaises:\n")
    named = re.findall(r"^    (\w+(?:, \w+)*):", raises, re.MULTILINE)
    return {name for names in named for name in names.split(", ")} | {"TypeError"}


class Hung(BaseException):
    """A call took longer than it may."""


@contextmanager
def limited(seconds: float):
    """Inside, ``Hung`` is raised after so many seconds."""

    def ring(*_: object) -> None:
        raise Hung

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def kept():
    """Afterwards the random states, the way to compute, the environment and the figures are as before."""
    states, environment = seeding.global_generators(), dict(os.environ)
    try:
        with speed.using(False), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a word of a library, and no error
            yield
    finally:
        seeding.set_global_generators(states)
        speed.agree(None)
        plt.close("all")
        if processes.is_together():
            torch.distributed.destroy_process_group()
        if os.environ != environment:
            os.environ.clear()
            os.environ |= environment


def complaint(name: str, parameter: str, value: Any, must: str, folder: Path) -> str:
    """What is wrong with how a function takes a value; "" if nothing is.

    Args:
        name: of the function, a key of ``good_calls.FUNCTIONS``.
        parameter: whose argument is spoilt.
        value: what it is given.
        must: ``MUST`` if that must be refused, ``MAY`` if it may be answered.
        folder: an empty one, in which the call may write.
    """
    shown = f"{parameter}={described(value)}"
    with kept():
        changed = good_calls.arguments(name, folder) | {parameter: value}
        try:
            with limited(PATIENCE), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                good_calls.call(name, changed)
        except Hung:
            return f"hangs: {shown}"
        except Exception as error:
            fault = _fault(name, parameter, value, error)
            return f"{fault}: {shown}" if fault else ""
    return f"silent: {shown}" if must == MUST else ""


def _fault(name: str, parameter: str, value: Any, error: Exception) -> str:
    """What is wrong with an error; "" if nothing is."""
    said, kind = str(error), type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    own = frames[-1].filename.startswith(PACKAGE) and "raise" in (frames[-1].line or "raise")
    if any(frame.name == "nothing" for frame in frames):
        return ""
    names = {base.__name__ for base in type(error).__mro__}
    if not own:
        return f"raw: {kind}: {said[:100]!r} at {Path(frames[-1].filename).name}:{frames[-1].lineno}"
    if not names & documented(good_calls.FUNCTIONS[name]):
        return f"undocumented: {kind}: {said[:100]!r}"
    words = {parameter, type(value).__name__, described(value)[:8], repr(value)[:8], str(value)[:8]}
    words |= {
        parameter.replace("_", " "),
        parameter.rpartition("_")[2],
        parameter.rstrip("s"),
        "got ",
        "this is ",
        "there is no ",
    }
    words |= {"network"} if parameter in ("model", "net") else set()
    if name in good_calls.NAMELESS:
        return ""
    for path in value if isinstance(value, list) else [value]:
        if isinstance(path, (str, Path)):  # it is named by any of its parts
            words |= {part[:8] for part in Path(path).parts} - {"/", ".."}
    if not any(word and word in said for word in words):
        return f"unnamed: {kind}: {said[:160]!r}"
    return ""


def described(value: Any) -> str:
    """A value in a few words."""
    if isinstance(value, Tensor):
        first = value.flatten()[:1].tolist()
        return f"{value.dtype} {tuple(value.shape)} of {first}"
    return repr(value)[:60]


def complaints(name: str, examples: int, new_folder: Callable[[], Path]) -> tuple[int, list[str]]:
    """Spoil so many calls of a function: how many it were, and what was wrong with how they were taken.

    Args:
        name: of the function, a key of ``good_calls.FUNCTIONS``.
        examples: how many; fewer where there are not so many.
        new_folder: makes an empty one, for each call.
    """
    found, tried = [], 0

    @settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(spoilt(name))
    def take(one: tuple[str, Any, str]) -> None:
        nonlocal tried
        tried += 1
        said = complaint(name, *one, new_folder())
        found.extend([said] if said else [])

    take()
    return tried, found
