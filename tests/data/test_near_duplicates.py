"""Tests of ``resnet_utils.data.near_duplicates``."""

import io

import pytest
import torch
from PIL import Image

from resnet_utils import data
from resnet_utils.data import near_duplicates


def pictures(count=40, size=32, seed=0):
    return data.drawn_animals(count, size=size, seed=seed).images


def as_jpeg(images, quality):
    """The pictures after being saved as JPEG."""
    out = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality)
        with Image.open(file) as saved:
            out.append(torch.frombuffer(bytearray(saved.tobytes()), dtype=torch.uint8))
    return torch.stack(out).view(len(images), *images.shape[2:], 3).permute(0, 3, 1, 2)


def resized(images, size):
    scaled = torch.nn.functional.interpolate(images.float(), size=size, mode="bilinear", antialias=True)
    return scaled.round().clamp(0, 255).to(torch.uint8)


def noisy(images):
    noise = torch.randint(-8, 9, images.shape, generator=torch.Generator().manual_seed(0))
    return (images.int() + noise).clamp(0, 255).to(torch.uint8)


def places(pairs):
    return {(pair.first, pair.second) for pair in pairs}


# the hash

# imagehash 4.3.2, phash(), of pictures(3, size=64)
LIBRARY = ["c9b766c91f27c01c", "82c46cacb33facb8", "c63b783736909b8c"]


def test_the_hash_is_that_of_the_library():
    """Written down; the library itself, where it is installed, is asked in the next test."""
    found = near_duplicates.perceptual_hash(pictures(3, size=64)).int().tolist()
    assert [f"{int(''.join(map(str, bits)), 2):016x}" for bits in found] == LIBRARY


def test_the_hash_is_that_of_the_installed_library():
    imagehash = pytest.importorskip("imagehash")
    images = pictures(30, size=48, seed=3)
    for image, bits in zip(images, near_duplicates.perceptual_hash(images), strict=True):
        expected = imagehash.phash(Image.fromarray(image.permute(1, 2, 0).numpy())).hash.ravel()
        assert bits.tolist() == expected.tolist()


def test_gray_pictures_have_the_hash_of_the_same_picture_in_three_channels():
    gray = pictures(5)[:, :1]
    assert torch.equal(
        near_duplicates.perceptual_hash(gray), near_duplicates.perceptual_hash(gray.expand(-1, 3, -1, -1))
    )


def test_bits_apart_counts_bits():
    first = torch.rand(4, 64, generator=torch.Generator().manual_seed(0)) > 0.5
    second = torch.rand(3, 64, generator=torch.Generator().manual_seed(1)) > 0.5
    expected = [
        [sum(a != b for a, b in zip(x, y, strict=True)) for y in second.tolist()] for x in first.tolist()
    ]
    assert near_duplicates.bits_apart(first, second).tolist() == expected


# finding copies


def test_different_drawings_are_no_copies():
    assert near_duplicates.find_copies(pictures(400)) == []
    assert near_duplicates.find_copies(pictures(200, seed=0), pictures(200, seed=1)) == []


@pytest.mark.parametrize(
    ("change", "found_at_least"),
    [
        (lambda images: images, 1.0),
        (lambda images: as_jpeg(images, 50), 1.0),
        (lambda images: (images * 0.8 + 40).to(torch.uint8), 1.0),
        (lambda images: (images * 0.5).to(torch.uint8), 1.0),
        (noisy, 1.0),
        (lambda images: resized(images, 64), 1.0),
        (lambda images: resized(images, 20), 0.9),
        (lambda images: images.flip(3), 1.0),
        (lambda images: as_jpeg(images.flip(3), 50), 1.0),
    ],
    ids=["same", "jpeg", "paler", "darker", "noisy", "larger", "smaller", "mirrored", "mirrored jpeg"],
)
def test_changed_copies_are_found_and_no_other_pair(change, found_at_least):
    images = pictures(60, size=32)
    found = places(near_duplicates.find_copies(images, change(images)))
    assert all(first == second for first, second in found)
    assert len(found) >= found_at_least * len(images)


