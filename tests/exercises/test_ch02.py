"""The checkers of chapter 2 accept what is right, say why they refuse, and give nothing away."""

from __future__ import annotations

import copy
import inspect
import math

import numpy as np
import pytest
import torch
from torch import nn

from resnet_utils.analysis import gradients
from resnet_utils.exercises import ch02
from resnet_utils.models import blocks

W1, W2 = torch.randn(2, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
SHIFT = torch.ones(32, dtype=torch.float64)
EYE = -torch.eye(6)  # float32


def in_order(layers, x):
    for layer in layers:
        x = x + layer(x)
    return x


def by_index(layers, x):
    for index in range(len(layers)):
        x = layers[index](x) + x
    return x


def back_to_the_first(layers, x):
    return layers[0](in_order(layers, x))


def backward_order(layers, x):
    return in_order(layers[::-1], x)


def frozen(part):
    for parameter in part.parameters():
        parameter.requires_grad_(False)
    return part


def masked(branch, state, projection):
    mask = torch.diag((projection @ state + branch(state) > 0).double())
    return mask @ (projection + gradients.jacobian(branch, state))


def masked_rows(branch, state, projection):
    whole = gradients.jacobian(lambda x: torch.relu(projection @ x + branch(x)), state)
    return whole.float()


def direct(branch, state, projection):
    return torch.eye(len(state)).double() + gradients.jacobian(branch, state)


def without_mask(branch, state, projection):
    return projection + gradients.jacobian(branch, state)


def mask_on_the_wrong_side(branch, state, projection):
    mask = torch.diag((projection @ state + branch(state) > 0).double())
    return (projection + gradients.jacobian(branch, state)) @ mask


def whole_block(block, x):
    shortcut = x if block.downsample is None else block.downsample(x)
    return torch.relu(block.branch(x) + shortcut)


def clamped_block(block, x):
    out = block.branch(x)
    out = out + (block.downsample(x) if block.downsample is not None else x)
    return out.clamp(min=0)


def leaky_rate(slope):
    energy = (1 + slope**2) / 2
    return math.sqrt(energy / (energy - (1 - slope) ** 2 / (2 * math.pi)))


def leaky_rate_another_way(slope):
    return torch.tensor(1 - (1 - slope) ** 2 / (math.pi * (1 + slope**2))).rsqrt()


def mirrored(w):
    return torch.cat([torch.cat([w, -w], dim=1), torch.cat([-w, w], dim=1)])


def as_kronecker_product(w):
    return torch.kron(torch.tensor([[1.0, -1.0], [-1.0, 1.0]], dtype=w.dtype), w)


def two_layers():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 3)).double()


def rescaled(net, factor):
    twin = copy.deepcopy(net)
    with torch.no_grad():
        twin[0].weight *= factor
        twin[0].bias *= factor
        twin[2].weight /= factor
    return twin


def without_its_shift(net):
    twin = copy.deepcopy(net)
    with torch.no_grad():
        twin[0].weight *= 10
        twin[2].weight /= 10
    return twin


SMALL = two_layers()
with torch.no_grad():
    SMALL[2].weight *= 3  # steep enough for a slice to bend
