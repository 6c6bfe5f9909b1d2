"""The first weights of a network, drawn in one place for the whole package: He's normal distribution.

Introduced in chapter 4.

It keeps the size of a signal through convolutions and ReLUs, so that a deep network can begin to learn.
Source: He et al. 2015, arXiv:1502.01852, section 2.2.
"""

import torch
from torch import Tensor, nn


def he_normal(weight: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
    """Fill ``weight`` in place with draws of mean 0 and variance 2 / fan, and return it.

    Args:
        weight: a kernel ``(out, in / groups, h, w)``, whose fan is what one input reaches, ``out * h * w``
            ("fan-out", as in torchvision), or a matrix ``(out, in)``, whose fan is ``in`` ("fan-in").
        generator: a generator of the CPU. Draws are then made in float64, which is the same on every CPU, and
            rounded once. Without it torch's global generator draws on the weight's device, as torchvision's.
    """
    mode = "fan_out" if weight.ndim > 2 else "fan_in"
    if generator is None:
        return nn.init.kaiming_normal_(weight, mode=mode, nonlinearity="relu")
    fan = weight[:, 0].numel() if weight.ndim > 2 else weight.shape[1]
    drawn = torch.randn(weight.shape, generator=generator, dtype=torch.float64, device="cpu")
    with torch.no_grad():
        return weight.copy_(drawn * (2 / fan) ** 0.5)


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
    """
    for module in model.modules():
        if isinstance(module, layers):
            he_normal(module.weight, generator=generator)


def redraw(module: nn.Module) -> None:
    """Give one layer, in place, fresh weights such as it has in a network just built; other modules stay.

    Drawn on the CPU by torch's global generator, so that a seed gives the same weights on every device.

    Args:
        module: a convolution (``he_normal``; a bias uniformly, as torch does), a linear layer (torch's own
            start) or a BatchNorm, whose running statistics begin anew too.
    """
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
