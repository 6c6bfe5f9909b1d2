"""Other ways past a layer: gates that are shut or open, a store that is kept, and equal budgets."""

import math

import pytest
import torch
from torch import nn

from resnet_utils.toy import connections, degradation


def count(net):
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize("depth", [4, 6, 12, 18, 26])
@pytest.mark.parametrize("kind", ["highway", "dense"])
def test_a_net_has_as_many_parameters_as_its_twin_allows_and_no_more(kind, depth):
    make = {
        "highway": lambda number: connections.highway(depth, gate_bias=-3, seed=0, width=number),
        "dense": lambda number: connections.dense(depth, seed=0, growth=number),
    }[kind]
    net = connections.highway(depth, gate_bias=-3, seed=0) if kind == "highway" else make(None)
    most = count(degradation.fresh_net(depth, residual=False, seed=0))
    chosen = net.fc.in_features if kind == "highway" else (net.fc.in_features - 64) // (depth - 2)
    assert count(net) == count(make(chosen)) <= most < count(make(chosen + 1))


@pytest.mark.parametrize("depth", [4, 12])
def test_depth_counts_every_layer_but_the_gates(depth):
    for net, gates in (
        (connections.highway(depth, gate_bias=-1, seed=0), depth - 2),
        (connections.dense(depth, seed=0), 0),
    ):
        assert sum(isinstance(module, nn.Linear) for module in net.modules()) == depth + gates


def test_a_shut_gate_carries_its_input_and_an_open_one_only_the_layer():
    layer, x = connections.HighwayLayer(4), torch.randn(7, 4)
    nn.init.zeros_(layer.gate.weight)
    nn.init.constant_(layer.gate.bias, -200.0)  # the sigmoid is zero in float32
    assert torch.equal(layer(x), x)
    nn.init.constant_(layer.gate.bias, 200.0)
    torch.testing.assert_close(layer(x), torch.relu(layer.bn(layer.fc(x))))


def test_a_gate_mixes_number_by_number():
    layer, x = connections.HighwayLayer(3).double(), torch.randn(5, 3).double()
    gate = 1 / (1 + torch.exp(-(x @ layer.gate.weight.T + layer.gate.bias)))
    out = torch.relu(layer.bn(x @ layer.fc.weight.T))
    torch.testing.assert_close(layer(x), gate * out + (1 - gate) * x, rtol=1e-12, atol=1e-12)


def test_gates_start_at_the_shift_asked_for():
    net = connections.highway(6, gate_bias=-2.5, seed=0)
    assert all((layer.gate.bias == -2.5).all() for layer in net.layers)


def test_a_dense_net_still_holds_what_each_layer_made():
    net, x = connections.dense(8, seed=0, growth=5), torch.randn(9, 8)
    first = torch.relu(net.bn(net.stem(x)))
    features = net.features(x)
    assert features.shape == (9, 64 + 6 * 5)
    torch.testing.assert_close(features[:, :64], first, rtol=0, atol=0)
    made = net.layers[0](first)
    torch.testing.assert_close(features[:, :69], made, rtol=0, atol=0)


def test_weights_start_with_the_variance_that_he_derived():
    weight = connections.dense(4, seed=0, growth=600).layers[1].fc.weight
    # 664 numbers come in; that of 398,400 uniform numbers is known to 0.15 %, here 5 times
    assert weight.var().item() == pytest.approx(2 / 664, rel=0.0075)


@pytest.mark.parametrize(
    "make",
    [lambda seed: connections.highway(6, gate_bias=-1, seed=seed), lambda s: connections.dense(6, seed=s)],
)
def test_the_seed_decides_the_start_and_the_random_state_is_left(make):
    before = torch.get_rng_state()
    first, again, other = make(3), make(3), make(4)
    assert torch.equal(torch.get_rng_state(), before)
    torch.testing.assert_close(first.state_dict(), again.state_dict(), rtol=0, atol=0)
    assert not torch.equal(first.stem.weight, other.stem.weight)


def test_what_cannot_be_built_is_refused():
    with pytest.raises(ValueError, match=r"depth must be (even and )?at least 4"):
        connections.highway(5, gate_bias=-1, seed=0)
    with pytest.raises(ValueError, match=r"depth must be (even and )?at least 4"):
        connections.dense(2, seed=0)
    with pytest.raises(ValueError, match="width must be at least 1, got 0"):
        connections.highway(6, gate_bias=-1, seed=0, width=0)
    with pytest.raises(ValueError, match="growth must be at least 1, got -3"):
        connections.dense(6, seed=0, growth=-3)


def test_a_sum_is_a_concatenation_whose_weights_are_shared():
    x, branch = torch.randn(2, 6, 4).double()
    weight = torch.randn(3, 4).double()
    both = torch.cat([x, branch], dim=1) @ torch.cat([weight, weight], dim=1).T
    torch.testing.assert_close(both, (x + branch) @ weight.T, rtol=1e-12, atol=1e-12)


def test_a_fresh_gated_net_carries_what_its_first_shift_says():
    net = connections.highway(26, gate_bias=-3, seed=0)
    carried = torch.ones(())
    with torch.no_grad():
        h = torch.relu(net.bn(net.stem(degradation.points(500)[0])))
        for layer in net.layers:
            carried = carried * (1 - torch.sigmoid(layer.gate(h)))
            h = layer(h)
    # Gates scatter around their shift, and the mean of a product is not the product of means: a factor of 2
    assert carried.mean().item() == pytest.approx((1 - 1 / (1 + math.exp(3))) ** 24, rel=0.5)
