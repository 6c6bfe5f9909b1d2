"""Whole networks with the options of ``build``, against torchvision's and timm's networks of the same kind.

What timm has under the same names is loaded by those names; where it calls things otherwise, the renaming
stands here. A net of theirs that differs in one step has that one step changed, in the open, in ``theirs``.
"""

import pytest
import torch
import torchvision
from bits import used
from torch import nn
from torchvision.models.resnet import BasicBlock as TorchvisionBlock

from resnet_utils import models
from resnet_utils.models import blocks, preactivation, variants

CLASSES, SIZE = 7, (2, 3, 97, 65)  # odd sides, where an error in padding shows


def timm_net(name, **options):
    """timm's network with scales and statistics that are not the initial ones, in eval mode."""
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    return with_scales(timm.create_model(name, pretrained=False, num_classes=CLASSES, **options))


def with_scales(net):
    """``net`` with scales above zero, so that max-pool and ReLU may change places with a BatchNorm."""
    for module in used(net).modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    return net.eval()


def assert_same_network(ours, theirs, rename=lambda key: key):
    """Same names both ways, and the same logits and gradients from the same weights.

    In float64, where sums in another order differ by 1e-15; a thousand of them in a row by less than 1e-12.
    """
    state = {rename(key): value for key, value in theirs.state_dict().items()}
    ours.load_state_dict({key: v.reshape(ours.state_dict()[key].shape) for key, v in state.items()})
    x = torch.rand(SIZE, dtype=torch.float64)
    outs = [net.double().eval()(x) for net in (ours, theirs)]
    torch.testing.assert_close(*outs, rtol=1e-11, atol=1e-11)
    assert outs[0].std() > 1e-3, "the comparison needs logits that differ"
    for out in outs:
        (out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)).sum().backward()
    mine = dict(ours.named_parameters())
    for key, parameter in theirs.named_parameters():
        grad = mine[rename(key)].grad
        torch.testing.assert_close(grad, parameter.grad.reshape(grad.shape), rtol=1e-8, atol=1e-10, msg=key)


# ResNet-D


@pytest.mark.parametrize("depth", [18, 50])
def test_resnet_d_is_timms_key_for_key(depth):
    ours = models.build(f"resnet{depth}", CLASSES, stem="deep", shortcut="D")
    theirs = timm_net(f"resnet{depth}d")
    assert set(ours.state_dict()) == set(theirs.state_dict())
    assert_same_network(ours, theirs)


# squeeze-and-excitation


def test_se_resnet50_is_timms_key_for_key():
    ours, theirs = models.build("resnet50", CLASSES, se=16), timm_net("seresnet50")
    assert set(ours.state_dict()) == set(theirs.state_dict())
    assert_same_network(ours, theirs)


def test_se_resnet18_is_timms_without_its_rounding():
    """timm rounds the hidden layer up to a multiple of 8: 8 for 64 channels, the paper's 64 / 16 is 4."""
    layers = pytest.importorskip("timm.layers")

    def exact(channels, **places):
        return layers.SEModule(channels, rd_divisor=1, **places)

    theirs = timm_net("seresnet18", block_args={"attn_layer": exact})
    assert timm_net("seresnet18").layer1[0].se.fc1.out_channels == 8
    assert_same_network(models.build("resnet18", CLASSES, se=16), theirs)


# pre-activation


def from_resnetv2(key):
    """timm's name of a parameter of a pre-activation network -> ours."""
    if key.startswith("stages.0.blocks.0.norm1."):  # the first activation: ours belongs to the stem
        return key.replace("stages.0.blocks.0.norm1.", "bn1.")
    if key.startswith("stages."):
        _, stage, _, block, *rest = key.split(".")
        inner = ".".join(rest).replace("norm", "bn").replace("downsample.conv", "downsample.0")
        return f"layer{int(stage) + 1}.{block}.{inner}"
    return key.replace("stem.conv.", "conv1.").replace("head.fc.", "fc.").replace("norm.", "closing.0.")


def test_preactivation_resnet50_is_timms_in_eval_mode():
    """timm pools first and then begins with BatchNorm and ReLU; the paper's code does it the other way round.

    With scales above zero both steps keep the order of the numbers, so they may change places in eval mode.
    In train mode the statistics are those of other maps, and the two are different networks.
    """
    ours = models.build("resnet50", CLASSES, order="full pre-activation")
    assert_same_network(ours, timm_net("resnetv2_50"), from_resnetv2)


def test_preactivation_resnet18_is_timms_with_the_papers_first_shortcut():
    """timm's first shortcut starts before the first activation, the paper's behind it (its appendix)."""
    ours, theirs = models.build("resnet18", CLASSES, order="full pre-activation"), timm_net("resnetv2_18")
    theirs.stages[0].blocks[0].downsample = nn.Identity()  # timm gives it the activated input
    assert_same_network(ours, theirs, from_resnetv2)


