"""Let a network learn its images by heart, then try the cures for it one by one.

A ResNet-20 on 100 images of each class of Fashion-MNIST, 30 epochs: without a cure, with shifts and flips,
with weight decay, label smoothing, mixup, early stopping, and with all of them. Every run has the same
images, network and schedule; runs of one seed begin with the same weights. Early stopping watches 1,000 other
training images; the test images are looked at once, at the end.

    RESNET_BOOK_DATA=... python experiments/cures.py [--workers 2] [--keep FOLDER]
"""

import time

import record
import torch
from torch import nn

from resnet_utils import data, evaluation, models, runtime, training
from resnet_utils.data import near_duplicates, transforms

SEEDS = (0, 1, 2)
PER_CLASS, BATCH, EPOCHS, LR = 100, 50, 30, 0.1
CURES = {
    "none": set(),
    "augmentation": {"augmentation"},
    "weight decay": {"weight decay"},
    "label smoothing": {"label smoothing"},
    "mixup": {"mixup"},
    "early stopping": {"early stopping"},
    "all": {"augmentation", "weight decay", "label smoothing", "mixup", "early stopping"},
}


def splits(tiny: bool) -> dict[str, data.Split]:
    """Training, watched and test images; the watched ones are training images that are not trained on."""
    everything, test = data.fashion_mnist()
    count = 4 if tiny else PER_CLASS
    both = everything.take(2 * count, seed=0)
    train, watched = near_duplicates.split_groups(both, torch.arange(len(both)), share=0.5)
    return {"train": train, "watched": watched, "test": test.take(3) if tiny else test}


def train(cure: str, seed: int, tiny: bool) -> dict:
    """One training, one row. A worker's whole job, so it reads its own images."""
    runtime.setup(seed)
    parts, taken = splits(tiny), CURES[cure]
    mean, std = data.mean_std(parts["train"])
    checks = {name: data.loader(part, 500, mean=mean, std=std) for name, part in parts.items()}
    augment = None
    if "augmentation" in taken:
        augment = data.Compose([data.RandomCrop(padding=2, seed=seed), data.RandomHorizontalFlip(seed=seed)])
    batches = data.loader(
        parts["train"], BATCH, shuffle=True, seed=seed, augment=augment, mean=mean, std=std,
        drop_last=not tiny,
    )  # fmt: skip
    if "mixup" in taken:
        batches = transforms.Mixup(batches, 10, alpha=0.4, seed=seed)
    model = models.build("resnet20", 10, in_channels=1).to(memory_format=torch.channels_last)
    decay = 5e-3 if "weight decay" in taken else 0.0
    optimizer = training.sgd(model, LR, weight_decay=decay, decay_norm_and_bias=False)
    epochs = 2 if tiny else EPOCHS
    schedule = training.one_cycle(optimizer, steps=epochs * len(batches))
    loss_function = nn.CrossEntropyLoss(label_smoothing=0.1 if "label smoothing" in taken else 0.0)
    watch = None
    if "early stopping" in taken:
        watch = training.EarlyStopping(model, patience=epochs)  # it only chooses the epoch
    started = time.process_time()
    training.fit(
        model, batches, checks["watched"] if watch else None, epochs=epochs, optimizer=optimizer,
        scheduler=schedule, loss_function=loss_function, early_stopping=watch, progress=False,
    )  # fmt: skip
    cpu_seconds = time.process_time() - started
    measured = {name: evaluation.evaluate(model, batches) for name, batches in checks.items()}
    return {
        "cure": cure, "seed": seed,
        "epoch": watch.best_epoch if watch else epochs,
        "train_loss": measured["train"][0], "train_accuracy": measured["train"][1],
        "test_loss": measured["test"][0], "test_accuracy": measured["test"][1],
        "cpu_seconds": round(cpu_seconds),
    }  # fmt: skip


if __name__ == "__main__":
    record.run(
        record.every(train, CURES, SEEDS, tiny=(("none", "all"), (0,))),
        claim="A network that knows its images by heart does better on new ones with most cures, and is "
        "right most often with all of them.",
        data=f"{PER_CLASS} Fashion-MNIST training images a class, 1,000 others to watch, 10,000 to test",
        needs="FashionMNIST",
    )
