"""One safe way to fetch a file: several sources, a time-out, and a checksum before it gets its name.

Introduced in chapters 4 and 5.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from resnet_utils.files import atomic

TRIES = 3  # at each source, for what may pass by itself
LONGEST_WAIT = 60.0  # seconds; a server that asks for more is left for the next source
PASSING = {408, 425, 429, 500, 502, 503, 504}  # HTTP answers that may be better next time (RFC 9110, 6585)


def cache_folder() -> Path:
    """Where fetched files are kept: ``BOOK_CACHE``, otherwise the system's place for such files."""
    import pooch

    chosen = os.environ.get("BOOK_CACHE", "").strip()
    return Path(chosen).expanduser() if chosen else Path(pooch.os_cache("resnet-book"))


def fetch(
    name: str,
    urls: Sequence[str],
    *,
    sha256: str,
    folder: Path | None = None,
    timeout: float = 30.0,
    pause: float = 1.0,
    also: Sequence[Path] = (),
    bar: tqdm | None = None,
) -> Path:
    """The path of a file of that name, fetched if it is not there yet.

    Tries the sources in turn. A busy or silent server is asked up to three times. Only a file whose checksum
    is right gets its final name; a wrong file that lies there already is fetched anew.

    Args:
        name: what the file is called in its folder; a plain name.
        urls: one address or several, each of the same file.
        sha256: the whole digest or its first digits (8 or more, as in the names of torchvision's weights).
        folder: where the file is kept, made if need be (default: ``cache_folder()``).
        timeout: how many seconds a server may stay silent.
        pause: seconds before the second try; twice as many before the third. A server that says how long to
            wait (``Retry-After``) is obeyed, up to a minute.
        also: other folders in which the right file may lie already; it is then used where it is.
        bar: a progress bar, which counts bytes.

    Raises:
        ConnectionError: if no source gives the right file; says why, for each.
        ValueError: for a name with folders, no url, or what is no digest.
    """
    urls, sha256 = [urls] if isinstance(urls, str) else list(urls), sha256.lower()
    if not name or name in (".", "..") or Path(name).name != name or "\\" in name:
        raise ValueError(f"name must be a plain file name without folders, got {name!r}")
    if not urls:
        raise ValueError("urls must name at least one source")
    if not re.fullmatch(r"[0-9a-f]{8,64}", sha256):
        raise ValueError(f"sha256 must be 8 to 64 hexadecimal digits, got {sha256!r}")
    folder = Path(folder) if folder is not None else cache_folder()
    final = folder / name
    for path in (final, *(Path(other) / name for other in also)):
        if path.is_file() and atomic.sha256(path).startswith(sha256):
            return path
    folder.mkdir(parents=True, exist_ok=True)
    problems = []
    with atomic.whole(final) as unfinished:
        for url in urls:
            problem = _from(url, unfinished, sha256, timeout=timeout, pause=pause, bar=bar)
            if problem is None:
                return final
            problems.append(f"\n  {url}: {problem}")
        raise ConnectionError(
            f"could not fetch {name}:{''.join(problems)}\n"
            f"Try again later, or put the file at {final} yourself (sha256 {sha256})."
        )


def _from(url: str, path: Path, sha256: str, *, timeout: float, pause: float, bar: tqdm | None) -> str | None:
    """Fetch ``url`` to ``path``; None if the right file is there now, otherwise the reason why not."""
    problem = ""
    for attempt in range(TRIES):
        problem, wait = _once(url, path, sha256, timeout=timeout, bar=bar)
        if not problem:
            return None
        wait = pause * 2**attempt if wait == 0 else wait
        if wait is None or wait > LONGEST_WAIT:
            break
        if attempt < TRIES - 1:
            time.sleep(wait)
    return problem


def _once(url: str, path: Path, sha256: str, *, timeout: float, bar: tqdm | None) -> tuple[str, float | None]:
    """One attempt: the problem ("" if none), and the seconds to wait (None: give up; 0: no wish)."""
    import pooch
    import requests

    # Without compression on the way, the announced length is the file's.
    identity = {"Accept-Encoding": "identity"}
    downloader = pooch.HTTPDownloader(
        progressbar=False if bar is None else bar,  # pyright: ignore[reportArgumentType] - a bar will do
        timeout=timeout,
        headers=identity,
    )
    try:
        downloader(url, str(path), None)
    except requests.HTTPError as error:
        answer = error.response
        assert answer is not None  # pooch raises it for an answer
        passing = answer.status_code in PASSING
        return f"HTTP {answer.status_code} {answer.reason}", _asked_wait(answer.headers) if passing else None
    except requests.Timeout:
        return f"silent for {timeout:g} s", 0
    except (
        requests.exceptions.MissingSchema,
        requests.exceptions.InvalidURL,
        requests.exceptions.InvalidSchema,
    ):
        return "not an address of the web", None
    except requests.RequestException as error:
        return _short(error, timeout), 0
    found = atomic.sha256(path)
    if found.startswith(sha256):
        return "", 0
    with path.open("rb") as file:
        start = file.read(64).lstrip().lower()
    kind = " (an HTML page)" if start.startswith((b"<!doctype", b"<html")) else ""
    return f"{path.stat().st_size} bytes{kind} with sha256 {found[:16]}..., not {sha256[:16]}", None


def _asked_wait(headers: Mapping[str, str]) -> float:
    """Seconds in ``Retry-After``; 0 where it is missing or a date."""
    value = headers.get("Retry-After", "")
    return float(value) if value.isdigit() else 0.0


def _short(error: Exception, timeout: float) -> str:
    """The reason in words: the innermost message, without the addresses of objects."""
    text = str(error)
    if "Read timed out" in text:
        return f"silent for {timeout:g} s"
    if "IncompleteRead" in text:
        return "the connection was cut before the end of the file"
    if "Connection refused" in text:
        return "connection refused"
    if any(sign in text for sign in ("NameResolution", "getaddrinfo", "Name or service")):
        return "the name of the server is unknown (no network?)"
    return re.sub(r"<[^>]* at 0x[0-9a-f]+>:? ?", "", text)[:200]
