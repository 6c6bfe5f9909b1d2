"""Train the paper's ResNet-20 on the original CIFAR-10 pixels at hand, three times.

The paper's recipe in spirit (flips, shifts of four pixels, weight decay) with a one-cycle schedule, on the
original training images that the data folder has: how far a part of the data carries. Beside it, on the same
test images, the published weights of Idelbayev's re-implementation, which have seen all training images. The
test images are looked at once, after the last epoch.

    RESNET_BOOK_DATA=... python experiments/cifar10.py [--workers 2] [--keep FOLDER]
"""

import argparse
import time

import record
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
    images, held_out = data.cifar10()
    if tiny:
        images, held_out = images.take(10), held_out.take(2)
    mean, std = data.mean_std(images)
    augment = data.Compose([data.RandomHorizontalFlip(seed=seed), data.RandomCrop(padding=4, seed=seed)])
    batches = data.loader(
        images, BATCH, shuffle=True, seed=seed, augment=augment, mean=mean, std=std, drop_last=True
    )
    model = models.build("resnet20", 10).to(memory_format=torch.channels_last)
    optimizer = training.sgd(model, LR, weight_decay=5e-4, decay_norm_and_bias=False)
    epochs = 1 if tiny else EPOCHS
    schedule = training.one_cycle(optimizer, steps=epochs * len(batches))
    started = time.process_time()
    history = training.fit(
        model, batches, epochs=epochs, optimizer=optimizer, scheduler=schedule, progress=False,
    )  # fmt: skip
    cpu_seconds = time.process_time() - started
    loss, accuracy = evaluation.evaluate(model, data.loader(held_out, 200, mean=mean, std=std))
    return {
        "weights": "ours", "network": "resnet20", "train_images": len(images), "test_images": len(held_out),
        "seed": seed, "epochs": epochs,
        "train_loss": history.train_loss[-1], "train_accuracy": history.train_accuracy[-1],
        "test_loss": loss, "test_accuracy": accuracy, "cpu_seconds": round(cpu_seconds),
    }  # fmt: skip


def rows(asked: argparse.Namespace) -> list[record.Row]:
    seeds = (0,) if asked.tiny else SEEDS
    ours = record.rows_of(train, [(seed, asked.tiny) for seed in seeds], asked)
    return [*ours, published(asked.tiny)]


def images_at_hand(rows: list[record.Row]) -> str:
    trained, tested = rows[0]["train_images"], rows[0]["test_images"]
    return f"original CIFAR-10 images: {trained} to train on, {tested} to test on"


if __name__ == "__main__":
    record.run(
        rows,
        claim="A sixth of CIFAR-10's images takes a ResNet-20 to about eight right answers in ten; the "
        "published weights, which saw all of them, give nine.",
        data=images_at_hand,
        needs="cifar10",
    )
