"""One bug after the other is planted in a copy of the project, until a test or a chapter turns red."""

from __future__ import annotations

import compileall
import hashlib
import importlib.util
import json
import os
import py_compile
import resource
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools import patience, project
from tools.mutation import fork, tests
from tools.mutation.bugs import Bug

NOT_COPIED = (".git", ".venv*", "_build", "dist", "__pycache__", ".*_cache", ".hypothesis", "node_modules")
LEAST = 30.0  # seconds of processor time that any run may take
MOST = 200.0  # where it is not known how long they take
TIMES = 6  # and so many times what the same tests take without a bug
COVERS = importlib.util.find_spec("coverage") is not None
GREEN = (0, 5)  # pytest's status: all passed; no test was chosen
NOT_FOUND = 4  # and: no such test, because its parameters come from what the bug changed


@dataclass(frozen=True)
class Found:
    """What became of a bug.

    Attributes:
        by: the test, the notebook or "time"; empty where the bug lived.
        why: the first line of the error.
        tests: how many were tried.
        seconds: of processor time.
    """

    by: str
    why: str
    tests: int
    seconds: float


class Ground:
    """A copy of the project in which bugs are planted.

    Args:
        folder: where the copy is made.
        kept: where it is noted which lines each test runs, for the next time.
        budget: seconds of tests, measured without the bug, after which a bug is said to live.
        chapters: seconds of notebooks that are run for a bug that no test finds.
        covers: whether to measure which tests run a line; else those come first that mention what it is in.
        root: the project.
    """

    def __init__(
        self,
        folder: Path,
        kept: Path,
        *,
        budget: float,
        chapters: float,
        covers: bool,
        root: Path = project.ROOT,
    ) -> None:
        self.root, self.folder, self.kept, self.budget, self.chapters = root, folder, kept, budget, chapters
        self.covers = covers
        shutil.copytree(root, folder, ignore=shutil.ignore_patterns(*NOT_COPIED), symlinks=True)
        for name in ("resnet_utils", "tools", "experiments"):
            # By its content, not by its time, is a file known to have changed: a bug lives for a second.
            mode = py_compile.PycInvalidationMode.CHECKED_HASH
            compileall.compile_dir(folder / name, quiet=2, invalidation_mode=mode)
        self.maps: dict[str, dict[str, Any]] = {}

    def map_of(self, file: str) -> dict[str, Any]:
        """What a run of a file of tests says without a bug: seconds of each test, and which lines it runs.

        Raises:
            SystemExit: if a test fails.
        """
        if file in self.maps:
            return self.maps[file]
        path = self.kept / f"{file.replace('/', '.')}-{_digest(self.folder, file)}.json"
        if path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
        else:
            found = fork.run(self.folder, [file], limit=patience.seconds(1800), cover=True)
            if found["status"] not in GREEN:
                said = (self.folder / ".said.txt").read_text(encoding="utf-8", errors="replace")[-1500:]
                raise SystemExit(f"red without any bug: {', '.join(found['reds'][:5]) or file}\n{said}")
            part = path.with_suffix(f".{os.getpid()}")
            part.write_text(json.dumps(found), encoding="utf-8")
            part.replace(path)
        self.maps[file] = found
        return found

    def tests_for(self, bug: Bug, file: str) -> dict[str, float]:
        """The tests of ``file`` that run what the bug changes, the quickest first, with their seconds."""
        text = (self.folder / bug.file).read_text(encoding="utf-8")
        if not self.covers:
            told = (self.folder / file).read_text(encoding="utf-8")
            return {f"{file}::{name}": 0.0 for name in tests.by_mention(told, text, bug.line)}
        known = self.map_of(file)
        names, lines = list(known["tests"]), known["lines"].get(bug.file, {})
        own, around = tests.lines_of(text, bug.line, bug.last)
        places = {place for line in own for place in lines.get(str(line), [])}
        if not places and file == tests.mirrored(bug.file, self.root):
            places = set(range(len(names)))  # what runs at the import, and what a test runs in a new process
        places = places or {place for line in around for place in lines.get(str(line), [])}
        if not places and not around:
            places = {place for row in lines.values() for place in row}
        chosen = sorted(places, key=lambda place: known["tests"][names[place]])
        return {names[place]: known["tests"][names[place]] for place in chosen}

    def look(self, bug: Bug, *, near: bool) -> Found:
        """Plant a bug, run what may find it until something is red, and put the file back.

        Args:
            bug: one whose file is as it should be now.
            near: ask the tests of its own module; else ask all others, and then the chapters.
        """
        path, spent, count, left = self.folder / bug.file, 0.0, 0, self.budget
        before = path.read_text(encoding="utf-8")
        try:
            compile(bug.text, bug.file, "exec")
        except SyntaxError as error:
            raise ValueError(f"{bug.file}: {bug.what!r} is no Python: {error}") from None
        own = tests.mirrored(bug.file, self.root)
        for file in [own] * bool(own) if near else tests.others(bug.file, self.root):
            chosen, total = {}, 0.0
            for name, seconds in self.tests_for(bug, file).items():
                if total + seconds <= left or not chosen:
                    chosen[name], total = seconds, total + seconds
            if not chosen or left <= 0:
                continue
            left, count = left - total, count + len(chosen)
            path.write_text(bug.text, encoding="utf-8")
            limit = patience.seconds(LEAST + TIMES * total if self.covers else MOST)
            try:
                said = fork.run(self.folder, ["-x", *chosen], limit=limit)
                if said["status"] == NOT_FOUND:
                    said = fork.run(self.folder, ["-x", file], limit=patience.seconds(600))
            finally:
                path.write_text(before, encoding="utf-8")
            spent += said["seconds"]
            if said["status"] not in GREEN:
                return Found(
                    said["red"] or ("time" if said["status"] < 0 else file), said["why"], count, spent
                )
        lived = Found("", "", count, spent)
        return lived if near else self._chapters(bug, lived)

    def reds(self, some: Sequence[str]) -> list[str]:
        """Which of some tests fail without any bug."""
        return fork.run(self.folder, list(some), limit=patience.seconds(1800))["reds"]

    def _chapters(self, bug: Bug, lived: Found) -> Found:
        """Run the notebooks that reach a bug which no test has found."""
        path, left, spent = self.folder / bug.file, self.chapters, lived.seconds
        before = path.read_text(encoding="utf-8")
        for name, seconds in tests.notebooks(bug.file, self.root):
            if seconds > left:
                continue
            left -= seconds
            path.write_text(bug.text, encoding="utf-8")
            try:
                red, why, took = self._notebook(name)
            finally:
                path.write_text(before, encoding="utf-8")
            spent += took
            if red:
                return Found(name, why, lived.tests, spent)
        return Found("", "", lived.tests, spent)

    def _notebook(self, name: str) -> tuple[bool, str, float]:
        """Whether a notebook turns red, the first cell that did, and the processor time."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "--tb=line",
            "-p",
            "no:cacheprovider",
            "--nbval",
        ]
        command += ["--nbval-current-env", "--nbval-sanitize-with=tests/nbval_sanitize.cfg", name]
        command += [f"--nbval-cell-timeout={patience.seconds(patience.CELL):.0f}"]
        variables = os.environ | {"PYTHONPATH": str(self.folder)}
        done = subprocess.run(command, cwd=self.folder, env=variables, capture_output=True, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED ")]
        return done.returncode != 0, (failed or [done.stdout[-150:]])[0][:150], took


def _digest(root: Path, file: str) -> str:
    """A short hash of a file of tests and of all code that it may run."""
    marks = hashlib.sha256((root / file).read_bytes())
    for folder in ("resnet_utils", "tools"):
        for path in sorted((root / folder).rglob("*.py")):
            if path.parts[-2] != "mutation" and path.stem != "mutants":
                marks.update(path.read_bytes())
    return marks.hexdigest()[:16]
