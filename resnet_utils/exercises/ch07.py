"""The checkers of chapter 7, "Other frameworks".

Introduced in chapter 7.

Each takes a reader's answer and returns "correct", or a sentence that says what is wrong and never what
would be right. None raises on an answer of a wrong kind, changes what it is given, or moves the global random
state.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from resnet_utils import models
from resnet_utils.exercises.answers import CORRECT, described, number, tried
from resnet_utils.frameworks import import_keras


def _array(answer: object) -> np.ndarray | None:
    """Numbers in an array, or None."""
    try:
        values = np.asarray(answer.detach().cpu() if isinstance(answer, Tensor) else answer, dtype=float)
    except (TypeError, ValueError):
        return None
    return values if values.ndim else None


# --- the main notebook -------------------------------------------------------------------------------------


def check_kernel(function: Callable[[np.ndarray], np.ndarray]) -> str:
    """Judges how a kernel of Keras is brought into PyTorch's order.

    Args:
        function: from an array (H, W, I, O) to the weight of a convolution in PyTorch.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    kernel = np.arange(120.0).reshape(2, 3, 4, 5)  # four sizes, so that every mix-up shows
    found, wrong = tried(function, kernel.copy())
    if wrong:
        return wrong
    values = _array(found)
    if values is None:
        return f"an array is wanted, this is {described(found)}"
    if values.shape != (5, 4, 2, 3):
        return f"a kernel of 2 x 3 pixels from 4 to 5 channels becomes {values.shape}: not PyTorch's order"
    if not np.array_equal(values, np.einsum("hwio->oihw", kernel)):
        return "the shape is right, but numbers have changed their places: a reshape does not turn axes"
    return CORRECT


def check_frozen_as_keras(function: Callable[[nn.Module], Any]) -> str:
    """Judges whether a network is frozen as Keras freezes it: all but ``fc``, its BatchNorms too.

    Args:
        function: it gets a network in train mode, freezes it in place, and may return it.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = models.build("resnet20", 3, width=4)
        images = torch.rand(6, 3, 12, 12) * 3 + 1
    if not callable(function):
        return f"a function is wanted, this is {described(function)}"
    try:
        function(model)
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        with torch.no_grad():
            model(images)
    except Exception as error:
        return f"your function, or the network after it, fails: {type(error).__name__}"
    if not all(parameter.requires_grad for parameter in model.fc.parameters()):
        return "the head is frozen too: nothing is left to learn"
    if any(p.requires_grad for name, p in model.named_parameters() if not name.startswith("fc.")):
        return "some weights outside the head still get gradients"
    moved = [name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])]
    if moved:
        return f"one pass of a batch has moved {len(moved)} numbers or tensors, {moved[0]} first"
    return CORRECT


def check_keras_block(build: Callable[[Any, int], Any]) -> str:
    """Judges a residual block in Keras: with a branch of zeros it must pass a positive image on unchanged.

    Args:
        build: from a symbolic tensor (N, H, W, C) and C to the block's output.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    keras = import_keras()
    inputs = keras.Input((6, 6, 4))
    outputs, wrong = tried(build, inputs, 4)
    if wrong:
        return wrong
    try:
        model = keras.Model(inputs, outputs)
        shape = tuple(model.output_shape[1:])
    except Exception:
        return f"a tensor of Keras is wanted that comes from the input, this is {described(outputs)}"
    if shape != (6, 6, 4):
        return f"an image of (6, 6, 4) leaves the block as {shape}"
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    if len(convolutions) < 2:
        return f"there are {len(convolutions)} convolutions in it: one layer beside a shortcut gains nothing"
    image = np.random.default_rng(0).normal(size=(2, 6, 6, 4)).astype("float32")
    for layer in convolutions:
        layer.set_weights([np.zeros_like(weights) for weights in layer.get_weights()])
    positive, signed = (keras.ops.convert_to_numpy(model(x, training=False)) for x in (abs(image), image))
    if not positive.any():
        return "with a branch of zeros nothing comes out: there is no way past the branch"
    if not np.allclose(positive, abs(image), atol=1e-5):
        return "with a branch of zeros a positive image comes out changed: something works on the sum"
    if not np.allclose(signed, np.maximum(image, 0), atol=1e-5):
        return "with a branch of zeros the negative numbers of an image should be cut off by the last step"
    return CORRECT


# --- the dictionary ----------------------------------------------------------------------------------------


