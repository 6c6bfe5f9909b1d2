"""Taps, pyramid, dilation and frozen norms against torchvision and against what they must not change."""

from __future__ import annotations

import copy

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

from resnet_utils import dense, models

STAGES = ["layer1", "layer2", "layer3", "layer4"]


def small(name="resnet18", **options):
    torch.manual_seed(0)
    return models.build(name, 2, width=8, **options).double().eval()


def picture(height=64, width=96):
    return torch.rand(1, 3, height, width, dtype=torch.float64)


def test_taps_are_those_of_torchvision():
    net, x = small(), picture()
    theirs = IntermediateLayerGetter(net, {stage: stage for stage in STAGES})(x)
    ours = dense.Taps(net)(x)
    assert list(ours) == STAGES
    assert all(torch.equal(ours[stage], theirs[stage]) for stage in STAGES)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet20"])
@pytest.mark.parametrize("options", [{}, {"stem": "deep"}, {"shortcut": "D"}])
def test_channels_and_strides_are_those_of_the_maps(name, options):
    net = small(name, **options)
    taps, x = dense.Taps(net), picture(128, 64)
    maps = list(taps(x).values())
    assert [found.shape[1] for found in maps] == list(taps.channels)
    assert [128 // found.shape[2] for found in maps] == list(taps.strides)


def test_what_is_behind_the_last_tap_is_left_out():
    taps = dense.Taps(small(), ["layer2"], names=["out"])
    assert list(taps(picture())) == ["out"]
    assert not any(name.startswith(("layer3", "layer4", "fc")) for name in taps.state_dict())


def test_taps_share_their_weights_with_the_network():
    net = small()
    assert dense.Taps(net).conv1 is net.conv1


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        (["layer5"], "must be some of"),
        (["layer3", "layer2"], "in this order"),
        (["layer2", "layer2"], "must be some of"),
        ([], "must be some of"),
        ("layer2", "must be some of"),
    ],
)
def test_stages_that_are_not_there_are_refused(stages, words):
    with pytest.raises(ValueError, match=words):
        dense.Taps(small(), stages)


def test_other_networks_and_unactivated_maps_are_refused():
    with pytest.raises(TypeError, match=r"models\.build, got Linear"):
        dense.Taps(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="unactivated"):
        dense.Taps(small(order="full pre-activation"))
    with pytest.raises(ValueError, match="as many names"):
        dense.Taps(small(), ["layer1"], names=["a", "b"])


def test_the_pyramid_is_that_of_torchvision():
    theirs = resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=nn.BatchNorm2d)
    ours = dense.Pyramid(models.build("resnet50"))
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.rand(1, 3, 96, 65)
    with torch.inference_mode():
        mine, stock = ours.eval()(x), theirs.eval()(x)
    assert list(mine) == list(stock) == ["0", "1", "2", "3", "pool"]
    assert all(torch.equal(mine[name], stock[name]) for name in stock)
    assert list(ours.strides) == [4, 8, 16, 32, 64]


def test_dilation_is_that_of_torchvision():
    theirs = torchvision.models.resnet50(replace_stride_with_dilation=[False, True, True])
    ours = dense.dilate(models.build("resnet50"))
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.rand(1, 3, 65, 97)
    with torch.inference_mode():
        assert torch.equal(ours.eval()(x), theirs.eval()(x))


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet20"])
@pytest.mark.parametrize("options", [{}, {"shortcut": "A"}, {"shortcut": "C"}, {"se": None, "stem": "cifar"}])
def test_the_fine_map_holds_the_coarse_one(name, options):
    net, x = small(name, **options), picture()
    coarse = net.forward_features(x)
    last_two = tuple(net.stages[-2:])
    fine = dense.dilate(copy.deepcopy(net), last_two).forward_features(x)
    torch.testing.assert_close(fine[:, :, ::4, ::4], coarse, rtol=0, atol=1e-12)


def test_a_stage_in_the_middle_can_be_dilated_alone():
    net, x = small(), picture()
    fine = dense.dilate(copy.deepcopy(net), ["layer3"]).forward_features(x)
    torch.testing.assert_close(fine[:, :, ::2, ::2], net.forward_features(x), rtol=0, atol=1e-12)


def test_averaging_shortcuts_cannot_be_dilated():
    with pytest.raises(ValueError, match="option D"):
        dense.dilate(small(shortcut="D"))


def test_a_frozen_network_says_what_it_said_in_eval_mode_and_keeps_it():
    net, x = small(), picture()
    net.train()(torch.rand(4, 3, 32, 32, dtype=torch.float64))  # statistics of its own
    before = net.eval()(x)
    frozen = dense.freeze_norms(copy.deepcopy(net))
    torch.testing.assert_close(frozen.train()(x), before, rtol=1e-6, atol=1e-6)  # statistics become float32
    kept = {name: value.clone() for name, value in frozen.state_dict().items() if "running" in name}
    frozen(3 * x)
    assert all(torch.equal(frozen.state_dict()[name], value) for name, value in kept.items())
    assert not [name for name, _ in frozen.named_parameters() if ".bn" in name]


def test_freezing_takes_another_epsilon_or_nothing():
    assert dense.freeze_norms(small(), eps=0.0).bn1.eps == 0.0
    assert dense.freeze_norms(small()).bn1.eps == 1e-5
    with pytest.raises(ValueError, match="no BatchNorm2d to freeze in this Linear"):
        dense.freeze_norms(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="keeps no statistics"):
        dense.freeze_norms(nn.Sequential(nn.BatchNorm2d(2, track_running_stats=False)))
