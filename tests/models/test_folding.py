"""A folded network answers as the one it was made of, and what cannot be folded is left alone."""

import copy

import pytest
import torch
import torchvision
from bits import assert_same_bits, state
from torch import nn
from torch.nn.utils import parametrizations
from torch.optim.swa_utils import AveragedModel

from resnet_utils import finetuning, models
from resnet_utils.models.preactivation import ORDERS, PreActBlock
from resnet_utils.models.variants import BlurredBlock, standardize_weights

timm = pytest.importorskip("timm")
EXACT = 1e-12  # float64 keeps 16 digits; sums of some thousand products in another order lose three or four
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def norms(model):
    kinds = (nn.modules.batchnorm._NormBase, torchvision.ops.FrozenBatchNorm2d)
    return [name for name, module in model.named_modules() if isinstance(module, kinds)]


def trained(model):
    """In float64, with BatchNorms that do something: averages, scales and shifts are not the first ones."""
    generator = torch.Generator().manual_seed(7)
    for module in model.double().modules():
        if getattr(module, "running_mean", None) is not None:
            module.running_mean.uniform_(-0.3, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 2.0, generator=generator)
        if norms(nn.Sequential(module)) == ["0"] and module.weight is not None:
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.uniform_(-0.3, 0.3, generator=generator)
    return model.eval()


def images(*shape):
    return torch.randn(
        *(shape or (2, 3, 33, 33)), dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )


def assert_equal(model, other, x):
    """To rounding, measured beside the largest answer."""
    with torch.no_grad():
        expected = model(x)
        assert (other(x) - expected).abs().max() <= EXACT * expected.abs().max()


@pytest.mark.parametrize("name", models.NAMES)
def test_every_network_of_the_book_answers_the_same_without_its_batchnorms(name):
    width = {"resnext50_32x4d": 16}.get(name, models.SPECS[name].width // 8)
    model = trained(models.build(name, 5, width=width))
    fused = models.fuse(model)
    assert_equal(model, fused, images())
    assert norms(model)
    assert norms(fused) == []


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d"])
def test_torchvisions_networks_answer_the_same_without_their_batchnorms(name):
    model = trained(torchvision.models.get_model(name, num_classes=5))
    fused = models.fuse(model)
    assert_equal(model, fused, images())
    assert norms(fused) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: torchvision.models.mobilenet_v3_small(num_classes=5),
        lambda: torchvision.models.shufflenet_v2_x0_5(num_classes=5),
        lambda: torchvision.models.DenseNet(8, (2, 2), 8, num_classes=5),  # BatchNorm before its convolution
        lambda: torchvision.models.googlenet(num_classes=5, aux_logits=False, init_weights=False),
    ],
    ids=["mobilenet", "shufflenet", "densenet", "googlenet"],
)
def test_other_networks_of_torchvision_answer_the_same(make):
    model = trained(make())
    assert_equal(model, models.fuse(model), images(2, 3, 64, 64))


@pytest.mark.parametrize("name", ["resnet18", "resnet26d", "seresnet18", "resnetblur18"])
def test_timms_networks_answer_the_same_without_their_batchnorms(name):
    model = trained(timm.create_model(name, num_classes=5))
    fused = models.fuse(model)
    assert_equal(model, fused, images())
    assert norms(fused) == []


@pytest.mark.parametrize(
    ("order", "left"),
    [
        ("original", set()),
        ("BN after addition", {"bn2"}),  # the sum has two parts
        ("ReLU before addition", set()),
        ("ReLU-only pre-activation", set()),
        ("full pre-activation", {"bn1", "0"}),  # behind an addition; "0" closes the network
    ],
)
def test_in_each_order_only_what_follows_a_convolution_is_folded(order, left):
    model = trained(models.build("resnet20", width=4, order=order))
    fused = models.fuse(model)
    assert_equal(model, fused, images())
    assert {name.rpartition(".")[2] for name in norms(fused)} == left


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("options", [{"stem": "deep", "shortcut": "D"}, {"se": 4, "stochastic_depth": 0.3}])
def test_relatives_answer_the_same_in_every_order(order, options):
    model = trained(models.build("resnet50", 5, width=8, order=order, **options))
    fused = models.fuse(model)
    assert_equal(model, fused, images())
    assert len(norms(fused)) < len(norms(model))


