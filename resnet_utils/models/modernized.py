"""From a ResNet to a ConvNeXt in seven steps, each of them one change to the one before.

Introduced in chapter 4.

Source: Liu et al. 2022, arXiv:2201.03545, section 2. Their changes to the training, to the ratio of the
stages and to the stem are left out: a picture of 28 or 32 pixels has none to give to a patch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from resnet_utils.models.blocks import PadShortcut
from resnet_utils.runtime import given

STEPS = (
    "ResNet: two 3x3",
    "inverted bottleneck, depthwise",
    "depthwise first",
    "5x5 windows",
    "one GELU a block",
    "one norm a block",
    "LayerNorm",
    "downsampling apart",
)
EXPANSION = 4  # channels inside a block over those outside
WIDER = 1.5  # so much wider are the inverted blocks, and so have about as many weights as two 3x3
STAGES, BLOCKS = 3, 3


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of each place: ``(N, C, H, W)`` keeps its shape; it knows no batch.

    Source: Ba et al. 2016, arXiv:1607.06450, as ConvNeXt uses it.
    """

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


@given.explained
class ModernizedBlock(nn.Module):
    """A residual block at one of the steps from ResNet to ConvNeXt.

    Shapes: ``(N, in_channels, H, W) -> (N, width, H / stride, W / stride)``. Where the shape changes the
    shortcut is option A, without parameters.

    Args:
        in_channels: channels of the input.
        width: channels of the output.
        stride: 1, or 2 to halve the image in the convolution that looks at neighbours.
        step: index into ``STEPS``: what has been changed so far.
        window: side of the depthwise windows, odd and at least 3; None: 3 at first, 5 from "5x5 windows" on.

    Raises:
        ValueError: if ``step`` is no index of ``STEPS``, ``window`` even or below 3, ``width`` below
            ``in_channels``, or one of these no whole number from 1 up.
    """

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, *, step: int, window: int | None = None
    ) -> None:
        super().__init__()
        _require_step(step)
        for name, number in (("in_channels", in_channels), ("width", width), ("stride", stride)):
            given.whole_number(name, number)
        if window is None:
            window = 5 if step >= STEPS.index("5x5 windows") else 3
        if given.whole_number("window", window, least=3) % 2 == 0:
            raise ValueError(f"window must be odd, so that it has a middle, got {window}")
        changed = stride > 1 or in_channels != width
        self.shortcut = PadShortcut(in_channels, width, stride) if changed else nn.Identity()
        self.branch = nn.Sequential(*_branch(in_channels, width, stride, window=window, step=step))
        self.last = nn.ReLU() if step < STEPS.index("one GELU a block") else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.shortcut(x) + self.branch(x))


def _require_step(step: int) -> None:
    if isinstance(step, bool) or not isinstance(step, int) or not 0 <= step < len(STEPS):
        raise ValueError(f"step must be 0 to {len(STEPS) - 1}, got {step}")


def _branch(in_channels: int, width: int, stride: int, *, window: int, step: int) -> list[nn.Module]:
    """The layers of a branch: convolutions, each with the norm and the activation that the step leaves it."""
    wide = EXPANSION * width
    if step == 0:
        sizes = [(in_channels, width, 3, 1), (width, width, 3, 1)]
    elif step < STEPS.index("depthwise first"):
        sizes = [(in_channels, wide, 1, 1), (wide, wide, window, wide), (wide, width, 1, 1)]
    else:
        sizes = [
            (in_channels, in_channels, window, in_channels),
            (in_channels, wide, 1, 1),
            (wide, width, 1, 1),
        ]
    looks = [size[2] > 1 for size in sizes]
    few_norms, few_gelus = step >= STEPS.index("one norm a block"), step >= STEPS.index("one GELU a block")
    layers: list[nn.Module] = []
    for k, (come, go, side, groups) in enumerate(sizes):
        has_norm = not few_norms or k == 0
        halves = stride if k == looks.index(True) else 1
        bias = not has_norm or step >= STEPS.index("LayerNorm")
        layers.append(nn.Conv2d(come, go, side, halves, side // 2, groups=groups, bias=bias))
        if has_norm:
            layers.append(_norm(go, step))
        if few_gelus and k == len(sizes) - 2:
            layers.append(nn.GELU())
        elif not few_gelus and k < len(sizes) - 1:
            layers.append(nn.ReLU())
    return layers


def _norm(channels: int, step: int) -> nn.Module:
    late = step >= STEPS.index("LayerNorm")
    return ChannelNorm(channels, eps=1e-6) if late else nn.BatchNorm2d(channels)


@given.explained
def modernized(step: int, *, num_classes: int = 10, in_channels: int = 3, width: int = 16) -> nn.Sequential:
    """A network of nine blocks at one of ``STEPS``: images (N, in_channels, H, W) -> logits (N, num_classes).

    Step 0 is a ResNet-20 with option A. From step 1 on the stages are half as wide again, which leaves about
    as many weights.

    Args:
        step: index into ``STEPS``.
        num_classes: outputs of the head.
        in_channels: channels of the images.
        width: channels of the first stage at step 0; each later stage doubles them.

    Raises:
        ValueError: if ``step`` is no index of ``STEPS``, or another number no whole number from 1 up.
    """
    _require_step(step)
    for name, number in (("num_classes", num_classes), ("in_channels", in_channels), ("width", width)):
        given.whole_number(name, number)
    first = width if step == 0 else int(WIDER * width)
    apart = step >= STEPS.index("downsampling apart")
    layers: list[nn.Module] = [nn.Conv2d(in_channels, first, 3, padding=1, bias=False), _norm(first, step)]
    if step < STEPS.index("one GELU a block"):
        layers.append(nn.ReLU())
    channels = first
    for stage in range(STAGES):
        out = first * 2**stage
        if apart and stage:
            layers += [_norm(channels, step), nn.Conv2d(channels, out, 2, stride=2)]
            channels = out
        for number in range(BLOCKS):
            halves = 2 if stage and number == 0 and not apart else 1
            layers.append(ModernizedBlock(channels, out, halves, step=step))
            channels = out
    if step >= STEPS.index("one norm a block"):
        layers.append(_norm(channels, step))  # the sum has grown from block to block
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
    return model
