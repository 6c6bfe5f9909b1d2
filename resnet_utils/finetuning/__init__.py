"""A trained network for another task: six ways to use it, and the whole way from your own photographs."""

from resnet_utils.finetuning.backbones import Backbone, choose_backbone
from resnet_utils.finetuning.own import about_parts, finetune_folder
from resnet_utils.finetuning.parts import (
    ALL_BUT_HEAD,
    freeze,
    parameter_groups,
    unfreeze,
    unfreezing,
)
from resnet_utils.finetuning.photographs import Parts, read_photographs, split_photographs
from resnet_utils.finetuning.probe import cached_features, linear_probe
from resnet_utils.finetuning.strategies import WAYS, Way, fine_tune
from resnet_utils.finetuning.tuning import to_classifier, tune

__all__ = [
    "ALL_BUT_HEAD",
    "WAYS",
    "Backbone",
    "Parts",
    "Way",
    "about_parts",
    "cached_features",
    "choose_backbone",
    "fine_tune",
    "finetune_folder",
    "freeze",
    "linear_probe",
    "parameter_groups",
    "read_photographs",
    "split_photographs",
    "to_classifier",
    "tune",
    "unfreeze",
    "unfreezing",
]
