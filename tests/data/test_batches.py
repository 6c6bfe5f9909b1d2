"""The loader makes the same batches each time, with workers too, and takes only what fits."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from elsewhere import Elsewhere
from hypothesis import given
from hypothesis import strategies as some
from splits import split_of

from resnet_utils import data


def test_mean_and_std_are_those_of_the_pixels():
    images = torch.randint(
        0, 256, (20, 3, 5, 5), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    images[:, 1] //= 3
    mean, std = data.mean_std(data.Split(images, torch.zeros(20, dtype=torch.int64), ("a",), source="test"))
    pixels = images.numpy().transpose(1, 0, 2, 3).reshape(3, -1) / 255
    np.testing.assert_allclose(mean, pixels.mean(axis=1), rtol=1e-12)  # float64 sums in another order
    np.testing.assert_allclose(std, pixels.std(axis=1), rtol=1e-12)


def test_batches_are_the_normalised_images_in_order():
    split = split_of([0, 1, 0, 1, 0])
    batches = list(data.loader(split, 2, mean=(0.5, 0.4, 0.0), std=(0.25, 0.5, 1.0)))
    assert [len(labels) for _, labels in batches] == [2, 2, 1]
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    assert images.dtype == torch.float32
    assert labels.tolist() == split.labels.tolist()
    mean, std = (np.array(v)[:, None, None] for v in ((0.5, 0.4, 0.0), (0.25, 0.5, 1.0)))
    slow = (split.images.numpy() / 255 - mean) / std
    np.testing.assert_allclose(images.numpy(), slow, atol=1e-6)  # float32 against float64


def test_without_statistics_pixels_lie_between_0_and_1():
    split = data.Split(
        torch.full((1, 1, 2, 2), 255, dtype=torch.uint8), torch.tensor([0]), ("a",), source="test"
    )
    images, _ = next(iter(data.loader(split, 1)))
    assert (images == 1).all()


def test_loading_leaves_the_split_as_it_was():
    split = split_of([0, 1, 0, 1])
    before = split.images.clone()
    for _ in data.loader(
        split,
        4,
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        augment=data.Compose([data.RandomHorizontalFlip(), data.RandomCrop(padding=1)]),
    ):
        pass
    assert torch.equal(split.images, before)


def order_of(loader):
    return [round(float(v) * 255) for images, _ in loader for v in images[:, 0, 0, 0]]


def test_shuffling_depends_on_the_seed_alone_and_changes_each_epoch():
    split = split_of([0, 1] * 10)
    one, two = data.loader(split, 6, shuffle=True, seed=4), data.loader(split, 6, shuffle=True, seed=4)
    first = order_of(one)
    torch.rand(3)
    assert order_of(two) == first
    assert sorted(first) == list(range(20))
    second = order_of(one)
    assert second != first
    assert order_of(two) == second
    assert order_of(data.loader(split, 6, shuffle=True, seed=5)) != first


def test_loading_draws_nothing_from_the_global_generator():
    before = torch.get_rng_state()
    for _ in data.loader(
        split_of([0, 1] * 5),
        3,
        shuffle=True,
        augment=data.Compose([data.RandomHorizontalFlip(), data.RandomCrop(padding=1)]),
    ):
        pass
    assert torch.equal(torch.get_rng_state(), before)


def test_short_last_batch_can_be_dropped():
    loader = data.loader(split_of([0, 1, 0, 1, 0]), 2, drop_last=True)
    assert len(loader) == 2
    assert [len(labels) for _, labels in loader] == [2, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"batch_size": 5, "drop_last": True}, "no batch of 5 in 4 images"),
        ({"batch_size": 2, "mean": (0.5,) * 3}, "mean and std belong together"),
        ({"batch_size": 2, "mean": (0.5,), "std": (0.5,)}, "mean needs 3 values, one a channel"),
        ({"batch_size": 2, "mean": (0.5,) * 3, "std": (0.5, 0.0, 0.5)}, "std must be above 0"),
    ],
)
def test_loader_refuses_what_makes_no_batch(options, message):
    with pytest.raises(ValueError, match=message):
        data.loader(split_of([0, 1, 0, 1]), options.pop("batch_size"), **options)


@pytest.mark.parametrize(
    ("mean", "std", "error", "message"),
    [
        ((123.7, 116.3, 103.5), (58.4, 57.1, 57.4), ValueError, r"pixels in \[0, 1\].*Divide .* by 255"),
        ((0.5,) * 3, (58.4, 57.1, 57.4), ValueError, "Divide values for 0 to 255 by 255"),
        ((-0.5,) * 3, (0.5,) * 3, ValueError, r"pixels in \[0, 1\]"),
        ((0.5,) * 3, (0.5, float("nan"), 0.5), ValueError, "std must be above 0, and both finite"),
        ((float("inf"),) * 3, (0.5,) * 3, ValueError, "std must be above 0, and both finite"),
        ((0.5,) * 3, (-0.5,) * 3, ValueError, "std must be above 0"),
        ((0.5,), (0.5,), ValueError, "mean needs 3 values, one a channel"),
        ((0.5,) * 3, (0.5,) * 4, ValueError, "std needs 3 values, one a channel"),
        (0.5, 0.5, TypeError, "mean must be a list of numbers"),
        (("a",) * 3, (0.5,) * 3, TypeError, "mean must be a list of numbers"),
    ],
)
def test_statistics_of_other_pixels_or_channels_are_refused(mean, std, error, message):
    with pytest.raises(error, match=message):
        data.loader(split_of([0, 1]), 2, mean=mean, std=std)


def test_statistics_of_colors_are_refused_for_gray_images():
    with pytest.raises(ValueError, match=r"mean needs 1 values, one a channel, .*; these images are grey"):
        data.loader(split_of([0, 1], channels=1), 2, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


NUMBERS = some.lists(some.floats(-1, 300, width=32) | some.just(float("nan")), max_size=4)


@given(mean=NUMBERS, std=NUMBERS)
def test_statistics_are_refused_or_give_finite_batches(mean, std):
    try:
        loader = data.loader(split_of([0, 1]), 2, mean=mean, std=std)
    except ValueError as error:
        assert str(mean) in str(error) or str(std) in str(error)  # noqa: PT017 - either is right
    else:
        assert len(mean) == len(std) == 3
        assert all(0 <= value <= 1 for value in mean)
        assert all(0 < value <= 1 for value in std)
        assert next(iter(loader))[0].isfinite().all() or min(std) < 1e-36


@pytest.mark.parametrize("thing", [torch.zeros(2, 3, 4, 4), [1, 2], None])
def test_what_is_no_split_is_refused(thing):
    with pytest.raises(TypeError, match=r"loader takes a data.Split or data.SplitOnDisk, got"):
        data.loader(thing, 2)


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        (
            lambda x: x.float() / 255,
            "augment must give uint8 images .*2, 3, 'H'.* gave torch.float32",
        ),
        (lambda x: x[:1], r"it gave torch.uint8 \(1, 3, 4, 4\)"),
        (lambda x: x[:, :1], r"it gave torch.uint8 \(2, 1, 4, 4\)"),
        (lambda x: list(x), "augment must give a tensor of uint8 images, it gave list"),
    ],
)
def test_a_transform_that_gives_anything_but_as_many_images_of_bytes_is_refused(augment, message):
    with pytest.raises(ValueError, match=message):
        next(iter(data.loader(split_of([0, 1]), 2, augment=augment)))


# imbalance


def test_a_transform_that_is_no_function_is_refused():
    with pytest.raises(TypeError, match="a transform is a function of images, got 'flip'"):
        data.loader(split_of([0, 1]), 2, augment="flip")


def test_class_weights_make_every_class_count_the_same_and_an_image_one_on_average():
    split = split_of([0] * 8 + [1] * 2 + [2] * 5)
    each = data.class_weights(split)[split.labels]  # the weight of every image
    np.testing.assert_allclose([float(each[split.labels == k].sum()) for k in range(3)], [5, 5, 5])
    with pytest.raises(ValueError, match=r"a class without images has no weight; .*'b': 0"):
        data.class_weights(split.subset([0, 14]))


def test_a_balanced_loader_draws_each_class_as_often_and_repeats_for_its_seed():
    split = split_of([0] * 95 + [1] * 5, size=1)
    loader = data.loader(split, 10, shuffle=True, balanced=True, seed=1)
    labels = torch.cat([labels for _ in range(20) for _, labels in loader])
    assert len(labels) == 20 * 100
    assert abs(labels.double().mean() - 0.5) < 4 * (0.25 / 2000) ** 0.5  # four standard errors
    again = data.loader(split, 10, shuffle=True, balanced=True, seed=1)
    assert torch.equal(torch.cat([labels for _ in range(20) for _, labels in again]), labels)


def test_balance_without_random_draws_is_refused():
    with pytest.raises(ValueError, match="balanced=True draws at random, so it needs shuffle=True"):
        data.loader(split_of([0, 1]), 2, balanced=True)


# devices


def test_class_weights_take_labels_on_a_gpu():
    split = split_of([0, 0, 1])
    there = replace(split, images=Elsewhere(split.images), labels=Elsewhere(split.labels))
    assert torch.equal(data.class_weights(there), data.class_weights(split))


def test_another_default_device_changes_no_order_and_no_draw():
    """Torch's device "meta", whose tensors hold no numbers, stands in for a GPU as the default."""
    split = split_of([0, 1] * 10)
    transforms = [data.RandomCrop(padding=1), data.RandomHorizontalFlip(), data.RandomResizedCrop()]

    def batches(*, balanced):
        augment = data.Compose([type(t)(padding=1) if t is transforms[0] else type(t)() for t in transforms])
        loader = data.loader(split, 6, shuffle=True, balanced=balanced, augment=augment)
        return [part for batch in data.Mixup(loader, 2) for part in batch], split.take(4).names

    for balanced in (False, True):
        expected, names = batches(balanced=balanced)
        with torch.device("meta"):
            found, names_there = batches(balanced=balanced)
            assert data.mean_std(split)[0][0] > 0
        assert names == names_there
        assert all(torch.equal(one, two) for one, two in zip(expected, found, strict=True))


