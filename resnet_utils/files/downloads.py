"""One safe way to fetch a file: several sources, a time-out, and a checksum before it gets its name.

Introduced in chapters 4 and 5.

``BOOK_OFFLINE=1`` forbids every request: then only what is in the cache is used.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from resnet_utils.files import atomic, checked, transfer
from resnet_utils.runtime import given

TRIES = 3  # at each source, for what may pass by itself
LONGEST_WAIT = 60.0  # seconds; a server that asks for more is left for the next source
MOST_BYTES = 20e9  # that a file may have, unless the caller knows better
PASSING = {
    403,
    408,
    425,
    429,
    500,
    502,
    503,
    504,
}  # HTTP answers that may be better next time (RFC 9110, 6585)
DIGITS = {"sha256": 64, "md5": 32}  # of a whole digest
Outcome = tuple[str, float | None]  # the problem, "" if none; seconds to wait, 0: no wish, None: give up


class _Digest(NamedTuple):
    """A checksum: by which method, and its digits, or the first of them."""

    method: str
    digits: str

    def of(self, path: Path) -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(
                file, lambda: hashlib.new(self.method, usedforsecurity=False)
            ).hexdigest()

    def fits(self, path: Path) -> bool:
        return path.is_file() and self.of(path).startswith(self.digits)

    def __str__(self) -> str:
        return f"{self.method} {self.digits}"


def cache_folder() -> Path:
    """Where fetched files are kept: ``BOOK_CACHE``, otherwise the system's place for such files."""
    import pooch

    chosen = os.environ.get("BOOK_CACHE", "").strip()
    return Path(chosen).expanduser() if chosen else Path(pooch.os_cache("resnet-book"))


def offline() -> bool:
    """Whether ``BOOK_OFFLINE`` forbids to ask any server."""
    return os.environ.get("BOOK_OFFLINE", "").strip() not in ("", "0")


def fetch(
    name: str,
    urls: Sequence[str],
    *,
    sha256: str | None = None,
    md5: str | None = None,
    folder: Path | None = None,
    timeout: float = 30.0,
    pause: float = 1.0,
    also: Sequence[Path] = (),
    most_bytes: float = MOST_BYTES,
    bar: tqdm | None = None,
) -> Path:
    """The path of a file of that name, fetched if it is not there yet.

    Tries the sources in turn. A busy or silent server is asked up to three times, and one that sends less
    than 1 kB/s is left. Only a file whose checksum is right gets its final name; a wrong file that lies there
    already is fetched anew. What was asked for by https never comes by plain http.

    Args:
        name: what the file is called in its folder; a plain name.
        urls: one address or several, each of the same file.
        sha256: the whole digest or its first digits (8 or more, as in the names of torchvision's weights).
        md5: the whole digest, in place of ``sha256`` where only this one was published. It finds damage, and
            only a forger who also made the original could meet it.
        folder: where the file is kept, made if need be (default: ``cache_folder()``).
        timeout: how many seconds a server may stay silent.
        pause: seconds before the second try; twice as many before the third. A server that says how long to
            wait (``Retry-After``) is obeyed, up to a minute.
        also: other folders in which the right file may lie already; it is then used where it is.
        most_bytes: that the file may have; a server that sends more is left.
        bar: a progress bar, which counts bytes; it is closed at the end.

    Raises:
        ConnectionError: if no source gives the right file, or ``BOOK_OFFLINE`` forbids to ask; says why, for
            each source, and what to do next.
        OSError: if the file cannot be written, as on a full disk; says where and what to do next.
        ValueError: for a name with folders, no url, what is no digest, or a number that is none.
    """
    urls, wanted = _sources(urls), _digest(sha256, md5)
    if "\\" in checked.plain_name(name):
        raise ValueError(f"name must be a plain file name without folders, got {name!r}")
    checked.duration("timeout", timeout, least=transfer.LEAST_TIMEOUT)
    checked.duration("pause", pause)
    checked.amount("most_bytes", most_bytes)
    given.of_kind("bar", bar, (tqdm, type(None)))
    others = [checked.path_of(other, name="also") for other in given.of_kind("also", also, (list, tuple))]
    folder = cache_folder() if folder is None else checked.path_of(folder, name="folder")
    final = folder / name
    try:
        for path in (final, *(other / name for other in others)):
            if wanted.fits(path):
                return path
        if offline():
            raise ConnectionError(
                f"{name} is not here, and BOOK_OFFLINE forbids to fetch it. Unset BOOK_OFFLINE, or put the "
                f"file at {final} yourself ({wanted}; it comes from {urls[0]})."
            )
        folder.mkdir(parents=True, exist_ok=True)
        return _fetched(final, urls, wanted, timeout=timeout, pause=pause, most_bytes=most_bytes, bar=bar)
    except ConnectionError:
        raise
    except OSError as error:
        raise OSError(
            error.errno,
            f"{name} cannot be kept in {folder}: {error.strerror or error}. Make room or give the right to "
            "write there, or let BOOK_CACHE name another folder",
        ) from error
    finally:
        if bar is not None:
            bar.close()


def _sources(urls: Sequence[str]) -> list[str]:
    """The addresses of a file, at least one."""
    found = [urls] if isinstance(urls, str) else list(given.of_kind("urls", urls, Sequence))
    if not found or not all(isinstance(url, str) and url for url in found):
        raise ValueError(f"urls must be one address or several, got {urls!r:.200}")
    return found


