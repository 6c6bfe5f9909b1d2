"""A server on this machine that does wrong what servers do wrong, each fault by its name.

An address is ``server.url(fault, name)``. The fault may have a tag, as in ``"cut-7"``: its requests are
counted by themselves. With ``times=2`` the first two requests meet the fault, and the next ones get the right
file.
"""

import contextlib
import email.utils
import gzip
import http.server
import inspect
import socket
import struct
import threading
import time

PAGE = b"<!DOCTYPE html><html><body>This file has moved.</body></html>"
HUGE = 10**15
DRIP = 0.05  # seconds between two bytes of a server that is too slow, and never quite silent


class Server(http.server.ThreadingHTTPServer):
    """Serves ``files``; ``asked`` lists the faults that were asked for, in order, with their tags."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked, self.heads = files, [], []
        self.counting, self.released = threading.Lock(), threading.Event()

    def url(self, fault, name=None, *, times=None):
        """The address of a file behind a fault, which the first ``times`` requests meet (default: all)."""
        name = name or next(iter(self.files))
        return f"http://127.0.0.1:{self.server_port}/{fault}{f'*{times}' if times else ''}/{name}"

    def handle_error(self, request, client_address):
        """Whoever asked has gone; that is no news."""


@contextlib.contextmanager
def serving(files):
    """A server of these files, by name, which runs until the block ends."""
    server = Server(files)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


class Handler(http.server.BaseHTTPRequestHandler):
    """One method a fault; its first line says what it is."""

    def do_GET(self):
        path, _, name = self.path.strip("/").partition("/")
        fault, _, times = path.partition("*")
        with self.server.counting:
            self.server.asked.append(fault)
            self.server.heads.append(dict(self.headers))
            count = self.server.asked.count(fault)
        self.content, self.count = self.server.files[name.partition("?")[0]], count
        healed = times and count > int(times)
        getattr(self, "good" if healed else fault.partition("-")[0])()
        self.close_connection = True

    def log_message(self, *arguments):
        """Say nothing."""

    def send(self, *pieces):
        """Bytes as they are."""
        for piece in pieces:
            self.wfile.write(piece if isinstance(piece, bytes) else piece.encode("latin-1"))
        self.wfile.flush()

    def head(self, status="200 OK", **headers):
        """The head of an answer, in HTTP/1.1."""
        lines = [f"HTTP/1.1 {status}", "Connection: close", f"Date: {email.utils.formatdate(usegmt=True)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join(lines), "\r\n\r\n")

    def answer(self, body, status="200 OK", *, length=None, **headers):
        """A whole answer; its length is told unless it is ``False``, and the true one unless it is given."""
        if length is not False:
            headers["Content_Length"] = len(body) if length is None else length
        self.head(status, **headers)
        self.send(body)

    def silence(self):
        """Nothing more, until the test is over."""
        self.server.released.wait(60)

    def reset(self):
        """The connection is thrown away, in place of being closed."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def chunks(self, *pieces):
        for piece in pieces:
            self.send(f"{len(piece):x}\r\n", piece, "\r\n")

    @property
    def half(self):
        return self.content[: len(self.content) // 2]

    # no fault, though not every client takes it

    def good(self):
        """The file."""
        self.answer(self.content)

    def forward(self):
        """Another address, given whole."""
        self.answer(
            b"", "302 Found", Location=f"http://{self.headers['Host']}/good/{self.path.rpartition('/')[2]}"
        )

    def relative(self):
        """Another address, given as a path."""
        self.answer(b"", "307 Temporary Redirect", Location=f"/good/{self.path.rpartition('/')[2]}")

    def chunked(self):
        """The file in chunks, without a length."""
        self.head(Transfer_Encoding="chunked")
        self.chunks(self.half, self.content[len(self.half) :], b"")

    def unmeasured(self):
        """The file without a length, until the connection is closed."""
        self.answer(self.content, length=False)

    def compressed(self):
        """The file packed for the way, although nobody asked for that."""
        self.answer(gzip.compress(self.content), Content_Encoding="gzip")

    def mislabelled(self):
        """The file as it is, called packed."""
        self.answer(self.content, Content_Encoding="gzip")

    def talkative(self):
        """The file, and more behind it than was announced."""
        self.answer(self.content + b"and more", length=len(self.content))

    def slow(self):
        """The file, after a moment."""
        time.sleep(0.2)
        self.answer(self.content)

    def nonsense(self):
        """The file, with a length that is no number."""
        self.answer(self.content, length="banana")

    # the server says no

    def missing(self):
        """404 with a page."""
        self.answer(PAGE, "404 Not Found")

    def gone(self):
        """410."""
        self.answer(b"", "410 Gone")

    def locked(self):
        """401."""
        self.answer(b"", "401 Unauthorized", WWW_Authenticate="Basic")

    def forbidden(self):
        """403."""
        self.answer(PAGE, "403 Forbidden")

    def crowded(self):
        """429 without a word on how long to wait."""
        self.answer(b"", "429 Too Many Requests")

    def soon(self):
        """429 with seconds to wait."""
        self.answer(b"later", "429 Too Many Requests", Retry_After="1")

    def dated(self):
        """503 with a date to wait for, in a second."""
        until = email.utils.formatdate(time.time() + 1, usegmt=True)
        self.answer(b"later", "503 Service Unavailable", Retry_After=until)

    def now(self):
        """503 with no second to wait."""
        self.answer(b"later", "503 Service Unavailable", Retry_After="0")

    def tomorrow(self):
        """503 with a day to wait."""
        self.answer(b"later", "503 Service Unavailable", Retry_After="86400")

    def someday(self):
        """503 with a date far away."""
        until = email.utils.formatdate(time.time() + 86400, usegmt=True)
        self.answer(b"later", "503 Service Unavailable", Retry_After=until)

    def muddled(self):
        """503 with a time to wait that is none."""
        self.answer(b"later", "503 Service Unavailable", Retry_After="soon, I hope")

    def broken(self):
        """500."""
        self.answer(b"", "500 Internal Server Error")

    def gateway(self):
        """502 with a page."""
        self.answer(PAGE, "502 Bad Gateway")

    def late(self):
        """504."""
        self.answer(b"", "504 Gateway Timeout")

    # another content

    def page(self):
        """200 with a page in place of the file."""
        self.answer(PAGE)

    def message(self):
        """200 with an error in JSON."""
        self.answer(b'{"error": "quota exceeded"}', Content_Type="application/json")

    def empty(self):
        """200 with nothing."""
        self.answer(b"")

    def nothing(self):
        """204."""
        self.head("204 No Content")

    def part(self):
        """206 with the second half, which nobody asked for."""
        self.answer(self.content[len(self.half) :], "206 Partial Content")

    def unchanged(self):
        """304, which nobody asked for."""
        self.head("304 Not Modified")

    def flipped(self):
        """One bit is another."""
        middle = len(self.half)
        self.answer(self.half + bytes([self.content[middle] ^ 1]) + self.content[middle + 1 :])

    def zeros(self):
        """As many zeros as the file is long."""
        self.answer(bytes(len(self.content)))

    def translated(self):
        """Ends of lines turned into those of Windows."""
        self.answer(self.content.replace(b"\n", b"\r\n") + b"\r\n")

    def repeated(self):
        """The file twice."""
        self.answer(self.content * 2)

    # cut

    def cut(self):
        """Half of what was announced."""
        self.answer(self.half, length=len(self.content))

    def short(self):
        """Half, without a length."""
        self.answer(self.half, length=False)

    def understated(self):
        """A length that is too small."""
        self.answer(self.content, length=len(self.half))

    def overstated(self):
        """A length that is too large."""
        self.answer(self.content, length=len(self.content) + 10)

    def beheaded(self):
        """The connection ends within the head."""
        self.send("HTTP/1.1 200 OK\r\nContent-Le")

    def mute(self):
        """The connection ends without an answer."""

    def reset_at_once(self):
        """The connection is reset without an answer."""
        self.reset()

    def reset_later(self):
        """The connection is reset in the middle."""
        self.head(Content_Length=len(self.content))
        self.send(self.half)
        self.reset()

    def chunk_cut(self):
        """The connection ends within a chunk."""
        self.head(Transfer_Encoding="chunked")
        self.send(f"{len(self.content):x}\r\n", self.half)

    def chunk_lost(self):
        """The last chunk is missing."""
        self.head(Transfer_Encoding="chunked")
        self.chunks(self.half)

    def chunk_garbled(self):
        """The size of a chunk is no number."""
        self.head(Transfer_Encoding="chunked")
        self.send("banana\r\n", self.content)

    def compressed_cut(self):
        """Packed for the way, and cut."""
        packed = gzip.compress(self.content)
        self.answer(packed[: len(packed) // 2], Content_Encoding="gzip")

    # slow

    def deaf(self):
        """Silent from the beginning."""
        self.silence()

    def stuck(self):
        """Silent within the head."""
        self.send("HTTP/1.1 200 OK\r\nContent-Le")
        self.silence()

    def stall(self):
        """Silent after ten bytes."""
        self.head(Content_Length=len(self.content))
        self.send(self.content[:10])
        self.silence()

    def stall_half(self):
        """Silent in the middle."""
        self.head(Content_Length=len(self.content))
        self.send(self.half)
        self.silence()

    def stall_end(self):
        """Silent before the last byte."""
        self.head(Content_Length=len(self.content))
        self.send(self.content[:-1])
        self.silence()

    def drip(self):
        """A byte now and then."""
        self.head(Content_Length=len(self.content))
        self.trickle(self.content)

    def drip_head(self):
        """A letter of the head now and then."""
        self.send("HTTP/1.1 200 OK\r\n")
        self.trickle(b"X-Patience: " + b"a" * 10**5)

    def trickle(self, content):
        for place in range(len(content)):
            self.send(content[place : place + 1])
            if self.server.released.wait(DRIP):
                return

    # too much

    def huge(self):
        """A length that no disk has room for."""
        self.head(Content_Length=HUGE)
        self.send(self.content)
        self.silence()

    def endless(self):
        """It never ends, and has no length."""
        self.head()
        with contextlib.suppress(OSError):
            while not self.server.released.is_set():
                self.send(bytes(2**16))

    def bomb(self):
        """A few kilobytes, which unpacked are many megabytes."""
        self.answer(gzip.compress(bytes(10**7)), Content_Encoding="gzip")

    # astray

    def loop(self):
        """An address that leads to itself."""
        self.answer(b"", "302 Found", Location=self.path)

    def lost(self):
        """A redirection to nowhere."""
        self.answer(b"", "302 Found")

    def local(self):
        """A redirection to a file of the reader's."""
        self.answer(b"", "302 Found", Location="file:///etc/hostname")

    def foreign(self):
        """A redirection to another protocol."""
        self.answer(b"", "302 Found", Location="ftp://127.0.0.1/w.bin")

    def closed(self):
        """A redirection to where nobody listens."""
        self.answer(b"", "302 Found", Location="http://127.0.0.1:9/w.bin")

    # no HTTP

    def garbage(self):
        """Bytes of another protocol."""
        self.send(b"SSH-2.0-OpenSSH_9.9\r\n" + bytes(range(256)))

    def flood(self):
        """A thousand lines in the head."""
        self.head(**{f"X-{number}": "a" for number in range(1000)})
        self.send(self.content)

    def wordy(self):
        """A line of the head that is 100 kB long."""
        self.head(X_Long="a" * 10**5)
        self.send(self.content)

    def twofold(self):
        """Two lengths."""
        self.head(Content_Length=f"{len(self.content)}, {len(self.half)}")
        self.send(self.content)

    def negative(self):
        """A length below zero."""
        self.answer(self.half, length=-5)


NO_FAULT = (
    "good", "forward", "relative", "chunked", "unmeasured", "compressed", "mislabelled", "talkative", "slow",
    "nonsense",
)  # fmt: skip
CURED = {  # what may be over the next time, and is asked for again; words of the message where it is not
    "forbidden": "HTTP 403 Forbidden", "crowded": "HTTP 429", "soon": "HTTP 429", "dated": "HTTP 503",
    "now": "HTTP 503", "muddled": "HTTP 503", "broken": "HTTP 500", "gateway": "HTTP 502", "late": "HTTP 504",
    "cut": "cut before the end", "overstated": "cut before the end", "beheaded": "empty", "mute": "broke off",
    "reset_at_once": "broke off", "reset_later": "broke off", "chunk_cut": "cut before the end",
    "chunk_lost": "cut before the end", "chunk_garbled": "", "closed": "connection refused", "garbage": "",
    "flood": "", "wordy": "", "twofold": "", "empty": "empty", "nothing": "empty", "unchanged": "empty",
    "lost": "empty",
    "deaf": "silent for", "stuck": "silent for", "stall": "silent for", "stall_half": "silent for",
    "stall_end": "silent for", "drip": "silent for", "drip_head": "silent for",
}  # fmt: skip
LASTING = {  # what another try would not change
    "missing": "HTTP 404 Not Found", "gone": "HTTP 410 Gone", "locked": "HTTP 401 Unauthorized",
    "tomorrow": "asks to wait 86400 s", "someday": "asks to wait 86", "page": "an HTML page",
    "message": "not ", "part": "bytes with", "flipped": "not ",
    "zeros": "not ", "translated": "not ", "repeated": " bytes", "short": "bytes with",
    "understated": "bytes with", "compressed_cut": "bytes with", "negative": "bytes with",
    "huge": "announces 1,000,000,000,000,000 bytes", "endless": "more than",
    "bomb": "bytes with", "loop": "without an end", "local": "not an address of the web",
    "foreign": "not an address of the web",
}  # fmt: skip
SLOW = {"deaf", "stuck", "stall", "stall_half", "stall_end", "drip", "drip_head"}
FAULTS = {**CURED, **LASTING}


def every_fault_has_its_method():
    """Whether the lists above and the methods of the server are about the same."""
    helpers = {
        "send",
        "head",
        "answer",
        "silence",
        "reset",
        "chunks",
        "half",
        "trickle",
        "log_message",
        "do_GET",
    }
    own = {name for name, _ in inspect.getmembers(Handler) if name in vars(Handler) and name[0] != "_"}
    return own - helpers == {*NO_FAULT, *FAULTS}
