"""Augmentation: random changes to a whole batch of images that leave the label true.

Introduced in chapters 4 and 5.

Each function returns a transform ``images -> images`` of shape (N, C, H, W), uint8 or float, with a generator
of its own on the CPU: one seed, one sequence, whatever else draws random numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

Transform = Callable[[Tensor], Tensor]


def compose(*transforms: Transform) -> Transform:
    """The transforms, one after the other."""

    def apply(images: Tensor) -> Tensor:
        for transform in transforms:
            images = transform(images)
        return images

    return apply


def flip(*, chance: float = 0.5, seed: int = 0) -> Transform:
    """Mirror each image left to right with the given chance."""
    if not 0.0 <= chance <= 1.0:
        raise ValueError(f"chance must lie in [0, 1], got {chance}")
    generator = torch.Generator().manual_seed(seed)

    def apply(images: Tensor) -> Tensor:
        mirrored = torch.rand(len(images), generator=generator) < chance
        return torch.where(mirrored.to(images.device)[:, None, None, None], images.flip(3), images)

    return apply


def shift(padding: int, *, seed: int = 0) -> Transform:
    """Pad each side with ``padding`` zeros and cut the old size out again, at a place drawn for each image.

    Source: He et al. 2016, arXiv:1512.03385, section 4.2, with padding 4 for CIFAR-10.
    """
    if padding < 1:
        raise ValueError(f"padding must be at least 1 pixel, got {padding}")
    generator = torch.Generator().manual_seed(seed)

    def apply(images: Tensor) -> Tensor:
        number, _, height, width = images.shape
        padded = torch.nn.functional.pad(images, (padding,) * 4)
        corner = torch.randint(0, 2 * padding + 1, (2, number, 1), generator=generator).to(images.device)
        lines = corner[0] + torch.arange(height, device=images.device)  # (N, H)
        columns = corner[1] + torch.arange(width, device=images.device)  # (N, W)
        rows = torch.arange(number, device=images.device)[:, None, None, None]
        channels = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
        return padded[rows, channels, lines[:, None, :, None], columns[:, None, None, :]]

    return apply


def random_resized_crop(
    *,
    scale: tuple[float, float] = (0.35, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
    size: int | None = None,
    seed: int = 0,
) -> Transform:
    """Cut a rectangle out of each image, of a share ``scale`` of its area, and stretch it to the old size.

    ``ratio`` is width / height of the rectangle, drawn so that 2 is as likely as 1/2. Where it would stick
    out, its longer side is cut to the image's. With ``size`` it becomes a square of ``size`` pixels instead:
    train on small cut-outs of larger images, and test on those as they are. Sampling is bilinear without a
    low-pass filter, so ``size`` should be at least half of the images'.
    Source: Szegedy et al. 2015, arXiv:1409.4842, section 6, with scale (0.08, 1); for the smaller ``size``
    Touvron et al. 2019, arXiv:1906.06423, section 3.

    Raises:
        ValueError: for a share or ratio that is none, or a ``size`` below one.
    """
    if size is not None and size < 1:
        raise ValueError(f"size has to be at least one pixel, got {size}")
    if not 0 < scale[0] <= scale[1] <= 1 or not 0 < ratio[0] <= ratio[1]:
        raise ValueError(f"need 0 < scale <= 1 and 0 < ratio, smaller first; got {scale} and {ratio}")
    generator = torch.Generator().manual_seed(seed)
    log_ratio = torch.tensor(ratio, dtype=torch.float64).log()

    def apply(images: Tensor) -> Tensor:
        share, form, left, top = torch.rand(4, len(images), generator=generator, dtype=torch.float64)
        area = scale[0] + (scale[1] - scale[0]) * share
        aspect = (log_ratio[0] + (log_ratio[1] - log_ratio[0]) * form).exp()
        width, height = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
        # In the coordinates of affine_grid the image spans [-1, 1].
        x, y = (1 - width) * (2 * left - 1), (1 - height) * (2 * top - 1)
        zero = torch.zeros_like(x)
        boxes = torch.stack([width, zero, x, zero, height, y], dim=1).reshape(-1, 2, 3)
        shape = [*images.shape[:2], *((size, size) if size else images.shape[2:])]
        grid = torch.nn.functional.affine_grid(boxes.float(), shape, align_corners=False)
        cut = torch.nn.functional.grid_sample(
            images.float(), grid.to(images.device), padding_mode="border", align_corners=False
        )
        return cut.to(images.dtype) if images.is_floating_point() else cut.round().to(images.dtype)

    return apply


MOST_ALPHA = 2.0  # beyond it almost every image would be a half-and-half mixture


class Mixup:
    """The batches of ``loader``, in which each image and its label are mixed with those of another.

    Yields float images ``(N, C, H, W)`` and label shares ``(N, num_classes)``, which torch's cross-entropy
    takes as they are. One share for a batch, from a Beta(alpha, alpha) distribution, and a partner for each
    image from the same batch; partners and shares depend on ``seed`` and on the sizes of the batches alone.
    Source: Zhang et al. 2018, arXiv:1710.09412, section 2.

    Raises:
        ValueError: if ``alpha`` is not above 0 and at most 2, or ``num_classes`` is below 2.
    """

    def __init__(self, loader: DataLoader, num_classes: int, *, alpha: float = 0.2, seed: int = 0) -> None:
        if not 0 < alpha <= MOST_ALPHA:
            raise ValueError(f"alpha must be above 0 and at most {MOST_ALPHA:g}, got {alpha}")
        if num_classes < 2:
            raise ValueError(f"num_classes must be at least 2, got {num_classes}")
        self.loader, self.num_classes, self.alpha = loader, num_classes, alpha
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for images, labels in self.loader:
            partner = torch.randperm(len(labels), generator=self.generator)
            share = _beta(self.alpha, self.generator)
            sure = nn.functional.one_hot(labels, self.num_classes).to(images.dtype)
            yield images.lerp(images[partner], 1 - share), sure.lerp(sure[partner], 1 - share)


def _beta(alpha: float, generator: torch.Generator) -> float:
    """A number from the Beta(alpha, alpha) distribution, by Jöhnk's method (Metrika 8, 1964, pp. 5-15).

    torch's own sampler takes no generator.
    """
    while True:
        u, v = (torch.rand(2, generator=generator, dtype=torch.float64) ** (1 / alpha)).tolist()
        if 0 < u + v <= 1:
            return u / (u + v)
