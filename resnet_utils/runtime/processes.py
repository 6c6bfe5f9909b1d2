"""Processes that compute one thing together: who one is, sums and joins over all, a share of each batch.

Introduced in chapter 8. ``training.distributed`` starts such a group; without one, a process is alone and the
first. Everything here but ``Shares`` is asked by all processes of the group, or by none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from resnet_utils.runtime import given, seeding
from resnet_utils.runtime.types import Batches


def is_together() -> bool:
    """Whether this process belongs to a group, be it of one."""
    return dist.is_available() and dist.is_initialized()


def world_size() -> int:
    """How many processes the group has; 1 without one."""
    return dist.get_world_size() if is_together() else 1


def rank() -> int:
    """The number of this process in its group, from 0; 0 without one."""
    return dist.get_rank() if is_together() else 0


def is_first() -> bool:
    """Whether this is the process that writes files and lines: number 0, or a process that is alone."""
    return rank() == 0


def _place() -> torch.device:
    """Where tensors have to lie that the group exchanges: NCCL takes those on the GPU only."""
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")


@given.explained
def total(*numbers: float) -> list[float]:
    """The sum over all processes of each of the numbers, in float64, the same bits in every process.

    Args:
        numbers: those of this process.
    """
    if world_size() == 1:
        return [float(value) for value in numbers]
    sums = torch.tensor(numbers, dtype=torch.float64, device=_place())
    dist.all_reduce(sums)
    return sums.tolist()


def said_by_first(*flags: bool) -> list[bool]:
    """What the first process says, in every process.

    Args:
        flags: what this process would say.
    """
    return [bool(flag) for flag in total(*(float(flag and is_first()) for flag in flags))]


def wait() -> None:
    """Go on when every process has come here: what the first has written before is there then."""
    total(0.0)


@given.explained
def same_tensors(tensors: Sequence[Tensor]) -> None:
    """Give every process the values that the first has.

    Args:
        tensors: of the same shapes in every process, where the group's exchange takes them; changed in place.
    """
    for tensor in tensors:
        given.of_kind("each of tensors", tensor, Tensor)
    if world_size() > 1:
        for tensor in tensors:
            dist.broadcast(tensor, src=0)


@given.explained
def joined(parts: Sequence[Tensor]) -> Tensor:
    """The shares of all processes put together again, in the order of the batches: on the CPU.

    Each share comes back once, whatever its size; nothing is filled up and left in.

    Args:
        parts: (n, ...) of this process for each batch, as many as in every other process; n may be 0.

    Raises:
        ValueError: if the processes have gone through different numbers of batches, there is none, or the
            parts do not fit each other.
    """
    for part in parts:
        given.of_kind("each of parts", part, Tensor)
    if world_size() == 1:
        try:
            return torch.cat(list(parts))
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"parts of {[tuple(part.shape) for part in parts]} cannot be joined") from error
    told: list[Any] = [None] * world_size()
    filled = [part for part in parts if len(part)]
    shape = (tuple(filled[0].shape[1:]), filled[0].dtype) if filled else None
    dist.all_gather_object(told, ([len(part) for part in parts], shape))
    sizes = [told_sizes for told_sizes, _ in told]
    if len({len(each) for each in sizes}) > 1:
        raise ValueError(
            f"the processes went through {[len(each) for each in sizes]} batches, not as many each"
        )
    tail, kind = next((told_shape for _, told_shape in told if told_shape is not None), (None, None))
    if tail is None:
        raise ValueError("there is nothing to join: no process has an image")
    longest = max(sum(each) for each in sizes)
    padded = torch.zeros((longest, *tail), dtype=kind, device=_place())
    if filled:
        own = torch.cat(filled)
        padded[: len(own)] = own
    gathered = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(gathered, padded)
    pieces = [whole[: sum(each)].cpu().split(each) for whole, each in zip(gathered, sizes, strict=True)]
    return torch.cat([piece for batch in zip(*pieces, strict=True) for piece in batch])


def cut_of(length: int, *, number: int, count: int) -> slice:
    """Which places of a batch belong to one of several processes: runs of (almost) equal length, in order.

    Args:
        length: of the batch; with fewer than ``count``, some processes get none.
        number: of the process, from 0.
        count: of the processes.

    Raises:
        ValueError: if one is no whole number, or there is no process of that number.
    """
    length = given.whole_number("length", length, least=0)
    number, count = given.whole_number("number", number, least=0), given.whole_number("count", count)
    if number >= count:
        raise ValueError(f"number must be below the count of processes, {count}, got {number}")
    return slice(number * length // count, (number + 1) * length // count)


@given.explained
class Shares:
    """This process's share of each batch of ``loader``: the same batches as in one process, cut in pieces.

    Every process goes through the whole order, drawn from the same seed, and keeps its piece; so what a step
    is computed from does not depend on how many compute it. Loaders of ``data.loader`` cut before they decode
    and make floats; where they augment, each process augments the whole batch first, since the draws are
    those of a whole batch. What mixes images goes inside: ``Shares(Mixup(loader))``.

    Args:
        loader: whole batches of images and labels, the same in every process.

    Raises:
        TypeError: if it is a share already, or no loader.
        ValueError: if it is a list of something else than batches.
    """

    def __init__(self, loader: Batches) -> None:
        if is_shared(loader):
            raise TypeError("these batches are shared out already: share the outermost loader, once")
        given.require_batches(loader, name="loader", times=1)
        for number, batch in enumerate(loader if isinstance(loader, (list, tuple)) else (), start=1):
            given.pair_of(batch, where=f"Shares(), batch {number} of loader")
        self.loader = loader

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        cut = partial(cut_of, number=rank(), count=world_size())
        if hasattr(self.loader, "cut_batches"):
            yield from self.loader.cut_batches(cut)  # pyright: ignore[reportAttributeAccessIssue]
            return
        for images, labels in self.loader:
            mine = cut(len(labels))
            yield images[mine], labels[mine]

    def __len__(self) -> int:
        return len(self.loader)  # pyright: ignore[reportArgumentType]

    def generators(self) -> list[torch.Generator]:
        """Those of the loader: every process draws from all of them."""
        return seeding.generators_of(self.loader)


def is_shared(loader: object) -> bool:
    """Whether batches are shares of a process, also inside of what is put around them.

    Args:
        loader: any batches.
    """
    while loader is not None and not isinstance(loader, Shares):
        loader = getattr(loader, "loader", None)
    return loader is not None
