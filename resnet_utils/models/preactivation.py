"""The five orders in which a block can put its BatchNorms, its ReLUs and its addition.

Introduced in chapter 3.

``OrderedBlock`` is one class with a switch. Its parameters are torchvision's (``conv1 bn1 conv2 bn2
downsample``), so ``"original"`` takes the weights of ``blocks.BasicBlock`` and ``"full pre-activation"``
those of ``PreActBlock``, and computes the same to the last bit. ``OrderedBottleneck`` is the same for the
bottleneck. ``resnet.build(name, order=...)`` makes whole networks of them.
Source: He et al. 2016, arXiv:1603.05027, figure 4.
"""

from typing import NamedTuple

from torch import Tensor, nn

from resnet_utils.models.blocks import Weighed, conv, make_shortcut, strides
from resnet_utils.runtime import given


class Order(NamedTuple):
    """A block as three lists of steps, ``entry``, ``branch`` and ``after``; the shortcut passes the second.

    Only a projection starts behind ``entry``: where the shape stays, the shortcut is ``x`` itself.
    The steps are names of layers, with spaces between them: ``"bn1 relu"``.
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
BOTTLENECK_ORDERS = {  # the same with three convolutions: He et al. 2016, table 2, ResNet-164
    "original": Order("", "conv1 bn1 relu conv2 bn2 relu conv3 bn3", "relu"),
    "BN after addition": Order("", "conv1 bn1 relu conv2 bn2 relu conv3", "bn3 relu"),
    "ReLU before addition": Order("", "conv1 bn1 relu conv2 bn2 relu conv3 bn3 relu", ""),
    "ReLU-only pre-activation": Order("relu", "conv1 bn1 relu conv2 bn2 relu conv3 bn3", ""),
    "full pre-activation": Order("bn1 relu", "conv1 bn2 relu conv2 bn3 relu conv3", ""),
}
PUBLISHED_ERROR = {  # %, CIFAR-10, ResNet-110, median of five runs: He et al. 2016, table 2
    "original": 6.61,
    "BN after addition": 8.17,
    "ReLU before addition": 7.84,
    "ReLU-only pre-activation": 6.71,
    "full pre-activation": 6.37,
}


@given.explained
def order_of(name: str, orders: dict[str, Order]) -> Order:
    """The row ``name`` of a table of ``orders``.

    Args:
        name: of the row.
        orders: ``ORDERS`` or ``BOTTLENECK_ORDERS``.

    Raises:
        ValueError: if there is none; the message lists the names there are.
    """
    if name not in orders:
        raise ValueError(f"order must be one of {', '.join(map(str, orders))}; got {name!r}")
    return orders[name]


def _shortcut(
    in_channels: int, out_channels: int, stride: int, *, shortcut: str, norm: bool
) -> nn.Module | None:
    """As ``make_shortcut``; without ``norm`` a projection has no BatchNorm: the next block begins so."""
    made = make_shortcut(in_channels, out_channels, stride, shortcut=shortcut)
    return made[:-1] if isinstance(made, nn.Sequential) and not norm else made


class _Ordered(Weighed):
    """What the two ordered blocks share: their steps, run one after another."""

    order: Order
    downsample: nn.Module | None
    is_plain: bool

    def run(self, steps: str, x: Tensor) -> Tensor:
        """``x`` after the named ``steps``, one after another."""
        for step in steps.split():
            x = getattr(self, step)(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        entered = self.run(self.order.entry, x)  # (N, in_channels, H, W)
        out = self.weigh_and_drop(self.run(self.order.branch, entered))  # (N, out_channels, H/s, W/s)
        if not self.is_plain:
            out = out + (x if self.downsample is None else self.downsample(entered))
        return self.run(self.order.after, out)

    def extra_repr(self) -> str:
        return f"entry: {self.order.entry or '-'}; {self.order.branch}; after: {self.order.after or '-'}"


@given.explained
class OrderedBlock(_Ordered):
    """Two 3x3 convolutions, two BatchNorms, ReLUs and a shortcut, in the order that is asked for.

    Shapes: ``(N, in_channels, H, W) -> (N, width, H / stride, W / stride)``. A projection starts from
    what the first convolution reads; with full pre-activation it has no BatchNorm of its own, because the
    next block begins with one. ``se`` and ``survival`` as in ``blocks.BasicBlock``.

    Args:
        in_channels: channels of the input.
        width: channels of both convolutions and of the output.
        stride: 2 halves the image in the first convolution.
        order: one of ``ORDERS``.
        shortcut: one of ``blocks.SHORTCUTS``.
        entry: False leaves out the steps before the shortcut leaves: for the first block of a network, whose
            input the stem has already activated (He et al. 2016, appendix).

    Raises:
        ValueError: if ``order`` is not one of ``ORDERS``, ``stride`` is not 1 or 2, ``shortcut`` is unknown,
            ``entry`` neither True nor False, or the rest no whole number from 1 up.

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
        entry: bool = True,
    ) -> None:
        super().__init__()
        steps, width = order_of(order, ORDERS), given.whole_number("width", width)
        entry = given.yes_or_no("entry", entry)
        self.order = steps if entry else steps._replace(entry="")
        norm_first = "bn1" in steps.entry
        downsample = _shortcut(in_channels, width, stride, shortcut=shortcut, norm=not norm_first)
        self.conv1 = conv(in_channels, width, 3, stride=stride)
        if entry or not norm_first:
            self.bn1 = nn.BatchNorm2d(in_channels if norm_first else width)
        self.conv2 = conv(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()  # not in place: x is still needed by the shortcut
        self.downsample = downsample
        self.se: nn.Module | None = None
        self.survival: nn.Module | None = None
        self.is_plain = shortcut == "none"


@given.explained
class OrderedBottleneck(_Ordered):
    """1x1 down, 3x3, 1x1 up, three BatchNorms, ReLUs and a shortcut, in the order that is asked for.

    Shapes: ``(N, in_channels, H, W) -> (N, 4 * width, H / stride, W / stride)``. For the rest see
    ``OrderedBlock``.

    Args:
        in_channels: channels of the input.
        width: channels of the 3x3 convolution; the output has four times as many.
        stride: 2 halves the image.
        order: one of ``BOTTLENECK_ORDERS``.
        shortcut: one of ``blocks.SHORTCUTS``.
        stride_on: ``"3x3"``, or ``"1x1"`` as in the paper (see ``blocks.Bottleneck``).
        entry: as in ``OrderedBlock``.

    Raises:
        ValueError: if ``order``, ``shortcut`` or ``stride_on`` is unknown, ``stride`` not 1 or 2, ``entry``
            neither True nor False, or the rest no whole number from 1 up.

    Source: He et al. 2016, arXiv:1603.05027, figure 4 and table 2 (ResNet-164).
    """

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int = 1,
        *,
        order: str = "original",
        shortcut: str = "B",
        stride_on: str = "3x3",
        entry: bool = True,
    ) -> None:
        super().__init__()
        steps, width = order_of(order, BOTTLENECK_ORDERS), given.whole_number("width", width)
        entry, out_channels = given.yes_or_no("entry", entry), self.expansion * width
        self.order = steps if entry else steps._replace(entry="")
        first, second = strides(stride, stride_on)
        norm_first = "bn1" in steps.entry
        downsample = _shortcut(in_channels, out_channels, stride, shortcut=shortcut, norm=not norm_first)
        self.conv1 = conv(in_channels, width, 1, stride=first)
        if entry or not norm_first:
            self.bn1 = nn.BatchNorm2d(in_channels if norm_first else width)
        self.conv2 = conv(width, width, 3, stride=second)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = conv(width, out_channels, 1)
        self.bn3 = nn.BatchNorm2d(width if norm_first else out_channels)
        self.relu = nn.ReLU()  # not in place: x is still needed by the shortcut
        self.downsample = downsample
        self.se: nn.Module | None = None
        self.survival: nn.Module | None = None
        self.is_plain = shortcut == "none"


