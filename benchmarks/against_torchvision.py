"""Is our network as fast as torchvision's? Inference and training steps, in turn, in one process.

    python benchmarks/against_torchvision.py [--networks resnet18 resnet50] [--rounds 101] [--device cuda]

A round runs one, then the other, the order changing from round to round; the ratio of a round is theirs over
ours in processor time (on a GPU in wall time), so above 1 means that ours is faster. The median over rounds
counts: other work on the machine slows both. One round is off by several per cent either way, so there are
many short ones, of small images. Weights, images and thread count are the same for both.
The bar is a median of at least 0.99; the exit status is 1 where it is missed.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
import torchvision
from torch import nn

from resnet_utils import models, runtime

BAR = 0.99


def seconds(work: Callable[[], None], device: torch.device) -> float:
    """Time of one call: processor time of this process, or wall time on a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        started = time.perf_counter()
        work()
        torch.cuda.synchronize()
        return time.perf_counter() - started
    started = time.process_time()
    work()
    return time.process_time() - started


def inference(model: nn.Module, images: torch.Tensor) -> Callable[[], None]:
    """One forward pass in eval mode."""
    model.eval()

    def work() -> None:
        with torch.inference_mode():
            model(images)

    return work


def training(model: nn.Module, images: torch.Tensor) -> Callable[[], None]:
    """One step of SGD with momentum."""
    model.train()
    labels = torch.arange(len(images), device=images.device) % 1000
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)

    def work() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return work


def compare(name: str, kind: str, options: argparse.Namespace) -> dict:
    """Median times of both, and the median and quartiles of their ratio."""
    device = torch.device(options.device)
    images = torch.rand(options.batch, 3, options.pixels, options.pixels, device=device)
    theirs = torchvision.models.get_model(name, weights=None).to(device)
    ours = models.build(name).to(device)
    ours.load_state_dict(theirs.state_dict())
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    make = {"inference": inference, "training": training}[kind]
    images = images.to(memory_format=layout)
    networks = {"ours": ours, "theirs": theirs}
    work = {who: make(network.to(memory_format=layout), images) for who, network in networks.items()}
    for job in work.values():
        job()  # the first call allocates and chooses algorithms
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    for number in range(options.rounds):
        for who in ("ours", "theirs") if number % 2 else ("theirs", "ours"):
            times[who].append(seconds(work[who], device))
    ratios = [b / a for a, b in zip(times["ours"], times["theirs"], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    medians = {who: 1000 * statistics.median(values) for who, values in times.items()}
    return {"network": name, "kind": kind, **medians, "low": low, "ratio": middle, "high": high}


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--networks", nargs="+", default=["resnet18", "resnet50"])
    options.add_argument("--rounds", type=int, default=101, help="at least 2")
    options.add_argument("--batch", type=int, default=4)
    options.add_argument("--pixels", type=int, default=96)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--device", default="cpu")
    options.add_argument("--channels-last", action="store_true")
    options = options.parse_args()
    runtime.seed_everything(0)
    torch.set_num_threads(options.threads)
    print(f"{runtime.versions()}; {options.device}, {options.threads} thread(s), batch {options.batch}, "
          f"{options.pixels} px, {options.rounds} rounds")  # fmt: skip
    print(f"{'network':16} {'':9} {'ours':>9} {'theirs':>9}   theirs / ours (quartiles)")
    missed = []
    for name in options.networks:
        for kind in ("inference", "training"):
            row = compare(name, kind, options)
            verdict = "" if row["ratio"] >= BAR else f"  below {BAR}"
            missed += [f"{name} {kind}"] if verdict else []
            print(f"{name:16} {kind:9} {row['ours']:6.1f} ms {row['theirs']:6.1f} ms   "
                  f"{row['ratio']:.3f} ({row['low']:.3f} ... {row['high']:.3f}){verdict}")  # fmt: skip
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
