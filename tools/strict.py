"""Warnings are errors in the kernels of notebooks too: what is deprecated today fails tomorrow.

The exceptions are those of the tests; they stand with their reasons in pyproject.toml, under
``filterwarnings`` of pytest, and nowhere else. Programs here start their kernels with another ``IPYTHONDIR``,
whose start-up file sets the filters once the kernel is there; a reader's own Jupyter is not touched.
"""

from __future__ import annotations

import atexit
import builtins
import os
import shutil
import tempfile
import tomllib
from pathlib import Path

from tools import project

VARIABLE = "IPYTHONDIR"
PREFIX = "resnet-from-zero-ipython-"
# What the kernel itself runs on: a warning about its own insides, raised as an error, would end it.
MACHINERY = "ipykernel|IPython|zmq|tornado|jupyter_client|jupyter_core|traitlets|comm|debugpy|asyncio"


def filters(root: Path = project.ROOT) -> list[str]:
    """The filters of pyproject.toml, first ``error``, then the exceptions, as pytest reads them.

    Raises:
        ValueError: if warnings are no errors there.
    """
    table = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"][
        "ini_options"
    ]
    found = table.get("filterwarnings", [])
    if found[:1] != ["error"]:
        raise ValueError(f'filterwarnings in pyproject.toml must begin with "error", got {found[:1]}')
    return found


def call(line: str) -> str:
    """``warnings.filterwarnings(...)`` for one line of pytest's, ``action:message:category:module``.

    Raises:
        ValueError: if the category is none of Python's own; a kernel imports nothing before its first cell.
    """
    action, message, category, module = (line.split(":") + 3 * [""])[:4]
    category = category or "Warning"
    if not isinstance(getattr(builtins, category, None), type):
        raise ValueError(
            f"a filter's category must be one of Python's own, such as UserWarning, got {category!r}"
        )
    return f"warnings.filterwarnings({action!r}, {message!r}, {category}, {module!r})"


def startup(root: Path = project.ROOT) -> str:
    """What a kernel runs before its first cell; it leaves no name behind."""
    machinery = f'warnings.filterwarnings("default", module=r"(?:{MACHINERY})(?:\\.|$)")'
    return "\n".join(["import warnings", *map(call, filters(root)), machinery, "del warnings", ""])


def write(folder: Path, root: Path = project.ROOT, more: str = "") -> None:
    """Put the start-up file into ``folder``, which ``IPYTHONDIR`` is to name; ``more`` is run after it."""
    file = folder / "profile_default" / "startup" / "00-strict.py"
    file.parent.mkdir(parents=True)
    file.write_text(startup(root) + more, encoding="utf-8")


def kernels(root: Path = project.ROOT) -> Path:
    """Let the kernels that this process starts from now on take warnings for errors, until it ends.

    Returns:
        The folder in which IPython finds its start-up file; one that an outer program has made is kept.
    """
    given = Path(os.environ.get(VARIABLE, ""))
    if given.name.startswith(PREFIX) and given.is_dir():
        return given
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    write(folder, root)
    os.environ[VARIABLE] = str(folder)
    return folder
