"""Grad-CAM against captum and its own special cases; randomized networks against fresh ones."""

import pytest
import torch
from bits import assert_same_bits, state, used

from resnet_utils import models
from resnet_utils.analysis import grad_cam


def network(name="resnet20", *, width=4, classes=3):
    """A small network with running statistics of its own, left in train mode."""
    torch.manual_seed(0)
    return used(models.build(name, classes, width=width))


X, TARGET = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 2, 1, 1])


@pytest.mark.parametrize("name", ["resnet20", "resnet18", "resnet50", "plain20"])
@pytest.mark.parametrize("stage", ["layer2", None])
def test_the_map_is_captums(name, stage):
    attr = pytest.importorskip("captum.attr")
    model = network(name)
    ours = grad_cam.grad_cam(model, X, TARGET, stage=stage)
    layer = model.get_submodule(stage or model.stages[-1])
    model.eval()
    theirs = attr.LayerGradCam(model, layer).attribute(X, TARGET, relu_attributions=True)[:, 0]
    # the same sums in another order: float32 rounding, relative to the largest value
    torch.testing.assert_close(ours / ours.max(), theirs.detach() / ours.max(), rtol=0, atol=1e-5)
    assert ours.max() > 0


def test_behind_average_pooling_the_weights_are_the_heads():
    """There Grad-CAM is the older class activation map: Selvaraju et al. 2017, appendix A."""
    model = network().double().eval()
    x = X.double()
    maps = model.forward_features(x).detach()
    weights = model.fc.weight[TARGET].detach() / maps[0, 0].numel()
    expected = torch.einsum("nc,nchw->nhw", weights, maps).relu()
    torch.testing.assert_close(grad_cam.grad_cam(model, x, TARGET), expected)


def test_an_image_does_not_depend_on_its_neighbours():
    model = network().double()
    together = grad_cam.grad_cam(model, X.double(), TARGET)
    alone = grad_cam.grad_cam(model, X[1:2].double(), TARGET[1:2])
    torch.testing.assert_close(alone, together[1:2])


def test_the_network_is_left_as_it_was_even_when_it_is_frozen():
    model = network()
    model.layer1.eval()
    for parameter in model.parameters():
        parameter.requires_grad = False
    before, modes = state(model), [m.training for m in model.modules()]
    with torch.no_grad():
        maps = grad_cam.grad_cam(model, X, TARGET)
    assert_same_bits(state(model), before)
    assert [m.training for m in model.modules()] == modes
    assert all(p.grad is None for p in model.parameters())
    assert not maps.requires_grad


@pytest.mark.parametrize("options", [{}, {"order": "full pre-activation"}, {"se": 4}])
def test_the_last_map_is_what_is_pooled(options):
    """Behind average pooling stands one linear layer, whatever the blocks are made of."""
    torch.manual_seed(0)
    model = used(models.build("resnet20", 3, width=4, **options)).double().eval()
    maps = model.forward_features(X.double()).detach()
    weights = model.fc.weight[TARGET].detach() / maps[0, 0].numel()
    wanted = torch.einsum("nc,nchw->nhw", weights, maps).relu()
    torch.testing.assert_close(grad_cam.grad_cam(model, X.double(), TARGET), wanted)


def test_images_and_targets_are_moved_to_the_model():
    """ "meta" stands for a GPU: a device that is not the CPU, on which nothing may be mixed with the CPU."""
    maps = grad_cam.grad_cam(network().to("meta"), X, TARGET)
    assert maps.is_meta
    assert maps.shape == (4, 8, 8)


