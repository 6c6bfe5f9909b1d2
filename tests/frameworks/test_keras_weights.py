"""Weights go over and come back, and with them the answers; a step agrees where both mean the same."""

import numpy as np
import pytest
import timm
import torch
from bits import assert_same_bits, state
from files.test_naming import hugging_face
from frameworks.networks import assert_equal_outputs, keras, pair, random_statistics

from resnet_utils import models
from resnet_utils.frameworks import from_keras, keras_networks, keras_weights, to_keras

ROWS = ["resnet18", "resnet50", "resnet20", "plain20"]
SMALL = ["resnext50_32x4d", "wide_resnet50_2", "resnet34"]


def images(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", [*ROWS, *SMALL])
def test_carried_to_keras_the_logits_are_equal(name):
    ours, theirs = pair(name)
    x = images(2, 3, 64, 96)
    with torch.inference_mode():
        assert_equal_outputs(ours(x), keras_weights.predicted(theirs, x))


@pytest.mark.parametrize("name", ROWS)
def test_carried_back_they_are_the_same_bits(name):
    ours, theirs = pair(name)
    fresh = models.build(name, 7).eval()
    assert from_keras(theirs, fresh) is fresh
    assert_same_bits(state(fresh), state(ours))


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_a_network_that_began_in_keras_gives_its_logits_in_pytorch(name):
    keras.utils.set_random_seed(3)
    theirs = keras_networks.keras_resnet(name, 7)
    for layer in theirs.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            edges = zip(layer.variables, (0.5, -0.2, -0.2, 0.5), (1.5, 0.2, 0.2, 2.0), strict=True)
            for variable, low, high in edges:
                variable.assign(np.random.default_rng(0).uniform(low, high, variable.shape))
    ours, x = from_keras(theirs, models.build(name, 7)).eval(), images(2, 3, 65, 64)
    with torch.inference_mode():
        assert_equal_outputs(keras_weights.predicted(theirs, x), ours(x))


@pytest.mark.parametrize("options", [{"shortcut": "C"}, {"stem": "cifar"}, {"in_channels": 1}])
def test_options_go_over_too(options):
    ours, theirs = pair("resnet18", width=8, **options)
    x = images(2, options.get("in_channels", 3), 33, 32)
    with torch.inference_mode():
        assert_equal_outputs(ours(x), keras_weights.predicted(theirs, x))


def test_the_strides_of_the_first_version_go_over():
    ours, theirs = pair("resnet50", width=8, stride_on="1x1")
    with torch.inference_mode():
        assert_equal_outputs(ours(x := images(2, 3, 64, 64)), keras_weights.predicted(theirs, x))


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
@pytest.mark.parametrize("naming", ["timm", "transformers"])
def test_networks_under_others_names_go_to_keras_and_come_back_with_equal_logits(name, naming):
    """timm itself; transformers' names on stand-in tensors, since timm has torchvision's names already."""
    source = random_statistics(timm.create_model(name, num_classes=7))
    content = source.state_dict()
    if naming == "transformers":
        content = {hugging_face(key): tensor for key, tensor in content.items()}
        assert not set(content) & set(source.state_dict())
    theirs, x = keras_networks.keras_resnet(name, 7), images(2, 3, 64, 64)
    keras_weights.load_keras_state(theirs, content)
    back = timm.create_model(name, num_classes=7).eval()
    back.load_state_dict(keras_weights.keras_state(theirs))
    with torch.inference_mode():
        assert_equal_outputs(source(x), keras_weights.predicted(theirs, x))
        torch.testing.assert_close(back(x), source(x), rtol=0, atol=0)


def test_batchnorm_in_training_gives_the_same_output_and_mean_and_another_variance():
    """Keras keeps the variance of the batch, PyTorch that of the population, n / (n - 1) of it."""
    ours, theirs = pair("resnet20", width=4)
    x = images(6, 3, 12, 12)
    before = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    with torch.no_grad():
        out = ours.train()(x)
    answer = keras.ops.convert_to_numpy(theirs(x.permute(0, 2, 3, 1).numpy(), training=True))
    assert_equal_outputs(out, torch.from_numpy(np.array(answer)))
    after, found = ours.state_dict(), keras_weights.keras_state(theirs)
    counts = {
        "bn1": 6 * 12 * 12,
        "layer1.0.bn1": 6 * 12 * 12,
        "layer2.0.bn1": 6 * 6 * 6,
        "layer3.2.bn2": 6 * 9,
    }
    for norm, n in counts.items():
        torch.testing.assert_close(found[f"{norm}.running_mean"], after[f"{norm}.running_mean"])
        name = f"{norm}.running_var"
        new_of_keras, new_of_torch = ((s[name] - 0.9 * before[name]) for s in (found, after))
        torch.testing.assert_close(new_of_torch, new_of_keras * n / (n - 1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["resnet18", "resnet20"])
def test_a_step_of_sgd_leads_to_the_same_weights(name):
    ours, theirs = pair(name, width=8)
    x, labels = images(6, 3, 32, 32), torch.arange(6) % 7
    optimizer = torch.optim.SGD(ours.train().parameters(), lr=0.1, momentum=0.9)
    for _ in range(2):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(ours(x), labels).backward()
        optimizer.step()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    theirs.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss)
    for _ in range(2):
        theirs.train_on_batch(x.permute(0, 2, 3, 1).numpy(), labels.numpy())
    found = keras_weights.keras_state(theirs)
    for key, tensor in ours.state_dict().items():
        if not key.endswith(("running_var", "num_batches_tracked")):
            scale = max(1.0, tensor.abs().max().item())
            torch.testing.assert_close(found[key] / scale, tensor / scale, rtol=0, atol=2e-4, msg=key)


def test_weights_that_do_not_fit_are_refused_and_nothing_is_changed():
    model = keras_networks.keras_resnet("resnet20", 7)
    before = keras_weights.keras_state(model)
    good = models.build("resnet20", 7).state_dict()
    faults = {
        r"1 names too few \(fc.bias\) and 0 too many": {k: v for k, v in good.items() if k != "fc.bias"},
        r"0 names too few \(\) and 1 too many \(extra.weight\)": good | {"extra.weight": torch.zeros(3)},
        r"fc.weight of the state dict has the shape \(64, 9\), wanted \(64, 7\)": good
        | {"fc.weight": torch.zeros(9, 64)},
        r"two tensors of the state dict would be 'fc.bias'": good | {"module.fc.bias": torch.zeros(7)},
    }
    for message, content in faults.items():
        with pytest.raises(ValueError, match=message):
            keras_weights.load_keras_state(model, content)
    assert_same_bits(keras_weights.keras_state(model), before)


@pytest.mark.parametrize("change", [{"epsilon": 1e-3}, {"momentum": 0.99}])
def test_a_batchnorm_with_another_constant_is_refused(change):
    theirs = keras_networks.keras_resnet("resnet20", 7)
    layer = theirs.get_layer("bn1")
    for name, value in change.items():
        setattr(layer, name, value)
    with pytest.raises(ValueError, match="bn1: Keras has epsilon, momentum"):
        from_keras(theirs, models.build("resnet20", 7))


def test_another_network_is_refused_on_the_way_back():
    with pytest.raises(ValueError, match="the Keras model has 0 names too few"):
        from_keras(keras_networks.keras_resnet("resnet34", 7), models.build("resnet18", 7))


def test_images_that_are_none_are_refused():
    _, theirs = pair("resnet20", width=4)
    for shape in ((3, 8, 8), (0, 3, 8, 8)):
        with pytest.raises(ValueError, match=r"images must be \(N, C, H, W\) with N of at least 1"):
            keras_weights.predicted(theirs, torch.rand(shape))


def test_a_network_on_its_way_is_left_as_it_is():
    ours, _ = pair("resnet20", width=4)
    before, mode = state(ours), ours.train().training
    to_keras(ours)
    assert (ours.training, mode) == (True, True)
    assert_same_bits(state(ours), before)


def test_what_was_carried_stays_when_the_network_is_trained_on():
    """No memory is shared, in neither direction."""
    ours, theirs = pair("resnet20", width=4)
    found = keras_weights.keras_state(theirs)
    with torch.no_grad():
        for tensor in ours.state_dict().values():
            tensor.mul_(2)
    assert_same_bits(keras_weights.keras_state(theirs), found)
    kept = {name: tensor.clone() for name, tensor in found.items()}
    theirs.set_weights([2 * weights for weights in theirs.get_weights()])
    assert_same_bits(found, kept)


@pytest.mark.parametrize("top", [True, False])
def test_the_networks_of_keras_applications_give_their_answers_in_pytorch(top):
    """Their published layout: stride on the first 1x1, biases before BatchNorm, epsilon 1.001e-5."""
    keras.utils.set_random_seed(0)
    theirs = keras.applications.ResNet50(
        weights=None, include_top=top, classes=7, classifier_activation=None, input_shape=(64, 64, 3)
    )
    draw = np.random.default_rng(0)
    for variable in theirs.variables:
        if variable.name in ("bias", "beta", "moving_mean"):
            variable.assign(draw.normal(0, 0.2, variable.shape))
        elif variable.name in ("gamma", "moving_variance"):
            variable.assign(draw.uniform(0.5, 1.5, variable.shape))
    ours, x = models.build("resnet50", 7, stride_on="1x1").eval(), images(2, 3, 64, 64)
    for norm in (m for m in ours.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        norm.eps = 1.001e-5
    missing = ours.load_state_dict(keras_weights.applications_state(theirs), strict=False).missing_keys
    assert missing == ([] if top else ["fc.weight", "fc.bias"])
    with torch.inference_mode():
        answer = ours(x) if top else ours.forward_features(x).permute(0, 2, 3, 1)
    assert_equal_outputs(keras_weights.predicted(theirs, x), answer)


def test_layers_that_are_in_no_application_are_refused():
    with pytest.raises(ValueError, match=r"keras\.applications' ResNets have no layer 'conv1'"):
        keras_weights.applications_state(keras_networks.keras_resnet("resnet18", 7))


def test_a_network_of_somebody_else_is_refused_by_its_name():
    with pytest.raises(TypeError, match=r"network of models\.build, got Linear"):
        to_keras(torch.nn.Linear(2, 2))
