"""How long the tests wait before they call something stuck.

No limit is there to measure speed, and none should be met on a busy machine: each is more than what the
thing takes with five times the load. ``BOOK_TIMEOUT_FACTOR=5`` makes all of them five times as long.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable
from typing import TypeVar

VARIABLE = "BOOK_TIMEOUT_FACTOR"
Started = TypeVar("Started")
CELL = 1800  # seconds for one cell of a notebook; the longest takes four minutes on the simplest processor

KERNEL = 600  # seconds for a notebook's kernel to start, which imports nothing


def seconds(limit: float) -> float:
    """``limit`` in seconds, times what ``BOOK_TIMEOUT_FACTOR`` says.

    Raises:
        ValueError: if the variable is no positive number.
    """
    text = os.environ.get(VARIABLE, "").strip() or "1"
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not 0 < factor < math.inf:
        raise ValueError(f"{VARIABLE} must be a positive number such as 5, got {text!r}")
    return limit * factor


def started_again(start: Callable[..., Started], *, tries: int = 3) -> Callable[..., Started]:
    """``start``, called again where it raises ``RuntimeError``, ``tries`` times in all; then it is raised.

    A kernel looks for free ports, and takes them a moment later: of two kernels that start together, one may
    find its port taken, and dies.
    """

    @functools.wraps(start)
    def patient(*arguments: object, **options: object) -> Started:
        for _ in range(tries - 1):
            try:
                return start(*arguments, **options)
            except RuntimeError:
                continue
        return start(*arguments, **options)

    return patient
