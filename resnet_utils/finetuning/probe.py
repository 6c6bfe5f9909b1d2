"""A linear head on features that are computed once.

Introduced in chapter 5.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from resnet_utils import runtime
from resnet_utils.evaluation.inference import collected
from resnet_utils.models.anatomy import Anatomy, anatomy
from resnet_utils.models.folding import fuse
from resnet_utils.runtime import given, speed
from resnet_utils.runtime.speed import Fast
from resnet_utils.runtime.types import Batches, Device


@given.explained
def cached_features(
    model: nn.Module, loader: Batches, *, device: Device | None = None, fast: Fast = None
) -> tuple[Tensor, Tensor]:
    """What the head sees for each sample of a loader: features ``(N, C)`` and labels ``(N,)``, on the CPU.

    Computed once in eval mode. With everything but the head frozen they never change, so a head trains on
    them in seconds. That holds only without augmentation, which makes other images each epoch.

    Args:
        model: the network; it is left in the mode it came in.
        loader: images ``(N, C, H, W)`` and labels ``(N,)``, batch by batch.
        device: where to compute; None: where the model lies.
        fast: None, False, True or "auto", as ``runtime.speed`` says. Unless that comes to False, a copy whose
            BatchNorms are folded (``models.fuse``) computes, where it can be made.

    Returns:
        Features and labels. The features are float32, or of the model's own precision, whatever ``fast`` is.
            A folded copy differs by rounding, 16 bits by about a hundredth of a feature's spread.

    Raises:
        ValueError: if ``loader`` yields no sample, or the head gets anything else than one vector an image.
        FloatingPointError: if a feature of finite images is NaN.
        TypeError: if the parts of ``model`` cannot be told (``models.anatomy``).
    """
    body = anatomy(model, caller="cached_features")
    runtime.chosen_device(device, body.model)
    if speed.asked(fast) not in (False, speed.PLAIN):
        body = _folded(body)
    compute = torch.inference_mode()(body.vectors)
    return collected(body.model, loader, compute=compute, caller="cached_features", device=device, fast=fast)


def _folded(body: Anatomy) -> Anatomy:
    """The parts of a copy with its BatchNorms folded, or those at hand where there can be none."""
    try:
        return anatomy(fuse(body.model), caller="cached_features")
    except ValueError:  # torch.fx cannot follow it
        return body


@given.explained
def linear_probe(
    features: Tensor, labels: Tensor, *, num_classes: int, weight_decay: float = 1e-3
) -> nn.Linear:
    """The best linear head for given features: logistic regression.

    Minimises the mean cross-entropy plus ``weight_decay / 2`` times the sum of the squared weights. There is
    one minimum, so no seed and no learning rate enter. Each feature is first brought to mean 0 and standard
    deviation 1, in float64; the returned layer has that folded in and takes the features as they are.
    No gradient flows back into the features. L-BFGS: Liu and Nocedal 1989, doi:10.1007/BF01589116.

    Args:
        features: floats ``(N, C)``, as from ``cached_features``.
        labels: class numbers ``(N,)``.
        num_classes: outputs of the head, at least 2.
        weight_decay: above 0, for standardised features; the larger, the less sure the head is.

    Returns:
        A linear layer ``(N, C) -> (N, num_classes)`` in the features' precision, where they lie.

    Raises:
        ValueError: for shapes that do not fit, labels outside 0 ... ``num_classes`` - 1, a ``weight_decay``
            that is not positive (the best weights could be infinite), or features that are not finite floats.
    """
    features, labels = given.table("features", features), given.table("labels", labels)
    num_classes = given.whole_number("num_classes", num_classes, least=2)
    _check_probe(features, labels, num_classes, given.real_number("weight_decay", weight_decay))
    home = torch.device("cpu") if features.device.type == "mps" else features.device  # MPS has no float64
    x, labels = features.detach().to(home).double(), labels.to(home).long()
    mean, std = x.mean(dim=0), x.std(dim=0, correction=0)
    std = torch.where(std > 0, std, 1.0)  # a constant feature says nothing; its weight stays zero
    x = (x - mean) / std
    # The weights are sought as w @ basis, in which the objective is about equally curved in all directions
    # (softmax's curvature is at most 1/4 of the features' covariance): tens of steps instead of thousands.
    curvature, axes = torch.linalg.eigh(x.T @ x / len(x))
    basis = (axes * (curvature.clamp(min=0) / 4 + weight_decay).rsqrt()) @ axes.T
    w = torch.zeros(num_classes, x.shape[1], dtype=x.dtype, device=x.device, requires_grad=True)
    bias = torch.zeros(num_classes, dtype=x.dtype, device=x.device, requires_grad=True)

    def objective() -> Tensor:
        weight = w @ basis
        loss = nn.functional.cross_entropy(x @ weight.T + bias, labels)
        return loss + weight_decay / 2 * weight.square().sum()

    with torch.enable_grad():
        _minimize(objective, [w, bias])
    weight = (w @ basis / std).detach()
    head = nn.Linear(x.shape[1], num_classes, device=features.device, dtype=features.dtype)
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(bias - weight @ mean)
    return head


def _minimize(objective: Callable[[], Tensor], parameters: list[Tensor]) -> None:
    """Move ``parameters`` to the minimum of a convex float64 ``objective``, to about seven digits."""
    optimizer = torch.optim.LBFGS(
        parameters, max_iter=1000, tolerance_grad=1e-9, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = objective()
        loss.backward()
        return loss

    optimizer.step(closure)


def _check_probe(features: Tensor, labels: Tensor, num_classes: int, weight_decay: float) -> None:
    if features.ndim != 2 or labels.shape != features.shape[:1] or len(labels) == 0:
        raise ValueError(
            "features must be (N, C) and labels (N,) with N > 0, "
            f"got {tuple(features.shape)} and {tuple(labels.shape)}"
        )
    if not features.is_floating_point() or labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(
            f"features must be floats and labels whole numbers, got {features.dtype} and {labels.dtype}"
        )
    if labels.min() < 0 or labels.max() >= num_classes:
        found = f"{int(labels.min())} to {int(labels.max())}"
        raise ValueError(f"labels must lie in 0 to {num_classes - 1}, got {found}")
    if not 0 < weight_decay < math.inf:
        raise ValueError(f"weight_decay must be positive and finite, got {weight_decay}")
    if not torch.isfinite(features).all():
        raise ValueError("features must be finite, got nan or inf")