def test_mass_by_hand():
    maps = torch.tensor([[[3.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    masks = torch.tensor([[[1, 0], [1, 0]], [[1, 1], [1, 1]]], dtype=torch.bool)
    found = grad_cam.mass_inside(maps, masks)
    assert found[0].item() == 0.75
    assert found[1].isnan(), "a map without mass has no share of it"


def test_a_level_map_scores_the_share_of_the_area():
    masks = torch.rand(5, 16, 16, generator=torch.Generator().manual_seed(0)) < 0.3
    found = grad_cam.mass_inside(torch.full((5, 4, 4), 0.7), masks)
    torch.testing.assert_close(found, masks.double().mean(dim=(1, 2)))


def test_enlarging_keeps_a_level_map_and_the_peaks_place():
    maps = torch.full((1, 4, 4), 0.2)
    maps[0, 3, 1] = 1.0
    large = grad_cam.enlarge(maps, 32)
    assert large.shape == (1, 32, 32)
    row, column = divmod(int(large[0].argmax()), 32)
    assert (row // 8, column // 8) == (3, 1)


@pytest.mark.parametrize(
    ("down_to", "fresh"),
    [
        ("fc", {"fc"}),
        ("layer3", {"fc", "layer3"}),
        ("stem", {"fc", "layer3", "layer2", "layer1", "conv1", "bn1"}),
    ],
)
def test_randomising_goes_from_the_head_down(down_to, fresh):
    model = network()
    before = state(model)
    other = grad_cam.randomized(model, down_to).state_dict()
    changed = {key.split(".")[0] for key, value in other.items() if not torch.equal(value, before[key])}
    assert changed == fresh
    assert_same_bits(state(model), before)


def test_random_weights_have_the_size_of_a_fresh_network():
    model = network(width=16)
    for parameter in model.parameters():
        parameter.data.mul_(100)
    weight = grad_cam.randomized(model).layer2[1].conv1.weight
    # 32 channels of 9 weights: He's standard deviation for fan-out; 9,216 draws are within 3 %
    assert weight.std().item() == pytest.approx((2 / (32 * 9)) ** 0.5, rel=0.03)


def test_random_weights_are_those_of_the_layers_drawn_from_the_head_down():
    model = network()
    fresh = grad_cam.randomized(model, "layer3", seed=5)
    torch.manual_seed(5)
    head = torch.nn.Linear(16, 3)
    assert torch.equal(fresh.fc.weight, head.weight)
    first = torch.nn.init.kaiming_normal_(torch.empty(16, 8, 3, 3), mode="fan_out", nonlinearity="relu")
    assert torch.equal(fresh.layer3[0].conv1.weight, first)


def test_the_seed_decides_and_other_draws_are_left_alone():
    model = network()
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    one, same, other = (grad_cam.randomized(model, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert_same_bits(one.state_dict(), same.state_dict())
    assert not torch.equal(one.conv1.weight, other.conv1.weight)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: grad_cam.grad_cam(network(), X, TARGET, stage="layer4"), "stage must be one of layer1"),
        (lambda: grad_cam.grad_cam(network(), X, TARGET[:2]), r"whole numbers \(4,\)"),
        (lambda: grad_cam.grad_cam(network(), X, TARGET + 1), "must lie in 0 to 2"),
        (lambda: grad_cam.randomized(network(), "head"), "down_to must be one of fc, layer3"),
        (lambda: grad_cam.mass_inside(X[:, 0], X[:2, 0] > 0), "need maps"),
        (lambda: grad_cam.mass_inside(-X[:, 0], X[:, 0] > 0), "below 0"),
        (lambda: grad_cam.mass_inside(X[:, 0].abs(), (X[:, 0] > 0).byte() * 255), "masks must be bool"),
        (lambda: grad_cam.grad_cam(network(), X[:0], TARGET[:0]), "N > 0"),
        (lambda: grad_cam.grad_cam(network(), X, TARGET > 0), "whole numbers"),
        (lambda: grad_cam.grad_cam(network(), X[:, :1], TARGET), "do not fit the network"),
        (lambda: grad_cam.grad_cam(network(), X.byte(), TARGET), "images must be float"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_enlarging_puts_a_value_in_the_middle_of_its_square():
    """Four pixels for two places: their middles lie a quarter of a place beside those of the pixels."""
    found = grad_cam.enlarge(torch.tensor([[[0.0, 1.0], [0.0, 1.0]]]), 4)
    assert found[0].tolist() == [[0.0, 0.25, 0.75, 1.0]] * 4
