"""Train on the whole of Fashion-MNIST: the book's ResNet-20, three times, and d2l's ResNet-18 beside it.

The recorded counterpart of chapter 4's training of a minute. The book's recipe: flips, shifts, weight decay
and a one-cycle schedule. The other is the published one of Zhang et al. 2023, *Dive into Deep Learning*,
section 8.6: images enlarged to 96 pixels, ten epochs of plain SGD, no augmentation. Both see the test images
once, after the last epoch.

    RESNET_BOOK_DATA=... python experiments/fashion_mnist.py [--workers 2] [--keep FOLDER]

With ``--keep``, every training leaves its state in that folder after each epoch and goes on from there when
the command is given again. Writes book/results/fashion_mnist.json.
"""

import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import record
import torch
from torch import nn
from torch.utils.data import DataLoader

from resnet_utils import complexity, data, models, runtime, training

OURS, THEIRS = "this book", "d2l"
RUNS = ((OURS, 0), (OURS, 1), (OURS, 2), (THEIRS, 0))
SETTINGS = {  # per recipe: batch, epochs, largest learning rate
    OURS: (64, 16, 0.1),
    THEIRS: (128, 10, 0.01),
}
PIXELS = {OURS: 28, THEIRS: 96}


def our_network() -> nn.Module:
    """ResNet-20 for grey images."""
    return models.build("resnet20", 10, in_channels=1)


def their_network() -> nn.Module:
    """ResNet-18 as d2l builds it: convolutions with biases, projections without BatchNorm, Xavier weights."""
    net = models.build("resnet18", 10, in_channels=1)
    for module in list(net.modules()):
        if getattr(module, "downsample", None) is not None:
            module.downsample = module.downsample[0]
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.bias = nn.Parameter(torch.zeros(module.out_channels))
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
    return nn.Sequential(nn.Upsample(PIXELS[THEIRS], mode="bilinear"), net)


def loaders(recipe: str, seed: int, tiny: bool) -> tuple[DataLoader, DataLoader]:
    """Batches to train on and to test with."""
    images, held_out = data.fashion_mnist()
    if tiny:
        images, held_out = images.take(20), held_out.take(2)
    batch = SETTINGS[recipe][0]
    if recipe == THEIRS:  # the pixels go in as they are, between 0 and 1
        return data.loader(images, batch, shuffle=True, seed=seed), data.loader(held_out, 500)
    mean, std = data.mean_std(images)
    augment = data.compose(data.flip(seed=seed), data.shift(2, seed=seed))
    batches = data.loader(
        images, batch, shuffle=True, seed=seed, augment=augment, mean=mean, std=std, drop_last=True
    )
    return batches, data.loader(held_out, 500, mean=mean, std=std)


def train(recipe: str, seed: int, tiny: bool, keep: Path | None) -> dict:
    """One training, one row. A worker's whole job, so it reads its own images."""
    runtime.setup(seed)
    torch.set_num_threads(1)  # one thread a training gives the same bits whatever the number of workers
    batches, checks = loaders(recipe, seed, tiny)
    batch, epochs, lr = SETTINGS[recipe]
    epochs = 1 if tiny else epochs
    model = (our_network() if recipe == OURS else their_network()).to(memory_format=torch.channels_last)
    if recipe == OURS:
        optimizer = training.sgd(model, lr, weight_decay=5e-4, decay_norm_and_bias=False)
        schedule = training.one_cycle(optimizer, steps=epochs * len(batches))
    else:
        optimizer, schedule = training.sgd(model, lr, momentum=0.0, weight_decay=0.0), None
    history = training.fit(
        model, batches, None, epochs=epochs, optimizer=optimizer, scheduler=schedule, device="cpu",
        checkpoint=keep / f"{recipe.replace(' ', '_')}-{seed}.pt" if keep else None, progress=False,
    )  # fmt: skip
    loss, accuracy = training.evaluate(model, checks, "cpu")
    return {
        "recipe": recipe, "seed": seed, "parameters": complexity.count_parameters(model),
        "pixels": PIXELS[recipe], "epochs": epochs, "batch": batch,
        "curve": [round(value, 4) for value in history.train_loss],
        "test_loss": loss, "test_accuracy": accuracy,
        # the machine did other work too: the fastest epoch comes closest to a quiet one
        "minutes": round(epochs * min(history.seconds) / 60, 1),
    }  # fmt: skip


def main() -> None:
    options = record.parser(__doc__.splitlines()[0])
    options.add_argument("--workers", type=int, default=1, help="trainings at a time, one thread each")
    options.add_argument("--keep", type=Path, help="folder for the state of the trainings")
    options = options.parse_args()
    if data.data_folder() is None:
        raise SystemExit("this experiment needs Fashion-MNIST: set RESNET_BOOK_DATA to its folder")
    runs = (RUNS[0], RUNS[-1]) if options.tiny else RUNS
    started, rows = time.perf_counter(), []
    with ProcessPoolExecutor(options.workers) as pool:
        jobs = [pool.submit(train, *run, options.tiny, options.keep) for run in runs]
        for job in as_completed(jobs):
            rows.append(job.result())
            print(rows[-1], file=sys.stderr, flush=True)
    rows.sort(key=lambda row: runs.index((row["recipe"], row["seed"])))
    torch.set_num_threads(1)  # what the record says of the hardware is what the workers used
    record.write(
        options.output / "book" / "results" / "fashion_mnist.json",
        claim="A ResNet-20 reaches 94.5 % on Fashion-MNIST, mean of three seeds.",
        data="Fashion-MNIST: 60,000 images to train on, 10,000 to test on",
        seeds=sorted({seed for _, seed in runs}),
        rows=rows,
        seconds=time.perf_counter() - started,
    )


if __name__ == "__main__":
    main()
