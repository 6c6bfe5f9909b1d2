"""Groups of drawn animals: boxes and masks that agree, and the same bytes for one seed."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from resnet_utils.data.synthetic import groups


@pytest.fixture(scope="module")
def drawn():
    return groups.draw_groups(30, size=64, seed=3, most=3)


def test_a_box_is_the_tightest_around_its_mask(drawn):
    for boxes, masks in zip(drawn.boxes, drawn.masks, strict=True):
        for (left, top, right, bottom), mask in zip(boxes, masks, strict=True):
            assert mask[top:bottom, left:right].sum() == mask.sum() >= 9
            for edge in (mask[top], mask[bottom - 1], mask[:, left], mask[:, right - 1]):
                assert edge.any()


def test_no_pixel_belongs_to_two_animals_and_pixels_carry_the_classes(drawn):
    for masks, labels, pixels in zip(drawn.masks, drawn.labels, drawn.pixels(), strict=True):
        assert masks.sum(axis=0).max() == 1
        for mask, label in zip(masks, labels, strict=True):
            assert (pixels[mask] == 1 + label).all()
        assert (pixels[~masks.any(axis=0)] == 0).all()


def test_every_number_of_animals_and_both_species_occur(drawn):
    assert {len(labels) for labels in drawn.labels} == {1, 2, 3}
    assert set(np.concatenate(drawn.labels)) == {0, 1}


def test_a_seed_gives_the_same_bytes_and_another_seed_others(drawn):
    again = groups.draw_groups(30, size=64, seed=3, most=3)
    assert (again.images == drawn.images).all()
    assert not (groups.draw_groups(30, size=64, seed=4, most=3).images == drawn.images).all()


def test_the_bytes_are_those_of_every_machine():
    images = groups.draw_groups(4, size=48, seed=0).images
    assert hashlib.sha256(images.tobytes()).hexdigest()[:16] == "bae3beed8d3cd4cb"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"count": 0}, "count must be a whole number at least 1, got 0"),
        ({"size": 16}, "size must be a whole number at least 32"),
        ({"most": 5}, "most must be a whole number from 1 to 4, got 5"),
        ({"seed": True}, "seed must be"),
        ({"species": ("cat", "cat")}, "different names"),
        ({"species": ("unicorn",)}, "different names"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        groups.draw_groups(**({"count": 2} | options))
