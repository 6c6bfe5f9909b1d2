"""What a network costs and sees: parameters, multiply-adds, memory for training, layers, receptive field.

Introduced in chapter 4.
"""

import copy
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from resnet_utils.models.variants import SqueezeExcite, StochasticDepth
from resnet_utils.runtime import given


@given.explained
def count_parameters(model: nn.Module, *, trainable_only: bool = False) -> int:
    """Number of parameters of ``model``; a parameter that two layers share counts once.

    Buffers, such as BatchNorm's running statistics, are not parameters.

    Args:
        model: any module.
        trainable_only: leave out frozen ones, whose ``requires_grad`` is False.

    Raises:
        ValueError: if ``trainable_only`` is neither True nor False.
    """
    trainable_only = given.yes_or_no("trainable_only", trainable_only)
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable_only)


@given.explained
def multiply_adds(model: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Multiply-adds (MACs) of one forward pass.

    Counts convolutions and matrix products, as published tables do; additions, BatchNorm, ReLU and
    pooling are left out. One MAC is two floating-point operations. Nothing is computed: the pass runs
    on the "meta" device, on a copy in eval mode.

    Args:
        model: any module with one input; it stays as it is.
        input_shape: shape of the input with the number of images in front, for example ``(1, 3, 224, 224)``.

    Raises:
        ValueError: if ``input_shape`` does not fit the model.
    """
    shadow = _on_meta(model)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        _pass_shapes(shadow, input_shape)
    return counter.get_total_flops() // 2


@given.explained
def weighted_layers(model: nn.Module) -> int:
    """The depth in the paper's sense: convolutions and linear layers on the longest way from input to output.

    A projection in a shortcut runs beside its block and is not counted (He et al. 2015, table 1), nor is
    squeeze-and-excitation, which runs beside a branch (Hu et al. 2018, table 1).

    Args:
        model: a network whose side ways are called ``downsample`` and ``se``, as in ``models``.
    """
    return sum(
        isinstance(module, nn.Conv2d | nn.Linear) and not _is_beside(name)
        for name, module in model.named_modules()
    )


@given.explained
def activation_bytes(model: nn.Module, input_shape: tuple[int, ...]) -> dict[str, int]:
    """Bytes that a forward pass in train mode keeps for the backward pass, by direct part of ``model``.

    A convolution and a linear layer keep their input, a BatchNorm its input with one mean and one deviation a
    channel, a ReLU its output, an average pool its input, a max-pool its input and the place of each maximum
    (an int64), squeeze-and-excitation its input and the factors, stochastic depth its draws. What two layers
    keep counts once, for the first of them. Parameters are not counted, and all of them are taken to learn.
    What happens between the layers must keep nothing, as addition and padding do: what autograd keeps in all
    is counted too, and has to be the same. Nothing is computed, as in ``multiply_adds``.

    Args:
        model: any module with one input; it stays as it is.
        input_shape: shape of the input with the number of images in front, for example ``(64, 3, 32, 32)``.

    Raises:
        ValueError: if ``input_shape`` does not fit the model, a layer is of a kind without a rule here, or
            something is kept between the layers.
    """
    shadow = _on_meta(model).train().requires_grad_()
    kept: dict[str, list[Tensor]] = {name: [] for name, _ in shadow.named_children()}
    for name, module in shadow.named_modules():
        is_layer = not any(module.children())
        if is_layer:
            _require_rule(name, module)
        if is_layer or isinstance(module, SqueezeExcite):
            note = partial(_note_kept, kept.setdefault(name.partition(".")[0], []))
            module.register_forward_hook(note)
    in_all = _kept_by_autograd(shadow, input_shape)
    seen: set[int] = set()  # all tensors are alive, so no two have the same id
    total = {}
    for part, tensors in kept.items():
        fresh = {id(tensor): tensor.nbytes for tensor in tensors if id(tensor) not in seen}
        total[part] = sum(fresh.values())
        seen |= set(fresh)
    if sum(total.values()) != in_all:
        raise ValueError(
            f"by the rules for its layers the model keeps {sum(total.values())} bytes, but autograd keeps "
            f"{in_all}: there is no rule for what it computes between them"
        )
    return total


@given.explained
def receptive_field(model: nn.Module) -> dict[str, tuple[int, int]]:
    """After each direct part of ``model`` up to the global pooling: the side of the square of pixels that
    one place sees, and the step from one place to the next, both in pixels of the image.

    A window of k places at a step of j pixels adds (k - 1) * j to the side; a stride multiplies the step.
    Projections beside a block see less than its branch and are left out; so is squeeze-and-excitation, whose
    factors depend on the whole image.

    Args:
        model: a network whose layers stand in the order in which they run, and whose side ways are called
            ``downsample`` and ``se``, as in ``models``.

    Source: Araujo et al. 2019, doi:10.23915/distill.00021, section "single-path networks".
    """
    side, step, found = 1, 1, {}
    for part, child in model.named_children():
        if isinstance(child, nn.AdaptiveAvgPool2d):
            break  # from here on every number comes from the whole image
        for name, module in child.named_modules():
            if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d) and not _is_beside(name):
                window, stride, dilation = (
                    max(value) if isinstance(value, tuple) else value
                    for value in (module.kernel_size, module.stride, getattr(module, "dilation", 1))
                )
                side += (window - 1) * dilation * step
                step *= stride
        found[part] = (side, step)
    return found


def _is_beside(name: str) -> bool:
    """Whether a layer of this name runs beside the longest way from input to output."""
    return not {"downsample", "se"}.isdisjoint(name.split("."))


def _require_rule(name: str, module: nn.Module) -> None:
    """Refuse a layer of torch's that ``_note_kept`` knows nothing about; a module without weights is glue."""
    known = (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, nn.AvgPool2d)
    known += (nn.AdaptiveAvgPool2d, nn.Identity)
    is_layer = type(module).__module__.startswith("torch.nn") or any(True for _ in module.parameters())
    if is_layer and not isinstance(module, (*known, nn.Flatten)):
        raise ValueError(f"there is no rule for what {name!r} ({type(module).__name__}) keeps")
    if isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size not in (1, (1, 1)):
        raise ValueError(f"there is no rule for what {name!r} keeps, unless it pools to a single place")


def _note_kept(kept: list[Tensor], module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
    """Add to ``kept`` what one layer needs again in the backward pass."""
    if isinstance(module, nn.ReLU):
        kept.append(out)
    elif isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d | nn.MaxPool2d | nn.AvgPool2d):
        kept.append(inputs[0])
    elif isinstance(module, SqueezeExcite):  # a factor for each channel of each image
        kept += [inputs[0], out.new_empty(out.shape[:2])]
    elif isinstance(module, StochasticDepth) and module.drop > 0:  # a draw for each image
        kept.append(out.new_empty(len(out)))
    if isinstance(module, nn.BatchNorm2d):
        kept.append(out.new_empty(2, module.num_features))
    if isinstance(module, nn.MaxPool2d):
        kept.append(torch.empty(out.shape, dtype=torch.int64, device="meta"))


def _kept_by_autograd(shadow: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Bytes that autograd keeps in a forward pass on the "meta" device, besides parameters and buffers."""
    own = {_memory(tensor) for tensor in (*shadow.parameters(), *shadow.buffers())}
    kept: dict[int, Tensor] = {}

    def note(tensor: Tensor) -> Tensor:
        kept[_memory(tensor)] = tensor  # held, so that no other tensor gets its memory
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        _pass_shapes(shadow, input_shape)
    return sum(t.untyped_storage().nbytes() for memory, t in kept.items() if memory not in own)


def _memory(tensor: Tensor) -> int:
    """What tells one piece of memory from another; an address does not, on the "meta" device."""
    return tensor.untyped_storage()._cdata


def _pass_shapes(shadow: nn.Module, input_shape: tuple[int, ...]) -> None:
    """A forward pass of a model on the "meta" device.

    Raises:
        ValueError: if the shape does not fit.
    """
    try:
        shadow(torch.empty(input_shape, device="meta"))
    except RuntimeError as error:
        raise ValueError(f"an input of shape {tuple(input_shape)} does not fit the model: {error}") from error


def _on_meta(model: nn.Module) -> nn.Module:
    """A copy of ``model`` in eval mode whose tensors have shapes but no values."""
    memo = {id(tensor): tensor.to("meta") for tensor in model.buffers()}
    memo |= {id(p): nn.Parameter(p.to("meta"), requires_grad=p.requires_grad) for p in model.parameters()}
    return copy.deepcopy(model, memo).eval()
