"""What helps against over-fitting when a trained network learns 500 photographs? Each cure by itself.

Full fine-tuning on 250 photographs a class of 32 pixels, 15 passes: without a cure, with augmentation, weight
decay (L2), an L1 penalty, a penalty on the distance from the start, dropout, label smoothing, early stopping,
and with those that are usual together. Runs of one seed begin with the same weights and have the same
photographs. Early stopping watches 500 other training photographs; the validation photographs are looked at
once, at the end.

    RESNET_BOOK_DATA=... python experiments/tuning_cures.py [--workers 2] [--keep FOLDER]
"""

import pets
import record
import torch
from torch import nn

from resnet_utils import data, evaluation, models, runtime, training
from resnet_utils.runtime import types

SEEDS = (0, 1, 2)
SIZE, PER_CLASS, EPOCHS, LR = 32, 250, 15, 0.02
CURES = {
    "none": set(),
    **{
        name: {name}
        for name in (
            "augmentation", "weight decay", "L1", "distance from start", "dropout", "label smoothing",
            "early stopping",
        )
    },
    "together": {"augmentation", "weight decay", "label smoothing", "early stopping"},
}  # fmt: skip


def splits(tiny: bool) -> dict[str, data.Split]:
    """Photographs to train on, to watch, and to validate with; the watched ones are not trained on."""
    everything, valid = pets.photographs(SIZE, tiny)
    count = 10 if tiny else PER_CLASS
    both = everything.take(2 * count, seed=0)
    by_class = [(both.labels == k).nonzero()[:, 0] for k in range(2)]
    first, second = (
        torch.cat([places[part] for places in by_class]) for part in (slice(count), slice(count, None))
    )
    return {"train": both.subset(first), "watched": both.subset(second), "valid": valid}


def loss_for(model: nn.Module, taken: set[str]) -> types.LossFunction:
    """The loss function that belongs to the cures taken."""
    loss = nn.CrossEntropyLoss(label_smoothing=0.1 if "label smoothing" in taken else 0.0)
    if "L1" in taken:
        return training.with_l1(model, 1e-5, loss_function=loss)
    if "distance from start" in taken:
        return training.with_l2_from_start(model, 1e-2, loss_function=loss)
    return loss


def trained(cure: str, seed: int, tiny: bool) -> tuple[models.ResNet, dict[str, data.Split], int]:
    """A network fine-tuned with a cure, the photographs by part, and the epoch whose weights it has."""
    runtime.setup(seed)
    parts, taken = splits(tiny), CURES[cure]
    model = pets.backbone()
    if "dropout" in taken:
        model.reset_head(2, dropout=0.5)
    batches = pets.batches(parts["train"], seed, batch=20, augmented="augmentation" in taken)
    optimizer = training.sgd(
        model, LR, weight_decay=1e-2 if "weight decay" in taken else 0.0, decay_norm_and_bias=False
    )
    epochs = 1 if tiny else EPOCHS
    schedule = training.one_cycle(optimizer, steps=epochs * len(batches))
    watch, watched = None, None
    if "early stopping" in taken:
        watch = training.EarlyStopping(model, patience=epochs)  # it only chooses the epoch
        watched = pets.as_they_are(parts["watched"])
    training.fit(
        model, batches, watched, epochs=epochs, optimizer=optimizer, scheduler=schedule,
        loss_function=loss_for(model, taken), early_stopping=watch, progress=False,
    )  # fmt: skip
    return model, parts, watch.best_epoch if watch else epochs


def train(cure: str, seed: int, tiny: bool) -> dict:
    """One training, one row. A worker's whole job, so it reads its own images."""
    model, parts, epoch = trained(cure, seed, tiny)
    measured = {k: evaluation.evaluate(model, pets.as_they_are(part)) for k, part in parts.items()}
    return {
        "cure": cure, "seed": seed, "size": SIZE, "epoch": epoch,
        "train_loss": measured["train"][0], "train_accuracy": measured["train"][1],
        "loss": measured["valid"][0], "accuracy": measured["valid"][1],
    }  # fmt: skip


if __name__ == "__main__":
    record.run(
        record.every(train, CURES, SEEDS, tiny=(("none", "together"), (0,))),
        claim="A fine-tuned network knows 500 photographs by heart; most cures change how sure it is, "
        "and hardly how often it is right.",
        data=f"{PER_CLASS} photographs a class to train on, as many others to watch, 1,000 to validate",
        inputs=[pets.SOURCE],
    )