POINTS = torch.randn(60, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
TASK = (SMALL, POINTS, SMALL(POINTS).argmax(dim=1))

RIGHT = [
    (ch02.check_sine_branch, (lambda x: torch.sin(x) - x,)),
    (ch02.check_sine_branch, (lambda x: x.float().sin() - x.float(),)),
    (ch02.check_block, (lambda x: x + torch.relu(x @ W1) @ W2,)),
    (ch02.check_block, (lambda x: x + torch.tanh(W1 @ x + SHIFT),)),
    (ch02.check_direction, (in_order,)),
    (ch02.check_direction, (by_index,)),
    (ch02.check_learner, (blocks.BasicBlock(16, 16).conv1,)),
    (ch02.check_learner, (nn.BatchNorm2d(4),)),
    (ch02.check_learner, (nn.Linear(2, 2).weight,)),
    (ch02.check_killer, (lambda x: -x,)),
    (ch02.check_killer, (lambda x: EYE @ x.float(),)),
    (ch02.check_killer, (lambda x: EYE @ x + 3,)),
    (ch02.check_strength, (lambda num_blocks: 1 - 0.5 ** (1 / num_blocks),)),
    (ch02.check_strength, (lambda n: -np.expm1(-np.log(2) / n),)),
    (ch02.check_factor, (masked,)),
    (ch02.check_factor, (masked_rows,)),
    (ch02.check_output, (whole_block,)),
    (ch02.check_output, (clamped_block,)),
    (ch02.check_output, (lambda block, x: block(x),)),
    (ch02.check_half, (lambda num_blocks: 2.0**-num_blocks,)),
    (ch02.check_half, (lambda n: torch.tensor(0.5).double() ** n,)),
    (ch02.check_leaky_rate, (leaky_rate,)),
    (ch02.check_leaky_rate, (leaky_rate_another_way,)),
    (ch02.check_shrinking, (lambda g: math.sqrt(g / 2),)),
    (ch02.check_shrinking, (lambda g: np.float64(g / 2) ** 0.5,)),
    (ch02.check_smoothing, (lambda m: (m - 1) / m,)),
    (ch02.check_smoothing, (lambda m: torch.tensor([1 - 1 / m], dtype=torch.float64),)),
    (ch02.check_scaling, (lambda c, depth: c**depth,)),
    (ch02.check_scaling, (lambda c, depth: math.exp(depth * math.log(c)),)),
    (ch02.check_alpha, (lambda num_blocks: 1 / math.sqrt(num_blocks),)),
    (ch02.check_alpha, (lambda n: -np.sqrt(2 ** (1 / n) - 1),)),
    (ch02.check_scale, (lambda num_blocks, num_layers: num_blocks ** (-1 / (2 * num_layers - 2)),)),
    (ch02.check_scale, (lambda blocks, m: torch.tensor(blocks).double() ** (-0.5 / (m - 1)),)),
    (ch02.check_moved, ({"5.weight", "5.bias"},)),
    (ch02.check_moved, (("5.bias", "5.weight", "5.bias"),)),
    (ch02.check_mirrored_layer, (mirrored,)),
    (ch02.check_mirrored_layer, (as_kronecker_product,)),
    (ch02.check_mirrored_factor, (lambda slope, depth: (1 + slope) ** (depth - 1),)),
    (ch02.check_mirrored_factor, (lambda a, n: math.exp((n - 1) * math.log1p(a)),)),
    (ch02.check_gate_bias, (lambda n, share: math.log(1 / (1 / (1 - share ** (1 / n)) - 1)),)),
    (
        ch02.check_gate_bias,
        (lambda n, share: torch.special.logit(1 - torch.tensor(share).double() ** (1 / n)),),
    ),
    (ch02.check_dense_weights, (lambda n, w, g: sum((w + i * g) * g for i in range(n)),)),
    (ch02.check_dense_weights, (lambda n, w, g: n * w * g + g * g * n * (n - 1) / 2,)),
    (ch02.check_largest, (lambda n: math.sqrt(n - 1),)),
    (ch02.check_largest, (lambda n: np.sqrt(np.float64(n) - 1),)),
    (ch02.check_left, (lambda num_blocks, num_cut: 2.0**-num_cut,)),
    (ch02.check_left, (lambda n, k: 2 ** (n - k) / 2**n,)),
    (ch02.check_window, (11, 22)),
    (ch02.check_window, (torch.tensor(11), np.float32(22))),
    (ch02.check_twin, (rescaled(SMALL, 10), *TASK)),
    (ch02.check_twin, (rescaled(SMALL, 0.1).float(), *TASK)),
    (ch02.check_angle, (lambda a: math.degrees(math.atan(a)),)),
    (ch02.check_angle, (lambda a: np.rad2deg(np.arctan2(a, 1.0)),)),
]

WRONG = [
    (ch02.check_sine_branch, (lambda x: torch.sin(x) + x,), "misses H(x)"),
    (ch02.check_sine_branch, (torch.sin,), "misses H(x)"),
    (ch02.check_sine_branch, (None,), "a function is wanted"),
    (ch02.check_sine_branch, (lambda x: x.sum(),), "tensor of shape (9,)"),
    (ch02.check_block, (lambda x: x + x @ W1,), "it is linear"),
    (ch02.check_block, (lambda x: x + x @ W1 @ W2 + SHIFT,), "it is linear"),
    (ch02.check_block, (lambda x: x + torch.relu(x @ W1[:5]),), "stops for a vector of 32 numbers"),
    (ch02.check_block, (nn.Identity(),), "it is linear"),
    (ch02.check_block, ("relu",), "a function is wanted"),
    (ch02.check_direction, (back_to_the_first,), "[0, 1, 2, 3, 0]"),
    (ch02.check_direction, (backward_order,), "[3, 2, 1, 0]"),
    (ch02.check_direction, (lambda layers, x: x,), "in the order []"),
    (ch02.check_direction, (lambda x: x,), "stops for four layers"),
    (ch02.check_direction, (None,), "a function is wanted"),
    (ch02.check_learner, (nn.Identity(),), "no parameter"),
    (ch02.check_learner, (nn.ReLU(),), "no parameter"),
    (ch02.check_learner, (frozen(nn.Linear(2, 2)),), "frozen"),
    (ch02.check_learner, ("the shortcut",), "a part of a network"),
    (ch02.check_killer, (lambda x: -0.5 * x,), "still has the norm"),
    (ch02.check_killer, (lambda x: x,), "still has the norm"),
    (ch02.check_killer, (torch.zeros_like,), "constant"),
    (ch02.check_killer, (lambda x: x[:3],), "shape (6,)"),
    (ch02.check_killer, (lambda x: x.mul_(-1),), "stops when it is differentiated"),
    (ch02.check_killer, (None,), "a function is wanted"),
    (ch02.check_strength, (lambda num_blocks: 0.5 / num_blocks,), "stronger branches would do"),
    (ch02.check_strength, (lambda num_blocks: 1 / num_blocks,), "between 0 and 1"),
    (ch02.check_strength, (lambda num_blocks: 0.5,), "promises only"),
    (ch02.check_strength, (lambda num_blocks: None,), "one finite number for 1 blocks, got None"),
    (ch02.check_strength, (0.5,), "a function is wanted"),
    (ch02.check_factor, (direct,), "what does the last ReLU do"),
    (ch02.check_factor, (without_mask,), "what does the last ReLU do"),
    (ch02.check_factor, (mask_on_the_wrong_side,), "is not the gradient"),
    (ch02.check_factor, (lambda branch, state: state,), "stops for a block"),
    (ch02.check_factor, (lambda branch, state, projection: state,), "shape (6, 6)"),
    (ch02.check_factor, (None,), "a function is wanted"),
    (ch02.check_output, (lambda block, x: block.branch(x) + x,), "never returns a negative number"),
    (ch02.check_output, (lambda block, x: torch.relu(block.branch(x) + x),), "cannot be added"),
    (ch02.check_output, (lambda block, x: torch.relu(block.branch(x)),), "returns something else"),
    (ch02.check_output, (lambda block, x: block.downsample(x),), "stops on a block that keeps the shape"),
    (ch02.check_output, (lambda block, x: None,), "got None"),
    (ch02.check_output, (None,), "a function is wanted"),
    (ch02.check_half, (lambda num_blocks: 1 / (1 + num_blocks),), "2 blocks"),
    (ch02.check_half, (lambda num_blocks: 0.5,), "2 blocks"),
    (ch02.check_half, (lambda num_blocks: -54,), "1 blocks"),
    (ch02.check_half, (lambda num_blocks: "tiny",), "one finite number"),
    (ch02.check_leaky_rate, (lambda slope: math.sqrt(math.pi / (math.pi - 1)),), "slope 1"),
    (ch02.check_leaky_rate, (lambda slope: leaky_rate(slope) ** 2,), "slope 0"),
    (ch02.check_leaky_rate, (lambda slope: 1 + (leaky_rate(0) - 1) * (1 - slope),), "slope 0.3"),
    (ch02.check_leaky_rate, (lambda slope: 1 + (leaky_rate(0) - 1) * (1 - slope) ** 2,), "slope"),
    (ch02.check_leaky_rate, (lambda slope: leaky_rate(abs(slope)),), "slope -0.5"),
    (ch02.check_leaky_rate, (lambda slope: float("nan"),), "one finite number"),
    (ch02.check_shrinking, (lambda g: g / 2,), "g = 0.333"),
    (ch02.check_shrinking, (math.sqrt,), "g = 2"),
    (ch02.check_shrinking, (lambda g: 6**-0.5,), "g = 2"),
    (ch02.check_shrinking, (None,), "a function is wanted"),
    (ch02.check_smoothing, (lambda m: 1 / m,), "a window of 5"),
    (ch02.check_smoothing, (lambda m: 1 - 1 / m**2,), "a window of 2"),
    (ch02.check_smoothing, (lambda m: m - 1,), "a window of 2"),
    (ch02.check_smoothing, (lambda m: [0.5, 0.5],), "one finite number"),
    (ch02.check_scaling, (lambda c, depth: c,), "2, 3 matrices"),
    (ch02.check_scaling, (lambda c, depth: c * depth,), "2, 3 matrices"),
    (ch02.check_scaling, (lambda c, depth: 1.0,), "2, 1 matrices"),
    (ch02.check_scaling, (lambda c: c,), "stops at 2, 1"),
    (ch02.check_alpha, (lambda num_blocks: 0.3,), "only"),
    (ch02.check_alpha, (lambda num_blocks: 1.0,), "too much"),
    (ch02.check_alpha, (lambda num_blocks: 1 / num_blocks,), "only"),
    (ch02.check_alpha, (lambda num_blocks: math.inf,), "one finite number"),
    (ch02.check_alpha, (0.1,), "a function is wanted"),
    (ch02.check_scale, (lambda blocks, layers: 1 / math.sqrt(blocks),), "10 blocks of 3 layers"),
    (ch02.check_scale, (lambda blocks, layers: 1 / blocks,), "10 blocks of 2 layers"),
    (ch02.check_scale, (lambda blocks, layers: 0.0,), "positive"),
    (ch02.check_scale, (lambda blocks: 1.0,), "stops for 10 blocks"),
    (ch02.check_scale, (None,), "a function is wanted"),
    (ch02.check_moved, ({"1.weight", "4.weight", "5.weight"},), "1.weight gets a gradient of zero"),
    (ch02.check_moved, (["5.weight"],), "not all"),
    (ch02.check_moved, ("5.weight",), "not all"),
    (ch02.check_moved, ({"gamma"},), "'gamma' is not the name"),
    (ch02.check_moved, (None,), "set of names, got None"),
    (ch02.check_mirrored_layer, (lambda w: torch.cat([w, -w]),), "a tensor of shape (6, 6)"),
    (ch02.check_mirrored_layer, (lambda w: mirrored(w).abs(),), "the upper half"),
    (
        ch02.check_mirrored_layer,
        (lambda w: torch.cat([torch.cat([w, w], 1), torch.cat([-w, -w], 1)]),),
        "upper half",
    ),
    (
        ch02.check_mirrored_layer,
        (lambda w: mirrored(w).index_fill(0, torch.arange(len(w), 2 * len(w)), 0),),
        "lower",
    ),
    (ch02.check_mirrored_layer, (lambda w: torch.cat([torch.cat([w, -w], 1)] * 2),), "the lower half"),
    (ch02.check_mirrored_layer, (torch.eye(4),), "a function is wanted"),
    (ch02.check_mirrored_factor, (lambda slope, depth: 1 + slope,), "slope 0.1, 3 layers"),
    (ch02.check_mirrored_factor, (lambda slope, depth: (1 + slope) ** depth,), "not 1.21 times"),
    (ch02.check_mirrored_factor, (lambda slope, depth: (1 - slope) ** (depth - 1),), "not 0.9 times"),
    (ch02.check_mirrored_factor, (lambda slope, depth: 1.0,), "slope 0.1, 2 layers"),
    (
        ch02.check_gate_bias,
        (lambda n, share: -n * (1 - share),),
        "24 layers, share 0.5: with a shift of -12 ",
    ),
    (ch02.check_gate_bias, (lambda n, share: math.log(share / (1 - share)),), "with a shift of 0 "),
    (ch02.check_gate_bias, (lambda n, share: 1 - share ** (1 / n),), "with a shift of 0.0285 "),
    (ch02.check_gate_bias, (lambda n, share: math.log(share ** (1 / n)),), "with a shift of -0.0289 "),
    (ch02.check_gate_bias, (lambda n: -3,), "stops at 24, 0.5"),
    (ch02.check_dense_weights, (lambda n, w, g: n * w * g,), "2 layers, width 8, growth 3: it is not 48"),
    (ch02.check_dense_weights, (lambda n, w, g: sum((w + i * g) * g for i in range(1, n + 1)),), "not 33"),
    (ch02.check_dense_weights, (lambda n, w, g: (w + n * g) * g,), "it is not 33"),
    (ch02.check_dense_weights, (lambda n, w, g: sum((w + i * g + 2) * g for i in range(n)),), "it is not 30"),
    (ch02.check_largest, (math.sqrt,), "2 values: no batch reaches 1.414"),
    (ch02.check_largest, (lambda n: n - 1,), "3 values: no batch reaches 2"),
    (ch02.check_largest, (lambda n: 1.0,), "3 values: a batch can do more than 1"),
    (ch02.check_largest, (lambda n: math.inf,), "one finite number"),
    (ch02.check_left, (lambda num_blocks, num_cut: 1 - num_cut / num_blocks,), "the share is not 0.875"),
    (ch02.check_left, (lambda num_blocks, num_cut: 2.0**num_cut,), "the share is not 2"),
    (ch02.check_left, (lambda num_blocks, num_cut: 2 ** (num_blocks - num_cut),), "the share is not 128"),
    (ch02.check_left, (lambda num_blocks, num_cut: None,), "one finite number"),
    (ch02.check_window, (14, 19), "holds only"),
    (ch02.check_window, (10, 23), "a smaller window would do"),
    (ch02.check_window, (11, 23), "does not lie around the middle"),
    (ch02.check_window, (-1, 34), "0 to 33 branches"),
    (ch02.check_window, (10.9, 22.1), "two whole numbers"),
    (ch02.check_window, (None, "all"), "two whole numbers"),
    (ch02.check_twin, (copy.deepcopy(SMALL), *TASK), "looks much the same"),
    (ch02.check_twin, (rescaled(SMALL, 1.05), *TASK), "looks much the same"),
    (ch02.check_twin, (without_its_shift(SMALL), *TASK), "another function"),
    (ch02.check_twin, (nn.Linear(2, 3), *TASK), "the same layers as small"),
    (ch02.check_twin, (None, *TASK), "takes a network, got None"),
    (ch02.check_angle, (lambda a: 90 * a,), "does not turn by 90.0"),
    (ch02.check_angle, (math.atan,), "in radians"),
    (ch02.check_angle, (lambda a: 45 * a,), "a = 0.25"),
    (ch02.check_angle, (lambda a: "right",), "one finite number"),
]

SECRETS = {
    ch02.check_sine_branch: ["sin(x) - x", "-x"],
    ch02.check_killer: ["-x", "- x", "-1"],
    ch02.check_learner: ["conv", "branch"],
    ch02.check_strength: ["0.067", "0.0069", "ln", "log"],
    ch02.check_factor: ["diag", "W_s", "projection"],
    ch02.check_output: ["relu", "downsample"],
    ch02.check_half: ["5.55e-17", "-16.3", "0.25"],
    ch02.check_leaky_rate: ["1.080", "1.021", "pi"],
    ch02.check_shrinking: ["0.707", "sqrt", "square"],
    ch02.check_smoothing: ["0.800", "0.98", "m - 1"],
    ch02.check_scaling: ["8 times", "0.000977", "**"],
    ch02.check_alpha: ["sqrt", "0.354"],
    ch02.check_scale: ["2m", "0.316"],
    ch02.check_moved: ["5.bias"],
    ch02.check_mirrored_layer: ["[w, -w]", "minus"],
    ch02.check_mirrored_factor: ["1 + ", "depth - 1"],
    ch02.check_gate_bias: ["-3.5", "1 / "],
    ch02.check_dense_weights: ["57", "sum"],
    ch02.check_largest: ["n - 1", "root", "9.95"],
    ch02.check_left: ["0.0625", "0.500"],
    ch02.check_window: ["(11, 22)", "11 to 22"],
    ch02.check_angle: ["45", "14.0", "atan"],
}

CHECKERS = [value for name, value in vars(ch02).items() if name.startswith("check_")]


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.__name__)
@pytest.mark.parametrize("answer", [None, "seven", 7, [1, 2], torch.ones(2, 2), lambda: 1, lambda *a: a])
def test_nothing_makes_a_checker_raise(checker, answer):
    parameters = inspect.signature(checker).parameters
    arguments = (answer, *TASK) if "small" in parameters else [answer] * len(parameters)
    message = checker(*arguments)
    assert isinstance(message, str)
    assert message != "correct"


