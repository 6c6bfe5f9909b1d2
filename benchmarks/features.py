"""Row 2: features of ResNet-18 at 224 pixels, as tutorials compute them and as fast as this machine can.

The baseline is float32, contiguous, BatchNorm as it stands, under ``inference_mode``. Then come
channels_last, bfloat16 where the processor has it, and BatchNorm folded. What share of the machine's best
that is, is measured against a fat 3x3 convolution in the same number format, in the same rounds.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import harness
from benchmarks.harness import Settings, Spread, Work
from benchmarks.table import Line, of_ratio
from resnet_utils import models, runtime
from resnet_utils.analysis import complexity
from resnet_utils.runtime import speed

ROW, TITLE = 2, "feature extraction with ResNet-18 at 224 px"
FASTER, OF_PEAK = ">= 3.0", ">= 0.65"


def body(name: str = "resnet18") -> nn.Module:
    """A network whose head hands the features on: (N, C).

    Args:
        name: one of ``models.NAMES``.
    """
    runtime.seed_everything(0)
    model = models.build(name)
    moved = torch.rand(8, 3, 64, 64)
    model.train()(moved)  # so that BatchNorm's averages are not those of a network that saw nothing
    return without_head(model.eval())


def without_head(model: Any) -> nn.Module:
    """The same network, whose head is taken off.

    Args:
        model: a network of ``models``; it is changed.
    """
    model.fc = nn.Identity()
    return model


def ways(model: nn.Module, images: Tensor, *, half: bool) -> dict[str, Work]:
    """The ladder from the baseline to the fastest, by name.

    Args:
        model: in eval mode, contiguous; it stays as it is.
        images: a batch, contiguous.
        half: whether the last steps compute in bfloat16.
    """
    last = models.fuse(copy.deepcopy(model)).to(memory_format=torch.channels_last)
    other = copy.deepcopy(model).to(memory_format=torch.channels_last)
    rows = images.to(memory_format=torch.channels_last)
    found = {
        "float32, contiguous": _work(model, images),
        "float32, channels_last": _work(other, rows),
        "float32, channels_last, folded": _work(last, rows),
    }
    if half:
        in_16 = copy.deepcopy(last).to(torch.bfloat16)
        found["bfloat16, channels_last, folded"] = _work(in_16, rows.to(torch.bfloat16))
    return found


def _work(model: nn.Module, images: Tensor) -> Work:
    def work() -> Tensor:
        with torch.inference_mode():
            return model(images)

    return work


def error(one: Tensor, other: Tensor) -> float:
    """How far features lie apart: the norm of their difference over that of the first, over all images.

    Args:
        one: the right ones.
        other: those of the fast way.
    """
    return ((one.double() - other.double()).norm() / one.double().norm()).item()


def run(settings: Settings) -> list[Line]:
    """The lines of this row.

    Args:
        settings: how it is to be run.
    """
    device, half = settings.device, speed.has_half(settings.device)
    pixels = settings.of(full=224, quick=224, tiny=32)
    batch = settings.batch or settings.of(full=16, quick=4, tiny=2)
    model = body().to(device)
    images = torch.rand(batch, 3, pixels, pixels, device=device)
    works = ways(model, images, half=half)
    best, base = list(works)[-1], next(iter(works))
    kind = torch.bfloat16 if half else torch.float32
    peak, operations = harness.fastest_convolution(dtype=kind, device=device, tiny=settings.mode == "tiny")
    right = works[base]()
    errors = {name: error(right, work()) for name, work in works.items()}
    found = harness.compare(works | {"peak": peak}, rounds=settings.num_rounds(), device=device)
    needed = 2 * complexity.multiply_adds(model.cpu(), (batch, 3, pixels, pixels))
    beside = found.what_a_bar_meets(base, half=half, needed=needed, operations=operations)
    what = f"resnet18, features, {pixels} px, batch {batch}"
    lines = []
    for name in list(works)[1:]:
        is_best = name == best
        lines.append(
            of_ratio(
                ROW, f"{what}, {name}", "time in float32 contiguous / time", found.ratio(name, base),
                target=FASTER if is_best else "", rounds=found.rounds,
                applies=half or not is_best, reason=beside if is_best else "",
                quality={"relative error of the features": errors[name]},
                more={"images_per_second": batch / found.seconds(name).middle,
                      "baseline_images_per_second": batch / found.seconds(base).middle},
            )
        )  # fmt: skip
    share = found.ratio(best, "peak", factor=needed / operations)
    lines.append(_of_peak(f"{what}, {best}", share, errors[best], found, operations, half))
    return lines


def _of_peak(
    what: str, share: Spread, error: float, found: harness.Comparison, operations: int, half: bool
) -> Line:
    """The share of the peak that was reached."""
    return Line(
        ROW, what, "share of the peak of a fat convolution", share.middle, low=share.low, high=share.high,
        target=OF_PEAK, rounds=found.rounds, quality={"relative error of the features": error},
        reason="" if half else "in float32, since this processor has no bfloat16 instructions",
        more={"peak_gflops": operations / found.seconds("peak").middle / 1e9},
    )  # fmt: skip
