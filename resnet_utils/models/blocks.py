"""The building blocks of a residual network, with torchvision's parameter names.

Introduced in chapter 3.

A block computes ``relu(F(x) + shortcut(x))``: ``F`` is the *branch* (convolutions and BatchNorms), and
the shortcut carries ``x`` past it. There are five kinds of shortcut:

==========  =====================================================================================
``"A"``     identity; where the shape changes, subsample and pad with zero channels (no parameters)
``"B"``     identity; where the shape changes, a 1x1 convolution with BatchNorm
``"C"``     a 1x1 convolution with BatchNorm everywhere
``"D"``     as B, but pixels are averaged before the 1x1 convolution, so that none is thrown away
``"none"``  no shortcut at all: the plain twin
==========  =====================================================================================

Source: He et al. 2015, arXiv:1512.03385, section 3.3 and section 4.1 (options A, B, C), and He et al. 2018,
arXiv:1812.01187, section 4.2 ("ResNet-D").
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from resnet_utils.runtime import given

SHORTCUTS = ("A", "B", "C", "D", "none")


@given.explained
def conv(
    in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, groups: int = 1
) -> nn.Conv2d:
    """A padded convolution: ``(N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)``.

    It has no bias: a BatchNorm follows, which subtracts any constant that a bias would add.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: side of the window, odd; the padding of ``kernel_size // 2`` keeps the size at stride 1.
        stride: step from one window to the next, in pixels.
        groups: number of separate groups of channels, which divides both numbers of channels.

    Raises:
        ValueError: if a number is no whole number from 1 up, ``kernel_size`` is even, or ``groups`` does not
            divide the channels.
    """
    numbers = {"in_channels": in_channels, "out_channels": out_channels, "kernel_size": kernel_size}
    for name, number in (numbers | {"stride": stride, "groups": groups}).items():
        given.whole_number(name, number)
    if kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be odd, so that a window has a middle, got {kernel_size}")
    if in_channels % groups or out_channels % groups:
        raise ValueError(f"groups must divide the channels, got {groups} for {in_channels} -> {out_channels}")
    pad = kernel_size // 2
    return nn.Conv2d(in_channels, out_channels, kernel_size, stride, pad, groups=groups, bias=False)


@given.explained
class PadShortcut(nn.Module):
    """Option A: keep every ``stride``-th pixel and add channels of zeros; no parameters.

    Shapes: ``(N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)``.
    Half of the zeros go in front and half behind, as in the published CIFAR-10 weights that this book loads.

    Args:
        in_channels: channels of ``x``.
        out_channels: channels of the branch, at least as many.
        stride: 2 keeps every second pixel of every second row; 1 keeps all.

    Raises:
        ValueError: if channels would have to go, or a number is no whole number from 1 up.

    Source: He et al. 2015, section 4.1, option A.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        numbers = {"in_channels": in_channels, "out_channels": out_channels, "stride": stride}
        for name, number in numbers.items():
            given.whole_number(name, number)
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


def _require_stride(stride: int) -> None:
    if isinstance(stride, bool) or stride not in (1, 2):
        raise ValueError(f"stride must be 1 or 2, got {stride!r}")


@given.explained
def make_shortcut(in_channels: int, out_channels: int, stride: int, *, shortcut: str) -> nn.Module | None:
    """The module that brings ``x`` to the branch's shape, or None where ``x`` can be added as it is.

    Shapes of the module: ``(N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)``, rounded up.

    Args:
        in_channels: channels of ``x``.
        out_channels: channels of the branch.
        stride: 1, or 2 where the branch halves the image.
        shortcut: one of ``SHORTCUTS``, see the top of this module.

    Raises:
        ValueError: if ``shortcut`` is not one of ``SHORTCUTS``, ``stride`` not 1 or 2, or a count no whole
            number from 1 up; also if option A would have to take channels away.
    """
    if shortcut not in SHORTCUTS:
        raise ValueError(f"shortcut must be one of {', '.join(SHORTCUTS)}, got {shortcut!r}")
    _require_stride(stride)
    in_channels = given.whole_number("in_channels", in_channels)
    out_channels = given.whole_number("out_channels", out_channels)
    same_shape = stride == 1 and in_channels == out_channels
    if shortcut == "none" or (same_shape and shortcut != "C"):
        return None
    if shortcut == "A":
        return PadShortcut(in_channels, out_channels, stride)
    norm = nn.BatchNorm2d(out_channels)
    if shortcut == "D":
        pool = nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False) if stride == 2 else nn.Identity()
        return nn.Sequential(pool, conv(in_channels, out_channels, 1), norm)
    return nn.Sequential(conv(in_channels, out_channels, 1, stride=stride), norm)


@given.explained
def strides(stride: int, stride_on: str) -> tuple[int, int]:
    """The strides of a bottleneck's first 1x1 and of its 3x3 convolution.

    Args:
        stride: that of the block.
        stride_on: which of the two has it, ``"1x1"`` or ``"3x3"``; the other one has 1.

    Raises:
        ValueError: if ``stride_on`` is neither, or ``stride`` not 1 or 2.
    """
    _require_stride(stride)
    if stride_on not in ("1x1", "3x3"):
        raise ValueError(f"stride_on must be '1x1' or '3x3', got {stride_on!r}")
    return (stride, 1) if stride_on == "1x1" else (1, stride)


