"""How good a detector is: the average precision of its boxes, by COCO's own code.

Introduced in chapter 6.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from resnet_utils.runtime import given

Boxes = Mapping[str, Tensor]


@dataclass(frozen=True)
class BoxAP:
    """Average precisions in [0, 1], each a mean over the classes.

    Args:
        ap: the mean over ten overlaps asked for, 0.50, 0.55, ..., 0.95.
        ap50: where an intersection over union of 0.5 is enough.
        ap75: where 0.75 is asked for.
    """

    ap: float
    ap50: float
    ap75: float


@given.explained
def box_ap(answers: Sequence[Boxes], truths: Sequence[Boxes]) -> BoxAP:
    """The average precision of boxes over all images together, as the COCO challenge counts it.

    At most 100 boxes an image count, those with the highest scores. The library prints; nothing of that is
    seen.

    Args:
        answers: an image each, ``{"boxes": (k, 4), "labels": (k,), "scores": (k,)}`` as torchvision's
            detectors return them, with left, top, right, bottom in pixels.
        truths: for the same images, ``{"boxes": (k, 4), "labels": (k,)}``.

    Raises:
        ImportError: if pycocotools is not installed.
        ValueError: if the images are not as many, a part is missing or does not fit the others, or no image
            has a true box.

    Source: Lin et al. 2014, arXiv:1405.0312, and the evaluation code of its authors.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError:
        raise ImportError(
            "COCO's code for average precision is not here: pip install resnet-utils[detection]"
        ) from None

    _check(answers, truths)
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        vars(known)["dataset"] = _dataset(truths)
        known.createIndex()
        found = _rows(answers)
        if not found:
            return BoxAP(0.0, 0.0, 0.0)  # the library would fail on an empty list
        judge = COCOeval(known, known.loadRes(found), "bbox")  # pyright: ignore[reportArgumentType] - a list too
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return BoxAP(*(float(value) for value in judge.stats[:3]))


def _check(answers: Sequence[Boxes], truths: Sequence[Boxes]) -> None:
    """Refuse lists that do not go together."""
    if len(answers) != len(truths):
        raise ValueError(f"one answer and one truth an image: got {len(answers)} and {len(truths)}")
    for name, boxes, parts in (
        ("answers", answers, ("boxes", "labels", "scores")),
        ("truths", truths, ("boxes", "labels")),
    ):
        for number, one in enumerate(boxes):
            missing = [part for part in parts if part not in one]
            if missing:
                raise ValueError(f"{name}[{number}] lacks {', '.join(missing)}")
            shapes = [tuple(one[part].shape) for part in parts]
            if shapes != [(len(one["labels"]), 4), *[(len(one["labels"]),)] * (len(parts) - 1)]:
                raise ValueError(
                    f"{name}[{number}] has {', '.join(parts)} of shapes {shapes}; boxes are (k, 4)"
                )
    if not any(len(one["labels"]) for one in truths):
        raise ValueError("no image has a true box, so nothing can be found")


def _dataset(truths: Sequence[Boxes]) -> dict[str, Any]:
    """The truths in COCO's own form; a detection counts its images and boxes from 1."""
    rows = [
        row | {"id": number, "area": row["bbox"][2] * row["bbox"][3], "iscrowd": 0}
        for number, row in enumerate(_rows(truths), start=1)
    ]
    labels = sorted({row["category_id"] for row in rows})
    return {
        "info": {},
        "images": [{"id": number} for number in range(1, len(truths) + 1)],
        "categories": [{"id": label} for label in labels],
        "annotations": rows,
    }


def _rows(given: Sequence[Boxes]) -> list[dict[str, Any]]:
    """One row a box: image, class, (left, top, width, height), and its score where it has one."""
    rows = []
    for number, one in enumerate(given, start=1):
        scores = one["scores"].tolist() if "scores" in one else [None] * len(one["labels"])
        for box, label, score in zip(one["boxes"].tolist(), one["labels"].tolist(), scores, strict=True):
            left, top, right, bottom = box
            row = {"image_id": number, "category_id": label, "bbox": [left, top, right - left, bottom - top]}
            rows.append(row if score is None else row | {"score": score})
    return rows
