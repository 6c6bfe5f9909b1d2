"""The checkers of chapter 1 accept right answers in any form, and refuse wrong ones with a sentence."""

from __future__ import annotations

import copy
import inspect
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from exercises.rows import named
from torch import nn
from torch.nn import functional as F

from resnet_utils.exercises import ch01
from resnet_utils.toy import degradation


def flipped(x, weight, bias):
    return F.conv2d(x, weight.flip(2, 3), bias)


def without_places(x, weight, bias):
    return sum(x * number for number in weight.flatten())


def one_channel_each(x, weight, bias):
    return F.conv2d(x, weight[:2, :1], bias[:2], groups=2)


def padded(x, weight, bias):
    return F.conv2d(x, weight, bias, padding=1)


def without_bias(x, weight, bias):
    return F.conv2d(x, weight)


def by_unfolding(x, weight, bias):
    columns = F.unfold(x, 3)
    return (weight.flatten(1) @ columns + bias[:, None]).unflatten(2, (x.shape[2] - 2, x.shape[3] - 2))


def by_windows(x):
    return x.unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(-2, -1))


def mean_nll(z, t):
    return F.nll_loss(z.log_softmax(dim=1), t)


def as_a_float(z, t):
    return float((z.logsumexp(1) - z.gather(1, t[:, None])[:, 0]).mean())


def two_sided(z, t):
    p, y = z.softmax(1), F.one_hot(t, z.shape[1])
    return -(y * p.log() + (1 - y) * (1 - p).log()).sum(1).mean()


def softmax_twice(z, t):
    return F.cross_entropy(z.softmax(1), t)


def summed(z, t):
    return F.cross_entropy(z, t, reduction="sum")


def overflowing(z, t):
    p = z.exp() / z.exp().sum(dim=1, keepdim=True)
    return -p.log().gather(1, t[:, None]).mean()


def only_backward(weight, loss):
    loss.backward()


def without_zeroing(weight, loss):
    loss.backward()
    weight.data -= 0.1 * weight.grad


def whole_step(weight, loss):
    weight.grad = None
    without_zeroing(weight, loss)


def with_an_optimizer(weight, loss):
    optimizer = torch.optim.SGD([weight], lr=0.1)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def with_a_small_rate(weight, loss):
    (gradient,) = torch.autograd.grad(loss, weight)
    weight.data -= 0.01 * gradient


def uphill(weight, loss):
    (gradient,) = torch.autograd.grad(loss, weight)
    weight.data += 0.1 * gradient


def in_parts(weight, losses):
    weight.grad = None
    for loss in losses:
        (loss / len(losses)).backward()
    weight.data -= 0.1 * weight.grad


def stacked(weight, losses):
    whole_step(weight, torch.stack(losses).mean())


def parts_summed(weight, losses):
    whole_step(weight, sum(losses))


def last_part(weight, losses):
    whole_step(weight, losses[0])


def with_old_gradient(weight, losses):
    without_zeroing(weight, sum(losses) / len(losses))


def identity_kernel(channels):
    weight = torch.zeros(channels, channels, 3, 3)
    weight[range(channels), range(channels), 1, 1] = 1.0
    return weight


def dirac(channels):
    return nn.init.dirac_(torch.empty(channels, channels, 3, 3, dtype=torch.float64))


def as_numpy(channels):
    return dirac(channels).numpy()


def ones_in_the_middle(channels):
    weight = torch.zeros(channels, channels, 3, 3)
    weight[:, :, 1, 1] = 1.0
    return weight


def in_the_corner(channels):
    return dirac(channels).roll((-1, -1), dims=(2, 3))


def of_ones(channels):
    return torch.ones(channels, channels)


def run(depth, residual, seed, loss):
    return degradation.Run(depth, residual, seed, (loss,), loss, loss)


def study(seeds=range(3), gap=1.0, scatter=0.01):
    """Plain nets of depth 18 are worse by ``gap``; the losses move a little with the seed."""
    loss = {(6, False): 0.3, (6, True): 0.3, (18, False): 0.3 + gap, (18, True): 0.3}
    return [
        run(*kind, seed, middle + scatter * (seed % 5)) for kind, middle in loss.items() for seed in seeds
    ]


def small(blocks):
    return nn.Sequential(nn.Linear(8, 8), *blocks, nn.Linear(8, 3))


