"""He's start against torch's own, against its formula, and against fresh networks."""

import itertools

import pytest
import torch
from bits import assert_same_bits, state, used
from torch import nn

from resnet_utils import models
from resnet_utils.models import initialization

SHAPES = [(8, 3, 3, 3), (16, 2, 5, 1), (12, 7)]


@pytest.mark.parametrize("shape", SHAPES)
def test_without_a_generator_it_is_torchs_kaiming_normal(shape):
    torch.manual_seed(4)
    mine = initialization.he_normal(torch.empty(shape))
    torch.manual_seed(4)
    mode = "fan_out" if len(shape) == 4 else "fan_in"
    assert torch.equal(mine, nn.init.kaiming_normal_(torch.empty(shape), mode=mode, nonlinearity="relu"))


@pytest.mark.parametrize(("shape", "fan"), [*zip(SHAPES, (8 * 9, 16 * 5, 7), strict=True)])
def test_with_a_generator_it_is_a_float64_draw_rounded_once(shape, fan):
    mine = initialization.he_normal(torch.empty(shape), generator=torch.Generator().manual_seed(4))
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    assert torch.equal(mine, (drawn * (2 / fan) ** 0.5).float())


def test_the_variance_is_two_over_the_fan_for_both_draws():
    for generator in (None, torch.Generator().manual_seed(0)):
        torch.manual_seed(0)
        weight = initialization.he_normal(torch.empty(256, 64, 3, 3), generator=generator)
        # 147,456 draws know the variance to sqrt(2 / 147,456) = 0.4 %; five times that
        assert weight.var().item() == pytest.approx(2 / (256 * 9), rel=0.02)


def test_start_draws_the_asked_layers_in_their_order_and_leaves_the_rest():
    model = nn.Sequential(nn.Linear(3, 4), nn.Conv2d(2, 3, 3), nn.Conv2d(3, 2, 1))
    before = state(model)
    torch.manual_seed(1)
    initialization.he_start(model)
    torch.manual_seed(1)
    for index in (1, 2):
        weight = model[index].weight
        assert torch.equal(weight, initialization.he_normal(torch.empty_like(weight)))
        assert torch.equal(model[index].bias, before[f"{index}.bias"])
    assert torch.equal(model[0].weight, before["0.weight"])


def test_every_layer_redrawn_has_the_weights_of_a_network_just_built():
    """Layer by layer: the order in which a network is built is another one."""
    fresh = used(models.build("resnet18", 4, width=16, se=16))
    for parameter in fresh.parameters():
        nn.init.uniform_(parameter, 5, 6)
    for module in fresh.modules():
        torch.manual_seed(6)
        initialization.redraw(module)
        if isinstance(module, nn.Conv2d):
            torch.manual_seed(6)
            bound = module.weight[0].numel() ** -0.5  # torch's own start of a bias
            assert torch.equal(module.weight, initialization.he_normal(torch.empty_like(module.weight)))
            assert module.bias is None or module.bias.abs().max() <= bound
        elif isinstance(module, nn.Linear):
            torch.manual_seed(6)
            twin = nn.Linear(module.in_features, module.out_features)
            assert_same_bits(module.state_dict(), twin.state_dict())
        elif isinstance(module, nn.BatchNorm2d):
            assert_same_bits(module.state_dict(), nn.BatchNorm2d(module.num_features).state_dict())


def mirrored_chain(widths, *, bias=True):
    layers = [nn.Linear(a, b, bias=bias) for a, b in itertools.pairwise(widths)]
    initialization.looks_linear(layers, generator=torch.Generator().manual_seed(3))
    parts = [part for layer in layers for part in (layer, nn.ReLU())]
    return layers, nn.Sequential(*parts[:-1]).double()


@pytest.mark.parametrize("widths", [(8, 6, 4), (3, 16, 16, 16, 5), (4, 2, 8, 6, 9)])
def test_mirrored_start_is_the_product_of_its_halves(widths):
    layers, net = mirrored_chain(widths)
    product = torch.eye(widths[0], dtype=torch.float64)
    for index, layer in enumerate(layers):
        w = layer.weight.double()
        w = w if index == len(layers) - 1 else w[: len(w) // 2]
        product = (w if index == 0 else w[:, : w.shape[1] // 2]) @ product
    x = torch.randn(20, widths[0], dtype=torch.float64)
    torch.testing.assert_close(net(x), x @ product.T, rtol=0, atol=1e-6)  # weights are rounded to float32


def test_mirrored_start_of_a_wide_chain_keeps_every_length():
    _, net = mirrored_chain((8, 32, 32, 32, 16), bias=False)
    x = torch.randn(20, 8, dtype=torch.float64)
    torch.testing.assert_close(net(x).norm(dim=1), x.norm(dim=1), rtol=1e-5, atol=0)


def test_mirrored_start_is_decided_by_the_generator_and_clears_the_biases():
    (first, *_), (second, *_) = mirrored_chain((4, 6, 3))[0], mirrored_chain((4, 6, 3))[0]
    assert torch.equal(first.weight, second.weight)
    assert not first.bias.any()


@pytest.mark.parametrize(
    ("widths", "message"),
    [
        ([(3, 4)], "at least two layers"),
        ([(3, 5), (5, 2)], "same even number"),
        ([(3, 4), (6, 2)], "writes 4 numbers and layer 1 reads 6"),
    ],
)
def test_chain_that_cannot_be_mirrored_is_refused_and_left(widths, message):
    layers = [nn.Linear(a, b) for a, b in widths]
    before = [layer.weight.clone() for layer in layers]
    with pytest.raises(ValueError, match=message):
        initialization.looks_linear(layers, generator=torch.Generator().manual_seed(0))
    assert all(torch.equal(a, layer.weight) for a, layer in zip(before, layers, strict=True))
