"""What the public functions make of bad arguments: how often each kind was tried, and what went wrong.

A call that goes right is spoilt in one argument at a time, by Hypothesis: ``tests/bad_calls.py`` says how,
and what a function may make of it. Each function gets 200 of them, fewer where there are not so many.

    python experiments/reliability_inputs.py
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import matplotlib
import record

sys.path.append(str(record.ROOT / "tests"))

import bad_calls
import good_calls
from hypothesis import HealthCheck, Phase, given, settings

EXAMPLES = 200
FEW = ["analysis.gradients.relative_error", "analysis.paths.path_lengths"]
PART = "bad arguments"
WRONG = {  # how ``bad_calls.complaint`` begins, and what the record calls it
    "silent": "answered in silence where a refusal was due",
    "raw": "errors from inside",
    "undocumented": "errors that no docstring names",
    "unnamed": "messages that name neither the argument nor what was given",
    "hangs": "calls without an end",
}


def complaints(name: str, examples: int, root: Path) -> tuple[int, list[str]]:
    """How many bad arguments a function was given, and what was wrong with what it made of them."""
    found, tried = [], 0

    @settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(bad_calls.spoilt(name))
    def try_one(spoilt):
        nonlocal tried
        tried += 1
        said = bad_calls.complaint(name, *spoilt, Path(tempfile.mkdtemp(dir=root)))
        found.extend([said] if said else [])

    try_one()
    return tried, found


def measure(asked: argparse.Namespace) -> list[dict]:
    """Counts over all functions, and a line for each that made something wrong of an argument."""
    started = time.perf_counter()
    names = [name for name in good_calls.FUNCTIONS if bad_calls.can_be_spoilt(name)]
    tried, wrong = 0, Counter()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder) / "around" / "here"
        here.mkdir(parents=True)
        os.chdir(here)  # whatever is written under a bad name lands here, and what ".." is is small
        for name in FEW if asked.tiny else names:
            count, found = complaints(name, 20 if asked.tiny else EXAMPLES, Path(folder))
            tried += count
            wrong.update(said.partition(":")[0] for said in found)
            for said in found:
                print(f"{name}: {said}", file=sys.stderr, flush=True)
        os.chdir(record.ROOT)
    asked.seconds += time.perf_counter() - started
    counts = [(f"bad arguments of {len(names)} functions", tried, "at least 2000")]
    counts += [(what, wrong[kind], "0") for kind, what in WRONG.items()]
    return [{"part": PART, "what": what, "number": number, "bar": bar} for what, number, bar in counts]


if __name__ == "__main__":
    os.environ["BOOK_OFFLINE"] = "1"
    matplotlib.use("agg")
    record.run(
        measure,
        claim="Bad arguments, of another kind, out of bounds or odd, are refused in words by every public "
        "function, or answered.",
        data="arguments drawn by Hypothesis",
        seeds=[0],
        workers=False,
    )
