"""Every random state: seeds set, generators found, states kept and put back.

Introduced in the front matter.
"""

from __future__ import annotations

import random
import types
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, NumPy and torch (CPU and every GPU).

    Raises:
        ValueError: if ``seed`` does not fit NumPy's range, 0 to 2**32 - 1.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be between 0 and {2**32 - 1}, got {seed}")
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries that draw from NumPy's global state need it
    torch.manual_seed(seed)


LEAVES = (Tensor, np.ndarray, str, type, types.ModuleType)  # hold no generator


def generators_of(loader: object, depth: int = 10) -> list[torch.Generator]:
    """The generators a loader holds: its own, and those of its samplers, its data set and their functions.

    Walks attributes, lists and closures, each object once, always in the same order.
    """
    found: list[torch.Generator] = []
    seen: set[int] = set()
    level = [loader]
    for _ in range(depth):
        below: list[object] = []
        for item in level:
            if id(item) not in seen and not isinstance(item, LEAVES):
                seen.add(id(item))
                found += [item] if isinstance(item, torch.Generator) else []
                below += _children(item)
        level = below
    return found


def _children(item: object) -> list[object]:
    """What an object holds: items of a list, arguments of a partial, variables of a closure, attributes."""
    if isinstance(item, (list, tuple, dict)):
        values = item.values() if isinstance(item, dict) else item
        return list(values) if len(item) <= 32 else []  # longer ones are data
    if isinstance(item, partial):
        return [item.func, *item.args, *item.keywords.values()]
    if isinstance(item, types.MethodType):
        return [item.__self__]
    if isinstance(item, types.FunctionType):
        return [cell.cell_contents for cell in item.__closure__ or ()]
    return list(vars(item).values()) if hasattr(item, "__dict__") else []


def global_generators() -> dict[str, Any]:
    """The states of the process's own generators, as plain data."""
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002 - the global state is what has to be kept
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "python": random.getstate(),
        "numpy": [kind, keys.tolist(), *rest],
    }


def set_global_generators(states: dict[str, Any]) -> None:
    """The reverse of ``_global_generators``; the states of GPUs that are not here are left out."""
    torch.set_rng_state(states["torch"])
    for index, bits in enumerate(states["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(bits, index)
    random.setstate(states["python"])
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))  # noqa: NPY002
