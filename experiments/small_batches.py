"""Train ResNet-20 on original CIFAR-10 pixels in batches of 2 to 64, with BatchNorm and with GroupNorm.

One recipe for all; the learning rate is in proportion to the batch, 0.1 for 64, and every training sees the
same number of images. The test images are looked at once, after the last epoch.

    RESNET_BOOK_DATA=... python experiments/small_batches.py [--workers 2] [--keep FOLDER]
"""

import record
import small_images
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
    pictures = small_images.cifar(tiny, A_CLASS)
    augment = data.Compose(small_images.flips_and_shifts(seed))
    batches = pictures.batches(batch, augment=augment, seed=seed, drop_last=True)
    model = network(norm)
    optimizer = training.sgd(model, LR * batch / 64, weight_decay=5e-4, decay_norm_and_bias=False)
    epochs = 1 if tiny else EPOCHS
    history, _ = small_images.train_by_one_cycle(model, batches, optimizer, epochs=epochs)
    loss, accuracy = evaluation.evaluate(model, pictures.tests())
    return {
        "network": "resnet20", "norm": norm, "batch": batch, "lr": LR * batch / 64, "seed": seed,
        "epochs": epochs, "train_images": len(pictures.images), "test_images": len(pictures.held_out),
        "train_loss": history.train_loss[-1], "test_loss": loss, "test_accuracy": accuracy,
    }  # fmt: skip


if __name__ == "__main__":
    record.run(
        record.every(train, NORMS, BATCHES, SEEDS, tiny=(NORMS, BATCHES[2:3], SEEDS[:1])),
        claim="What BatchNorm and GroupNorm make of batches of 2 to 64 images: a ResNet-20, four passes over "
        "four thousand images, in pairs of the same seed.",
        data=small_images.images_at_hand,
        needs="cifar10",
    )
