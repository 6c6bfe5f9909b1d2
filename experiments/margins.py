"""How far each answer of three classifiers is from the border: what one needs to touch a temperature.

Linear heads on the shipped backbone's features of 500 photographs, the same for all. They differ in their
weight decay alone: with little a head fits the 500 closely, with much it dares little. Kept is the
logit of the true class minus that of the other one, for every validation photograph, in two halves: one to
choose a temperature on, one to judge it.

    RESNET_BOOK_DATA=... python experiments/margins.py [--workers 2] [--keep FOLDER]
"""

import pets
import record
import torch

from resnet_utils import evaluation, finetuning, runtime

DECAYS = (0.001, 0.1, 1.0)
SIZE, PER_CLASS = 32, 250


def train(decay: float, seed: int, tiny: bool) -> dict:
    """One head, one row. A worker's whole job, so it reads its own images."""
    runtime.setup(seed)
    train, valid = pets.photographs(SIZE, tiny)
    few = train.take(10 if tiny else PER_CLASS, seed=seed)
    model = pets.backbone()
    features, labels = finetuning.cached_features(model, pets.as_they_are(few))
    head = finetuning.linear_probe(features, labels, num_classes=2, weight_decay=decay)
    new, due = finetuning.cached_features(model, pets.as_they_are(valid))
    with torch.inference_mode():
        own, logits = head(features), head(new).double()
    margins = 2 * logits.gather(1, due[:, None])[:, 0] - logits.sum(dim=1)  # of two: true minus other
    order = torch.randperm(len(due), generator=torch.Generator().manual_seed(0))
    first, second = ([round(value, 4) for value in margins[half].tolist()] for half in order.chunk(2))
    return {
        "weight_decay": decay, "seed": seed,
        "train_accuracy": evaluation.accuracy(own, labels), "accuracy": evaluation.accuracy(logits, due),
        "choose": first, "judge": second,
    }  # fmt: skip


if __name__ == "__main__":
    record.run(
        record.every(train, DECAYS, (0,), tiny=(DECAYS, (0,))),
        claim="Three heads on the same features: with little weight decay a head is too sure of new "
        "photographs, with much it is too shy.",
        data=f"{PER_CLASS} photographs of cats and of dogs to train on, 1,000 to validate",
        inputs=[pets.SOURCE],
    )
