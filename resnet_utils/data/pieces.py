"""Images a few at a time, wherever they are: a tensor, a split in memory, or files on the disk.

Introduced in chapter 5.

What asks for its images here never holds more than a piece of them, and so does the same, to the bit, for
photographs that memory would not hold.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from resnet_utils.data.in_memory import Split
from resnet_utils.data.on_disk import SplitOnDisk
from resnet_utils.runtime import given

AnySplit = Split | SplitOnDisk
Images = Tensor | Split | SplitOnDisk


def require_images(images: object) -> None:
    """Check that something has images to ask for.

    Args:
        images: a tensor (N, C, H, W), or a split.

    Raises:
        TypeError: if it is neither.
        ValueError: if the tensor is a single number.
    """
    if not isinstance(images, (Tensor, Split, SplitOnDisk)):
        raise TypeError(f"images must be a split or a tensor, got {type(images).__name__}")
    if isinstance(images, Tensor) and not images.ndim:
        raise ValueError(f"images must be (N, C, H, W), got a single number, {images.item()}")


@given.explained
def images_from(images: Images, start: int, stop: int) -> Tensor:
    """The images from place ``start`` to the one before ``stop``: uint8 (stop - start, C, H, W).

    Args:
        images: where they come from; those of a ``SplitOnDisk`` are decoded now.
        start: the first place.
        stop: one more than the last place, at most the number of images.

    Raises:
        ValueError: if a place is no whole number from 0 up, or a file is damaged, or gone; the message names
            it.
    """
    require_images(images)
    start = given.whole_number("start", start, least=0)
    stop = given.whole_number("stop", stop, least=start)
    if stop > len(images):
        raise ValueError(f"stop must be at most {len(images)}, the number of images, got {stop}")
    return images[start:stop] if isinstance(images, Tensor) else images.images_at(range(start, stop))


def pieces(images: Images, count: int) -> Iterator[Tensor]:
    """All images in their order, ``count`` at a time: uint8 (count, C, H, W), the last piece maybe shorter.

    Args:
        images: where they come from.
        count: images a piece, at least 1.

    Raises:
        ValueError: if ``count`` is below 1, or a file is damaged, or gone; the message names it.
        TypeError: if ``images`` are none.
    """
    require_images(images)
    return _cut(images, given.whole_number("count", count))


def _cut(images: Images, count: int) -> Iterator[Tensor]:
    for start in range(0, len(images), count):
        yield images_from(images, start, min(start + count, len(images)))
