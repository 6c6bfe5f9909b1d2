"""Calls of the functions in ``deployment``."""

import functools
import tempfile
from pathlib import Path

import numpy as np
import torch

from good_calls.makers import images, split
from resnet_utils import deployment, models
from resnet_utils.deployment import export


def of_classifier(_):
    """What a classifier of the six species has, with a narrow network."""
    torch.manual_seed(0)
    classes, half = split().classes, (0.5, 0.5, 0.5)
    model = models.build("resnet20", len(classes), width=4)
    return {
        "model": model, "network": "resnet20", "classes": classes, "size": 16, "mean": half, "std": half,
    }  # fmt: skip


def a_classifier():
    """Made of these."""
    return deployment.Classifier(**of_classifier(None))


def a_file(folder):
    """That it is saved in."""
    a_classifier().save(folder / "animals.safetensors")
    return folder / "animals.safetensors"


@functools.cache
def a_report():
    """Of that classifier."""
    return deployment.judge(a_classifier(), split(), strangers={})


def a_picture():
    """An array (H, W, 3), as programs have them."""
    return np.arange(20 * 24 * 3, dtype=np.uint8).reshape(20, 24, 3)


def bytes_of_images():
    """Images as a picture holds them."""
    return (255 * images()).byte()


@functools.cache
def of_onnx():
    """The content of a file with a small network."""
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 2))
    with tempfile.TemporaryDirectory() as folder:
        export.to_onnx(model, Path(folder) / "net.onnx", (3, 2, 2))
        return (Path(folder) / "net.onnx").read_bytes()


def onnx_file(folder):
    """That file."""
    (folder / "net.onnx").write_bytes(of_onnx())
    return folder / "net.onnx"


CALLS = {
    "deployment.classifier.Classifier": of_classifier,
    "deployment.classifier.Classifier.logits": lambda _: {"self": a_classifier(), "images": split()},
    "deployment.classifier.Classifier.answer": lambda _: {"self": a_classifier(), "picture": a_picture()},
    "deployment.classifier.Classifier.save": lambda folder: {
        "self": a_classifier(), "path": folder / "animals.safetensors",
    },
    "deployment.classifier.Classifier.load": lambda folder: {"path": a_file(folder)},
    "deployment.classifier.Classifier.to_onnx": lambda folder: {
        "self": a_classifier(), "path": folder / "animals.onnx",
    },
    "deployment.classifier.Pipeline": lambda _: {"parts": a_classifier()},
    "deployment.card.model_card": lambda _: {
        "classifier": a_classifier(), "test": split(), "name": "Animals", "trained_on": "drawings",
        "limits": ["not for photographs"],
    },
    "deployment.export.to_program": lambda folder: {
        "model": torch.nn.Conv2d(3, 2, 3), "path": folder / "net.pt2", "image_shape": (3, 8, 8),
    },
    "deployment.export.to_onnx": lambda folder: {
        "model": torch.nn.Conv2d(3, 2, 3), "path": folder / "net.onnx", "image_shape": (3, 8, 8),
    },
    "deployment.export.run_onnx": lambda folder: {
        "path": onnx_file(folder), "images": torch.rand(2, 3, 2, 2),
    },
    "deployment.inputs.pixels_of": lambda _: {"picture": a_picture(), "resize": 18},
    "deployment.inputs.name_of": lambda _: {"picture": "cat.jpg"},
    "deployment.inputs.with_channels": lambda _: {"images": bytes_of_images(), "channels": 1},
    "deployment.page.to_html": lambda _: {
        "report": a_report(), "images": split(), "title": "Animals", "limits": ["not for photographs"],
    },
    "deployment.page.thumbnail": lambda _: {"image": bytes_of_images()[0]},
    "deployment.report.judge": lambda _: {"classifier": a_classifier(), "test": split(), "strangers": {}},
    "deployment.report.strangers_for": lambda _: {"classifier": a_classifier()},
}  # fmt: skip

UNBOUND: dict[tuple[str, str], str] = {}
