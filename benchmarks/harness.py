"""How the benchmarks measure: side by side in one process, in turn, as ratios.

A round runs each of the things to compare once, and its ratios are those of its own times: other work on
the machine slows neighbours in time alike. The order changes from round to round, so that none is always
first. On a CPU, what counts is the processor time of one thread, which waiting does not lengthen; on a GPU
the wall time with the device synchronized before and after. What is told is a median with its quartiles, of
at least seven rounds.

Libraries that time code were looked at first. ``torch.utils.benchmark``, which gives us its clock for GPUs,
and ``pyperf``, ``asv``, ``pytest-benchmark`` measure one thing to its end, then the next; on a machine
whose speed changes within minutes, their ratio is that of two different machines. None of them alternates.
"""

from __future__ import annotations

import itertools
import json
import statistics
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from resnet_utils import runtime
from resnet_utils.runtime import given, timing

NO_BF16 = "this processor has no bfloat16 instructions, for which the bar was set; measured in float32"
LEAST_ROUNDS = 7
MODES = ("full", "quick", "tiny")
Work = Callable[[], Any]


@dataclass(frozen=True)
class Spread:
    """A median with the quartiles around it.

    Args:
        low: the lower quartile.
        middle: the median.
        high: the upper quartile.
    """

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """That of some values, by linear interpolation between them (Hyndman and Fan 1996, type 7).

        Args:
            values: at least one.

        Raises:
            ValueError: if there is none.
        """
        if not values:
            raise ValueError("there is no median of no values")
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        return cls(*statistics.quantiles(values, n=4, method="inclusive"))


@dataclass(frozen=True)
class Settings:
    """How the rows are to be run.

    Args:
        mode: "full"; "quick", ratios only and no long training; "tiny", which only shows that it works.
        rounds: of each comparison; None: what the row takes in this mode.
        batch: images a batch; None: what the row takes in this mode.
        networks: names of networks, for a row that compares networks; none: its own.
        device: what to compute on.
        seeds: those of trainings.
        keep: folder for what is done, so that a second call goes on from there; None: nothing is kept.
        whole: whether a training that is otherwise extrapolated from its steps is run to its end.
    """

    mode: str = "full"
    rounds: int | None = None
    batch: int | None = None
    networks: tuple[str, ...] = ()
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    seeds: tuple[int, ...] = (0, 1, 2)
    keep: Path | None = None
    whole: bool = False

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, got {self.mode!r}")
        if self.rounds is not None:
            given.whole_number("rounds", self.rounds)
            if self.mode != "tiny" and self.rounds < LEAST_ROUNDS:
                raise ValueError(
                    f"rounds must be at least {LEAST_ROUNDS}, fewer have no quartiles worth telling; "
                    f"got {self.rounds}"
                )
        if self.batch is not None:
            given.whole_number("batch", self.batch, unit="image")
        if not self.seeds:
            raise ValueError("a training needs at least one seed, got none")
        for seed in self.seeds:
            given.whole_number("seed", seed, least=0)

    def of(self, *, full: Any, quick: Any, tiny: Any) -> Any:
        """The value for this mode.

        Args:
            full: that of a run for the record.
            quick: that of a run of minutes.
            tiny: that of a run of seconds.
        """
        return {"full": full, "quick": quick, "tiny": tiny}[self.mode]

    def num_rounds(self, full: int = 21, quick: int = LEAST_ROUNDS) -> int:
        """The rounds that were asked for, else those of the row in this mode.

        Args:
            full: those of a run for the record.
            quick: those of a run of minutes.
        """
        return self.rounds or self.of(full=full, quick=quick, tiny=2)


def networks_of(settings: Settings, known: Collection[str], *, row: int) -> tuple[str, ...]:
    """The networks that were asked for; those of the row where none was named.

    Args:
        settings: how the row is to be run.
        known: the row's own.
        row: its number, for the message.

    Raises:
        ValueError: for a network that the row has not.
    """
    for name in settings.networks:
        if name not in known:
            raise ValueError(f"unknown network {name!r}; row {row} compares {', '.join(known)}")
    return settings.networks or tuple(known)


