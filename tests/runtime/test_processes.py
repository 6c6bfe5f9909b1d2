"""Shares of batches, put together again, are the batches; alone, a process is the first and has it all."""

from __future__ import annotations

import threading

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from resnet_utils import data, runtime
from resnet_utils.data.in_memory import Split
from resnet_utils.runtime import processes, seeding
from tools import patience


def test_alone_a_process_is_the_first_and_sums_are_its_own():
    assert (processes.world_size(), processes.rank(), processes.is_first()) == (1, 0, True)
    assert processes.total(2, 0.5) == [2.0, 0.5]
    parts = [torch.arange(3), torch.arange(2)]
    assert torch.equal(processes.joined(parts), torch.tensor([0, 1, 2, 0, 1]))
    processes.wait()


@given(st.integers(0, 40), st.integers(1, 9))
def test_the_pieces_of_a_batch_are_all_of_it_and_differ_by_one_at_most(length, count):
    cuts = [processes.cut_of(length, number=number, count=count) for number in range(count)]
    places = [place for cut in cuts for place in range(length)[cut]]
    assert places == list(range(length))
    sizes = [len(range(length)[cut]) for cut in cuts]
    assert max(sizes) - min(sizes) <= 1


def split():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (11, 1, 6, 6), generator=generator, dtype=torch.uint8)
    return Split(images, torch.arange(11) % 2, ("a", "b"), source="noise")


def loader(*, augment, workers=0):
    changes = data.Compose([data.RandomHorizontalFlip(seed=1), data.RandomCrop(padding=1, seed=2)])
    return data.loader(
        split(), 4, shuffle=True, seed=3, augment=changes if augment else None, num_workers=workers
    )


@pytest.mark.parametrize("augment", [False, True])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_shares_of_all_processes_are_the_batches_of_one(augment, count, monkeypatch):
    """Two epochs, so that order and draws of the second are the same too; 3 images for 5 processes."""
    monkeypatch.setattr(processes, "world_size", lambda: count)
    shares = []
    for number in range(count):
        monkeypatch.setattr(processes, "rank", lambda number=number: number)
        mine = processes.Shares(loader(augment=augment))
        assert len(mine) == 3
        shares.append([*mine, *mine])
    one = loader(augment=augment)
    for place, (images, labels) in enumerate([*one, *one]):
        assert torch.equal(torch.cat([share[place][0] for share in shares]), images)
        assert torch.equal(torch.cat([share[place][1] for share in shares]), labels)