@given.explained
def closing_steps(order: str, channels: int) -> nn.Sequential:
    """What a network needs after its last block: the steps with which one more block would begin.

    Empty for the three orders that begin with a convolution. Shapes: ``(N, channels, H, W)`` in and out.

    Args:
        order: one of ``ORDERS``.
        channels: channels of the last block's output.

    Raises:
        ValueError: if ``order`` is not one of ``ORDERS``, or ``channels`` no whole number from 1 up.

    Source: He et al. 2016, arXiv:1603.05027, appendix.
    """
    channels = given.whole_number("channels", channels)
    make = {"bn1": lambda: nn.BatchNorm2d(channels), "relu": nn.ReLU}
    return nn.Sequential(*[make[step]() for step in order_of(order, ORDERS).entry.split()])


@given.explained
class PreActBlock(nn.Module):
    """BatchNorm and ReLU come first, and nothing after the addition: ``y = F(x) + shortcut(x)``.

    Shapes: ``(N, in_channels, H, W) -> (N, width, H / stride, W / stride)``. Where the shape changes,
    the shortcut starts from the activated input, and its projection needs no BatchNorm of its own: the
    next block begins with one.

    Args:
        in_channels: channels of the input.
        width: channels of both convolutions and of the output.
        stride: 2 halves the image in the first convolution.
        shortcut: one of ``blocks.SHORTCUTS``.

    Raises:
        ValueError: if ``stride`` is not 1 or 2, ``shortcut`` is unknown, or a number of channels no whole
            number from 1 up.

    Source: He et al. 2016, arXiv:1603.05027, figure 1(b) and figure 4(e).
    """

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int = 1, *, shortcut: str = "B") -> None:
        super().__init__()
        width = given.whole_number("width", width)
        downsample = _shortcut(in_channels, width, stride, shortcut=shortcut, norm=False)
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = conv(in_channels, width, 3, stride=stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3)
        self.relu = nn.ReLU()  # not in place: x is still needed by the shortcut
        self.downsample = downsample
        self.is_plain = shortcut == "none"

    def forward(self, x: Tensor) -> Tensor:
        activated = self.relu(self.bn1(x))  # (N, in_channels, H, W)
        out = self.conv1(activated)  # (N, width, H/s, W/s)
        out = self.conv2(self.relu(self.bn2(out)))  # (N, width, H/s, W/s)
        if self.is_plain:
            return out
        return out + (x if self.downsample is None else self.downsample(activated))
