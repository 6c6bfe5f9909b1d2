"""Six ways to use a trained network for another task."""

from resnet_utils.finetuning.parts import (
    ALL_BUT_HEAD,
    freeze,
    parameter_groups,
    unfreeze,
    unfreezing,
)
from resnet_utils.finetuning.probe import cached_features, linear_probe
from resnet_utils.finetuning.strategies import WAYS, Way, fine_tune

__all__ = [
    "ALL_BUT_HEAD",
    "WAYS",
    "Way",
    "cached_features",
    "fine_tune",
    "freeze",
    "linear_probe",
    "parameter_groups",
    "unfreeze",
    "unfreezing",
]
