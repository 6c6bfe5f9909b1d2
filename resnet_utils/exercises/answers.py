"""Reading a reader's answer: what it is, which number it holds, what a function returns.

Introduced in chapter 1.

The checkers of all chapters are built on it. An answer of a wrong kind, or a function that fails, becomes a
sentence for the reader, either raised as ``Wrong`` from any depth and handed out by ``reply``, or returned
beside the value.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor

CORRECT = "correct"
LONGEST = 40  # characters of an answer that are repeated to the reader


class Wrong(Exception):
    """Carries the sentence for the reader."""


@contextmanager
def kept_random() -> Iterator[None]:
    """On leaving, put the random states of Python, NumPy and torch (CPU) back."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - it is the global one
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002


def reply(check: Callable[..., str | None], *given: object) -> str:
    """What ``check(*given)`` returns, or the sentence that it raises ``Wrong`` with; nothing is "correct".

    The random states are put back.
    """
    try:
        with kept_random():
            return check(*given) or CORRECT
    except Wrong as wrong:
        return str(wrong)


def described(answer: object) -> str:
    """What an ``answer`` is, in a few words: never long, never an address in memory."""
    if answer is None:
        return "None (is there a return missing?)"
    if isinstance(answer, Tensor | np.ndarray) and answer.ndim:
        return f"a {type(answer).__name__} of shape {tuple(answer.shape)}"
    if isinstance(answer, list | tuple | dict | set):
        return f"a {type(answer).__name__} of {len(answer)}"
    if isinstance(answer, int | float | Fraction | str | np.generic | np.ndarray | Tensor):
        text = repr(answer)
        return text if len(text) <= LONGEST and "\n" not in text else f"{text[: LONGEST - 3]}..."
    return f"a {type(answer).__name__}"


def number(answer: object, *, finite: bool = True) -> float | None:
    """The number in an ``answer``: an int, a float, a fraction, or anything of NumPy or torch that holds one.

    None for anything else; a truth value is no number, and infinity is one only without ``finite``.
    """
    if isinstance(answer, Tensor | np.ndarray | np.generic):
        if math.prod(answer.shape) != 1:
            return None
        answer = answer.item()
    if isinstance(answer, bool) or not isinstance(answer, int | float | Fraction):
        return None
    try:
        value = float(answer)
    except OverflowError:
        return None
    return value if math.isfinite(value) or not finite else None


def one_number(answer: object, what: str, *, finite: bool = True) -> float:
    """``number(answer, finite=finite)``, but ``Wrong`` where there is none; ``what`` begins the sentence."""
    value = number(answer, finite=finite)
    if value is None:
        wanted = "a number, and a finite one" if finite else "a number"
        raise Wrong(f"{what} should be {wanted}, but this is {described(answer)}")
    return value


def result(function: object, *arguments: object, what: str = "your function", where: str = "") -> Any:
    """What a reader's function returns.

    Args:
        function: what the reader has handed over.
        arguments: it is called with them.
        what: how the sentence calls it.
        where: for which arguments, as in "at width 8"; stands behind the verb.

    Raises:
        Wrong: if it is no function, or fails.
    """
    if not callable(function):
        raise Wrong(f"a function is wanted, but this is {described(function)}")
    try:
        return function(*arguments)
    except Wrong:
        raise
    except Exception as error:  # a reader's code may fail in any way
        said = (str(error).strip().splitlines() or ["no message"])[0]
        place = f" {where}" if where else ""
        raise Wrong(f"{what} stops{place} with {type(error).__name__}: {said[:150]}") from error


def tried(function: object, *arguments: object, where: str = "") -> tuple[Any, str]:
    """``result(function, *arguments, where=where)`` and "", or None and the sentence.

    The random states are put back.
    """
    try:
        with kept_random():
            return result(function, *arguments, where=where), ""
    except Wrong as wrong:
        return None, str(wrong)
