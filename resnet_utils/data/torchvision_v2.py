"""The door for torchvision's transforms: one draw for each image, and the same draws for the same seed.

Introduced in chapter 4.

torchvision's transforms draw from the process's own generator, and once for a whole batch. Behind this door
each image gets its own draw, the sequence follows from ``seed`` alone, and the process's generators are left
as they were. ``loader(augment=...)`` and ``Compose`` open it by themselves; torchvision is not imported here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from resnet_utils.runtime import given, seeding
from resnet_utils.runtime.classes import classes_of
from resnet_utils.runtime.types import Batches

MIXERS = {"CutMix", "MixUp"}  # they change the labels too


@given.explained
class PerImage:
    """A transform of one image, applied to each image of a batch with draws of its own.

    It may draw from the process's generators, torch's and Python's, as those of torchvision do:
    ``data.PerImage(v2.TrivialAugmentWide(), seed=0)``. It works on bytes, before ``loader`` divides by
    255, so ``ToDtype`` and ``Normalize`` have no place here, and ``RandomErasing`` erases to black, or to the
    bytes of its ``value``.

    Args:
        transform: from a uint8 image (C, H, W) to another; all results of one batch have the same shape.
        seed: of its generator; another seed, other draws.

    Raises:
        TypeError: if it is no function.
        ValueError: if it is one of those that change the labels too, for which there is ``MixedBatches``, or
            for a seed below 0.
    """

    def __init__(self, transform: Callable[[Tensor], Tensor], *, seed: int = 0) -> None:
        if not callable(transform):
            raise TypeError(f"a transform is a function of an image, got {transform!r}")
        if mixers := MIXERS & set(_class_names(transform)):
            raise ValueError(
                f"{' and '.join(sorted(mixers))} mix the labels too: "
                "give data.MixedBatches(loader, transform) in place of the loader"
            )
        self.transform = transform
        self.generator = seeding.SeededGenerator(seed)

    def __call__(self, images: Tensor) -> Tensor:
        """``images`` (N, C, H, W), each changed by its own draw."""
        with _seeded(self.generator, images.device):
            changed = [self.transform(image) for image in images]
        if not all(isinstance(image, Tensor) and image.ndim == 3 for image in changed):
            kinds = sorted({type(image).__name__ for image in changed})
            raise TypeError(f"{self.transform} must give images (C, H, W) as tensors, it gave {kinds}")
        if len(shapes := {tuple(image.shape) for image in changed}) > 1:
            raise ValueError(
                f"{self.transform} gives images of several shapes, {sorted(shapes)[:3]}: no batch"
            )
        return torch.stack([torch.Tensor.as_subclass(image, Tensor) for image in changed])

    def __repr__(self) -> str:
        return f"PerImage({self.transform!r})"


@given.explained
class MixedBatches(seeding.SeededBatches):
    """The batches of ``loader`` after a transform of images and labels: ``v2.CutMix(num_classes=10)``.

    Yields float images ``(N, C, H, W)`` and label shares ``(N, num_classes)``, which torch's cross-entropy
    takes as they are. ``v2.RandomChoice([v2.CutMix(...), v2.MixUp(...)])`` draws one of them for each batch.
    What is drawn depends on ``seed`` and on the sizes of the batches alone.

    Args:
        loader: batches of float images and class numbers ``(N,)``; it stays as it is.
        transform: from both to both.
        seed: of its generator; another seed, other draws.

    Raises:
        TypeError: if ``transform`` is no function, or ``loader`` none.
        ValueError: as ``SeededBatches``; while iterating, if it gives no label shares, or for another number
            of classes.
    """

    def __init__(
        self, loader: Batches, transform: Callable[..., tuple[Tensor, Tensor]], *, seed: int = 0
    ) -> None:
        if not callable(transform):
            raise TypeError(f"a transform is a function of images and labels, got {transform!r}")
        super().__init__(loader, seed=seed)
        self.transform = transform

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        classes = classes_of(self.loader)
        for images, labels in self.loader:
            with _seeded(self.generator, images.device):
                images, shares = self.transform(images, labels)
            if not shares.is_floating_point() or shares.ndim != 2 or len(shares) != len(images):
                raise ValueError(
                    f"{self.transform} must give label shares (N, num_classes), "
                    f"it gave {shares.dtype} {tuple(shares.shape)}"
                )
            if classes is not None and shares.shape[1] != len(classes):
                raise ValueError(f"{self.transform} has {shares.shape[1]} classes, the loader {len(classes)}")
            yield images, shares


@given.explained
def seeded_if_torchvision(transform: Callable[[Tensor], Tensor], *, seed: int) -> Callable[[Tensor], Tensor]:
    """``PerImage(transform, seed=seed)`` for one of torchvision's transforms; any other as it is.

    Args:
        transform: a function of images.
        seed: of the generator where one is made.

    Raises:
        TypeError: if it is no function.
        ValueError: if it is one of those that change the labels too, or for a seed below 0.
    """
    given.whole_number("seed", seed, least=0)
    if not callable(transform):
        raise TypeError(f"a transform is a function of images, got {transform!r}")
    made = [transform, *(transform.modules() if isinstance(transform, nn.Module) else ())]
    bases = [base.__module__ for each in made for base in type(each).__mro__]
    is_theirs = any(module.startswith("torchvision.transforms") for module in bases)
    return PerImage(transform, seed=seed) if is_theirs else transform


def _class_names(transform: object) -> Iterator[str]:
    """The names of the classes of a transform and of those it is composed of."""
    yield from (base.__name__ for base in type(transform).__mro__)
    inner = getattr(transform, "transforms", None)
    for each in inner if isinstance(inner, Iterable) and not isinstance(inner, str) else ():
        yield from _class_names(each)


@contextmanager
def _seeded(generator: torch.Generator, device: torch.device) -> Iterator[None]:
    """Inside, the process's generators follow from the next number of ``generator``, and only inside."""
    seed = int(torch.randint(2**62, (), generator=generator, device="cpu"))
    python = random.getstate()
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
