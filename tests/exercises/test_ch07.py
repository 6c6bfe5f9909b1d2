"""The checkers of chapter 7: right answers in several forms are accepted, plausible wrong ones refused."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

from resnet_utils import finetuning, training
from resnet_utils.exercises import ch07
from resnet_utils.frameworks import import_keras, is_there, keras_networks

if not is_there():
    pytest.skip("Keras is not installed: pip install keras", allow_module_level=True)
keras = import_keras()

# --- freezing ----------------------------------------------------------------------------------------------


def freeze(model):
    for name, module in model.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad = name == "fc"


def freeze_by_package(model):
    finetuning.freeze(model)
    model.fc.requires_grad_(True)
    training.train_mode(model)
    return model


def no_gradients(model):
    model.requires_grad_(False)
    model.fc.requires_grad_(True)


def all_of_it(model):
    model.eval().requires_grad_(False)


# --- blocks ------------------------------------------------------------------------------------------------


def block(x, width):
    out = keras_networks.convolution(x, width, 3, name="one")
    out = keras.layers.ReLU()(keras.layers.BatchNormalization()(out))
    out = keras.layers.Conv2D(width, 3, padding="same")(out)
    return keras.layers.ReLU()(keras.layers.Add()([x, keras.layers.BatchNormalization()(out)]))


def block_with_sign(x, width):
    out = keras.layers.Conv2D(width, 3, padding="same", activation="relu")(x)
    return keras.ops.relu(x + keras.layers.Conv2D(width, 3, padding="same")(out))


def no_shortcut(x, width):
    out = keras.layers.Conv2D(width, 3, padding="same", activation="relu")(x)
    return keras.layers.Conv2D(width, 3, padding="same", activation="relu")(out)


def concatenated(x, width):
    return keras.layers.Concatenate()([x, no_shortcut(x, width)])


def relu_first(x, width):
    return keras.layers.Add()([x, no_shortcut(x, width)])


def doubled(x, width):
    return keras.layers.ReLU()(keras.layers.Add()([x, x, no_shortcut(x, width)]))


def one_layer(x, width):
    return keras.layers.ReLU()(x + keras.layers.Conv2D(width, 3, padding="same")(x))


# --- padding and names -------------------------------------------------------------------------------------


def same(size, kernel, stride):
    windows = -(-size // stride)
    total = max((windows - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def name_of(layer):
    stage, block, place, kind = re.fullmatch(r"conv(\d)_block(\d)_(\d)_(\w+)", layer).groups()
    where = f"layer{int(stage) - 1}.{int(block) - 1}"
    return f"{where}.downsample.{int(kind == 'bn')}" if place == "0" else f"{where}.{kind}{place}"


def name_by_parts(layer):
    parts = layer.replace("block", "").replace("conv", "", 1).split("_")
    numbers = [int(part) for part in parts[:3]]
    tail = f"{parts[3]}{numbers[2]}" if numbers[2] else ("downsample.0", "downsample.1")[parts[3] == "bn"]
    return f"layer{numbers[0] - 1}.{numbers[1] - 1}.{tail}"


RIGHT = [
    (ch07.check_kernel, (lambda kernel: kernel.transpose(3, 2, 0, 1),)),
    (ch07.check_kernel, (lambda kernel: torch.from_numpy(kernel).permute(3, 2, 0, 1),)),
    (ch07.check_frozen_as_keras, (freeze,)),
    (ch07.check_frozen_as_keras, (freeze_by_package,)),
    (ch07.check_keras_block, (block,)),
    (ch07.check_keras_block, (block_with_sign,)),
    (ch07.check_keras_block, (lambda x, width: keras_networks.residual_block(x, width, name="b"),)),
    (ch07.check_batchnorm_memory, (lambda momentum: 1 - momentum,)),
    (ch07.check_batchnorm_memory, (lambda momentum: np.float64(1) - momentum,)),
    (ch07.check_same_padding, (same,)),
    (ch07.check_same_padding, (lambda *given: list(same(*given)),)),
    (ch07.check_bias, (lambda bias, mean: mean - bias,)),
    (ch07.check_bias, (lambda bias, mean: [m - b for b, m in zip(bias, mean, strict=True)],)),
    (ch07.check_layer_name, (name_of,)),
    (ch07.check_layer_name, (name_by_parts,)),
    (ch07.check_share, (97.6,)),
    (ch07.check_share, (100 * 1_605_760 / 1_644_618,)),
    (ch07.check_pool, (4,)),
    (ch07.check_pool, (4.0,)),
]

WRONG = [
    (ch07.check_kernel, (lambda kernel: kernel.transpose(2, 3, 0, 1),), "not PyTorch's order"),
    (ch07.check_kernel, (lambda kernel: kernel.reshape(5, 4, 2, 3),), "changed their places"),
    (ch07.check_kernel, (lambda kernel: None,), "return missing"),
    (ch07.check_kernel, ("transpose",), "a function is wanted"),
    (ch07.check_kernel, (lambda kernel: kernel[9],), "your function stops"),
    (ch07.check_kernel, (lambda kernel: "kernel",), "an array is wanted"),
    (ch07.check_frozen_as_keras, (no_gradients,), "one pass of a batch has moved"),
    (ch07.check_frozen_as_keras, (all_of_it,), "the head is frozen too"),
    (ch07.check_frozen_as_keras, (lambda model: model.eval(),), "still get gradients"),
    (ch07.check_frozen_as_keras, (lambda model: 1 / 0,), "fails: ZeroDivisionError"),
    (ch07.check_frozen_as_keras, (None,), "a function is wanted"),
    (ch07.check_keras_block, (no_shortcut,), "no way past"),
    (ch07.check_keras_block, (concatenated,), "leaves the block as (6, 6, 8)"),
    (ch07.check_keras_block, (relu_first,), "cut off by the last step"),
    (ch07.check_keras_block, (doubled,), "comes out changed"),
    (ch07.check_keras_block, (one_layer,), "one layer beside a shortcut"),
    (ch07.check_keras_block, (lambda x, width: 3,), "a tensor of Keras is wanted"),
    (ch07.check_keras_block, (lambda x, width: None,), "return missing"),
    (ch07.check_batchnorm_memory, (lambda momentum: momentum,), "in PyTorch"),
    (ch07.check_batchnorm_memory, (lambda momentum: 0.99,), "with yours"),
    (ch07.check_batchnorm_memory, (lambda momentum: "0.9",), "a number is wanted"),
    (ch07.check_same_padding, (lambda size, kernel, stride: (kernel // 2, kernel // 2),), "fewer than"),
    (ch07.check_same_padding, (lambda *given: same(*given)[::-1],), "not on these sides"),
    (ch07.check_same_padding, (lambda *given: (0, 0),), "do not fit"),
    (ch07.check_same_padding, (lambda *given: 3,), "two numbers"),
    (ch07.check_same_padding, (lambda *given: (-1, 6),), "fewer than no rows"),
    (ch07.check_bias, (lambda bias, mean: mean + bias,), "with yours it is"),
    (ch07.check_bias, (lambda bias, mean: mean,), "with yours it is"),
    (ch07.check_bias, (lambda bias, mean: 0.0,), "one number a channel"),
    (ch07.check_layer_name, (lambda layer: layer,), "has no module"),
    (ch07.check_layer_name, (lambda layer: name_of(layer).replace("layer1.0", "layer1.1"),), "another layer"),
    (ch07.check_layer_name, (lambda layer: 3,), "has no module '3'"),
    (ch07.check_share, (0.976,), "per cent"),
    (ch07.check_share, (50,), "flattened image"),
    (ch07.check_share, (99.9,), "too large"),
    (ch07.check_share, (120,), "between nothing and all"),
    (ch07.check_share, ("most",), "a number is wanted"),
    (ch07.check_pool, (2,), "both"),
    (ch07.check_pool, (0.25,), "larger without it"),
    (ch07.check_pool, (9,), "count the places"),
    (ch07.check_pool, (True,), "a number is wanted"),
]
SECRETS = {
    ch07.check_kernel: ["3, 2, 0, 1", "permute"],
    ch07.check_batchnorm_memory: ["1 -", "0.9 "],
    ch07.check_bias: ["mean - bias"],
    ch07.check_share: ["97"],
    ch07.check_pool: ["4"],
}
