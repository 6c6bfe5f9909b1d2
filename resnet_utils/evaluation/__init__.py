"""How good a network is, and how sure that is: predictions, metrics, intervals and tests, calibration."""

from resnet_utils.evaluation.inference import evaluate, kept_modes, predict
from resnet_utils.evaluation.metrics import accuracy, confusion, most_wrong
from resnet_utils.evaluation.statistics import (
    accuracy_interval,
    interval,
    mcnemar,
    paired_gains,
    paired_interval,
)

__all__ = [
    "accuracy",
    "accuracy_interval",
    "confusion",
    "evaluate",
    "interval",
    "kept_modes",
    "mcnemar",
    "most_wrong",
    "paired_gains",
    "paired_interval",
    "predict",
]
