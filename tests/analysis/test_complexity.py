"""Costs against torchvision's own metadata and against counting by hand."""

import pytest
import torch
from torch import nn
from torchvision.models import get_model_weights

from resnet_utils import models
from resnet_utils.analysis import complexity

# Receptive field of the last stage; v1 as in Araujo et al. 2019, doi:10.23915/distill.00021, table 1
FIELDS = {
    "resnet18": (435, 435), "resnet34": (899, 899),
    "resnet50": (427, 483), "resnet101": (971, 1027), "resnet152": (1451, 1507),
}  # fmt: skip
IMAGENET = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]


@pytest.mark.parametrize("name", IMAGENET)
def test_parameters_and_multiply_adds_are_those_of_torchvisions_metadata(name):
    meta = get_model_weights(name).IMAGENET1K_V1.meta
    with torch.device("meta"):
        model = models.build(name)
    assert complexity.count_parameters(model) == meta["num_params"]
    # the metadata is rounded to three decimals of 1e9
    assert round(complexity.multiply_adds(model, (1, 3, 224, 224)) / 1e9, 3) == meta["_ops"]


@pytest.mark.parametrize("options", [{"se": 16}, {"shortcut": "D"}, {"order": "full pre-activation"}])
def test_what_runs_beside_the_longest_way_is_no_layer_of_the_depth(options):
    with torch.device("meta"):
        assert complexity.weighted_layers(models.build("resnet50", **options)) == 50


def test_deep_stem_has_two_layers_more():
    with torch.device("meta"):
        assert complexity.weighted_layers(models.build("resnet50", stem="deep", shortcut="D")) == 52


