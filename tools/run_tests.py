"""Run every check of the project, or only those named, and print all results once more at the end.

    python tools/run_tests.py                    everything, as `make test` does
    python tools/run_tests.py lint unit          only these
    python tools/run_tests.py portable           the notebooks as on the simplest processor

A failing check does not stop the others; one failure makes the exit status 1.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools import project, sitting

DATA = "RESNET_BOOK_DATA"
PYTEST = [sys.executable, "-m", "pytest", "--dist=loadfile", "-n", os.environ.get("BOOK_WORKERS", "2")]
NBVAL = [
    "--nbval",
    "--nbval-current-env",
    "--nbval-sanitize-with=tests/nbval_sanitize.cfg",
    "--nbval-cell-timeout=600",  # the longest cell takes four minutes on the simplest processor
]
FAULTS = "tests/house/test_faults.py"
OLD_PROCESSOR = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}
SUMMARY = re.compile(r"^=+ (.*\d (?:passed|failed|error|skipped).*) =+$|^(no tests ran.*)$")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def run(
    title: str, command: list[str], environment: dict[str, str | None] | None = None
) -> tuple[str, bool, str]:
    """Run one command with its output shown; return title, success, and pytest's summary or the time taken.

    A value of None in ``environment`` removes the variable.
    """
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "BOOK_PROGRESS": "0", **(environment or {})}
    variables = {name: value for name, value in variables.items() if value is not None}
    print(f"\n##### {title}", flush=True)
    start, said = time.monotonic(), ""
    with subprocess.Popen(
        command, cwd=project.ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        encoding="utf-8", errors="replace",
    ) as process:  # fmt: skip
        for line in process.stdout:
            print(line, end="", flush=True)
            if found := SUMMARY.match(COLOUR.sub("", line).strip()):
                said = found[0]
    return title, process.returncode == 0, said or f"{time.monotonic() - start:.0f} s"


def notebooks(title: str, environment: dict[str, str | None]) -> tuple[str, bool, str]:
    """Execute every notebook again and compare what it prints with what is stored."""
    read = {path: nbformat.read(path, as_version=4) for path in project.executed()}
    # The longest first: two workers then finish at about the same time.
    longest_first = sorted(read, key=lambda path: -(sitting.promised_seconds(read[path]) or 0))
    files = [str(path.relative_to(project.ROOT)) for path in longest_first]
    if not files:
        return title, False, "book/ has no notebook"
    with tempfile.TemporaryDirectory() as empty:
        return run(title, [*PYTEST, *NBVAL, *files], {"BOOK_CACHE": empty, **environment})


def main(arguments: list[str]) -> int:
    """Run the named checks; return the exit status."""
    python, results = sys.executable, []
    known = ("lint", "site", "unit", "faults", "notebooks", "portable")
    if unknown := set(arguments) - set(known):
        raise SystemExit(f"unknown check: {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    chosen = arguments or [name for name in known if name != "portable"]
    if "lint" in chosen:
        results.append(run("ruff check", [python, "-m", "ruff", "check", "."]))
        results.append(run("ruff format", [python, "-m", "ruff", "format", "--check", "."]))
        results.append(run("types (pyright)", [python, "-m", "pyright", "--pythonpath", python]))
        results.append(run("spelling (codespell)", [python, "-m", "codespell_lib"]))
    if "site" in chosen:
        results.append(run("website, strict build", [python, "tools/website.py"]))
    if "unit" in chosen:
        results.append(run("tests", [*PYTEST, "tests", f"--ignore={FAULTS}"]))
    if "faults" in chosen:
        results.append(run("tests of the tests", [*PYTEST, "--dist=load", FAULTS]))
    if "notebooks" in chosen:
        where = "with the data folder" if os.environ.get(DATA) else "without a data folder"
        results.append(notebooks(f"notebooks, {where}", {}))
        if os.environ.get(DATA):
            results.append(notebooks("notebooks, without a data folder", {DATA: None}))
    if "portable" in chosen:
        results.append(notebooks("notebooks, as on the simplest processor", dict(OLD_PROCESSOR)))
    print("\n##### summary")
    for title, passed, said in results:
        print(f"{'ok    ' if passed else 'FAILED'} {title}\n       {said}")
    return 0 if all(passed for _, passed, _ in results) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