# workers

fork_is_fine = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded, use of fork:DeprecationWarning"
)


def epochs_of(*, num_workers, augment=None, seed=4, context=None):
    """Images of two epochs, each (20, 1, 4, 4)."""
    noise = torch.randint(0, 256, (20, 1, 4, 4), generator=torch.Generator().manual_seed(0))
    split = data.Split(noise.to(torch.uint8), torch.arange(20) % 2, ("a", "b"), source="test")
    options = {"mean": (0.5,), "std": (0.25,), "num_workers": num_workers}
    loader = data.loader(split, 6, shuffle=True, seed=seed, augment=augment, **options)
    if context is not None:
        loader.multiprocessing_context = context
    return torch.stack([torch.cat([images for images, _ in loader]) for _ in range(2)])


def augmentation(seed=1):
    return data.Compose([data.RandomCrop(padding=1, seed=seed), data.RandomHorizontalFlip(seed=seed)])


@fork_is_fine
def test_workers_change_no_bit_where_nothing_is_augmented():
    assert torch.equal(epochs_of(num_workers=0), epochs_of(num_workers=2))


@fork_is_fine
def test_augmented_batches_of_workers_repeat_for_the_same_seeds_and_number_of_workers():
    found = epochs_of(num_workers=2, augment=augmentation())
    torch.rand(3)
    assert torch.equal(found, epochs_of(num_workers=2, augment=augmentation()))
    assert not torch.equal(found, epochs_of(num_workers=1, augment=augmentation()))
    assert not torch.equal(found, epochs_of(num_workers=2, augment=augmentation(seed=2)))


