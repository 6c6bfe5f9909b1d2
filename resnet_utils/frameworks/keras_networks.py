"""Our residual networks in Keras, on any of its backends, and three networks from print, repaired.

Introduced in chapter 7.

``keras_resnet("resnet18")`` is the functional form of ``models.build("resnet18")``. Its layers carry
torchvision's names with ``_`` for the dot (``layer1_0_conv1``), so weights can be carried over by name
(``keras_weights``). Everything that Keras decides otherwise than PyTorch is written out: the padding of
strided convolutions, BatchNorm's epsilon and momentum, the first weights, the order (N, H, W, C) of an image.

The three others are what articles on the web print as residual networks, in a form that is one:
``one_stage_network`` for 32x32x3, ``two_convolution_network`` for 28x28x1, and ``network_of_26_layers``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from resnet_utils.frameworks.backend import import_keras
from resnet_utils.models.blocks import BasicBlock, Bottleneck, strides
from resnet_utils.models.resnet import SPECS, Spec

if TYPE_CHECKING:
    import keras

EPSILON, MOMENTUM = 1e-5, 0.9  # PyTorch's BatchNorm: eps=1e-5, momentum=0.1 (the weight of what is new)
IN_ORDER = {"data_format": "channels_last"}  # (N, H, W, C), whatever keras.json says


def keras_resnet(network: str | Spec, num_classes: int | None = None, *, in_channels: int = 3) -> keras.Model:
    """The network in Keras, with fresh weights: images (N, H, W, C) -> logits ``(N, num_classes)``.

    No softmax. Its weights start from the distributions that ``models.build`` draws from. Images may have
    any size.

    Args:
        network: a name of ``models.SPECS`` such as ``"resnet50"``, or a row of one's own.
        num_classes: outputs of the head (default: what the row says).
        in_channels: channels of the images; 1 for grey ones.

    Raises:
        ImportError: if Keras is missing.
        ValueError: for an unknown name, a count below 1, or a row with what this form has not:
            another order, squeeze-and-excitation, stochastic depth, ResNet-D's stem and shortcut.
    """
    spec = row_of(network, num_classes)
    if isinstance(in_channels, bool) or not isinstance(in_channels, int) or in_channels < 1:
        raise ValueError(f"in_channels must be a whole number of at least 1, got {in_channels!r}")
    return _network(spec, (None, None, in_channels), max_pool=spec.stem == "imagenet")


def row_of(network: str | Spec, num_classes: int | None = None) -> Spec:
    """The row of the table that ``network`` names or is, if it can be built in Keras.

    Args:
        network: a name of ``models.SPECS``, or a row.
        num_classes: outputs of the head in place of the row's.

    Raises:
        ValueError: as ``keras_resnet``.
    """
    if isinstance(network, str) and network not in SPECS:
        raise ValueError(f"unknown network {network!r}; the valid names are {', '.join(SPECS)}")
    spec = SPECS[network] if isinstance(network, str) else network
    if num_classes is not None:
        if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 1:
            raise ValueError(f"num_classes must be a whole number of at least 1, got {num_classes!r}")
        spec = replace(spec, num_classes=num_classes)
    has_not = {
        f"order={spec.order!r}": spec.order != "original",
        f"se={spec.se}": spec.se is not None,
        f"stochastic_depth={spec.stochastic_depth}": spec.stochastic_depth > 0,
        f"stem={spec.stem!r}": spec.stem == "deep",
        f"shortcut={spec.shortcut!r}": spec.shortcut == "D",
    }
    if wrong := [what for what, there in has_not.items() if there]:
        raise ValueError(f"the Keras form has no {', '.join(wrong)}; build it without, or in PyTorch")
    return spec


def _network(spec: Spec, shape: tuple[int | None, ...], *, max_pool: bool) -> keras.Model:
    """Stem, stages, head, as ``models.ResNet``."""
    layers, keras = import_keras().layers, import_keras()
    inputs = keras.Input(shape, name="images")  # (N, H, W, C)
    kernel, stride = (3, 1) if spec.stem == "cifar" else (7, 2)
    x = convolution(inputs, spec.width, kernel, stride=stride, name="conv1")
    x = layers.ReLU(name="relu")(normalization(x, name="bn1"))
    if max_pool:  # zeros at the edge never win: behind a ReLU nothing is below them
        x = layers.ZeroPadding2D(1, name="maxpool_pad", **IN_ORDER)(x)
        x = layers.MaxPooling2D(3, strides=2, name="maxpool", **IN_ORDER)(x)
    for stage, num_blocks in enumerate(spec.blocks_per_stage):
        for position in range(num_blocks):
            stride = 2 if stage > 0 and position == 0 else 1
            name = f"layer{stage + 1}_{position}"
            x = residual_block(x, spec.width * 2**stage, spec=spec, stride=stride, name=name)
    x = layers.GlobalAveragePooling2D(name="avgpool", **IN_ORDER)(x)  # (N, C)
    return keras.Model(inputs, linear(x, spec.num_classes, name="fc"))


def convolution(x: Any, filters: int, kernel: int, *, stride: int = 1, groups: int = 1, name: str) -> Any:
    """A convolution without bias, padded on all four sides alike: (N, H, W, C) -> (N, H / s, W / s, filters).

    With ``padding="same"`` and a stride of 2 Keras would pad an even image at the bottom and the right only.

    Args:
        x: a symbolic or real tensor (N, H, W, C).
        filters: channels of the output.
        kernel: side of the window, odd.
        stride: step from window to window.
        groups: number of separate groups of channels.
        name: that of the layer.
    """
    keras = import_keras()
    if stride > 1 and kernel > 1:
        x = keras.layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad", **IN_ORDER)(x)
    return keras.layers.Conv2D(
        filters, kernel, strides=stride, groups=groups, use_bias=False, name=name,
        padding="valid" if stride > 1 else "same",
        kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal"),
        **IN_ORDER,
    )(x)  # fmt: skip


def normalization(x: Any, *, name: str) -> Any:
    """BatchNorm over the channels of ``x`` (N, H, W, C), with PyTorch's epsilon and memory.

    Args:
        x: a symbolic or real tensor.
        name: that of the layer.
    """
    layer = import_keras().layers.BatchNormalization
    return layer(axis=-1, epsilon=EPSILON, momentum=MOMENTUM, name=name)(x)


def linear(x: Any, units: int, *, name: str) -> Any:
    """A dense layer without activation, drawn as PyTorch draws it: (N, C) -> (N, units).

    Args:
        x: a symbolic or real tensor (N, C).
        units: its outputs.
        name: that of the layer.
    """
    keras, edge = import_keras(), x.shape[-1] ** -0.5
    draw = keras.initializers.RandomUniform(-edge, edge)
    return keras.layers.Dense(units, kernel_initializer=draw, bias_initializer=draw, name=name)(x)


def residual_block(x: Any, width: int, *, spec: Spec | None = None, stride: int = 1, name: str) -> Any:
    """``relu(F(x) + shortcut(x))``: (N, H, W, C) -> (N, H / s, W / s, width * expansion).

    Args:
        x: a symbolic or real tensor (N, H, W, C).
        width: channels of its 3x3 convolutions.
        spec: the row that says which block, shortcut and stride (default: a basic block with option B).
        stride: 2 halves the image.
        name: what its layers' names begin with, such as ``layer1_0``.
    """
    layers = import_keras().layers
    spec = SPECS["resnet18"] if spec is None else spec
    out = (_deep_branch if issubclass(spec.block, Bottleneck) else _branch)(x, width, spec, stride, name)
    if spec.shortcut != "none":
        shortcut = _shortcut(x, out.shape[-1], spec.shortcut, stride, f"{name}_downsample")
        out = layers.Add(name=f"{name}_add")([out, shortcut])
    return layers.ReLU(name=f"{name}_relu")(out)


def _branch(x: Any, width: int, spec: Spec, stride: int, name: str) -> Any:
    """F(x) of a basic block."""
    relu = import_keras().layers.ReLU
    out = normalization(convolution(x, width, 3, stride=stride, name=f"{name}_conv1"), name=f"{name}_bn1")
    out = convolution(relu(name=f"{name}_relu1")(out), width, 3, name=f"{name}_conv2")
    return normalization(out, name=f"{name}_bn2")


def _deep_branch(x: Any, width: int, spec: Spec, stride: int, name: str) -> Any:
    """F(x) of a bottleneck."""
    relu, block = import_keras().layers.ReLU, spec.block
    assert issubclass(block, Bottleneck)
    first, second = strides(stride, spec.stride_on)
    inner = width * block.width_per_group // 64 * block.groups
    out = normalization(convolution(x, inner, 1, stride=first, name=f"{name}_conv1"), name=f"{name}_bn1")
    out = relu(name=f"{name}_relu1")(out)
    out = convolution(out, inner, 3, stride=second, groups=block.groups, name=f"{name}_conv2")
    out = relu(name=f"{name}_relu2")(normalization(out, name=f"{name}_bn2"))
    out = convolution(out, width * block.expansion, 1, name=f"{name}_conv3")
    return normalization(out, name=f"{name}_bn3")


def _shortcut(x: Any, channels: int, option: str, stride: int, name: str) -> Any:
    """``x`` in the branch's shape: itself, every second pixel between zeros (A), or projected (B, C)."""
    keras, given = import_keras(), x.shape[-1]
    if stride == 1 and given == channels and option != "C":
        return x
    if option != "A":
        return normalization(convolution(x, channels, 1, stride=stride, name=f"{name}_0"), name=f"{name}_1")
    kept = keras.layers.AveragePooling2D(1, strides=stride, name=f"{name}_pick", **IN_ORDER)(x)
    front = (channels - given) // 2
    return keras.ops.pad(kept, [[0, 0], [0, 0], [0, 0], [front, channels - given - front]])


