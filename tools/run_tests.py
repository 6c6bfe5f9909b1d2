"""Run every check of the project, or only those named, and print all results once more at the end.

    python tools/run_tests.py                    everything, as `make test` does
    python tools/run_tests.py lint unit          only these
    python tools/run_tests.py portable           the notebooks as on the simplest processor
    python tools/run_tests.py keras              the tests of chapter 7 on TensorFlow and on JAX
    python tools/run_tests.py --names 02 03      only the notebooks that begin so

A failing check does not stop the others; one failure makes the exit status 1.
The summary names what failed, and the command that runs it again.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools import home, patience, project

DATA = "RESNET_BOOK_DATA"
WORKERS = os.environ.get("BOOK_WORKERS", "2")
PYTEST = [sys.executable, "-m", "pytest", "--dist=loadfile", "-n", WORKERS]
NBVAL = [
    "--nbval",
    "--nbval-current-env",
    "--nbval-sanitize-with=tests/nbval_sanitize.cfg",
    "-rfE",  # not what is expected to fail: after a cell that took too long, those are all that follow
]
FAULTS = "tests/house/test_faults.py"
IN_BROWSER = "tests/site"  # looks at what the check `site` has built
OLD_PROCESSOR = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}
KNOWN = ("lint", "site", "browser", "unit", "faults", "notebooks", "portable", "keras")
ON_REQUEST = {"portable", "keras"}  # not in `make test`
BACKENDS = ("tensorflow", "jax")  # of Keras, beside PyTorch
SCRIPT_OF_OLD_CODE = "tests/experiments/test_records.py::test_script_still_runs_in_its_tiny_mode[old_code]"
EXTRAS = {  # packages that need not be there, and the notebooks that want them, * for any
    "keras": ("07_*",),
    "pycocotools": ("06_beyond_classification", "06_beyond_classification/detectors"),
}
USUAL = {
    "lint": 0.5,
    "site": 0.5,
    "browser": 5,
    "unit": 4,
    "faults": 0.5,
    "keras": 3,
}  # minutes on two idle cores
SLOWER = 4  # how much longer the notebooks take on the simplest processor
WIDTH = "140"  # pytest cuts the message of a failure to it
MOST_NAMED = 8  # failures that the summary names one by one
SUMMARY = re.compile(r"^=+ (.*\d (?:passed|failed|error|skipped).*) =+$|^(no tests ran.*)$")
FAILURE = re.compile(r"^(?:FAILED|ERROR) (\S+\.(?:py|ipynb)\S*)(.*)$")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Result:
    """What came of one check: pytest's summary or the time taken, and what failed, as pytest names it."""

    title: str
    passed: bool
    said: str
    again: str = ""
    failures: list[str] = field(default_factory=list)


def shell(command: list[str], variables: dict[str, str] | None = None) -> str:
    """A command as a person would type it in the project's folder."""
    program = Path(command[0])
    if program.is_absolute() and program.is_relative_to(project.ROOT):
        command = [program.relative_to(project.ROOT).as_posix(), *command[1:]]
    return " ".join(
        [*(f"{name}={shlex.quote(value)}" for name, value in (variables or {}).items()), shlex.join(command)]
    )


def run(
    title: str,
    command: list[str],
    environment: dict[str, str | None] | None = None,
    *,
    minutes: float | None = None,
    again: str = "",
) -> Result:
    """Run one command with its output shown.

    Args:
        title: what the summary calls it.
        command: program and arguments.
        environment: variables beside those of this process; None as a value removes the variable.
        minutes: how long it usually takes.
        again: the command that repeats it, where it is another one.
    """
    variables = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "BOOK_PROGRESS": "0",
        "COLUMNS": WIDTH,
        **(environment or {}),
    }
    variables = {name: value for name, value in variables.items() if value is not None}
    print(f"\n##### {title}{f' ({duration(minutes)})' if minutes else ''}", flush=True)
    start, said, failures = time.monotonic(), "", []
    with subprocess.Popen(
        command, cwd=project.ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        encoding="utf-8", errors="replace",
    ) as process:  # fmt: skip
        for line in process.stdout or ():
            print(line, end="", flush=True)
            plain = COLOUR.sub("", line).strip()
            if found := SUMMARY.match(plain):
                said = found[0]
            if found := FAILURE.match(plain):
                failures.append(found[1] + found[2])
    took = f"{time.monotonic() - start:.0f} s"
    return Result(title, process.returncode == 0, said or took, again or shell(command), failures)


