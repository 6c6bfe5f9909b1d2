"""Generators are found by a rule that can be read, and each worker of a loader draws its own numbers."""

import contextlib
import copy
import pickle
import random

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, RandomSampler, Subset, TensorDataset

from resnet_utils.runtime import seeding


class Noise:
    """A transform with a generator of its own."""

    def __init__(self, seed):
        self.generator = seeding.SeededGenerator(seed)

    def __call__(self, value):
        return value + torch.rand(1, generator=self.generator).item()


class Listed:
    """Knows best what it draws from; its other attributes are not asked."""

    def __init__(self, *inner):
        self.inner = inner
        self.generator = torch.Generator()

    def generators(self):
        return [transform.generator for transform in self.inner]


class Numbers(Dataset):
    """The numbers from 0, each changed by a transform."""

    def __init__(self, count, transform):
        self.count, self.transform = count, transform

    def __len__(self):
        return self.count

    def __getitem__(self, place):
        return self.transform(float(place))


def same_objects(found, expected):
    return [id(generator) for generator in found] == [id(generator) for generator in expected]


def test_a_loader_its_sampler_its_data_set_and_its_transforms_are_asked_in_this_order():
    from torchvision.transforms import v2

    noises = [Noise(seed) for seed in range(4)]
    transform = v2.Compose([noises[0], v2.Identity(), v2.Compose([noises[1]])])
    dataset = ConcatDataset([Subset(Numbers(4, transform), [1, 2]), Numbers(3, noises[2])])
    own, order = torch.Generator(), torch.Generator()
    loader = DataLoader(
        dataset, 2, sampler=RandomSampler(dataset, generator=order), generator=own, collate_fn=noises[3]
    )
    expected = [
        own,
        order,
        noises[0].generator,
        noises[1].generator,
        noises[2].generator,
        noises[3].generator,
    ]
    found = seeding.generators_of(loader)
    assert {id(generator) for generator in found} == {id(generator) for generator in expected}
    assert len(found) == len(expected)
    assert same_objects(seeding.generators_of(loader), found)


def test_an_object_that_lists_its_generators_is_believed():
    one, two = Noise(0), Noise(1)
    listed = Listed(two, one, two)
    assert same_objects(seeding.generators_of(listed), [two.generator, one.generator])
    loader = DataLoader(Numbers(4, listed), 2)
    assert same_objects(seeding.generators_of(loader), [two.generator, one.generator])


def test_a_generator_hidden_in_a_function_is_found_only_as_its_attribute():
    hidden = torch.Generator()

    def transform(value):
        return value + torch.rand(1, generator=hidden).item()

    assert seeding.generators_of(Numbers(3, transform)) == []
    transform.generator = hidden
    assert same_objects(seeding.generators_of(Numbers(3, transform)), [hidden])


@pytest.mark.parametrize("stranger", [None, 3, "text", [torch.Generator()], torch.rand(3), lambda x: x, dict])
def test_anything_else_holds_none(stranger):
    assert seeding.generators_of(stranger) == []


def test_numpys_generators_are_not_torchs():
    noise = Noise(0)
    noise.generator = np.random.default_rng(0)
    assert seeding.generators_of(noise) == []


# a generator that travels


def test_a_seeded_generator_is_torchs_under_another_name():
    ours, theirs = seeding.SeededGenerator(3), torch.Generator().manual_seed(3)
    assert ours.initial_seed() == 3
    assert torch.equal(torch.rand(5, generator=ours), torch.rand(5, generator=theirs))
    for again in (pickle.loads(pickle.dumps(ours)), copy.deepcopy(ours)):
        assert again.initial_seed() == 3
        assert torch.equal(again.get_state(), theirs.get_state())


# workers


def epochs_of(transform, *, num_workers=2, context="fork", seed=0, epochs=2):
    """What a loader of 8 equal samples yields in each epoch: the noise alone."""
    dataset = TensorDataset(torch.zeros(8))
    dataset = Numbers(8, transform) if transform else dataset
    loader = DataLoader(
        dataset,
        2,
        num_workers=num_workers,
        generator=torch.Generator().manual_seed(seed),
        worker_init_fn=seeding.seed_worker,
        multiprocessing_context=context if num_workers else None,
    )
    return [[round(value % 1, 6) for batch in loader for value in batch.tolist()] for _ in range(epochs)]


fork_is_fine = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded, use of fork:DeprecationWarning"
)


@fork_is_fine
def test_every_worker_and_every_epoch_has_draws_of_its_own():
    """Without ``seed_worker`` both workers would draw the same noise, again in each epoch."""
    draws = epochs_of(Noise(1))
    assert len(set(draws[0]) | set(draws[1])) == 16


@fork_is_fine
def test_workers_draw_the_same_numbers_again_for_the_same_seeds():
    draws = epochs_of(Noise(1))
    torch.rand(3)
    assert epochs_of(Noise(1)) == draws
    assert epochs_of(Noise(1), seed=1) != draws, "the seed of the loader counts"
    assert epochs_of(Noise(2)) != draws, "and that of the transform"


@fork_is_fine
@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_the_streams_follow_the_rule_however_the_workers_are_started(context):
    """The start method differs between systems; a sampler in order draws nothing before the epoch's seed."""
    base = int(torch.empty((), dtype=torch.int64).random_(generator=torch.Generator().manual_seed(0)))
    one, two = [], []
    for worker, expected in enumerate((one, two)):
        sources = np.random.SeedSequence([base + worker, 1, 0])
        generator = torch.Generator().manual_seed(int(sources.generate_state(1, np.uint64)[0]))
        expected += [round(torch.rand(1, generator=generator).item(), 6) for _ in range(4)]
    (draws,) = epochs_of(Noise(1), context=context, epochs=1)
    assert draws == one[:2] + two[:2] + one[2:] + two[2:]


@fork_is_fine
def test_two_transforms_made_with_one_seed_draw_different_numbers_in_a_worker():
    one, two = Noise(1), Noise(1)

    def both(value):
        return value + abs(one(0.0) - two(0.0)) / 2

    both.transforms = [one, two]
    assert all(value > 0 for epoch in epochs_of(both, epochs=1) for value in epoch)


def test_outside_a_worker_there_is_nothing_to_seed():
    with pytest.raises(RuntimeError, match=r"seed_worker\(0\) was called outside a worker"):
        seeding.seed_worker(0)


# generators that are put back


def test_what_is_drawn_inside_is_drawn_again_outside_even_after_an_error():
    noise = Noise(3)

    def draws():
        return noise(0.0), torch.rand(2).tolist(), random.random(), np.random.rand()  # noqa: NPY002

    with seeding.kept_generators(noise):
        first = draws()
    with contextlib.suppress(ZeroDivisionError), seeding.kept_generators(noise):
        assert draws() == first
        raise ZeroDivisionError
    assert draws() == first
    assert all(one != other for one, other in zip(draws(), first, strict=True))
