"""What a network costs: parameters, multiply-adds and weighted layers.

Introduced in chapter 4.
"""

import copy

import torch
from torch import nn
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
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            shadow(torch.empty(input_shape, device="meta"))
    except RuntimeError as error:
        raise ValueError(f"an input of shape {tuple(input_shape)} does not fit the model: {error}") from error
    return counter.get_total_flops() // 2


def weighted_layers(model: nn.Module) -> int:
    """The depth in the paper's sense: convolutions and linear layers on the longest way from input to output.

    A projection in a shortcut runs beside its block and is not counted (He et al. 2015, table 1).
    """
    return sum(
        isinstance(module, nn.Conv2d | nn.Linear) and "downsample" not in name
        for name, module in model.named_modules()
    )


def _on_meta(model: nn.Module) -> nn.Module:
    """A copy of ``model`` in eval mode whose tensors have shapes but no values."""
    memo = {id(tensor): tensor.to("meta") for tensor in model.buffers()}
    memo |= {id(p): nn.Parameter(p.to("meta"), requires_grad=p.requires_grad) for p in model.parameters()}
    return copy.deepcopy(model, memo).eval()
