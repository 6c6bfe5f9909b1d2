"""Train the small backbone that comes with the package, on a task without cats and dogs.

Sixteen classes: the eight CIFAR-10 classes that are neither cat nor dog, and the eight other species of
the drawn animals. So chapter 5 can fine-tune it on cats and dogs, photographs or drawn, and the
backbone has seen neither.

    RESNET_BOOK_DATA=... python experiments/pretrain_source.py [--keep FOLDER]

With ``--keep``, the training leaves its state in that folder after each epoch and goes on from there when the
command is given again.

Writes resnet18-source.safetensors to resnet_utils/models/weights/, and its record.
"""

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
        source="CIFAR-10 (JPEG copy) and drawn animals, without cats and dogs",
    )


def main() -> None:
    options = record.options(__doc__.splitlines()[0], workers=False)
    runtime.setup(SEED)
    every, num_drawn, epochs = (200, 320, 1) if options.tiny else (1, 6_000, EPOCHS)
    train = joined(photographs("train", every), drawings(num_drawn, 1))
    test_parts = {
        "photographs": photographs("test", every),
        "drawn": drawings(max(num_drawn // 8, 16), 2),
    }
    test = joined(*test_parts.values())
    # Crops of many sizes, since the animals of chapter 5 fill more of their pictures than these do.
    augment = data.Compose(
        [data.RandomResizedCrop(scale=(0.3, 1.0), seed=SEED), data.RandomHorizontalFlip(seed=SEED)]
    )
    loader = data.loader(
        train, BATCH, shuffle=True, seed=SEED, augment=augment, mean=MEAN, std=STD, drop_last=True
    )
    checks = data.loader(test, 500, mean=MEAN, std=STD)

    device = runtime.device()
    model = models.build(num_classes=len(train.classes), **NETWORK)
    model = model.to(device, memory_format=torch.channels_last)
    optimizer = training.sgd(model, lr=0.2, weight_decay=5e-4, decay_norm_and_bias=False)
    schedule = training.one_cycle(optimizer, steps=epochs * len(loader))
    history = training.fit(
        model, loader, None, epochs=epochs, optimizer=optimizer, scheduler=schedule, device=device,
        checkpoint=options.keep / "source.pt" if options.keep else None,
    )  # fmt: skip

    model.half().float()  # the file keeps 16 bits of each weight, so those are what is tested
    logits, labels = evaluation.predict(model, checks)
    right = (logits.argmax(dim=1) == labels).float()
    boundary = len(test_parts["photographs"])
    rows = [
        {"part": "photographs", "images": boundary, "accuracy": right[:boundary].mean().item()},
        {"part": "drawn", "images": len(right) - boundary, "accuracy": right[boundary:].mean().item()},
    ]
    seconds = sum(history.seconds)  # of the training, over all times that the command was given
    path = options.output / "resnet_utils" / "models" / "weights" / "resnet18-source.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    card = models.describe(model, NETWORK["name"], train.classes) | {
        "data": f"{len(train)} images of {SIZE} px: {train.source}",
        "steps": epochs * len(loader),
        "seed": SEED,
        "command": "python experiments/pretrain_source.py",
        "mean": MEAN,
        "std": STD,
        **{f"accuracy on {row['part']}": round(row["accuracy"], 4) for row in rows},
    }
    digest = weights.save_weights(model.half(), path, card=card)
    record.write(
        options.output / "resnet_utils" / "reporting" / "records" / "pretrain_source.json",
        claim="The shipped backbone has learned its sixteen source classes, none of which is a cat or a dog.",
        data=f"{train.source}; {len(train)} training images, test images never trained on",
        seeds=[SEED],
        rows=[*rows, {"part": "checkpoint", "sha256": digest, "train_loss": history.train_loss[-1]}],
        seconds=seconds,
    )
    print(rows, f"{seconds:.0f} s", np.round(history.train_accuracy, 3), file=sys.stderr)


if __name__ == "__main__":
    main()
