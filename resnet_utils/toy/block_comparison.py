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
from resnet_utils.models.blocks import conv
from resnet_utils.models.initialization import he_start
from resnet_utils.runtime import given
from resnet_utils.toy.trainer import Data, one_thread, share_right, train_epochs

NUM_CLASSES, SIDE = 10, 8
PATTERNS = 3  # a class
MakeBlock = Callable[[int, int, int], nn.Module]  # in_channels, width, stride


@given.explained
def pictures(count: int, *, seed: int = 0, noise: float = 1.0) -> Data:
    """``count`` pictures, float32 ``(count, 1, 8, 8)``, and their classes, int64 ``(count,)``.

    A class is three soft patterns; a picture is one of them, moved by up to one pixel each way (what
    leaves on one side comes back on the other), plus noise. The patterns are the same for every ``seed``.

    Args:
        count: number of pictures, at least one a class.
        seed: decides moves and noise.
        noise: standard deviation of the noise; the patterns have about 1.

    Raises:
        ValueError: if ``count`` is less than the number of classes, ``noise`` below 0, or one of the numbers
            is none.
    """
    count = given.whole_number("count", count, least=NUM_CLASSES, unit="(one picture a class)")
    seed, noise = given.whole_number("seed", seed, least=0), given.number_within("noise", noise, least=0)
    first, second = torch.Generator().manual_seed(2016), torch.Generator().manual_seed(seed)
    coarse = torch.randn(NUM_CLASSES * PATTERNS, 1, 4, 4, generator=first, dtype=torch.float64, device="cpu")
    patterns = nn.functional.interpolate(coarse, size=SIDE, mode="bicubic")
    which = torch.arange(count, device="cpu") % len(patterns)
    moves = torch.randint(-1, 2, (count, 2), generator=second, device="cpu")
    moved = [
        patterns[k].roll(tuple(move), dims=(1, 2)) for k, move in zip(which, moves.tolist(), strict=True)
    ]
    rest = torch.randn(count, 1, SIDE, SIDE, generator=second, dtype=torch.float64, device="cpu")
    return (torch.stack(moved) + noise * rest).float(), which % NUM_CLASSES


@given.explained
class SmallNet(nn.Module):
    """A stem, three stages of ``per_stage`` blocks, and a head: ``6 * per_stage + 2`` weighted layers.

    Pictures ``x`` (N, 1, H, W) -> logits ``(N, 10)``.

    Args:
        make_block: makes a block of ``(in_channels, width, stride)``.
        per_stage: blocks in each stage.
        width: channels of the first stage; each later one doubles them.
        closing: gets the last number of channels and makes what stands between the last block and the
            pooling; None for nothing.

    Raises:
        ValueError: if a number is no whole number from 1 up, or a function cannot take its numbers.
        TypeError: if it makes no module of them.
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
        per_stage, width = given.whole_number("per_stage", per_stage), given.whole_number("width", width)
        self.stem = nn.Sequential(conv(1, width, 3), nn.BatchNorm2d(width), nn.ReLU())
        channels, blocks = width, []
        for stage in range(3):
            for index in range(per_stage):
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(_made("make_block", make_block, channels, width * 2**stage, stride))
                channels = width * 2**stage
        self.blocks = nn.Sequential(*blocks)
        self.closing = nn.Identity() if closing is None else _made("closing", closing, channels)
        self.fc = nn.Linear(channels, NUM_CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        out = self.closing(self.blocks(self.stem(x)))  # (N, 4 * width, H/4, W/4)
        return self.fc(out.mean(dim=(2, 3)))


@given.explained
def start(model: nn.Module, *, seed: int) -> nn.Module:
    """Draw the weights of ``model`` in place from ``seed`` alone, float32, by ``he_normal``; biases are zero.

    Drawn in float64, which is the same on every CPU. Kinds of block with the same convolutions in the same
    order get the same weights. Returns ``model``.

    Args:
        model: any network.
        seed: decides the weights.

    Raises:
        ValueError: if ``seed`` is no whole number from 0 up.
    """
    generator = torch.Generator().manual_seed(given.whole_number("seed", seed, least=0))
    he_start(model.float(), layers=(nn.Conv2d, nn.Linear), generator=generator)
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
    return model


def _made(name: str, make: Callable[..., nn.Module], *sizes: int) -> nn.Module:
    """The module that a function given as ``name`` makes of ``sizes``."""
    given.of_kind(name, make, Callable)
    with given.reason_told(f"{name} cannot take {sizes}"):
        made = make(*sizes)
    return given.of_kind(f"what {name} makes", made, nn.Module)


@dataclass(frozen=True)
class Result:
    """One training.

    Args:
        seed: decided its start and the order of the pictures.
        curve: mean loss of each epoch (nats), in train mode.
        accuracy: share of right answers in [0, 1] on pictures that the network has never seen.
    """

    seed: int
    curve: tuple[float, ...]
    accuracy: float


@given.explained
@one_thread()
def train_small(
    model: nn.Module, train_data: Data, test_data: Data, *, seed: int, epochs: int = 6, lr: float = 0.1
) -> Result:
    """Train ``model`` in place by ``trainer.train_epochs`` at a rate that falls to zero. Uses one CPU thread.

    Args:
        model: maps pictures ``(N, 1, 8, 8)`` to logits ``(N, 10)``.
        train_data: pictures and classes to learn from.
        test_data: others, to judge by after the last epoch.
        seed: decides the order of the pictures.
        epochs: passes over ``train_data``, at least 1.
        lr: learning rate of the first step.

    Raises:
        ValueError: as ``trainer.train_epochs``, or if ``test_data`` do not fit the model.
    """
    model.to(memory_format=torch.channels_last)  # for so few channels the faster layout
    curve = train_epochs(model, train_data, seed=seed, epochs=epochs, lr=lr, falling=True)
    return Result(seed, curve, share_right(model, *test_data))


@given.explained
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

    Args:
        kinds: by name, a function that makes a network for pictures ``(N, 1, 8, 8)``.
        seeds: decide starts and orders; each once.
        count: number of pictures to learn from.
        epochs: passes over them.
        lr: learning rate of the first step.

    Raises:
        ValueError: if there is no kind, ``seeds`` names none or one twice, a number is refused, or a kind
            makes no network for these pictures.
    """
    seeds = [given.whole_number("each seed", seed, least=0) for seed in seeds]
    if not kinds or not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"compare() needs a kind and different seeds, got {list(kinds)} and {seeds}")
    train_data, test_data = pictures(count, seed=0), pictures(1000, seed=1)
    results: dict[str, list[Result]] = {name: [] for name in kinds}
    for name, seed in runtime.progress(list(itertools.product(kinds, seeds)), description="trials"):
        model = kinds[name]()
        if not isinstance(model, nn.Module):
            raise ValueError(f"each of kinds must make a network, got {type(model).__name__} from {name!r}")
        model = start(model, seed=seed)
        results[name].append(train_small(model, train_data, test_data, seed=seed, epochs=epochs, lr=lr))
    return results
