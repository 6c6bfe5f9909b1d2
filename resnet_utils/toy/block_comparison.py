"""Small live trials: the same little network with one kind of block or another, trained from several seeds.

Introduced in chapter 3.

The pictures are computed, not loaded: ten classes of soft random patterns, shifted about and covered with
noise. A trial takes a few seconds. It can rank blocks that differ much; it cannot repeat the published
comparisons, whose differences are below a percentage point.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from resnet_utils import runtime
from resnet_utils.evaluation import kept_modes
from resnet_utils.models.blocks import conv
from resnet_utils.toy.trainer import one_thread

NUM_CLASSES, SIDE = 10, 8
PATTERNS = 3  # a class
BATCH_SIZE = 100
MakeBlock = Callable[[int, int, int], nn.Module]  # in_channels, width, stride
Data = tuple[Tensor, Tensor]  # pictures (N, 1, 8, 8), classes (N,)


def pictures(count: int, *, seed: int = 0, noise: float = 1.0) -> Data:
    """``count`` pictures, float32 ``(count, 1, 8, 8)``, and their classes, int64 ``(count,)``.

    A class is three soft patterns; a picture is one of them, moved by up to one pixel each way (what
    leaves on one side comes back on the other), plus noise. The patterns are the same for every ``seed``.

    Raises:
        ValueError: if ``count`` is less than the number of classes.
    """
    if count < NUM_CLASSES:
        raise ValueError(f"count must be at least {NUM_CLASSES}, one picture a class, got {count}")
    first, second = torch.Generator().manual_seed(2016), torch.Generator().manual_seed(seed)
    coarse = torch.randn(NUM_CLASSES * PATTERNS, 1, 4, 4, generator=first, dtype=torch.float64)
    patterns = nn.functional.interpolate(coarse, size=SIDE, mode="bicubic")
    which = torch.arange(count) % len(patterns)
    moves = torch.randint(-1, 2, (count, 2), generator=second)
    moved = [
        patterns[k].roll(tuple(move), dims=(1, 2)) for k, move in zip(which, moves.tolist(), strict=True)
    ]
    rest = torch.randn(count, 1, SIDE, SIDE, generator=second, dtype=torch.float64)
    return (torch.stack(moved) + noise * rest).float(), which % NUM_CLASSES


class SmallNet(nn.Module):
    """A stem, three stages of ``per_stage`` blocks, and a head: ``6 * per_stage + 2`` weighted layers.

    Shapes: ``(N, 1, H, W) -> (N, 10)`` logits. ``closing`` gets the last number of channels and makes what
    stands between the last block and the pooling.
    """

    def __init__(
        self,
        make_block: MakeBlock,
        *,
        per_stage: int = 1,
        width: int = 8,
        closing: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(1, width, 3), nn.BatchNorm2d(width), nn.ReLU())
        channels, blocks = width, []
        for stage in range(3):
            for index in range(per_stage):
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(make_block(channels, width * 2**stage, stride))
                channels = width * 2**stage
        self.blocks = nn.Sequential(*blocks)
        self.closing = nn.Identity() if closing is None else closing(channels)
        self.fc = nn.Linear(channels, NUM_CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        out = self.closing(self.blocks(self.stem(x)))  # (N, 4 * width, H/4, W/4)
        return self.fc(out.mean(dim=(2, 3)))


def start(net: nn.Module, seed: int) -> nn.Module:
    """Draw the weights of ``net`` in place from ``seed`` alone, float32: He's normal start, fan-out mode.

    Drawn in float64, which is the same on every CPU. Kinds of block with the same convolutions in the same
    order get the same weights. Returns ``net``.
    """
    generator = torch.Generator().manual_seed(seed)
    for module in net.float().modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            fan = module.weight[:, 0].numel() if isinstance(module, nn.Conv2d) else module.in_features
            drawn = torch.randn(module.weight.shape, generator=generator, dtype=torch.float64)
            module.weight.data.copy_(drawn * (2 / fan) ** 0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return net


@dataclass(frozen=True)
class Result:
    """One training: its seed, the mean loss of each epoch (nats), the share of right answers in [0, 1] on
    pictures that the network has never seen."""

    seed: int
    curve: tuple[float, ...]
    accuracy: float


@torch.no_grad()
def share_right(net: nn.Module, data: Data) -> float:
    """Share of right answers in [0, 1], in eval mode; the mode is left as it came."""
    with kept_modes(net):
        net.eval()
        return (net(data[0]).argmax(dim=1) == data[1]).double().mean().item()


@one_thread()
def train_small(
    net: nn.Module, train_data: Data, test_data: Data, *, seed: int, epochs: int = 6, lr: float = 0.1
) -> Result:
    """Train ``net`` in place by SGD with momentum 0.9 and a rate that falls to zero along a straight line.

    ``seed`` decides the order of the pictures. No weight decay, no augmentation. Uses one CPU thread.

    Raises:
        ValueError: if ``epochs`` is less than 1.
    """
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs}")
    images, labels = train_data
    net.to(memory_format=torch.channels_last)  # for so few channels the faster layout
    optimizer = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9, fused=True)
    generator = torch.Generator().manual_seed(seed)
    num_steps, step, curve = epochs * -(-len(images) // BATCH_SIZE), 0, []
    net.train()
    for _ in range(epochs):
        loss_sum = 0.0
        for batch in torch.randperm(len(images), generator=generator).split(BATCH_SIZE):
            optimizer.param_groups[0]["lr"] = lr * (1 - step / num_steps)
            loss = nn.functional.cross_entropy(net(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum, step = loss_sum + loss.item() * len(batch), step + 1
        curve.append(loss_sum / len(images))
    return Result(seed, tuple(curve), share_right(net, test_data))


def compare(
    kinds: Mapping[str, Callable[[], nn.Module]],
    *,
    seeds: Sequence[int],
    count: int = 2000,
    epochs: int = 6,
    lr: float = 0.1,
) -> dict[str, list[Result]]:
    """Train a fresh network of every kind from every seed; the results by kind, in the order of the seeds.

    All see the same ``count`` pictures, in an order that depends on the seed alone, and are judged on the
    same 1,000 others.

    Raises:
        ValueError: if there is no kind, or ``seeds`` names none or one twice.
    """
    if not kinds or not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"compare() needs a kind and different seeds, got {list(kinds)} and {list(seeds)}")
    train_data, test_data = pictures(count, seed=0), pictures(1000, seed=1)
    results: dict[str, list[Result]] = {name: [] for name in kinds}
    for name, seed in runtime.progress(list(itertools.product(kinds, seeds)), description="trials"):
        net = start(kinds[name](), seed)
        results[name].append(train_small(net, train_data, test_data, seed=seed, epochs=epochs, lr=lr))
    return results
