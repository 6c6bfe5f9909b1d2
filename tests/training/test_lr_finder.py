"""Tests of ``resnet_utils.training.lr_finder``."""

import math
import re

import pytest
import torch
from bits import assert_same_bits, state
from torch import nn

from resnet_utils import data, training
from resnet_utils.training.lr_finder import RangeTest


def network(dtype=torch.float32):
    torch.manual_seed(0)
    layers = (
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.Flatten(),
        nn.Linear(4 * 26**2, 10),
    )
    return nn.Sequential(*layers).to(dtype)


def loader(seed=0):
    images = data.drawn_animals(60, size=28, seed=3, species=data.synthetic.SPECIES, gray=True)
    augment = data.RandomCrop(padding=2, seed=seed)
    return data.loader(images, 20, shuffle=True, seed=seed, augment=augment, mean=(0.5,), std=(0.25,))


def test_everything_is_left_as_it_was():
    """Model, mode, order of the batches, augmentation, the process's generator: a later run is the same."""
    outcomes = []
    for with_test in (False, True):
        model, batches = network().train(), loader()
        torch.manual_seed(7)
        if with_test:
            before = state(model)
            training.lr_range_test(model, batches, device="cpu", steps=8)
            assert_same_bits(before, state(model))
            assert all(parameter.grad is None for parameter in model.parameters())
            assert model.training
        optimizer = training.sgd(model, 0.05)
        training.fit(model, batches, None, epochs=2, optimizer=optimizer, device="cpu", progress=False)
        outcomes.append(state(model) | {"next": torch.rand(3)})
    assert_same_bits(*outcomes)


def test_rates_grow_by_equal_factors_from_low_to_high():
    found = training.lr_range_test(network(), loader(), device="cpu", low=1e-5, high=1e-3, steps=9)
    assert found.rates[0] == 1e-5
    assert found.rates[-1] == pytest.approx(1e-3)
    factors = [b / a for a, b in zip(found.rates, found.rates[1:], strict=False)]
    assert factors == pytest.approx([10 ** (2 / 8)] * 8)


class Parabola(nn.Module):
    """Its loss is half the square of its one weight, whatever the images: each step is known by formula."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, images):
        return self.weight.expand(len(images), 2)


def parabola(steps, **options):
    batches = [(torch.zeros(2, 1), torch.zeros(2, dtype=torch.int64))]
    return training.lr_range_test(
        Parabola(),
        batches,
        device="cpu",
        steps=steps,
        weight_decay=0.0,
        loss_function=lambda logits, labels: logits.square().mean() / 2,
        **options,
    )


def test_the_losses_are_those_of_gradient_descent_smoothed():
    found = parabola(12, low=0.01, high=0.5)
    weight, speed, average, expected = 1.0, 0.0, 0.0, []
    for step, rate in enumerate(found.rates, start=1):
        average = 0.9 * average + 0.1 * weight**2 / 2
        expected.append(average / (1 - 0.9**step))
        speed = 0.9 * speed + weight  # Nesterov's momentum; the gradient is the weight itself
        weight -= rate * (weight + 0.9 * speed)
    assert found.losses == pytest.approx(expected, rel=1e-12)


def test_it_stops_when_the_loss_has_exploded():
    """On this parabola any rate far above 2 diverges."""
    found = parabola(200, low=0.1, high=1000.0)
    assert len(found.rates) < 200
    assert found.losses[-1] > 4 * min(found.losses)
    assert all(loss <= 4 * min(found.losses[: i + 1]) for i, loss in enumerate(found.losses[:-1]))
    assert all(math.isfinite(loss) for loss in found.losses)
    assert found.suggestion() == found.lowest() / 10
    assert found.lowest() == found.rates[found.losses.index(min(found.losses))]


@pytest.mark.parametrize(
    ("losses", "suggestion", "doubt"),
    [
        ([3.0, 2.0, 1.0, 2.0], 0.1, ""),
        ([3.0, 1.0, 2.0, 3.0], 0.01, ""),
        ([1.0, 2.0, 3.0, 4.0], 0.01, "lowest at 0.01, not ten times the smallest.* smaller `low`"),
        ([4.0, 3.0, 2.0, 1.0], 1.0, "lowest at 10, the largest rate measured.*larger `high`"),
    ],
)  # fmt: skip
def test_a_suggestion_is_never_outside_of_the_rates_tried_and_the_edge_is_named(losses, suggestion, doubt):
    found = RangeTest([0.01, 0.1, 1.0, 10.0], losses)
    assert found.suggestion() == pytest.approx(suggestion)
    assert found.rates[0] <= found.suggestion() <= found.rates[-1]
    assert re.search(doubt, found.doubt()) if doubt else found.doubt() == ""


def test_a_loss_that_becomes_nan_ends_the_test_and_one_that_begins_so_is_an_error():
    losses = iter([1.0, 0.9, math.nan])
    batches = [(torch.zeros(2, 1), torch.zeros(2, dtype=torch.int64))]

    def scripted(logits, labels):
        return logits.sum() * 0 + next(losses)

    options = {"device": "cpu", "steps": 5, "loss_function": scripted}
    assert len(training.lr_range_test(Parabola(), batches, **options).rates) == 2
    losses = iter([math.nan])
    with pytest.raises(FloatingPointError, match=r"learning rate 0\.0001"):
        training.lr_range_test(Parabola(), batches, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"low": 0.0}, "0 < low < high, got low=0"),
        ({"low": 1.0, "high": 1.0}, "0 < low < high"),
        ({"steps": 1}, "steps must be at least 2, got 1"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        training.lr_range_test(network(), loader(), device="cpu", **options)


@pytest.mark.parametrize("batches", [[], iter([(torch.zeros(2, 1), torch.zeros(2, dtype=torch.int64))])])
def test_a_loader_without_batches_ends_the_test(batches):
    """An iterator has none when it is asked again; the test would wait for ever."""
    with pytest.raises(
        ValueError,
        match=r"lr_range_test\(\) needs batches each time|list_iterator, which can be gone through",
    ):
        training.lr_range_test(Parabola(), batches, steps=5)


def test_it_computes_where_the_model_lies_unless_told_otherwise():
    assert training.lr_range_test(network(), loader(), steps=3) == training.lr_range_test(
        network(), loader(), device="cpu", steps=3
    )
