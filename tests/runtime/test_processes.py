"""Shares of batches, put together again, are the batches; alone, a process is the first and has it all."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from resnet_utils import data, runtime
from resnet_utils.data.in_memory import Split
from resnet_utils.runtime import processes, seeding


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
