"""Train ResNet-20 in the five orders of He et al. 2016, on the CIFAR-10 pixels at hand.

One recipe for all: flips, shifts of four pixels, weight decay, a one-cycle schedule, batches of 64, bfloat16
where that is safe. Two orders with the same seed see the same batches in the same sequence, so that they can
be compared in pairs. The test images are looked at once, after the last epoch, in float32.

    RESNET_BOOK_DATA=... python experiments/orderings.py [--workers 2] [--keep FOLDER]
"""

import record
import small_images
import torch

from resnet_utils import data, evaluation, models, runtime, training
from resnet_utils.models.preactivation import ORDERS

NETWORKS, SEEDS = ("resnet20",), (0, 1, 2)  # orderings_deep has the deeper one
BATCH, EPOCHS, LR = 64, 6, 0.1


def train(network: str, order: str, seed: int, tiny: bool) -> dict:
    """One training, one row. A worker's whole job, so it reads its own images."""
    runtime.setup(seed)
    pictures = small_images.cifar(tiny)
    augment = data.Compose(small_images.flips_and_shifts(seed))
    batches = pictures.batches(BATCH, augment=augment, seed=seed, drop_last=True)
    model = models.build(network, 10, order=order).to(memory_format=torch.channels_last)
    optimizer = training.sgd(model, LR, weight_decay=5e-4, decay_norm_and_bias=False)
    epochs = 1 if tiny else EPOCHS
    history, cpu_seconds = small_images.train_by_one_cycle(
        model, batches, optimizer, epochs=epochs, autocast=True
    )
    loss, accuracy = evaluation.evaluate(model, pictures.tests())
    return {
        "network": network, "order": order, "seed": seed, "epochs": epochs,
        "train_images": len(pictures.images), "test_images": len(pictures.held_out),
        "train_loss": history.train_loss[-1], "train_accuracy": history.train_accuracy[-1],
        "test_loss": loss, "test_accuracy": accuracy, "cpu_seconds": round(cpu_seconds),
    }  # fmt: skip


if __name__ == "__main__":
    record.run(
        record.every(train, NETWORKS, ORDERS, SEEDS, tiny=(NETWORKS, list(ORDERS)[:2], SEEDS[:1])),
        claim="What the order of BatchNorm, ReLU and addition does to a ResNet-20 within "
        "six passes over a sixth of CIFAR-10, in pairs of the same seed.",
        data=small_images.images_at_hand,
        needs="cifar10",
    )
