"""Four steps of a modern recipe, one on top of the other, for a ResNet-20 on the CIFAR-10 pixels at hand.

The base is that of ``cifar10.py`` (flips, shifts of four pixels, weight decay, one cycle, batches of 64),
but for less time, and in bfloat16 where that is safe; every test is in float32. Then TrivialAugment; then
mixup or CutMix, one of the two for each batch; then the same for twice as long. Each run also carries an
exponential moving average of its weights, which changes nothing in the run. Both are tested at half-time and
at the end, with BatchNorm's averages as the training left them, and with averages of their own (``update_bn``
over the training images as they are tested). The test images are only looked at.

    RESNET_BOOK_DATA=... python experiments/modern_recipe.py [--workers 2] [--keep FOLDER]
"""

import copy
import time

import record
import small_images
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from resnet_utils import data, evaluation, models, runtime, training

SEEDS = (0, 1, 2)
BATCH, EPOCHS, LR, EMA_DECAY = 64, 12, 0.1, 0.997  # an average over 333 batches, two epochs
RECIPES = {
    "base": (set(), 1),
    "+ TrivialAugment": ({"trivial"}, 1),
    "+ mixup or CutMix": ({"trivial", "mix"}, 1),
    "+ twice as long": ({"trivial", "mix"}, 2),
}


def mixed(batches: DataLoader, seed: int) -> data.MixedBatches:
    """The batches, each of them mixed in one of two ways."""
    ways = [v2.MixUp(num_classes=10, alpha=0.2), v2.CutMix(num_classes=10)]
    return data.MixedBatches(batches, v2.RandomChoice(ways), seed=seed)


def train(seed: int, recipe: str, tiny: bool) -> dict:
    """One training, one row. A worker's whole job, so it reads its own images."""
    runtime.setup(seed)
    taken, times = RECIPES[recipe]
    pictures = small_images.cifar(tiny)
    steps = small_images.flips_and_shifts(seed)
    if "trivial" in taken:
        steps.append(data.PerImage(v2.TrivialAugmentWide(), seed=seed))
    augment = data.Compose(steps)
    batches = pictures.batches(BATCH, augment=augment, seed=seed, drop_last=True)
    shown = mixed(batches, seed) if "mix" in taken else batches
    as_tested = data.loader(pictures.images, 200, mean=pictures.mean, std=pictures.std)
    checks = pictures.tests()
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

    row = {"recipe": recipe, "seed": seed, "epochs": epochs, "train_images": len(pictures.images)}
    started = time.process_time()
    for epoch in range(1, epochs + 1):
        loss, accuracy = training.train_one_epoch(model, shown, optimizer, scheduler=schedule, autocast=True)
        if epoch == epochs // 2:
            row["half_accuracy"] = right(model, own_averages=False)
            row["half_accuracy_own_averages"] = right(model, own_averages=True)
            row["half_ema_accuracy"] = right(average, own_averages=True)
    row |= {"train_loss": loss, "train_accuracy": accuracy, "test_images": len(pictures.held_out)}
    row["test_loss"], row["test_accuracy"] = evaluation.evaluate(model, checks)
    row["test_accuracy_own_averages"] = right(model, own_averages=True)
    row["ema_accuracy_raw_averages"] = right(average, own_averages=False)
    row["ema_accuracy"] = right(average, own_averages=True)
    return row | {"cpu_seconds": round(time.process_time() - started)}


if __name__ == "__main__":
    record.run(
        record.every(train, SEEDS, RECIPES, tiny=(SEEDS[:1], RECIPES)),
        claim="What TrivialAugment, mixup or CutMix, an average of the weights and twice the time give a "
        "ResNet-20 on a sixth of CIFAR-10, one on top of the other, in pairs of the same seed.",
        data=small_images.images_at_hand,
        needs="cifar10",
    )
