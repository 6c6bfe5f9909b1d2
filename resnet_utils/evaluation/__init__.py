"""How good a network is, and how sure that is: predictions, metrics, intervals and tests, calibration."""

from resnet_utils.evaluation.inference import evaluate, kept_modes, predict
from resnet_utils.evaluation.metrics import (
    accuracy,
    balanced_accuracy,
    confusion,
    correct,
    most_wrong,
    recall,
)
from resnet_utils.evaluation.statistics import (
    Interval,
    Paired,
    accuracy_interval,
    mcnemar,
    mean_interval,
    paired_gains,
    paired_interval,
    recipe_gain,
    recipe_interval,
)

__all__ = [
    "Interval",
    "Paired",
    "accuracy",
    "accuracy_interval",
    "balanced_accuracy",
    "confusion",
    "correct",
    "evaluate",
    "kept_modes",
    "mcnemar",
    "mean_interval",
    "most_wrong",
    "paired_gains",
    "paired_interval",
    "predict",
    "recall",
    "recipe_gain",
    "recipe_interval",
]
