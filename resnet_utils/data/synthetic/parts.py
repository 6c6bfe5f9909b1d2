"""The animal, part by part: body, ears, head, markings, eyes, muzzle, mouth, nose and whiskers.

Introduced in chapter 5.
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from resnet_utils.data.synthetic.canvas import Canvas, at_window, ellipse
from resnet_utils.data.synthetic.faces import EARS, PARTS, PATTERNS, SPECIES, Factors, require_factors
from resnet_utils.runtime import given

BODY, EAR, HEAD, EYE, MUZZLE, NOSE, MOUTH, TONGUE, WHISKER = range(1, len(PARTS) - 1)
PINK, TONGUE_RED, BEAK = np.array([0.95, 0.62, 0.62]), np.array([0.9, 0.4, 0.45]), np.array([0.9, 0.62, 0.2])
BLACK, WHITE = np.full(3, 0.05), np.ones(3)
SIDES = (-1, 1)


@given.explained
def paint_face(canvas: Canvas, f: Factors) -> None:
    """Paint one face on every picture, back to front.

    Args:
        canvas: N pictures with their poses; painted in place.
        f: the factors that ``animals.draw`` describes.

    Raises:
        ValueError: if factors are missing.
    """
    require_factors(f, "species", "fur", "ear", "yaw", "eye", "muzzle", "nose")
    body = np.where(_is(f, "panda")[:, None], 0.15, f["fur"] * 0.9)
    canvas.oval(BODY, body, (0.0, 1.9), radii=(1.0, 1.15), rim=0.3)
    _ears(canvas, f, front=False)
    head = _head(canvas, f)
    _pattern(canvas, f, head)
    _eyes(canvas, f, head)
    _ears(canvas, f, front=True)
    _muzzle(canvas, f)
    _mouth(canvas, f)
    _nose(canvas, f)
    _whiskers(canvas, f)


def _is(f: Factors, *names: str) -> ndarray:
    """(N,) which faces belong to one of these species."""
    return np.isin(f["species"], [SPECIES.index(name) for name in names])


def _pale(f: Factors) -> ndarray:
    """(N, 3) the fur, mixed with white."""
    return f["fur"] + f["pale"][:, None] * (0.97 - f["fur"])


def _ears(canvas: Canvas, f: Factors, *, front: bool) -> None:
    panda = _is(f, "panda")
    fur = np.where(panda[:, None], 0.15, f["fur"] * 0.93)
    size = f["ear_size"]
    for number, ear in enumerate(EARS.values()):
        if ear.front != front:
            continue
        (u, v, radius), (tip_u, tip_v, tip_radius) = ear.base, ear.tip
        for side in SIDES:
            du = side * ((tip_u - u) * size + f["ear_spread"]) + 0.3 * f["yaw"]
            dv = (tip_v - v) * size
            start, end = (side * u, v, radius * size), (side * u + du, v + dv, tip_radius * size)
            shown = (f["ear"] == number) * 1.0
            canvas.stroke(EAR, fur, start, end=end, strength=shown, rim=0.35)
            if ear.pink:
                start = (*start[:2], start[2] * ear.pink)
                end = (side * u + 0.75 * du, v + 0.75 * dv, end[2] * ear.pink)
                canvas.stroke(EAR, fur + 0.6 * (PINK - fur), start, end=end, strength=shown * ~panda * 0.8)


def _head(canvas: Canvas, f: Factors) -> ndarray:
    """Skull and jaw in one shape; returns how much of each pixel they cover, (N, size, size)."""
    a, b, v = f["jaw"].T

    def distance(x: ndarray, y: ndarray, pictures: ndarray) -> ndarray:
        skull = ellipse(x, y + 0.15, 1.0, 0.82)
        return np.minimum(
            skull, ellipse(x, y - at_window(v, pictures), at_window(a, pictures), at_window(b, pictures))
        )

    reach = np.maximum(a, b + v) + 0.1
    pixels, cover = canvas.paint(HEAD, f["fur"], distance, center=(0.0, 0.0), reach=reach * 1.1, rim=0.35)
    head = np.zeros(canvas.parts.shape)
    head.reshape(-1)[pixels] = cover
    return head


def _pattern(canvas: Canvas, f: Factors, head: ndarray) -> None:
    """Stripes, eye patch, blaze or pale cheeks. A fox always has the cheeks; four species have nothing."""
    u, fox, bare = 0.5 * f["yaw"], _is(f, "fox"), _is(f, "panda", "pig", "frog", "owl")
    kind = np.where(fox, PATTERNS.index("cheeks"), np.where(bare, 0, f["pattern"]))
    stripes, patch, blaze, cheeks = (kind == number for number in range(1, 5))
    dark, pale = f["fur"] * 0.55, _pale(f)
    for shift in (-0.26, 0.0, 0.26):
        start, end = (u + shift, -1.05, 0.08), (u + 0.8 * shift, -0.55, 0.04)
        canvas.stroke(HEAD, dark, start, end=end, strength=stripes, clip=head)
    canvas.oval(HEAD, f["second"], (u + 0.42, -0.2), radii=(0.4, 0.45), strength=patch, clip=head)
    canvas.stroke(HEAD, pale, (u, -0.9, 0.08), end=(u, 0.3, 0.28), strength=blaze, clip=head)
    white = np.where(fox[:, None], 0.95, pale)
    for side in SIDES:
        for v in (0.1, 0.35):
            start, end = (1.1 * side, v, 0.07), (0.72 * side, v - 0.02, 0.03)
            canvas.stroke(HEAD, dark, start, end=end, strength=stripes, clip=head)
        canvas.oval(HEAD, white, (u + 0.5 * side, 0.5), radii=(0.46, 0.4), strength=cheeks, clip=head)


def _eyes(canvas: Canvas, f: Factors, head: ndarray) -> None:
    u, v, a, b = f["eye"].T
    v, b = v + f["pitch"], b * f["open"]
    owl, panda, frog = _is(f, "owl"), _is(f, "panda"), _is(f, "frog")
    disc = f["fur"] + 0.5 * (1 - f["fur"])
    for side in SIDES:
        at, slant = side * u + 0.55 * f["yaw"], side * f["slant"]
        canvas.oval(EYE, disc, (at, v), radii=(0.5, 0.52), strength=owl, clip=head)
        patch = (at + 0.04 * side, v + 0.05)
        canvas.oval(EYE, np.full(3, 0.13), patch, radii=(0.27, 0.33), slant=-0.5 * side, strength=panda)
        canvas.oval(HEAD, f["fur"], (at, v), radii=(0.37, 0.37), strength=frog, rim=0.3)
        canvas.oval(EYE, 2 * BLACK, (at, v), radii=(a * 1.2, b * 1.2), slant=slant)
        canvas.oval(EYE, f["iris"], (at, v), radii=(a, b), slant=slant)
        gaze = at + 0.15 * f["yaw"]
        canvas.oval(EYE, BLACK, (gaze, v), radii=(a * f["pupil"], b * 0.92))
        canvas.oval(EYE, WHITE, (gaze - 0.05, v - 0.35 * b), radii=(0.055, 0.055))


def _middle(f: Factors) -> tuple[ndarray, ndarray]:
    """(u, v) of the muzzle. It stands out from the head, so a turned head moves it further than the eyes."""
    return 0.85 * f["yaw"], f["muzzle"][:, 2] + 1.3 * f["pitch"]


def _muzzle(canvas: Canvas, f: Factors) -> None:
    """The muzzle, and the tongue: under a short muzzle, over a long one."""
    (u, v), (a, b) = _middle(f), f["muzzle"][:, :2].T
    pig, fox, soft = _is(f, "pig"), _is(f, "fox"), ~_is(f, "owl", "frog")
    color = np.where(pig[:, None], f["fur"] * np.array([0.95, 0.82, 0.84]), _pale(f))
    color = np.where(fox[:, None], 0.95, color)
    mouth, out = v + 0.35 * b, f["tongue"] * 1.0
    start, end = (u, mouth + 0.1, 0.13), (u, mouth + 0.48, 0.155)
    canvas.stroke(TONGUE, TONGUE_RED, start, end=end, strength=out * (b < 0.3), rim=0.3)
    canvas.oval(MUZZLE, color, (u, v), radii=(a, b), strength=soft, rim=0.22)
    canvas.stroke(TONGUE, TONGUE_RED, start, end=end, strength=out * (b >= 0.3), rim=0.3)
    for side in SIDES:
        canvas.oval(NOSE, color * 0.4, (u + side * 0.15, v), radii=(0.07, 0.11), strength=pig)


def _mouth(canvas: Canvas, f: Factors) -> None:
    """A line down from the nose that ends in two arcs; a frog has one wide arc."""
    (u, v), (a, b) = _middle(f), f["muzzle"][:, :2].T
    soft, line = ~_is(f, "pig", "owl", "frog"), f["fur"] * 0.25
    corner = v + 0.35 * b
    canvas.stroke(MOUTH, line, (u, v - 0.45 * b, 0.025), end=(u, corner + 0.02, 0.025), strength=soft)
    for side in SIDES:
        middle = (u + side * 0.38 * a, corner)
        canvas.arc(MOUTH, line, middle, radius=0.38 * a, below=0.0, width=0.03, strength=soft)
    frog = _is(f, "frog")
    canvas.arc(MOUTH, line, (0.7 * u, v - 0.35), radius=0.72, below=0.35, width=0.035, strength=frog)


def _nose(canvas: Canvas, f: Factors) -> None:
    """A nose with a light on it; an owl has a beak."""
    (u, v), (a, b) = _middle(f), np.maximum(f["nose"], 0.02).T
    soft, owl = ~_is(f, "pig", "owl", "frog"), _is(f, "owl")
    v_nose = v - 0.45 * f["muzzle"][:, 1]
    color = np.where(f["dark_nose"][:, None], 0.1, np.array([0.85, 0.45, 0.48]))
    canvas.oval(NOSE, color, (u, v_nose), radii=(a, b), strength=soft)
    light = (u - 0.3 * a, v_nose - 0.4 * b)
    canvas.oval(NOSE, color + 0.5 * (1 - color), light, radii=(0.3 * a, 0.25 * b), strength=soft)
    canvas.stroke(NOSE, BEAK, (u, v - 0.3, 0.14), end=(u, v + 0.12, 0.02), strength=owl, rim=0.3)


def _whiskers(canvas: Canvas, f: Factors) -> None:
    """Three on each side, dark on pale fur and pale on dark fur."""
    (u, v), a = _middle(f), f["muzzle"][:, 0]
    color = np.where(f["fur"][:, 1:2] > 0.6, 0.25, 0.97)
    for side in SIDES:
        for lift in (-0.16, 0.0, 0.16):
            start = (u + side * 0.6 * a, v + 0.4 * lift, 0.02)
            end = (u + side * (0.6 * a + 0.75), v + 1.6 * lift - 0.05, 0.012)
            canvas.stroke(WHISKER, color, start, end=end, strength=f["whiskers"] * 0.8)
