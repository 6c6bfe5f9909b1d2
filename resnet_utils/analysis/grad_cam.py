"""Where in the image the evidence for an answer lies: Grad-CAM, and two checks of it.

Introduced in chapter 5.

A map can look convincing and mean nothing. So there is a score against known parts, and a network with the
same form and random weights to compare with.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from resnet_utils import runtime
from resnet_utils.evaluation import kept_modes
from resnet_utils.evaluation.answers import logits_of
from resnet_utils.models.anatomy import anatomy
from resnet_utils.models.initialization import redraw
from resnet_utils.runtime import given

Model = TypeVar("Model", bound=nn.Module)


@given.explained
def grad_cam(model: nn.Module, x: Tensor, target: Tensor, *, stage: str | None = None) -> Tensor:
    """How much each place of a feature map speaks for a class, image by image: ``(N, h, w)``, at least 0.

    The channels of the map are added up, each with the mean gradient of the target's logit over the places as
    its weight; what speaks against the class is cut off. The network is left as it was, and the maps lie
    where it lies.
    Source: Selvaraju et al. 2017, arXiv:1610.02391, equations 1 and 2.

    Args:
        model: the network, in any mode; it works in eval mode.
        x: images ``(N, C, H, W)``, normalised as for the network; moved to where it lies.
        target: the class of each image that the map is for, whole numbers ``(N,)``; moved likewise.
        stage: the stage whose map it is, for example ``"layer3"``; the last one unless given.

    Raises:
        ValueError: for a stage that the network does not have, or images or targets that do not fit.
        TypeError: if the parts of ``model`` cannot be told (``models.anatomy``).
    """
    body = anatomy(model, caller="grad_cam")
    stage = body.stages[-1] if stage is None else stage
    if stage not in body.stages:
        raise ValueError(f"stage must be one of {', '.join(body.stages)}, got {stage!r}")
    if x.ndim != 4 or len(x) == 0:
        raise ValueError(f"images must be (N, C, H, W) with N > 0, got {tuple(x.shape)}")
    if target.shape != x.shape[:1] or target.is_floating_point() or target.dtype == torch.bool:
        raise ValueError(
            f"target must be whole numbers ({len(x)},), got {target.dtype} {tuple(target.shape)}"
        )
    if not 0 <= target.min() <= target.max() < body.num_classes:
        raise ValueError(f"targets must lie in 0 to {body.num_classes - 1}, got {target.tolist()}")
    device = runtime.device_of(model)
    found: list[Tensor] = []

    def from_here(out: Tensor) -> Tensor:
        found.append(out.detach().clone().requires_grad_())  # no gradient is wanted below the map
        return found[0]

    with kept_modes(body.model), torch.enable_grad():
        body.model.eval()
        logits = logits_of(lambda images: body.with_map(images, stage, from_here), x.to(device))
        if len(found) != 1:
            raise ValueError(
                f"images pass {stage!r} {len(found)} times on their way; once is needed for a map"
            )
        wanted = target.to(device).long()[:, None]
        chosen = logits.gather(1, wanted).sum()  # an image does not touch the others
        (maps,) = found  # (N, C, h, w)
        (gradient,) = torch.autograd.grad(chosen, maps)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return (weights * maps.detach()).sum(dim=1).relu()


@given.explained
def enlarge(maps: Tensor, size: int) -> Tensor:
    """Maps on the image's grid, ``(N, size, size)``: bilinear, as the makers of Grad-CAM show them.

    Args:
        maps: ``(N, h, w)``, floating point.
        size: side of the image in pixels.

    Raises:
        ValueError: for maps of another shape or type, or a ``size`` below 1.
    """
    if maps.ndim != 3 or 0 in maps.shape[1:] or not maps.is_floating_point():
        raise ValueError(f"maps must be floats (N, h, w), got {maps.dtype} {tuple(maps.shape)}")
    size = given.whole_number("size", size)
    return nn.functional.interpolate(maps[:, None], (size, size), mode="bilinear", align_corners=False)[:, 0]


@given.explained
def mass_inside(maps: Tensor, masks: Tensor) -> Tensor:
    """The share of each map's sum that lies where ``masks`` (N, H, W) are True: ``(N,)`` in [0, 1].

    In float64, on the CPU. NaN for a map that is zero everywhere. A map without any preference scores the
    mask's share of the area.
    Source: the energy-based pointing game of Wang et al. 2020, arXiv:1910.01279, section 4.3.

    Args:
        maps: ``(N, h, w)``, at least 0; enlarged to the masks.
        masks: ``(N, H, H)``, bool.

    Raises:
        ValueError: if maps and masks do not fit, a map has values below 0, or the masks are not bool.
    """
    if maps.ndim != 3 or masks.ndim != 3 or len(maps) != len(masks) or masks.shape[1] != masks.shape[2]:
        shapes = f"{tuple(maps.shape)} and {tuple(masks.shape)}"
        raise ValueError(f"need maps (N, h, w) and square masks (N, H, H), got {shapes}")
    if maps.is_complex() or not (maps >= 0).all():
        raise ValueError("maps must have real numbers from 0 up, got one below 0, a nan or a complex number")
    if masks.dtype != torch.bool:
        raise ValueError(f"masks must be bool, got {masks.dtype}; masks > 0 may be meant")
    whole = enlarge(maps.detach().cpu().double(), masks.shape[-1])  # Apple's GPUs have no float64
    return (whole * masks.cpu()).sum(dim=(1, 2)) / whole.sum(dim=(1, 2))


@given.explained
def randomized(model: Model, down_to: str = "stem", *, seed: int = 0) -> Model:
    """A copy of ``model`` with fresh weights from the head ``fc`` down to the part ``down_to``.

    A map that stays the same after this shows the image, not what the network has learned.
    Source: Adebayo et al. 2018, arXiv:1810.03292, section 3 (cascading randomisation).

    Args:
        model: the network, which stays as it is.
        down_to: a part's name (``models.anatomy``); they go in the order ``fc``, the stages from the last
            to the first, ``stem``, which is all of it.
        seed: decides the weights; torch's global generator is left as it was.

    Raises:
        ValueError: if ``down_to`` names no part, or ``seed`` is no whole number from 0 up.
        TypeError: as ``grad_cam``.
    """
    seed = given.whole_number("seed", seed, least=0)
    order = list(reversed(anatomy(model, caller="randomized").parts))
    if down_to not in order:
        raise ValueError(f"down_to must be one of {', '.join(order)}, got {down_to!r}")
    fresh = copy.deepcopy(model)
    parts = anatomy(fresh).parts
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name in order[: order.index(down_to) + 1]:
            for layer in [layer for module in parts[name] for layer in module.modules()]:
                redraw(layer)
    return fresh
