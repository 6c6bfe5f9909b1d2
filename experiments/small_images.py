"""What the experiments on small images share: pictures, batches, and one training by one cycle."""

import time
from typing import NamedTuple

import record
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from resnet_utils import data, training


class Pictures(NamedTuple):
    """Pictures to train on and to test on, with the mean and the spread of the former."""

    images: data.Split
    held_out: data.Split
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def batches(self, batch: int, *, augment: object, seed: int, drop_last: bool = False) -> DataLoader:
        """Training batches in an order that depends on the seed alone."""
        return data.loader(
            self.images, batch, shuffle=True, seed=seed, augment=augment, mean=self.mean, std=self.std,
            drop_last=drop_last,
        )  # fmt: skip

    def tests(self, batch: int = 200) -> DataLoader:
        """The pictures to test on, in order, as they are."""
        return data.loader(self.held_out, batch, mean=self.mean, std=self.std)


def cifar(tiny: bool, per_class: int | None = None) -> Pictures:
    """The original CIFAR-10 pixels at hand, ``per_class`` of each class to train on (None: all)."""
    images, held_out = data.cifar10()
    count = 10 if tiny else per_class
    images = images if count is None else images.take(count)
    return Pictures(images, held_out.take(2) if tiny else held_out, *data.mean_std(images))


def flips_and_shifts(seed: int) -> list:
    """The paper's augmentation of CIFAR-10 (He et al. 2015, section 4.2)."""
    return [data.RandomHorizontalFlip(seed=seed), data.RandomCrop(padding=4, seed=seed)]


def clothes(per_class: int, tiny: bool) -> Pictures:
    """As many Fashion-MNIST pictures of each class to train on, all to test on."""
    everything, test = data.fashion_mnist()
    images = everything.take(per_class, seed=0)
    return Pictures(images, test.take(3) if tiny else test, *data.mean_std(images))


def train_by_one_cycle(
    model: nn.Module, batches: DataLoader, optimizer: Optimizer, *, epochs: int, autocast: bool = False
) -> tuple[training.History, float]:
    """Train without validation; what was measured, and the processor's seconds."""
    schedule = training.one_cycle(optimizer, steps=epochs * len(batches))
    started = time.process_time()
    history = training.fit(
        model, batches, epochs=epochs, optimizer=optimizer, scheduler=schedule, autocast=autocast,
        progress=False,
    )  # fmt: skip
    return history, time.process_time() - started


def images_at_hand(rows: list[record.Row]) -> str:
    """What a record says of its data."""
    trained, tested = rows[0]["train_images"], rows[0]["test_images"]
    return f"original CIFAR-10 images: {trained} to train on, {tested} to test on"
