"""What a face can be: the measures of ten species, and the dice that choose one face an image.

Introduced in chapter 5.

Chance comes from raw PCG64 bits, which NumPy promises never to change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from resnet_utils.runtime import given

Factors = dict[str, ndarray]  # name -> one row an image


class Face(NamedTuple):
    """One species. Lengths in head half-widths, u to the right, v down, (0, 0) the middle of the head.

    Args:
        ears: kind of ear -> how often.
        jaw: half-width, half-height and v of the lower face.
        eye: u, v, half-width and half-height.
        pupil: (low, high) width, as a fraction of the eye's.
        muzzle: half-width, half-height and v.
        nose: half-width and half-height.
        slant: how far the outer corner of the eye goes up.
        whiskers: how often.
        tongue: how often.
        furs: names out of ``COLORS``; one that stands there twice comes twice as often.
    """

    ears: dict[str, float]
    jaw: tuple[float, float, float]
    eye: tuple[float, float, float, float]
    pupil: tuple[float, float]
    muzzle: tuple[float, float, float]
    nose: tuple[float, float] = (0.0, 0.0)
    slant: float = 0.0
    whiskers: float = 0.0
    tongue: float = 0.0
    furs: tuple[str, ...] = ("black", "grey", "brown", "ginger", "cream", "white")


# Cats and dogs share furs, patterns, eye colours and backgrounds. No single part tells them apart:
# some cats fold their ears, some dogs prick theirs. Frogs' and owls' muzzles only place mouth and beak.
FACES = {
    "cat": Face(
        {"upright": 0.85, "folded": 0.15}, jaw=(0.92, 0.6, 0.28), eye=(0.43, -0.12, 0.25, 0.21),
        pupil=(0.2, 0.55), muzzle=(0.42, 0.25, 0.42), nose=(0.11, 0.08), slant=0.25,
        whiskers=0.85, tongue=0.1,
    ),
    "dog": Face(
        {"hanging": 0.6, "folded": 0.25, "upright": 0.15}, jaw=(0.7, 0.8, 0.45), eye=(0.4, -0.22, 0.17, 0.18),
        pupil=(0.65, 0.9), muzzle=(0.48, 0.5, 0.52), nose=(0.24, 0.17), slant=-0.1, whiskers=0.1, tongue=0.5,
    ),
    "rabbit": Face(
        {"long": 1.0}, jaw=(0.85, 0.6, 0.3), eye=(0.5, -0.15, 0.17, 0.23),
        pupil=(0.7, 0.9), muzzle=(0.36, 0.26, 0.4), nose=(0.1, 0.07), whiskers=0.6,
    ),
    "fox": Face(
        {"large": 1.0}, jaw=(0.75, 0.85, 0.35), eye=(0.42, -0.12, 0.2, 0.15), pupil=(0.25, 0.5),
        muzzle=(0.3, 0.48, 0.55), nose=(0.15, 0.11), slant=0.4, whiskers=0.3, tongue=0.1,
        furs=("ginger", "ginger", "grey", "white"),
    ),
    "bear": Face(
        {"round": 1.0}, jaw=(0.9, 0.65, 0.28), eye=(0.36, -0.15, 0.12, 0.13), pupil=(0.7, 0.9),
        muzzle=(0.48, 0.4, 0.4), nose=(0.2, 0.14), tongue=0.1, furs=("brown", "brown", "black", "cream"),
    ),
    "mouse": Face(
        {"huge": 1.0}, jaw=(0.6, 0.75, 0.4), eye=(0.36, -0.05, 0.14, 0.16), pupil=(0.85, 0.95),
        muzzle=(0.28, 0.3, 0.6), nose=(0.11, 0.1), whiskers=0.9, furs=("grey", "grey", "brown", "white"),
    ),
    "pig": Face(
        {"flap": 1.0}, jaw=(0.9, 0.65, 0.3), eye=(0.42, -0.2, 0.13, 0.15), pupil=(0.7, 0.9),
        muzzle=(0.42, 0.32, 0.3), furs=("pink", "pink", "cream", "grey"),
    ),
    "owl": Face(
        {"tuft": 1.0}, jaw=(0.95, 0.7, 0.25), eye=(0.4, -0.12, 0.34, 0.34), pupil=(0.4, 0.65),
        muzzle=(0.1, 0.1, 0.3), furs=("brown", "grey", "cream", "white"),
    ),
    "panda": Face(
        {"round": 1.0}, jaw=(0.95, 0.65, 0.25), eye=(0.38, -0.08, 0.13, 0.15), pupil=(0.7, 0.9),
        muzzle=(0.38, 0.28, 0.42), nose=(0.16, 0.1), tongue=0.05, furs=("white", "white", "cream"),
    ),
    "frog": Face(
        {"none": 1.0}, jaw=(1.12, 0.6, 0.3), eye=(0.55, -0.72, 0.27, 0.27), pupil=(0.35, 0.6),
        muzzle=(0.1, 0.1, 0.25), furs=("green", "green", "olive", "brown"),
    ),
}  # fmt: skip
SPECIES = tuple(FACES)


class Ear(NamedTuple):
    """One kind of ear, on the right side; the left one is its mirror image.

    Args:
        base: u, v and radius where it begins.
        tip: likewise where it ends.
        pink: radius of the inside as a fraction of the ear's.
        front: whether it lies in front of the head.
    """

    base: tuple[float, float, float]
    tip: tuple[float, float, float]
    pink: float = 0.0
    front: bool = False


EARS = {
    "upright": Ear((0.56, -0.55, 0.36), (0.80, -1.30, 0.06), pink=0.55),
    "folded": Ear((0.62, -0.62, 0.27), (1.00, -0.62, 0.12), front=True),
    "hanging": Ear((0.80, -0.55, 0.22), (1.06, 0.42, 0.30), front=True),
    "long": Ear((0.36, -0.75, 0.20), (0.52, -2.05, 0.20), pink=0.5),
    "large": Ear((0.60, -0.50, 0.42), (0.98, -1.50, 0.05), pink=0.6),
    "round": Ear((0.76, -0.72, 0.36), (0.78, -0.74, 0.36), pink=0.55),
    "huge": Ear((0.98, -0.80, 0.60), (1.00, -0.82, 0.60), pink=0.7),
    "flap": Ear((0.62, -0.72, 0.30), (1.00, -0.50, 0.06), front=True),
    "tuft": Ear((0.60, -0.60, 0.26), (0.95, -1.22, 0.03)),
}
EAR_KINDS = (*EARS, "none")
PATTERNS = ("plain", "stripes", "patch", "blaze", "cheeks")
PARTS = (
    "background",
    "body",
    "ear",
    "head",
    "eye",
    "muzzle",
    "nose",
    "mouth",
    "tongue",
    "whisker",
    "occluder",
)

COLORS = {
    "black": (0.17, 0.16, 0.18), "grey": (0.52, 0.53, 0.56), "brown": (0.47, 0.31, 0.20),
    "ginger": (0.85, 0.50, 0.22), "cream": (0.90, 0.80, 0.62), "white": (0.94, 0.93, 0.91),
    "pink": (0.95, 0.68, 0.68), "green": (0.40, 0.68, 0.30), "olive": (0.55, 0.58, 0.28),
}  # fmt: skip
IRISES = ((0.93, 0.75, 0.25), (0.55, 0.75, 0.35), (0.45, 0.68, 0.85), (0.62, 0.38, 0.18))
TEXTURES = ("plain", "gradient", "blotches", "stripes", "checks")


@given.explained
class Dice:
    """A table of uniform numbers in [0, 1), a row an image; each call uses up the next column.

    Args:
        seed: of the drawing, at least 0.
        purpose: a number for each table that goes with one seed.
        count: rows, one an image.
        columns: how many numbers an image there are to use up.

    Raises:
        ValueError: if one is no whole number, or too small.
    """

    def __init__(self, seed: int, purpose: int, count: int, *, columns: int) -> None:
        for name, number in (("seed", seed), ("purpose", purpose), ("count", count)):
            given.whole_number(name, number, least=0)
        columns = given.whole_number("columns", columns)
        raw = np.random.PCG64([seed, purpose]).random_raw(count * columns)
        self.table = (raw >> np.uint64(11)).astype(np.float64).reshape(count, columns) * 2.0**-53
        self._used = 0

    def uniform(self, low: float | ndarray = 0.0, high: float | ndarray = 1.0) -> ndarray:
        """(count,) numbers.

        Args:
            low: least, one for all or (count,).
            high: where they end, likewise.
        """
        self._used += 1
        return low + (high - low) * self.table[:, self._used - 1]

    def vector(self, low: float, high: float, size: int = 3) -> ndarray:
        """(count, size) numbers.

        Args:
            low: least.
            high: where they end.
            size: numbers an image.
        """
        return np.stack([self.uniform(low, high) for _ in range(size)], axis=1)

    def index(self, options: int | ndarray) -> ndarray:
        """(count,) whole numbers from 0.

        Args:
            options: how many there are to choose from, one for all or (count,).
        """
        return (self.uniform() * options).astype(np.int64)  # below ``options``, however the product rounds

    def yes(self, chance: float | ndarray) -> ndarray:
        """(count,) whether or not.

        Args:
            chance: of yes, one for all or (count,).
        """
        return self.uniform() < chance

    def weighted(self, chances: ndarray) -> ndarray:
        """(count,) whole numbers from 0, not all as likely.

        Args:
            chances: (count, options), each row adding up to 1.
        """
        below = np.cumsum(chances, axis=1) - 1e-9
        return np.minimum((self.uniform()[:, None] >= below).sum(axis=1), chances.shape[1] - 1)


@given.explained
def require_species(species: str | Sequence[str]) -> tuple[str, ...]:
    """Names of species as a tuple.

    Args:
        species: different names out of ``SPECIES``; a single one may be a text.

    Raises:
        ValueError: for a name that there is not, one that comes twice, or none.
    """
    names = (species,) if isinstance(species, str) else tuple(species)
    if not names or any(name not in SPECIES for name in names) or len(set(names)) < len(names):
        raise ValueError(f"species must be different names out of {SPECIES}, got {names}")
    return names


@given.explained
def require_factors(f: Factors, /, *names: str) -> None:
    """Check that factors are there.

    Args:
        f: the factors that ``animals.draw`` describes.
        *names: those that are needed.

    Raises:
        ValueError: if one is missing.
    """
    if not isinstance(f, dict) or not set(names) <= f.keys():
        raise ValueError(f"f must hold the factors {', '.join(names)}, as roll makes them; got {list(f)[:5]}")


@given.explained
def roll(species: ndarray, seed: int) -> Factors:
    """Everything decided before the first pixel: name -> one row an image.

    Args:
        species: (N,) index into ``SPECIES``.
        seed: of the drawing, at least 0.

    Raises:
        ValueError: for a species that there is not, or a seed below 0.
    """
    if not isinstance(species, ndarray) or species.ndim != 1 or species.dtype.kind not in "iu":
        raise ValueError(f"species must be an array of whole numbers (N,), got {species!r:.100}")
    if len(species) and not 0 <= species.min() <= species.max() < len(SPECIES):
        raise ValueError(f"species must be 0 to {len(SPECIES) - 1}, got {species.min()} to {species.max()}")
    seed = given.whole_number("seed", seed, least=0)
    dice = Dice(seed, 2, len(species), columns=112)
    f = {"species": species}
    f["x"], f["y"] = dice.uniform(0.34, 0.66), dice.uniform(0.44, 0.68)
    f["scale"], f["turn"] = dice.uniform(0.19, 0.31), dice.uniform(-0.22, 0.22)
    f["yaw"], f["pitch"] = dice.uniform(-0.3, 0.3), dice.uniform(-0.12, 0.12)
    f["ear_size"], f["ear_spread"] = dice.uniform(0.85, 1.15), dice.uniform(-0.12, 0.12)
    _measure(f, dice)
    _color(f, dice)
    f["texture"], f["texture_step"] = dice.index(len(TEXTURES)), dice.uniform(3.0, 8.0)
    f["texture_shift"], f["texture_way"] = dice.vector(0.0, 1.0, 2), dice.vector(-1.0, 1.0, 2)
    f["texture_lattice"] = dice.vector(0.0, 1.0, 36)
    f["light"], f["exposure"] = dice.vector(-0.45, 0.45, 2), dice.uniform(0.75, 1.15)
    f["occluder"], f["occluder_color"] = dice.yes(0.25), dice.vector(0.05, 0.95)
    f["occluder_from"], f["occluder_way"] = dice.vector(-1.2, 1.2, 2), dice.vector(-1.0, 1.0, 2)
    f["occluder_width"], f["noise"] = dice.uniform(0.07, 0.2), dice.uniform(0.0, 0.08)
    return f


def _measure(f: Factors, dice: Dice) -> None:
    """The face: its species' row of the table, every length varied by up to a tenth."""
    rows = [FACES[name] for name in SPECIES]

    def of_species(field: str) -> ndarray:
        return np.array([getattr(row, field) for row in rows])[f["species"]]

    for name in ("jaw", "eye", "muzzle", "nose"):
        f[name] = of_species(name) * dice.vector(0.9, 1.1, of_species(name).shape[1])
    f["pupil"], f["open"] = dice.uniform(*of_species("pupil").T), dice.uniform(0.75, 1.1)
    f["slant"] = of_species("slant") + dice.uniform(-0.1, 0.1)
    f["whiskers"], f["tongue"] = dice.yes(of_species("whiskers")), dice.yes(of_species("tongue"))
    ears = np.array([[row.ears.get(kind, 0.0) for kind in EAR_KINDS] for row in rows])
    f["ear"] = dice.weighted(ears[f["species"]])


def _color(f: Factors, dice: Dice) -> None:
    """Fur, markings, eyes, nose and ground."""
    names, palette = list(COLORS), np.array(list(COLORS.values()))
    furs = np.array(
        [[FACES[name].furs.count(fur) / len(FACES[name].furs) for fur in names] for name in SPECIES]
    )
    fur = palette[dice.weighted(furs[f["species"]])] * dice.uniform(0.8, 1.15)[:, None]
    f["fur"] = np.clip(fur + dice.vector(-0.06, 0.06), 0.05, 1.0)
    f["second"], f["pattern"], f["pale"] = (
        palette[dice.index(6)],
        dice.index(len(PATTERNS)),
        dice.uniform(0.2, 0.8),
    )
    f["iris"], f["dark_nose"] = np.array(IRISES)[dice.index(len(IRISES))], dice.yes(0.75)
    f["ground"] = dice.uniform(0.2, 0.8)[:, None] + dice.vector(-0.2, 0.2)
    f["ground_change"] = dice.uniform(-0.3, 0.3)[:, None] + dice.vector(-0.12, 0.12)
