"""Where the jobs of an experiment run: processes on this machine, the processes of torchrun, or a cluster.

A job writes its row to a file of its own before it says that it is done. Whoever collects goes by these
files, so that a worker may be killed at any moment: a job without a row is run again, a row is never computed
twice, and none is taken twice. `record.rows_of` is the one that asks; the scripts know nothing of it.

    python experiments/NAME.py --workers 4                        processes here, the default
    torchrun --standalone --nproc-per-node 4 experiments/NAME.py  job i runs in process i modulo 4
    python experiments/NAME.py --workers 20 --keep FOLDER --cluster slurm --cluster-options timeout_min=600
                                                                  through submitit (pip install ".[cluster]")
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import datetime
import functools
import hashlib
import itertools
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import torch
from torch import distributed as dist

from resnet_utils.files import atomic
from resnet_utils.runtime import speed

TRIES = 3  # workers that a job may lose before it is given up
POLL = 0.2, 5.0  # seconds between two looks: at processes here, at a cluster
MEETING = 600  # seconds that the processes of torchrun wait for each other to start
Result = dict[str, Any]  # "row", and the "seconds" that it took


class LostWorker(RuntimeError):
    """A job whose workers ended without a word, as often as was allowed."""


def rank() -> int:
    """The number of this process among those of torchrun, from 0; 0 without it."""
    return int(os.environ.get("RANK", "0")) if is_spread() else 0


def is_spread() -> bool:
    """Whether torchrun has started this script, so that each process takes its part of the jobs."""
    return "TORCHELASTIC_RUN_ID" in os.environ and "WORLD_SIZE" in os.environ


def world_size() -> int:
    """How many processes torchrun has started; 1 without it."""
    return int(os.environ["WORLD_SIZE"]) if is_spread() else 1


def results(
    train: Callable[..., Any],
    jobs: Sequence[tuple],
    *,
    workers: int = 1,
    folder: Path | None = None,
    cluster: str | None = None,
    options: Mapping[str, Any] | None = None,
    done: Collection[str] = (),
    tries: int = TRIES,
) -> Iterator[tuple[str, Result]]:
    """``(repr(job), result)`` of each job, each once, in the order in which they are done.

    Under torchrun every process gets all of them, and computes every so manieth.

    Args:
        train: from the parts of a job to its row; a module's function, since workers find it by its name.
        jobs: tuples of plain values; of equal ones, one.
        workers: jobs at a time, each in a process of its own with one thread; under torchrun in each process.
        folder: for the files of rows, which are taken where they are there already, and stay; None: a new
            one for the time. All machines have to see it.
        cluster: what submitit calls it, "slurm", or "local" and "debug" for a trial on this machine; None: no
            cluster.
        options: of the cluster, as submitit's ``update_parameters`` takes them.
        done: ``repr(job)`` of those to leave out, since their rows are known.
        tries: workers that a job may lose.

    Raises:
        LostWorker: if so many were killed at the same job.
        ValueError: for numbers that are none, or a cluster under torchrun.
        ModuleNotFoundError: if a cluster is asked for and submitit is not installed.
    """
    for name, value in (("workers", workers), ("tries", tries)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} must be a whole number from 1 up, got {value!r}")
    if cluster is not None and is_spread():
        raise ValueError("torchrun has started this script already: leave out --cluster, or torchrun")
    jobs = list({repr(job): job for job in jobs}.values())
    turns = [job for number, job in enumerate(jobs) if number % world_size() == rank()]
    own = [job for job in turns if repr(job) not in done]
    with _meeting_place(folder) as place:
        files = {key: place / _file_name(key) for key in map(repr, jobs) if key not in done}
        here = _Cluster(cluster, place, workers, options or {}) if cluster else _Processes(workers)
        with contextlib.closing(here):
            yield from _collected(train, own, files, here, tries)


def _collected(
    train: Callable[..., Any], own: Sequence[tuple], files: Mapping[str, Path], here: Any, tries: int
) -> Iterator[tuple[str, Result]]:
    """Start what is to be done here, start again what was lost, and hand on every row that has come."""
    waiting = [job for job in own if not files[repr(job)].exists()]
    running: dict[Any, tuple] = {}
    lost = dict.fromkeys(files, 0)
    left = dict(files)
    failed: BaseException | None = None
    while left and not (failed and not running):
        while waiting and not failed and len(running) < here.workers:
            job = waiting.pop(0)
            running[here.submit(_work, train, job, str(files[repr(job)]))] = job
        for future in here.ended(running):
            job = running.pop(future)
            error = here.error(future)
            if isinstance(error, here.lost) and not files[repr(job)].exists():
                lost[repr(job)] += 1
                print(f"a worker is gone that had the job {job!r}", file=sys.stderr, flush=True)
                waiting.insert(0, job)
                failed = failed or (LostWorker(_why(job, tries)) if lost[repr(job)] >= tries else None)
            elif not isinstance(error, here.lost):
                failed = failed or error
        for key in [key for key, file in left.items() if file.exists()]:
            yield key, json.loads(left.pop(key).read_text(encoding="utf-8"))[1]
        if not running and left and not failed:
            time.sleep(POLL[0])  # the rest is with other processes
    if failed:
        raise failed


def _file_name(key: str) -> str:
    return f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"


def _why(job: tuple, tries: int) -> str:
    return (
        f"the job {job!r} has lost {tries} workers: each was killed, or ended without a word, before there "
        "was a row. Is the memory too small for as many --workers? What is done is kept under --keep"
    )


def _work(train: Callable[..., Any], job: tuple, file: str) -> None:
    """A worker's whole job: the row, and the seconds that it took, in a file that is there whole or not."""
    started = time.perf_counter()
    row = train(*job)
    result = {"row": row, "seconds": time.perf_counter() - started}
    atomic.write(file, json.dumps([repr(job), result]))