def test_a_batchnorm_before_its_convolution_stays():
    block = trained(PreActBlock(8, 8))
    fused = models.fuse(block)
    assert norms(fused) == ["bn1"]
    assert_equal(block, fused, images(2, 8, 9, 9))


def test_a_part_that_cannot_be_followed_stays_and_the_rest_is_folded():
    net = trained(nn.Sequential(BlurredBlock(3, 4, stride=2), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)))
    fused = models.fuse(net)
    assert norms(fused) == []  # the blur makes a tensor of its own; its block is followed around it
    assert_equal(net, fused, images())


class Odd(nn.Module):
    """Asks for the values of its input: torch.fx cannot go on."""

    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x):
        return self.bn(self.conv(x)) if x.sum() > -1e9 else x


def test_a_step_that_depends_on_the_numbers_stays_whole():
    net = trained(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), Odd()))
    fused = models.fuse(net)
    assert norms(fused) == ["2.bn"]
    assert_equal(net, fused, images())


def test_beside_such_a_step_all_is_folded_however_deep_it_lies():
    part = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), Odd(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))
    net = trained(nn.Sequential(nn.Sequential(part)))
    fused = models.fuse(net)
    assert norms(fused) == ["0.0.2.bn"]
    assert_equal(net, fused, images())


class Twice(nn.Module):
    """One convolution with one BatchNorm, and something more that somebody does with them."""

    def __init__(self, how):
        super().__init__()
        self.conv, self.bn, self.how = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), how
        self.again = Odd() if how == "inside a step" else nn.Identity()
        if how == "inside a step":
            self.again.conv = nn.Conv2d(3, 4, 3)
            self.again.inner = self.conv

    def forward(self, x):
        if self.how == "the same layer again":
            return self.bn(self.conv(self.conv(x)))
        if self.how == "the same BatchNorm again":
            return self.bn(self.bn(self.conv(x)))
        if self.how == "its output":
            out = self.conv(x)
            return self.bn(out) + out
        if self.how == "its weights":
            return self.bn(self.conv(x)) * self.conv.weight.mean()
        if self.how == "its averages":
            return self.bn(self.conv(x)) * self.bn.running_var.mean()
        return self.again(self.bn(self.conv(x)))


@pytest.mark.parametrize(
    "how",
    [
        "the same layer again",
        "the same BatchNorm again",
        "its output",
        "its weights",
        "its averages",
        "inside a step",
    ],
)
def test_what_somebody_else_uses_is_not_folded(how):
    net = trained(Twice(how))
    fused = models.fuse(net)
    assert "bn" in norms(fused)
    assert_equal(net, fused, images())


def test_one_convolution_under_two_names_is_not_folded():
    shared = nn.Conv2d(3, 3, 3)
    net = trained(nn.Sequential(shared, nn.BatchNorm2d(3), shared, nn.BatchNorm2d(3)))
    fused = models.fuse(net)
    assert norms(fused) == ["1", "3"]
    assert_equal(net, fused, images())


def test_weights_that_two_layers_share_are_folded_for_each_of_them():
    first, second = nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3)
    second.weight = first.weight
    net = trained(nn.Sequential(first, nn.BatchNorm2d(3), second, nn.BatchNorm2d(3)))
    fused = models.fuse(net)
    assert norms(fused) == []
    assert_equal(net, fused, images())


@pytest.mark.parametrize(
    ("layer", "norm", "shape"),
    [
        (nn.Conv1d(3, 4, 3, groups=1, bias=False), nn.BatchNorm1d(4), (2, 3, 9)),
        (nn.Conv2d(4, 6, 3, groups=2), nn.BatchNorm2d(6), (2, 4, 9, 9)),
        (nn.Conv3d(3, 4, 2), nn.BatchNorm3d(4), (2, 3, 5, 5, 5)),
        (nn.ConvTranspose2d(3, 4, 2, stride=2), nn.BatchNorm2d(4), (2, 3, 5, 5)),
        (nn.ConvTranspose2d(3, 4, 2, bias=False), nn.BatchNorm2d(4), (2, 3, 5, 5)),
        (nn.Linear(3, 4), nn.BatchNorm1d(4), (5, 3)),
        (nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4, affine=False), (5, 3)),
        (nn.Conv2d(3, 4, 3), torchvision.ops.FrozenBatchNorm2d(4), (2, 3, 9, 9)),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout2d(0.5)), nn.BatchNorm2d(4), (2, 3, 9, 9)),
    ],
)
def test_each_kind_of_layer_takes_in_its_batchnorm(layer, norm, shape):
    net = trained(nn.Sequential(layer, norm))
    fused = models.fuse(net)
    assert norms(fused) == []
    assert_equal(net, fused, images(*shape))


