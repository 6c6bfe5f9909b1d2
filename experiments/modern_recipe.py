"""Four steps of a modern recipe, one on top of the other, for a ResNet-20 on the CIFAR-10 pixels at hand.

The base is that of ``cifar10.py`` (flips, shifts of four pixels, weight decay, one cycle, batches of 64),
but for half the time. Then TrivialAugment; then mixup or CutMix, one of the two for each batch; then the
same for twice as long. Each run also carries an exponential moving average of its weights, which changes
nothing in the run: it is tested at half-time and at the end, with BatchNorm's averages as the raw weights
left them, and with averages of its own (``update_bn`` over the training images as they are tested). The
test images are only looked at.

    RESNET_BOOK_DATA=... python experiments/modern_recipe.py [--workers 2] [--keep FOLDER]
"""

import copy
import time

import record
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn
from torchvision.transforms import v2

from resnet_utils import data, evaluation, models, runtime, training

SEEDS = (0, 1, 2)
BATCH, EPOCHS, LR, EMA_DECAY = 64, 20, 0.1, 0.998  # an average over 500 batches, four epochs
RECIPES = {
    "base": (set(), 1),
    "+ TrivialAugment": ({"trivial"}, 1),
    "+ mixup or CutMix": ({"trivial", "mix"}, 1),
    "+ twice as long": ({"trivial", "mix"}, 2),
}


def trivial(images: Tensor) -> Tensor:
    """One random change for each image of (N, 3, H, W), bytes; drawn from torch's global generator."""
    change = v2.TrivialAugmentWide()
    return torch.stack([change(image) for image in images])


class Mixed:
    """The batches of a loader, each of them mixed in one of two ways; as long as the loader."""

    def __init__(self, batches: torch.utils.data.DataLoader) -> None:
        self.batches = batches
        self.mix = v2.RandomChoice([v2.MixUp(num_classes=10, alpha=0.2), v2.CutMix(num_classes=10)])

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self):
        return (self.mix(images, labels) for images, labels in self.batches)


def train(seed: int, recipe: str, tiny: bool) -> dict:
    """One training, one row. A worker's whole job, so it reads its own images."""
    runtime.setup(seed)
    taken, times = RECIPES[recipe]
    images, held_out = data.cifar10()
    if tiny:
        images, held_out = images.take(10), held_out.take(2)
    mean, std = data.mean_std(images)
    steps = [data.RandomHorizontalFlip(seed=seed), data.RandomCrop(padding=4, seed=seed)]
    augment = data.Compose([*steps, trivial] if "trivial" in taken else steps)
    batches = data.loader(
        images, BATCH, shuffle=True, seed=seed, augment=augment, mean=mean, std=std, drop_last=True
    )
    shown = Mixed(batches) if "mix" in taken else batches
    as_tested = data.loader(images, 200, mean=mean, std=std)
    checks = data.loader(held_out, 200, mean=mean, std=std)
    model = models.build("resnet20", 10).to(memory_format=torch.channels_last)
    optimizer = training.sgd(model, LR, weight_decay=5e-4, decay_norm_and_bias=False)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(EMA_DECAY))
    optimizer.register_step_post_hook(lambda *_: average.update_parameters(model))
    epochs = 2 if tiny else EPOCHS * times
    schedule = training.one_cycle(optimizer, steps=epochs * len(batches))

    def right(network: nn.Module, *, own_averages: bool) -> float:
        network = copy.deepcopy(network)
        if own_averages:
            update_bn(as_tested, network)
        return evaluation.evaluate(network, checks)[1]

    row = {"recipe": recipe, "seed": seed, "epochs": epochs, "train_images": len(images)}
    started = time.process_time()
    for epoch in range(1, epochs + 1):
        loss, accuracy = training.train_one_epoch(model, shown, optimizer, scheduler=schedule)
        if epoch == epochs // 2:
            row["half_accuracy"] = right(model, own_averages=False)
            row["half_ema_accuracy"] = right(average, own_averages=True)
    row |= {"train_loss": loss, "train_accuracy": accuracy, "test_images": len(held_out)}
    row["test_loss"], row["test_accuracy"] = evaluation.evaluate(model, checks)
    row["test_accuracy_own_averages"] = right(model, own_averages=True)
    row["ema_accuracy_raw_averages"] = right(average, own_averages=False)
    row["ema_accuracy"] = right(average, own_averages=True)
    return row | {"cpu_seconds": round(time.process_time() - started)}


def images_at_hand(rows: list[record.Row]) -> str:
    trained, tested = rows[0]["train_images"], rows[0]["test_images"]
    return f"original CIFAR-10 images: {trained} to train on, {tested} to test on"


if __name__ == "__main__":
    record.run(
        record.every(train, SEEDS, RECIPES, tiny=(SEEDS[:1], RECIPES)),
        claim="What TrivialAugment, mixup or CutMix, an average of the weights and twice the time give a "
        "ResNet-20 on a sixth of CIFAR-10, one on top of the other, in pairs of the same seed.",
        data=images_at_hand,
        needs="cifar10",
    )
