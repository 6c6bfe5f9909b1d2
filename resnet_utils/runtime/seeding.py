"""Every random state: seeds set, generators found, states kept and put back.

Introduced in the front matter.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch.utils.data import get_worker_info

from resnet_utils.runtime import given
from resnet_utils.runtime.types import Batches

# Where loaders, samplers, data sets and transforms of torch and torchvision keep each other.
HOLDERS = ("sampler", "batch_sampler", "dataset", "collate_fn", "transform", "target_transform")
LISTS = ("datasets", "transforms")  # of ConcatDataset; of a composed transform


@given.explained
class SeededGenerator(torch.Generator):
    """A torch generator on the CPU that can be sent to a loader's workers, however these are started.

    torch's own crashes them where they are spawned, as on Windows, macOS, and Linux from Python 3.14 on:
    its state travels as a tensor in shared memory that is gone before the worker looks
    (https://github.com/pytorch/pytorch/issues/146828). This one sends bytes. It draws the same numbers.

    Args:
        seed: where its sequence begins.

    Raises:
        ValueError: if that is no whole number, or below 0.
    """

    def __new__(cls, seed: int) -> SeededGenerator:
        return super().__new__(cls)  # torch would take the seed for a device

    def __init__(self, seed: int) -> None:
        self.manual_seed(given.whole_number("seed", seed, least=0))

    def __reduce__(self) -> Any:
        return _with_state, (self.get_state().numpy().tobytes(),)


def _with_state(state: bytes) -> SeededGenerator:
    generator = SeededGenerator(0)
    generator.set_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))
    return generator


@runtime_checkable
class HasGenerators(Protocol):
    """What a loader, a data set or a transform offers that lists its generators itself."""

    def generators(self) -> Iterable[torch.Generator]:
        """All generators it draws from, always in the same order."""
        ...


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, NumPy and torch (CPU and every GPU).

    Args:
        seed: 0 to 2**32 - 1, NumPy's range.

    Raises:
        ValueError: if ``seed`` lies outside.
    """
    if isinstance(seed, int) and not 0 <= seed < 2**32:
        raise ValueError(f"seed must be between 0 and {2**32 - 1}, got {seed}")
    seed = given.whole_number("seed", seed, least=0)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries that draw from NumPy's global state need it
    torch.manual_seed(seed)


def generators_of(holder: object) -> list[torch.Generator]:
    """The generators that a loader and its parts draw from, each once, always in the same order.

    An object with a method ``generators()`` (``HasGenerators``) lists its own. Of any other, the attribute
    ``generator`` counts, then what the attributes in ``HOLDERS`` and ``LISTS`` hold, by the same rule.
    Nothing else is looked into: a function that keeps a generator in a variable of its own has to carry it as
    an attribute, ``function.generator = ...``, or no checkpoint can keep its state. What draws from the
    process's own generators (``global_generators``), as torchvision's transforms do, needs neither.

    Args:
        holder: a loader, a sampler, a data set, a transform, or anything else, which holds none.
    """
    return list({id(generator): generator for generator in _held_by(holder, seen=set())}.values())


def _held_by(holder: object, seen: set[int]) -> Iterator[torch.Generator]:
    """The generators of ``holder`` and of what it holds; each object is asked once."""
    if holder is None or id(holder) in seen:
        return
    seen.add(id(holder))
    if isinstance(holder, HasGenerators):
        yield from holder.generators()
        return
    own = getattr(holder, "generator", None)
    if isinstance(own, torch.Generator):
        yield own
    for name in HOLDERS:
        yield from _held_by(getattr(holder, name, None), seen)
    for name in LISTS:
        items = getattr(holder, name, None)
        for item in items if isinstance(items, (list, tuple)) else [items]:
            yield from _held_by(item, seen)


def seed_worker(worker_id: int) -> None:
    """Give the generators in a loader's worker streams of their own, as ``DataLoader(worker_init_fn=...)``.

    A worker begins each epoch with a copy of the data set and its transforms, generators included: without
    this, all workers would draw the same numbers, epoch after epoch. The new stream follows from the seed
    that the generator was made with, its place among the others, and torch's seed of the worker, which is
    ``worker_id`` plus a number that the loader's own generator draws for each epoch. So one seed and one
    number of workers give one sequence; another number of workers gives another.

    Args:
        worker_id: the worker's number, from 0; torch has it in its seed already.

    Raises:
        RuntimeError: outside a worker.
    """
    worker = get_worker_info()
    if worker is None:
        raise RuntimeError(f"seed_worker({worker_id}) was called outside a worker of a DataLoader")
    for place, generator in enumerate(generators_of(worker.dataset)):
        sources = np.random.SeedSequence([worker.seed, generator.initial_seed() % 2**64, place])
        generator.manual_seed(int(sources.generate_state(1, np.uint64)[0]))


def global_generators() -> dict[str, Any]:
    """The states of the process's own generators (Python, NumPy, torch on CPU and GPUs), as plain data."""
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002 - the global state is what has to be kept
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "python": random.getstate(),
        "numpy": [kind, np.asarray(keys).tolist(), *rest],
    }


def set_global_generators(states: dict[str, Any]) -> None:
    """The reverse of ``global_generators``.

    Args:
        states: what ``global_generators`` returned, in this process or another; the states of GPUs that are
            not here are left out.

    Raises:
        ValueError: if they are something else.
    """
    try:
        torch.set_rng_state(states["torch"])
        for index, bits in enumerate(states["cuda"][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(bits, index)
        random.setstate(states["python"])
        kind, keys, *rest = states["numpy"]
        np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))  # noqa: NPY002
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"states must be what global_generators() returned, got {states!r:.100}") from error


@contextmanager
def kept_generators(holder: object) -> Iterator[None]:
    """On leaving, put the generators of ``holder`` and of the process back to where they were.

    Args:
        holder: a loader, or anything else that ``generators_of`` looks into.
    """
    own = [(generator, generator.get_state()) for generator in generators_of(holder)]
    everywhere = global_generators()
    try:
        yield
    finally:
        for generator, state in own:
            generator.set_state(state)
        set_global_generators(everywhere)


@given.explained
class SeededBatches:
    """What goes around the batches of a ``loader`` and draws from a generator of its own.

    Args:
        loader: batches of float images and class numbers; it stays as it is.
        seed: of the generator; another seed, other draws.

    Raises:
        TypeError: if ``loader`` is none.
        ValueError: if it is a list of something else than batches, or for a seed below 0.
    """

    def __init__(self, loader: Batches, *, seed: int) -> None:
        given.require_batches(loader, name="loader", times=1)
        for number, batch in enumerate(loader if isinstance(loader, (list, tuple)) else (), start=1):
            given.pair_of(batch, where=f"batch {number} of loader")
        self.loader, self.generator = loader, SeededGenerator(seed)

    def generators(self) -> list[torch.Generator]:
        """Its own generator, then those of its loader: what a checkpoint has to keep."""
        return [self.generator, *generators_of(self.loader)]

    def __len__(self) -> int:
        return len(self.loader)  # pyright: ignore[reportArgumentType]
