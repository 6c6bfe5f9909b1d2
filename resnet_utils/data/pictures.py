"""One picture: decoded the right way up, in its whole range, or the reason why it cannot be used.

Introduced in chapter 5.
"""

from __future__ import annotations

import io
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from resnet_utils.runtime import given

if TYPE_CHECKING:
    from PIL import Image, ImageFile

# Decoders of Pillow for pictures; others (PostScript, WMF, ...) would start foreign programs, or are for
# measurements. Those without a mark of their own at the file's beginning come last. HEIF is pillow-heif's.
FORMATS = (
    *("JPEG", "PNG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000", "MPO", "HEIF", "ICO"),
    *("ICNS", "QOI", "PSD", "DDS", "SGI", "SUN", "XBM", "XPM", "BLP", "FTEX", "PCX", "DCX", "CUR", "TGA"),
)
SCALERS = ("pillow", "torch")
LEAST_SPAN = 1 / 16  # of 16 bits, from the darkest value to the lightest: 12 bits stored as 16 span less
LEAST_ALPHA = 16  # of 255, where a picture can be seen best
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
# What begins so, and what a reader can do about it.
BEGINNINGS = (
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript drawing; export it as PNG"),
    (b"PK\x03\x04", "a ZIP archive, or an office document; unpack it"),
    (b"\x1f\x8b", "a gzip archive; unpack it"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it"),
    (b"Rar!", "a RAR archive; unpack it"),
    (b"\xff\x0a", "a JPEG XL picture; convert it to JPEG or PNG"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture; convert it to JPEG or PNG"),
    (b"\x93NUMPY", "an array of NumPy; write its pixels as PNG"),
    (b"version https://git-lfs", "a pointer of Git LFS; fetch the file itself with `git lfs pull`"),
    (b"\x00\x05\x16\x07", "what a Mac keeps beside a file (AppleDouble), not the file"),
    (b"\x1a\x45\xdf\xa3", "a film (Matroska or WebM)"),
    (b"SIMPLE  =", "measurements (FITS), whose range is not known; write them as PNG"),
    (b"\xff\xd8\xff", "the beginning of a JPEG, whose rest is damaged"),
    (b"\x89PNG", "the beginning of a PNG, whose rest is damaged"),
    (b"GIF8", "the beginning of a GIF, whose rest is damaged"),
    (b"<svg", "a drawing (SVG); export it as PNG"),
    (b"<?xml", "XML, such as a drawing (SVG)"),
    (b"<!doctype", "an HTML page"),
    (b"<html", "an HTML page"),
)


@given.explained
def read_picture(
    path: str | os.PathLike[str] | bytes,
    size: int,
    *,
    smallest: int = 1,
    scaler: str = "pillow",
    share: float = 1.0,
) -> np.ndarray:
    """A picture as uint8 (3, size, size): its largest centred square, or the middle of it, scaled down or up.

    The content decides about the format, not the name; every format that Pillow itself decodes will do
    (``FORMATS``). The EXIF rotation is applied, transparency is laid on white, grey becomes three equal
    channels, deep grey is scaled from the bits that its file states to 8, an animation gives its first frame.
    A big JPEG is decoded at a fraction of its size, at least four times ``size``.

    Args:
        path: a file, or the content of one as bytes.
        size: side of the result in pixels.
        smallest: pixels that the picture's shorter side must have at least.
        scaler: one of ``SCALERS``; "torch" is faster, and has JPEGs decoded by torchvision. Scaled down, each
            pixel is at most 1 of 255 away from Pillow's, but those of the outermost row and column, where
            Pillow looks across the edge of the square. A picture that needs no scaling is the same.
        share: how much of the square's side is kept, above 0, at most 1. 224 / 256 is the cut of the usual
            ``Resize(256)``, ``CenterCrop(224)`` of torchvision; here it comes first, so that less is scaled.

    Raises:
        ValueError: if ``scaler``, ``share`` or a number is none of these, or the file is no whole picture,
            too small, wholly transparent, or of values whose range nobody states or hardly uses; the message
            gives the reason, not the name.
        TypeError: if ``path`` is neither.
    """
    size = given.whole_number("size", size, unit="pixel")
    scaled = {"pillow": _scaled, "torch": _scaled_by_torch}[require_scaler(scaler)]
    share, smallest = require_share(share), given.whole_number("smallest", smallest, unit="pixel")
    with _readable(path), _opened(path) as image:
        _check_head(image, path, smallest=smallest)
        enough = math.ceil(4 * size / share)
        stored = image.size
        image.draft("RGB", (enough, enough))
        if (
            scaler == "torch"
            and image.size == stored
            and (pixels := _decoded_by_torchvision(image)) is not None
        ):
            return _scaled_by_torch(pixels, _middle(image, share), size)
        image.load()
        upright = _to_rgb(_upright(image), head=image)
        return scaled(upright, _middle(upright, share), size)


@given.explained
def require_scaler(scaler: str) -> str:
    """``scaler``, if it is one of ``SCALERS``.

    Args:
        scaler: as it was given.

    Raises:
        ValueError: if it is something else.
    """
    if not isinstance(scaler, str) or scaler not in SCALERS:
        raise ValueError(f"scaler must be one of {', '.join(SCALERS)}, got {scaler!r}")
    return scaler


@given.explained
def require_share(share: float) -> float:
    """``share``, if it is the share of a side.

    Args:
        share: as it was given.

    Raises:
        ValueError: if it is not above 0 and at most 1.
    """
    share = given.real_number("share", share)
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1, got {share}")
    return share


@given.explained
def check_picture(path: str | os.PathLike[str]) -> None:
    """Raise what ``read_picture`` would raise, without decoding a JPEG of the usual kind.

    Of a JPEG that begins and ends as one only the head is read; all other files are decoded. So damage in
    the middle of a JPEG is not seen, of which the decoder itself mostly makes grey areas.

    Args:
        path: the file.

    Raises:
        ValueError: with the reason, as ``read_picture``.
    """
    with _readable(path):
        with _opened(path) as image:
            _check_head(image, path)
            kind = image.format
        if kind in ("JPEG", "MPO"):
            with open(path, "rb") as file:
                file.seek(-min(os.path.getsize(path), 64), os.SEEK_END)
                if b"\xff\xd9" in file.read():  # its end; cameras may write some bytes behind it
                    return
    read_picture(path, 8)


def _check_head(image: Image.Image, path: str | os.PathLike[str] | bytes, *, smallest: int = 1) -> None:
    """Refuse a picture that is too small; of a PNG, compare all checksums."""
    if min(image.size) < smallest:
        raise _RefusedError(
            f"only {image.width} x {image.height} pixels; at least {smallest} are needed on each side"
        )
    if image.format == "PNG":
        with _opened(path) as again:  # which is used up by it
            again.verify()  # its checksums, which load() skips


class _RefusedError(ValueError):
    """A picture that is whole and cannot be used; the message says why."""


def _opened(path: str | os.PathLike[str] | bytes) -> ImageFile.ImageFile:
    from PIL import Image

    if not set(FORMATS) - {"HEIF"} <= set(Image.OPEN):
        Image.init()  # all decoders that this Pillow has
    known = [name for name in FORMATS if name in Image.OPEN]
    return Image.open(io.BytesIO(path) if isinstance(path, bytes) else path, formats=known)


@contextmanager
def _readable(path: str | os.PathLike[str] | bytes) -> Iterator[None]:
    """Turn whatever Pillow raises into ValueError with the reason."""
    from PIL import Image

    if not isinstance(path, (str, os.PathLike, bytes)):
        raise TypeError(f"a picture is a path, or the content of a file as bytes; got {type(path).__name__}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd EXIF entries and the like; the pixels are whole
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            yield
        except FileNotFoundError:
            raise ValueError(_why_missing(path)) from None
        except IsADirectoryError:
            raise ValueError("a folder, not a file") from None
        except PermissionError:
            raise ValueError("this user may not read it") from None
        except Image.UnidentifiedImageError:
            raise ValueError(_beginning(path)) from None
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise ValueError(f"more than {Image.MAX_IMAGE_PIXELS:,} pixels") from None
        except (MemoryError, _RefusedError):
            raise
        except Exception as error:  # a damaged file makes Pillow raise a dozen types
            raise ValueError(f"damaged: {error or type(error).__name__}") from None


def _why_missing(path: object) -> str:
    if str(path).partition("://")[0].lower() in ("http", "https", "ftp"):
        return "an address, not a file; download it first"
    return "the file is missing"


def _beginning(path: str | os.PathLike[str] | bytes) -> str:
    """What a file holds that is no picture, by its first bytes."""
    with io.BytesIO(path) if isinstance(path, bytes) else open(path, "rb") as file:
        start = file.read(64)
    if not start:
        return "the file is empty (0 bytes)"
    if start[4:8] == b"ftyp":
        return f"no picture that Pillow can decode but {_iso_media(start[8:12])}"
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for mark, meaning in BEGINNINGS:
        if start.startswith(mark) or (mark[:1] == b"<" and text.startswith(mark)):
            return f"no picture but {meaning}"
    if not start.strip(b"\x00"):
        return "no picture but zeros, as an interrupted download or a full disk leaves"
    return f"no picture but a file that begins with {start[:16]!r}"


def _iso_media(brand: bytes) -> str:
    """What a file of the ISO media kind is (ISO/IEC 14496-12), by its brand."""
    if brand in HEIF_BRANDS:
        return (
            "a HEIC picture, as iPhones take them; convert it to JPEG, or install pillow-heif and call "
            "pillow_heif.register_heif_opener() first"
        )
    if brand in (b"avif", b"avis"):
        return (
            "an AVIF picture, which this Pillow lacks the decoder for, or a damaged one; convert it to JPEG"
        )
    if brand == b"crx ":
        return "a raw photograph (CR3); convert it to JPEG"
    return "a film (MP4 or QuickTime)"


def _upright(image: Image.Image) -> Image.Image:
    """As the camera was held; as it is stored where its EXIF entries are damaged."""
    from PIL import ImageOps

    try:
        ImageOps.exif_transpose(image, in_place=True)  # otherwise it copies what needs no turning
        return image
    except Exception:  # damaged entries raise as many types as damaged pictures; the pixels are whole
        return image


def _to_rgb(image: Image.Image, *, head: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return Image.fromarray(_eight_bits(image, head)).convert("RGB")
    if image.mode == "LAB":
        from PIL import ImageCms

        lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, lab, rgb, outputMode="RGB") or image
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        most = int(np.asarray(image.getchannel("A")).max())
        if most < LEAST_ALPHA:
            raise _RefusedError(f"wholly transparent: alpha is {most} of 255 at most, so nothing can be seen")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image: Image.Image, head: Image.Image) -> np.ndarray:
    """Deep grey as uint8 (H, W), scaled from the range that the file states in its ``head``."""
    most = _stated_most(head)
    if most is None:
        kind = "32-bit" if head.mode == "F" else "32-bit or signed"
        raise _RefusedError(
            f"{kind} values (mode {image.mode}) have no known range; scale them to 0 to 255 or "
            "to 0 to 65535, and write them as PNG"
        )
    gray = np.asarray(image).astype(np.int64)
    low, high = int(gray.min()), int(gray.max())
    if low < 0 or high > most or high - low < LEAST_SPAN * most:
        raise _RefusedError(
            f"deep grey that uses only {low} to {high} of 0 to {most}, so that 8 bits would hold next to "
            "nothing; scale it to its own range first"
        )
    if _tiff_tag(head, 262, 1) == 0:  # PhotometricInterpretation: WhiteIsZero
        gray = most - gray
    return ((gray * 255 + most // 2) // most).astype(np.uint8)


def _stated_most(head: Image.Image) -> int | None:
    """The largest value that a picture of deep grey may have, where its file says so."""
    if head.format == "TIFF" and head.mode.startswith("I;16") and _tiff_tag(head, 339, 1) == 1:  # unsigned
        return 2 ** _tiff_tag(head, 258, 16) - 1  # BitsPerSample
    return 65535 if head.format in ("PNG", "PPM", "JPEG2000") and head.mode != "F" else None


def _tiff_tag(head: Image.Image, number: int, default: int) -> int:
    """A tag of a TIFF (TIFF 6.0, section 8), or its first value if it has several."""
    value = getattr(head, "tag_v2", {}).get(number, default)
    return value[0] if isinstance(value, tuple) else value


def _middle(image: Image.Image, share: float) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the square to keep, in whole pixels."""
    short = min(image.size)
    side = max(1, round(share * short))
    if side == short:
        left, top = ((length - side) // 2 for length in image.size)
    else:  # torchvision's CenterCrop rounds so
        left, top = (round((length - side) / 2) for length in image.size)
    return left, top, left + side, top + side


def _scaled(image: Image.Image, box: tuple[int, int, int, int], size: int) -> np.ndarray:
    """The box, scaled in the same step, so that a picture of 1 x 1,000,000 pixels never becomes huge."""
    from PIL import Image

    if box[2] - box[0] == size:
        return np.asarray(image.crop(box)).transpose(2, 0, 1)
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, box=box)).transpose(2, 0, 1)


def _decoded_by_torchvision(image: ImageFile.ImageFile) -> Tensor | None:
    """The pixels of an ordinary JPEG, uint8 (3, H, W): those that Pillow gives, without its copies.

    None for any other file, and for one that torchvision cannot read: Pillow has the better words for it.
    """
    from torchvision.io import ImageReadMode, decode_jpeg

    ordinary = image.format == "JPEG" and image.mode == "RGB" and _orientation(image) == 1
    if not ordinary or image.fp is None:
        return None
    place = image.fp.tell()
    image.fp.seek(0)
    content = torch.frombuffer(image.fp.read(), dtype=torch.uint8)  # _readable lets torch's warning pass
    image.fp.seek(place)
    try:
        pixels = decode_jpeg(content, mode=ImageReadMode.RGB)
    except RuntimeError:
        return None
    assert isinstance(pixels, Tensor)  # a list comes of a list
    return pixels


def _orientation(image: Image.Image) -> int:
    """How the camera was held, in EXIF's numbers; 1 is upright, 0 here that it cannot be told."""
    try:
        return image.getexif().get(0x0112, 1)
    except Exception:  # damaged entries raise as many types as damaged pictures
        return 0


def _scaled_by_torch(picture: Image.Image | Tensor, box: tuple[int, int, int, int], size: int) -> np.ndarray:
    """As ``_scaled``, without a look across its edge; channels lie last in memory, as they were decoded."""
    left, top, right, bottom = box
    if isinstance(picture, Tensor):
        square = picture[:, top:bottom, left:right]
    else:  # (side, side, 3), read-only too
        square = torch.from_numpy(np.asarray(picture.crop(box))).permute(2, 0, 1)
    if square.shape[-1] != size:
        square = torch.nn.functional.interpolate(
            square[None], (size, size), mode="bilinear", align_corners=False, antialias=True
        )[0]
    return square.numpy()
