"""The depth sweep: equal starts, identities that shortcuts promise, and refusals."""

import copy

import pytest
import torch

from resnet_utils.toy import degradation, trainer

TINY = {"epochs": 1, "num_points": 200, "width": 8}  # one pass over two batches: milliseconds


def test_points_are_balanced_and_decided_by_the_seed():
    x, labels = degradation.points(300, seed=4)
    again, other = degradation.points(300, seed=4)[0], degradation.points(300, seed=5)[0]
    assert x.shape == (300, 8)
    assert x.dtype == torch.float32
    assert torch.bincount(labels).tolist() == [30] * 10
    assert torch.equal(x, again)
    assert not torch.equal(x, other)


def test_points_of_another_seed_lie_around_the_same_centres():
    first, second = (degradation.points(20_000, seed=seed)[0] for seed in (0, 1))
    centres = [x.view(200, 100, 8).mean(dim=0) for x in (first, second)]  # 200 points in each of 100 clusters
    # The mean of 200 points is known to 0.4 / 200 ** 0.5 = 0.028; two means differ by 0.04; allow 5 times
    torch.testing.assert_close(centres[0], centres[1], atol=0.2, rtol=0)
    around = (first.view(200, 100, 8) - centres[0]).square().sum(dim=0) / 199
    # 800 variances of 0.16, each known to 10 %, so their mean to 0.4 %; the docstring says 0.4 and 1
    assert around.mean().item() == pytest.approx(0.4**2, rel=0.03)
    assert centres[0].std().item() == pytest.approx(1, rel=0.15)


def test_twins_start_with_the_same_numbers():
    plain, residual = (degradation.fresh_net(8, residual=kind, seed=3).state_dict() for kind in (False, True))
    assert plain.keys() == residual.keys()
    assert all(torch.equal(plain[key], residual[key]) for key in plain)


def test_another_seed_gives_other_weights():
    first, second = (degradation.fresh_net(6, residual=True, seed=seed) for seed in (0, 1))
    assert not torch.equal(first.stem.weight, second.stem.weight)


@pytest.mark.parametrize("depth", [4, 6, 26])
def test_depth_counts_the_layers_with_a_weight_matrix(depth):
    net = degradation.fresh_net(depth, residual=False, seed=0, width=4)
    assert sum(isinstance(module, torch.nn.Linear) for module in net.modules()) == depth


def test_weights_start_with_the_variance_that_he_derived():
    weight = degradation.fresh_net(4, residual=False, seed=0, width=256).pairs[0].fc1.weight
    # Variance 2 / 256; the sample variance of 65,536 uniform numbers is known to 0.4 %, here 5 times that.
    assert weight.var().item() == pytest.approx(2 / 256, rel=0.02)


def test_residual_pair_with_a_zeroed_branch_is_the_identity():
    pair = degradation.Pair(8, residual=True)
    torch.nn.init.zeros_(pair.bn2.weight)
    x = torch.rand(5, 8)  # non-negative, so the last relu changes nothing
    assert torch.equal(pair(x), x)


def test_plain_pair_with_a_zeroed_branch_forgets_its_input():
    pair = degradation.Pair(8, residual=False)
    torch.nn.init.zeros_(pair.bn2.weight)
    assert torch.equal(pair(torch.rand(5, 8)), torch.zeros(5, 8))


def test_loss_is_the_mean_over_all_points_and_leaves_the_mode():
    net, (x, labels) = degradation.fresh_net(6, residual=True, seed=0).double(), degradation.points(200)
    net(x.double())  # now the running statistics have left their starting values: train and eval mode differ
    loss = trainer.loss_on(net, x.double(), labels)
    assert net.training
    log_p = net.eval()(x.double()).log_softmax(dim=1)
    assert loss == pytest.approx(-log_p[torch.arange(200), labels].mean().item(), rel=1e-12)


def test_training_lowers_the_loss_of_both_kinds():
    for run in degradation.sweep((4,), seeds=(0,), epochs=8, num_points=500, width=32):
        assert run.curve[-1] < 0.7 * run.curve[0]


def test_curve_counts_a_short_last_batch_by_its_size():
    data = degradation.points(150)
    net, untouched = (degradation.fresh_net(4, residual=True, seed=0) for _ in range(2))
    run = degradation.train(net, data, data, seed=0, epochs=1, lr=0.0)
    order = torch.randperm(150, generator=torch.Generator().manual_seed(0)).split(100)
    losses = [torch.nn.functional.cross_entropy(untouched(data[0][b]), data[1][b]).item() for b in order]
    assert run.curve[0] == pytest.approx((100 * losses[0] + 50 * losses[1]) / 150, rel=1e-5)  # float32 sums


def test_curve_is_summed_in_float32_as_in_the_recorded_runs():
    data = degradation.points(2000)
    nets = [degradation.fresh_net(4, residual=True, seed=0) for _ in range(3)]
    run = degradation.train(nets[0], data, data, seed=0, epochs=2)
    options = {"seed": 0, "epochs": 2, "lr": 0.03}
    with trainer.one_thread():
        single, double = (
            trainer.train_epochs(net, data, sums=sums, **options)
            for net, sums in zip(nets[1:], (torch.float32, torch.float64), strict=True)
        )
    assert run.curve == single != double


def test_same_seeds_give_the_same_runs():
    assert degradation.sweep((4,), seeds=(0,), **TINY) == degradation.sweep((4,), seeds=(0,), **TINY)


def test_sweep_trains_each_kind_at_each_depth_with_each_seed():
    runs = degradation.sweep((6, 4), seeds=(2, 1), **TINY)
    expected = [(depth, kind, seed) for depth in (6, 4) for kind in (False, True) for seed in (2, 1)]
    assert [(run.depth, run.residual, run.seed) for run in runs] == expected
    assert len({run.train_loss for run in runs}) == len(runs)


