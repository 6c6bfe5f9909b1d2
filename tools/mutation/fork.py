"""Runs tests in a fork of this process, which has imported what they need, but nothing of the project.

A new Python would import torch and pytest anew, some seconds of processor time for each bug.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HEAVY = ("numpy", "scipy.stats", "torch", "torchvision", "PIL.Image", "hypothesis", "pytest")
BUSY = 20  # so many times its processor time may a run last on a busy machine, and more: it hangs


def warm() -> None:
    """Import what every test needs, with one thread; a fork of several would stand still."""
    os.environ |= {"OMP_NUM_THREADS": "1", "BOOK_PROGRESS": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    for name in HEAVY:
        importlib.import_module(name)
    importlib.import_module("torch").set_num_threads(1)
    gc.collect()
    gc.freeze()  # pytest collects garbage in each fork: not that of what is imported here


class Watch:
    """A plugin of pytest that notes the first failure, and each test's processor time.

    Args:
        begins: told the name of each test before it begins.
    """

    def __init__(self, begins: Callable[[str], None] = lambda name: None) -> None:
        self.begins, self.red, self.why = begins, "", ""
        self.seconds: dict[str, float] = {}
        self.reds: list[str] = []

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A test begins."""
        self.seconds[nodeid] = -time.process_time()
        self.begins(nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """A test is over, with all that was made and put away for it."""
        self.seconds[nodeid] = round(self.seconds[nodeid] + time.process_time(), 3)
        self.begins("")

    def pytest_runtest_logreport(self, report: Any) -> None:
        """What came of a test."""
        if report.failed:
            self._note(report)

    def pytest_collectreport(self, report: Any) -> None:
        """What came of reading a file of tests."""
        if report.failed:
            self._note(report)

    def _note(self, report: Any) -> None:
        self.reds.append(report.nodeid)
        if not self.red:
            lines = [line for line in str(report.longrepr).splitlines() if line.startswith("E ")]
            self.red, self.why = report.nodeid, (lines or [""])[0].removeprefix("E").strip()[:150]


def run(folder: Path, arguments: Sequence[str], *, limit: float, cover: bool = False) -> dict[str, Any]:
    """What pytest says of the tests in ``folder``.

    Args:
        folder: a copy of the project.
        arguments: of pytest; names of tests among them.
        limit: seconds of processor time, after which the run is killed.
        cover: note which lines each test runs.

    Returns:
        "status": pytest's, or -1 where the run was killed; "red" and "why": the first test that failed and
        the first line of its error; "reds": all; "tests": seconds of each; with ``cover`` "lines": file ->
        line -> places in "tests". "seconds": processor time of the whole.
    """
    answer = folder / ".answer.json"
    answer.unlink(missing_ok=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    if (child := os.fork()) == 0:
        status = 99
        try:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 1))
            status = _pytest(folder, list(arguments), answer, cover=cover)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    ended = False
    try:
        ended = _ends(child, limit * BUSY)
    finally:
        if not ended:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if not ended or not answer.exists():
        return {"status": -1, "red": "", "why": f"killed after {seconds:.0f} s", "reds": [], "tests": {},
                "seconds": seconds}  # fmt: skip
    return json.loads(answer.read_text(encoding="utf-8")) | {"seconds": seconds}


def _ends(child: int, patience: float) -> bool:
    """Whether it ends by itself in so many seconds."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        time.sleep(0.02)
    return False


def _pytest(folder: Path, arguments: list[str], answer: Path, *, cover: bool) -> int:
    """The child: forget the project that this program belongs to, and test the copy."""
    said = os.open(folder / ".said.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.chdir(folder)
    os.environ["PYTHONPATH"] = str(folder)
    for name in [name for name in sys.modules if name.split(".")[0] in ("tools", "resnet_utils")]:
        del sys.modules[name]
    here = Path(__file__).resolve().parents[2]
    sys.path = [str(folder), *(path for path in sys.path if Path(path or ".").resolve() != here)]
    sys.dont_write_bytecode = not cover  # pytest's own, of the tests, which no bug changes
    pytest, coverage = importlib.import_module("pytest"), None
    watch = Watch()
    if cover:
        coverage = importlib.import_module("coverage").Coverage(
            data_file=None, config_file=False, source=[str(folder / "resnet_utils"), str(folder / "tools")]
        )
        coverage.start()
        watch.begins = coverage.switch_context
    usual = ["-q", "--tb=line", *(f"-pno:{name}" for name in ("cacheprovider", "xdist", "nbval", "anyio"))]
    usual += ["-W", "ignore:Module already imported so cannot be rewritten"]  # by ``warm``
    status = int(pytest.main([*usual, *arguments], plugins=[watch]))
    told: dict[str, Any] = {"status": status, "red": watch.red, "why": watch.why, "reds": watch.reds}
    told["tests"] = watch.seconds
    if coverage is not None:
        coverage.stop()
        told["lines"] = _lines(coverage.get_data(), folder, list(watch.seconds))
    answer.write_text(json.dumps(told), encoding="utf-8")
    return 0


def _lines(data: Any, folder: Path, tests: list[str]) -> dict[str, dict[int, list[int]]]:
    place = {name: number for number, name in enumerate(tests)}
    found: dict[str, dict[int, list[int]]] = {}
    for path in data.measured_files():
        name = Path(path).relative_to(folder).as_posix()
        found[name] = {
            line: sorted(place[test] for test in contexts if test)
            for line, contexts in data.contexts_by_lineno(path).items()
        }
    return found