def one_stage_network(num_classes: int = 10, *, num_blocks: int = 2, width: int = 16) -> keras.Model:
    """What an article's TensorFlow 1 "ResNet layer" for 32x32x3 was meant to be: images -> logits.

    A 3x3 stem, blocks of one width, the average over the places, one linear layer. The article's own blocks
    had one 3x3 convolution and a BatchNorm after the addition, and a flattened head.

    Args:
        num_classes: outputs.
        num_blocks: residual blocks.
        width: channels.
    """
    row = Spec(BasicBlock, (num_blocks,), stem="cifar", width=width, shortcut="A", num_classes=num_classes)
    return _network(row, (32, 32, 3), max_pool=False)


def two_convolution_network(
    num_classes: int = 10, *, convolutions: int = 2, width: int = 64, shortcut: bool = False
) -> keras.Model:
    """An article's "ResNet" for 28x28x1, as printed or with the shortcut that it lacks: images -> logits.

    As printed: two convolutions with ReLU, a max-pool, a flattened image, two dense layers. With
    ``shortcut``, each convolution but the first adds its input to its output, before the ReLU; the weights
    are as many. Keras's own first weights. The printed softmax is left to the loss.

    Args:
        num_classes: outputs.
        convolutions: how many; the article has 2.
        width: channels of each; the article has 64.
        shortcut: whether the shortcuts are there.

    Raises:
        ValueError: if ``convolutions`` is below 2.
    """
    if convolutions < 2:
        raise ValueError(f"convolutions must be at least 2, the first has no shortcut; got {convolutions}")
    keras, layers = import_keras(), import_keras().layers
    inputs = keras.Input((28, 28, 1), name="images")
    x = inputs
    for number in range(1, convolutions + 1):
        out = layers.Conv2D(width, 3, padding="same", name=f"conv{number}", **IN_ORDER)(x)
        if shortcut and number > 1:
            out = layers.Add(name=f"add{number}")([out, x])
        x = layers.ReLU(name=f"relu{number}")(out)
    x = layers.MaxPooling2D(name="pool", **IN_ORDER)(x)
    x = layers.Dense(128, activation="relu", name="hidden")(layers.Flatten(name="flat")(x))
    return keras.Model(inputs, layers.Dense(num_classes, name="fc")(x))