@pytest.mark.parametrize(
    ("layer", "norm", "shape"),
    [
        (nn.ConvTranspose2d(4, 4, 2, groups=2), nn.BatchNorm2d(4), (2, 4, 5, 5)),
        (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), (2, 3, 9, 9)),
        (nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4), (2, 3, 9, 9)),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), nn.BatchNorm2d(4), (2, 3, 9, 9)),
        (parametrizations.spectral_norm(nn.Conv2d(3, 4, 3)), nn.BatchNorm2d(4), (2, 3, 9, 9)),
        (standardize_weights(nn.Sequential(nn.Conv2d(3, 4, 3))), nn.BatchNorm2d(4), (2, 3, 9, 9)),
    ],
)
def test_what_a_layer_cannot_take_in_stays(layer, norm, shape):
    net = trained(nn.Sequential(layer, norm))
    fused = models.fuse(net)
    assert norms(fused) == norms(net)
    assert_equal(net, fused, images(*shape))


def test_a_batchnorm_of_rows_is_not_taken_for_one_of_columns():
    """Of (N, L, L) a linear layer writes the last axis and a BatchNorm1d scales the second one."""
    net = trained(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)))
    fused = models.fuse(net)
    with pytest.raises(AssertionError, match="folded here, for another number of axes"):
        fused(images(2, 4, 4))


def test_a_layer_with_a_hook_is_left_alone_and_the_hook_still_sees_its_output():
    net = trained(models.build("resnet20", width=4))
    seen = []
    net.layer1[0].conv1.register_forward_hook(lambda module, inputs, out: seen.append(out.detach().clone()))
    fused = models.fuse(net)
    assert_equal(net, fused, images())
    assert norms(fused) == ["layer1.0.bn1"]
    torch.testing.assert_close(seen[1], seen[0], rtol=EXACT, atol=EXACT)


def test_a_hook_of_a_stage_still_runs():
    net = trained(models.build("resnet20", width=4))
    seen = []
    net.layer2.register_forward_hook(lambda module, inputs, out: seen.append(tuple(out.shape)))
    models.fuse(net)(images())
    assert seen == [(2, 8, 17, 17)]


def test_the_original_is_left_as_it_is():
    net = trained(models.build("resnet20", width=4)).train()
    before, repr_before = copy.deepcopy(state(net)), repr(net)
    models.fuse(net)
    models.fold_normalization(net, MEAN, STD)
    assert_same_bits(before, state(net))
    assert repr(net) == repr_before
    assert all(module.training for module in net.modules())


class Remembers(nn.Module):
    """Writes down what came in."""

    def __init__(self):
        super().__init__()
        self.conv, self.bn, self.last = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), None

    def forward(self, x, mask=None):
        self.last = x
        out = self.bn(self.conv(x))
        return out if mask is None else out * mask


def test_nothing_of_the_recording_is_left_in_the_copy():
    net = trained(Remembers())
    fused = models.fuse(net)
    assert fused.last is None
    assert norms(fused) == []
    assert_equal(net, fused, images())


def test_the_copy_is_in_eval_mode_with_the_names_and_parts_of_the_original():
    net = trained(models.build("resnet18", 5, width=8)).train()
    fused = models.fuse(net)
    assert type(fused) is type(net)
    assert not any(module.training for module in fused.modules())
    assert [name for name, _ in fused.named_modules()] == [name for name, _ in net.named_modules()]
    assert fused.parts().keys() == net.parts().keys()


def test_features_of_the_copy_are_those_of_the_original():
    net, x = trained(models.build("resnet18", 5, width=8)), images()
    fused = models.fuse(net)
    torch.testing.assert_close(fused.forward_features(x), net.forward_features(x), rtol=EXACT, atol=EXACT)
    loader = [(x, torch.tensor([0, 1]))]
    kept, expected = (finetuning.cached_features(each, loader)[0] for each in (fused, net))
    torch.testing.assert_close(kept, expected, rtol=EXACT, atol=EXACT)


