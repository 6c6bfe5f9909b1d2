"""Checkers for the exercises of chapter 2: shortcuts, Jacobians, signals, paths and slices.

Introduced in chapter 2.

Each ``check_...`` takes a reader's answer and returns "correct", or a sentence that says what is wrong with
it and does not tell the answer. Whatever it is handed, it raises nothing, changes nothing, and leaves the
global random state alone.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from resnet_utils.analysis import gradients, loss_landscape, paths
from resnet_utils.exercises.answers import CORRECT, described, number, tried
from resnet_utils.models import blocks
from resnet_utils.toy import connections

Formula = Callable[..., Any]


def _value(function: object, *arguments: float, where: str) -> tuple[float, str]:
    """The number that ``function`` returns and "", or 0.0 and a sentence."""
    value, wrong = tried(function, *arguments, where=where)
    if wrong:
        return 0.0, wrong
    found = number(value)
    if found is None:
        return 0.0, f"your function should return one finite number {where}, got {described(value)}"
    return found, ""


def _tensor(function: object, *arguments: object, shape: Sequence[int], where: str) -> tuple[Tensor, str]:
    """The tensor of ``shape`` that ``function`` returns, in float64, and ""; or a dummy and a sentence."""
    value, wrong = tried(function, *arguments, where=where)
    if wrong:
        return torch.empty(0), wrong
    if not isinstance(value, Tensor) or tuple(value.shape) != tuple(shape):
        wanted = f"a tensor of shape {tuple(shape)}"
        return torch.empty(0), f"your function should return {wanted} {where}, got {described(value)}"
    return value.double(), ""


def _normal(*shape: int, seed: int) -> Tensor:
    """Standard normal numbers, float64, from a generator of their own."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _formula(function: object, truth: Callable[..., float], cases: Iterable[tuple], say: Callable) -> str:
    """Compare a formula with the truth, case by case; ``say(case, given)`` is said where it is wrong."""
    for case in cases:
        given, wrong = _value(function, *case, where=f"at {', '.join(f'{v:g}' for v in case)}")
        if wrong:
            return wrong
        right = truth(*case)
        if not abs(given - right) <= (1e-6 * abs(right) if right else 1e-9):
            return say(case, given)
    return CORRECT


# --- the main notebook -------------------------------------------------------------------------------------


def check_sine_branch(branch: object) -> str:
    """Whether x + F(x) is the sine of x.

    Args:
        branch: the function F of a float64 tensor of points: (N,) -> (N,).

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)
    out, wrong = _tensor(branch, x.clone(), shape=(9,), where="for nine points")
    if wrong:
        return wrong
    gap = (x + out - torch.sin(x)).abs().max().item()
    return CORRECT if gap < 1e-5 else f"x + F(x) misses H(x) by up to {gap:.2f}"


def check_block(block: object) -> str:
    """Whether a block computes more than one matrix and a shift can.

    Args:
        block: a function of a float64 vector, (32,) -> (32,).

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    a, b = _normal(2, 32, seed=1)
    outs = []
    for point in (a, b, a + b, torch.zeros(32).double()):
        out, wrong = _tensor(block, point, shape=(32,), where="for a vector of 32 numbers")
        if wrong:
            return wrong
        outs.append(out.detach())
    bend = (outs[0] + outs[1] - outs[2] - outs[3]).norm()
    if bend > 1e-5 * sum(out.norm() for out in outs):
        return CORRECT
    return "it is linear: the plain layer with the weights W + I computes the same"


def check_direction(network: object) -> str:
    """Whether a network uses each of its layers once, and in order.

    Args:
        network: a function of a list of layers and a vector x, (N,), that returns a vector (N,).

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    calls: list[int] = []
    layers = [lambda x, i=i: calls.append(i) or 0.1 * x for i in range(4)]
    _, wrong = _tensor(network, layers, torch.ones(3), shape=(3,), where="for four layers and a vector")
    if wrong:
        return wrong
    return CORRECT if calls == [0, 1, 2, 3] else f"the layers worked in the order {calls}"


def check_learner(part: object) -> str:
    """Whether a training step can change a part of a network.

    Args:
        part: an ``nn.Module`` or an ``nn.Parameter``.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    if isinstance(part, nn.Parameter):
        parameters = [part]
    elif isinstance(part, nn.Module):
        parameters = list(part.parameters())
    else:
        return f"this takes a part of a network, a module such as nn.Identity(), got {described(part)}"
    if not parameters:
        return "it has no parameter, so no training step can change it"
    if not any(parameter.requires_grad for parameter in parameters):
        return "its parameters are frozen, so no training step changes them"
    return CORRECT


