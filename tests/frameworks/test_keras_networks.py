"""The Keras forms have the published sizes and the layers of their names; what was broken is whole."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from frameworks.networks import assert_equal_outputs, keras, pair

from resnet_utils import models
from resnet_utils.analysis import complexity
from resnet_utils.frameworks import keras_networks, keras_weights

PUBLISHED = [("resnet18", 11_689_512), ("resnet34", 21_797_672), ("resnet50", 25_557_032)]  # torchvision


def trainable(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def kinds(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]


def outcome(call):
    """What a call that is refused says."""
    with pytest.raises(ValueError, match=r"\S") as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize(("name", "parameters"), PUBLISHED)
def test_parameters_and_layers_are_the_published_ones(name, parameters):
    model = keras_networks.keras_resnet(name)
    assert trainable(model) == parameters
    assert keras_networks.weighted_keras_layers(model) == int(name.removeprefix("resnet"))


@pytest.mark.parametrize("name", ["resnet20", "plain20", "resnext50_32x4d", "wide_resnet50_2"])
def test_other_rows_of_the_table_have_the_parameters_of_ours(name):
    ours = models.build(name, 10)
    assert trainable(keras_networks.keras_resnet(name, 10)) == complexity.count_parameters(ours)


def test_first_weights_come_from_the_distributions_of_ours():
    keras.utils.set_random_seed(0)
    torch.manual_seed(0)
    state = keras_weights.keras_state(keras_networks.keras_resnet("resnet18"))
    for name, tensor in models.build("resnet18").state_dict().items():
        if tensor.ndim == 4 and tensor.numel() > 10_000:
            assert state[name].std() == pytest.approx(tensor.std().item(), rel=0.03), name
            assert state[name].abs().max() > 3 * state[name].std(), "a normal distribution, not cut off"
    assert state["fc.weight"].abs().max() == pytest.approx(512**-0.5, rel=0.01)
    assert state["fc.bias"].abs().max() <= 512**-0.5
    assert state["bn1.weight"].eq(1).all()


@pytest.mark.parametrize("size", [(32, 32), (33, 47)])
def test_images_of_any_size_give_logits(size):
    ours, theirs = pair("resnet18", width=8)
    x = torch.rand(2, 3, *size)
    with torch.inference_mode():
        assert_equal_outputs(ours(x), keras_weights.predicted(theirs, x))


def test_what_the_keras_form_lacks_is_refused_by_name():
    build, row = keras_networks.keras_resnet, models.SPECS["resnet18"]
    assert "unknown network 'resnet19'; the valid names are resnet18, " in outcome(lambda: build("resnet19"))
    assert "has no se=4, stem='deep';" in outcome(lambda: build(replace(row, se=4, stem="deep")))
    assert "has no order='full pre-activation'" in outcome(
        lambda: build(replace(row, order="full pre-activation"))
    )
    assert "num_classes must be a whole number of at least 1, got 0" in outcome(lambda: build(row, 0))
    assert "in_channels must be a whole number" in outcome(lambda: build(row, in_channels=0))


def test_the_network_for_32_pixels_has_real_blocks_and_an_averaged_head():
    model = keras_networks.one_stage_network()
    assert keras_networks.weighted_keras_layers(model) == 1 + 2 * 2 + 1
    assert len(kinds(model, keras.layers.Add)) == 2
    assert not kinds(model, keras.layers.Flatten)
    # A 3x3 stem from 3 to 16, four 3x3 from 16 to 16, five BatchNorms, 16 features to 10 classes.
    assert trainable(model) == 9 * 3 * 16 + 4 * 9 * 16 * 16 + 5 * 2 * 16 + 16 * 10 + 10
    row = replace(models.SPECS["resnet20"], blocks_per_stage=(2,))
    ours = models.ResNet(row)
    keras_weights.from_keras(model, ours)
    x = torch.rand(3, 3, 32, 32)
    with torch.inference_mode():
        assert_equal_outputs(ours.eval()(x), keras_weights.predicted(model, x))


def test_the_printed_network_for_28_pixels_has_no_addition_and_its_parameters_in_one_layer():
    model = keras_networks.two_convolution_network()
    assert not kinds(model, keras.layers.Add)
    assert not kinds(model, keras.layers.BatchNormalization)
    hidden = model.get_layer("hidden").count_params()
    assert (hidden, trainable(model)) == (1_605_760, 1_644_618)  # counted by hand: 14*14*64*128 + 128, ...


@pytest.mark.parametrize("convolutions", [2, 5])
def test_with_shortcuts_it_has_the_same_weights_and_each_convolution_but_the_first_adds(convolutions):
    options = {"convolutions": convolutions, "width": 4}
    plain = keras_networks.two_convolution_network(**options)
    residual = keras_networks.two_convolution_network(**options, shortcut=True)
    assert [v.shape for v in plain.variables] == [v.shape for v in residual.variables]
    assert len(kinds(residual, keras.layers.Add)) == convolutions - 1
    x = torch.rand(2, 1, 28, 28)
    residual.set_weights(plain.get_weights())
    same, other = (keras_weights.predicted(model, x) for model in (plain, residual))
    assert not torch.allclose(same, other)
    # With zero kernels behind the first convolution the residual network passes on what the first has seen.
    for number in range(2, convolutions + 1):
        layer = residual.get_layer(f"conv{number}")
        layer.set_weights([np.zeros_like(weights) for weights in layer.get_weights()])
    inner = keras.Model(residual.input, [residual.get_layer(f"relu{k}").output for k in (1, convolutions)])
    first, last = inner(x.permute(0, 2, 3, 1).numpy())
    np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(out) for out in (first, last)))


def test_one_convolution_is_too_few_for_a_shortcut():
    said = outcome(lambda: keras_networks.two_convolution_network(convolutions=1))
    assert "convolutions must be at least 2" in said


def test_the_network_called_50_has_26_layers_and_a_pool_that_the_article_forgot():
    with_pool, without = (keras_networks.network_of_26_layers(max_pool=pool) for pool in (True, False))
    for model in (with_pool, without):
        assert keras_networks.weighted_keras_layers(model) == 26
        # ResNet-34 has four blocks of this size more: one in stage 2 and three in stage 3.
        blocks = {128: 1, 256: 3}
        fewer = sum(count * (2 * 9 * width**2 + 4 * width) for width, count in blocks.items())
        assert trainable(model) == 21_797_672 - fewer
    shapes = [model.get_layer("layer1_0_relu") for model in (with_pool, without)]
    sizes = [
        keras.Model(model.input, layer.output)(np.zeros((1, 64, 64, 3), "float32")).shape[1]
        for model, layer in zip((with_pool, without), shapes, strict=True)
    ]
    assert sizes == [16, 32]


def test_a_network_is_saved_and_read_with_its_answers(tmp_path):
    _, model = pair("resnet20", width=4)
    model.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    x = torch.rand(2, 3, 20, 20)
    torch.testing.assert_close(keras_weights.predicted(again, x), keras_weights.predicted(model, x))
