"""Weights under the names that others give them come to the model, or the message says the way on."""

import pytest
import timm
import torch
import torchvision
from bits import assert_same_bits, state, used
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.optim.swa_utils import AveragedModel

from resnet_utils import data, models, training
from resnet_utils.files import naming, weights


def network(name="resnet18", classes=3, **options):
    """A small one, with running statistics of its own."""
    return used(models.build(name, classes, **({"width": 4} | options)))


def loaded(content, path, model=None, **options):
    """``model`` after it has read ``content`` from a file."""
    model = network() if model is None else model
    torch.save(content, path / "w.pth")
    weights.load_weights(model, path / "w.pth", **options)
    return model


def renamed(model, rename):
    return {rename(key): value for key, value in model.state_dict().items()}


PREFIX = st.lists(st.sampled_from(["module", "_orig_mod", "model", "backbone", "encoder", "net"]), max_size=4)


@settings(max_examples=30, deadline=None)
@given(
    before=PREFIX,
    wrappers=st.lists(st.sampled_from(naming.WRAPPERS), max_size=3),
    head=st.sampled_from(["fc", "linear"]),
)
def test_prefixes_wrappers_and_heads_go_together_in_any_order(before, wrappers, head, tmp_path_factory):
    source = network("resnet20")
    content = renamed(source, lambda key: ".".join([*before, key.replace("fc.", f"{head}.")]))
    for name in wrappers:
        content = {name: content, "epoch": 3}
    model = loaded(content, tmp_path_factory.getbasetemp(), network("resnet20"))
    assert_same_bits(state(model), state(source))


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile, AveragedModel])
@pytest.mark.parametrize("which", ["file", "model", "both"])
def test_wrapped_networks_load_and_are_loaded(wrap, which, tmp_path):
    source, target = network(), network()
    written = wrap(source).state_dict() if which != "model" else source.state_dict()
    wrapped = wrap(target) if which != "file" else target
    loaded(written, tmp_path, wrapped)
    bare = naming.canonical
    found = {bare(key): value for key, value in wrapped.state_dict().items() if key != "n_averaged"}
    assert_same_bits(found, state(source))


def test_shortcuts_of_the_repositories_for_cifar_load(tmp_path):
    """``shortcut.0`` and ``linear``, as in many ResNet-18s for CIFAR-10."""
    source = network(stem="cifar")
    content = renamed(source, lambda k: k.replace("downsample", "shortcut").replace("fc.", "linear."))
    assert any("shortcut" in key for key in content)
    assert_same_bits(
        state(loaded({"net": content, "acc": 95.2}, tmp_path, network(stem="cifar"))), state(source)
    )


def hugging_face(key):
    """The name in transformers' ``ResNetForImageClassification``, written down from its source."""
    parts = key.split(".")
    if parts[0] in ("conv1", "bn1"):
        return ".".join(
            ["resnet.embedder.embedder", {"conv1": "convolution", "bn1": "normalization"}[parts[0]], parts[1]]
        )
    if parts[0] == "fc":
        return f"classifier.1.{parts[1]}"
    start = f"resnet.encoder.stages.{int(parts[0][5:]) - 1}.layers.{parts[1]}"
    if parts[2] == "downsample":
        return f"{start}.shortcut.{['convolution', 'normalization'][int(parts[3])]}.{parts[4]}"
    kind = "convolution" if parts[2].startswith("conv") else "normalization"
    return f"{start}.layer.{int(parts[2][-1]) - 1}.{kind}.{parts[3]}"


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_names_of_hugging_face_load(name, tmp_path):
    source = network(name)
    content = renamed(source, hugging_face)
    assert "resnet.encoder.stages.1.layers.0.shortcut.convolution.weight" in content
    assert_same_bits(state(loaded(content, tmp_path, network(name))), state(source))


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_names_go_back_to_hugging_face(name):
    for key in network(name).state_dict():
        assert naming.transformers_name(key) == hugging_face(key)
        assert naming.canonical(naming.transformers_name(key)) == key


@pytest.mark.parametrize("name", ["layer5.0.conv1.weight", "head.weight", "fc", "layer1.0.conv4.weight"])
def test_a_name_that_torchvision_has_not_is_refused_on_the_way_to_hugging_face(name):
    with pytest.raises(ValueError, match="expected a name of torchvision's ResNets"):
        naming.transformers_name(name)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_timms_and_torchvisions_networks_load_with_their_answers(name, tmp_path):
    for source in (timm.create_model(name, num_classes=3), getattr(torchvision.models, name)(num_classes=3)):
        model = loaded(used(source).state_dict(), tmp_path, models.build(name, 3))
        x = torch.rand(1, 3, 64, 64)
        torch.testing.assert_close(model.eval()(x), source.eval()(x))


