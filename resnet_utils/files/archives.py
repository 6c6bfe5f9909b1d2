"""Archives unpacked so that nothing lands elsewhere, fills the disk or is half there; data sets made of them.

Introduced in chapters 4 and 5.

Python's own readers open the archives. What is added: names that lead out of the folder, links and devices
are refused, files and bytes are counted as they come, and nothing is seen before all of it is there.
"""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO, cast

from tqdm import tqdm

from resnet_utils.files import atomic, checked, downloads, kinds
from resnet_utils.runtime import given

MOST_BYTES = 8e9  # that an archive may become
MOST_FILES = 200_000
MOST_TIMES, FREE_BYTES = 200, 100e6  # as large as it was, beyond the first 100 MB; photographs hardly shrink
MARK = ".complete"  # written last into a folder: its files and their sizes
CHUNK = 2**20  # bytes
OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EACCES, errno.EPERM, errno.EROFS}
LONGEST_NAME = 1_000_000  # bytes that a tar may spend on one name and its notes
Member = tuple[str, int, Callable[[], IO[bytes] | None] | None]  # name, stated bytes, what opens it if a file


@dataclass(frozen=True)
class Archive:
    """An archive that is part of a data set.

    Args:
        name: its file name.
        urls: where it can be fetched.
        md5: its checksum, whole.
        into: the folder inside of the data set's in which its files go.
    """

    name: str
    urls: tuple[str, ...]
    md5: str
    into: str = "."


def fetch_folder(
    folder: str | Path,
    archives: Sequence[Archive],
    *,
    timeout: float = 30.0,
    pause: float = 1.0,
    most_bytes: float = MOST_BYTES,
    bar: Callable[[str], tqdm] | None = None,
) -> Path:
    """The folder that a data set's archives make, fetched and unpacked if it is not there or not whole.

    It gets its name when all of it is there, with a list of its files and their sizes (``.complete``) written
    last. An archive that has arrived waits beside it for the others, also for those of a later try.

    Args:
        folder: its path.
        archives: what it is made of.
        timeout: as for ``downloads.fetch``.
        pause: as for ``downloads.fetch``.
        most_bytes: that each archive, and its content, may have.
        bar: makes a progress bar for the archive of a name.

    Raises:
        ConnectionError: if an archive cannot be fetched, or ``BOOK_OFFLINE`` forbids it.
        OSError: if something cannot be written, as on a full disk.
        ValueError: if an archive cannot be unpacked safely, there is none, or a number is none.
    """
    folder = checked.path_of(folder, name="folder")
    if not archives or not all(
        isinstance(it, Archive) for it in given.of_kind("archives", archives, Sequence)
    ):
        raise ValueError(f"archives must be a list of Archive, at least one; got {archives!r:.200}")
    _require_function("bar", bar)
    if is_whole(folder):
        return folder
    store = folder.with_name(f"{folder.name}-archives")
    try:
        for it in archives:
            shown = bar(it.name) if bar and not downloads.offline() else None
            downloads.fetch(
                it.name, it.urls, md5=it.md5, folder=store, timeout=timeout, pause=pause,
                most_bytes=most_bytes, bar=shown,
            )  # fmt: skip
        with atomic.whole_folder(folder) as unfinished:
            for it in archives:
                unpack_archive(store / it.name, unfinished / it.into, most_bytes=most_bytes)
            sizes = {
                path.relative_to(unfinished).as_posix(): path.stat().st_size for path in _files(unfinished)
            }
            atomic.write(unfinished / MARK, json.dumps(sizes))
        for it in archives:
            (store / it.name).unlink(missing_ok=True)
    finally:
        with suppress(OSError):  # not empty: what has come is of use the next time
            store.rmdir()
    return folder


def is_whole(folder: str | Path) -> bool:
    """Whether all files that ``fetch_folder`` has put into a folder are still there, with their sizes.

    Args:
        folder: its path; it need not exist.

    Raises:
        ValueError: if the path is empty.
    """
    folder = checked.path_of(folder, name="folder")
    try:
        sizes = json.loads((folder / MARK).read_text(encoding="utf-8"))
        return bool(sizes) and all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False


