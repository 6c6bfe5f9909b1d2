"""How a long run is put on record: rows, and the command, hardware, versions and seeds behind them.

Where the jobs run, `executor` says: processes here, torchrun, or a cluster.

A script ``NAME.py`` of this folder writes ``resnet_utils/reporting/records/NAME.json``. With ``--keep``, what
is done is kept in the folder named, and a second call goes on from there. The rows of a long run that is not
finished yet lie in ``begun``, so that somebody else can go on with it.
"""

import argparse
import datetime
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import executor
import torch

from resnet_utils import data, runtime
from resnet_utils.files import atomic
from resnet_utils.reporting import results
from resnet_utils.runtime import speed

ROOT = Path(__file__).resolve().parent.parent
RECORDS = Path("resnet_utils") / "reporting" / "records"
BEGUN = ROOT / "experiments" / "begun"
Row = dict[str, Any]


def run(
    measure: Callable[[argparse.Namespace], list[Row]],
    *,
    claim: str,
    data: str | Callable[[list[Row]], str],
    needs: str | None = None,
    seeds: Sequence[int] | None = None,
    inputs: Sequence[Path] = (),
    workers: bool = True,
) -> None:
    """The whole of a script: read its options, measure, and write the record that has the script's name.

    The first line of the script's docstring says in ``--help`` what it does.

    Args:
        measure: from the options (``output``, ``tiny``, ``keep``, ``workers``) to the rows, mostly by
            ``rows_of``, which also adds to ``seconds`` there; or what ``every`` returns.
        claim: what the rows show.
        data: the images, in words, or a function of the rows that says it.
        needs: the folder of images without which the script ends at once (``given``).
        seeds: those of the trainings (default: what stands in the rows under "seed").
        inputs: the files of weights that it starts from; the record keeps their SHA-256.
        workers: the script has many trainings, and an option for how many at a time.
    """
    speed.use(False)  # numbers on record are computed alike wherever they are computed
    asked = options((sys.modules["__main__"].__doc__ or "").partition("\n")[0], workers=workers)
    if not workers and executor.rank():
        return  # one training, and the first process of torchrun has it
    if needs:
        given(needs)
    commit, read = _commit(), {path.name: atomic.sha256(path) for path in inputs}
    if not asked.tiny and (commit == "unknown" or commit.endswith("+")):
        raise SystemExit(f"a record names the commit that it was made at: commit first (now at {commit})")
    rows = measure(asked)
    if executor.rank():
        return  # the first process of torchrun writes
    record = results.Record(
        claim=claim,
        command=_command(),
        commit=commit,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        data=data if isinstance(data, str) else data(rows),
        hardware=_hardware(),
        versions=runtime.versions(),
        seeds=sorted({row["seed"] for row in rows if "seed" in row}) if seeds is None else list(seeds),
        seconds=round(asked.seconds),
        rows=rows,
        inputs=read,
    )
    record.write(asked.output / RECORDS / f"{Path(sys.argv[0]).stem}.json")


def every(
    train: Callable[..., Row], *values: Iterable, tiny: Sequence[Iterable]
) -> Callable[[argparse.Namespace], list[Row]]:
    """What measures ``train(*combination, tiny)`` for every combination of the values.

    Args:
        train: one training, one row.
        values: those of its first parameter, of its second, ...
        tiny: the same for the run that only shows that the script works.
    """

    def measure(asked: argparse.Namespace) -> list[Row]:
        combinations = product(*(tiny if asked.tiny else values))
        return rows_of(train, [(*combination, asked.tiny) for combination in combinations], asked)

    return measure


