"""The little task and the little network: repeatable, fair to all kinds, and learnable."""

import pytest
import torch

from resnet_utils.models import blocks, preactivation
from resnet_utils.toy import block_comparison, trainer


def net(shortcut="A", **options):
    return block_comparison.SmallNet(lambda i, w, s: blocks.BasicBlock(i, w, s, shortcut=shortcut), **options)


def test_pictures_are_repeatable_and_their_classes_are_even():
    images, labels = block_comparison.pictures(60, seed=3)
    again, _ = block_comparison.pictures(60, seed=3)
    other, _ = block_comparison.pictures(60, seed=4)
    assert images.shape == (60, 1, 8, 8)
    assert images.dtype == torch.float32
    assert torch.equal(images, again)
    assert not torch.equal(images, other)
    assert torch.equal(labels.bincount(), torch.full((10,), 6))


def test_without_noise_a_picture_is_a_pattern_that_was_moved():
    images, _ = block_comparison.pictures(600, noise=0)
    first = images[0 :: block_comparison.NUM_CLASSES * block_comparison.PATTERNS]
    moved = [first[0].roll((a, b), dims=(1, 2)) for a in range(-2, 3) for b in range(-2, 3)]
    assert all(any(torch.equal(picture, m) for m in moved) for picture in first)


@pytest.mark.parametrize("per_stage", [1, 3])
def test_network_has_the_promised_depth_and_gives_ten_logits(per_stage):
    small = net(per_stage=per_stage)
    layers = [m for m in small.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(layers) == 6 * per_stage + 2  # option A has no convolution in its shortcut
    assert small(torch.rand(3, 1, 8, 8)).shape == (3, 10)


def test_the_second_and_the_third_stage_halve_the_picture_and_double_the_channels():
    small, shapes = net(per_stage=2), []
    for block in small.blocks:
        block.register_forward_hook(lambda module, inputs, out: shapes.append(tuple(out.shape[1:])))
    small(torch.rand(1, 1, 8, 8))
    assert shapes == [(8, 8, 8)] * 2 + [(16, 4, 4)] * 2 + [(32, 2, 2)] * 2


def test_kinds_are_judged_on_a_thousand_pictures_that_none_has_learned_from(monkeypatch):
    seen = []
    monkeypatch.setattr(block_comparison, "train_small", lambda model, *data, **_: seen.append(data))
    block_comparison.compare({"A": net, "B": net}, seeds=(0, 1), count=1000)  # one seed would give the same
    assert len(seen) == 4
    (learned, _), (judged, _) = seen[0]
    assert len(learned) == len(judged) == 1000
    assert {p.numpy().tobytes() for p in learned}.isdisjoint(p.numpy().tobytes() for p in judged)
    for one, other in seen:
        assert torch.equal(one[0], learned)
        assert torch.equal(other[0], judged)


def test_start_depends_on_the_seed_alone_and_not_on_the_global_generator():
    states = []
    for seed, disturb in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(disturb)
        states.append(block_comparison.start(net(), seed=seed).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not torch.equal(states[0]["fc.weight"], states[2]["fc.weight"])


def test_orders_with_the_same_layers_get_the_same_weights():
    kinds = []
    for order in ("original", "BN after addition"):
        small = block_comparison.SmallNet(
            lambda i, w, s, o=order: preactivation.OrderedBlock(i, w, s, order=o, shortcut="A")
        )
        kinds.append(block_comparison.start(small, seed=0).state_dict())
    assert all(torch.equal(kinds[0][key], kinds[1][key]) for key in kinds[0])


def test_training_is_repeatable_learns_and_leaves_the_mode():
    results = [
        block_comparison.compare({"A": net}, seeds=(0,), count=200, epochs=8)["A"][0] for _ in range(2)
    ]
    assert results[0] == results[1]
    assert results[0].curve[-1] < results[0].curve[0] - 0.3
    assert results[0].accuracy > 0.12  # guessing: 0.1
    small = block_comparison.start(net(), seed=0).eval()
    trainer.share_right(small, *block_comparison.pictures(20))
    assert not small.training


def test_default_dtype_of_the_process_does_not_matter():
    results = []
    for dtype in (torch.float32, torch.float64):
        torch.set_default_dtype(dtype)
        try:
            results.append(block_comparison.compare({"B": lambda: net("B")}, seeds=(1,), count=100, epochs=1))
        finally:
            torch.set_default_dtype(torch.float32)
    assert results[0] == results[1]


@pytest.mark.parametrize("arguments", [({}, (0,)), ({"A": net}, ()), ({"A": net}, (1, 1))])
def test_comparison_of_nothing_is_refused(arguments):
    kinds, seeds = arguments
    with pytest.raises(ValueError, match="needs a kind and different seeds"):
        block_comparison.compare(kinds, seeds=seeds)


def test_wrong_counts_are_refused():
    with pytest.raises(ValueError, match="count must be at least 10"):
        block_comparison.pictures(9)
    data = block_comparison.pictures(20)
    with pytest.raises(ValueError, match="epochs must be at least 1"):
        block_comparison.train_small(net(), data, data, seed=0, epochs=0)


def test_training_lets_the_rate_fall_to_zero_and_judges_on_the_other_pictures():
    train_data, test_data = block_comparison.pictures(200), block_comparison.pictures(100, seed=1)
    small, twin = (block_comparison.start(net(), seed=0) for _ in range(2))
    result = block_comparison.train_small(small, train_data, test_data, seed=3, epochs=2)
    twin.to(memory_format=torch.channels_last)
    with trainer.one_thread():
        curve = trainer.train_epochs(twin, train_data, seed=3, epochs=2, lr=0.1, falling=True)
        accuracy = trainer.share_right(twin, *test_data)
    assert result == block_comparison.Result(3, curve, accuracy)


def test_training_uses_one_thread_and_puts_the_count_back(monkeypatch):
    before, counts = torch.get_num_threads(), []
    monkeypatch.setattr(torch, "set_num_threads", counts.append)
    data = block_comparison.pictures(20)
    block_comparison.train_small(net(), data, data, seed=0, epochs=1)
    assert counts == [1, before]
