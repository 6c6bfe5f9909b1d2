"""The average precision of boxes: cases that can be worked out by hand, silence, and a missing library."""

from __future__ import annotations

import sys

import pytest
import torch

from resnet_utils.evaluation import detection


def boxes(*rows, scores=None):
    """Boxes with their labels, and with scores where they are answers."""
    found = {"boxes": torch.tensor([row[:4] for row in rows]).float().reshape(-1, 4)}
    found["labels"] = torch.tensor([row[4] for row in rows], dtype=torch.int64)
    return found if scores is None else found | {"scores": torch.tensor(scores, dtype=torch.float32)}


A, B = (10, 10, 50, 50, 1), (60, 60, 90, 90, 1)


def test_right_boxes_have_precision_one_and_the_library_is_silent(capsys):
    found = detection.box_ap([boxes(A, B, scores=[0.9, 0.8])], [boxes(A, B)])
    assert (found.ap, found.ap50, found.ap75) == pytest.approx((1.0, 1.0, 1.0))
    assert capsys.readouterr() == ("", "")


def test_half_found_is_half_of_the_recalls():
    # precision 1 at the recalls 0, 0.01, ..., 0.5, which are 51 of COCO's 101, and 0 at the others
    found = detection.box_ap([boxes(A, scores=[0.9])], [boxes(A, B)])
    assert found.ap50 == pytest.approx(51 / 101)


def test_a_false_box_before_a_right_one_halves_the_precision():
    wrong = (100, 100, 120, 120, 1)
    before = detection.box_ap([boxes(wrong, A, scores=[0.9, 0.8])], [boxes(A)])
    after = detection.box_ap([boxes(wrong, A, scores=[0.7, 0.8])], [boxes(A)])
    assert before.ap50 == pytest.approx(0.5)
    assert after.ap50 == pytest.approx(1.0)


def test_the_overlap_asked_for_decides():
    shifted = (20, 10, 60, 50, 1)  # 30 x 40 of both, 50 x 40 of either: 0.6
    found = detection.box_ap([boxes(shifted, scores=[0.9])], [boxes(A)])
    assert (found.ap50, found.ap75) == pytest.approx((1.0, 0.0))
    assert found.ap == pytest.approx(0.3)  # 0.50, 0.55 and 0.60 of ten


def test_a_box_with_the_wrong_name_finds_nothing():
    assert detection.box_ap([boxes((*A[:4], 2), scores=[0.9])], [boxes(A)]).ap50 == 0


def test_classes_count_alike_and_an_image_may_be_empty():
    answers = [boxes(A, scores=[0.9]), boxes(scores=[])]
    truths = [boxes(A, (*B[:4], 2)), boxes()]
    assert detection.box_ap(answers, truths).ap50 == pytest.approx(0.5)


def test_no_answer_at_all_is_zero():
    assert detection.box_ap([boxes(scores=[])], [boxes(A)]) == detection.BoxAP(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("answers", "truths", "words"),
    [
        ([], [boxes(A)], "one answer and one truth an image"),
        ([boxes(A)], [boxes(A)], r"answers\[0\] lacks scores"),
        ([boxes(A, scores=[0.9])], [{"boxes": torch.zeros(1, 4)}], r"truths\[0\] lacks labels"),
        ([boxes(A, scores=[0.9, 0.8])], [boxes(A)], r"boxes are \(k, 4\)"),
        ([boxes(scores=[])], [boxes()], "no image has a true box"),
    ],
)
def test_lists_that_do_not_go_together_are_refused(answers, truths, words):
    with pytest.raises(ValueError, match=words):
        detection.box_ap(answers, truths)


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    with pytest.raises(ImportError, match=r"pip install resnet-utils\[detection\]"):
        detection.box_ap([boxes(A, scores=[0.9])], [boxes(A)])