def _digest(sha256: str | None, md5: str | None) -> _Digest:
    given = [(method, text) for method, text in (("sha256", sha256), ("md5", md5)) if text is not None]
    if len(given) != 1:
        raise ValueError(f"one checksum is needed, sha256 or md5; got {len(given)}")
    ((method, text),) = given
    whole, least = DIGITS[method], 8 if method == "sha256" else DIGITS[method]
    digits = text.lower() if isinstance(text, str) else ""
    if not re.fullmatch(rf"[0-9a-f]{{{least},{whole}}}", digits):
        span = f"{least} to {whole}" if least < whole else str(whole)
        raise ValueError(f"{method} must be {span} hexadecimal digits, got {text!r}")
    return _Digest(method, digits)


def _fetched(
    final: Path,
    urls: Sequence[str],
    wanted: _Digest,
    *,
    timeout: float,
    pause: float,
    most_bytes: float,
    bar: tqdm | None,
) -> Path:
    """``final``, from the first source that has the right file."""
    problems = []
    with atomic.whole(final) as unfinished:
        for url in urls:

            def once(url: str = url) -> Outcome:
                return _once(url, unfinished, wanted, timeout=timeout, most_bytes=most_bytes, bar=bar)

            problem = _tried(once, pause=pause)
            if not problem:
                return final
            problems.append(f"\n  {url}: {problem}")
        raise ConnectionError(
            f"could not fetch {final.name}:{''.join(problems)}\n"
            f"Try again later, or put the file at {final} yourself ({wanted})."
        )


def _tried(once: Callable[[], Outcome], *, pause: float) -> str:
    """ "" if one of the tries was good, otherwise the last reason why not."""
    problem = ""
    for attempt in range(TRIES):
        problem, wait = once()
        if not problem or wait is None:
            break
        if wait > LONGEST_WAIT:
            return f"{problem}; asks to wait {wait:.0f} s"
        if attempt < TRIES - 1:
            time.sleep(wait or pause * 2**attempt)
    return problem


def _once(
    url: str, path: Path, wanted: _Digest, *, timeout: float, most_bytes: float, bar: tqdm | None
) -> Outcome:
    """One attempt to bring ``url`` to ``path``."""
    with path.open("wb") as file:
        sink = transfer.Sink(file, most_bytes=most_bytes)
        try:
            transfer.receive(url, sink, timeout=timeout, bar=bar)
        except Exception as error:  # of five libraries; what is wrong with the disk is raised again
            return _reason(error, timeout)
    if sink.announced is not None and sink.count < sink.announced:
        return "the connection was cut before the end of the file", 0
    if sink.count == 0:
        return "the answer is empty", 0
    if wanted.fits(path):
        return "", 0
    if "gzip" in sink.encoding and _unzipped(path, most_bytes) and wanted.fits(path):
        return "", 0  # the server had packed it for the way, although it was asked not to
    with path.open("rb") as file:
        start = file.read(64).lstrip().lower()
    page = " (an HTML page)" if start.startswith((b"<!doctype", b"<html")) else ""
    found = wanted.of(path)[:16]
    return (
        f"{path.stat().st_size} bytes{page} with {wanted.method} {found}..., not {wanted.digits[:16]}",
        None,
    )


def _unzipped(path: Path, most_bytes: float) -> bool:
    """Unpack a file in its place; whether that went well."""
    aside = path.with_name(f"{path.name}.raw")
    try:
        with gzip.open(path) as packed, aside.open("wb") as file:
            sink = transfer.Sink(file, most_bytes=most_bytes)
            while chunk := packed.read(transfer.CHUNK):
                sink.write(chunk)
        os.replace(aside, path)
    except (transfer.RefusedError, EOFError, gzip.BadGzipFile, zlib.error):
        return False
    finally:
        aside.unlink(missing_ok=True)
    return True


def _reason(error: Exception, timeout: float) -> Outcome:
    """Why an attempt failed, in words."""
    import requests

    known = requests.exceptions
    if isinstance(error, transfer.DiskError):
        raise OSError(error.errno, error.strerror) from error
    if isinstance(error, transfer.RefusedError):
        return str(error), None
    if isinstance(error, requests.HTTPError) and (answer := error.response) is not None:
        passing = answer.status_code in PASSING
        return f"HTTP {answer.status_code} {answer.reason}", _asked_wait(answer.headers) if passing else None
    if isinstance(error, (known.MissingSchema, known.InvalidURL, known.InvalidSchema)):
        return "not an address of the web", None
    if isinstance(error, known.TooManyRedirects):
        return "leads from address to address without an end", None
    if isinstance(error, known.SSLError):
        return "no safe connection: its certificate is not accepted", None
    return _short(error, timeout), 0


def _asked_wait(headers: Mapping[str, str]) -> float:
    """Seconds in ``Retry-After``, which holds them or a date (RFC 9110, section 10.2.3); 0 without it."""
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
        now = parsedate_to_datetime(headers["Date"]) if "Date" in headers else None
        return max(0.0, until.timestamp() - (now.timestamp() if now else time.time()))
    except (TypeError, ValueError, OverflowError):
        return 0.0


def _short(error: Exception, timeout: float) -> str:
    """The reason in words: the innermost message, without the addresses of objects."""
    text = str(error)
    told = {  # what stands in the messages of the libraries
        ("timed out",): f"silent for {timeout:g} s",
        ("IncompleteRead", "InvalidChunkLength", "Response ended prematurely"): (
            "the connection was cut before the end of the file"
        ),
        ("refused",): "connection refused",
        (
            "NameResolution",
            "getaddrinfo",
            "Name or service",
        ): "the name of the server is unknown (no network?)",
        (
            "Connection reset",
            "RemoteDisconnected",
            "Connection aborted",
        ): "the server broke off the connection",
    }
    for signs, words in told.items():
        if any(sign in text for sign in signs):
            return words
    return re.sub(r"<[^>]* at 0x[0-9a-f]+>:? ?", "", text)[:200] or type(error).__name__
