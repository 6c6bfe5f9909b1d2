"""The checkers of chapter 6: right answers in several forms are accepted, plausible wrong ones refused."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from resnet_utils.exercises import ch06


def overlap(a, b):
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    both = width * height
    return both / (sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - both)


def overlap_of_tensors(a, b):
    from torchvision.ops import box_iou

    return box_iou(torch.tensor([a], dtype=torch.float32), torch.tensor([b], dtype=torch.float32))


def overlap_with_negative_sides(a, b):
    both = (min(a[2], b[2]) - max(a[0], b[0])) * (min(a[3], b[3]) - max(a[1], b[1]))
    return both / (sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - both)


def overlap_over_the_sum(a, b):
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    return width * height / sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))


def overlap_with_pixels_at_both_ends(a, b):
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]) + 1)
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]) + 1)
    both = width * height
    return both / (sum((box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)) - both)


def affine(norm):
    factor = norm.weight / (norm.running_var + norm.eps).sqrt()
    return factor, norm.bias - factor * norm.running_mean


def affine_by_probing(norm):
    zero, one = torch.zeros(1, 3, 1, 1).double(), torch.ones(1, 3, 1, 1).double()
    with torch.no_grad():
        summand = norm(zero).flatten()
        return [norm(one).flatten() - summand, summand]


def affine_without_epsilon(norm):
    factor = norm.weight / norm.running_var.sqrt()
    return factor, norm.bias - factor * norm.running_mean


def affine_with_the_mean_forgotten(norm):
    return norm.weight / (norm.running_var + norm.eps).sqrt(), norm.bias


def mean_iou(counts):
    right = counts.diagonal()
    return (right / (counts.sum(dim=0) + counts.sum(dim=1) - right)).mean()


def mean_iou_by_loops(counts):
    table = counts.tolist()
    shares = []
    for k in range(len(table)):
        union = sum(table[k]) + sum(row[k] for row in table) - table[k][k]
        shares.append(table[k][k] / union)
    return sum(shares) / len(shares)


def as_plane(line):
    plane = nn.Conv2d(
        line.in_channels, line.out_channels, (1, line.kernel_size[0]), (1, line.stride[0]),
        (0, line.padding[0]), bias=line.bias is not None,
    ).double()  # fmt: skip
    with torch.no_grad():
        plane.weight.copy_(line.weight[:, :, None])
        if line.bias is not None:
            plane.bias.copy_(line.bias)
    return plane


def as_tall_plane(line):
    plane = nn.Conv2d(line.in_channels, line.out_channels, (line.kernel_size[0], 1), bias=False)
    return plane


def as_square(line):
    sizes = line.kernel_size[0], line.stride[0], line.padding[0]
    return nn.Conv2d(line.in_channels, line.out_channels, *sizes)


def share_of_each_class(counts):
    return counts.diagonal() / (counts.sum(dim=0) + counts.sum(dim=1) - counts.diagonal())


def averaged(net, x):
    return nn.functional.avg_pool2d(net.forward_features(x), 4)


def plane_with_fresh_weights(line):
    plane = as_plane(line)
    nn.init.constant_(plane.weight, 0.1)
    return plane


RIGHT = [
    (ch06.check_iou, (overlap,)),
    (ch06.check_iou, (overlap_of_tensors,)),
    (ch06.check_anchors, (1008,)),
    (ch06.check_anchors, (torch.tensor(1008),)),
    (ch06.check_affine, (affine,)),
    (ch06.check_affine, (affine_by_probing,)),
    (ch06.check_trained, (["layer2", "layer3", "layer4"],)),
    (ch06.check_trained, ({"layer4", "layer3", "layer2"},)),
    (ch06.check_mean_iou, (mean_iou,)),
    (ch06.check_mean_iou, (mean_iou_by_loops,)),
    (ch06.check_every_second, (lambda net, x: net.forward_features(x)[:, :, ::4, ::4],)),
    (ch06.check_every_second, (lambda net, x: nn.functional.max_pool2d(net.forward_features(x), 1, 4),)),
    (ch06.check_spread, (5,)),
    (ch06.check_spread, (np.sqrt(25.0),)),
    (ch06.check_pre_norm, (lambda x, branch, norm: x + branch(norm(x)),)),
    (ch06.check_pre_norm, (lambda x, branch, norm: torch.add(branch(norm(x)), x),)),
    (ch06.check_seconds, (103,)),
    (ch06.check_seconds, (103.0,)),
    (ch06.check_as_plane, (as_plane,)),
    (ch06.check_as_plane, (lambda line: as_plane(line).float(),)),
]
WRONG = [
    (ch06.check_iou, (overlap_with_negative_sides,), "side by side"),
    (ch06.check_iou, (overlap_over_the_sum,), "too small"),
    (ch06.check_iou, (overlap_with_pixels_at_both_ends,), "too large"),
    (ch06.check_iou, (0.5,), "a function is wanted"),
    (ch06.check_iou, (lambda a, b: None,), "is there a return missing"),
    (ch06.check_anchors, (336,), "what stands at each"),
    (ch06.check_anchors, (64 * 64,), "too many"),
    (ch06.check_anchors, (9,), "too few"),
    (ch06.check_anchors, ("many",), "should be the number of anchors"),
    (ch06.check_affine, (affine_without_epsilon,), "the factor is not"),
    (ch06.check_affine, (affine_with_the_mean_forgotten,), "the summand is not"),
    (ch06.check_affine, (lambda norm: norm.weight,), "two tensors are wanted"),
    (ch06.check_affine, (lambda norm: (norm.weight[0], norm.bias[0]),), "one number a channel"),
    (ch06.check_trained, (["layer3", "layer4"],), "is missing"),
    (ch06.check_trained, (["layer1", "layer2", "layer3", "layer4"],), "stays as it is"),
    (ch06.check_trained, (["layer5"],), "the parts are called"),
    (ch06.check_trained, ("layer4",), "several names"),
    (ch06.check_mean_iou, (lambda c: (c.diagonal() / c.sum(dim=1)).mean(),), "the answer is"),
    (ch06.check_mean_iou, (lambda c: c.diagonal().sum() / c.sum(),), "too large"),
    (
        ch06.check_mean_iou,
        (share_of_each_class,),
        "be a number",
    ),
    (ch06.check_every_second, (lambda net, x: net.forward_features(x),), "another size"),
    (
        ch06.check_every_second,
        (lambda net, x: nn.functional.avg_pool2d(net.forward_features(x), 4),),
        "numbers are",
    ),
    (ch06.check_every_second, (lambda net, x: net.forward_features(x)[:, :, 1::4, 1::4],), "numbers are not"),
    (ch06.check_every_second, (lambda net, x: None,), "a map is wanted"),
    (ch06.check_spread, (25,), "that is the variance"),
    (ch06.check_spread, (math.sqrt(13),), "how many branches"),
    (ch06.check_spread, (1,), "too small"),
    (ch06.check_spread, (None,), "should be a number"),
    (ch06.check_pre_norm, (lambda x, branch, norm: norm(x + branch(x)),), "after the sum"),
    (ch06.check_pre_norm, (lambda x, branch, norm: norm(x) + branch(norm(x)),), "was normalised"),
    (ch06.check_pre_norm, (lambda x, branch, norm: x + norm(branch(x)),), "behind the branch"),
    (ch06.check_pre_norm, (lambda x, branch, norm: branch(norm(x)),), "shortcut is missing"),
    (ch06.check_pre_norm, (lambda x, branch: x,), "your function stops"),
    (ch06.check_seconds, (15,), "too few"),
    (ch06.check_seconds, (512,), "too many"),
    (ch06.check_seconds, (0.93,), "a whole number"),
    (ch06.check_as_plane, (as_square,), "the numbers do not"),
    (ch06.check_as_plane, (lambda line: nn.Conv2d(2, 4, (1, 3), bias=False),), "has the shape"),
    (ch06.check_as_plane, (as_tall_plane,), "stops with RuntimeError"),
    (ch06.check_as_plane, (plane_with_fresh_weights,), "the numbers do not"),
    (ch06.check_as_plane, (lambda line: line,), "a Conv2d is wanted"),
]
SECRETS = {
    ch06.check_anchors: ["1008", "336"],
    ch06.check_every_second: ["::4"],
    ch06.check_spread: ["5.0", "sqrt(25)"],
    ch06.check_seconds: ["103"],
}


def test_the_checkers_leave_the_global_random_state_and_what_they_are_given():
    counts = torch.tensor([[3, 1], [0, 2]])
    state = torch.random.get_rng_state()
    for checker, answer in RIGHT:
        checker(*answer)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert counts.sum() == 6