def test_preactivation_with_stem_and_shortcut_d_is_timms():
    """The same, with timm's names for the three convolutions of the stem. In eval mode, as above."""

    def rename(key):
        deep = {"stem.conv1.": "conv1.0.", "stem.norm1.": "conv1.1.", "stem.conv2.": "conv1.3.",
                "stem.norm2.": "conv1.4.", "stem.conv3.": "conv1.6."}  # fmt: skip
        for old, new in deep.items():
            key = key.replace(old, new)
        return from_resnetv2(key).replace("downsample.0.", "downsample.1.")

    ours = models.build("resnet50", CLASSES, order="full pre-activation", stem="deep", shortcut="D")
    assert_same_network(ours, timm_net("resnetv2_50d"), rename)


@pytest.mark.parametrize("order", preactivation.ORDERS)
@pytest.mark.parametrize(
    ("name", "kind", "expansion"),
    [("resnet20", preactivation.OrderedBlock, 1), ("resnet50", preactivation.OrderedBottleneck, 4)],
)
def test_an_ordered_network_is_its_blocks_in_a_row(name, kind, expansion, order):
    torch.manual_seed(0)
    ours = with_scales(models.build(name, CLASSES, width=4, shortcut="B", order=order)).double().train()
    row, channels = [], 4
    for index, count in enumerate(ours.spec.blocks_per_stage):
        for position in range(count):
            stride = 2 if index > 0 and position == 0 else 1
            first = index == 0 and position == 0
            row.append(kind(channels, 4 * 2**index, stride, order=order, entry=not first))
            channels = 4 * 2**index * expansion
    chain = nn.Sequential(*row, *preactivation.closing_steps(order, channels)).double()
    trained = [p for key, p in ours.state_dict().items() if key.startswith(("layer", "closing"))]
    chain.load_state_dict(dict(zip(chain.state_dict(), trained, strict=True)))
    x = torch.rand(2, 3, 40, 33, dtype=torch.float64)
    activated = ours.relu(ours.bn1(ours.conv1(x)))
    wanted = ours.fc(chain(ours.maxpool(activated)).mean(dim=(2, 3)))
    torch.testing.assert_close(ours(x), wanted, rtol=1e-12, atol=1e-12)  # float64


def test_first_shortcut_of_a_preactivation_network_carries_the_activated_stem():
    """He et al. 2016, appendix: the first activation stands right after conv1, before the paths split."""
    model = models.build("resnet20", order="full pre-activation").eval()
    nn.init.zeros_(model.layer1[0].conv2.weight)
    x = torch.rand(2, 3, 16, 16)
    assert torch.equal(model.layer1[0](model.stem(x)), torch.relu(model.bn1(model.conv1(x))))


@pytest.mark.parametrize(("name", "params"), [("resnet18", 11_687_720), ("resnet50", 25_549_352)])
def test_preactivation_network_has_timms_number_of_parameters(name, params):
    with torch.device("meta"):
        model = models.build(name, order="full pre-activation")
    assert sum(p.numel() for p in model.parameters()) == params  # timm's resnetv2_18 and resnetv2_50


# stochastic depth


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_stochastic_depth_is_torchvisions_at_rates_that_rise_along_a_line(name):
    torch.manual_seed(0)
    theirs = torchvision.models.get_model(name, weights=None, num_classes=CLASSES)
    bodies = [*theirs.layer1, *theirs.layer2, *theirs.layer3, *theirs.layer4]
    ours = models.build(name, CLASSES, stochastic_depth=0.5)
    ours.load_state_dict(theirs.state_dict())
    for number, body in enumerate(bodies, start=1):  # Huang et al. 2016, equation 4
        last = "bn2" if isinstance(body, TorchvisionBlock) else "bn3"
        dropped = torchvision.ops.StochasticDepth(0.5 * number / len(bodies), "row")
        setattr(body, last, nn.Sequential(getattr(body, last), dropped))
    x, outs = torch.rand(6, 3, 64, 64), []
    for net in (ours.train(), theirs.train()):
        torch.manual_seed(3)
        outs.append(net(x))
    assert torch.equal(*outs)
    torch.manual_seed(4)
    assert not torch.equal(ours(x), outs[0]), "another seed drops other branches"
    ours.eval()
    assert torch.equal(ours(x), ours(x))


def test_last_branch_is_dropped_with_the_asked_probability_and_the_first_of_nine_with_a_ninth():
    model = models.build("resnet20", stochastic_depth=0.45)
    rates = [m.drop for m in model.modules() if isinstance(m, variants.StochasticDepth)]
    assert rates == pytest.approx([0.05 * k for k in range(1, 10)])


# the rest


