"""The first weights of a network, drawn in one place for the whole package.

Introduced in chapters 2 and 4.

He's normal distribution keeps the size of a signal through convolutions and ReLUs, so that a deep network can
begin to learn. Mirrored weights make a chain of linear layers and ReLUs linear at its start.
Sources: He et al. 2015, arXiv:1502.01852, section 2.2; Balduzzi et al. 2017, arXiv:1702.08591, section 5.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from resnet_utils.runtime import given


@given.explained
def he_normal(weight: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
    """Fill ``weight`` in place with draws of mean 0 and variance 2 / fan, and return it.

    Args:
        weight: a kernel ``(out, in / groups, h, w)``, whose fan is what one input reaches, ``out * h * w``
            ("fan-out", as in torchvision), or a matrix ``(out, in)``, whose fan is ``in`` ("fan-in").
        generator: a generator of the CPU. Draws are then made in float64, which is the same on every CPU, and
            rounded once. Without it torch's global generator draws on the weight's device, as torchvision's.

    Raises:
        ValueError: if ``weight`` is no kernel or matrix of floats.
    """
    if weight.ndim < 2 or not weight.is_floating_point() or weight.numel() == 0:
        raise ValueError(
            f"weight must be floats in two dimensions or more, got {weight.dtype} {tuple(weight.shape)}"
        )
    mode = "fan_out" if weight.ndim > 2 else "fan_in"
    if generator is None:
        return nn.init.kaiming_normal_(weight, mode=mode, nonlinearity="relu")
    fan = weight[:, 0].numel() if weight.ndim > 2 else weight.shape[1]
    drawn = torch.randn(weight.shape, generator=generator, dtype=torch.float64, device="cpu")
    with torch.no_grad():
        return weight.copy_(drawn * (2 / fan) ** 0.5)


@given.explained
def he_start(
    model: nn.Module,
    *,
    layers: tuple[type[nn.Conv2d] | type[nn.Linear], ...] = (nn.Conv2d,),
    generator: torch.Generator | None = None,
) -> None:
    """Draw the weights of ``model`` in place by ``he_normal``, layer by layer in the order of registration.

    Biases and BatchNorms stay as they are.

    Args:
        model: any module.
        layers: the kinds of layer that are drawn; convolutions alone, unless given, as in torchvision.
        generator: see ``he_normal``.

    Raises:
        ValueError: as ``he_normal``, for the weight of a layer.
    """
    for module in model.modules():
        if isinstance(module, layers):
            he_normal(module.weight, generator=generator)


@given.explained
@torch.no_grad()
def looks_linear(layers: Sequence[nn.Linear], *, generator: torch.Generator) -> None:
    """Give a chain of linear layers with ReLUs between them, in place, a start at which it is a linear map.

    Half of the units are the mirror image of the other half: the first layer becomes ``[w; -w]``, a layer
    between ``[[w, -w], [-w, w]]``, the last ``[w, -w]``, so that ``relu(z) - relu(-z) = z`` undoes each ReLU.
    Each w has orthonormal columns, or rows where it is wider than high; biases become zero.

    Args:
        layers: two or more, each reading as many numbers as the one before writes; between them even numbers.
        generator: of the CPU; draws in float64, rounded once, layer by layer.

    Raises:
        ValueError: if there are fewer than two layers, two neighbours do not fit, or a width between is odd.
        TypeError: if ``generator`` is none.

    Source: Balduzzi et al. 2017, arXiv:1702.08591, section 5.
    """
    given.of_kind("generator", generator, torch.Generator)
    if len(layers) < 2:
        raise ValueError(f"a chain needs at least two layers with a ReLU between them, got {len(layers)}")
    for index, (layer, after) in enumerate(pairwise(layers)):
        if layer.out_features != after.in_features or layer.out_features % 2:
            raise ValueError(
                f"layer {index} writes {layer.out_features} numbers and layer {index + 1} reads "
                f"{after.in_features}; both must be the same even number, half of it the mirror of the other"
            )
    for index, layer in enumerate(layers):
        rows, columns = layer.weight.shape
        mirrored_out, mirrored_in = index < len(layers) - 1, index > 0
        shape = (rows // 2 if mirrored_out else rows, columns // 2 if mirrored_in else columns)
        w = _orthonormal(shape, generator)
        if mirrored_in:
            w = torch.cat([w, -w], dim=1)
        layer.weight.copy_(torch.cat([w, -w]) if mirrored_out else w)
        if layer.bias is not None:
            layer.bias.zero_()


def _orthonormal(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """A random float64 matrix with orthonormal columns, or rows where it is wider than high."""
    high, low = max(shape), min(shape)
    drawn = torch.randn(high, low, generator=generator, dtype=torch.float64, device="cpu")
    q, r = torch.linalg.qr(drawn)
    q = q * r.diagonal().sign()  # else the signs are those of the decomposition, not of chance
    return q if shape == (high, low) else q.T


@given.explained
def redraw(module: nn.Module) -> None:
    """Give one layer, in place, fresh weights such as it has in a network just built; other modules stay.

    Drawn on the CPU by torch's global generator, so that a seed gives the same weights on every device.

    Args:
        module: a convolution (``he_normal``; a bias uniformly, as torch does), a linear layer (torch's own
            start) or a BatchNorm, whose running statistics begin anew too.

    Raises:
        TypeError: if it is no module.
    """
    given.of_kind("module", module, nn.Module)
    if isinstance(module, nn.Conv2d):
        module.weight.data.copy_(he_normal(torch.empty(module.weight.shape, device="cpu")))
        if module.bias is not None:
            bound = module.weight[0].numel() ** -0.5
            module.bias.data.copy_(torch.empty(module.bias.shape, device="cpu").uniform_(-bound, bound))
    elif isinstance(module, nn.Linear):
        fresh = nn.Linear(module.in_features, module.out_features, module.bias is not None, device="cpu")
        module.load_state_dict(fresh.state_dict())
    elif isinstance(module, nn.BatchNorm2d):
        module.reset_parameters()
