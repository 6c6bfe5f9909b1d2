"""Weights in and out: safetensors for our own, published files through a door that runs no code.

Introduced in chapters 4 and 5.

A file is checked completely (checksum, format, names, shapes, finite values) before the first weight of
the model is touched, so an error leaves the model as it was. Our own files carry a card in their header: what
is written there is JSON, so names, numbers and lists come back as they were.
"""

from __future__ import annotations

import hashlib
import json
import string
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from resnet_utils.files import atomic

CARD = "card"  # the one key in the header of a file of ours
MAX_NAMED = 3  # differences that an error message spells out


def load_weights(model: nn.Module, path: str | Path, *, sha256: str | None = None) -> None:
    """Copy the weights of a file into a model, in place, converting to the model's precision.

    Reads safetensors, and ``.pth``/``.th`` files with ``weights_only=True``, so that no code in a file
    is run. Accepts a bare state dict or one under ``"state_dict"``, strips a leading ``module.`` (left
    by DataParallel) and calls a head named ``linear`` by its name here, ``fc``. Only BatchNorm's
    ``num_batches_tracked`` may be missing: files older than that counter do not have it, and it does
    not enter the output.

    Args:
        model: the network that the weights fit.
        path: the file to read.
        sha256: the checksum it must have, all 64 hex digits or the first 8 or more (default: any).

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


def save_weights(model: nn.Module, path: str | Path, *, card: Mapping[str, Any] | None = None) -> str:
    """Write the state of a model as safetensors and return the file's sha256 (64 hex digits).

    The file appears under its name only when complete.

    Args:
        model: the network to save; on any device.
        path: the file to write, ending in ``.safetensors``, in a folder that exists.
        card: notes for the header, by name: text, numbers, true or false, lists and dictionaries of them
            (tuples come back as lists). ``models.card_of`` gives those from which ``models.from_card``
            builds the network.

    Raises:
        ValueError: if the name does not end in ``.safetensors``, or the card holds what JSON cannot say.
        FileNotFoundError: if the folder does not exist.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"weights are saved as .safetensors, got the name {path.name!r}")
    header = {} if card is None else {CARD: _as_json(card)}
    state = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    content = save(state, metadata=header)
    atomic.write(path, content)  # not by save_file: it makes a file that nobody else may read
    return hashlib.sha256(content).hexdigest()


def card(path: str | Path) -> dict[str, Any]:
    """The notes in the header of a safetensors file: network, classes, accuracy, whatever was saved.

    Files from before the card was JSON are understood, and the header of a file from elsewhere is returned
    as it is, texts by name; without any it is empty.

    Args:
        path: the file to read.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is no safetensors file, or its card is no JSON of names and values.
    """
    name = Path(path).name
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{name} is no safetensors file: {error}") from error
    try:
        notes = json.loads(header[CARD]) if CARD in header else _older(header)
    except ValueError as error:
        raise ValueError(f"the card of {name} is no JSON: {error}") from error
    if not isinstance(notes, dict):
        raise ValueError(f"the card of {name} should hold values by name, but is {type(notes).__name__}")
    return notes


def _as_json(notes: Mapping[str, Any]) -> str:
    """The text of a card; refuses what would not come back."""
    wrong = [repr(name) for name in notes if not isinstance(name, str)]
    if wrong:
        raise ValueError(f"the names in a card are text, got {', '.join(wrong)}")
    try:
        return json.dumps(dict(notes), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the card holds what JSON cannot say: {error}") from error


def _older(header: dict[str, str]) -> Any:
    """The card of a file in one of the two formats that came before: texts by name, or a classifier's own."""
    if "classifier" in header:
        return json.loads(header["classifier"])
    if not {"network", "classes"} <= set(header):
        return header
    options = {"width": int(header["width"])} if "width" in header else {}
    options |= {"stem": header["stem"]} if "stem" in header else {}
    return header | {"classes": header["classes"].split(", "), "options": options}


def _check_sha256(path: Path, expected: str) -> None:
    wanted = expected.lower()
    if not 8 <= len(wanted) <= 64 or set(wanted) - set(string.hexdigits):
        raise ValueError(f"sha256 must be 64 hex digits, or the first 8 or more of them, got {expected!r}")
    found = atomic.sha256(path)
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
