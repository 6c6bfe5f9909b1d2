"""A classifier to use: from a file to an answer with a calibrated probability, or to "I don't know".

Introduced in chapter 5.

All that belongs to the answer travels together in one file: weights, classes, image size, normalisation,
temperature and threshold.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

import torch
from torch import Tensor, nn

from resnet_utils import models
from resnet_utils.data.pieces import Images, pieces, require_images
from resnet_utils.deployment import export, inputs
from resnet_utils.evaluation import kept_modes
from resnet_utils.files import checked, weights
from resnet_utils.models.anatomy import first_convolution
from resnet_utils.runtime import device_of, given, speed
from resnet_utils.runtime.speed import Fast

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    Picture = str | os.PathLike[str] | bytes | Image.Image | np.ndarray | Tensor

BATCH = 100  # images at a time: with more, the maps of a CPU's pass outgrow its caches
IN_CARD = ("size", "mean", "std", "temperature", "threshold", "flip")  # beside what models.card_of says
LATER = ("resize",)  # in the card only where it is not the usual: files from before do not have it
FLAT = 2  # grey values; a picture that varies less shows one colour


@dataclass(frozen=True)
class Answer:
    """What a classifier says about one picture; ``print`` shows it in a line.

    label: the name of the class; None where the classifier does not know.
    best: the likeliest class all the same.
    probability: that of ``best``, from 0 to 1.
    probabilities: that of each class by its name; together 1.
    """

    label: str | None
    best: str
    probability: float
    probabilities: dict[str, float]

    def __str__(self) -> str:
        percent = f"{100 * self.probability:.0f} %"
        return f"{self.label} ({percent})" if self.label else f"I don't know (perhaps {self.best}, {percent})"


@given.explained
class Pipeline(nn.Module):
    """From pixels to tempered logits: ``(N, channels, size, size)`` from 0 to 255 -> ``(N, num_classes)``.

    Normalises, averages the logits of an image and its mirror image if ``flip``, divides by the temperature.

    ``mean`` and ``std`` are buffers (channels, 1, 1), so they go where the network goes.

    Args:
        parts: the classifier; its network is used, not copied.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, parts: Classifier) -> None:
        super().__init__()
        self.model, self.flip, self.temperature = parts.model, parts.flip, parts.temperature
        self.precision = first_convolution(parts.model).weight.dtype
        self.register_buffer("mean", torch.tensor(parts.mean)[:, None, None])  # (channels, 1, 1)
        self.register_buffer("std", torch.tensor(parts.std)[:, None, None])

    def forward(self, pixels: Tensor) -> Tensor:
        x = ((pixels / 255 - self.mean) / self.std).to(self.precision)
        logits = self.model(x)
        if self.flip:
            logits = (logits + self.model(x.flip(3))) / 2
        return logits / self.temperature


