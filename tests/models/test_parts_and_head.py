"""The parts of a network, its way from stem to logits cut in pieces, and a new head."""

import pytest
import torch
from bits import assert_same_bits, state
from torch import nn

from resnet_utils import models
from resnet_utils.models import preactivation, resnet


def network(name="resnet20", **options):
    torch.manual_seed(0)
    return models.build(name, num_classes=5, width=4, **options)


@pytest.mark.parametrize("order", preactivation.ORDERS)
@pytest.mark.parametrize("name", ["resnet20", "resnet18", "resnet50", "plain20"])
def test_parts_hold_every_parameter_once(name, order):
    model = network(name, order=order)
    held = [id(p) for modules in model.parts().values() for m in modules for p in m.parameters()]
    assert sorted(held) == sorted(id(parameter) for parameter in model.parameters())


def test_a_new_head_has_the_asked_size_and_changes_nothing_else():
    model = network().double()
    model.requires_grad_(False)
    before = state(model)
    model.reset_head(2)
    after = state(model)
    assert after["fc.weight"].shape == (2, 16)
    assert after["fc.weight"].dtype == torch.float64
    assert model.fc.weight.requires_grad
    assert all(torch.equal(before[key], after[key]) for key in before if not key.startswith("fc"))
    assert model(torch.rand(1, 3, 16, 16, dtype=torch.float64)).shape == (1, 2)
    assert model.spec.num_classes == 2


def test_a_head_of_one_class_is_refused():
    with pytest.raises(ValueError, match="num_classes must be at least 2, got 1"):
        network().reset_head(1)


def test_dropout_before_the_head_changes_neither_its_names_nor_its_answers_in_eval_mode():
    plain, dropping = network(), network()
    torch.manual_seed(5)
    plain.reset_head(2)
    torch.manual_seed(5)
    dropping.reset_head(2, dropout=0.5)
    assert_same_bits(state(plain), state(dropping))
    images = torch.rand(4, 3, 16, 16)
    assert torch.equal(plain.eval()(images), dropping.eval()(images))
    assert not torch.equal(plain.train()(images), dropping.train()(images))


def test_dropout_leaves_out_the_asked_share_and_keeps_the_mean():
    head = resnet.DropoutLinear(20_000, 1, 0.3)
    nn.init.ones_(head.weight)
    nn.init.zeros_(head.bias)
    torch.manual_seed(0)
    # each input is 0 or 1/0.7; the sum over 20,000 has a standard deviation of 93, so four of them are 370
    assert head(torch.ones(1, 20_000)).item() == pytest.approx(20_000, abs=370)
    assert head(torch.ones(1, 20_000)).item() != 20_000


def test_a_head_that_drops_everything_is_refused():
    with pytest.raises(ValueError, match="dropout must be at least 0 and below 1, got 1"):
        network().reset_head(2, dropout=1)


def test_a_new_head_takes_the_old_ones_mode_and_device():
    model = network().eval()
    model.reset_head(3, dropout=0.5)
    assert not model.fc.training
    there = network().to("meta")  # stands for a GPU: any device that is not the CPU
    there.reset_head(3)
    assert there.fc.weight.is_meta


def test_a_new_head_is_torchs_own_linear_layer():
    model = network()
    torch.manual_seed(3)
    model.reset_head(7)
    torch.manual_seed(3)
    assert_same_bits(model.fc.state_dict(), nn.Linear(16, 7).state_dict())


@pytest.mark.parametrize("order", ["original", "full pre-activation"])
def test_the_pieces_of_the_way_are_the_forward_pass(order):
    """``parts`` in their order, with what has no parameters between them, give the logits too."""
    model = network("resnet18", order=order).eval()
    x = torch.rand(2, 3, 64, 64)
    out = model.stem(x)
    assert out.shape == (2, 4, 16, 16)
    parts = model.parts()
    assert list(parts) == ["stem", "layer1", "layer2", "layer3", "layer4", "fc"]
    for stage in model.stages:
        for module in parts[stage]:
            out = module(out)
    assert torch.equal(out, model.forward_features(x))
    vectors = model.forward_head(out, pre_logits=True)
    assert torch.equal(vectors, out.mean(dim=(2, 3)))
    assert torch.equal(model.fc(vectors), model(x))
    assert torch.equal(model.forward_head(out), model(x))


def test_the_stem_is_a_way_and_not_a_module():
    """torchvision's weights need ``conv1`` and ``bn1`` as direct attributes."""
    names = [name for name, _ in network("resnet18").named_children()]
    assert names == [
        "conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc"
    ]  # fmt: skip