def chosen_device(name: str) -> torch.device:
    """The device of that name, if it is here.

    Args:
        name: "cpu", "cuda", ...

    Raises:
        ValueError: if there is none; the message says which ones there are.
    """
    return runtime.named_device(name)


def seconds(work: Work, device: torch.device) -> float:
    """Time of one call: processor time of this process on a CPU, wall time with synchronization elsewhere.

    Args:
        work: what is timed.
        device: where it computes.
    """
    clock = clock_of(device)
    started = clock()
    work()
    return clock() - started


def clock_of(device: torch.device) -> Callable[[], float]:
    """The clock for a device, in seconds: it waits for a GPU before it tells the time.

    Args:
        device: what is computed on.
    """
    if device.type == "cpu":
        return time.process_time
    if device.type == "cuda":
        from torch.utils.benchmark import timer  # here, since it imports torch's compiler

        return timer
    return time.perf_counter


@dataclass(frozen=True)
class Comparison:
    """What alternated rounds have shown.

    Args:
        times: seconds of one call, by name, round by round.
    """

    times: dict[str, list[float]]

    def seconds(self, name: str) -> Spread:
        """Of one call.

        Args:
            name: of what was compared.
        """
        return Spread.of(self.times[name])

    def ratio(self, name: str, baseline: str, factor: float = 1.0) -> Spread:
        """How many times as fast ``name`` is as ``baseline``: the time of the other over its own, by rounds.

        Args:
            name: of what was compared.
            baseline: what it is held against.
            factor: what each ratio is multiplied by, where the two do unequal amounts of work.
        """
        pairs = zip(self.times[name], self.times[baseline], strict=True)
        return Spread.of([factor * theirs / ours for ours, theirs in pairs])

    def at_peak(self, baseline: str, *, needed: float, operations: float) -> float:
        """How many times as fast as ``baseline`` that work would be at the pace of "peak".

        Args:
            baseline: what it is held against.
            needed: operations of its work.
            operations: those of "peak".
        """
        return self.ratio("peak", baseline, factor=operations / needed).middle

    def what_a_bar_meets(self, baseline: str, *, half: bool, **work: float) -> str:
        """What to know beside a bar for bfloat16: how far the peak would go, or that there is none here.

        Args:
            baseline: as for ``at_peak``.
            half: whether the processor has such instructions.
            work: the other arguments of ``at_peak``.
        """
        if not half:
            return NO_BF16
        return f"at the whole peak of a fat convolution it would be {self.at_peak(baseline, **work):.2f}"

    @property
    def rounds(self) -> int:
        """How many there were."""
        return len(next(iter(self.times.values())))


def compare(works: Mapping[str, Work], *, rounds: int, device: torch.device | None = None) -> Comparison:
    """Run each work once a round, in changing order, after each has run once unmeasured.

    The first call allocates memory and chooses algorithms, so it is not counted.

    Args:
        works: what is compared, by name, at least one.
        rounds: at least 1.
        device: where they compute; None: on the CPU.

    Raises:
        ValueError: for no work or no round (``runtime.alternated``).
    """
    clock = clock_of(device or torch.device("cpu"))
    return Comparison(timing.alternated(works, rounds=rounds, clock=clock))


def noise(*, rounds: int, device: torch.device | None = None, tiny: bool = False) -> Spread:
    """The noise of the machine: a convolution against itself, as a ratio that would be 1 without any.

    Args:
        rounds: at least 1.
        device: where it is computed; None: on the CPU.
        tiny: with a small convolution, for a run that only shows that it works.
    """
    device = device or torch.device("cpu")
    work, _ = convolution(*((1, 8, 8) if tiny else (8, 128, 28)), dtype=torch.float32, device=device)
    return compare({"one": work, "again": work}, rounds=rounds, device=device).ratio("one", "again")


