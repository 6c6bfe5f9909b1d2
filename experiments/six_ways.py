"""Come to a classifier for cats and dogs in six ways, from one backbone, with one budget and three seeds.

From scratch, a linear probe, a frozen backbone, full fine-tuning, rates by part, gradual unfreezing: the same
2,000 photographs of 32 pixels and the same number of passes over them. First a search: each way tries four
learning rates on three quarters of the training photographs and is judged on the last quarter. Then each way
trains on all of them with the rate that did best. The validation photographs are looked at once, at the end.

    RESNET_BOOK_DATA=... python experiments/six_ways.py [--workers 2] [--keep FOLDER]

With ``--keep``, what is done is kept in that folder, and a second call goes on from there. Writes
book/results/six_ways.json.
"""

import time
from itertools import product

import pets
import record
import torch

from resnet_utils import data, finetuning, runtime, training

SEEDS = (0, 1, 2)
SIZE, EPOCHS = 32, 8
RATES = (0.01, 0.03, 0.1, 0.3)  # largest rate of the cycle; the linear probe needs none
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
        model, way, pets.as_they_are(images) if cached else pets.batches(images, seed),
        valid_loader=None, epochs=epochs, lr=lr, device="cpu",
    )  # fmt: skip
    cpu_seconds = time.process_time() - started
    logits, labels = training.predict(model, pets.as_they_are(held_out), "cpu")
    right = logits.argmax(dim=1) == labels
    row = {
        "part": part, "way": way, "seed": seed, "size": SIZE, "epochs": epochs, "lr": lr,
        "train_loss": history.train_loss[-1], "train_accuracy": history.train_accuracy[-1],
        "accuracy": right.double().mean().item(), "cpu_seconds": round(cpu_seconds),
    }  # fmt: skip
    answers = "".join("1" if answer else "0" for answer in right.tolist())
    return row | {"correct": answers} if part == FINAL else row


def main() -> None:
    options = record.options(__doc__.splitlines()[0])
    seeds, rates = ((0,), RATES[:2]) if options.tiny else (SEEDS, RATES)
    tried = [
        (SEARCH, way, lr, 0, options.tiny)
        for way, lr in product(finetuning.WAYS, rates)
        if not finetuning.WAYS[way].cached
    ]
    rows, seconds = record.rows_of(train, tried, options)
    best = {}
    for row in rows:  # of equal ones the smaller rate, which comes first
        if row["accuracy"] > best.get(row["way"], (0.0, -1.0))[1]:
            best[row["way"]] = (row["lr"], row["accuracy"])
    jobs = [
        (FINAL, way, best.get(way, (0.0,))[0], seed, options.tiny)
        for way, seed in product(finetuning.WAYS, seeds)
    ]
    final, more_seconds = record.rows_of(train, jobs, options)
    record.write(
        options.output / "book" / "results" / "six_ways.json",
        claim="Fine-tuning beats training from scratch and both ways that leave the backbone as it is.",
        data="2,000 photographs of cats and dogs to train on, 1,000 to validate; the shipped backbone",
        seeds=list(seeds),
        rows=rows + final,
        seconds=seconds + more_seconds,
    )


if __name__ == "__main__":
    main()
