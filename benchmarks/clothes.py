"""Row 6: time to accuracy on Fashion-MNIST, beside the ResNet-18 of "Dive into Deep Learning" (d2l).

Its recipe, written anew: a ResNet-18 at full width whose shortcuts project with a bias and without
BatchNorm, images enlarged to 96 pixels, batches of 256, plain SGD at the rate 0.05, ten epochs, Xavier's
initialisation. Its authors have published three outputs of it (``PUBLISHED``); we ask for the best of them.
Ten epochs take hours on two cores. So the seconds of its step are measured in turn with ours and
multiplied; its accuracy is the published one. ``--whole`` trains it to the end, in hours.

Ours is a ResNet-20 of width 16 at 28 pixels, flipped and shifted, with one cycle of the rate. It is trained
to the end and tested once, after its last epoch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as transforms

from benchmarks import harness
from benchmarks.harness import Kept, Settings, Spread, Stopwatch
from benchmarks.table import Line, not_here, of_ratio
from resnet_utils import data, evaluation, models, runtime, training
from resnet_utils.data import synthetic
from resnet_utils.runtime import speed, timing

ROW, TITLE = 6, "time to accuracy on Fashion-MNIST, beside d2l's ResNet-18"
TARGET = "<= 0.125"
# test accuracy that d2l's authors have published for ResNet-18, 96 px, batch 256, rate 0.05, 10 epochs
PUBLISHED = {
    "zh.d2l.ai, section 7.6 for PyTorch, as copies of the page quote it": 0.893,
    "github.com/d2l-ai/d2l-zh-pytorch-slides at 0919cbe4, resnet.ipynb of 2021-07-24": 0.907,
    "github.com/d2l-ai/d2l-pytorch-slides-classic at b52eccbc, resnet.ipynb of 2022-11-12": 0.865,
}
BEST = max(PUBLISHED.values())
THEIR_BATCH, THEIR_RATE, THEIR_EPOCHS, THEIR_SIZE = 256, 0.05, 10, 96
BATCH, RATE, EPOCHS = 128, 0.2, 5


class Theirs(nn.Module):
    """d2l's ResNet-18, from what it says of it: ours, with biases, and projections without BatchNorm.

    Shapes: ``(N, 1, H, W) -> (N, 10)``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.network = models.build("resnet18", 10, in_channels=1)
        for module in list(self.network.modules()):
            projection = getattr(module, "downsample", None)
            if isinstance(projection, nn.Sequential):
                projection[1] = nn.Identity()
            for name, part in module.named_children():
                if isinstance(part, nn.Conv2d):
                    setattr(module, name, _with_bias(part))
        for module in self.network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images)


def _with_bias(conv: nn.Conv2d) -> nn.Conv2d:
    shape: Any = (conv.kernel_size, conv.stride, conv.padding)
    return nn.Conv2d(conv.in_channels, conv.out_channels, *shape, bias=True)


def enlarged(images: Tensor) -> Tensor:
    """The images with 96 pixels a side, bilinear, as bytes.

    Args:
        images: uint8 (N, 1, 28, 28).
    """
    return transforms.resize(images, [THEIR_SIZE, THEIR_SIZE])


def their_parts(images: data.Split, seed: int, *, batch: int = THEIR_BATCH) -> dict:
    """Model, batches and optimizer of d2l's recipe.

    Args:
        images: to train on.
        batch: images a step; another one only to measure the time of an image.
        seed: of the order; the caller has seeded the weights.
    """
    model = Theirs()
    batches = data.loader(images, batch, shuffle=True, seed=seed, augment=enlarged)
    return {"model": model, "batches": batches, "optimizer": torch.optim.SGD(model.parameters(), THEIR_RATE)}


def our_parts(images: data.Split, seed: int, epochs: int, *, half: bool = False) -> dict:
    """Model, batches, optimizer, schedule of ours.

    Args:
        images: to train on.
        seed: of order, flips and shifts; the caller has seeded the weights.
        epochs: the cycle of the rate lasts so long.
        half: whether a step is to compute in 16 bits.
    """
    mean, std = data.mean_std(images)
    augment = data.Compose([data.RandomHorizontalFlip(seed=seed), data.RandomCrop(padding=2, seed=seed)])
    batches = data.loader(
        images, min(BATCH, len(images)), shuffle=True, seed=seed, augment=augment, mean=mean, std=std,
        drop_last=True,
    )  # fmt: skip
    model = models.build("resnet20", 10, in_channels=1).to(memory_format=torch.channels_last)
    optimizer = training.sgd(model, lr=RATE, weight_decay=5e-4, decay_norm_and_bias=False)
    return {
        "model": model, "batches": batches, "optimizer": optimizer, "mean": mean, "std": std,
        "scheduler": training.one_cycle(optimizer, steps=epochs * len(batches)),
        "autocast": half,
    }  # fmt: skip


def step_of(parts: dict, device: torch.device) -> harness.Work:
    """One step of a recipe, its batch included, as often as it is called.

    Args:
        parts: of ``their_parts`` or ``our_parts``.
        device: where to compute.
    """
    model, optimizer = parts["model"].to(device).train(), parts["optimizer"]
    batches = _endless(parts["batches"])

    def work() -> None:
        images, labels = next(batches)
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=parts.get("autocast", False)):
            loss = nn.functional.cross_entropy(model(images.to(device)), labels.to(device))
        loss.backward()
        loss.item()  # as both loops do, for what they tell
        optimizer.step()

    return work


def _endless(batches):
    while True:
        yield from batches


