"""Train ResNet-20 and ResNet-56 in the five orders of He et al. 2016, on the CIFAR-10 pixels at hand.

One recipe for all: flips, shifts of four pixels, weight decay, a one-cycle schedule, batches of 64. Two
orders with the same seed see the same batches in the same sequence, so that they can be compared in pairs.
The test images are looked at once, after the last epoch.

    RESNET_BOOK_DATA=... python experiments/orderings.py [--workers 2] [--keep FOLDER]
"""

import time

import record
import torch

from resnet_utils import data, evaluation, models, runtime, training
from resnet_utils.models.preactivation import ORDERS

NETWORKS, SEEDS = ("resnet20", "resnet56"), (0, 1, 2)
BATCH, EPOCHS, LR = 64, 12, 0.1


def train(network: str, order: str, seed: int, tiny: bool) -> dict:
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
    model = models.build(network, 10, order=order).to(memory_format=torch.channels_last)
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
        "network": network, "order": order, "seed": seed, "epochs": epochs,
        "train_images": len(images), "test_images": len(held_out),
        "train_loss": history.train_loss[-1], "train_accuracy": history.train_accuracy[-1],
        "test_loss": loss, "test_accuracy": accuracy, "cpu_seconds": round(cpu_seconds),
    }  # fmt: skip


def images_at_hand(rows: list[record.Row]) -> str:
    trained, tested = rows[0]["train_images"], rows[0]["test_images"]
    return f"original CIFAR-10 images: {trained} to train on, {tested} to test on"


if __name__ == "__main__":
    record.run(
        record.every(train, NETWORKS, ORDERS, SEEDS, tiny=(NETWORKS[:1], list(ORDERS)[:2], SEEDS[:1])),
        claim="What the order of BatchNorm, ReLU and addition does to a ResNet-20 and a ResNet-56 "
        "within twelve passes over a sixth of CIFAR-10, in pairs of the same seed.",
        data=images_at_hand,
        needs="cifar10",
    )
