"""A classifier to use: from a file to an answer with a calibrated probability, or to "I don't know".

Introduced in chapter 5.

All that belongs to the answer travels together in one file: weights, classes, image size, normalisation,
temperature and threshold.
"""

from __future__ import annotations

import os
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from resnet_utils import data, models
from resnet_utils.deployment import export
from resnet_utils.evaluation import kept_modes
from resnet_utils.files import weights
from resnet_utils.runtime import device_of

BATCH = 100  # images at a time: with more, the maps of a CPU's pass outgrow its caches
IN_CARD = ("size", "mean", "std", "temperature", "threshold", "flip")  # beside what models.card_of says
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


class Pipeline(nn.Module):
    """From pixels to tempered logits: ``(N, 3, size, size)`` from 0 to 255 -> ``(N, num_classes)``.

    Normalises, averages the logits of an image and its mirror image if ``flip``, divides by the temperature.

    ``mean`` and ``std`` are buffers (3, 1, 1), so they go where the network goes.

    Args:
        parts: the classifier; its network is used, not copied.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, parts: Classifier) -> None:
        super().__init__()
        self.model, self.flip, self.temperature = parts.model, parts.flip, parts.temperature
        self.register_buffer("mean", torch.tensor(parts.mean)[:, None, None])  # (3, 1, 1)
        self.register_buffer("std", torch.tensor(parts.std)[:, None, None])

    def forward(self, pixels: Tensor) -> Tensor:
        x = (pixels / 255 - self.mean) / self.std
        logits = self.model(x)
        if self.flip:
            logits = (logits + self.model(x.flip(3))) / 2
        return logits / self.temperature


@dataclass(frozen=True)
class Classifier:
    """A network of ``models.build(network, ...)`` for pictures, and what it takes to use it; see ``answer``.

    ``dataclasses.replace`` gives one with another temperature or threshold.

    model: the trained network; its images have three channels.
    network: the name that it was built by, one of ``models.NAMES``.
    classes: the name of each of its outputs, all different.
    size: side of the images it is asked about, in pixels; at least 8.
    mean: what is taken from each colour, in units of 1 (not 255), as in training.
    std: what each colour is divided by then, above 0.
    temperature: what the logits are divided by, above 0 (``calibration.fit_temperature``).
    threshold: an answer below this probability, from 0 to 1, is withheld.
    flip: judge the mirror image too, and take the mean of both.

    Raises:
        ValueError: if the parts do not fit each other.
    """

    model: models.ResNet
    network: str
    classes: tuple[str, ...]
    _: KW_ONLY
    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    temperature: float = 1.0
    threshold: float = 0.0
    flip: bool = True

    def __post_init__(self) -> None:
        options = models.card_of(self.model, self.network, self.classes)["options"]
        if options.get("in_channels", 3) != 3:
            raise ValueError(f"pictures have 3 channels, but the network takes {options['in_channels']}")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"the names of the classes must be all different, got {self.classes}")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ValueError(f"mean and std need three values, std above 0; got {self.mean} and {self.std}")
        for name, value, fine in (
            ("size", self.size, self.size >= 8),
            ("temperature", self.temperature, 0 < self.temperature < float("inf")),
            ("threshold", self.threshold, 0 <= self.threshold <= 1),
        ):
            if not fine:
                raise ValueError(f"{name} is {value!r}, which is not allowed")

    def logits(self, images: Tensor) -> Tensor:
        """Tempered logits ``(N, num_classes)``, on the CPU; the network is left in its mode.

        Args:
            images: uint8 ``(N, 3, size, size)``, N > 0.

        Raises:
            ValueError: for images of another type or shape.
        """
        shape = (3, self.size, self.size)
        if images.dtype != torch.uint8 or images.shape[1:] != shape or len(images) == 0:
            raise ValueError(f"images must be uint8 (N, {shape}), got {images.dtype} {tuple(images.shape)}")
        device = device_of(self.model)
        with kept_modes(self.model), torch.inference_mode():
            pipeline = Pipeline(self).to(device).eval()
            parts = [pipeline(part.to(device)).cpu() for part in images.split(BATCH)]
        return torch.cat(parts).clone()

    def answer(self, picture: str | os.PathLike[str] | bytes) -> Answer:
        """What a picture shows: the centred square of it is looked at.

        Args:
            picture: a file, or its content as bytes, of a kind that ``data.read_picture`` reads.

        Raises:
            ValueError: if it is no whole picture, smaller than half of ``size``, or of a single colour;
                the message names the file and the reason.
        """
        name = "the picture" if isinstance(picture, bytes) else Path(picture).name
        try:
            pixels = data.read_picture(picture, self.size, smallest=self.size // 2)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        image = torch.from_numpy(pixels.copy())  # (3, size, size)
        if int((image.amax(dim=(1, 2)).int() - image.amin(dim=(1, 2)).int()).max()) <= FLAT:
            raise ValueError(f"{name}: a single colour, there is nothing to see")
        shares = self.logits(image[None])[0].double().softmax(dim=0)
        best = int(shares.argmax())
        known = shares[best] >= self.threshold
        return Answer(
            self.classes[best] if known else None,
            self.classes[best],
            float(shares[best]),
            dict(zip(self.classes, shares.tolist(), strict=True)),
        )

    def save(self, path: str | Path) -> str:
        """Write all of it to one safetensors file and return the file's sha256 (64 hex digits).

        Args:
            path: the file to write, ending in ``.safetensors``, in a folder that exists.

        Raises:
            ValueError: if the name does not end so.
            FileNotFoundError: if the folder does not exist.
        """
        card = models.card_of(self.model, self.network, self.classes)
        card |= {name: getattr(self, name) for name in IN_CARD}
        return weights.save_weights(self.model, path, card=card)

    @classmethod
    def load(cls, path: str | Path, *, sha256: str | None = None) -> Classifier:
        """The classifier that ``save`` wrote, on the CPU, in eval mode.

        Args:
            path: the file to read.
            sha256: the checksum it must have, all 64 hex digits or the first 8 or more (default: any).

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it holds no classifier, or is damaged.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"no classifier at {path}")
        card = weights.card(path)
        absent = [name for name in ("network", "classes", *IN_CARD) if name not in card]
        if absent:
            raise ValueError(
                f"{path.name} was not written by Classifier.save: its card lacks {', '.join(absent)}"
            )
        model = models.from_card(path, sha256=sha256).eval()
        settings = {name: card[name] for name in IN_CARD}
        settings |= {"mean": tuple(card["mean"]), "std": tuple(card["std"])}  # JSON has lists only
        return cls(model, card["network"], tuple(card["classes"]), **settings)

    def to_onnx(self, path: str | Path) -> None:
        """Write it for programs without PyTorch (``export.to_onnx``): pixels in, tempered logits out.

        Input "images": float32 (N, 3, size, size), values from 0 to 255 as they stand in the picture.
        The softmax of the output "logits" is the calibrated probability; the threshold is the caller's.

        Args:
            path: the file to write, ending in ``.onnx``, in a folder that exists.

        Raises:
            ValueError: if the name does not end so.
            FileNotFoundError: if the folder does not exist.
            ModuleNotFoundError: if a package for ONNX is missing.
        """
        export.to_onnx(Pipeline(self), path, (3, self.size, self.size))
