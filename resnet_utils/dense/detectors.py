"""Networks that answer with boxes: torchvision's Faster R-CNN and Mask R-CNN with our ResNet inside.

Introduced in chapter 6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from resnet_utils.dense.backbone import Pyramid
from resnet_utils.models.resnet import ResNet
from resnet_utils.runtime import given

SIZES = (32, 64, 128, 256, 512)  # sides of torchvision's anchors, one a map of the pyramid
MASK_CHANNELS = 256


@given.explained
def faster_rcnn(
    model: ResNet,
    num_classes: int,
    *,
    stages: Sequence[str] | None = None,
    anchor_sizes: Sequence[int] = SIZES,
    out_channels: int = 256,
    head_width: int = 1024,
    image_size: tuple[int, int] = (800, 1333),
    proposals: int = 2000,
    sampled: tuple[int, int] = (256, 512),
) -> nn.Module:
    """torchvision's Faster R-CNN over our ResNet and a feature pyramid, in train mode.

    In train mode a list of images and a list of targets -> a dictionary of four losses; in eval mode a list
    of images, float in [0, 1] -> a list of ``{"boxes": (k, 4), "labels": (k,), "scores": (k,)}``. It
    normalises the images itself. ``faster_rcnn(freeze_norms(models.build("resnet50")), 91)`` has the
    parameters of torchvision's ``fasterrcnn_resnet50_fpn`` with weights, name for name.

    Args:
        model: one of ``models.build``; its parts are taken, not copied.
        num_classes: the background, number 0, among them.
        stages: whose maps the pyramid stands on; all unless given.
        anchor_sizes: sides in pixels of the boxes to start from, one for each map of the pyramid, the pooled
            one among them; each comes in three shapes.
        out_channels: channels of the pyramid.
        head_width: numbers a box between the two layers of the head.
        image_size: to this length the shorter side is scaled, unless the longer one becomes more than the
            other.
        proposals: boxes of an image that go on to the head, in training; half as many in answers.
        sampled: of how many anchors and of how many proposals of an image training computes its losses;
            they are drawn at random.

    Raises:
        TypeError: as ``Taps``.
        ValueError: as ``Taps``, for fewer than 2 classes, another number of sizes than maps, or a number that
            is none or too small.

    Source: Ren et al. 2015, arXiv:1506.01497; Lin et al. 2017, arXiv:1612.03144, section 4.
    """
    from torchvision.models.detection.faster_rcnn import FasterRCNN, FastRCNNPredictor, TwoMLPHead

    counts = (("out_channels", out_channels, 1), ("head_width", head_width, 1), ("proposals", proposals, 2))
    for name, number, least in counts:
        given.whole_number(name, number, least=least)
    for name, pair in (("image_size", image_size), ("sampled", sampled)):
        if len(pair) != 2:
            raise ValueError(f"{name} must be two whole numbers, got {pair!r:.100}")
        for number in pair:
            given.whole_number(f"each number of {name}", number)
    pyramid, anchors, pool = _parts(model, num_classes, stages, anchor_sizes, out_channels)
    return FasterRCNN(
        pyramid,
        rpn_anchor_generator=anchors,
        rpn_batch_size_per_image=sampled[0],
        box_batch_size_per_image=sampled[1],
        rpn_pre_nms_top_n_train=proposals,
        rpn_post_nms_top_n_train=proposals,
        rpn_pre_nms_top_n_test=proposals // 2,
        rpn_post_nms_top_n_test=proposals // 2,
        box_roi_pool=pool,
        box_head=TwoMLPHead(out_channels * 7**2, head_width),
        box_predictor=FastRCNNPredictor(head_width, num_classes),
        min_size=image_size[0],
        max_size=image_size[1],
    )


@given.explained
def mask_rcnn(model: ResNet, num_classes: int) -> nn.Module:
    """torchvision's Mask R-CNN over our ResNet and a feature pyramid, in train mode.

    As ``faster_rcnn``, and each box comes with a mask, ``"masks"`` (k, 1, H, W) in [0, 1].
    ``mask_rcnn(freeze_norms(models.build("resnet50")), 91)`` has the parameters of torchvision's
    ``maskrcnn_resnet50_fpn`` with weights, name for name.

    Args:
        model: as in ``faster_rcnn``.
        num_classes: as in ``faster_rcnn``.

    Raises:
        TypeError: as ``Taps``.
        ValueError: as ``faster_rcnn``.

    Source: He et al. 2017, arXiv:1703.06870.
    """
    from torchvision.models.detection.mask_rcnn import MaskRCNN

    pyramid, anchors, pool = _parts(model, num_classes, None, SIZES, 256)
    return MaskRCNN(pyramid, num_classes, rpn_anchor_generator=anchors, box_roi_pool=pool)


def _parts(
    model: ResNet, num_classes: int, stages: Sequence[str] | None, sizes: Sequence[int], out_channels: int
) -> tuple[nn.Module, nn.Module, nn.Module]:
    """The pyramid, the anchors on its maps, and what cuts boxes out of them."""
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.ops import MultiScaleRoIAlign

    num_classes = given.whole_number("num_classes", num_classes, least=2)
    pyramid = Pyramid(model, stages, out_channels=out_channels)
    if len(sizes) != len(pyramid.strides):
        raise ValueError(
            f"the pyramid has {len(pyramid.strides)} maps, but there are {len(sizes)} anchor sizes"
        )
    if not all(0 < size < math.inf for size in given.real_numbers("anchor_sizes", sizes)):
        raise ValueError(f"anchor_sizes must be above 0 and finite, got {sizes!r:.100}")
    anchors = AnchorGenerator(tuple((size,) for size in sizes), ((0.5, 1.0, 2.0),) * len(sizes))
    names = [str(number) for number in range(len(sizes) - 1)]
    return pyramid, anchors, MultiScaleRoIAlign(names, output_size=7, sampling_ratio=2)
