"""Copies in a data set: equal and nearly equal pictures, groups of them, and a split that keeps groups whole.

Introduced in chapter 5.

A picture that is in two parts of a data set makes a score a measure of memory. Copies are found by what is in
the pictures, not by their files: another quality, brightness or size makes other bytes.
"""

from __future__ import annotations

import hashlib
import math
import operator
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from resnet_utils.data.pieces import AnySplit, Images, pieces, require_images
from resnet_utils.runtime import given

MOST_BITS = 10  # of 64; two unrelated photographs differ in about 32
LEAST_LIKENESS = 0.96
_SIDE, _KEPT, _THUMB = 32, 8, 16  # pixels for the transform; frequencies kept; pixels of a thumbnail
_PIECE = 64  # pictures looked at at a time
_ROWS = 1024  # pictures compared at a time with all others,
_PAIRS = 2**24  # but fewer where that would be more pairs


class Copy(NamedTuple):
    """Two pictures that are nearly the same.

    Args:
        first: place of the one.
        second: place of the other, in the same images or in ``others``.
        bits: by which their hashes differ, 0 to 64.
        likeness: correlation of their thumbnails, at most 1.
        mirrored: whether one of them is mirrored.
    """

    first: int
    second: int
    bits: int
    likeness: float
    mirrored: bool


@given.explained
def fingerprints(images: Images) -> list[str]:
    """SHA-256 of the pixels of each image, as 64 hex digits.

    Args:
        images: a split, or uint8 (N, 3, H, W) or grey (N, 1, H, W), on any device.

    Raises:
        ValueError: for images of another kind or shape, or a file that is damaged or gone.
        TypeError: for anything else.
    """
    _check(images)
    return [_mark(image) for piece in pieces(images, _PIECE) for image in piece]


@given.explained
def perceptual_hash(images: Images) -> Tensor:
    """64 bits an image that hardly change when it is re-compressed, resized or made brighter: bool (N, 64).

    Each image is shrunk to 32 x 32 grey values; of their cosine transform the 8 x 8 lowest frequencies stay,
    and a bit says whether one lies above their median.
    Source: the "DCT based hash" of Zauner 2010, "Implementation and benchmarking of perceptual image hash
    functions" (thesis, Hagenberg), in the form of the library imagehash.

    Args:
        images: a split, or uint8 (N, 3, H, W) or grey (N, 1, H, W), on any device; the hashes lie on the CPU.

    Raises:
        ValueError: for images of another kind or shape, or a file that is damaged or gone.
        TypeError: for anything else.
    """
    _check(images)
    return _bits(torch.cat([_low_frequencies(piece) for piece in pieces(images, _PIECE)]))


