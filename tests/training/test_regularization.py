"""Tests of ``resnet_utils.training.regularization``."""

import math

import pytest
import torch
from bits import assert_same_bits, state
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from resnet_utils import training


def batches(count=12, size=5):
    images = torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    return DataLoader(TensorDataset(images, torch.arange(count) % 3), size)


def linear(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 3))


# early stopping


def stopped_after(losses, patience):
    watch = training.EarlyStopping(linear(), patience=patience)
    for epoch, loss in enumerate(losses, start=1):
        if watch.should_stop(loss):
            return epoch, watch.best_epoch
    return None, watch.best_epoch


@pytest.mark.parametrize(
    ("losses", "patience", "expected"),
    [
        ([3, 2, 1], 1, (None, 3)),
        ([3, 2, 2.5, 1], 1, (3, 2)),
        ([3, 2, 2.5, 1, 5, 5], 2, (6, 4)),
        ([3, 3, 3], 2, (3, 1)),  # as good is no improvement
        ([math.nan, 3, math.nan, 4], 2, (4, 2)),
        ([math.nan, math.nan], 2, (2, 0)),
    ],
)
def test_it_stops_after_so_many_epochs_without_improvement(losses, patience, expected):
    assert stopped_after(losses, patience) == expected


def test_the_best_weights_come_back():
    model = linear()
    watch = training.EarlyStopping(model, patience=3)
    watch.should_stop(1.0)
    best = state(model)
    with torch.no_grad():
        model[1].weight.add_(1)  # in place: what was kept must not move with it
    watch.should_stop(2.0)
    watch.restore()
    assert_same_bits(best, state(model))


def test_without_a_finite_loss_there_is_nothing_to_restore():
    watch = training.EarlyStopping(linear(), patience=1)
    watch.should_stop(math.nan)
    with pytest.raises(RuntimeError, match="no best epoch yet"):
        watch.restore()


def test_patience_zero_is_refused():
    with pytest.raises(ValueError, match="patience must be at least 1 epoch, got 0"):
        training.EarlyStopping(linear(), patience=0)


# penalties


def small_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2)).double()


def test_l1_adds_the_absolute_weights_and_nothing_else():
    net = small_net()
    logits, labels = torch.rand(5, 2, dtype=torch.float64), torch.tensor([0, 1, 1, 0, 1])
    plain = nn.functional.cross_entropy(logits, labels)
    added = training.with_l1(net, 0.1)(logits, labels) - plain
    expected = 0.1 * sum(abs(w) for layer in (net[1], net[3]) for w in layer.weight.flatten().tolist())
    assert added.item() == pytest.approx(expected)  # neither biases nor the BatchNorm


def test_the_gradient_of_l1_is_the_sign_of_each_weight():
    net = small_net()
    training.with_l1(net, 0.1, loss_function=lambda logits, labels: logits.sum() * 0)(
        torch.zeros(1, 2, dtype=torch.float64), torch.zeros(1).long()
    ).backward()
    torch.testing.assert_close(net[1].weight.grad, 0.1 * net[1].weight.detach().sign())
    assert net[1].bias.grad is None


def test_what_is_frozen_is_not_penalised():
    net = small_net()
    net[1].requires_grad_(False)
    logits, labels = torch.rand(2, 2, dtype=torch.float64), torch.tensor([0, 1])
    added = training.with_l1(net, 1.0)(logits, labels) - nn.functional.cross_entropy(logits, labels)
    assert added.item() == pytest.approx(net[3].weight.abs().sum().item())


def test_the_distance_from_the_start_is_penalised():
    """Zero at the start; after moving each of 12 + 6 weights by 0.5, half of 0.2 * 18 * 0.25."""
    net = small_net()
    logits, labels = torch.rand(2, 2, dtype=torch.float64), torch.tensor([0, 1])
    loss = training.with_l2_from_start(net, 0.2)
    plain = nn.functional.cross_entropy(logits, labels).item()
    assert loss(logits, labels).item() == plain
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.5
    assert loss(logits, labels).item() - plain == pytest.approx(0.45)


def test_a_strong_pull_holds_the_weights_where_they_started():
    def distance(strength):
        net = linear()
        start = net[1].weight.detach().clone()
        loss = training.with_l2_from_start(net, strength)
        optimizer = training.sgd(net, 0.05, momentum=0, weight_decay=0)
        for _ in range(5):
            training.train_one_epoch(net, batches(), optimizer, device="cpu", loss_function=loss)
        return (net[1].weight - start).norm().item()

    assert distance(10.0) < 0.5 * distance(0.0)


@pytest.mark.parametrize("strength", [-1.0, math.nan, math.inf])
def test_a_strength_that_makes_no_sense_is_refused(strength):
    for penalty in (training.with_l1, training.with_l2_from_start):
        with pytest.raises(ValueError, match="strength must be a finite number, at least 0"):
            penalty(linear(), strength)
