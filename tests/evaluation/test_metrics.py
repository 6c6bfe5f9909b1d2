"""Tests of ``evaluation.metrics``."""

import numpy as np
import pytest
import torch

from resnet_utils import evaluation
from resnet_utils.evaluation import calibration, selective

LOGITS = torch.tensor([[2.0, 0, 0], [0, 3.0, 0], [0, 1.0, 0], [0, 0, 5.0], [1.0, 0, 0]])
LABELS = torch.tensor([0, 1, 2, 0, 0])  # right, right, wrong by 1, wrong by 5, right


def test_accuracy_is_the_share_of_right_answers():
    assert evaluation.accuracy(LOGITS, LABELS) == 0.6


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


def test_recall_is_the_share_of_each_class_that_is_answered_right():
    assert evaluation.recall(LOGITS, LABELS).tolist() == [pytest.approx(2 / 3), 1.0, 0.0]
    assert evaluation.balanced_accuracy(LOGITS, LABELS) == pytest.approx((2 / 3 + 1) / 3)


def test_balanced_accuracy_does_not_fall_for_the_large_class():
    labels = torch.tensor([0] * 95 + [1] * 5)
    always = torch.tensor([[1.0, 0.0]]).expand(100, 2)
    assert evaluation.accuracy(always, labels) == 0.95
    assert evaluation.recall(always, labels).tolist() == [1.0, 0.0]
    assert evaluation.balanced_accuracy(always, labels) == 0.5


def test_a_class_without_a_sample_has_no_recall_and_does_not_count():
    found = evaluation.recall(LOGITS[:2], LABELS[:2])
    assert found[:2].tolist() == [1.0, 1.0]
    assert found[2].isnan()
    assert evaluation.balanced_accuracy(LOGITS[:2], LABELS[:2]) == 1.0


@pytest.mark.parametrize("kind", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_labels_in_small_whole_numbers_do_not_wrap_around(kind):
    labels = torch.arange(100)
    logits = torch.nn.functional.one_hot(labels, 100).float()
    assert evaluation.confusion(logits, labels.to(kind), 100).equal(torch.eye(100, dtype=torch.int64))
    assert evaluation.most_wrong(logits.roll(1, 0), labels.to(kind), 3).shape == (3,)


def test_answers_that_are_no_numbers_and_labels_that_are_masks_are_refused():
    with pytest.raises(ValueError, match="some are NaN"):
        evaluation.accuracy(LOGITS * float("nan"), LABELS)
    with pytest.raises(ValueError, match=r"whole numbers from 0 to 2, got torch\.bool"):
        evaluation.accuracy(LOGITS, LABELS > 0)


# what is no tensor

TABLES = {
    "correct": evaluation.correct,
    "accuracy": evaluation.accuracy,
    "confusion": lambda *given: evaluation.confusion(*given, 3),
    "recall": evaluation.recall,
    "balanced_accuracy": evaluation.balanced_accuracy,
    "most_wrong": lambda *given: evaluation.most_wrong(*given, 2),
    "reliability": lambda *given: vars(calibration.reliability(*given)),
    "expected_calibration_error": calibration.expected_calibration_error,
    "fit_temperature": calibration.fit_temperature,
    "risk_curve": lambda *given: vars(selective.risk_curve(*given)),
    "threshold_for_risk": lambda *given: selective.threshold_for_risk(*given, risk=0.5, otherwise=0.0),
}
SCORES, CLASSES = torch.tensor([[1.0, 2, 3], [3, 1, 2], [1, 3, 2], [2, 1, 0]]), torch.tensor([2, 0, 0, 1])


@pytest.mark.parametrize("name", TABLES)
def test_arrays_and_lists_are_judged_as_tensors_are(name):
    expected = TABLES[name](SCORES, CLASSES)
    for scores, classes in (
        (SCORES.numpy(), CLASSES.numpy()),
        (SCORES.tolist(), CLASSES.tolist()),
        (SCORES.numpy(), CLASSES),
        (SCORES, CLASSES.numpy()),
    ):
        torch.testing.assert_close(TABLES[name](scores, classes), expected, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", TABLES)
def test_a_mask_of_scores_or_labels_is_not_dropped_in_silence(name):
    scores, classes = SCORES.numpy(), CLASSES.numpy()
    for given in ((np.ma.masked_greater(scores, 2), classes), (scores, np.ma.masked_equal(classes, 0))):
        with pytest.raises(ValueError, match="is a masked array of NumPy, and a tensor has no mask"):
            TABLES[name](*given)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: evaluation.most_wrong(SCORES, CLASSES, 1.5), "count must be a whole number"),
        (lambda: evaluation.most_wrong(SCORES, CLASSES, True), "count must be a whole number"),
        (lambda: evaluation.confusion(SCORES, CLASSES, 3.0), "num_classes must be a whole number"),
        (lambda: calibration.reliability(SCORES, CLASSES, bins=1.5), "bins must be a whole number"),
        (lambda: calibration.reliability(SCORES, CLASSES, temperature="1"), "temperature must be a number"),
        (lambda: selective.threshold_for_risk(SCORES, CLASSES, risk="0.1"), "risk must be a number"),
        (
            lambda: selective.threshold_for_risk(SCORES, CLASSES, risk=0.1, delta=None),
            "delta must be a number",
        ),
        (lambda: selective.fewest_images(risk=True), "risk must be a number"),
        (lambda: evaluation.accuracy("scores", CLASSES), "logits must be a tensor, an array or a list"),
        (
            lambda: calibration.prior_corrected(SCORES, trained=np.ma.masked_equal([1, 2, 3], 2)),
            "trained is a masked array",
        ),
        (
            lambda: calibration.prior_corrected(SCORES, trained=[1, 2, 3], wanted="abc"),
            "wanted must be a list of numbers",
        ),
    ],
)
def test_what_is_no_number_or_count_is_refused_by_name(ask, message):
    with pytest.raises(ValueError, match=message):
        ask()
