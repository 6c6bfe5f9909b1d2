"""Weights in and out: safetensors for our own, published files through a door that runs no code.

Introduced in chapters 4 and 5.

A file is checked completely (checksum, format, names, shapes, finite values) before the first weight of
the model is touched, so an error leaves the model as it was. Our own files carry a card in their header: what
is written there is JSON, so names, numbers and lists come back as they were.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import string
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from resnet_utils.files import atomic, checked, kinds, naming
from resnet_utils.runtime import given

CARD = "card"  # the one key in the header of a file of ours
MAX_NAMED = 3  # differences that an error message spells out
UNSAFE = "is no checkpoint that can be read safely"
ENDINGS = {".safetensors", ".pth", ".pt", ".th", ".bin", ".ckpt", ".tar"}  # under which weights are kept
TRIPLES, NUMBER = ("mean", "std"), re.compile(r"\d+(?:\.\d+)?(?:e-?\d+)?")  # texts in older cards
FIRST = ("conv1.weight", "conv1.0.weight")  # the convolution that sees the image
# What training scripts keep beside the weights; its classes are never imported, `_Inert` takes their place.
NOTES = {
    "addict", "argparse", "datetime", "easydict", "lightning", "lightning_fabric", "ml_collections",
    "mmengine", "numpy", "omegaconf", "pathlib", "pytorch_lightning", "torchmetrics", "types", "yacs",
}  # fmt: skip


def load_weights(
    model: nn.Module,
    path: str | Path,
    *,
    sha256: str | None = None,
    keep_head: bool = False,
    entry: str | None = None,
) -> None:
    """Copy the weights of a file into a model, in place, converting to the model's precision.

    The first bytes decide how a file is read, not its name: safetensors, or what ``torch.save`` wrote, opened
    with ``weights_only=True``, so that no code in a file is run. Notes beside the weights (NumPy numbers, the
    options of a training script) are passed over unread. A state dict may stand bare or under a name such as
    ``"state_dict"`` or ``"model"`` (``naming.WRAPPERS``); so does the one in a checkpoint of
    ``training.fit``. Names of others are brought to torchvision's (``naming.canonical``): ``module.`` and
    other prefixes, the head called ``linear``, transformers' names. Only BatchNorm's ``num_batches_tracked``
    may be missing: files older than that counter do not have it, and it does not enter the output.

    Args:
        model: the network that the weights fit; it may be wrapped in DataParallel or compiled.
        path: the file to read.
        sha256: the checksum it must have, all 64 hex digits or the first 8 or more (default: any).
        keep_head: leave the model's own head ``fc`` as it is and read the rest, for a file without a head or
            with another number of classes.
        entry: the entry of the file that holds the weights, such as ``"state_dict_ema"`` (default: found; the
            plain weights rather than their running average, where a file has both).

    Raises:
        FileNotFoundError: if there is no such file.
        IsADirectoryError: for a folder; the message names the weights in it.
        ValueError: if the checksum differs, the file is no checkpoint, or it does not fit the model; the
            message names the difference and the way on, and the model is left as it was.
    """
    given.of_kind("model", model, nn.Module)
    given.yes_or_no("keep_head", keep_head)
    path = _file(path)
    if sha256 is not None:
        _check_sha256(path, sha256)
    try:
        found, _ = naming.find_state(_read(path), entry=entry)
    except naming.NoStateError as error:
        raise ValueError(f"{path.name} is no checkpoint: {error}") from None
    if empty := [key for key, value in found.items() if value.is_meta]:
        raise ValueError(f"{path.name} has names and shapes, but no values, of {_some(empty)}")
    model.load_state_dict(fitted(model, found, name=path.name, keep_head=keep_head), strict=True)


def fitted(
    model: nn.Module, state: Mapping[str, Tensor], *, name: str, keep_head: bool = False
) -> dict[str, Tensor]:
    """A state dict that fits a model to the last name, made of one from elsewhere as ``load_weights`` does.

    Tensors on the "meta" device stand for weights that are not there yet: names and shapes are compared.

    Args:
        model: the network; it stays as it is.
        state: tensors by any of the names that ``naming`` knows.
        name: what a message calls their source.
        keep_head: as in ``load_weights``.

    Raises:
        ValueError: if they do not fit; the message names the difference and the way on.
        TypeError: if ``state`` holds anything but tensors by their names.
    """
    own: dict[str, Tensor] = given.of_kind("model", model, nn.Module).state_dict()
    given.of_kind("name", name, str)
    given.yes_or_no("keep_head", keep_head)
    for key, value in given.of_kind("state", state, Mapping).items():
        given.of_kind("a name in state", key, str)
        given.of_kind(f"{key!r} in state", value, Tensor)
    if own and not state:
        raise ValueError(f"state must hold the tensors of the model, got none: {state!r:.100}")
    renamed = _renamed(dict(state), own, name)
    if keep_head:
        renamed = {key: value for key, value in renamed.items() if not _is_head(key)}
        renamed |= {key: value for key, value in own.items() if _is_head(key)}
    _check_fit(own, renamed, name)
    return {key: value for key, value in own.items() if key not in renamed} | renamed


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
        ValueError: if the name does not end in ``.safetensors``, the card holds what JSON cannot say, or the
            model has values that are not finite, which ``load_weights`` would refuse.
        FileNotFoundError: if the folder does not exist.
        IsADirectoryError: if ``path`` is a folder.
    """
    path = checked.path_of(path)
    given.of_kind("model", model, nn.Module)
    if path.suffix != ".safetensors":
        raise ValueError(f"weights are saved as .safetensors, got the name {path.name!r}")
    header = {} if card is None else {CARD: _as_json(card)}
    state = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    broken = [key for key, value in state.items() if not _is_finite(value)]
    if broken:
        raise ValueError(
            f"{len(broken)} tensors of the model have values that are not finite ({_some(broken)}); not saved"
        )
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
        IsADirectoryError: for a folder; the message names the weights in it.
        ValueError: if the file is no safetensors file, or its card is no JSON of names and values.
    """
    path = _file(path)
    name = path.name
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
    given.of_kind("card", notes, Mapping)
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
    numbers = {key: [float(x) for x in NUMBER.findall(header[key])] for key in TRIPLES if key in header}
    return header | numbers | {"classes": header["classes"].split(", "), "options": options}


def _check_sha256(path: Path, expected: str) -> None:
    wanted = expected.lower() if isinstance(expected, str) else ""
    if not 8 <= len(wanted) <= 64 or set(wanted) - set(string.hexdigits):
        raise ValueError(f"sha256 must be 64 hex digits, or the first 8 or more of them, got {expected!r}")
    found = atomic.sha256(path)
    if not found.startswith(wanted):
        raise ValueError(f"{path.name} has sha256 {found}, expected {wanted}: it is damaged or another file")


def _file(path: str | Path) -> Path:
    """The path of a file that is there; a folder is told with the weights in it."""
    path = checked.path_of(path)
    if path.is_dir():
        inside = sorted(file.name for file in path.iterdir() if file.suffix in ENDINGS)
        advice = f"give the file in it: {_some(inside)}" if inside else "and no file of weights lies in it"
        raise IsADirectoryError(f"{path} is a folder; {advice}")
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path}")
    return path


def _read(path: Path) -> object:
    """What the file holds; tensors only, whatever the file would like to run.

    Raises:
        ValueError: if it is anything else; in our words, since torch's own advise to open it unsafely.
    """
    kind = kinds.kind_of(path)
    if kind not in (kinds.SAFETENSORS, kinds.TORCH):
        raise ValueError(f"{path.name} {UNSAFE}: it is {kind}")
    try:
        if kind == kinds.SAFETENSORS:
            return load_file(path)
        if zipfile.is_zipfile(path):  # torch writes checksums, but does not look at them again
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()
            if damaged is not None:
                raise _ChecksumError(f"wrong checksum of {damaged}")
        notes = [name for name in kinds.globals_in(path) if name.split(".")[0] in NOTES]
        inert: list = [(_Inert, name) for name in notes]
        with (
            warnings.catch_warnings(action="ignore"),  # about sparse tensors and the like, which are refused
            torch.serialization.safe_globals(inert),
            path.open("rb") as file,  # its name decides nothing
        ):
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # readers raise a dozen types, depending on which byte is wrong
        foreign = _foreign(path) if kind == kinds.TORCH else []
        if isinstance(error, _ChecksumError):
            reason = str(error)
        elif foreign and isinstance(error, pickle.UnpicklingError):
            reason = _would_run(foreign)
        else:
            reason = f"it is damaged or cut off ({type(error).__name__}). Download or copy it again"
    raise ValueError(f"{path.name} {UNSAFE}: {reason}")


class _ChecksumError(Exception):
    pass


class _Inert:  # what an error message calls a thing of a kind that was not opened
    """Stands for whatever a note beside the weights was; takes what it is given and does nothing with it."""

    def __init__(self, *arguments: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def _foreign(path: Path) -> list[str]:
    """What the file asks for that is neither a tensor's nor a note's."""
    return [
        name
        for name in kinds.globals_in(path)
        if not name.startswith("torch._utils.")
        and not re.fullmatch(r"(torch\.|torch\.storage\.)(\w*Storage|Size|device|\w*\d)", name)
        and name not in ("collections.OrderedDict", "torch.nn.parameter.Parameter")
        and name.split(".")[0] not in NOTES
    ]


def _would_run(foreign: list[str]) -> str:
    layers = [name for name in foreign if name.startswith("torch.nn.modules.")]
    if layers:
        usual = ("torch.", "collections.", "builtins.", "__builtin__.")
        kind = next((name for name in foreign if not name.startswith(usual)), layers[0])
        return (
            f"it holds a whole pickled model ({kind}), and opening that runs code from the file. Ask for "
            "its weights alone: who made it writes them by torch.save(model.state_dict(), 'weights.pth')"
        )
    return f"opening it would run code named in the file ({_some(foreign)})"


def _renamed(found: dict[str, Tensor], own: dict[str, Tensor], source: str) -> dict[str, Tensor]:
    """The tensors of a file under the model's names, where they can be told; the others as in the file."""
    found = {key: value for key, value in found.items() if key in own or key not in naming.NOT_WEIGHTS}
    if found.keys() <= own.keys():
        return found
    places = {naming.canonical(key): key for key in own}
    if len(places) < len(own):  # two networks in one: only their own names tell them apart
        return found
    renamed: dict[str, Tensor] = {}
    sources: dict[str, str] = {}
    for key, value in found.items():
        name = places.get(naming.canonical(key), key)
        if name in sources:
            raise ValueError(f"{source} is ambiguous: both {sources[name]!r} and {key!r} would be {name!r}")
        renamed[name], sources[name] = value, key
    return renamed