def unpack_archive(
    archive: str | Path,
    folder: str | Path,
    *,
    most_bytes: float = MOST_BYTES,
    most_files: int = MOST_FILES,
    wanted: Callable[[str], bool] = lambda name: True,
) -> int:
    """Unpack a .zip, a .tar (also .gz, .bz2, .xz) or one packed file (.gz) into a folder; returns its files.

    The content decides, not the name. The files appear together at the end, in the place of those that had
    the same names; after an error the folder is as it was.

    Args:
        archive: the file.
        folder: where its files go; it is made where needed.
        most_bytes: that they may have together, whatever the archive says of itself.
        most_files: that there may be.
        wanted: whether the file of a name (with /) is to be unpacked.

    Raises:
        FileNotFoundError: if there is no such file.
        OSError: if the files cannot be written, as on a full disk.
        ValueError: if it is no whole archive, is too large, holds a link, a device, a name twice, or one that
            leads out of the folder; the message says which. Also for a number that is none.
    """
    archive, folder = checked.path_of(archive, name="archive"), checked.path_of(folder, name="folder")
    checked.amount("most_bytes", most_bytes)
    if given.of_kind("most_files", most_files, int) < 1:
        raise ValueError(f"most_files must be at least 1, got {most_files}")
    _require_function("wanted", wanted)
    if not archive.is_file():
        raise FileNotFoundError(f"no archive at {archive}")
    folder.mkdir(parents=True, exist_ok=True)
    budget, count = _Budget(archive, most_bytes, most_files), 0
    with atomic.scratch(folder, archive.name[:100]) as aside, _told_as(archive.name), ExitStack() as stack:
        for name, stated, opened in _members(archive, stack):
            place = _place(name)
            budget.member(name, stated)
            if opened is None or place is None or not _asked(wanted, place.as_posix()):
                budget.bytes += stated  # it has to be read, too
                continue
            with opened() or io.BytesIO() as source:
                _copy(source, aside / place, budget)
            count += 1
        if count == 0:
            raise _RefusedError("it holds no file that is wanted" if budget.members else "it holds no file")
        stack.close()  # reads to the end, where checksums stand
        _move(aside, folder)
    return count


def _require_function(name: str, function: object) -> None:
    if function is not None and not callable(function):
        raise TypeError(f"{name} must be a function of a file's name, got {function!r:.100}")


def _asked(wanted: Callable[[str], bool], name: str) -> bool:
    try:
        return bool(wanted(name))
    except TypeError as error:
        raise TypeError(
            f"wanted must be a function of a file's name, got {wanted!r:.100}: {error}"
        ) from error


class _RefusedError(Exception):
    """What an archive does that is not allowed."""


class _Budget:
    """How much may still come."""

    def __init__(self, archive: Path, most_bytes: float, most_files: int) -> None:
        packed = archive.stat().st_size
        self.members, self.bytes, self.most_files, self.most_bytes = 0, 0, most_files, most_bytes
        self.most_blown = max(FREE_BYTES, MOST_TIMES * packed)

    def member(self, name: str, stated: int) -> None:
        """One more, of so many bytes by its own account."""
        self.members += 1
        if self.members > self.most_files:
            raise _RefusedError(f"it holds more than {self.most_files:,} files, its most_files")
        if stated < 0:
            raise _RefusedError(f"{name!r} states a size of {stated}")
        self.check(stated)

    def add(self, count: int) -> None:
        self.check(count)
        self.bytes += count

    def check(self, count: int) -> None:
        if self.bytes + count > self.most_bytes:
            raise _RefusedError(f"it would become more than {self.most_bytes / 1e9:.3g} GB, its most_bytes")
        if self.bytes + count > self.most_blown:
            raise _RefusedError(
                f"it would become more than {MOST_TIMES} times as large, which no pictures do"
            )


