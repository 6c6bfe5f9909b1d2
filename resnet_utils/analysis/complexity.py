"""What a network costs and sees: parameters, multiply-adds, memory for training, layers, receptive field.

Introduced in chapter 4.
"""

import copy
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(model: nn.Module, *, trainable_only: bool = False) -> int:
    """Number of parameters of ``model``; a parameter that two layers share counts once.

    Buffers, such as BatchNorm's running statistics, are not parameters.
    """
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable_only)


def multiply_adds(model: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Multiply-adds (MACs) of one forward pass over an input of ``input_shape``, for example ``(1, 3,
    224, 224)``.

    Counts convolutions and matrix products, as published tables do; additions, BatchNorm, ReLU and
    pooling are left out. One MAC is two floating-point operations. Nothing is computed: the pass runs
    on the "meta" device, on a copy.

    Raises:
        ValueError: if ``input_shape`` does not fit the model.
    """
    shadow = _on_meta(model)
    with FlopCounterMode(display=False) as counter:
        _pass_shapes(shadow, input_shape)
    return counter.get_total_flops() // 2


def weighted_layers(model: nn.Module) -> int:
    """The depth in the paper's sense: convolutions and linear layers on the longest way from input to output.

    A projection in a shortcut runs beside its block and is not counted (He et al. 2015, table 1).
    """
    return sum(
        isinstance(module, nn.Conv2d | nn.Linear) and "downsample" not in name
        for name, module in model.named_modules()
    )


def activation_bytes(model: nn.Module, input_shape: tuple[int, ...]) -> dict[str, int]:
    """Bytes that a forward pass in train mode keeps for the backward pass, by direct part of ``model``.

    A convolution and a linear layer keep their input, a BatchNorm its input with one mean and one deviation a
    channel, a ReLU its output, a max-pool its input and the place of each maximum (an int64). What two layers
    keep counts once, for the first of them. Parameters are not counted, and what happens between the layers
    (addition, padding) keeps nothing. Nothing is computed, as in ``multiply_adds``.

    Raises:
        ValueError: if ``input_shape`` does not fit the model, or a layer is of a kind without a rule here.
    """
    shadow = _on_meta(model).train()
    kept: dict[str, list[Tensor]] = {name: [] for name, _ in shadow.named_children()}
    for name, module in shadow.named_modules():
        if not any(module.children()):
            _require_rule(name, module)
            note = partial(_note_kept, kept.setdefault(name.partition(".")[0], []))
            module.register_forward_hook(note)
    _pass_shapes(shadow, input_shape)
    seen: set[int] = set()  # all tensors are alive, so no two have the same id
    total = {}
    for part, tensors in kept.items():
        fresh = {id(tensor): tensor.nbytes for tensor in tensors if id(tensor) not in seen}
        total[part] = sum(fresh.values())
        seen |= set(fresh)
    return total


def receptive_field(model: nn.Module) -> dict[str, tuple[int, int]]:
    """After each direct part of ``model`` up to the global pooling: the side of the square of pixels that
    one place sees, and the step from one place to the next, both in pixels of the image.

    A window of k places at a step of j pixels adds (k - 1) * j to the side; a stride multiplies the step.
    The layers must stand in the order in which they run; projections beside a block see less than its branch
    and are left out. Source: Araujo et al. 2019, doi:10.23915/distill.00021, section "single-path networks".
    """
    side, step, found = 1, 1, {}
    for part, child in model.named_children():
        if isinstance(child, nn.AdaptiveAvgPool2d):
            break  # from here on every number comes from the whole image
        for name, module in child.named_modules():
            if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d) and "downsample" not in name:
                window, stride, dilation = (
                    max(value) if isinstance(value, tuple) else value
                    for value in (module.kernel_size, module.stride, getattr(module, "dilation", 1))
                )
                side += (window - 1) * dilation * step
                step *= stride
        found[part] = (side, step)
    return found


def _require_rule(name: str, module: nn.Module) -> None:
    """Refuse a layer of torch's that ``_note_kept`` knows nothing about; a module without weights is glue."""
    known = (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.Identity)
    is_layer = type(module).__module__.startswith("torch.nn") or any(True for _ in module.parameters())
    if is_layer and not isinstance(module, (*known, nn.Flatten)):
        raise ValueError(f"there is no rule for what {name!r} ({type(module).__name__}) keeps")
    if isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size not in (1, (1, 1)):
        raise ValueError(f"there is no rule for what {name!r} keeps, unless it pools to a single place")


def _note_kept(kept: list[Tensor], module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
    """Add to ``kept`` what one layer needs again in the backward pass."""
    if isinstance(module, nn.ReLU):
        kept.append(out)
    elif isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d | nn.MaxPool2d):
        kept.append(inputs[0])
    if isinstance(module, nn.BatchNorm2d):
        kept.append(out.new_empty(2, module.num_features))
    if isinstance(module, nn.MaxPool2d):
        kept.append(torch.empty(out.shape, dtype=torch.int64, device="meta"))


def _pass_shapes(shadow: nn.Module, input_shape: tuple[int, ...]) -> None:
    """A forward pass of a model on the "meta" device.

    Raises:
        ValueError: if the shape does not fit.
    """
    try:
        with torch.no_grad():
            shadow(torch.empty(input_shape, device="meta"))
    except RuntimeError as error:
        raise ValueError(f"an input of shape {tuple(input_shape)} does not fit the model: {error}") from error


def _on_meta(model: nn.Module) -> nn.Module:
    """A copy of ``model`` in eval mode whose tensors have shapes but no values."""
    memo = {id(tensor): tensor.to("meta") for tensor in model.buffers()}
    memo |= {id(p): nn.Parameter(p.to("meta"), requires_grad=p.requires_grad) for p in model.parameters()}
    return copy.deepcopy(model, memo).eval()
