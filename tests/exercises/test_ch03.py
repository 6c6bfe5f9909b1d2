"""The checkers of chapter 3 accept right answers in any form and refuse wrong ones without a leak."""

from __future__ import annotations

import copy
import inspect

import numpy as np
import pytest
import torch
from torch import nn

from resnet_utils.exercises import ch03
from resnet_utils.models import blocks, preactivation

SHAPES = {
    "a": (2, 64, 56, 56),
    "b": (2, 128, 28, 28),
    "c": (2, 128, 28, 28),
    "d": (2, 128, 4, 4),
    "e": (2, 128, 4, 4),
    "f": (2, 64, 54, 54),
}


def layer():
    return nn.Conv2d(8, 8, 3, padding=1)


def two_layers():
    return nn.Sequential(layer(), nn.ReLU(), layer())


def normed():
    return nn.Sequential(blocks.conv(8, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), blocks.conv(8, 8, 3))


def silent():
    branch = two_layers()
    for p in branch[2].parameters():
        nn.init.zeros_(p)
    return branch


def price(in_channels, width, stride):
    out = 4 * width
    own = in_channels * width + 9 * width**2 + width * out + 2 * (2 * width + out)
    return own + (in_channels * out + 2 * out if stride != 1 or in_channels != out else 0)


def price_by_building(in_channels, width, stride):
    return np.int64(sum(p.numel() for p in blocks.Bottleneck(in_channels, width, stride).parameters()))


def convolutions_only(in_channels, width, stride):
    return sum(p.numel() for p in blocks.Bottleneck(in_channels, width, stride).parameters() if p.ndim == 4)


class Repaired(blocks.BasicBlock):
    def forward(self, x):
        out = torch.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return torch.relu(out + (x if self.downsample is None else self.downsample(x)))


class FirstNormTwice(blocks.BasicBlock):
    def forward(self, x):
        out = torch.relu(self.bn1(self.conv1(x)))
        out = torch.relu(self.bn1(self.conv2(out)))
        return out + (x if self.downsample is None else self.downsample(x))


class NormAfterAddition(blocks.BasicBlock):
    def forward(self, x):
        out = self.conv2(torch.relu(self.bn1(self.conv1(x))))
        return torch.relu(self.bn2(out + (x if self.downsample is None else self.downsample(x))))


def without_projection_norm(in_channels, width, stride):
    block = blocks.BasicBlock(in_channels, width, stride)
    if block.downsample is not None:
        block.downsample = block.downsample[0]
    return block


def alone_and_in_company(block, x):
    return torch.allclose(block(x[:1]), block(x)[:1])


def good_test(make_block):
    for in_channels, stride in ((16, 1), (8, 2)):
        theirs = ch03.trusted_block("BasicBlock", in_channels, 16, stride)
        x = torch.rand(4, in_channels, 9, 7)
        assert not ch03.rows_that_differ(make_block(in_channels, 16, stride), theirs, x)
        assert alone_and_in_company(make_block(in_channels, 16, stride).eval(), x)


def test_through_a_container(make_block):
    """The same, but eval() is called on a network that holds the block, so it arrives as train(False)."""
    for in_channels, stride in ((16, 1), (8, 2)):
        theirs = ch03.trusted_block("BasicBlock", in_channels, 16, stride)
        x = torch.rand(4, in_channels, 9, 7)
        if ch03.rows_that_differ(make_block(in_channels, 16, stride), theirs, x):
            raise AssertionError("another block")
        assert alone_and_in_company(nn.Sequential(make_block(in_channels, 16, stride)).eval(), x)


test_through_a_container.__test__ = False  # an answer to an exercise, not a test of ours


def one_step_only(make_block):
    theirs, x = ch03.trusted_block("BasicBlock", 8, 16, 2), torch.rand(4, 8, 9, 7)
    assert not ch03.rows_that_differ(make_block(8, 16, 2), theirs, x)


def shapes_only(make_block):
    assert make_block(8, 16, 2)(torch.rand(2, 8, 9, 7)).shape == (2, 16, 5, 4)


def refuses_all(make_block):
    raise AssertionError("no")


def stumbles(make_block):
    return make_block(8, 16, 2)(torch.rand(2, 3, 9, 7))


