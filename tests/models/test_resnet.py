"""Our networks against torchvision's, and against the numbers of the paper."""

import dataclasses
import itertools

import pytest
import torch
import torchvision
from bits import used
from torch import nn

from resnet_utils import models
from resnet_utils.analysis import complexity

IMAGENET = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]
PUBLISHED = {  # torchvision's weight metadata: number of parameters
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnext50_32x4d": 25_028_904,
    "wide_resnet50_2": 68_883_240,
}
SIZES = [(224, 224), (193, 161)]  # the size of the papers, and an odd one where an error in padding shows


def twins(name, **options):
    """Ours and torchvision's with the same weights, and running statistics that are not the initial ones."""
    torch.manual_seed(0)
    theirs = used(torchvision.models.get_model(name, weights=None, **options))
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.0)
    with torch.device("meta"):  # no time is spent on weights that are overwritten at once
        ours = models.build(name, **options)
    ours.to_empty(device="cpu").load_state_dict(theirs.state_dict(), strict=True)
    return ours, theirs


def furthest(a, b):
    """The largest relative difference between two tensors, with 1 as the smallest scale."""
    return 0.0 if torch.equal(a, b) else ((a - b).abs() / b.abs().clamp_min(1)).max().item()


@pytest.mark.parametrize("name", PUBLISHED)
def test_keys_and_shapes_are_torchvisions_both_ways(name):
    with torch.device("meta"):
        ours, theirs = models.build(name), torchvision.models.get_model(name, weights=None)
    ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)
    theirs.load_state_dict(ours.state_dict(), strict=True, assign=True)
    shapes = [{key: value.shape for key, value in net.state_dict().items()} for net in (ours, theirs)]
    assert list(shapes[0].items()) == list(shapes[1].items())


@pytest.mark.parametrize(("name", "number"), PUBLISHED.items())
def test_number_of_parameters_is_the_published_one(name, number):
    with torch.device("meta"):
        assert complexity.count_parameters(models.build(name)) == number


@pytest.mark.parametrize("name", PUBLISHED)
def test_logits_are_torchvisions_to_the_bit(name):
    ours, theirs = twins(name)
    with torch.inference_mode():
        for (height, width), batch in itertools.product(SIZES, (1, 5)):
            x = torch.rand(batch, 3, height, width)
            assert torch.equal(ours.eval()(x), theirs.eval()(x)), f"{batch} images of {height}x{width}"


@pytest.mark.parametrize("name", IMAGENET)
def test_gradients_and_buffers_after_a_step_are_torchvisions(name):
    ours, theirs = twins(name, num_classes=5)
    x = torch.rand(2, 3, 40, 33, dtype=torch.float64)
    labels = torch.tensor([1, 4])
    for net in (ours.double(), theirs.double()):
        net.train()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        torch.nn.functional.cross_entropy(net(x), labels).backward()
        optimizer.step()
    for (key, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(
            a.grad, b.grad, rtol=1e-12, atol=1e-12, msg=key
        )  # same operations in float64
        assert furthest(a, b) <= 1e-12, key
    for (key, a), b in zip(ours.named_buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12, msg=key)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_the_same_seed_gives_torchvisions_initial_weights(name):
    torch.manual_seed(7)
    ours = models.build(name, num_classes=3)
    torch.manual_seed(7)
    theirs = torchvision.models.get_model(name, weights=None, num_classes=3)
    for (key, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert torch.equal(a, b), key


@pytest.mark.parametrize("name", IMAGENET)
def test_depth_in_the_name_counts_the_weighted_layers(name):
    with torch.device("meta"):
        assert complexity.weighted_layers(models.build(name)) == int(name.removeprefix("resnet"))


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110])
def test_cifar_family_has_6n_plus_2_layers_and_its_plain_twin_the_same_weights(depth):
    residual, plain = models.build(f"resnet{depth}"), models.build(f"plain{depth}")
    assert complexity.weighted_layers(residual) == complexity.weighted_layers(plain) == depth
    shapes = [{k: v.shape for k, v in net.state_dict().items()} for net in (residual, plain)]
    assert shapes[0] == shapes[1]  # option A has no parameters: He et al. 2015, section 4.2


# He et al. 2015, table 6: 0.27M, 0.46M, 0.66M, 0.85M, 1.7M parameters
@pytest.mark.parametrize(
    ("depth", "millions", "digits"),
    [(20, 0.27, 2), (32, 0.46, 2), (44, 0.66, 2), (56, 0.85, 2), (110, 1.7, 1)],
)
def test_cifar_family_has_the_papers_number_of_parameters(depth, millions, digits):
    assert round(complexity.count_parameters(models.build(f"resnet{depth}")) / 1e6, digits) == millions


@pytest.mark.parametrize("name", ["plain18", "plain34"])
def test_plain_imagenet_twin_is_the_residual_net_without_projections(name):
    with torch.device("meta"):
        plain = models.build(name).state_dict()
        residual = models.build(name.replace("plain", "resnet")).state_dict()
    assert set(residual) - set(plain) == {key for key in residual if "downsample" in key}
    assert set(plain) <= set(residual)


