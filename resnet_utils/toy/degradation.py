"""The depth sweep: plain and residual networks of growing depth, trained side by side on the same points.

Introduced in chapter 1.

The networks are small and fully connected, so that two dozen trainings take half a minute on a laptop.
Source, with convolutional networks: He et al. 2015, arXiv:1512.03385, section 1 and figures 1 and 4.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from resnet_utils.runtime import given
from resnet_utils.toy.trainer import Data, loss_on, moved, one_thread, train_epochs

IN_FEATURES, NUM_CLASSES = 8, 10
NUM_CLUSTERS = 100  # ten a class
SPREAD = 0.4  # standard deviation of a cluster; the centres have standard deviation 1


@given.explained
def points(count: int, *, seed: int = 0) -> Data:
    """``count`` points in 8 dimensions, float32 ``(count, 8)``, and their classes, int64 ``(count,)``.

    Each of the ten classes is ten round clusters scattered at random. The centres are the same for every
    ``seed``; only the points around them differ. Drawn in float64, which gives the same on every CPU.

    Args:
        count: number of points, at least one a cluster.
        seed: decides the points.

    Raises:
        ValueError: if ``count`` is less than the number of clusters, or a number no whole one.
    """
    count = given.whole_number("count", count, least=NUM_CLUSTERS, unit="(one point a cluster)")
    seed = given.whole_number("seed", seed, least=0)
    first, second = torch.Generator().manual_seed(2015), torch.Generator().manual_seed(seed)
    centres = torch.randn(NUM_CLUSTERS, IN_FEATURES, generator=first, dtype=torch.float64, device="cpu")
    noise = torch.randn(count, IN_FEATURES, generator=second, dtype=torch.float64, device="cpu")
    cluster = torch.arange(count, device="cpu") % NUM_CLUSTERS
    return (centres[cluster] + SPREAD * noise).float(), cluster % NUM_CLASSES


@given.explained
class Pair(nn.Module):
    """Two linear layers with BatchNorm: ``relu(F(x) + x)`` if ``residual``, else ``relu(F(x))``.

    Shapes: ``(N, width) -> (N, width)``. Both kinds have the same parameters.

    Args:
        width: numbers a point, in and out.
        residual: whether there is a shortcut.
        batchnorm: without it each linear layer has a shift of its own instead.

    Raises:
        ValueError: if ``width`` is no whole number from 1 up, or another neither True nor False.
    """

    def __init__(self, width: int, *, residual: bool, batchnorm: bool = True) -> None:
        super().__init__()
        width, batchnorm = given.whole_number("width", width), given.yes_or_no("batchnorm", batchnorm)
        self.residual = given.yes_or_no("residual", residual)
        self.fc1 = nn.Linear(width, width, bias=not batchnorm)  # BatchNorm brings its own shift
        self.bn1 = nn.BatchNorm1d(width) if batchnorm else nn.Identity()
        self.fc2 = nn.Linear(width, width, bias=not batchnorm)
        self.bn2 = nn.BatchNorm1d(width) if batchnorm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.bn1(self.fc1(x)))
        out = self.bn2(self.fc2(out))
        return torch.relu(out + x if self.residual else out)


@given.explained
class Net(nn.Module):
    """A stem, pairs of layers and a linear head: ``depth`` weighted layers in all.

    Points ``x`` (N, 8) -> logits ``(N, 10)``. The start does not depend on ``residual``: drawn from the same
    seed, the plain and the residual twin begin with the same numbers.
    Initialisation: He et al. 2015, arXiv:1502.01852, section 2.2 (here drawn uniformly).

    Args:
        depth: layers with weights: the stem, two a pair, and the head; so even, and at least 4.
        residual: whether the pairs have a shortcut.
        width: numbers a point between the layers.
        batchnorm: without it each linear layer has a shift of its own instead, which starts at zero.

    Raises:
        ValueError: if ``depth`` is odd or less than 4, ``width`` is less than 1, or the rest is neither True
            nor False.
    """

    def __init__(self, depth: int, *, residual: bool, width: int = 64, batchnorm: bool = True) -> None:
        super().__init__()
        if given.whole_number("depth", depth, least=4, unit="(stem, a pair of layers, head)") % 2:
            raise ValueError(f"depth must be even and at least 4 (stem, pairs of layers, head), got {depth}")
        residual, batchnorm = given.yes_or_no("residual", residual), given.yes_or_no("batchnorm", batchnorm)
        width = given.whole_number("width", width)
        self.residual = residual
        self.stem = nn.Linear(IN_FEATURES, width, bias=not batchnorm)
        self.bn = nn.BatchNorm1d(width) if batchnorm else nn.Identity()
        pairs = (Pair(width, residual=residual, batchnorm=batchnorm) for _ in range((depth - 2) // 2))
        self.pairs = nn.Sequential(*pairs)
        self.fc = nn.Linear(width, NUM_CLASSES)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
                if not batchnorm:
                    nn.init.zeros_(module.bias)

    def features(self, x: Tensor) -> Tensor:
        """What the head sees of points ``x``, ``(N, width)``; never negative, as each pair ends in a ReLU."""
        return self.pairs(torch.relu(self.bn(self.stem(x))))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x))


@given.explained
def fresh_net(depth: int, *, residual: bool, seed: int, width: int = 64, batchnorm: bool = True) -> Net:
    """A fresh ``Net`` on the CPU with weights drawn from ``seed``; the global generator is left as it was.

    Args:
        depth: see ``Net``.
        residual: see ``Net``.
        seed: decides the weights.
        width: see ``Net``.
        batchnorm: see ``Net``.

    Raises:
        ValueError: as ``Net``, or if ``seed`` is no whole number from 0 up.
    """
    seed = given.whole_number("seed", seed, least=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Net(depth, residual=residual, width=width, batchnorm=batchnorm)


@given.explained
@torch.no_grad()
def start_as_identity(net: Net, x: Tensor, *, pairs: int) -> None:
    """Make the last ``pairs`` plain pairs of ``net``, in place, return what they get from the points ``x``.

    Both matrices become the identity, and each BatchNorm's scale and shift undo what it does to all of these
    points: a scale of the standard deviation, a shift of the mean. On a batch of them in train mode the pair
    is nearly the identity. The running statistics become those of the points, so in eval mode it is exact.

    Args:
        net: plain; its first layers stay as they are.
        x: points ``(N, 8)``, where ``net`` lies.
        pairs: how many, from 1 to all.

    Raises:
        ValueError: if ``net`` has shortcuts or no BatchNorm, ``pairs`` is not from 1 to the number it has, or
            ``net`` cannot take ``x``.
    """
    if net.residual:
        raise ValueError(
            "a residual pair is the identity once its last scale is zero; this is for plain nets"
        )
    if not isinstance(net.bn, nn.BatchNorm1d):
        raise ValueError("the scales and shifts of BatchNorm are set, but this net has none")
    if isinstance(pairs, bool) or not 1 <= pairs <= len(net.pairs):
        raise ValueError(f"pairs must be from 1 to {len(net.pairs)}, as many as the net has, got {pairs}")
    front = copy.deepcopy(net).train()  # a copy, since train mode moves the running statistics
    h = given.answer_of(lambda points: torch.relu(front.bn(front.stem(points))), x, name="net")
    for pair in front.pairs[:-pairs]:
        h = pair(h)
    mean, variance = h.mean(dim=0), h.var(dim=0, correction=0)
    for pair in net.pairs[-pairs:]:
        for module in pair.children():
            if isinstance(module, nn.Linear):
                nn.init.eye_(module.weight)
            elif isinstance(module, nn.BatchNorm1d):
                module.weight.copy_((variance + module.eps).sqrt())
                module.bias.copy_(mean)
                module.running_mean, module.running_var = mean.clone(), variance.clone()


@dataclass(frozen=True)
class Run:
    """One training: what was trained, and its losses in nats.

    Args:
        depth: layers with weights.
        residual: whether it had shortcuts.
        seed: decided the start and the order of the points.
        curve: mean over the batches of each epoch, in train mode.
        train_loss: over all training points after the last epoch, in eval mode.
        valid_loss: the same over points that the net has never seen.
    """

    depth: int
    residual: bool
    seed: int
    curve: tuple[float, ...]
    train_loss: float
    valid_loss: float


@given.explained
@one_thread()
def train(
    model: Net, train_data: Data, valid_data: Data, *, seed: int, epochs: int = 12, lr: float = 0.03
) -> Run:
    """Train ``model`` in place by ``trainer.train_epochs`` and report its losses. Uses one CPU thread.

    Args:
        model: of either kind.
        train_data: points and classes to learn from.
        valid_data: others, to judge by after the last epoch.
        seed: decides the order of the points, so twins see the same batches.
        epochs: passes over ``train_data``, at least 1.
        lr: learning rate.

    Raises:
        ValueError: as ``trainer.train_epochs``, or if ``valid_data`` do not fit the model.
    """
    # Sums in float32, as in the recorded runs.
    curve = train_epochs(model, train_data, seed=seed, epochs=epochs, lr=lr, sums=torch.float32)
    depth = 2 * len(model.pairs) + 2  # the stem and the head carry weights too
    losses = (loss_on(model, *data) for data in (train_data, valid_data))
    return Run(depth, bool(model.pairs[0].residual), seed, curve, *losses)


@given.explained
def sweep(
    depths: Sequence[int],
    *,
    seeds: Sequence[int],
    kinds: Sequence[bool] = (False, True),
    epochs: int = 12,
    num_points: int = 2000,
    width: int = 64,
    device: torch.device | str = "cpu",
) -> list[Run]:
    """Train the plain and the residual twin of each depth once with each seed; one ``Run`` a training.

    Twins share the start, the points and the order of the batches: only the shortcut differs.

    Args:
        depths: layers with weights (see ``Net``), each once.
        seeds: decide starts and orders, each once.
        kinds: False for the plain twin, True for the residual one, each once; both unless one is enough.
        epochs: passes over the points.
        num_points: points to learn from, and as many others to judge by.
        width: see ``Net``.
        device: where to train; the CPU unless given, the fastest place for networks this small.

    Raises:
        ValueError: if ``depths``, ``seeds`` or ``kinds`` is empty or names one twice, a kind is
            neither True nor False, or a depth, a count or the device is refused.
    """
    for name, chosen in (("depths", depths), ("seeds", seeds), ("kinds", kinds)):
        if len(chosen) == 0 or len(set(chosen)) < len(chosen):
            raise ValueError(f"{name} must name at least one, and each only once, got {list(chosen)}")
    kinds = [given.yes_or_no("each of kinds", kind) for kind in kinds]
    data, others = (moved(points(num_points, seed=seed), device) for seed in (0, 1))
    runs = []
    for depth, residual, seed in itertools.product(depths, kinds, seeds):
        model = fresh_net(depth, residual=residual, seed=seed, width=width).to(device)
        runs.append(train(model, data, others, seed=seed, epochs=epochs))
    return runs


@given.explained
def pick(runs: Sequence[Run], depth: int, *, residual: bool) -> list[Run]:
    """The runs of one depth and kind, in their order.

    Args:
        runs: what ``sweep`` returned.
        depth: depth of the runs to keep.
        residual: kind of the runs to keep.

    Raises:
        ValueError: if there is none.
    """
    found = [run for run in runs if (run.depth, run.residual) == (depth, residual)]
    if not found:
        known = sorted({(run.depth, run.residual) for run in runs})
        raise ValueError(f"no run with (depth, residual) = {(depth, residual)}; there are {known}")
    return found
