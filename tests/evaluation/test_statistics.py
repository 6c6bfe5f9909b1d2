"""Tests of ``evaluation.statistics``: intervals are ``(low, high)``, and numbers SciPy's or a paper's."""

import itertools
import math
import statistics
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from resnet_utils import evaluation
from resnet_utils.evaluation.statistics import risk_bound

# Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3 (score, without continuity correction).
NEWCOMBE = [
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0000, 0.1611),
    (1, 29, 0.0061, 0.1718),
]

# One-sided upper bounds: scipy 1.17.1, `beta.ppf(1 - delta, mistakes + 1, total - mistakes)`.
CLOPPER_PEARSON = [
    (0, 20, 0.05, 0.13910834066826516),
    (3, 100, 0.05, 0.07571079374983004),
    (41, 500, 0.01, 0.11498726585545469),
    (70, 1000, 0.001, 0.09840399299388734),
]


@pytest.mark.parametrize(("correct", "total", "low", "high"), NEWCOMBE)
def test_the_interval_is_the_published_one(correct, total, low, high):
    # four published decimals
    assert evaluation.accuracy_interval(correct, total) == pytest.approx((low, high), abs=0.00005)


@given(
    st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999)
)
def test_the_interval_ends_where_the_score_test_rejects(counts, confidence):
    """Wilson's definition: an end p0 lies exactly z standard errors (under p0) from the observed share."""
    correct, total = counts
    low, high = evaluation.accuracy_interval(correct, total, confidence=confidence)
    assert 0 <= low <= correct / total <= high <= 1
    for end in (low, high):
        if 1e-6 < end < 1 - 1e-6:
            z = abs(correct / total - end) / math.sqrt(end * (1 - end) / total)
            # the normal distribution's integral, by the error function
            assert math.erf(z / math.sqrt(2)) == pytest.approx(confidence, abs=1e-6)


def test_more_confidence_or_fewer_images_give_a_wider_interval():
    def width(correct, total, confidence=0.95):
        return evaluation.accuracy_interval(correct, total, confidence=confidence).half

    assert width(90, 100, 0.99) > width(90, 100) > width(900, 1000)


@pytest.mark.parametrize(("correct", "total", "confidence"), [(90, 100, 0.95), (0, 7, 0.9), (7, 7, 0.999)])
def test_the_interval_is_that_of_scipy(correct, total, confidence):
    theirs = stats.binomtest(correct, total).proportion_ci(confidence, method="wilson")
    ours = evaluation.accuracy_interval(correct, total, confidence=confidence)
    assert ours == pytest.approx(tuple(theirs), abs=1e-12)  # the same formula in another order


@pytest.mark.parametrize(("correct", "total"), [(1, 0), (-1, 5), (6, 5)])
def test_impossible_counts_are_refused(correct, total):
    with pytest.raises(
        ValueError, match=f"need 0 <= correct <= total and total > 0, got {correct} of {total}"
    ):
        evaluation.accuracy_interval(correct, total)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95])
def test_impossible_confidences_are_refused(confidence):
    for interval in (
        evaluation.accuracy_interval,
        lambda *_, confidence: evaluation.mean_interval([1, 2], confidence=confidence),
    ):
        with pytest.raises(ValueError, match=f"confidence must be between 0 and 1, got {confidence}"):
            interval(1, 5, confidence=confidence)


@pytest.mark.parametrize(("mistakes", "total", "delta", "expected"), CLOPPER_PEARSON)
def test_the_bound_is_clopper_and_pearsons(mistakes, total, delta, expected):
    assert risk_bound(mistakes, total, delta=delta) == pytest.approx(expected, rel=1e-9)


def test_a_bound_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="need 0 <= mistakes <= total"):
        risk_bound(4, 3)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_bound_lies_above_the_observed_share_and_is_one_where_all_is_wrong(counts):
    mistakes, total = counts
    assert mistakes / total < risk_bound(mistakes, total) < 1 or mistakes == total
    assert risk_bound(total, total) == 1


# scipy 1.17, binomtest(fewer, fewer + more, 0.5).pvalue
BINOMTEST = [
    (0, 0, 1.0),
    (0, 5, 0.0625),
    (1, 9, 0.021484375),
    (5, 5, 1.0),
    (12, 25, 0.04703102743951604),
    (40, 61, 0.046044066929342785),
    (0, 100, 1.5777218104420236e-30),
]


def answers(only_first, only_second, both=3, neither=2):
    """Right or wrong of two classifiers with the given counts, the images in a mixed order."""
    pairs = [(True, False)] * only_first + [(False, True)] * only_second
    pairs += [(True, True)] * both + [(False, False)] * neither
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(0)).tolist()
    first, second = zip(*(pairs[k] for k in order), strict=True)
    return torch.tensor(first), torch.tensor(second)


