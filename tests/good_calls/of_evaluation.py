"""Calls of the functions in ``evaluation``."""

from __future__ import annotations

import torch
from torch import nn

from good_calls.makers import net

CLASSES = 6  # of ``makers.loader``


def right(count: int = 5) -> torch.Tensor:
    """Which answers of a classifier are right."""
    return torch.arange(count) % 2 == 0


def boxes() -> dict[str, torch.Tensor]:
    """The boxes of one picture."""
    return {"boxes": torch.tensor([[0.0, 0.0, 4.0, 4.0]]), "labels": torch.tensor([1])}


CALLS = {
    "evaluation.answers.is_binary": lambda _: {"loss_function": nn.CrossEntropyLoss()},
    "evaluation.answers.loss_of": lambda _: {"loss_function": nn.CrossEntropyLoss()},
    "evaluation.answers.require_numbers": lambda _: {"where": "batch 1"},
    "evaluation.answers.require_finite_images": lambda _: {"where": "batch 1"},
    "evaluation.answers.logits_of": lambda _: {"compute": net()},
    "evaluation.calibration.prior_corrected": lambda _: {"trained": [1, 2, 3]},
    "evaluation.detection.box_ap": lambda _: {
        "answers": [boxes() | {"scores": torch.tensor([0.5])}], "truths": [boxes()],
    },
    "evaluation.inference.collected": lambda _: {
        "model": (model := net(CLASSES)), "compute": model, "caller": "predict",
    },
    "evaluation.inference.predict": lambda _: {"model": net(CLASSES)},
    "evaluation.inference.evaluate": lambda _: {"model": net(CLASSES)},
    "evaluation.segmentation.pixel_confusion": lambda _: {
        "answers": torch.zeros(1, 4, 4, dtype=torch.long), "truths": torch.ones(1, 4, 4, dtype=torch.long),
    },
    "evaluation.segmentation.iou": lambda _: {"counts": torch.tensor([[3, 1], [1, 3]])},
    "evaluation.segmentation.mean_iou": lambda _: {"counts": torch.tensor([[3, 1], [1, 3]])},
    "evaluation.selective.threshold_for_risk": lambda _: {"risk": 0.2, "otherwise": 0.0},
    "evaluation.selective.fewest_images": lambda _: {"risk": 0.2},
    "evaluation.statistics.mean_interval": lambda _: {"values": [0.8, 0.9]},
    "evaluation.statistics.paired_interval": lambda _: {"first": [0.8, 0.9], "second": [0.7, 0.9]},
    "evaluation.statistics.paired_gains": lambda _: {
        "runs": {"plain": [0.8, 0.9], "residual": [0.9, 0.95]}, "over": "plain",
    },
    "evaluation.statistics.recipe_interval": lambda _: {"accuracies": [0.8, 0.9], "total": 100},
    "evaluation.statistics.recipe_gain": lambda _: {
        "first": torch.stack([right(), ~right()]), "second": torch.stack([right(), right()]),
    },
    "evaluation.statistics.accuracy_interval": lambda _: {"correct": 90, "total": 100},
    "evaluation.statistics.risk_bound": lambda _: {"mistakes": 3, "total": 100},
    "evaluation.statistics.mcnemar": lambda _: {"first": right(), "second": ~right()},
}  # fmt: skip

UNBOUND: dict[tuple[str, str], str] = {}