def test_stride_on_the_first_convolution_is_torchvisions_network_with_the_strides_exchanged():
    torch.manual_seed(0)
    theirs = with_scales(torchvision.models.resnet50(num_classes=CLASSES))
    for stage in (theirs.layer2, theirs.layer3, theirs.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    assert_same_network(models.build("resnet50", CLASSES, stride_on="1x1"), theirs)


@pytest.mark.parametrize("stride_on", ["1x1", "3x3"])
def test_stride_reaches_grouped_and_ordered_bottlenecks_too(stride_on):
    for model in (
        models.build("resnext50_32x4d", 2, stride_on=stride_on),
        models.build("resnet50", 2, width=4, stride_on=stride_on, order="full pre-activation"),
    ):
        first = model.layer2[0]
        strides = {"1x1": first.conv1.stride, "3x3": first.conv2.stride}
        assert [on for on, stride in strides.items() if stride == (2, 2)] == [stride_on]


def test_options_go_together():
    torch.manual_seed(0)
    model = models.build(
        "resnet50", 3, width=8, in_channels=1, stem="deep", shortcut="D", order="full pre-activation", se=8,
        stochastic_depth=0.3, stride_on="1x1",
    )  # fmt: skip
    out = model(torch.rand(2, 1, 64, 64))
    out.sum().backward()
    assert out.shape == (2, 3)
    assert all(p.grad is not None for p in model.parameters())
    kinds = [type(m).__name__ for m in model.modules()]
    assert kinds.count("SqueezeExcite") == kinds.count("StochasticDepth") == 16


def test_se_re_weights_the_branch_and_not_the_shortcut():
    torch.manual_seed(0)
    block = models.build("resnet20", se=4).layer2[0].double()
    x = torch.rand(3, 16, 8, 8, dtype=torch.float64)
    wanted = torch.relu(block.se(block.branch(x)) + block.downsample(x))
    torch.testing.assert_close(block(x), wanted, rtol=1e-12, atol=1e-12)


def test_branch_is_re_weighted_before_it_is_dropped():
    """timm's order. The other way round the factors would see the enlarged branch."""
    torch.manual_seed(0)
    block = models.build("resnet20", se=4, stochastic_depth=0.5).layer3[2]
    x = torch.rand(16, 64, 4, 4)
    torch.manual_seed(1)
    out = block(x)
    torch.manual_seed(1)
    assert torch.equal(out, torch.relu(block.survival(block.se(block.branch(x))) + x))


def test_zero_init_residual_starts_se_and_dropped_blocks_as_the_identity():
    model = models.build("resnet20", se=4, stochastic_depth=0.5, zero_init_residual=True)
    x = torch.rand(2, 16, 8, 8)
    assert torch.equal(model.layer1(x), x)


REFUSED = [
    ("resnet18", {"order": "new"}, r"order must be one of original, .*; got 'new'"),
    (
        "resnext50_32x4d",
        {"order": "full pre-activation"},
        "needs a BasicBlock or a Bottleneck, not a Grouped",
    ),
    ("wide_resnet50_2", {"order": "BN after addition"}, "needs a BasicBlock or a Bottleneck, not a Wide"),
    ("resnet18", {"se": 0}, "se must be a whole number of at least 1, got 0"),
    ("resnet18", {"se": True}, "se must be a whole number of at least 1, got True"),
    ("resnet20", {"se": 32}, "channels must be a multiple of reduction, got 16 and 32"),
    ("resnet18", {"stochastic_depth": 1.0}, r"stochastic_depth must be at least 0 and below 1, got 1\.0"),
    ("resnet18", {"stochastic_depth": -0.1}, "stochastic_depth must be at least 0 and below 1"),
    ("plain20", {"stochastic_depth": 0.2}, "stochastic_depth needs shortcuts"),
    ("resnet18", {"stride_on": "1x1"}, "is for bottlenecks: a basic block has no 1x1 convolution"),
    ("resnet50", {"stride_on": "7x7"}, "stride_on must be '1x1' or '3x3', got '7x7'"),
    ("resnet18", {"stem": "deep", "width": 7}, "width must be a positive even number, got 7"),
    (
        "resnet18",
        {"order": "full pre-activation", "zero_init_residual": True},
        "zero_init_residual goes with order='original' only, got 'full pre-activation'",
    ),
]


@pytest.mark.parametrize(("name", "options", "message"), REFUSED)
def test_options_that_make_no_sense_are_refused_in_words(name, options, message):
    with pytest.raises(ValueError, match=message):
        models.build(name, **options)


@pytest.mark.parametrize("shortcut", blocks.SHORTCUTS)
@pytest.mark.parametrize("name", ["resnet20", "resnet50"])
def test_every_shortcut_goes_with_preactivation(name, shortcut):
    model = models.build(name, 3, width=4, order="full pre-activation", shortcut=shortcut)
    assert model(torch.rand(2, 3, 33, 47)).shape == (2, 3)
    norms = [key for key, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)]
    assert not any("downsample" in key for key in norms), "the next block begins with a BatchNorm"


def test_a_stride_on_a_convolution_that_is_none_is_refused():
    with pytest.raises(ValueError, match="stride_on must be '1x1' or '3x3'"):
        models.build("resnet18", stride_on="5x5")


def test_a_text_for_a_switch_does_not_count_as_yes():
    with pytest.raises(ValueError, match="zero_init_residual must be True or False"):
        models.build("resnet18", zero_init_residual="no")