def test_a_picture_turned_upside_down_is_none():
    """What the search does not find: it would need a view of its own."""
    images = pictures(20)
    assert near_duplicates.find_copies(images, images.flip(2)) == []


def test_mirror_images_are_found_only_when_asked_for():
    images = pictures(20)
    assert near_duplicates.find_copies(images, images.flip(3), mirrored=False) == []
    assert all(pair.mirrored for pair in near_duplicates.find_copies(images, images.flip(3)))


def test_the_mirrored_hash_needs_no_mirrored_picture():
    """The cosine transform of a mirrored picture: odd horizontal frequencies change their sign."""
    images = pictures(20, size=64)
    low = near_duplicates._low_frequencies(images)
    signs = torch.tensor([1.0, -1.0]).repeat(4)
    # the shrunk picture is rounded to bytes, so up to half a grey value a pixel may differ
    assert (
        near_duplicates._low_frequencies(images.flip(3)) - low * signs
    ).abs().max() < 0.01 * low.abs().max()


def test_pairs_come_once_with_the_smaller_place_first():
    images = torch.cat([pictures(5), noisy(pictures(5))])
    assert places(near_duplicates.find_copies(images)) == {(k, k + 5) for k in range(5)}


def test_equal_pixels_are_a_pair_even_without_any_structure():
    """An even grey area has no frequencies to compare."""
    flat = torch.full((2, 3, 16, 16), 77, dtype=torch.uint8)
    assert near_duplicates.find_copies(flat) == [near_duplicates.Copy(0, 1, 0, 1.0, mirrored=False)]
    assert near_duplicates.find_copies(torch.cat([flat[:1], flat[1:] + 1])) == []


def test_more_pictures_than_are_compared_at_a_time(monkeypatch):
    images = torch.cat([pictures(10), pictures(10)])
    whole = near_duplicates.find_copies(images)
    monkeypatch.setattr(near_duplicates, "_ROWS", 3)
    assert near_duplicates.find_copies(images) == whole
    assert places(whole) == {(k, k + 10) for k in range(10)}


def test_the_known_near_duplicates_of_the_photographs_are_found_and_nothing_else():
    folder = data.data_folder()
    if folder is None or not (folder / "cats_vs_dogs").is_dir():
        pytest.skip("needs the photographs of cats and dogs")
    train, valid = data.cats_vs_dogs(size=32)
    found = near_duplicates.find_copies(torch.cat([train.images, valid.images]))
    names = [*train.names, *valid.names]
    assert [{names[pair.first], names[pair.second]} for pair in found] == [
        {"dog/dog.74.jpg", "dog/dog.180.jpg"}
    ]


def test_fingerprints_tell_one_changed_value():
    images = pictures(3)
    changed = images.clone()
    changed[1, 2, 5, 5] ^= 1
    same = [
        a == b
        for a, b in zip(
            near_duplicates.fingerprints(images), near_duplicates.fingerprints(changed), strict=True
        )
    ]
    assert same == [True, False, True]


@pytest.mark.parametrize(
    "images", [torch.rand(2, 3, 8, 8), pictures(2)[0], pictures(2)[:, :2], pictures(2)[:0]]
)
def test_what_is_no_batch_of_pictures_is_refused(images):
    for function in (
        near_duplicates.perceptual_hash,
        near_duplicates.fingerprints,
        near_duplicates.find_copies,
    ):
        with pytest.raises(ValueError, match=r"images must be uint8 \(N, 3, H, W\)"):
            function(images)


# groups


def test_copies_of_copies_are_one_group():
    assert near_duplicates.groups(7, [(5, 3), (1, 2), (3, 6), (2, 4)]).tolist() == [0, 1, 1, 3, 1, 3, 3]


