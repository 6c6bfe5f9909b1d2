"""The drawn animals: the same bytes everywhere, every factor as told, and neither too easy nor too hard."""

import ast
import hashlib
from pathlib import Path

import numpy as np
import pytest

from resnet_utils.data import synthetic
from resnet_utils.data.synthetic import faces

ROOM = Path(synthetic.__file__).parent
# What numpy offers that is exact, rounded in one way by IEEE 754, or only about shapes.
ROUNDED_ONE_WAY = """
    abs add any arange argsort array asarray ascontiguousarray broadcast_shapes broadcast_to ceil clip cumsum
    empty flatnonzero float64 floor full int64 integer isin maximum minimum ndim number ones random shape sqrt
    square stack subtract uint64 uint8 where zeros
"""


@pytest.fixture(scope="module")
def pets():
    return synthetic.draw(300, seed=7, masks=True)


@pytest.fixture(scope="module")
def features():
    """Train and test: images as numbers, labels as -1 and 1."""
    both = [synthetic.draw(count, seed=seed, size=32) for count, seed in ((1000, 0), (600, 1))]
    return [(d.images / 255.0, d.labels * 2.0 - 1) for d in both]


def ridge_accuracy(train, test, penalty):
    """Test accuracy of a linear model on standardised features, fitted by least squares in float64."""
    (x, y), (x_test, y_test) = train, test
    mean, std = x.mean(axis=0), x.std(axis=0) + 1e-6
    x, x_test = (x - mean) / std, (x_test - mean) / std
    kernel = x @ x.T + penalty * x.shape[1] * np.eye(len(x))
    return (np.sign(x_test @ (x.T @ np.linalg.solve(kernel, y))) == y_test).mean()


def test_bytes_are_the_same_on_every_machine():
    found = synthetic.draw(20, size=32, seed=1, species=synthetic.SPECIES, masks=True)
    digest = hashlib.sha256()
    for array in (found.images, found.labels, found.boxes, found.masks):
        digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    assert digest.hexdigest() == "1e1a70ebe8b0b2406c1e97bb2dcc872ea695ab2906dc7aab0c700718ac4e7b63"


@pytest.mark.parametrize("name", sorted(path.name for path in ROOM.glob("*.py")))
def test_only_arithmetic_that_rounds_in_one_way_is_used(name):
    tree = ast.parse((ROOM / name).read_text(encoding="utf-8"))
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "np"
    }
    assert used <= set(ROUNDED_ONE_WAY.split()), (
        "sin, exp or a matrix product differs between machines in its last bit"
    )
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.MatMult)]


def test_a_short_draw_is_the_start_of_a_long_one():
    short, long = synthetic.draw(37, size=16, masks=True), synthetic.draw(1100, size=16, masks=True)
    for name in ("images", "labels", "boxes", "masks"):
        np.testing.assert_array_equal(getattr(short, name), getattr(long, name)[:37])
    for name, values in short.factors.items():
        np.testing.assert_array_equal(values, long.factors[name][:37])


def test_another_seed_gives_other_images():
    one, two = synthetic.draw(10, size=16, seed=0), synthetic.draw(10, size=16, seed=1)
    assert not (one.images == two.images).all(axis=(1, 2, 3)).any()


def test_shapes_and_types_are_as_told(pets):
    assert (pets.images.shape, pets.images.dtype) == ((300, 3, 64, 64), np.uint8)
    assert (pets.labels.shape, pets.labels.dtype) == ((300,), np.int64)
    assert (pets.masks.shape, pets.masks.dtype) == ((300, 64, 64), np.uint8)
    assert (pets.boxes.shape, pets.boxes.dtype) == ((300, 4), np.int64)
    assert all(len(values) == 300 for values in pets.factors.values())
    assert synthetic.draw(2, size=16).masks is None


def test_every_run_of_ten_holds_every_species():
    labels = synthetic.draw(200, size=8, species=synthetic.SPECIES).labels.reshape(20, 10)
    assert (np.sort(labels, axis=1) == np.arange(10)).all()
    assert (labels[:-1] != labels[1:]).any(axis=0).all(), "the order should change"


def test_labels_index_the_species_asked_for():
    found = synthetic.draw(12, size=16, species=("dog", "owl", "cat"))
    names = [synthetic.SPECIES[k] for k in found.factors["species"]]
    assert names == [found.species[k] for k in found.labels]
    assert (*synthetic.SPECIES[2:], "cat", "dog") == synthetic.SOURCE + synthetic.PETS


