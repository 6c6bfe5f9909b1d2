"""Blocks against torchvision's, against identities, and against the formula they stand for."""

import copy

import pytest
import torch
from torch import nn
from torchvision.models import resnet as published

from resnet_utils.models import blocks, preactivation


def torchvision_downsample(in_channels, out_channels, stride):
    """The projection that torchvision puts where the shape changes, None elsewhere."""
    if stride == 1 and in_channels == out_channels:
        return None
    projection = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
    return nn.Sequential(projection, nn.BatchNorm2d(out_channels))


def torchvision_twin(block_type, in_channels, width, stride):
    """torchvision's block of the same shape, with a projection where the shape changes."""
    theirs = published.BasicBlock if block_type is blocks.BasicBlock else published.Bottleneck
    downsample = torchvision_downsample(in_channels, width * theirs.expansion, stride)
    return theirs(in_channels, width, stride, downsample)


CASES = [
    (blocks.BasicBlock, 8, 8, 1),
    (blocks.BasicBlock, 8, 16, 2),
    (blocks.Bottleneck, 16, 4, 1),
    (blocks.Bottleneck, 8, 4, 2),
]


@pytest.mark.parametrize(("block_type", "in_channels", "width", "stride"), CASES)
def test_block_equals_torchvisions_forward_backward_and_buffers(block_type, in_channels, width, stride):
    torch.manual_seed(0)
    ours = block_type(in_channels, width, stride).double()
    theirs = torchvision_twin(block_type, in_channels, width, stride).double()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.rand(3, in_channels, 9, 7, dtype=torch.float64)
    outs = []
    for block in (ours, theirs):
        out = block(x.clone())
        out.square().sum().backward()
        outs.append(out)
    assert torch.equal(*outs)
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(
            a.grad, b.grad, rtol=1e-12, atol=1e-12, msg=name
        )  # same operations, float64
    for (name, a), b in zip(ours.named_buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12, msg=name)


@pytest.mark.parametrize(("block_type", "in_channels", "width", "stride"), CASES)
@pytest.mark.parametrize("shortcut", blocks.SHORTCUTS)
def test_every_shortcut_gives_the_documented_shape(block_type, in_channels, width, stride, shortcut):
    block = block_type(in_channels, width, stride, shortcut=shortcut)
    out = block(torch.rand(2, in_channels, 8, 8))
    assert out.shape == (2, width * block_type.expansion, 8 // stride, 8 // stride)


def test_block_with_zeroed_last_scale_is_the_identity():
    block = blocks.BasicBlock(8, 8).eval()
    blocks.zero_last_scale(block)
    x = torch.rand(2, 8, 6, 6)  # non-negative, so the last relu changes nothing
    assert torch.equal(block(x), x)


def test_plain_block_is_the_relu_of_its_branch():
    torch.manual_seed(0)
    block = blocks.BasicBlock(4, 4, shortcut="none").eval()
    x = torch.randn(2, 4, 5, 5)
    assert torch.equal(block(x), torch.relu(block.branch(x)))


def test_residual_block_is_the_relu_of_branch_plus_input():
    torch.manual_seed(0)
    block = blocks.BasicBlock(4, 4).eval()
    x = torch.randn(2, 4, 5, 5)
    assert torch.equal(block(x), torch.relu(block.branch(x) + x))


@pytest.mark.parametrize("block_type", [blocks.BasicBlock, blocks.Bottleneck, preactivation.PreActBlock])
def test_block_leaves_its_input_as_it_came(block_type):
    x = torch.randn(2, 16, 4, 4)
    before = x.clone()
    block_type(16, 16 // block_type.expansion)(x)
    assert torch.equal(x, before)


def test_option_a_subsamples_and_pads_with_zeros_and_has_no_parameters():
    pad = blocks.PadShortcut(2, 6, 2)
    x = torch.rand(1, 2, 4, 4)
    out = pad(x)
    assert torch.equal(out[:, 2:4], x[:, :, ::2, ::2])
    assert out[:, :2].abs().sum() + out[:, 4:].abs().sum() == 0
    assert list(pad.parameters()) == []


def test_option_c_projects_even_where_the_shape_stays():
    assert blocks.BasicBlock(4, 4, shortcut="B").downsample is None
    assert isinstance(blocks.BasicBlock(4, 4, shortcut="C").downsample, nn.Sequential)


def test_published_v1_bottleneck_strides_in_its_first_convolution():
    v1 = blocks.Bottleneck(8, 4, 2, stride_on="1x1")
    assert (v1.conv1.stride, v1.conv2.stride) == ((2, 2), (1, 1))
    v15 = blocks.Bottleneck(8, 4, 2)
    assert (v15.conv1.stride, v15.conv2.stride) == ((1, 1), (2, 2))


def test_bottleneck_of_256_channels_has_the_69632_weights_of_the_paper_arithmetic():
    block = blocks.Bottleneck(256, 64)  # 256*64 + 9*64*64 + 64*256
    assert sum(m.weight.numel() for m in block.modules() if isinstance(m, nn.Conv2d)) == 69_632


def test_preactivation_block_passes_negative_values_through_its_shortcut():
    torch.manual_seed(0)
    block = preactivation.PreActBlock(4, 4).eval()
    with torch.no_grad():
        block.conv2.weight.zero_()
    x = torch.randn(2, 4, 5, 5)
    assert torch.equal(block(x), x)
    assert (x < 0).any()


def test_preactivation_block_matches_its_formula():
    torch.manual_seed(0)
    block = preactivation.PreActBlock(4, 6, 2).double()
    x = torch.randn(3, 4, 6, 6, dtype=torch.float64)
    twin = copy.deepcopy(block)
    activated = torch.relu(twin.bn1(x))
    branch = twin.conv2(torch.relu(twin.bn2(twin.conv1(activated))))
    torch.testing.assert_close(block(x), branch + twin.downsample(activated), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("block_type", [blocks.BasicBlock, blocks.Bottleneck, preactivation.PreActBlock])
@pytest.mark.parametrize("stride", [0, 3, -1])
def test_stride_other_than_one_or_two_is_refused(block_type, stride):
    with pytest.raises(ValueError, match=f"stride must be 1 or 2, got {stride}"):
        block_type(8, 8, stride)


def test_unknown_shortcut_is_refused_with_the_valid_ones():
    with pytest.raises(ValueError, match="must be one of A, B, C, D, none, got 'E'"):
        blocks.BasicBlock(8, 8, shortcut="E")


def test_unknown_place_of_the_stride_is_refused():
    with pytest.raises(ValueError, match="stride_on must be '1x1' or '3x3', got '7x7'"):
        blocks.Bottleneck(8, 8, stride_on="7x7")


def test_option_a_cannot_remove_channels():
    with pytest.raises(ValueError, match="can only add channels, got 8 -> 4"):
        blocks.BasicBlock(8, 4, shortcut="A")


def test_zeroing_the_last_scale_of_something_else_is_refused():
    with pytest.raises(TypeError, match="needs a BasicBlock or a Bottleneck, got Linear"):
        blocks.zero_last_scale(nn.Linear(2, 2))


def test_a_bottleneck_with_a_zeroed_end_is_its_shortcut_and_its_other_scales_stay():
    block = blocks.Bottleneck(16, 4)
    blocks.zero_last_scale(block)
    assert block.bn3.weight.abs().max() == 0
    for norm in (block.bn1, block.bn2):
        assert torch.equal(norm.weight, torch.ones(4))
    x = torch.rand(2, 16, 5, 5)  # not negative, so that the last ReLU changes nothing
    assert torch.equal(block.eval()(x), x)
