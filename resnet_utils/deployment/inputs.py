"""What people hand to a classifier, brought to pixels: files, bytes, Pillow's pictures, arrays, tensors.

Introduced in chapter 5.
"""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from resnet_utils import data
from resnet_utils.runtime import given

if TYPE_CHECKING:
    from PIL import Image

AS_PNG = {"1", "L", "LA", "I;16", "P", "RGB", "RGBA"}  # Pillow's modes that a PNG holds as they are
# ITU-R BT.601 in 16-bit whole numbers, as Pillow turns colour into grey
RED, GREEN, BLUE, HALF = 19595, 38470, 7471, 1 << 15


@given.explained
def pixels_of(picture: object, size: int, *, resize: int) -> Tensor:
    """The middle of a picture, uint8 ``(3, size, size)``: its largest centred square, scaled, then cut.

    Args:
        picture: the path of a file, the content of one as bytes, a picture of Pillow, a uint8 array (H, W) or
            (H, W, 1, 3 or 4), or a uint8 tensor (1 or 3, H, W); colours in the order red, green, blue.
        size: side of the result in pixels.
        resize: side to which the centred square is scaled; what is more than ``size`` is cut off around.

    Raises:
        TypeError: for anything else; the message says what is allowed.
        ValueError: if it is no whole picture, or smaller than half of ``resize``; if ``size`` is no whole
            number from 1 to ``resize``.
    """
    size = given.whole_number("size", size)
    resize = given.whole_number("resize", resize, least=size, unit="pixels, as size")
    name = name_of(picture)
    source = picture if isinstance(picture, bytes) else _source(picture, name)
    try:
        pixels = data.read_picture(source, resize, smallest=resize // 2)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    edge = (resize - size) // 2
    return torch.from_numpy(pixels[:, edge : edge + size, edge : edge + size].copy())


def name_of(picture: object) -> str:
    """What a message calls a picture: the name of its file, else "the picture".

    Args:
        picture: as in ``pixels_of``.
    """
    return Path(picture).name or str(picture) if isinstance(picture, str | os.PathLike) else "the picture"


@given.explained
def with_channels(images: Tensor, channels: int) -> Tensor:
    """Images (N, 1 or 3, H, W) for a network of 1 or 3 channels: grey repeated, or colour made grey.

    Grey is 0.299 red + 0.587 green + 0.114 blue, rounded, as in Pillow's mode "L".

    Args:
        images: uint8.
        channels: 1 or 3.

    Raises:
        ValueError: for other images, or another number of channels.
    """
    if given.whole_number("channels", channels) not in (1, 3):
        raise ValueError(f"channels must be 1 or 3, got {channels}")
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(f"images must be uint8 (N, 1 or 3, H, W), got {images.dtype} {tuple(images.shape)}")
    if images.shape[1] == channels:
        return images
    if channels == 3:
        return images.expand(-1, 3, -1, -1)
    red, green, blue = images.int().unbind(dim=1)
    grey = (red * RED + green * GREEN + blue * BLUE + HALF) >> 16
    return grey.to(torch.uint8)[:, None]


def _source(picture: object, name: str) -> str | os.PathLike[str] | bytes:
    """A path that can be read, or the content of a file."""
    from PIL import Image

    if isinstance(picture, str | os.PathLike):
        if picture == "":
            raise ValueError("the name of the picture's file is empty")
        if re.match(r"[a-zA-Z][\w+.-]+://", str(picture)):
            raise ValueError(f"{name}: an address of the web; download the picture, and give the file")
        if Path(picture).is_dir():
            raise ValueError(f"{name}: a folder; give a list of the pictures in it")
        return picture
    if isinstance(picture, bytearray | memoryview):
        return bytes(picture)
    if isinstance(picture, Image.Image):
        return _encoded(picture)
    if isinstance(picture, Tensor | np.ndarray):
        return _encoded(_from_array(picture))
    raise TypeError(
        "a picture is the path of a file, its bytes, a picture of Pillow, a uint8 array (H, W, 3) or a uint8 "
        f"tensor (3, H, W), or a list of such; got {type(picture).__name__}"
    )


def _from_array(picture: Tensor | np.ndarray) -> Image.Image:
    from PIL import Image

    if isinstance(picture, np.ma.MaskedArray):
        raise ValueError("the picture: a masked array, whose mask no picture has: take array.filled(...)")
    tensor = isinstance(picture, Tensor)
    if isinstance(picture, Tensor):
        plain = picture.detach().cpu()
        array = np.asarray(plain.movedim(0, -1) if _is_image(picture) else plain)
    else:
        array = picture
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in ((1, 3) if tensor else (1, 3, 4)))
    if array.dtype != np.uint8 or not fits or array.size == 0 or (tensor and not _is_image(picture)):
        wanted = "tensor uint8 (1 or 3, H, W)" if tensor else "uint8 (H, W) or (H, W, 1, 3 or 4)"
        given = f"{str(picture.dtype).removeprefix('torch.')} {tuple(picture.shape)}"
        raise ValueError(
            f"the picture: an array has to be {wanted} with values from 0 to 255, got {given}; give several "
            "pictures as a list"
        )
    return Image.fromarray(array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array)


def _is_image(picture: Tensor | np.ndarray) -> bool:
    return isinstance(picture, Tensor) and picture.ndim == 3


def _encoded(picture: Image.Image) -> bytes:
    """The same pixels as the content of a file, upright, so that every picture goes one way."""
    from PIL import ImageOps

    content = io.BytesIO()
    try:
        upright = ImageOps.exif_transpose(picture)
        if upright.mode in AS_PNG:
            upright.save(content, "PNG", exif=b"", compress_level=0)
        else:
            (upright if upright.mode in ("I", "F") else upright.convert("RGB")).save(content, "TIFF")
    except (OSError, SyntaxError, ValueError) as error:  # a file that Pillow opens late, and finds damaged
        raise ValueError(f"the picture: damaged: {error}") from None
    return content.getvalue()