@pytest.mark.parametrize(("fewer", "more", "p"), BINOMTEST)
def test_the_paired_test_is_the_exact_binomial_one(fewer, more, p):
    for counts in ((fewer, more), (more, fewer)):
        only_first, only_second, found = evaluation.mcnemar(*answers(*counts))
        assert (only_first, only_second) == counts
        assert found == pytest.approx(p, rel=1e-9)


def test_the_paired_test_names_what_it_finds():
    found = evaluation.mcnemar(*answers(1, 9))
    assert (found.only_first, found.only_second) == (1, 9)
    assert found.p == found[2] == pytest.approx(0.021484375)


def test_the_paired_test_counts_every_way_the_coins_can_fall():
    """Six images on which they differ: all 64 sequences, those at least as lopsided as 1 to 5."""
    lopsided = sum(abs(sum(fall) - 3) >= 2 for fall in itertools.product((0, 1), repeat=6))
    assert evaluation.mcnemar(*answers(1, 5)).p == pytest.approx(lopsided / 64, rel=1e-12)


def test_images_on_which_both_agree_say_nothing():
    few, many = (evaluation.mcnemar(*answers(3, 11, both=n, neither=n)) for n in (0, 500))
    assert few == many


def test_a_great_many_disagreements_are_no_trouble():
    assert 0 <= evaluation.mcnemar(*answers(3000, 2000)).p < 1e-40


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (torch.ones(3), torch.ones(3), "must be bool"),
        (torch.ones(3, 1).bool(), torch.ones(3, 1).bool(), "must be bool"),
        (torch.ones(3).bool(), torch.ones(4).bool(), "got 3 and 4"),
        (torch.ones(0).bool(), torch.ones(0).bool(), "at least one"),
    ],
)
def test_answers_to_other_images_are_not_compared(first, second, message):
    with pytest.raises(ValueError, match=message):
        evaluation.mcnemar(first, second)


TEN = [0.5, 0.1, 0.4, 0.9, 0.2, 0.3, 0.8, 0.7, 0.6, 0.0]


@pytest.mark.parametrize(
    ("values", "t"),
    [
        ([1.0, 2.0, 3.0], 4.302653),
        (TEN, 2.262157),
        (TEN * 3, 2.045230),
    ],  # a printed table of t(97.5 %), to 6 digits
)
def test_the_interval_of_a_mean_is_students(values, t):
    interval = evaluation.mean_interval(values)
    error = statistics.stdev(values) / len(values) ** 0.5
    assert interval.middle == pytest.approx(statistics.fmean(values), rel=1e-12)
    assert interval.half == pytest.approx(t * error, rel=1e-6)
    assert interval == pytest.approx((interval.middle - interval.half, interval.middle + interval.half))


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
def test_the_interval_of_a_mean_is_scipys(confidence):
    low, high = stats.ttest_1samp(TEN, 0).confidence_interval(confidence)
    assert evaluation.mean_interval(TEN, confidence=confidence) == pytest.approx((low, high), rel=1e-9)


def test_nineteen_in_twenty_intervals_hold_the_mean():
    """Three values from a normal distribution, 4,000 times: 95 % of the intervals, give or take 1 %."""
    draws = torch.randn(4000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).tolist()
    held = sum(low <= 0 <= high for low, high in map(evaluation.mean_interval, draws))
    assert held / 4000 == pytest.approx(0.95, abs=0.01)  # three standard errors of a share of 4,000


@pytest.mark.parametrize("values", [[], [1.0]])
def test_one_value_has_no_interval(values):
    with pytest.raises(ValueError, match=f"needs at least 2 values, got {len(values)}"):
        evaluation.mean_interval(values)


FIRST, SECOND = [0.91, 0.93, 0.90, 0.92], [0.86, 0.89, 0.87, 0.88]


def test_the_paired_interval_is_students_on_the_differences():
    expected = stats.ttest_rel(FIRST, SECOND).confidence_interval()
    assert evaluation.paired_interval(FIRST, SECOND) == pytest.approx(tuple(expected), rel=1e-9)
    wider = stats.ttest_rel(FIRST, SECOND).confidence_interval(0.99)
    assert evaluation.paired_interval(FIRST, SECOND, confidence=0.99) == pytest.approx(tuple(wider), rel=1e-9)


def test_pairing_takes_out_what_the_seeds_share():
    """Seeds that move both alike by ten points: the difference is sure all the same."""
    interval = evaluation.paired_interval([0.6, 0.7, 0.8], [0.59, 0.69, 0.79])
    assert interval.middle == pytest.approx(0.01)
    assert interval.half < 1e-9


