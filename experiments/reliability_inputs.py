"""What functions and constructors make of bad arguments: how many they were given, and what went wrong.

A call that goes right is spoilt in one argument at a time, by Hypothesis: ``tests/bad_calls.py`` says how,
and what a function may make of it. Each function gets 200 of them, fewer where there are not so many.

    python experiments/reliability_inputs.py [--workers 2] [--keep FOLDER]
"""

import argparse
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import matplotlib
import record

sys.path.append(str(record.ROOT / "tests"))

import bad_calls
import good_calls

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


def spoil(name: str, examples: int) -> dict:
    """Give a function bad arguments: how many, and what was wrong with what it made of them."""
    os.environ["BOOK_OFFLINE"] = "1"
    matplotlib.use("agg")
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder) / "around" / "here"  # whatever is written under a bad name lands here
        here.mkdir(parents=True)
        os.chdir(here)

        try:
            tried, found = bad_calls.complaints(name, examples, lambda: Path(tempfile.mkdtemp(dir=folder)))
        finally:
            os.chdir(record.ROOT)
    return {"function": name, "tried": tried, "complaints": found}


def measure(asked: argparse.Namespace) -> list[dict]:
    """Counts over all functions."""
    names = FEW if asked.tiny else [name for name in good_calls.FUNCTIONS if bad_calls.can_be_spoilt(name)]
    rows = record.rows_of(spoil, [(name, 20 if asked.tiny else EXAMPLES) for name in names], asked)
    wrong = Counter(said.partition(":")[0] for row in rows for said in row["complaints"])
    what = f"bad arguments of {len(names)} functions, constructors and methods"
    counts = [(what, sum(row["tried"] for row in rows), "at least 2000")]
    counts += [(what, wrong[kind], "0") for kind, what in WRONG.items()]
    return [{"part": PART, "what": what, "number": number, "bar": bar} for what, number, bar in counts]


if __name__ == "__main__":
    record.run(
        measure,
        claim="Bad arguments, of another kind, out of bounds or odd, are refused in words by every public "
        "function and constructor, or answered.",
        data="arguments drawn by Hypothesis",
        seeds=[0],
    )
