"""A trained network for programs that do not have its Python code: ``torch.export`` and ONNX.

Introduced in chapter 4.

Both write the operations together with the weights. The number of images stays free, their size is fixed.
ONNX needs the packages ``onnx``, ``onnxscript`` (to write) and ``onnxruntime`` (to run).
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from resnet_utils.files import atomic
from resnet_utils.runtime import given

ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def missing() -> list[str]:
    """Those of the packages for ONNX that are not installed, by the names that pip knows."""
    return [name for name in ONNX_PACKAGES if find_spec(name) is None]


@given.explained
def to_program(model: nn.Module, path: str | Path, image_shape: tuple[int, int, int]) -> None:
    """Write a model as it answers in eval mode to a ``.pt2`` file, with its operations and its weights.

    ``torch.export.load(path).module()`` gives a function of images ``(N, C, H, W)``, N from 1 up, without the
    model's Python code. The model itself is left as it is, the file appears only when complete.

    Args:
        model: from images to logits.
        path: the file to write, ending in ``.pt2``, in a folder that exists.
        image_shape: (C, H, W) of the images it will be asked about.

    Raises:
        ValueError: if the name does not end in ``.pt2``, or images of that shape do not fit the model.
        FileNotFoundError: if the folder does not exist.
    """
    program = _traced(model, _checked(path, ".pt2"), image_shape)
    with atomic.whole(path) as unfinished, unfinished.open("wb") as file:  # a path's name would stand in it
        torch.export.save(program, file)


@given.explained
def to_onnx(model: nn.Module, path: str | Path, image_shape: tuple[int, int, int]) -> None:
    """Write a model as it answers in eval mode to an ``.onnx`` file: input "images", output "logits".

    Any program with an ONNX runtime can run it, for any number of images. The model itself is left as it is,
    the file appears only when complete.

    Args:
        model: from images to logits.
        path: the file to write, ending in ``.onnx``, in a folder that exists.
        image_shape: (C, H, W) of the images it will be asked about.

    Raises:
        ValueError: if the name does not end in ``.onnx``, or images of that shape do not fit the model.
        FileNotFoundError: if the folder does not exist.
        ModuleNotFoundError: if a package for ONNX is missing.
    """
    path = _checked(path, ".onnx")
    _require_packages()
    traced = _traced(model, path, image_shape)
    with _only_errors("torch.onnx"):  # 2.8 warns of torchvision's operations, used or not
        program = torch.onnx.export(
            traced, input_names=["images"], output_names=["logits"], dynamo=True, verbose=False
        )
    assert program is not None  # it is None only for an exporter that is not used here
    with atomic.whole(path) as unfinished:
        program.save(unfinished)


@given.explained
def run_onnx(path: str | Path, images: Tensor) -> Tensor:
    """Logits ``(N, num_classes)``, on the CPU, by onnxruntime and without PyTorch.

    Args:
        path: the ``.onnx`` file.
        images: float32 ``(N, C, H, W)`` of the shape that the file was written for.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds no network, or the images do not go through it.
        ModuleNotFoundError: if a package for ONNX is missing.
    """
    _require_packages()
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no network at {str(path)!r}")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    pixels = images.detach().cpu().numpy()
    try:  # onnxruntime has a dozen types of errors of its own
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return torch.from_numpy(session.run(["logits"], {"images": pixels})[0])
    except Exception as error:
        raise ValueError(
            f"{Path(path).name}: images of {images.dtype} {tuple(images.shape)} do not go through: {error}"
        ) from error


def _traced(model: nn.Module, path: Path, image_shape: tuple[int, int, int]) -> torch.export.ExportedProgram:
    """The operations of a copy of ``model`` in eval mode, on the CPU, for any number of images."""
    shadow = copy.deepcopy(model).cpu().to(memory_format=torch.contiguous_format).eval()  # save() wants it
    if not isinstance(image_shape, (tuple, list)) or len(image_shape) != 3:
        raise ValueError(f"image_shape must be (C, H, W), got {image_shape!r}")
    sides = [given.whole_number("each number of image_shape", side) for side in image_shape]
    images = torch.zeros(2, *sides)  # two: a batch of one would be taken for a fixed size
    try:
        return torch.export.export(shadow, (images,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"{path.name}: images of {tuple(image_shape)} do not go through: {reason}"
        ) from error


@contextmanager
def _only_errors(name: str) -> Iterator[None]:
    """Inside, the logger of that name, and those below it, print no warnings."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _checked(path: str | Path, suffix: str) -> Path:
    path = Path(path)
    if path.suffix != suffix:
        raise ValueError(f"the file's name must end in {suffix}, got {path.name!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} does not exist; make it first")
    return path


def _require_packages() -> None:
    if absent := missing():
        raise ModuleNotFoundError(
            f"ONNX needs {', '.join(absent)}, not installed here; pip install {' '.join(ONNX_PACKAGES)}"
        )
