"""How long pieces of work take beside each other, measured so that a busy machine does not decide.

Introduced in chapter 8.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import NoneType
from typing import Any

import torch

from resnet_utils.runtime import given

ROUNDS = 7


@given.explained
def alternated(
    works: Mapping[str, Callable[[], object]],
    *,
    rounds: int = ROUNDS,
    threads: int = 1,
    clock: Callable[[], float] | None = None,
) -> dict[str, list[float]]:
    """Seconds that each piece of work took in each round, by its name.

    In a round each runs once, one after the other, in an order that changes from round to round (``turns``).
    So whatever slows the machine for a while slows them all alike, and ratios within a round hardly notice.
    Each runs once beforehand, uncounted: a first call asks for memory and chooses algorithms.

    Args:
        works: name -> function without arguments; what it returns is thrown away.
        rounds: how often each is measured, at least 1; an odd number has a median of its own.
        threads: of torch meanwhile; set back afterwards, also after an error. One thread waits for nobody.
        clock: gives seconds. None: the processor time of this process, which stands still while other
            programs run; on Windows, where that advances in steps of 1/64 s, the time of day. With more than
            one thread processor time is the sum over all of them: give ``time.perf_counter``. For a GPU give
            a function that waits for it before it looks at the time.

    Raises:
        ValueError: if there is no work, or ``rounds`` or ``threads`` is no whole number from 1 up.
        TypeError: if a piece of work, or the clock, is no function without arguments.
    """
    given.of_kind("clock", clock, (Callable, NoneType))
    rounds, threads = given.whole_number("rounds", rounds), given.whole_number("threads", threads)
    if not works:
        raise ValueError("works must hold at least one piece of work, got none")
    for name, work in works.items():
        if not callable(work):
            raise TypeError(
                f"works[{name!r}] must be a function without arguments, got {type(work).__name__}"
            )
    clock = clock or (time.perf_counter if os.name == "nt" else time.process_time)
    try:
        given.real_number("what clock() gives", clock())
    except TypeError as error:
        raise TypeError(f"clock must be a function without arguments: {error}") from error
    seconds: dict[str, list[float]] = {name: [] for name in works}
    with torch_threads(threads):
        for work in works.values():
            work()
        for order in turns(list(works), rounds):
            for name in order:
                begin = clock()
                works[name]()
                seconds[name].append(clock() - begin)
    return seconds


@given.explained
def turns(names: Sequence[Any], rounds: int) -> list[list[Any]]:
    """The order of each round: in the long run each name stands in each place as often.

    And before each other one. Round after round begins one name further on, and every second time around the
    direction turns.

    Args:
        names: what takes turns, at least one.
        rounds: how many orders, at least 1.

    Raises:
        ValueError: if there is no name, or ``rounds`` is no whole number from 1 up.
        TypeError: if ``names`` is no list.
    """
    rounds = given.whole_number("rounds", rounds)
    if not names:
        raise ValueError(f"names must be one or more, got {names!r}")
    found = []
    for number in range(rounds):
        around, start = divmod(number, len(names))
        order = [*names[start:], *names[:start]]
        found.append(order[::-1] if around % 2 else order)
    return found


@given.explained
def times_faster(seconds: Mapping[str, Sequence[float]], name: str, *, than: str) -> float:
    """How many times as fast one piece of work is as another: the median, over rounds, of their ratio.

    Above 1: ``name`` is the faster one.

    Args:
        seconds: what ``alternated`` has measured.
        name: of the work that is judged.
        than: name of the work that it is compared with.

    Raises:
        ValueError: if there is no such name, the two were not measured in as many rounds, or a time is zero:
            too short for the clock.
    """
    for wanted in (name, than):
        if wanted not in seconds:
            raise ValueError(
                f"nothing called {wanted!r} was measured; there is "
                f"{', '.join(map(repr, seconds)) or 'nothing'} in seconds"
            )
    rounds = [len(seconds[name]), len(seconds[than])]
    if rounds[0] != rounds[1] or not rounds[0]:
        raise ValueError(f"{name!r} and {than!r} must have been measured in as many rounds, got {rounds}")
    if min(seconds[name]) <= 0:
        raise ValueError(f"{name!r} took no time that the clock has seen; let it do more in a round")
    return statistics.median(a / b for a, b in zip(seconds[than], seconds[name], strict=True))


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use so many threads of the CPU inside, and afterwards as many as before.

    Args:
        count: at least 1.

    Raises:
        ValueError: if it is no whole number, or below 1.
    """
    count = given.whole_number("count", count)
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
