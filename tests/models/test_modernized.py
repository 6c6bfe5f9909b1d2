"""From a ResNet to a ConvNeXt: both ends are known networks, and each step changes what it says."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from resnet_utils import models
from resnet_utils.analysis import complexity
from resnet_utils.models.modernized import STEPS, ChannelNorm, ModernizedBlock, modernized

IMAGE = (1, 1, 28, 28)


def test_the_first_step_is_resnet20():
    ours, known = modernized(0, in_channels=1, width=8), models.build("resnet20", 10, in_channels=1, width=8)
    given = known.state_dict().values()
    ours.load_state_dict(dict(zip(ours.state_dict(), given, strict=True)))
    x = torch.rand(2, 1, 28, 28)
    torch.testing.assert_close(ours.eval()(x), known.eval()(x), rtol=1e-4, atol=1e-5)


def test_the_last_block_is_torchvisions_convnext_block():
    ours = ModernizedBlock(8, 8, step=len(STEPS) - 1, window=7)
    known = torchvision.models.convnext.CNBlock(8, layer_scale=1.0, stochastic_depth_prob=0.0)
    given = [value for name, value in known.state_dict().items() if name != "layer_scale"]
    state = ours.state_dict()
    assert [v.numel() for v in state.values()] == [v.numel() for v in given]
    ours.load_state_dict({k: v.reshape(state[k].shape) for k, v in zip(state, given, strict=True)})
    x = torch.randn(2, 8, 9, 9)
    torch.testing.assert_close(ours(x), known(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("step", range(len(STEPS)))
def test_every_step_takes_images_of_any_size_and_costs_about_as_many_weights(step):
    model = modernized(step, num_classes=7, in_channels=1, width=8)
    assert model(torch.rand(2, 1, 20, 12)).shape == (2, 7)
    first = complexity.count_parameters(modernized(0, num_classes=7, in_channels=1, width=8))
    assert 1 <= complexity.count_parameters(model) / first < 1.35


def kinds(step, kind):
    return sum(isinstance(module, kind) for module in modernized(step, in_channels=1, width=8).modules())


def test_each_step_changes_what_it_says():
    relus, gelus = ([kinds(step, kind) for step in range(8)] for kind in (nn.ReLU, nn.GELU))
    assert relus == [19, 28, 28, 28, 0, 0, 0, 0]
    assert gelus == [0, 0, 0, 0, 9, 9, 9, 9]
    batch_norms, layer_norms = ([kinds(s, kind) for s in range(8)] for kind in (nn.BatchNorm2d, ChannelNorm))
    assert batch_norms == [19, 28, 28, 28, 28, 11, 0, 0]
    assert layer_norms == [0, 0, 0, 0, 0, 0, 11, 13]
    middle, first = (modernized(step, in_channels=1, width=8) for step in (1, 2))
    costs = [complexity.multiply_adds(model, IMAGE) for model in (middle, first)]
    assert costs[1] < costs[0], "the window looks at a quarter of the channels"


def test_channel_norm_is_layer_norm_at_each_place():
    norm, x = ChannelNorm(5), torch.randn(2, 5, 3, 4)
    place = nn.functional.layer_norm(x[1, :, 2, 3], (5,))
    torch.testing.assert_close(norm(x)[1, :, 2, 3], place)


def test_a_step_that_does_not_exist_is_refused():
    for make in (lambda: modernized(8), lambda: ModernizedBlock(4, 4, step=-1)):
        with pytest.raises(ValueError, match="step must be 0 to 7, got"):
            make()
