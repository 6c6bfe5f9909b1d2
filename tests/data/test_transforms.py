"""Tests of ``resnet_utils.data.transforms``."""

import copy
import math
import pickle
from functools import partial
from inspect import signature

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from resnet_utils import data
from resnet_utils.data import transforms

# Augmentation


@pytest.fixture
def images():
    return torch.randint(1, 256, (64, 3, 9, 9), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def test_flip_mirrors_about_half_and_leaves_the_rest(images):
    found = data.RandomHorizontalFlip(seed=0)(images)
    mirrored = torch.tensor([torch.equal(a, b.flip(2)) for a, b in zip(found, images, strict=True)])
    same = torch.tensor([torch.equal(a, b) for a, b in zip(found, images, strict=True)])
    assert (mirrored ^ same).all()
    assert 16 <= mirrored.sum() <= 48  # 32 +- 4 standard deviations
    assert torch.equal(data.RandomHorizontalFlip(0.0)(images), images)
    assert torch.equal(data.RandomHorizontalFlip(1.0)(images), images.flip(3))


def test_shift_is_a_crop_of_the_padded_image(images):
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2))
    places = set()
    for one, wide in zip(data.RandomCrop(padding=2, seed=0)(images), padded, strict=True):
        here = [(y, x) for y in range(5) for x in range(5) if torch.equal(one, wide[:, y : y + 9, x : x + 9])]
        assert len(here) == 1
        places |= set(here)
    assert len(places) > 15  # of 25, in 64 draws


def test_whole_crop_changes_nothing(images):
    found = data.RandomResizedCrop(scale=(1.0, 1.0), ratio=(1.0, 1.0))(images)
    assert torch.equal(found, images)


def test_crop_of_a_ramp_is_a_gentler_ramp_inside_it():
    ramp = torch.arange(64.0).expand(32, 1, 64, 64)  # value = column
    found = data.RandomResizedCrop(scale=(0.25, 0.25), ratio=(1.0, 1.0), seed=1)(ramp)
    assert found.shape == ramp.shape
    steps = found[:, 0, :, 1:] - found[:, 0, :, :-1]
    np.testing.assert_allclose(steps[:, :, 2:-2].numpy(), 0.5, atol=1e-4)  # float32, values up to 63
    assert found.min() >= 0
    assert found.max() <= 63
    assert found[:, 0, 0, 32].std() > 2, "the place should vary"


def test_a_crop_of_the_whole_image_at_half_its_size_is_the_mean_of_each_four_pixels():
    images = torch.rand(3, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    found = data.RandomResizedCrop(scale=(1.0, 1.0), ratio=(1.0, 1.0), size=4)(images)
    torch.testing.assert_close(found, torch.nn.functional.avg_pool2d(images, 2))


MAKERS = {
    "flip": data.RandomHorizontalFlip,
    "shift": lambda seed: data.RandomCrop(padding=2, seed=seed),
    "cut": data.RandomResizedCrop,
    "smaller cut": lambda seed: data.RandomResizedCrop(7, scale=(0.2, 0.9), ratio=(0.5, 2.0), seed=seed),
    "all": lambda seed: data.Compose(
        [
            data.RandomResizedCrop(scale=(0.5, 1.0), seed=seed),
            data.RandomCrop(padding=1, seed=seed),
            data.RandomHorizontalFlip(p=0.3, seed=seed),
        ]
    ),
}
makers = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@makers
def test_augmentation_repeats_by_seed_in_bytes_and_in_floats(images, make):
    one, two, other = make(seed=1), make(seed=1), make(seed=2)
    first = one(images)
    assert torch.equal(first, two(images))
    assert not torch.equal(first, other(images))
    assert not torch.equal(first, one(images)), "the next batch is changed in another way"
    assert first.dtype == torch.uint8
    assert make(seed=1)(images.float()).dtype == torch.float32


@makers
def test_augmentation_leaves_what_it_was_given_and_the_process_generator(images, make):
    before, state = images.clone(), torch.get_rng_state()
    make(seed=1)(images)
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), state)


@makers
def test_a_pickled_or_copied_transform_goes_on_where_it_was(images, make):
    transform = make(seed=1)
    transform(images)
    pickled, copied = pickle.loads(pickle.dumps(transform)), copy.deepcopy(transform)
    expected = transform(images)
    assert torch.equal(pickled(images), expected)
    assert torch.equal(copied(images), expected)


# The same draws, image by image


