"""Augmentation: random changes to a whole batch of images that leave the label true.

Introduced in chapters 4 and 5.

A transform maps images of shape (N, C, H, W), uint8 or float, on any device, to others, and leaves them as
they were. Each has a generator of its own on the CPU, made with its ``seed``: one seed, one sequence,
whatever else draws random numbers. The names are those of ``torchvision.transforms.v2``, whose transforms
draw from the process's generator instead, and once for a whole batch; the door for them is
``torchvision_v2``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import KW_ONLY, dataclass, field

import torch
from torch import Tensor, nn

from resnet_utils.data.torchvision_v2 import seeded_if_torchvision
from resnet_utils.runtime import given, seeding
from resnet_utils.runtime.types import Batches

Transform = Callable[[Tensor], Tensor]  # images (N, C, H, W) to images


@given.explained
class Compose:
    """The transforms, one after the other.

    Args:
        transforms: what to apply, the first one first; any functions ``images -> images``. One of
            torchvision's draws for each image, with its place in the list as the seed (``PerImage`` takes
            another).

    Raises:
        TypeError: if it is no list of functions.
    """

    def __init__(self, transforms: Iterable[Transform]) -> None:
        given = list(transforms) if isinstance(transforms, Iterable) else []
        if not isinstance(transforms, Iterable) or not all(callable(each) for each in given):
            raise TypeError(f"Compose takes a list of functions, [first, second]; got {transforms!r}")
        self.transforms = [seeded_if_torchvision(each, seed=place) for place, each in enumerate(given)]

    def __call__(self, images: Tensor) -> Tensor:
        """``images`` (N, C, H, W) after all transforms."""
        for transform in self.transforms:
            images = transform(images)
        return images

    def __repr__(self) -> str:
        return f"Compose({self.transforms})"


@given.explained
@dataclass(eq=False)
class RandomHorizontalFlip:
    """Mirror each image left to right with the given chance.

    Args:
        p: the chance, in [0, 1].
        seed: of its generator; another seed, other draws.

    Raises:
        ValueError: if ``p`` is no chance.
    """

    p: float = 0.5
    _: KW_ONLY
    seed: int = 0
    generator: torch.Generator = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0.0 <= given.real_number("p", self.p) <= 1.0:
            raise ValueError(f"p must lie in [0, 1], got {self.p}")
        self.generator = seeding.SeededGenerator(self.seed)

    def __call__(self, images: Tensor) -> Tensor:
        """``images`` (N, C, H, W), some of them mirrored."""
        mirrored = torch.rand(len(images), generator=self.generator, device="cpu") < self.p
        return torch.where(mirrored.to(images.device)[:, None, None, None], images.flip(3), images)


@given.explained
@dataclass(eq=False, kw_only=True)
class RandomCrop:
    """Pad each side with zeros and cut the old size out again, at a place drawn for each image.

    So each image is shifted by up to ``padding`` pixels either way.
    Source: He et al. 2016, arXiv:1512.03385, section 4.2, with padding 4 for CIFAR-10.

    Args:
        padding: zeros on each side, in pixels, at least 1.
        seed: of its generator; another seed, other draws.

    Raises:
        ValueError: if ``padding`` is below 1.
    """

    padding: int
    seed: int = 0
    generator: torch.Generator = field(init=False, repr=False)

    def __post_init__(self) -> None:
        given.whole_number("padding", self.padding, unit="pixel")
        self.generator = seeding.SeededGenerator(self.seed)

    def __call__(self, images: Tensor) -> Tensor:
        """``images`` (N, C, H, W), each shifted by its own draw."""
        number, channels, height, width = images.shape
        padded = nn.functional.pad(images, (self.padding,) * 4)
        corner = torch.randint(
            0, 2 * self.padding + 1, (2, number, 1), generator=self.generator, device="cpu"
        )
        corner = corner.to(images.device)
        lines = corner[0] + torch.arange(height, device=images.device)  # (N, H)
        columns = corner[1] + torch.arange(width, device=images.device)  # (N, W)
        image = torch.arange(number, device=images.device)[:, None, None, None]
        channel = torch.arange(channels, device=images.device)[None, :, None, None]
        return padded[image, channel, lines[:, None, :, None], columns[:, None, None, :]]


@given.explained
@dataclass(eq=False)
class RandomResizedCrop:
    """Cut a rectangle out of each image and stretch it to the old size, or to a square of ``size`` pixels.

    With a smaller ``size``, train on small cut-outs of larger images, and test on those as they are. Sampling
    is bilinear without a low-pass filter, so ``size`` should be at least half of the images'.
    Source: Szegedy et al. 2015, arXiv:1409.4842, section 6, with scale (0.08, 1), torchvision's default; for
    the smaller ``size`` Touvron et al. 2019, arXiv:1906.06423, section 3.

    Args:
        size: side of the result in pixels; None: height and width stay.
        scale: (low, high) share of the image's area that the rectangle has, in (0, 1].
        ratio: (low, high) width / height of the rectangle, drawn so that 2 is as likely as 1/2. Where it
            would stick out, its longer side is cut to the image's.
        seed: of its generator; another seed, other draws.

    Raises:
        ValueError: for a share or ratio that is none, or a ``size`` below one.
    """

    size: int | None = None
    _: KW_ONLY
    scale: tuple[float, float] = (0.35, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    seed: int = 0
    generator: torch.Generator = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.size is not None:
            given.whole_number("size", self.size, unit="pixel")
        for name in ("scale", "ratio"):
            if len(given.real_numbers(name, getattr(self, name))) != 2:
                raise ValueError(f"{name} must be two numbers, (low, high), got {getattr(self, name)}")
        if not 0 < self.scale[0] <= self.scale[1] <= 1 or not 0 < self.ratio[0] <= self.ratio[1]:
            found = f"{self.scale} and {self.ratio}"
            raise ValueError(f"need 0 < scale <= 1 and 0 < ratio, smaller first; got {found}")
        self.generator = seeding.SeededGenerator(self.seed)

    def __call__(self, images: Tensor) -> Tensor:
        """``images`` (N, C, H, W), each cut by its own draw; bytes stay bytes, rounded."""
        shape = [*images.shape[:2], *((self.size, self.size) if self.size else images.shape[2:])]
        grid = nn.functional.affine_grid(self._boxes(len(images)).float(), shape, align_corners=False)
        cut = nn.functional.grid_sample(
            images.float(), grid.to(images.device), padding_mode="border", align_corners=False
        )
        return cut.to(images.dtype) if images.is_floating_point() else cut.round().to(images.dtype)

    def _boxes(self, number: int) -> Tensor:
        """Rectangles as affine maps, float64 (number, 2, 3), where the image spans [-1, 1]."""
        share, form, left, top = torch.rand(
            4, number, generator=self.generator, dtype=torch.float64, device="cpu"
        )
        area = self.scale[0] + (self.scale[1] - self.scale[0]) * share
        log_ratio = torch.tensor(self.ratio, dtype=torch.float64, device="cpu").log()
        aspect = (log_ratio[0] + (log_ratio[1] - log_ratio[0]) * form).exp()
        width, height = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
        x, y = (1 - width) * (2 * left - 1), (1 - height) * (2 * top - 1)
        zero = torch.zeros_like(x)
        return torch.stack([width, zero, x, zero, height, y], dim=1).reshape(-1, 2, 3)


MOST_ALPHA = 2.0  # beyond it almost every image would be a half-and-half mixture


@given.explained
class Mixup(seeding.SeededBatches):
    """The batches of ``loader``, in which each image and its label are mixed with those of another.

    Yields float images ``(N, C, H, W)`` and label shares ``(N, num_classes)``, which torch's cross-entropy
    takes as they are. One share for a batch, from a Beta(alpha, alpha) distribution, and a partner for each
    image from the same batch; partners and shares depend on ``seed`` and on the sizes of the batches alone.
    Source: Zhang et al. 2018, arXiv:1710.09412, section 2.

    Args:
        loader: batches of float images and class numbers ``(N,)``; it stays as it is.
        num_classes: columns of the label shares, at least 2.
        alpha: above 0 and at most 2; the smaller, the nearer most mixtures are to one of their two images.
        seed: of its generator; another seed, other partners and shares.

    Raises:
        TypeError: if ``loader`` is none.
        ValueError: if ``alpha`` is not above 0 and at most 2, ``num_classes`` is below 2, or as
            ``SeededBatches``.
    """

    def __init__(self, loader: Batches, num_classes: int, *, alpha: float = 0.2, seed: int = 0) -> None:
        if not 0 < given.real_number("alpha", alpha) <= MOST_ALPHA:
            raise ValueError(f"alpha must be above 0 and at most {MOST_ALPHA:g}, got {alpha}")
        num_classes = given.whole_number("num_classes", num_classes, least=2)
        super().__init__(loader, seed=seed)
        self.num_classes, self.alpha = num_classes, alpha

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for images, labels in self.loader:
            partner = torch.randperm(len(labels), generator=self.generator, device="cpu")
            share = _beta(self.alpha, self.generator)
            sure = nn.functional.one_hot(labels, self.num_classes).to(images.dtype)
            yield images.lerp(images[partner], 1 - share), sure.lerp(sure[partner], 1 - share)


def _beta(alpha: float, generator: torch.Generator) -> float:
    """A number from the Beta(alpha, alpha) distribution, by Jöhnk's method (Metrika 8, 1964, pp. 5-15).

    torch's own sampler takes no generator.
    """
    while True:
        drawn = torch.rand(2, generator=generator, dtype=torch.float64, device="cpu")
        u, v = (drawn ** (1 / alpha)).tolist()
        if u == v == 0:  # too small for a float: all but certainly one is many times the other
            return float(drawn[0] > drawn[1])
        if u + v <= 1:
            return u / (u + v)
