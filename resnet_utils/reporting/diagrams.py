"""Diagrams of blocks and of whole networks, drawn from their code: change the block and its picture changes.

Introduced in chapter 3.

A block is traced with ``torch.fx``, which lists its steps and what each takes its input from. The longest
way from the input to the output is drawn from top to bottom; what lies beside it is the shortcut. The
picture is SVG of a few kilobytes, the same on every machine, and says its content in words as well.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import fx, nn

from resnet_utils.reporting.roles import COLORS
from resnet_utils.reporting.svg import INK, MOST_WIDE, PALE, PAPER, Point, Svg
from resnet_utils.runtime import given

BOX, TALL, PITCH = 118, 32, 44  # width and height of a box, distance from one row to the next (pixels)
ASIDE, LANE = 134, 9  # from the main column to the one beside it; from one long line to the next
MOST_BESIDE = 490  # pixels of a row of blocks; on a telephone its letters are three quarters as large
SHORTCUT = COLORS["residual"]
FILL = {"conv": "#D6E6F2", "+": "#F6D9E8", "×": "#F6D9E8", "norm": PAPER, "other": PALE}
WORDS = {"add": "+", "iadd": "+", "mul": "×", "relu": "ReLU", "truediv": "÷"}


@dataclass(frozen=True)
class Step:
    """One step of a block.

    label: its words, such as "3×3, 64".
    shape: that of what leaves it, without N.
    inputs: the indices of the steps it reads from.
    kind: what it is filled with, a key of ``FILL``.
    """

    label: str
    shape: tuple[int, ...]
    inputs: tuple[int, ...]
    kind: str


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return super().is_leaf_module(m, module_qualified_name) or not any(m.children())


@given.explained
def trace(block: nn.Module, input_shape: tuple[int, ...]) -> list[Step]:
    """The steps of a block, the input itself first.

    Nothing is computed (the shapes come from torch's "meta" device), and the block is left as it was.

    Args:
        block: a module whose ``forward`` takes one tensor and can be traced by ``torch.fx``.
        input_shape: (N, C, H, W) of that tensor.

    Raises:
        ValueError: if an input of that shape does not fit the block, or it cannot be traced.
    """
    shadow = copy.deepcopy(block).to("meta").eval()
    try:
        graph = _Tracer().trace(shadow)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the block {type(block).__name__} cannot be traced: {error}") from error
    shapes: dict[str, tuple[int, ...]] = {}

    class Recorder(fx.Interpreter):
        def run_node(self, n: fx.Node) -> object:
            out = super().run_node(n)
            shapes[n.name] = tuple(out.shape[1:])
            return out

    try:
        Recorder(fx.GraphModule(shadow, graph)).run(torch.empty(input_shape, device="meta"))
    except (RuntimeError, AttributeError) as error:
        block_name = type(block).__name__
        raise ValueError(
            f"an input of shape {tuple(input_shape)} does not fit the block {block_name}: {error}"
        ) from error
    nodes = [node for node in graph.nodes if node.op != "output"]
    place = {node: index for index, node in enumerate(nodes)}
    return [
        Step(label, shapes[node.name], tuple(place[i] for i in node.all_input_nodes), kind)
        for node in nodes
        for label, kind in [_words(shadow, node)]
    ]


def _words(block: nn.Module, node: fx.Node) -> tuple[str, str]:
    """Label and kind of a node."""
    if node.op == "placeholder":
        return "x", "other"
    target = node.target
    if node.op != "call_module" or not isinstance(target, str):
        name = target if isinstance(target, str) else target.__name__
        label = WORDS.get(name, name)
        return label, label if label in FILL else "other"
    module = block.get_submodule(target)
    name = type(module).__name__.removesuffix("2d")
    if isinstance(module, nn.Conv2d):
        rows, columns = module.kernel_size
        stride = f", /{module.stride[0]}" if module.stride[0] > 1 else ""
        groups = f", {module.groups} groups" if module.groups > 1 else ""
        return f"{rows}×{columns}, {module.out_channels}{stride}{groups}", "conv"
    return name, "norm" if "Norm" in name else "other"


@given.explained
def main_path(steps: list[Step]) -> list[int]:
    """Indices of the longest way from the input to the last step: the branch of a block.

    Args:
        steps: what ``trace`` returns.

    Raises:
        ValueError: if there is none.
    """
    if not steps:
        raise ValueError("steps must hold at least the input, got none")
    depth: list[int] = []
    for step in steps:
        depth.append(1 + max((depth[i] for i in step.inputs), default=-1))
    path = [len(steps) - 1]
    while steps[path[0]].inputs:
        path.insert(0, max(steps[path[0]].inputs, key=depth.__getitem__))
    return path


@given.explained
def shortcuts(steps: list[Step]) -> list[tuple[int, list[int], int]]:
    """Every way beside the main path: where it leaves, the steps on it (none: it is the identity), where it
    arrives. Places are counted along the main path from 0, the input.

    Args:
        steps: what ``trace`` returns.

    Raises:
        ValueError: if there is none.
    """
    path = main_path(steps)
    found = []
    for end, index in enumerate(path[1:], start=1):
        for before in steps[index].inputs:
            if before == path[end - 1]:
                continue
            beside = []
            while before not in path:
                beside.insert(0, before)
                before = steps[before].inputs[0]
            found.append((path.index(before), beside, end))
    return found


@given.explained
def describe(block: nn.Module, input_shape: tuple[int, ...]) -> str:
    """The diagram in words, two lines or more: the branch, with its shape where that changes, and each
    shortcut with the steps (counted from the input, 0) where it leaves and arrives.

    Args:
        block: as in ``trace``.
        input_shape: as in ``trace``.

    Raises:
        ValueError: as ``trace``.
    """
    steps = trace(block, input_shape)
    path = main_path(steps)
    lines = [" → ".join(_with_shape(steps, index) for index in path)]
    for start, beside, end in shortcuts(steps):
        through = " → ".join(_with_shape(steps, index) for index in beside) or "nothing in between"
        lines.append(
            f"from {start} ({steps[path[start]].label}) to {end} ({steps[path[end]].label}): {through}"
        )
    return "\n".join(lines if len(lines) > 1 else [*lines, "no shortcut"])


def _with_shape(steps: list[Step], index: int) -> str:
    """A step's label, followed by its shape if it is the input or has another shape than its first input."""
    text = _shape_if_new(steps, index)
    return f"{steps[index].label} ({text})" if text else steps[index].label


def _shape_if_new(steps: list[Step], index: int) -> str:
    step = steps[index]
    new = not step.inputs or steps[step.inputs[0]].shape != step.shape
    return "×".join(map(str, step.shape)) if new else ""


@given.explained
class Drawing:
    """Diagrams of several blocks side by side; a notebook shows it as a picture.

    ``panels`` holds the steps of each block by its title, ``digest`` the whole drawing in words.

    Args:
        blocks: title, and the block with the shape (N, C, H, W) of its input.

    Raises:
        ValueError: as ``trace``, or if there is no block.
    """

    def __init__(self, blocks: Mapping[str, tuple[nn.Module, tuple[int, ...]]]) -> None:
        if not blocks:
            raise ValueError("blocks must hold at least one to draw, got none")
        self.panels = {title: trace(block, shape) for title, (block, shape) in blocks.items()}
        self.digest = "\n".join(f"{title}: {describe(*one)}" for title, one in blocks.items())

    def __repr__(self) -> str:
        return f"<diagrams of {', '.join(self.panels)}>"

    def _repr_svg_(self) -> str:
        rows: list[list[Svg]] = []
        for panel in [_panel(title, steps) for title, steps in self.panels.items()]:
            if not rows or sum(other.width for other in rows[-1]) + panel.width > MOST_BESIDE:
                rows.append([])
            rows[-1].append(panel)
        wide = max((sum(panel.width for panel in row) for row in rows), default=0)
        high = [max(panel.height for panel in row) for row in rows]
        whole = Svg(wide, sum(high), words=self.digest, most_wide=math.inf)
        for top, row in zip(accumulate(high, initial=0), rows, strict=False):
            left = 0
            for panel in row:
                whole.place(panel, left, top)
                left += panel.width
        return whole._repr_svg_()


def _panel(title: str, steps: list[Step]) -> Svg:
    """The picture of one block."""
    path, ways = main_path(steps), shortcuts(steps)
    center = BOX // 2 + 12
    place = {index: (center, 44 + PITCH * row) for row, index in enumerate(path)}
    for start, beside, end in ways:
        first = (start + end - len(beside) + 1) / 2  # in the middle between leaving and arriving
        for row, index in enumerate(beside):
            place[index] = (center + ASIDE, round(44 + PITCH * (first + row)))
    lanes = sorted((way for way in ways if not way[1]), key=lambda way: way[2] - way[0])
    aside = any(beside for _, beside, _ in ways)
    drawn = Svg(
        center + (ASIDE + BOX // 2 + 8 if aside else BOX // 2 + 24 + LANE * len(lanes)),
        44 + PITCH * len(path) - PITCH // 2,
        words="a block",  # the whole drawing says what is in it
        most_wide=math.inf,
    )
    drawn.text((center, 16), title, bold=True)
    for a, b in pairwise(path):
        drawn.line([place[a], place[b]])
    for start, beside, end in ways:
        away = center + (ASIDE if beside else BOX // 2 + 12 + LANE * lanes.index((start, beside, end)))
        (x0, y0), (x1, y1) = place[path[start]], place[path[end]]
        drawn.line([(x0, y0), (away, y0), (away, y1), (x1, y1)], color=SHORTCUT, width=2.5)
    for index in range(len(steps)):
        _draw_step(drawn, place[index], steps, index)
    return drawn


def _draw_step(drawn: Svg, center: Point, steps: list[Step], index: int) -> None:
    """A circle for + and ×, else a box with its label, and below it the shape where that is new."""
    step, shape = steps[index], _shape_if_new(steps, index)
    if step.label in "+×÷":
        drawn.circle(center, step.label, radius=12, fill=FILL[step.kind])
        return
    x, y = center
    drawn.box(center, (BOX, TALL if shape else TALL - 8), fill=FILL[step.kind])
    drawn.text((x, y - 1 if shape else y + 4), step.label)
    if shape:
        drawn.text((x, y + 11), shape, size=10, color=INK)


MOST_BLOCKS = 12  # of a stage, drawn one by one; more are drawn as so many with dots between


@given.explained
def whole_network(model: nn.Module, image_shape: tuple[int, ...]) -> Svg:
    """A ResNet from the image to its logits: what is in each part, and the shape that leaves it.

    Each block is a small box and its shortcut a blue line over it, with a square where it projects. Beside
    the words stands a square for the size of the map, a step smaller for each halving. All of it is read off
    the network, which is left as it was; nothing is computed (torch's "meta" device).

    Args:
        model: one of ``models.build``: ``conv1``, ``bn1``, ``relu``, ``maxpool``, ``avgpool``, ``fc`` and
            the names of its ``stages``.
        image_shape: (N, C, H, W) of the images.

    Raises:
        ValueError: if images of that shape do not fit, or the model has no such parts.
    """
    rows = _parts_of_network(model, image_shape)
    told = [
        f"{name} ({what}): {_product(shape)}" if what else _product(shape) for name, what, shape, _ in rows
    ]
    svg = Svg(MOST_WIDE, 48 * len(rows) + 20, words=" → ".join(told))
    svg.text((352, 16), "C × H × W", anchor="end", bold=True)
    for row, (name, what, shape, stage) in enumerate(rows):
        y = 46 + 48 * row
        if row:
            svg.line([(102, y - 31), (102, y - 17)], color=COLORS["plain"], arrow=True)
        svg.box((102, y), (184, 34), fill=FILL["conv" if stage or name == "stem" else "other"])
        svg.text((16, y - 4 if stage else y + 4), name, anchor="start", bold=True)
        svg.text((188, y - 4 if stage else y + 4), what, anchor="end", size=10)
        _draw_blocks(svg, stage, y + 10)
        if len(shape) == 3:
            edge = max(4, 40 - 6 * round(math.log2(image_shape[-1] / shape[-1])))
            svg.box((226, y), (edge, edge), fill=PAPER, radius=0)
        svg.text((352, y + 4), _product(shape), anchor="end", size=10)
    return svg


def _product(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def _parts_of_network(
    model: nn.Module, image_shape: tuple[int, ...]
) -> list[tuple[str, str, tuple[int, ...], list[nn.Module]]]:
    """Name, content, shape without N, and blocks (none outside the stages) of each part, the image first."""
    lacking = [name for name in ("stages", "conv1", "maxpool", "avgpool", "fc") if not hasattr(model, name)]
    if lacking:
        name = type(model).__name__
        raise ValueError(f"a network of models.build has {', '.join(lacking)}, but this {name} has not")
    shadow: Any = copy.deepcopy(model).to("meta").eval()
    shapes: dict[str, tuple[int, ...]] = {}
    for name in ("conv1", "maxpool", *shadow.stages, "avgpool", "fc"):

        def note(module: nn.Module, inputs: object, out: torch.Tensor, name: str = name) -> None:
            shapes[name] = tuple(out.shape[1:])

        shadow.get_submodule(name).register_forward_hook(note)
    try:
        shadow(torch.empty(image_shape, device="meta"))
    except RuntimeError as error:
        raise ValueError(f"an image of shape {tuple(image_shape)} does not fit: {error}") from error
    first = [layer for layer in shadow.conv1.modules() if isinstance(layer, nn.Conv2d)]
    rows = [("image", "", tuple(image_shape[1:]), []), ("stem", _convolutions(first), shapes["conv1"], [])]
    if isinstance(shadow.maxpool, nn.MaxPool2d):
        kernel, stride = shadow.maxpool.kernel_size, shadow.maxpool.stride
        rows.append(("max-pool", f"{kernel}×{kernel}, /{stride}", shapes["maxpool"], []))
    for name in shadow.stages:
        stage = list(shadow.get_submodule(name))
        rows.append((name, f"{len(stage)} × {type(stage[0]).__name__}", shapes[name], stage))
    rows.append(("average", "over all places", shapes["avgpool"][:1], []))
    return [*rows, ("fc", "linear", shapes["fc"], [])]


def _convolutions(layers: list[nn.Conv2d]) -> str:
    """What a stem is made of, such as "7×7, /2"."""
    sizes = [f"{layer.kernel_size[0]}×{layer.kernel_size[1]}" for layer in layers]
    strides = math.prod(layer.stride[0] for layer in layers)
    return " ".join(sizes) + (f", /{strides}" if strides > 1 else "")


def _draw_blocks(svg: Svg, stage: list[nn.Module], y: int) -> None:
    """The blocks of a stage in a row around ``y``, with their shortcuts."""
    shown = stage if len(stage) <= MOST_BLOCKS else stage[: MOST_BLOCKS - 1]
    for number, block in enumerate(shown):
        x = 22 + 14 * number
        svg.box((x, y), (8, 6), fill=PAPER, radius=1)
        if not getattr(block, "is_plain", False):
            svg.line([(x - 6, y), (x - 6, y - 5), (x + 6, y - 5), (x + 6, y)], color=SHORTCUT, width=1)
        if getattr(block, "downsample", None) is not None:
            svg.box((x, y - 5), (4, 4), fill=SHORTCUT, stroke=SHORTCUT, radius=0)
    if len(shown) < len(stage):
        svg.text((22 + 14 * len(shown), y + 3), "…", size=10)
