"""Relatives of the residual block: wider, grouped, re-weighted, dropped at random, gently halved, re-normed.

Introduced in chapter 3.

Each is a few lines on top of ``blocks``: what stays the same is inherited, what is here is what differs.
``resnet.build`` makes whole networks of them (``se``, ``stochastic_depth``, ``stem="deep"``).
"""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from resnet_utils.models.blocks import BasicBlock, Bottleneck, conv
from resnet_utils.runtime import given


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


@given.explained
class SqueezeExcite(nn.Module):
    """Multiply each channel by a number in (0, 1), computed from the means of all channels.

    Shapes: ``x`` (N, channels, H, W) keeps its own. Parameter names are those of
    ``torchvision.ops.SqueezeExcitation``.

    Args:
        channels: channels of the input.
        reduction: the hidden layer has ``channels / reduction`` units.

    Raises:
        ValueError: if ``channels`` is not a multiple of ``reduction``, or one no whole number from 1 up.

    Source: Hu et al. 2018, arXiv:1709.01507, section 3 (``reduction`` 16 in section 6.1).
    """

    def __init__(self, channels: int, *, reduction: int = 16) -> None:
        super().__init__()
        if given.whole_number("channels", channels) % given.whole_number("reduction", reduction):
            raise ValueError(f"channels must be a multiple of reduction, got {channels} and {reduction}")
        self.fc1 = nn.Conv2d(channels, channels // reduction, 1)  # with bias: no BatchNorm follows
        self.fc2 = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        squeezed = x.mean(dim=(2, 3), keepdim=True)  # (N, channels, 1, 1)
        scale = torch.sigmoid(self.fc2(torch.relu(self.fc1(squeezed))))  # (N, channels, 1, 1)
        return scale * x


@given.explained
class SEBlock(BasicBlock):
    """A basic block that re-weights the channels of its branch before the addition.

    Shapes, errors and arguments (``in_channels``, ``width``, ``stride``, ``shortcut``) as ``BasicBlock``;
    ``width`` must be a multiple of ``reduction`` (see ``SqueezeExcite``).

    Raises:
        ValueError: as ``BasicBlock`` and ``SqueezeExcite``.

    Source: Hu et al. 2018, arXiv:1709.01507, figure 3.
    """

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, *, shortcut: str = "B", reduction: int = 16
    ) -> None:
        super().__init__(in_channels, width, stride, shortcut=shortcut)
        self.se = SqueezeExcite(width, reduction=reduction)


@given.explained
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
        if not 0 <= given.real_number("drop", drop) < 1:
            raise ValueError(f"drop must be at least 0 and below 1, got {drop!r}")
        self.drop = drop

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.drop == 0:
            return x
        keep = 1 - self.drop
        kept = x.new_empty([len(x)] + [1] * (x.ndim - 1)).bernoulli_(keep)  # one draw an image
        return x * kept.div_(keep)


@given.explained
class DroppedBlock(BasicBlock):
    """A basic block whose branch is dropped at random in training (see ``StochasticDepth``).

    Shapes, errors and arguments (``in_channels``, ``width``, ``stride``, ``shortcut``) as ``BasicBlock``;
    ``drop`` is the probability, at least 0 and below 1.

    Raises:
        ValueError: as ``BasicBlock`` and ``StochasticDepth``.
    """

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, *, shortcut: str = "B", drop: float = 0.5
    ) -> None:
        super().__init__(in_channels, width, stride, shortcut=shortcut)
        self.survival = StochasticDepth(drop)


@given.explained
def stem_d(in_channels: int = 3, width: int = 64) -> nn.Sequential:
    """ResNet-D's stem up to the max-pool: three 3x3 convolutions in place of one 7x7.

    Shapes: ``(N, in_channels, H, W) -> (N, width, H / 2, W / 2)``. Each convolution is followed by
    BatchNorm and ReLU; the last pair stays outside, as ``bn1`` and ``relu`` of the network.

    Args:
        in_channels: channels of the image.
        width: channels of the output, an even number; the first two convolutions have half as many.

    Raises:
        ValueError: if ``width`` is odd, or a number no whole number from 1 up.

    Source: He et al. 2018, arXiv:1812.01187, section 4.2 and figure 2(b) ("ResNet-C").
    """
    if isinstance(width, bool) or width < 2 or width % 2:
        raise ValueError(f"width must be a positive even number, got {width}")
    half = width // 2
    first = [conv(in_channels, half, 3, stride=2), nn.BatchNorm2d(half), nn.ReLU(inplace=True)]
    second = [conv(half, half, 3), nn.BatchNorm2d(half), nn.ReLU(inplace=True)]
    return nn.Sequential(*first, *second, conv(half, width, 3))


