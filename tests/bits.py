"""What two tests of training compare: the whole state of a model, bit for bit."""

import torch


def state(model):
    return {key: value.clone() for key, value in model.state_dict().items()}


def assert_same_bits(one, other):
    assert one.keys() == other.keys()
    for key in one:
        assert torch.equal(one[key], other[key]), key
