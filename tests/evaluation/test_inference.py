"""Tests of ``evaluation.inference``: where it computes, what it counts, and that modes come back."""

import copy
import math

import numpy as np
import pytest
import torch
from elsewhere import Elsewhere
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from resnet_utils import data, evaluation, training
from resnet_utils.evaluation.inference import collected
from resnet_utils.runtime import environment, processes


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(12), nn.Linear(12, 3)).double()


def loader(batch_size):
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(10, 3, 2, 2, generator=generator, dtype=torch.float64)
    return DataLoader(TensorDataset(images, torch.arange(10) % 3), batch_size)


class Noted(torch.Tensor):
    """Batches that note where they are sent, and stay where they are."""

    devices: list

    def to(self, device, **options):
        self.devices.append(torch.device(device))
        return self.as_subclass(torch.Tensor)


def noted(values):
    tensor = values.as_subclass(Noted)
    tensor.devices = []
    return tensor


class OnGPU(nn.Module):
    """A network that says it lies on a GPU, and computes on the CPU."""

    def __init__(self):
        super().__init__()
        self.inner = network()

    def parameters(self, recurse=True):
        yield Elsewhere(torch.zeros(1))

    def forward(self, images):
        return self.inner(images)


@pytest.mark.parametrize("ask", [evaluation.predict, evaluation.evaluate])
@pytest.mark.parametrize(
    ("make", "options", "place"),
    [(network, {}, "cpu"), (network, {"device": "cpu"}, "cpu"), (OnGPU, {}, "cuda:0"),
     (OnGPU, {"device": "cuda:0"}, "cuda:0")],
)  # fmt: skip
def test_the_batches_go_where_the_model_lies(monkeypatch, ask, make, options, place):
    monkeypatch.setattr(environment, "_is_here", lambda place: True)
    images, labels = loader(10).dataset.tensors
    images, labels = noted(images), noted(labels)
    ask(make(), [(images, labels)], **options)
    assert set(images.devices + labels.devices) == {torch.device(place)}


@pytest.mark.parametrize("ask", [evaluation.predict, evaluation.evaluate])
@pytest.mark.parametrize(
    ("make", "device", "message"),
    [
        (network, "gpu", "torch knows no device 'gpu'; here there is cpu"),
        (network, 1.5, "torch knows no device 1.5"),
        (network, "meta", "'meta' has shapes and no numbers; here there is cpu"),
        (network, "cuda", "no device 'cuda' here; there is cpu"),
        (network, "mps", "no device 'mps' here; there is cpu"),
        (network, "xla", "no device 'xla' here"),
        (OnGPU, "cpu", "the network lies on cuda:0, the computing is to be on cpu: move it first"),
        (lambda: network().to("meta"), None, "it has shapes and no weights"),
    ],
)
def test_a_device_that_is_none_or_not_that_of_the_model_is_refused_with_those_that_are_there(
    monkeypatch, ask, make, device, message
):
    optimizer, model = training.sgd(network(), 0.1), make()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ValueError, match=message):
        ask(model, loader(4), device=device)
    with pytest.raises(ValueError, match=message):
        training.fit(model, loader(4), epochs=1, optimizer=optimizer, device=device)
    with pytest.raises(ValueError, match=message):
        training.train_one_epoch(model, loader(4), optimizer, device=device)


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


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_shares_of_all_processes_add_up_to_what_one_evaluates(monkeypatch, count):
    """Batches of 4, 4 and 2, so that with three processes the first has nothing of the last one."""
    model, parts = network(), []

    def told(*numbers):
        parts.append(numbers)
        return [sum(each) for each in zip(*parts, strict=True)]

    monkeypatch.setattr(processes, "world_size", lambda: count)
    monkeypatch.setattr(processes, "total", told)
    monkeypatch.setattr(processes, "said_by_first", lambda *flags: list(flags))
    for number in range(count):
        monkeypatch.setattr(processes, "rank", lambda number=number: number)
        found = evaluation.evaluate(model, processes.Shares(loader(4)))
    assert found == pytest.approx(evaluation.evaluate(model, loader(4)), rel=1e-12)  # float64, other order
    assert [numbers[-1] for numbers in parts] == {1: [10], 2: [5, 5], 3: [2, 3, 5]}[count]


def test_a_process_that_is_alone_gets_all_answers_from_its_shares():
    model = network()
    alone, plain = (evaluation.predict(model, each) for each in (processes.Shares(loader(4)), loader(4)))
    assert all(torch.equal(one, other) for one, other in zip(alone, plain, strict=True))


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


# what does not fit


