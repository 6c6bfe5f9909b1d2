"""Row 8, on a CUDA GPU: training images a second, a training to a stated accuracy, a replayed graph.

ResNet-50 trains at 224 pixels in 16 bits and channels_last on images that lie on the GPU, so that no disk
is measured. The training to an accuracy is row 6's, all of Fashion-MNIST at 28 pixels. A CUDA graph records
the kernels of one forward pass and plays them again, which spares the time in which Python asks for each of
them; it counts for small batches.
"""

from __future__ import annotations

import copy
import time

import torch
from torch import nn

from benchmarks import harness
from benchmarks.clothes import BEST, trained
from benchmarks.harness import Kept, Settings, Spread
from benchmarks.others import training_step
from benchmarks.table import Line, not_here, of_ratio
from resnet_utils import models, runtime

ROW, TITLE = 8, "on a GPU"
IMAGES, CEILING = ">= 3500", 11_000  # a second; the ceiling by memory traffic of an H200, about
LEAST = f">= {BEST}"


def run(settings: Settings) -> list[Line]:
    """The lines of this row; each says so where there is no GPU.

    Args:
        settings: how it is to be run.
    """
    device = settings.device
    if device.type != "cuda":
        if torch.cuda.is_available():
            reason = "a GPU is here, and the CPU was asked for: add DEVICE=cuda"
        else:
            reason = "there is no CUDA device here"
        return [
            not_here(ROW, "resnet50, training, 224 px", "images a second", reason, IMAGES),
            not_here(ROW, "Fashion-MNIST, 28 px, to its accuracy", "test accuracy", reason, LEAST),
            not_here(ROW, "resnet18, one image, CUDA graph", "time of calls / of a replay", reason),
        ]
    return [_training(settings), _to_accuracy(settings), _replay(settings)]


def _training(settings: Settings) -> Line:
    device = settings.device
    batch = settings.batch or settings.of(full=256, quick=256, tiny=2)
    pixels = settings.of(full=224, quick=224, tiny=32)
    runtime.seed_everything(0)
    plain = models.build("resnet50").to(device)
    model = copy.deepcopy(plain).to(memory_format=torch.channels_last)
    images = torch.rand(batch, 3, pixels, pixels, device=device)
    labels = torch.arange(batch, device=device) % 1000
    rows = images.to(memory_format=torch.channels_last)
    step, base = training_step(model, rows, labels, autocast=True), training_step(plain, images, labels)
    rounds = settings.num_rounds()
    before = torch.backends.cudnn.benchmark
    try:
        torch.backends.cudnn.benchmark = True  # the first call tries all algorithms
        off = abs(step() - base())
        found = harness.compare({"fast": step, "float32": base}, rounds=rounds, device=device)
    finally:
        torch.backends.cudnn.benchmark = before
    rate = Spread.of([batch / seconds for seconds in found.times["fast"]])
    ratio = found.ratio("fast", "float32")
    return Line(
        ROW, f"resnet50, training, {pixels} px, batch {batch}, 16 bits, channels_last", "images a second",
        rate.middle, low=rate.low, high=rate.high, target=IMAGES, speed_up=True, rounds=rounds,
        quality={"difference of the first loss from float32": off},
        more={"ceiling_by_memory_traffic": CEILING, "over_float32_contiguous": ratio.middle,
              "peak_gigabytes": torch.cuda.max_memory_allocated(device) / 1e9},
    )  # fmt: skip


def _to_accuracy(settings: Settings) -> Line:
    what = "Fashion-MNIST, resnet20 at 28 px, to its accuracy"
    if settings.mode == "quick":
        return not_here(ROW, what, "test accuracy", "no training in the quick form", LEAST)
    kept = Kept(settings.keep, "gpu")
    started = time.perf_counter()
    try:
        runs = [
            kept.get(f"fashion {seed} {settings.mode}", lambda seed=seed: trained("ours", seed, settings))
            for seed in settings.seeds
        ]
    except FileNotFoundError as error:
        return not_here(ROW, what, "test accuracy", str(error), LEAST)
    accuracies = [run["accuracy"] for run in runs]
    return Line(
        ROW, what, "test accuracy of the worst seed", min(accuracies), target=LEAST, rounds=len(runs),
        quality={"accuracies": accuracies},
        more={"wall_seconds": [run["wall"] for run in runs], "in_all": time.perf_counter() - started},
    )  # fmt: skip


def _replay(settings: Settings) -> Line:
    device = settings.device
    runtime.seed_everything(0)
    model = models.fuse(models.build("resnet18").eval()).to(device).half()
    model = model.to(memory_format=torch.channels_last)
    image = torch.rand(1, 3, 224, 224, device=device).half().to(memory_format=torch.channels_last)
    call, replay, output = _captured(model, image)
    right = call()
    replay()
    off = (right.float() - output.float()).abs().max().item()
    rounds = settings.num_rounds(full=101)
    found = harness.compare({"calls": call, "replay": replay}, rounds=rounds, device=device)
    return of_ratio(
        ROW, "resnet18, one image, 224 px, float16, CUDA graph", "time of calls / of a replay",
        found.ratio("replay", "calls"), rounds=found.rounds,
        quality={"largest difference of logits": off},
        more={"replay_milliseconds": 1000 * found.seconds("replay").middle},
    )  # fmt: skip


def _captured(model: nn.Module, image: torch.Tensor):
    """A call of the model, the replay of its recorded kernels, and the tensor that a replay fills."""

    def call() -> torch.Tensor:
        with torch.inference_mode():
            return model(image)

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):  # what has to be allocated and chosen once must not be recorded
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = call()
    return call, graph.replay, output
