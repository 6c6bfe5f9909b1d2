"""Whole networks: torchvision's ResNets, the CIFAR family of the paper, and their plain twins.

Introduced in chapter 4.

``build("resnet50")`` gives the network whose parameters carry torchvision's names (``conv1 bn1
layer1.0.conv1 ... fc``), so published weights load unrenamed. ``build("plain34")`` gives the same table
without shortcuts. Options of ``build`` turn a row of the table into its relatives: pre-activation,
squeeze-and-excitation, stochastic depth, ResNet-D.
Source: He et al. 2015, arXiv:1512.03385, table 1 (ImageNet) and section 4.2 (CIFAR-10).
"""

from dataclasses import dataclass, replace

from torch import Tensor, nn

from resnet_utils.models.blocks import SHORTCUTS, BasicBlock, Bottleneck, conv, strides, zero_last_scale
from resnet_utils.models.initialization import he_start
from resnet_utils.models.preactivation import (
    ORDERS,
    OrderedBlock,
    OrderedBottleneck,
    closing_steps,
    order_of,
)
from resnet_utils.models.variants import (
    GroupedBottleneck,
    SqueezeExcite,
    StochasticDepth,
    WideBottleneck,
    stem_d,
)
from resnet_utils.runtime import given

STEMS = ("imagenet", "cifar", "deep")


@given.explained
@dataclass(frozen=True)
class Spec:
    """One row of the paper's tables, and what makes a relative of it; ``dataclasses.replace`` gives others.

    Args:
        block: the kind of block, ``BasicBlock``, ``Bottleneck`` or a relative of the latter.
        blocks_per_stage: how many of them in each stage.
        stem: one of ``STEMS``; ``"imagenet"``: 7x7 with stride 2, then a max-pool; ``"cifar"``: one 3x3;
            ``"deep"``: three 3x3, the first with stride 2, then a max-pool (ResNet-C and -D).
        width: channels of the first stage; each later stage doubles them.
        shortcut: one of ``blocks.SHORTCUTS``.
        num_classes: outputs of the head.
        order: one of ``preactivation.ORDERS``.
        se: reduction of the squeeze-and-excitation at the end of each branch; None for none.
        stochastic_depth: probability with which the last branch is dropped in training; from branch to branch
            it rises along a straight line from 0.
        stride_on: which convolution of a bottleneck halves the image, ``"3x3"`` or ``"1x1"``.

    Raises:
        ValueError: for a value that is not allowed, or values that make no sense together.
        TypeError: if ``block`` is no such class.
    """

    block: type[BasicBlock] | type[Bottleneck]
    blocks_per_stage: tuple[int, ...]
    stem: str
    width: int
    shortcut: str
    num_classes: int
    order: str = "original"
    se: int | None = None
    stochastic_depth: float = 0.0
    stride_on: str = "3x3"

    def __post_init__(self) -> None:
        for name in ("width", "num_classes", *(["se"] if self.se is not None else [])):
            given.whole_number(name, getattr(self, name))
        for count in given.of_kind("blocks_per_stage", self.blocks_per_stage, (tuple, list)):
            given.whole_number("each of blocks_per_stage", count)
        if not self.blocks_per_stage:
            raise ValueError("blocks_per_stage must have a number for each stage, got none")
        if not isinstance(self.block, type) or not issubclass(self.block, BasicBlock | Bottleneck):
            raise TypeError(f"block must be BasicBlock, Bottleneck or a relative, got {self.block!r}")
        if self.stem not in STEMS:
            raise ValueError(f"stem must be one of {', '.join(STEMS)}, got {self.stem!r}")
        if self.shortcut not in SHORTCUTS:
            raise ValueError(f"shortcut must be one of {', '.join(SHORTCUTS)}, got {self.shortcut!r}")
        order_of(self.order, ORDERS)
        if self.order != "original" and self.block not in (BasicBlock, Bottleneck):
            kind = self.block.__name__
            raise ValueError(f"order={self.order!r} needs a BasicBlock or a Bottleneck, not a {kind}")
        if not 0 <= given.real_number("stochastic_depth", self.stochastic_depth) < 1:
            raise ValueError(
                f"stochastic_depth must be at least 0 and below 1, got {self.stochastic_depth!r}"
            )
        if self.stochastic_depth and self.shortcut == "none":
            raise ValueError("stochastic_depth needs shortcuts: without, a dropped branch leaves nothing")
        strides(1, self.stride_on)  # refuses a wrong name
        if self.stride_on == "1x1" and not issubclass(self.block, Bottleneck):
            raise ValueError("stride_on='1x1' is for bottlenecks: a basic block has no 1x1 convolution")


def _imagenet(block: type[BasicBlock] | type[Bottleneck], *blocks_per_stage: int) -> Spec:
    return Spec(block, blocks_per_stage, stem="imagenet", width=64, shortcut="B", num_classes=1000)


