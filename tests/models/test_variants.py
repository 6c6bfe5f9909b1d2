"""The block's relatives against torchvision's, and against the identities that they stand for."""

import pytest
import torch
import torchvision
from test_blocks import torchvision_downsample
from torch import nn
from torchvision.models import resnet as published

from resnet_utils import models
from resnet_utils.models import blocks, variants

RELATIVES = [  # ours, and what torchvision calls groups and base_width
    (variants.GroupedBottleneck, 32, 4),
    (variants.WideBottleneck, 1, 128),
]


@pytest.mark.parametrize(("block_type", "groups", "base_width"), RELATIVES)
@pytest.mark.parametrize(("in_channels", "stride"), [(256, 1), (64, 1), (64, 2)])
def test_bottleneck_relative_is_torchvisions_after_a_step(
    block_type, groups, base_width, in_channels, stride
):
    torch.manual_seed(0)
    downsample = torchvision_downsample(in_channels, 256, stride)
    theirs = published.Bottleneck(in_channels, 64, stride, downsample, groups, base_width).double()
    ours = block_type(in_channels, 64, stride).double()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.rand(3, in_channels, 9, 7, dtype=torch.float64)
    outs = []
    for block in (ours, theirs):
        optimizer = torch.optim.SGD(block.parameters(), lr=0.1)
        outs.append(block(x.clone()))
        outs[-1].square().mean().backward()
        optimizer.step()
    assert torch.equal(*outs)
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-12, atol=1e-12, msg=name)  # same operations
    for (name, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12, msg=name)


def test_grouped_convolution_is_as_many_small_convolutions_side_by_side():
    torch.manual_seed(0)
    conv = variants.GroupedBottleneck(256, 64).double().conv2
    x = torch.rand(2, 128, 5, 6, dtype=torch.float64)
    pieces = zip(x.chunk(32, dim=1), conv.weight.chunk(32), strict=True)  # 4 channels in, 4 out
    small = [nn.functional.conv2d(part, weight, padding=1) for part, weight in pieces]
    torch.testing.assert_close(conv(x), torch.cat(small, dim=1), rtol=1e-12, atol=1e-12)


def test_too_narrow_for_its_groups_is_refused():
    with pytest.raises(ValueError, match="width must be at least 16, got 8"):
        variants.GroupedBottleneck(32, 8)


def test_squeeze_and_excitation_is_torchvisions_to_the_bit():
    torch.manual_seed(0)
    theirs = torchvision.ops.SqueezeExcitation(32, 2)
    ours = variants.SqueezeExcite(32)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.rand(3, 32, 5, 7, requires_grad=True)
    assert torch.equal(ours(x), theirs(x))
    gradients = [torch.autograd.grad(module(x).square().sum(), x)[0] for module in (ours, theirs)]
    assert torch.equal(*gradients)


def test_squeeze_and_excitation_multiplies_each_channel_by_one_number_below_one():
    torch.manual_seed(0)
    x = 1 + torch.rand(2, 32, 5, 7)
    scale = variants.SqueezeExcite(32)(x) / x
    torch.testing.assert_close(scale, scale[:, :, :1, :1].expand_as(scale))
    assert ((scale > 0) & (scale < 1)).all()


def test_se_block_adds_a_scaled_branch():
    torch.manual_seed(0)
    block = variants.SEBlock(16, 32, 2).double()
    x = torch.rand(3, 16, 7, 7, dtype=torch.float64)
    branch = blocks.BasicBlock.branch(block, x)
    wanted = torch.relu(block.se(branch) + block.downsample(x))
    torch.testing.assert_close(block(x), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("channels", "reduction", "words"),
    [
        (24, 16, "channels must be a multiple of reduction, got 24 and 16"),
        (16, 0, "reduction must be at least 1, got 0"),
        (0, 1, "channels must be at least 1, got 0"),
    ],
)
def test_reduction_that_does_not_divide_the_channels_is_refused(channels, reduction, words):
    with pytest.raises(ValueError, match=words):
        variants.SqueezeExcite(channels, reduction=reduction)


