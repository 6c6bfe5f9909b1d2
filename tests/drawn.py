"""Where everything lies in a drawn picture, and what a careful eye would find wrong in any of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations, pairwise
from xml.etree import ElementTree

import nbformat
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from tools import project

SVG = "{http://www.w3.org/2000/svg}"
Place = tuple[float, float]


def on_pages(module: str) -> list[tuple[str, str, str]]:
    """Notebook, source and stored picture of every cell of the book that draws with a module."""
    found = []
    for path in project.executed():
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code" and re.search(rf"^drawing = {module}\.", cell.source, re.M):
                (svg,) = (out.data["image/svg+xml"] for out in cell.outputs if "data" in out)
                found.append((path.stem, cell.source, svg))
    return found


@dataclass(frozen=True)
class Shape:
    """A rectangle, the square around a circle, or the ink of a text, in pixels; ``look``: how it is drawn."""

    left: float
    top: float
    right: float
    bottom: float
    look: dict[str, str] = field(compare=False, default_factory=dict)

    @property
    def middle(self) -> Place:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    @property
    def size(self) -> Place:
        return self.right - self.left, self.bottom - self.top

    def holds(self, other: Shape) -> bool:
        """Whether the other one lies inside; edges may touch."""
        within = self.left <= other.left <= other.right <= self.right
        return within and self.top <= other.top <= other.bottom <= self.bottom

    def meets(self, other: Shape) -> bool:
        """Whether the two have a place in common that is no edge."""
        beside = self.right <= other.left or other.right <= self.left
        return not (beside or self.bottom <= other.top or other.bottom <= self.top)

    def away(self, place: Place) -> float:
        """How many pixels a place lies from it across or down, whichever is more; 0 inside."""
        x, y = place
        return max(self.left - x, x - self.right, self.top - y, y - self.bottom, 0)


@cache
def _ink(words: str, size: float, weight: str) -> Shape:
    """Of a text whose base line begins at (0, 0), in the font that the drawings ask for first."""
    font = FontProperties(family="DejaVu Sans", weight=weight)
    box = TextPath((0, 0), words, size=size, prop=font).get_extents()
    return Shape(float(box.x0), -float(box.y1), float(box.x1), -float(box.y0))


class Picture:
    """A drawing of ``reporting.svg``, read back: ``boxes``, ``circles``, ``texts``, the points of ``lines``,
    the corners of ``heads`` with the tip of the arrow first, and the ``frame`` around everything."""

    def __init__(self, svg: str) -> None:
        root = ElementTree.fromstring(svg)
        self.frame = Shape(0, 0, *map(float, root.get("viewBox").split()[2:]))
        self.boxes: list[Shape] = []
        self.circles: list[Shape] = []
        self.texts: list[Shape] = []
        self.lines: list[list[Place]] = []
        self.heads: list[list[Place]] = []
        root.remove(root.find(f"{SVG}rect"))  # the paper
        self._read(root, 0, 0)

    def _read(self, group: ElementTree.Element, dx: float, dy: float) -> None:
        for node in group:
            kind, look = node.tag.removeprefix(SVG), {**node.attrib, "words": node.text or ""}
            names = ("x", "y", "width", "height", "cx", "cy", "r")
            numbers = {name: float(look[name]) for name in names if name in look}
            if kind == "g":
                left, top = re.fullmatch(r"translate\((\d+) (\d+)\)", look["transform"]).groups()
                self._read(node, dx + float(left), dy + float(top))
            elif kind == "rect":
                x, y, wide, high = numbers.values()
                self.boxes.append(Shape(dx + x, dy + y, dx + x + wide, dy + y + high, look))
            elif kind == "circle":
                x, y, r = numbers.values()
                self.circles.append(Shape(dx + x - r, dy + y - r, dx + x + r, dy + y + r, look))
            elif kind in ("path", "polygon"):
                places = re.findall(r"(\d+)[ ,](\d+)", look.get("d") or look["points"])
                points = [(dx + float(x), dy + float(y)) for x, y in places]
                (self.lines if kind == "path" else self.heads).append(points)
            elif look["words"]:
                size, weight = float(look.get("font-size", 11)), look.get("font-weight", "normal")
                ink = _ink(look["words"], size, weight)
                before = {"start": 0.0, "middle": 0.5, "end": 1.0}[look.get("text-anchor", "middle")]
                x, y = dx + numbers["x"] - before * ink.right, dy + numbers["y"]
                self.texts.append(Shape(x + ink.left, y + ink.top, x + ink.right, y + ink.bottom, look))

    def outside(self) -> list[object]:
        """What leaves the picture."""
        points = [Shape(x, y, x, y) for line in [*self.lines, *self.heads] for x, y in line]
        everything = [*self.boxes, *self.circles, *self.texts, *points]
        return [shape for shape in everything if not self.frame.holds(shape)]

    def slanted(self) -> list[object]:
        """Parts of lines that run neither across nor down, or have no length."""
        parts = [part for line in self.lines for part in pairwise(line)]
        return [((x, y), (u, v)) for (x, y), (u, v) in parts if (x == u) == (y == v)]

    def loose(self, reach: float) -> list[Place]:
        """Ends of lines that lie farther than ``reach`` pixels from every shape and every other line.

        What leads in or out of the whole may end anywhere: no line reaches farther on its side.
        """
        columns, rows = zip(*(place for line in self.lines for place in line), strict=True)
        outermost = ({min(columns), max(columns)}, {min(rows), max(rows)})
        found = []
        for line in self.lines:
            shapes = [*self.boxes, *self.circles]
            for other in self.lines:
                if other is not line:
                    shapes += [
                        Shape(min(x, u), min(y, v), max(x, u), max(y, v))
                        for (x, y), (u, v) in pairwise(other)
                    ]
            found += [end for end in (line[0], line[-1]) if min(one.away(end) for one in shapes) > reach]
        return [(x, y) for x, y in found if x not in outermost[0] and y not in outermost[1]]

    def crossed(self) -> list[object]:
        """Pairs of which neither lies apart from the other nor inside it; a text has nothing inside.

        Sheets, which have sharp corners, may lie one over the other.
        """
        rounded = [box for box in self.boxes if box.look["rx"] != "0"]
        shapes = [*rounded, *self.circles]
        wrong: list[object] = [
            (one, other)
            for one, other in combinations(shapes, 2)
            if one.meets(other) and not (one.holds(other) or other.holds(one))
        ]
        shapes = [*self.boxes, *self.circles]
        wrong += [
            (text, one) for text in self.texts for one in shapes if text.meets(one) and not one.holds(text)
        ]
        return [*wrong, *(pair for pair in combinations(self.texts, 2) if pair[0].meets(pair[1]))]

    def off_center(self) -> list[object]:
        """Texts that are alone in a box or circle and begin at no edge of it, but are not in its middle."""
        shapes = sorted([*self.boxes, *self.circles], key=lambda one: one.size)
        homes = [next((one for one in shapes if one.holds(text)), None) for text in self.texts]
        lonely = [
            (text, home) for text, home in zip(self.texts, homes, strict=True) if homes.count(home) == 1
        ]
        return [
            (text, home)
            for text, home in lonely
            if home is not None
            and text.look.get("text-anchor") is None
            # Two pixels, since some letters reach below the base line and some are low.
            and max(abs(a - b) for a, b in zip(text.middle, home.middle, strict=True)) > 2
        ]
