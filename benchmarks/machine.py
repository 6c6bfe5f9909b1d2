"""What the benchmarks run on: kind of processor, instruction sets, versions, and the state of the code."""

from __future__ import annotations

import datetime
import os
import platform
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import torch

from resnet_utils import runtime

ROOT = Path(__file__).resolve().parent.parent
# Names in /proc/cpuinfo (x86, then ARM) of instructions that decide about the speed of a convolution.
TELLING = (
    "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8",
    "asimd", "sve", "bf16",
)  # fmt: skip
NO_BF16 = ("DEFAULT", "SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI")  # for oneDNN


def instruction_sets(cpuinfo: str | None = None) -> list[str]:
    """Those of ``TELLING`` that the processor has, or torch's name for its best where there is no cpuinfo.

    Args:
        cpuinfo: the text of /proc/cpuinfo; None: that of this machine.
    """
    if cpuinfo is None:
        path = Path("/proc/cpuinfo")
        cpuinfo = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = [line.partition(":")[2].split() for line in cpuinfo.splitlines() if _names_flags(line)]
    flags = set(lines[0]) if lines else set()
    return [name for name in TELLING if name in flags] or [torch.backends.cpu.get_cpu_capability().lower()]


def _names_flags(line: str) -> bool:
    return line.partition(":")[0].strip().lower() in ("flags", "features")


def has_bf16(sets: list[str] | None = None) -> bool:
    """Whether the processor multiplies bfloat16 itself, and nothing in the environment forbids it.

    Elsewhere torch computes in bfloat16 too, several times slower than in float32.

    Args:
        sets: as from ``instruction_sets``; None: those of this machine.
    """
    allowed = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()
    sets = instruction_sets() if sets is None else sets
    return allowed not in NO_BF16 and bool({"avx512_bf16", "amx_bf16", "bf16"} & set(sets))


def kind(device: torch.device, sets: list[str] | None = None) -> str:
    """The kind of processor in a word for the name of a file: cuda, amx_bf16, avx512_bf16, avx512, avx2, ...

    Args:
        device: what is computed on.
        sets: as from ``instruction_sets``; None: those of this machine.
    """
    if device.type != "cpu":
        return device.type
    sets = instruction_sets() if sets is None else sets
    if has_bf16(sets):
        return next(f"arm_{name}" if name == "bf16" else name for name in _BF16 if name in sets)
    allowed = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()
    if "avx512f" in sets and not allowed.startswith(("AVX2", "SSE", "AVX_", "DEFAULT")) and allowed != "AVX":
        return "avx512"
    return next((name for name in ("avx2", "asimd", *sets) if name in sets), "other")


_BF16 = ("amx_bf16", "avx512_bf16", "bf16")


def hardware(device: torch.device) -> str:
    """The processor or GPU, its instruction sets, cores and threads, in a line."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = (names[0] if names else platform.processor() or platform.machine()).replace("/", " ")
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA")
    limited = f", limited to {limit}" if limit else ""
    sets = ", ".join(instruction_sets())
    return f"{name} ({sets}){limited}, {os.cpu_count()} core(s), {torch.get_num_threads()} thread(s) used"


def versions() -> str:
    """Versions of Python, torch, torchvision, NumPy and timm."""
    try:
        timm = f"timm {metadata.version('timm')}"
    except metadata.PackageNotFoundError:
        timm = "timm not installed"
    return f"{runtime.versions()}, {timm}"


def commit() -> str:
    """The commit the code stood at, with a plus where it had been changed since; "unknown" without git."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=+"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def today() -> str:
    """The day in UTC, as 2026-01-31."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def command(module: str, arguments: list[str] | None = None) -> str:
    """What to type to run it again, without folders of this machine.

    Args:
        module: what ``python -m`` is given.
        arguments: those of the command line; None: those of this process.
    """
    rest = list(sys.argv[1:] if arguments is None else arguments)
    for option in ("--keep", "--output"):
        if option in rest:
            place = rest.index(option)
            del rest[place : place + 2]
    return shlex.join(["python", "-m", module, *rest])
