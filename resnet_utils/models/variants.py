"""Relatives of the residual block: wider, grouped, re-weighted, dropped at random, gently halved.

Introduced in chapter 3.

Each is a few lines on top of ``blocks``: what stays the same is inherited, what is here is what differs.
``resnet.build`` makes whole networks of them (``se``, ``stochastic_depth``, ``stem="d"``).
"""

import torch
from torch import Tensor, nn

from resnet_utils.models.blocks import BasicBlock, Bottleneck, conv


class WideBottleneck(Bottleneck):
    """A bottleneck whose 3x3 convolution has twice the channels; in and out stay as they are.

    Shapes: ``(N, in_channels, H, W) -> (N, 4 * width, H / stride, W / stride)``.
    Source: torchvision's ``wide_resnet50_2``, after Zagoruyko and Komodakis 2016, arXiv:1605.07146.
    """

    width_per_group = 128


class GroupedBottleneck(Bottleneck):
    """A bottleneck of 32 groups: each part of the 3x3 convolution sees 4 channels (in the first stage).

    Shapes: ``(N, in_channels, H, W) -> (N, 4 * width, H / stride, W / stride)``.
    Source: Xie et al. 2017, arXiv:1611.05431, figure 3(c), "32x4d".
    """

    groups = 32
    width_per_group = 4


class SqueezeExcite(nn.Module):
    """Multiply each channel by a number in (0, 1), computed from the means of all channels.

    Shapes: ``x`` (N, channels, H, W) keeps its own. Parameter names are those of
    ``torchvision.ops.SqueezeExcitation``.

    Args:
        channels: channels of the input.
        reduction: the hidden layer has ``channels / reduction`` units.

    Raises:
        ValueError: if ``channels`` is not a multiple of ``reduction``.

    Source: Hu et al. 2018, arXiv:1709.01507, section 3 (``reduction`` 16 in section 6.1).
    """

    def __init__(self, channels: int, *, reduction: int = 16) -> None:
        super().__init__()
        if reduction < 1 or channels < 1 or channels % reduction:
            raise ValueError(f"channels must be a multiple of reduction, got {channels} and {reduction}")
        self.fc1 = nn.Conv2d(channels, channels // reduction, 1)  # with bias: no BatchNorm follows
        self.fc2 = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        squeezed = x.mean(dim=(2, 3), keepdim=True)  # (N, channels, 1, 1)
        scale = torch.sigmoid(self.fc2(torch.relu(self.fc1(squeezed))))  # (N, channels, 1, 1)
        return scale * x


class SEBlock(BasicBlock):
    """A basic block that re-weights the channels of its branch before the addition.

    Shapes, errors and arguments (``in_channels``, ``width``, ``stride``, ``shortcut``) as ``BasicBlock``;
    ``width`` must be a multiple of ``reduction`` (see ``SqueezeExcite``).
    Source: Hu et al. 2018, arXiv:1709.01507, figure 3.
    """

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, *, shortcut: str = "B", reduction: int = 16
    ) -> None:
        super().__init__(in_channels, width, stride, shortcut=shortcut)
        self.se = SqueezeExcite(width, reduction=reduction)


class StochasticDepth(nn.Module):
    """In training, drop an image's branch with probability ``drop`` and enlarge the others to make up for it.

    Shapes: ``x`` (N, ...) keeps its own. A kept branch is divided by ``1 - drop``, so that the mean over the
    draws is the branch itself, and nothing has to be done in eval mode (the paper multiplies by
    ``1 - drop`` there instead). Draws from torch's global generator.

    Args:
        drop: the probability, at least 0 and below 1.

    Raises:
        ValueError: if ``drop`` is not at least 0 and below 1.

    Source: Huang et al. 2016, arXiv:1603.09382, section 3.
    """

    def __init__(self, drop: float) -> None:
        super().__init__()
        if not 0 <= drop < 1:
            raise ValueError(f"drop must be at least 0 and below 1, got {drop!r}")
        self.drop = drop

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.drop == 0:
            return x
        keep = 1 - self.drop
        kept = x.new_empty([len(x)] + [1] * (x.ndim - 1)).bernoulli_(keep)  # one draw an image
        return x * kept.div_(keep)


class DroppedBlock(BasicBlock):
    """A basic block whose branch is dropped at random in training (see ``StochasticDepth``).

    Shapes, errors and arguments (``in_channels``, ``width``, ``stride``, ``shortcut``) as ``BasicBlock``;
    ``drop`` is the probability, at least 0 and below 1.
    """

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, *, shortcut: str = "B", drop: float = 0.5
    ) -> None:
        super().__init__(in_channels, width, stride, shortcut=shortcut)
        self.survival = StochasticDepth(drop)


def stem_d(in_channels: int = 3, width: int = 64) -> nn.Sequential:
    """ResNet-D's stem up to the max-pool: three 3x3 convolutions in place of one 7x7.

    Shapes: ``(N, in_channels, H, W) -> (N, width, H / 2, W / 2)``. Each convolution is followed by
    BatchNorm and ReLU; the last pair stays outside, as ``bn1`` and ``relu`` of the network.

    Args:
        in_channels: channels of the image.
        width: channels of the output, an even number; the first two convolutions have half as many.

    Raises:
        ValueError: if ``width`` is odd.

    Source: He et al. 2018, arXiv:1812.01187, section 4.2 and figure 2(b) ("ResNet-C").
    """
    if width < 2 or width % 2:
        raise ValueError(f"width must be a positive even number, got {width}")
    half = width // 2
    first = [conv(in_channels, half, 3, stride=2), nn.BatchNorm2d(half), nn.ReLU(inplace=True)]
    second = [conv(half, half, 3), nn.BatchNorm2d(half), nn.ReLU(inplace=True)]
    return nn.Sequential(*first, *second, conv(half, width, 3))