def check_batchnorm_memory(function: Callable[[float], float]) -> str:
    """Judges Keras's momentum of a BatchNorm for PyTorch's.

    Args:
        function: from PyTorch's ``momentum`` to the one that gives the same running mean in Keras.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    for given in (0.1, 0.01, 0.4):
        found, wrong = tried(function, given)
        if wrong:
            return wrong
        value = number(found)
        if value is None:
            return f"a number is wanted, this is {described(found)}"
        mean_of_torch = (1 - given) * 2.0 + given * 5.0  # old mean 2, batch's mean 5
        mean_of_keras = value * 2.0 + (1 - value) * 5.0
        if abs(mean_of_torch - mean_of_keras) > 1e-6:
            return (
                f"for {given}: an old mean of 2 and a batch of mean 5 give {mean_of_torch:.3g} in PyTorch, "
                f"and {mean_of_keras:.3g} with yours"
            )
    return CORRECT


def check_same_padding(function: Callable[[int, int, int], tuple[int, int]]) -> str:
    """Judges how many rows ``padding="same"`` adds on either side.

    Args:
        function: from image size, kernel size and stride to the rows before and behind.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    for size, kernel, stride in ((224, 7, 2), (32, 3, 2), (33, 3, 2), (32, 3, 1), (10, 1, 2), (30, 5, 3)):
        found, wrong = tried(function, size, kernel, stride)
        if wrong:
            return wrong
        values = _array(found)
        if values is None or values.shape != (2,):
            return f"two numbers are wanted, this is {described(found)}"
        windows, pixels = math.ceil(size / stride), size + values.sum()
        case = f"{size} pixels, kernel {kernel}, stride {stride}"
        if values.min() < 0:
            return f"{case}: fewer than no rows cannot be added"
        if values.sum() > max((windows - 1) * stride + kernel - size, 0):
            return f"{case}: {windows} windows fit into fewer than {pixels:g} rows"
        if (pixels - kernel) // stride + 1 != windows:
            return f"{case}: {windows} windows do not fit into {pixels:g} rows"
        if not 0 <= values[1] - values[0] <= 1:
            return f"{case}: as many are added, but not on these sides"
    return CORRECT


# --- carrying weights --------------------------------------------------------------------------------------


def check_bias(function: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> str:
    """Judges the running mean that makes up for a bias before a BatchNorm that is left out.

    Args:
        function: from the bias of a convolution and the running mean behind it to the new running mean.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    bias, mean = np.array([0.5, -2.0, 0.0]), np.array([1.0, 3.0, -4.0])
    found, wrong = tried(function, bias.copy(), mean.copy())
    if wrong:
        return wrong
    values = _array(found)
    if values is None or values.shape != (3,):
        return f"one number a channel is wanted, this is {described(found)}"
    seen = np.array([1.5, -1.0, 2.0])  # what the convolution gives without its bias
    if not np.allclose(seen - values, seen + bias - mean):
        return (
            "a channel that gives 1.5 with bias 0.5 and mean 1 is 1 after the mean is taken off; "
            f"with yours it is {1.5 - values[0]:g}"
        )
    return CORRECT


def check_layer_name(function: Callable[[str], str]) -> str:
    """Judges the translation of a layer's name in ``keras.applications`` into torchvision's.

    Args:
        function: such as from ``"conv1_bn"`` to ``"bn1"``.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    for stage, block, place in ((2, 1, 1), (2, 3, 3), (5, 2, 2), (4, 6, 1)):
        for layer in ("conv", "bn"):
            name = f"conv{stage}_block{block}_{place}_{layer}"
            if wrong := _name_is_wrong(function, name, f"layer{stage - 1}.{block - 1}.{layer}{place}"):
                return wrong
    for layer, position in (("conv", 0), ("bn", 1)):
        name = f"conv3_block1_0_{layer}"
        if wrong := _name_is_wrong(function, name, f"layer2.0.downsample.{position}"):
            return wrong
    return CORRECT


def _name_is_wrong(function: Any, name: str, wanted: str) -> str:
    """What is wrong with the answer for one name, or ""."""
    found, wrong = tried(function, name)
    if wrong:
        return wrong
    if found == wanted:
        return ""
    blueprint = models.build("resnet50", width=4)
    if not isinstance(found, str) or found not in dict(blueprint.named_modules()):
        return f"{name}: our ResNet-50 has no module {str(found)[:40]!r}"
    return f"{name}: {found} is another layer; look at where stages and blocks begin to count"


# --- old articles ------------------------------------------------------------------------------------------


def check_share(percent: float) -> str:
    """Judges the share of the parameters that lie in the first dense layer of the printed 28x28 network.

    Args:
        percent: of all its parameters.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    value = number(percent)
    if value is None:
        return f"a number is wanted, this is {described(percent)}"
    hidden, convolutions, head = 14 * 14 * 64 * 128 + 128, 9 * 64 + 64 + 9 * 64 * 64 + 64, 128 * 10 + 10
    right = 100 * hidden / (hidden + convolutions + head)
    if 0 < value < 1:
        return "that is a share of one; per cent are wanted"
    if not 0 <= value <= 100:
        return "a share lies between nothing and all"
    if abs(value - right) > 0.1:
        return "too small: how many numbers does a flattened image have?" if value < right else "too large"
    return CORRECT


def check_pool(factor: float) -> str:
    """Judges how much more work the stages have when the max-pool of the stem is left out.

    Args:
        factor: multiply-adds without the pool, divided by those with it.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    value = number(factor)
    if value is None:
        return f"a number is wanted, this is {described(factor)}"
    if value <= 1:
        return "the images are larger without it, so there is more to do"
    if value == 2:
        return "the pool halves height and width, both"
    return CORRECT if abs(value - 2 * 2) < 0.05 else "count the places of an image with and without the pool"
