"""Drawn heartbeats: what each rhythm is, and the network along time."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from resnet_utils.analysis import complexity
from resnet_utils.toy import heartbeats


def peaks(signal):
    """Places of the tall peaks of a signal without noise, a beat's width apart at least."""
    places = [
        k
        for k in (signal > 0.55).nonzero()[:, 0].tolist()
        if signal[max(0, k - 12) : k + 13].max() == signal[k]
    ]
    return torch.tensor(places)


@pytest.fixture(scope="module")
def quiet():
    return heartbeats.draw_signals(80, seed=5, noise=0.0)


def test_irregular_beats_are_the_uneven_ones(quiet):
    signals, labels = quiet

    def unevenness(kind):
        gaps = [peaks(signal[0]).diff().double() for signal in signals[labels == kind]]
        return torch.stack([gap.std() / gap.mean() for gap in gaps if len(gap) > 1]).median()

    assert unevenness(1) > 3 * unevenness(0)


def test_an_inverted_t_points_downward(quiet):
    signals, labels = quiet
    mean = [signals[labels == kind].mean().item() for kind in range(4)]
    assert mean[3] < mean[0]


def test_a_seed_gives_the_same_signals_and_another_others():
    a, b, c = (heartbeats.draw_signals(8, seed=seed)[0] for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_every_rhythm_comes_as_often():
    assert heartbeats.draw_signals(40)[1].bincount().tolist() == [10, 10, 10, 10]
    with pytest.raises(ValueError, match="one signal a rhythm"):
        heartbeats.draw_signals(3)


@pytest.mark.parametrize("per_stage", [1, 3])
def test_twins_have_the_same_parameters_and_the_same_start(per_stage):
    twins = [heartbeats.fresh_signal_net(per_stage, residual=kind, seed=1) for kind in (True, False)]
    for a, b in zip(*(twin.state_dict().values() for twin in twins), strict=True):
        assert torch.equal(a, b)
    layers = sum(isinstance(m, nn.Conv1d | nn.Linear) for m in twins[0].modules())
    assert layers == 6 * per_stage + 2
    assert complexity.count_parameters(twins[0]) == complexity.count_parameters(twins[1])


def test_a_block_without_its_branch_is_its_shortcut():
    block = heartbeats.SignalBlock(3, 5, 2).eval()
    nn.init.zeros_(block.bn2.weight)
    x = torch.rand(2, 3, 10)
    out = block(x)
    assert torch.equal(out[:, :3], x[:, :, ::2])
    assert not out[:, 3:].any()
    block.residual = False
    assert not block(x).any()


def test_what_makes_no_network_is_refused():
    with pytest.raises(ValueError, match="per_stage must be at least 1, got 0"):
        heartbeats.SignalNet(0, residual=True)


def around(signals, labels, kind, *, begin, end):
    """Mean of a rhythm from ``begin`` to ``end`` samples after each R, the first and the last left out."""
    found = []
    for signal in signals[labels == kind, 0]:
        found += [signal[k + begin : k + end].mean() for k in peaks(signal)[1:-1].tolist()]
    return torch.stack(found).double().mean().item()


def test_an_irregular_rhythm_has_no_p_wave_and_a_regular_one_has(quiet):
    # P comes a fifth of a beat of 0.6 to 1 s before R, so 15 to 26 of 128 samples a second; it is 0.12 high.
    regular, irregular = (around(*quiet, kind, begin=-26, end=-14) for kind in (0, 1))
    assert regular > irregular + 0.02


def test_only_the_inverted_rhythm_has_its_t_wave_downward(quiet):
    # T comes 0.28 of a beat after R, 21 to 36 samples, and is 0.25 high.
    means = [around(*quiet, kind, begin=21, end=37) for kind in (0, 1, 3)]
    assert means[0] > 0.05
    assert means[1] > 0.05
    assert means[2] < -0.05


def test_one_beat_of_its_rhythm_comes_early_and_no_other_is_late(quiet):
    signals, labels = quiet
    for signal in signals[labels == 2, 0]:
        gaps = peaks(signal).diff().double()
        if len(gaps) > 2:
            assert gaps.max() < 1.3 * gaps.median(), "a late beat is another rhythm"
    shortest = [peaks(signal[0]).diff().double() for signal in signals[labels == 2]]
    early = [float(gaps.min() / gaps.median()) for gaps in shortest if len(gaps) > 2]
    assert sorted(early)[len(early) // 2] < 0.75  # it comes at 0.6 of a beat


def test_a_block_ends_in_a_relu():
    torch.manual_seed(0)
    for residual in (True, False):
        assert heartbeats.SignalBlock(3, 3, residual=residual)(torch.randn(4, 3, 16)).min() == 0


def test_the_bells_are_those_of_the_paper_rounded():
    """McSharry et al. 2003, table I: of P, Q, R, S and T the seconds from R in a beat of one, a and b.

    A bell of their model has the width b / 2 pi, in beats, and a height that grows with a b^2. The tolerances
    are those of the rounding: P and T are drawn lower than theirs, by 0.15 of the height of R at most.
    """
    seconds, a, b = (
        torch.tensor(row, dtype=torch.float64)
        for row in (
            (-0.2, -0.05, 0, 0.05, 0.3),
            (1.2, -5.0, 30.0, -7.5, 0.75),
            (0.25, 0.1, 0.1, 0.1, 0.4),
        )
    )
    heights = a * b**2 / (30 * 0.1**2)  # R has the height 1
    places, tall, wide = torch.tensor(heartbeats.BELLS, dtype=torch.float64).T
    torch.testing.assert_close(places, seconds, rtol=0, atol=0.021)
    torch.testing.assert_close(wide, b / (2 * torch.pi), rtol=0, atol=0.005)
    torch.testing.assert_close(tall, heights, rtol=0, atol=0.16)
    assert torch.equal(tall.sign(), heights.sign()), "Q and S point downward, the others upward"


def test_the_second_and_the_third_stage_halve_the_signal_and_double_the_channels():
    net, shapes = heartbeats.SignalNet(2, residual=True), []
    for block in net.blocks:
        block.register_forward_hook(lambda module, inputs, out: shapes.append(tuple(out.shape[1:])))
    net(torch.rand(2, 1, 512))
    assert shapes == [(8, 128)] * 2 + [(16, 64)] * 2 + [(32, 32)] * 2
