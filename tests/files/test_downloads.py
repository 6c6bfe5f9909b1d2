"""Fetching survives what servers do, and leaves nothing half-written. All of it on loopback."""

import hashlib
import http.server
import os
import threading
import time

import pytest

from resnet_utils.files import downloads
from tools import patience

SILENT = 0.5  # seconds before a silent server is left; every other server may take its time on a busy machine
CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PAGE = b"<!DOCTYPE html><html><body>This file has moved.</body></html>"


class Server(http.server.ThreadingHTTPServer):
    """Answers by path; ``asked`` lists the paths in order."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked, self.encodings, self.released = [], [], threading.Event()

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    """One method a fault."""

    def do_GET(self):
        path = self.path.strip("/")
        self.server.asked.append(path)
        self.server.encodings.append(self.headers["Accept-Encoding"])
        getattr(self, path.partition("-")[0])(self.server.asked.count(path))

    def answer(self, body, status=200, *, length=None, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if length != "none":
            self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        self.wfile.write(body)

    def good(self, count):
        self.answer(CONTENT)

    def missing(self, count):
        self.answer(PAGE, 404)

    def busy(self, count):
        self.answer(CONTENT) if count > 2 else self.answer(b"later", 503, Retry_After="0")

    def down(self, count):
        self.answer(b"later", 503)

    def tomorrow(self, count):
        self.answer(b"later", 503, Retry_After="86400")

    def soon(self, count):
        self.answer(CONTENT) if count > 1 else self.answer(b"later", 429, Retry_After="1")

    def page(self, count):
        self.answer(PAGE)

    def flipped(self, count):
        self.answer(CONTENT[:5000] + b"x" + CONTENT[5001:])

    def cut(self, count):
        self.answer(CONTENT[:5000], length=len(CONTENT))

    def short(self, count):
        self.answer(CONTENT[:5000], length="none")

    def once(self, count):
        self.answer(CONTENT) if count > 1 else self.cut(count)

    def stall(self, count):
        self.answer(CONTENT[:10], length=len(CONTENT))
        self.wfile.flush()
        self.server.released.wait(20)

    def forward(self, count):
        self.answer(b"", 302, Location="/good")

    def log_message(self, *arguments):
        """Say nothing."""


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def fetch(server, tmp_path):
    """Fetch from the paths of the loopback server, with a short wait for the silent one."""

    def call(*paths, sha256=SHA256):
        timeout = SILENT if "stall" in paths else patience.seconds(10)
        urls = [server.url(path) for path in paths]
        return downloads.fetch(
            "w.bin", urls, sha256=sha256, folder=tmp_path / "c", timeout=timeout, pause=0.001
        )

    return call


def files(folder):
    """Everything in a folder, hidden or not."""
    return sorted(os.listdir(folder)) if folder.exists() else []


def test_file_arrives_once_and_is_kept(server, fetch, tmp_path):
    assert fetch("good") == tmp_path / "c" / "w.bin"
    assert fetch("good").read_bytes() == CONTENT
    assert server.asked == ["good"]
    assert files(tmp_path / "c") == ["w.bin"]


def test_redirect_is_followed(fetch):
    assert fetch("forward").read_bytes() == CONTENT


@pytest.mark.parametrize("sha256", [SHA256[:8], SHA256.upper()])
def test_first_digits_and_capitals_will_do(fetch, sha256):
    assert fetch("good", sha256=sha256).read_bytes() == CONTENT


PERMANENT = {  # fault: what the error says; asking again would not help
    "missing": "HTTP 404 Not Found",
    "page": "bytes .an HTML page. with sha256 .*, not",
    "flipped": f"{len(CONTENT)} bytes with sha256 .*, not {SHA256[:16]}",
    "short": "5000 bytes with sha256",
    "tomorrow": "HTTP 503 Service Unavailable",
}
PASSING = {  # fault: what the error says; worth another try
    "down": "HTTP 503 Service Unavailable",
    "cut": "the connection was cut before the end",
    "stall": f"silent for {SILENT} s",
}


@pytest.mark.parametrize(("fault", "reason"), (PERMANENT | PASSING).items())
def test_fault_is_told_and_leaves_nothing_behind(server, fetch, tmp_path, fault, reason):
    started = time.monotonic()
    with pytest.raises(ConnectionError, match=f"(?s)could not fetch w.bin:.*/{fault}: .*{reason}"):
        fetch(fault)
    assert files(tmp_path / "c") == []
    assert server.asked == [fault] * (1 if fault in PERMANENT else 3)
    assert time.monotonic() - started < patience.seconds(15)  # three short waits, on a busy machine


@pytest.mark.parametrize("fault", PERMANENT | PASSING)
def test_next_source_is_used_after_a_fault(fetch, tmp_path, fault):
    assert fetch(fault, "good").read_bytes() == CONTENT
    assert files(tmp_path / "c") == ["w.bin"]


@pytest.mark.parametrize(("fault", "times"), [("busy", 3), ("once", 2)])
def test_passing_fault_is_outlived(server, fetch, fault, times):
    assert fetch(fault).read_bytes() == CONTENT
    assert server.asked == [fault] * times


def test_server_that_asks_for_a_second_gets_it(fetch):
    started = time.monotonic()
    assert fetch("soon").read_bytes() == CONTENT
    assert time.monotonic() - started >= 1


def test_error_names_every_source_and_the_way_out(fetch, tmp_path):
    with pytest.raises(ConnectionError) as caught:
        fetch("missing-1", "page-2", "missing-3")
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[0].rpartition("/")[2] for line in lines[1:4]] == [
        "missing-1",
        "page-2",
        "missing-3",
    ]
    assert f"put the file at {tmp_path / 'c' / 'w.bin'} yourself" in lines[4]
    assert " at 0x" not in str(caught.value)


def test_nobody_there_is_told(tmp_path):
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1:9/w: connection refused"):
        downloads.fetch("w", ["http://127.0.0.1:9/w"], sha256=SHA256, folder=tmp_path, pause=0.001)


def test_address_that_is_none_is_told(tmp_path):
    with pytest.raises(ConnectionError, match="not an address of the web"):
        downloads.fetch("w", ["no-scheme/w"], sha256=SHA256, folder=tmp_path, pause=0.001)


def test_wrong_file_in_the_cache_is_fetched_anew(fetch, tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "w.bin").write_bytes(CONTENT[:100])
    assert fetch("good").read_bytes() == CONTENT


def test_wrong_file_in_the_cache_stays_when_no_source_is_better(fetch, tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "w.bin").write_bytes(b"mine")
    with pytest.raises(ConnectionError):
        fetch("missing")
    assert (tmp_path / "c" / "w.bin").read_bytes() == b"mine"


def test_right_file_needs_no_network(tmp_path):
    (tmp_path / "w.bin").write_bytes(CONTENT)
    assert (
        downloads.fetch("w.bin", ["http://127.0.0.1:9/"], sha256=SHA256, folder=tmp_path)
        == tmp_path / "w.bin"
    )


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc/passwd", "a\\b"])
def test_name_cannot_climb_out_of_the_folder(tmp_path, name):
    with pytest.raises(ValueError, match="name must be a plain file name"):
        downloads.fetch(name, ["http://127.0.0.1:9/"], sha256=SHA256, folder=tmp_path)


@pytest.mark.parametrize("sha256", ["", "abc", "g" * 64, "0" * 65])
def test_what_is_no_digest_is_refused(tmp_path, sha256):
    with pytest.raises(ValueError, match="sha256 must be 8 to 64 hexadecimal digits"):
        downloads.fetch("w", ["http://127.0.0.1:9/"], sha256=sha256, folder=tmp_path)


def test_no_source_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one source"):
        downloads.fetch("w", [], sha256=SHA256, folder=tmp_path)


def test_cache_folder_is_the_readers_choice(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOK_CACHE", str(tmp_path / "here"))
    assert downloads.cache_folder() == tmp_path / "here"
    monkeypatch.delenv("BOOK_CACHE")
    assert downloads.cache_folder().name == "resnet-book"


def test_pauses_double_from_try_to_try(server, tmp_path, monkeypatch):
    slept = []
    monkeypatch.setattr(downloads.time, "sleep", slept.append)
    with pytest.raises(ConnectionError, match="HTTP 503"):
        downloads.fetch("w.bin", [server.url("down")], sha256=SHA256, folder=tmp_path / "c", pause=0.5)
    assert slept == [0.5, 1.0], "exponential back-off, and no wait after the last try"


def test_a_file_comes_as_it_is_and_not_compressed_on_the_way(server, fetch):
    fetch("good")
    assert server.encodings == ["identity"], "else the announced length would be another one"
