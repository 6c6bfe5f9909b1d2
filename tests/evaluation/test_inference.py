"""Tests of ``evaluation.inference``: where it computes, what it counts, and that modes come back."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from resnet_utils import data, evaluation
from resnet_utils.evaluation.inference import collected


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(12), nn.Linear(12, 3)).double()


def loader(batch_size):
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(10, 3, 2, 2, generator=generator, dtype=torch.float64)
    return DataLoader(TensorDataset(images, torch.arange(10) % 3), batch_size)


class Noted:
    """Batches that note where they are sent."""

    def __init__(self):
        self.devices = []

    def to(self, device):
        self.devices.append(torch.device(device))
        return torch.ones(1, 12, dtype=torch.float64) if len(self.devices) % 2 else torch.zeros(1).long()

    def cpu(self):
        return torch.zeros(1).long()


@pytest.mark.parametrize("ask", [evaluation.predict, evaluation.evaluate])
def test_the_batches_go_where_the_model_lies_unless_told_otherwise(ask):
    images = Noted()
    ask(network(), [(images, images)])
    assert set(images.devices) == {torch.device("cpu")}
    images = Noted()
    ask(network(), [(images, images)], device="meta")
    assert set(images.devices) == {torch.device("meta")}
    on_meta = network().to("meta")
    images = Noted()
    with pytest.raises((RuntimeError, NotImplementedError)):  # a stand-in for a GPU, which computes no number
        ask(on_meta, [(images, images)])
    assert images.devices[0] == torch.device("meta")


@pytest.mark.parametrize("ask", [evaluation.predict, evaluation.evaluate])
def test_the_device_is_given_by_name(ask):
    with pytest.raises(TypeError, match="positional"):
        ask(network(), loader(4), "cpu")


@pytest.mark.parametrize("batch_size", [4, 10])
def test_another_loss_is_averaged_over_samples_too(batch_size):
    """Batches of 4, 4 and 2: the mean of batch means would be another number."""
    model, loss = network(), nn.CrossEntropyLoss(label_smoothing=0.2)
    images, labels = loader(10).dataset.tensors
    expected = loss(model.eval()(images), labels).item()
    found, accuracy = evaluation.evaluate(model, loader(batch_size), loss_function=loss)
    assert found == pytest.approx(expected, rel=1e-12)  # float64 sums in another order
    assert accuracy == evaluation.evaluate(model, loader(batch_size))[1]


def test_modes_that_differ_come_back_each_to_its_own_and_after_an_error_too():
    model = network().train()
    model[1].eval()

    def fail():
        with evaluation.kept_modes(model):
            model.eval()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [module.training for module in model.modules()] == [True, True, False, True]


def test_whatever_is_computed_is_joined_in_order_and_in_eval_mode():
    model = network().train()
    modes = []

    def first_pixel(images):
        modes.append(model.training)
        return images[:, 0, 0, 0]

    values, labels = collected(model, loader(4), compute=first_pixel, caller="test")
    images, expected = loader(10).dataset.tensors
    assert torch.equal(values, images[:, 0, 0, 0])
    assert torch.equal(labels, expected)
    assert modes == [False] * 3
    assert model.training


@pytest.mark.parametrize("ask", [evaluation.evaluate, evaluation.predict])
def test_a_network_with_too_few_outputs_for_the_classes_is_refused(ask):
    split = data.drawn_animals(9, size=8, species=("cat", "dog", "fox"))
    split = split.subset((split.labels < 2).nonzero()[:, 0])  # no fox is shown
    loader = data.loader(split, 2)

    def network(outputs):
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 64, outputs))

    ask(network(3), loader)
    ask(network(5), loader)
    with pytest.raises(
        ValueError, match=r"has 2 outputs, too few for the loader's 3 classes \('cat', 'dog', 'fox'\)"
    ):
        ask(network(2), loader)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (torch.rand(2, 3, 8, 8), torch.tensor([0]), "a label for each image"),
        (torch.rand(2, 3, 8, 8), torch.tensor(0), "a label for each image"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]), "images must be float"),
        (torch.rand(2, 1, 8, 8), torch.tensor([0, 1]), "do not fit the network"),
        (torch.rand(2, 3, 8, 8).double(), torch.tensor([0, 1]), "another precision"),
    ],
)
def test_what_a_network_cannot_be_asked_is_said_in_words(images, labels, message):
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 8), torch.nn.Flatten())
    with pytest.raises(ValueError, match=message):
        evaluation.predict(network, [(images, labels)])
