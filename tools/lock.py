"""Write requirements.lock anew: the newest versions that fit pyproject.toml, for every platform.

Run the notebooks again after it, and commit both together.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools import project

HEADER = "# Exact versions the stored outputs were made with. Made by `make lock`; do not edit by hand.\n"
OPTIONS = [
    "--group",
    "test",
    "--universal",
    "--python-version",
    "3.11",
    "--no-annotate",
    "--no-header",
    "--upgrade",
]


def main() -> int:
    """Resolve and write; return the exit status."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "-q", "pyproject.toml", *OPTIONS]
    lines = subprocess.run(command, cwd=project.ROOT, check=True, capture_output=True, text=True).stdout
    if "://" in lines:
        raise SystemExit("lock: the resolver wrote an address into the lock; it must name versions only")
    (project.ROOT / "requirements.lock").write_text(HEADER + lines, encoding="utf-8")
    print(f"requirements.lock: {len(lines.splitlines())} packages")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
