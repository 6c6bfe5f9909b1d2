"""Row 7: how time and memory grow with the side of the images, their number, the batch and the depth.

A law ``cost = factor * size ** exponent`` is a straight line of logarithms; its slope is fitted by least
squares and told with its standard error. Time and memory should grow with the square of the side, and in
proportion to batch, depth and number of images. The memory is what a training step keeps for the backward
pass: torch's own hooks say it exactly, whatever else lies in memory. A time has a part that no size
changes, such as the steps of the optimizer, so it is asked to lie on a straight line; its exponent is told
beside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from scipy import stats
from torch import Tensor, nn

from benchmarks import harness
from benchmarks.harness import Settings
from benchmarks.others import inference, training_step
from benchmarks.table import Line
from resnet_utils import models, runtime

ROW, TITLE = 7, "how time and memory grow"
STRAIGHT = ">= 0.98"  # the share of the times' variation that a straight line explains
NEAR = "<= 0.05"  # distance of an exponent of memory from what it should be


@dataclass(frozen=True)
class Law:
    """A fitted power.

    Args:
        exponent: the slope of the logarithms.
        error: its standard error; 0 for two points.
        straight: the share of the costs' variation that a straight line explains (R squared), against the
            size to the expected power.
    """

    exponent: float
    error: float
    straight: float


def fitted(sizes: list[float], costs: list[float], *, expected: float) -> Law:
    """The power by which costs grow, by least squares of logarithms.

    Args:
        sizes: at least two, above 0, not all equal.
        costs: of each, above 0.
        expected: the exponent that it should be.

    Raises:
        ValueError: for fewer, unequal numbers of them, or such as have no logarithm.
    """
    if len(sizes) != len(costs) or len(set(sizes)) < 2:
        raise ValueError(f"a law needs at least two sizes with a cost each, got {sizes} and {costs}")
    if min(*sizes, *costs) <= 0:
        raise ValueError(f"sizes and costs must be above 0, got {sizes} and {costs}")
    slope: Any = stats.linregress([math.log(s) for s in sizes], [math.log(c) for c in costs])
    line: Any = stats.linregress([s**expected for s in sizes], costs)
    error = 0.0 if len(sizes) == 2 else float(slope.stderr)
    return Law(float(slope.slope), error, float(line.rvalue) ** 2)


def kept_bytes(step: Callable[[], object], model: nn.Module) -> int:
    """Bytes that a forward pass keeps for the backward pass, without the parameters; each tensor counts once.

    Args:
        step: runs a training step.
        model: whose parameters do not count.
    """
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    found: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        step()
    return sum(found.values())


DEPTHS = {"resnet20": 20, "resnet32": 32, "resnet44": 44, "resnet56": 56}


def run(settings: Settings) -> list[Line]:
    """The lines of this row.

    Args:
        settings: how it is to be run.
    """
    tiny = settings.mode == "tiny"
    sides = [32, 64] if tiny else [32, 48, 64, 80, 96]
    depths = dict(list(DEPTHS.items())[: 2 if tiny else None])
    small = settings.batch or settings.of(full=16, quick=4, tiny=1)
    batches = [small * factor for factor in ((1, 2) if tiny else (1, 2, 3, 4, 6))]
    sweeps = {
        "side of the image (pixels)": (2.0, {side: _case("resnet20", small, side) for side in sides}),
        "batch (images)": (1.0, {number: _case("resnet20", number, 32) for number in batches}),
        "depth (layers)": (1.0, {depth: _case(name, small, 32) for name, depth in depths.items()}),
    }
    lines = []
    for name, (expected, cases) in sweeps.items():
        lines += _sweep(name, expected, cases, settings)
    return [*lines, _images(settings)]


def _case(network: str, batch: int, side: int) -> tuple[nn.Module, Tensor, Tensor]:
    runtime.seed_everything(0)
    model = models.build(network, 10).to(memory_format=torch.channels_last)
    images = torch.rand(batch, 3, side, side).to(memory_format=torch.channels_last)
    return model, images, torch.arange(batch) % 10


def _sweep(
    name: str, expected: float, cases: dict[int, tuple[nn.Module, Tensor, Tensor]], settings: Settings
) -> list[Line]:
    """Time and memory of a training step over one size."""
    device = settings.device
    placed = {
        size: (model.to(device), images.to(device), labels.to(device))
        for size, (model, images, labels) in cases.items()
    }
    works = {str(size): training_step(*case) for size, case in placed.items()}
    found = harness.compare(works, rounds=settings.num_rounds(full=11), device=device)
    seconds = [found.seconds(str(size)).middle for size in cases]
    memory = [kept_bytes(works[str(size)], placed[size][0]) for size in cases]
    sizes = list(cases)
    return [
        _line(f"time of a training step over the {name}", expected, sizes, seconds, found.rounds),
        _line(f"memory kept for its backward pass over the {name}", expected, sizes, memory, None),
    ]


def _images(settings: Settings) -> Line:
    """Time of looking at so many images, batch by batch."""
    counts = settings.of(full=[64, 128, 256, 512], quick=[32, 64, 128], tiny=[2, 4])
    model, images, _ = _case("resnet20", max(counts), 32)
    images = images.to(settings.device)
    piece = settings.of(full=32, quick=16, tiny=1)
    model = model.to(settings.device)

    def over(count: int) -> Callable[[], None]:
        steps = [inference(model, part) for part in images[:count].split(piece)]

        def work() -> None:
            for step in steps:
                step()

        return work

    works = {str(count): over(count) for count in counts}
    found = harness.compare(works, rounds=settings.num_rounds(full=11), device=settings.device)
    seconds = [found.seconds(str(count)).middle for count in counts]
    return _line("time of inference over the number of images", 1.0, counts, seconds, found.rounds)


def _line(what: str, expected: float, sizes: list[int], costs: Sequence[float], rounds: int | None) -> Line:
    """Of a time, whether it lies on a straight line, and of memory, its power.

    Args:
        what: grows over what.
        expected: the exponent that it should have.
        sizes: what was varied.
        costs: of each.
        rounds: in which times were measured; None for memory, which is counted.
    """
    law = fitted([float(size) for size in sizes], [float(cost) for cost in costs], expected=expected)
    told = {"exponent": law.exponent, "with standard error": law.error, "expected": expected}
    more = {"straight_line_r2": law.straight, "sizes": sizes, "costs": [float(cost) for cost in costs]}
    if rounds is None:
        off = abs(law.exponent - expected)
        return Line(ROW, what, "distance of the exponent", off, target=NEAR, quality=told, more=more)
    straight = "share that a straight line explains (R squared)"
    return Line(
        ROW, what, straight, law.straight, target=STRAIGHT, rounds=rounds, quality=told, more=more
    )  # fmt: skip
