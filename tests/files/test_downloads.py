"""Fetching survives what servers do, and leaves nothing half-written. All of it on loopback."""

import errno
import hashlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
import types

import fault_server
import pytest
import requests
from tqdm import tqdm

from resnet_utils.files import atomic, downloads, transfer
from tools import patience

SILENT = 0.5  # seconds before a silent server is left; every other server may take its time on a busy machine
CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _not_offline(monkeypatch):
    monkeypatch.delenv("BOOK_OFFLINE", raising=False)


@pytest.fixture
def server():
    with fault_server.serving({"w.bin": CONTENT}) as running:
        yield running


@pytest.fixture
def fetch(server, tmp_path):
    """Fetch from the paths of the loopback server, with a short wait for the silent one."""

    def call(*paths, sha256=SHA256, times=None, **options):
        timeout = SILENT if set(paths) & fault_server.SLOW else patience.seconds(10)
        urls = [server.url(path, times=times) for path in paths]
        given = {"sha256": sha256, "timeout": timeout, "pause": 0.001, **options}
        return downloads.fetch("w.bin", urls, folder=tmp_path / "c", **given)

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
    "short": f"{len(CONTENT) // 2} bytes with sha256",
    "tomorrow": "HTTP 503 Service Unavailable; asks to wait 86400 s",
}
PASSING = {  # fault: what the error says; worth another try
    "now": "HTTP 503 Service Unavailable",
    "forbidden": "HTTP 403 Forbidden",
    "cut": "the connection was cut before the end",
    "stall": f"silent for {SILENT} s",
    "empty": "the answer is empty",
}


@pytest.mark.parametrize(("fault", "reason"), (PERMANENT | PASSING).items())
def test_fault_is_told_and_leaves_nothing_behind(server, fetch, tmp_path, fault, reason):
    started = time.monotonic()
    with pytest.raises(ConnectionError, match=f"(?s)could not fetch w.bin:.*/{fault}/w.bin: .*{reason}"):
        fetch(fault)
    assert files(tmp_path / "c") == []
    assert server.asked == [fault] * (1 if fault in PERMANENT else 3)
    assert time.monotonic() - started < patience.seconds(15)  # three short waits, on a busy machine


@pytest.mark.parametrize("fault", PERMANENT | PASSING)
def test_next_source_is_used_after_a_fault(fetch, tmp_path, fault):
    assert fetch(fault, "good").read_bytes() == CONTENT
    assert files(tmp_path / "c") == ["w.bin"]


@pytest.mark.parametrize(("fault", "times"), [("now", 2), ("cut", 1)])
def test_passing_fault_is_outlived(server, fetch, fault, times):
    assert fetch(fault, times=times).read_bytes() == CONTENT
    assert server.asked == [fault] * (times + 1)


@pytest.mark.parametrize("fault", ["soon", "dated"])
def test_server_that_asks_for_a_second_gets_it(fetch, fault):
    started = time.monotonic()
    assert fetch(fault, times=1).read_bytes() == CONTENT
    # a date counts whole seconds, so that up to one of them has passed when it arrives
    assert time.monotonic() - started >= (1 if fault == "soon" else 0.01)


