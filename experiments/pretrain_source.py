"""Train the small backbone that comes with the package, on a task without cats and dogs.

Sixteen classes: the eight CIFAR-10 classes that are neither cat nor dog, and the eight other species of
the drawn animals. So chapter 5 can fine-tune it on cats and dogs, photographs or drawn, and the
backbone has seen neither.

    RESNET_BOOK_DATA=... python experiments/pretrain_source.py [--keep FOLDER]

With ``--keep``, the training leaves its state in that folder after each epoch and goes on from there when the
command is given again.

Writes resnet18-source.safetensors to resnet_utils/models/weights/, and its record.
"""

import argparse
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import record
import torch

from resnet_utils import data, evaluation, models, runtime, training
from resnet_utils.data import synthetic
from resnet_utils.files import weights

SEED = 0
SIZE = 32  # pixels
NETWORK = {"name": "resnet18", "stem": "cifar", "width": 24}  # four stages, for images of 32 pixels
EPOCHS = 20
BATCH = 128
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, as in all of this book's photographs
PETS = ("cat", "dog")
SOURCE = "CIFAR-10 (JPEG copy) and drawn animals, without cats and dogs"
PHOTOGRAPHS, DRAWN = 40_000, 6_000  # to train on


def photographs(part: str, every: int) -> data.Split:
    """CIFAR-10 without its cats and dogs, from the re-compressed (JPEG) copy: each ``every``-th."""
    archive_file = record.given("cifar10") / "cifar10_jpeg_full.tar.xz"
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(archive_file) as archive:
            files = [m for m in archive if m.isfile() and m.name.split("/")[0] == part]
            wanted = [m for m in files if m.name.split("/")[1] not in PETS][::every]
            archive.extractall(folder, wanted, filter="data")
        return data.image_folder(Path(folder) / part, size=SIZE)


def drawings(count: int, seed: int) -> data.Split:
    """The eight drawn species that are neither cat nor dog."""
    return data.drawn_animals(count, size=SIZE, seed=seed, species=synthetic.SOURCE)


def joined(first: data.Split, second: data.Split) -> data.Split:
    """Both tasks as one, the classes of the second behind those of the first."""
    return data.Split(
        torch.cat([first.images, second.images]),
        torch.cat([first.labels, second.labels + len(first.classes)]),
        classes=first.classes + tuple(f"drawn {name}" for name in second.classes),
        source=SOURCE,
    )


def task(tiny: bool) -> tuple[data.Split, dict[str, data.Split]]:
    """The images to learn from, and those to test on, by part."""
    every, num_drawn = (200, 320) if tiny else (1, DRAWN)
    train = joined(photographs("train", every), drawings(num_drawn, 1))
    return train, {"photographs": photographs("test", every), "drawn": drawings(max(num_drawn // 8, 16), 2)}


def learn(
    model: models.ResNet, train: data.Split, *, epochs: int, autocast: bool = False, keep: Path | None = None
) -> training.History:
    """Train ``model`` on the device for so many passes; ``keep`` is the file of its state, epoch by epoch."""
    # Crops of many sizes, since the animals of chapter 5 fill more of their pictures than these do.
    augment = data.Compose(
        [data.RandomResizedCrop(scale=(0.3, 1.0), seed=SEED), data.RandomHorizontalFlip(seed=SEED)]
    )
    loader = data.loader(
        train, BATCH, shuffle=True, seed=SEED, augment=augment, mean=MEAN, std=STD, drop_last=True
    )
    device = runtime.device()
    model.to(device).to(memory_format=torch.channels_last)
    optimizer = training.sgd(model, lr=0.2, weight_decay=5e-4, decay_norm_and_bias=False)
    schedule = training.one_cycle(optimizer, steps=epochs * len(loader))
    return training.fit(
        model, loader, None, epochs=epochs, optimizer=optimizer, scheduler=schedule, device=device,
        autocast=autocast, checkpoint=keep,
    )  # fmt: skip


def rows(asked: argparse.Namespace) -> list[record.Row]:
    """Trains, writes the checkpoint, and says how often it is right on each part of the test images."""
    runtime.setup(SEED)
    epochs = 1 if asked.tiny else EPOCHS
    train, tests = task(asked.tiny)
    model = models.build(num_classes=len(train.classes), **NETWORK)
    keep = asked.keep / "source.pt" if asked.keep else None
    history = learn(model, train, epochs=epochs, keep=keep)
    asked.seconds = sum(history.seconds)  # of the training, over all times that the command was given
    print(np.round(history.train_accuracy, 3), file=sys.stderr)

    model.half().float()  # the file keeps 16 bits of each weight, so those are what is tested
    checks = data.loader(joined(*tests.values()), 500, mean=MEAN, std=STD)
    right = evaluation.correct(*evaluation.predict(model, checks)).float()
    parts = right.split([len(part) for part in tests.values()])
    found: list[record.Row] = [
        {"part": part, "images": len(hits), "accuracy": hits.mean().item()}
        for part, hits in zip(tests, parts, strict=True)
    ]
    notes = {
        "data": f"{len(train)} images of {SIZE} px: {train.source}", "steps": epochs * (len(train) // BATCH),
        "seed": SEED, "command": "python experiments/pretrain_source.py", "mean": MEAN, "std": STD,
        **{f"accuracy on {row['part']}": round(row["accuracy"], 4) for row in found},
    }  # fmt: skip
    digest = save(model, train.classes, notes, asked.output)
    return [*found, {"part": "checkpoint", "sha256": digest, "train_loss": history.train_loss[-1]}]


def save(model: models.ResNet, classes: tuple[str, ...], notes: dict, output: Path) -> str:
    """Write the checkpoint with its card to where the package has it; its sha256."""
    path = output / "resnet_utils" / "models" / "weights" / "resnet18-source.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    card = models.card_of(model, NETWORK["name"], classes) | notes
    return weights.save_weights(model.half(), path, card=card)


if __name__ == "__main__":
    record.run(
        rows,
        claim="The shipped backbone has learned its sixteen source classes, none of which is a cat or a dog.",
        data=f"{SOURCE}; {PHOTOGRAPHS + DRAWN} training images, test images never trained on",
        needs="cifar10",
        seeds=[SEED],
        workers=False,
    )
