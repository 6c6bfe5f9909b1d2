"""A classifier to use: from a file to an answer with a calibrated probability, or to "I don't know".

Introduced in chapter 5.

All that belongs to the answer travels together in one file: weights, classes, image size, normalisation,
temperature and threshold.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from resnet_utils import data, models
from resnet_utils.deployment import export
from resnet_utils.evaluation import kept_modes
from resnet_utils.files import weights

BATCH = 100  # images at a time: with more, the maps of a CPU's pass outgrow its caches
KEY = "classifier"  # of the file's card
FLAT = 2  # grey values; a picture that varies less shows one colour


@dataclass(frozen=True)
class Answer:
    """``label`` is None where the classifier does not know; ``best`` is the likeliest class all the same."""

    label: str | None
    best: str
    probability: float  # of ``best``, from 0 to 1
    probabilities: dict[str, float]

    def __str__(self) -> str:
        percent = f"{100 * self.probability:.0f} %"
        return f"{self.label} ({percent})" if self.label else f"I don't know (perhaps {self.best}, {percent})"


class Pipeline(nn.Module):
    """From pixels to tempered logits: ``(N, 3, size, size)`` from 0 to 255 -> ``(N, num_classes)``.

    Normalises, averages the logits of an image and its mirror image if ``flip``, divides by the temperature.
    """

    def __init__(self, parts: Classifier) -> None:
        super().__init__()
        self.model, self.flip, self.temperature = parts.model, parts.flip, parts.temperature
        self.register_buffer("mean", torch.tensor(parts.mean)[:, None, None])
        self.register_buffer("std", torch.tensor(parts.std)[:, None, None])

    def forward(self, pixels: Tensor) -> Tensor:
        x = (pixels / 255 - self.mean) / self.std
        logits = self.model(x)
        if self.flip:
            logits = (logits + self.model(x.flip(3))) / 2
        return logits / self.temperature


@dataclass(frozen=True)
class Classifier:
    """A network of ``models.build(network, ...)`` and what it takes to use it; see ``answer``.

    ``dataclasses.replace`` gives one with another temperature or threshold.

    Raises:
        ValueError: if the parts do not fit each other.
    """

    model: models.ResNet
    network: str
    classes: tuple[str, ...]
    size: int  # side of the images it is asked about, in pixels
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    temperature: float = 1.0
    threshold: float = 0.0  # an answer below this probability is withheld
    flip: bool = True  # judge the mirror image too

    def __post_init__(self) -> None:
        outputs = self.model.fc.out_features
        if len(self.classes) != outputs or len(set(self.classes)) != outputs:
            raise ValueError(f"need a name for each of {outputs} classes, all different, got {self.classes}")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ValueError(f"mean and std need three values, std above 0; got {self.mean} and {self.std}")
        for name, value, fine in (
            ("network", self.network, self.network in models.NAMES),
            ("size", self.size, self.size >= 8),
            ("temperature", self.temperature, 0 < self.temperature < float("inf")),
            ("threshold", self.threshold, 0 <= self.threshold <= 1),
        ):
            if not fine:
                raise ValueError(f"{name} is {value!r}, which is not allowed")

    def logits(self, images: Tensor) -> Tensor:
        """Tempered logits ``(N, num_classes)``, on the CPU, of uint8 images (N, 3, size, size).

        Raises:
            ValueError: for images of another type or shape.
        """
        shape = (3, self.size, self.size)
        if images.dtype != torch.uint8 or images.shape[1:] != shape or len(images) == 0:
            raise ValueError(f"images must be uint8 (N, {shape}), got {images.dtype} {tuple(images.shape)}")
        device = self.model.fc.weight.device
        with kept_modes(self.model), torch.inference_mode():
            pipeline = Pipeline(self).to(device).eval()
            parts = [pipeline(part.to(device)).cpu() for part in images.split(BATCH)]
        return torch.cat(parts).clone()

    def answer(self, picture: str | os.PathLike[str] | bytes) -> Answer:
        """What the file (or its content, as bytes) shows, by ``data.read_picture``: the centred square of it.

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
        """Write all of it to one safetensors file and return the file's sha256."""
        card = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "model"}
        card["options"] = {name: getattr(self.model.spec, name) for name in ("width", "stem", "shortcut")}
        return weights.save_weights(self.model, path, metadata={KEY: json.dumps(card)})

    @classmethod
    def load(cls, path: str | Path, sha256: str | None = None) -> Classifier:
        """The classifier that ``save`` wrote to ``path``; with ``sha256``, only if the file has not changed.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it holds no classifier, or is damaged.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"no classifier at {path}")
        try:
            card = json.loads(weights.card(path)[KEY])
            classes, options = tuple(card.pop("classes")), card.pop("options")
            model = models.build(card["network"], len(classes), **options)
            weights.load_weights(model, path, sha256)
            card |= {"mean": tuple(card["mean"]), "std": tuple(card["std"])}
            return cls(model.eval(), classes=classes, **card)
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path.name} was not written by Classifier.save: {error!r}") from error

    def to_onnx(self, path: str | Path) -> None:
        """Write it for programs without PyTorch (``export.to_onnx``): pixels in, tempered logits out.

        Input "images": float32 (N, 3, size, size), values from 0 to 255 as they stand in the picture.
        The softmax of the output "logits" is the calibrated probability; the threshold is the caller's.
        """
        export.to_onnx(Pipeline(self), path, (3, self.size, self.size))
