"""Splits keep their parts together; the loader makes the same batches each time, with workers too."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from resnet_utils import data


def split_of(labels, *, channels=3, size=4):
    """Image k is filled with the value k."""
    number = len(labels)
    images = torch.arange(number, dtype=torch.uint8)[:, None, None, None].expand(number, channels, size, size)
    names = tuple(f"{k}.png" for k in range(number))
    classes = tuple("abcdefghij"[: max(labels) + 1])
    return data.Split(images.clone(), torch.tensor(labels), classes, source="test", names=names)


# Split


def test_subset_keeps_images_labels_and_names_together():
    found = split_of([0, 1, 0, 1]).subset([3, 0])
    assert found.images[:, 0, 0, 0].tolist() == [3, 0]
    assert found.labels.tolist() == [1, 0]
    assert found.names == ("3.png", "0.png")


def test_take_gives_as_many_of_every_class():
    split = split_of([0] * 9 + [1] * 4 + [2] * 6)
    found = split.take(4, seed=1)
    assert found.labels.bincount().tolist() == [4, 4, 4]
    assert len(set(found.names)) == 12
    assert found.labels.tolist() != sorted(found.labels.tolist())


def test_smaller_take_is_part_of_a_bigger_one_and_seeds_differ():
    split = split_of([0, 1] * 30)
    assert set(split.take(5, seed=2).names) < set(split.take(9, seed=2).names)
    assert split.take(9, seed=2).names == split.take(9, seed=2).names
    assert set(split.take(9, seed=2).names) != set(split.take(9, seed=3).names)


@pytest.mark.parametrize("number", [0, 3])
def test_take_more_than_there_is_tells_the_sizes(number):
    with pytest.raises(
        ValueError, match=rf"per_class must be 1 to 2, got {number}; there are .*'a': 3, 'b': 2"
    ):
        split_of([0, 0, 0, 1, 1]).take(number)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": torch.zeros(2, 3, 4, 4)}, r"images must be uint8 \(N, C, H, W\), got torch.float32"),
        ({"images": torch.zeros(2, 4, 4, dtype=torch.uint8)}, r"got torch.uint8 of shape \(2, 4, 4\)"),
        (
            {"labels": torch.tensor([0, 1, 0])},
            r"labels must be int64 \(2,\), got torch.int64 of shape \(3,\)",
        ),
        ({"labels": torch.tensor([0, 2])}, "labels must be 0 to 1, got 0 to 2"),
        ({"names": ("a",)}, "1 names for 2 images"),
    ],
)
def test_split_that_does_not_fit_together_is_refused(change, message):
    parts = {
        "images": torch.zeros(2, 3, 4, 4, dtype=torch.uint8),
        "labels": torch.tensor([0, 1]),
        "names": (),
    }
    with pytest.raises(ValueError, match=message):
        data.Split(**(parts | change), classes=("a", "b"), source="test")


# Statistics and batches


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
        ({"batch_size": 0}, "no batch of 0 in 4 images"),
        ({"batch_size": 5, "drop_last": True}, "no batch of 5 in 4 images"),
        ({"batch_size": 2, "mean": (0.5,) * 3}, "mean and std belong together"),
        ({"batch_size": 2, "mean": (0.5,), "std": (0.5,)}, "mean needs 3 values, one a channel"),
        ({"batch_size": 2, "mean": (0.5,) * 3, "std": (0.5, 0.0, 0.5)}, "std must be above 0"),
    ],
)
def test_loader_refuses_what_makes_no_batch(options, message):
    with pytest.raises(ValueError, match=message):
        data.loader(split_of([0, 1, 0, 1]), options.pop("batch_size"), **options)


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
