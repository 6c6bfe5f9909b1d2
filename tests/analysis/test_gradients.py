"""The probes of chapter 2 against cases whose answer is known without them."""

import itertools
import math

import pytest
import torch
from torch import nn

from resnet_utils.analysis import gradients, paths


def rand(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, dtype=torch.float64, generator=generator) - 0.5


def test_jacobian_of_a_linear_map_is_its_matrix():
    matrix = rand(3, 5)
    assert torch.equal(gradients.jacobian(lambda x: matrix @ x, rand(5, seed=1)), matrix)


def test_jacobian_of_a_residual_block_is_identity_plus_branch():
    matrix = rand(4, 4)
    x = rand(4, seed=1)
    truth = torch.eye(4, dtype=torch.float64) + matrix
    torch.testing.assert_close(gradients.jacobian(lambda v: v + matrix @ v, x), truth, rtol=1e-15, atol=1e-15)


def test_jacobian_agrees_with_central_differences():
    matrix = rand(3, 4)

    def f(x):
        return torch.tanh(x.square() @ matrix.T)

    x, step = rand(4, seed=2), 1e-5
    columns = [(f(x + step * e) - f(x - step * e)) / (2 * step) for e in torch.eye(4, dtype=torch.float64)]
    torch.testing.assert_close(
        gradients.jacobian(f, x), torch.stack(columns, dim=1), rtol=1e-8, atol=1e-9
    )  # error step**2 = 1e-10


def test_jacobian_flattens_images_row_by_row():
    x = rand(1, 2, 3, 3)
    permuted = gradients.jacobian(lambda v: v.flip(-1), x)
    assert permuted.shape == (18, 18)
    assert torch.equal(permuted @ x.flatten(), x.flip(-1).flatten())


def test_jacobian_of_a_constant_is_zero_whether_or_not_it_has_parameters():
    weight = torch.ones(2, requires_grad=True)
    for constant in (lambda x: torch.ones(2), lambda x: weight * 3):
        assert gradients.jacobian(constant, rand(3)).eq(torch.zeros(2, 3)).all()


def test_jacobian_refuses_integers():
    with pytest.raises(ValueError, match="floating-point"):
        gradients.jacobian(lambda x: x, torch.arange(3))


def test_relative_error_has_the_truth_below_the_line():
    assert gradients.relative_error(torch.tensor([3.0]), torch.tensor([2.0])) == 0.5


@pytest.mark.parametrize(
    ("value", "truth", "message"),
    [(torch.ones(2), torch.ones(3), "one shape"), (torch.ones(2), torch.zeros(2), "zero everywhere")],
)
def test_relative_error_refuses_what_has_no_answer(value, truth, message):
    with pytest.raises(ValueError, match=message):
        gradients.relative_error(value, truth)


def test_gradient_norms_of_a_linear_net_are_the_hand_derived_ones():
    # y = w2 w1 x with scalars: dy/dw1 = w2 x and dy/dw2 = w1 x.
    net = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)).double()
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), (3.0, 0.0, 5.0, 0.0), strict=True):
            parameter.fill_(value)
    loss = net(torch.tensor([[2.0]], dtype=torch.float64)).sum()
    assert gradients.gradient_norms(loss, net) == {"0.weight": 10.0, "1.weight": 6.0}


def test_gradient_norms_write_no_grad_and_skip_what_the_loss_does_not_use():
    used, unused = nn.Linear(2, 2), nn.Linear(2, 2)
    both = nn.ModuleDict({"used": used, "unused": unused})
    assert list(gradients.gradient_norms(used(torch.ones(1, 2)).sum(), both)) == ["used.weight"]
    assert all(parameter.grad is None for parameter in both.parameters())


def test_gradient_norms_refuse_a_vector_and_a_model_without_weights():
    net = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="single number"):
        gradients.gradient_norms(net(torch.ones(1, 2)), net)
    with pytest.raises(ValueError, match="no trainable weight"):
        gradients.gradient_norms(torch.ones(()), nn.BatchNorm1d(2))


def test_input_gradients_of_a_cubic_are_its_derivative():
    points = rand(9)
    found = gradients.input_gradients(lambda x: x**3 - x, points)
    torch.testing.assert_close(found, 3 * points**2 - 1, rtol=1e-14, atol=1e-14)
    assert not points.requires_grad