@given.explained
@dataclass(frozen=True)
class Classifier:
    """A network of ``models.build(network, ...)`` for pictures, and what it takes to use it; see ``answer``.

    ``dataclasses.replace`` gives one with another temperature or threshold.

    model: the trained network; its images have three channels, or one: then pictures are made grey.
    network: the name that it was built by, one of ``models.NAMES``.
    classes: the name of each of its outputs, all different.
    size: side of the images it is asked about, in pixels; at least 8.
    mean: what is taken from each colour, in units of 1 (not 255), as in training; one value for grey.
    std: what each colour is divided by then, above 0.
    temperature: what the logits are divided by, above 0 (``calibration.fit_temperature``).
    threshold: an answer below this probability, from 0 to 1, is withheld.
    flip: judge the mirror image too, and take the mean of both.
    resize: side to which the centred square of a picture is scaled first; its middle is looked at. None:
        ``size``, so that all of the square is seen. ``models.published_input`` has what torchvision's weights
        want.

    Raises:
        ValueError: if the parts do not fit each other.
    """

    model: models.ResNet
    network: str
    classes: tuple[str, ...]
    _: KW_ONLY
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    temperature: float = 1.0
    threshold: float = 0.0
    flip: bool = True
    resize: int | None = None

    def __post_init__(self) -> None:
        for name, value in self._settled().items():  # plain numbers, which come back from a file as they are
            object.__setattr__(self, name, value)
        models.card_of(self.model, self.network, self.classes)
        if self.channels not in (1, 3):
            raise ValueError(
                f"pictures have 3 channels, or 1 where they are grey, but the network takes {self.channels}"
            )
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"the names of the classes must be all different, got {self.classes}")
        if len(self.mean) != self.channels or len(self.std) != self.channels or not min(self.std) > 0:
            values = {1: "one value", 3: "three values"}[self.channels]
            raise ValueError(f"mean and std need {values}, std above 0; got {self.mean} and {self.std}")
        if not all(0 <= value <= 1 for value in self.mean) or max(self.std) > 1:
            raise ValueError(
                f"mean and std are in units of 1, for pixels in [0, 1]; got {self.mean} and {self.std}: "
                "divide them by 255"
            )
        for name, value, fine in (
            ("size", self.size, self.size >= 8),
            ("resize", self.resize, self.resize is None or self.resize >= self.size),
            ("temperature", self.temperature, 0 < self.temperature < float("inf")),
            ("threshold", self.threshold, 0 <= self.threshold <= 1),
        ):
            if not fine:
                raise ValueError(f"{name} is {value!r}, which is not allowed")

    def _settled(self) -> dict[str, object]:
        """The settings as plain Python values; whatever cannot be one is refused."""
        listed = isinstance(self.classes, Iterable) and not isinstance(self.classes, str)
        if not listed or not all(isinstance(name, str) and name for name in self.classes):
            raise ValueError(f"the names of the classes are texts, one an output, got {self.classes!r}")
        try:
            counts = {name: getattr(self, name) for name in ("size", "resize")}
            whole = {"size": int(self.size), "resize": None if self.resize is None else int(self.resize)}
            settled = {name: tuple(given.real_numbers(name, getattr(self, name))) for name in ("mean", "std")}
            settled |= {
                name: given.real_number(name, getattr(self, name)) for name in ("temperature", "threshold")
            }
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"size, mean, std, temperature and threshold are numbers: {error}") from None
        if any(whole[name] != value for name, value in counts.items()):
            raise ValueError(f"size and resize are whole numbers, got {self.size!r} and {self.resize!r}")
        flip = given.yes_or_no("flip", self.flip)
        return {**whole, **settled, "classes": tuple(self.classes), "flip": flip}

    @property
    def channels(self) -> int:
        """Channels of the images that the network takes: 3, or 1 for grey ones."""
        return first_convolution(self.model).in_channels

    @given.explained
    def logits(self, images: Images, *, fast: Fast = None) -> Tensor:
        """Tempered logits ``(N, num_classes)``, on the CPU; the network is left in its mode.

        Args:
            images: a split, or uint8 ``(N, 3, size, size)``, or grey ``(N, 1, size, size)``, N > 0; made
                grey, or repeated, as the network needs it. Those on disk are decoded a batch at a time.
            fast: in which order of memory and how many bits to compute: False, True, "auto" or None, as
                ``runtime.speed`` says.

        Raises:
            ValueError: for images of another type or shape, or a file that is damaged or gone.
            TypeError: if they are neither.
        """
        shapes = [(channels, self.size, self.size) for channels in (3, 1)]
        require_images(images)
        kind = getattr(images, "dtype", torch.uint8)  # a split has bytes
        if kind != torch.uint8 or tuple(images.shape[1:]) not in shapes or len(images) == 0:
            wanted = f"(N, 3 or 1, {self.size}, {self.size}), N > 0"
            raise ValueError(f"images must be uint8 {wanted}, got {kind} {tuple(images.shape)}")
        device, batches = device_of(self.model), pieces(images, BATCH)
        with kept_modes(self.model), torch.inference_mode():
            pipeline = Pipeline(self).to(device).eval()
            ready = (inputs.with_channels(batch, self.channels).to(device) for batch in batches)
            parts = [_at_pace(pipeline, batch, fast, to_come=len(images)) for batch in ready]
        return torch.cat(parts).clone()

    @overload
    def answer(self, picture: Picture, *, fast: Fast = None) -> Answer:
        """Of one picture, as ``fast`` says."""

    @overload
    def answer(self, picture: Sequence[Picture], *, fast: Fast = None) -> list[Answer]:
        """Of each of several pictures, as ``fast`` says."""

    @given.explained
    def answer(self, picture: Picture | Sequence[Picture], *, fast: Fast = None) -> Answer | list[Answer]:
        """What a picture shows: the centred square of it is looked at. Of a list, an answer for each.

        Args:
            picture: a file, or its content as bytes, of a kind that ``data.read_picture`` reads; a picture of
                Pillow, a uint8 array (H, W, 3) or a uint8 tensor (3, H, W), colours in the order red, green,
                blue (OpenCV's come the other way round: give ``picture[..., ::-1]``); or a list of such.
            fast: as in ``logits``.

        Raises:
            TypeError: for anything else.
            ValueError: if it is no whole picture, smaller than half of ``size``, or of a single colour;
                the message names the file and the reason. An empty list.
        """
        if isinstance(picture, list | tuple):
            if not picture:
                raise ValueError("the list of pictures is empty")
            images = torch.stack([self._image(one) for one in picture])
            return [self._said(logits) for logits in self.logits(images, fast=fast)]
        return self._said(self.logits(self._image(picture)[None], fast=fast)[0])

    def _image(self, picture: object) -> Tensor:
        """The pixels that are looked at, uint8 (3, size, size)."""
        image = inputs.pixels_of(picture, self.size, resize=self.resize or self.size)
        if int((image.amax(dim=(1, 2)).int() - image.amin(dim=(1, 2)).int()).max()) <= FLAT:
            raise ValueError(f"{inputs.name_of(picture)}: a single colour, there is nothing to see")
        return image

    def _said(self, logits: Tensor) -> Answer:
        """The answer that tempered logits ``(num_classes,)`` give."""
        shares = logits.double().softmax(dim=0)
        if not math.isfinite(float(shares.sum())):
            raise ValueError("the network gives values that are not finite: its training went wrong")
        best = int(shares.argmax())
        known = shares[best] >= self.threshold
        return Answer(
            self.classes[best] if known else None,
            self.classes[best],
            float(shares[best]),
            dict(zip(self.classes, shares.tolist(), strict=True)),
        )

    @given.explained
    def save(self, path: str | Path) -> str:
        """Write all of it to one safetensors file and return the file's sha256 (64 hex digits).

        Args:
            path: the file to write, ending in ``.safetensors``, in a folder that exists.

        Raises:
            ValueError: if the name does not end so, or the network has values that are not finite.
            FileNotFoundError: if the folder does not exist.
        """
        card = models.card_of(self.model, self.network, self.classes)
        card |= {name: getattr(self, name) for name in IN_CARD}
        card |= {name: getattr(self, name) for name in LATER if getattr(self, name) is not None}
        return weights.save_weights(self.model, path, card=card)

    @classmethod
    @given.explained
    def load(cls, path: str | Path, *, sha256: str | None = None) -> Classifier:
        """The classifier that ``save`` wrote, on the CPU, in eval mode.

        Args:
            path: the file to read.
            sha256: the checksum it must have, all 64 hex digits or the first 8 or more (default: any).

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it holds no classifier, or is damaged; for an empty text.
        """
        path = checked.path_of(path)
        if not path.is_file():
            raise FileNotFoundError(f"no classifier at {path}")
        card = weights.card(path)
        absent = [name for name in ("network", "classes", *IN_CARD) if name not in card]
        if absent:
            raise ValueError(
                f"{path.name} was not written by Classifier.save: its card lacks {', '.join(absent)}"
            )
        model = models.from_card(path, sha256=sha256).eval()
        settings = {name: card[name] for name in (*IN_CARD, *LATER) if name in card}
        return cls(model, card["network"], tuple(card["classes"]), **settings)

    @given.explained
    def to_onnx(self, path: str | Path) -> None:
        """Write it for programs without PyTorch (``export.to_onnx``): pixels in, tempered logits out.

        Input "images": float32 (N, channels, size, size), values from 0 to 255 as they stand in the picture.
        The softmax of the output "logits" is the calibrated probability; the threshold is the caller's.

        Args:
            path: the file to write, ending in ``.onnx``, in a folder that exists.

        Raises:
            ValueError: if the name does not end so.
            FileNotFoundError: if the folder does not exist.
            ModuleNotFoundError: if a package for ONNX is missing.
        """
        export.to_onnx(Pipeline(self), path, (self.channels, self.size, self.size))


def _at_pace(pipeline: Pipeline, pixels: Tensor, fast: Fast, *, to_come: int) -> Tensor:
    """Tempered logits of a batch, float32, on the CPU, computed as ``fast`` says."""
    pace = speed.choose(fast, pipeline, pixels, to_come=to_come)
    with speed.computing(pace, pixels.device):
        return pipeline(speed.arranged(pixels, pace)).float().cpu()
