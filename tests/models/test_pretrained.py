"""A network and its card: what is needed to build it again is written down, and nothing else is believed."""

import dataclasses
import inspect

import pytest
import safetensors.torch
import torch
import torchvision
from bits import assert_same_bits

from resnet_utils import models
from resnet_utils.files import weights


def test_files_from_before_the_card_was_json_are_still_read(tmp_path):
    """Texts by name, as this project wrote them until November 2026."""
    net = models.build("resnet18", 2, stem="cifar", width=8)
    header = {"network": "resnet18", "stem": "cifar", "width": "8", "classes": "cat, dog", "steps": "7"}
    safetensors.torch.save_file(net.state_dict(), tmp_path / "w.safetensors", metadata=header)
    card = weights.card(tmp_path / "w.safetensors")
    assert (card["classes"], card["steps"]) == (["cat", "dog"], "7")
    assert_same_bits(models.from_card(tmp_path / "w.safetensors").state_dict(), net.state_dict())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet18", {}),
        ("resnet50", {"stem": "cifar", "width": 8}),
        ("resnet20", {"in_channels": 1, "shortcut": "B"}),
        ("plain20", {"width": 4}),
        ("resnet18", {"order": "full pre-activation", "se": 8, "stochastic_depth": 0.2}),
        ("resnet50", {"width": 8, "stem": "deep", "shortcut": "D", "stride_on": "1x1"}),
    ],
)
def test_a_network_is_built_again_from_what_its_card_says(name, options, tmp_path):
    net, classes = models.build(name, 3, **options), ["bow, arrow", "猫", "dog"]
    described = models.card_of(net, name, classes)
    assert described == {"network": name, "options": options, "classes": classes}, "the usual is left out"
    digest = weights.save_weights(net, tmp_path / "w.safetensors", card=described | {"steps": 3})
    again = models.from_card(tmp_path / "w.safetensors", sha256=digest)
    assert_same_bits(again.state_dict(), net.state_dict())
    assert again.spec == net.spec


def test_every_option_of_build_that_changes_the_network_has_its_place_in_the_card():
    """An option that ``card_of`` does not see would be lost on the way; the start of the weights may be."""
    options = {n for n, p in inspect.signature(models.build).parameters.items() if p.kind is p.KEYWORD_ONLY}
    seen = {field.name for field in dataclasses.fields(models.Spec)} | {"in_channels"}
    assert options - seen == {"zero_init_residual"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": "resnet34"}, "the model is no resnet34: it has other blocks_per_stage"),
        ({"network": "resnet19"}, "unknown network 'resnet19'"),
        ({"classes": ["cat"]}, "need a name for each of 2 classes"),
        (
            {"model": torchvision.models.resnet18(num_classes=2)},
            "must come from models.build, got a torchvision",
        ),
    ],
)
def test_a_description_that_is_not_true_is_refused(change, message):
    given = {"model": models.build("resnet18", 2), "network": "resnet18", "classes": ["cat", "dog"]}
    with pytest.raises(ValueError, match=message):
        models.card_of(**given | change)


def test_a_card_that_describes_no_network_is_refused(tmp_path):
    net, path = models.build("resnet20", width=4), tmp_path / "w.safetensors"
    weights.save_weights(net, path, card={"network": "resnet20"})
    with pytest.raises(ValueError, match=r"the card of w.safetensors does not say classes"):
        models.from_card(path)
    weights.save_weights(net, path, card={"classes": ["horse", "ship"]})
    with pytest.raises(ValueError, match=r"the card of w.safetensors does not say network"):
        models.from_card(path)
    strange = {"network": "resnet20", "classes": ["a"] * 10, "options": {"depth": 3}}
    weights.save_weights(net, path, card=strange)
    with pytest.raises(ValueError, match=r"options that models.build does not know: \['depth'\]"):
        models.from_card(path)
    with pytest.raises(FileNotFoundError, match=r"other\.safetensors"):
        models.from_card(tmp_path / "other.safetensors")


def test_without_its_weights_the_network_of_a_card_is_a_fresh_one(tmp_path):
    net, path = models.build("resnet20", 2, width=4), tmp_path / "w.safetensors"
    weights.save_weights(net, path, card=models.card_of(net, "resnet20", ["cat", "dog"]))
    fresh = models.from_card(path, pretrained=False)
    assert fresh.state_dict().keys() == net.state_dict().keys()
    assert not torch.equal(fresh.conv1.weight, net.conv1.weight)


def test_a_card_is_believed_only_with_the_weights_of_the_checksum_asked_for(tmp_path):
    net = models.build("resnet20", 2, width=4)
    path = tmp_path / "w.safetensors"
    digest = weights.save_weights(net, path, card=models.card_of(net, "resnet20", ("a", "b")))
    assert_same_bits(models.from_card(path, sha256=digest).state_dict(), net.state_dict())
    with pytest.raises(ValueError, match="expected 00000000"):
        models.from_card(path, sha256="0" * 64)