def test_input_gradients_refuse_other_shapes():
    with pytest.raises(ValueError, match="one-dimensional"):
        gradients.input_gradients(lambda x: x, torch.zeros(2, 2))
    with pytest.raises(ValueError, match="one output a point"):
        gradients.input_gradients(lambda x: x[:, None], torch.zeros(2))


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_autocorrelation_of_an_ar1_process_is_its_coefficient_to_the_lag(phi):
    noise = torch.randn(20_100, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    series = [torch.zeros((), dtype=torch.float64)]
    for shock in noise:
        series.append(phi * series[-1] + shock)
    series = torch.stack(series[101:])  # forget the start
    for lag in (1, 2, 3):  # standard error at most about 2 / sqrt(20000) = 0.014
        assert gradients.autocorrelation(series, lag=lag).item() == pytest.approx(phi**lag, abs=0.04)


def test_autocorrelation_of_a_sine_is_the_cosine_of_the_lag():
    steps = torch.arange(3600, dtype=torch.float64)
    series = torch.sin(2 * math.pi * steps / 36)
    # 100 whole periods; the products of the last `lag` points are missing from the sum: 1 - lag/P
    assert gradients.autocorrelation(series, lag=6).item() == pytest.approx(0.5, abs=2 * 6 / 3600)
    assert gradients.autocorrelation(series + 7, lag=18).item() == pytest.approx(-1, abs=2 * 18 / 3600)


def test_autocorrelation_takes_off_the_mean_and_keeps_leading_dimensions():
    series = rand(2, 3, 50)
    assert gradients.autocorrelation(series).shape == (2, 3)
    torch.testing.assert_close(
        gradients.autocorrelation(100 + 5 * series), gradients.autocorrelation(series), rtol=1e-10, atol=1e-10
    )
    assert gradients.autocorrelation(series, lag=0).eq(1).all()


def test_autocorrelation_refuses_a_constant_and_a_lag_that_is_too_long():
    with pytest.raises(ValueError, match="constant"):
        gradients.autocorrelation(torch.ones(5))
    with pytest.raises(ValueError, match="between 0 and 4"):
        gradients.autocorrelation(torch.arange(5.0), lag=5)


def test_branch_share_of_scaled_identities_is_known():
    # x + a x has variance (1 + a)^2 Var x, of which the branch has a^2.
    x = rand(10, 4)
    variances, shares = paths.branch_share([lambda v: 1.5 * v, lambda v: 1.25 * v], x)
    start = x.var(dim=0, correction=0).mean()
    torch.testing.assert_close(variances / start, torch.tensor([1.5**2, (1.5 * 1.25) ** 2]).double())
    torch.testing.assert_close(shares, torch.tensor([0.25 / 2.25, 0.0625 / 1.5625]).double())


def test_branch_share_follows_one_over_l_plus_one_for_independent_branches():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(8, 4000, 8, dtype=torch.float64, generator=generator)
    blocks = [lambda v, f=f: v + f for f in noise[1:]]
    _, shares = paths.branch_share(blocks, noise[0])
    law = 1 / torch.arange(2, 9, dtype=torch.float64)
    torch.testing.assert_close(shares, law, rtol=0.03, atol=0)  # correlations of size 1 / sqrt(32000) = 0.6 %


def test_branch_share_refuses_a_block_without_identity():
    with pytest.raises(ValueError, match=r"block 1 turns \(3, 4\) into \(3, 2\)"):
        paths.branch_share([lambda v: v, lambda v: v[:, :2]], rand(3, 4))


def test_path_lengths_are_pascals_triangle():
    assert (paths.path_lengths(4) * 16).tolist() == [1, 4, 6, 4, 1]
    assert paths.path_lengths(0).tolist() == [1]


def test_most_paths_of_54_blocks_are_19_to_35_long():
    # Veit et al. 2016, section 4: "more than 95% of paths go through 19 to 35 modules".
    exact = sum(math.comb(54, k) for k in range(19, 36)) / 2**54
    assert paths.path_lengths(54)[19:36].sum().item() == pytest.approx(exact, rel=1e-12)
    assert exact > 0.95


def test_weighted_path_lengths_have_the_binomial_mean():
    weights = paths.path_lengths(30, probability=0.2)
    assert weights.sum().item() == pytest.approx(1, rel=1e-12)
    assert (weights * torch.arange(31)).sum().item() == pytest.approx(30 * 0.2, rel=1e-12)


@pytest.mark.parametrize(("num_blocks", "probability"), [(-1, 0.5), (3, 1.5)])
def test_path_lengths_refuse_what_is_no_count_or_probability(num_blocks, probability):
    with pytest.raises(ValueError, match=r"num_blocks must be at least 0|probability must be .* at most 1"):
        paths.path_lengths(num_blocks, probability=probability)


def test_path_terms_equal_the_sum_over_every_single_path():
    jacobians = rand(5, 3, 3)
    truth = torch.zeros(6, 3, 3, dtype=torch.float64)
    for path in itertools.product((False, True), repeat=5):  # all 32 of them
        product = torch.eye(3, dtype=torch.float64)
        for through, branch in zip(path, jacobians, strict=True):
            product = branch @ product if through else product
        truth[sum(path)] += product
    torch.testing.assert_close(paths.path_terms(jacobians), truth, rtol=1e-13, atol=1e-15)


def test_path_terms_refuse_matrices_that_are_not_square():
    with pytest.raises(ValueError, match=r"\(L, d, d\)"):
        paths.path_terms(rand(2, 3, 4))


def test_a_loss_of_another_network_is_refused():
    net, other = nn.Linear(2, 1), nn.Linear(2, 1)
    with pytest.raises(ValueError, match="depends on no weight of the model"):
        gradients.gradient_norms(other(torch.ones(1, 2)).sum(), net)


def test_derivatives_are_the_same_where_gradients_are_switched_off():
    with torch.no_grad():
        assert gradients.jacobian(torch.sin, torch.zeros(2)).tolist() == [[1, 0], [0, 1]]
        assert gradients.input_gradients(torch.sin, torch.zeros(2)).tolist() == [1, 1]


def test_more_paths_than_a_float_can_count_are_refused():
    assert paths.path_lengths(paths.MOST_BLOCKS).sum().item() == pytest.approx(1, rel=1e-9)
    with pytest.raises(ValueError, match="num_blocks must be at most 1029"):
        paths.path_lengths(paths.MOST_BLOCKS + 1)
