"""Train the paper's ResNet-20 on the original CIFAR-10 pixels at hand, three times.

The paper's recipe in spirit (flips, shifts of four pixels, weight decay) with a one-cycle schedule, on the
original training images that the data folder has: how far a part of the data carries. Beside it, on the same
test images, the published weights of Idelbayev's re-implementation, which have seen all training images. The
test images are looked at once, after the last epoch.

    RESNET_BOOK_DATA=... python experiments/cifar10.py [--workers 2] [--keep FOLDER]
"""

import argparse

import record
import small_images
import torch
from pretrain_source import MEAN, STD  # ImageNet's, which the published weights expect too

from resnet_utils import data, evaluation, models, runtime, training
from resnet_utils.files import weights

SEEDS = (0, 1, 2)
BATCH, EPOCHS, LR = 64, 40, 0.1


def published(tiny: bool) -> dict:
    """The row of the published weights."""
    _, held_out = data.cifar10()
    held_out = held_out.take(2) if tiny else held_out
    model = models.build("resnet20", 10)
    weights.load_weights(model, next(record.given("cifar10").glob("resnet20-*.th")))
    loss, accuracy = evaluation.evaluate(model, data.loader(held_out, 200, mean=MEAN, std=STD))
    return {
        "weights": "published", "network": "resnet20", "train_images": 50_000, "test_images": len(held_out),
        "test_loss": loss, "test_accuracy": accuracy,
    }  # fmt: skip


def train(seed: int, tiny: bool) -> dict:
    """One training, one row. A worker's whole job, so it reads its own images."""
    runtime.setup(seed)
    pictures = small_images.cifar(tiny)
    augment = data.Compose(small_images.flips_and_shifts(seed))
    batches = pictures.batches(BATCH, augment=augment, seed=seed, drop_last=True)
    model = models.build("resnet20", 10).to(memory_format=torch.channels_last)
    optimizer = training.sgd(model, LR, weight_decay=5e-4, decay_norm_and_bias=False)
    epochs = 1 if tiny else EPOCHS
    history, cpu_seconds = small_images.train_by_one_cycle(model, batches, optimizer, epochs=epochs)
    loss, accuracy = evaluation.evaluate(model, pictures.tests())
    return {
        "weights": "ours", "network": "resnet20", "train_images": len(pictures.images),
        "test_images": len(pictures.held_out), "seed": seed, "epochs": epochs,
        "train_loss": history.train_loss[-1], "train_accuracy": history.train_accuracy[-1],
        "test_loss": loss, "test_accuracy": accuracy, "cpu_seconds": round(cpu_seconds),
    }  # fmt: skip


def rows(asked: argparse.Namespace) -> list[record.Row]:
    seeds = (0,) if asked.tiny else SEEDS
    ours = record.rows_of(train, [(seed, asked.tiny) for seed in seeds], asked)
    return [*ours, published(asked.tiny)]


if __name__ == "__main__":
    record.run(
        rows,
        claim="A sixth of CIFAR-10's images takes a ResNet-20 to about eight right answers in ten; the "
        "published weights, which saw all of them, give nine.",
        data=small_images.images_at_hand,
        needs="cifar10",
    )
