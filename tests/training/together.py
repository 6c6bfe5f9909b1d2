"""Trainings that the tests of ``distributed`` start in two processes, and once in this one.

torchrun --nproc-per-node 2 together.py NAME,NAME FOLDER
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import torch
from torch import nn

from resnet_utils import data, evaluation, models, runtime, training
from resnet_utils.runtime import processes, speed
from resnet_utils.training import distributed

IMAGES, BATCH = 22, 8  # batches of 8, 8 and 6


class Halves(nn.Module):
    """A BatchNorm that normalizes each half of its batch by itself, and keeps the statistics of the first.

    Hoffer et al. 2017, arXiv:1705.08741, algorithm 1, with halves as ghosts.
    """

    def __init__(self, norm):
        super().__init__()
        self.norm = norm

    def forward(self, x):
        if not self.training:
            return self.norm(x)
        first, second = x[: len(x) // 2], x[len(x) // 2 :]
        scale, shift = self.norm.weight, self.norm.bias
        other = nn.functional.batch_norm(second, None, None, scale, shift, training=True, eps=self.norm.eps)
        return torch.cat([self.norm(first), other])


def in_halves(module):
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, Halves(child))
        else:
            in_halves(child)
    return module


def with_group_norm(module):
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, nn.GroupNorm(2, child.num_features))
        else:
            with_group_norm(child)
    return module


def network(kind="GroupNorm"):
    runtime.seed_everything(3)
    model = models.build("resnet20", 3, in_channels=1, width=4).double()
    if kind == "GroupNorm":
        with_group_norm(model)
    if kind == "frozen":
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.requires_grad_(False)
    return model.double()


def split(images=IMAGES):
    generator = torch.Generator().manual_seed(11)
    pixels = torch.randint(0, 256, (images, 1, 8, 8), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 3, (images,), generator=generator)
    return data.Split(pixels, labels, ("a", "b", "c"), source="noise")


class Double:
    """The batches of ``loader`` in float64; made inside, so that shares are cut from them."""

    def __init__(self, loader):
        self.loader = loader

    def __iter__(self):
        for images, labels in self.loader:
            yield images.double(), labels

    def __len__(self):
        return len(self.loader)

    def generators(self):
        return runtime.seeding.generators_of(self.loader)


def batches(images=IMAGES, *, shuffle=True, mixed=False, augment=True):
    flips = data.Compose([data.RandomHorizontalFlip(seed=4), data.RandomCrop(padding=1, seed=5)])
    loader = data.loader(split(images), BATCH, shuffle=shuffle, seed=2, augment=flips if augment else None)
    return Double(data.Mixup(loader, 3, seed=6) if mixed else loader)


def shared(loader):
    return distributed.Shares(loader) if processes.is_together() else loader


def whole(model):
    return distributed.parallel(model) if processes.is_together() else model


class Dies(training.Callback):
    """Ends the process with this number in the second epoch, without a word."""

    def __init__(self, how, number=1):
        self.how, self.number = how, number

    def before_step(self, run):
        if run.epoch == 1 and processes.rank() == self.number:
            if self.how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.how == "error":
                raise ValueError("this one fails")
            if self.how == "hangs":
                time.sleep(3600)


def trained(
    kind="GroupNorm",
    *,
    epochs=2,
    halves=False,
    accumulate=1,
    images=IMAGES,
    checkpoint=None,
    folder=None,
    mixed=False,
    extra=(),
):
    """What a training ends with: weights, history, answers, and those of the moving average."""
    inner = network(kind)
    model = whole(in_halves(inner) if halves else inner)
    optimizer = training.sgd(model, 0.05)
    train, valid = shared(batches(images, mixed=mixed)), shared(batches(13, shuffle=False, augment=False))
    average = training.EMA(model, decay=0.5)
    callbacks = [average, training.GradientAccumulation(accumulate), training.GradientClipping(1.0), *extra]
    if folder is not None:
        callbacks += [
            training.CSVLog(folder / "log.csv"),
            training.BestCheckpoint(folder / "best.safetensors"),
        ]
    history = training.fit(
        model, train, valid, epochs=epochs, optimizer=optimizer, progress=folder is not None,
        scheduler=training.one_cycle(optimizer, steps=epochs * -(-len(train) // accumulate)),
        callbacks=callbacks, checkpoint=checkpoint,
        early_stopping=training.EarlyStopping(model, patience=5),
    )  # fmt: skip
    average.update_bn(train)
    logits, labels = evaluation.predict(model, valid)
    kept = {name.replace(".norm.", "."): value for name, value in inner.state_dict().items()}
    return {
        "weights": kept,
        "average": average.averaged.state_dict() if not halves else {},
        "numbers": torch.tensor(
            [history.train_loss, history.train_accuracy, history.valid_loss, history.valid_accuracy],
            dtype=torch.float64,
        ),
        "logits": logits,
        "labels": labels,
        "evaluated": torch.tensor(evaluation.evaluate(average.averaged, valid), dtype=torch.float64),
    }


JOBS = {
    "GroupNorm": {},
    "frozen": {"kind": "frozen"},
    "accumulate": {"accumulate": 2},
    "mixed": {"mixed": True},
    "one left": {"images": 17},  # the last batch has one image, so one share is empty
    "BatchNorm": {"kind": "BatchNorm"},
    "none left": {"kind": "BatchNorm", "images": 17},
    "BatchNorm files": {"kind": "BatchNorm", "keep": True},
    "files": {"keep": True, "log": True},
    "killed": {"keep": True, "dies": "killed"},
    "error": {"dies": "error"},
    "hangs": {"dies": "hangs"},
    "resumed": {"keep": True},
}


def paces():
    """What two processes agree on, of which the first wants channels last and the other 16 bits."""
    mine = speed.Pace(channels_last=processes.is_first(), half=not processes.is_first())
    agreed = distributed.pace_of_first(mine)
    return torch.tensor([agreed.channels_last, agreed.half])


def main(names, folder):
    with distributed.process_group(timeout=8 if names == "hangs" else 120):
        torch.save(paces(), folder / f"pace-{processes.rank()}.pt")
        for name in names.split(","):
            options = dict(JOBS[name])
            if options.pop("keep", False):
                options["checkpoint"] = folder / f"{name}.pt"
            if options.pop("log", False):
                options["folder"] = folder
            if how := options.pop("dies", None):
                options["extra"] = [Dies(how)]
            try:
                found = trained(**options)
            except ValueError as error:
                (folder / f"{name}-error-{processes.rank()}").write_text(str(error))
                if name != "none left":  # which fails in both, so both can go on
                    raise
            else:
                torch.save(found, folder / f"{name}-{processes.rank()}.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    speed.use(False)  # numbers are compared
    main(sys.argv[1], Path(sys.argv[2]))
