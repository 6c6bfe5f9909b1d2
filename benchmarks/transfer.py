"""Row 5: time to accuracy on photographs, our fine-tuning beside that of the official PyTorch tutorial.

The tutorial is "Transfer Learning for Computer Vision" (pytorch.org). Its recipe, written anew from its
description: SGD with rate 0.001 and momentum 0.9, divided by ten every seven epochs, 25 epochs, batches of
four, random cut-outs and mirror images to train on, the middle to test on, each photograph decoded whenever
it is asked for. It has two forms: everything learns, or only a new head. After each epoch it looks at the
validation photographs, and it keeps the best epoch. Here as there they are 244 to train on and 153 to
validate with.

Ours decodes each photograph once, computes what the frozen network sees in it, and finds the best linear
head for that: one pass in place of 25. It has two forms as well: with the mirror image of each photograph,
beside the tutorial in which everything learns, and without, in half the time, beside its smaller form. Both
sides start from the network that comes with this book, at its own 96 pixels, with the same photographs and
seeds; both run on one thread, decoding included.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks import features, inputs
from benchmarks.harness import Kept, Settings, Stopwatch
from benchmarks.table import Line, not_here
from resnet_utils import data, finetuning, models, runtime
from resnet_utils.finetuning.backbones import MEAN, STD
from resnet_utils.runtime import speed, timing

ROW, TITLE = 5, "time to accuracy on photographs, beside PyTorch's transfer-learning tutorial"
OF_WHOLE, OF_FIRST = "<= 0.05", "<= 0.25"
TRAIN, VALID = 244, 153  # as many as in the tutorial
EPOCHS, BATCH, LR, MOMENTUM, EVERY, FACTOR = 25, 4, 0.001, 0.9, 7, 0.1
VARIANTS = {"everything learns": True, "only the head learns": False}
SHARE = 224 / 256  # of the shorter side, that the tutorial looks at


class Photographs(Dataset):
    """Files, decoded and transformed each time one is asked for.

    Args:
        paths: of the files.
        labels: of each.
        transform: from a Pillow image to a tensor.
    """

    def __init__(self, paths: list[Path], labels: list[int], transform: Callable[[Any], Tensor]) -> None:
        self.paths, self.labels, self.transform = paths, labels, transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        with Image.open(self.paths[place]) as image:
            return self.transform(image.convert("RGB")), self.labels[place]


def split(settings: Settings, seed: int) -> tuple[list[Path], list[Path], str]:
    """Files to train on and to validate with, and where they come from.

    Args:
        settings: how the row is to be run.
        seed: which of the photographs are drawn.
    """
    if settings.mode == "tiny":
        paths, source = inputs.files(settings, 12)
        return paths[:8], paths[8:], source
    folder = data.data_folder()
    root = folder / "cats_vs_dogs" if folder else None
    if root is None or not root.is_dir():
        raise FileNotFoundError("it needs cats_vs_dogs/ in the folder that RESNET_BOOK_DATA names")
    return (
        _drawn(root / "train", TRAIN, seed),
        _drawn(root / "val", VALID, seed),
        "photographs (cats and dogs)",
    )


def _drawn(root: Path, count: int, seed: int) -> list[Path]:
    """So many files of a folder, each class as often as the other, but for one."""
    generator, found = torch.Generator().manual_seed(seed), []
    for number, kind in enumerate(("cat", "dog")):
        files = sorted((root / kind).glob("*.jpg"))
        places = torch.randperm(len(files), generator=generator)[: (count + number) // 2]
        found += [files[place] for place in places.tolist()]
    return found


def labels_of(paths: list[Path]) -> list[int]:
    """0 for cats and 1 for dogs, by folder.

    Args:
        paths: of the files.
    """
    return [int(path.parent.name == "dog") for path in paths]


def tutorial(
    train: list[Path], valid: list[Path], *, everything: bool, seed: int, epochs: int, size: int
) -> dict:
    """Train as the tutorial does.

    Args:
        train: files to train on.
        valid: files that are looked at after each epoch.
        everything: whether everything learns, or only the head.
        seed: of the head, of the order, and of the cut-outs.
        epochs: passes over the files.
        size: side of the images in pixels.

    Returns:
        Accuracy after each epoch, and wall and processor seconds until then.
    """
    runtime.seed_everything(seed)
    watch = Stopwatch()
    with watch.running():
        ready = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
        cut = [transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip()]
        whole = [transforms.Resize(round(size / SHARE)), transforms.CenterCrop(size)]
        batches = _loader(train, transforms.Compose([*cut, *ready]))
        tests = _loader(valid, transforms.Compose([*whole, *ready]))
        model = finetuning.choose_backbone("book").with_head(2, seed=seed)
        model.requires_grad_(everything)
        model.fc.requires_grad_(True)
        learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.SGD(learning, lr=LR, momentum=MOMENTUM)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=EVERY, gamma=FACTOR)
    found: dict = {"accuracy": [], "wall": [], "processor": []}
    for _ in range(epochs):
        with watch.running():
            _train(model, batches, optimizer)
            schedule.step()
            found["accuracy"].append(_right(model, tests))
        found["wall"].append(watch.wall)
        found["processor"].append(watch.processor)
    return found


def _loader(paths: list[Path], transform: transforms.Compose) -> DataLoader:
    """Shuffled batches of four, for the validation too, as in the tutorial."""
    return DataLoader(Photographs(paths, labels_of(paths), transform), batch_size=BATCH, shuffle=True)


def _train(model: nn.Module, batches: DataLoader, optimizer: torch.optim.Optimizer) -> None:
    model.train()
    for images, labels in batches:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()


def _right(model: nn.Module, tests: DataLoader) -> float:
    """Share of right answers."""
    model.eval()
    right = seen = 0
    with torch.no_grad():
        for images, labels in tests:
            right += int((model(images).argmax(dim=1) == labels).sum())
            seen += len(labels)
    return right / seen


def ours(train: list[Path], valid: list[Path], *, mirrored: bool, seed: int, size: int) -> dict:
    """Train as this book does where little time is given: one pass, then the best linear head.

    Args:
        train: files to train on.
        valid: files that are looked at once.
        mirrored: whether the mirror image of each is looked at too.
        seed: of nothing but the photographs: there is one best head.
        size: side of the images in pixels.

    Returns:
        Accuracy, and wall and processor seconds until then, with the seconds until the head was there.
    """
    runtime.seed_everything(seed)
    watch = Stopwatch()
    with watch.running():
        model = finetuning.choose_backbone("book").with_head(2, seed=seed)
        body = _fast(model)
        seen = _seen(body, train, size, mirrored=mirrored)
        labels = torch.tensor(labels_of(train)).repeat(len(seen))
        head = finetuning.linear_probe(torch.cat(seen), labels, num_classes=2, weight_decay=DECAY)
    until_head = watch.wall
    with watch.running():
        told = [head(part) for part in _seen(body, valid, size, mirrored=mirrored)]
        answers = torch.stack(told).sum(dim=0).argmax(dim=1)
        right = (answers == torch.tensor(labels_of(valid))).double().mean().item()
    return {"accuracy": right, "wall": watch.wall, "processor": watch.processor, "until_head": until_head}


DECAY = 0.1  # of the linear head; chosen on draws from the training folder, of which none is judged here


def _fast(model: nn.Module) -> nn.Module:
    """The network without its head as fast as it can be: it takes pixels, in 16 bits where that pays."""
    body = models.fold_normalization(models.fuse(features.without_head(model.eval())), MEAN, STD)
    kind = torch.bfloat16 if speed.has_half(torch.device("cpu")) else torch.float32
    return body.to(kind).to(memory_format=torch.channels_last)


def _seen(body: nn.Module, paths: list[Path], size: int, *, mirrored: bool) -> list[Tensor]:
    """Features (N, C) of the photographs, and those of their mirror images; each is decoded once."""
    kind = next(body.parameters()).dtype
    found: list[list[Tensor]] = [[], []] if mirrored else [[]]
    for start in range(0, len(paths), 32):
        images = inputs.pixels(paths[start : start + 32], size=size, dtype=kind, share=1.0)
        for view, kept in zip((images, images.flip(3)), found, strict=False):
            with torch.inference_mode():
                kept.append(body(view.contiguous(memory_format=torch.channels_last)).float())
    return [torch.cat(parts).clone() for parts in found]


def run(settings: Settings) -> list[Line]:
    """The lines of this row.

    Args:
        settings: how it is to be run.
    """
    size = settings.of(full=96, quick=96, tiny=32)
    what = f"cats and dogs, {TRAIN} to train on, {VALID} to validate with, {size} px"
    try:
        split(settings, settings.seeds[0])
    except FileNotFoundError as error:
        return [not_here(ROW, what, "our wall time / the tutorial's", str(error), OF_WHOLE)]
    kept, epochs = Kept(settings.keep, "transfer"), settings.of(full=EPOCHS, quick=1, tiny=2)
    seeds = settings.of(full=settings.seeds, quick=settings.seeds[:1], tiny=settings.seeds[:1])
    lines = []
    for variant, everything in VARIANTS.items():
        runs = [_both(kept, variant, everything, seed, epochs, size, settings) for seed in seeds]
        lines += _lines(f"{what}, {variant}", runs, epochs)
    return lines


def _both(
    kept: Kept, variant: str, everything: bool, seed: int, epochs: int, size: int, settings: Settings
) -> dict:
    """One seed: ours first and after it the tutorial, each kept when it is done."""
    train, valid, source = split(settings, seed)
    with timing.torch_threads(1):
        mine = kept.get(
            f"ours beside {variant} {seed} {size}",
            lambda: ours(train, valid, mirrored=everything, seed=seed, size=size),
        )
        theirs = kept.get(
            f"{variant} {seed} {size} {epochs}",
            lambda: tutorial(train, valid, everything=everything, seed=seed, epochs=epochs, size=size),
        )
    return {"seed": seed, "ours": mine, "tutorial": theirs, "source": source}


def first_reached(theirs: dict, level: float) -> int | None:
    """The epoch, from 0, after which the tutorial is first as right as ``level``; None: never.

    Args:
        theirs: as from ``tutorial``.
        level: share of right answers.
    """
    reached = (number for number, right in enumerate(theirs["accuracy"]) if right >= level - 1e-12)
    return next(reached, None)


def _lines(what: str, runs: list[dict], epochs: int) -> list[Line]:
    """Ours over the tutorial's whole time, and over its time until it first is as right as it ever gets."""
    mine, theirs = [run["ours"] for run in runs], [run["tutorial"] for run in runs]
    levels = [max(run["accuracy"]) for run in theirs]  # the tutorial keeps its best epoch
    quality = {
        "our accuracies": [run["accuracy"] for run in mine],
        "the tutorial's best epochs": levels,
        "its last epochs": [run["accuracy"][-1] for run in theirs],
    }
    # As right on average over the seeds: 153 photographs are one in 153 apart.
    holds = sum(quality["our accuracies"]) >= sum(levels) - 1e-9
    whole = [a["wall"] / (b["wall"][-1] * EPOCHS / epochs) for a, b in zip(mine, theirs, strict=True)]
    places = [first_reached(run, level) for run, level in zip(theirs, levels, strict=True)]
    firsts = [
        a["wall"] / b["wall"][place]
        for a, b, place in zip(mine, theirs, places, strict=True)
        if place is not None
    ]
    ours_reached = [first_reached(b, a["accuracy"]) for a, b in zip(mine, theirs, strict=True)]
    more = {
        "seeds": [run["seed"] for run in runs],
        "our_wall_seconds": [run["wall"] for run in mine],
        "our_processor_seconds": [run["processor"] for run in mine],
        "tutorial_wall_seconds": [run["wall"][-1] for run in theirs],
        "tutorial_processor_seconds": [run["processor"][-1] for run in theirs],
        "tutorial_epoch_of_its_best": [None if place is None else place + 1 for place in places],
        "tutorial_seconds_until_our_accuracy": [
            None if place is None else run["wall"][place]
            for run, place in zip(theirs, ours_reached, strict=True)
        ],
        "tutorial_accuracy_by_epoch": [run["accuracy"] for run in theirs],
    }
    complete = epochs == EPOCHS
    note = (
        "" if complete else f"its {epochs} epoch(s) times {EPOCHS / epochs:g}; accuracy is for the full form"
    )
    rest = {"quality": quality, "speed_up": True, "rounds": len(runs), "applies": complete, "reason": note}
    measure = "our wall time / the tutorial's"
    whole_line = Line(
        ROW, what, measure, statistics.median(whole), low=min(whole), high=max(whole), target=OF_WHOLE,
        quality_holds=holds, more=more, **rest,
    )  # fmt: skip
    measure += " until it is first as right as ever"
    if not complete:
        return [whole_line, not_here(ROW, what, measure, "only the full form trains it to its end", OF_FIRST)]
    first_line = Line(
        ROW, what, measure, statistics.median(firsts), low=min(firsts), high=max(firsts), target=OF_FIRST,
        quality_holds=holds, **rest,
    )  # fmt: skip
    return [whole_line, first_line]
