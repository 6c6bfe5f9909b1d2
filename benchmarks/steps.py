"""Row 3: a training step of ResNet-50 and ResNet-18 at 224 pixels and of ResNet-20 at 32.

The baseline is float32, contiguous; then channels_last, and bfloat16 where the processor has it. The
quality is how far the loss is off: of the first step, and at the end of a short training from the same
weights on the same images. Beside the ratio stands what it would be if each multiply-add went at the pace of
a fat convolution in the shorter format, which is about the most that the processor does.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn

from benchmarks import harness
from benchmarks.harness import Settings, Work
from benchmarks.others import training_step
from benchmarks.table import Line, of_ratio
from resnet_utils import models, runtime
from resnet_utils.analysis import complexity
from resnet_utils.runtime import speed

ROW, TITLE = 3, "a training step"
# network: pixels, classes, batch of the full and of the quick run, target
CASES = {
    "resnet50": (224, 1000, 16, 2, ">= 3.3"),
    "resnet18": (224, 1000, 16, 4, ">= 2.5"),
    "resnet20": (32, 10, 128, 64, ">= 1.85"),
}
LEARNED = 5  # steps of the short training
PASSES = 3  # the work of a step in forward passes: one, and two gradients of each convolution on the way back


def check(settings: Settings) -> None:
    """Refuse networks that this row has not, before anything runs.

    Args:
        settings: how it is to be run.

    Raises:
        ValueError: for an unknown network.
    """
    harness.networks_of(settings, CASES, row=ROW)


def run(settings: Settings) -> list[Line]:
    """The lines of this row.

    Args:
        settings: how it is to be run.
    """
    asked = harness.networks_of(settings, CASES, row=ROW)
    chosen = settings.networks or settings.of(full=asked, quick=asked, tiny=("resnet20",))
    return [line for name in chosen for line in _of_network(name, settings)]


def _of_network(name: str, settings: Settings) -> list[Line]:
    pixels, classes, full, quick, target = CASES[name]
    device, half = settings.device, speed.has_half(settings.device)
    batch = settings.batch or settings.of(full=full, quick=quick, tiny=2)
    runtime.seed_everything(0)
    model = models.build(name, classes).to(device)
    images = torch.rand(batch, 3, pixels, pixels, device=device)
    labels = torch.arange(batch, device=device) % classes
    variants = {"float32, contiguous": (False, False), "float32, channels_last": (True, False)}
    if half:
        variants["bfloat16, channels_last"] = (True, True)
    losses = {who: _losses(model, images, labels, *how) for who, how in variants.items()}
    works: dict[str, Work] = {
        who: _step(copy.deepcopy(model), images, labels, *how) for who, how in variants.items()
    }
    kind = torch.bfloat16 if half else torch.float32
    peak, operations = harness.fastest_convolution(dtype=kind, device=device, tiny=settings.mode == "tiny")
    found = harness.compare(works | {"peak": peak}, rounds=settings.num_rounds(full=11), device=device)
    base, *faster = variants
    needed = PASSES * 2 * complexity.multiply_adds(model.cpu(), (batch, 3, pixels, pixels))
    beside = found.what_a_bar_meets(base, half=half, needed=needed, operations=operations)
    what = f"{name}, training step, {pixels} px, batch {batch}"
    lines = []
    for who in faster:
        is_best, here, there = who == faster[-1], losses[base], losses[who]
        off = half or not is_best
        lines.append(
            of_ratio(
                ROW, f"{what}, {who}", "time in float32 contiguous / time", found.ratio(who, base),
                target=target if is_best else "", rounds=found.rounds, applies=off,
                reason=beside if is_best else "",
                quality={
                    "difference of the first loss": abs(there[0] - here[0]),
                    f"of the loss after {LEARNED} steps": abs(there[-1] - here[-1]),
                    "loss then": there[-1],
                },
                more={"images_per_second": batch / found.seconds(who).middle,
                      "baseline_images_per_second": batch / found.seconds(base).middle},
            )
        )  # fmt: skip
    return lines


def _step(
    model: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    channels_last: bool,
    half: bool,
) -> Callable[[], float]:
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = model.to(memory_format=layout)
    return training_step(model, images.to(memory_format=layout), labels, autocast=half)


def _losses(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor, channels_last: bool, half: bool
) -> list[float]:
    """The loss before each of a few steps, and after the last."""
    step = _step(copy.deepcopy(model), images, labels, channels_last, half)
    return [step() for _ in range(LEARNED + 1)]