@contextmanager
def _told_as(name: str) -> Iterator[None]:
    """Turn what readers of archives raise into ValueError with the reason."""
    try:
        yield
    except _RefusedError as error:
        raise ValueError(f"{name} was not unpacked: {error}") from None
    except (
        zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError, EOFError, NotImplementedError,
        RuntimeError, ValueError, OverflowError,
    ) as error:  # fmt: skip
        raise ValueError(f"{name} is no archive that can be unpacked: {error or 'it is cut off'}") from None
    except OSError as error:
        if error.errno in OF_THE_DISK:
            raise
        reason = error.strerror or str(error)
        raise ValueError(f"{name} is no archive that can be unpacked: {reason}") from None


def _members(archive: Path, stack: ExitStack) -> Iterator[Member]:
    """The files in an archive, none of which is a link or a device."""
    with archive.open("rb") as file:
        start = file.read(4)
    if start[:2] == b"PK" or zipfile.is_zipfile(archive):
        return _of_zip(stack.enter_context(zipfile.ZipFile(archive)))
    try:
        return _of_tar(stack.enter_context(tarfile.open(archive, tarinfo=_Header)), archive.stat().st_size)
    except tarfile.ReadError:
        if start[:2] == b"\x1f\x8b":
            return iter([(archive.name.removesuffix(".gz"), 0, partial(_of_gzip, archive))])
        kind = kinds.kind_of(archive)
        ours = kind.startswith(("an archive (tar", "an archive (bzip2", "an archive (xz"))
        raise _RefusedError("it is damaged or cut off" if ours else f"it is {kind}") from None


def _of_zip(packed: zipfile.ZipFile) -> Iterator[Member]:
    for entry in packed.infolist():
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _RefusedError(f"{entry.filename!r} is a link or a device")
        opened = None if entry.is_dir() else partial(packed.open, entry)
        yield entry.filename, entry.file_size, opened


def _of_gzip(archive: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(archive))


class _Header(tarfile.TarInfo):
    """A header of a tar that may not ask for much memory before its content is reached."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        header = super().frombuf(buf, encoding, errors)
        if not (header.isfile() or header.isdir()) and header.size > LONGEST_NAME:
            raise tarfile.ReadError(f"a name, or what is noted about it, of {header.size:,} bytes")
        return header


def _of_tar(packed: tarfile.TarFile, size: int) -> Iterator[Member]:
    for entry in packed:
        if not (entry.isfile() or entry.isdir()):
            raise _RefusedError(f"{entry.name!r} is a link or a device")
        opened = None if entry.isdir() else partial(packed.extractfile, entry)
        yield entry.name, 0 if opened is None else entry.size, opened
    file = packed.fileobj
    assert file is not None  # it is open
    file.seek(packed.offset)
    end, more = file.read(tarfile.BLOCKSIZE), 0
    if end != bytes(tarfile.BLOCKSIZE):
        raise _RefusedError("its end is missing: it is cut off")
    while chunk := file.read(CHUNK):  # to the end, where the checksum of the packed stream stands
        more += len(chunk)
        if more > FREE_BYTES + size:
            raise _RefusedError("it goes on behind its end")


def _place(name: str) -> PurePosixPath | None:
    """Where a member goes, counted from the folder; None for the folder itself."""
    plain = name.replace("\\", "/")
    path = PurePosixPath(plain)
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", plain) or "\0" in plain:
        raise _RefusedError(f"the name {name!r} would lead out of the folder")
    return path if path.parts else None


def _copy(source: IO[bytes], target: Path, budget: _Budget) -> None:
    """Bring one member to its place, where nothing may be yet."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        file = target.open("xb")
    except (FileExistsError, NotADirectoryError):
        raise _RefusedError(f"two of its files would both be {target.name!r}") from None
    with file:
        while chunk := source.read(CHUNK):
            budget.add(len(chunk))
            file.write(chunk)


def _move(aside: Path, folder: Path) -> None:
    """Bring all files of one folder into another, or none."""
    pairs = [(path, folder / path.relative_to(aside)) for path in _files(aside)]
    for _, final in pairs:
        above = next(path for path in final.parents if path.exists())
        if final.is_dir() or not above.is_dir():
            raise _RefusedError(f"{final} cannot be a file beside what is there already")
    for path, final in pairs:
        final.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, final)


def _files(folder: Path) -> list[Path]:
    return sorted(Path(at, name) for at, _, names in os.walk(folder) for name in names)