def test_what_learns_in_the_original_learns_in_the_copy():
    net = trained(models.build("resnet20", width=4))
    net.conv1.weight.requires_grad_(False)
    fused = models.fuse(net)
    assert not fused.conv1.weight.requires_grad
    assert not fused.conv1.bias.requires_grad
    assert fused.layer1[0].conv1.weight.requires_grad
    assert fused.layer1[0].conv1.bias.requires_grad
    assert fused.layer1[0].conv1.bias.is_leaf


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_copy_has_the_precision_and_the_order_of_memory_of_the_original(dtype):
    net = trained(models.build("resnet20", width=4)).to(dtype=dtype, memory_format=torch.channels_last)
    fused = models.fuse(net)
    weights = [module.weight for module in fused.modules() if isinstance(module, nn.Conv2d)]
    assert {weight.dtype for weight in weights} == {dtype}
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)


def test_in_float32_the_answers_differ_by_rounding():
    net, x = trained(models.build("resnet50", 5, width=16)).float(), images().float()
    with torch.no_grad():
        expected = net(x)
        # Fifty layers, each of which rounds to 2 ** -24 of its numbers; forty times as much is allowed.
        assert (models.fuse(net)(x) - expected).abs().max() < 1e-4 * expected.abs().max()


@pytest.mark.parametrize("wrap", [nn.DataParallel, AveragedModel, torch.compile])
def test_of_a_wrapped_network_comes_the_bare_one(wrap):
    net = trained(models.build("resnet20", width=4))
    fused = models.fuse(wrap(net))
    assert type(fused) is type(net)
    assert norms(fused) == []
    assert_equal(net, fused, images())


def test_a_folded_network_can_be_folded_again_and_stays_the_same():
    net = trained(nn.Sequential(models.build("resnet20", 5, width=4), nn.Linear(5, 3), nn.BatchNorm1d(3)))
    once = models.fuse(net)
    twice = models.fuse(once)
    assert_same_bits(state(once), state(twice))
    assert_equal(net, twice, images())


@pytest.mark.filterwarnings("ignore")  # TorchScript's own: that it is old
def test_torchscript_reads_the_copy():
    net, x = trained(models.build("resnet20", width=4)), images()
    fused = models.fuse(net)
    assert torch.equal(torch.jit.script(fused)(x), fused(x))


def test_what_torch_fx_cannot_follow_is_refused_with_its_reason():
    with pytest.raises(ValueError, match=r"cannot follow the forward of Odd; torch.fx says: .*control flow"):
        models.fuse(Odd())


@pytest.mark.parametrize("function", [models.fuse, lambda net: models.fold_normalization(net, MEAN, STD)])
def test_bad_networks_are_refused(function):
    with pytest.raises(TypeError, match=r"needs a network \(nn.Module\), got str"):
        function("resnet18")
    with torch.device("meta"):
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    with pytest.raises(ValueError, match="device 'meta', which has shapes and no numbers"):
        function(net)


def normalized(pixels, mean=MEAN, std=STD):
    mean, std = (torch.tensor(x, dtype=torch.float64)[:, None, None] for x in (mean, std))
    return (pixels.double() / 255 - mean) / std


def pixels(channels=3):
    return torch.randint(0, 256, (2, channels, 21, 23), generator=torch.Generator().manual_seed(2)).byte()


@pytest.mark.parametrize("name", ["resnet18", "resnet20", "resnext50_32x4d"])
@pytest.mark.parametrize("first", [models.fuse, lambda net: net])
def test_a_network_of_pixels_answers_as_that_of_normalized_images(name, first):
    net = first(trained(models.build(name, 5, width=16)))
    folded, x = models.fold_normalization(net, MEAN, STD), pixels()
    with torch.no_grad():
        expected = net(normalized(x))
        assert (folded(x) - expected).abs().max() <= EXACT * expected.abs().max()
        assert torch.equal(folded(x), folded(x.double()))


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(3, 4, 7, stride=2, padding=3, bias=False),
        nn.Conv2d(3, 4, 3, padding=(2, 0)),
        nn.Conv2d(3, 4, (3, 5), padding="same"),
        nn.Conv2d(3, 4, 3, padding="valid"),
        nn.Conv2d(3, 6, 3, padding=1, groups=3),
        nn.Conv2d(3, 4, 3, padding=2, dilation=2),
        nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular"),
    ],
    ids=str,
)
def test_each_map_is_the_same_to_its_edges(conv):
    conv = conv.double()
    folded, x = models.fold_normalization(conv, MEAN, STD), pixels()
    with torch.no_grad():
        expected = conv(normalized(x))
        difference = (folded(x) - expected).abs()
    assert difference.max() <= EXACT * expected.abs().max()
    assert difference.shape == expected.shape


