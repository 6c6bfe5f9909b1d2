"""A trained network taken apart by hand: a switch for each shortcut and each branch, and what lies behind.

Introduced on the pages to touch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from resnet_utils.models.blocks import BasicBlock, Bottleneck, PadShortcut
from resnet_utils.models.resnet import ResNet
from resnet_utils.runtime import given


@dataclass(frozen=True)
class Look:
    """What a network says about images, and what it has seen on the way.

    logits: ``(N, num_classes)``.
    evidence: ``(N, num_classes, h, w)``, how much each place of the last map adds to each logit: its sum over
        the places is the logit without the head's bias.
    maps: what leaves the stem and each stage, by name: ``stem``, ``layer1``, ...
    """

    logits: Tensor
    evidence: Tensor
    maps: dict[str, Tensor]


@given.explained
class Switchable(nn.Module):
    """A network whose block k computes ``relu(branches[k] * F(x) + shortcuts[k] * shortcut(x))``.

    Images (N, C, H, W) -> logits (N, num_classes). With its ``usual`` multipliers it is the network it was
    made of, to the rounding: all are 1, and 0 for the shortcuts that a plain network does not have. A branch
    of 0 with a shortcut of 1 takes the block out, as Veit et al. do.

    In a plain block, what would go past it is the input itself. Where the block changes the shape, every
    second pixel of it goes on, with channels of zeros beside it (``blocks.PadShortcut``).

    Source: Veit et al. 2016, arXiv:1605.06431, section 4.1.

    Args:
        model: a network of ``models.build``, used and not copied; not one with pre-activation.

    Raises:
        TypeError: for any other network.
    """

    def __init__(self, model: ResNet) -> None:
        super().__init__()
        if not isinstance(model, ResNet):
            kind = f"{type(model).__module__}.{type(model).__qualname__}"
            raise TypeError(f"Switchable needs a network of models.build, got a {kind}")
        if model.spec.order != "original":
            raise TypeError(f"Switchable needs order='original', got a network with {model.spec.order!r}")
        self.model = model
        stages = [model.get_submodule(name) for name in model.stages]
        self.blocks: list[Any] = [block for stage in stages for block in stage.children()]
        self.bypasses = nn.ModuleList(_bypass(block) for block in self.blocks)

    def usual(self, count: int = 1) -> tuple[Tensor, Tensor]:
        """The multipliers of the whole network, ``(shortcuts, branches)``, each ``(count, num_blocks)``.

        Args:
            count: images, one row each.
        """
        branches = torch.ones(count, len(self.blocks), device=self.model.fc.weight.device)
        there = torch.tensor([not block.is_plain for block in self.blocks], device=branches.device)
        return branches * there, branches

    def forward(
        self, images: Tensor, shortcuts: Tensor | None = None, branches: Tensor | None = None
    ) -> Tensor:
        return self.look(images, shortcuts, branches).logits

    def look(self, images: Tensor, shortcuts: Tensor | None = None, branches: Tensor | None = None) -> Look:
        """The answers, with the evidence for them and the maps of stem and stages.

        ``evidence`` is the class activation map of Zhou et al. 2016 (arXiv:1512.04150, equation 2) over the
        number of places. For a network that ends in an average and one linear layer Grad-CAM is the same map
        without its negative values (Selvaraju et al. 2017, arXiv:1610.02391, section 3.1).

        Args:
            images: (N, C, H, W), normalised as for the network.
            shortcuts: (N, num_blocks), a multiplier for each shortcut of each image; None: ``usual``.
            branches: likewise for the branches.

        Raises:
            ValueError: for multipliers of another shape, or that are not finite.
        """
        around, through = (
            usual if given is None else _checked(given, usual)
            for given, usual in zip((shortcuts, branches), self.usual(len(images)), strict=True)
        )
        x = self.model.stem(images)
        maps, number = {"stem": x}, 0
        for name in self.model.stages:
            for _ in self.model.get_submodule(name).children():
                block = self.blocks[number]
                s, b = (value[:, number, None, None, None] for value in (around, through))  # (N, 1, 1, 1)
                x = torch.relu(b * block.weigh_and_drop(block.branch(x)) + s * self.bypasses[number](x))
                number += 1
            maps[name] = x
        head = self.model.fc
        evidence = nn.functional.conv2d(x, head.weight[:, :, None, None]) / (x.shape[2] * x.shape[3])
        return Look(self.model.forward_head(x), evidence, maps)


def _bypass(block: nn.Module) -> nn.Module:
    """What carries x past a block."""
    if not isinstance(block, BasicBlock | Bottleneck):
        raise TypeError(f"Switchable needs blocks of models.blocks, got a {type(block).__name__}")
    if block.downsample is not None:
        return block.downsample
    first, last = block.conv1, block.conv3 if isinstance(block, Bottleneck) else block.conv2
    stride = max(conv.stride[0] for conv in (first, block.conv2))
    changed = stride > 1 or first.in_channels != last.out_channels
    return PadShortcut(first.in_channels, last.out_channels, stride) if changed else nn.Identity()


def _checked(given: Tensor, usual: Tensor) -> Tensor:
    if given.shape != usual.shape:
        raise ValueError(f"multipliers must be {tuple(usual.shape)}, got {tuple(given.shape)}")
    if not torch.isfinite(given).all():
        raise ValueError("multipliers must be finite numbers, got NaN or infinity among them")
    return given.to(usual)
