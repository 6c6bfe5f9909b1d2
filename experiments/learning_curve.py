"""How many photographs does it take? The same network from its trained weights and from nothing.

10, 30, 100, 300 and 1,000 photographs a class of 32 pixels, three draws of each, and the same number of steps
whatever the number of photographs. Each start has the largest rate that did best in the search of six_ways,
for all numbers of photographs. The validation photographs are looked at once, at the end.

    RESNET_BOOK_DATA=... python experiments/learning_curve.py [--workers 2] [--keep FOLDER]
"""

import math

import pets
import record

from resnet_utils import evaluation, finetuning, runtime

SEEDS = (0, 1, 2)
PER_CLASS = (10, 30, 100, 300, 1000)
SIZE, BATCH, STEPS = 32, 20, 400
RATES = {"scratch": ("from scratch", 0.01), "pretrained": ("full fine-tuning", 0.03)}  # as six_ways found


def train(start: str, per_class: int, seed: int, tiny: bool) -> dict:
    """One training, one row. A worker's whole job, so it reads its own images."""
    runtime.setup(seed)
    images, held_out = pets.photographs(SIZE, tiny)
    chosen = images.take(per_class, seed=seed)
    batches = pets.batches(chosen, seed, batch=BATCH)
    epochs = 1 if tiny else math.ceil(STEPS / len(batches))
    way, lr = RATES[start]
    model = pets.backbone(pretrained=start == "pretrained")
    history = finetuning.fine_tune(model, batches, way=way, epochs=epochs, lr=lr)
    loss, accuracy = evaluation.evaluate(model, pets.as_they_are(held_out))
    return {
        "start": start, "per_class": per_class, "seed": seed, "size": SIZE, "steps": epochs * len(batches),
        "train_accuracy": history.train_accuracy[-1], "loss": loss, "accuracy": accuracy,
    }  # fmt: skip


if __name__ == "__main__":
    record.run(
        record.every(train, RATES, PER_CLASS, SEEDS, tiny=(RATES, (10,), (0,))),
        claim="Fine-tuning is ahead of training from scratch at every number of photographs.",
        data="photographs of cats and dogs, 1,000 to validate; the shipped backbone",
        inputs=[pets.SOURCE],
    )
