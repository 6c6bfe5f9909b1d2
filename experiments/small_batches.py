"""BatchNorm, GroupNorm, and GroupNorm with standardised weights, with batches of 2 to 64 images.

A ResNet-20 of width 8 on 400 images of each class of Fashion-MNIST, two epochs of one cycle, three seeds.
The peak rate shrinks with the batch in two ways, in proportion to its size and to the root of it, so that
no kind of norm is judged by one rate alone. Networks with BatchNorm are tested twice: with their running
averages, and with averages taken afresh over large batches (``update_bn``), which tells what the training
has cost from what the averages have. All test images are looked at once, at the end.

    RESNET_BOOK_DATA=... python experiments/small_batches.py [--workers 2] [--keep FOLDER]
"""

import time

import record
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.optim.swa_utils import update_bn

from resnet_utils import data, evaluation, models, runtime, training

SEEDS = (0, 1, 2)
NORMS, BATCHES = ("BatchNorm", "GroupNorm", "GroupNorm, standardised weights"), (2, 4, 16, 64)
SCALING = {"in proportion": 1.0, "by the root": 0.5}
PER_CLASS, EPOCHS, LR, CHANNELS_A_GROUP = 400, 2, 0.1, 4


class Standardised(nn.Module):
    """Each filter with mean 0 and variance 1. Source: Qiao et al. 2019, arXiv:1903.10520, section 3."""

    def forward(self, weight: Tensor) -> Tensor:
        variance, mean = torch.var_mean(weight, dim=(1, 2, 3), keepdim=True)
        return (weight - mean) / (variance + 1e-5).sqrt()


def network(norm: str) -> nn.Module:
    """A ResNet-20 of width 8 with another kind of norm. Source of GroupNorm: Wu and He, arXiv:1803.08494."""
    model = models.build("resnet20", 10, in_channels=1, width=8)
    if norm == "BatchNorm":
        return model
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                groups = child.num_features // CHANNELS_A_GROUP
                setattr(parent, name, nn.GroupNorm(groups, child.num_features))
            if isinstance(child, nn.Conv2d) and "standardised" in norm:
                parametrize.register_parametrization(child, "weight", Standardised())
    return model


def train(seed: int, batch: int, scaling: str, norm: str, tiny: bool) -> dict:
    """One training, one row. A worker's whole job, so it reads its own images."""
    runtime.setup(seed)
    everything, test = data.fashion_mnist()
    images = everything.take(26 if tiny else PER_CLASS, seed=0)
    test = test.take(3) if tiny else test
    mean, std = data.mean_std(images)
    augment = data.RandomCrop(padding=2, seed=seed)
    batches = data.loader(
        images, batch, shuffle=True, seed=seed, augment=augment, mean=mean, std=std, drop_last=True
    )
    model = network(norm).to(memory_format=torch.channels_last)
    rate = LR * (batch / max(BATCHES)) ** SCALING[scaling]
    optimizer = training.sgd(model, rate, weight_decay=5e-4, decay_norm_and_bias=False)
    schedule = training.one_cycle(optimizer, steps=EPOCHS * len(batches))
    started = time.process_time()
    history = training.fit(
        model, batches, epochs=EPOCHS, optimizer=optimizer, scheduler=schedule, progress=False
    )
    checks = data.loader(test, 500, mean=mean, std=std)
    loss, accuracy = evaluation.evaluate(model, checks)
    update_bn(data.loader(images, 200, mean=mean, std=std), model)  # nothing to do without BatchNorm
    _, afresh = evaluation.evaluate(model, checks)
    return {
        "norm": norm, "batch": batch, "scaling": scaling, "rate": rate, "seed": seed,
        "steps": EPOCHS * len(batches), "train_loss": history.train_loss[-1],
        "test_loss": loss, "test_accuracy": accuracy, "test_accuracy_averages_afresh": afresh,
        "cpu_seconds": round(time.process_time() - started, 1),
    }  # fmt: skip


if __name__ == "__main__":
    record.run(
        record.every(
            train, SEEDS, BATCHES, SCALING, NORMS, tiny=(SEEDS[:1], BATCHES[-1:], ["by the root"], NORMS)
        ),
        claim="What a BatchNorm loses with small batches, beside GroupNorm, which knows no batch.",
        data=f"{PER_CLASS} Fashion-MNIST training images a class, 10,000 to test",
        needs="FashionMNIST",
    )
