"""A training at another pace: what it changes, what stays, and that an interrupted one keeps its own."""

import pytest
import torch
from bits import assert_same_bits, state
from torch.utils.data import DataLoader, TensorDataset

from resnet_utils import models, training
from resnet_utils.runtime import speed
from resnet_utils.runtime.seeding import SeededGenerator

LAST = speed.Pace(channels_last=True)
BOTH = speed.Pace(channels_last=True, half=True)


def parts(count=24):
    torch.manual_seed(0)
    model = models.build("resnet20", 4, width=4)
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(count, 3, 12, 12, generator=generator)
    loader = DataLoader(
        TensorDataset(images, torch.arange(count) % 4), 8, shuffle=True, generator=SeededGenerator(3)
    )
    return model, loader, training.sgd(model, 0.05)


def trained(*, epochs=2, checkpoint=None, count=24, **how):
    model, loader, optimizer = parts(count)
    history = training.fit(
        model,
        loader,
        loader,
        epochs=epochs,
        optimizer=optimizer,
        checkpoint=checkpoint,
        progress=False,
        **how,
    )
    return model, history


def measured(monkeypatch, pace):
    """Let every check find ``pace``; count them."""
    checks = []
    monkeypatch.setattr(speed, "_measured", lambda *_, **__: checks.append(1) or pace)
    return checks


def test_without_the_switch_a_training_is_what_it_was():
    plain, loader, optimizer = parts()
    batches = list(loader)
    training.fit(plain, batches, epochs=2, optimizer=optimizer, fast=False, progress=False)
    model, _, optimizer = parts()
    for images, labels in batches * 2:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    assert_same_bits(state(plain), state(model))


# Six steps from the same start. Sums in another order differ in the seventh digit, 16 bits in the third, and
# steps at this rate enlarge what differs.
@pytest.mark.parametrize(("pace", "most"), [(LAST, 0.03), (BOTH, 0.2)])
def test_the_losses_are_the_same_within_what_the_bits_allow(pace, most):
    expected, found = (trained(fast=fast)[1] for fast in (False, pace))
    assert found.train_loss == pytest.approx(expected.train_loss, rel=most)


def test_weights_and_averages_stay_float32_in_the_order_they_came_in():
    model = trained(fast=True)[0]
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32, torch.int64}
    assert all(p.is_contiguous() for p in model.parameters())


def test_explicit_autocast_is_what_it_was_before_there_was_a_switch():
    one, other = trained(autocast=True, fast=False), trained(autocast=True, fast=speed.Pace(half=True))
    assert_same_bits(state(one[0]), state(other[0]))
    assert one[1].train_loss == other[1].train_loss


def test_explicit_autocast_wins_over_the_switch(monkeypatch):
    monkeypatch.setattr(speed, "has_half", lambda device: True)
    low, high = trained(autocast=True, fast=True)[0], trained(autocast=False, fast=True)[0]
    assert_same_bits(state(low), state(trained(autocast=True, fast=BOTH)[0]))
    assert_same_bits(state(high), state(trained(fast=LAST)[0]))


def test_a_long_training_is_checked_once_on_its_first_batch(monkeypatch):
    checks = measured(monkeypatch, LAST)
    model, history = trained(fast="auto", epochs=25)  # 600 images
    assert len(checks) == 1
    assert_same_bits(state(model), state(trained(fast=LAST, epochs=25)[0]))
    assert len(history.train_loss) == 25


def test_a_short_training_is_not_checked(monkeypatch):
    checks = measured(monkeypatch, LAST)
    assert_same_bits(state(trained(fast="auto")[0]), state(trained(fast=False)[0]))
    assert checks == []


def test_a_check_that_finds_nothing_leaves_a_training_as_it_was_to_the_bit(monkeypatch):
    monkeypatch.setattr(speed, "GAIN", 1e9)  # the check runs, and whatever it finds is not enough
    assert_same_bits(state(trained(fast="auto", epochs=25)[0]), state(trained(fast=False, epochs=25)[0]))


def test_one_epoch_alone_takes_the_switch_too():
    results = []
    for how in ({"fast": BOTH}, {"autocast": True, "fast": True}, {"fast": False}):
        model, loader, optimizer = parts()
        results.append((training.train_one_epoch(model, loader, optimizer, **how), state(model)))
    assert_same_bits(results[0][1], results[1][1])
    assert results[0][0] != results[2][0]


@pytest.mark.parametrize("later", [False, True, "auto"])
@pytest.mark.parametrize("begun", [LAST, BOTH, speed.PLAIN])
def test_an_interrupted_training_goes_on_at_its_own_pace(tmp_path, monkeypatch, begun, later):
    measured(monkeypatch, BOTH)
    path = tmp_path / "run.pt"
    whole = trained(epochs=3, fast=begun)
    trained(epochs=1, fast=begun, checkpoint=path)
    resumed = trained(epochs=3, fast=later, checkpoint=path)
    assert_same_bits(state(whole[0]), state(resumed[0]))
    assert whole[1].train_loss == resumed[1].train_loss
    assert whole[1].valid_loss == resumed[1].valid_loss


def test_a_choice_that_was_measured_is_kept_in_the_checkpoint(tmp_path, monkeypatch):
    checks = measured(monkeypatch, BOTH)
    path = tmp_path / "run.pt"
    trained(epochs=1, fast="auto", count=520, checkpoint=path)
    assert training.checkpoint.pace_in(path) == BOTH
    trained(epochs=2, fast="auto", count=520, checkpoint=path)
    assert len(checks) == 1


def test_a_checkpoint_from_before_the_switch_goes_on_in_float32(tmp_path):
    path = tmp_path / "run.pt"
    trained(epochs=1, fast=False, checkpoint=path)
    content = torch.load(path, weights_only=True)
    assert "channels last" not in content["settings"], "as it was written before"
    assert content["settings"]["autocast"] is False
    resumed = trained(epochs=3, fast=True, checkpoint=path)
    assert_same_bits(state(resumed[0]), state(trained(epochs=3, fast=False)[0]))


def test_a_loader_that_does_not_fit_is_refused_as_ever():
    model, loader, optimizer = parts()
    grey = [(images[:, :1], labels) for images, labels in loader]
    for fast in (False, True, "auto"):
        with pytest.raises(ValueError, match="grey pictures have 1 channel"):
            training.train_one_epoch(model, grey * 100, optimizer, fast=fast)


def test_a_switch_that_is_none_is_refused_before_anything_happens():
    model, loader, optimizer = parts()
    before = state(model)
    with pytest.raises(ValueError, match="fast must be True, False, 'auto' or None, got 'yes'"):
        training.fit(model, loader, epochs=1, optimizer=optimizer, fast="yes", progress=False)
    assert_same_bits(before, state(model))
