"""Come to a classifier for cats and dogs in six ways, from one backbone, with one budget and three seeds.

From scratch, a linear probe, a frozen backbone, full fine-tuning, rates by part, gradual unfreezing: the same
2,000 photographs of 32 pixels and the same number of passes over them. First a search: each way tries three
learning rates on three quarters of the training photographs and is judged on the last quarter; as long as the
best one is the smallest or the largest, it tries the next one too. Then each way trains on all of them with
the rate that did best. The validation photographs are looked at once, at the end.

    RESNET_BOOK_DATA=... python experiments/six_ways.py [--workers 2] [--keep FOLDER]
"""

import argparse
import time
from itertools import product

import pets
import record
import torch

from resnet_utils import data, evaluation, finetuning, runtime

SEEDS = (0, 1, 2)
SIZE, EPOCHS = 32, 6
RATES = (0.01, 0.03, 0.1)  # largest rate of the cycle, to begin with; the linear probe needs none
STEP = 3  # from one rate to the next beyond those
SEARCH, FINAL = "search", "final"


def parts_of(part: str, tiny: bool) -> tuple[data.Split, data.Split]:
    """Photographs to train on, and others to judge by: for the search both from the training photographs."""
    images, held_out = pets.photographs(SIZE, tiny)
    if part == FINAL:
        return images, held_out
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    judged = len(images) // 4
    return images.subset(order[judged:]), images.subset(order[:judged])


def train(part: str, way: str, lr: float, seed: int, tiny: bool) -> dict:
    """One training, one row. A worker's whole job, so it reads its own images."""
    runtime.setup(seed)
    images, held_out = parts_of(part, tiny)
    model = pets.backbone(pretrained=finetuning.WAYS[way].pretrained)
    cached = finetuning.WAYS[way].cached
    epochs = 1 if tiny else EPOCHS
    started = time.process_time()
    history = finetuning.fine_tune(
        model, pets.as_they_are(images) if cached else pets.batches(images, seed), way=way, epochs=epochs,
        lr=lr,
    )  # fmt: skip
    cpu_seconds = time.process_time() - started
    logits, labels = evaluation.predict(model, pets.as_they_are(held_out))
    right = logits.argmax(dim=1) == labels
    row = {
        "part": part, "way": way, "seed": seed, "size": SIZE, "epochs": epochs, "lr": lr,
        "train_loss": history.train_loss[-1], "train_accuracy": history.train_accuracy[-1],
        "accuracy": right.double().mean().item(), "cpu_seconds": round(cpu_seconds),
    }  # fmt: skip
    answers = "".join("1" if answer else "0" for answer in right.tolist())
    return row | {"correct": answers} if part == FINAL else row


def search(asked: argparse.Namespace) -> tuple[dict[str, float], list[record.Row]]:
    """The best rate of each way that needs one, and all rows of the search."""
    todo = {way: list(RATES) for way, how in finetuning.WAYS.items() if not how.cached}
    judged: dict[str, dict[float, float]] = {way: {} for way in todo}
    found = []
    while any(todo.values()):
        tried = [(SEARCH, way, lr, 0, asked.tiny) for way, rates in todo.items() for lr in rates]
        more = record.rows_of(train, tried, asked)
        found += more
        for row in more:
            judged[row["way"]][row["lr"]] = row["accuracy"]
        for way, accuracy in judged.items():
            best, low, high = max(accuracy, key=accuracy.__getitem__), min(accuracy), max(accuracy)
            beyond = {high: best * STEP, low: best / STEP}
            todo[way] = [round(beyond[best], 6)] if best in beyond else []
        if asked.tiny:
            break
    return {way: max(accuracy, key=accuracy.__getitem__) for way, accuracy in judged.items()}, found


def rows(asked: argparse.Namespace) -> list[record.Row]:
    seeds = (0,) if asked.tiny else SEEDS
    best, tried = search(asked)
    ways = product(finetuning.WAYS, seeds)
    jobs = [(FINAL, way, best.get(way, 0.0), seed, asked.tiny) for way, seed in ways]
    return tried + record.rows_of(train, jobs, asked)


if __name__ == "__main__":
    record.run(
        rows,
        claim="Fine-tuning beats training from scratch and both ways that leave the backbone as it is.",
        data="2,000 photographs of cats and dogs to train on, 1,000 to validate; the shipped backbone",
        inputs=[pets.SOURCE],
    )
