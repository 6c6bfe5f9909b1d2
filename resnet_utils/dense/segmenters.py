"""Networks that name every pixel: torchvision's FCN and DeepLabV3 with our ResNet inside, and a small one.

Introduced in chapter 6.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from resnet_utils.dense.backbone import Taps, dilate
from resnet_utils.models.resnet import ResNet
from resnet_utils.runtime import given


@given.explained
def fcn(model: ResNet, num_classes: int, *, aux: bool = False) -> nn.Module:
    """torchvision's FCN over our ResNet, in train mode; ``model`` loses its last two strides (``dilate``).

    Images (N, C, H, W) -> ``{"out": logits (N, num_classes, H, W)}``. ``fcn(models.build("resnet50"), 21)``
    has the parameters of torchvision's ``fcn_resnet50``, name for name.

    Args:
        model: one of ``models.build`` with four stages; its parts are taken, not copied.
        num_classes: the background among them.
        aux: whether there is a second head, on the stage before the last; it helps in training, and published
            weights have it.

    Raises:
        TypeError: as ``Taps``.
        ValueError: as ``Taps``, for fewer than 2 classes, or fewer than four stages, or if ``aux`` is neither
            True nor False.

    Source: Long et al. 2015, arXiv:1411.4038, in torchvision's form.
    """
    from torchvision.models.segmentation.fcn import FCN, FCNHead

    taps = _dilated_taps(model, num_classes, aux)
    second = FCNHead(taps.channels[0], num_classes) if aux else None
    return FCN(taps, FCNHead(taps.channels[-1], num_classes), second)


@given.explained
def deeplab(model: ResNet, num_classes: int, *, aux: bool = False) -> nn.Module:
    """torchvision's DeepLabV3 over our ResNet, in train mode; else as ``fcn``.

    Its head looks at the last map with four dilations at once, and at its mean.
    ``deeplab(models.build("resnet50"), 21)`` has the parameters of torchvision's ``deeplabv3_resnet50``.

    Args:
        model: as in ``fcn``.
        num_classes: as in ``fcn``.
        aux: as in ``fcn``.

    Raises:
        TypeError: as ``fcn``.
        ValueError: as ``fcn``.

    Source: Chen et al. 2017, arXiv:1706.05587.
    """
    from torchvision.models.segmentation.deeplabv3 import DeepLabHead, DeepLabV3
    from torchvision.models.segmentation.fcn import FCNHead

    taps = _dilated_taps(model, num_classes, aux)
    second = FCNHead(taps.channels[0], num_classes) if aux else None
    return DeepLabV3(taps, DeepLabHead(taps.channels[-1], num_classes), second)


def _dilated_taps(model: ResNet, num_classes: int, aux: bool) -> Taps:
    """The backbone that torchvision's segmenters have: "out", and before it "aux"."""
    num_classes, aux = given.whole_number("num_classes", num_classes, least=2), given.yes_or_no("aux", aux)
    if isinstance(model, ResNet) and len(model.stages) < 4:
        raise ValueError(f"torchvision's segmenters need four stages, the network has {len(model.stages)}")
    stages, names = (["layer3", "layer4"], ["aux", "out"]) if aux else (["layer4"], ["out"])
    if isinstance(model, ResNet):
        dilate(model)
    return Taps(model, stages, names=names)


@given.explained
class SkipFCN(nn.Module):
    """A small segmenter: each tap votes by a 1x1 convolution, the votes are enlarged to the image and added.

    Images ``x`` (N, C, H, W) -> ``{"out": logits (N, num_classes, H, W)}``. Deep maps know what is there,
    early ones where it ends. Each vote stands behind a BatchNorm of its own, so that they begin at one scale.

    Args:
        model: one of ``models.build``; its parts are taken, not copied.
        num_classes: at least 2, the background among them.

    Raises:
        TypeError: as ``Taps``.
        ValueError: as ``Taps``, or for fewer than 2 classes.

    Source: Long et al. 2015, arXiv:1411.4038, section 4.2 (there pooled maps of a VGG network vote).
    """

    def __init__(self, model: ResNet, num_classes: int) -> None:
        super().__init__()
        num_classes = given.whole_number("num_classes", num_classes, least=2)
        self.backbone = Taps(model)
        self.votes = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, num_classes, 1, bias=False), nn.BatchNorm2d(num_classes))
            for channels in self.backbone.channels
        )

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        size, total = x.shape[-2:], torch.zeros((), device=x.device, dtype=x.dtype)
        for vote, tap in zip(self.votes, self.backbone(x).values(), strict=True):
            total = total + nn.functional.interpolate(vote(tap), size, mode="bilinear", align_corners=False)
        return {"out": total}
