"""The slices of chapter 2 against surfaces that are known without them."""

import copy
import math

import pytest
import torch
from bits import assert_same_bits, state
from torch import nn

from resnet_utils.analysis import loss_landscape

TICKS = [-1.0, -0.5, 0.0, 0.5, 1.0]


class Quadratic(nn.Module):
    """Returns its only weight, so that any function of the output is a function of the weight."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[1.0, 2.0], [3.0, -1.0]], dtype=torch.float64))

    def forward(self, x):
        return self.weight


def normed_net():
    """Linear layers with BatchNorm behind them, and a head; float64."""
    torch.manual_seed(0)
    layers = [nn.Linear(3, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4)]
    return nn.Sequential(*layers).double()


def points():
    return torch.rand(32, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def squares(out):
    return out.square().mean()


def slice_of(net, directions, ticks):
    return loss_landscape.loss_slice(net, points(), loss_function=squares, directions=directions, ticks=ticks)


def test_slice_of_a_quadratic_is_the_parabola_worked_out_by_hand():
    # |w + t d|^2 = |w|^2 + 2 t w.d + t^2 |d|^2
    direction = {"weight": torch.tensor([[1.0, 0.0], [0.0, 2.0]], dtype=torch.float64)}
    losses = loss_landscape.loss_slice(
        Quadratic(),
        torch.zeros(1),
        loss_function=lambda w: w.square().sum(),
        directions=[direction],
        ticks=TICKS,
    )
    truth = [15 + 2 * t * (1 - 2) + t**2 * 5 for t in TICKS]
    assert losses.tolist() == pytest.approx(truth, rel=1e-14)


def test_plane_has_the_first_direction_along_its_rows():
    first, second = torch.zeros(2, 2, 2, dtype=torch.float64)
    first[0, 0], second[1, 1] = 1.0, 1.0
    plane = loss_landscape.loss_slice(
        Quadratic(),
        torch.zeros(1),
        loss_function=lambda w: 10 * w[0, 0] + w[1, 1],
        directions=[{"weight": first}, {"weight": second}],
        ticks=[0.0, 1.0, 2.0],
    )
    assert plane.tolist() == [[9, 10, 11], [19, 20, 21], [29, 30, 31]]


def test_filter_norms_are_those_of_rows_and_of_kernels():
    assert loss_landscape.filter_norms(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist() == [5, 0]
    assert loss_landscape.filter_norms(torch.ones(2, 4, 3, 3)).tolist() == [6, 6]  # sqrt(36)
    with pytest.raises(ValueError, match="two dimensions or more"):
        loss_landscape.filter_norms(torch.ones(3))


@pytest.mark.parametrize("layer", [nn.Linear(5, 3), nn.Conv2d(2, 3, 3)])
def test_each_filter_of_a_direction_is_as_long_as_the_models(layer):
    direction = loss_landscape.random_direction(layer, seed=0)
    own = layer.weight.detach().flatten(1).norm(dim=1)
    torch.testing.assert_close(direction["weight"].flatten(1).norm(dim=1), own, rtol=1e-6, atol=0)
    assert direction["bias"].eq(0).all()


def test_biases_and_batchnorm_stand_still():
    direction = loss_landscape.random_direction(normed_net(), seed=0)
    moved = {name for name, d in direction.items() if d.ne(0).any()}
    assert moved == {"0.weight", "3.weight"}


def test_a_filter_of_zeros_stays_where_it_is():
    layer = nn.Linear(3, 2)
    nn.init.zeros_(layer.weight)
    assert loss_landscape.random_direction(layer, seed=0)["weight"].eq(0).all()


def test_directions_in_many_dimensions_are_nearly_at_right_angles():
    layer = nn.Linear(100, 100)
    a, b = (loss_landscape.random_direction(layer, seed=seed)["weight"].flatten() for seed in (0, 1))
    assert abs(torch.nn.functional.cosine_similarity(a, b, dim=0).item()) < 0.05  # 5 / sqrt(10000)


def test_direction_is_drawn_anew_from_its_seed_and_leaves_the_global_generator():
    net = normed_net()
    before = torch.get_rng_state()
    one, two = (loss_landscape.random_direction(net, seed=3) for _ in range(2))
    assert_same_bits(one, two)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("training", [True, False])
def test_not_a_bit_of_the_model_changes(training):
    net = normed_net().train(training)
    before = state(net)
    direction = loss_landscape.random_direction(net, seed=0)
    slice_of(net, [direction, direction], TICKS)
    assert_same_bits(state(net), before)
    assert net.training == training
    assert all(parameter.grad is None for parameter in net.parameters())


def test_centre_of_a_slice_is_the_loss_of_the_model():
    net = normed_net()
    losses = slice_of(net, [loss_landscape.random_direction(net, seed=0)], [0.0])
    assert losses.item() == squares(net(points())).item()


def test_slice_agrees_with_weights_moved_by_hand():
    net = normed_net()
    direction = loss_landscape.random_direction(net, seed=0)
    moved = copy.deepcopy(net)
    with torch.no_grad():
        for name, parameter in moved.named_parameters():
            parameter += 0.5 * direction[name]
    losses = slice_of(net, [direction], [0.5])
    assert losses.item() == pytest.approx(squares(moved(points())).item(), rel=1e-12)


def test_scale_of_a_layer_before_batchnorm_leaves_the_slice_the_same():
    # BatchNorm divides by sqrt(variance + eps): only eps keeps the slices from being equal.
    net = normed_net().train()
    net[1].eps = 1e-30
    scaled = copy.deepcopy(net)
    scaled[0].weight.data *= 7
    slices = [slice_of(n, [loss_landscape.random_direction(n, seed=0)], TICKS) for n in (net, scaled)]
    torch.testing.assert_close(*slices, rtol=1e-11, atol=0)
    unfitted = slice_of(scaled, [loss_landscape.random_direction(net, seed=0)], TICKS)
    assert (unfitted / slices[0] - 1).abs().max() > 0.05, "without the fit the slices differ"


def test_scale_moved_between_relu_layers_leaves_the_slice_the_same():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 4)).double()
    twin = copy.deepcopy(net)
    with torch.no_grad():
        twin[0].weight *= 5
        twin[0].bias *= 5
        twin[2].weight /= 5
    slices = [slice_of(n, [loss_landscape.random_direction(n, seed=0)], TICKS) for n in (net, twin)]
    torch.testing.assert_close(*slices, rtol=1e-12, atol=0)


def test_what_does_not_fit_is_refused():
    net = normed_net()
    direction = loss_landscape.random_direction(net, seed=0)
    for wrong in ([], [direction] * 3):
        with pytest.raises(ValueError, match="one or two directions"):
            slice_of(net, wrong, TICKS)
    with pytest.raises(ValueError, match="one tensor for each parameter"):
        slice_of(net, [{"0.weight": direction["0.weight"]}], TICKS)
    with pytest.raises(ValueError, match="no parameter of two or more dimensions"):
        loss_landscape.random_direction(nn.BatchNorm1d(3), seed=0)


def test_nonconvexity_of_known_curves():
    x = torch.linspace(-3, 3, 61, dtype=torch.float64)
    assert loss_landscape.nonconvexity(x.square()).item() == 0
    assert loss_landscape.nonconvexity(-x.square()).item() == 1
    waves = torch.sin(torch.arange(101, dtype=torch.float64) * math.pi / 10)  # five whole periods
    assert loss_landscape.nonconvexity(waves).item() == pytest.approx(0.5, abs=1e-9)
    assert loss_landscape.nonconvexity(7 * waves + 100).item() == pytest.approx(0.5, abs=1e-9)


def test_nonconvexity_keeps_leading_dimensions():
    curves = torch.tensor([[0.0, 1.0, 4.0, 9.0], [0.0, -1.0, -4.0, -9.0]])
    assert loss_landscape.nonconvexity(curves).tolist() == [0, 1]


def test_nonconvexity_refuses_what_does_not_bend():
    with pytest.raises(ValueError, match="three points"):
        loss_landscape.nonconvexity(torch.ones(2))
    with pytest.raises(ValueError, match="straight line"):
        loss_landscape.nonconvexity(torch.arange(5.0))


def test_data_and_directions_are_moved_to_the_model():
    """ "meta" stands for a GPU: a device that is not the CPU, on which nothing may be mixed with the CPU."""
    net = normed_net()
    direction, places = loss_landscape.random_direction(net, seed=0), []

    def loss(out):
        places.append(out.device.type)
        return torch.tensor(2.0)  # nothing can be read from "meta"

    found = loss_landscape.loss_slice(
        net.to("meta"), points(), loss_function=loss, directions=[direction], ticks=[0.0, 1.0]
    )
    assert places == ["meta", "meta"]
    assert found.tolist() == [2, 2]