def test_box_is_the_extent_of_the_head_and_ears():
    found = synthetic.draw(40, size=32, masks=True, fixed={"occluder": False})
    for box, mask in zip(found.boxes, found.masks, strict=True):
        lines, columns = np.nonzero(mask >= synthetic.PARTS.index("ear"))
        assert box.tolist() == [columns.min(), lines.min(), columns.max() + 1, lines.max() + 1]


def test_masks_tell_where_the_nose_is(pets):
    nose = pets.masks == synthetic.PARTS.index("nose")
    dark = pets.factors["dark_nose"] & ~pets.factors["occluder"] & (nose.sum(axis=(1, 2)) >= 12)
    assert dark.sum() > 50
    gray = pets.images.mean(axis=1)
    muzzle = pets.masks == synthetic.PARTS.index("muzzle")
    for image, here, around in zip(gray[dark], nose[dark], muzzle[dark], strict=True):
        assert image[here].mean() < image[around].mean() + 40  # a light spot lies on each nose


def test_part_is_there_exactly_when_its_factor_says_so(pets):
    seen = {
        part: (pets.masks == synthetic.PARTS.index(part)).any(axis=(1, 2)) for part in ("occluder", "tongue")
    }
    assert not seen["occluder"][~pets.factors["occluder"]].any()
    assert not seen["tongue"][~pets.factors["tongue"]].any()
    assert seen["tongue"][pets.factors["tongue"] & ~pets.factors["occluder"]].mean() > 0.95


def test_fixed_ears_change_the_ears_and_nothing_far_away():
    upright, hanging = (
        synthetic.draw(
            20, seed=3, masks=True, fixed={"ear": synthetic.EAR_KINDS.index(kind), "occluder": False}
        )
        for kind in ("upright", "hanging")
    )
    ears = np.zeros(upright.masks.shape, dtype=bool)
    for found in (upright, hanging):
        ears |= found.masks == synthetic.PARTS.index("ear")
    for _ in range(2):  # the ears' soft edge, a pixel or two wide
        for axis in (1, 2):
            ears |= np.roll(ears, 1, axis) | np.roll(ears, -1, axis)
    changed = (upright.images != hanging.images).any(axis=1)
    assert changed.any(axis=(1, 2)).all()
    assert not (changed & ~ears).any()


def test_mean_color_tells_nothing(features):
    train, test = (((x.mean(axis=(2, 3))), y) for x, y in features)
    assert ridge_accuracy(train, test, 1e-3) < 0.56  # 600 test images: 0.5 + 3 standard errors


@pytest.mark.parametrize("penalty", [0.01, 0.1, 1.0])
def test_a_linear_model_on_pixels_is_little_better_than_chance(features, penalty):
    train, test = ((x.reshape(len(x), -1), y) for x, y in features)
    assert ridge_accuracy(train, test, penalty) < 0.65


def test_ten_gray_species_are_learnable_but_not_by_mean_brightness():
    train, test = (
        synthetic.draw(n, size=14, seed=s, species=synthetic.SPECIES) for n, s in ((1500, 0), (300, 1))
    )
    x, x_test = (d.images.mean(axis=1).reshape(len(d), -1) / 255 for d in (train, test))
    distance = ((x_test**2).sum(1)[:, None] - 2 * x_test @ x.T) + (x**2).sum(1)
    nearest = (train.labels[distance.argmin(axis=1)] == test.labels).mean()
    assert 0.12 < nearest < 0.5, "a nearest neighbour should find something, far from everything"


def test_planted_background_gives_the_species_away():
    train, test = (
        synthetic.draw(n, size=16, seed=s, background_shortcut=1.0) for n, s in ((400, 0), (200, 1))
    )
    corner = [(d.images[:, :, :3, :3].mean(axis=(2, 3)) / 255, d.labels * 2.0 - 1) for d in (train, test)]
    assert ridge_accuracy(*corner, 1e-3) > 0.85
    assert train.factors["shortcut"].all()


def test_planted_background_has_the_rate_asked_for_and_moves_nothing_else():
    plain, planted = (synthetic.draw(400, size=8, background_shortcut=rate) for rate in (0.0, 0.3))
    there = planted.factors["shortcut"]
    assert 0.2 < there.mean() < 0.4  # 0.3 +- 4 standard errors
    np.testing.assert_array_equal(plain.images[~there], planted.images[~there])
    np.testing.assert_array_equal(plain.labels, planted.labels)


