"""The five orders in which a block can put its BatchNorms, its ReLUs and its addition.

Introduced in chapter 3.

``OrderedBlock`` is one class with a switch. Its parameters are torchvision's (``conv1 bn1 conv2 bn2
downsample``), so ``"original"`` takes the weights of ``blocks.BasicBlock`` and ``"full pre-activation"``
those of ``blocks.PreActBlock``, and computes the same to the last bit.
Source: He et al. 2016, arXiv:1603.05027, figure 4.
"""

from typing import NamedTuple

from torch import Tensor, nn

from resnet_utils.models.blocks import conv, make_shortcut


class Order(NamedTuple):
    """A block as three lists of steps; the shortcut leaves after ``entry`` and arrives before ``after``.

    Only a projection starts behind ``entry``: where the shape stays, the shortcut is ``x`` itself.
    """

    entry: str
    branch: str
    after: str


ORDERS = {  # He et al. 2016, figure 4(a) to 4(e)
    "original": Order("", "conv1 bn1 relu conv2 bn2", "relu"),
    "BN after addition": Order("", "conv1 bn1 relu conv2", "bn2 relu"),
    "ReLU before addition": Order("", "conv1 bn1 relu conv2 bn2 relu", ""),
    "ReLU-only pre-activation": Order("relu", "conv1 bn1 relu conv2 bn2", ""),
    "full pre-activation": Order("bn1 relu", "conv1 bn2 relu conv2", ""),
}
PUBLISHED_ERROR = {  # %, CIFAR-10, ResNet-110, median of five runs: He et al. 2016, table 2
    "original": 6.61,
    "BN after addition": 8.17,
    "ReLU before addition": 7.84,
    "ReLU-only pre-activation": 6.71,
    "full pre-activation": 6.37,
}


class OrderedBlock(nn.Module):
    """Two 3x3 convolutions, two BatchNorms, ReLUs and a shortcut, in the order that is asked for.

    Shapes: ``(N, in_channels, H, W) -> (N, width, H / stride, W / stride)``. A projection starts from
    what the first convolution reads; with full pre-activation it has no BatchNorm of its own, because the
    next block begins with one.

    Raises:
        ValueError: if ``order`` is not one of ``ORDERS``, ``stride`` is not 1 or 2, or ``shortcut`` is
        unknown.

    Source: He et al. 2016, arXiv:1603.05027, figure 4.
    """

    expansion = 1

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int = 1,
        *,
        order: str = "original",
        shortcut: str = "B",
    ) -> None:
        super().__init__()
        if order not in ORDERS:
            raise ValueError(f"order must be one of {', '.join(ORDERS)}; got {order!r}")
        self.order = ORDERS[order]
        downsample = make_shortcut(in_channels, width, stride, shortcut=shortcut)
        if "bn" in self.order.entry and isinstance(downsample, nn.Sequential):
            downsample = downsample[:1]
        self.conv1 = conv(in_channels, width, 3, stride=stride)
        self.bn1 = nn.BatchNorm2d(in_channels if "bn1" in self.order.entry else width)
        self.conv2 = conv(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()  # not in place: x is still needed by the shortcut
        self.downsample = downsample
        self.is_plain = shortcut == "none"

    def run(self, steps: str, x: Tensor) -> Tensor:
        """``x`` after the named steps, one after another."""
        for step in steps.split():
            x = getattr(self, step)(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        entered = self.run(self.order.entry, x)  # (N, in_channels, H, W)
        out = self.run(self.order.branch, entered)  # (N, width, H/s, W/s)
        if not self.is_plain:
            out = out + (x if self.downsample is None else self.downsample(entered))
        return self.run(self.order.after, out)

    def extra_repr(self) -> str:
        return f"entry: {self.order.entry or '-'}; {self.order.branch}; after: {self.order.after or '-'}"


def closing_steps(order: str, channels: int) -> nn.Sequential:
    """What a network needs after its last block: the steps with which one more block would begin.

    Empty for the three orders that begin with a convolution. Shapes: ``(N, channels, H, W)`` in and out.

    Raises:
        ValueError: if ``order`` is not one of ``ORDERS``.

    Source: He et al. 2016, arXiv:1603.05027, appendix.
    """
    if order not in ORDERS:
        raise ValueError(f"order must be one of {', '.join(ORDERS)}; got {order!r}")
    make = {"bn1": lambda: nn.BatchNorm2d(channels), "relu": nn.ReLU}
    return nn.Sequential(*[make[step]() for step in ORDERS[order].entry.split()])


class PreActBlock(nn.Module):
    """BatchNorm and ReLU come first, and nothing after the addition: ``y = F(x) + shortcut(x)``.

    Shapes: ``(N, in_channels, H, W) -> (N, width, H / stride, W / stride)``. Where the shape changes,
    the shortcut starts from the activated input, and its projection needs no BatchNorm of its own: the
    next block begins with one.

    Raises:
        ValueError: if ``stride`` is not 1 or 2, or ``shortcut`` is unknown.

    Source: He et al. 2016, arXiv:1603.05027, figure 1(b) and figure 4(e).
    """

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int = 1, *, shortcut: str = "B") -> None:
        super().__init__()
        downsample = make_shortcut(in_channels, width, stride, shortcut=shortcut)
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = conv(in_channels, width, 3, stride=stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3)
        self.relu = nn.ReLU()  # not in place: x is still needed by the shortcut
        self.downsample = downsample[:1] if isinstance(downsample, nn.Sequential) else downsample
        self.is_plain = shortcut == "none"

    def forward(self, x: Tensor) -> Tensor:
        activated = self.relu(self.bn1(x))  # (N, in_channels, H, W)
        out = self.conv1(activated)  # (N, width, H/s, W/s)
        out = self.conv2(self.relu(self.bn2(out)))  # (N, width, H/s, W/s)
        if self.is_plain:
            return out
        return out + (x if self.downsample is None else self.downsample(activated))
