"""A picture in SVG, drawn piece by piece: boxes, lines, circles and text at whole numbers of pixels.

Introduced in chapter 1.

The same bytes on every machine. A library such as drawsvg would do the same, and would have to be there in
Colab, where the book installs nothing but itself. ``diagrams`` and ``drawings`` are drawn with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from resnet_utils.runtime import given

INK, PAPER, PALE = "#444444", "#FFFFFF", "#F1F1F1"
FONT = "DejaVu Sans, Verdana, sans-serif"
MOST_WIDE = 360  # pixels

Point = tuple[int, int]


@given.explained
class Svg:
    """A picture that is drawn piece by piece, in pixels from its top left corner; a notebook shows it.

    ``digest`` is the picture in words: print it above the picture, since only text is compared.

    Args:
        width: of the whole picture, at most ``most_wide``.
        height: of the whole picture.
        words: what it shows, in a sentence; also its alternative text.
        most_wide: pixels that fit where it is shown; 360 is a telephone.

    Raises:
        ValueError: if it is wider than that, ``words`` is empty, or a length no number of pixels.
    """

    def __init__(self, width: int, height: int, *, words: str, most_wide: float = MOST_WIDE) -> None:
        width = given.whole_number("width", width, least=0)
        height = given.whole_number("height", height, least=0)
        given.real_number("most_wide", most_wide)
        given.of_kind("words", words, str)
        if not 0 < width <= most_wide or height <= 0:
            raise ValueError(f"a drawing is 1 to {most_wide} pixels wide, and not flat, got {width}x{height}")
        if not words.strip():
            raise ValueError("a drawing needs words that say what it shows, for those who cannot see it")
        self.width, self.height, self.digest = width, height, words
        self._parts: list[str] = []

    def __repr__(self) -> str:
        return f"<drawing, {self.width} x {self.height} pixels>"

    def line(
        self, points: Sequence[Point], *, color: str = INK, width: float = 1.5, arrow: bool = False
    ) -> None:
        """A line through ``points``; with ``arrow`` it ends in a head.

        Args:
            points: two or more (x, y).
            color: as in CSS.
            width: of the line, in pixels.
            arrow: for lines whose last part runs along an axis.

        Raises:
            ValueError: if there are fewer than two points, or an arrow would end along neither axis.
        """
        if len(points) < 2:
            raise ValueError(f"a line needs at least two points, got {list(points)}")
        way = "M" + " L".join(f"{x} {y}" for x, y in points)
        self._parts.append(f'<path d="{way}" fill="none" stroke="{color}" stroke-width="{width:g}"/>')
        if arrow:
            (x0, y0), (x, y) = points[-2:]
            if (x0 == x) == (y0 == y):
                raise ValueError(f"an arrow ends along the x or the y axis, got {(x0, y0)} to {(x, y)}")
            dx, dy = (x > x0) - (x < x0), (y > y0) - (y < y0)
            sides = [(x - 6 * dx - s * 4 * dy, y - 6 * dy - s * 4 * dx) for s in (1, -1)]
            corners = " ".join(f"{a},{b}" for a, b in [(x, y), *sides])
            self._parts.append(f'<polygon points="{corners}" fill="{color}"/>')

    def box(
        self,
        center: Point,
        size: tuple[int, int],
        label: str = "",
        *,
        fill: str = PALE,
        stroke: str = INK,
        radius: int = 5,
    ) -> None:
        """A rectangle with a label in its middle.

        Args:
            center: (x, y).
            size: (width, height), even numbers.
            label: a few words.
            fill: colour inside.
            stroke: colour of the frame.
            radius: of the corners.
        """
        (x, y), (wide, high) = center, size
        place = f'x="{x - wide // 2}" y="{y - high // 2}" width="{wide}" height="{high}" rx="{radius}"'
        self._parts.append(f'<rect {place} fill="{fill}" stroke="{stroke}"/>')
        if label:
            self.text((x, y + 4), label)

    def circle(self, center: Point, label: str, *, radius: int = 10, fill: str = PAPER) -> None:
        """A circle with a sign in its middle, such as the plus of a shortcut.

        Args:
            center: (x, y).
            label: one sign.
            radius: in pixels.
            fill: colour inside.
        """
        x, y = center
        self._parts.append(f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{fill}" stroke="{INK}"/>')
        self.text((x, y + 4), label)

    def text(
        self,
        place: Point,
        words: str,
        *,
        size: int = 11,
        color: str = "#000000",
        anchor: str = "middle",
        bold: bool = False,
    ) -> None:
        """Words on one line.

        Args:
            place: (x, y) of the middle, the start or the end of their base line, as ``anchor`` says.
            words: plain text.
            size: height of the letters in pixels, at least 9.
            color: as in CSS.
            anchor: "start", "middle" or "end".
            bold: heavy letters.

        Raises:
            ValueError: if ``size`` is too small to be read, or the ``anchor`` is none of the three.
        """
        if size < 9 or anchor not in ("start", "middle", "end"):
            raise ValueError(f'text: size 9 or more, and "start", "middle" or "end", got {size}, {anchor!r}')
        x, y = place
        look = f' font-size="{size}"' * (size != 11) + ' font-weight="bold"' * bold
        look += f' fill="{color}"' * (color != "#000000") + f' text-anchor="{anchor}"' * (anchor != "middle")
        self._parts.append(f'<text x="{x}" y="{y}"{look}>{escape(words)}</text>')

    def place(self, other: Svg, left: int, top: int = 0) -> None:
        """Another picture within this one.

        Args:
            other: what is drawn on it so far.
            left: pixels from this one's left edge to that one's.
            top: pixels from this one's upper edge to that one's.
        """
        inner = "\n".join(other._parts)
        self._parts.append(f'<g transform="translate({left} {top})">\n{inner}\n</g>')

    def _repr_svg_(self) -> str:
        size = f'viewBox="0 0 {self.width} {self.height}" width="{self.width}"'
        font = f'font-family="{FONT}" font-size="11" text-anchor="middle"'
        says = f'role="img" aria-label={quoteattr(" ".join(self.digest.split()))}'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {says} {font}>'
        back = f'<rect width="{self.width}" height="{self.height}" fill="{PAPER}"/>'
        return "\n".join([head, back, *self._parts, "</svg>"])
