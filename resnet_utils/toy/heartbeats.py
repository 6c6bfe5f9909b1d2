"""Drawn heartbeats, and a one-dimensional residual network with its plain twin.

Introduced in chapter 6.

A signal is a row of beats, each a sum of five bells (P, Q, R, S and T, as cardiologists call them), on a slow
wave and with noise. It looks like an electrocardiogram and is none: nothing here says anything about a heart.
Source of the bells: McSharry et al. 2003, doi:10.1109/TBME.2003.808805, table I, rounded.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from resnet_utils.models.initialization import he_normal
from resnet_utils.runtime import given
from resnet_utils.toy.trainer import Data

RHYTHMS = ("regular", "irregular", "early beat", "inverted T")
SAMPLES, RATE = 512, 128  # numbers in a signal, and how many make a second
# Of each bell: when it comes, in shares of a beat's length after R; its height; its width, likewise.
BELLS = ((-0.2, 0.12, 0.04), (-0.04, -0.1, 0.012), (0.0, 1.0, 0.014), (0.04, -0.2, 0.014), (0.28, 0.25, 0.06))


@given.explained
def draw_signals(count: int, *, seed: int = 0, noise: float = 0.05) -> Data:
    """``count`` signals, float32 ``(count, 1, 512)``, and their rhythms, int64 ``(count,)`` into ``RHYTHMS``.

    Four seconds each. In an irregular one the lengths of the beats differ by up to a third and there is no P;
    an early beat comes after 0.6 of the usual time and is broad; an inverted T points downward in all beats.

    Args:
        count: signals, at least one a rhythm.
        seed: of all that is random.
        noise: standard deviation of the noise; R has the height 1.

    Raises:
        ValueError: if ``count`` is less than the number of rhythms, ``noise`` below 0, or one of the numbers
            is none.
    """
    count = given.whole_number("count", count, least=len(RHYTHMS), unit="(one signal a rhythm)")
    seed, noise = given.whole_number("seed", seed, least=0), given.number_within("noise", noise, least=0)
    generator = torch.Generator().manual_seed(seed)
    draw = {"generator": generator, "dtype": torch.float64, "device": "cpu"}
    labels = torch.arange(count, device="cpu") % len(RHYTHMS)
    time = torch.arange(SAMPLES, dtype=torch.float64, device="cpu") / RATE  # (512,) seconds
    usual = 0.6 + 0.4 * torch.rand(count, 1, **draw)  # seconds from beat to beat
    beats = int(SAMPLES / RATE / 0.4) + 3
    lengths = usual * (1 + 0.03 * torch.randn(count, beats, **draw))
    jitter = 1 + 0.66 * (torch.rand(count, beats, **draw) - 0.5)
    lengths = torch.where((labels == 1)[:, None], usual * jitter, lengths)
    which = torch.randint(2, 4, (count, 1), generator=generator, device="cpu")  # which beat comes early
    early = (labels == 2)[:, None] & (torch.arange(beats, device="cpu") == which)
    lengths = torch.where(early, 0.6 * lengths, lengths)
    starts = lengths.cumsum(dim=1) - torch.rand(count, 1, **draw) * usual  # (count, beats): each R
    total = 0.15 * torch.sin(6.283 * (0.3 * time + torch.rand(count, 1, **draw)))  # breathing
    for number, (when, height, width) in enumerate(BELLS):
        tall = height * (1 + 0.15 * torch.randn(count, 1, **draw)).expand(count, beats)
        if number == 0:
            tall = torch.where((labels == 1)[:, None] | early, 0.0, tall)
        if number == 4:
            tall = torch.where((labels == 3)[:, None], -tall, tall)
        wide = width * usual * torch.where(early, 2.5, 1.0)  # (count, beats)
        away = time - (starts + when * usual)[:, :, None]  # (count, beats, 512)
        total = total + (tall[:, :, None] * torch.exp(-0.5 * (away / wide[:, :, None]) ** 2)).sum(dim=1)
    total = total + noise * torch.randn(count, SAMPLES, **draw)
    return total[:, None].float(), labels


@given.explained
class SignalBlock(nn.Module):
    """The basic block in one dimension: ``relu(F(x) + shortcut(x))``, or ``relu(F(x))`` if not ``residual``.

    Shapes: ``(N, in_channels, L) -> (N, width, L / stride)``. Where the shape changes, option A: every second
    sample, and channels of zeros, so both kinds have the same parameters.

    Args:
        in_channels: channels of the input.
        width: channels of the output, at least as many.
        stride: 1, or 2 to halve the signal.
        residual: whether there is a shortcut.

    Raises:
        ValueError: if a number is no whole number from 1 up, ``width`` below ``in_channels``, or ``residual``
            neither True nor False.
    """

    def __init__(self, in_channels: int, width: int, stride: int = 1, *, residual: bool = True) -> None:
        super().__init__()
        in_channels = given.whole_number("in_channels", in_channels)
        width = given.whole_number("width", width, least=in_channels, unit="(in_channels)")
        stride, residual = given.whole_number("stride", stride), given.yes_or_no("residual", residual)
        self.stride, self.more, self.residual = stride, width - in_channels, residual
        self.conv1 = nn.Conv1d(in_channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm1d(width)
        self.conv2 = nn.Conv1d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm1d(width)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.bn1(self.conv1(x)))  # (N, width, L/s)
        out = self.bn2(self.conv2(out))  # (N, width, L/s)
        if self.residual:
            out = out + nn.functional.pad(x[:, :, :: self.stride], (0, 0, 0, self.more))
        return torch.relu(out)


@given.explained
class SignalNet(nn.Module):
    """A one-dimensional ResNet for signals: ``6 * per_stage + 2`` weighted layers.

    Signals ``x`` (N, 1, 512) -> logits ``(N, num_classes)``. A stem of 15 samples with stride 4, three stages
    of ``per_stage`` blocks of widths ``width``, 2 and 4 times that, the mean over time, a linear layer.

    Args:
        per_stage: blocks in each stage, at least 1.
        residual: whether the blocks have shortcuts.
        width: channels of the first stage.
        num_classes: outputs.

    Raises:
        ValueError: if a number is less than 1, or ``residual`` neither True nor False.
    """

    def __init__(
        self, per_stage: int, *, residual: bool, width: int = 8, num_classes: int = len(RHYTHMS)
    ) -> None:
        super().__init__()
        for name, number in (("per_stage", per_stage), ("width", width), ("num_classes", num_classes)):
            given.whole_number(name, number)
        residual = given.yes_or_no("residual", residual)
        self.stem = nn.Sequential(
            nn.Conv1d(1, width, 15, 4, padding=7, bias=False), nn.BatchNorm1d(width), nn.ReLU()
        )
        blocks, channels = [], width
        for stage in range(3):
            for index in range(per_stage):
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(SignalBlock(channels, width * 2**stage, stride, residual=residual))
                channels = width * 2**stage
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.blocks(self.stem(x)).mean(dim=2))


@given.explained
def fresh_signal_net(per_stage: int, *, residual: bool, seed: int, width: int = 8) -> SignalNet:
    """A fresh ``SignalNet`` whose convolutions start by He's rule, drawn from ``seed`` alone.

    Plain and residual twins of one seed begin with the same numbers.

    Args:
        per_stage: see ``SignalNet``.
        residual: see ``SignalNet``.
        seed: decides the weights.
        width: see ``SignalNet``.

    Raises:
        ValueError: as ``SignalNet``, or if ``seed`` is no whole number from 0 up.
    """
    seed = given.whole_number("seed", seed, least=0)
    model = SignalNet(per_stage, residual=residual, width=width)
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.Conv1d | nn.Linear):
            he_normal(module.weight, generator=generator)
    nn.init.zeros_(model.fc.bias)
    return model
