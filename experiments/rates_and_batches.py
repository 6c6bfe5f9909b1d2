"""The chapter's small training at six rates and three sizes of batch, three seeds each.

A ResNet-20 of width 8 on 400 images of each class of Fashion-MNIST, four epochs of one cycle, shifts of two
pixels, weight decay 0.0005: the training of chapter 4's story, with another peak rate and another batch. The
number of epochs stays, so a batch four times as large takes a quarter of the steps. All test images are
looked at once, at the end.

    RESNET_BOOK_DATA=... python experiments/rates_and_batches.py [--workers 2] [--keep FOLDER]
"""

import record
import small_images
import torch

from resnet_utils import data, evaluation, models, runtime, training

SEEDS = (0, 1, 2)
RATES, BATCHES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0), (16, 64, 256)
PER_CLASS, EPOCHS = 400, 4


def train(seed: int, batch: int, rate: float, tiny: bool) -> dict:
    """One training, one row. A worker's whole job, so it reads its own images."""
    runtime.setup(seed)
    pictures = small_images.clothes(26 if tiny else PER_CLASS, tiny)
    batches = pictures.batches(batch, augment=data.RandomCrop(padding=2, seed=seed), seed=seed)
    model = models.build("resnet20", 10, in_channels=1, width=8).to(memory_format=torch.channels_last)
    optimizer = training.sgd(model, rate, weight_decay=5e-4, decay_norm_and_bias=False)
    history, cpu_seconds = small_images.train_by_one_cycle(model, batches, optimizer, epochs=EPOCHS)
    loss, accuracy = evaluation.evaluate(model, pictures.tests(500))
    return {
        "batch": batch, "rate": rate, "seed": seed, "steps": EPOCHS * len(batches),
        "train_loss": history.train_loss[-1], "test_loss": loss, "test_accuracy": accuracy,
        "cpu_seconds": round(cpu_seconds, 1),
    }  # fmt: skip


if __name__ == "__main__":
    record.run(
        record.every(train, SEEDS, BATCHES, RATES, tiny=(SEEDS[:1], BATCHES[-1:], RATES[:2])),
        claim="Which peak rate suits the small training of chapter 4, and how the best one moves with the "
        "batch.",
        data=f"{PER_CLASS} Fashion-MNIST training images a class, 10,000 to test",
        needs="FashionMNIST",
    )
