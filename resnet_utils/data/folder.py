"""Pictures in folders: decode each file once, the right way up, or say why it cannot be used.

Introduced in chapters 4 and 5.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from resnet_utils import runtime
from resnet_utils.data.in_memory import Split

if TYPE_CHECKING:
    from PIL import Image

# Left behind by file managers; not part of anybody's data.
LITTER = {"thumbs.db", "desktop.ini"}
# Decoders for pictures only: others (PostScript, PDF, ...) would start foreign programs.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
_SHOWN = 5  # bad files named in an error


def image_folder(
    root: str | os.PathLike[str], *, size: int, strict: bool = True, source: str = "photographs"
) -> Split:
    """All pictures below a folder, one folder a class, decoded once to (N, 3, size, size).

    The largest centred square of each, upright, scaled to ``size`` (``read_picture`` says how). Every file
    counts, whatever its name, but for hidden ones, Thumbs.db and desktop.ini.

    Args:
        root: the folder; the folders in it are the classes, sorted by name.
        size: side of the squares in pixels, at least 1.
        strict: whether a file that is no whole picture is an error; without, it is left out and stands in
            ``quarantine`` with the reason.
        source: where the pictures come from, in words, for the split.

    Raises:
        FileNotFoundError, NotADirectoryError: if ``root`` is not there or no folder.
        ValueError: for an empty class, a single class, a class without one whole picture, or a bad file.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1 pixel, got {size}")
    root = Path(root)
    files = class_files(root)
    names = [name for names in files.values() for name in names]
    labels = [label for label, names in enumerate(files.values()) for _ in names]
    return read_split(root, names, labels, classes=tuple(files), size=size, strict=strict, source=source)


def read_split(
    root: Path,
    names: Sequence[str],
    labels: Sequence[int],
    *,
    classes: tuple[str, ...],
    size: int,
    strict: bool,
    source: str,
) -> Split:
    """The files that a list names, as a split.

    Args:
        root: the folder that ``names`` count from.
        names: of the files, relative, with /.
        labels: the class of each, index into ``classes``.
        classes: the name of each class.
        size: side in pixels of the squares that ``read_picture`` makes.
        strict: whether a file that is no whole picture is an error, or only stands in ``quarantine``.
        source: where the pictures come from, in words.

    Raises:
        ValueError: if a class has no whole picture, or with ``strict`` if any file is none.
    """
    images = np.empty((len(names), 3, size, size), dtype=np.uint8)
    kept: list[int] = []
    quarantine: list[tuple[str, str]] = []
    for place, name in enumerate(runtime.progress(names, description="reading pictures")):
        try:
            images[len(kept)] = read_picture(root / name, size)
            kept.append(place)
        except ValueError as error:
            quarantine.append((name, str(error)))
    bare = sorted(set(range(len(classes))) - {labels[place] for place in kept})
    if strict and quarantine:
        raise ValueError(_complaint(root, quarantine))
    if bare:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in quarantine[:_SHOWN])
        raise ValueError(f"no whole picture of {[classes[k] for k in bare]} in {root} ({reasons})")
    return Split(
        torch.from_numpy(images[: len(kept)]),
        torch.tensor([labels[place] for place in kept]),
        classes,
        source=source,
        names=tuple(names[place] for place in kept),
        quarantine=tuple(quarantine),
    )


def _complaint(root: Path, quarantine: Sequence[tuple[str, str]]) -> str:
    shown = "".join(f"\n  {name}: {reason}" for name, reason in quarantine[:_SHOWN])
    more = f"\n  ... and {len(quarantine) - _SHOWN} more" if len(quarantine) > _SHOWN else ""
    return (
        f"{len(quarantine)} files in {root} are no whole pictures:{shown}{more}\n"
        "Remove them, or pass strict=False to leave them out and list them in `quarantine`."
    )