def test_a_lightning_checkpoint_loads(tmp_path):
    source = network()
    content = {
        "state_dict": renamed(source, "model.backbone.{}".format),
        "hyper_parameters": {"lr": 0.1},
        "pytorch-lightning_version": "2.5.0",
        "optimizer_states": [{"state": {}}],
    }
    assert_same_bits(state(loaded(content, tmp_path)), state(source))


def test_a_checkpoint_of_fit_gives_its_models_weights(tmp_path):
    images, labels = torch.randint(0, 255, (8, 3, 8, 8)).to(torch.uint8), torch.arange(8) % 2
    loader = data.loader(data.Split(images, labels, ("a", "b"), source="made up"), 4, shuffle=True, seed=0)
    source = models.build("resnet20", 2, width=4)
    training.fit(
        source,
        loader,
        epochs=1,
        optimizer=training.sgd(source, 0.01),
        progress=False,
        checkpoint=tmp_path / "run.pt",
    )
    model = models.build("resnet20", 2, width=4)
    weights.load_weights(model, tmp_path / "run.pt")
    assert_same_bits(state(model), state(source))


def test_plain_weights_go_before_averaged_ones_unless_asked_for(tmp_path):
    plain, averaged = network(), network()
    content = {"state_dict_ema": averaged.state_dict(), "state_dict": plain.state_dict(), "epoch": 3}
    assert_same_bits(state(loaded(content, tmp_path)), state(plain))
    assert_same_bits(state(loaded(content, tmp_path, entry="state_dict_ema")), state(averaged))
    with pytest.raises(ValueError, match=r"there is no entry 'ema', only 'state_dict_ema' \(OrderedDict\), "):
        loaded(content, tmp_path, entry="ema")


def test_another_number_of_classes_is_refused_with_the_way_on(tmp_path):
    source = network(classes=7)
    way_on = r"load into a network with 7, then models.replace_head\(model, 3\); or pass keep_head=True"
    with pytest.raises(ValueError, match=way_on):
        loaded(source.state_dict(), tmp_path)


@pytest.mark.parametrize("change", [lambda s: s, lambda s: {k: v for k, v in s.items() if "fc" not in k}])
def test_the_models_own_head_can_be_kept(change, tmp_path):
    source, model = network(classes=7), network()
    head = state(model.fc)
    if len(change(source.state_dict())) < len(source.state_dict()):
        with pytest.raises(ValueError, match=r"2 missing \(fc.weight, fc.bias\).*pass keep_head=True"):
            loaded(change(source.state_dict()), tmp_path)
    loaded(change(source.state_dict()), tmp_path, model, keep_head=True)
    assert_same_bits(state(model.fc), head)
    for key, value in source.state_dict().items():
        assert key.startswith("fc.") or torch.equal(model.state_dict()[key], value)


def test_other_channels_and_stems_are_refused_with_the_way_on(tmp_path):
    with pytest.raises(ValueError, match=r"1 channel\(s\), the model's 3: .*models.adapt_input\(model, 3\)"):
        loaded(network(in_channels=1).state_dict(), tmp_path)
    with pytest.raises(ValueError, match="The first convolutions differ in size"):
        loaded(network(stem="cifar").state_dict(), tmp_path)


def test_another_architecture_is_refused_with_both_families_of_names(tmp_path):
    squeeze = torchvision.models.squeezenet1_1(num_classes=3)
    families = "The names in the file begin with features, the model's with bn1, conv1, fc, layer1"
    with pytest.raises(ValueError, match=families):
        loaded(squeeze.state_dict(), tmp_path)


def test_a_name_that_stands_twice_is_refused(tmp_path):
    content = network().state_dict()
    content = {f"model.{k}": v for k, v in content.items()} | {"module.fc.bias": torch.zeros(3)}
    with pytest.raises(
        ValueError, match=r"ambiguous: both 'model.fc.bias' and 'module.fc.bias' would be 'fc.bias'"
    ):
        loaded(content, tmp_path)


def test_names_of_two_networks_in_one_are_left_alone(tmp_path):
    """A student and its teacher: without the prefix nothing would tell them apart."""

    def pair():
        return nn.ModuleDict({"model": network(), "encoder": network()})

    source = pair()
    assert_same_bits(state(loaded(source.state_dict(), tmp_path, pair())), state(source))


KEYS = [key for name in ("resnet18", "resnet50") for key in models.build(name, width=4).state_dict()]


@given(st.sampled_from(KEYS))
def test_a_name_of_torchvisions_is_its_own_canonical_one(key):
    assert naming.canonical(key) == key