def check_killer(branch: object) -> str:
    """Whether x + F(x) has the gradient zero, although F is not constant.

    Args:
        branch: the function or module F of a vector, (6,) -> (6,), in float64 or float32.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    for seed, size in enumerate((1.0, 0.1, 10.0)):
        x = size * _normal(6, seed=seed)
        _, wrong = _tensor(branch, x.clone(), shape=(6,), where="for a vector of six numbers")
        if "dtype" in wrong or "Float" in wrong:  # weights in float32
            x = x.float()
            _, wrong = _tensor(branch, x.clone(), shape=(6,), where="for a vector of six numbers")
        if wrong:
            return wrong
        jacobian, wrong = tried(gradients.jacobian, branch, x, where="when it is differentiated")
        if wrong:
            return wrong
        jacobian = jacobian.double()
        if jacobian.norm() == 0:
            return "the branch is constant, so the block passes the gradient on as it is"
        left = (torch.eye(6).double() + jacobian).norm()
        if left > 1e-5:
            return f"the block's Jacobian still has the norm {left:.2f}"
    return CORRECT


def check_strength(strength: object) -> str:
    """Whether c is the largest for which the bound (1 - c)^L is at least one half.

    Args:
        strength: a function of the number of blocks L that returns c, one number from 0 up and below 1.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    for num_blocks in (1, 2, 10, 100, 1000):
        c, wrong = _value(strength, num_blocks, where=f"for {num_blocks} blocks")
        if wrong:
            return wrong
        if not 0 <= c < 1:
            return f"{num_blocks} blocks: the bound asks for a c between 0 and 1, got {c:.3g}"
        kept = (1 - c) ** num_blocks
        if kept < 0.5 - 1e-6:
            return f"{num_blocks} blocks: then the bound promises only {kept:.3f} of the gradient"
        if kept > 0.5 + 1e-6:
            return f"{num_blocks} blocks: the bound still promises {kept:.3f}, so stronger branches would do"
    return CORRECT


# --- where the formulas stop -------------------------------------------------------------------------------


def check_factor(factor: object) -> str:
    """Whether a matrix is what a block relu(projection @ x + branch(x)) multiplies the gradient by.

    Args:
        factor: a function ``factor(branch, state, projection)`` that returns that matrix, (6, 6), at x =
            ``state`` (6,); ``branch`` is a function (6,) -> (6,), ``projection`` a matrix (6, 6).

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    width, depth = 6, 5
    weights = _normal(2 * depth + 1, width, width, seed=3) / math.sqrt(width)
    pairs = zip(weights[1::2], weights[2::2], strict=True)
    branches = [lambda x, a=a, b=b: b @ torch.relu(a @ x) for a, b in pairs]
    projection, x = weights[0], _normal(width, seed=4)

    def chain(x: Tensor) -> Tensor:
        for branch in branches:
            x = torch.relu(projection @ x + branch(x))
        return x

    truth, product = gradients.jacobian(chain, x), torch.eye(width).double()
    for branch in branches:
        arguments = (branch, x.clone(), projection.clone())
        given, wrong = _tensor(factor, *arguments, shape=(width, width), where="for a block of width 6")
        if wrong:
            return wrong
        product = given.detach() @ product
        x = torch.relu(projection @ x + branch(x))
    if gradients.relative_error(product, truth) < 1e-5:
        return CORRECT
    return (
        "the product of these factors is not the gradient: what does the last ReLU do to it, and what "
        "stands where I stood?"
    )


def check_output(formula: object) -> str:
    """Whether a formula computes what a ``BasicBlock`` returns.

    It is tried with a block that keeps the shape and one that changes it.

    Args:
        formula: a function ``formula(block, x)`` of images x (N, C, H, W) that returns what ``block(x)``
            does; ``block.branch`` and ``block.downsample`` are there to be used.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        kinds = {"keeps": blocks.BasicBlock(16, 16), "changes": blocks.BasicBlock(16, 32, stride=2)}
    images = _normal(4, 16, 8, 8, seed=5).abs()
    for name, block in kinds.items():
        where = f"on a block that {name} the shape"
        block = block.double()
        truth = copy.deepcopy(block)(images).detach()
        value, wrong = tried(formula, block, images.clone(), where=where)
        if "size of tensor" in wrong:
            return f"{where[3:]}: F(x) and x have different shapes, and cannot be added"
        if wrong:
            return wrong
        if not isinstance(value, Tensor) or value.shape != truth.shape:
            return f"{where}: it should return a tensor of shape {tuple(truth.shape)}, got {described(value)}"
        if gradients.relative_error(value.detach().double(), truth) > 1e-5:
            sign = ": it never returns a negative number" if value.min() < 0 else ""
            return f"{where}: the block returns something else{sign}"
    return CORRECT


