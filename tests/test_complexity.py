"""Costs against torchvision's own metadata and against counting by hand."""

import pytest
import torch
from torch import nn
from torchvision.models import get_model_weights

from resnet_utils import complexity, models

IMAGENET = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]


@pytest.mark.parametrize("name", IMAGENET)
def test_parameters_and_multiply_adds_are_those_of_torchvisions_metadata(name):
    meta = get_model_weights(name).IMAGENET1K_V1.meta
    with torch.device("meta"):
        model = models.build(name)
    assert complexity.count_parameters(model) == meta["num_params"]
    # the metadata is rounded to three decimals of 1e9
    assert round(complexity.multiply_adds(model, (1, 3, 224, 224)) / 1e9, 3) == meta["_ops"]


def test_multiply_adds_of_one_convolution_are_those_counted_by_hand():
    layer = nn.Conv2d(3, 8, 3, stride=2, padding=1)
    assert complexity.multiply_adds(layer, (2, 3, 10, 10)) == 2 * 8 * 5 * 5 * 3 * 3 * 3


def test_counting_leaves_the_model_as_it_was():
    model = models.build("resnet20", 3).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    complexity.multiply_adds(model, (1, 3, 32, 32))
    assert model.training
    assert all(p.device.type == "cpu" for p in model.parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_frozen_parameters_are_left_out_on_request():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    model[0].requires_grad_(False)
    assert complexity.count_parameters(model) == 16 + 10
    assert complexity.count_parameters(model, trainable_only=True) == 10


def test_a_shared_parameter_counts_once():
    layer = nn.Linear(3, 3, bias=False)
    assert complexity.count_parameters(nn.Sequential(layer, layer)) == 9


def test_input_of_a_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"shape \(1, 4, 32, 32\) does not fit the model"):
        complexity.multiply_adds(models.build("resnet20"), (1, 4, 32, 32))
