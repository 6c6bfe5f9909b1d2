"""Two other ways past a layer for the depth sweep: Highway's learned gate, and concatenation as in DenseNet.

Introduced in chapter 2.

Everything around the layers is that of ``degradation.Net``: a stem with BatchNorm and ReLU, He's first
weights, a linear head. A net gets the largest width with which it has no more parameters than the twins of
its depth there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from resnet_utils.runtime import given
from resnet_utils.toy import degradation


@given.explained
class HighwayLayer(nn.Module):
    """A learned mix of a layer and its input: ``t * relu(BN(W x)) + (1 - t) * x``, t the gate's sigmoid.

    Shapes: ``(N, width) -> (N, width)``. Each number of each point has a gate of its own.
    Source: Srivastava et al. 2015, arXiv:1505.00387, section 2; BatchNorm is added, as in the twins.

    Args:
        width: numbers a point, in and out.

    Raises:
        ValueError: if that is no whole number from 1 up.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        width = given.whole_number("width", width)
        self.fc, self.bn = nn.Linear(width, width, bias=False), nn.BatchNorm1d(width)
        self.gate = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        # lerp(x, y, t) is x + t * (y - x)
        return torch.lerp(x, torch.relu(self.bn(self.fc(x))), torch.sigmoid(self.gate(x)))


@given.explained
class DenseLayer(nn.Module):
    """What came in, and beside it ``growth`` new numbers made from all of it: ``[x, relu(BN(W x))]``.

    Shapes: ``(N, in_features) -> (N, in_features + growth)``.
    Source: Huang et al. 2017, arXiv:1608.06993, section 3, which has BatchNorm and ReLU before the weights.

    Args:
        in_features: numbers a point that come in.
        growth: how many are added.

    Raises:
        ValueError: if one is no whole number from 1 up.
    """

    def __init__(self, in_features: int, growth: int) -> None:
        super().__init__()
        in_features = given.whole_number("in_features", in_features)
        growth = given.whole_number("growth", growth)
        self.fc, self.bn = nn.Linear(in_features, growth, bias=False), nn.BatchNorm1d(growth)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, torch.relu(self.bn(self.fc(x)))], dim=1)


@given.explained
class ConnectedNet(nn.Module):
    """A stem, the layers given and a linear head: points ``(N, 8)`` -> logits ``(N, 10)``.

    Args:
        layers: each takes what the one before returns, the first ``(N, width)``.
        width: numbers a point after the stem.
        out_features: numbers a point after the last layer.

    Raises:
        ValueError: if a number is no whole number from 1 up.
        TypeError: if ``layers`` is no list of modules.
    """

    def __init__(self, layers: list[nn.Module], *, width: int, out_features: int) -> None:
        super().__init__()
        for place, layer in enumerate(given.of_kind("layers", layers, (list, tuple)), start=1):
            given.of_kind(f"layer {place} of layers", layer, nn.Module)
        width = given.whole_number("width", width)
        out_features = given.whole_number("out_features", out_features)
        self.stem = nn.Linear(degradation.IN_FEATURES, width, bias=False)
        self.bn = nn.BatchNorm1d(width)
        self.layers = nn.Sequential(*layers)
        self.fc = nn.Linear(out_features, degradation.NUM_CLASSES)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")

    def features(self, x: Tensor) -> Tensor:
        """What the head sees of points ``x``, ``(N, out_features)``."""
        return self.layers(torch.relu(self.bn(self.stem(x))))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x))


@given.explained
def highway(depth: int, *, gate_bias: float, seed: int, width: int | None = None) -> ConnectedNet:
    """A fresh Highway net of ``depth`` layers; the global random state is left as it was.

    Args:
        depth: layers that compute something from their input: the stem, the gated ones, the head; even, and
            at least 4, as in ``degradation.Net``. The gates' own matrices are not counted.
        gate_bias: where the gates' shifts start; the more negative, the more of the input is carried on.
        seed: decides the weights.
        width: numbers a point; by default as many as the parameters of the twins allow.

    Raises:
        ValueError: if ``depth`` is odd or less than 4, ``width`` less than 1, or a number is none.
    """
    most = _parameters_of_twins(depth)
    if width is None:
        width = _largest(_highway, depth, most)
    width, seed = given.whole_number("width", width), given.whole_number("seed", seed, least=0)
    gate_bias = given.number_within("gate_bias", gate_bias)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = _highway(depth, width)
    for name, parameter in net.named_parameters():
        if name.endswith("gate.bias"):
            nn.init.constant_(parameter, gate_bias)
    return net


@given.explained
def dense(depth: int, *, seed: int, growth: int | None = None) -> ConnectedNet:
    """A fresh net of ``depth`` layers that concatenate, the stem 64 wide; the random state is left as it was.

    Args:
        depth: layers with weights: the stem, the concatenating ones, the head; even, and at least 4, as in
            ``degradation.Net``.
        seed: decides the weights.
        growth: numbers that each layer adds; by default as many as the parameters of the twins allow.

    Raises:
        ValueError: if ``depth`` is odd or less than 4, ``growth`` less than 1, or a number is none.
    """
    most = _parameters_of_twins(depth)
    if growth is None:
        growth = _largest(_dense, depth, most)
    growth, seed = given.whole_number("growth", growth), given.whole_number("seed", seed, least=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _dense(depth, growth)


def _highway(depth: int, width: int) -> ConnectedNet:
    return ConnectedNet([HighwayLayer(width) for _ in range(depth - 2)], width=width, out_features=width)


def _dense(depth: int, growth: int, width: int = 64) -> ConnectedNet:
    layers: list[nn.Module] = [DenseLayer(width + i * growth, growth) for i in range(depth - 2)]
    return ConnectedNet(layers, width=width, out_features=width + (depth - 2) * growth)


def _count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def _parameters_of_twins(depth: int) -> int:
    """Those of the plain and of the residual net of ``depth`` in chapter 1's sweep; ValueError as there."""
    return _count(degradation.fresh_net(depth, residual=True, seed=0))


@functools.cache  # a dozen nets are built for the search, and every seed asks for the same number
def _largest(make: Callable[[int, int], nn.Module], depth: int, most: int) -> int:
    """The largest number with which ``make`` builds a net of ``depth`` of at most ``most`` parameters."""
    with torch.random.fork_rng(devices=[]), torch.device("meta"):  # nothing is drawn or stored
        low, high = 1, 2  # low fits, and in the end high does not
        while _count(make(depth, high)) <= most:
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _count(make(depth, middle)) <= most else (low, middle)
    return low
