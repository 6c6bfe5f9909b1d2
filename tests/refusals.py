"""What the package makes of each bad file: refused in words, quarantined with the reason, or gone wrong."""

import copy
import io
import re
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import bad_files
import torch
from odd_pictures import BLUE, RED, content, left_and_right, two_tone
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from resnet_utils import data, training
from resnet_utils.data import upload
from resnet_utils.files import weights

Wrong = list[str]


def refused(job: Callable[[], object], words: str, *, kinds: tuple[type, ...] = (ValueError,)) -> str:
    """ "" if ``job`` raises one of these, with words that match; otherwise what it did in place of that."""
    try:
        job()
    except kinds as error:
        said = str(error)
        if not re.search(words, said, re.IGNORECASE):
            return f"says {said!r}, without {words!r}"
        return "" if said.isprintable() or "\n" in said else f"says {said!r}"
    except BaseException as error:
        return f"raises {type(error).__name__}: {error}"
    return "is silent"


def wrong_pictures() -> Wrong:
    """Bad contents that ``read_picture`` does not refuse as it should."""
    found = {
        name: refused(lambda body=body: data.read_picture(body, 16), words)
        for name, (body, words) in bad_files.BAD_PICTURES.items()
    }
    return [f"picture, {name}: {what}" for name, what in found.items() if what]


def odd_pictures() -> dict[str, bytes]:
    """Files that are odd and whole, each of a picture whose left half is red and whose right half is blue."""
    image, buffer = two_tone(), io.BytesIO()
    image.save(buffer, "GIF", save_all=True, append_images=[two_tone(BLUE, RED)])
    turned = Image.Exif()
    turned[0x0112] = 3  # upside down: stored the other way round
    jpeg = content(image, "JPEG", quality=95)
    return {
        "plain.jpg": jpeg,
        "a PNG.jpg": content(image, "PNG"),
        "a BMP.jpg": content(image, "BMP"),
        "a TIFF.png": content(image, "TIFF"),
        "a WebP.jpg": content(image, "WEBP", lossless=True),
        "moving.gif": buffer.getvalue(),
        "palette.png": content(image.quantize(4), "PNG"),
        "transparent.png": content(image.convert("RGBA"), "PNG"),
        "in inks.jpg": content(image.convert("CMYK"), "JPEG", quality=95),
        "progressive.jpg": content(image, "JPEG", quality=95, progressive=True),
        "turned.jpg": content(two_tone(BLUE, RED), "JPEG", quality=95, exif=turned),
        "with damaged notes.jpg": content(image, "JPEG", quality=95, exif=b"Exif\0\0II*\0\xff\xff\xff\xff"),
        "with more behind it.jpg": jpeg + b"\0" * 30,
        "no ending": content(image, "PNG"),
        "猫 与 狗.jpg": jpeg,
        " spaces and 'quotes'.jpg": jpeg,
    }


def wrong_folder(root: Path) -> Wrong:
    """What ``image_folder`` makes of a folder with all bad and all odd files in it."""
    for kind in ("cat", "dog"):
        (root / kind).mkdir(parents=True)
        for name, body in odd_pictures().items():
            (root / kind / name).write_bytes(body)
    for name, (body, _) in bad_files.BAD_PICTURES.items():
        (root / "cat" / f"bad {name}.jpg").write_bytes(body)
    (root / "cat" / "Thumbs.db").write_bytes(b"x")
    (root / "cat" / "broken link.jpg").symlink_to(root / "nowhere")
    odd, bad = len(odd_pictures()), len(bad_files.BAD_PICTURES)
    split = data.image_folder(root, size=16, strict=False)
    found = []
    if (len(split), len(split.quarantine), len(split.ignored)) != (2 * odd, bad + 1, 1):
        found.append(
            f"folder: {len(split)} kept, {len(split.quarantine)} put aside, {len(split.ignored)} ignored"
        )
    for name, image in zip(split.names, split.images, strict=True):
        far = [
            abs(a - b)
            for pair in zip(left_and_right(image.numpy()), (RED, BLUE), strict=True)
            for a, b in zip(*pair, strict=True)
        ]
        if max(far) > 6:  # JPEG rounds, and so does the way from inks
            found.append(f"folder: {name} has other colours, by {max(far)}")
    found += [
        f"folder: {name} is put aside without a reason" for name, reason in split.quarantine if not reason
    ]
    strict = refused(lambda: data.image_folder(root, size=16), f"{bad + 1} files in .* are no whole pictures")
    return [*found, *([f"folder: {strict}"] if strict else [])]


def wrong_archives(root: Path) -> tuple[Wrong, Wrong]:
    """Bad archives that are not refused as they should be, and those that leave or write something."""
    silent, escaped = [], []
    for number, (name, (body, words)) in enumerate(bad_files.BAD_ARCHIVES.items()):
        here = root / f"{number}"
        (here / "inner").mkdir(parents=True)
        archive = here / "a.zip"
        archive.write_bytes(body)
        what = refused(partial(upload.unpack, archive, here / "inner"), words)
        silent += [f"archive, {name}: {what}"] if what else []
        there = sorted(path.relative_to(here).as_posix() for path in here.rglob("*"))
        escaped += [f"archive, {name}: {there}"] if there != ["a.zip", "inner"] else []
    return silent, escaped


def wrong_weights(root: Path) -> Wrong:
    """Bad weights that are not refused as they should be, or that change the network."""
    root.mkdir(parents=True, exist_ok=True)
    found = []
    for name, (body, words) in bad_files.BAD_WEIGHTS.items():
        model = copy.deepcopy(bad_files.NET)
        (root / "w.pth").write_bytes(body)
        what = refused(partial(weights.load_weights, model, root / "w.pth"), words)
        found += [f"weights, {name}: {what}"] if what else []
        same = all(torch.equal(value, bad_files.STATE[key]) for key, value in model.state_dict().items())
        found += [] if same else [f"weights, {name}: the network has changed"]
    return found


def _fit(path: Path, seed: int = 0) -> tuple[dict, nn.Module]:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    images = torch.rand(8, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    order = torch.Generator().manual_seed(2)
    loader = DataLoader(TensorDataset(images, torch.arange(8) % 3), 4, shuffle=True, generator=order)
    history = training.fit(
        model,
        loader,
        epochs=2,
        optimizer=training.sgd(model, 0.1),
        device="cpu",
        checkpoint=path,
        progress=False,
    )
    return asdict(history), model


def wrong_checkpoints(root: Path) -> tuple[int, Wrong]:
    """How many bad checkpoints there are, and those that are not refused in words."""
    root.mkdir(parents=True, exist_ok=True)
    _fit(root / "good.pt")
    bodies = bad_files.bad_checkpoints((root / "good.pt").read_bytes())
    found = []
    for name, body in bodies.items():
        (root / "run.pt").write_bytes(body)
        before = torch.get_rng_state()
        what = refused(
            lambda: _fit(root / "run.pt"), "no checkpoint of a training run|belongs to another run"
        )
        found += [f"checkpoint, {name}: {what}"] if what else []
        found += [] if (root / "run.pt").read_bytes() == body else [f"checkpoint, {name}: was written over"]
        torch.set_rng_state(before)
    return len(bodies), found
