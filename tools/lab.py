"""Open the chapters in JupyterLab: what `make lab` does.

python tools/lab.py [OPTIONS of JupyterLab]        make lab OPTIONS="--no-browser --port=8890"
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools import home, project

AS_ROOT = (
    "You are root, and JupyterLab starts for root only when told so: make lab OPTIONS=--allow-root\n"
    "Everything that a notebook does is then done as root."
)


def refusal(options: list[str], user: int | None) -> str | None:
    """Why JupyterLab would not start, with the command that works; None where it will."""
    return AS_ROOT if user == 0 and "--allow-root" not in options else None


def main(options: list[str]) -> int:
    """Start JupyterLab in book/; return its exit status."""
    if said := refusal(options, os.getuid() if hasattr(os, "getuid") else None):
        print(said, file=sys.stderr)
        return 1
    home.provide()
    command = [sys.executable, "-m", "jupyterlab", "--notebook-dir=book", *options]
    try:
        return subprocess.call(command, cwd=project.ROOT)
    except KeyboardInterrupt:  # the usual way to end it
        return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
