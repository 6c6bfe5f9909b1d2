"""Networks with statistics of their own, in both frameworks, for the tests of this folder."""

import pytest
import torch

from resnet_utils import models
from resnet_utils.frameworks import import_keras, is_there, to_keras

if not is_there():
    pytest.skip("Keras is not installed: pip install keras", allow_module_level=True)
keras = import_keras()


def random_statistics(model, seed=0):
    """``model`` in eval mode with random scales, shifts, means and variances in every BatchNorm."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for norm in (m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)):
            norm.running_mean.normal_(0, 0.2, generator=draw)
            norm.running_var.uniform_(0.5, 2, generator=draw)
            norm.weight.uniform_(0.5, 1.5, generator=draw)
            norm.bias.normal_(0, 0.2, generator=draw)
    return model.eval()


def pair(name, classes=7, seed=0, **options):
    """One of ours, and its Keras form with its weights."""
    torch.manual_seed(seed)
    ours = random_statistics(models.build(name, classes, **options), seed)
    return ours, to_keras(ours)


def assert_equal_outputs(one, other):
    """Equal to 1e-5 of the largest logit, or to 1e-5 where all are below 1: float32 cannot do better."""
    scale = max(1.0, one.abs().max().item())
    torch.testing.assert_close(one / scale, other / scale, rtol=0, atol=1e-5)
