"""Calls of the functions in ``analysis``."""

import torch

from good_calls.makers import labels, logits, loss_and_model, net
from resnet_utils.analysis import loss_landscape

CALLS = {
    "analysis.complexity.multiply_adds": lambda _: {"input_shape": (1, 3, 16, 16)},
    "analysis.complexity.activation_bytes": lambda _: {"input_shape": (1, 3, 16, 16)},
    "analysis.grad_cam.grad_cam": lambda _: {"target": labels()},
    "analysis.grad_cam.enlarge": lambda _: {"maps": torch.rand(2, 4, 4)},
    "analysis.grad_cam.mass_inside": lambda _: {
        "maps": torch.rand(2, 4, 4), "masks": torch.ones(2, 4, 4, dtype=torch.bool),
    },
    "analysis.gradients.relative_error": lambda _: {"value": logits(), "truth": logits()},
    "analysis.gradients.jacobian": lambda _: {"function": torch.sin, "x": torch.rand(3)},
    "analysis.gradients.gradient_norms": lambda _: loss_and_model(),
    "analysis.gradients.input_gradients": lambda _: {"network": torch.sin, "points": torch.rand(5)},
    "analysis.gradients.autocorrelation": lambda _: {"series": torch.rand(9)},
    "analysis.loss_landscape.filter_norms": lambda _: {"weight": torch.rand(4, 3, 3, 3)},
    "analysis.loss_landscape.loss_slice": lambda _: {
        "loss_function": torch.mean, "ticks": [-1.0, 0.0, 1.0],
        "model": (model := net()), "directions": [loss_landscape.random_direction(model, seed=0)],
    },
    "analysis.loss_landscape.nonconvexity": lambda _: {"losses": torch.rand(5)},
    "analysis.paths.branch_share": lambda _: {"blocks": [torch.sin, torch.cos], "x": torch.rand(2, 3)},
    "analysis.paths.path_lengths": lambda _: {"num_blocks": 4},
    "analysis.paths.path_terms": lambda _: {"jacobians": torch.rand(3, 2, 2)},
}  # fmt: skip

UNBOUND: dict[tuple[str, str], str] = {}
