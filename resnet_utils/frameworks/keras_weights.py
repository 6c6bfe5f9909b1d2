"""Weights carried between PyTorch and Keras by name, both ways, until the outputs agree.

Introduced in chapter 7.

==================  =================================  ===============================================
layer               PyTorch                            Keras
==================  =================================  ===============================================
convolution         ``weight`` (O, I, H, W)            ``kernel`` (H, W, I, O)
linear, dense       ``weight`` (O, I), ``bias``        ``kernel`` (I, O), ``bias``
BatchNorm           ``weight``, ``bias``,              ``gamma``, ``beta``,
                    ``running_mean``, ``running_var``  ``moving_mean``, ``moving_variance``
==================  =================================  ===============================================

``num_batches_tracked`` has no counterpart in Keras, and is 0 on the way back. Epsilon, momentum and padding
are no weights: a model of ``keras_networks`` has PyTorch's, and ``from_keras`` refuses one that has not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from resnet_utils.files import naming
from resnet_utils.frameworks.backend import import_keras
from resnet_utils.frameworks.keras_networks import keras_resnet
from resnet_utils.models.resnet import ResNet

if TYPE_CHECKING:
    import keras

PAIRS = {  # Keras's name of a variable: PyTorch's
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
TO_TORCH = {4: (3, 2, 0, 1), 2: (1, 0)}  # axes of a kernel: H W I O -> O I H W; I O -> O I
TO_KERAS = {4: (2, 3, 1, 0), 2: (1, 0)}


def to_keras(model: ResNet) -> keras.Model:
    """A Keras form of ``model`` with its weights: in inference mode both give the same logits, to 1e-5.

    Args:
        model: one of ``models.build``, on any device; it is left as it is.

    Raises:
        ImportError: if Keras is missing.
        TypeError: if ``model`` is no ``models.ResNet``.
        ValueError: if the Keras form lacks what this network has (see ``keras_resnet``).
    """
    if not isinstance(model, ResNet):
        raise TypeError(f"to_keras needs a network of models.build, got {type(model).__name__}")
    twin = keras_resnet(model.spec, in_channels=_channels(model))
    load_keras_state(twin, model.state_dict())
    return twin


def from_keras(model: keras.Model, network: ResNet) -> ResNet:
    """``network`` with the weights of a Keras model, in place; it is returned too.

    Args:
        model: a Keras model whose layers have the names of ``keras_resnet``.
        network: one of ``models.build`` of the same shape; it keeps its device and mode.

    Raises:
        ValueError: if names or shapes differ, or a BatchNorm's epsilon or momentum does: the outputs would.
    """
    found = keras_state(model)
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    _compare({name: tuple(tensor.shape) for name, tensor in found.items()}, expected, "the Keras model")
    for layer in model.layers:
        if isinstance(layer, import_keras().layers.BatchNormalization):
            norm = network.get_submodule(dotted(layer.name))
            assert isinstance(norm, nn.BatchNorm2d)
            theirs, ours = (layer.epsilon, layer.momentum), (norm.eps, 1 - (norm.momentum or 0.0))
            if not np.allclose(theirs, ours, rtol=1e-6, atol=0):
                raise ValueError(
                    f"{layer.name}: Keras has epsilon, momentum {theirs}, here they are {ours} in its words; "
                    "with other ones the same weights give other outputs"
                )
    network.load_state_dict(found)
    return network


def keras_state(model: keras.Model) -> dict[str, Tensor]:
    """What a Keras model has learned, as a state dict of PyTorch: torchvision's names, float32 on the CPU.

    Args:
        model: a Keras model; a layer ``layer1_0_conv1`` becomes ``layer1.0.conv1``.
    """
    state: dict[str, Tensor] = {}
    for layer, variable in _variables(model):
        values = import_keras().ops.convert_to_numpy(variable.value)
        name = f"{dotted(layer.name)}.{PAIRS[variable.name]}"
        axes = TO_TORCH.get(values.ndim) if variable.name == "kernel" else None
        state[name] = torch.from_numpy(np.array(values.transpose(axes) if axes else values))
        if variable.name == "moving_variance":
            state[f"{dotted(layer.name)}.num_batches_tracked"] = torch.tensor(0)
    return state


def load_keras_state(model: keras.Model, state: Mapping[str, Tensor]) -> None:
    """Put a state dict of PyTorch into a Keras model, in place, all of it or nothing.

    Args:
        model: a Keras model, as for ``keras_state``.
        state: a state dict; names of timm, of transformers and of others are understood (``files.naming``).

    Raises:
        ValueError: if a name is missing, left over or there twice, or a shape differs.
    """
    given: dict[str, np.ndarray] = {}
    for key, tensor in state.items():
        name = naming.canonical(key)
        if name in given:
            raise ValueError(f"two tensors of the state dict would be {name!r}, the second is {key!r}")
        if not name.endswith("num_batches_tracked"):
            given[name] = np.array(tensor.detach().cpu().float())  # a copy: JAX may keep this memory
    places: dict[str, Any] = {}
    for layer, variable in _variables(model):
        name = f"{dotted(layer.name)}.{PAIRS[variable.name]}"
        places[name] = variable
        if variable.name == "kernel" and name in given and given[name].ndim in TO_KERAS:
            given[name] = given[name].transpose(TO_KERAS[given[name].ndim])
    expected = {name: tuple(variable.shape) for name, variable in places.items()}
    _compare({name: values.shape for name, values in given.items()}, expected, "the state dict")
    for name, variable in places.items():
        variable.assign(np.ascontiguousarray(given[name]))


def predicted(model: keras.Model, images: Tensor, *, batch_size: int = 100) -> Tensor:
    """What a Keras model in inference mode says of images in PyTorch's order: float32 on the CPU, (N, ...).

    Args:
        model: a Keras model that takes (N, H, W, C).
        images: float (N, C, H, W).
        batch_size: images at a time.

    Raises:
        ValueError: if there is no image, or ``images`` has another number of axes than four.
    """
    if images.ndim != 4 or not len(images):
        raise ValueError(f"images must be (N, C, H, W) with N of at least 1, got {tuple(images.shape)}")
    ops = import_keras().ops
    parts = [
        ops.convert_to_numpy(model(batch.detach().cpu().permute(0, 2, 3, 1).numpy(), training=False))
        for batch in images.split(batch_size)
    ]
    return torch.from_numpy(np.concatenate(parts))


def applications_state(model: keras.Model) -> dict[str, Tensor]:
    """The weights of ``keras.applications.ResNet50``, ``101`` or ``152``, as a state dict of ours.

    They are those of the paper's networks: the stride sits on the first 1x1, so they fit
    ``models.build("resnet50", stride_on="1x1")`` with ``eps`` of its BatchNorms at 1.001e-5. Each convolution
    there has a bias before its BatchNorm; a BatchNorm subtracts the running mean, so the bias b is carried
    over as running mean - b.

    Args:
        model: with or without its head; without, ``fc`` is missing in what is returned.

    Raises:
        ValueError: if a layer with weights has a name that those networks do not have.
    """
    renamed: dict[str, Tensor] = {}
    biases: dict[str, Tensor] = {}
    for name, tensor in keras_state(model).items():
        layer, _, kind = name.rpartition(".")
        ours = _applications_name(layer)
        if kind == "bias" and _norm_of(ours) != ours:
            biases[_norm_of(ours)] = tensor
        else:
            renamed[f"{ours}.{kind}"] = tensor
    for norm, bias in biases.items():
        renamed[f"{norm}.running_mean"] = renamed[f"{norm}.running_mean"] - bias
    return renamed


def _applications_name(layer: str) -> str:
    """``layer1.0.downsample.0`` for ``conv2.block1.0.conv``."""
    fixed = {"conv1.conv": "conv1", "conv1.bn": "bn1", "predictions": "fc"}
    if layer in fixed:
        return fixed[layer]
    found = re.fullmatch(r"conv(\d)\.block(\d+)\.(\d)\.(conv|bn)", layer)
    if not found:
        raise ValueError(f"keras.applications' ResNets have no layer {layer.replace('.', '_')!r}")
    stage, block, place, kind = int(found[1]) - 1, int(found[2]) - 1, int(found[3]), found[4]
    if place == 0:
        return f"layer{stage}.{block}.downsample.{int(kind == 'bn')}"
    return f"layer{stage}.{block}.{kind}{place}"


def _norm_of(conv: str) -> str:
    """The BatchNorm behind a convolution: ``layer1.0.bn2`` for ``layer1.0.conv2``."""
    if conv.endswith("downsample.0"):
        return conv.removesuffix("0") + "1"
    return re.sub(r"conv(\d)$", r"bn\1", conv)


def dotted(layer: str) -> str:
    """PyTorch's name of a module for Keras's name of a layer: ``layer1.0.conv1`` for ``layer1_0_conv1``.

    Args:
        layer: a name in which ``_`` stands for the dot, which Keras on PyTorch does not allow.
    """
    return layer.replace("_", ".")


def _variables(model: keras.Model) -> list[tuple[Any, Any]]:
    """Each layer with each of its variables that a state dict knows."""
    return [(layer, v) for layer in model.layers for v in layer.variables if v.name in PAIRS]


def _channels(model: ResNet) -> int:
    """Channels of the images that ``model`` takes."""
    return next(m.in_channels for m in model.modules() if isinstance(m, nn.Conv2d))


def _compare(given: Mapping[str, tuple], expected: Mapping[str, tuple], whose: str) -> None:
    """Refuse other names and other shapes, and say which."""
    missing, extra = sorted(expected.keys() - given.keys()), sorted(given.keys() - expected.keys())
    if missing or extra:
        raise ValueError(
            f"{whose} has {len(missing)} names too few ({', '.join(missing[:3])}) and {len(extra)} too many "
            f"({', '.join(extra[:3])}): it is another network"
        )
    for name, shape in expected.items():
        if tuple(given[name]) != tuple(shape):
            raise ValueError(f"{name} of {whose} has the shape {tuple(given[name])}, wanted {tuple(shape)}")