def check_half(size: object) -> str:
    """Whether a number is the factor that reaches the input when blocks halve what goes through them.

    Each block is half of its input, plus a branch that is zero.

    Args:
        size: a function of the number of blocks that returns that factor of the gradient, one number.

    Returns:
        "correct", or a sentence that says what is wrong.
    """

    def say(case: tuple, given: float) -> str:
        return f"{case[0]} blocks: the gradient is not {given:.3g} times as large"

    return _formula(size, lambda depth: 0.5**depth, [(1,), (2,), (54,)], say)


# --- is it vanishing ---------------------------------------------------------------------------------------


def check_leaky_rate(rate: object) -> str:
    """Whether a number is a plain BatchNorm layer's factor for the gradient, with LeakyReLU in place of ReLU.

    Args:
        rate: a function of LeakyReLU's slope that returns the factor of a layer in a wide net, one number, to
            within 0.5 %.

    Returns:
        "correct", or a sentence that says what is wrong.
    """

    def truth(slope: float) -> float:
        energy = (1 + slope**2) / 2  # of the values, and of the derivative
        return math.sqrt(energy / (energy - (1 - slope) ** 2 / (2 * math.pi)))

    def say(case: tuple, given: float) -> str:
        return f"slope {case[0]:g}: in a wide net the gradient does not grow by {given:.3f} a layer"

    for slope in (0.0, 1.0, 0.3, 0.6, -0.5):
        given, wrong = _value(rate, slope, where=f"at slope {slope:g}")
        if wrong:
            return wrong
        if not abs(given / truth(slope) - 1) <= 0.005:  # room for whoever integrates by sampling
            return say((slope,), given)
    return CORRECT


def check_shrinking(factor: object) -> str:
    """Whether a number is a ReLU layer's factor for the gradient's norm at weight variance g/n.

    Args:
        factor: a function of g, a number above 0, that returns that factor, one number.

    Returns:
        "correct", or a sentence that says what is wrong.
    """

    def say(case: tuple, given: float) -> str:
        return f"g = {case[0]:.3g}: a layer does not multiply the norm of the gradient by {given:.3f}"

    return _formula(factor, lambda g: math.sqrt(g / 2), [(2.0,), (1 / 3,), (1.0,), (8.0,)], say)


# --- shattered gradients -----------------------------------------------------------------------------------


def check_smoothing(correlation: object) -> str:
    """Whether a number is the lag-1 autocorrelation of white noise averaged over m neighbours.

    Args:
        correlation: a function of the whole number m that returns the correlation, one number.

    Returns:
        "correct", or a sentence that says what is wrong.
    """

    def say(case: tuple, given: float) -> str:
        return f"a window of {case[0]}: the correlation is not {given:.3f}; which values do both windows see?"

    return _formula(correlation, lambda m: (m - 1) / m, [(2,), (5,), (50,), (1,)], say)


def check_scaling(factor: object) -> str:
    """Whether a number is the factor of dy/dx if each matrix is multiplied by c.

    Args:
        factor: a function of c and of the depth, the number of matrices, that returns that factor, one
            number.

    Returns:
        "correct", or a sentence that says what is wrong.
    """

    def say(case: tuple, given: float) -> str:
        return f"c = {case[0]:g}, {case[1]} matrices: dy/dx is not {given:.3g} times as large"

    return _formula(factor, lambda c, depth: c**depth, [(2.0, 1), (2.0, 3), (0.5, 10), (1.5, 4)], say)


