"""Row 4: from JPEG files to batches, as tutorials do it and as this book does; and how long a probe waits.

The standard way is torchvision's for photographs: opened by Pillow, the shorter side brought to 256, the
middle 224 cut out, made a float tensor and normalized, one by one. Ours makes the same cut with the book's
reader, once as it is with the batch normalized, once scaled by torch and handed on as pixels in the number
format of a network that has the normalization folded into its first layer. All read 32 images at a time; a
batch of more than 32 MB is asked of the system anew each time, which costs both ways as much. What comes out
is held against the same cut made by Pillow with as much care as it can take.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision import transforms

from benchmarks import features, harness
from benchmarks.harness import Settings, Stopwatch, Waiting
from benchmarks.table import Line, not_here, of_ratio
from resnet_utils import data, models
from resnet_utils.finetuning import linear_probe
from resnet_utils.finetuning.backbones import MEAN, STD
from resnet_utils.runtime import speed

ROW, TITLE = 4, "from JPEG files to batches"
FASTER, WAITS = ">= 1.8", "<= 0.1"
SIZE, RESIZE = 224, 256
BATCH = 32  # images that are read at once
NORMALIZED = "Pillow's scaling, normalized floats"
PIXELS = "torch's scaling, pixels for a network with the normalization folded in"


def files(settings: Settings, count: int) -> tuple[list[Path], str]:
    """JPEG files to read, and where they come from: photographs where they are at hand, else drawings.

    Args:
        settings: how the row is to be run.
        count: of files, half of them cats where there are that many.
    """
    folder = data.data_folder()
    root = folder / "cats_vs_dogs" / "train" if folder and settings.mode != "tiny" else None
    if root and root.is_dir():
        cats, dogs = (sorted((root / kind).glob("*.jpg"))[: count // 2] for kind in ("cat", "dog"))
        return [*cats, *dogs], "photographs (cats and dogs)"
    return _drawn(count), "drawings, 340 x 256 pixels"


def _drawn(count: int) -> list[Path]:
    """Drawn animals, stretched to a photograph's size, as JPEG files."""
    folder = Path(tempfile.mkdtemp(prefix="benchmark-"))
    split = data.drawn_animals(count, size=64)
    found = []
    for number, image in enumerate(split.images):
        path = folder / ("cat" if split.labels[number] == 0 else "dog") / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image.permute(1, 2, 0).numpy()).resize((340, 256)).save(path, quality=90)
        found.append(path)
    return found


STANDARD = transforms.Compose(
    [
        transforms.Resize(RESIZE),
        transforms.CenterCrop(SIZE),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ]
)


def standard(paths: list[Path]) -> Tensor:
    """The batch as tutorials make it, float32 (N, 3, 224, 224).

    Args:
        paths: of the files.
    """
    found = []
    for path in paths:
        with Image.open(path) as image:
            found.append(STANDARD(image.convert("RGB")))
    return torch.stack(found)


def ours(paths: list[Path]) -> Tensor:
    """The batch as this book makes it, normalized float32 (N, 3, 224, 224).

    Args:
        paths: of the files.
    """
    pictures = [data.read_picture(path, SIZE, share=SIZE / RESIZE) for path in paths]
    return normalized(torch.from_numpy(np.stack(pictures)))


def pixels(
    paths: list[Path], *, size: int = SIZE, dtype: torch.dtype = torch.float32, share: float = SIZE / RESIZE
) -> Tensor:
    """The batch for a network that takes pixels (``models.fold_normalization``): 0 ... 255, channels last.

    Args:
        paths: of the files.
        size: side of the images.
        dtype: the number format in which the network computes.
        share: of the shorter side that they show.
    """
    rows = torch.empty(len(paths), size, size, 3, dtype=dtype)
    for row, path in zip(rows, paths, strict=True):
        picture = data.read_picture(path, size, scaler="torch", share=share)
        row.copy_(torch.from_numpy(picture).permute(1, 2, 0))  # bytes become numbers on their way
    return rows.permute(0, 3, 1, 2)


def normalized(images: Tensor) -> Tensor:
    """Bytes (N, 3, H, W) as floats, each channel with the usual mean and deviation.

    Args:
        images: uint8.
    """
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    return images.float().div_(255).sub_(mean).div_(std)


def careful(path: Path, *, size: int, share: float, whole: Callable[[float], int] = math.floor) -> Tensor:
    """The middle of a picture, float64 (3, size, size) in 0 ... 255: cut first, filtered once, never rounded.

    Args:
        path: of the file.
        size: side of the result in pixels.
        share: of the shorter side that is cut out.
        whole: which pixel the cut begins with where the middle lies between two.
    """
    with Image.open(path) as image:
        picture = image.convert("RGB")
        side = share * min(picture.size)
        left, top = (whole((length - side) / 2) for length in picture.size)
        box = (left, top, left + side, top + side)
        channels = [
            channel.convert("F").resize((size, size), Image.Resampling.BILINEAR, box=box)
            for channel in picture.split()
        ]
    return torch.from_numpy(np.stack([np.asarray(channel, dtype=np.float64) for channel in channels]))