@pytest.mark.parametrize("drop", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("training", [True, False])
def test_stochastic_depth_is_torchvisions_to_the_bit(drop, training):
    x = torch.rand(64, 3, 2, 2)
    outs = []
    for module in (variants.StochasticDepth(drop), torchvision.ops.StochasticDepth(drop, "row")):
        torch.manual_seed(5)
        outs.append(module.train(training)(x))
    assert torch.equal(*outs)


def test_mean_over_the_draws_is_the_branch():
    torch.manual_seed(0)
    x = torch.ones(40_000, 1)
    mean = variants.StochasticDepth(0.3)(x).mean().item()
    assert mean == pytest.approx(1, abs=0.02)  # standard error sqrt(0.3 / 0.7 / 40,000) = 0.0033


def test_dropped_block_is_a_basic_block_in_eval_and_drops_whole_branches_in_training():
    torch.manual_seed(0)
    block = variants.DroppedBlock(8, 8, drop=0.5)
    x = torch.rand(64, 8, 5, 5)
    is_identity = (block(x) == x).flatten(1).all(dim=1)
    assert 15 < is_identity.sum() < 49  # 32 expected, standard deviation 4
    plain = blocks.BasicBlock(8, 8)
    plain.load_state_dict(block.state_dict())
    assert torch.equal(block.eval()(x), plain.eval()(x))


@pytest.mark.parametrize("drop", [-0.1, 1, 1.5])
def test_share_of_dropped_branches_outside_zero_to_one_is_refused(drop):
    with pytest.raises(ValueError, match="drop must be at least 0 and below 1"):
        variants.DroppedBlock(8, 8, drop=drop)


@pytest.mark.parametrize("side", [31, 32, 224])
def test_stem_d_gives_the_shape_of_the_seven_by_seven(side):
    x = torch.rand(1, 3, side, side + 1)
    assert variants.stem_d()(x).shape == blocks.conv(3, 64, 7, stride=2)(x).shape


def test_stem_d_has_the_channels_of_the_paper():
    shapes = [tuple(m.weight.shape) for m in variants.stem_d() if isinstance(m, nn.Conv2d)]
    assert shapes == [(32, 3, 3, 3), (32, 32, 3, 3), (64, 32, 3, 3)]  # He et al. 2018, section 4.2


@pytest.mark.parametrize("width", [0, 7, -2])
def test_stem_d_of_odd_width_is_refused(width):
    with pytest.raises(ValueError, match="width must be a positive even number"):
        variants.stem_d(width=width)


@pytest.mark.parametrize("side", range(1, 12))
def test_shortcut_d_fits_the_branch_at_every_size(side):
    block = blocks.BasicBlock(4, 6, 2, shortcut="D")
    assert block(torch.rand(2, 4, side, side + 1)).shape == (2, 6, (side + 1) // 2, side // 2 + 1)


def test_shortcut_d_averages_before_it_projects():
    torch.manual_seed(0)
    shortcut = blocks.make_shortcut(4, 6, 2, shortcut="D").eval()
    x = torch.rand(2, 4, 6, 8)
    means = x.unfold(2, 2, 2).unfold(3, 2, 2).mean(dim=(-2, -1))  # (2, 4, 3, 4)
    torch.testing.assert_close(shortcut(x), shortcut[2](shortcut[1](means)))  # float32, another order of sums


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (1, 5, 9, 7), (2, 1, 2, 3)])
def test_blur_pool_is_timms(shape):
    timm_layers = pytest.importorskip("timm.layers")
    x = torch.randn(shape)
    theirs = timm_layers.BlurPool2d(shape[1], filt_size=3, stride=2)
    torch.testing.assert_close(variants.BlurPool()(x), theirs(x), rtol=1e-6, atol=1e-6)


