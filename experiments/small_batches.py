"""Train ResNet-20 on original CIFAR-10 pixels in batches of 2 to 64, with BatchNorm and with GroupNorm.

One recipe for all; the learning rate is in proportion to the batch, 0.1 for 64, and every training sees the
same number of images. The test images are looked at once, after the last epoch.

    RESNET_BOOK_DATA=... python experiments/small_batches.py [--workers 2] [--keep FOLDER]
"""

import record
import torch

from resnet_utils import data, evaluation, models, runtime, training
from resnet_utils.models import variants

NORMS = ("BatchNorm", "GroupNorm", "GroupNorm, standardized weights")
BATCHES, SEEDS = (2, 4, 16, 64), (0, 1, 2)
A_CLASS, EPOCHS, LR = 400, 4, 0.1


def network(norm: str) -> torch.nn.Module:
    """A ResNet-20 with this kind of normalization."""
    model = models.build("resnet20", 10)
    if norm != "BatchNorm":
        variants.group_norm(model, groups=8)
    if norm.endswith("weights"):
        variants.standardize_weights(model)
    return model.to(memory_format=torch.channels_last)


def train(norm: str, batch: int, seed: int, tiny: bool) -> dict:
    """One training, one row. A worker's whole job, so it reads its own images."""
    runtime.setup(seed)
    images, held_out = data.cifar10()
    images = images.take(8 if tiny else A_CLASS)
    held_out = held_out.take(2) if tiny else held_out
    mean, std = data.mean_std(images)
    augment = data.Compose([data.RandomHorizontalFlip(seed=seed), data.RandomCrop(padding=4, seed=seed)])
    batches = data.loader(
        images, batch, shuffle=True, seed=seed, augment=augment, mean=mean, std=std, drop_last=True
    )
    model = network(norm)
    optimizer = training.sgd(model, LR * batch / 64, weight_decay=5e-4, decay_norm_and_bias=False)
    epochs = 1 if tiny else EPOCHS
    schedule = training.one_cycle(optimizer, steps=epochs * len(batches))
    history = training.fit(
        model, batches, epochs=epochs, optimizer=optimizer, scheduler=schedule, progress=False,
    )  # fmt: skip
    loss, accuracy = evaluation.evaluate(model, data.loader(held_out, 200, mean=mean, std=std))
    return {
        "network": "resnet20", "norm": norm, "batch": batch, "lr": LR * batch / 64, "seed": seed,
        "epochs": epochs, "train_images": len(images), "test_images": len(held_out),
        "train_loss": history.train_loss[-1], "test_loss": loss, "test_accuracy": accuracy,
    }  # fmt: skip


def images_at_hand(rows: list[record.Row]) -> str:
    trained, tested = rows[0]["train_images"], rows[0]["test_images"]
    return f"original CIFAR-10 images: {trained} to train on, {tested} to test on"


if __name__ == "__main__":
    record.run(
        record.every(train, NORMS, BATCHES, SEEDS, tiny=(NORMS, BATCHES[2:3], SEEDS[:1])),
        claim="What BatchNorm and GroupNorm make of batches of 2 to 64 images: a ResNet-20, four passes over "
        "four thousand images, in pairs of the same seed.",
        data=images_at_hand,
        needs="cifar10",
    )