@fork_is_fine
def test_spawned_workers_give_the_bits_of_forked_ones():
    """Linux forked up to Python 3.13; the other systems spawn, and send everything through pickle."""
    forked, spawned = (
        epochs_of(num_workers=2, augment=augmentation(), context=context) for context in ("fork", "spawn")
    )
    assert torch.equal(forked, spawned)


@fork_is_fine
def test_each_epoch_of_each_worker_is_augmented_in_another_way():
    """One image, often: the places it is shifted to would repeat if workers or epochs shared their draws."""
    image = torch.zeros(1, 9, 9, dtype=torch.uint8)
    image[0, 4, 4] = 255
    split = data.Split(image.expand(8, 1, 9, 9), torch.zeros(8, dtype=torch.int64), ("a",), source="test")
    loader = data.loader(split, 1, augment=data.RandomCrop(padding=4, seed=0), num_workers=2)
    places = [int(images.argmax()) for _ in range(2) for images, _ in loader]
    workers = [tuple(places[start : start + 8 : 2]) for start in (0, 1, 8, 9)]
    assert len(set(workers)) == 4


def test_workers_refuse_images_on_another_device():
    """An empty split on "meta", torch's device without data, stands in for one on a GPU."""
    empty = torch.zeros(0, 3, 4, 4, dtype=torch.uint8, device="meta")
    split = data.Split(empty, torch.zeros(0, dtype=torch.int64, device="meta"), ("a",), source="test")
    with pytest.raises(ValueError, match="workers need images on the CPU, these lie on meta"):
        data.loader(split, 1, num_workers=1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_split_on_a_gpu_gives_what_it_gives_on_the_cpu():
    split = split_of([0, 1] * 10, size=8)
    there = replace(split, images=split.images.cuda(), labels=split.labels.cuda())
    assert data.mean_std(there) == data.mean_std(split)
    assert there.take(3, seed=1).names == split.take(3, seed=1).names
    batches = (
        data.loader(part, 6, shuffle=True, augment=augmentation(), mean=(0.5,) * 3, std=(0.5,) * 3)
        for part in (split, there)
    )
    for (images, labels), (images_there, labels_there) in zip(*batches, strict=True):
        assert images_there.is_cuda
        torch.testing.assert_close(images_there.cpu(), images)
        assert torch.equal(labels_there.cpu(), labels)