def _cifar(depth: int) -> Spec:
    per_stage = (depth - 2) // 6  # depth = 6n + 2: three stages of n blocks of two layers, stem and head
    return Spec(BasicBlock, (per_stage,) * 3, stem="cifar", width=16, shortcut="A", num_classes=10)


_RESIDUAL = {
    "resnet18": _imagenet(BasicBlock, 2, 2, 2, 2),
    "resnet34": _imagenet(BasicBlock, 3, 4, 6, 3),
    "resnet50": _imagenet(Bottleneck, 3, 4, 6, 3),
    "resnet101": _imagenet(Bottleneck, 3, 4, 23, 3),
    "resnet152": _imagenet(Bottleneck, 3, 8, 36, 3),
    "resnext50_32x4d": _imagenet(GroupedBottleneck, 3, 4, 6, 3),
    "wide_resnet50_2": _imagenet(WideBottleneck, 3, 4, 6, 3),
    **{f"resnet{depth}": _cifar(depth) for depth in (20, 32, 44, 56, 110)},
}
# A plain twin is the same row without shortcuts. The paper has no plain bottleneck net, so neither have we.
SPECS: dict[str, Spec] = _RESIDUAL | {
    name.replace("resnet", "plain"): replace(spec, shortcut="none")
    for name, spec in _RESIDUAL.items()
    if spec.block is BasicBlock
}
NAMES = tuple(SPECS)


@given.explained
class DropoutLinear(nn.Linear):
    """A linear layer that in train mode sets each input to zero with the given chance and scales up the rest.

    Shapes: ``(N, in_features) -> (N, out_features)``. Its parameters are called as those of a plain linear
    layer, so a checkpoint does not depend on the dropout. Draws from torch's global generator.

    Args:
        in_features: numbers a sample.
        out_features: outputs a sample.
        chance: the probability, at least 0 and below 1.

    Raises:
        ValueError: if ``chance`` lies outside, or a number of features is no whole number from 1 up.

    Source: Srivastava et al. 2014, Journal of Machine Learning Research 15, section 4.
    """

    def __init__(self, in_features: int, out_features: int, chance: float) -> None:
        in_features = given.whole_number("in_features", in_features)
        out_features = given.whole_number("out_features", out_features)
        if not 0 <= given.real_number("chance", chance) < 1:
            raise ValueError(f"chance must be at least 0 and below 1, got {chance}")
        # On the CPU, as is a plain head: the same seed gives the same weights on every device.
        super().__init__(in_features, out_features, device="cpu")
        self.chance = chance

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(nn.functional.dropout(input, self.chance, self.training))


@given.explained
def fresh_head(old: nn.Linear, num_classes: int, *, dropout: float = 0.0) -> nn.Linear:
    """A linear layer that takes what ``old`` takes, with torch's own initialisation, drawn on the CPU.

    It has the old one's device, precision and mode.

    Args:
        old: the layer whose place it is to take.
        num_classes: its outputs, at least 2.
        dropout: chance with which each feature before it is left out in training, at least 0 and below 1.

    Raises:
        ValueError: if ``num_classes`` is below 2, or ``dropout`` not in [0, 1).
    """
    num_classes = given.whole_number("num_classes", num_classes, least=2)
    if not 0 <= given.real_number("dropout", dropout) < 1:
        raise ValueError(f"dropout must be at least 0 and below 1, got {dropout}")
    fresh = (
        DropoutLinear(old.in_features, num_classes, dropout)
        if dropout
        else nn.Linear(old.in_features, num_classes, device="cpu")
    )
    return fresh.to(old.weight.device, old.weight.dtype).train(old.training)