def duration(minutes: float) -> str:
    """``about 3 min on two idle cores``, as it stands beside a title."""
    return f"about {max(1, round(minutes))} min on two idle cores" if minutes >= 1 else "under a minute"


def notebooks(
    title: str, environment: dict[str, str | None], names: list[str], *, verb: str = "test", slower: int = 1
) -> Result:
    """Execute notebooks again and compare what they print with what is stored.

    Args:
        title: what the summary calls it.
        environment: variables that differ from those of this process.
        names: beginnings of the notebooks to run; none: all of them.
        verb: the word of the Makefile that runs them again.
        slower: how many times their promised seconds they take.
    """
    import nbformat  # here, so that `make lint` needs none of it

    from tools import sitting

    paths = {path.relative_to(project.BOOK).with_suffix("").as_posix(): path for path in project.executed()}
    if unknown := [name for name in names if not any(known.startswith(name) for known in paths)]:
        raise SystemExit(f"no notebook begins with {', '.join(unknown)}; there are: {', '.join(paths)}")
    for package, likes in EXTRAS.items():
        if importlib.util.find_spec(package) is None:
            wanting = [name for name in sorted(paths) if any(fnmatch(name, like) for like in likes)]
            print(f"left out for want of {package} (pip install {package}): {', '.join(wanting)}", flush=True)
            paths = {name: path for name, path in paths.items() if name not in wanting}
    chosen = [path for name, path in paths.items() if not names or name.startswith(tuple(names))]
    if not chosen:
        return Result(title, False, "book/ has no notebook")
    promised = {p: sitting.promised_seconds(nbformat.read(p, as_version=4)) or 0 for p in chosen}
    # The longest first: two workers then finish at about the same time.
    files = [str(path.relative_to(project.ROOT)) for path in sorted(chosen, key=lambda p: -promised[p])]
    limits = [f"--nbval-cell-timeout={patience.seconds(patience.CELL):.0f}"]
    limits += [f"--nbval-kernel-startup-timeout={patience.seconds(patience.KERNEL):.0f}"]
    without_data = f"{DATA}= " if DATA in environment else ""
    with tempfile.TemporaryDirectory() as empty:
        result = run(
            title, [*PYTEST, *NBVAL, *limits, *files], {"BOOK_CACHE": empty, **environment},
            minutes=sum(promised.values()) / 60 / min(int(WORKERS), len(files)) * slower,
        )  # fmt: skip
    # The cells are named by conftest.py; what pytest calls them says less.
    result.failures = [line for line in result.failures if "::" not in line]
    broken = sorted(
        {line.partition(" ")[0].removeprefix("book/").removesuffix(".ipynb") for line in result.failures}
    )
    result.again = f"{without_data}make {verb} NAMES={shlex.quote(' '.join(broken or names))}"
    return result


def types() -> Result:
    """Pyright, where the packages are whose types it reads."""
    if importlib.util.find_spec("torch") is None:
        print("\n##### types (pyright)\nleft out: they need torch; `make test` looks at them", flush=True)
        return Result(
            "types (pyright)", True, "left out, because torch is not here; `make test` looks at them"
        )
    return run("types (pyright)", [sys.executable, "-m", "pyright", "--pythonpath", sys.executable])


