"""Run notebooks elsewhere and compare what they print: other threads, instructions, clocks, places.

    python tools/determinism.py                      a sample of twelve, drawn by the date; it says its seed
    python tools/determinism.py --seed 20261130      the same sample again
    python tools/determinism.py --seed 20261130 --only 7    the seventh of it
    python tools/determinism.py --executions 64      a larger sample
    python tools/determinism.py --all                every notebook under every setting, one setting at a time
    python tools/determinism.py --list               what would be run, and how long that takes
    python tools/determinism.py --record             keep the outcome in book/determinism.json
    python tools/determinism.py 03 04_full           only notebooks that begin so

Each execution of a sample draws one setting for everything that may differ, and each setting has its turn
about equally often. nbval compares every output with the stored one. A setting that this machine has not is
left out, with a line that says why and what would help.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import json
import os
import platform
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools import executions, home, patience, project, run_tests, sitting, strict

RECORD = "determinism.json"
SAMPLE = 12
MOST_SAID = 6000  # characters of what nbval says about an execution that differed
START_UP = 15  # seconds for pytest, a kernel and the import of torch
ELSEWHERE = "a place with spaces, 路径 und Größe"
TREE = (
    "resnet_utils",
    "tools",
    "book",
    "tests/nbval_sanitize.cfg",
    "conftest.py",
    "pyproject.toml",
    "_toc.yml",
)
PROGRAM = (
    "import sys; from tools import home; home.provide(); import pytest; sys.exit(pytest.main(sys.argv[1:]))"
)
# In a network of its own a process has a loopback that is switched off; kernels talk over it.
LOOPBACK = """import fcntl, socket, struct
with socket.socket() as one:
    fcntl.ioctl(one, 0x8914, struct.pack("16sH14x", b"lo", 0x41))
"""
NO_SOCKETS = """
def _offline():
    import socket
    connect = socket.socket.connect
    families, own = (socket.AF_INET, socket.AF_INET6), ("127.0.0.1", "::1", "localhost")

    def refuse(self, address):
        if self.family in families and address[0] not in own:
            raise OSError(101, "Network is unreachable")
        return connect(self, address)

    socket.socket.connect = refuse


_offline()
del _offline
"""
FONTS = """import sys
from matplotlib import font_manager
def own(fontpaths=None, fontext="ttf"):
    kinds = font_manager.get_fontext_synonyms(fontext)
    return [name for path in fontpaths or [] for name in font_manager.list_fonts(path, kinds)]
