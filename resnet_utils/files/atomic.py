"""Files that appear under their name whole or not at all, and the mark by which they are known.

Introduced in chapters 4 and 5.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resnet_utils.files import checked
from resnet_utils.runtime import given

ABANDONED = 3600.0  # seconds without a new byte, after which an unfinished file is nobody's


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Inside, the path of a hidden file to write to; on leaving, it takes the place of ``path``.

    It lies in the same folder and has the same ending. On leaving it is brought to the disk and then renamed,
    in one step: whoever looks finds the old file or the new one, never half of one. After an error it is
    removed, and ``path`` is as it was. Only a killed process leaves one behind; the next one that writes the
    same file removes it once an hour has passed. The new file has the permissions of any new file. Where
    ``path`` is a link, what it points to is replaced.

    Args:
        path: the final name; its folder must exist.

    Raises:
        FileNotFoundError: if there is no such folder, or nothing was written inside.
        IsADirectoryError: if ``path`` is a folder.
        ValueError: if ``path`` is empty.
    """
    checked.path_of(path)
    final = Path(os.path.realpath(path))
    if not final.parent.is_dir():
        raise FileNotFoundError(f"the folder {final.parent} does not exist; make it first")
    if final.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file")
    start = f".{final.name}-"
    _remove_abandoned(final.parent, start)
    unfinished = final.with_name(f"{start}{secrets.token_hex(4)}.part{final.suffix}")
    try:
        yield unfinished
        if not unfinished.exists():
            raise FileNotFoundError(f"nothing was written to {unfinished}, which would have become {final}")
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, final)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Inside, the path of an empty folder to fill; on leaving, it takes the place of ``path``.

    What ``whole`` is for a file: whoever looks finds all of the new folder, or the old one, or none. After an
    error ``path`` is as it was.

    Args:
        path: the final name; the folder around it must exist.

    Raises:
        FileNotFoundError: if there is no such folder around it.
        NotADirectoryError: if ``path`` is a file.
        ValueError: if ``path`` is empty, or the working folder lies in it, which would be gone.
    """
    checked.path_of(path)
    final = Path(os.path.realpath(path))
    if final.exists() and not final.is_dir():
        raise NotADirectoryError(f"{path} is a file; give the name of a folder")
    if Path.cwd().is_relative_to(final):
        raise ValueError(f"path must be a folder that can be replaced, got {path}: you work in it")
    with scratch(final.parent, final.name) as aside:
        unfinished = aside / "new"
        unfinished.mkdir()
        yield unfinished
        if final.exists():
            os.replace(final, aside / "old")
        os.replace(unfinished, final)


@contextmanager
def scratch(folder: str | Path, name: str) -> Iterator[Path]:
    """Inside, the path of a hidden folder to work in, which is gone afterwards.

    A killed process leaves it behind; the next one that works on the same name removes it, once nothing in it
    has changed for an hour.

    Args:
        folder: where it lies, so that what is made there can be renamed to a place in ``folder``.
        name: of what is made there, without folders.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if the name has folders, or one of the two is empty.
    """
    folder = checked.path_of(folder, name="folder")
    start = f".{checked.plain_name(name)}-"
    if not folder.is_dir():
        raise FileNotFoundError(f"the folder {folder} does not exist; make it first")
    _remove_abandoned(folder, start)
    made = folder / f"{start}{secrets.token_hex(4)}.part"
    made.mkdir()
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def write(path: str | Path, content: bytes | str) -> None:
    """Write a file as ``whole`` does.

    Args:
        path: the final name; its folder must exist.
        content: what the file holds afterwards; text is written in UTF-8 with ``\\n`` at the end of a line.

    Raises:
        FileNotFoundError: if there is no such folder.
        IsADirectoryError: if ``path`` is a folder.
        ValueError: if ``path`` is empty.
    """
    given.of_kind("content", content, (bytes, bytearray, memoryview, str))
    with whole(path) as unfinished:
        unfinished.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file's content, 64 hex digits.

    Args:
        path: the file to read.

    Raises:
        FileNotFoundError: if there is no such file.
        IsADirectoryError: for a folder.
        ValueError: if ``path`` is empty.
    """
    with checked.file_at(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove_abandoned(folder: Path, start: str) -> None:
    """Remove what killed processes have left of files and folders whose names begin with ``start``."""
    for name in os.listdir(folder):
        if name.startswith(start) and ".part" in name[len(start) :]:
            left = folder / name
            try:
                if time.time() - _last_change(left) <= ABANDONED:
                    continue
                if left.is_dir() and not left.is_symlink():
                    shutil.rmtree(left)
                else:
                    left.unlink()
            except FileNotFoundError:  # another process was faster
                pass


def _last_change(path: Path) -> float:
    """When a file, or anything in a folder, was last written to: seconds since 1970."""
    inside = [Path(at, name) for at, folders, files in os.walk(path) for name in (*folders, *files)]
    return max(entry.lstat().st_mtime for entry in (path, *inside))