@given.explained
class ResNet(nn.Module):
    """Stem, three or four stages of blocks, global average pooling, one linear layer.

    Images ``x`` (N, in_channels, H, W) -> logits ``(N, num_classes)`` (no softmax: the loss applies it).
    Convolutions start from He's normal distribution, as in torchvision (``initialization.he_start``).

    With pre-activation (``spec.order``) the first activation stands right after ``conv1``, before the first
    shortcut leaves: it is the stem's ``bn1`` and ``relu``, and the first block has none of its own. After the
    last block stands ``closing``, the activation with which one more block would begin. So He et al. 2016,
    arXiv:1603.05027, appendix, and their code.

    Args:
        spec: the row of the table, for example ``SPECS["resnet18"]``.
        in_channels: channels of the images; 1 for grey ones.

    Raises:
        ValueError: if ``in_channels`` is no whole number from 1 up, or values of ``spec`` do not fit each
            other, as its width and ``se``.
    """

    def __init__(self, spec: Spec, *, in_channels: int = 3) -> None:
        super().__init__()
        self.spec = given.of_kind("spec", spec, Spec)
        self.conv1 = _first_convolution(spec, in_channels)
        self.bn1 = nn.BatchNorm2d(spec.width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if spec.stem == "cifar" else nn.MaxPool2d(3, stride=2, padding=1)
        channels = spec.width
        self.stages: list[str] = []
        for index in range(len(spec.blocks_per_stage)):
            self.stages.append(f"layer{index + 1}")
            self.add_module(self.stages[-1], _stage(spec, channels, index=index))
            channels = spec.width * 2**index * spec.block.expansion
        closing = closing_steps(spec.order, channels)
        self.closing = closing if len(closing) else None
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, spec.num_classes)
        he_start(self)

    def stem(self, x: Tensor) -> Tensor:
        """What the first stage gets of images ``x`` (N, in_channels, H, W): ``(N, width, H / 4, W / 4)``.

        With the CIFAR stem: ``(N, width, H, W)``.
        """
        return self.maxpool(self.relu(self.bn1(self.conv1(x))))

    def forward_features(self, x: Tensor) -> Tensor:
        """The feature map of images ``x`` (N, in_channels, H, W) before pooling: ``(N, C, H / 32, W / 32)``.

        CIFAR family: ``(N, C, H / 4, W / 4)``. Four stages behind the CIFAR stem: ``(N, C, H / 8, W / 8)``.
        """
        x = self.stem(x)
        for name, stage in self.named_children():
            if name.startswith("layer"):
                x = stage(x)  # channels double and the image halves from stage 2 on
        return x if self.closing is None else self.closing(x)

    def forward_head(self, x: Tensor, *, pre_logits: bool = False) -> Tensor:
        """Logits ``(N, num_classes)`` of a feature map ``x`` (N, C, h, w).

        Args:
            x: what ``forward_features`` returns.
            pre_logits: stop before ``fc`` and return what it would get, one vector an image: ``(N, C)``.
        """
        features = self.avgpool(x).flatten(1)  # (N, C)
        return features if pre_logits else self.fc(features)

    def forward(self, x: Tensor) -> Tensor:
        features = self.avgpool(self.forward_features(x)).flatten(1)  # (N, C)
        return self.fc(features)  # forward_head's own lines: TorchScript reads no keyword-only option

    def parts(self) -> dict[str, list[nn.Module]]:
        """The modules of each part by the part's name, in the order an image passes them.

        ``stem`` (``conv1`` and ``bn1``), the stages ``layer1``, ``layer2``, ... (the last one with
        ``closing``, where there is one), and the head ``fc``. Together they hold all parameters.
        """
        stages: dict[str, list[nn.Module]] = {name: [self.get_submodule(name)] for name in self.stages}
        if self.closing is not None:
            stages[self.stages[-1]].append(self.closing)
        return {"stem": [self.conv1, self.bn1], **stages, "fc": [self.fc]}

    def reset_head(self, num_classes: int, *, dropout: float = 0.0) -> None:
        """Put a fresh linear layer with ``num_classes`` outputs in place of ``fc``, trainable.

        It has torch's own initialisation, drawn on the CPU, and the old head's device, precision and mode.

        Args:
            num_classes: outputs of the new head, at least 2.
            dropout: chance with which each feature before it is left out in training, at least 0 and below 1.

        Raises:
            ValueError: if ``num_classes`` is below 2, or ``dropout`` not in [0, 1).
        """
        self.fc = fresh_head(self.fc, num_classes, dropout=dropout)
        self.spec = replace(self.spec, num_classes=num_classes)


def _first_convolution(spec: Spec, in_channels: int) -> nn.Module:
    """What stands before ``bn1`` of the network."""
    if spec.stem == "deep":
        return stem_d(in_channels, spec.width)
    if spec.stem == "cifar":
        return conv(in_channels, spec.width, 3)
    return conv(in_channels, spec.width, 7, stride=2)


def _stage(spec: Spec, in_channels: int, *, index: int) -> nn.Sequential:
    """Blocks of equal width; the first one halves the image, except in the first stage (``index`` 0)."""
    width, before = spec.width * 2**index, sum(spec.blocks_per_stage[:index])
    blocks, channels = [], in_channels
    for position in range(spec.blocks_per_stage[index]):
        stride = 2 if index > 0 and position == 0 else 1
        blocks.append(_block(spec, channels, width, stride, number=before + position + 1))
        channels = width * spec.block.expansion
    return nn.Sequential(*blocks)