def pixel_error(
    batch: Tensor, paths: list[Path], *, share: float, whole: Callable[[float], int] = math.floor
) -> float:
    """Mean distance of pixels from the careful ones, in 1/255.

    Args:
        batch: normalized floats (N, 3, H, W).
        paths: of the files.
        share: of the shorter side that the batch shows.
        whole: as in ``careful``.
    """
    mean, std = (torch.tensor(values, dtype=torch.float64)[:, None, None] for values in (MEAN, STD))
    pixels = (batch.double() * std + mean) * 255
    right = torch.stack([careful(path, size=batch.shape[-1], share=share, whole=whole) for path in paths])
    return (pixels - right).abs().mean().item()


def run(settings: Settings) -> list[Line]:
    """The lines of this row.

    Args:
        settings: how it is to be run.
    """
    count = settings.batch or settings.of(full=64, quick=32, tiny=4)
    sources = [files(settings, count)]
    if others := pets(settings, count):
        sources.append((others, "photographs (Oxford-IIIT Pet)"))
    lines = [line for paths, source in sources for line in _decoded(paths, source, settings)]
    return [*lines, *_waiting(settings)]


def pets(settings: Settings, count: int) -> list[Path]:
    """Other photographs, where they are at hand.

    Args:
        settings: how the row is to be run.
        count: of files.
    """
    folder = data.data_folder()
    if folder is None or settings.mode == "tiny":
        return []
    return sorted((folder / "oxford-iiit-pet" / "images").glob("*.jpg"))[:count]


def _decoded(paths: list[Path], source: str, settings: Settings) -> list[Line]:
    """Both of our ways beside the standard one."""
    kind = torch.bfloat16 if speed.has_half(torch.device("cpu")) else torch.float32
    works = {
        "standard": lambda: _in_batches(standard, paths),
        NORMALIZED: lambda: _in_batches(ours, paths),
        PIXELS: lambda: _in_batches(lambda batch: pixels(batch, dtype=kind), paths),
    }
    usual = pixel_error(standard(paths), paths, share=SIZE / RESIZE, whole=round)
    errors = {
        NORMALIZED: pixel_error(ours(paths), paths, share=SIZE / RESIZE, whole=round),
        PIXELS: pixel_error(normalized(pixels(paths)), paths, share=SIZE / RESIZE, whole=round),
    }
    found = harness.compare(works, rounds=settings.num_rounds())
    return [
        of_ratio(
            ROW, f"{SIZE} px, {source}, one core, {name}", "time of the standard transforms / ours",
            found.ratio(name, "standard"), target=FASTER if name == PIXELS else "", rounds=found.rounds,
            quality={"mean error in 1/255": errors[name], "of the standard way": usual},
            more={"our_ms_an_image": 1000 * found.seconds(name).middle / len(paths),
                  "standard_ms_an_image": 1000 * found.seconds("standard").middle / len(paths)},
        )
        for name in (NORMALIZED, PIXELS)
    ]  # fmt: skip


def _in_batches(read: Callable[[list[Path]], Tensor], paths: list[Path]) -> None:
    """Read all files as a training does, and keep nothing: memory that is given back is used again."""
    for start in range(0, len(paths), BATCH):
        read(paths[start : start + BATCH])


def _waiting(settings: Settings) -> list[Line]:
    """How much of a linear probe's wall time is spent waiting for the next batch."""
    what = f"linear probe of resnet18 features, {SIZE} px, wall time"
    count = settings.of(full=256, quick=64, tiny=4)
    paths, source = files(settings, count)
    if not paths:
        return [not_here(ROW, what, "share of waiting for data", "there are no files", WAITS)]
    half = speed.has_half(torch.device("cpu"))
    size, batch = settings.of(full=SIZE, quick=SIZE, tiny=32), settings.of(full=32, quick=16, tiny=2)
    model = models.fold_normalization(models.fuse(features.body()), MEAN, STD)
    model = model.to(torch.bfloat16 if half else torch.float32).to(memory_format=torch.channels_last)
    labels = torch.tensor([path.parent.name == "dog" for path in paths]).long()
    watch, waits, found = Stopwatch(), Waiting(_batches(paths, batch, size, half)), []
    with watch.running(), torch.inference_mode():
        found.extend(model(images).float() for images in waits)
        vectors = torch.cat(found)
    vectors = vectors.clone()  # one that may be learned from
    with watch.running():
        started = time.perf_counter()
        head = linear_probe(vectors, labels, num_classes=2)
        head_seconds = time.perf_counter() - started
    right = (head(vectors).argmax(dim=1) == labels).double().mean().item()
    return [
        Line(
            ROW, f"{what}, {len(paths)} {source}", "share of waiting for data", waits.seconds / watch.wall,
            target=WAITS, quality={"accuracy on the training images": right}, rounds=1,
            more={"wall_seconds": watch.wall, "head_seconds": head_seconds},
        )
    ]  # fmt: skip


def _batches(paths: list[Path], batch: int, size: int, half: bool):
    """Batches of pixels for the network, decoded when they are asked for."""
    for start in range(0, len(paths), batch):
        yield pixels(paths[start : start + batch], size=size, dtype=torch.bfloat16 if half else torch.float32)
