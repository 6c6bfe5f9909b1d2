"""What callers give, held against what is wanted: whole numbers, tables of numbers, batches.

Introduced in chapters 4 and 5.

Each function takes a thing as it came and hands back what the rest can rely on, or says what was wrong, what
was given and what is allowed. So no error comes from deep inside, and nothing odd counts as something else.
"""

from __future__ import annotations

import collections.abc
import functools
import inspect
import math
import numbers
import operator
import traceback
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

Called = TypeVar("Called", bound=Callable[..., Any])
PAIR = "a batch is a pair (images, labels) of tensors"
CANNOT = (RuntimeError, TypeError, ValueError, IndexError)  # what torch raises at tensors that do not fit
SHOWN = 6  # keys of a mapping that a message names
PACKAGE = str(Path(__file__).parents[1])
WORDS = {  # what a kind is called in a message; any other by its own name
    int: "a whole number", float: "a number", bool: "True or False", str: "a text", Tensor: "a tensor",
    nn.Module: "a network (torch.nn.Module)", type(None): "None", Path: "a path",
    torch.device: "a torch.device",
}  # fmt: skip


def explained(function: Called) -> Called:
    """Let a function say which argument was of the wrong kind, where else an error would come from inside.

    Nothing happens as long as it succeeds, or fails in its own words. Another error, such as ``'str' object
    has no attribute 'shape'``, is what a reader meets who gave the wrong thing: then the arguments are held
    against the signature, and the first that contradicts it is named.

    Args:
        function: any, with kinds in its signature; of a class, which comes back itself, its ``__init__``.

    Raises:
        TypeError: by what comes back, for an argument of another kind that made it fail; at once, if none.
    """
    if inspect.isclass(function) and inspect.isfunction(function.__init__):
        function.__init__ = explained(function.__init__)
        return typing.cast(Called, function)
    if inspect.isclass(function) or not callable(function):
        raise TypeError(f"function must be a function, or a class with __init__, got {_shown(function)}")

    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True  # IPython and pytest leave this frame out
        try:
            return function(*args, **kwargs)
        except Exception as error:
            if not _in_own_words(error) and (reason := _wrong_kind(function, args, kwargs)):
                raise TypeError(reason) from error
            raise

    return typing.cast(Called, inner)


def _in_own_words(error: Exception) -> bool:
    """Whether a ``raise`` in the package made an error, and not an operation that could not be done."""
    (last,) = traceback.extract_tb(error.__traceback__, limit=-1)
    return last.filename.startswith(PACKAGE) and (last.line or "").startswith("raise ")


def _wrong_kind(function: Callable, args: tuple, kwargs: dict[str, Any]) -> str:
    """Which argument contradicts the signature, in words; "" if none does, or it cannot be told."""
    from beartype import BeartypeConf  # here, since it is wanted only after a failure
    from beartype.door import is_bearable

    whole_is_real = BeartypeConf(is_pep484_tower=True)  # 1 is a good answer where a float is wanted
    try:
        hints = typing.get_type_hints(function)
        given = inspect.signature(function).bind(*args, **kwargs).arguments
    except (NameError, TypeError):  # a name for type checkers only; a call that does not fit the signature
        return ""
    for name, value in given.items():
        if name in hints and not is_bearable(value, hints[name], conf=whole_is_real):
            called = function.__qualname__.removesuffix(".__init__").rpartition(".")[2]  # a class by its name
            return f"{called}(): {name} must be {_in_words(hints[name])}, got {_shown(value)}"
    return ""


def _shown(value: object) -> str:
    """A value and its kind, for a message."""
    what = f"{value!r:.100}" if type(value).__repr__ is not object.__repr__ else "an object"
    return f"{what}, of the kind {type(value).__name__}"


def _in_words(hint: Any) -> str:
    """What a hint allows."""
    kinds = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_in_words(kind) for kind in kinds))
    if typing.get_origin(hint) is typing.Literal:
        return f"one of {', '.join(map(repr, kinds))}"
    if typing.get_origin(hint) is collections.abc.Callable or hint is Callable:
        return "a function"
    if isinstance(hint, type) and not kinds:
        return WORDS.get(hint, f"a {hint.__name__}")
    return str(hint).replace("collections.abc.", "").replace("typing.", "")


def of_kind(name: str, value: Any, kind: Any) -> Any:
    """``value``; another kind is refused where it would be taken in silence, as None where a text is printed.

    Args:
        name: what the caller calls it, for the message.
        value: as it was given.
        kind: what it must be, a type or a tuple of them; of several, any.

    Raises:
        TypeError: if it is of another kind.
    """
    for called, thing, wanted in (("name", name, str), (name, value, kind)):
        if not isinstance(thing, wanted):
            kinds = wanted if isinstance(wanted, tuple) else (wanted,)
            raise TypeError(f"{called} must be {' or '.join(map(_in_words, kinds))}, got {_shown(thing)}")
    return value


