"""Probes that look inside a network: Jacobians, gradient norms, shattered gradients, signal variance, paths.

Introduced in chapter 2.

Nothing here builds or trains a network, and nothing changes the one it is given: gradients come from
``torch.autograd.grad``, which writes no ``.grad``. Feed float64 where digits matter.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from resnet_utils.runtime import given

Function = Callable[[Tensor], Tensor]


@given.explained
def relative_error(value: Tensor, truth: Tensor) -> float:
    """``|value - truth| / |truth|`` with the Euclidean (Frobenius) norm, a pure number.

    Args:
        value: what was computed.
        truth: what it should be, of the same shape, floating point or complex.

    Raises:
        ValueError: if the shapes differ, ``truth`` is zero, or it holds no such numbers.
    """
    if value.shape != truth.shape:
        raise ValueError(f"both tensors need one shape, got {tuple(value.shape)} and {tuple(truth.shape)}")
    if not (truth.is_floating_point() or truth.is_complex()):
        raise ValueError(f"truth must be floating point or complex, got {truth.dtype}")
    scale = truth.norm()
    if scale == 0:
        raise ValueError("the truth is zero everywhere, so a relative error has no meaning")
    return ((value - truth).norm() / scale).item()


@given.explained
@torch.enable_grad()  # where a caller has switched gradients off, every function would look constant
def jacobian(function: Function, x: Tensor) -> Tensor:
    """The matrix of all partial derivatives of ``function`` at ``x``: ``(outputs, inputs)``.

    ``x`` may have any shape; it and the output are flattened, so ``J[i, j]`` is d out.flatten()[i] /
    d x.flatten()[j]. Costs one backward pass for each output.

    Args:
        function: maps a tensor like ``x`` to a tensor of real numbers; a module is one.
        x: the point, floating point; it is left as it is.

    Raises:
        ValueError: if ``x`` is not floating point, or ``function`` cannot take it or gives no such tensor.
        TypeError: if ``function`` cannot be called.
    """
    if not x.is_floating_point():
        raise ValueError(f"a Jacobian needs a floating-point x, got {x.dtype}")
    point = x.detach().clone().requires_grad_()
    out = _real(given.answer_of(function, point, name="function"), name="function").flatten()  # (outputs,)
    if not out.requires_grad or not out.numel():  # a constant
        return out.new_zeros(out.numel(), x.numel())
    rows = [
        torch.autograd.grad(value, point, retain_graph=True, materialize_grads=True)[0].flatten()
        for value in out
    ]
    return torch.stack(rows)  # (outputs, inputs)


def _real(out: Tensor, *, name: str) -> Tensor:
    """What ``name`` has returned, if these are real numbers."""
    if out.is_complex():
        raise ValueError(f"{name} must return real numbers, got {out.dtype}")
    return out


@given.explained
def gradient_norms(loss: Tensor, model: nn.Module) -> dict[str, float]:
    """Euclidean norm of d loss / d weight for every weight matrix and kernel, by parameter name, in order.

    Scales, shifts and biases (one-dimensional parameters) are left out: they are another kind of quantity.
    The graph of ``loss`` is freed.

    Args:
        loss: a single number, with its graph.
        model: what it was computed with.

    Raises:
        ValueError: if ``loss`` is not a single number with a graph, or ``model`` has no weight that it
            depends on.
    """
    if loss.numel() != 1 or not loss.is_floating_point():
        raise ValueError(f"loss must be a single number, got {loss.dtype} of shape {tuple(loss.shape)}")
    weights = {name: p for name, p in model.named_parameters() if p.ndim > 1 and p.requires_grad}
    if not weights:
        raise ValueError(
            "the model has no trainable weight of two or more dimensions to look at, got a "
            f"{type(model).__name__}"
        )
    if not loss.requires_grad:
        raise ValueError(
            "loss must come with its graph, got a number alone, as after .item(), .detach() or in no_grad()"
        )
    gradients = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
    found = zip(weights, gradients, strict=True)
    norms = {name: gradient.norm().item() for name, gradient in found if gradient is not None}
    if not norms:
        raise ValueError("loss depends on no weight of the model: it was computed with another network")
    return norms


@given.explained
@torch.enable_grad()
def input_gradients(network: Function, points: Tensor) -> Tensor:
    """dy/dx at every point: ``(P,)`` for a ``network`` that maps ``(P,)`` points to ``(P,)`` outputs.

    It is the gradient of the sum of the outputs. That is dy/dx point by point only if an output depends
    on its own point alone, so the network must treat batch statistics as constants (``detach`` them).

    Args:
        network: the function.
        points: where to take the derivative, ``(P,)``.

    Raises:
        ValueError: if ``points`` is not one-dimensional and floating point, or ``network`` cannot take them
            or gives anything else than one real number a point.
        TypeError: if ``network`` cannot be called.
    """
    if points.ndim != 1:
        raise ValueError(f"points must be one-dimensional, got shape {tuple(points.shape)}")
    if not points.is_floating_point():
        raise ValueError(f"points must be floating point, got {points.dtype}")
    x = points.detach().clone().requires_grad_()
    y = _real(given.answer_of(network, x, name="network"), name="network")
    if y.shape != x.shape:
        raise ValueError(f"the network must give one output a point, {tuple(x.shape)}, got {tuple(y.shape)}")
    if not y.requires_grad:  # a constant
        return torch.zeros_like(points)
    return torch.autograd.grad(y.sum(), x, materialize_grads=True)[0]


@given.explained
def autocorrelation(series: Tensor, *, lag: int = 1) -> Tensor:
    """Correlation of a series with itself ``lag`` points later: ``(..., P) -> (...)``, in [-1, 1].

    The mean is taken off first, and the sum of products is divided by the sum of squares of the whole
    series (the usual estimator; it is biased towards zero by a factor of about ``1 - lag / P``).
    Near 0: neighbours know nothing of each other (white noise). Near 1: a smooth curve.

    Args:
        series: one or more series, floating point, of P points in the last dimension.
        lag: distance in points, from 0 to P - 1.

    Raises:
        ValueError: if ``lag`` is not between 0 and P - 1, or a series is constant or not floating point.

    Source: Balduzzi et al. 2017, arXiv:1702.08591, section 2.
    """
    if series.ndim == 0 or not series.is_floating_point():
        raise ValueError(
            f"series must be floating point, with points in the last dimension, got {series.dtype} "
            f"{tuple(series.shape)}"
        )
    num_points, lag = series.shape[-1], given.whole_number("lag", lag, least=0)
    if not 0 <= lag < num_points:
        raise ValueError(f"lag must be between 0 and {num_points - 1}, got {lag}")
    centred = series - series.mean(dim=-1, keepdim=True)
    energy = centred.square().sum(dim=-1)
    if (energy == 0).any():
        raise ValueError("a constant series has no autocorrelation")
    return (centred[..., : num_points - lag] * centred[..., lag:]).sum(dim=-1) / energy
