"""A painter for batches: ovals, strokes and arcs with smooth edges, each picture with its own pose.

Introduced in chapter 5.

A shape is a signed distance: negative inside, positive outside. ``0.5 - distance in pixels``, clipped to
[0, 1], says how much of a pixel the shape covers. The arithmetic is float64 and uses only + - * / and square
roots, which IEEE 754 rounds in one way only, so every machine paints the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy import ndarray

from resnet_utils.runtime import given

Number = float | ndarray  # one value for all pictures, or (N,)
Point = tuple[Number, Number, Number]  # u, v, radius


@given.explained
class Canvas:
    """N square pictures. Shapes come in head units (u right, v down) and are placed by each picture's pose.

    Args:
        colors: float64 (3, N, size, size) in [0, 1], the ground, which is painted over.
        x: (N,) pixels from the left to where (u, v) = (0, 0) lies.
        y: (N,) pixels from the top, likewise.
        scale: (N,) length of one unit in pixels.
        turn: (N,) tangent of half the angle of rotation, which spares sine and cosine.

    Attributes:
        parts: uint8 (N, size, size), the part painted last.

    Raises:
        TypeError: if one is no array.
        ValueError: if one has another shape.
    """

    def __init__(self, colors: ndarray, x: ndarray, y: ndarray, scale: ndarray, *, turn: ndarray) -> None:
        shape = given.of_kind("colors", colors, ndarray).shape
        if len(shape) != 4 or shape[0] != 3 or shape[2] != shape[3]:
            raise ValueError(f"colors must be (3, N, size, size), got {shape}")
        for name, value in (("x", x), ("y", y), ("scale", scale), ("turn", turn)):
            if given.of_kind(name, value, ndarray).shape != shape[1:2]:
                raise ValueError(f"{name} must be ({shape[1]},), got {value.shape}")
        self.colors = np.ascontiguousarray(colors)
        self.parts: ndarray = np.zeros(colors.shape[1:], dtype=np.uint8)
        self.x, self.y, self.scale = x, y, scale
        self.cos, self.sin = (1 - turn * turn) / (1 + turn * turn), 2 * turn / (1 + turn * turn)

    def paint(
        self,
        part: int,
        color: ndarray,
        distance: Callable[[ndarray, ndarray, ndarray], ndarray],
        *,
        center: tuple[Number, Number],
        reach: Number,
        strength: Number = 1.0,
        rim: float = 0.0,
        clip: ndarray | None = None,
    ) -> tuple[ndarray, ndarray]:
        """Lay a colour where a distance is negative, and note the part.

        Only a window is computed, and only pictures with ``strength`` above 0.

        Args:
            part: number of the part, index into ``faces.PARTS``.
            color: (3,) or (N, 3).
            distance: ``distance(u, v, pictures)``, signed, in head units, for windows (n, w, w).
            center: (u, v) of the window's middle.
            reach: half-width of the window, in head units.
            strength: opacity, 0 to 1.
            rim: by which share the edge is darkened.
            clip: (N, size, size) in [0, 1], limits the shape to another one.

        Returns:
            The flat numbers of the touched pixels, and how much each is covered.
        """
        strength = np.broadcast_to(np.asarray(strength, dtype=np.float64), self.x.shape)
        pictures = np.flatnonzero(strength > 0)
        if len(pictures) == 0:
            return np.zeros(0, dtype=np.int64), np.zeros(0)
        u, v, pixels = self._window(pictures, center, reach)
        signed = distance(u, v, pictures)
        cover = np.minimum(0.5 - signed * self.scale[pictures, None, None], 1.0)
        touched = cover > 0
        which = np.broadcast_to(pictures[:, None, None], cover.shape)[touched]
        pixels, cover = pixels[touched], cover[touched] * strength[which]
        if clip is not None:
            cover *= clip.reshape(-1)[pixels]
        shade = 1 - rim * np.square(np.clip(1 + 3 * signed[touched], 0.0, 1.0)) if rim else 1.0
        color = np.broadcast_to(color, (len(self.x), 3))
        for channel, values in zip(self.colors.reshape(3, -1), color.T, strict=True):
            old = channel[pixels]
            channel[pixels] = old + cover * (values[which] * shade - old)
        self.parts.reshape(-1)[pixels[cover > 0.5]] = part
        return pixels, cover

    def _window(
        self, pictures: ndarray, center: tuple[Number, Number], reach: Number
    ) -> tuple[ndarray, ndarray, ndarray]:
        """Head coordinates u, v and flat pixel indices, each (n, w, w), of a window around ``center``."""
        size = self.parts.shape[1]
        cu, cv, reach = (np.broadcast_to(value, self.x.shape)[pictures] for value in (*center, reach))
        x, y, scale = self.x[pictures], self.y[pictures], self.scale[pictures, None]
        cos, sin = self.cos[pictures, None], self.sin[pictures, None]
        width = min(size, int(np.ceil(2 * (reach * scale[:, 0]).max())) + 3)
        middle_x = x + (cos[:, 0] * cu - sin[:, 0] * cv) * scale[:, 0]
        middle_y = y + (sin[:, 0] * cu + cos[:, 0] * cv) * scale[:, 0]
        columns = _span(middle_x, width, size)
        lines = _span(middle_y, width, size)
        dx, dy = (columns + 0.5 - x[:, None]) / scale, (lines + 0.5 - y[:, None]) / scale
        u = (cos * dx)[:, None, :] + (sin * dy)[:, :, None]
        v = (cos * dy)[:, :, None] - (sin * dx)[:, None, :]
        return u, v, (pictures[:, None] * size + lines)[:, :, None] * size + columns[:, None, :]

    def oval(
        self,
        part: int,
        color: ndarray,
        middle: tuple[Number, Number],
        *,
        radii: tuple[Number, Number],
        slant: Number = 0.0,
        strength: Number = 1.0,
        rim: float = 0.0,
        clip: ndarray | None = None,
    ) -> None:
        """Paint an ellipse.

        Args:
            part: number of the part, index into ``faces.PARTS``.
            color: (3,) or (N, 3).
            middle: (u, v).
            radii: half-width and half-height.
            slant: how far its right side is lifted, per unit.
            strength: opacity, 0 to 1.
            rim: by which share the edge is darkened.
            clip: (N, size, size) in [0, 1], limits it to another shape.
        """
        (a, b), (u, v) = radii, middle

        def distance(x: ndarray, y: ndarray, pictures: ndarray) -> ndarray:
            x = x - at_window(u, pictures)
            return ellipse(
                x,
                y - at_window(v, pictures) + at_window(slant, pictures) * x,
                at_window(a, pictures),
                at_window(b, pictures),
            )

        reach = np.maximum(a, b) * (1 + np.abs(slant)) * 1.05
        self.paint(part, color, distance, center=middle, reach=reach, strength=strength, rim=rim, clip=clip)

    def stroke(
        self,
        part: int,
        color: ndarray,
        start: Point,
        *,
        end: Point,
        strength: Number = 1.0,
        rim: float = 0.0,
        clip: ndarray | None = None,
    ) -> None:
        """Paint a straight stroke whose radius may change from end to end.

        Args:
            part: number of the part, index into ``faces.PARTS``.
            color: (3,) or (N, 3).
            start: (u, v, radius).
            end: likewise.
            strength: opacity, 0 to 1.
            rim: by which share the edge is darkened.
            clip: (N, size, size) in [0, 1], limits it to another shape.
        """

        def distance(x: ndarray, y: ndarray, pictures: ndarray) -> ndarray:
            first, last = (
                (at_window(u, pictures), at_window(v, pictures), at_window(radius, pictures))
                for u, v, radius in (start, end)
            )
            return capsule(x, y, first, last)

        center = (np.add(start[0], end[0]) / 2, np.add(start[1], end[1]) / 2)
        length = np.abs(np.subtract(end[0], start[0])) + np.abs(np.subtract(end[1], start[1]))
        reach = length / 2 + np.maximum(start[2], end[2])
        self.paint(part, color, distance, center=center, reach=reach, strength=strength, rim=rim, clip=clip)

    def arc(
        self,
        part: int,
        color: ndarray,
        middle: tuple[Number, Number],
        *,
        radius: Number,
        below: float,
        width: float,
        strength: Number = 1.0,
    ) -> None:
        """Paint the lower piece of a ring.

        Args:
            part: number of the part, index into ``faces.PARTS``.
            color: (3,) or (N, 3).
            middle: (u, v) of the ring.
            radius: of the ring.
            below: how far under its middle the piece begins.
            width: half the ring's width.
            strength: opacity, 0 to 1.
        """

        def distance(x: ndarray, y: ndarray, pictures: ndarray) -> ndarray:
            x, y = x - at_window(middle[0], pictures), y - at_window(middle[1], pictures)
            ring = np.abs(np.sqrt(x * x + y * y) - at_window(radius, pictures)) - width
            return np.maximum(ring, below - y)

        self.paint(part, color, distance, center=middle, reach=np.add(radius, width), strength=strength)


def _span(middle: ndarray, width: int, size: int) -> ndarray:
    """(n, width) neighbouring pixel numbers around ``middle``, moved to lie inside the picture."""
    first = np.clip(np.floor(middle - width / 2), 0, size - width)
    return first.astype(np.int64)[:, None] + np.arange(width)


def _require_number(name: str, value: object) -> None:
    if isinstance(value, ndarray):
        return
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or value != value:
        raise ValueError(f"{name} must be a number, or an array of them, got {value!r:.100}")


def _require_fit(places: Sequence[tuple[str, object]], numbers: Sequence[tuple[str, object]]) -> None:
    """Check that places are arrays, and fit together with numbers."""
    for name, value in places:
        if not isinstance(value, ndarray):
            raise ValueError(f"{name} must be an array of places, got {value!r:.100}")
    for name, value in numbers:
        _require_number(name, value)
    named = (*places, *numbers)
    try:
        np.broadcast_shapes(*(np.shape(value) for _, value in named))  # type: ignore[arg-type]
    except ValueError:
        shapes = ", ".join(f"{name} {np.shape(value)}" for name, value in named)  # type: ignore[arg-type]
        raise ValueError(f"the shapes must fit together, got {shapes}") from None


@given.explained
def at_window(value: Number, pictures: ndarray) -> Number:
    """Values shaped (n, 1, 1) to go with a window; a plain number stays as it is.

    Args:
        value: one for all pictures, or (N,).
        pictures: (n,) the pictures in the window.

    Raises:
        ValueError: for what is no number, or places that are none of the values.
    """
    _require_number("value", value)
    if not isinstance(pictures, ndarray) or pictures.ndim != 1 or pictures.dtype.kind not in "iu":
        raise ValueError(f"pictures must be an array of whole numbers, got {pictures!r:.100}")
    if isinstance(value, ndarray) and value.ndim and len(pictures) and not pictures.max() < len(value):
        raise ValueError(f"value must be one for each picture, got {len(value)} for {pictures.max() + 1}")
    return value[pictures, None, None] if isinstance(value, ndarray) and value.ndim else value


@given.explained
def ellipse(u: ndarray, v: ndarray, a: Number, b: Number) -> ndarray:
    """Signed distance, to first order, to the ellipse around (0, 0).

    Source: I. Quilez, "Ellipse distance", the cheap version: f / |grad f|.

    Args:
        u: places, to the right.
        v: places, down.
        a: half-width.
        b: half-height.

    Raises:
        ValueError: for what is no number, or shapes that do not fit together.
    """
    _require_fit((("u", u), ("v", v)), (("a", a), ("b", b)))
    p, q = u / a, v / b
    level = np.maximum(np.sqrt(p * p + q * q), 1e-9)  # the very middle would be 0 / 0
    slope = np.maximum(np.sqrt(np.square(p / a) + np.square(q / b)), 1e-9)
    return level * (level - 1) / slope


@given.explained
def capsule(u: ndarray, v: ndarray, start: Point, end: Point) -> ndarray:
    """Signed distance to the segment between two places, less the radius at the nearest place.

    Args:
        u: places, to the right.
        v: places, down.
        start: (u, v, radius).
        end: likewise.

    Raises:
        ValueError: for what is no number, or shapes that do not fit together.
    """
    for name, point in (("start", start), ("end", end)):
        if not isinstance(point, (tuple, list)) or len(point) != 3:
            raise ValueError(f"{name} must be (u, v, radius), got {point!r:.100}")
    numbers = [*(("start", value) for value in start), *(("end", value) for value in end)]
    _require_fit((("u", u), ("v", v)), numbers)
    du, dv = end[0] - start[0], end[1] - start[1]
    along = np.clip(((u - start[0]) * du + (v - start[1]) * dv) / (du * du + dv * dv), 0.0, 1.0)
    across_u, across_v = u - start[0] - along * du, v - start[1] - along * dv
    return np.sqrt(across_u * across_u + across_v * across_v) - start[2] - along * (end[2] - start[2])