def convolution(
    batch: int, channels: int, side: int, *, dtype: torch.dtype, device: torch.device
) -> tuple[Work, int]:
    """A fat 3x3 convolution in channels_last, and its floating-point operations a call.

    It is what the machine can do at most for such a network: a matrix product, the usual measure, is slower
    than a convolution on many processors.

    Args:
        batch: images.
        channels: of the input and of the output.
        side: height and width in pixels.
        dtype: in which it computes.
        device: where it computes.
    """
    layer = nn.Conv2d(channels, channels, 3, padding=1, bias=False, device=device, dtype=dtype)
    layer = layer.to(memory_format=torch.channels_last).eval()
    images = torch.rand(batch, channels, side, side, device=device).to(dtype)
    images = images.to(memory_format=torch.channels_last)

    def work() -> None:
        with torch.inference_mode():
            layer(images)

    return work, 2 * 9 * batch * channels**2 * side**2


FAT = ((16, 64, 56), (16, 128, 28), (16, 256, 28), (16, 256, 14), (8, 512, 28))


def fastest_convolution(*, dtype: torch.dtype, device: torch.device, tiny: bool = False) -> tuple[Work, int]:
    """Of the ``FAT`` convolutions the one with the most operations a second here: the peak.

    Args:
        dtype: in which it computes.
        device: where it computes.
        tiny: with small ones, for a run that only shows that it works.
    """
    best: tuple[float, Work, int] | None = None
    with timing.torch_threads(1):
        for shape in ((1, 8, 8), (1, 16, 8)) if tiny else FAT:
            work, operations = convolution(*shape, dtype=dtype, device=device)
            work()
            took = min(seconds(work, device) for _ in range(3))
            if best is None or operations / took > best[0]:
                best = operations / took, work, operations
    assert best is not None
    return best[1], best[2]


class Kept:
    """What is done, in a file of one line each, so that a run that was stopped goes on from there.

    A script that was changed needs another folder.

    Args:
        folder: where the file lies; made if need be. None: nothing is kept.
        name: of the file, without ending.
    """

    def __init__(self, folder: Path | None, name: str) -> None:
        self.path = folder / f"{name}.jsonl" if folder else None
        self.done: dict[str, Any] = {}
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
        if self.path and self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                try:
                    key, value = json.loads(line)
                except ValueError:  # the line at which a run was killed
                    continue
                self.done[key] = value

    def get(self, key: str, compute: Callable[[], Any]) -> Any:
        """What is kept under a key; computed and kept if it is not there yet.

        Args:
            key: what it is, with everything that decides about it.
            compute: gives what JSON can hold.
        """
        if key not in self.done:
            value = compute()
            if self.path:
                before = self.path.read_bytes() if self.path.exists() else b""
                begun = before and not before.endswith(b"\n")  # a run was killed within a line
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(("\n" if begun else "") + json.dumps([key, value]) + "\n")
            self.done[key] = value
        return self.done[key]


class Stopwatch:
    """Adds up wall and processor time, and leaves out what happens while it is stopped."""

    def __init__(self) -> None:
        self.wall = self.processor = 0.0

    @contextmanager
    def running(self):
        """Inside, it runs."""
        wall, processor = time.perf_counter(), time.process_time()
        try:
            yield self
        finally:
            self.wall += time.perf_counter() - wall
            self.processor += time.process_time() - processor


class Waiting:
    """The batches of a loader, with the seconds that were spent waiting for them.

    Args:
        batches: any loader.
        clock: that counts; wall time unless told.
    """

    def __init__(self, batches: Any, clock: Callable[[], float] = time.perf_counter) -> None:
        self.batches, self.clock, self.seconds = batches, clock, 0.0

    def __iter__(self):
        iterator = iter(self.batches)
        for _ in itertools.count():
            started = self.clock()
            try:
                batch = next(iterator)
            except StopIteration:
                return
            finally:
                self.seconds += self.clock() - started
            yield batch

    def __len__(self) -> int:
        return len(self.batches)
