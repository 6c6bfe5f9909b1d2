"""Six ways to use a trained network for another task."""

from resnet_utils.finetuning.parts import (
    ALL_BUT_HEAD,
    DropoutLinear,
    freeze,
    parameter_groups,
    parts,
    replace_head,
    unfreeze,
    unfreezing,
)
from resnet_utils.finetuning.probe import cached_features, linear_probe
from resnet_utils.finetuning.strategies import WAYS, Way, fine_tune

__all__ = [
    "ALL_BUT_HEAD",
    "WAYS",
    "DropoutLinear",
    "Way",
    "cached_features",
    "fine_tune",
    "freeze",
    "linear_probe",
    "parameter_groups",
    "parts",
    "replace_head",
    "unfreeze",
    "unfreezing",
]