def option_a(x, out_channels, stride):
    kept = x[:, :, ::stride, ::stride]
    new = out_channels - x.shape[1]
    return nn.functional.pad(kept, (0, 0, 0, 0, new // 2, new - new // 2))


def option_a_by_copying(x, out_channels, stride):
    kept = x[:, :, ::stride, ::stride]
    out = torch.zeros(len(x), out_channels, *kept.shape[2:], dtype=torch.float32)
    first = (out_channels - x.shape[1]) // 2
    out[:, first : first + x.shape[1]] = kept
    return out


def zeros_behind(x, out_channels, stride):
    return nn.functional.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, 0, out_channels - x.shape[1]))


def pixels_from_one(x, out_channels, stride):
    return option_a(x.roll((-1, -1), (2, 3)), out_channels, stride)


def no_new_channels(x, out_channels, stride):
    return x[:, :, ::stride, ::stride]


def projection(in_channels, out_channels, stride):
    weights = nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)
    return nn.Sequential(weights, nn.BatchNorm2d(out_channels))


def projection_of_the_package(in_channels, out_channels, stride):
    return blocks.make_shortcut(in_channels, out_channels, stride, shortcut="B")


def biased_projection(in_channels, out_channels, stride):
    weights = nn.Conv2d(in_channels, out_channels, 1, stride=stride)
    return nn.Sequential(weights, nn.BatchNorm2d(out_channels))


def pair(in_channels, width):
    return nn.Sequential(blocks.conv(in_channels, width, 3), nn.BatchNorm2d(width))


class Pair(nn.Module):
    def __init__(self, in_channels, width):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, width, 3, padding="same", bias=False)
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x):
        return self.bn(self.conv(x))


def by_argument(in_channels, width):
    return nn.Conv2d(in_channels, width, 3, padding=1, batch_normalization=True)


def with_bias(in_channels, width):
    return nn.Sequential(nn.Conv2d(in_channels, width, 3, padding=1), nn.BatchNorm2d(width))


def norm_first(in_channels, width):
    return nn.Sequential(nn.BatchNorm2d(in_channels), blocks.conv(in_channels, width, 3))


def scale_and_shift(bn):
    scale = bn.weight / (bn.running_var + bn.eps).sqrt()
    return scale.detach(), (bn.bias - scale * bn.running_mean).detach()


def fold(conv, bn):
    scale, shift = scale_and_shift(bn)
    folded = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding)
    folded.weight.data = conv.weight.data * scale[:, None, None, None]
    folded.bias.data = shift
    return folded


def folded_with(fold_pair, block, *, projection=True):
    folded = copy.deepcopy(block)
    folded.conv1, folded.bn1 = fold_pair(block.conv1, block.bn1), nn.Identity()
    folded.conv2, folded.bn2 = fold_pair(block.conv2, block.bn2), nn.Identity()
    if projection and block.downsample is not None:
        folded.downsample = fold_pair(*block.downsample)
    return folded


class Affine(nn.Module):
    """A BatchNorm under another name: it folds nothing."""

    def __init__(self, bn):
        super().__init__()
        self.scale, self.shift = scale_and_shift(bn)

    def forward(self, x):
        return x * self.scale[:, None, None] + self.shift[:, None, None]


def fold_in_place(block):
    for conv, bn in (("conv1", "bn1"), ("conv2", "bn2")):
        setattr(block, conv, fold(getattr(block, conv), getattr(block, bn)))
        setattr(block, bn, nn.Identity())
    if block.downsample is not None:
        block.downsample = fold(*block.downsample)
    return block


def with_torch(block):
    return folded_with(torch.nn.utils.fuse_conv_bn_eval, block)


def with_norms_dropped(block):
    return folded_with(lambda conv, bn: copy.deepcopy(conv), block)


def with_affine(block):
    return folded_with(lambda conv, bn: nn.Sequential(conv, Affine(bn)), block)


SLEEPERS = [
    "conv1.weight",
    "bn1.weight",
    "bn1.bias",
    "conv2.weight",
    "bn2.weight",
    "bn2.bias",
    "conv3.weight",
]


def early_relu():
    return preactivation.OrderedBlock(16, 16, order="ReLU before addition")


ONE_RELU = preactivation.Order("bn1", "conv1 bn2 relu conv2", "")


