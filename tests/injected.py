"""Faults injected into downloads, one case after another, and what must hold after each of them.

A case is a fault, how many requests meet it, whether a second source is healthy, and what is fetched: a file
by SHA-256, one by its first digits as torchvision's weights have them, or a data set, which is unpacked.
"""

import hashlib
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import bad_files
import fault_server
from fault_server import CURED, FAULTS, NO_FAULT, SLOW

from resnet_utils.files import archives, downloads
from tools import patience

SILENT = 1.0  # seconds before a silent server is left
BOUND = 12.0  # seconds: three tries, each silent for 1.5 times that, and a second source
INNER = {"images/1.jpg": b"\xff\xd8 a cat", "images/2.jpg": bytes(range(256)) * 40, "lists/all.txt": b"1 2\n"}


FILES = {
    "w.bin": bytes(range(256)) * 400 + b"\n",
    "weights.pth": b"PK\x03\x04" + bytes(range(255)) * 90,
    "set.tar.gz": bad_files.tarred(*INNER.items(), mode="w:gz"),
}
KINDS = {"file": "w.bin", "weights": "weights.pth", "data set": "set.tar.gz"}
MOST = 150_000  # bytes, more than any of these has


@dataclass(frozen=True)
class Case:
    """One fault to be injected.

    fault: its name at the server.
    times: how many requests meet it; 0: all.
    second: whether there is a second source, a healthy one.
    kind: what is fetched, a key of ``KINDS``.
    """

    fault: str
    times: int
    second: bool
    kind: str

    @property
    def must_succeed(self) -> bool:
        """Whether the right file has to come, by what the documentation of ``fetch`` promises."""
        outlived = self.fault in CURED and 0 < self.times < downloads.TRIES
        return self.second or outlived or self.fault in NO_FAULT


def cases(*, every: int = 1) -> list[Case]:
    """All combinations, or one in ``every``; silent servers are tried for one kind of file only."""
    made = [
        Case(fault, times, second, kind)
        for fault in (*NO_FAULT, *FAULTS)
        for times in (0, 1, 2)
        for second in (False, True)
        for kind in KINDS
        if (fault not in SLOW or (kind == "file" and times < 2)) and (fault not in NO_FAULT or times == 0)
    ]
    random.Random(0).shuffle(made)  # so that a part has something of everything
    return made[::every]


def run(root: Path, *, every: int = 1, workers: int = 8) -> tuple[list[Case], dict[str, list[str]]]:
    """Inject them all; the cases, and what went wrong by its kind: each list should be empty."""
    chosen = cases(every=every)
    wrong: dict[str, list[str]] = {
        name: []
        for name in ("another result", "undocumented", "message", "left behind", "hung", "not healed")
    }
    with fault_server.serving(FILES) as server, ThreadPoolExecutor(workers) as pool:
        numbered = [(server, root / f"{number}", number, case) for number, case in enumerate(chosen)]
        for case, problems in zip(chosen, pool.map(_inject, numbered), strict=True):
            for kind, what in problems:
                wrong[kind].append(f"{case}: {what}")
    return chosen, wrong


def _fetch(server: fault_server.Server, folder: Path, case: Case, urls: list[str]) -> dict[str, bytes]:
    """What arrives, by name."""
    name = KINDS[case.kind]
    slow = {"timeout": SILENT if case.fault in SLOW else patience.seconds(20), "pause": 0.001}
    if case.kind == "data set":
        md5 = hashlib.md5(FILES[name]).hexdigest()
        made = archives.fetch_folder(
            folder / "set", [archives.Archive(name, tuple(urls), md5)], most_bytes=MOST, **slow
        )
        return {inner: (made / inner).read_bytes() for inner in INNER}
    sha256 = hashlib.sha256(FILES[name]).hexdigest()
    digits = sha256 if case.kind == "file" else sha256[:8]
    return {
        name: downloads.fetch(name, urls, sha256=digits, folder=folder, most_bytes=MOST, **slow).read_bytes()
    }


def _inject(job: tuple[fault_server.Server, Path, int, Case]) -> list[tuple[str, str]]:
    server, root, number, case = job
    folder, name = root / "cache", KINDS[case.kind]
    folder.mkdir(parents=True)
    right = INNER if case.kind == "data set" else {name: FILES[name]}
    urls = [server.url(f"{case.fault}-{number}", name, times=case.times or None)]
    urls += [server.url(f"good-{number}", name)] if case.second else []
    problems, arrived, started = [], None, time.monotonic()
    try:
        arrived = _fetch(server, folder, case, urls)
    except ConnectionError as error:
        told = {name, urls[0], FAULTS.get(case.fault, ""), "Try again later, or put the file at"}
        problems += [("message", f"{word!r} is not in {error}") for word in told if word not in str(error)]
    except Exception as error:
        problems.append(("undocumented", repr(error)))
    seconds = time.monotonic() - started
    limit = patience.seconds(BOUND if case.fault in SLOW else 20)
    if seconds > limit:
        problems.append(("hung", f"{seconds:.0f} s"))
    if arrived != (right if arrived or case.must_succeed else None):
        problems.append(("another result", f"{'nothing' if arrived is None else 'something'} arrived"))
    there = sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))
    if there != _expected(case, arrived is not None):
        problems.append(("left behind", f"{there}"))
    try:
        if _fetch(server, folder, case, [server.url(f"good-again-{number}", name)]) != right:
            problems.append(("not healed", "something else arrived"))
    except Exception as error:
        problems.append(("not healed", repr(error)))
    return problems


def _expected(case: Case, arrived: bool) -> list[str]:
    """Every file and folder that there should be after a case."""
    if case.kind == "data set":
        inner = [
            "set",
            f"set/{archives.MARK}",
            "set/images",
            "set/lists",
            *(f"set/{inner}" for inner in INNER),
        ]
    else:
        inner = [KINDS[case.kind]]
    return sorted(["cache", *(f"cache/{path}" for path in inner if arrived)])