def trained(who: str, seed: int, settings: Settings) -> dict:
    """Train one of the recipes to its end and test it; with ``keep`` it goes on where it was stopped.

    Args:
        who: "ours" or "d2l".
        seed: of everything random.
        settings: how the row is to be run.

    Returns:
        Test accuracy, epochs, steps, wall and processor seconds of the epochs.
    """
    train, test = images(settings)
    runtime.seed_everything(seed)
    half = speed.has_half(settings.device)
    epochs = settings.of(full=EPOCHS if who == "ours" else THEIR_EPOCHS, quick=1, tiny=1)
    parts = our_parts(train, seed, epochs, half=half) if who == "ours" else their_parts(train, seed)
    place = settings.keep / f"fashion-{who}-{seed}.pt" if settings.keep else None
    model, watch = parts["model"].to(settings.device), Stopwatch()
    with timing.torch_threads(1), watch.running():
        history = training.fit(
            model, parts["batches"], None, epochs=epochs, optimizer=parts["optimizer"],
            scheduler=parts.get("scheduler"), fast=who == "ours", checkpoint=place,
            progress=False,
        )  # fmt: skip
    size: dict[str, Any] = (
        {"mean": parts["mean"], "std": parts["std"]} if who == "ours" else {"augment": enlarged}
    )
    logits, labels = evaluation.predict(model, data.loader(test, 250, **size), fast=False)
    return {
        "accuracy": evaluation.accuracy(logits, labels), "seed": seed, "epochs": epochs,
        "steps": epochs * len(parts["batches"]), "wall": sum(history.seconds),
        "processor": watch.processor,
    }  # fmt: skip


def images(settings: Settings) -> tuple[data.Split, data.Split]:
    """Fashion-MNIST to train on and to test with; a few drawings in the tiny mode.

    Args:
        settings: how the row is to be run.

    Raises:
        FileNotFoundError: if the images are not at hand.
    """
    if settings.mode == "tiny":
        drawn: dict[str, Any] = {"size": 28, "species": synthetic.SPECIES, "gray": True}
        return data.drawn_animals(20, seed=0, **drawn), data.drawn_animals(20, seed=1, **drawn)
    folder = data.data_folder()
    if folder is None or not (folder / "FashionMNIST").is_dir():
        raise FileNotFoundError("it needs FashionMNIST/ in the folder that RESNET_BOOK_DATA names")
    return data.fashion_mnist()


def run(settings: Settings) -> list[Line]:
    """The lines of this row.

    Args:
        settings: how it is to be run.
    """
    what = (
        f"Fashion-MNIST, resnet20 at 28 px, {EPOCHS} epochs, beside d2l's at {THEIR_SIZE} px, {THEIR_EPOCHS}"
    )
    measure = "our processor time / d2l's"
    try:
        train, _ = images(settings)
    except FileNotFoundError as error:
        return [not_here(ROW, what, measure, str(error), TARGET)]
    batch = settings.of(full=THEIR_BATCH, quick=64, tiny=8)
    runtime.seed_everything(0)
    parts = {
        "ours": our_parts(train, 0, EPOCHS, half=speed.has_half(settings.device)),
        "d2l": their_parts(train, 0, batch=batch),
    }
    works = {who: step_of(part, settings.device) for who, part in parts.items()}
    found = harness.compare(works, rounds=settings.num_rounds(), device=settings.device)
    steps = {
        "ours": EPOCHS * len(parts["ours"]["batches"]),
        "d2l": THEIR_EPOCHS * len(parts["d2l"]["batches"]),
    }
    share = found.ratio("d2l", "ours", factor=steps["ours"] / steps["d2l"])
    more = {
        "our_step_seconds": found.seconds("ours").middle, "our_steps": steps["ours"],
        "d2l_step_seconds": found.seconds("d2l").middle, "d2l_steps": steps["d2l"],
    }  # fmt: skip
    extrapolated = "seconds of a step times steps for both; d2l's accuracy as published"
    if settings.mode == "quick":
        ours = "not trained in the quick form"
        line = of_ratio(
            ROW, what, measure, share, target=TARGET, quality_holds=False, rounds=found.rounds, more=more,
            quality={"our accuracy": ours, "d2l's best published accuracy": BEST}, applies=False,
            reason=f"{extrapolated}; its batch is {batch} here; only the full form trains ours",
        )  # fmt: skip
        return [line]
    return _with_accuracy(what, measure, share, found, more, extrapolated, settings)


def _with_accuracy(
    what: str,
    measure: str,
    share: Spread,
    found: harness.Comparison,
    more: dict,
    note: str,
    settings: Settings,
) -> list[Line]:
    """The lines with trainings behind them."""
    kept = Kept(settings.keep, "fashion_mnist")
    runs = [
        kept.get(f"ours {seed} {settings.mode}", lambda seed=seed: trained("ours", seed, settings))
        for seed in settings.seeds
    ]
    level, quality = BEST, {"our accuracies": [run["accuracy"] for run in runs], "d2l's best published": BEST}
    if settings.whole:
        theirs = kept.get(f"d2l 0 {settings.mode}", lambda: trained("d2l", 0, settings))
        level = quality["d2l's accuracy here"] = theirs["accuracy"]
        more |= {"d2l_wall_seconds": theirs["wall"]}
        note = "seconds of a step times steps for both; both trained to the end"
    worst = min(run["accuracy"] for run in runs)
    line = of_ratio(
        ROW, what, measure, share, target=TARGET, rounds=found.rounds, reason=note, quality=quality,
        quality_holds=worst >= level,
        more=more | {"our_wall_seconds": [run["wall"] for run in runs], "seeds": list(settings.seeds)},
    )  # fmt: skip
    return [line]
