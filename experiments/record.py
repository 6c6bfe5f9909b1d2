"""How a long run is put on record: rows, and the command, hardware, versions and seeds behind them."""

import argparse
import datetime
import json
import platform
import shlex
import subprocess
import sys
from pathlib import Path

import torch

from resnet_utils import runtime

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "book" / "results"


def parser(description: str) -> argparse.ArgumentParser:
    """The options every experiment has: where to write, and a tiny mode that only shows that it runs."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--output", type=Path, default=ROOT, help="root under which results are written")
    options.add_argument("--tiny", action="store_true", help="a run of seconds, to see that the script works")
    return options


def write(path: Path, *, claim: str, data: str, seeds: list[int], rows: list[dict], seconds: float) -> None:
    """Write ``rows`` to ``path`` as JSON with all that is needed to judge and repeat them."""
    content = {
        "claim": claim,
        "command": shlex.join(["python", *_relative(sys.argv)]),
        "commit": _commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "data": data,
        "hardware": _hardware(),
        "versions": runtime.versions(),
        "seeds": seeds,
        "seconds": round(seconds),
        "rows": rows,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")


def _relative(arguments: list[str]) -> list[str]:
    script, *rest = arguments
    return [Path(script).resolve().relative_to(ROOT).as_posix(), *rest]


def _commit() -> str:
    """The commit the code stood at, with a plus where it had been changed since."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=+"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def _hardware() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    cpuinfo = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
    kind = names[0] if names else platform.processor()
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{kind}, {capability}, {torch.get_num_threads()} thread(s)"