# --- variance ----------------------------------------------------------------------------------------------


def check_alpha(alpha: object) -> str:
    """Whether a scale for the branches keeps (1 + alpha^2)^L between 2 and e at every depth.

    Args:
        alpha: a function of the number of blocks L that returns the scale, one number.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    for num_blocks in (1, 8, 32, 128, 1024):
        scale, wrong = _value(alpha, num_blocks, where=f"for {num_blocks} blocks")
        if wrong:
            return wrong
        growth = math.exp(min(num_blocks * math.log1p(scale**2), 500))
        if growth >= math.e:
            return f"with {num_blocks} blocks the variance grows {growth:.3g} times: too much"
        if growth < 2 - 1e-6:
            return f"with {num_blocks} blocks the variance grows only {growth:.3g} times"
    return CORRECT


def _first_change(scale: float, num_layers: int) -> float:
    """By how much one step of SGD changes the output of a new branch, whose last layer starts at zero."""
    weights = list(_normal(num_layers, 8, 8, seed=6) / 2)
    weights = [scale * w for w in weights[:-1]] + [torch.zeros_like(weights[-1])]
    weights = [w.requires_grad_() for w in weights]
    x, slope = _normal(8, seed=7), _normal(8, seed=8)  # the input, and the gradient of the loss

    def branch(weights: Sequence[Tensor]) -> Tensor:
        h = x
        for w in weights:
            h = w @ torch.relu(h)
        return h

    gradients = torch.autograd.grad(branch(weights) @ slope, weights)
    moved = [w - g for w, g in zip(weights, gradients, strict=True)]
    return (branch(moved) - branch(weights)).norm().item()


def check_scale(scale: object) -> str:
    """Whether with a scale a first step changes all blocks together as much as it would one unscaled block.

    Args:
        scale: a function of the number of blocks and of the number of layers in a branch that returns the
            scale of all layers but the last, one number above 0.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    for num_blocks, num_layers in ((10, 2), (1000, 2), (10, 3), (1000, 5)):
        where = f"for {num_blocks} blocks of {num_layers} layers"
        given, wrong = _value(scale, num_blocks, num_layers, where=where)
        if wrong:
            return wrong
        if not 0 < given < 1e6:
            return f"{where}: a scale should be positive and of a sensible size, got {given:.3g}"
        times = num_blocks * _first_change(given, num_layers) / _first_change(1.0, num_layers)
        if not abs(times - 1) <= 1e-5:
            return f"{where}: the first step is {times:.3g} times as long as it should be"
    return CORRECT


def check_moved(names: object) -> str:
    """Whether a set of names is what the first step of a zero-gamma branch moves.

    Args:
        names: a collection of names of parameters of the branch, or one name, as ``named_parameters`` gives
            them.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    if isinstance(names, str):
        names = [names]
    if not isinstance(names, Iterable) or isinstance(names, Tensor | np.ndarray):
        return f"this takes a set of names, got {described(names)}"
    names = list(names)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [
            layer for _ in range(2) for layer in (nn.ReLU(), nn.Linear(8, 8, bias=False), nn.BatchNorm1d(8))
        ]
    branch, x = nn.Sequential(*layers).double(), _normal(32, 8, seed=9)
    known = dict(branch.named_parameters())
    nn.init.zeros_(known["5.weight"])
    for name in names:
        if not isinstance(name, str) or name not in known:
            return f"{name!r} is not the name of a parameter of this branch"
    (x + branch(x)).square().sum().backward()
    moved = {name for name, parameter in known.items() if parameter.grad is not None and parameter.grad.any()}
    if extra := sorted(set(names) - moved):
        return f"{extra[0]} gets a gradient of zero"
    return CORRECT if set(names) == moved else "these do move, but they are not all that do"


# --- a different start -------------------------------------------------------------------------------------


def check_mirrored_layer(between: object) -> str:
    """Whether weights turn relu(z) and relu(-z) into w z and -w z.

    Args:
        between: a function of a float64 matrix w, (a, b), that returns the weights, (2 a, 2 b).

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    for high, wide in ((3, 3), (2, 5)):
        w, z = _normal(high, wide, seed=10), _normal(wide, seed=11)
        weight, wrong = _tensor(
            between,
            w.clone(),
            shape=(2 * high, 2 * wide),
            where=f"for a matrix of {high} rows and {wide} columns",
        )
        if wrong:
            return wrong
        out = weight.detach() @ torch.cat([torch.relu(z), torch.relu(-z)])
        for name, half, goal in (("upper", out[:high], w @ z), ("lower", out[high:], -w @ z)):
            if (half - goal).norm() > 1e-5 * goal.norm():
                return f"the {name} half of what goes out is not what was asked for"
    return CORRECT


