"""Pixels counted against a slow loop, and intersection over union against sets."""

from __future__ import annotations

import math

import pytest
import torch
import torchmetrics

from resnet_utils.evaluation import segmentation


def slow_iou(answers, truths, label):
    """By sets of places, one pixel at a time."""
    said = {k for k, value in enumerate(answers.flatten().tolist()) if value == label}
    true = {k for k, value in enumerate(truths.flatten().tolist()) if value == label}
    known = {k for k, value in enumerate(truths.flatten().tolist()) if value >= 0}
    said &= known
    return len(said & true) / len(said | true) if said | true else math.nan


@pytest.mark.parametrize("seed", range(3))
def test_iou_is_that_of_sets_of_pixels(seed):
    generator = torch.Generator().manual_seed(seed)
    answers = torch.randint(0, 4, (3, 5, 6), generator=generator)
    truths = torch.randint(-1, 3, (3, 5, 6), generator=generator)
    found = segmentation.iou(segmentation.pixel_confusion(answers, truths, 5))
    for label in range(4):
        assert found[label].item() == pytest.approx(slow_iou(answers, truths, label))
    assert found[4].isnan()


@pytest.mark.parametrize("seed", range(3))
def test_the_mean_is_over_the_classes_that_are_there_in_truth_or_answers(seed):
    """Class 3 is only ever answered, which counts as 0; 4 and 5 are nowhere, which counts not at all."""
    generator = torch.Generator().manual_seed(seed)
    answers = torch.randint(0, 4, (3, 5, 6), generator=generator)
    truths = torch.randint(0, 3, (3, 5, 6), generator=generator)
    expected = sum(slow_iou(answers, truths, label) for label in range(4)) / 4
    assert segmentation.mean_iou(segmentation.pixel_confusion(answers, truths, 6)) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_iou_of_each_class_is_that_of_torchmetrics(seed):
    generator = torch.Generator().manual_seed(seed)
    answers, truths = (torch.randint(3, (4, 20, 17), generator=generator) for _ in range(2))
    theirs = torchmetrics.JaccardIndex(task="multiclass", num_classes=3, average="none")(answers, truths)
    ours = segmentation.iou(segmentation.pixel_confusion(answers, truths, 3))
    torch.testing.assert_close(ours.float(), theirs)  # theirs is in float32


def test_counts_add_up_over_batches():
    answers, truths = torch.randint(0, 3, (2, 6, 4, 4))
    whole = segmentation.pixel_confusion(answers, truths, 3)
    parts = [segmentation.pixel_confusion(a, t, 3) for a, t in zip(answers, truths, strict=True)]
    assert torch.equal(whole, sum(parts))
    assert whole.sum() == answers.numel()


def test_a_row_is_a_true_class():
    counts = segmentation.pixel_confusion(torch.tensor([1, 1, 0]), torch.tensor([0, 0, 0]), 2)
    assert counts.tolist() == [[1, 2], [0, 0]]


def test_bytes_are_counted_right_for_many_classes():
    classes = torch.arange(100, dtype=torch.uint8)
    assert segmentation.mean_iou(segmentation.pixel_confusion(classes, classes, 100)) == 1.0


@pytest.mark.parametrize(
    ("answers", "truths", "words"),
    [
        (torch.zeros(2, dtype=torch.int64), torch.zeros(3, dtype=torch.int64), "one truth a pixel"),
        (torch.zeros(2), torch.zeros(2, dtype=torch.int64), "answers must be whole numbers"),
        (torch.zeros(2, dtype=torch.int64), torch.zeros(2, dtype=torch.bool), "truths must be whole numbers"),
        (torch.tensor([3]), torch.tensor([0]), "classes must be 0 to 2, got 0 to 3"),
        (torch.tensor([-1]), torch.tensor([0]), "got -1 to 0"),
    ],
)
def test_what_cannot_be_counted_is_refused(answers, truths, words):
    with pytest.raises(ValueError, match=words):
        segmentation.pixel_confusion(answers, truths, 3)


def test_no_pixel_and_no_square_are_refused():
    with pytest.raises(ValueError, match="no pixel was counted"):
        segmentation.mean_iou(torch.zeros(2, 2))
    with pytest.raises(ValueError, match="square matrix"):
        segmentation.iou(torch.zeros(2, 3))