def options(description: str, *, workers: bool = True) -> argparse.Namespace:
    """The options of an experiment, read from the command line; ``workers``: it has many trainings.

    ``seconds``, 0 so far, is where the time of what is measured is added up.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--output", type=Path, default=ROOT, help="root under which results are written")
    parser.add_argument("--tiny", action="store_true", help="a run of seconds, to see that the script works")
    parser.add_argument("--keep", type=Path, help="folder for what is done; a second call goes on from there")
    if workers:
        parser.add_argument("--workers", type=int, default=1, help="trainings at a time, one thread each")
        parser.add_argument("--cluster", help="slurm: run them there, by submitit; local: the same, here")
        parser.add_argument(
            "--cluster-options", nargs="*", default=[], metavar="NAME=VALUE", type=_option,
            help="what submitit tells the cluster, such as timeout_min=600 slurm_partition=long",
        )  # fmt: skip
    asked = parser.parse_args(namespace=argparse.Namespace(seconds=0.0))
    if workers and asked.cluster and not asked.keep:
        parser.error("--cluster needs --keep: a folder that this machine and the cluster's see")
    if asked.keep:
        asked.keep.mkdir(parents=True, exist_ok=True)
    return asked


def _option(text: str) -> tuple[str, Any]:
    """``("timeout_min", 600)`` for ``timeout_min=600``."""
    name, sign, value = text.partition("=")
    if not sign or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"an option of the cluster is NAME=VALUE, got {text!r}")
    return name, int(value) if value.isascii() and value.isdigit() else value


def given(name: str) -> Path:
    """The folder ``name`` of the data at hand; without it the experiment ends and says what it needs.

    Otherwise drawings would take the place of the images, and be put on record under their name.
    """
    root = data.data_folder()
    if root is None or not (root / name).is_dir():
        raise SystemExit(f"this experiment needs {name}/ in the folder that RESNET_BOOK_DATA names")
    return root / name


def rows_of(train: Callable[..., Row], jobs: Sequence[tuple], asked: argparse.Namespace) -> list[Row]:
    """``train(*job)`` for each job, in the order of the jobs; adds the seconds it took to ``asked.seconds``.

    ``asked.workers`` of them work at a time, each in a process with one thread (``executor``). With
    ``asked.keep``, each row is kept in a file there as soon as it is done, and is not computed again: a
    script that was changed needs another folder. Nor are the rows computed again that lie in ``begun``.
    """
    name = f"{Path(sys.argv[0]).stem}.jsonl"
    kept = asked.keep / name if asked.keep else None
    done = {key: result for file in (BEGUN / name, kept) if file for key, result in _noted(file)}
    found = executor.results(
        train, jobs, done=set(done), workers=asked.workers, cluster=getattr(asked, "cluster", None),
        options=dict(getattr(asked, "cluster_options", ())),
        folder=kept.with_suffix(".rows") if kept else None,
    )  # fmt: skip
    for key, result in found:
        done[key] = result
        if executor.rank() == 0:
            print(result["row"], file=sys.stderr, flush=True)
            if kept:
                _note(kept, key, result)
    torch.set_num_threads(1)  # what the record says of the hardware is what the workers used
    rows = [done[repr(job)] for job in jobs]
    asked.seconds += sum(result["seconds"] for result in rows) / asked.workers / executor.world_size()
    return [result["row"] for result in rows]


def _noted(file: Path) -> list[tuple[str, Row]]:
    """The rows in ``file``; a last line that was killed while it was written counts for nothing."""
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _note(file: Path, key: str, result: Row) -> None:
    """Add a row to ``file``, on a line of its own."""
    with file.open("a+b") as lines:
        end = lines.seek(0, os.SEEK_END)
        lines.seek(0)
        whole = lines.read().rfind(b"\n") + 1
        if whole != end:  # half a line of a process that was killed
            lines.truncate(whole)
        lines.write((json.dumps([key, result]) + "\n").encode())


def _command() -> str:
    """What to type to run it again: without the folder of what was done, which is this machine's affair."""
    script, *rest = sys.argv
    if "--keep" in rest:
        place = rest.index("--keep")
        del rest[place : place + 2]
    return shlex.join(["python", Path(script).resolve().relative_to(ROOT).as_posix(), *rest])


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
