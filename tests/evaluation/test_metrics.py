"""Tests of ``resnet_utils.evaluation``."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from resnet_utils import evaluation

# Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3 (score, without continuity correction).
NEWCOMBE = [
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0000, 0.1611),
    (1, 29, 0.0061, 0.1718),
]
LOGITS = torch.tensor([[2.0, 0, 0], [0, 3.0, 0], [0, 1.0, 0], [0, 0, 5.0], [1.0, 0, 0]])
LABELS = torch.tensor([0, 1, 2, 0, 0])  # right, right, wrong by 1, wrong by 5, right


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
    low, high = evaluation.accuracy_interval(correct, total, confidence)
    assert 0 <= low <= correct / total <= high <= 1
    for end in (low, high):
        if 1e-6 < end < 1 - 1e-6:
            z = abs(correct / total - end) / math.sqrt(end * (1 - end) / total)
            # the normal distribution's integral, by the error function
            assert math.erf(z / math.sqrt(2)) == pytest.approx(confidence, abs=1e-6)


def test_more_confidence_or_fewer_images_give_a_wider_interval():
    def width(*arguments):
        low, high = evaluation.accuracy_interval(*arguments)
        return high - low

    assert width(90, 100, 0.99) > width(90, 100, 0.95) > width(900, 1000, 0.95)


@pytest.mark.parametrize("arguments", [(1, 0), (-1, 5), (6, 5), (1, 5, 0.0), (1, 5, 1.0), (1, 5, 95)])
def test_impossible_counts_and_confidences_are_refused(arguments):
    with pytest.raises(ValueError, match=r"need 0 <= correct|confidence must be between"):
        evaluation.accuracy_interval(*arguments)


def test_accuracy_is_the_share_of_right_answers():
    assert evaluation.accuracy(LOGITS, LABELS) == 0.6


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


def test_the_paired_test_counts_every_way_the_coins_can_fall():
    """Six images on which they differ: all 64 sequences, those at least as lopsided as 1 to 5."""
    lopsided = sum(abs(sum(fall) - 3) >= 2 for fall in itertools.product((0, 1), repeat=6))
    assert evaluation.mcnemar(*answers(1, 5))[2] == lopsided / 64


def test_images_on_which_both_agree_say_nothing():
    few, many = (evaluation.mcnemar(*answers(3, 11, both=n, neither=n)) for n in (0, 500))
    assert few == many


def test_a_great_many_disagreements_are_no_trouble():
    assert 0 <= evaluation.mcnemar(*answers(3000, 2000))[2] < 1e-40


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


def test_the_paired_interval_is_students_on_the_differences():
    """scipy 1.17, ttest_rel(first, second).confidence_interval()."""
    first, second = [0.91, 0.93, 0.90, 0.92], [0.86, 0.89, 0.87, 0.88]
    mean, half = evaluation.paired_interval(first, second)
    assert (mean - half, mean + half) == pytest.approx(
        (0.027008, 0.052992), abs=2e-6
    )  # the table's t has three decimals


def test_pairing_takes_out_what_the_seeds_share():
    """Seeds that move both alike by ten points: the difference is sure all the same."""
    first, second = [0.6, 0.7, 0.8], [0.59, 0.69, 0.79]
    mean, half = evaluation.paired_interval(first, second)
    assert mean == pytest.approx(0.01)
    assert half < 1e-9


def test_runs_without_a_partner_are_refused():
    with pytest.raises(ValueError, match="each run needs its partner, got 3 and 2 runs"):
        evaluation.paired_interval([1, 2, 3], [1, 2])


def test_gains_are_each_over_the_one_named_and_not_over_itself():
    """scipy 1.17, ttest_rel(with_cure, none).confidence_interval(), as above."""
    runs = {
        "worse": [0.85, 0.88, 0.86, 0.87],
        "none": [0.86, 0.89, 0.87, 0.88],
        "cure": [0.91, 0.93, 0.90, 0.92],
    }
    gains = evaluation.paired_gains(runs, over="none")
    assert list(gains) == ["worse", "cure"]
    assert gains["cure"] == pytest.approx((0.04, 0.012992), abs=2e-6)  # the table's t has three decimals
    assert gains["worse"] == pytest.approx((-0.01, 0), abs=1e-9)
    with pytest.raises(ValueError, match="nothing is named 'nothing'; there are worse, none, cure"):
        evaluation.paired_gains(runs, over="nothing")


def test_confusion_counts_true_classes_in_rows():
    expected = [[2, 0, 1], [0, 1, 0], [0, 1, 0]]  # counted by hand
    assert evaluation.confusion(LOGITS, LABELS, 3).tolist() == expected


def test_confusion_sums_to_its_margins():
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.rand(50, 4, generator=generator), torch.randint(0, 3, (50,), generator=generator)
    table = evaluation.confusion(logits, labels, 4)  # no sample of class 3
    assert table.sum(dim=1).tolist() == [(labels == k).sum().item() for k in range(4)]
    assert table.sum(dim=0).tolist() == [(logits.argmax(1) == k).sum().item() for k in range(4)]
    assert table.trace().item() / 50 == pytest.approx(evaluation.accuracy(logits, labels))


def test_confusion_with_another_number_of_classes_is_refused():
    with pytest.raises(ValueError, match="logits have 3 classes, but num_classes is 2"):
        evaluation.confusion(LOGITS, LABELS, 2)


def test_most_wrong_begins_with_the_worst_and_leaves_out_the_right():
    assert evaluation.most_wrong(LOGITS, LABELS, 1).tolist() == [3]
    assert evaluation.most_wrong(LOGITS, LABELS, 10).tolist() == [3, 2]


def test_a_hesitant_right_answer_is_not_among_the_wrong():
    """Its loss (1.09) is larger than that of the wrong one below (0.70)."""
    logits = torch.tensor([[0.01, 0.0, 0.0], [0.01, 0.0, -9.0]])
    assert evaluation.most_wrong(logits, torch.tensor([0, 1]), 2).tolist() == [1]


def test_equal_mistakes_come_in_their_order():
    assert evaluation.most_wrong(torch.tensor([[0.0, 1.0]] * 4), torch.zeros(4).long(), 3).tolist() == [
        0,
        1,
        2,
    ]


def test_most_wrong_of_a_perfect_model_is_empty():
    assert evaluation.most_wrong(torch.eye(3), torch.arange(3), 2).tolist() == []


def test_most_wrong_of_no_sample_is_refused():
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        evaluation.most_wrong(LOGITS, LABELS, 0)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (torch.rand(4), torch.zeros(4).long(), r"got \(4,\) and \(4,\)"),
        (torch.rand(4, 2), torch.zeros(3).long(), r"got \(4, 2\) and \(3,\)"),
        (torch.rand(0, 2), torch.zeros(0).long(), "N > 0"),
        (torch.rand(2, 2), torch.tensor([0, 2]), "from 0 to 1, got torch.int64 from 0 to 2"),
        (torch.rand(2, 2), torch.tensor([0.0, 1.0]), "whole numbers"),
    ],
)
def test_logits_and_labels_that_do_not_fit_are_refused(logits, labels, message):
    for function in (
        evaluation.accuracy,
        lambda *a: evaluation.confusion(*a, 2),
        lambda *a: evaluation.most_wrong(*a, 1),
    ):
        with pytest.raises(ValueError, match=message):
            function(logits, labels)
