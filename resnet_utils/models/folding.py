"""BatchNorms, and the normalization of pixels, folded into the layers beside them: fewer steps, same answers.

Introduced in chapter 8. The proof stands in chapter 3, in the room about BatchNorm.

In eval mode a BatchNorm is a scale and a shift for each channel, and the convolution or the linear layer
before it can take both into its weights and its bias. Which of them follow each other, and whether anybody
else reads what lies between, is read off the graph that ``torch.fx`` records; the sums are those of
``torch.nn.utils.fusion``. torch's own ``torch.fx.experimental.optimization.fuse`` hands back that graph,
which has no stages and no ``forward_features`` any more. Here the copy keeps its class and its parts' names.
"""

from __future__ import annotations

import copy
import inspect
import math
import operator
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch.nn.utils import fusion

from resnet_utils.models.anatomy import innermost
from resnet_utils.runtime import given

WHITEST = 255.0  # the largest value of a pixel
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
NOTHING = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)  # what these do in eval mode
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED)  # PixelConv2d is one more


@given.explained
class PixelConv2d(nn.Conv2d):
    """A convolution that takes pixels from 0 to 255 where ``conv`` takes normalized ones.

    Shapes: ``(N, C, H, W) -> (N, out, H', W')``, as those of ``conv``. Pixels of any type are taken.

    Args:
        conv: the convolution of normalized images; it is left as it is.
        mean: what was subtracted, float64 ``(C,)``, in 0 ... 1.
        std: what was divided by, float64 ``(C,)``.

    Raises:
        ValueError: if one of these two is no such tensor.
    """

    takes_pixels = True  # what else than floats is asked for is no mistake (evaluation.answers)
    border: Tensor  # the color that is zero once it is normalized, (C,)

    def __init__(self, conv: nn.Conv2d, mean: Tensor, std: Tensor) -> None:
        shape = (conv.in_channels,)
        for name, value in (("mean", mean), ("std", std)):
            if given.of_kind(name, value, Tensor).dtype != torch.float64 or value.shape != shape:
                raise ValueError(f"{name} must be float64 {shape}, got {value.dtype} {tuple(value.shape)}")
        super().__init__(conv.in_channels, conv.out_channels, 1, groups=conv.groups, device="meta")
        for name in ("kernel_size", "stride", "padding", "dilation", "padding_mode"):
            setattr(self, name, getattr(conv, name))
        self._reversed_padding_repeated_twice = conv._reversed_padding_repeated_twice
        weight = _exact(conv.weight)  # (out, C / groups, h, w)
        channels = torch.arange(conv.in_channels).view(conv.groups, -1)  # those that each group reads
        channels = channels.repeat_interleave(conv.out_channels // conv.groups, dim=0)  # (out, C / groups)
        bias = -(weight.sum(dim=(2, 3)) * (mean / std)[channels]).sum(dim=1)
        _set(self, conv, weight / (WHITEST * std)[channels][:, :, None, None], bias + _bias(conv))
        self.register_buffer("border", (WHITEST * mean).to(conv.weight.device, conv.weight.dtype))
        self.train(conv.training)

    def forward(self, input: Tensor) -> Tensor:
        kind = input.device.type
        # With autocast the pixels go straight to 16 bits, which hold 0 to 255 exactly.
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else self.weight.dtype
        left, right, top, bottom = self._reversed_padding_repeated_twice
        if self.padding_mode != "zeros" or not (left or right or top or bottom):
            return super().forward(input.to(dtype))
        channels_last = self.weight.is_contiguous(memory_format=torch.channels_last)
        n, channels, height, width = input.shape
        padded = torch.empty(
            (n, channels, height + top + bottom, width + left + right),
            dtype=dtype,
            device=input.device,
            memory_format=torch.channels_last if channels_last else torch.contiguous_format,
        )
        padded.copy_(self.border[:, None, None].expand_as(padded))
        padded[:, :, top : top + height, left : left + width] = input
        return nn.functional.conv2d(
            padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups
        )


@given.explained
class Unchanged(nn.Module):
    """Hands on what it gets: stands where a BatchNorm1d was folded, and takes only what that was right for.

    A BatchNorm1d scales the second dimension, a linear layer writes the last one: of vectors ``(N, C)`` that
    is the same. A convolution's map is ``(N, C, L)``.

    Args:
        dimensions: how many there have to be.

    Raises:
        ValueError: if that is no whole number from 0 up.
    """

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.dimensions = given.whole_number("dimensions", dimensions, least=0)

    def forward(self, x: Tensor) -> Tensor:
        torch._assert(x.dim() == self.dimensions, "a BatchNorm1d was folded here, for another number of axes")
        return x


@given.explained
def fuse(model: nn.Module) -> nn.Module:
    """A copy of ``model`` in eval mode, with every BatchNorm folded into the layer that it directly follows.

    Such a layer is a convolution, also a transposed one without groups, or a linear layer. Where a folded
    BatchNorm stood, the copy has a part that does nothing. All other parts keep their names, so
    ``forward_features``, ``anatomy``, cached features and hooks work as before. What cannot be folded stays,
    and the answers are still the same: a BatchNorm before its convolution or behind an addition; a layer that
    is called twice, whose output or weights somebody else reads, or that has a hook or a parametrization; a
    BatchNorm without running averages; and the inside of a part that ``torch.fx`` cannot follow.

    The copy has the device, the precision, the order of memory and the ``requires_grad`` of the original, to
    which nothing happens. It is for answers: training it would do without its BatchNorms.

    Args:
        model: any network that ``torch.fx`` can follow when it is called with images alone; also in
            DataParallel, averaged or compiled, of which the copy is the bare network.

    Returns:
        The copy. Its answers differ from the original's by rounding.

    Raises:
        TypeError: if ``model`` is no module.
        ValueError: if it lies on "meta", which holds no numbers, or ``torch.fx`` cannot follow it; the
            message has torch's reason.
    """
    fused = _copy(model, caller="fuse")
    modules = dict(fused.named_modules())
    for layer, norm in _pairs(*_followed(fused, caller="fuse")):
        _fold(modules[layer], modules[norm])
        _replace(fused, modules[norm], _instead_of(modules[norm], modules[layer]))
    return fused


@given.explained
def fold_normalization(
    model: nn.Module, mean: float | Sequence[float] | Tensor, std: float | Sequence[float] | Tensor
) -> nn.Module:
    """A copy of ``model`` in eval mode that takes pixels from 0 to 255 and needs no normalization.

    ``model((pixels / 255 - mean) / std)`` and ``copy(pixels)`` are the same to rounding, also at the edges:
    there a convolution pads with zeros, which are the mean color once all is normalized, so the copy pads
    with that color. Pixels may be ``torch.uint8``, a quarter of the bytes of float32.

    Args:
        model: a network as ``fuse`` takes it, whose first layer is a convolution of the images.
        mean: what was subtracted, in 0 ... 1: a number for each channel, or one for all.
        std: what was divided by, likewise.

    Raises:
        TypeError: as ``fuse``.
        ValueError: as ``fuse``; if anything else than one plain ``nn.Conv2d`` reads the images; for numbers
            that do not fit its channels or are not finite, or a ``std`` that is not positive.
    """
    folded = _copy(model, caller="fold_normalization")
    first = _first(folded)
    means, stds = _per_channel("mean", mean, first), _per_channel("std", std, first)
    if not (stds > 0).all():
        raise ValueError(f"std must be positive, got {stds.tolist()}")
    pixels = PixelConv2d(first, means, stds)
    _replace(folded, first, pixels)
    return pixels if folded is first else folded


class _Follower(fx.Tracer):
    """Records which module is called with what; a part that cannot be followed is one step."""

    proxy_buffer_attributes = True  # also who reads running averages

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        known = isinstance(m, (PixelConv2d, Unchanged)) or _is_frozen(m)
        return known or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        before, within = len(self.graph.nodes), self.module_stack.copy()
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception:
            for node in reversed(list(self.graph.nodes)[before:]):  # what it has recorded so far
                self.graph.erase_node(node)
            self.module_stack = within  # torch leaves the part on it, and would then give up those around it
            return self.create_proxy("call_module", self.path_of_module(m), args, kwargs)


def _copy(model: nn.Module, *, caller: str) -> nn.Module:
    """A copy of the bare network, in eval mode."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"{caller}() needs a network (nn.Module), got {type(model).__name__}")
    bare = innermost(model)
    if any(tensor.is_meta for tensors in (bare.parameters(), bare.buffers()) for tensor in tensors):
        raise ValueError(
            f"{caller}() needs a network with weights; this one lies on the device 'meta', which has shapes "
            "and no numbers"
        )
    return copy.deepcopy(bare).eval()


def _followed(model: nn.Module, *, caller: str) -> tuple[nn.Module, fx.Graph]:
    """The graph of a call with images alone, and the copy of ``model`` that was called for it."""
    stand_in = copy.deepcopy(model)  # what a forward writes down about its input stays in here
    left_out = {
        name: parameter.default
        for name, parameter in inspect.signature(stand_in.forward).parameters.items()
        if isinstance(parameter.default, (bool, int, float, str, type(None)))
    }
    try:
        return stand_in, _Follower().trace(stand_in, concrete_args=left_out or None)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"{caller}() cannot follow the forward of {type(model).__name__}; torch.fx says: {reason}. Give "
            f"it a part that can be followed, as in model.backbone = models.{caller}(model.backbone, ...)"
        ) from error


def _pairs(model: nn.Module, graph: fx.Graph) -> Iterator[tuple[str, str]]:
    """The names of each layer, and of the BatchNorm that can be folded into it."""
    modules = dict(model.named_modules())
    calls = [node for node in graph.nodes if node.op == "call_module"]
    uses = Counter(node.target for node in calls)
    hidden = {
        part for node in calls for part in list(modules[str(node.target)].modules())[1:]
    }  # inside of a step
    read = {id(operator.attrgetter(str(node.target))(model)) for node in graph.nodes if node.op == "get_attr"}

    def is_free(node: fx.Node) -> bool:
        """Whether a module is called once, and nobody else looks at it or into it."""
        module = modules[str(node.target)]
        own = {id(tensor) for tensor in [*module.parameters(), *module.buffers()]}
        hooked = any(getattr(module, hooks, None) for hooks in HOOKS)
        return uses[node.target] == 1 and module not in hidden and not hooked and not own & read

    for node in calls:
        layer = _source(node, modules)
        if layer is None or not _fit(modules[str(layer.target)], modules[str(node.target)]):
            continue
        if is_free(layer) and is_free(node):
            yield str(layer.target), str(node.target)


def _source(node: fx.Node, modules: dict[str, nn.Module]) -> fx.Node | None:
    """The call that gives ``node`` its input and nobody else anything, past steps that do nothing."""
    while len(node.all_input_nodes) == 1:
        node = node.all_input_nodes[0]
        if node.op != "call_module" or len(node.users) != 1:
            return None
        if type(modules[str(node.target)]) not in NOTHING:
            return node
    return None


def _fit(layer: Any, norm: Any) -> bool:
    """Whether these are a layer and a BatchNorm of which one can be made."""
    if not (type(norm) in NORMS or _is_frozen(norm)) or norm.running_mean is None or norm.running_var is None:
        return False
    channels = len(norm.running_mean)
    if type(layer) is nn.Linear:
        return type(norm) in (nn.BatchNorm1d, nn.SyncBatchNorm) and layer.out_features == channels
    if type(layer) not in (*CONVOLUTIONS, PixelConv2d) or layer.out_channels != channels:
        return False
    return layer.groups == 1 or type(layer) not in TRANSPOSED


def _is_frozen(module: nn.Module) -> bool:
    """Whether it is the BatchNorm of torchvision's detectors, by name: torchvision is slow to load."""
    kind = type(module)
    return (kind.__module__, kind.__name__) == ("torchvision.ops.misc", "FrozenBatchNorm2d")


def _exact(tensor: Tensor) -> Tensor:
    """In float64, on the CPU, since not every device has that."""
    return tensor.detach().cpu().double()


def _bias(layer: Any) -> Tensor:
    """The bias of a layer, float64; zeros where it has none."""
    if layer.bias is not None:
        return _exact(layer.bias)
    transposed = type(layer) in TRANSPOSED
    return torch.zeros(layer.weight.shape[1 if transposed else 0], dtype=torch.float64)


def _set(layer: nn.Module, old: Any, weight: Tensor, bias: Tensor) -> None:
    """Give ``layer`` other weights, each rounded once to the precision that ``old`` has."""
    for name, value in (("weight", weight), ("bias", bias)):
        value = value.to(old.weight.device, old.weight.dtype)
        setattr(layer, name, nn.Parameter(value, requires_grad=old.weight.requires_grad))


def _fold(layer: Any, norm: Any) -> None:
    """Put the scale and the shift of ``norm`` into ``layer``, in place."""
    ones = torch.ones(len(norm.running_mean), dtype=torch.float64)
    scale, shift = (_exact(x) if x is not None else None for x in (norm.weight, norm.bias))
    weight, bias = fusion.fuse_conv_bn_weights(
        _exact(layer.weight),
        _bias(layer),
        _exact(norm.running_mean),
        _exact(norm.running_var),
        norm.eps,
        ones if scale is None else scale,
        torch.zeros_like(ones) if shift is None else shift,
        transpose=type(layer) in TRANSPOSED,
    )
    _set(layer, layer, weight.detach(), bias.detach())


def _instead_of(norm: nn.Module, layer: nn.Module) -> nn.Module:
    """What stands where ``norm`` stood behind ``layer``."""
    if type(norm) is nn.BatchNorm1d or type(layer) is nn.Linear:
        return Unchanged(2 if type(layer) is nn.Linear else 3).eval()
    return nn.Identity().eval()


def _replace(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put ``new`` wherever ``old`` is registered."""
    for module in list(model.modules()):
        for name, child in list(module._modules.items()):  # also where it has a second name
            if child is old:
                setattr(module, name, new)


def _first(model: nn.Module) -> nn.Conv2d:
    """The convolution that reads the images, and is the only one to do so."""
    if type(model) is nn.Conv2d:
        return model
    followed, graph = _followed(model, caller="fold_normalization")
    modules = dict(followed.named_modules())
    readers = [node for node in graph.nodes if node.op == "placeholder"][:1]
    while len(readers) == 1 and (readers[0].op == "placeholder" or _module(readers[0], modules) in NOTHING):
        readers = list(readers[0].users)
    kinds = [_module(reader, modules) for reader in readers]
    calls = [node.target for node in graph.nodes if node.op == "call_module"]
    if kinds != [nn.Conv2d] or calls.count(readers[0].target) > 1:
        said = ", ".join(
            kind.__name__ if kind else str(node) for kind, node in zip(kinds, readers, strict=True)
        )
        raise ValueError(
            "fold_normalization() needs a network whose images are read by one nn.Conv2d, called once, and "
            f"by nothing else; those of this {type(model).__name__} are read by: {said or 'nothing'}"
        )
    first = model.get_submodule(str(readers[0].target))
    if any(getattr(first, hooks, None) for hooks in HOOKS):
        raise ValueError(
            "fold_normalization() would show a hook of the first convolution pixels: remove it first"
        )
    return cast("nn.Conv2d", first)


def _module(node: fx.Node, modules: dict[str, nn.Module]) -> type[nn.Module] | None:
    """The class of the module that a step calls; None for another step."""
    return type(modules[str(node.target)]) if node.op == "call_module" else None


def _per_channel(name: str, values: float | Sequence[float] | Tensor, first: nn.Conv2d) -> Tensor:
    """A number for each channel of the images, float64 ``(C,)``."""
    channels = first.in_channels
    numbers = given.real_numbers(name, [values] if isinstance(values, (int, float)) else values)
    if len(numbers) not in (1, channels) or not all(map(math.isfinite, numbers)):
        raise ValueError(
            f"{name} must be one finite number or {channels}, one for each channel of images, got {numbers}"
        )
    return torch.tensor(numbers, dtype=torch.float64).expand(channels)
