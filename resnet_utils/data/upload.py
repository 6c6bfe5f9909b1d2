"""Photographs from a browser: Colab's upload dialog, the widget of Jupyter, and archives.

Introduced in chapter 5.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

from resnet_utils.data.listing import LITTER
from resnet_utils.files import archives, atomic, checked
from resnet_utils.runtime import given

MOST_BYTES = 8e9  # that an archive may become


@given.explained
def ask_for_photographs(folder: str | os.PathLike[str], *, kind: str = "") -> int:
    """In Colab, open the upload dialog and put what comes into a folder; elsewhere do nothing.

    Args:
        folder: where the photographs go; it is made where needed.
        kind: the class of these photographs, as the name of a folder inside; "": an archive (.zip) brings its
            own folders.

    Returns:
        How many files were written; 0 outside of Colab.

    Raises:
        ValueError: as ``store``.
    """
    _target(folder, kind)
    try:
        dialog = import_module("google.colab.files")
    except ImportError:
        return 0
    return store(dialog.upload(), folder, kind=kind)


@given.explained
def store(
    uploaded: Mapping[str, bytes] | Iterable[Mapping[str, Any]],
    folder: str | os.PathLike[str],
    *,
    kind: str = "",
) -> int:
    """Put uploaded files into a folder, archives unpacked, and say how many were written.

    Args:
        uploaded: name -> content, as Colab's ``files.upload()`` gives it, or the ``value`` of ipywidgets'
            ``FileUpload``.
        folder: where they go; it is made where needed.
        kind: the class of these photographs, as the name of a folder inside; "": none.

    Raises:
        ValueError: if ``kind`` is no plain name, or an archive is damaged or would become too large.
        TypeError: if ``uploaded`` holds anything but names with bytes.
    """
    target, files = _target(folder, kind), _files(uploaded)
    target.mkdir(parents=True, exist_ok=True)
    written = 0
    for name, content in files:
        plain = PurePosixPath(name.replace("\\", "/")).name or "unnamed"
        if plain.lower().endswith(".zip"):
            atomic.write(target / plain, content)
            written += unpack(target / plain, target)
            (target / plain).unlink()
        else:
            atomic.write(target / plain, content)
            written += 1
    return written


def _target(folder: str | os.PathLike[str], kind: str) -> Path:
    """Where files of a class go."""
    given.of_kind("kind", kind, str)
    if kind and (Path(kind).name != kind or kind in (".", "..") or "\\" in kind or "\0" in kind):
        raise ValueError(f"the class must be a plain name, got {kind!r}")
    return checked.path_of(folder, name="folder") / kind


def _files(uploaded: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> list[tuple[str, bytes]]:
    """Name and content of each file: from Colab, or from ipywidgets 8 (dictionaries) or 7 (by name)."""
    if not isinstance(uploaded, Mapping):
        for entry in uploaded:
            if not isinstance(entry, Mapping) or not {"name", "content"} <= set(entry):
                raise TypeError(f"uploaded must hold dictionaries with name and content, got {entry!r:.100}")
        return [(str(entry["name"]), _content(entry["content"])) for entry in uploaded]
    contents = (
        (str(name), it.get("content") if isinstance(it, Mapping) else it) for name, it in uploaded.items()
    )
    return [(name, _content(content)) for name, content in contents]


def _content(content: Any) -> bytes:
    return bytes(given.of_kind("each file in uploaded", content, (bytes, bytearray, memoryview)))


@given.explained
def unpack(archive: str | os.PathLike[str], folder: str | os.PathLike[str]) -> int:
    """Unpack an archive of photographs into a folder, and say how many files it held.

    What macOS and file managers add is left out; the rest is as in ``archives.unpack_archive``.

    Args:
        archive: the file, a .zip or .tar.
        folder: where its files go; it is made where needed.

    Raises:
        FileNotFoundError: if there is no such file.
        OSError: if the files cannot be written, as on a full disk.
        ValueError: if it is no whole archive, holds a link or a name that leads out of the folder, or would
            become larger than 8 GB or 200 times as large as it is.
    """
    archive, folder = checked.path_of(archive, name="archive"), checked.path_of(folder, name="folder")
    return archives.unpack_archive(archive, folder, most_bytes=MOST_BYTES, wanted=_is_wanted)


def _is_wanted(name: str) -> bool:
    return not any(part.startswith(".") or part.lower() in LITTER for part in PurePosixPath(name).parts)