def test_error_names_every_source_and_the_way_out(fetch, tmp_path):
    with pytest.raises(ConnectionError) as caught:
        fetch("missing-1", "page-2", "missing-3")
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[0].split("/")[-2] for line in lines[1:4]] == [
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
    with pytest.raises(ValueError, match="urls must be one address or several"):
        downloads.fetch("w", [], sha256=SHA256, folder=tmp_path)


def test_cache_folder_is_the_readers_choice(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOK_CACHE", str(tmp_path / "here"))
    assert downloads.cache_folder() == tmp_path / "here"
    monkeypatch.delenv("BOOK_CACHE")
    assert downloads.cache_folder().name == "resnet-book"


# waiting


@pytest.mark.parametrize(
    ("said", "date", "seconds"),
    [
        ("7", None, 7),
        ("Wed, 21 Oct 2026 07:28:30 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", 30),
        ("Wed, 21 Oct 2026 07:27:00 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", 0),
        ("Wed, 21 Oct 1999 07:27:00 GMT", None, 0),
        ("soon", None, 0),
        ("-3", None, 0),
        ("", None, 0),
    ],
)
def test_a_wish_to_wait_is_seconds_or_a_date(said, date, seconds):
    """RFC 9110, section 10.2.3; a date counts from the server's own clock, which may go wrong."""
    assert downloads._asked_wait({"Retry-After": said} | ({"Date": date} if date else {})) == seconds


def test_the_pause_doubles_between_the_tries(fetch, monkeypatch):
    waited = []
    monkeypatch.setattr(downloads, "time", types.SimpleNamespace(sleep=waited.append, time=time.time))
    with pytest.raises(ConnectionError):
        fetch("broken", pause=3)
    assert waited == [3, 6]


def test_nothing_is_packed_on_the_way_where_the_server_listens(server, fetch):
    fetch("good")
    assert server.heads[0]["Accept-Encoding"] == "identity"


def test_a_server_that_sends_less_than_a_kilobyte_a_second_is_left(fetch, monkeypatch):
    monkeypatch.setattr(transfer, "CHUNK", 4)  # as if minutes went by
    with pytest.raises(ConnectionError, match=r"too slow: \d+ bytes a second"):
        fetch("drip")


@pytest.mark.parametrize("fault", ["deaf", "stall"])
def test_nobody_goes_on_waiting_for_a_server_that_was_left(fetch, monkeypatch, fault):
    """A notebook that asks again and again would gather connections otherwise, each with a thread."""
    started = []

    class Thread(threading.Thread):
        def start(self):
            started.append(self)
            super().start()

    monkeypatch.setattr(transfer, "threading", types.SimpleNamespace(Thread=Thread, Event=threading.Event))
    with pytest.raises(ConnectionError, match="silent for"):
        fetch(fault, timeout=0.1)
    for thread in started:
        thread.join(patience.seconds(10))
    assert [thread.is_alive() for thread in started] == [False] * 3, "three tries"


def test_a_name_that_is_looked_up_for_ever_does_not_hold_up_the_reader(tmp_path, monkeypatch):
    released, real = threading.Event(), socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *given, **more: released.wait(60) and real(*given, **more)
    )
    started = time.monotonic()
    with pytest.raises(ConnectionError, match=r"silent for 0\.1 s"):
        downloads.fetch(
            "w", ["http://localhost:9/w"], sha256=SHA256, folder=tmp_path, timeout=0.1, pause=0.001
        )
    assert time.monotonic() - started < patience.seconds(10)
    released.set()


# checksums and sizes


def test_md5_will_do_where_nothing_else_was_published(fetch):
    md5 = hashlib.md5(CONTENT).hexdigest()
    assert fetch("good", sha256=None, md5=md5).read_bytes() == CONTENT
    with pytest.raises(ConnectionError, match=f"with md5 .*, not {'0' * 16}"):
        fetch("good", sha256=None, md5="0" * 32)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"md5": "0" * 8}, "md5 must be 32 hexadecimal digits"),
        ({"md5": "0" * 32, "sha256": "0" * 64}, "one checksum is needed, sha256 or md5; got 2"),
        ({}, "one checksum is needed, sha256 or md5; got 0"),
    ],
)
def test_exactly_one_checksum_is_needed(tmp_path, given, message):
    with pytest.raises(ValueError, match=message):
        downloads.fetch("w", ["http://127.0.0.1:9/"], folder=tmp_path, **given)


@pytest.mark.parametrize("fault", ["huge", "endless", "repeated"])
def test_more_bytes_than_expected_are_not_taken(fetch, tmp_path, fault):
    with pytest.raises(ConnectionError, match="more than the 150,000"):
        fetch(fault, most_bytes=150_000)
    assert files(tmp_path / "c") == []


@pytest.mark.parametrize("fault", ["compressed", "mislabelled"])
def test_what_was_packed_for_the_way_or_only_called_so_is_the_file(fetch, fault):
    assert fetch(fault).read_bytes() == CONTENT


# the disk


def test_a_full_disk_is_told_before_anything_is_written(fetch, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: types.SimpleNamespace(free=1000))
    with pytest.raises(
        OSError, match=r"(?s)w\.bin cannot be kept in .*: No space.*0\.1 MB .*BOOK_CACHE"
    ) as caught:
        fetch("good")
    assert caught.value.errno == errno.ENOSPC
    assert files(tmp_path / "c") == []


