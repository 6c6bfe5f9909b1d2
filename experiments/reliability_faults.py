"""What becomes of downloads, unpacking, bad files and killed runs: how often it was tried, how often lost.

All faults are made by code, on this machine, by what the tests use for a part of them: ``fault_server`` and
``injected`` (downloads), ``kills`` (real SIGKILL), ``refusals`` (pictures, archives, weights).

    python experiments/reliability_faults.py
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import record

sys.path.append(str(record.ROOT / "tests"))

import fault_server
import injected
import refusals

POINTS = 50  # of each kind of run that is killed
NONE = "0"  # how often it may go wrong
LOST = {  # what the cases of ``injected`` count, and what the record calls it
    "another result": "other bytes, or no answer where one was due",
    "undocumented": "errors of another kind than documented",
    "message": "messages that do not name file, source, reason and way on",
    "left behind": "half-written files left behind",
    "hung": "hangs beyond the time-out",
    "not healed": "not healed by a run against a healthy server",
}


def row(part: str, what: str, number: int, bar: str = NONE) -> dict:
    """One figure and what it was to be."""
    return {"part": part, "what": what, "number": number, "bar": bar}


def downloads(root: Path, tiny: bool) -> list[dict]:
    """Faults of servers."""
    cases, wrong = injected.run(root, every=40 if tiny else 1)
    print(
        *(f"{kind}: {it}" for kind, problems in wrong.items() for it in problems), sep="\n", file=sys.stderr
    )
    faults = sum(case.fault in fault_server.FAULTS for case in cases)
    counts = [row("downloads", LOST[kind], len(problems)) for kind, problems in wrong.items()]
    return [row("downloads", "faults injected", faults, "at least 200"), *counts]


def kills(root: Path, tiny: bool) -> list[dict]:
    """Downloads and trainings that were killed."""
    rows = []
    for what in ("download", "training"):
        script, points = str(record.ROOT / "tests" / "kills.py"), str(2 if tiny else POINTS)
        command = [sys.executable, script, what, points, str(root / what)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout)
        part = f"kill -9 in a {what}"
        rows.append(row(part, "kills", found.pop("kills"), f"{POINTS}"))
        rows += [row(part, said, number) for said, number in found.items()]
    return rows


def bad_files(root: Path) -> list[dict]:
    """Damaged, hostile and odd files."""
    bad, odd = refusals.bad_files, refusals.odd_pictures()
    pictures, folder = refusals.wrong_pictures(), refusals.wrong_folder(root / "folder")
    silent, escaped = refusals.wrong_archives(root / "archives")
    weights = refusals.wrong_weights(root / "weights")
    count, checkpoints = refusals.wrong_checkpoints(root / "checkpoints")
    print(*pictures, *folder, *silent, *escaped, *weights, *checkpoints, sep="\n", file=sys.stderr)
    kinds = len(bad.BAD_PICTURES) + len(odd) + len(bad.BAD_ARCHIVES) + len(bad.BAD_WEIGHTS) + count
    return [
        row("bad files", "kinds of bad and odd files", kinds, "at least 60"),
        row("bad files", "pictures not refused in words, or with wrong pixels", len(pictures) + len(folder)),
        row("bad files", "archives not refused in words", len(silent)),
        row("bad files", "archives that left or wrote anything, in the folder or out of it", len(escaped)),
        row("bad files", "weights not refused in words", len(weights)),
        row("bad files", "checkpoints not refused in words", len(checkpoints)),
    ]


def measure(asked: argparse.Namespace) -> list[dict]:
    """All of it."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        rows = downloads(root / "downloads", asked.tiny) + kills(root / "kills", asked.tiny) + bad_files(root)
    asked.seconds += time.perf_counter() - started
    return rows


if __name__ == "__main__":
    record.run(
        measure,
        claim="Under every fault of a server, every kill and every bad file that was tried, nothing was "
        "lost, half-written, hung or taken in silence.",
        data="faults made by code, on one machine",
        seeds=[0],
        workers=False,
    )