class BlurPool(nn.Module):
    """Blur each channel by (1 2 1) / 4 in both directions, then keep every second pixel of every second row.

    Shapes: ``x`` (N, C, H, W) -> ``(N, C, ceil(H / 2), ceil(W / 2))``, as a strided convolution gives them; H
    and W are at least 2. The edge is mirrored. No parameters.

    Source: Zhang 2019, arXiv:1904.11486, section 3.2 ("Tri-3").
    """

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        row = torch.tensor([0.25, 0.5, 0.25], dtype=x.dtype, device=x.device)
        kernel = (row[:, None] * row).expand(channels, 1, 3, 3)
        mirrored = nn.functional.pad(x, (1, 1, 1, 1), mode="reflect")  # (N, C, H + 2, W + 2)
        return nn.functional.conv2d(mirrored, kernel, stride=2, groups=channels)


@given.explained
class BlurredBlock(BasicBlock):
    """A basic block that blurs before it drops pixels, in the branch and on the shortcut.

    Shapes, errors and arguments (``in_channels``, ``width``, ``stride``) as ``BasicBlock``. At stride 2 the
    first convolution works on every pixel, and ``BlurPool`` halves the image behind its ReLU; the shortcut is
    blurred, halved and projected. At stride 1 it is a ``BasicBlock``.

    Raises:
        ValueError: as ``BasicBlock``.

    Source: Zhang 2019, arXiv:1904.11486, figure 3 and section 4.1.
    """

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__(in_channels, width, stride)
        if stride == 2:
            self.conv1.stride = (1, 1)
            self.conv2 = nn.Sequential(BlurPool(), self.conv2)
            projection = conv(in_channels, width, 1)
            self.downsample = nn.Sequential(BlurPool(), projection, nn.BatchNorm2d(width))


@given.explained
def group_norm(model: nn.Module, *, groups: int = 8) -> nn.Module:
    """Put a GroupNorm in the place of every BatchNorm of ``model``, under the same name; returns ``model``.

    Args:
        model: any network; it is changed in place, and keeps its mode.
        groups: of channels that are normalized together; their number must divide that of the channels.

    Raises:
        ValueError: if some BatchNorm's channels cannot be parted into so many groups (nothing is changed
            then), there is no BatchNorm, or ``groups`` is no whole number from 1 up.

    Source: Wu and He 2018, arXiv:1803.08494, section 3.
    """
    groups = given.whole_number("groups", groups)
    found = [
        (module, name, norm)
        for module in model.modules()
        for name, norm in module.named_children()
        if isinstance(norm, nn.BatchNorm2d)
    ]
    if not found:
        raise ValueError(f"there is no BatchNorm2d in this {type(model).__name__}")
    misfits = sorted({norm.num_features for _, _, norm in found if norm.num_features % groups})
    if misfits:
        raise ValueError(f"{groups} groups do not divide the channels of every layer: {misfits}")
    for module, name, norm in found:
        new = nn.GroupNorm(groups, norm.num_features, eps=norm.eps).train(norm.training)
        setattr(module, name, new.to(norm.weight) if norm.weight is not None else new)
    return model


class _Standardized(nn.Module):
    """The weights of each output channel with mean 0 and variance 1."""

    def forward(self, weight: Tensor) -> Tensor:
        variance, mean = torch.var_mean(weight, dim=(1, 2, 3), keepdim=True, correction=0)
        return (weight - mean) / (variance + 1e-5).sqrt()


@given.explained
def standardize_weights(model: nn.Module) -> nn.Module:
    """Make every convolution of ``model`` use its weights less their mean, at variance 1; returns ``model``.

    The mean and the variance are those of one output channel. What is learned lies behind a parametrization
    of torch (``conv.parametrizations.weight.original``), so the names in the state dictionary change;
    ``torch.nn.utils.parametrize.remove_parametrizations`` puts plain weights in their place after training.

    Args:
        model: any network; it is changed in place.

    Raises:
        ValueError: if there is no convolution, or its weights are standardized already.

    Source: Qiao et al. 2019, arXiv:1903.10520, section 3.1.
    """
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    if not convolutions or any(parametrize.is_parametrized(module, "weight") for module in convolutions):
        raise ValueError(f"this {type(model).__name__} has no convolution with plain weights to standardize")
    for module in convolutions:
        parametrize.register_parametrization(module, "weight", _Standardized())
    return model
