"""Networks with switches, against networks that are cut by hand."""

import copy

import onnxruntime
import pytest
import torch
from bits import used
from torch import nn
from torchvision.models import resnet18

from experiments import live_graph
from resnet_utils import models
from resnet_utils.analysis.grad_cam import grad_cam
from resnet_utils.analysis.lesions import Switchable
from resnet_utils.files import weights

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZE = 24
NETWORKS = {"residual": "resnet18", "plain": "plain18"}


def small(name):
    """A network of eight blocks with running statistics of its own, and weights that fit into 16 bits."""
    torch.manual_seed(0)
    return used(models.build(name, 2, stem="cifar", width=6)).half().float().eval()


@pytest.fixture(params=NETWORKS.values())
def model(request):
    return small(request.param)


@pytest.fixture
def pixels():
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (3, 3, SIZE, SIZE), generator=generator).float()


@pytest.fixture
def images(pixels):
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    return (pixels / 255 - mean) / std


def blocks_of(model):
    return [block for name in model.stages for block in model.get_submodule(name)]


def off(usual, number, *, shortcut=None, branch=None):
    """Multipliers with those of one block changed."""
    shortcuts, branches = (value.clone() for value in usual)
    if shortcut is not None:
        shortcuts[:, number] = shortcut
    if branch is not None:
        branches[:, number] = branch
    return shortcuts, branches


class Nothing(nn.Module):
    """In the place of stochastic depth: a branch that is always dropped."""

    def forward(self, x):
        return torch.zeros_like(x)


@torch.no_grad()
def test_with_all_switches_on_it_is_the_network(model, images):
    torch.testing.assert_close(Switchable(model)(images), model(images), rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("number", range(8))
def test_a_branch_off_is_the_branch_dropped(images, number):
    model = small("resnet18")
    cut = copy.deepcopy(model)
    blocks_of(cut)[number].survival = Nothing()
    net = Switchable(model)
    found = net(images, *off(net.usual(3), number, branch=0))
    torch.testing.assert_close(found, cut(images), rtol=0, atol=1e-5)
    assert not torch.allclose(found, model(images), atol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("number", range(8))
def test_a_shortcut_off_is_a_plain_block(images, number):
    model = small("resnet18")
    cut = copy.deepcopy(model)
    blocks_of(cut)[number].is_plain = True
    net = Switchable(model)
    found = net(images, *off(net.usual(3), number, shortcut=0))
    torch.testing.assert_close(found, cut(images), rtol=0, atol=1e-5)
    assert not torch.allclose(found, model(images), atol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("number", [0, 1, 3, 5, 7])  # the blocks that keep the shape
def test_a_block_of_a_plain_network_is_taken_out(images, number):
    model = small("plain18")
    cut = copy.deepcopy(model)
    getattr(cut, cut.stages[number // 2])[number % 2] = nn.Identity()
    net = Switchable(model)
    found = net(images, *off(net.usual(3), number, shortcut=1, branch=0))
    torch.testing.assert_close(found, cut(images), rtol=0, atol=1e-5)


@torch.no_grad()
def test_each_image_has_its_own_switches(model, images):
    net = Switchable(model)
    shortcuts, branches = off(net.usual(3), 3, shortcut=1, branch=0)
    shortcuts[1], branches[1] = (value[0] for value in net.usual())
    torch.testing.assert_close(net(images, shortcuts, branches)[1], net(images)[1], rtol=0, atol=1e-5)


def test_the_evidence_is_grad_cam_and_adds_up_to_the_answer(model, images):
    look = Switchable(model).look(images)
    target = torch.tensor([0, 1, 1])
    ours = look.evidence[torch.arange(3), target].relu()
    torch.testing.assert_close(grad_cam(model, images, target), ours, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(look.evidence.sum(dim=(2, 3)) + model.fc.bias, look.logits, rtol=0, atol=1e-5)


@torch.no_grad()
def test_the_last_map_is_what_the_head_gets(model, images):
    maps = Switchable(model).look(images).maps
    assert list(maps) == ["stem", *model.stages]
    torch.testing.assert_close(maps["stem"], model.stem(images))
    torch.testing.assert_close(maps["layer4"], model.forward_features(images), rtol=0, atol=1e-5)


def test_other_networks_and_multipliers_are_refused(model, images):
    with pytest.raises(TypeError, match="order='original'"):
        Switchable(models.build("resnet18", 2, order="full pre-activation"))
    with pytest.raises(TypeError, match=r"models\.build"):
        Switchable(nn.Linear(2, 2))
    with pytest.raises(TypeError, match=r"torchvision\.models\.resnet\.ResNet"):  # not only "a ResNet"
        Switchable(resnet18())
    with pytest.raises(ValueError, match=r"must be \(3, 8\), got \(8,\)"):
        Switchable(model)(images, torch.ones(8))
    with pytest.raises(ValueError, match="finite"):
        Switchable(model)(images, torch.full((3, 8), torch.nan))


def test_of_no_image_there_is_no_answer_and_no_map(model):
    look = Switchable(model).look(torch.zeros(0, 3, SIZE, SIZE))
    assert look.logits.shape == (0, 2)
    assert len(look.evidence) == 0


@torch.no_grad()
def test_the_graph_answers_like_the_network_whatever_is_switched(model, pixels, images, tmp_path):
    path = tmp_path / "net.safetensors"
    weights.save_weights(copy.deepcopy(model).half(), path)
    net = Switchable(model)
    graph = live_graph.write(net, path, size=SIZE, mean=MEAN, std=STD)
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(2)
    for switches in (net.usual(3), torch.rand(2, 3, 8, generator=generator).unbind()):
        given = {"images": pixels, "shortcuts": switches[0], "branches": switches[1]}
        names = [output.name for output in session.get_outputs()]
        made = session.run(names, {name: value.numpy() for name, value in given.items()})
        found = dict(zip(names, map(torch.from_numpy, made), strict=True))
        look = net.look(images, *switches)
        wanted = {"logits": look.logits, "evidence": look.evidence, **look.maps}
        assert found.keys() == wanted.keys()
        for name, value in wanted.items():
            torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-4, msg=name)


def test_the_graph_has_no_weights_and_nothing_of_this_machine(tmp_path):
    path = tmp_path / "net.safetensors"
    model = small("resnet18")
    weights.save_weights(model.half(), path)
    graph = live_graph.write(Switchable(model), path, size=SIZE, mean=MEAN, std=STD).read_bytes()
    assert len(graph) < 40_000
    assert str(tmp_path).encode() not in graph


def test_weights_of_32_bits_are_refused(tmp_path):
    path = tmp_path / "net.safetensors"
    weights.save_weights(small("resnet18"), path)
    with pytest.raises(ValueError, match="not 16 bits"):
        live_graph.write(Switchable(small("resnet18")), path, size=SIZE, mean=MEAN, std=STD)
