"""Our ResNet as a feature extractor: taps at its stages, a pyramid over them, dilation, frozen BatchNorms.

Introduced in chapter 6.

A *tap* is the feature map that leaves a stage. Everything here keeps torchvision's names of the parameters,
so weights published for its detectors and segmenters fit.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from resnet_utils.analysis.complexity import receptive_field
from resnet_utils.models.blocks import PadShortcut
from resnet_utils.models.resnet import ResNet
from resnet_utils.runtime import given


@given.explained
class Taps(nn.Module):
    """A ResNet without its head that returns the feature map of each tapped stage, by the stage's name.

    Images ``x`` (N, C, H, W) -> ``{"layer1": (N, channels[0], H / strides[0], ...), ...}``. The parts are
    those of the network, not copies: what is trained here is trained there. The stages behind the last tap
    are left out.

    Args:
        model: one of ``models.build``, without pre-activation.
        stages: which of its stages, in their order; all unless given.
        names: what the maps are called in the answer; as the stages unless given.

    Attributes:
        channels: of each map.
        strides: pixels of the image from one place of the map to the next.

    Raises:
        TypeError: if ``model`` is no ``models.ResNet``, or ``names`` are no texts.
        ValueError: for stages that it does not have, in another order or twice, other than one name a stage,
            or a network whose maps leave a stage without their last activation (pre-activation).
    """

    def __init__(
        self, model: ResNet, stages: Sequence[str] | None = None, *, names: Sequence[str] | None = None
    ) -> None:
        super().__init__()
        stages = _checked_stages(
            model, model.stages if isinstance(model, ResNet) and stages is None else stages
        )
        called = stages if names is None else given.texts("names", names)
        if len(called) != len(stages):
            raise ValueError(f"{len(stages)} stages need as many names, got {called}")
        for name, part in model.named_children():
            self.add_module(name, part)
            if name == stages[-1]:
                break
        self.names = dict(zip(stages, called, strict=True))
        widths = {stage: model.spec.width * 2**index for index, stage in enumerate(model.stages)}
        self.channels = tuple(widths[stage] * model.spec.block.expansion for stage in stages)
        steps = receptive_field(model)
        self.strides = tuple(steps[stage][1] for stage in stages)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        found = {}
        for name, part in self.named_children():
            x = part(x)
            if name in self.names:
                found[self.names[name]] = x
        return found


def _checked_stages(model: ResNet, stages: Sequence[str] | None) -> list[str]:
    """The stages to tap, if the network has them."""
    if not isinstance(model, ResNet):
        raise TypeError(f"taps need a network of models.build, got {type(model).__name__}")
    if model.closing is not None:
        raise ValueError(f"the maps of a network with order={model.spec.order!r} leave a stage unactivated")
    wanted = [] if stages is None or isinstance(stages, str) else list(stages)
    if not wanted or wanted != [stage for stage in model.stages if stage in wanted]:
        raise ValueError(f"stages must be some of {model.stages}, in this order, got {stages!r}")
    return wanted


@given.explained
class Pyramid(nn.Module):
    """Taps and a feature pyramid over them: maps of many sizes, all with the same number of channels.

    Images ``x`` (N, C, H, W) -> ``{"0": (N, out_channels, ...), "1": ..., "pool": ...}``, finest first;
    "pool" is every second place of the last one. Its parameters are called as in torchvision's
    ``BackboneWithFPN``. The pyramid itself is torchvision's.

    Args:
        model: as in ``Taps``.
        stages: as in ``Taps``.
        out_channels: channels of every map of the pyramid.

    Attributes:
        strides: pixels of the image from one place of the map to the next, of each map.

    Raises:
        TypeError: as ``Taps``.
        ValueError: as ``Taps``, or if ``out_channels`` is no whole number from 1 up.

    Source: Lin et al. 2017, arXiv:1612.03144, section 3.
    """

    def __init__(
        self, model: ResNet, stages: Sequence[str] | None = None, *, out_channels: int = 256
    ) -> None:
        from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

        super().__init__()
        out_channels = given.whole_number("out_channels", out_channels)
        count = len(model.stages if isinstance(model, ResNet) and stages is None else stages or ())
        self.body = Taps(model, stages, names=[str(number) for number in range(count)])
        self.fpn = FeaturePyramidNetwork(
            list(self.body.channels), out_channels, extra_blocks=LastLevelMaxPool()
        )
        self.out_channels = out_channels
        self.strides = (*self.body.strides, 2 * self.body.strides[-1])

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return self.fpn(self.body(x))


@given.explained
def dilate(model: ResNet, stages: Sequence[str] = ("layer3", "layer4")) -> ResNet:
    """Let stages keep the size of their maps, in place: dilation takes the place of their stride.

    A convolution behind a stride that is gone reaches over twice as many places, so it sees the same pixels
    as before, and every second place of the new map is a place of the old one, number by number. No weight
    changes. It is what torchvision's ``replace_stride_with_dilation`` builds, for basic blocks too.

    Args:
        model: one of ``models.build``; returned too.
        stages: which of them lose their stride.

    Raises:
        TypeError: if ``model`` is no ``models.ResNet``.
        ValueError: for stages that it does not have, or shortcuts that average (option D).

    Source: Yu and Koltun 2016, arXiv:1511.07122; Chen et al. 2017, arXiv:1706.05587, section 3.1.
    """
    chosen = _checked_stages(model, stages)
    if model.spec.shortcut == "D":
        raise ValueError("shortcuts of option D average as they halve; dilation is for the other options")
    rate = 1
    for stage in model.stages:
        for block in model.get_submodule(stage).children():
            for name, layer in block.named_modules():
                if isinstance(layer, PadShortcut) and stage in chosen:
                    layer.stride = 1
                if not isinstance(layer, nn.Conv2d):
                    continue
                if layer.kernel_size != (1, 1):  # a 1x1 has nothing to spread
                    reach = rate * (layer.kernel_size[0] // 2)
                    layer.dilation, layer.padding = (rate, rate), (reach, reach)
                if layer.stride != (1, 1) and stage in chosen:
                    layer.stride = (1, 1)
                    rate *= 1 if name.startswith("downsample") else 2
    return model


@given.explained
def freeze_norms(model: nn.Module, *, eps: float | None = None) -> nn.Module:
    """Put torchvision's FrozenBatchNorm2d in the place of every BatchNorm, in place, with the same numbers.

    A frozen one has the four numbers of a channel as buffers: neither a batch nor a step changes them, in
    train mode too. Weights published for torchvision's detectors are made for it.

    Args:
        model: any module; returned too.
        eps: what is added to each variance; each BatchNorm's own unless given. torchvision takes 0.0 with the
            first weights of its Faster and Mask R-CNN (``COCO_V1``), as they were trained elsewhere.

    Raises:
        ValueError: if ``model`` has no BatchNorm inside, or one without its own statistics, or ``eps`` is no
            number of at least 0.
    """
    from torchvision.ops import FrozenBatchNorm2d

    eps = None if eps is None else given.number_within("eps", eps, least=0)
    named = [(name, layer) for name, layer in model.named_modules() if name]  # the model itself has no name
    found = [(name, layer) for name, layer in named if isinstance(layer, nn.BatchNorm2d)]
    if not found:
        raise ValueError(f"there is no BatchNorm2d to freeze in this {type(model).__name__}")
    for name, layer in found:
        if layer.running_mean is None or layer.weight is None:
            raise ValueError(f"{name} keeps no statistics or no scale of its own, so it cannot be frozen")
        frozen = FrozenBatchNorm2d(layer.num_features, eps=layer.eps if eps is None else eps)
        frozen.load_state_dict(layer.state_dict())
        where, _, last = name.rpartition(".")
        setattr(model.get_submodule(where), last, frozen.to(layer.weight.device))
    return model