def one_thread() -> None:
    """One thread a training gives the same bits whatever the number of workers."""
    speed.use(False)  # a worker that is spawned knows nothing of it
    os.environ["OMP_NUM_THREADS"] = "1"  # so that runtime.setup in the training leaves it at that
    torch.set_num_threads(1)


class _Processes:
    """Processes on this machine: a pool of one for each worker: one that dies takes no other along."""

    lost = BrokenProcessPool

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._free: list[concurrent.futures.ProcessPoolExecutor] = []
        self._busy: dict[concurrent.futures.Future, concurrent.futures.ProcessPoolExecutor] = {}

    def submit(self, function: Callable[..., None], *arguments: Any) -> concurrent.futures.Future:
        pool = (
            self._free.pop()
            if self._free
            else concurrent.futures.ProcessPoolExecutor(1, initializer=one_thread)
        )
        future = pool.submit(function, *arguments)
        self._busy[future] = pool
        return future

    def ended(self, running: Mapping[Any, tuple]) -> list[Any]:
        done, _ = concurrent.futures.wait(
            running, timeout=POLL[0], return_when=concurrent.futures.FIRST_COMPLETED
        )
        for future in done:
            pool = self._busy.pop(future)
            if isinstance(future.exception(), self.lost):
                pool.shutdown()
            else:
                self._free.append(pool)
        return list(done)

    def error(self, future: concurrent.futures.Future) -> BaseException | None:
        """What the job has raised, or ``lost``; None where all went well."""
        return future.exception()

    def close(self) -> None:
        for pool in [*self._free, *self._busy.values()]:
            pool.shutdown(cancel_futures=True)


class _Cluster:
    """Jobs of submitit: on Slurm, or on this machine for a trial."""

    def __init__(self, name: str, folder: Path, workers: int, options: Mapping[str, Any]) -> None:
        try:
            import submitit
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"--cluster {name} needs the package submitit, which is not installed: "
                'pip install ".[cluster]"; without --cluster the jobs run in processes on this machine'
            ) from error
        self.workers, self.lost = workers, submitit.core.utils.UncompletedJobError
        paths = [
            str(Path(sys.argv[0]).resolve().parent),
            *sys.path,
        ]  # where a worker finds the script's modules
        os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(path for path in paths if path))
        self._executor = submitit.AutoExecutor(folder=folder / "submitit", cluster=name)
        self._executor.update_parameters(name="resnet-book", **options)

    def submit(self, function: Callable[..., None], *arguments: Any) -> Any:
        return self._executor.submit(_in_one_thread, function, *arguments)

    def ended(self, running: Mapping[Any, tuple]) -> list[Any]:
        done = [job for job in running if job.done()]
        if running and not done:
            time.sleep(POLL[0] if self._executor.cluster in ("local", "debug") else POLL[1])
        return done

    def error(self, job: Any) -> BaseException | None:
        """What the job has raised, or ``lost``; None where all went well."""
        try:
            return job.exception()
        except self.lost as error:
            return error

    def close(self) -> None:
        """Nothing is stopped: what a cluster has begun may end, and the next call finds its row."""


def _in_one_thread(function: Callable[..., None], *arguments: Any) -> None:
    one_thread()
    function(*arguments)


@contextlib.contextmanager
def _meeting_place(folder: Path | None) -> Iterator[Path]:
    """The folder of the files of rows; where none is given, one that goes when the last process has left."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    if not is_spread():
        with tempfile.TemporaryDirectory() as made:
            yield Path(made)
        return
    store, turn = _store(), next(_TURNS)
    if rank() == 0:
        store.set(f"folder {turn}", tempfile.mkdtemp())
    place = Path(store.get(f"folder {turn}").decode())
    if not place.is_dir():
        raise ValueError("the processes are on several machines: give --keep a folder that all of them see")
    yield place
    if store.add(f"left {turn}", 1) == world_size():
        shutil.rmtree(place, ignore_errors=True)


_TURNS = itertools.count()  # the experiments that ask several times meet as often


@functools.cache
def _store() -> dist.Store:
    """Where the processes of torchrun leave words for each other."""
    store, _, _ = next(dist.rendezvous("env://"))
    store.set_timeout(datetime.timedelta(seconds=MEETING))
    return store