def test_sweep_trains_only_the_kinds_that_are_asked_for_and_the_others_are_the_same():
    both = degradation.sweep((4, 6), seeds=(1, 0), **TINY)
    for kind in (False, True):
        alone = degradation.sweep((4, 6), seeds=(1, 0), kinds=(kind,), **TINY)
        assert alone == [run for run in both if run.residual == kind]


def test_sweep_builds_and_trains_with_the_seed_and_validates_on_other_points():
    data, others = degradation.points(200, seed=0), degradation.points(200, seed=1)
    net = degradation.fresh_net(4, residual=True, seed=3, width=8)
    by_hand = degradation.train(net, data, others, seed=3, epochs=1)
    assert degradation.sweep((4,), seeds=(3,), **TINY)[1] == by_hand
    assert by_hand.train_loss == trainer.loss_on(net, *data)
    assert by_hand.valid_loss == trainer.loss_on(net, *others)


def test_sweep_leaves_the_global_random_state():
    before = torch.get_rng_state()
    degradation.sweep((4,), seeds=(0,), **TINY)
    assert torch.equal(torch.get_rng_state(), before)


def test_training_uses_one_thread_and_puts_the_count_back(monkeypatch):
    before, counts = torch.get_num_threads(), []
    monkeypatch.setattr(torch, "set_num_threads", counts.append)
    degradation.sweep((4,), seeds=(0,), **TINY)
    assert counts == [1, before] * 2, "one training of each kind"


def test_pick_keeps_depth_and_kind():
    runs = degradation.sweep((4, 6), seeds=(0, 1), **TINY)
    assert degradation.pick(runs, 6, residual=True) == runs[6:]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: degradation.fresh_net(7, residual=True, seed=0), "even and at least 4.*got 7"),
        (lambda: degradation.fresh_net(2, residual=True, seed=0), "depth must be at least 4.*got 2"),
        (lambda: degradation.fresh_net(4, residual=True, seed=0, width=0), "width must be at least 1, got 0"),
        (lambda: degradation.points(99), "at least 100.*got 99"),
        (lambda: degradation.sweep((), seeds=(0,)), r"depths must name at least one.*got \[\]"),
        (lambda: degradation.sweep((4,), seeds=()), r"seeds must name at least one.*got \[\]"),
        (lambda: degradation.sweep((4,), seeds=(0,), kinds=()), r"kinds must name at least one.*got \[\]"),
        (
            lambda: degradation.sweep((4,), seeds=(0,), kinds=(False, 0)),
            r"kinds must name .* only once, got \[False, 0\]",
        ),
        (
            lambda: degradation.sweep((4,), seeds=(0,), kinds=(False, "plain")),
            "each of kinds must be True or False, got 'plain'",
        ),
        (lambda: degradation.sweep((4, 4), seeds=(0,)), r"only once, got \[4, 4\]"),
        (lambda: degradation.sweep((4,), seeds=(0,), epochs=0), "epochs must be at least 1, got 0"),
        (lambda: degradation.pick([], 6, residual=True), r"no run with .* \(6, True\); there are \[\]"),
    ],
)
def test_bad_input_is_refused_with_what_was_given(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_plain_net_that_starts_as_the_identity_hands_on_what_its_first_pairs_computed():
    net = degradation.fresh_net(10, residual=False, seed=0).double()
    x = degradation.points(300)[0].double()
    before = copy.deepcopy(net)
    degradation.start_as_identity(net, x, pairs=3)
    assert net.training
    assert torch.equal(net.pairs[0].fc1.weight, before.pairs[0].fc1.weight)
    for mode in (True, False):  # in train mode on all points, in eval mode on any
        some = x if mode else x[:7]
        front, whole = copy.deepcopy(before).train(mode), copy.deepcopy(net).train(mode)
        h = front.pairs[0](torch.relu(front.bn(front.stem(some))))
        torch.testing.assert_close(whole.features(some), h, rtol=0, atol=1e-9)


@pytest.mark.parametrize("pairs", [0, 5])
def test_start_as_identity_of_more_pairs_than_there_are_is_refused(pairs):
    net = degradation.fresh_net(10, residual=False, seed=0)
    with pytest.raises(ValueError, match=f"from 1 to 4, as many as the net has, got {pairs}"):
        degradation.start_as_identity(net, degradation.points(100)[0], pairs=pairs)


def test_start_as_identity_of_a_residual_net_is_refused():
    net = degradation.fresh_net(10, residual=True, seed=0)
    with pytest.raises(ValueError, match="last scale is zero"):
        degradation.start_as_identity(net, degradation.points(100)[0], pairs=1)


def test_without_batchnorm_each_layer_has_a_shift_that_starts_at_zero():
    net = degradation.fresh_net(8, residual=True, seed=0, batchnorm=False)
    linear = [module for module in net.modules() if isinstance(module, torch.nn.Linear)]
    assert not any(isinstance(module, torch.nn.BatchNorm1d) for module in net.modules())
    assert [module.bias.abs().max().item() for module in linear] == [0] * 8
    # He's bound for the uniform distribution: sqrt(6 / inputs), here of 64
    assert 0.95 < linear[1].weight.abs().max().item() / (6 / 64) ** 0.5 <= 1


def test_a_start_as_the_identity_needs_batchnorm():
    net = degradation.fresh_net(8, residual=False, seed=0, batchnorm=False)
    with pytest.raises(ValueError, match="this net has none"):
        degradation.start_as_identity(net, torch.rand(20, 8), pairs=1)
