"""A classifier as an ONNX graph with switches, whose weights stay in their safetensors file.

The graph is that of ``resnet_utils.analysis.lesions.Switchable``, node by node and in float32. It has no
weights of its own: each stands in it as a place in the safetensors file (ONNX calls that external data), in
16 bits, and is turned into 32 when the graph is loaded. So there is one file of weights for PyTorch and for
the page, and the graph has a few kilobytes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from resnet_utils.analysis.lesions import Switchable
from resnet_utils.files import atomic
from resnet_utils.models.blocks import BasicBlock, PadShortcut

OPSET = 18
IR_VERSION = 9  # what runtimes of 2023 and later read
FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
LAST = torch.iinfo(torch.int64).max  # as far as a slice can go


def write(net: Switchable, weights: Path, *, size: int, mean: Sequence[float], std: Sequence[float]) -> Path:
    """Write the graph beside its weights, under the same name with the ending ``.onnx``.

    Inputs: "images", float32 (N, 3, size, size), values from 0 to 255 as they stand in the picture;
    "shortcuts" and "branches", float32 (N, num_blocks). Outputs, each only computed where it is asked for:
    "logits", "evidence", "stem" and the stages, as in ``lesions.Look``.

    Args:
        net: whose structure is written.
        weights: the safetensors file of its network, in 16 bits.
        size: side of the images.
        mean: of each colour in [0, 1].
        std: likewise.
    """
    graph = _Graph(weights)
    x = graph.add("Div", "images", graph.constant(torch.tensor(255.0)))
    x = graph.add("Sub", x, graph.constant(torch.tensor(mean)[None, :, None, None]))
    x = graph.add("Div", x, graph.constant(torch.tensor(std)[None, :, None, None]))
    outputs = _network(graph, net, x)
    path = weights.with_suffix(".onnx")
    with atomic.whole(path) as unfinished:
        onnx.save(graph.model(size, len(net.blocks), outputs), unfinished)
    return path


def _network(graph: _Graph, net: Switchable, x: str) -> list[str]:
    """From normalised images to all outputs; the names of these."""
    switches = [graph.columns(name, len(net.blocks)) for name in ("shortcuts", "branches")]
    x = graph.add("Relu", graph.convolution(x, "conv1", net.model.conv1, "bn1"), out="stem")
    number, outputs = 0, ["stem"]
    for stage in net.model.stages:
        blocks = net.model.get_submodule(stage)
        for position, block in enumerate(blocks):
            shortcut, branch = (columns[number] for columns in switches)
            around = graph.add(
                "Mul", _around(graph, net.bypasses[number], f"{stage}.{position}", x), shortcut
            )
            through = graph.add("Mul", _through(graph, block, f"{stage}.{position}", x), branch)
            out = stage if position == len(blocks) - 1 else None
            x = graph.add("Relu", graph.add("Add", through, around), out=out)
            number += 1
        outputs.append(stage)
    features = graph.add("Flatten", graph.add("GlobalAveragePool", x))
    head, bias = graph.weight("fc.weight"), graph.weight("fc.bias")
    graph.add("Gemm", features, head, bias, out="logits", transB=1)
    as_filters = graph.add("Unsqueeze", head, graph.constant(torch.tensor([2, 3])))
    sides = graph.add("Shape", x, start=2)
    count = graph.add("Cast", graph.add("ReduceProd", sides, keepdims=0), to=FLOAT)
    graph.add("Div", graph.add("Conv", x, as_filters), count, out="evidence")
    return ["logits", "evidence", *outputs]


def _through(graph: _Graph, block: nn.Module, name: str, x: str) -> str:
    """The branch of a block: convolutions with their BatchNorms, a ReLU between two."""
    if not isinstance(block, BasicBlock):
        raise TypeError(f"only basic blocks are written, got a {type(block).__name__}")
    x = graph.add("Relu", graph.convolution(x, f"{name}.conv1", block.conv1, f"{name}.bn1"))
    return graph.convolution(x, f"{name}.conv2", block.conv2, f"{name}.bn2")


def _around(graph: _Graph, bypass: nn.Module, name: str, x: str) -> str:
    """What goes past a block."""
    if isinstance(bypass, nn.Identity):
        return x
    if isinstance(bypass, PadShortcut):
        first, last = graph.constant(torch.tensor([0, 0])), graph.constant(torch.tensor([LAST, LAST]))
        axes, steps = graph.constant(torch.tensor([2, 3])), graph.constant(torch.tensor([bypass.stride] * 2))
        kept = graph.add("Slice", x, first, last, axes, steps)
        zeros = torch.tensor([0, bypass.front, 0, 0, 0, bypass.behind, 0, 0])
        return graph.add("Pad", kept, graph.constant(zeros))
    return graph.convolution(x, f"{name}.downsample.0", bypass[0], f"{name}.downsample.1")


class _Graph:
    """Nodes in the making, and where each weight stands in its file."""

    def __init__(self, weights: Path) -> None:
        self.file, self.nodes, self.tensors = weights.name, [], []
        with weights.open("rb") as file:  # eight bytes: the length of the header; the header: JSON
            length = int.from_bytes(file.read(8), "little")
            self.places = {k: v for k, v in json.loads(file.read(length)).items() if k != "__metadata__"}
        self.begin = 8 + length

    def add(self, kind: str, *inputs: str, out: str | None = None, **attributes: object) -> str:
        """One more node; the name of what it gives."""
        name = out or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, value: Tensor) -> str:
        """A tensor that stands in the graph itself."""
        name = f"constant_{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(value.numpy(), name))
        return name

    def weight(self, name: str) -> str:
        """A weight of the file, in 32 bits; only its place stands in the graph."""
        if not any(name in node.output for node in self.nodes):
            place = self.places[name]
            if place["dtype"] != "F16":
                raise ValueError(f"{name} has {place['dtype']} in {self.file}, not 16 bits")
            tensor = TensorProto(
                name=f"{name}.16", data_type=HALF, dims=place["shape"], data_location=TensorProto.EXTERNAL
            )
            first, last = place["data_offsets"]
            where = {"location": self.file, "offset": str(self.begin + first), "length": str(last - first)}
            for key, value in where.items():
                tensor.external_data.add(key=key, value=value)
            self.tensors.append(tensor)
            self.add("Cast", tensor.name, out=name, to=FLOAT)
        return name

    def convolution(self, x: str, name: str, conv: nn.Module, norm: str) -> str:
        """A convolution without bias and the BatchNorm behind it, as it answers in eval mode."""
        x = self.add(
            "Conv", x, self.weight(f"{name}.weight"), strides=conv.stride, pads=list(conv.padding) * 2
        )
        parts = ("weight", "bias", "running_mean", "running_var")
        return self.add("BatchNormalization", x, *(self.weight(f"{norm}.{part}") for part in parts))

    def columns(self, name: str, count: int) -> list[str]:
        """An input (N, count) as that many tensors (N, 1, 1, 1), which multiply maps."""
        whole = self.add("Unsqueeze", name, self.constant(torch.tensor([2, 3])))  # (N, count, 1, 1)
        names = [f"{name}_{number}" for number in range(count)]
        self.nodes.append(helper.make_node("Split", [whole], names, axis=1, num_outputs=count))
        return names

    def model(self, size: int, num_blocks: int, outputs: Sequence[str]) -> onnx.ModelProto:
        """The whole, checked."""
        shapes = {
            "images": ["N", 3, size, size],
            "shortcuts": ["N", num_blocks],
            "branches": ["N", num_blocks],
        }
        given = [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in shapes.items()]
        made = [
            helper.make_tensor_value_info(name, FLOAT, ["N", f"{name} 1"] if name == "logits" else None)
            for name in outputs
        ]
        graph = helper.make_graph(self.nodes, "classifier with switches", given, made, self.tensors)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
        )
        model.producer_name = "ResNet from Zero"
        return model