def _is_head(key: str) -> bool:
    return naming.canonical(key).startswith("fc.")


def _is_finite(tensor: Tensor) -> bool:  # torch 2.8 cannot ask floats of 8 bits as they are
    return bool(torch.isfinite(tensor.float() if tensor.itemsize == 1 else tensor).all())


def _check_fit(own: dict[str, Tensor], state: dict[str, Tensor], source: str) -> None:
    spared = {key for key in own if key.endswith("num_batches_tracked")} | naming.NOT_WEIGHTS
    missing = [key for key in own if key not in state and key not in spared]
    extra = [key for key in state if key not in own]
    both = [key for key in own if key in state]
    other = [key for key in both if state[key].shape != own[key].shape]
    form = "{} is {} in the file and {} in the model"
    shapes = [form.format(key, tuple(state[key].shape), tuple(own[key].shape)) for key in other]
    numbers = [key for key in both if state[key].is_floating_point() != own[key].is_floating_point()]
    odd = [key for key in both if state[key].layout != torch.strided or state[key].is_quantized]
    there = [key for key in both if key not in odd and not state[key].is_meta]
    broken = [key for key in there if not _is_finite(state[key])]
    spreads = [key for key in there if key.endswith("running_var") and state[key].is_floating_point()]
    below = [key for key in spreads if (state[key].double() < 0).any()]
    found = [("missing", missing), ("extra", extra), ("of another shape", shapes)]
    found += [
        ("of another kind of number", numbers),
        ("with values that are not finite", broken),
        ("with variances below 0", below),
    ]
    found += [("sparse or quantized", odd)]
    complaints = [f"{len(keys)} {what} ({_some(keys)})" for what, keys in found if keys]
    if complaints:
        advice = _way_on(own, state, missing, extra, other)
        raise ValueError(
            f"{source} does not fit the model: {'; '.join(complaints)}. The model is unchanged{advice}"
        )