def test_se_adds_two_small_matrix_products_a_block():
    """Hu et al. 2018, section 4: 2 / r times the sum of C squared over the blocks, 2.5 million at r = 16."""
    with torch.device("meta"):
        plain, se = (models.build("resnet50", se=se) for se in (None, 16))
    added = 2 * (3 * 256**2 + 4 * 512**2 + 6 * 1024**2 + 3 * 2048**2) // 16
    macs = [complexity.multiply_adds(model, (1, 3, 224, 224)) for model in (plain, se)]
    assert macs[1] - macs[0] == added == 2_514_944
    biases = sum(n * (c + c // 16) for n, c in ((3, 256), (4, 512), (6, 1024), (3, 2048)))  # no arithmetic
    assert complexity.count_parameters(se) - complexity.count_parameters(plain) == added + biases


def test_multiply_adds_of_one_convolution_are_those_counted_by_hand():
    layer = nn.Conv2d(3, 8, 3, stride=2, padding=1)
    assert complexity.multiply_adds(layer, (2, 3, 10, 10)) == 2 * 8 * 5 * 5 * 3 * 3 * 3


def test_counting_leaves_the_model_as_it_was():
    model = models.build("resnet20", 3).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    complexity.multiply_adds(model, (1, 3, 32, 32))
    assert model.training
    assert all(p.device.type == "cpu" for p in model.parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_frozen_parameters_are_left_out_on_request():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    model[0].requires_grad_(False)
    assert complexity.count_parameters(model) == 16 + 10
    assert complexity.count_parameters(model, trainable_only=True) == 10


def test_a_shared_parameter_counts_once():
    layer = nn.Linear(3, 3, bias=False)
    assert complexity.count_parameters(nn.Sequential(layer, layer)) == 9


def test_input_of_a_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"shape \(1, 4, 32, 32\) does not fit the model"):
        complexity.multiply_adds(models.build("resnet20"), (1, 4, 32, 32))


# memory for training


def kept_by_autograd(model, shape):
    """Bytes of everything that autograd saves in a forward pass, without parameters and buffers."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = (
            storage.nbytes(),
            tensor,
        )  # the tensor too, so that no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = model(torch.rand(shape))
    assert out.requires_grad
    return sum(size for place, (size, _) in kept.items() if place not in own)


@pytest.mark.parametrize(
    ("name", "options", "shape"),
    [
        ("resnet18", {}, (2, 3, 65, 97)),
        ("resnet50", {}, (2, 3, 64, 64)),
        ("resnet20", {}, (4, 3, 32, 32)),
        ("plain20", {}, (4, 3, 32, 32)),
        ("resnet18", {"se": 16}, (2, 3, 65, 97)),
        ("resnet50", {"se": 16}, (2, 3, 64, 64)),
        ("resnet20", {"stochastic_depth": 0.5}, (4, 3, 32, 32)),
        ("resnet18", {"stem": "deep", "shortcut": "D"}, (2, 3, 65, 97)),
        ("resnet18", {"order": "full pre-activation"}, (2, 3, 65, 97)),
        ("resnet50", {"order": "ReLU-only pre-activation", "se": 8}, (2, 3, 64, 64)),
    ],
)
def test_activation_memory_is_what_autograd_keeps(name, options, shape):
    torch.manual_seed(0)
    model = models.build(name, 10, **options)
    parts = complexity.activation_bytes(model, shape)
    assert sum(parts.values()) == kept_by_autograd(model, shape)
    assert list(parts) == [part for part, _ in model.named_children()]


def test_activation_memory_of_two_layers_is_that_counted_by_hand():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
    parts = complexity.activation_bytes(model, (2, 3, 4, 4))
    image, map_ = 2 * 3 * 4 * 4 * 4, 2 * 8 * 4 * 4 * 4  # four bytes a number
    assert parts == {"0": image, "1": map_ + 2 * 8 * 4, "2": map_}


def test_activation_memory_grows_with_the_batch_and_leaves_the_model_as_it_was():
    model = models.build("resnet20").eval()
    one, two = (sum(complexity.activation_bytes(model, (n, 3, 32, 32)).values()) for n in (1, 2))
    norms = 4 * 2 * sum(m.num_features for m in model.modules() if isinstance(m, nn.BatchNorm2d))
    assert two - norms == 2 * (one - norms)
    assert not model.training
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (nn.GELU(), r"no rule for what '1' \(GELU\) keeps"),
        (nn.Dropout(), "Dropout"),
        (nn.AdaptiveAvgPool2d(2), "unless it pools to a single place"),
    ],
)
def test_a_layer_without_a_rule_is_refused(layer, message):
    with pytest.raises(ValueError, match=message):
        complexity.activation_bytes(nn.Sequential(nn.Conv2d(3, 4, 3), layer), (1, 3, 8, 8))


class Squared(nn.Module):
    """Multiplies between its layers, which keeps both factors."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        out = self.conv(x)
        return out * out.sigmoid()


def test_what_is_kept_between_the_layers_is_refused():
    with pytest.raises(ValueError, match="keeps 768 bytes, but autograd keeps 1920: there is no rule"):
        complexity.activation_bytes(Squared(), (1, 3, 8, 8))  # 768 = 4 * 3 * 64; twice 4 * 4 * 36 on top


def test_activation_memory_does_not_depend_on_what_is_frozen_or_on_the_callers_mode():
    model = models.build("resnet20")
    before = complexity.activation_bytes(model, (2, 3, 32, 32))
    model.requires_grad_(False)
    with torch.no_grad():
        assert complexity.activation_bytes(model, (2, 3, 32, 32)) == before
    assert not any(p.requires_grad for p in model.parameters())


def test_activation_memory_refuses_a_wrong_shape():
    with pytest.raises(ValueError, match="does not fit the model"):
        complexity.activation_bytes(models.build("resnet20"), (1, 4, 32, 32))


# receptive field


def as_in_the_paper(model):
    """The stride on the first 1x1 convolution of each stage: "v1"."""
    for stage in ("layer2", "layer3", "layer4"):
        first = model.get_submodule(stage)[0]
        if hasattr(first, "conv3"):
            first.conv1.stride, first.conv2.stride = (2, 2), (1, 1)
    return model


def seen_by_one_place(model, pixels):
    """Side of the square of pixels that a place in the middle of the last feature map depends on.

    With positive weights and average pooling no two ways of a pixel cancel, so its gradient is above zero
    exactly where there is a way.
    """
    for module in model.eval().modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
    model.maxpool = nn.AvgPool2d(3, stride=2, padding=1)
    x = torch.ones(1, 3, pixels, pixels, dtype=torch.float64, requires_grad=True)
    maps = model.double().forward_features(x)
    maps[0, 0, maps.shape[2] // 2, maps.shape[3] // 2].backward()
    rows, columns = ((x.grad[0, 0] != 0).any(dim=axis).nonzero() for axis in (1, 0))
    assert rows.min() > 0
    assert rows.max() < pixels - 1
    assert torch.equal(rows, columns)
    return (rows.max() - rows.min() + 1).item()


@pytest.mark.parametrize(("name", "fields"), FIELDS.items())
def test_receptive_field_is_the_published_one(name, fields):
    with torch.device("meta"):
        model = models.build(name)
    assert complexity.receptive_field(model)["layer4"] == (fields[0], 32)
    assert complexity.receptive_field(as_in_the_paper(model))["layer4"] == (fields[1], 32)


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50"])
def test_receptive_field_is_what_autograd_sees(name):
    for change in (lambda model: model, as_in_the_paper):
        model = change(models.build(name, 1, width=1))
        side, _ = complexity.receptive_field(model)["layer4"]
        assert seen_by_one_place(model, side + 96) == side


def test_receptive_field_of_a_dilated_convolution():
    model = nn.Sequential(nn.Conv2d(1, 1, 3, dilation=2), nn.Conv2d(1, 1, 3, stride=2), nn.Conv2d(1, 1, 3))
    assert complexity.receptive_field(model) == {"0": (5, 1), "1": (7, 2), "2": (11, 2)}


def test_the_longer_side_of_an_oblong_window_counts():
    """The field is given as the side of a square that holds it: 1 + (5 - 1) * 1, then + (3 - 1) * 2."""
    net = nn.Sequential(nn.Conv2d(1, 1, (1, 5), stride=(1, 2)), nn.MaxPool2d((3, 1), stride=1))
    assert complexity.receptive_field(net) == {"0": (5, 2), "1": (9, 2)}