def test_blur_pool_takes_a_checkerboard_for_grey_where_a_stride_takes_it_for_white():
    board = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat(4, 4)[None, None]
    assert torch.equal(board[:, :, ::2, ::2], torch.ones(1, 1, 4, 4))
    assert torch.equal(variants.BlurPool()(board), torch.full((1, 1, 4, 4), 0.5))


def test_blurred_block_keeps_the_shapes_of_a_basic_block_and_its_parameters():
    for in_channels, stride, side in ((8, 1, 9), (8, 2, 9), (8, 2, 10), (16, 2, 7)):
        plain = blocks.BasicBlock(in_channels, 16, stride)
        blurred = variants.BlurredBlock(in_channels, 16, stride)
        x = torch.rand(2, in_channels, side, side)
        assert blurred(x).shape == plain(x).shape
        assert [p.shape for p in blurred.parameters()] == [p.shape for p in plain.parameters()]


def test_group_norm_judges_each_image_alone_and_has_no_mode():
    torch.manual_seed(0)
    model = variants.group_norm(models.build("resnet20", 10), groups=4)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    x = torch.randn(6, 3, 32, 32)
    torch.testing.assert_close(model.train()(x)[:1], model(x[:1]), rtol=1e-4, atol=1e-5)  # float32 sums
    assert torch.equal(model.train()(x), model.eval()(x))
    still = variants.group_norm(models.build("resnet20", 10).eval(), groups=4)
    assert not any(module.training for module in still.modules()), "the mode is left as it came"
    assert model.state_dict().keys() == {
        name
        for name in models.build("resnet20", 10).state_dict()
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    }


def test_group_norm_that_does_not_divide_the_channels_is_refused_and_nothing_changed():
    model = models.build("resnet20", 10)
    with pytest.raises(
        ValueError, match=r"3 groups do not divide the channels of every layer: \[16, 32, 64\]"
    ):
        variants.group_norm(model, groups=3)
    assert isinstance(model.bn1, nn.BatchNorm2d)
    with pytest.raises(ValueError, match="no BatchNorm2d in this Linear"):
        variants.group_norm(nn.Linear(2, 2))


def test_standardized_weights_have_mean_zero_and_variance_one_and_can_be_kept():
    torch.manual_seed(0)
    model = variants.standardize_weights(blocks.BasicBlock(8, 16, 2)).eval()
    weight = model.conv1.weight
    assert torch.allclose(weight.mean(dim=(1, 2, 3)), torch.zeros(16), atol=1e-6)
    assert torch.allclose(weight.var(dim=(1, 2, 3), correction=0), torch.ones(16), atol=0.01)  # eps
    x = torch.rand(2, 8, 6, 6)
    wanted = model(x)
    for conv in (model.conv1, model.conv2, model.downsample[0]):
        nn.utils.parametrize.remove_parametrizations(conv, "weight")
    assert torch.equal(model(x), wanted)
    assert model.state_dict().keys() == blocks.BasicBlock(8, 16, 2).state_dict().keys()


def test_standardized_weights_do_not_see_the_size_of_what_is_learned():
    torch.manual_seed(0)
    model = variants.standardize_weights(nn.Conv2d(3, 4, 3, bias=False).double())
    x = torch.rand(1, 3, 5, 5, dtype=torch.float64)
    before = model(x)
    with torch.no_grad():
        model.parametrizations.weight.original.mul_(100).add_(7)
    torch.testing.assert_close(model(x), before, rtol=1e-3, atol=1e-3)  # eps against a variance of 0.01


@pytest.mark.parametrize("twice", [False, True])
def test_weights_that_cannot_be_standardized_are_refused(twice):
    model = variants.standardize_weights(nn.Conv2d(3, 4, 3)) if twice else nn.Linear(2, 2)
    with pytest.raises(ValueError, match="no convolution with plain weights"):
        variants.standardize_weights(model)