def test_duplicates_are_copies_of_earlier_originals_of_their_species():
    found = synthetic.draw(400, size=16, duplicates=0.4, masks=True)
    copy_of = found.factors["copy_of"]
    copies = np.flatnonzero(copy_of >= 0)
    assert 0.3 < len(copies) / 400 < 0.5  # 0.4 +- 4 standard errors
    assert (copy_of[copies] < copies).all()
    assert (copy_of[copy_of[copies]] == -1).all()
    for name in ("images", "labels", "masks", "boxes"):
        np.testing.assert_array_equal(getattr(found, name)[copies], getattr(found, name)[copy_of[copies]])
    unique = len({image.tobytes() for image in found.images})
    assert unique == 400 - len(copies)


def test_label_noise_gives_wrong_labels_at_the_rate_asked_for():
    found = synthetic.draw(1000, size=8, species=synthetic.SPECIES, label_noise=0.2)
    wrong = found.labels != found.factors["true_label"]
    assert 0.15 < wrong.mean() < 0.25  # 0.2 +- 4 standard errors
    np.testing.assert_array_equal(found.factors["true_label"], found.factors["species"])
    clean = synthetic.draw(1000, size=8, species=synthetic.SPECIES)
    np.testing.assert_array_equal(clean.images, found.images)
    np.testing.assert_array_equal(clean.labels, found.factors["true_label"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count must be a whole number of at least 1, got 0"),
        ({"count": 2.0}, "count must be a whole number"),
        ({"count": 2, "size": 4}, "size must be a whole number of at least 8"),
        ({"count": 2, "seed": -1}, "seed must be a whole number of at least 0"),
        ({"count": 2, "species": ("cat", "horse")}, "species must be different names out of .*'frog'.*horse"),
        ({"count": 2, "species": ()}, "species must be different names"),
        ({"count": 2, "species": ("cat", "cat")}, "species must be different names"),
        ({"count": 2, "duplicates": 1.5}, r"duplicates is a chance and must lie in \[0, 1\], got 1.5"),
        ({"count": 2, "species": "cat", "label_noise": 0.1}, "at least two species"),
        ({"count": 2, "fixed": {"tail": 1}}, "no factor 'tail' to fix; there are .*'ear'"),
        ({"count": 2, "fixed": {"ground": [1.0, 2.0]}}, r"'ground' needs shape \(2, 3\), got \(2,\)"),
    ],
)
def test_bad_arguments_are_refused_in_plain_words(arguments, message):
    with pytest.raises(ValueError, match=message):
        synthetic.draw(arguments.pop("count"), **arguments)


def test_a_habitat_belongs_to_its_species_whatever_number_its_label_has():
    found = {}
    for species in (("cat", "dog"), ("dog", "cat")):
        drawn = synthetic.draw(60, size=8, species=species, background_shortcut=1.0)
        for label, name in enumerate(species):
            ground = drawn.factors["ground"][drawn.factors["true_label"] == label]
            found.setdefault(name, []).append(ground.mean(axis=0))
    # Each colour is its habitat's, moved by up to 0.05; the mean of thirty such moves is below 0.03.
    assert all(np.abs(one - other).max() < 0.06 for one, other in found.values())
    assert np.abs(found["cat"][0] - found["dog"][0]).max() > 0.2


def test_every_colour_that_is_chosen_is_one():
    drawn = synthetic.draw(300, size=8, species=synthetic.SPECIES, background_shortcut=1.0)
    for name in ("ground", "fur", "second", "iris", "occluder_color"):
        values = drawn.factors[name]
        assert 0 <= values.min() <= values.max() <= 1, name


def test_the_habitats_of_two_species_never_look_alike():
    habitats = np.array(synthetic.HABITATS)
    assert len(habitats) == len(synthetic.SPECIES)
    # Each moves by up to 0.05 in every channel, so two that are farther apart than 0.1 in one never meet.
    apart = np.abs(habitats[:, None] - habitats).max(axis=-1)
    assert apart[~np.eye(len(habitats), dtype=bool)].min() > 0.1


def test_the_largest_number_on_a_dice_is_the_last_option():
    dice = faces.Dice(0, 1, 2000, columns=1)
    dice.table[:] = 1 - 2.0**-53  # no number below 1 is nearer
    options = np.arange(1, 2001)
    np.testing.assert_array_equal(dice.index(options), options - 1)


@pytest.mark.parametrize("species", [("cat", "dog"), ("cat", "dog", "fox")])
def test_a_label_that_is_to_be_wrong_is_never_the_right_one(species):
    drawn = synthetic.draw(120, size=8, species=species, label_noise=1.0)
    assert (drawn.labels != drawn.factors["true_label"]).all()
    assert set(drawn.labels.tolist()) == set(range(len(species)))
