"""How deep a network, and how many pixels, for cats and dogs?

Resolution: the shipped backbone, fine-tuned on the same 2,000 photographs at three sizes, three seeds each.
Depth: three networks of the CIFAR family (20, 32 and 56 layers), trained alike on a part of the backbone's
source task, then fine-tuned at 32 pixels. The recipe and the number of passes are the same everywhere. The
validation photographs are looked at once, at the end.

    RESNET_BOOK_DATA=... python experiments/depth_resolution.py [--workers 2] [--keep FOLDER]
"""

import argparse
import tempfile
import time
from contextlib import nullcontext
from itertools import product
from pathlib import Path

import pets
import pretrain_source
import record
import torch

from resnet_utils import evaluation, finetuning, models, runtime, training
from resnet_utils.analysis import complexity
from resnet_utils.files import weights

SEEDS = (0, 1, 2)
SIZES, DEPTHS = (32, 48, 64), (20, 32, 56)
EPOCHS, LR = 4, 0.05
SOURCE_EVERY, SOURCE_EPOCHS = 4, 6  # each fourth picture of the source task, six times


def train_source(depth: int, folder: str, tiny: bool) -> dict:
    """A network of the CIFAR family with some knowledge of the source task; its file and what it knows."""
    runtime.setup(0)
    images = pretrain_source.photographs("train", 400 if tiny else SOURCE_EVERY)
    held_out = pretrain_source.photographs("test", 400 if tiny else SOURCE_EVERY)
    model = models.build(f"resnet{depth}", len(images.classes)).to(memory_format=torch.channels_last)
    batches = pets.batches(images, 0, batch=64)
    epochs = 1 if tiny else SOURCE_EPOCHS
    optimizer = training.sgd(model, 0.1, weight_decay=5e-4, decay_norm_and_bias=False)
    schedule = training.one_cycle(optimizer, steps=epochs * len(batches))
    training.fit(
        model, batches, epochs=epochs, optimizer=optimizer, scheduler=schedule, progress=False,
    )  # fmt: skip
    path = Path(folder) / f"resnet{depth}.safetensors"
    card = models.card_of(model, f"resnet{depth}", images.classes)
    weights.save_weights(model.to(memory_format=torch.contiguous_format), path, card=card)
    accuracy = evaluation.evaluate(model, pets.as_they_are(held_out))[1]
    return {"path": str(path), "source_accuracy": accuracy}


def train(part: str, path: str, size: int, seed: int, tiny: bool) -> dict:
    """One fine-tuning, one row. A worker's whole job, so it reads its own images."""
    runtime.setup(seed)
    images, held_out = pets.photographs(size, tiny)
    model = pets.backbone(path=Path(path))
    network = weights.card(path)["network"]
    cost = complexity.multiply_adds(model, (1, 3, size, size))
    started = time.process_time()
    finetuning.fine_tune(
        model, pets.batches(images, seed), way="full fine-tuning", epochs=1 if tiny else EPOCHS, lr=LR,
    )  # fmt: skip
    cpu_seconds = time.process_time() - started
    _, accuracy = evaluation.evaluate(model, pets.as_they_are(held_out))
    return {
        "part": part, "network": network, "size": size, "seed": seed, "multiply_adds": cost,
        "parameters": complexity.count_parameters(model), "accuracy": accuracy,
        "cpu_seconds": round(cpu_seconds),
    }  # fmt: skip


def rows(asked: argparse.Namespace) -> list[record.Row]:
    seeds, sizes, depths = ((0,), SIZES[:1], DEPTHS[:1]) if asked.tiny else (SEEDS, SIZES, DEPTHS)
    with nullcontext(asked.keep) if asked.keep else tempfile.TemporaryDirectory() as folder:
        sources = record.rows_of(train_source, [(depth, str(folder), asked.tiny) for depth in depths], asked)
        runs = [("depth", source["path"], SIZES[0], seed) for source, seed in product(sources, seeds)]
        runs += [("resolution", str(pets.SOURCE), size, seed) for size, seed in product(sizes, seeds)]
        found = record.rows_of(train, [(*run, asked.tiny) for run in runs], asked)
    known = {Path(source["path"]).stem: source["source_accuracy"] for source in sources}
    for row in found:
        row["source_accuracy"] = known.get(row["network"]) if row["part"] == "depth" else None
    return found


if __name__ == "__main__":
    record.run(
        rows,
        claim="With this budget, more pixels help and more layers do not.",
        data="2,000 photographs of cats and dogs to train on, 1,000 to validate; the shipped backbone and "
        f"networks trained on each {SOURCE_EVERY}th picture of its source task",
        inputs=[pets.SOURCE],
    )