@given.explained
def find_copies(
    images: Images,
    others: Images | None = None,
    *,
    most_bits: int = MOST_BITS,
    least_likeness: float = LEAST_LIKENESS,
    mirrored: bool = True,
) -> list[Copy]:
    """Pairs of nearly equal pictures, most alike first.

    The hashes propose, the pixels decide: two hashes differ in few bits, and the grey thumbnails (16 x 16)
    correlate. Equal pixels are always a pair. Finds no rotation, and no crop or shift by more than about 1/64
    of the side. Pictures on disk are decoded once, a few at a time.

    Args:
        images: a split, or uint8 (N, 3, H, W) or grey (N, 1, H, W), on any device.
        others: likewise, of M images, to look for pairs between the two; None: within ``images``.
        most_bits: by which two hashes may differ, of 64.
        least_likeness: correlation of two thumbnails from which on they are a pair.
        mirrored: whether each picture is compared with the mirror images of the others too.

    Raises:
        ValueError: for images of another kind or shape, a file that is damaged or gone, or a limit or flag
            that is none.
        TypeError: for anything else.
    """
    most_bits = given.whole_number("most_bits", most_bits, least=0)
    least_likeness = given.real_number("least_likeness", least_likeness)
    if math.isnan(least_likeness):
        raise ValueError("least_likeness must be a correlation, -1 to 1, got nan")
    given.yes_or_no("mirrored", mirrored)
    first = _looks(images)
    second = first if others is None else _looks(others)
    views = [(False, second.low, second.thumbs)]
    if mirrored:  # mirrored, a cosine of odd frequency changes its sign, and nothing else happens
        signs = torch.tensor([1.0, -1.0], dtype=second.low.dtype).repeat(_KEPT // 2)
        views.append((True, second.low * signs, second.mirrored))
    hashes, count = _bits(first.low), max(1, min(_ROWS, _PAIRS // len(second.marks)))
    found: dict[tuple[int, int], Copy] = {}
    for is_mirrored, other_low, other_thumbs in views:
        other_hashes = _bits(other_low)
        for start in range(0, len(first.marks), count):
            rows = slice(start, start + count)
            bits, likeness = bits_apart(hashes[rows], other_hashes), first.thumbs[rows] @ other_thumbs.T
            for i, j in ((bits <= most_bits) & (likeness >= least_likeness)).nonzero().tolist():
                if others is not None or start + i < j:
                    pair = Copy(start + i, j, int(bits[i, j]), float(likeness[i, j]), is_mirrored)
                    found.setdefault(pair[:2], pair)
    for i, j in _equal_pixels(first, second):
        if others is not None or i < j:
            found[i, j] = Copy(i, j, 0, 1.0, mirrored=False)
    return sorted(found.values(), key=lambda pair: (pair.bits, -pair.likeness, pair[:2]))


@given.explained
def bits_apart(first: Tensor, second: Tensor) -> Tensor:
    """In how many bits each hash of one list differs from each of another: int (N, M).

    Args:
        first: bool (N, 64), as from ``perceptual_hash``.
        second: bool (M, 64).

    Raises:
        ValueError: for tables of another kind or shape, or of unequal widths.
    """
    for name, hashes in (("first", first), ("second", second)):
        if hashes.dtype != torch.bool or hashes.ndim != 2 or hashes.shape[1] != first.shape[-1]:
            raise ValueError(
                f"{name} must be bool (N, 64), as wide as the other, got {hashes.dtype} {tuple(hashes.shape)}"
            )
    a, b = first.float() * 2 - 1, second.float() * 2 - 1  # equal bits add 1, different ones -1
    return ((first.shape[1] - a @ b.T) / 2).round().int()


@given.explained
def groups(count: int, pairs: Iterable[tuple[int, ...]]) -> Tensor:
    """The number of each picture's group, int64 (count,): copies of copies are in one group.

    A group is called by the place of its first picture; one without copies is a group of its own.

    Args:
        count: how many pictures there are.
        pairs: tuples that begin with two places each, as those of ``find_copies``.

    Raises:
        ValueError: if a place is not below ``count``, or a pair is none.
    """
    parent = list(range(given.whole_number("count", count, least=0)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]  # shorten the way for the next one
            place = parent[place]
        return place

    for pair in pairs:
        try:
            first, second = map(operator.index, tuple(pair)[:2])
        except (TypeError, ValueError):
            raise ValueError(f"pairs must be tuples that begin with two places, got {pair!r:.100}") from None
        if not (0 <= first < count and 0 <= second < count):
            raise ValueError(f"a pair names the pictures {first} and {second}, but there are {count}")
        one, two = sorted((root(first), root(second)))
        parent[two] = one
    return torch.tensor([root(place) for place in range(count)], dtype=torch.int64)


@given.explained
def split_groups(split: AnySplit, group: Tensor, *, share: float, seed: int = 0) -> tuple[AnySplit, AnySplit]:
    """A split in two, with no group in both parts.

    Whole groups are drawn in random order; a group counts for the class of its first picture.

    Args:
        split: the labelled images, in memory or on disk.
        group: int64 (N,), the group of each, as from ``groups``.
        share: of each class that goes to the first part, in (0, 1); it gets at most half a group more.
        seed: of the order; another seed, other groups.

    Raises:
        ValueError: if ``group`` is not int64 (N,), ``share`` not in (0, 1), or a part would be empty.
    """
    group = given.table("group", group)
    if group.dtype != torch.int64 or group.shape != split.labels.shape:
        raise ValueError(f"group must be int64 ({len(split)},), got {group.dtype} {tuple(group.shape)}")
    if not 0 < given.real_number("share", share) < 1:
        raise ValueError(f"share must lie between 0 and 1, got {share}")
    members: dict[int, list[int]] = {}
    for place in torch.randperm(
        len(split),
        generator=torch.Generator().manual_seed(given.whole_number("seed", seed, least=0)),
        device="cpu",
    ).tolist():
        members.setdefault(int(group[place]), []).append(place)
    wanted = (torch.bincount(split.labels, minlength=len(split.classes)) * share).tolist()
    parts: tuple[list[int], list[int]] = ([], [])
    for places in members.values():
        label = int(split.labels[min(places)])
        goes_first = wanted[label] >= len(places) / 2
        wanted[label] -= len(places) if goes_first else 0
        parts[0 if goes_first else 1].extend(places)
    if not all(parts):
        raise ValueError(f"a share of {share} of {len(members)} groups leaves a part empty")
    return split.subset(parts[0]), split.subset(parts[1])


def _check(images: Images) -> None:
    require_images(images)
    kind, shape = getattr(images, "dtype", torch.uint8), tuple(images.shape)  # a split has bytes
    if kind != torch.uint8 or len(shape) != 4 or shape[1] not in (1, 3) or shape[0] == 0:
        raise ValueError(f"images must be uint8 (N, 3, H, W) or (N, 1, H, W) with N > 0, got {kind} {shape}")


class _Looks(NamedTuple):
    """What is compared: a few numbers an image, so that the images themselves need not stay in memory.

    Args:
        marks: the fingerprint of each.
        low: the low frequencies of each, float64 (N, 8, 8).
        thumbs: the thumbnail of each, float32 (N, 256).
        mirrored: that of each mirror image.
    """

    marks: list[str]
    low: Tensor
    thumbs: Tensor
    mirrored: Tensor


def _looks(images: Images) -> _Looks:
    """All that is compared of some images, which are asked for once, piece by piece."""
    _check(images)
    marks, low, thumbs, mirrored = [], [], [], []
    for piece in pieces(images, _PIECE):
        marks += map(_mark, piece)
        low.append(_low_frequencies(piece))
        thumbs.append(_thumbnails(piece))
        mirrored.append(_thumbnails(piece.flip(3)))
    return _Looks(marks, torch.cat(low), torch.cat(thumbs), torch.cat(mirrored))


def _mark(image: Tensor) -> str:
    return hashlib.sha256(image.contiguous().cpu().numpy().tobytes()).hexdigest()


def _low_frequencies(images: Tensor) -> Tensor:
    """The lowest 8 x 8 coefficients of the cosine transform (type II) of each image, float64 (N, 8, 8)."""
    from PIL import Image

    small = np.empty((len(images), _SIDE, _SIDE))
    for place, image in enumerate(images.permute(0, 2, 3, 1).cpu().numpy()):
        picture = Image.fromarray(image if image.shape[2] == 3 else image[:, :, 0]).convert("L")
        small[place] = np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS))
    frequency, pixel = np.arange(_KEPT)[:, None], np.arange(_SIDE)[None]
    cosines = 2 * np.cos(np.pi * frequency * (2 * pixel + 1) / (2 * _SIDE))
    # rounded: where a coefficient is zero by symmetry, the last bits of floats must not decide
    return torch.from_numpy(np.round(cosines @ small @ cosines.T, 6))


def _bits(low: Tensor) -> Tensor:
    flat = low.flatten(1)  # (N, 64)
    return flat > flat.quantile(0.5, dim=1, keepdim=True)


def _thumbnails(images: Tensor) -> Tensor:
    """Grey values of each image at 16 x 16 pixels with mean 0 and length 1, float32 (N, 256)."""
    gray = images.float().mean(dim=1, keepdim=True)
    even = nn.functional.interpolate(gray, (4 * _THUMB, 4 * _THUMB), mode="bilinear", antialias=True)
    small = nn.functional.avg_pool2d(even, 4).flatten(1)  # sharper than shrinking to 16 pixels in one step
    return nn.functional.normalize(small - small.mean(dim=1, keepdim=True))


def _equal_pixels(first: _Looks, second: _Looks) -> list[tuple[int, int]]:
    """Places of equal images; the two may be the same."""
    places: dict[str, list[int]] = {}
    for place, mark in enumerate(second.marks):
        places.setdefault(mark, []).append(place)
    return [(i, j) for i, mark in enumerate(first.marks) for j in places.get(mark, [])]
