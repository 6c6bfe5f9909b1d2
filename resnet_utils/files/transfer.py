"""One request to one server, watched: too much, too slow, or led astray, and it is over.

Introduced in chapters 4 and 5.

pooch asks and receives. What it does not look after is added around it: the time that passes where a server
sends a little now and then, the room on the disk, and where a redirection leads.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from typing import IO, TYPE_CHECKING
from urllib.parse import urljoin

from tqdm import tqdm

from resnet_utils.files import checked
from resnet_utils.runtime import given

if TYPE_CHECKING:
    import requests

CHUNK = 2**13  # bytes that are received before they are written
LEAST_SPEED = 1000.0  # bytes a second, below which a server counts as silent
WINDOW = 1.5  # times the time-out, over which the speed is measured: true silence is found before
LEAST_TIMEOUT = 0.01  # seconds; no server answers sooner
GLANCE = 0.1  # seconds between two looks at a transfer, for the bar


class RefusedError(Exception):
    """A transfer that was ended here, for the reason in the message; to ask again would not help."""


class DiskError(OSError):
    """What the disk said to a write, apart from what the network says."""


@given.explained
class Sink:
    """Where a transfer writes to: a file, with an eye on how much comes.

    Args:
        file: open for writing.
        most_bytes: that may come.

    Raises:
        TypeError: if nothing can be written to ``file``.
        ValueError: if ``most_bytes`` is below 0.
    """

    def __init__(self, file: IO[bytes], *, most_bytes: float) -> None:
        if not hasattr(file, "write"):
            raise TypeError(f"file must be open for writing, got a {type(file).__name__}")
        self.file, self.most_bytes = file, checked.amount("most_bytes", most_bytes)
        self.count, self.announced, self.encoding, self.left = 0, None, "", False
        self.response: requests.Response | None = None

    def write(self, chunk: bytes) -> None:
        """Write what has come.

        Args:
            chunk: the next bytes.

        Raises:
            RefusedError: if it is too much in all, or nobody waits for it any more.
            DiskError: if the disk does not take it.
        """
        if self.left:
            raise RefusedError("nobody waits for it any more")
        self.count += len(chunk)
        if self.count > self.most_bytes:
            raise RefusedError(f"sends more than the {self.most_bytes:,.0f} bytes that are expected")
        try:
            self.file.write(chunk)
        except OSError as error:
            raise DiskError(error.errno, error.strerror) from error

    def flush(self) -> None:
        """Nothing; pooch asks for it after each chunk, and the file is flushed when it is closed."""

    def answered(self, response: requests.Response) -> None:
        """Look at the head of an answer, before anything of its body is taken; requests calls it.

        Args:
            response: the answer, of which a redirection is one too.
        """
        self.response = response
        there = urljoin(response.url, response.headers.get("Location", ""))
        if response.is_redirect and response.url.lower().startswith("https:") and there.startswith("http:"):
            raise RefusedError(
                f"leads from https to plain http ({there}), where anybody could change the file"
            )
        if response.is_redirect or not response.ok:
            return
        self.encoding = response.raw.headers.pop("Content-Encoding", "").lower()  # kept as it comes
        length = response.headers.get("Content-Length", "")
        if not length.isdecimal():
            response.headers.pop("Content-Length", None)  # pooch would make a number of it
            return
        self.announced = int(length)
        if self.announced > self.most_bytes:
            raise RefusedError(
                f"announces {self.announced:,} bytes, more than the {self.most_bytes:,.0f} that are expected"
            )
        free = shutil.disk_usage(os.path.dirname(os.path.abspath(self.file.name))).free
        if self.announced > free:
            needs = f"{self.announced / 1e6:,.1f} MB are needed and {free / 1e6:,.1f} MB are free"
            raise DiskError(errno.ENOSPC, f"No space left on device ({needs})")


def receive(url: str, sink: Sink, *, timeout: float, bar: tqdm | None) -> None:
    """Bring the content of an address into a sink.

    The request runs in a thread of its own, so that nothing a server does can hold up the caller: not a
    name that is looked up for ever, nor a byte now and then.

    Args:
        url: the address.
        sink: where the content goes.
        timeout: seconds without a byte, after which the transfer is over.
        bar: a progress bar for the bytes.

    Raises:
        RefusedError: if the transfer was ended for what the server did.
        DiskError: if the disk does not take what comes.
        ValueError: for a time-out that is none.
        Exception: whatever else the libraries raise.
    """
    if not given.of_kind("url", url, str).lower().startswith(("http://", "https://")):
        raise RefusedError(
            f"not an address of the web, as {url!r:.100} begins with neither http:// nor https://"
        )
    given.of_kind("sink", sink, Sink)
    checked.duration("timeout", timeout, least=LEAST_TIMEOUT)
    given.of_kind("bar", bar, (tqdm, type(None)))
    errors: list[BaseException] = []
    done = threading.Event()

    def work() -> None:
        try:
            _ask(url, sink, timeout)
        except BaseException as error:  # the caller's thread is the one to say it
            errors.append(error)
        finally:
            done.set()

    threading.Thread(target=work, daemon=True).start()
    try:
        _watch(done, sink, timeout=timeout, bar=bar)
    finally:
        sink.left = True
    _show(bar, sink)
    if errors:
        raise errors.pop()


def _ask(url: str, sink: Sink, timeout: float) -> None:
    import pooch

    ask = pooch.HTTPDownloader(
        chunk_size=CHUNK,
        timeout=timeout,
        headers={"Accept-Encoding": "identity"},  # so that the announced length is the file's
        hooks={"response": lambda response, **_: sink.answered(response)},
    )
    try:
        ask(url, sink, None)  # pyright: ignore[reportArgumentType] - it asks for no registry of files
    finally:
        if sink.response is not None:
            sink.response.close()


def _watch(done: threading.Event, sink: Sink, *, timeout: float, bar: tqdm | None) -> None:
    """Wait until it is done; raise if it is too slow."""
    since, before = time.monotonic(), 0
    while not done.wait(GLANCE):
        _show(bar, sink)
        now = time.monotonic()
        if now - since < WINDOW * timeout:
            continue
        came = sink.count - before
        if came == 0:
            raise TimeoutError("timed out")
        if came < LEAST_SPEED * (now - since):
            raise RefusedError(f"too slow: {came / (now - since):.0f} bytes a second")
        since, before = now, sink.count


def _show(bar: tqdm | None, sink: Sink) -> None:
    if bar is not None:
        if bar.total != sink.announced and sink.announced is not None:
            bar.reset(total=sink.announced)
        bar.update(sink.count - bar.n)
