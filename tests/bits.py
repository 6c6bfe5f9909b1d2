"""The state of a model: made to look used, copied, and compared bit for bit."""

import torch


def used(model):
    """``model``, its BatchNorms with running statistics that are not the initial ones."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    return model


def state(model):
    return {key: value.clone() for key, value in model.state_dict().items()}


def assert_same_bits(one, other):
    assert one.keys() == other.keys()
    for key in one:
        assert torch.equal(one[key], other[key]), key
