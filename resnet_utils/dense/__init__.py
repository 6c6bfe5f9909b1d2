"""An answer for each place of an image: our ResNet as the backbone of detectors and segmenters."""

from resnet_utils.dense.backbone import Pyramid, Taps, dilate, freeze_norms
from resnet_utils.dense.detectors import faster_rcnn, mask_rcnn
from resnet_utils.dense.segmenters import SkipFCN, deeplab, fcn

__all__ = [
    "Pyramid",
    "SkipFCN",
    "Taps",
    "deeplab",
    "dilate",
    "faster_rcnn",
    "fcn",
    "freeze_norms",
    "mask_rcnn",
]