def flipped(images, generator, *, p):
    chosen = torch.rand(len(images), generator=generator) < p
    return torch.stack([image.flip(2) if c else image for image, c in zip(images, chosen, strict=True)])


def shifted(images, generator, *, padding):
    size = images.shape[2]
    lines, columns = torch.randint(0, 2 * padding + 1, (2, len(images), 1), generator=generator)
    padded = torch.nn.functional.pad(images, (padding,) * 4)
    places = zip(padded, lines[:, 0].tolist(), columns[:, 0].tolist(), strict=True)
    return torch.stack([image[:, y : y + size, x : x + size] for image, y, x in places])


def cut(images, generator, *, scale, ratio, size):
    """As the function did that came before the class, one image after the other."""
    share, form, left, top = torch.rand(4, len(images), generator=generator, dtype=torch.float64)
    low, high = torch.tensor(ratio, dtype=torch.float64).log()
    results = []
    for k, image in enumerate(images):
        area, aspect = scale[0] + (scale[1] - scale[0]) * share[k], (low + (high - low) * form[k]).exp()
        width, height = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
        x, y = (1 - width) * (2 * left[k] - 1), (1 - height) * (2 * top[k] - 1)
        zero = torch.zeros((), dtype=torch.float64)
        box = torch.stack([width, zero, x, zero, height, y]).reshape(1, 2, 3).float()
        grid = torch.nn.functional.affine_grid(box, [1, 3, size, size], align_corners=False)
        results.append(
            torch.nn.functional.grid_sample(
                image[None].float(), grid, padding_mode="border", align_corners=False
            )
        )
    return torch.cat(results).round().to(images.dtype)


@pytest.mark.parametrize(
    ("transform", "slow"),
    [
        (data.RandomHorizontalFlip(seed=5), partial(flipped, p=0.5)),
        (data.RandomHorizontalFlip(0.2, seed=5), partial(flipped, p=0.2)),
        (data.RandomCrop(padding=3, seed=5), partial(shifted, padding=3)),
        (data.RandomResizedCrop(seed=5), partial(cut, scale=(0.35, 1.0), ratio=(3 / 4, 4 / 3), size=9)),
        (
            data.RandomResizedCrop(6, scale=(0.1, 0.5), ratio=(0.5, 3.0), seed=5),
            partial(cut, scale=(0.1, 0.5), ratio=(0.5, 3.0), size=6),
        ),
    ],
)
def test_a_seed_gives_the_draws_that_the_recorded_runs_were_made_with(images, transform, slow):
    """Two batches: the generator goes on after the first. Stored results depend on these bits."""
    generator = torch.Generator().manual_seed(5)
    for batch in (images[:40], images[40:]):
        assert torch.equal(transform(batch), slow(batch, generator))


def test_composed_transforms_run_in_order_each_with_its_own_draws(images):
    composed = data.Compose([data.RandomCrop(padding=2, seed=3), data.RandomHorizontalFlip(seed=4)])
    one, two = data.RandomCrop(padding=2, seed=3), data.RandomHorizontalFlip(seed=4)
    for batch in (images[:40], images[40:]):
        assert torch.equal(composed(batch), two(one(batch)))
    assert torch.equal(data.Compose([])(images), images)


def test_a_transform_tells_its_settings():
    composed = data.Compose([data.RandomResizedCrop(32, seed=1), data.RandomCrop(padding=2)])
    assert repr(composed) == (
        "Compose([RandomResizedCrop(size=32, scale=(0.35, 1.0), ratio=(0.75, 1.3333333333333333), seed=1), "
        "RandomCrop(padding=2, seed=0)])"
    )
    assert repr(data.RandomHorizontalFlip(seed=7)) == "RandomHorizontalFlip(p=0.5, seed=7)"


