"""Whole networks: torchvision's ResNets, the CIFAR family of the paper, and their plain twins.

Introduced in chapter 4.

``build("resnet50")`` gives the network whose parameters carry torchvision's names (``conv1 bn1
layer1.0.conv1 ... fc``), so published weights load unrenamed. ``build("plain34")`` gives the same table
without shortcuts.
Source: He et al. 2015, arXiv:1512.03385, table 1 (ImageNet) and section 4.2 (CIFAR-10).
"""

from dataclasses import dataclass, replace

from torch import Tensor, nn

from resnet_utils.models.blocks import BasicBlock, Bottleneck, conv, zero_last_scale
from resnet_utils.models.variants import GroupedBottleneck, WideBottleneck

STEMS = ("imagenet", "cifar")


@dataclass(frozen=True)
class Spec:
    """One row of the paper's tables: which block, how many in each stage, which stem, how wide, which
    shortcut."""

    block: type[BasicBlock] | type[Bottleneck]
    blocks_per_stage: tuple[int, ...]
    stem: str  # "imagenet": 7x7 stride 2 and a max-pool; "cifar": one 3x3
    width: int  # channels of the first stage; each later stage doubles them
    shortcut: str
    num_classes: int


def _imagenet(block: type[BasicBlock] | type[Bottleneck], *blocks_per_stage: int) -> Spec:
    return Spec(block, blocks_per_stage, stem="imagenet", width=64, shortcut="B", num_classes=1000)


def _cifar(depth: int) -> Spec:
    per_stage = (
        depth - 2
    ) // 6  # depth = 6n + 2: three stages of n blocks of two layers, the stem and the head
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


class ResNet(nn.Module):
    """Stem, three or four stages of blocks, global average pooling, one linear layer.

    Shapes: ``(N, in_channels, H, W) -> (N, num_classes)`` logits (no softmax: the loss applies it).
    Convolutions start from He's normal distribution, fan-out mode (arXiv:1502.01852, section 2.2), as
    in torchvision.
    """

    def __init__(self, spec: Spec, *, in_channels: int = 3) -> None:
        super().__init__()
        self.spec = spec
        large = spec.stem == "imagenet"
        self.conv1 = conv(in_channels, spec.width, 7 if large else 3, stride=2 if large else 1)
        self.bn1 = nn.BatchNorm2d(spec.width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if large else nn.Identity()
        channels = spec.width
        self.stages: list[str] = []
        for index, num_blocks in enumerate(spec.blocks_per_stage):
            self.stages.append(f"layer{index + 1}")
            stage = _stage(spec, channels, index=index, num_blocks=num_blocks)
            self.add_module(self.stages[-1], stage)
            channels = spec.width * 2**index * spec.block.expansion
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, spec.num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def feature_map(self, x: Tensor) -> Tensor:
        """Before pooling: ``(N, C, H / 32, W / 32)``; CIFAR family ``(N, C, H / 4, W / 4)``.

        Four stages behind the CIFAR stem: ``(N, C, H / 8, W / 8)``.
        """
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))  # (N, width, H/4, W/4); CIFAR: (N, width, H, W)
        for stage in self.stages:
            x = self.get_submodule(stage)(x)  # channels double and the image halves from stage 2 on
        return x

    def features(self, x: Tensor) -> Tensor:
        """One vector an image, what the head sees: ``(N, C)``."""
        return self.avgpool(self.feature_map(x)).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x))


def _stage(spec: Spec, in_channels: int, *, index: int, num_blocks: int) -> nn.Sequential:
    """``num_blocks`` blocks of equal width; the first one halves the image, except in the first stage."""
    width = spec.width * 2**index
    first = spec.block(in_channels, width, 1 if index == 0 else 2, shortcut=spec.shortcut)
    inner = width * spec.block.expansion
    rest = [spec.block(inner, width, shortcut=spec.shortcut) for _ in range(num_blocks - 1)]
    return nn.Sequential(first, *rest)


def build(
    name: str,
    num_classes: int | None = None,
    *,
    in_channels: int = 3,
    width: int | None = None,
    stem: str | None = None,
    shortcut: str | None = None,
    zero_init_residual: bool = False,
) -> ResNet:
    """The network called ``name``, with fresh weights, in train mode.

    Args:
        name: one of ``NAMES``: ``resnet18/34/50/101/152``, ``resnext50_32x4d`` and ``wide_resnet50_2`` as
            in torchvision, ``resnet20/32/44/56/110`` as in the paper's CIFAR-10 section (option A), and
            ``plain18/34/20/32/44/56/110`` without shortcuts.
        num_classes: outputs of the head; 1000 for the first family and 10 for the second unless given.
        in_channels: channels of the images; 1 for grey ones.
        width: channels of the first stage (64 or 16 unless given); the later stages double it.
        stem: ``"imagenet"`` (7x7, stride 2, and a max-pool) or ``"cifar"`` (one 3x3) in place of the family's
            own: ``build("resnet18", 10, stem="cifar")`` is the network many call ResNet-18 on CIFAR-10.
        shortcut: ``"A"``, ``"B"``, ``"C"`` or ``"none"`` in place of the family's own.
        zero_init_residual: start each block as the identity (see ``blocks.zero_last_scale``).

    Raises:
        ValueError: for an unknown name (the message lists the valid ones), a count below 1, an unknown
            stem or shortcut, or ``zero_init_residual`` without shortcuts, which would make the output
            constant.
    """
    if name not in SPECS:
        raise ValueError(f"unknown network {name!r}; the valid names are {', '.join(NAMES)}")
    for label, count in (("num_classes", num_classes), ("in_channels", in_channels), ("width", width)):
        if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
            raise ValueError(f"{label} must be a whole number of at least 1, got {count!r}")
    if stem not in (None, *STEMS):
        raise ValueError(f"stem must be one of {', '.join(STEMS)}, got {stem!r}")
    chosen = {"num_classes": num_classes, "width": width, "stem": stem, "shortcut": shortcut}
    spec = replace(SPECS[name], **{key: value for key, value in chosen.items() if value is not None})
    if zero_init_residual and spec.shortcut == "none":
        raise ValueError(
            f"zero_init_residual needs shortcuts, but {name!r} is built without: its output is constant"
        )
    model = ResNet(spec, in_channels=in_channels)
    if zero_init_residual:
        for module in model.modules():
            if isinstance(module, spec.block):
                zero_last_scale(module)
    return model
