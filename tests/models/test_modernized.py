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


def test_without_a_word_it_is_a_resnet20_of_colour_images_with_ten_classes():
    # He et al. 2015, table 6: 0.27 million. Stem, stages and head: 464 + 14,016 + 51,072 + 203,520 + 650.
    assert complexity.count_parameters(modernized(0)) == 269_722
    assert modernized(0)(torch.rand(2, 3, 32, 32)).shape == (2, 10)


def reached(step, *, width=8, stride=1, places=slice(None)):
    """Whether the branch of a block asks each pixel of an image of 8 x 8 for some places of its answer."""
    torch.manual_seed(0)
    branch = ModernizedBlock(width, width, stride, step=step).branch.eval()
    x = torch.rand(1, width, 8, 8, requires_grad=True)
    out = branch(x)
    (out * torch.rand_like(out))[:, :, places, places].sum().backward()
    return x.grad.abs().sum(dim=(0, 1)) > 0


def test_a_block_looks_at_five_pixels_with_two_windows_of_three_or_with_one_of_five():
    sides = [reached(step, places=slice(4, 5)).any(dim=0).sum().item() for step in range(len(STEPS))]
    assert sides == [5, 3, 3, 5, 5, 5, 5, 5]


@pytest.mark.parametrize("step", range(len(STEPS)))
def test_a_block_that_halves_the_image_drops_no_pixel_unseen(step):
    """A 1x1 convolution with a stride would look at a quarter of them."""
    assert reached(step, stride=2).all()


@pytest.mark.parametrize(
    ("window", "message"),
    [(4, "window must be odd, so that it has a middle, got 4"), (1, "window must be at least 3, got 1"),
     (0, "window must be at least 3, got 0")],
)  # fmt: skip
def test_a_window_without_a_middle_or_without_neighbours_is_refused(window, message):
    with pytest.raises(ValueError, match=message):
        ModernizedBlock(4, 4, step=0, window=window)
