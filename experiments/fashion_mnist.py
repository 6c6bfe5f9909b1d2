"""Train on the whole of Fashion-MNIST: this book's recipe with three seeds, and d2l's beside it with one.

Ours is a ResNet-18 with the stem for small images and half the usual width; the images, flipped and shifted,
stay at 28 pixels, and the rate makes one cycle. The other is the recipe of "Dive into Deep Learning"
(section 8.6), run by the same loop: its ResNet-18 at full width, images enlarged to 96 pixels, plain SGD at
a constant rate, Xavier's initialisation, no normalisation, no augmentation. Its shortcuts project without
BatchNorm, and so do these here; the biases of its convolutions are left out, since the BatchNorm after them
takes them away again (at a shortcut, the BatchNorm beside it has a shift of its own). Both compute in
bfloat16 where that is safe, and are tested in float32. The test images are looked at once, after the last
epoch.

    RESNET_BOOK_DATA=... python experiments/fashion_mnist.py [--workers 2] [--keep FOLDER]

With ``--keep``, each training leaves its state in that folder after each epoch and goes on from there.
"""

import argparse
import statistics
from pathlib import Path

import record
import torch
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as transforms

from resnet_utils import data, evaluation, models, runtime, training

JOBS = [("d2l", 0), ("this book", 0), ("this book", 1), ("this book", 2)]


def ours(images: data.Split, seed: int, epochs: int) -> dict:
    """What this book's recipe needs: its network, batches, optimiser, schedule and loss."""
    mean, std = data.mean_std(images)
    augment = data.Compose([data.RandomHorizontalFlip(seed=seed), data.RandomCrop(padding=2, seed=seed)])
    batches = data.loader(
        images, 64, shuffle=True, seed=seed, augment=augment, mean=mean, std=std, drop_last=True
    )
    model = models.build("resnet18", 10, in_channels=1, stem="cifar", width=32)
    optimizer = training.sgd(model, lr=0.1, weight_decay=5e-4, decay_norm_and_bias=False)
    return {
        "model": model,
        "batches": batches,
        "optimizer": optimizer,
        "scheduler": training.one_cycle(optimizer, steps=epochs * len(batches)),
        "loss_function": nn.CrossEntropyLoss(label_smoothing=0.1),
        "test": {"mean": mean, "std": std},
    }


def d2l(images: data.Split, seed: int, epochs: int) -> dict:
    """What d2l's recipe needs."""
    model = models.build("resnet18", 10, in_channels=1)
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
        elif isinstance(projection := getattr(module, "downsample", None), nn.Sequential):
            projection[1] = nn.Identity()
    return {
        "model": model,
        "batches": data.loader(images, 128, shuffle=True, seed=seed, augment=enlarged),
        "optimizer": training.sgd(model, lr=0.01, momentum=0.0, weight_decay=0.0),
        "scheduler": None,
        "loss_function": None,
        "test": {"augment": enlarged},
    }


def enlarged(images: Tensor) -> Tensor:
    """The images with 96 pixels a side, bilinear, as bytes."""
    return transforms.resize(images, [96, 96])


RECIPES = {"this book": (ours, 16), "d2l": (d2l, 10)}  # and their epochs


def train(recipe: str, seed: int, tiny: bool, keep: Path | None) -> dict:
    """One training, one row. A worker's whole job, so it reads its own images."""
    runtime.setup(seed)
    images, held_out = data.fashion_mnist()
    if tiny:
        images, held_out = images.take(13), held_out.take(2)
    build, epochs = RECIPES[recipe]
    epochs = 1 if tiny else epochs
    parts = build(images, seed, epochs)
    model = parts["model"].to(memory_format=torch.channels_last)
    history = training.fit(
        model, parts["batches"], None, epochs=epochs, optimizer=parts["optimizer"], device="cpu",
        scheduler=parts["scheduler"], loss_function=parts["loss_function"], autocast=True, progress=False,
        checkpoint=keep / f"{recipe.replace(' ', '-')}-{seed}.pt" if keep else None,
    )  # fmt: skip
    tests = data.loader(held_out, 100, **parts["test"])
    logits, labels = evaluation.predict(model, tests)
    mirrored, _ = evaluation.predict(model, ((images.flip(3), known) for images, known in tests))
    return {
        "recipe": recipe, "seed": seed, "epochs": epochs, "steps": epochs * len(parts["batches"]),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "train_images": len(images), "test_images": len(held_out),
        "train_accuracy_by_epoch": [round(share, 4) for share in history.train_accuracy],
        "test_loss": nn.functional.cross_entropy(logits, labels).item(),
        "accuracy": evaluation.accuracy(logits, labels),
        "accuracy_with_mirror": evaluation.accuracy(logits + mirrored, labels),
        # from the epoch in the middle, so that a training that was held up counts as one that was not
        "train_seconds": round(epochs * statistics.median(history.seconds)),
    }  # fmt: skip


def rows(asked: argparse.Namespace) -> list[record.Row]:
    jobs = [(*job, asked.tiny, asked.keep) for job in JOBS if not asked.tiny or job[1] == 0]
    found = record.rows_of(train, jobs, asked)
    asked.seconds = sum(row["train_seconds"] for row in found) / asked.workers
    return found


if __name__ == "__main__":
    record.run(
        rows,
        claim="A residual network of this book is right on 94.5 % of Fashion-MNIST's test images; d2l's, "
        "with four times the parameters, on fewer.",
        data="Fashion-MNIST, all of it: 60,000 images to train on, 10,000 to test on",
        needs="FashionMNIST",
    )
