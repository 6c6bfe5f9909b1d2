"""How a long run is put on record: rows, and the command, hardware, versions and seeds behind them.

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
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from pathlib import Path
from typing import Any

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
    if needs:
        given(needs)
    commit, read = _commit(), {path.name: atomic.sha256(path) for path in inputs}
    if not asked.tiny and (commit == "unknown" or commit.endswith("+")):
        raise SystemExit(f"a record names the commit that it was made at: commit first (now at {commit})")
    rows = measure(asked)
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
    asked = parser.parse_args(namespace=argparse.Namespace(seconds=0.0))
    if asked.keep:
        asked.keep.mkdir(parents=True, exist_ok=True)
    return asked


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

    ``asked.workers`` of them work at a time, each in a process of its own with one thread. With
    ``asked.keep``, each row is kept in a file there as soon as it is done, and is not computed again: a
    script that was changed needs another folder. Nor are the rows computed again that lie in ``begun``.
    """
    name = f"{Path(sys.argv[0]).stem}.jsonl"
    kept = asked.keep / name if asked.keep else None
    files = [file for file in (BEGUN / name, kept) if file and file.exists()]
    done = dict(json.loads(line) for file in files for line in file.read_text().splitlines())
    with ProcessPoolExecutor(asked.workers, initializer=_one_thread) as pool:
        futures = {pool.submit(_timed, train, job): repr(job) for job in jobs if repr(job) not in done}
        for future in as_completed(futures):
            done[futures[future]] = future.result()
            print(future.result()["row"], file=sys.stderr, flush=True)
            if kept:
                with kept.open("a") as file:
                    file.write(json.dumps([futures[future], future.result()]) + "\n")
    torch.set_num_threads(1)  # what the record says of the hardware is what the workers used
    found = [done[repr(job)] for job in jobs]
    asked.seconds += sum(result["seconds"] for result in found) / asked.workers
    return [result["row"] for result in found]


def _one_thread() -> None:
    """One thread a training gives the same bits whatever the number of workers."""
    speed.use(False)  # a worker that is spawned knows nothing of it
    os.environ["OMP_NUM_THREADS"] = "1"  # so that runtime.setup in the training leaves it at that
    torch.set_num_threads(1)


def _timed(train: Callable[..., Row], job: tuple) -> Row:
    """A worker's whole job."""
    started = time.perf_counter()
    return {"row": train(*job), "seconds": time.perf_counter() - started}


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