def test_a_disk_that_fills_up_on_the_way_is_told_and_nothing_stays(fetch, tmp_path, monkeypatch):
    class Full:
        def __init__(self, path):
            self.file, self.name = open(path, "wb"), str(path)  # noqa: SIM115

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def write(self, chunk):
            raise OSError(errno.ENOSPC, "No space left on device")

    real = downloads.Path.open
    monkeypatch.setattr(
        downloads.Path, "open", lambda path, *mode: Full(path) if mode == ("wb",) else real(path, *mode)
    )
    with pytest.raises(OSError, match=r"No space left on device\. Make room .* let BOOK_CACHE name another"):
        fetch("good", "good")
    assert files(tmp_path / "c") == []


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_disk_that_fails_at_the_end_is_told(fetch, tmp_path, monkeypatch, step):
    def full(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(atomic.os, step, full)
    with pytest.raises(OSError, match=r"cannot be kept in .*Input/output error"):
        fetch("good")
    assert files(tmp_path / "c") == []


def test_a_cache_that_is_a_file_is_told(tmp_path):
    (tmp_path / "c").write_text("mine")
    with pytest.raises(OSError, match="let BOOK_CACHE name another folder"):
        downloads.fetch("w", ["http://127.0.0.1:9/"], sha256=SHA256, folder=tmp_path / "c")
    assert (tmp_path / "c").read_text() == "mine"


# the switch


@pytest.mark.parametrize("value", ["1", "yes"])
def test_offline_nobody_is_asked_and_the_message_says_what_to_do(server, fetch, tmp_path, monkeypatch, value):
    monkeypatch.setenv("BOOK_OFFLINE", value)
    with pytest.raises(ConnectionError, match=r"w\.bin is not here, and BOOK_OFFLINE forbids") as caught:
        fetch("good")
    for word in ("Unset BOOK_OFFLINE", str(tmp_path / "c" / "w.bin"), SHA256, server.url("good")):
        assert word in str(caught.value)
    assert server.asked == []
    (tmp_path / "c").mkdir(exist_ok=True)
    (tmp_path / "c" / "w.bin").write_bytes(CONTENT)
    assert fetch("good").read_bytes() == CONTENT


@pytest.mark.parametrize("value", ["", "0"])
def test_offline_may_be_switched_off(fetch, monkeypatch, value):
    monkeypatch.setenv("BOOK_OFFLINE", value)
    assert fetch("good").read_bytes() == CONTENT


# the bar


def test_the_bar_begins_anew_with_each_try_and_is_closed(fetch):
    with open(os.devnull, "w") as nowhere:
        bar = tqdm(total=1, file=nowhere)
        fetch("cut", times=1, bar=bar)
    assert (bar.n, bar.total, bar.disable) == (len(CONTENT), len(CONTENT), True)


# from https to http


def test_an_answer_by_https_that_leads_to_http_is_refused():
    answer = requests.Response()
    answer.url, answer.status_code = "https://example.org/w", 302
    answer.headers["Location"] = "http://example.org/w"
    with open(os.devnull, "wb") as file:
        sink = transfer.Sink(file, most_bytes=9)
        with pytest.raises(transfer.RefusedError, match="from https to plain http"):
            sink.answered(answer)
        for there in ("https://example.org/v", "/v"):
            answer.headers["Location"] = there
            sink.answered(answer)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="a certificate is made by openssl")
def test_a_server_with_https_is_never_left_for_one_without(server, tmp_path, monkeypatch):
    """By the whole road: a certificate of this test's own, and one that nobody knows."""
    made = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-nodes"]
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", *made, *files]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with fault_server.serving({"w.bin": CONTENT}) as safe:
        safe.socket = context.wrap_socket(safe.socket, server_side=True)
        url = safe.url("forward").replace("http:", "https:")  # which leads to http
        ask = {"sha256": SHA256, "folder": tmp_path / "c", "pause": 0.001, "timeout": patience.seconds(10)}
        with pytest.raises(ConnectionError, match="its certificate is not accepted"):
            downloads.fetch("w.bin", [url], **ask)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert.pem"))
        with pytest.raises(ConnectionError, match="leads from https to plain http"):
            downloads.fetch("w.bin", [url], **ask)
        good = safe.url("good").replace("http:", "https:")
        assert downloads.fetch("w.bin", [good], **ask).read_bytes() == CONTENT
