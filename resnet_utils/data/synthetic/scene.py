"""The whole picture: background, animal, a stick across it, light and grain, rounded to bytes once.

Introduced in chapter 5.

Only + - * / and square roots in float64, which IEEE 754 rounds in one way: the same bytes everywhere.
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from resnet_utils.data.synthetic.canvas import Canvas
from resnet_utils.data.synthetic.faces import PARTS, Factors, require_factors
from resnet_utils.data.synthetic.parts import paint_face
from resnet_utils.runtime import given

_PIXELS_AT_ONCE = 2**17  # painted together: few enough to stay in the processor's cache


@given.explained
def render(f: Factors, size: int, seed: int) -> tuple[ndarray, ndarray, ndarray]:
    """Images uint8 (N, 3, size, size), parts uint8 (N, size, size) and boxes int64 (N, 4).

    Args:
        f: the factors that ``animals.draw`` describes, N rows.
        size: side in pixels.
        seed: of the grain.

    Raises:
        ValueError: if factors are missing, or for a size below 1 or a seed below 0.
    """
    require_factors(f, "x", "y", "scale", "turn", "noise")
    size, seed = given.whole_number("size", size, unit="pixel"), given.whole_number("seed", seed, least=0)
    count, bits = len(f["x"]), np.random.PCG64([seed, 4])
    images = np.empty((count, 3, size, size), dtype=np.uint8)
    parts, boxes = np.empty((count, size, size), dtype=np.uint8), np.empty((count, 4), dtype=np.int64)
    at_once = max(1, _PIXELS_AT_ONCE // size**2)
    for start in range(0, count, at_once):
        rows = slice(start, min(start + at_once, count))
        some = {name: values[rows] for name, values in f.items()}
        x, y, scale = (some[name] * size for name in ("x", "y", "scale"))
        canvas = Canvas(background(some, size), x, y, scale, turn=some["turn"])
        paint_face(canvas, some)
        boxes[rows] = _boxes(canvas.parts)
        _occlude(canvas, some)
        colors = canvas.colors.swapaxes(0, 1) * light(some, size)
        colors += grain(bits, len(x), size) * some["noise"][:, None, None, None]
        images[rows] = np.floor(np.clip(colors, 0.0, 1.0) * 255 + 0.5)
        parts[rows] = canvas.parts
    return images, parts, boxes


@given.explained
def grain(bits: np.random.PCG64, number: int, size: int) -> ndarray:
    """(number, 3, size, size) noise: the difference of two random bytes, between -1 and 1.

    Args:
        bits: where the chance comes from.
        number: of images.
        size: side in pixels.

    Raises:
        ValueError: for a number or size below 1.
    """
    number, size = given.whole_number("number", number), given.whole_number("size", size, unit="pixel")
    grains = 3 * size * size
    bytes_ = bits.random_raw(number * -(-grains // 4)).astype("<u8").view(np.uint8)
    pairs = bytes_.reshape(number, -1)[:, : 2 * grains].reshape(number, 2, 3, size, size)
    return (pairs[:, 0].astype(np.float64) - pairs[:, 1]) / 255


@given.explained
def background(f: Factors, size: int) -> ndarray:
    """(3, N, size, size) in [0, 1]: two colours, mixed by one of TEXTURES.

    Args:
        f: the factors that ``animals.draw`` describes, N rows.
        size: side in pixels.

    Raises:
        ValueError: if factors are missing, or for a size below 1.
    """
    require_factors(f, "x", "texture", "ground", "ground_change")
    size = given.whole_number("size", size, unit="pixel")
    steps = (np.arange(size) + 0.5) / size
    mix = np.zeros((len(f["x"]), size, size))
    for number, texture in enumerate((_gradient, _blotches, _stripes, _checks), start=1):
        rows = np.flatnonzero(f["texture"] == number)
        mix[rows] = texture({name: f[name][rows] for name in f if name.startswith("texture_")}, steps)
    ground, change = (f[name].T[:, :, None, None] for name in ("ground", "ground_change"))
    return np.clip(ground + mix * change, 0.0, 1.0)


def _gradient(f: Factors, steps: ndarray) -> ndarray:
    across, down = f["texture_way"].T[:, :, None, None]
    return np.clip(0.5 + across * (steps - 0.5) + down * (steps[:, None] - 0.5), 0.0, 1.0)


def _blotches(f: Factors, steps: ndarray) -> ndarray:
    """A smooth random field: a 6 x 6 lattice interpolated, with its contrast raised."""
    lattice = f["texture_lattice"].reshape(-1, 6, 6)
    low = np.minimum((steps * 5).astype(np.int64), 4)
    t = steps * 5 - low
    t = t * t * (3 - 2 * t)
    lines = lattice[:, low] + t[:, None] * (lattice[:, low + 1] - lattice[:, low])
    return np.clip(2.5 * (lines[:, :, low] + t * (lines[:, :, low + 1] - lines[:, :, low])) - 0.75, 0.0, 1.0)


def _stripes(f: Factors, steps: ndarray) -> ndarray:
    across, down = f["texture_way"].T[:, :, None, None]
    phase = (across * steps + down * steps[:, None]) * f["texture_step"][:, None, None]
    phase = phase + f["texture_shift"][:, :1, None]
    return np.clip(4 * np.abs(phase - np.floor(phase) - 0.5) - 0.5, 0.0, 1.0)


def _checks(f: Factors, steps: ndarray) -> ndarray:
    squares, (left, top) = f["texture_step"][:, None, None], f["texture_shift"].T[:, :, None, None]
    return (np.floor(steps * squares + left) + np.floor(steps[:, None] * squares + top)) % 2


def _occlude(canvas: Canvas, f: Factors) -> None:
    """A stick across the picture."""
    (u, v), (du, dv), width = f["occluder_from"].T, 4 * f["occluder_way"].T, f["occluder_width"]
    end = (u + du, v + dv, width)
    canvas.stroke(
        PARTS.index("occluder"),
        f["occluder_color"],
        (u - du, v - dv, width),
        end=end,
        strength=f["occluder"],
        rim=0.3,
    )


@given.explained
def light(f: Factors, size: int) -> ndarray:
    """(N, 1, size, size) factor on the brightness: exposure, and a slope across the picture.

    Args:
        f: the factors that ``animals.draw`` describes, N rows.
        size: side in pixels.

    Raises:
        ValueError: if factors are missing, or for a size below 1.
    """
    require_factors(f, "light", "exposure")
    size = given.whole_number("size", size, unit="pixel")
    steps = (np.arange(size) + 0.5) / size - 0.5
    across, down = f["light"].T[:, :, None, None]
    return ((1 + across * steps + down * steps[:, None]) * f["exposure"][:, None, None])[:, None]


def _boxes(parts: ndarray) -> ndarray:
    """(N, 4) int64 box around everything but background and body."""
    shown, size = np.asarray(parts >= PARTS.index("ear")), parts.shape[1]
    columns, lines = np.any(shown, axis=1), np.any(shown, axis=2)
    first, last = (columns.argmax(1), lines.argmax(1)), (columns[:, ::-1].argmax(1), lines[:, ::-1].argmax(1))
    return np.stack([*first, *(size - edge for edge in last)], axis=1)
