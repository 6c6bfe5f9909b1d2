"""When each notebook was last executed, at which commit, with which versions, and how long that took.

The notebooks carry no times, so that making one twice gives the same bytes. This stands beside them, in
``book/executions.json``, one line a notebook; ``tools/notebooks.py`` writes the line when it executes one.
The digest in it is that of the code and of the compared outputs, so a notebook that was changed in any other
way is noticed.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from nbformat import NotebookNode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools import project

NAME = "executions.json"
PACKAGES = ("torch", "torchvision", "numpy", "matplotlib")
ALSO = {"keras": "keras"}  # named where a notebook's code has the word
SHORT = 7  # digits of a commit that a reader needs
NOT_COMPARED = "nbval-ignore-output"


@dataclass(frozen=True)
class Execution:
    """One run of one notebook.

    Attributes:
        date: the day, in UTC, as ``2026-11-29``.
        commit: what the text and the package stood at, with a plus where they had been changed since.
        seconds: from the start of the kernel to its end.
        busy: seconds of processor time in it, of all cores together, which other programs do not lengthen;
            0 where the system does not say.
        versions: of Python and of what the notebook runs on.
        digest: of the notebook that came out of it.
    """

    date: str
    commit: str
    seconds: int
    busy: int
    versions: dict[str, str]
    digest: str

    def tested_with(self) -> str:
        """``Python 3.11.7, torch 2.15.0, ...``."""
        return ", ".join(f"{name} {version}" for name, version in self.versions.items())

    def short_commit(self) -> str:
        """The commit in as many digits as a reader needs, its plus kept."""
        return self.commit[:SHORT] + "+" * self.commit.endswith("+")


def digest(notebook: NotebookNode) -> str:
    """A short hash of the code and of the outputs that are compared; prose and addresses do not change it.

    A cell's id is made from its source. The first cell only installs the package, and holds the address.
    """
    parts = []
    for cell in [cell for cell in notebook.cells if cell.cell_type == "code"][1:]:
        kept = NOT_COMPARED not in cell.metadata.get("tags", [])
        parts.append([cell.id, [_content(output) for output in cell.outputs] if kept else []])
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _content(output: NotebookNode) -> dict:
    return {
        key: value for key, value in output.items() if key not in ("metadata", "execution_count", "traceback")
    }


def versions(notebook: NotebookNode) -> dict[str, str]:
    """Versions of Python and of the packages behind a notebook, as they are installed here."""
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    also = [package for word, package in ALSO.items() if word in code]
    found = {"Python": platform.python_version()}
    return found | {package: metadata.version(package) for package in (*PACKAGES, *also)}


def commit(name: str, root: Path = project.ROOT) -> str:
    """The commit that a notebook's text and the package stand at; ``+`` after it where they were changed."""
    try:
        head = _git(root, "rev-parse", "--short=12", "HEAD")
        changed = _git(root, "status", "--porcelain", "--", f"text/{name}.md", "resnet_utils")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}+" if changed else head


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@dataclass(frozen=True)
class Clock:
    """A moment, and the processor time of the programs that this one had started and seen end by then."""

    wall: float
    children: float

    @classmethod
    def now(cls) -> Clock:
        """This moment."""
        times = os.times()
        return cls(time.monotonic(), times.children_user + times.children_system)


def of(notebook: NotebookNode, start: Clock, end: Clock, at: str) -> Execution:
    """The record of a notebook that was executed between two moments, at the commit ``at``."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    seconds, busy = round(end.wall - start.wall), round(end.children - start.children)
    return Execution(today, at, seconds, busy, versions(notebook), digest(notebook))


def read(book: Path = project.BOOK) -> dict[str, Execution]:
    """Name of a notebook -> its last run; empty where nothing was kept yet."""
    path = book / NAME
    if not path.exists():
        return {}
    return {name: Execution(**row) for name, row in json.loads(path.read_text(encoding="utf-8")).items()}


def keep(name: str, run: Execution, book: Path = project.BOOK) -> None:
    """Put a run in the place of the notebook's last one; the others stay. Written whole or not at all."""
    kept = dict(sorted((read(book) | {name: run}).items()))
    lines = [f"{json.dumps(key)}: {json.dumps(asdict(value))}" for key, value in kept.items()]
    with tempfile.NamedTemporaryFile("w", dir=book, suffix=".part", delete=False, encoding="utf-8") as part:
        part.write("{\n" + ",\n".join(lines) + "\n}\n")
    os.chmod(part.name, 0o644)
    os.replace(part.name, book / NAME)
