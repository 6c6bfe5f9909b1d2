"""Calls of the functions in ``files``."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import threading
import zipfile
from pathlib import Path
from typing import Any

from good_calls.makers import net
from resnet_utils.files import transfer, weights
from resnet_utils.files.archives import Archive

CONTENT = b"a file"


def file_in(folder: Path) -> Path:
    """A file of six bytes."""
    (folder / "file").write_bytes(CONTENT)
    return folder / "file"


def zip_in(folder: Path) -> Path:
    """An archive with a file in it."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "pets.zip", "w") as packed:
        packed.writestr("cat/1.txt", CONTENT)
    return folder / "pets.zip"


def weights_in(folder: Path) -> Path:
    """The weights of ``net``, with a card."""
    weights.save_weights(net(), folder / "net.safetensors", card={"network": "net"})
    return folder / "net.safetensors"


def to_be_unpacked(folder: Path) -> dict[str, Any]:
    """An archive of a data set that has come already."""
    md5 = hashlib.md5(zip_in(folder / "pets-archives").read_bytes(), usedforsecurity=False).hexdigest()
    return {"folder": folder / "pets", "archives": [Archive("pets.zip", ("http://localhost/",), md5)]}


def fetched(folder: Path) -> dict[str, Any]:
    """A file that has come already."""
    sha256 = hashlib.sha256(file_in(folder).read_bytes()).hexdigest()
    return {"name": "file", "urls": ["http://localhost/file"], "sha256": sha256, "folder": folder}


class _Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


@functools.cache
def address() -> str:
    """Of a server in this process."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/file"


class NamedBytes(io.BytesIO):
    """A file in memory, which has a name like any other."""

    name = "file"


def received(_: Path) -> dict[str, Any]:
    """A server, and where its answer goes."""
    sink = transfer.Sink(NamedBytes(), most_bytes=100)
    return {"url": address(), "sink": sink, "timeout": 5.0, "bar": None}


CALLS = {
    "files.transfer.Sink": lambda _: {"file": NamedBytes(), "most_bytes": 100},
    "files.archives.fetch_folder": to_be_unpacked,
    "files.archives.is_whole": lambda folder: {"folder": folder},
    "files.archives.unpack_archive": lambda folder: {"archive": zip_in(folder), "folder": folder / "pets"},
    "files.atomic.whole": lambda folder: {"path": file_in(folder)},
    "files.atomic.whole_folder": lambda folder: {"path": folder / "made"},
    "files.atomic.scratch": lambda folder: {"folder": folder, "name": "made"},
    "files.atomic.write": lambda folder: {"path": folder / "file", "content": "a text"},
    "files.atomic.sha256": lambda folder: {"path": file_in(folder)},
    "files.checked.path_of": lambda folder: {"path": folder},
    "files.checked.plain_name": lambda _: {"name": "file"},
    "files.checked.file_at": lambda folder: {"path": file_in(folder)},
    "files.checked.amount": lambda _: {"value": 2.5},
    "files.checked.duration": lambda _: {"value": 2.5},
    "files.downloads.fetch": fetched,
    "files.kinds.kind_of": lambda folder: {"path": weights_in(folder)},
    "files.kinds.globals_in": lambda folder: {"path": zip_in(folder)},
    "files.naming.canonical": lambda _: {"name": "module.model.linear.weight"},
    "files.naming.transformers_name": lambda _: {"name": "layer1.0.downsample.0.weight"},
    "files.naming.find_state": lambda _: {"content": {"state_dict": net().state_dict()}},
    "files.naming.listed": lambda _: {"content": {"epoch": 3}},
    "files.transfer.receive": received,
    "files.weights.load_weights": lambda folder: {"path": weights_in(folder)},
    "files.weights.fitted": lambda _: {"state": net().state_dict(), "name": "a file"},
    "files.weights.save_weights": lambda folder: {"path": folder / "net.safetensors"},
    "files.weights.card": lambda folder: {"path": weights_in(folder)},
}

UNBOUND: dict[tuple[str, str], str] = {}