def _way_on(
    own: dict[str, Tensor], state: dict[str, Tensor], missing: list[str], extra: list[str], other: list[str]
) -> str:
    """What to do about a misfit, where that can be told; begins with a full stop."""
    heads = [key for key in (*missing, *other) if _is_head(key)]
    rest = [key for key in (*missing, *other) if key not in heads]
    advice = []
    if heads and not rest and all(_is_head(key) for key in extra):
        weight = next((key for key in other if key.endswith("weight")), None)
        if weight is not None:
            there, here = len(state[weight]), len(own[weight])
            advice.append(
                f"The file's head is for {there} classes, the model's for {here}: load into a network with "
                f"{there}, then models.replace_head(model, {here}); or pass keep_head=True"
            )
        else:
            advice.append("The heads differ: pass keep_head=True to read the rest and keep the model's")
    first = next((key for key in other if naming.canonical(key) in FIRST), None)
    if first is not None and state[first].ndim == own[first].ndim == 4:
        there, here = state[first].shape, own[first].shape
        if there[2:] != here[2:]:
            advice.append("The first convolutions differ in size: build the network with the file's stem")
        elif there[1] != here[1]:
            advice.append(
                f"Images of the file's network have {there[1]} channel(s), the model's {here[1]}: load it "
                f"into a network for {there[1]}, then models.adapt_input(model, {here[1]})"
            )
    if extra and len(missing) > len(own) // 2:
        families = (sorted({key.split(".")[0] for key in names})[:6] for names in (extra, list(own)))
        advice.append("The names in the file begin with {}, the model's with {}".format(*map(_all, families)))
    return "".join(f". {sentence}" for sentence in advice)


def _all(names: list[str]) -> str:
    return ", ".join(names)


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:MAX_NAMED]) + (", ..." if len(keys) > MAX_NAMED else "")