@explained
def texts(name: str, values: Sequence[str]) -> list[str]:
    """``values`` as a list; a single text is refused, since its letters would count as the texts.

    Args:
        name: what the caller calls them, for the message.
        values: as they were given.

    Raises:
        TypeError: if it is a single text, or anything in it is none.
    """
    of_kind("name", name, str)
    if isinstance(values, (str, bytes, Mapping)):
        raise TypeError(f"{name} must be a list of texts, got {_shown(values)}")
    values = list(values)
    for place, value in enumerate(values, start=1):
        of_kind(f"text {place} of {name}", value, str)
    return values


def whole_number(name: str, value: Any, *, least: int = 1, unit: str = "") -> int:
    """``value`` as an int.

    A float such as 2.0 is refused, since 1.5 would have to be; so is True, which Python takes for 1.

    Args:
        name: what the caller calls it, for the message.
        value: as it was given.
        least: the smallest number allowed.
        unit: what is counted, for the message; "": nothing that needs a word.

    Raises:
        ValueError: if it is no whole number, or below ``least``.
    """
    of_kind("name", name, str)
    of_kind("least", least, int)
    of_kind("unit", unit, str)
    number = None
    if not isinstance(value, (bool, np.bool_, Tensor)):  # NumPy 1 takes its True for 1, and warns of it
        with suppress(TypeError):
            number = operator.index(value)
    if number is None:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    if number < least:
        raise ValueError(f"{name} must be at least {least}{unit and f' {unit}'}, got {number}")
    return number


def yes_or_no(name: str, value: Any) -> bool:
    """``value`` as True or False: a text such as "no" would count as True.

    Args:
        name: what the caller calls it, for the message.
        value: as it was given: a bool, also NumPy's, or 0 or 1.

    Raises:
        ValueError: for anything else.
    """
    of_kind("name", name, str)
    if not isinstance(value, (bool, np.bool_, int)) or value not in (0, 1):
        raise ValueError(f"{name} must be True or False, got {value!r:.200}")
    return bool(value)


def real_number(name: str, value: Any) -> float:
    """``value`` as a float; its range, NaN and infinity are the caller's to judge.

    Args:
        name: what the caller calls it, for the message.
        value: as it was given: a number, also NumPy's, or a tensor of one element.

    Raises:
        ValueError: if it is a text, True or False, or no number at all.
    """
    of_kind("name", name, str)
    if isinstance(value, (Tensor, np.ndarray)) and math.prod(value.shape) == 1:
        value = value.item()
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise ValueError(f"{name} must be a number, got {value!r:.200}")
    return float(value)


@explained
def number_within(name: str, value: Any, *, least: float = -math.inf, most: float = math.inf) -> float:
    """``value`` as a finite float between two others, ends included.

    Args:
        name: what the caller calls it, for the message.
        value: as it was given, see ``real_number``.
        least: the smallest number allowed.
        most: the largest one.

    Raises:
        ValueError: if it is no number, not finite, or outside.
        TypeError: if ``name`` is no text, or a bound no number.
    """
    number = real_number(name, value)
    if not math.isfinite(number) or not least <= number <= most:
        low = f" of at least {least:g}" if math.isfinite(least) else ""
        high = f"{' and' if low else ' of'} at most {most:g}" if math.isfinite(most) else ""
        raise ValueError(f"{name} must be a finite number{low}{high}, got {number:g}")
    return number


def real_numbers(name: str, values: Any) -> list[float]:
    """``values`` as a list of floats, in full precision.

    Args:
        name: what the caller calls them, for the message.
        values: as they were given: a list, an array or a tensor of one dimension, or what gives one by one.

    Raises:
        ValueError: if it is no list of numbers, or a masked array.
    """
    of_kind("name", name, str)
    if isinstance(values, (Tensor, np.ndarray)):
        values = table(name, values)
        if values.ndim != 1 or values.is_complex():
            shape = f"{values.dtype} of the shape {tuple(values.shape)}"
            raise ValueError(f"{name} must be a list of numbers, got {shape}")
        return [float(value) for value in values.tolist()]
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise ValueError(f"{name} must be a list of numbers, got {values!r:.200}")
    return [real_number(f"number {place} of {name}", value) for place, value in enumerate(values, start=1)]