@pytest.mark.parametrize("name", ["RandomHorizontalFlip", "RandomCrop", "RandomResizedCrop", "Compose"])
def test_the_names_and_settings_are_those_of_torchvision(name):
    from torchvision.transforms import v2

    ours, theirs = (set(signature(getattr(place, name)).parameters) for place in (data, v2))
    assert ours - {"seed"} <= theirs


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: data.RandomHorizontalFlip(p=2.0), r"p must lie in \[0, 1\], got 2"),
        (lambda: data.RandomCrop(padding=0), "padding must be at least 1"),
        (lambda: data.RandomResizedCrop(scale=(0.0, 1.0)), "need 0 < scale"),
        (lambda: data.RandomResizedCrop(ratio=(2.0, 1.0)), "0 < ratio, smaller first"),
        (lambda: data.RandomResizedCrop(size=0), "at least 1 pixel, got 0"),
    ],
)
def test_augmentation_refuses_what_makes_no_sense(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# Mixup


def batches(count=12, size=5):
    images = torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    return DataLoader(TensorDataset(images, torch.arange(count) % 3), size)


def test_images_and_labels_are_mixed_with_the_same_partner_and_share():
    """Each image carries its class as its brightness, so the mixed label can be read off the mixed image."""
    labels = torch.arange(30) % 3
    images = labels[:, None, None, None].float().expand(30, 1, 2, 2)
    mixed = data.Mixup(DataLoader(TensorDataset(images, labels), 8), 3, alpha=1.0)
    for pixels, shares in mixed:
        brightness = shares @ torch.tensor([0.0, 1.0, 2.0])
        torch.testing.assert_close(pixels[:, 0, 0, 0], brightness)
        torch.testing.assert_close(shares.sum(dim=1), torch.ones(len(shares)))
        assert (shares >= 0).all()


def test_batches_keep_their_number_sizes_and_kind():
    mixed = data.Mixup(batches(), 3)
    assert len(mixed) == 3
    assert [tuple(images.shape) for images, _ in mixed] == [(5, 1, 4, 4), (5, 1, 4, 4), (2, 1, 4, 4)]
    assert all(shares.dtype == images.dtype == torch.float32 for images, shares in mixed)


def test_the_seed_alone_decides_and_epochs_differ():
    one, two, other = (data.Mixup(batches(), 3, seed=seed) for seed in (0, 0, 1))
    first, same, different, second = ([shares for _, shares in mixed] for mixed in (one, two, other, one))
    assert all(torch.equal(a, b) for a, b in zip(first, same, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, different, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 2.0])
def test_shares_have_the_moments_of_the_beta_distribution(alpha):
    """Mean 1/2 and variance 1 / (4 (2 alpha + 1))."""
    generator = torch.Generator().manual_seed(0)
    shares = torch.tensor([transforms._beta(alpha, generator) for _ in range(4000)], dtype=torch.float64)
    assert shares.min() >= 0
    assert shares.max() <= 1
    deviation = math.sqrt(1 / (4 * (2 * alpha + 1)))
    assert shares.mean() == pytest.approx(0.5, abs=4 * deviation / math.sqrt(4000))  # four standard errors
    assert shares.var().item() == pytest.approx(deviation**2, rel=0.07)


def test_the_loss_of_a_mixture_is_the_mixture_of_the_losses():
    """Cross-entropy is linear in the label: the paper's code computes it as the right-hand side."""
    logits = torch.rand(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    labels, partner = torch.tensor([0, 1, 2, 0, 1, 2]), torch.tensor([3, 2, 2, 0, 0, 1])
    sure = nn.functional.one_hot(labels, 3).double()
    mixed = nn.functional.cross_entropy(logits, sure.lerp(sure[partner], 0.3))
    parts = [nn.functional.cross_entropy(logits, given) for given in (labels, labels[partner])]
    assert mixed.item() == pytest.approx(0.7 * parts[0].item() + 0.3 * parts[1].item(), rel=1e-12)


def test_a_tiny_alpha_ends_and_leaves_each_image_to_one_of_the_two():
    """Both powers of the method are 0 in floating point then, and it waited for others for ever."""
    generator = torch.Generator().manual_seed(0)
    shares = [transforms._beta(1e-12, generator) for _ in range(400)]
    assert set(shares) == {0.0, 1.0}
    assert 150 < sum(shares) < 250  # five standard deviations


@pytest.mark.parametrize("alpha", [0.0, -1.0, 2.1, math.nan])
def test_another_alpha_is_refused(alpha):
    with pytest.raises(ValueError, match="alpha must be above 0 and at most 2"):
        data.Mixup(batches(), 3, alpha=alpha)


def test_a_single_class_is_refused():
    with pytest.raises(ValueError, match="num_classes must be at least 2, got 1"):
        data.Mixup(batches(), 1)


@pytest.mark.parametrize("given", [3, None, data.RandomHorizontalFlip(), [data.RandomHorizontalFlip(), 3]])
def test_what_is_no_list_of_functions_is_not_composed(given):
    with pytest.raises(TypeError, match=r"Compose takes a list of functions, \[first, second\]"):
        data.Compose(given)
