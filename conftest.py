"""Counts the code cells that pytest runs in notebooks, and fails the run unless every one has passed.

A cell that was skipped, or only expected to fail after a dead kernel, is otherwise easy to overlook.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path

import pytest


def code_cells(path: Path) -> int:
    """Number of code cells of a notebook."""
    return sum(cell["cell_type"] == "code" for cell in json.loads(path.read_text(encoding="utf-8"))["cells"])


class CellCount:
    """Compares, notebook by notebook, the cells that passed with those that are there."""

    def __init__(self, root: Path, notebooks: list[Path]) -> None:
        self.root = root
        self.notebooks = notebooks
        self.passed: dict[str, set[str]] = defaultdict(set)
        self.seconds: dict[str, float] = defaultdict(float)

    def rows(self) -> list[tuple[str, int, int, float]]:
        """Name, cells passed, cells present, seconds of each notebook."""
        names = [path.relative_to(self.root).as_posix() for path in self.notebooks]
        counts = [code_cells(path) for path in self.notebooks]
        return [(n, len(self.passed[n]), c, self.seconds[n]) for n, c in zip(names, counts, strict=True)]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a cell that really passed; one that passes where it may fail does not count."""
        name, _, cell = report.nodeid.partition("::")
        self.seconds[name] += report.duration
        if report.when == "call" and report.outcome == "passed" and not hasattr(report, "wasxfail"):
            self.passed[name].add(cell)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Turn the run red if a cell is missing."""
        if session.exitstatus == 0 and any(passed != present for _, passed, present, _ in self.rows()):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """One line a notebook: cells passed, cells present, time."""
        terminalreporter.section("code cells")
        for name, passed, present, seconds in self.rows():
            verdict = "" if passed == present else "  <- NOT ALL"
            terminalreporter.write_line(f"{name}: {passed} of {present} passed in {seconds:.0f} s{verdict}")


def pytest_configure(config: pytest.Config) -> None:
    """Count only where whole notebooks are run, and not in the helper processes of a parallel run."""
    if hasattr(config, "workerinput") or not getattr(config.option, "nbval", False):
        return
    os.environ.setdefault("BOOK_PROGRESS", "0")  # as the notebooks were executed: a bar is no output
    paths = [config.invocation_params.dir / argument for argument in config.args if "::" not in argument]
    files = [path.resolve() for path in paths if path.suffix == ".ipynb"]
    folders = [path for path in paths if path.is_dir()]
    found = [file.resolve() for folder in folders for file in folder.rglob("*.ipynb")]
    config.pluginmanager.register(CellCount(config.rootpath, sorted({*files, *found})), "cell-count")
