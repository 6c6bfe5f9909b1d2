"""The drawn animals: labelled pictures made by code, with every factor known.

Introduced in chapter 5.

Chance comes from raw PCG64 bits, which NumPy promises never to change; the painting uses only arithmetic that
IEEE 754 rounds in one way. So a seed gives the same bytes on every machine. Image ``i`` of a seed is the same
in a short and in a long draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy import ndarray

from resnet_utils.data.synthetic.faces import (
    SPECIES,
    Dice,
    Factors,
    require_species,
    roll,
)
from resnet_utils.data.synthetic.scene import render
from resnet_utils.runtime import given

PETS = ("cat", "dog")
SOURCE = tuple(name for name in SPECIES if name not in PETS)
# Ground colours of the planted shortcut, one a species: cats on terracotta, dogs on grass, ...
HABITATS = (
    (0.72, 0.42, 0.32), (0.38, 0.62, 0.34), (0.82, 0.74, 0.40), (0.35, 0.45, 0.62), (0.45, 0.33, 0.25),
    (0.62, 0.60, 0.58), (0.55, 0.35, 0.50), (0.18, 0.20, 0.35), (0.55, 0.72, 0.62), (0.30, 0.60, 0.68),
)  # fmt: skip


@dataclass(frozen=True)
class DrawnImages:
    """What ``draw`` returns. Every array has one entry an image.

    Args:
        images: uint8 (N, 3, size, size).
        labels: int64 (N,), index into ``species``.
        species: the name of each class.
        boxes: int64 (N, 4): left, top, right, bottom of head and ears, pixels; the last two are just outside.
        factors: name -> (N,) or (N, k), see ``draw``.
        masks: uint8 (N, size, size), index into ``PARTS`` of the part seen at each pixel, if asked for.
    """

    images: ndarray
    labels: ndarray
    species: tuple[str, ...]
    boxes: ndarray
    factors: Factors = field(repr=False)
    masks: ndarray | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.labels)


@given.explained
def draw(
    count: int,
    *,
    size: int = 64,
    seed: int = 0,
    species: Sequence[str] = PETS,
    masks: bool = False,
    background_shortcut: float = 0.0,
    duplicates: float = 0.0,
    label_noise: float = 0.0,
    fixed: Mapping[str, object] | None = None,
) -> DrawnImages:
    """Draw faces; each run of ``len(species)`` images holds every species once, in random order.

    Factors: what is shown (species, an index into ``SPECIES``; true_label; ear, into ``EAR_KINDS``; pattern,
    into ``PATTERNS``; texture, into ``TEXTURES``; whiskers, tongue, occluder, shortcut: yes or no), where
    (x, y, scale as fractions of the side; turn, tangent of half the angle; yaw, pitch), the measures of
    ``faces.Face``, colours (fur, second, iris, ground, ...), light, exposure, noise, and copy_of
    (the image repeated here, or -1).

    Args:
        count: images, at least 1.
        size: side in pixels, at least 8.
        seed: of all that is random, at least 0.
        species: different names out of ``SPECIES``, the classes in their order.
        masks: whether to return which part is seen at each pixel.
        background_shortcut: chance, 0 to 1, that the ground has the species' own colour (``HABITATS``).
        duplicates: chance that an image repeats an earlier one of its species, pixel for pixel.
        label_noise: chance that an image has another species' label.
        fixed: factors set by hand for all images, name -> one value or one an image: the same faces with
            other ears, for example.

    Raises:
        ValueError: for a count, size, seed, rate, species or factor that is not allowed.
    """
    species = _checked(count, size, seed, species)
    given.yes_or_no("masks", masks)
    rates = {"background_shortcut": background_shortcut, "duplicates": duplicates, "label_noise": label_noise}
    for name, rate in rates.items():
        if not 0.0 <= given.real_number(name, rate) <= 1.0:
            raise ValueError(f"{name} is a chance and must lie in [0, 1], got {rate}")
    if label_noise > 0 and len(species) < 2:
        raise ValueError(f"label_noise needs at least two species, got {species}")
    true_label = _shuffled(count, len(species), seed)
    factors = roll(np.array([SPECIES.index(name) for name in species])[true_label], seed)
    labels = _plant(factors, true_label, rates, seed=seed, num_species=len(species))
    _fix(factors, {} if fixed is None else fixed)
    images, parts, boxes = render(factors, size, seed)
    source = np.where(factors["copy_of"] < 0, np.arange(count), factors["copy_of"])
    copy_of = factors["copy_of"]
    factors = {name: values[source] for name, values in factors.items()} | {"copy_of": copy_of}
    return DrawnImages(
        images[source], labels, species, boxes[source], factors, masks=parts[source] if masks else None
    )


def _checked(count: int, size: int, seed: int, species: Sequence[str]) -> tuple[str, ...]:
    for name, value, least in (("count", count, 1), ("size", size, 8), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return require_species(species)


def _shuffled(count: int, num_species: int, seed: int) -> ndarray:
    """(count,) labels: random orders of all species, one after the other."""
    rounds = -(-count // num_species)
    order = np.argsort(Dice(seed, 1, rounds, columns=num_species).table, axis=1, kind="stable")
    return order.reshape(-1)[:count].astype(np.int64)


def _plant(
    f: Factors, true_label: ndarray, rates: Mapping[str, float], *, seed: int, num_species: int
) -> ndarray:
    """Add the planted faults to the factors; returns the labels, wrong ones among them."""
    dice = Dice(seed, 3, len(true_label), columns=8)  # its own dice: a fault moves nothing else
    f["true_label"] = true_label
    f["shortcut"] = dice.yes(rates["background_shortcut"])
    habitat = np.array(HABITATS)[f["species"]] + dice.vector(-0.05, 0.05)
    f["ground"] = np.where(f["shortcut"][:, None], habitat, f["ground"])
    repeated, which = dice.yes(rates["duplicates"]), dice.uniform()
    wrong, step = dice.yes(rates["label_noise"]), 1 + dice.index(max(num_species - 1, 1))
    f["copy_of"] = np.full(len(true_label), -1)
    for label in range(num_species):
        mine = np.flatnonzero(true_label == label)
        for rank in np.flatnonzero(repeated[mine]):
            if rank > 0:
                earlier = mine[int(which[mine[rank]] * rank)]
                original = f["copy_of"][earlier]
                f["copy_of"][mine[rank]] = earlier if original < 0 else original
    return np.where(wrong, (true_label + step) % num_species, true_label)


def _fix(f: Factors, fixed: Mapping[str, object]) -> None:
    if not isinstance(fixed, Mapping):
        raise TypeError(f"fixed must be factors by name, got {fixed!r:.100}")
    for name, value in fixed.items():
        if name not in f or name in ("species", "true_label", "copy_of", "shortcut"):
            raise ValueError(f"there is no factor {name!r} to fix; there are {sorted(f)}")
        try:
            f[name] = np.broadcast_to(np.asarray(value, dtype=f[name].dtype), f[name].shape)
        except ValueError:
            found = np.asarray(value).shape
            raise ValueError(f"factor {name!r} needs shape {f[name].shape}, got {found}") from None
