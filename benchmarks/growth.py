"""Row 7: how time and memory grow with the side of the images, their number, the batch and the depth.

A law ``cost = factor * size ** exponent`` is a straight line of logarithms; its slope is fitted by least
squares and told with its standard error. Time and memory should grow with the square of the side, and in
proportion to batch, depth and number of images. The memory is what a training step keeps for the backward
pass: torch's own hooks say it exactly, whatever else lies in memory."""

from __future__ import annotations

import math
from collections.abc import Callable
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
NEAR = 0.15  # a measured exponent that is so near to what is expected makes a straight line


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
    sides = [32, 64] if tiny else [96, 128, 160, 192, 224]
    batches = [1, 2] if tiny else [2, 4, 8, 16]
    depths = dict(list(DEPTHS.items())[: 2 if tiny else None])
    network, batch = ("resnet20", 1) if tiny else ("resnet18", 2)
    small = settings.batch or settings.of(full=32, quick=8, tiny=2)
    sweeps = {
        "side of the image (pixels)": (2.0, {side: _case(network, batch, side) for side in sides}),
        "batch (images)": (1.0, {n: _case(network, n, 32 if tiny else 64) for n in batches}),
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
    lines = []
    for what, costs in (("time of a training step", seconds), ("memory kept for its backward pass", memory)):
        law = fitted([float(size) for size in cases], [float(cost) for cost in costs], expected=expected)
        lines.append(_line(f"{what} over the {name}", law, expected, list(cases), costs, found.rounds))
    return lines


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
    law = fitted([float(count) for count in counts], seconds, expected=1.0)
    return _line("time of inference over the number of images", law, 1.0, counts, seconds, found.rounds)


def _line(what: str, law: Law, expected: float, sizes: list, costs: list, rounds: int) -> Line:
    """The distance of the exponent from the expected one is what has a target."""
    return Line(
        ROW, what, f"distance of the exponent from {expected:g}", abs(law.exponent - expected),
        target=f"<= {NEAR}", rounds=rounds,
        more={"exponent": law.exponent, "standard_error": law.error, "straight_line_r2": law.straight,
              "sizes": list(sizes), "costs": [float(cost) for cost in costs]},
    )  # fmt: skip
