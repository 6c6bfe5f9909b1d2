"""Slices of the loss surface: random directions that fit a network, and the loss along one or two of them.

Introduced in chapter 2.

A slice leaves the network exactly as it was: the moved weights, and copies of the buffers, are handed to
``torch.func.functional_call``. The network works in the mode it comes in. In train mode BatchNorm takes its
statistics from the batch at hand, so the slice does not depend on the scale of the layers in front of it.
Source: Li et al. 2018, arXiv:1712.09913, section 4.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from resnet_utils import runtime
from resnet_utils.runtime import given

Direction = dict[str, Tensor]  # one tensor for each parameter, by name and of its shape


@given.explained
def filter_norms(weight: Tensor) -> Tensor:
    """Euclidean norm of each filter: ``(out, ...) -> (out,)``, float64, on the CPU.

    A filter is what makes one output: a row of a linear layer's matrix, a kernel with all its input channels.

    Args:
        weight: a matrix or a kernel.

    Raises:
        ValueError: if ``weight`` has less than two dimensions, or complex numbers.
    """
    if weight.ndim < 2 or weight.is_complex():
        raise ValueError(
            f"a weight with filters has real numbers in two dimensions or more, got {weight.dtype} "
            f"{tuple(weight.shape)}"
        )
    return weight.detach().cpu().double().flatten(1).norm(dim=1)


@given.explained
def random_direction(model: nn.Module, *, seed: int) -> Direction:
    """A random direction in weight space, in which each filter is as long as the model's own.

    Gaussian, drawn on the CPU from ``seed``. Entries for one-dimensional parameters (biases, and the scales
    and shifts of a BatchNorm) are zero, as in the source. A step of 1 changes each filter by its own norm.

    Args:
        model: any module; the direction lies where its parameters lie.
        seed: decides the direction.

    Raises:
        ValueError: if ``model`` has no parameter of two or more dimensions, or ``seed`` is no whole number
            from 0 up.
    """
    seed = given.whole_number("seed", seed, least=0)
    generator = torch.Generator().manual_seed(seed)
    direction = {name: torch.zeros_like(p, requires_grad=False) for name, p in model.named_parameters()}
    weights = {name: p for name, p in model.named_parameters() if p.ndim > 1}
    if not weights:
        raise ValueError(
            f"the model, a {type(model).__name__}, has no parameter of two or more dimensions to move"
        )
    for name, weight in weights.items():
        noise = torch.randn(weight.shape, generator=generator, dtype=torch.float64, device="cpu")
        ratio = filter_norms(weight) / filter_norms(noise)  # (out,)
        direction[name] = (noise * ratio.reshape(-1, *[1] * (weight.ndim - 1))).to(weight)
    return direction


@given.explained
@torch.no_grad()
def loss_slice(
    model: nn.Module,
    x: Tensor,
    *,
    loss_function: Callable[[Tensor], Tensor],
    directions: Sequence[Direction],
    ticks: Sequence[float],
) -> Tensor:
    """The loss along one direction, ``(T,)``, or over the plane of two, ``(T, T)``; float64, on the CPU.

    Entry ``[i, j]`` belongs to weights + ``ticks[i]`` * first direction + ``ticks[j]`` * second direction.
    Each entry costs one forward pass. Not a bit of ``model`` changes, running statistics included.

    Args:
        model: any module, in the mode that is wanted.
        x: its input; moved to where it lies.
        loss_function: makes a single number of the model's output.
        directions: one or two, each with a tensor for each parameter (``random_direction``).
        ticks: the T steps along each of them.

    Raises:
        ValueError: if there are not one or two directions, one does not fit the parameters of ``model``,
            ``ticks`` are no numbers, or ``model`` or ``loss_function`` cannot take what it gets.
        TypeError: if ``loss_function`` cannot be called.
    """
    if len(directions) not in (1, 2):
        raise ValueError(f"a slice has one or two directions, got {len(directions)}")
    parameters = dict(model.named_parameters())
    shapes = {name: p.shape for name, p in parameters.items()}
    for direction in directions:
        if {name: d.shape for name, d in direction.items()} != shapes:
            raise ValueError(
                "a direction needs one tensor for each parameter of the model, of its name and shape; got "
                f"{len(direction)} tensors for the {len(shapes)} parameters of a {type(model).__name__}"
            )
    if not (ticks := given.real_numbers("ticks", ticks)):
        raise ValueError("ticks must be one number or more, got none")
    x, losses = x.to(runtime.device_of(model)), []
    for steps in itertools.product(ticks, repeat=len(directions)):
        state = {name: buffer.clone() for name, buffer in model.named_buffers()}
        for name, parameter in parameters.items():
            moves = [step * d[name].to(parameter.device) for step, d in zip(steps, directions, strict=True)]
            state[name] = parameter + sum(moves)
        moved = partial(torch.func.functional_call, model, state)
        loss = given.answer_of(loss_function, given.answer_of(moved, x, name="model"), name="loss_function")
        if loss.numel() != 1 or loss.is_complex():
            raise ValueError(
                f"loss_function must return a single number, got {loss.dtype} {tuple(loss.shape)}"
            )
        losses.append(loss.cpu().double())
    return torch.stack(losses).reshape([len(ticks)] * len(directions))


@given.explained
def nonconvexity(losses: Tensor) -> Tensor:
    """How much a curve bends downward: ``(..., T) -> (...)``, 0 for a convex curve and 1 for a concave one.

    The curve is taken at evenly spaced points. Of its second differences, the sizes of the negative ones are
    added up and divided by the sum of all sizes. The unit and an offset of the loss do not matter.

    Args:
        losses: one curve or more, of T points in the last dimension.

    Raises:
        ValueError: for less than three points, what is no real number, or a curve without any bend.
    """
    if losses.ndim == 0 or losses.is_complex() or losses.dtype == torch.bool:
        raise ValueError(f"losses must be real numbers (..., T), got {losses.dtype} {tuple(losses.shape)}")
    if losses.shape[-1] < 3:
        raise ValueError(f"a bend takes three points or more, got {losses.shape[-1]}")
    bends = losses.diff(n=2, dim=-1)
    total = bends.abs().sum(dim=-1)
    if (total == 0).any():
        raise ValueError("a straight line bends nowhere, so there is no share to give")
    return bends.clamp(max=0).abs().sum(dim=-1) / total
