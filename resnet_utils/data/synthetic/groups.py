"""Pictures with several drawn animals on one ground, and where each of them is: boxes, labels, masks.

Introduced in chapter 6.

They are painted by the same code as the single faces, so a seed gives the same bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy import ndarray

from resnet_utils.data.synthetic.animals import PETS
from resnet_utils.data.synthetic.canvas import Canvas
from resnet_utils.data.synthetic.faces import SPECIES, Dice, Factors, require_species, roll
from resnet_utils.data.synthetic.parts import paint_face
from resnet_utils.data.synthetic.scene import background, grain, light
from resnet_utils.runtime import given


@dataclass(frozen=True)
class DrawnGroups:
    """What ``draw_groups`` returns; the lists have one entry an image, each with a row for each of its
    animals.

    Args:
        images: uint8 (N, 3, size, size).
        boxes: int64 (k, 4): left, top, right, bottom of all that is seen of an animal, in pixels; the last
            two are just outside.
        labels: int64 (k,), index into ``species``.
        masks: bool (k, size, size), the pixels of each animal that are seen.
        species: the name of each class.
    """

    images: ndarray
    boxes: list[ndarray] = field(repr=False)
    labels: list[ndarray] = field(repr=False)
    masks: list[ndarray] = field(repr=False)
    species: tuple[str, ...] = PETS

    def __len__(self) -> int:
        return len(self.images)

    def pixels(self) -> ndarray:
        """The class of each pixel, int64 (N, size, size): 0 for the ground, else 1 + the animal's label."""
        rows = [
            (masks * (1 + labels)[:, None, None]).sum(axis=0)
            for masks, labels in zip(self.masks, self.labels, strict=True)
        ]
        return np.stack(rows).astype(np.int64)


@given.explained
def draw_groups(
    count: int, *, size: int = 96, seed: int = 0, species: Sequence[str] = PETS, most: int = 2
) -> DrawnGroups:
    """Draw pictures with 1 to ``most`` animals side by side, head and body, each of a species of its own.

    The width is shared out evenly, and each animal stands somewhere in its share. Whoever is painted later
    hides what lies behind; an animal of which fewer than 9 pixels are seen is not counted.

    Args:
        count: images, at least 1.
        size: side in pixels, at least 32.
        seed: of all that is random, at least 0.
        species: different names out of ``SPECIES``, the classes in their order.
        most: animals in an image, 1 to 4.

    Raises:
        ValueError: for a count, size, seed, number or species that is not allowed.
    """
    limits = (
        ("count", count, 1, None),
        ("size", size, 32, None),
        ("seed", seed, 0, None),
        ("most", most, 1, 4),
    )
    for name, value, low, high in limits:
        is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not is_whole or value < low or (high is not None and value > high):
            allowed = f"at least {low}" if high is None else f"from {low} to {high}"
            raise ValueError(f"{name} must be a whole number {allowed}, got {value!r}")
    species = require_species(species)
    dice = Dice(seed, 5, count, columns=1 + 4 * most)
    there = 1 + dice.index(most)  # (count,) animals in each image
    labels = np.stack([dice.index(len(species)) for _ in range(most)])  # (most, count)
    f = roll(np.array([SPECIES.index(name) for name in species])[labels.reshape(-1)], seed)
    animals = [{name: values[j * count : (j + 1) * count] for name, values in f.items()} for j in range(most)]
    for number, animal in enumerate(animals):
        _place(animal, dice, number, there)
    images, owners = _paint(animals, there, size, seed)
    seen = [[j for j in range(there[i]) if (owners[i] == j + 1).sum() >= 9] for i in range(count)]
    masks = [np.stack([owners[i] == j + 1 for j in some]) for i, some in enumerate(seen)]
    return DrawnGroups(
        images,
        [np.stack([_box(mask) for mask in some]) for some in masks],
        [labels[some, i].astype(np.int64) for i, some in enumerate(seen)],
        masks,
        species,
    )


def _place(animal: Factors, dice: Dice, number: int, there: ndarray) -> None:
    """Put animal ``number`` of each image into its share of the width; ``there`` (N,) share it."""
    share = 1.0 / there
    animal["scale"] = dice.uniform(0.1, np.minimum(0.2, 0.42 * share))
    margin = np.minimum(1.25 * animal["scale"], 0.5 * share)
    left = np.minimum(number, there - 1) * share
    animal["x"] = dice.uniform(left + margin, left + share - margin)
    animal["y"] = dice.uniform(1.4 * animal["scale"], 1 - 2.0 * animal["scale"])


def _paint(animals: list[Factors], there: ndarray, size: int, seed: int) -> tuple[ndarray, ndarray]:
    """Images uint8 (N, 3, size, size), and who is seen at each pixel: 0 for nobody, else 1 + the number."""
    colors = background(animals[0], size)
    owners = np.zeros((len(there), size, size), dtype=np.int64)
    for number, animal in enumerate(animals):
        rows = np.flatnonzero(there > number)
        if len(rows) == 0:
            continue
        some = {name: values[rows] for name, values in animal.items()}
        x, y, scale = (some[name] * size for name in ("x", "y", "scale"))
        canvas = Canvas(colors[:, rows], x, y, scale, turn=0.5 * some["turn"])
        paint_face(canvas, some)
        colors[:, rows] = canvas.colors
        owners[rows] = np.where(canvas.parts > 0, number + 1, owners[rows])
    lit = colors.swapaxes(0, 1) * light(animals[0], size)
    bits = np.random.PCG64([seed, 6])
    for i in range(len(lit)):
        lit[i] += grain(bits, 1, size)[0] * animals[0]["noise"][i]
    return np.floor(np.clip(lit, 0.0, 1.0) * 255 + 0.5).astype(np.uint8), owners


def _box(mask: ndarray) -> ndarray:
    """(4,) left, top, right, bottom of the pixels of a mask."""
    lines, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], lines[0], columns[-1] + 1, lines[-1] + 1], dtype=np.int64)