def test_groups_are_the_connected_components():
    """Against the slow way: spread the smallest place along the pairs until nothing changes."""
    generator = torch.Generator().manual_seed(0)
    pairs = torch.randint(0, 60, (40, 2), generator=generator).tolist()
    expected = list(range(60))
    for _ in range(60):
        for a, b in pairs:
            expected[a] = expected[b] = min(expected[a], expected[b])
    assert near_duplicates.groups(60, pairs).tolist() == expected


def test_a_pair_beyond_the_last_picture_is_refused():
    with pytest.raises(ValueError, match="pictures 1 and 5, but there are 5"):
        near_duplicates.groups(5, [(1, 5)])


# the split


def grouped(count=200, seed=0):
    split = data.drawn_animals(count, size=8, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    group = near_duplicates.groups(
        count, torch.randint(0, count, (count // 3, 2), generator=generator).tolist()
    )
    return data.Split(
        split.images, split.labels, split.classes, "made up", tuple(map(str, range(count)))
    ), group


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_in_both_parts_and_no_picture_is_lost(seed):
    split, group = grouped(seed=seed)
    first, second = near_duplicates.split_groups(split, group, share=0.8, seed=seed)
    here, there = ({int(group[int(name)]) for name in part.names} for part in (first, second))
    assert not here & there
    assert sorted(int(name) for name in first.names + second.names) == list(range(200))


def test_each_class_is_split_by_the_share():
    split = data.drawn_animals(200, size=8)
    alone = torch.arange(200)
    first, second = near_duplicates.split_groups(split, alone, share=0.75)
    assert first.labels.bincount().tolist() == [75, 75]
    assert second.labels.bincount().tolist() == [25, 25]


def test_the_seed_decides_who_goes_where():
    split, group = grouped()
    one, same, other = (
        near_duplicates.split_groups(split, group, share=0.5, seed=seed)[0].names for seed in (0, 0, 1)
    )
    assert one == same
    assert set(one) != set(other)


@pytest.mark.parametrize(
    ("group", "share", "message"),
    [
        (torch.zeros(200).long(), 0.5, "leaves a part empty"),
        (torch.arange(200), 1.0, "share must lie between 0 and 1"),
        (torch.arange(200), 0.0, "share must lie between 0 and 1"),
        (torch.arange(199), 0.5, r"group must be int64 \(200,\), got torch.int64 \(199,\)"),
        (torch.arange(200).float(), 0.5, "group must be int64"),
    ],
)
def test_a_split_that_cannot_be_made_is_refused(group, share, message):
    with pytest.raises(ValueError, match=message):
        near_duplicates.split_groups(grouped()[0], group, share=share)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_copies_are_found_wherever_the_images_lie():
    images = pictures(20)
    both = torch.cat([images, images[:3].flip(3)])
    assert near_duplicates.find_copies(both.cuda()) == near_duplicates.find_copies(both)


@pytest.mark.parametrize("seed", range(5))
def test_no_part_misses_its_share_by_more_than_half_a_group(seed):
    split = data.drawn_animals(80, size=8)
    group = torch.zeros(80, dtype=torch.int64)
    for label in (0, 1):  # forty of each class, in groups of eight
        mine = (split.labels == label).nonzero()[:, 0]
        group[mine] = mine[torch.arange(40) // 8 * 8]
    first, _ = near_duplicates.split_groups(split, group, share=0.25, seed=seed)
    assert all(abs(count - 10) <= 4 for count in first.labels.bincount().tolist())


def test_bits_of_coefficients_that_are_zero_by_symmetry_are_not_left_to_the_last_digits_of_floats():
    # All lines of a ramp are alike, so only eight of the 64 frequencies are there, and the median is zero.
    ramp = torch.arange(0, 256, 8, dtype=torch.uint8).expand(1, 3, 32, 32)
    assert near_duplicates.perceptual_hash(ramp).sum() <= 8
    assert near_duplicates.perceptual_hash(ramp.transpose(2, 3)).sum() <= 8