font_manager.findSystemFonts = own
manager = font_manager.FontManager()
font_manager.json_dump(manager, f"{sys.argv[1]}/fontlist-v{manager.__version__}.json")
"""
NUMBERS = "import locale\nlocale.setlocale(locale.LC_ALL, '')\ndel locale\n"
SPAWN = "import multiprocessing\nmultiprocessing.set_start_method('spawn', force=True)\ndel multiprocessing\n"


@dataclass(frozen=True)
class Setting:
    """One way in which a machine may differ.

    Attributes:
        name: in words, as it stands in the record.
        variables: of the environment.
        startup: what the kernel runs before the first cell.
        slower: how many times longer a notebook takes.
        needs: what has to be prepared: a locale, ``place``, ``home``, ``network`` or ``fonts``.
    """

    name: str
    variables: dict[str, str] = field(default_factory=dict)
    startup: str = ""
    slower: float = 1
    needs: str = ""


def _language(name: str) -> Setting:
    return Setting(f"language {name}", {"LC_ALL": name, "LANG": name}, NUMBERS, needs=name)


# Name of what may differ -> its settings; the first is the usual one, which `--all` does not try by itself.
AXES = {
    "threads": (
        Setting("1 thread", {"OMP_NUM_THREADS": "1"}),
        Setting("2 threads", {"OMP_NUM_THREADS": "2"}),
    ),
    "instructions": (
        Setting("all instructions"),
        Setting("AVX2 at most", {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}, slower=1.3),
        Setting("the simplest instructions", dict(run_tests.OLD_PROCESSOR), slower=run_tests.SLOWER),
    ),
    "hashes": tuple(
        Setting(f"hash seed {n}", {"PYTHONHASHSEED": n}) for n in ("random", "0", "1", "4294967295")
    ),
    "language": tuple(map(_language, ("C", "de_DE.UTF-8", "tr_TR.UTF-8"))),
    "clock": tuple(
        Setting(f"clock of {zone}", {"TZ": zone})
        for zone in ("UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Kiritimati")
    ),
    "place": (Setting("here"), Setting("path with spaces, umlauts and Chinese", needs="place")),
    "home": (Setting("home that can be written"), Setting("home that cannot be written", needs="home")),
    "network": (Setting("network as it is"), Setting("no network", needs="network")),
    "fonts": (Setting("fonts of the system"), Setting("fonts of Matplotlib only", needs="fonts")),
    "workers": (Setting("processes as usual"), Setting("processes spawned", startup=SPAWN)),
}


@dataclass(frozen=True)
class Execution:
    """One notebook under one setting for each of AXES."""

    notebook: str
    settings: tuple[Setting, ...]

    def seconds(self) -> float:
        """About how long it takes."""
        slower = max([1, *(setting.slower for setting in self.settings)])
        return START_UP + slower * promised(self.notebook)


@dataclass(frozen=True)
class Outcome:
    """What came of an execution; ``differed`` has one line for each cell that did not print as stored."""

    notebook: str
    settings: list[str]
    cells: int
    differed: list[str]
    seconds: int


@functools.cache
def promised(name: str) -> int:
    """The seconds that a notebook says it runs."""
    import nbformat

    return sitting.promised_seconds(nbformat.read(project.BOOK / f"{name}.ipynb", as_version=4)) or 0


# What this machine has


@dataclass
class Machine:
    """What has been prepared in ``folder``, so that settings can be had; ``missing`` says what cannot be."""

    folder: Path
    network: list[str] = field(default_factory=list)
    locales: dict[str, dict[str, str]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    @classmethod
    def prepared(cls, folder: Path, settings: Sequence[Setting]) -> Machine:
        """Prepare everything that ``settings`` need."""
        machine = cls(folder)
        needs = {setting.needs for setting in settings}
        for name in sorted(needs - {"", "C", "place", "home", "network", "fonts"}):
            machine.find_locale(name)
        if "place" in needs:
            machine.copy_tree()
        if "home" in needs:
            (folder / "no-home").touch()  # a file in place of a folder: not even root can write into it
        if "network" in needs:
            machine.network = without_network()
        if "fonts" in needs:
            machine.hide_fonts()
        return machine

    def find_locale(self, name: str) -> None:
        """A locale of the system, or one that is made here out of the system's descriptions."""
        listed = _said("locale", "-a")
        if name.lower().replace("-", "") in listed.lower().replace("-", "").split():
            self.locales[name] = {}
            return
        place = self.folder / "locales"
        place.mkdir(exist_ok=True)
        language, _, charset = name.partition(".")
        _said("localedef", "-i", language, "-f", charset, str(place / name))
        if (place / name / "LC_NUMERIC").exists():
            self.locales[name] = {"LOCPATH": str(place)}
        else:
            self.missing[name] = f"the locale {name} is not installed (Debian, Ubuntu: apt install locales)"

    def copy_tree(self) -> None:
        """The project where no program expects it."""
        for name in TREE:
            source, target = project.ROOT / name, self.folder / ELSEWHERE / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
                shutil.copytree(source, target, ignore=ignored)
            else:
                shutil.copy(source, target)

    def hide_fonts(self) -> None:
        """A folder for Matplotlib in which stands that there are no fonts but its own."""
        (self.folder / "fonts").mkdir()
        command = [sys.executable, "-c", FONTS, str(self.folder / "fonts")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            self.missing["fonts"] = f"Matplotlib's list of fonts could not be made: {done.stderr[-200:]}"

    def has(self, setting: Setting) -> bool:
        """Whether a setting can be had here."""
        return setting.needs not in self.missing


def _said(*command: str) -> str:
    """What a program prints; nothing where there is no such program."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


def without_network() -> list[str]:
    """What starts a command without a network; nothing where the system does not let us."""
    for options in (["--net"], ["--map-root-user", "--net"]):
        command = ["unshare", *options, "--"]
        try:
            if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
                return command
        except OSError:
            break
    return []


# What is to be run


def everything(names: Sequence[str], machine: Machine) -> list[Execution]:
    """Each notebook under all that is usual, and under each other setting, one at a time."""
    usual = tuple(axis[0] for axis in AXES.values())
    changed = [usual]
    for place, axis in enumerate(AXES.values()):
        changed += [(*usual[:place], one, *usual[place + 1 :]) for one in axis[1:] if machine.has(one)]
    return [Execution(name, settings) for name in names for settings in changed]


def sample(names: Sequence[str], machine: Machine, count: int, seed: int) -> list[Execution]:
    """``count`` executions, drawn: notebooks and settings take turns, in an order that ``seed`` decides."""
    draw = random.Random(seed)

    def turns(values: Sequence) -> list:
        rounds = [draw.sample(list(values), len(values)) for _ in range(-(-count // len(values)))]
        return [value for one in rounds for value in one][:count]

    columns = [turns([one for one in axis if machine.has(one)]) for axis in AXES.values()]
    drawn = zip(turns(names), zip(*columns, strict=True), strict=True)
    return [Execution(name, settings) for name, settings in drawn]


# Running it


def execute(execution: Execution, machine: Machine) -> Outcome:
    """Run one notebook under its settings.

    Args:
        execution: the notebook and its settings.
        machine: where everything that they need has been prepared.
    """
    needs = {setting.needs for setting in execution.settings}
    tree = machine.folder / ELSEWHERE if "place" in needs else project.ROOT
    notebook = tree / "book" / f"{execution.notebook}.ipynb"
    work = Path(tempfile.mkdtemp(dir=machine.folder))
    offline = "network" in needs
    startup = "".join(setting.startup for setting in execution.settings)
    strict.write(
        work / f"{strict.PREFIX}x", tree, startup + (NO_SOCKETS if offline and not machine.network else "")
    )
    (work / "home").mkdir()
    variables = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "XDG_", "LC_"))},
        "BOOK_PROGRESS": "0",
        "BOOK_CACHE": str(work / "cache"),
        "COLUMNS": run_tests.WIDTH,
        "HOME": str(machine.folder / "no-home" if "home" in needs else work / "home"),
        "PYTHONPATH": str(tree),
        strict.VARIABLE: str(work / f"{strict.PREFIX}x"),
    }
    for setting in execution.settings:
        variables |= setting.variables | machine.locales.get(setting.needs, {})
    if "fonts" in needs:
        variables["MPLCONFIGDIR"] = str(machine.folder / "fonts")
    limits = [f"--nbval-cell-timeout={patience.seconds(patience.CELL):.0f}"]
    limits += [f"--nbval-kernel-startup-timeout={patience.seconds(patience.KERNEL):.0f}"]
    program = (LOOPBACK if offline and machine.network else "") + PROGRAM
    command = [*(machine.network if offline else []), sys.executable, "-c", program]
    command += ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", *run_tests.NBVAL, *limits, str(notebook)]
    start = time.monotonic()
    done = subprocess.run(
        command, cwd=tree, env=variables, capture_output=True, text=True, encoding="utf-8", errors="replace",
        check=False,
    )  # fmt: skip
    shutil.rmtree(work, ignore_errors=True)
    found = outcome(execution, done, time.monotonic() - start)
    if found.differed:
        print(
            (done.stdout + done.stderr)[-MOST_SAID:], flush=True
        )  # the outputs side by side, as nbval has them
    return found


def outcome(execution: Execution, done: subprocess.CompletedProcess, seconds: float) -> Outcome:
    """What a finished run of pytest says: cells that passed, and those that differed."""
    counted = re.search(r"(\d+) of (\d+) passed in", done.stdout)
    told = re.finditer(r"^FAILED .+\.ipynb (In \[\d+\]: .*)$", done.stdout, re.MULTILINE)
    differed = sorted({found[1] for found in told})
    all_passed = done.returncode == 0 and counted is not None and counted[1] == counted[2]
    if not all_passed and not differed:
        last = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-1:]
        differed = [f"the run ended with {done.returncode}: {''.join(last)[:200]}"]
    names = [setting.name for setting in execution.settings]
    return Outcome(execution.notebook, names, int(counted[1]) if counted else 0, differed, round(seconds))


def run(plan: Sequence[Execution], machine: Machine, workers: int) -> list[Outcome]:
    """Run all of a plan, ``workers`` at a time; each is told when it is over."""
    found = []
    with ThreadPoolExecutor(workers) as pool:
        for count, one in enumerate(pool.map(lambda execution: execute(execution, machine), plan), start=1):
            found.append(one)
            verdict = "DIFFERED" if one.differed else "same"
            print(
                f"{count:3} {verdict} {one.notebook} in {one.seconds} s: {', '.join(one.settings)}",
                flush=True,
            )
            for line in one.differed:
                print(f"      {line}", flush=True)
    return found


def versions() -> str:
    """Of Python and of what decides about numbers, in one line, as the records have it."""
    found = {"Python": platform.python_version()}
    found |= {name: metadata.version(name) for name in (*executions.PACKAGES, "nbval", "ipykernel")}
    return ", ".join(f"{name} {version}" for name, version in found.items())


def record(found: Sequence[Outcome], machine: Machine, command: str, seconds: float, at: str) -> dict:
    """The outcome with what a reader needs to believe it, in the fields of the recorded experiments."""
    differed = sum(bool(one.differed) for one in found)
    return {
        "claim": f"Of {len(found)} executions elsewhere {differed} printed something else than is stored.",
        "command": command,
        "commit": at,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "data": "with the data folder" if os.environ.get(run_tests.DATA) else "without a data folder",
        "hardware": f"{platform.system()}, {platform.machine()}, {os.cpu_count()} cores",
        "versions": versions(),
        "seconds": round(seconds),
        "executions": len(found),
        "differed": differed,
        "left_out": sorted(machine.missing.values()),
        "rows": [asdict(one) for one in found],
    }


def commit() -> str:
    """The commit that the project stands at; ``+`` after it where it has been changed."""
    described = _said(
        "git", "-C", str(project.ROOT), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"
    )
    return described.strip() or "unknown"


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks; the status is 1 where an output differed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    today = datetime.datetime.now(datetime.UTC).date()
    parser.add_argument("names", nargs="*", help="beginnings of notebooks, such as 03 (default: all)")
    parser.add_argument(
        "--seed", type=int, default=int(f"{today:%Y%m%d}"), help="of the draw (default: the date)"
    )
    parser.add_argument(
        "--executions", type=int, default=SAMPLE, help=f"how many are drawn (default: {SAMPLE})"
    )
    parser.add_argument(
        "--all", action="store_true", help="every notebook under every setting, one at a time"
    )
    parser.add_argument("--only", type=int, help="of these, the one of this number, counted from 1")
    parser.add_argument("--list", action="store_true", help="say what would be run, and run nothing")
    parser.add_argument("--record", action="store_true", help=f"keep the outcome in book/{RECORD}")
    parser.add_argument("--workers", type=int, default=int(run_tests.WORKERS), help="how many at a time")
    given = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(given)
    known = [path.relative_to(project.BOOK).with_suffix("").as_posix() for path in project.executed()]
    names = [name for name in known if not options.names or name.startswith(tuple(options.names))]
    if not names:
        raise SystemExit(f"no notebook begins with {', '.join(options.names)}; there are: {', '.join(known)}")
    if options.executions < 1 or options.workers < 1:
        raise SystemExit("--executions and --workers must be 1 or more")
    at = commit()
    if options.record and (at == "unknown" or at.endswith("+")):
        raise SystemExit(f"a record names the commit that it was made at: commit first (now at {at})")
    home.provide()
    with tempfile.TemporaryDirectory(prefix="resnet-from-zero-elsewhere-") as folder:
        settings = [setting for axis in AXES.values() for setting in axis]
        machine = Machine.prepared(Path(folder), settings)
        for why in machine.missing.values():
            print(f"left out: {why}", flush=True)
        if not machine.network:
            print(
                "this system has no network namespaces for us; sockets are shut in the kernels instead",
                flush=True,
            )
        plan = (
            everything(names, machine)
            if options.all
            else sample(names, machine, options.executions, options.seed)
        )
        how = "every setting" if options.all else f"drawn with --seed {options.seed}"
        minutes = sum(one.seconds() for one in plan) / 60 / options.workers
        print(f"{len(plan)} executions, {how}, {run_tests.duration(minutes)}", flush=True)
        if options.only is not None:
            if not 1 <= options.only <= len(plan):
                raise SystemExit(f"--only must be one of 1 to {len(plan)}, got {options.only}")
            plan = plan[options.only - 1 : options.only]
        if options.list:
            for count, one in enumerate(plan, start=1):
                print(f"{count:3} {one.notebook}: {', '.join(setting.name for setting in one.settings)}")
            return 0
        start = time.monotonic()
        found = run(plan, machine, options.workers)
        differed = sum(bool(one.differed) for one in found)
        print(f"{len(found)} executions, {differed} differed")
        if options.record:
            command = shlex.join(["python", "tools/determinism.py", *given, *_told(options, given)])
            kept = record(found, machine, command, time.monotonic() - start, at)
            (project.BOOK / RECORD).write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
            print(f"book/{RECORD} is written: commit it")
    return 1 if differed else 0


def _told(options: argparse.Namespace, given: Sequence[str]) -> list[str]:
    """The seed, where it was that of the day: a record has to say it."""
    seeded = any(word.startswith("--seed") for word in given)
    return [] if options.all or seeded else ["--seed", str(options.seed)]


if __name__ == "__main__":
    raise SystemExit(main())
