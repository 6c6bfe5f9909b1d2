"""From a ResNet-20 to a small ConvNeXt, step by step, under two recipes and from three seeds.

Width 8, 400 images of each class of Fashion-MNIST, four epochs of one cycle with shifts of two pixels: the
training of chapter 4's story, once with SGD and once with AdamW, which ConvNeXt was made with. One rate for
each, the same for all steps, and not tuned for any of them. All test images are looked at once, at the end.

    RESNET_BOOK_DATA=... python experiments/convnext_steps.py [--workers 2] [--keep FOLDER]
"""

import record
import small_images
import torch

from resnet_utils import data, evaluation, runtime, training
from resnet_utils.analysis import complexity
from resnet_utils.models.modernized import STEPS, modernized

SEEDS, RECIPES = (0, 1, 2), ("SGD", "AdamW")
PER_CLASS, BATCH, EPOCHS, WIDTH = 400, 64, 4, 8


def train(seed: int, recipe: str, step: str, tiny: bool) -> dict:
    """One training, one row. A worker's whole job, so it reads its own images."""
    runtime.setup(seed)
    pictures = small_images.clothes(13 if tiny else PER_CLASS, tiny)
    batches = pictures.batches(BATCH, augment=data.RandomCrop(padding=2, seed=seed), seed=seed)
    model = modernized(STEPS.index(step), in_channels=1, width=WIDTH).to(memory_format=torch.channels_last)
    if recipe == "SGD":
        optimizer = training.sgd(model, 0.1, weight_decay=5e-4, decay_norm_and_bias=False)
    else:
        optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.05)
    history, cpu_seconds = small_images.train_by_one_cycle(model, batches, optimizer, epochs=EPOCHS)
    loss, accuracy = evaluation.evaluate(model, pictures.tests(500))
    return {
        "step": step, "recipe": recipe, "seed": seed,
        "parameters": complexity.count_parameters(model),
        "multiply_adds": complexity.multiply_adds(model, (1, 1, 28, 28)),
        "train_loss": history.train_loss[-1], "test_loss": loss, "test_accuracy": accuracy,
        "cpu_seconds": round(cpu_seconds, 1),
    }  # fmt: skip


if __name__ == "__main__":
    record.run(
        record.every(train, SEEDS, RECIPES, STEPS, tiny=(SEEDS[:1], RECIPES, (STEPS[0], STEPS[-1]))),
        claim="What each step from a ResNet-20 to a small ConvNeXt costs and gives in a short training.",
        data=f"{PER_CLASS} Fashion-MNIST training images a class, 10,000 to test",
        needs="FashionMNIST",
    )