def report(results: list[Result]) -> int:
    """Print all results, below a failed one also what failed and how to run it again; return the status."""
    print("\n##### summary")
    for result in results:
        print(f"{'ok    ' if result.passed else 'FAILED'} {result.title}\n       {result.said}")
        if result.passed:
            continue
        for line in result.failures[:MOST_NAMED]:
            print(f"       - {line[:200]}")
        if more := result.failures[MOST_NAMED:]:
            print(f"       - and {len(more)} more, above")
        if result.again:
            print(f"       again: {result.again}")
    if not project.is_published():
        print(f"\n{project.NOT_PUBLISHED}")
    return 0 if all(result.passed for result in results) else 1


def tests(title: str, command: list[str], *, minutes: float) -> Result:
    """Tests of pytest's; those that failed, and no others, are run again."""
    result = run(title, command, minutes=minutes)
    nodes = [line.partition(" - ")[0] for line in result.failures]
    if nodes:
        few = (
            nodes[:MOST_NAMED] if len(nodes) <= MOST_NAMED else sorted({n.partition("::")[0] for n in nodes})
        )
        result.again = shell([sys.executable, "-m", "pytest", *few])
    return result


def on_backend(name: str) -> Result:
    """The tests of chapter 7 on a backend of Keras; where it is TensorFlow, what old code meets there too."""
    more = [SCRIPT_OF_OLD_CODE] if name == "tensorflow" else []
    command = [*PYTEST, "tests/frameworks", *more]
    variables: dict[str, str | None] = {"KERAS_BACKEND": name, "TF_CPP_MIN_LOG_LEVEL": "3"}
    result = run(f"chapter 7, Keras on {name}", command, variables, minutes=USUAL["keras"])
    result.again = "make test-keras"
    return result


def main(arguments: list[str]) -> int:
    """Run the named checks; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checks", nargs="*", help=f"any of: {', '.join(KNOWN)} (default: all but two)")
    parser.add_argument("--names", nargs="*", default=[], help="beginnings of notebooks, such as 03")
    options = parser.parse_args(arguments)
    if unknown := set(options.checks) - set(KNOWN):
        raise SystemExit(f"unknown check: {', '.join(sorted(unknown))}; there are: {', '.join(KNOWN)}")
    chosen = options.checks or (["notebooks"] if options.names else [c for c in KNOWN if c not in ON_REQUEST])
    home.provide()
    python, results = sys.executable, []
    if "lint" in chosen:
        results.append(run("ruff check", [python, "-m", "ruff", "check", "."]))
        results.append(run("ruff format", [python, "-m", "ruff", "format", "--check", "."]))
        results.append(types())
        results.append(run("spelling (codespell)", [python, "-m", "codespell_lib"]))
    if "site" in chosen:
        results.append(run("website, strict build", [python, "tools/website.py"], minutes=USUAL["site"]))
    if "browser" in chosen:
        # Each page is a test of its own, so both workers have something to do until the end.
        command = [*PYTEST, "--dist=load", IN_BROWSER]
        results.append(tests("website, in a browser", command, minutes=USUAL["browser"]))
    if "unit" in chosen:
        command = [*PYTEST, "tests", f"--ignore={FAULTS}", f"--ignore={IN_BROWSER}"]
        results.append(tests("tests", command, minutes=USUAL["unit"]))
    if "faults" in chosen:
        command = [*PYTEST, "--dist=load", FAULTS]
        results.append(tests("tests of the tests", command, minutes=USUAL["faults"]))
    if "notebooks" in chosen:
        where = "with the data folder" if os.environ.get(DATA) else "without a data folder"
        results.append(notebooks(f"notebooks, {where}", {}, options.names))
        if os.environ.get(DATA):
            results.append(notebooks("notebooks, without a data folder", {DATA: None}, options.names))
    if "portable" in chosen:
        title = "notebooks, as on the simplest processor"
        results.append(
            notebooks(title, dict(OLD_PROCESSOR), options.names, verb="test-portable", slower=SLOWER)
        )
    if "keras" in chosen:
        results += [on_backend(name) for name in BACKENDS]
    return report(results)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