def test_padding_with_black_would_be_another_network():
    """What the edge costs where only the weights are folded: the mean color must be outside, not black."""
    conv = nn.Conv2d(3, 4, 3, padding=1).double()
    folded, x = models.fold_normalization(conv, MEAN, STD), pixels()
    naive = nn.functional.conv2d(x.double(), folded.weight, folded.bias, padding=1)
    difference = (naive - conv(normalized(x))).abs()
    assert difference[:, :, 1:-1, 1:-1].max() < 1e-12
    assert difference.max() > 0.1


def test_grey_pictures_have_one_mean():
    net = trained(models.build("resnet20", 5, width=4, in_channels=1))
    folded, x = models.fold_normalization(net, 0.3, 0.2), pixels(1)
    assert_equal(lambda images: net(normalized(images, (0.3,), (0.2,))), folded, x)


def test_a_network_of_pixels_can_be_fused_afterwards():
    net, x = trained(models.build("resnet20", 5, width=4)), pixels()
    folded = models.fuse(models.fold_normalization(net, MEAN, STD))
    assert norms(folded) == []
    assert_equal(lambda images: net(normalized(images)), folded, x)


def test_pixels_keep_the_order_of_memory_of_the_network():
    net = trained(models.build("resnet20", 5, width=4)).to(memory_format=torch.channels_last)
    folded = models.fold_normalization(net, MEAN, STD)
    assert folded.conv1.weight.is_contiguous(memory_format=torch.channels_last)
    assert folded.conv1(pixels()).is_contiguous(memory_format=torch.channels_last)


def test_in_sixteen_bits_pixels_are_still_exact():
    conv = nn.Conv2d(3, 4, 3, padding=1)
    folded, x = models.fold_normalization(conv, MEAN, STD), pixels()
    with torch.autocast("cpu", torch.bfloat16):
        low = folded(x)
    assert low.dtype == torch.bfloat16
    # Eight bits for weights and color of the edge, each wrong by 2 ** -9 at most, and products that cancel.
    assert (low.double() - conv.double()(normalized(x))).abs().max() < 0.1


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ((0.5, 0.5), STD, "mean must be one finite number or 3"),
        (MEAN, (0.2, float("nan"), 0.2), "std must be one finite number or 3"),
        (MEAN, (0.2, 0.0, 0.2), "std must be positive"),
        (MEAN, (0.2, -0.2, 0.2), "std must be positive"),
        (MEAN, "none", "std must be a list of numbers"),
    ],
)
def test_numbers_that_do_not_fit_the_channels_are_refused(mean, std, message):
    with pytest.raises(ValueError, match=message):
        models.fold_normalization(models.build("resnet20", width=4), mean, std)


class ReadTwice(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return self.conv(x) + x


@pytest.mark.parametrize(
    ("net", "readers"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), "Flatten"),
        (nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)), "BatchNorm2d"),
        (ReadTwice(), "Conv2d, add"),
        (models.fold_normalization(nn.Sequential(nn.Conv2d(3, 4, 3)), MEAN, STD), "PixelConv2d"),
    ],
)
def test_a_network_whose_first_layer_is_something_else_is_refused(net, readers):
    with pytest.raises(ValueError, match=f"are read by: {readers}"):
        models.fold_normalization(net, MEAN, STD)


def test_a_hook_on_the_first_convolution_is_refused():
    net = models.build("resnet20", width=4)
    net.conv1.register_forward_hook(lambda *_: None)
    with pytest.raises(ValueError, match="hook of the first convolution"):
        models.fold_normalization(net, MEAN, STD)
