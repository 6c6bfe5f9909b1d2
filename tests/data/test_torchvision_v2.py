"""torchvision's transforms draw for each image, by seed alone, and leave the process's generators alone."""

import contextlib
import random
import subprocess
import sys

import pytest
import torch
from splits import split_of
from torch import nn
from torchvision import transforms as v1
from torchvision.transforms import v2

from resnet_utils import data

fork_is_fine = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded, use of fork:DeprecationWarning"
)
NOISE = torch.randint(0, 256, (12, 3, 16, 16), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
SPLIT = data.Split(NOISE, torch.arange(12) % 2, ("a", "b"), source="noise")


def recipe():
    """The strong part of a modern recipe; the values of torchvision's references."""
    return v2.Compose([v2.TrivialAugmentWide(), v2.RandomHorizontalFlip(), v2.RandomErasing(p=0.5)])


def epochs(augment, *, seed=4, num_workers=0):
    loader = data.loader(SPLIT, 5, shuffle=True, seed=seed, augment=augment, num_workers=num_workers)
    return torch.stack([torch.cat([images for images, _ in loader]) for _ in range(2)])


@fork_is_fine
@pytest.mark.parametrize("num_workers", [0, 2])
def test_the_same_seed_gives_the_same_bits_whatever_else_draws(num_workers):
    found = epochs(recipe(), num_workers=num_workers)
    torch.rand(3), random.random()
    assert torch.equal(found, epochs(recipe(), num_workers=num_workers))
    assert not torch.equal(found, epochs(recipe(), seed=5, num_workers=num_workers))
    assert not torch.equal(found[0].sort(dim=0)[0], found[1].sort(dim=0)[0])  # another epoch, other draws


def test_each_image_has_a_draw_of_its_own():
    """Equal images, one batch: torchvision alone would turn all of them or none."""
    image = NOISE[:1].expand(200, -1, -1, -1)
    turned = (data.PerImage(v2.RandomHorizontalFlip(), seed=1)(image) != image).flatten(1).any(dim=1)
    assert 70 < turned.sum() < 130  # 100 expected, standard deviation 7


def test_an_image_is_what_torchvision_makes_of_it_for_the_seed_drawn():
    changed = data.PerImage(recipe(), seed=7)(NOISE)
    drawn = int(torch.randint(2**62, (), generator=torch.Generator().manual_seed(7)))
    torch.manual_seed(drawn)
    transform = recipe()
    assert torch.equal(changed, torch.stack([transform(image) for image in NOISE]))


FAILING = v2.Compose([v2.RandomHorizontalFlip(), v2.Lambda(lambda _: 1 / 0)])


@pytest.mark.parametrize("transform", [recipe(), v1.RandomOrder([v1.RandomErasing()]), FAILING])
def test_the_generators_of_the_process_stay_as_they_were_even_after_an_error(transform):
    before = torch.get_rng_state(), random.getstate()
    with contextlib.suppress(ZeroDivisionError):
        epochs(transform)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]


def test_compose_seeds_each_of_torchvisions_transforms_by_its_place():
    flips = data.Compose([v2.RandomHorizontalFlip(), data.RandomCrop(padding=1), v2.RandomHorizontalFlip()])
    assert [type(t).__name__ for t in flips.transforms] == ["PerImage", "RandomCrop", "PerImage"]
    assert flips.transforms[0].generator.initial_seed() != flips.transforms[2].generator.initial_seed()
    assert torch.equal(epochs(data.Compose([recipe()])), epochs(data.PerImage(recipe(), seed=0)))


@pytest.mark.parametrize("augment", [v2.RandomVerticalFlip(), nn.Sequential(v2.RandomVerticalFlip())])
def test_a_state_that_was_kept_goes_on_with_the_same_draws(augment):
    loader = data.loader(SPLIT, 5, augment=augment)
    generators = list(data.batches.seeding.generators_of(loader))
    states = [generator.get_state() for generator in generators]
    first = torch.cat([images for images, _ in loader])
    for generator, state in zip(generators, states, strict=True):
        generator.set_state(state)
    assert torch.equal(torch.cat([images for images, _ in loader]), first)


@pytest.mark.parametrize(
    "augment",
    [
        v2.CutMix(num_classes=2),
        v2.Compose([v2.RandomHorizontalFlip(), v2.RandomChoice([v2.MixUp(num_classes=2)])]),
    ],
)
def test_what_mixes_labels_is_shown_its_own_door(augment):
    with pytest.raises(ValueError, match=r"mix the labels too: give data.MixedBatches"):
        data.loader(SPLIT, 4, augment=augment)


@pytest.mark.parametrize(
    ("augment", "error", "message"),
    [
        (v2.ToDtype(torch.float32, scale=True), ValueError, "must give uint8 images .* gave torch.float32"),
        (v2.ToPILImage(), TypeError, "must give images .* as tensors, it gave"),
        (v2.ScaleJitter((16, 16)), ValueError, "images of several shapes, .* no batch"),
    ],
)
def test_what_makes_no_batch_of_bytes_is_refused(augment, error, message):
    with pytest.raises(error, match=message):
        epochs(augment)


def test_mixed_batches_follow_from_their_seed_and_are_what_torchvision_makes():
    def mixed(seed):
        both = v2.RandomChoice([v2.CutMix(num_classes=2), v2.MixUp(num_classes=2, alpha=0.2)])
        return data.MixedBatches(data.loader(SPLIT, 4, shuffle=True, seed=1), both, seed=seed)

    before = torch.get_rng_state()
    first, again, other = ([part for batch in mixed(seed) for part in batch] for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert not all(torch.equal(one, two) for one, two in zip(first, other, strict=True))
    assert len(mixed(3)) == 3
    assert len(mixed(3).generators()) == 2
    for images, shares in zip(first[::2], first[1::2], strict=True):
        assert images.shape == (4, 3, 16, 16)
        torch.testing.assert_close(shares.sum(dim=1), torch.ones(4))


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (v2.MixUp(num_classes=3), "has 3 classes, the loader 2"),
        (v2.RandomHorizontalFlip(), "must give label shares"),
    ],
)
def test_a_mixture_of_other_classes_or_none_is_refused(transform, message):
    with pytest.raises(ValueError, match=message):
        next(iter(data.MixedBatches(data.loader(SPLIT, 4), transform)))


def test_what_is_no_function_is_refused():
    with pytest.raises(TypeError, match="a transform is a function"):
        data.PerImage("flip")
    with pytest.raises(TypeError, match="a transform is a function"):
        data.MixedBatches(data.loader(split_of([0, 1]), 2), None)


def test_importing_the_wing_loads_no_torchvision():
    code = "import sys; from resnet_utils import data; sys.exit('torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
