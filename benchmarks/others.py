"""Row 1: our ResNets beside torchvision's and timm's, with the same weights, in turn.

Inference and a training step at 224 pixels, in float32 and in bfloat16, contiguous as they are built; and
our own with its BatchNorms folded, at inference. Ours also runs against itself: what that ratio is off 1 is
noise.

What folding gains in bfloat16 is judged where everybody has the channels last, and with 16 images, as the
fast ways of the package compute. How much it is depends on the processor: folding saves trips to memory, and
they weigh the more, the faster it multiplies.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import torch
import torchvision
from torch import Tensor, nn

from benchmarks import harness
from benchmarks.harness import Comparison, Settings, Work
from benchmarks.table import Line, not_here, of_ratio
from resnet_utils import models, runtime
from resnet_utils.runtime import speed

ROW, TITLE = 1, "our ResNets beside torchvision's and timm's"
NETWORKS = ("resnet18", "resnet34", "resnet50")
AS_FAST, FOLDED = ">= 0.99", ">= 1.1"  # 1.00 within one per cent; folded, in bfloat16, channels last
QUIET = 0.01  # that the same work against itself may be off, so that one per cent can be judged
RATE = 1e-3
KINDS = ("inference", "training step")


def contestants(name: str, device: torch.device) -> tuple[dict[str, nn.Module], str]:
    """Ours twice, torchvision's and timm's with equal weights, and what is missing.

    Args:
        name: one of ``NETWORKS``.
        device: where they are to lie.
    """
    runtime.seed_everything(0)
    theirs = torchvision.models.get_model(name, weights=None)
    found: dict[str, nn.Module] = {
        "ours": models.build(name),
        "torchvision": theirs,
        "ours again": models.build(name),
    }
    missing = ""
    if importlib.util.find_spec("timm"):
        import timm

        found["timm"] = timm.create_model(name, pretrained=False)
    else:
        missing = "timm is not installed: pip install timm"
    for network in found.values():
        network.load_state_dict(theirs.state_dict())
        network.to(device)
    return found, missing


def inference(model: nn.Module, images: Tensor, *, autocast: bool = False) -> Work:
    """One forward pass in eval mode, which gives the logits.

    Args:
        model: the network.
        images: a batch.
        autocast: whether to compute in bfloat16 where that is safe.
    """
    model.eval()

    def work() -> Tensor:
        with torch.inference_mode(), torch.autocast(images.device.type, torch.bfloat16, enabled=autocast):
            return model(images)

    return work


def training_step(
    model: nn.Module, images: Tensor, labels: Tensor, *, autocast: bool = False, lr: float = RATE
) -> Callable[[], float]:
    """One step of SGD with momentum, which gives the loss before it.

    Args:
        model: the network.
        images: a batch.
        labels: its class numbers.
        autocast: whether to compute in bfloat16 where that is safe.
        lr: the rate; 0 leaves the weights as they are.
    """
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)

    def work() -> float:
        optimizer.zero_grad()
        with torch.autocast(images.device.type, torch.bfloat16, enabled=autocast):
            loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss.detach().item()

    return work


def check(settings: Settings) -> None:
    """Refuse networks that this row has not, before anything runs.

    Args:
        settings: how it is to be run.

    Raises:
        ValueError: for an unknown network.
    """
    harness.networks_of(settings, NETWORKS, row=ROW)


def run(settings: Settings) -> list[Line]:
    """The lines of this row.

    Args:
        settings: how it is to be run.
    """
    asked = harness.networks_of(settings, NETWORKS, row=ROW)
    chosen = settings.networks or settings.of(full=asked, quick=asked, tiny=NETWORKS[:1])
    lines = []
    for name in chosen:
        for autocast in (False, True):
            for kind in KINDS:
                lines += _compared(name, kind, autocast, settings)
        lines += _compared(name, KINDS[0], True, settings, last=True)
    return lines


def _compared(name: str, kind: str, autocast: bool, settings: Settings, *, last: bool = False) -> list[Line]:
    """One network, one kind of work, one number format, one order of memory."""
    device = settings.device
    pixels = settings.of(full=224, quick=224, tiny=32)
    batch = settings.batch or settings.of(full=16 if last else 4, quick=4 if last else 1, tiny=2)
    number = "bfloat16" if autocast else "float32"
    order = ", channels_last" if last else ""
    what = f"{name}, {kind}, {number}{order}, {pixels} px, batch {batch}"
    if autocast and not speed.has_half(device):  # each number made long and short again: minutes a step
        reason = "this processor has no bfloat16 instructions"
        return [not_here(ROW, what, "torchvision's time / ours", reason, AS_FAST)]
    networks, missing = contestants(name, device)
    images = torch.rand(batch, 3, pixels, pixels, device=device)
    if last:
        images = images.to(memory_format=torch.channels_last)
        networks = {who: net.to(memory_format=torch.channels_last) for who, net in networks.items()}
    labels = torch.arange(batch, device=device) % 1000
    works: dict[str, Work] = {}
    if kind == "inference":
        networks["ours, folded"] = models.fuse(networks["ours"].eval())
        works = {who: inference(net, images, autocast=autocast) for who, net in networks.items()}
    else:
        works = {who: training_step(net, images, labels, autocast=autocast) for who, net in networks.items()}
    first = {who: work() for who, work in works.items()}  # before any step: the same numbers from all
    full = 51 if kind == "inference" else 31  # one per cent is to be told apart
    rounds = settings.num_rounds(full=full, quick=11 if kind == "inference" else harness.LEAST_ROUNDS)
    found = harness.compare(works, rounds=rounds, device=device)
    return _lines(what, kind, first, found, missing, of_folded=FOLDED if last else "")


def _lines(
    what: str, kind: str, first: dict, found: Comparison, missing: str, *, of_folded: str
) -> list[Line]:
    """A line for each contestant, with how far its answers are from ours."""
    itself = found.ratio("ours", "ours again")
    apart = "largest difference of logits" if kind == "inference" else "difference of the first loss"
    lines = []
    for who in [*found.times]:
        if who == "ours":
            continue
        folded, twin = who == "ours, folded", who == "ours again"
        ratio = found.ratio("ours, folded", "torchvision") if folded else found.ratio("ours", who)
        target = "" if twin else AS_FAST
        if folded:
            target = of_folded
        measure = "torchvision's time / ours folded" if folded else f"{who}'s time / ours"
        note = "the same work against itself: noise" if twin else ""
        applies, quiet = True, abs(itself.middle - 1) <= QUIET
        if target == AS_FAST and not quiet:
            applies, note = (
                False,
                f"too noisy to judge one per cent: ours / ours again is {itself.middle:.3f}",
            )
        lines.append(
            of_ratio(
                ROW, what, "ours / ours again" if twin else measure, ratio, target=target,
                quality={apart: _apart(first["ours"], first[who])}, rounds=found.rounds, reason=note,
                applies=applies,
                more={
                    "our_seconds": found.seconds("ours, folded" if folded else "ours").middle,
                    "their_seconds": found.seconds("torchvision" if folded else who).middle,
                    "noise": [itself.low, itself.high],
                },
            )
        )  # fmt: skip
    if missing:
        lines.append(not_here(ROW, what, "timm's time / ours", missing, AS_FAST))
    return lines


def _apart(one: Tensor | float, other: Tensor | float) -> float:
    return (torch.as_tensor(one).double() - torch.as_tensor(other).double()).abs().max().item()
