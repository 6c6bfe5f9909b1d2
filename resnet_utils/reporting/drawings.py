"""Drawings of what the text describes: a window that slides, two twins, the paths of a network, four steps.

Introduced in chapter 1.

Each is SVG of a few kilobytes, the same bytes on every machine, and says its content in words as well.
No drawing is wider than 360 pixels, so that its words can be read on a telephone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

from resnet_utils.reporting.roles import COLORS
from resnet_utils.reporting.svg import INK, MOST_WIDE, PALE, PAPER, Point, Svg
from resnet_utils.runtime import given


@given.explained
def sliding_window(*, channels: int = 3, side: int = 5, kernel: int = 3) -> Svg:
    """A window over all channels of a picture, and the single number that comes of it.

    Args:
        channels: sheets of the input, 1 to 4.
        side: pixels of a sheet in each direction, 3 to 5.
        kernel: pixels of the window in each direction, 1 to ``side``.

    Raises:
        ValueError: if a number is outside these bounds.
    """
    if not (1 <= channels <= 4 and 3 <= side <= 5 and 1 <= kernel <= side):
        raise ValueError(
            f"1 to 4 channels, 3 to 5 pixels and a window of 1 to that many can be drawn, got {channels}, "
            f"{side} and {kernel}"
        )
    count, out, pixel = channels * kernel**2, side - kernel + 1, 16
    svg = Svg(
        MOST_WIDE,
        34 + pixel * side + 16 * channels,
        words=f"the same {kernel}×{kernel} window on {side}×{side} pixels of {channels} channel(s): "
        f"{count} products, added up, are one pixel of an output channel of {out}×{out}",
    )
    top = 28
    for sheet in reversed(range(channels)):  # the last one in front
        _grid(svg, (14 + 12 * sheet, top + 16 * (channels - 1 - sheet)), side, pixel, kernel)
    middle = top + (16 * (channels - 1) + pixel * side) // 2
    right = 14 + 12 * (channels - 1) + pixel * side
    svg.line([(right + 8, middle), (right + 22, middle)], arrow=True)
    x = right + 62
    svg.box((x, middle), (76, 44))
    svg.text((x, middle - 4), f"{count} products,")
    svg.text((x, middle + 12), "added up")
    left = 344 - pixel * out
    svg.line([(x + 40, middle), (left - 6, middle)], arrow=True)
    _grid(svg, (left, middle - pixel // 2), out, pixel, 1)
    svg.text((14, 16), f"channels in: {channels}", anchor="start", bold=True)
    svg.text((344, 16), "one channel out", anchor="end", bold=True)
    return svg


def _grid(svg: Svg, corner: Point, side: int, pixel: int, marked: int) -> None:
    """A sheet of square pixels; a square of ``marked`` of them, from its top left corner, is in colour."""
    left, top = corner
    whole = pixel * side
    svg.box((left + whole // 2, top + whole // 2), (whole, whole), fill=PAPER, radius=0)
    inside = pixel * marked
    svg.box((left + inside // 2, top + inside // 2), (inside, inside), fill="#9CC8E3", radius=0)
    for step in range(1, side):
        svg.line([(left + pixel * step, top), (left + pixel * step, top + whole)], width=0.6)
        svg.line([(left, top + pixel * step), (left + whole, top + pixel * step)], width=0.6)


@given.explained
def twins(steps: Sequence[str], *, names: tuple[str, str] = ("plain", "residual")) -> Svg:
    """A plain block and its residual twin side by side, top to bottom: the same steps, and one line more.

    Args:
        steps: what the branch does, one to eight short words each, such as ``["Linear", "ReLU", "Linear"]``.
        names: titles of the two columns.

    Raises:
        ValueError: if there is no step, or more than eight.
    """
    if not 1 <= len(steps) <= 8:
        raise ValueError(f"a block of 1 to 8 steps can be drawn, got {len(steps)}")
    last = 52 + 34 * (len(steps) + 1)  # where the sum is, and the place left free in the plain one
    way = " → ".join(["x", *steps])
    svg = Svg(
        MOST_WIDE,
        last + 74,
        words=f"{names[0]}: {way} → ReLU. {names[1]}: {way} → + → ReLU, and a line from x to the +, "
        "around all steps between",
    )
    for name, role, x in zip(names, ("plain", "residual"), (88, 252), strict=True):
        svg.text((x, 18), name, size=13, bold=True, color=INK if role == "plain" else COLORS[role])
        rows = [52 + 34 * row for row in range(len(steps) + 2)]
        for above, below in pairwise([34, *rows[1:-1], last + 36]):
            svg.line([(x, above), (x, below)], color=COLORS["plain"])
        if role == "residual":
            around = [(x, 42), (x + 68, 42), (x + 68, last), (x + 11, last)]
            svg.line(around, color=COLORS[role], width=3, arrow=True)
            svg.circle((x, last), "+", fill="#D6E6F2")
        svg.text((x - 10, 44), "x", anchor="end")
        for y, step in zip(rows[1:-1], steps, strict=True):
            svg.box((x, y), (104, 24), step)
        svg.box((x, last + 36), (104, 24), "ReLU")
        sign = "F(x) + x" if role == "residual" else "F(x)"
        svg.text((x, last + 66), f"ReLU({sign})", bold=True)
    return svg


@given.explained
def unravelled_paths(blocks: int = 3) -> Svg:
    """A residual network of a few blocks, and below it every path through it, sorted by length.

    Args:
        blocks: 1 to 3; the paths are two to that power.

    Raises:
        ValueError: if ``blocks`` is not 1, 2 or 3.

    Source: Veit et al. 2016, arXiv:1605.06431, figure 1.
    """
    if blocks not in (1, 2, 3):
        raise ValueError(f"1, 2 or 3 blocks can be drawn with all their paths, got {blocks}")
    paths = [chosen for length in range(blocks + 1) for chosen in combinations(range(blocks), length)]
    counts = [sum(len(path) == length for path in paths) for length in range(blocks + 1)]
    svg = Svg(
        MOST_WIDE,
        132 + 28 * len(paths),
        words=f"a residual network of {blocks} blocks, and below it its {len(paths)} paths: "
        + ", ".join(f"{count} through {length}" for length, count in enumerate(counts))
        + " of the branches",
    )
    columns, end, y = [84 + 86 * block for block in range(blocks)], 40 + 86 * blocks, 66
    svg.text((14, 18), "the network", anchor="start", bold=True)
    svg.line([(22, y), (end + 8, y)], color=COLORS["residual"], width=3, arrow=True)
    for block, x in enumerate(columns):
        svg.line([(x - 32, y), (x - 32, y - 30), (x + 28, y - 30), (x + 28, y - 10)], arrow=True)
        svg.box((x - 2, y - 30), (38, 22), f"F{block}")
        svg.circle((x + 28, y), "+", fill="#D6E6F2")
    svg.text((14, 104), f"its {len(paths)} paths", anchor="start", bold=True)
    svg.text((346, 104), "branches", anchor="end")
    for row, chosen in enumerate(paths):
        y = 126 + 28 * row
        svg.line([(22, y), (end + 8, y)], color=COLORS["residual"], arrow=True)
        for block in chosen:
            svg.box((columns[block] - 2, y), (38, 22), f"F{block}")
        svg.text((336, y + 4), str(len(chosen)))
    return svg


@given.explained
def four_steps(parts: Sequence[str] = ("stem", "layer1", "layer2", "layer3", "layer4", "fc")) -> Svg:
    """The four steps of fine-tuning, one column each: load, a new head, freeze, train.

    Trained parts are blue, the new head is pink, and frozen parts have a heavy frame.

    Args:
        parts: of the network from the input to the head, two to six short words.

    Raises:
        ValueError: if there are fewer than two parts, or more than six.
    """
    if not 2 <= len(parts) <= 6:
        raise ValueError(f"a network of 2 to 6 parts can be drawn, got {len(parts)}")
    *body, head = parts
    titles = ("1 load", "2 new head", "3 freeze", "4 train")
    below = (("trained on", "another task"), ("as many outputs", "as your classes"))
    below += (("no gradients,", "BatchNorm in eval"), (f"only {head}", "moves"))
    last = 46 + 30 * len(body)
    svg = Svg(
        MOST_WIDE,
        last + 66,
        words=f"four times the same network, {', '.join(parts)}: 1 loaded with trained weights; 2 with a new "
        f"{head}; 3 with all below it frozen; 4 in training, where only {head} moves",
    )
    for column, (title, lines) in enumerate(zip(titles, below, strict=True)):
        x = 46 + 89 * column
        svg.text((x, 18), title, size=13, bold=True)
        for row, part in enumerate(parts):
            y = 46 + 30 * row
            if row:
                svg.line([(x, y - 19), (x, y - 11)], color=COLORS["plain"])
            new, frozen = part == head and column > 0, part != head and column > 1
            fill = "#F3DCE8" if new else "#D6E6F2"
            if frozen:
                svg.box((x, y), (72, 24), fill=INK, radius=6)
                svg.box((x, y), (66, 18), part, fill=PALE, radius=3)
            else:
                svg.box((x, y), (70, 22), part, fill=fill)
        if column == 3:
            corner = [(x + 36, last), (x + 41, last), (x + 41, last + 22), (x + 4, last + 22)]
            svg.line(corner, color=COLORS["highlight"], width=2, arrow=True)
            svg.text((x - 4, last + 26), "loss", anchor="end", size=10, color=INK)
        for line, words in enumerate(lines):
            svg.text((x, last + 44 + 13 * line), words, size=9)
    return svg
