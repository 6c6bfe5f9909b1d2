"""Weights in and out: safetensors for our own, published files through a door that runs no code.

Introduced in chapters 4 and 5.

A file is checked completely (checksum, format, names, shapes, finite values) before the first weight of
the model is touched, so an error leaves the model as it was.
"""

import os
import string
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from resnet_utils.files.atomic import sha256 as sha256_of

if TYPE_CHECKING:
    pass

MAX_NAMED = 3  # differences that an error message spells out


def load_weights(model: nn.Module, path: str | Path, sha256: str | None = None) -> None:
    """Copy the weights in ``path`` into ``model``, in place, converting to the model's precision.

    Reads safetensors, and ``.pth``/``.th`` files with ``weights_only=True``, so that no code in a file
    is run. Accepts a bare state dict or one under ``"state_dict"``, strips a leading ``module.`` (left
    by DataParallel) and calls a head named ``linear`` by its name here, ``fc``. Only BatchNorm's
    ``num_batches_tracked`` may be missing: files older than that counter do not have it, and it does
    not enter the output.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the checksum differs, the file is no checkpoint, or it does not fit the model;
            the message names the difference, and the model is left as it was.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path}")
    if sha256 is not None:
        _check_sha256(path, sha256)
    state = _rename(_read(path), path)
    _check_fit(model, state, path)
    complete = {key: value for key, value in model.state_dict().items() if key not in state} | state
    model.load_state_dict(complete, strict=True)


def save_weights(model: nn.Module, path: str | Path, *, metadata: Mapping[str, str] | None = None) -> str:
    """Write the state of ``model`` to ``path`` as safetensors and return the file's sha256 (64 hex digits).

    ``metadata`` (text to text) goes into the file's header. The file appears under its name only when
    complete.

    Raises:
        ValueError: if the name does not end in ``.safetensors``.
        FileNotFoundError: if the folder does not exist.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"weights are saved as .safetensors, got the name {path.name!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} does not exist; make it first")
    state = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    partial = path.with_name(path.name + ".part")
    try:
        # Not save_file: it makes a file that nobody else on the machine may read.
        partial.write_bytes(save(state, metadata=dict(metadata or {})))
        digest = sha256_of(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return digest


def card(path: str | Path) -> dict[str, str]:
    """The notes in the header of a safetensors file: data, steps, seed, accuracy, whatever was saved.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is no safetensors file.
    """
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{Path(path).name} is no safetensors file: {error}") from error


def _check_sha256(path: Path, expected: str) -> None:
    wanted = expected.lower()
    if not 8 <= len(wanted) <= 64 or set(wanted) - set(string.hexdigits):
        raise ValueError(f"sha256 must be 64 hex digits, or the first 8 or more of them, got {expected!r}")
    found = sha256_of(path)
    if not found.startswith(wanted):
        raise ValueError(f"{path.name} has sha256 {found}, expected {wanted}: it is damaged or another file")


def _read(path: Path) -> object:
    """What the file holds; tensors only, whatever the file would like to run."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if zipfile.is_zipfile(path):  # torch writes checksums, but does not look at them again
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()
            if damaged is not None:
                raise ValueError(f"wrong checksum of {damaged}")
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # readers raise a dozen types, depending on which byte is wrong
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(f"{path.name} is no checkpoint that can be read safely: {reason[0]}") from error


def _rename(content: object, path: Path) -> dict[str, Tensor]:
    """The state dict in ``content`` under torchvision's names."""
    state = content.get("state_dict", content) if isinstance(content, Mapping) else content
    if not isinstance(state, Mapping) or not state or not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(
            f"{path.name} is no checkpoint: expected names with tensors, bare or under 'state_dict'"
        )
    renamed = {}
    for key, value in state.items():
        name = str(key).removeprefix("module.")
        renamed["fc." + name.removeprefix("linear.") if name.startswith("linear.") else name] = value
    if len(renamed) < len(state):
        raise ValueError(
            f"{path.name} is ambiguous: two of its names become one without 'module.' and 'linear.'"
        )
    return renamed


def _check_fit(model: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    own = model.state_dict()
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    extra = [key for key in state if key not in own]
    both = [key for key in own if key in state]
    shapes = [
        f"{key} is {tuple(state[key].shape)} in the file and {tuple(own[key].shape)} in the model"
        for key in both
        if state[key].shape != own[key].shape
    ]
    kinds = [key for key in both if state[key].is_floating_point() != own[key].is_floating_point()]
    broken = [key for key in both if not torch.isfinite(state[key]).all()]
    found = [("missing", missing), ("extra", extra), ("of another shape", shapes)]
    found += [("of another kind of number", kinds), ("with values that are not finite", broken)]
    complaints = [f"{len(keys)} {what} ({_some(keys)})" for what, keys in found if keys]
    if complaints:
        raise ValueError(
            f"{path.name} does not fit the model: {'; '.join(complaints)}. The model is unchanged"
        )


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:MAX_NAMED]) + (", ..." if len(keys) > MAX_NAMED else "")
