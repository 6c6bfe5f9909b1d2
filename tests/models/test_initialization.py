"""He's start against torch's own, against its formula, and against fresh networks."""

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