def read_picture(path: str | os.PathLike[str] | bytes, size: int, *, smallest: int = 1) -> np.ndarray:
    """A picture as uint8 (3, size, size): its largest centred square, scaled down or up.

    The content decides about the format, not the name. The EXIF rotation is applied, transparency is laid on
    white, grey becomes three equal channels, 16-bit grey is scaled to 8 bits, an animation gives its first
    frame. A big JPEG is decoded at a fraction of its size, at least four times ``size``.

    Args:
        path: a file, or the content of one as bytes.
        size: side of the result in pixels.
        smallest: pixels that the picture's shorter side must have at least.

    Raises:
        ValueError: if the file is no whole picture, or too small; the message gives the reason, not the name.
    """
    from PIL import Image, ImageOps

    def opened() -> Image.Image:
        return Image.open(io.BytesIO(path) if isinstance(path, bytes) else path, formats=FORMATS)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd EXIF entries and the like; the pixels are whole
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with opened() as image:
                if min(image.size) < smallest:
                    raise _TooSmallError(image.size, smallest)
                if image.format == "PNG":
                    image.verify()  # its checksums, which load() skips
            with opened() as image:
                image.draft("RGB", (4 * size, 4 * size))
                image.load()
                return _square(_to_rgb(ImageOps.exif_transpose(image)), size)
        except FileNotFoundError:
            raise ValueError("the file is missing") from None
        except Image.UnidentifiedImageError:
            raise ValueError(_beginning(path)) from None
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise ValueError(f"more than {Image.MAX_IMAGE_PIXELS:,} pixels") from None
        except (MemoryError, _TooSmallError):
            raise
        except Exception as error:  # a damaged file makes Pillow raise a dozen types
            raise ValueError(f"damaged: {error}") from None


class _TooSmallError(ValueError):
    def __init__(self, size: tuple[int, int], smallest: int) -> None:
        super().__init__(f"only {size[0]} x {size[1]} pixels; at least {smallest} are needed on each side")


def _beginning(path: str | os.PathLike[str] | bytes) -> str:
    """What a file holds that is no picture."""
    with io.BytesIO(path) if isinstance(path, bytes) else open(path, "rb") as file:
        start = file.read(16)
    if not start:
        return "the file is empty (0 bytes)"
    is_page = start.lstrip().lower().startswith((b"<!doctype", b"<html"))
    return f"no picture but {'an HTML page' if is_page else f'a file that begins with {start!r}'}"


def _to_rgb(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):  # 16 bits a pixel
        gray = np.asarray(image).astype(np.int64)
        return Image.fromarray(((gray + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError(f"32-bit values (mode {image.mode}) have no known range")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _square(image: Image.Image, size: int) -> np.ndarray:
    """The centre, scaled in the same step, so that a picture of 1 x 1,000,000 pixels never becomes huge."""
    from PIL import Image

    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    scaled = image.resize((size, size), Image.Resampling.BILINEAR, box=box)
    return np.asarray(scaled).transpose(2, 0, 1)


def class_files(root: Path) -> dict[str, list[str]]:
    """Class name -> files below it (relative, with /), both sorted; hidden files and litter left out.

    Args:
        root: the folder that holds one folder a class.

    Raises:
        FileNotFoundError, NotADirectoryError: if there is no such folder.
        ValueError: if it has fewer than two class folders, or an empty one.
    """
    layout = "expected one folder a class, as in cat/1.jpg and dog/1.jpg"
    if not root.exists():
        raise FileNotFoundError(f"no folder {root}; {layout}")
    if not root.is_dir():
        raise NotADirectoryError(f"{root} is a file, not a folder; {layout}")
    classes = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and entry.name[0] != ".")
    if len(classes) < 2:
        found = f"only the class folder {classes[0]!r}" if classes else "no class folder"
        raise ValueError(f"{root} has {found}; a classifier needs at least two ({layout})")
    files = {name: _below(root, name) for name in classes}
    empty = [name for name in classes if not files[name]]
    if empty:
        raise ValueError(f"no file in the class folder(s) {empty} of {root}; fill or remove them")
    return files


def _below(root: Path, folder: str) -> list[str]:
    names = [path.relative_to(root) for path in (root / folder).rglob("*") if path.is_file()]
    return sorted(
        name.as_posix()
        for name in names
        if name.name.lower() not in LITTER and not any(part.startswith(".") for part in name.parts)
    )