def check_mirrored_factor(factor: object) -> str:
    """Whether a number is the factor of a mirrored chain with LeakyReLU, against the product of its matrices.

    Args:
        factor: a function of the slope and of the depth, the number of layers, that returns the factor.

    Returns:
        "correct", or a sentence that says what is wrong.
    """

    def truth(slope: float, depth: int) -> float:
        z = torch.tensor([1.0, -1.0], dtype=torch.float64)  # a unit and its mirror image; all w are one
        for _ in range(depth - 1):
            z = nn.functional.leaky_relu(z, slope)
            z = torch.stack([z[0] - z[1], z[1] - z[0]])
        return z[0].item()

    def say(case: tuple, given: float) -> str:
        return f"slope {case[0]:g}, {case[1]} layers: the output is not {given:.3g} times as long"

    return _formula(factor, truth, [(0.1, 2), (0.1, 3), (0.0, 9), (1.0, 4), (0.3, 12)], say)


# --- gates, concatenation and BatchNorm --------------------------------------------------------------------


def check_gate_bias(bias: object) -> str:
    """Whether a first shift lets new gates carry a given share of their input, against halving an interval.

    Args:
        bias: a function of the number of gated layers and of the share, in (0, 1), that returns the shift.

    Returns:
        "correct", or a sentence that says what is wrong.
    """

    def truth(num_layers: int, share: float) -> float:
        low, high = -50.0, 50.0  # the more negative, the more is carried
        for _ in range(200):
            middle = (low + high) / 2
            carried = (1 / (1 + math.exp(middle))) ** num_layers
            low, high = (middle, high) if carried > share else (low, middle)
        return middle

    def say(case: tuple, given: float) -> str:
        return f"{case[0]} layers, share {case[1]:g}: with a shift of {given:.3g} the share is another one"

    return _formula(bias, truth, [(24, 0.5), (240, 0.5), (4, 0.9), (1, 0.25), (24, 0.05)], say)


def check_dense_weights(weights: object) -> str:
    """Whether a number is that of the weights of concatenating layers, against layers that are built.

    Args:
        weights: a function of the number of layers, of what comes into the first, and of the growth.

    Returns:
        "correct", or a sentence that says what is wrong.
    """

    def truth(num_layers: int, width: int, growth: int) -> int:
        with torch.device("meta"):
            layers = [connections.DenseLayer(width + i * growth, growth) for i in range(num_layers)]
        return sum(layer.fc.weight.numel() for layer in layers)

    def say(case: tuple, given: float) -> str:
        return f"{case[0]} layers, width {case[1]}, growth {case[2]}: it is not {given:g}"

    return _formula(weights, truth, [(1, 8, 3), (2, 8, 3), (4, 64, 33), (24, 64, 16)], say)


def check_largest(largest: object) -> str:
    """Whether a number is the largest that can leave a BatchNorm, against a batch with one value far away.

    Args:
        largest: a function of the number of values in the batch, 2 or more.

    Returns:
        "correct", or a sentence that says what is wrong.
    """

    def truth(count: int) -> float:
        values = torch.zeros(count, dtype=torch.float64)
        values[0] = 1
        return ((values[0] - values.mean()) / values.std(correction=0)).item()

    def say(case: tuple, given: float) -> str:
        word = "a batch can do more than" if given < truth(*case) else "no batch reaches"
        return f"{case[0]} values: {word} {given:.4g}"

    return _formula(largest, truth, [(2,), (3,), (100,), (4096,)], say)


# --- paths -------------------------------------------------------------------------------------------------