class Weighed(nn.Module):
    """What every block has, whatever its order: the variants in its attributes ``se`` and ``survival``.

    Each is a module or None. Written so that TorchScript can read it too: it asks each whether it is None.
    """

    if TYPE_CHECKING:  # in a running program TorchScript would read these, and fail
        se: nn.Module | None
        survival: nn.Module | None

    def weigh_and_drop(self, branch: Tensor) -> Tensor:
        """F(x), re-weighted channel by channel first and then dropped at random; mostly as it came.

        Args:
            branch: F(x), (N, C, H, W).
        """
        if self.se is not None:
            branch = self.se(branch)
        if self.survival is not None:
            branch = self.survival(branch)
        return branch


class _Block(Weighed):
    """What the two blocks share: the sum of branch and shortcut, and the last ReLU."""

    if TYPE_CHECKING:
        relu: nn.Module
        downsample: nn.Module | None
        is_plain: bool

    def branch(self, x: Tensor) -> Tensor:
        raise NotImplementedError("each block has a branch of its own")

    def forward(self, x: Tensor) -> Tensor:
        out = self.weigh_and_drop(self.branch(x))
        if not self.is_plain:  # a plain block has nothing to add
            out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


@given.explained
class BasicBlock(_Block):
    """Two 3x3 convolutions and a shortcut: ``y = relu(F(x) + shortcut(x))``.

    Shapes: ``(N, in_channels, H, W) -> (N, width, H / stride, W / stride)``.
    With ``shortcut="none"`` it is the plain block ``relu(F(x))``. The attributes ``se`` and ``survival`` are
    empty; what a variant puts there works on F(x) before the addition (see ``variants``).

    Args:
        in_channels: channels of the input.
        width: channels of both convolutions and of the output.
        stride: 2 halves the image in the first convolution.
        shortcut: one of ``SHORTCUTS``.

    Raises:
        ValueError: if ``stride`` is not 1 or 2, ``shortcut`` is unknown, or a number of channels no whole
            number from 1 up.

    Source: He et al. 2015, arXiv:1512.03385, figure 2 and section 3.3.
    """

    expansion = 1  # output channels per unit of width

    def __init__(self, in_channels: int, width: int, stride: int = 1, *, shortcut: str = "B") -> None:
        super().__init__()
        width = given.whole_number("width", width)
        downsample = make_shortcut(in_channels, width, stride, shortcut=shortcut)
        self.conv1 = conv(in_channels, width, 3, stride=stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = downsample
        self.se: nn.Module | None = None
        self.survival: nn.Module | None = None
        self.is_plain = shortcut == "none"

    def branch(self, x: Tensor) -> Tensor:
        """F(x) of ``x``, what the block adds to its shortcut: ``(N, width, H / stride, W / stride)``."""
        out = self.relu(self.bn1(self.conv1(x)))  # (N, width, H/s, W/s)
        return self.bn2(self.conv2(out))  # (N, width, H/s, W/s)


@given.explained
class Bottleneck(_Block):
    """1x1 down, 3x3, 1x1 up, and a shortcut: the block of ResNet-50 and deeper.

    Shapes: ``x`` (N, in_channels, H, W) -> ``(N, 4 * width, H / stride, W / stride)``. ``stride_on`` says
    which convolution halves the image: ``"3x3"`` as in torchvision ("v1.5"), which throws away no
    pixel, or ``"1x1"`` as in the paper ("v1"). Its relatives (module ``variants``) change the three
    numbers below and nothing else. ``se`` and ``survival`` as in ``BasicBlock``.

    Args:
        in_channels: channels of the input.
        width: channels of the 3x3 convolution; the output has four times as many.
        stride: 2 halves the image.
        shortcut: one of ``SHORTCUTS``.
        stride_on: ``"3x3"`` or ``"1x1"``.

    Raises:
        ValueError: if ``stride`` is not 1 or 2, ``shortcut`` or ``stride_on`` is unknown, ``width`` is too
            small for the groups, or a number of channels no whole number from 1 up.

    Source: He et al. 2015, arXiv:1512.03385, figure 5 right.
    """

    expansion = 4
    groups = 1  # the 3x3 convolution works on this many separate groups of channels
    width_per_group = 64  # channels of one group in the first stage, where ``width`` is 64

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, *, shortcut: str = "B", stride_on: str = "3x3"
    ) -> None:
        super().__init__()
        first, second = strides(stride, stride_on)
        width = given.whole_number("width", width)
        out_channels = self.expansion * width
        inner = width * self.width_per_group // 64 * self.groups  # width itself unless a relative widens it
        if inner < 1:
            raise ValueError(f"width must be at least {64 // self.width_per_group}, got {width}")
        downsample = make_shortcut(in_channels, out_channels, stride, shortcut=shortcut)
        self.conv1 = conv(in_channels, inner, 1, stride=first)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = conv(inner, inner, 3, stride=second, groups=self.groups)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = conv(inner, out_channels, 1)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.se: nn.Module | None = None
        self.survival: nn.Module | None = None
        self.is_plain = shortcut == "none"

    def branch(self, x: Tensor) -> Tensor:
        """F(x) of ``x``, what the block adds to its shortcut: ``(N, 4 * width, H / stride, W / stride)``."""
        out = self.relu(self.bn1(self.conv1(x)))  # (N, inner, H, W)
        out = self.relu(self.bn2(self.conv2(out)))  # (N, inner, H/s, W/s)
        return self.bn3(self.conv3(out))  # (N, 4 * width, H/s, W/s)


@given.explained
def zero_last_scale(block: nn.Module) -> None:
    """Start ``block`` as the identity by zeroing the scale of the last BatchNorm of its branch, in place.

    Args:
        block: a ``BasicBlock`` or a ``Bottleneck``, or a relative of theirs.

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