def conv_net(channels=3, *, fixed=False):
    torch.manual_seed(0)
    last = [nn.Flatten(), nn.Linear(2 * 16, 3)] if fixed else [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    layers = [nn.Conv2d(channels, 2, 3), *last]
    return nn.Sequential(*layers, *([] if fixed else [nn.Linear(2, 3)]))


def asked(ask, model, batches):
    """The question ``ask`` of evaluation or training, about some batches."""
    if ask == "fit":
        return training.fit(
            model, batches, epochs=1, optimizer=training.sgd(model, 0.1), progress=False
        ).train_loss
    if ask == "validate":
        good = [(torch.rand(2, 3, 6, 6), torch.tensor([0, 1]))]
        return training.fit(
            model, good, batches, epochs=1, optimizer=training.sgd(model, 0.1), progress=False
        ).valid_loss
    return getattr(evaluation, ask)(model, batches)


ASKS = ["evaluate", "predict", "fit", "validate"]


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_images_that_are_no_numbers_are_refused_with_their_batch(ask, odd):
    batches = [(torch.rand(3, 3, 6, 6), torch.tensor([0, 1, 2])) for _ in range(3)]
    batches[1][0][2, 0, 3, 3] = odd
    batches[1][0][2, 1, 3, 3] = -odd  # infinities of both signs have no sum
    with pytest.raises(ValueError, match=r"batch 2.* 1 of 3 images have values that are NaN or infinite"):
        asked(ask, conv_net(), batches)


@pytest.mark.parametrize("ask", ["evaluate", "predict", "validate"])
def test_a_network_that_answers_nan_to_good_images_gets_no_accuracy(ask):
    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = conv_net()

        def forward(self, images):
            return self.inner(images) / (1.0 if self.training else 0.0) - math.inf

    batches = [(torch.rand(3, 3, 6, 6), torch.tensor([0, 1, 2]))]
    model = Broken()
    if ask == "validate":
        model.forward = lambda images: model.inner(images) * (1.0 if model.training else math.nan)
    with pytest.raises(FloatingPointError, match=r"batch 1: the network answers NaN to \d of 3 images"):
        asked(ask, model, batches)


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [
        (conv_net(), (3, 6, 6), r"must be a batch \(N, C, H, W\), got float32 \(3, 6, 6\): .*image\[None\]"),
        (conv_net(1), (3, 6, 6), r"must be a batch .*images\[:, None\] gives grey ones their channel"),
        (conv_net(), (3, 1, 3, 6, 6), r"must be a batch \(N, C, H, W\), got float32 \(3, 1, 3, 6, 6\)"),
        (conv_net(), (3, 4, 6, 6), r"\(3, 4, 6, 6\) do not fit the network"),
        (conv_net(), (3, 3, 2, 2), r"\(3, 3, 2, 2\) are too small for the network"),
        (conv_net(fixed=True), (3, 3, 8, 8), r"\(3, 3, 8, 8\) have another size than the network takes"),
    ],
)  # fmt: skip
def test_images_of_another_size_or_shape_are_refused_with_what_came(ask, model, shape, message):
    model = copy.deepcopy(model)
    if ask == "validate":
        model[0] = nn.Conv2d(3, 2, 3)  # it trains on colour first
    with pytest.raises(ValueError, match=message):
        asked(ask, model, [(torch.rand(shape), torch.tensor([0, 1, 2]))])


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x, y: {"image": x, "label": y}, r"batch 1: .*a dict with the keys 'image', 'label'"),
        (lambda x, y: x, r"batch 1: a batch is a pair .*this is a Tensor"),
        (lambda x, y: (x, y, y), r"this is a tuple of 3"),
        (lambda x, y: [x], r"this is a list of 1"),
        (lambda x, y: (list(x), y), r"the images must be one tensor .*got a list of 3; torch.stack"),
        (lambda x, y: (x, ["cat", "dog", "fox"]), r"batch 1: labels must be a tensor, an array or a list"),
        (lambda x, y: (np.ma.masked_greater(x.numpy(), 0.5), y), r"batch 1: images is a masked array"),
        (lambda x, y: (x, np.ma.masked_equal(y.numpy(), 1)), r"batch 1: labels is a masked array"),
        (lambda x, y: None, r"this is a NoneType"),
    ],
)  # fmt: skip
def test_a_batch_that_is_no_pair_of_tensors_is_named_as_what_it_is(ask, make, message):
    images, labels = torch.rand(3, 3, 6, 6), torch.tensor([0, 1, 2])
    with pytest.raises(ValueError, match=message):
        asked(ask, conv_net(), [make(images, labels)])


@pytest.mark.parametrize("ask", ASKS)
def test_batches_of_arrays_and_lists_of_labels_answer_as_tensors_do(ask):
    images, labels = torch.rand(3, 3, 6, 6), torch.tensor([0, 1, 2])
    expected = asked(ask, conv_net(), [(images, labels)])
    for batch in ((images.numpy(), labels.numpy()), [images, [0, 1, 2]], (images, labels.numpy())):
        found = asked(ask, conv_net(), [batch])
        for one, other in zip(found, expected, strict=True):
            assert torch.equal(torch.as_tensor(one), torch.as_tensor(other))


@pytest.mark.parametrize("ask", ["evaluate", "predict"])
@pytest.mark.parametrize("loader", [5, None, nn.Linear(2, 2)])
def test_what_is_no_loader_is_refused(ask, loader):
    with pytest.raises(TypeError, match="must be a loader or a list of batches, got"):
        asked(ask, conv_net(), loader)


def test_a_network_that_gives_no_tensor_is_refused():
    class Pair(nn.Module):
        def forward(self, images):
            return {"out": images}

    with pytest.raises(ValueError, match=r"must give a tensor of logits .*it gives dict"):
        evaluation.evaluate(Pair(), loader(4))
