"""A home folder for programs that must write into one, where the user's own cannot be written.

Matplotlib, IPython, Jupyter and node all keep something in it; each complains in its own way where it cannot.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def is_writable(folder: Path) -> bool:
    """Whether a file can be made in ``folder``; asked by doing it, since permissions do not tell all."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def provide() -> Path | None:
    """Give this process, and those it starts, another home where theirs cannot be written, until it ends.

    Returns:
        The new home, or None where the old one will do.
    """
    if is_writable(Path(os.path.expanduser("~"))):
        return None
    folder = Path(tempfile.mkdtemp(prefix="resnet-from-zero-home-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    print(
        f"{os.path.expanduser('~')} cannot be written, so {folder} is the home folder here.", file=sys.stderr
    )
    os.environ["USERPROFILE" if os.name == "nt" else "HOME"] = str(folder)
    for name in [name for name in os.environ if name.startswith("XDG_") and name.endswith("_HOME")]:
        del os.environ[name]  # they would lead back into the old one
    return folder


def list_fonts() -> None:
    """Let Matplotlib make its list of fonts now, where this home has none yet.

    A notebook that had to wait for it would say so on its error stream, after five seconds: on a busy machine
    a run in a new home would differ from the stored one.
    """
    subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], capture_output=True, check=False)
