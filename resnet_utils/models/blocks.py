"""The building blocks of a residual network, with torchvision's parameter names.

Introduced in chapter 3.

A block computes ``relu(F(x) + shortcut(x))``: ``F`` is the *branch* (convolutions and BatchNorms), and
the shortcut carries ``x`` past it. Everything a block can be told is which shortcut it has:

========  =======================================================================================
``"A"``   identity; where the shape changes, subsample and pad with zero channels (no parameters)
``"B"``   identity; where the shape changes, a 1x1 convolution with BatchNorm
``"C"``   a 1x1 convolution with BatchNorm everywhere
``"none"``  no shortcut at all: the plain twin
========  =======================================================================================

Source: He et al. 2015, arXiv:1512.03385, section 3.3 and section 4.1 (options A, B, C).
"""

import torch
from torch import Tensor, nn

SHORTCUTS = ("A", "B", "C", "none")


def conv(
    in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, groups: int = 1
) -> nn.Conv2d:
    """A padded convolution: ``(N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)``.

    It has no bias: a BatchNorm follows, which subtracts any constant that a bias would add.
    """
    pad = kernel_size // 2
    return nn.Conv2d(in_channels, out_channels, kernel_size, stride, pad, groups=groups, bias=False)


class PadShortcut(nn.Module):
    """Option A: keep every ``stride``-th pixel and add channels of zeros; no parameters.

    Shapes: ``(N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)``.
    Half of the zeros go in front and half behind, as in the published CIFAR-10 weights that this book loads.
    Source: He et al. 2015, section 4.1, option A.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        if out_channels < in_channels:
            raise ValueError(f"option A can only add channels, got {in_channels} -> {out_channels}")
        self.stride = stride
        self.front = (out_channels - in_channels) // 2
        self.behind = out_channels - in_channels - self.front

    def forward(self, x: Tensor) -> Tensor:
        kept = x[:, :, :: self.stride, :: self.stride]  # (N, in, H/s, W/s)
        return nn.functional.pad(kept, (0, 0, 0, 0, self.front, self.behind))  # (N, out, H/s, W/s)

    def extra_repr(self) -> str:
        return f"stride={self.stride}, zero channels={self.front}+{self.behind}"


def make_shortcut(in_channels: int, out_channels: int, stride: int, *, shortcut: str) -> nn.Module | None:
    """The module that brings ``x`` to the branch's shape, or None where ``x`` can be added as it is.

    Raises:
        ValueError: if ``shortcut`` is not one of ``SHORTCUTS``, ``stride`` not 1 or 2, or a count not
        positive.
    """
    if shortcut not in SHORTCUTS:
        raise ValueError(f"shortcut must be one of {', '.join(SHORTCUTS)}, got {shortcut!r}")
    if stride not in (1, 2):
        raise ValueError(f"stride must be 1 or 2, got {stride!r}")
    if min(in_channels, out_channels) < 1:
        raise ValueError(f"channels must be positive, got in_channels={in_channels}, out={out_channels}")
    same_shape = stride == 1 and in_channels == out_channels
    if shortcut == "none" or (same_shape and shortcut != "C"):
        return None
    if shortcut == "A":
        return PadShortcut(in_channels, out_channels, stride)
    return nn.Sequential(conv(in_channels, out_channels, 1, stride=stride), nn.BatchNorm2d(out_channels))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: ``y = relu(F(x) + shortcut(x))``.

    Shapes: ``(N, in_channels, H, W) -> (N, width, H / stride, W / stride)``.
    With ``shortcut="none"`` it is the plain block ``relu(F(x))``.

    Raises:
        ValueError: if ``stride`` is not 1 or 2, or ``shortcut`` is unknown.

    Source: He et al. 2015, arXiv:1512.03385, figure 2 and section 3.3.
    """

    expansion = 1  # output channels per unit of width

    def __init__(self, in_channels: int, width: int, stride: int = 1, *, shortcut: str = "B") -> None:
        super().__init__()
        downsample = make_shortcut(in_channels, width, stride, shortcut=shortcut)
        self.conv1 = conv(in_channels, width, 3, stride=stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = downsample
        self.is_plain = shortcut == "none"

    def branch(self, x: Tensor) -> Tensor:
        """F(x), what the block adds to its shortcut: ``(N, width, H / stride, W / stride)``."""
        out = self.relu(self.bn1(self.conv1(x)))  # (N, width, H/s, W/s)
        return self.bn2(self.conv2(out))  # (N, width, H/s, W/s)

    def forward(self, x: Tensor) -> Tensor:
        return _close_block(self, x)


class Bottleneck(nn.Module):
    """1x1 down, 3x3, 1x1 up, and a shortcut: the block of ResNet-50 and deeper.

    Shapes: ``(N, in_channels, H, W) -> (N, 4 * width, H / stride, W / stride)``. ``stride_on`` says
    which convolution halves the image: ``"3x3"`` as in torchvision ("v1.5"), which throws away no
    pixel, or ``"1x1"`` as in the paper ("v1"). Its relatives (module ``relatives``) change the three
    numbers below and nothing else.

    Raises:
        ValueError: if ``stride`` is not 1 or 2, ``shortcut`` or ``stride_on`` is unknown, or ``width`` is
        too small for the groups.

    Source: He et al. 2015, arXiv:1512.03385, figure 5 right.
    """

    expansion = 4
    groups = 1  # the 3x3 convolution works on this many separate groups of channels
    width_per_group = 64  # channels of one group in the first stage, where ``width`` is 64

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, *, shortcut: str = "B", stride_on: str = "3x3"
    ) -> None:
        super().__init__()
        if stride_on not in ("1x1", "3x3"):
            raise ValueError(f"stride_on must be '1x1' or '3x3', got {stride_on!r}")
        out_channels = self.expansion * width
        inner = width * self.width_per_group // 64 * self.groups  # width itself unless a relative widens it
        if inner < 1:
            raise ValueError(f"width must be at least {64 // self.width_per_group}, got {width}")
        downsample = make_shortcut(in_channels, out_channels, stride, shortcut=shortcut)
        self.conv1 = conv(in_channels, inner, 1, stride=stride if stride_on == "1x1" else 1)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = conv(inner, inner, 3, stride=stride if stride_on == "3x3" else 1, groups=self.groups)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = conv(inner, out_channels, 1)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.is_plain = shortcut == "none"

    def branch(self, x: Tensor) -> Tensor:
        """F(x), what the block adds to its shortcut: ``(N, 4 * width, H / stride, W / stride)``."""
        out = self.relu(self.bn1(self.conv1(x)))  # (N, inner, H, W)
        out = self.relu(self.bn2(self.conv2(out)))  # (N, inner, H/s, W/s)
        return self.bn3(self.conv3(out))  # (N, 4 * width, H/s, W/s)

    def forward(self, x: Tensor) -> Tensor:
        return _close_block(self, x)


def _close_block(block: BasicBlock | Bottleneck, x: Tensor) -> Tensor:
    """Add the shortcut to the branch and apply the last ReLU; a plain block has nothing to add."""
    out = block.branch(x)
    if not block.is_plain:
        shortcut = x if block.downsample is None else block.downsample(x)
        out += shortcut
    return block.relu(out)


def zero_last_scale(block: nn.Module) -> None:
    """Start ``block`` as the identity by zeroing the scale of the last BatchNorm of its branch, in place.

    Raises:
        TypeError: if ``block`` does not end its branch in a BatchNorm (only ``BasicBlock`` and
        ``Bottleneck`` do).

    Source: Goyal et al. 2017, arXiv:1706.02677, section 5.1.
    """
    if not isinstance(block, BasicBlock | Bottleneck):
        raise TypeError(f"zero_last_scale() needs a BasicBlock or a Bottleneck, got {type(block).__name__}")
    last = block.bn3 if isinstance(block, Bottleneck) else block.bn2
    with torch.no_grad():
        last.weight.zero_()
