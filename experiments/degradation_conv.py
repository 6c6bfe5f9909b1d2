"""Train the paper's plain and residual CIFAR networks of 20 to 56 layers, and see which fit their images.

The convolutional version of chapter 1's experiment. The images are original CIFAR-10 pixels, but only a few
thousand of them, and each network sees them ten times: the order of the networks can be compared with the
paper's (He et al. 2015, section 4.2 and figure 6), the numbers cannot.

Nothing holds the fit back: no augmentation, and the paper's small weight decay.

    RESNET_BOOK_DATA=... python experiments/degradation_conv.py [--workers 2] [--keep FOLDER]
"""

import argparse
import time
from itertools import product

import record
import torch

from resnet_utils import data, evaluation, models, runtime, training

SEEDS, DEPTHS = (0, 1, 2), (20, 32, 44, 56)
PER_CLASS, BATCH, EPOCHS = 320, 32, 10
LR = 0.05  # the paper's 0.1 is for batches of 128


def train(seed: int, depth: int, residual: bool, tiny: bool) -> dict:
    """One training, one row. A worker's whole job, so it reads its own images."""
    runtime.setup(seed)
    images, held_out = data.cifar10()
    images = images.take(4 if tiny else PER_CLASS, seed=0)  # the same images for every seed
    if tiny:
        held_out = held_out.take(2)
    mean, std = data.mean_std(images)
    loader = data.loader(images, BATCH, shuffle=True, seed=seed, mean=mean, std=std, drop_last=not tiny)
    checks = data.loader(images, 200, mean=mean, std=std)
    name = f"{'resnet' if residual else 'plain'}{depth}"
    model = models.build(name, 10).to(memory_format=torch.channels_last)
    optimizer = training.sgd(model, lr=LR, nesterov=False, weight_decay=1e-4)
    epochs = 1 if tiny else EPOCHS
    schedule = training.one_cycle(optimizer, steps=epochs * len(loader))
    started = time.process_time()
    history = training.fit(
        model,
        loader,
        None,
        epochs=epochs,
        optimizer=optimizer,
        device="cpu",
        scheduler=schedule,
        progress=False,
    )
    cpu_seconds = time.process_time() - started
    loss, accuracy = evaluation.evaluate(model, checks)
    _, held_out_accuracy = evaluation.evaluate(model, data.loader(held_out, 200, mean=mean, std=std))
    return {
        "network": name, "depth": depth, "residual": residual, "seed": seed,
        "curve": [round(value, 4) for value in history.train_loss],
        "train_loss": loss, "train_error": 1 - accuracy, "test_error": 1 - held_out_accuracy,
        "cpu_seconds": round(cpu_seconds),
    }  # fmt: skip


def rows(asked: argparse.Namespace) -> list[record.Row]:
    seeds, depths = ((0,), (20,)) if asked.tiny else (SEEDS, DEPTHS)
    jobs = [(*job, asked.tiny) for job in product(seeds, reversed(depths), (False, True))]
    found = record.rows_of(train, jobs, asked)
    return sorted(found, key=lambda row: (row["depth"], row["residual"], row["seed"]))


if __name__ == "__main__":
    record.run(
        rows,
        claim="The deeper a plain network, the worse it fits its own training images; "
        "every residual one fits them better than any plain one.",
        data=f"{PER_CLASS} original CIFAR-10 training images a class; tested on 1,017 original test images",
        needs="cifar10",
    )