def _block(spec: Spec, in_channels: int, width: int, stride: int, *, number: int) -> nn.Module:
    """Block ``number`` of the network, counted from 1, with all that ``spec`` asks for."""
    shape, is_bottleneck = (in_channels, width, stride), issubclass(spec.block, Bottleneck)
    options = {"shortcut": spec.shortcut} | ({"stride_on": spec.stride_on} if is_bottleneck else {})
    if spec.order == "original":
        block = spec.block(*shape, **options)
    else:
        kind = OrderedBottleneck if is_bottleneck else OrderedBlock
        block = kind(*shape, order=spec.order, entry=number > 1, **options)
    if spec.se is not None:
        block.se = SqueezeExcite(width * spec.block.expansion, reduction=spec.se)
    if spec.stochastic_depth:  # the linear rule: Huang et al. 2016, arXiv:1603.09382, equation 4
        block.survival = StochasticDepth(spec.stochastic_depth * number / sum(spec.blocks_per_stage))
    return block


@given.explained
def build(
    name: str,
    num_classes: int | None = None,
    *,
    in_channels: int = 3,
    width: int | None = None,
    stem: str | None = None,
    shortcut: str | None = None,
    order: str = "original",
    se: int | None = None,
    stochastic_depth: float = 0.0,
    stride_on: str = "3x3",
    zero_init_residual: bool = False,
) -> ResNet:
    """The network called ``name``, with fresh weights, in train mode.

    The options go together, unless refused: ``build("resnet50", stem="deep", shortcut="D")`` is ResNet-50-D,
    ``build("resnet50", se=16)`` SE-ResNet-50, ``build("resnet50", order="full pre-activation")`` its "v2".

    Args:
        name: one of ``NAMES``: ``resnet18/34/50/101/152``, ``resnext50_32x4d`` and ``wide_resnet50_2`` as
            in torchvision, ``resnet20/32/44/56/110`` as in the paper's CIFAR-10 section (option A), and
            ``plain18/34/20/32/44/56/110`` without shortcuts.
        num_classes: outputs of the head; 1000 for the first family and 10 for the second unless given.
        in_channels: channels of the images; 1 for grey ones.
        width: channels of the first stage (64 or 16 unless given); the later stages double it.
        stem: ``"imagenet"`` (7x7, stride 2, and a max-pool), ``"cifar"`` (one 3x3) or ``"deep"`` (three 3x3
            for the 7x7: He et al. 2018, arXiv:1812.01187) in place of the family's own:
            ``build("resnet18", 10, stem="cifar")`` is the network many call ResNet-18 on CIFAR-10.
        shortcut: ``"A"``, ``"B"``, ``"C"``, ``"D"`` or ``"none"`` in place of the family's own.
        order: where BatchNorm and ReLU stand, one of ``preactivation.ORDERS`` (see ``ResNet`` for what
            pre-activation does to the stem and the end).
        se: re-weight the channels at the end of each branch, with this reduction (16 in Hu et al. 2018,
            arXiv:1709.01507); each block's channels must be a multiple of it. None for none.
        stochastic_depth: in training, drop the l-th of L branches with l / L times this probability (0.5 in
            Huang et al. 2016, arXiv:1603.09382, equation 4); 0 for never.
        stride_on: the convolution of a bottleneck that halves the image, ``"3x3"`` as in torchvision or
            ``"1x1"`` as in the paper.
        zero_init_residual: start each block as the identity (see ``blocks.zero_last_scale``).

    Raises:
        ValueError: for an unknown name (the message lists the valid ones), a count below 1, a value that is
            not allowed, options that make no sense together, or ``zero_init_residual`` without shortcuts,
            which would make the output constant, or with another order, whose branch ends otherwise.
    """
    if name not in SPECS:
        raise ValueError(f"unknown network {name!r}; the valid names are {', '.join(NAMES)}")
    zero_init_residual = given.yes_or_no("zero_init_residual", zero_init_residual)
    counts = (("num_classes", num_classes), ("in_channels", in_channels), ("width", width), ("se", se))
    for label, count in counts:
        if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
            raise ValueError(f"{label} must be a whole number of at least 1, got {count!r}")
    row = {"num_classes": num_classes, "width": width, "stem": stem, "shortcut": shortcut}
    chosen = {key: value for key, value in row.items() if value is not None}  # None: as in the table
    chosen |= {"order": order, "se": se, "stochastic_depth": stochastic_depth, "stride_on": stride_on}
    spec = replace(SPECS[name], **chosen)
    if zero_init_residual and spec.shortcut == "none":
        raise ValueError(
            f"zero_init_residual needs shortcuts, but {name!r} is built without: its output is constant"
        )
    if zero_init_residual and spec.order != "original":
        raise ValueError(
            f"zero_init_residual goes with order='original' only, got {order!r}: it zeroes the "
            "BatchNorm at the end of that branch"
        )
    model = ResNet(spec, in_channels=in_channels)
    if zero_init_residual:
        for module in model.modules():
            if isinstance(module, spec.block):
                zero_last_scale(module)
    return model