def residual_28_network(num_classes: int = 10, *, num_blocks: int = 1, width: int = 64) -> keras.Model:
    """The same task with what a residual network has: a stem, blocks, an averaged head: images -> logits.

    Args:
        num_classes: outputs.
        num_blocks: residual blocks, each with two convolutions and their BatchNorms.
        width: channels.
    """
    row = Spec(BasicBlock, (num_blocks,), stem="cifar", width=width, shortcut="A", num_classes=num_classes)
    return _network(row, (28, 28, 1), max_pool=False)


def network_of_26_layers(
    num_classes: int = 1000, *, in_channels: int = 3, max_pool: bool = True
) -> keras.Model:
    """Basic blocks [3, 3, 3, 3], which an article calls a ResNet of 50 layers: images -> logits.

    Args:
        num_classes: outputs.
        in_channels: channels of the images.
        max_pool: the 3x3 max-pool behind the stem; the article leaves it out.
    """
    row = replace(SPECS["resnet34"], blocks_per_stage=(3, 3, 3, 3), num_classes=num_classes)
    return _network(row, (None, None, in_channels), max_pool=max_pool)


def weighted_keras_layers(model: keras.Model) -> int:
    """Convolutions and dense layers of ``model``, projections in shortcuts left out: the number in a name.

    Args:
        model: a Keras model whose projections are called ``..._downsample_...``.
    """
    layers = import_keras().layers
    kinds = (layers.Conv2D, layers.Dense)
    return sum(isinstance(layer, kinds) and "downsample" not in layer.name for layer in model.layers)