def check_left(left: object) -> str:
    """Whether a number is the share of the paths that is left when blocks are cut.

    Args:
        left: a function of the number of blocks and of the number of cut ones that returns the share, between
            0 and 1.

    Returns:
        "correct", or a sentence that says what is wrong.
    """

    def say(case: tuple, given: float) -> str:
        return f"{case[1]} of {case[0]} cut: the share is not {given:.3f}; count the paths one by one"

    def truth(num_blocks: int, num_cut: int) -> float:
        return sum(math.comb(num_blocks - num_cut, k) for k in range(num_blocks + 1)) / 2**num_blocks

    return _formula(left, truth, [(8, 1), (8, 4), (54, 3), (54, 0)], say)


def check_window(shortest: object, longest: object) -> str:
    """Whether two numbers are the ends of the smallest central window with 95 % of the paths of 33 blocks.

    Args:
        shortest: the length of the window's shortest paths, in branches; a whole number, which counts as
            inside.
        longest: the length of its longest paths, likewise.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    given = [number(value) for value in (shortest, longest)]
    ends = [round(end) for end in given if end is not None and end == round(end)]
    if len(ends) < 2:
        return f"this takes two whole numbers, got {described(shortest)} and {described(longest)}"
    low, high = ends
    if not 0 <= low <= high <= 33:
        return f"a path goes through 0 to 33 branches, so {low} to {high} is no window"
    shares = paths.path_lengths(33)
    if low + high != 33:
        return "the window does not lie around the middle"
    if shares[low : high + 1].sum() < 0.95:
        return f"it holds only {shares[low : high + 1].sum():.1%} of the paths"
    if shares[low + 1 : high].sum() >= 0.95:
        return "a smaller window would do"
    return CORRECT


# --- the loss surface --------------------------------------------------------------------------------------


def _rise(net: nn.Module, points: Tensor, labels: Tensor, direction: loss_landscape.Direction) -> float:
    """How much the loss bends up along a direction, in nats."""

    def loss(logits: Tensor) -> Tensor:
        return nn.functional.cross_entropy(logits, labels)

    ends = loss_landscape.loss_slice(
        net, points, loss_function=loss, directions=[direction], ticks=[-0.5, 0.0, 0.5]
    )
    return (ends[0] + ends[2] - 2 * ends[1]).item()


def check_twin(twin: object, small: nn.Module, points: Tensor, labels: Tensor) -> str:
    """Whether a network computes what another does, and looks twice as flat or twice as sharp.

    Args:
        twin: the answer, an ``nn.Module`` with the layers of ``small``; a copy of it is run.
        small: the network that it is compared with.
        points: the inputs on which both are evaluated, (N, ...).
        labels: the classes of ``points``, int64 (N,).

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    if not isinstance(twin, nn.Module):
        return f"this takes a network, got {described(twin)}"
    shapes = [{name: p.shape for name, p in net.named_parameters()} for net in (small, twin)]
    if shapes[0] != shapes[1]:
        return "a twin has the same layers as small, with parameters of the same names and shapes"
    twin = copy.deepcopy(twin).double()
    small, points = copy.deepcopy(small).double(), points.double()
    truth = small(points).detach()
    out, wrong = _tensor(twin, points, shape=truth.shape, where="on the points")
    if wrong:
        return wrong
    if gradients.relative_error(out.detach(), truth) > 1e-5:
        return "it computes another function"
    direction = loss_landscape.random_direction(small, seed=0)
    ratio = _rise(twin, points, labels, direction) / _rise(small, points, labels, direction)
    if 0.5 < ratio < 2:
        return f"along the same direction it bends {ratio:.2f} times as much, so it looks much the same"
    return CORRECT


def check_angle(angle: object) -> str:
    """Whether a number is the angle between w and w + a d, for d as long as w and at right angles to it.

    Args:
        angle: a function of a, a number above 0, that returns the angle in degrees.

    Returns:
        "correct", or a sentence that says what is wrong.
    """

    def say(case: tuple, given: float) -> str:
        if abs(math.degrees(given) - math.degrees(math.atan(case[0]))) < 1e-3:
            return f"a = {case[0]:g}: this is in radians, and degrees are wanted"
        return f"a = {case[0]:g}: the filter does not turn by {given:.1f} degrees"

    cases = [(1.0,), (0.25,), (0.5,), (5.0,)]
    return _formula(angle, lambda a: math.degrees(math.atan(a)), cases, say)