def table(name: str, value: Any) -> Tensor:
    """``value`` as a tensor: one is taken as it is, NumPy's arrays and lists of numbers become one.

    Args:
        name: what the caller calls it, for the message.
        value: as it was given.

    Raises:
        ValueError: for a masked array, whose mask a tensor would lose, or what is no table of numbers.
    """
    of_kind("name", name, str)
    if isinstance(value, Tensor):
        return value
    parts = value if isinstance(value, (list, tuple)) else [value]
    if any(isinstance(part, np.ma.MaskedArray) for part in parts):
        raise ValueError(
            f"{name} is a masked array of NumPy, and a tensor has no mask: take the values that count, as in "
            "array[~mask], or array.filled(...)"
        )
    try:
        return torch.as_tensor(value, device="cpu")
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"{name} must be a tensor, an array or a list of numbers, got {type(value).__name__} ({reason})"
        ) from None


@contextmanager
def reason_told(words: str, *, also: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Inside, an error of somebody else's code becomes a ValueError: ``words``, and its first line.

    Running out of memory on a GPU is no fault of what was given, and passes.

    Args:
        words: what could not be done.
        also: kinds of errors beside ``CANNOT`` that mean it.

    Raises:
        ValueError: in place of such an error.
    """
    of_kind("words", words, str)
    kinds = (*CANNOT, *of_kind("also", also, tuple))
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except kinds as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{words}: {reason}") from error


def answer_of(function: Callable[[Tensor], Any], x: Tensor, *, name: str) -> Tensor:
    """``function(x)``, with the reason in words if it cannot take ``x`` or gives no tensor.

    Args:
        function: a network, or any other function of a tensor.
        x: what it is asked.
        name: what the caller calls the function, for the message.

    Raises:
        TypeError: if ``function`` cannot be called.
        ValueError: if it cannot take ``x``, or gives no tensor.
    """
    of_kind(name, function, Callable)
    of_kind("x", x, Tensor)
    with reason_told(f"{name} got {x.dtype} {tuple(x.shape)} and cannot take it"):
        out = function(x)
    if not isinstance(out, Tensor):
        raise ValueError(f"{name} must return a tensor, got {type(out).__name__}")
    return out


def require_batches(loader: Any, *, name: str, times: int) -> None:
    """Check that a loader can be gone through as often as needed.

    Args:
        loader: as it was given.
        name: what the caller calls it, for the message.
        times: how often it will be gone through.

    Raises:
        TypeError: if it cannot be gone through at all.
        ValueError: for an iterator, which is used up after its first time, or ``times`` no whole number.
    """
    of_kind("name", name, str)
    times = whole_number("times", times, least=0)
    if not isinstance(loader, Iterable) and not hasattr(loader, "__getitem__"):
        raise TypeError(f"{name} must be a loader or a list of batches, got {type(loader).__name__}")
    if isinstance(loader, Iterator) and times > 1:
        raise ValueError(
            f"{name} is a {type(loader).__name__}, which can be gone through once, and it is needed {times} "
            "times: give a DataLoader, or list(...) of it"
        )


def batches(loader: Iterable[Any], *, caller: str) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of ``loader`` as pairs of tensors; NumPy's arrays and lists of labels become some.

    Args:
        loader: batches of images and labels.
        caller: the name of the function that asks, for the message.

    Raises:
        TypeError: if ``loader`` cannot be gone through.
        ValueError: for a batch that is no such pair; the message says which one, and what it is.
    """
    of_kind("caller", caller, str)
    require_batches(loader, name=f"the loader of {caller}()", times=1)
    for place, batch in enumerate(loader, start=1):
        yield pair_of(batch, where=f"{caller}(), batch {place}")


def pair_of(batch: Any, *, where: str) -> tuple[Tensor, Tensor]:
    """The images and the labels of a batch as tensors.

    Args:
        batch: as a loader gave it.
        where: what a message begins with.

    Raises:
        ValueError: if it is no pair of them.
    """
    of_kind("where", where, str)
    if isinstance(batch, Mapping):
        keys = ", ".join(repr(key) for key in list(batch)[:SHOWN])
        raise ValueError(
            f"{where}: {PAIR}, this is a {type(batch).__name__} with the keys {keys}; "
            "give the loader a collate_fn that makes pairs of them"
        )
    if not isinstance(batch, (list, tuple)) or len(batch) != 2:
        many = f" of {len(batch)}" if isinstance(batch, (list, tuple)) else ""
        raise ValueError(f"{where}: {PAIR}, this is a {type(batch).__name__}{many}")
    images, labels = batch
    if isinstance(images, (list, tuple)):
        raise ValueError(
            f"{where}: the images must be one tensor (N, C, H, W), got a {type(images).__name__} of "
            f"{len(images)}; torch.stack(images) makes one of images of one size"
        )
    return table(f"{where}: images", images), table(f"{where}: labels", labels)