def test_workers_cut_the_same_shares(monkeypatch):
    monkeypatch.setattr(processes, "world_size", lambda: 2)
    monkeypatch.setattr(processes, "rank", lambda: 1)
    mine = list(processes.Shares(loader(augment=True, workers=2)))
    for (images, labels), (own, due) in zip(loader(augment=True, workers=2), mine, strict=True):
        assert torch.equal(images[len(images) // 2 :], own)
        assert torch.equal(labels[len(labels) // 2 :], due)


def test_without_augmenting_only_the_share_is_decoded(monkeypatch):
    """Decoding is what costs; a process that reads all pictures would gain nothing from the others."""
    asked = []
    whole = Split.images_at
    monkeypatch.setattr(Split, "images_at", lambda self, at: asked.append(len(at)) or whole(self, at))
    monkeypatch.setattr(processes, "world_size", lambda: 2)
    list(processes.Shares(loader(augment=False)))
    assert asked == [2, 2, 1]


def test_shares_of_mixed_batches_are_cut_after_mixing(monkeypatch):
    monkeypatch.setattr(processes, "world_size", lambda: 2)
    whole = [labels for _, labels in data.Mixup(loader(augment=False), 2, alpha=1.0, seed=4)]
    mine = [labels for _, labels in processes.Shares(data.Mixup(loader(augment=False), 2, alpha=1.0, seed=4))]
    assert all(torch.equal(one[: len(one) // 2], own) for one, own in zip(whole, mine, strict=True))


def test_a_share_has_the_generators_and_the_classes_of_its_loader():
    inner = loader(augment=True)
    shares = processes.Shares(inner)
    assert [id(g) for g in seeding.generators_of(shares)] == [id(g) for g in seeding.generators_of(inner)]
    assert runtime.classes_of(shares) == ("a", "b")


def test_shares_are_not_shared_again():
    with pytest.raises(TypeError, match="shared out already"):
        processes.Shares(processes.Shares(loader(augment=False)))


# a group


class Group:
    """Processes that are threads, with what ``processes`` asks of ``torch.distributed``."""

    def __init__(self, count):
        self.own, self.count = threading.local(), count
        self.told, self.meeting = [None] * count, threading.Barrier(count, timeout=patience.seconds(10))

    def exchanged(self, value):
        """What all have told, once they have."""
        self.told[self.own.rank] = value
        self.meeting.wait()
        told = list(self.told)
        self.meeting.wait()
        return told

    def is_available(self):
        return True

    def is_initialized(self):
        return True

    def get_world_size(self):
        return self.count

    def get_rank(self):
        return self.own.rank

    def get_backend(self):
        return "gloo"

    def all_reduce(self, tensor):
        tensor.copy_(torch.stack(self.exchanged(tensor.clone())).sum(dim=0))

    def broadcast(self, tensor, src):
        tensor.copy_(self.exchanged(tensor.clone())[src])

    def all_gather_object(self, told, value):
        told[:] = self.exchanged(value)

    def all_gather(self, gathered, tensor):
        for place, other in zip(gathered, self.exchanged(tensor), strict=True):
            place.copy_(other)


@pytest.fixture
def each(monkeypatch):
    """What a function of its number gives in each process of a group."""

    def call(work, count):
        group, found, errors = Group(count), [None] * count, []

        def run(number):
            group.own.rank = number
            try:
                found[number] = work(number)
            except Exception as error:
                errors.append(error)
                group.meeting.abort()

        monkeypatch.setattr(processes, "dist", group)
        threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return found

    return call


def test_a_sum_is_over_all_processes_and_the_same_in_each(each):
    found = each(lambda number: processes.total(1, number + 0.5, 2.0**24 + number), 3)
    assert found == [[3.0, 4.5, 3 * 2.0**24 + 3]] * 3, "2^24 + 1 is no number of 32 bits"


def test_only_the_first_process_is_believed(each):
    assert each(lambda number: processes.said_by_first(number == 0, number > 0), 3) == [[True, False]] * 3


def test_the_tensors_of_all_processes_become_those_of_the_first(each):
    held = [[torch.full((2, 3), number + 1.0), torch.tensor(number)] for number in range(3)]
    each(lambda number: processes.same_tensors(held[number]), 3)
    for matrix, count in held:
        assert torch.equal(matrix, torch.full((2, 3), 1.0))
        assert count == 0


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("sizes", [(8, 8, 6), (1,), (2, 5, 1), (0, 4)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.int64])
def test_the_shares_of_batches_are_joined_in_the_order_of_one_process(each, count, sizes, dtype):
    """A batch may be smaller than the group, so that a process has nothing of it, or nothing at all."""
    batches = torch.arange(3 * sum(sizes)).view(-1, 3).to(dtype).split(sizes)

    def joined(number):
        shares = [batch[processes.cut_of(len(batch), number=number, count=count)] for batch in batches]
        return processes.joined(shares)

    for found in each(joined, count):
        assert found.dtype == dtype
        assert torch.equal(found, torch.cat(batches))


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (lambda number: [torch.ones(1)] * (1 + number), r"went through \[1, 2\] batches"),
        (lambda number: [torch.ones(0)], "no process has an image"),
    ],
)
def test_shares_that_do_not_make_batches_are_refused(each, parts, words):
    with pytest.raises(ValueError, match=words):
        each(lambda number: processes.joined(parts(number)), 2)
