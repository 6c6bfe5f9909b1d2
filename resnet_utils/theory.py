"""Probes that look inside a network: Jacobians, gradient norms, shattered gradients, signal variance, paths.

Introduced in chapter 2.

Nothing here builds or trains a network, and nothing changes the one it is given: gradients come from
``torch.autograd.grad``, which writes no ``.grad``. Feed float64 where digits matter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

Function = Callable[[Tensor], Tensor]


def relative_error(value: Tensor, truth: Tensor) -> float:
    """``|value - truth| / |truth|`` with the Euclidean (Frobenius) norm, a pure number.

    Raises:
        ValueError: if the shapes differ, or ``truth`` is zero.
    """
    if value.shape != truth.shape:
        raise ValueError(f"both tensors need one shape, got {tuple(value.shape)} and {tuple(truth.shape)}")
    scale = truth.norm()
    if scale == 0:
        raise ValueError("the truth is zero everywhere, so a relative error has no meaning")
    return ((value - truth).norm() / scale).item()


def jacobian(function: Function, x: Tensor) -> Tensor:
    """The matrix of all partial derivatives of ``function`` at ``x``: ``(outputs, inputs)``.

    ``x`` may have any shape; it and the output are flattened, so ``J[i, j]`` is d out.flatten()[i] /
    d x.flatten()[j]. Costs one backward pass for each output.

    Raises:
        ValueError: if ``x`` is not floating point.
    """
    if not x.is_floating_point():
        raise ValueError(f"a Jacobian needs a floating-point x, got {x.dtype}")
    point = x.detach().clone().requires_grad_()
    out = function(point).flatten()  # (outputs,)
    if not out.requires_grad:  # a constant
        return out.new_zeros(out.numel(), x.numel())
    rows = [
        torch.autograd.grad(value, point, retain_graph=True, materialize_grads=True)[0].flatten()
        for value in out
    ]
    return torch.stack(rows)  # (outputs, inputs)


def gradient_norms(loss: Tensor, model: nn.Module) -> dict[str, float]:
    """Euclidean norm of d loss / d weight for every weight matrix and kernel, by parameter name, in order.

    Scales, shifts and biases (one-dimensional parameters) are left out: they are another kind of quantity.
    The graph of ``loss`` is freed.

    Raises:
        ValueError: if ``loss`` is not a single number, or ``model`` has no weight that it depends on.
    """
    if loss.numel() != 1:
        raise ValueError(f"loss must be a single number, got shape {tuple(loss.shape)}")
    weights = {name: p for name, p in model.named_parameters() if p.ndim > 1 and p.requires_grad}
    if not weights:
        raise ValueError("the model has no trainable weight of two or more dimensions")
    gradients = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
    found = zip(weights, gradients, strict=True)
    return {name: gradient.norm().item() for name, gradient in found if gradient is not None}


def input_gradients(network: Function, points: Tensor) -> Tensor:
    """dy/dx at every point: ``(P,)`` for a ``network`` that maps ``(P,)`` points to ``(P,)`` outputs.

    It is the gradient of the sum of the outputs. That is dy/dx point by point only if an output depends
    on its own point alone, so the network must treat batch statistics as constants (``detach`` them).

    Raises:
        ValueError: if ``points`` is not one-dimensional, or the output has another shape.
    """
    if points.ndim != 1:
        raise ValueError(f"points must be one-dimensional, got shape {tuple(points.shape)}")
    x = points.detach().clone().requires_grad_()
    y = network(x)
    if y.shape != x.shape:
        raise ValueError(f"the network must give one output a point, {tuple(x.shape)}, got {tuple(y.shape)}")
    return torch.autograd.grad(y.sum(), x)[0]


def autocorrelation(series: Tensor, lag: int = 1) -> Tensor:
    """Correlation of a series with itself ``lag`` points later: ``(..., P) -> (...)``, in [-1, 1].

    The mean is taken off first, and the sum of products is divided by the sum of squares of the whole
    series (the usual estimator; it is biased towards zero by a factor of about ``1 - lag / P``).
    Near 0: neighbours know nothing of each other (white noise). Near 1: a smooth curve.

    Raises:
        ValueError: if ``lag`` is not between 0 and P - 1, or a series is constant.

    Source: Balduzzi et al. 2017, arXiv:1702.08591, section 2.
    """
    num_points = series.shape[-1]
    if not 0 <= lag < num_points:
        raise ValueError(f"lag must be between 0 and {num_points - 1}, got {lag}")
    centred = series - series.mean(dim=-1, keepdim=True)
    energy = centred.square().sum(dim=-1)
    if (energy == 0).any():
        raise ValueError("a constant series has no autocorrelation")
    return (centred[..., : num_points - lag] * centred[..., lag:]).sum(dim=-1) / energy


@torch.no_grad()
def branch_share(blocks: Sequence[Function], x: Tensor) -> tuple[Tensor, Tensor]:
    """Variance after each block, and the branch's share of it: two tensors ``(num_blocks,)``.

    A block must be ``x + F(x)`` with nothing after the addition; its branch is taken to be
    ``block(x) - x``. The variance is over the batch (dimension 0), averaged over everything else.

    Raises:
        ValueError: if a block changes the shape, so that it has no identity shortcut.

    Source: De and Smith 2020, arXiv:2002.10444, section 3.
    """
    variances, shares = [], []
    for index, block in enumerate(blocks):
        out = block(x)
        if out.shape != x.shape:
            raise ValueError(f"block {index} turns {tuple(x.shape)} into {tuple(out.shape)}: no identity")
        total = out.var(dim=0, correction=0).mean()
        variances.append(total)
        shares.append((out - x).var(dim=0, correction=0).mean() / total)
        x = out
    return torch.stack(variances), torch.stack(shares)


def path_lengths(num_blocks: int, probability: float = 0.5) -> Tensor:
    """Share of the paths that go through 0, 1, ... ``num_blocks`` branches: ``(num_blocks + 1,)``, sums to 1.

    Each block doubles the number of paths, one through its branch and one around it, so the lengths are
    binomial. With a ``probability`` other than 1/2, a path through k branches weighs
    ``p**k * (1 - p)**(num_blocks - k)``.

    Raises:
        ValueError: if ``num_blocks`` is negative, or ``probability`` is outside [0, 1].

    Source: Veit et al. 2016, arXiv:1605.06431, section 3.
    """
    if num_blocks < 0:
        raise ValueError(f"num_blocks must not be negative, got {num_blocks}")
    if not 0 <= probability <= 1:
        raise ValueError(f"probability must be between 0 and 1, got {probability}")
    p, q = probability, 1 - probability
    shares = [math.comb(num_blocks, k) * p**k * q ** (num_blocks - k) for k in range(num_blocks + 1)]
    return torch.tensor(shares, dtype=torch.float64)


def path_terms(jacobians: Tensor) -> Tensor:
    """Sum over all paths of each length: ``(L, d, d)`` branch Jacobians -> ``(L + 1, d, d)``.

    Entry k is the sum of the products of k branch Jacobians, over every choice of k blocks, later blocks
    on the left. All entries together add up to the product of ``I + J``: the 2**L paths, sorted by
    length. One sweep over the blocks does it, because a path of length k either goes around the next
    block or reaches it with length k - 1.

    Raises:
        ValueError: if ``jacobians`` is not a stack of square matrices.
    """
    if jacobians.ndim != 3 or jacobians.shape[1] != jacobians.shape[2]:
        raise ValueError(f"jacobians must be (L, d, d), got shape {tuple(jacobians.shape)}")
    num_blocks, width, _ = jacobians.shape
    terms = jacobians.new_zeros(num_blocks + 1, width, width)
    terms[0] = torch.eye(width, dtype=jacobians.dtype, device=jacobians.device)
    for branch in jacobians:
        through = branch @ terms[:-1]  # one branch longer
        terms[1:] = terms[1:] + through
    return terms
