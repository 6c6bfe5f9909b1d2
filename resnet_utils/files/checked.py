"""What is asked of files, held against what is wanted: paths, names, amounts, times.

Introduced in chapters 4 and 5.

As in ``runtime.given``, each function hands back what the rest can rely on, or says what was wrong, what was
given and what is allowed.
"""

from __future__ import annotations

import math
import numbers
import os
from pathlib import Path

from resnet_utils.runtime import given


def path_of(path: str | os.PathLike[str], *, name: str = "path") -> Path:
    """The path; an empty text, as an unset variable leaves, is not the working folder.

    Args:
        path: as it was given.
        name: what the caller calls it, for the message.

    Raises:
        TypeError: if it is no path.
        ValueError: for an empty text, or one with a zero byte, which no file has in its name.
    """
    text = os.fsdecode(given.of_kind(name, path, (str, os.PathLike)))
    if not text or "\0" in text:
        raise ValueError(
            f"{name} must be the path of a file or folder, got {text!r}; '.' is the working folder"
        )
    return Path(path)


def plain_name(name: str) -> str:
    """``name``, if it is one that a file can have in a folder.

    Args:
        name: as it was given.

    Raises:
        ValueError: if it is empty, leads into another folder, or has a zero byte.
    """
    given.of_kind("name", name, str)
    if name in ("", ".", "..") or "/" in name or os.sep in name or "\0" in name:
        raise ValueError(f"name must be a plain file name without folders, got {name!r}")
    return name


def file_at(path: str | os.PathLike[str], *, name: str = "path") -> Path:
    """The path of a file that is there.

    Args:
        path: as it was given.
        name: what the caller calls it, for the message.

    Raises:
        FileNotFoundError: if there is no such file.
        IsADirectoryError: if it is a folder.
        ValueError: for an empty text.
    """
    path = path_of(path, name=name)
    if path.is_dir():
        raise IsADirectoryError(f"{name} must be that of a file, got the folder {path}")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    return path


def amount(name: str, value: float) -> float:
    """``value``, if it is a number of at least 0; infinity is one.

    Args:
        name: what the caller calls it, for the message.
        value: as it was given.

    Raises:
        ValueError: if it is NaN, or below 0.
    """
    given.of_kind(name, value, numbers.Real)
    if isinstance(value, bool) or not value >= 0:
        raise ValueError(f"{name} must be a number of at least 0, got {value!r}")
    return value


def duration(name: str, value: float, *, least: float = 0.0) -> float:
    """``value``, if it is a time that can pass.

    Args:
        name: what the caller calls it, for the message.
        value: as it was given, in seconds.
        least: the shortest that is allowed.

    Raises:
        ValueError: if it is shorter, or without an end.
    """
    if not amount("least", least) <= amount(name, value) < math.inf:
        raise ValueError(f"{name} must be {least:g} seconds at least, and not endless; got {value!r}")
    return value