class Around(nn.Module):
    """A layer and a way around it."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward(self, x):
        return x + self.fc(x)


with torch.random.fork_rng():
    torch.manual_seed(0)
    POINTS, IMAGES = torch.rand(5, 8), torch.rand(2, 3, 6, 8)
    CONV = nn.Conv2d(3, 8, 3)
    PLAIN, RESIDUAL = (degradation.fresh_net(6, residual=kind, seed=0) for kind in (False, True))
    SHORT, LONG = small([nn.ReLU(), nn.Linear(8, 8)]), small([Around()])
    MISPLACED = small([nn.ReLU(), nn.ReLU()])
TABLE = {"a": (2, 64, 112, 112), "b": (2, 64, 56, 56), "c": (2, 128, 28, 28), "d": (2, 128, 28, 28)}
TABLE |= {"e": (2, 128), "f": (2, 1000)}
NETS = {"A": (0.01, 0.9), "B": (1.7, 1.8), "C": (0.2, 0.3)}
NETS = {name: SimpleNamespace(train_loss=fit, valid_loss=new) for name, (fit, new) in NETS.items()}
REMEDY = {"A": "more data", "B": "another optimisation", "C": "nothing much"}
SLOW = {"first": 1.7, "twice": 1.2, "twin": 0.2}
STUCK = SLOW | {"twice": 1.69}
ON = {"at_start": 0.25, "after": 0.1, "from_random": 1.6}
BACK = ON | {"after": 1.5}
COUNT = 229_386

RIGHT = [
    (ch01.check_convolution, (F.conv2d,)),
    (ch01.check_convolution, (by_unfolding,)),
    (ch01.check_max_pool, (by_windows,)),
    (ch01.check_max_pool, (nn.MaxPool2d(2),)),
    (ch01.check_max_pool, (lambda x: F.max_pool2d(x, 2).numpy(),)),
    (ch01.check_layers_work, (nn.Sequential(CONV, nn.ReLU()), IMAGES)),
    (ch01.check_layers_work, (nn.Sequential(CONV, nn.ReLU(inplace=True), nn.MaxPool2d(2)), IMAGES)),
    (ch01.check_table, (TABLE,)),
    (ch01.check_table, ({key: torch.Size(shape) for key, shape in TABLE.items()},)),
    (ch01.check_table, ({key: list(shape) for key, shape in TABLE.items()},)),
    (ch01.check_cross_entropy, (F.cross_entropy,)),
    (ch01.check_cross_entropy, (mean_nll,)),
    (ch01.check_cross_entropy, (as_a_float,)),
    (ch01.check_newborn, (math.log,)),
    (ch01.check_newborn, (np.log,)),
    (ch01.check_newborn, (lambda k: -torch.log(torch.tensor([1 / k])),)),
    (ch01.check_named, ((0, math.inf, False),)),
    (ch01.check_named, ([0.0, torch.tensor(math.inf), np.bool_(False)],)),
    (ch01.check_zero, ((0, 3),)),
    (ch01.check_zero, (torch.tensor([0.0, 3.0]),)),
    (ch01.check_before, ((0, 1 / 3),)),
    (ch01.check_before, ([1e-9, np.float32(0.333)],)),
    (ch01.check_variance, (lambda n, a: 2 / ((1 + a * a) * n),)),
    (ch01.check_variance, (lambda n, a: torch.tensor(2 / (n + n * a**2)),)),
    (ch01.check_training_step, (whole_step,)),
    (ch01.check_training_step, (with_an_optimizer,)),
    (ch01.check_step_in_parts, (in_parts,)),
    (ch01.check_step_in_parts, (stacked,)),
    (ch01.check_rate, (lambda curvature: 2 / curvature,)),
    (ch01.check_rate, (lambda curvature: torch.tensor(2.0) / curvature,)),
    (ch01.check_shortcut, (RESIDUAL, POINTS)),
    (ch01.check_shortcut, (LONG, POINTS)),
    (ch01.check_count, ((COUNT, COUNT),)),
    (ch01.check_count, ([np.int64(COUNT), float(COUNT)],)),
    (ch01.check_diagnosis, (REMEDY, NETS)),
    (ch01.check_diagnosis, (dict(reversed(REMEDY.items())) | {"D": "unused"}, NETS)),
    (ch01.check_patience, ("help", SLOW)),
    (ch01.check_patience, ("no difference", {key: torch.tensor(loss) for key, loss in STUCK.items()})),
    (ch01.check_start, ("better", ON)),
    (ch01.check_start, ("fall back", {key: np.float32(loss) for key, loss in BACK.items()})),
    (ch01.check_identity_kernel, (identity_kernel,)),
    (ch01.check_identity_kernel, (dirac,)),
    (ch01.check_identity_kernel, (as_numpy,)),
    (ch01.check_study, (study(), "residual lower")),
    (ch01.check_study, (tuple(study(range(11))), "residual lower")),
    (ch01.check_study, (study(gap=-0.2), "plain lower")),
    (ch01.check_study, (study(range(11), gap=0.001), "cannot tell")),
]
WRONG = [
    (ch01.check_convolution, (flipped,), "upside down"),
    (ch01.check_convolution, (without_places,), "neighbours"),
    (ch01.check_convolution, (one_channel_each,), "second input channel"),
    (ch01.check_convolution, (padded,), "has the shape"),
    (ch01.check_convolution, (without_bias,), "bias is missing"),
    (ch01.check_convolution, (lambda x, w, b: F.conv2d(x, w.mT, b),), "exchanged"),
    (ch01.check_convolution, (lambda x, w, b: 2 * F.conv2d(x, w, b),), "values differ"),
    (ch01.check_convolution, (lambda x, w, b: None,), "should be a tensor"),
    (ch01.check_convolution, (None,), "a function is wanted"),
    (ch01.check_convolution, (lambda x: x,), "stops with TypeError"),
    (ch01.check_max_pool, (torch.max,), "where are the windows"),
    (ch01.check_max_pool, (lambda x: x[:, :, 1::2, 1::2],), "not the largest"),
    (ch01.check_max_pool, (nn.AvgPool2d(2),), "means"),
    (ch01.check_max_pool, (nn.MaxPool2d(2, stride=1),), "has the shape"),
    (ch01.check_max_pool, ("max",), "a function is wanted"),
    (ch01.check_layers_work, (nn.Sequential(CONV, nn.ReLU(), nn.ReLU()), IMAGES), "layer 2, ReLU"),
    (ch01.check_layers_work, (nn.Sequential(CONV, nn.ReLU(), nn.MaxPool2d(2), nn.ReLU()), IMAGES), "layer 3"),
    (ch01.check_layers_work, (nn.Sequential(nn.Conv2d(4, 8, 3)), IMAGES), "stops with RuntimeError"),
    (ch01.check_layers_work, (None, IMAGES), "should be an nn.Sequential"),
    (ch01.check_layers_work, (nn.Sequential(), IMAGES), "with layers"),
    (ch01.check_layers_work, (nn.Sequential(CONV), None), "batch of images"),
    (ch01.check_table, (TABLE | {"a": (2, 64, 111, 111)},), "K, s and p"),
    (ch01.check_table, (TABLE | {"c": (2, 64, 28, 28)},), "channels"),
    (ch01.check_table, (TABLE | {"e": (2, 128, 1, 1)},), "which of N, C, H and W"),
    (ch01.check_table, (TABLE | {"f": None},), "f has no answer"),
    (ch01.check_table, (TABLE | {"b": 56},), "should be a shape"),
    (ch01.check_table, (None,), "should be a dict"),
    (ch01.check_cross_entropy, (two_sided,), "class 0: the loss is"),
    (ch01.check_cross_entropy, (softmax_twice,), "1.461"),
    (ch01.check_cross_entropy, (summed,), "batch of four"),
    (ch01.check_cross_entropy, (overflowing,), "1000"),
    (ch01.check_cross_entropy, (lambda z, t: -z[0, t[0]],), "right and certain"),
    (ch01.check_cross_entropy, (lambda z, t: F.cross_entropy(z, t, reduction="none"),), "should be a number"),
    (ch01.check_cross_entropy, (None,), "a function is wanted"),
    (ch01.check_newborn, (lambda k: 1 - 1 / k,), "as likely as"),
    (ch01.check_newborn, (lambda k: 1 / k,), "as likely as"),
    (ch01.check_newborn, (math.log2,), "as likely as"),
    (ch01.check_newborn, (lambda k: "log",), "should be a number"),
    (ch01.check_named, ((0, 1, True),), "minus the logarithm of zero"),
    (ch01.check_named, ((1, math.inf, False),), "its logarithm"),
    (ch01.check_named, ((0, math.inf, True),), "logit changes a little"),
    (ch01.check_named, ((0, math.inf, "no"),), "True or False"),
    (ch01.check_named, (None,), "the answer should be"),
    (ch01.check_zero, ((math.log(10), 1),), "multiplied by"),
    (ch01.check_zero, ((0, 1),), "its row"),
    (ch01.check_zero, ((0, 30),), "its row"),
    (ch01.check_zero, ("0, 3",), "the answer should be"),
    (ch01.check_zero, ((0,),), "got 1 value"),
    (ch01.check_before, ((1, 1 / 3),), "shift of the whole channel"),
    (ch01.check_before, ((0, 3),), "put c = 3"),
    (ch01.check_before, ((0, 1),), "put c = 3"),
    (ch01.check_before, ((None, 1),), "should be a number"),
    (ch01.check_variance, (lambda n, a: 2 / n,), "grows"),
    (ch01.check_variance, (lambda n, a: 1 / n,), "shrinks"),
    (ch01.check_variance, (lambda n, a: 2 / ((1 + a * abs(a)) * n),), "alpha = -0.5"),
    (ch01.check_variance, (lambda n, a: 2.03 / ((1 + a * a) * n),), "grows"),
    (ch01.check_variance, (lambda n, a: None,), "should be a number"),
    (ch01.check_training_step, (only_backward,), "no weight has moved"),
    (ch01.check_training_step, (without_zeroing,), "step before"),
    (ch01.check_training_step, (with_a_small_rate,), "not far enough"),
    (ch01.check_training_step, (uphill,), "up the slope"),
    (ch01.check_training_step, ("backward",), "a function is wanted"),
    (ch01.check_step_in_parts, (parts_summed,), "too far"),
    (ch01.check_step_in_parts, (with_old_gradient,), "old gradient"),
    (ch01.check_step_in_parts, (last_part,), "not far enough"),
    (ch01.check_step_in_parts, (lambda weight, losses: None,), "no weight has moved"),
    (ch01.check_step_in_parts, (None,), "a function is wanted"),
    (ch01.check_rate, (lambda curvature: 1 / curvature,), "further away"),
    (ch01.check_rate, (lambda curvature: 2.01 / curvature,), "nearer"),
    (ch01.check_rate, (lambda curvature: 2 / 50,), "further away"),
    (ch01.check_rate, (lambda curvature: 2 * curvature,), "curvature 50"),
    (ch01.check_rate, (lambda curvature: "2",), "should be a number"),
    (ch01.check_shortcut, (PLAIN, POINTS), "nothing goes around"),
    (ch01.check_shortcut, (SHORT, POINTS), "3 weighted layers"),
    (ch01.check_shortcut, (MISPLACED, POINTS), "nothing goes around"),
    (ch01.check_shortcut, (RESIDUAL, POINTS[:1]), "at least two inputs"),
    (ch01.check_shortcut, (RESIDUAL, torch.rand(4, 5)), "stops with RuntimeError"),
    (ch01.check_shortcut, (None, POINTS), "should be a network"),
    (ch01.check_count, ((COUNT, COUNT + 27 * 64),), "addition learn"),
    (ch01.check_count, ((221_184, 221_184),), "alone"),
    (ch01.check_count, ((COUNT - 10, COUNT - 10),), "too few"),
    (ch01.check_count, ((COUNT + 64, COUNT + 64),), "too many"),
    (ch01.check_count, (None,), "the answer should be"),
    (ch01.check_diagnosis, (REMEDY | {"B": "more data"}, NETS), "does not even fit"),
    (ch01.check_diagnosis, (REMEDY | {"A": "another optimisation"}, NETS), "search has done its work"),
    (ch01.check_diagnosis, (REMEDY | {"C": "more data"}, NETS), "little to gain"),
    (ch01.check_diagnosis, (REMEDY | {"A": "nothing much"}, NETS), "bad at new points"),
    (ch01.check_diagnosis, (REMEDY | {"C": "dropout"}, NETS), "should be one of"),
    (ch01.check_diagnosis, ({"A": "more data"}, NETS), "with the keys"),
    (ch01.check_diagnosis, (None, NETS), "with the keys"),
    (ch01.check_diagnosis, (REMEDY, dict.fromkeys("ABC")), "a run should have"),
    (ch01.check_patience, ("overtake", SLOW), "not what happened"),
    (ch01.check_patience, ("no difference", SLOW), "not what happened"),
    (ch01.check_patience, ("help", STUCK), "not what happened"),
    (ch01.check_patience, (None, SLOW), "should be one of"),
    (ch01.check_patience, ("help", {"first": 1}), "with the keys"),
    (ch01.check_start, ("fall back", ON), "did not fall back"),
    (ch01.check_start, ("stay", ON), "did not stay"),
    (ch01.check_start, ("better", BACK), "did not improve"),
    (ch01.check_start, (3, ON), "should be one of"),
    (ch01.check_start, ("stay", None), "with the keys"),
    (ch01.check_identity_kernel, (ones_in_the_middle,), "4 channel(s)"),
    (ch01.check_identity_kernel, (in_the_corner,), "shifted"),
    (ch01.check_identity_kernel, (lambda channels: dirac(channels).roll(1, dims=3),), "shifted"),
    (ch01.check_identity_kernel, (of_ones,), "the shape for 1 channels"),
    (ch01.check_identity_kernel, (lambda channels: None,), "should be a tensor"),
    (ch01.check_study, (study(range(2)), "residual lower"), "three seeds"),
    (ch01.check_study, (study([0, 0, 0]), "residual lower"), "stands there twice"),
    (ch01.check_study, (study(range(11)), "plain lower"), "intervals at 18 layers"),
    (ch01.check_study, (study(gap=0.001), "residual lower"), "intervals at 18 layers"),
    (ch01.check_study, ([r for r in study() if r.depth == 6], "cannot tell"), "one depth"),
    (ch01.check_study, ([r for r in study() if r.residual], "cannot tell"), "three seeds"),
    (ch01.check_study, (study(gap=math.nan), "cannot tell"), "no numbers"),
    (ch01.check_study, (study(), "yes"), "should be one of"),
    (ch01.check_study, ([None], "cannot tell"), "a run should have"),
    (ch01.check_study, (None, "cannot tell"), "list of runs"),
]
SECRETS = {
    ch01.check_convolution: ["einsum", "unfold"],
    ch01.check_max_pool: ["amax", "unfold"],
    ch01.check_layers_work: ["(2, 4)"],
    ch01.check_table: ["112", "(2, 128)", "(2, 1000)", "(2, 64, 56"],
    ch01.check_cross_entropy: ["logsumexp", "log_softmax"],
    ch01.check_newborn: ["log(", "0.693", "2.303", "6.908"],
    ch01.check_named: ["inf", "no gradient"],
    ch01.check_zero: ["is 0", "is 3", "three"],
    ch01.check_before: ["1/3", "0.333", "a third"],
    ch01.check_variance: ["1 + alpha", "alpha**2", "2 /"],
    ch01.check_training_step: ["zero_grad", "grad = None"],
    ch01.check_step_in_parts: ["len(losses)", "/ 2"],
    ch01.check_rate: ["2 /", "2/"],
    ch01.check_shortcut: ["x +"],
    ch01.check_count: ["229,386", "229386"],
    ch01.check_diagnosis: [f"{name} needs" for name in NETS],
    ch01.check_patience: ["'help' is what", "1.2"],
    ch01.check_start: ["'better' is what", "0.1"],
    ch01.check_identity_kernel: ["dirac", "range(", "1, 1]"],
    ch01.check_study: ["'residual lower' is what"],
}
CHECKERS = [function for name, function in inspect.getmembers(ch01) if name.startswith("check_")]


@pytest.mark.parametrize(("checker", "given"), named([row[:2] for row in RIGHT + WRONG]))
def test_the_random_state_is_untouched(checker, given):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    checker(*given)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_checker_may_be_called_in_either_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        assert [row for row in RIGHT[:10] if row[0](*row[1]) != "correct" and len(row[1]) == 1] == []
        assert ch01.check_training_step(whole_step) == "correct"
        assert ch01.check_step_in_parts(in_parts) == "correct"
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_checker_changes_nothing_that_it_is_handed():
    net, x = copy.deepcopy(RESIDUAL).train(), POINTS.clone()
    before = copy.deepcopy(net.state_dict())
    ch01.check_shortcut(net, x)
    assert net.training
    assert all(torch.equal(net.state_dict()[key], value) for key, value in before.items())
    assert torch.equal(x, POINTS)
    images = IMAGES.clone()
    ch01.check_layers_work(nn.Sequential(nn.ReLU(inplace=True), nn.BatchNorm2d(3)), images - 0.5)
    norm = nn.BatchNorm2d(3)
    ch01.check_layers_work(nn.Sequential(norm), images)
    assert torch.equal(norm.running_mean, torch.zeros(3))