def grouped(x, weight, groups):
    pieces = zip(x.chunk(groups, dim=1), weight.chunk(groups), strict=True)
    return torch.cat([nn.functional.conv2d(a, w, padding=1) for a, w in pieces], dim=1)


def grouped_by_torch(x, weight, groups):
    return nn.functional.conv2d(x, weight, padding=1, groups=groups)


def grouped_by_a_full_kernel(x, weight, groups):
    """One convolution over all channels whose kernel is zero between the groups."""
    full, size = torch.zeros(len(weight), x.shape[1], 3, 3), weight.shape[1]
    for k in range(groups):
        rows = slice(k * len(weight) // groups, (k + 1) * len(weight) // groups)
        full[rows, k * size : (k + 1) * size] = weight[rows]
    return nn.functional.conv2d(x, full, padding=1)


def first_group_only(x, weight, groups):
    return nn.functional.conv2d(x[:, : weight.shape[1]], weight, padding=1)


def padding_forgotten(x, weight, groups):
    return nn.functional.conv2d(x, weight, groups=groups)


def expected(num_blocks):
    return (3 * num_blocks - 1) / 4


def expected_by_summing(num_blocks):
    return torch.tensor([1 - 0.5 * k / num_blocks for k in range(1, num_blocks + 1)]).sum()


def group_norm_by_hand(x, groups):
    grouped = x.reshape(len(x), groups, -1)
    grouped = grouped - grouped.mean(dim=2, keepdim=True)
    return (grouped / grouped.square().mean(dim=2, keepdim=True).sqrt()).reshape(x.shape)


def accumulated(model, images, labels, most):
    for part, wanted in zip(images.split(most), labels.split(most), strict=True):
        loss = nn.functional.cross_entropy(model(part), wanted)
        (loss * len(part) / len(images)).backward()


def accumulated_by_one(model, images, labels, most):
    for image, label in zip(images, labels, strict=True):
        nn.functional.cross_entropy(model(image[None]), label[None], reduction="sum").backward()
    for p in model.parameters():
        p.grad /= len(images)


def summed_means(model, images, labels, most):
    for part, wanted in zip(images.split(most), labels.split(most), strict=True):
        nn.functional.cross_entropy(model(part), wanted).backward()


def mean_of_means(model, images, labels, most):
    parts = list(zip(images.split(most), labels.split(most), strict=True))
    for part, wanted in parts:
        (nn.functional.cross_entropy(model(part), wanted) / len(parts)).backward()


def whole_at_once(model, images, labels, most):
    nn.functional.cross_entropy(model(images), labels).backward()


def last_part_only(model, images, labels, most):
    nn.functional.cross_entropy(model(images[-most:]), labels[-most:]).backward()


def accumulated_and_stepped(model, images, labels, most):
    accumulated(model, images, labels, most)
    torch.optim.SGD(model.parameters(), lr=0.1).step()


RIGHT = [
    (ch03.check_shapes, (SHAPES,)),
    (ch03.check_shapes, ({key: list(shape) for key, shape in SHAPES.items()},)),
    (ch03.check_shapes, ({key: torch.tensor(shape) for key, shape in SHAPES.items()},)),
    (ch03.check_shapes, ({key: np.array(shape) for key, shape in SHAPES.items()},)),
    (ch03.check_shapes, ({key: torch.Size(shape) for key, shape in SHAPES.items()},)),
    (ch03.check_branch, (two_layers(),)),
    (ch03.check_branch, (two_layers().double(),)),
    (ch03.check_branch, (normed().eval(),)),
    (ch03.check_branch, (lambda x: torch.relu(x) + 0.5 * x,)),
    (ch03.check_price, (price,)),
    (ch03.check_price, (price_by_building,)),
    (ch03.check_price, (lambda *shape: float(price(*shape)),)),
    (ch03.check_repaired, (Repaired,)),
    (ch03.check_repaired, (blocks.BasicBlock,)),
    (ch03.check_repaired, (lambda *shape: preactivation.OrderedBlock(*shape).float(),)),
    (ch03.check_test, (good_test,)),
    (ch03.check_test, (test_through_a_container,)),
    (ch03.check_join, (torch.add,)),
    (ch03.check_join, (lambda x, f: f + x,)),
    (ch03.check_join, (lambda x, f: f.add_(x),)),
    (ch03.check_join, (lambda x, f: (x + f).float(),)),
    (ch03.check_option_a, (option_a,)),
    (ch03.check_option_a, (option_a_by_copying,)),
    (ch03.check_projection, (projection,)),
    (ch03.check_projection, (projection_of_the_package,)),
    (ch03.check_projection, (lambda *shape: projection(*shape).float(),)),
    (ch03.check_pair, (pair,)),
    (ch03.check_pair, (Pair,)),
    (ch03.check_folded, (lambda block: folded_with(fold, block),)),
    (ch03.check_folded, (with_torch,)),
    (ch03.check_asleep, (SLEEPERS,)),
    (ch03.check_asleep, (set(SLEEPERS),)),
    (ch03.check_asleep, ((name for name in reversed(SLEEPERS)),)),
    (ch03.check_can_subtract, (blocks.BasicBlock(16, 16),)),
    (ch03.check_can_subtract, (preactivation.PreActBlock(16, 16).eval().double(),)),
    (ch03.check_can_subtract, (lambda x: x + torch.rand(x.shape) - 0.5,)),
    (ch03.check_order, (ONE_RELU,)),
    (ch03.check_order, (list(ONE_RELU),)),
    (ch03.check_order, (("relu", "conv1 bn1 relu bn2 conv2", ""),)),
    (ch03.check_grouped, (grouped,)),
    (ch03.check_grouped, (grouped_by_torch,)),
    (ch03.check_grouped, (grouped_by_a_full_kernel,)),
    (ch03.check_expected, (expected,)),
    (ch03.check_expected, (expected_by_summing,)),
    (ch03.check_expected, (lambda n: np.float32(expected(n)),)),
    (ch03.check_group_norm, (lambda x, groups: nn.functional.group_norm(x, groups),)),
    (ch03.check_group_norm, (group_norm_by_hand,)),
    (ch03.check_group_norm, (lambda x, groups: nn.GroupNorm(groups, x.shape[1]).to(x)(x),)),
    (ch03.check_accumulated, (accumulated,)),
    (ch03.check_accumulated, (accumulated_by_one,)),
]
WRONG = [
    (ch03.check_shapes, (dict.fromkeys("abcdef"),), "no answer to a"),
    (ch03.check_shapes, (SHAPES | {"f": (2, 64, 56, 56)},), "f does not give (2, 64, 56, 56): look at H, W"),
    (ch03.check_shapes, (SHAPES | {"d": (2, 128, 3, 3)},), "d does not give"),
    (ch03.check_shapes, (SHAPES | {"b": (128, 28, 28)},), "has 3 parts"),
    (ch03.check_shapes, (SHAPES | {"b": "2, 128, 28, 28"},), "'2, 128, 28, 28'"),
    (ch03.check_shapes, (SHAPES | {"b": 128},), "b is 128"),
    (ch03.check_shapes, (SHAPES | {"b": (2, 128, None, 28)},), "None"),
    (ch03.check_shapes, (None,), "dictionary"),
    (ch03.check_shapes, (list(SHAPES.values()),), "dictionary"),
    (ch03.check_branch, (layer(),), "linear"),
    (ch03.check_branch, (nn.Sequential(layer(), nn.BatchNorm2d(8)),), "linear"),
    (ch03.check_branch, (nn.Sequential(layer(), layer()).float(),), "linear"),
    (ch03.check_branch, (two_layers()[:2],), "ends in a ReLU"),
    (ch03.check_branch, (silent(),), "silent"),
    (ch03.check_branch, (nn.Sequential(two_layers(), nn.MaxPool2d(2)),), "turns (4, 8, 6, 6) into"),
    (ch03.check_branch, (nn.Conv2d(4, 8, 3),), "stops with RuntimeError"),
    (ch03.check_branch, (None,), "None"),
    (ch03.check_price, (lambda i, w, s: 17 * w * w + 12 * w,), "without its projection"),
    (ch03.check_price, (convolutions_only,), "what does a BatchNorm learn"),
    (ch03.check_price, (lambda i, w, s: 0,), "too small"),
    (ch03.check_price, (lambda i, w, s: 2 * price(i, w, s),), "too large"),
    (ch03.check_price, (lambda i, w, s: None,), "is None"),
    (ch03.check_price, (lambda w: 1,), "stops with TypeError"),
    (ch03.check_price, (70_000,), "a function"),
    (ch03.check_repaired, (FirstNormTwice,), "differs in: output"),
    (ch03.check_repaired, (NormAfterAddition,), "differs in: output"),
    (ch03.check_repaired, (without_projection_norm,), "at stride 2 the block differs in: names"),
    (ch03.check_repaired, (lambda i, w, s: nn.Identity(),), "names"),
    (ch03.check_repaired, (lambda i, w, s: None,), "returned None"),
    (ch03.check_repaired, (blocks.BasicBlock(8, 8),), "stops with TypeError"),
    (ch03.check_repaired, (None,), "a function"),
    (ch03.check_test, (shapes_only,), "training mode"),
    (ch03.check_test, (one_step_only,), "lets bad blocks through: one that stays in training mode"),
    (ch03.check_test, (refuses_all,), "refuses the good block"),
    (ch03.check_test, (lambda make_block: True,), "without its shortcut"),
    (ch03.check_test, (stumbles,), "stops with RuntimeError"),
    (ch03.check_test, (None,), "a function"),
    (ch03.check_join, (lambda x, f: torch.cat([x, f], dim=1),), "8 channels became 16"),
    (ch03.check_join, (torch.maximum,), "says nothing"),
    (ch03.check_join, (lambda x, f: x * (1 + f),), "arrive unchanged"),
    (ch03.check_join, (lambda x, f: x + f + x * f,), "must not depend on x"),
    (ch03.check_join, (lambda x, f: (x + f).mean(dim=1),), "became one of"),
    (ch03.check_join, (lambda x, f: 0.0,), "returned 0.0"),
    (ch03.check_join, ("add",), "'add'"),
    (ch03.check_option_a, (zeros_behind,), "half in front"),
    (ch03.check_option_a, (pixels_from_one,), "other pixels"),
    (ch03.check_option_a, (no_new_channels,), "number of channels"),
    (ch03.check_option_a, (lambda x, out_channels, stride: x,), "the shape"),
    (ch03.check_option_a, (lambda x, out_channels, stride: None,), "returned None"),
    (ch03.check_option_a, (blocks.PadShortcut(4, 8, 2),), "stops with TypeError"),
    (ch03.check_projection, (lambda i, o, s: nn.Conv2d(i, o, 1, stride=s),), "no BatchNorm"),
    (ch03.check_projection, (biased_projection,), "has a bias"),
    (ch03.check_projection, (lambda i, o, s: projection(i, o, 1),), "not into the branch's shape"),
    (
        ch03.check_projection,
        (lambda i, o, s: nn.Sequential(blocks.conv(i, o, 3, stride=s), nn.BatchNorm2d(o)),),
        "single pixels",
    ),
    (ch03.check_projection, (lambda i, o, s: nn.Sequential(projection(i, o, s)),), "do not load"),
    (ch03.check_projection, (lambda i, o, s: None,), "returned None"),
    (ch03.check_projection, (None,), "a function"),
    (ch03.check_pair, (by_argument,), "no such argument"),
    (ch03.check_pair, (with_bias,), "has a bias"),
    (ch03.check_pair, (norm_first,), "behind the convolution"),
    (ch03.check_pair, (lambda i, w: blocks.conv(i, w, 3),), "no BatchNorm"),
    (ch03.check_pair, (lambda i, w: nn.BatchNorm2d(i),), "no convolution"),
    (ch03.check_pair, (lambda i, w: pair(i, i),), "8 -> 16"),
    (ch03.check_pair, (lambda i, w: None,), "returned None"),
    (ch03.check_pair, (None,), "a function"),
    (ch03.check_folded, (lambda block: folded_with(fold, block, projection=False),), "downsample.1"),
    (ch03.check_folded, (with_norms_dropped,), "another output"),
    (ch03.check_folded, (with_affine,), "still computes"),
    (ch03.check_folded, (copy.deepcopy,), "still a BatchNorm"),
    (ch03.check_folded, (fold_in_place,), "handed in must stay"),
    (ch03.check_folded, (lambda block: None,), "returned None"),
    (ch03.check_folded, (lambda: None,), "stops with TypeError"),
    (ch03.check_asleep, (["conv1.weight", "conv2.weight"],), "not all that sleep"),
    (ch03.check_asleep, ([*SLEEPERS, "bn3.weight"],), "do get a gradient"),
    (ch03.check_asleep, (["conv4.weight"],), "conv4.weight"),
    (ch03.check_asleep, ([],), "not all"),
    (ch03.check_asleep, ("conv1.weight",), "'conv1.weight'"),
    (ch03.check_asleep, ([None],), "None"),
    (ch03.check_asleep, (None,), "None"),
    (ch03.check_can_subtract, (early_relu(),), "no activation became smaller"),
    (ch03.check_can_subtract, (lambda x: x * 0.5,), "no activation became larger"),
    (ch03.check_can_subtract, (blocks.BasicBlock(16, 32, 2),), "turns"),
    (ch03.check_can_subtract, (blocks.BasicBlock(8, 8),), "stops with RuntimeError"),
    (ch03.check_can_subtract, (None,), "None"),
    (ch03.check_order, (preactivation.Order("bn1", "conv1 conv2 bn2", ""),), "no ReLU"),
    (ch03.check_order, (preactivation.Order("bn1 relu", "conv1 bn2 conv2", ""),), "no ReLU"),
    (
        ch03.check_order,
        (preactivation.Order("", "bn1 relu conv1 bn2 relu conv2", ""),),
        "belongs into `entry`",
    ),
    (ch03.check_order, (preactivation.ORDERS["original"],), "one of the five"),
    (ch03.check_order, (("", " conv1 bn1 relu  conv2 bn2", "relu"),), "one of the five"),
    (ch03.check_order, (("bn1", "conv1 relu bn2 conv2 relu", ""),), "can only add"),
    (ch03.check_order, (("bn1", "conv1 bn2 relu conv2", "relu"),), "changes its input"),
    (ch03.check_order, (("bn1", "conv1 relu conv2", ""),), "once"),
    (ch03.check_order, (("bn1", "conv1 gelu bn2 conv2", ""),), "gelu"),
    (ch03.check_order, (("bn1", "conv1 bn2 relu", "conv2"),), "into the branch"),
    (ch03.check_order, ("bn1 conv1 bn2 relu conv2",), "'bn1 conv1"),
    (ch03.check_order, (None,), "None"),
    (ch03.check_grouped, (first_group_only,), "other values"),
    (ch03.check_grouped, (padding_forgotten,), "not that of x"),
    (ch03.check_grouped, (lambda x, weight, groups: nn.functional.conv2d(x, weight, padding=1),), "stops"),
    (ch03.check_grouped, (lambda x, weight, groups: x,), "other values"),
    (ch03.check_grouped, (lambda x, weight, groups: None,), "returned None"),
    (ch03.check_grouped, (3,), "a function"),
    (ch03.check_expected, (lambda n: n / 2,), "too few"),
    (ch03.check_expected, (lambda n: 3 * n / 4,), "1 blocks"),
    (ch03.check_expected, (lambda n: n,), "too many"),
    (ch03.check_expected, (lambda n: "many",), "'many'"),
    (ch03.check_expected, (lambda n: torch.ones(2),), "shape (2,)"),
    (ch03.check_expected, (40.25,), "a function"),
    (
        ch03.check_group_norm,
        (lambda x, groups: nn.functional.batch_norm(x, None, None, training=True),),
        "company",
    ),
    (ch03.check_group_norm, (lambda x, groups: nn.functional.group_norm(x, 1),), "the mean of a group"),
    (ch03.check_group_norm, (lambda x, groups: nn.functional.instance_norm(x),), "other values"),
    (ch03.check_group_norm, (lambda x, groups: x - x.mean(dim=(2, 3), keepdim=True),), "variance"),
    (ch03.check_group_norm, (lambda x, groups: x.flatten(1),), "not that of x"),
    (ch03.check_group_norm, (lambda x: x,), "stops with TypeError"),
    (ch03.check_group_norm, (None,), "a function"),
    (ch03.check_accumulated, (summed_means,), "2 times as long"),
    (ch03.check_accumulated, (mean_of_means,), "7 images, 3 at a time: another gradient"),
    (ch03.check_accumulated, (whole_at_once,), "8 images at once"),
    (ch03.check_accumulated, (last_part_only,), "the model saw 4 images"),
    (ch03.check_accumulated, (accumulated_and_stepped,), "the weights were moved"),
    (ch03.check_accumulated, (lambda model, images, labels, most: None,), "was not run"),
    (ch03.check_accumulated, (lambda model: None,), "stops with TypeError"),
    (ch03.check_accumulated, (4,), "a function"),
]
SECRETS = {
    ch03.check_shapes: ["(2, 128, 28, 28)", "(2, 128, 4, 4)", "(2, 64, 54, 54)", "54"],
    ch03.check_price: [f"{price(*shape):{comma}}" for shape in ch03.PRICED for comma in ("", ",")],
    ch03.check_repaired: ["bn2"],
    ch03.check_test: ["rows_that_differ", "eval("],
    ch03.check_option_a: ["::stride", "pad(", "(new // 2"],
    ch03.check_projection: ["bias=False"],
    ch03.check_pair: ["bias=False"],
    ch03.check_folded: ["running_var", "fuse_conv"],
    ch03.check_asleep: ["bn2.bias", "bn1.weight", "conv3.weight"],
    ch03.check_order: ["conv1 bn2 relu conv2"],
    ch03.check_grouped: ["chunk"],
    ch03.check_expected: ["40.25", "(3"],
    ch03.check_group_norm: ["view(", "group_norm"],
    ch03.check_accumulated: ["len(", 'sum"'],
    ch03.check_join: ["x + f", "torch.add"],
}
CHECKERS = [
    function for name, function in inspect.getmembers(ch03, inspect.isfunction) if name[:6] == "check_"
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("check", CHECKERS, ids=lambda check: check.__name__)
def test_random_state_and_default_dtype_are_left_as_they_were(check, dtype):
    before = torch.get_default_dtype()
    rows = [row for row in RIGHT + WRONG if row[0] is check and not inspect.isgenerator(row[1][0])]
    try:
        torch.set_default_dtype(dtype)
        state = torch.get_rng_state()
        for row in rows:
            check(*row[1])
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.get_default_dtype() == dtype
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize("check", [ch03.check_branch, ch03.check_can_subtract])
def test_a_module_is_left_as_it_was(check):
    channels = 8 if check is ch03.check_branch else 16
    block = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(), blocks.conv(channels, channels, 3))
    before = copy.deepcopy(block.state_dict())
    check(block)
    assert block.training
    for name, value in block.state_dict().items():
        assert value.dtype == before[name].dtype
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("name", ["BasicBlock", "Bottleneck"])
@pytest.mark.parametrize("shape", [(16, 4, 1), (8, 4, 1), (8, 4, 2)])
def test_comparison_finds_nothing_between_a_block_and_its_twin(name, shape):
    theirs = ch03.trusted_block(name, *shape)
    ours = getattr(blocks, name)(*shape)
    assert ch03.rows_that_differ(ours, theirs, torch.rand(4, shape[0], 9, 7)) == []


def test_comparison_leaves_both_blocks_as_they_were():
    pair_of_blocks = blocks.BasicBlock(8, 8), ch03.trusted_block("BasicBlock", 8, 8)
    before = [copy.deepcopy(block.state_dict()) for block in pair_of_blocks]
    ch03.rows_that_differ(*pair_of_blocks, torch.rand(4, 8, 9, 7))
    for block, state in zip(pair_of_blocks, before, strict=True):
        assert all(torch.equal(value, state[name]) for name, value in block.state_dict().items())


@pytest.mark.parametrize(
    ("damage", "rows"),
    [
        (lambda b: setattr(b.bn1, "momentum", 0.01), ["buffers"]),
        (lambda b: b.downsample.register_forward_pre_hook(lambda m, a: (a[0].detach(),)), ["gradient at x"]),
        (lambda b: setattr(b, "downsample", b.downsample[:1]), ["names"]),
    ],
)
def test_comparison_finds_what_outputs_alone_would_miss(damage, rows):
    ours = blocks.BasicBlock(8, 16, 2)
    damage(ours)
    theirs = ch03.trusted_block("BasicBlock", 8, 16, 2)
    assert ch03.rows_that_differ(ours, theirs, torch.rand(4, 8, 9, 7)) == rows
