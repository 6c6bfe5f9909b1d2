"""How good a segmenter is: a confusion matrix of pixels, and from it the intersection over union.

Introduced in chapter 6.
"""

from __future__ import annotations

import torch
from torch import Tensor

from resnet_utils.runtime import given


@given.explained
def pixel_confusion(answers: Tensor, truths: Tensor, num_classes: int) -> Tensor:
    """Counts of pixels ``(num_classes, num_classes)``, int64, on the CPU: row = true class, column = answer.

    Counts of several batches may be added up. Pixels whose truth is negative count as unknown: they are left
    out.

    Args:
        answers: class numbers of any shape, such as ``logits.argmax(dim=1)``, 0 to ``num_classes`` - 1.
        truths: class numbers of the same shape, or negative.
        num_classes: number of classes, the background among them.

    Raises:
        ValueError: for shapes that differ, numbers that are not whole, or classes that there are not.
    """
    if answers.shape != truths.shape:
        raise ValueError(f"one truth a pixel: got {tuple(answers.shape)} and {tuple(truths.shape)}")
    for name, classes in (("answers", answers), ("truths", truths)):
        if classes.is_floating_point() or classes.dtype == torch.bool:
            raise ValueError(f"{name} must be whole numbers of classes, got {classes.dtype}")
    answers, truths = answers.detach().cpu().long().flatten(), truths.cpu().long().flatten()
    known = truths >= 0
    answers, truths = answers[known], truths[known]
    if (
        len(truths)
        and not 0 <= min(answers.min(), truths.min()) <= max(answers.max(), truths.max()) < num_classes
    ):
        found = f"{min(answers.min(), truths.min())} to {max(answers.max(), truths.max())}"
        raise ValueError(f"classes must be 0 to {num_classes - 1}, got {found}")
    cells = truths * num_classes + answers
    return torch.bincount(cells, minlength=num_classes**2).view(num_classes, num_classes)


@given.explained
def iou(counts: Tensor) -> Tensor:
    """Intersection over union of each class, float64 ``(num_classes,)`` in [0, 1].

    NaN for a class that is neither in the truth nor in the answers.

    Args:
        counts: ``pixel_confusion``, of one image or the sum over many.

    Raises:
        ValueError: if ``counts`` is no square matrix.

    Source: Everingham et al. 2015, doi:10.1007/s11263-014-0733-5, section 4.3 (all images together).
    """
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"counts must be a square matrix, got {tuple(counts.shape)}")
    counts = counts.double()
    both = counts.diagonal()
    return both / (counts.sum(dim=0) + counts.sum(dim=1) - both)


@given.explained
def mean_iou(counts: Tensor) -> float:
    """The mean of ``iou`` over the classes that occur, in [0, 1].

    Args:
        counts: as in ``iou``.

    Raises:
        ValueError: as ``iou``, or if no pixel was counted.
    """
    values = iou(counts)
    if values.isnan().all():
        raise ValueError("no pixel was counted, so there is no mean")
    return values.nanmean().item()
