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
    """
    if not isinstance(images, (Tensor, Split, SplitOnDisk)):
        raise TypeError(f"images must be a split or a tensor, got {type(images).__name__}")


@given.explained
def images_from(images: Images, start: int, stop: int) -> Tensor:
    """The images from place ``start`` to the one before ``stop``: uint8 (stop - start, C, H, W).

    Args:
        images: where they come from; those of a ``SplitOnDisk`` are decoded now.
        start: the first place.
        stop: one more than the last place, at most the number of images.

    Raises:
        ValueError: if a file is damaged, or gone; the message names it.
    """
    return images[start:stop] if isinstance(images, Tensor) else images.images_at(range(start, stop))


def pieces(images: Images, count: int) -> Iterator[Tensor]:
    """All images in their order, ``count`` at a time: uint8 (count, C, H, W), the last piece maybe shorter.

    Args:
        images: where they come from.
        count: images a piece, at least 1.

    Raises:
        ValueError: if a file is damaged, or gone; the message names it.
    """
    for start in range(0, len(images), count):
        yield images_from(images, start, min(start + count, len(images)))