def test_stage_shapes_are_those_of_table_1():
    net = models.build("resnet34").eval()
    shapes = {}
    for stage in net.stages:
        net.get_submodule(stage).register_forward_hook(
            lambda module, inputs, out, stage=stage: shapes.update({stage: tuple(out.shape[1:])})
        )
    with torch.inference_mode():
        net(torch.rand(1, 3, 224, 224))
    assert shapes == {
        "layer1": (64, 56, 56),
        "layer2": (128, 28, 28),
        "layer3": (256, 14, 14),
        "layer4": (512, 7, 7),
    }


def test_logits_are_the_head_applied_to_the_features():
    net = models.build("resnet20").eval()
    x = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        assert net.forward_head(net.forward_features(x), pre_logits=True).shape == (2, 64)
        assert net.forward_features(x).shape == (2, 64, 8, 8)
        assert torch.equal(net(x), net.fc(net.forward_head(net.forward_features(x), pre_logits=True)))


def test_options_change_what_they_say():
    net = models.build("resnet20", 7, in_channels=1, width=8, shortcut="B", zero_init_residual=True).eval()
    assert net(torch.rand(2, 1, 28, 28)).shape == (2, 7)
    assert net.conv1.weight.shape == (8, 1, 3, 3)
    assert net.layer2[0].downsample[0].weight.shape == (16, 8, 1, 1)
    assert all(block.bn2.weight.abs().sum() == 0 for block in net.layer1)


def test_resnet18_with_the_cifar_stem_has_the_published_number_of_parameters_and_four_stages_of_halving():
    net = models.build("resnet18", 10, stem="cifar").eval()
    assert complexity.count_parameters(net) == 11_173_962  # as in K. Liu's "Train CIFAR10 with PyTorch"
    with torch.inference_mode():
        assert net.forward_features(torch.rand(1, 3, 32, 32)).shape == (1, 512, 4, 4)


def test_resnet20_takes_the_imagenet_stem_too():
    net = models.build("resnet20", stem="imagenet").eval()
    with torch.inference_mode():
        assert net.forward_features(torch.rand(1, 3, 64, 64)).shape == (
            1,
            64,
            4,
            4,
        )  # 4 in the stem, 4 in stages


def test_unknown_stem_is_refused_with_the_valid_ones():
    with pytest.raises(ValueError, match="stem must be one of imagenet, cifar, deep, got 'huge'"):
        models.build("resnet18", stem="huge")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"blocks_per_stage": ()}, ValueError, "a number for each stage, got none"),
        ({"blocks_per_stage": (2, 0)}, ValueError, "each of blocks_per_stage must be at least 1, got 0"),
        ({"blocks_per_stage": 2}, TypeError, "blocks_per_stage must be .*, got 2"),
        ({"block": nn.Conv2d}, TypeError, "block must be BasicBlock, Bottleneck or a relative, got"),
        ({"width": 0}, ValueError, "width must be at least 1, got 0"),
        ({"num_classes": -1}, ValueError, "num_classes must be at least 1, got -1"),
        ({"se": 0}, ValueError, "se must be at least 1, got 0"),
    ],
)
def test_a_row_of_the_table_that_is_no_network_is_refused(change, error, message):
    with pytest.raises(error, match=message):
        dataclasses.replace(models.SPECS["resnet18"], **change)


def test_zero_init_residual_is_torchvisions():
    torch.manual_seed(0)
    ours = models.build("resnet50", 3, zero_init_residual=True)
    torch.manual_seed(0)
    theirs = torchvision.models.resnet50(num_classes=3, zero_init_residual=True)
    for (key, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert torch.equal(a, b), key


@pytest.mark.parametrize("name", ["resnet19", "", "ResNet18", "vgg16"])
def test_unknown_name_is_refused_with_the_valid_ones(name):
    with pytest.raises(ValueError, match=r"the valid names are resnet18, .*resnet110, .*plain110"):
        models.build(name)


@pytest.mark.parametrize("option", ["num_classes", "in_channels", "width"])
@pytest.mark.parametrize("count", [0, -1, 2.5, True, "3"])
def test_count_that_is_no_positive_whole_number_is_refused(option, count):
    with pytest.raises(ValueError, match=f"{option} must be a whole number of at least 1"):
        models.build("resnet20", **{option: count})


def test_unknown_shortcut_is_refused():
    with pytest.raises(ValueError, match="shortcut must be one of"):
        models.build("resnet20", shortcut="E")


def test_starting_a_plain_net_as_identity_is_refused():
    with pytest.raises(ValueError, match="zero_init_residual needs shortcuts"):
        models.build("plain20", zero_init_residual=True)


SCRIPTED = {
    "resnet18": {}, "resnet50": {}, "resnext50_32x4d": {}, "wide_resnet50_2": {}, "resnet20": {},
    "plain20": {},
    "resnet34": {"stem": "deep", "shortcut": "D"}, "resnet32": {"se": 4},
    "resnet44": {"stochastic_depth": 0.3},
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # TorchScript's own: that it is old, and cannot see what may be None
@pytest.mark.parametrize("name", SCRIPTED)
def test_torchscript_reads_the_network_and_gives_the_same_logits(name):
    torch.manual_seed(0)
    net = models.build(name, 5, width=16, **SCRIPTED[name]).eval()
    images = torch.rand(2, 3, 40, 40)
    scripted = torch.jit.script(net)
    with torch.no_grad():
        assert torch.equal(scripted(images), net(images))
        assert torch.equal(net(images), net.forward_head(net.forward_features(images)))