def test_runs_without_a_partner_are_refused():
    with pytest.raises(ValueError, match="each run needs its partner, got 3 and 2 runs"):
        evaluation.paired_interval([1, 2, 3], [1, 2])


def test_gains_are_each_over_the_one_named_and_not_over_itself():
    runs = {"worse": [value - 0.01 for value in SECOND], "none": SECOND, "cure": FIRST}
    gains = evaluation.paired_gains(runs, over="none")
    assert list(gains) == ["worse", "cure"]
    expected = stats.ttest_rel(FIRST, SECOND).confidence_interval()
    assert gains["cure"] == pytest.approx(tuple(expected), rel=1e-9)
    assert gains["worse"] == pytest.approx((-0.01, -0.01), abs=1e-9)
    with pytest.raises(ValueError, match="nothing is named 'nothing'; there are worse, none, cure"):
        evaluation.paired_gains(runs, over="nothing")


def answers_of(recipe_skill, difficulty, seeds, generator):
    """Right or wrong of each seed's network on each image: (seeds, images), all by chance."""
    luck = 0.15 * torch.randn(seeds, 1, generator=generator)
    chance = torch.sigmoid(recipe_skill + luck + difficulty)
    return torch.rand(chance.shape, generator=generator) < chance


def test_the_interval_of_a_recipe_holds_its_true_accuracy_as_often_as_it_says():
    """New seeds and new images each time; Student's interval over the seeds alone misses far too often."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.sigmoid(1 + 0.15 * torch.randn(500_000, generator=generator)
                          + 2 * torch.randn(500_000, generator=generator)).mean().item()  # fmt: skip
    inside = {"both": 0, "seeds": 0}
    for _ in range(400):
        runs = answers_of(1, 2 * torch.randn(200, generator=generator), 6, generator)
        shares = runs.double().mean(dim=1).tolist()
        intervals = evaluation.recipe_interval(shares, 200), evaluation.mean_interval(shares)
        for name, (low, high) in zip(inside, intervals, strict=True):
            inside[name] += low <= truth <= high
    assert inside["both"] >= 0.93 * 400
    assert inside["seeds"] <= 0.85 * 400


def test_the_interval_of_a_gain_holds_the_true_gain_as_often_as_it_says():
    generator = torch.Generator().manual_seed(1)
    noise = 2 * torch.randn(500_000, generator=generator), 0.15 * torch.randn(500_000, generator=generator)
    truth = (torch.sigmoid(1.5 + sum(noise)).mean() - torch.sigmoid(1 + sum(noise)).mean()).item()
    inside = 0
    for _ in range(400):
        difficulty = 2 * torch.randn(200, generator=generator)
        first, second = (answers_of(skill, difficulty, 6, generator) for skill in (1.5, 1))
        low, high = evaluation.recipe_gain(first, second)
        inside += low <= truth <= high
    assert inside >= 0.93 * 400


def test_a_recipe_without_luck_of_its_seeds_has_that_of_its_images():
    """Equal runs leave the normal interval of one accuracy: 0.9 on 1,000 images, 1.96 standard errors."""
    interval = evaluation.recipe_interval([0.9, 0.9, 0.9], 1000)
    assert interval.middle == pytest.approx(0.9)
    assert interval.half == pytest.approx(1.959964 * math.sqrt(0.9 * 0.1 / 1000), rel=1e-6)
    assert evaluation.recipe_interval([1.0, 1.0, 1.0], 10) == (1.0, 1.0)


def test_a_gain_is_positive_where_the_first_one_is_right_more_often():
    first = torch.tensor([[True, True, False, True], [True, True, True, True]])
    second = torch.tensor([[True, False, False, True], [False, True, False, True]])
    gain = evaluation.recipe_gain(first, second)
    assert gain.middle == pytest.approx((1 + 2) / 8)
    assert evaluation.recipe_gain(second, first) == pytest.approx((-gain.high, -gain.low))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: evaluation.recipe_interval([0.9], 10), "at least 2 values, got 1"),
        (lambda: evaluation.recipe_interval([0.9, 94.1], 10), r"shares in \[0, 1\], got \[0.9, 94.1\]"),
        (lambda: evaluation.recipe_interval([0.9, 0.8], 0), "total must be at least 1, got 0"),
        (lambda: evaluation.recipe_interval([0.9, 0.8], 2.5), "total must be a whole number .* got 2.5"),
        (lambda: evaluation.recipe_gain(torch.ones(2, 3), torch.ones(2, 3)), "float32"),
        (lambda: evaluation.recipe_gain(torch.ones(3).bool(), torch.ones(3).bool()), r"\(3,\) and"),
        (lambda: evaluation.recipe_gain(torch.ones(2, 3).bool(), torch.ones(2, 4).bool()), r"\(2, 4\)"),
        (lambda: evaluation.recipe_gain(torch.ones(2, 1).bool(), torch.ones(2, 1).bool()), "2 images, got 1"),
    ],
)
def test_what_is_no_set_of_runs_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_asking_for_the_package_does_not_load_scipy():
    """``scipy.stats`` takes half a second, so it waits for the first interval."""
    code = "import sys; from resnet_utils.evaluation import statistics; print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_share_in_place_of_a_count_and_values_that_are_not_finite_are_refused():
    for call in (evaluation.accuracy_interval, risk_bound):
        with pytest.raises(ValueError, match=r"counts are whole numbers, got 0\.93 of 100"):
            call(0.93, 100)
        assert call(torch.tensor(93), 100) == call(93, 100)
    for value in (math.nan, math.inf):
        with pytest.raises(ValueError, match="needs finite values"):
            evaluation.mean_interval([1.0, value])
    with pytest.raises(ValueError, match="at least 2 images, got 0"):
        evaluation.recipe_gain(torch.ones(2, 0).bool(), torch.ones(2, 0).bool())


@pytest.mark.parametrize(
    "ask",
    [
        evaluation.mean_interval,
        lambda values: evaluation.paired_interval(values, [0.1, 0.2, 0.3]),
        lambda values: evaluation.paired_gains({"a": values, "b": values}, over="a"),
        lambda values: evaluation.recipe_interval(values, 100),
    ],
)
@pytest.mark.parametrize(
    "values",
    [
        np.ma.masked_equal([0.1, 0.2, 0.3], 0.2),
        ["0.1", "0.2", "0.3"],
        [0.1, None, 0.3],
        [True, False, True],
        np.ones((3, 2)),
        3,
        None,
    ],
)
def test_runs_that_are_no_list_of_numbers_are_refused(ask, values):
    with pytest.raises(ValueError, match=r"must be a number|must be a list of numbers|is a masked array"):
        ask(values)


def test_runs_may_come_one_by_one_or_as_an_array():
    values = [0.1, 0.25, 0.4]
    expected = evaluation.mean_interval(values)
    assert evaluation.mean_interval(value for value in values) == expected
    assert evaluation.mean_interval(np.array(values)) == expected


@pytest.mark.parametrize("ask", [evaluation.accuracy_interval, risk_bound])
@pytest.mark.parametrize("counts", [("1", 2), (None, 2), (True, 2), (math.nan, 2), (1, math.inf), ([1], 2)])
def test_what_is_no_count_is_refused_in_words(ask, counts):
    with pytest.raises(ValueError, match=r"must be a number|counts are whole numbers"):
        ask(*counts)


@pytest.mark.parametrize("confidence", ["0.9", None, True, 0, 1, math.nan])
def test_a_confidence_that_is_none_is_refused(confidence):
    with pytest.raises(ValueError, match="confidence must be"):
        evaluation.accuracy_interval(1, 2, confidence=confidence)


def test_masks_of_right_and_wrong_are_not_dropped():
    masked = np.ma.masked_equal(np.array([True, False]), False)
    with pytest.raises(ValueError, match="first is a masked array"):
        evaluation.mcnemar(masked, masked)
    assert evaluation.mcnemar([True, False], np.array([True, True])).only_second == 1


def test_the_luck_of_seeds_and_that_of_images_are_at_right_angles():
    accuracies, total = [0.80, 0.84, 0.82, 0.86], 400
    seeds = evaluation.mean_interval(accuracies).half
    images = 1.959963984540054 * (0.83 * 0.17 / total) ** 0.5  # the normal quantile, and a binomial share
    found = evaluation.recipe_interval(accuracies, total)
    assert found.half == pytest.approx((seeds**2 + images**2) ** 0.5, rel=1e-12)
    assert found.middle == pytest.approx(0.83)


def test_a_gain_holds_the_luck_of_its_seeds_and_that_of_its_images():
    first = torch.tensor([[1, 1, 1, 0, 1, 1], [1, 1, 0, 0, 1, 1], [1, 1, 1, 1, 1, 0]], dtype=torch.bool)
    second = torch.tensor([[1, 0, 1, 0, 1, 0], [0, 1, 0, 0, 1, 1], [1, 0, 0, 1, 0, 0]], dtype=torch.bool)
    change = first.double().numpy() - second.double().numpy()
    seeds = stats.sem(change.mean(axis=1)) * stats.t.ppf(0.975, 2)
    images = stats.sem(change.mean(axis=0)) * stats.norm.ppf(0.975)
    found = evaluation.recipe_gain(first, second)
    assert found.middle == pytest.approx(change.mean())
    assert found.half == pytest.approx((seeds**2 + images**2) ** 0.5)
