"""Counts the code cells that pytest runs in notebooks, and fails the run unless every one has passed.

A cell that was skipped, or only expected to fail after a dead kernel, is otherwise easy to overlook.
Each notebook is named when it begins and when it ends, and a failed cell as Jupyter counts it, from 1.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from pathlib import Path

import pytest

from tools import home, patience, strict

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
OUTPUT_SECONDS = 60  # for what a finished cell has printed to arrive; nbval itself would wait 5


def code_cells(path: Path) -> int:
    """Number of code cells of a notebook."""
    return sum(cell["cell_type"] == "code" for cell in json.loads(path.read_text(encoding="utf-8"))["cells"])


def as_jupyter_counts(cell: str) -> str:
    """``In [4]`` for what nbval calls ``Cell 3``; anything else stays as it is."""
    found = re.fullmatch(r"Cell (\d+)", cell)
    return f"In [{int(found[1]) + 1}]" if found else cell


def reason(report: pytest.TestReport) -> str:
    """The line of a failed cell's report that says most: its error, or that its outputs differ."""
    lines = [COLOUR.sub("", line).strip() for line in str(report.longrepr).splitlines()]
    errors = [line for line in lines if re.match(r"(\w+\.)*\w*(Error|Exception|Interrupt|Warning)\b", line)]
    told = [line for line in lines if re.match(r"(Cell \d+: )?(Cell outputs differ|Timeout|Kernel)", line)]
    rest = [line for line in lines if line]
    said = next(iter([*told, *errors[-1:], *rest[-1:]]), "no reason is given")
    return re.sub(r"^Cell \d+: ", "", said)[:150]  # that count begins at 0


class CellCount:
    """Compares, notebook by notebook, the cells that passed with those that are there."""

    def __init__(self, root: Path, notebooks: list[Path]) -> None:
        self.root = root
        self.cells = {
            path.relative_to(root).as_posix(): code_cells(path) for path in notebooks if path.is_file()
        }
        self.passed: dict[str, set[str]] = defaultdict(set)
        self.failed: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self.seconds: dict[str, float] = defaultdict(float)
        self.begun: set[str] = set()
        self.over: dict[str, set[str]] = defaultdict(set)
        self.terminal: pytest.TerminalReporter | None = None

    def rows(self) -> list[tuple[str, int, int, float]]:
        """Name, cells passed, cells present, seconds of each notebook."""
        return [(n, len(self.passed[n]), count, self.seconds[n]) for n, count in self.cells.items()]

    def say(self, line: str) -> None:
        """A line of its own among the dots of pytest."""
        if self.terminal:
            self.terminal.ensure_newline()
            self.terminal.write_line(line)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Find out where to write."""
        self.terminal = session.config.pluginmanager.getplugin("terminalreporter")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Name a notebook when its first cell begins."""
        name = nodeid.partition("::")[0]
        if name in self.cells and name not in self.begun:
            self.begun.add(name)
            self.say(f"{name} begins ({len(self.begun)} of {len(self.cells)})")

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a cell that really passed; one that passes where it may fail does not count."""
        name, _, cell = report.nodeid.partition("::")
        self.seconds[name] += report.duration
        if report.when == "call" and report.outcome == "passed" and not hasattr(report, "wasxfail"):
            self.passed[name].add(cell)
        if report.failed:
            self.failed[name].append((cell, reason(report)))
        if report.when == "teardown":
            self.over[name].add(cell)
            if len(self.over[name]) == self.cells.get(name):
                passed, present = len(self.passed[name]), self.cells[name]
                self.say(f"{name} ends: {passed} of {present} passed in {self.seconds[name]:.0f} s")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Turn the run red if a cell is missing."""
        if session.exitstatus == 0 and any(passed != present for _, passed, present, _ in self.rows()):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """One line a notebook: cells passed, cells present, time; and one for each cell that failed."""
        terminalreporter.section("code cells")
        for name, passed, present, seconds in self.rows():
            verdict = "" if passed == present else "  <- NOT ALL"
            terminalreporter.write_line(f"{name}: {passed} of {present} passed in {seconds:.0f} s{verdict}")
            for cell, why in self.failed[name]:
                terminalreporter.write_line(f"FAILED {name} {as_jupyter_counts(cell)}: {why}")


def pytest_configure(config: pytest.Config) -> None:
    """Count only where whole notebooks are run, and not in the helper processes of a parallel run."""
    if not getattr(config.option, "nbval", False):
        return
    from nbval import kernel

    kernel.start_new_kernel = patience.started_again(kernel.start_new_kernel)
    strict.kernels(config.rootpath)
    if hasattr(config, "workerinput"):
        return
    home.list_fonts()
    os.environ.setdefault("BOOK_PROGRESS", "0")  # as the notebooks were executed: a bar is no output
    paths = [config.invocation_params.dir / argument for argument in config.args if "::" not in argument]
    files = [path.resolve() for path in paths if path.suffix == ".ipynb"]
    folders = [path for path in paths if path.is_dir()]
    found = [file.resolve() for folder in folders for file in folder.rglob("*.ipynb")]
    config.pluginmanager.register(CellCount(config.rootpath, sorted({*files, *found})), "cell-count")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let nbval wait longer for what a cell has printed: on a busy machine it may take its time.

    Drawn figures are not compared, since the last digits of places differ between machines; digests are.
    """
    for item in items:
        skipped = getattr(item.parent, "skip_compare", None)
        if skipped is not None and "image/svg+xml" not in skipped:
            item.parent.skip_compare = (*skipped, "image/svg+xml")
        if hasattr(item, "output_timeout"):
            item.output_timeout = patience.seconds(OUTPUT_SECONDS)
