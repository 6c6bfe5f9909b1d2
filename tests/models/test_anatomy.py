"""Anybody's ResNet has parts, a head and a first convolution; what has none is refused in words."""

import pytest
import torch
import torchvision
from bits import assert_same_bits, state, used
from torch import nn
from torch.optim.swa_utils import AveragedModel

from resnet_utils import data, evaluation, finetuning, models, training
from resnet_utils.analysis import grad_cam
from resnet_utils.models import anatomy

timm = pytest.importorskip("timm")
PARTS = ["stem", "layer1", "layer2", "layer3", "layer4", "fc"]


def with_long_head():
    net = torchvision.models.resnet18(num_classes=5)
    net.fc = nn.Sequential(nn.Dropout(0.5), nn.Linear(512, 8), nn.ReLU(inplace=True), nn.Linear(8, 5))
    return net


class Smaller(nn.Module):
    """As repositories for CIFAR-10 write them: functions between the layers, a head called ``linear``."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.layer1 = nn.Sequential(models.build("resnet20", width=4).layer1)
        self.linear = nn.Linear(4, 5)

    def forward(self, x):
        out = self.layer1(torch.relu(self.bn1(self.conv1(x))))
        return self.linear(nn.functional.adaptive_avg_pool2d(out, 1).flatten(1))


NETWORKS = {
    "ours": lambda: models.build("resnet18", 5, width=8),
    "ours, pre-activation": lambda: models.build("resnet18", 5, width=8, order="full pre-activation"),
    "torchvision": lambda: torchvision.models.resnet18(num_classes=5),
    "torchvision, bottleneck": lambda: torchvision.models.resnext50_32x4d(num_classes=5),
    "timm": lambda: timm.create_model("resnet18", num_classes=5),
    "timm, deep stem": lambda: timm.create_model("resnet26d", num_classes=5),
    "timm, squeeze and excitation": lambda: timm.create_model("seresnet18", num_classes=5),
    "timm, blurred pooling": lambda: timm.create_model("resnetblur18", num_classes=5),
    "long head": with_long_head,
    "in parallel": lambda: nn.DataParallel(torchvision.models.resnet18(num_classes=5)),
    "averaged": lambda: AveragedModel(torchvision.models.resnet18(num_classes=5)),
    "compiled": lambda: torch.compile(torchvision.models.resnet18(num_classes=5)),
    "compiled in parallel": lambda: torch.compile(nn.DataParallel(models.build("resnet18", 5, width=8))),
    "a repository's": Smaller,
}
each = pytest.mark.parametrize("name", NETWORKS)


def network(name):
    torch.manual_seed(0)
    return used(NETWORKS[name]())


def images(count=4, side=40):
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(1))


@each
def test_the_parts_hold_every_parameter_once(name):
    model = network(name)
    body = anatomy.anatomy(model)
    assert list(body.parts) == (PARTS if name != "a repository's" else ["stem", "layer1", "fc"])
    assert body.num_classes == 5
    held = [id(p) for modules in body.parts.values() for module in modules for p in module.parameters()]
    assert sorted(held) == sorted(id(p) for p in model.parameters())


@each
def test_freezing_and_unfreezing_reach_the_named_parts(name):
    model = network(name)
    body = anatomy.anatomy(model)

    def trainable():
        return [
            part
            for part, ms in body.parts.items()
            if any(p.requires_grad for m in ms for p in m.parameters())
        ]

    finetuning.freeze(model, "layer1")
    assert trainable() == list(body.parts)[2:]
    finetuning.freeze(model)
    assert trainable() == ["fc"]
    finetuning.unfreeze(model, body.stages[-1])
    assert trainable() == [body.stages[-1], "fc"]
    groups = finetuning.parameter_groups(model, 0.8, factor=0.5)
    assert [(group["name"], group["lr"]) for group in groups] == [(body.stages[-1], 0.4), ("fc", 0.8)]


@each
def test_the_head_on_cached_features_gives_the_networks_logits(name):
    model = network(name)
    batches = [(images(), torch.tensor([0, 1, 1, 0]))]
    features, _ = finetuning.cached_features(model, batches)
    body = anatomy.anatomy(model)
    expected, _ = evaluation.predict(body.model, batches)
    with evaluation.kept_modes(body.model), torch.no_grad():
        torch.testing.assert_close(body.head.eval()(features), expected)
    assert model.training


@each
def test_a_new_head_has_the_asked_outputs_and_changes_nothing_else(name):
    model = network(name)
    before = state(anatomy.anatomy(model).model)
    models.replace_head(model, 3, dropout=0.5)
    body = anatomy.anatomy(model)
    assert body.num_classes == 3
    rest = {
        key: value for key, value in state(body.model).items() if not key.startswith(body.head_name + ".")
    }
    assert_same_bits(rest, {key: before[key] for key in rest})
    assert body.model(images()).shape == (4, 3)
    assert body.head.weight.requires_grad


def test_timms_network_knows_the_number_of_its_new_head_as_after_timms_own_change():
    ours, theirs = network("timm"), network("timm")
    models.replace_head(ours, 3)
    theirs.reset_classifier(3)
    assert ours.num_classes == theirs.num_classes == 3


@each
def test_the_map_of_a_class_is_that_of_the_formula(name):
    """Selvaraju et al. 2017, equations 1 and 2, by captum, on the module at the end of each stage."""
    captum = pytest.importorskip("captum.attr")
    model = network(name).eval()
    body = anatomy.anatomy(model)
    before, x, target = state(model), images(2, 48), torch.tensor([1, 4])
    for module in body.model.modules():  # captum takes the map after a ReLU has overwritten it
        if isinstance(module, nn.ReLU):
            module.inplace = False
    for stage in body.stages[1::2] or body.stages:
        judge = captum.LayerGradCam(body.model, body.parts[stage][-1])
        expected = judge.attribute(x, target, relu_attributions=True)[:, 0].detach()
        found = grad_cam.grad_cam(model, x, target, stage=stage)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-7)
    assert_same_bits(state(model), before)


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("name", ["torchvision", "torchvision, bottleneck", "timm"])
def test_relus_that_work_in_place_do_not_spoil_the_map(name, mode):
    """The stock networks overwrite what a hook has seen; with other ReLUs the map must be the same."""
    torch.manual_seed(0)
    model, x, target = network(name).train(mode), images(2, 48), torch.tensor([1, 4])
    kept = []
    handle = model.layer2.register_forward_hook(lambda _, inputs, out: kept.append(out))  # a reader's own
    found = [grad_cam.grad_cam(model, x, target, stage=stage) for stage in ("layer2", "layer4")]
    handle.remove()
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    again = [grad_cam.grad_cam(model, x, target, stage=stage) for stage in ("layer2", "layer4")]
    for one, other in zip(found, again, strict=True):
        assert torch.equal(one, other)
    assert len(kept) == 2
    assert model.training == mode


def task():
    labels = torch.arange(12) % 2
    pixels = torch.randint(0, 100, (12, 3, 32, 32), generator=torch.Generator().manual_seed(1))
    pixels = pixels + 130 * labels[:, None, None, None]
    split = data.Split(pixels.to(torch.uint8), labels, ("cat", "dog"), source="made up")
    return data.loader(split, 6, shuffle=True, seed=0)


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("torchvision", "linear probe"),
        ("torchvision", "gradual unfreezing"),
        ("timm", "frozen backbone"),
        ("timm, deep stem", "full fine-tuning"),
        ("long head", "linear probe"),
        ("long head", "frozen backbone"),
        ("a repository's", "linear probe"),
        ("a repository's", "discriminative rates"),
    ],
)
def test_each_way_moves_its_parts_of_anybodys_network(name, way):
    model = network(name)
    if name != "long head":
        models.replace_head(model, 2)
    body = anatomy.anatomy(model)
    before = {part: [state(module) for module in modules] for part, modules in body.parts.items()}
    history = finetuning.fine_tune(model, task(), task(), way=way, epochs=2, lr=0.01)
    body = anatomy.anatomy(model)
    moved = []
    for part, modules in body.parts.items():
        now = [state(module) for module in modules]
        same = [
            n.keys() == b.keys() and all(torch.equal(n[k], b[k]) for k in n)
            for n, b in zip(now, before[part], strict=True)
        ]
        moved += [part] if not all(same) else []
    assert moved == (["fc"] if way in ("linear probe", "frozen backbone") else list(body.parts))
    assert len(history.valid_loss) == (1 if way == "linear probe" else 2)
    if way == "linear probe":
        assert isinstance(body.head, nn.Linear)


def test_a_copy_with_random_weights_is_made_of_anybodys_network():
    model = network("torchvision")
    before = state(model)
    fresh = grad_cam.randomized(model, "layer4")
    changed = {
        key.split(".")[0] for key, value in fresh.state_dict().items() if not torch.equal(value, before[key])
    }
    assert changed == {"layer4", "fc"}
    assert_same_bits(state(model), before)


REFUSED = {
    "another architecture": (
        lambda: torchvision.models.squeezenet1_1(),
        r"SqueezeNet with the parts features, cl",
    ),
    "no head": (
        lambda: timm.create_model("resnet18", num_classes=0),
        "needs a head with a linear layer, .*Identity",
    ),
    "in a row": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()),
        "Sequential with the parts 0, 1; allowed",
    ),
    "no module": (lambda: {"conv1.weight": torch.zeros(1)}, r"needs a network \(nn.Module\), got dict"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_has_no_such_parts_is_refused_in_words(kind):
    make, message = REFUSED[kind]
    model, x = make(), images()
    calls = {
        "freeze": lambda: finetuning.freeze(model),
        "unfreeze": lambda: finetuning.unfreeze(model, "fc"),
        "parameter_groups": lambda: finetuning.parameter_groups(model, 0.1),
        "unfreezing": lambda: finetuning.unfreezing(model, 2),
        "cached_features": lambda: finetuning.cached_features(model, [(x, torch.zeros(4))]),
        "fine_tune": lambda: finetuning.fine_tune(model, task(), way="linear probe", epochs=1, lr=0.1),
        "grad_cam": lambda: grad_cam.grad_cam(model, x, torch.zeros(4, dtype=torch.long)),
        "randomized": lambda: grad_cam.randomized(model),
        "replace_head": lambda: models.replace_head(model, 3),
    }
    for name, call in calls.items():
        with pytest.raises(TypeError, match=message) as caught:
            call()
        assert str(caught.value).startswith(f"{name}() "), name


def test_parameters_outside_the_parts_are_refused():
    model = network("torchvision")
    model.scale = nn.Parameter(torch.ones(1))
    with pytest.raises(
        TypeError, match=r"cannot tell to which part of the torchvision.*ResNet belongs scale"
    ):
        finetuning.freeze(model)
    model = network("torchvision")
    model.extra = nn.Linear(2, 2)
    with pytest.raises(TypeError, match=r"belongs the torch.nn.modules.linear.Linear behind its head"):
        finetuning.freeze(model)


def test_features_that_are_no_vectors_are_refused():
    class Places(Smaller):
        def forward(self, x):
            return self.linear(self.layer1(self.conv1(x)).movedim(1, 3)).mean(dim=(1, 2))

    with pytest.raises(ValueError, match="instead of one vector an image"):
        finetuning.cached_features(Places(), [(images(), torch.zeros(4))])


# other channels


@pytest.mark.parametrize("name", ["ours", "torchvision", "timm", "timm, deep stem", "in parallel"])
def test_a_grey_picture_gets_the_answer_of_its_three_equal_channels(name):
    model, grey = network(name).eval(), images()[:, :1]
    body = anatomy.anatomy(model).model
    with torch.no_grad():
        expected = body(grey.expand(-1, 3, -1, -1))
        assert models.adapt_input(model, 1) is model
        # float32 sums in another order
        torch.testing.assert_close(body(grey), expected, rtol=1e-4, atol=1e-4)
    assert anatomy.first_convolution(model).in_channels == 1


def test_a_fourth_channel_from_zero_changes_no_answer():
    model, x = network("torchvision").eval(), images()
    with torch.no_grad():
        expected = model(x)
        models.adapt_input(model, 4, how="zero")
        four = torch.cat([x, torch.rand(4, 1, 40, 40)], dim=1)
        torch.testing.assert_close(model(four), expected, rtol=1e-4, atol=1e-4)
    loss = model.train()(four).sum()
    loss.backward()
    assert model.conv1.weight.grad[:, 3].abs().sum() > 0, "it can learn"


@pytest.mark.parametrize("channels", [1, 2, 4, 6, 13])
def test_repeated_filters_are_those_of_timm(channels):
    weight = torch.rand(4, 3, 3, 3)
    expected = timm.models.adapt_input_conv(channels, weight)
    how = "sum" if channels == 1 else "repeat"
    found = models.adapt_input({"module.conv1.weight": weight}, channels, how=how)["module.conv1.weight"]
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("how", ["sum", "mean", "repeat"])
@pytest.mark.parametrize("channels", [1, 2, 3, 6])
def test_equal_channels_give_a_map_of_the_stated_size(how, channels):
    model, grey = network("torchvision").eval(), images()[:, :1]
    expected = model.conv1(grey.expand(-1, 3, -1, -1))
    models.adapt_input(model, channels, how=how)
    found = model.conv1(grey.expand(-1, channels, -1, -1))
    if how == "repeat" and channels < 3:
        return  # only some of the colours are left
    factor = channels / 3 if how == "mean" else 1
    torch.testing.assert_close(found, factor * expected, rtol=1e-4, atol=1e-5)


def test_a_state_dict_is_copied_and_its_network_trains():
    model = network("ours")
    before = state(model)
    given = model.state_dict()
    adapted = models.adapt_input(given, 1)
    assert_same_bits(state(model), before)
    assert_same_bits(given, before)
    grey = models.build("resnet18", 5, width=8, in_channels=1)
    grey.load_state_dict(adapted)
    training.train_one_epoch(grey, [(images()[:, :1], torch.tensor([0, 1, 1, 0]))], training.sgd(grey, 0.1))


def test_the_card_of_an_adapted_network_names_its_channels():
    model = models.adapt_input(network("ours"), 1)
    assert models.card_of(model, "resnet18", "abcde")["options"]["in_channels"] == 1


@pytest.mark.parametrize(
    ("channels", "how", "message"),
    [
        (0, "sum", "channels must be a whole number of at least 1, got 0"),
        (1.0, "sum", r"at least 1, got 1\.0"),
        (4, "middle", "how must be one of sum, mean, repeat, zero, got 'middle'"),
        (1, "zero", "how='zero' adds channels, but 1 are fewer than the 3 there are"),
    ],
)
def test_channels_that_make_no_sense_are_refused(channels, how, message):
    with pytest.raises(ValueError, match=message):
        models.adapt_input(network("ours"), channels, how=how)
    with pytest.raises(ValueError, match=message):
        models.adapt_input(network("ours").state_dict(), channels, how=how)


def test_a_state_dict_without_a_first_convolution_is_refused():
    with pytest.raises(ValueError, match=r"the state dict has no conv1.weight"):
        models.adapt_input({"features.0.weight": torch.zeros(1)}, 1)


def test_an_error_on_the_way_leaves_no_hook_behind():
    model = network("ours")
    body = anatomy.anatomy(model)

    def fail(maps):
        raise KeyError("on the way")

    with pytest.raises(KeyError, match="on the way"):
        body.with_map(images(), body.stages[-1], fail)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
