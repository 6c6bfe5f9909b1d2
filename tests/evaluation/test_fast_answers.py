"""Answers at another pace: the same within what their bits allow, and the network is left as it came."""

import pytest
import torch
from bits import assert_same_bits, state, used

from resnet_utils import evaluation, models
from resnet_utils.runtime import speed

LAST = speed.Pace(channels_last=True)
BOTH = speed.Pace(channels_last=True, half=True)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return used(models.build("resnet20", 5, width=8))


@pytest.fixture
def batches():
    torch.manual_seed(1)
    return [(torch.rand(8, 3, 16, 16), torch.arange(8) % 5) for _ in range(3)]


# float32 keeps 24 bits, and twenty layers add up a few hundred products each; bfloat16 keeps 8 bits.
@pytest.mark.parametrize(("pace", "most"), [(LAST, 1e-5), (BOTH, 0.05)])
def test_logits_are_the_same_within_their_bits(net, batches, pace, most):
    expected, labels = evaluation.predict(net, batches, fast=False)
    logits, same = evaluation.predict(net, batches, fast=pace)
    assert logits.dtype == torch.float32
    assert torch.equal(labels, same)
    assert (logits - expected).abs().max() <= most * expected.abs().max()


def test_the_sixteen_bits_are_really_used(net, batches):
    plain, half = (evaluation.predict(net, batches, fast=f)[0] for f in (False, speed.Pace(half=True)))
    assert not torch.equal(plain, half)
    assert torch.equal(half, half.bfloat16().float())


@pytest.mark.parametrize(("pace", "most"), [(LAST, 1e-5), (BOTH, 0.02)])
def test_loss_and_accuracy_are_the_same_within_their_bits(net, batches, pace, most):
    expected, found = (evaluation.evaluate(net, batches, fast=fast) for fast in (False, pace))
    assert found == pytest.approx(expected, rel=most)


def test_the_default_of_this_process_counts(net, batches):
    half = evaluation.predict(net, batches, fast=BOTH)[0]
    with speed.using(BOTH):
        assert torch.equal(evaluation.predict(net, batches)[0], half)


def test_the_network_is_left_as_it_came(net, batches):
    before, strides = state(net), [p.stride() for p in net.parameters()]
    evaluation.predict(net.train(), batches, fast=True)
    assert_same_bits(before, state(net))
    assert strides == [p.stride() for p in net.parameters()]
    assert net.training


def test_without_the_switch_not_a_bit_changes(net, batches):
    plain = torch.cat([net.eval()(images).detach() for images, _ in batches])
    assert torch.equal(evaluation.predict(net, batches, fast=False)[0], plain)


def test_few_images_are_answered_without_a_check(net, batches, monkeypatch):
    monkeypatch.setattr(speed, "_measured", lambda *_, **__: pytest.fail("24 images are too few"))
    evaluation.predict(net, batches, fast="auto")
    evaluation.evaluate(net, batches, fast="auto")


def test_many_images_are_answered_at_the_pace_that_a_check_found(net, batches, monkeypatch):
    asked = []
    monkeypatch.setattr(speed, "_measured", lambda paces, *_, **__: asked.append(1) or BOTH)
    long = batches * 30
    logits = evaluation.predict(net, long, fast="auto")[0]
    assert torch.equal(logits, evaluation.predict(net, long, fast=BOTH)[0])
    evaluation.evaluate(net, long, fast="auto")
    assert len(asked) == 1, "the same network and images are measured once"


def test_float64_stays_float64(net, batches):
    double = [(images.double(), labels) for images, labels in batches]
    logits = [evaluation.predict(net.double(), double, fast=fast)[0] for fast in (False, BOTH)]
    torch.testing.assert_close(logits[1], logits[0], rtol=1e-12, atol=1e-12)
