"""What a file is, by its first bytes: the name says little, and a failed download keeps the wanted one.

Introduced in chapters 4 and 5.

Nothing in a file is run here. ``pickletools`` reads a pickle as a list of steps without taking them.
"""

from __future__ import annotations

import pickletools
import string
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from resnet_utils.files import checked

SAFETENSORS, TORCH = "safetensors", "torch"  # the two kinds that hold weights for us
LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # torch.save before 1.6 begins with this number
LONGEST_HEADER = 100_000_000  # bytes, of a safetensors file, by its makers
PICKLES = 4  # a file of torch.save before 1.6: a number, a version, the system, the content

STARTS = {  # first bytes, and what they are the beginning of
    b"\x93NUMPY": "a NumPy array (.npy): torch.from_numpy(numpy.load(...)) makes a tensor of it",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself: run `git lfs pull`, or download "
    "it from the repository's page",
    b"/annex/objects/": "a pointer of git-annex, not the file itself: run `git annex get`",
    b"\x1f\x8b": "an archive (gzip): unpack it, and give the file inside",
    b"BZh": "an archive (bzip2): unpack it, and give the file inside",
    b"\xfd7zXZ\x00": "an archive (xz): unpack it, and give the file inside",
    b"(\xb5/\xfd": "an archive (zstd): unpack it, and give the file inside",
    b"7z\xbc\xaf\x27\x1c": "an archive (7z): unpack it, and give the file inside",
    b"Rar!": "an archive (rar): unpack it, and give the file inside",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file, as Keras and TensorFlow write: its names and the order of its axes "
    "are others. Look for the same weights for PyTorch",
    b"GGUF": "a GGUF file, the format of llama.cpp",
    b"\x89PNG": "a picture (PNG)",
    b"\xff\xd8\xff": "a picture (JPEG)",
    b"%PDF": "a PDF document",
}
IN_ZIP = {  # an entry of a zip archive, and what has it
    "constants.pkl": "a TorchScript archive: a whole program. torch.jit.load(path).state_dict() gives the "
    "weights, to be saved by torch.save; do that with files you trust only",
    "archive_format": "a program of torch.export (.pt2). torch.export.load(path).state_dict gives the "
    "weights, to be saved by torch.save",
    "model.weights.h5": "a Keras model (.keras). Look for the same weights for PyTorch",
}
CUT = "cut off: it begins as {}, but its end is missing. Download it again"


def kind_of(path: str | Path) -> str:
    """``SAFETENSORS`` or ``TORCH`` where the file begins and ends as such; otherwise in words what it is.

    Args:
        path: a file; its name is not looked at, but for ``.onnx``, which has no mark of its own.

    Raises:
        OSError: if there is no such file, or it cannot be read.
        ValueError: for an empty path.
    """
    path = checked.file_at(path)
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        return "empty (0 bytes): the download or the disk failed"
    if start.startswith(b"PK\x03\x04") or zipfile.is_zipfile(path):
        return _kind_of_zip(path)
    if start.startswith(LEGACY):
        return TORCH
    known = [words for mark, words in STARTS.items() if start.startswith(mark)]
    if known:
        return known[0]
    if start[257:262] == b"ustar":
        return "an archive (tar): unpack it, and give the file inside"
    if (header := _safetensors_header(start)) is not None:
        return SAFETENSORS if header + 8 <= path.stat().st_size else CUT.format("a safetensors file")
    if start[:1] == b"\x80" and 2 <= start[1] <= 5:
        return "a pickle that torch.save did not write. Opening a pickle runs what it says, so it stays shut"
    return _kind_of_text(path, start)


def globals_in(path: str | Path) -> list[str]:
    """The classes and functions that a file of ``torch.save`` asks for, as ``"module.name"``, each once.

    They are read, not imported. Where the file is damaged, those found before that place.

    Args:
        path: a file of the kind ``TORCH``.

    Raises:
        OSError: if there is no such file, or it cannot be read.
        ValueError: for an empty path.
    """
    path, found = checked.file_at(path), dict[str, None]()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith("data.pkl"):
                    with archive.open(name) as file:
                        found |= dict.fromkeys(_globals(file))
    else:
        with path.open("rb") as file:
            for _ in range(PICKLES):
                found |= dict.fromkeys(_globals(file))
    return list(found)


def _globals(file: IO[bytes]) -> Iterator[str]:
    strings: list[str] = []
    try:
        for step, argument, _ in pickletools.genops(file):
            if step.name == "GLOBAL":
                yield str(argument).replace(" ", ".")
            elif step.name == "STACK_GLOBAL":
                yield ".".join(strings[-2:])
            elif isinstance(argument, str):
                strings.append(argument)
    except Exception:  # pickletools raises a handful of types where the bytes are no steps
        return


def _kind_of_zip(path: Path) -> str:
    if not zipfile.is_zipfile(path):
        return CUT.format("a zip archive, as torch.save writes,")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    inside = [name.partition("/")[2] or name for name in names]
    for entry, words in IN_ZIP.items():
        if entry in inside or entry in names:
            return words
    if "data.pkl" in inside:
        return TORCH
    if names and all(name.endswith(".npy") for name in names):
        return "several NumPy arrays (.npz): numpy.load opens it"
    return (
        f"a zip archive with {', '.join(names[:3]) or 'nothing in it'}: unpack it, and give the file inside"
    )


def _safetensors_header(start: bytes) -> int | None:
    """The length of the header, if the bytes begin as a safetensors file."""
    length = int.from_bytes(start[:8], "little")
    return length if start[8:9] == b"{" and 2 <= length <= LONGEST_HEADER else None


def _kind_of_text(path: Path, start: bytes) -> str:
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<head")):
        return (
            "an HTML page: the address led to a web page (a login, a preview, an error), not to the file. "
            "Take the link for downloading"
        )
    if text.startswith((b"<?xml", b"<error")):
        return "an XML message of a server, not the file: open it in an editor to read what went wrong"
    if text.startswith(b"{"):
        more = ": an index of a model in several files" if b"weight_map" in text else ""
        return f"a text in JSON{more}, without weights"
    if path.suffix == ".onnx" or (start[:1] == b"\x08" and start[2:3] in (b"\x12", b":")):
        return "an ONNX network: operations and weights under names of its own. onnxruntime runs it as it is"
    if start[4:8] == b"TFL3":
        return "a TensorFlow Lite network"
    if all(chr(byte) in string.printable for byte in start):
        return f"a text that begins with {start[:40].decode('ascii')!r}"
    return f"of a kind unknown here; it begins with the bytes {start[:8].hex(' ')}"