def test_the_global_random_state_is_untouched():
    def careless(x):
        return torch.rand(9).double()

    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    for checker, answer, *_ in [*RIGHT, *WRONG, (ch02.check_sine_branch, (careless,))]:
        checker(*answer)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_twin_and_its_model_stay_as_they_were():
    twin = rescaled(SMALL, 10)
    before = [copy.deepcopy(net.state_dict()) for net in (twin, SMALL)]
    ch02.check_twin(twin, *TASK)
    for net, state in zip((twin, SMALL), before, strict=True):
        assert all(torch.equal(net.state_dict()[name], value) for name, value in state.items())


def test_the_rate_that_is_asked_for_is_the_one_that_a_wide_net_shows():
    """Mean-field theory against one network: 2 % is what a width of 200 leaves at these slopes."""
    for slope in (0.0, 0.3):
        generator = torch.Generator().manual_seed(0)
        h = [torch.randn(256, 200, dtype=torch.float64, generator=generator).requires_grad_()]
        for _ in range(30):
            w = torch.randn(200, 200, dtype=torch.float64, generator=generator) * math.sqrt(2 / 200)
            normed = (h[-1] - h[-1].mean(dim=0)) / h[-1].std(dim=0, correction=0)
            h.append(nn.functional.leaky_relu(normed, slope) @ w)
        direction = torch.randn(256, 200, dtype=torch.float64, generator=generator)
        norms = [g.norm() for g in torch.autograd.grad((h[-1] * direction).sum(), h)]
        measured = (norms[5] / norms[25]) ** (1 / 20)
        assert measured == pytest.approx(leaky_rate(slope), rel=0.02)
