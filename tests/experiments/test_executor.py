"""Jobs run wherever they are sent, and workers may be killed: each row comes once, and none is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tools import patience

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
sys.path.append(str(EXPERIMENTS))  # as Python does where it runs a script
import executor  # noqa: E402
import record  # noqa: E402


def noted(log, number):
    with Path(log).open("a") as file:
        file.write(f"{number}\n")


def times(log):
    """How often each job was begun."""
    begun = [int(line) for line in Path(log).read_text().split()]
    return {number: begun.count(number) for number in begun}


def half(number, log):
    noted(log, number)
    return {"half": number // 2}


def killed_once(number, log):
    """Its first worker is killed in the middle, as the kernel does where memory runs out."""
    noted(log, number)
    if number == 4 and times(log)[4] == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.2)
    return {"half": number // 2}


def killed_always(number, log):
    noted(log, number)
    if number == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"half": number // 2}


def killed_with_its_row_written(number, log):
    """Killed between the moment when its row is there and the one when anybody knows of it."""
    noted(log, number)
    write = executor.atomic.write

    def last_deed(path, content):
        write(path, content)
        os.kill(os.getpid(), signal.SIGKILL)

    if number == 4:
        executor.atomic.write = last_deed
    return {"half": number // 2}


def unable(number, log):
    noted(log, number)
    if number == 4:
        raise ValueError("4 is refused")
    return {"half": number // 2}


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


def jobs(log, numbers=(2, 4, 6, 8)):
    return [(number, str(log)) for number in numbers]


def rows(train, log, **options):
    """Rows by job; each has come once."""
    found = list(executor.results(train, jobs(log), **options))
    keys = [key for key, _ in found]
    assert len(keys) == len(set(keys)), "a row came twice"
    return {key: result["row"] for key, result in found}


def due(log):
    return {repr(job): {"half": job[0] // 2} for job in jobs(log)}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_job_whose_worker_was_killed_is_run_again(workers, log):
    assert rows(killed_once, log, workers=workers) == due(log)
    assert times(log) == {2: 1, 4: 2, 6: 1, 8: 1}, "the others are not disturbed"


def test_a_row_that_was_written_before_its_worker_was_killed_is_taken_and_not_computed_again(log):
    assert rows(killed_with_its_row_written, log, workers=2) == due(log)
    assert times(log) == {2: 1, 4: 1, 6: 1, 8: 1}


def test_a_job_that_loses_every_worker_is_given_up_and_the_other_rows_are_kept(log, tmp_path):
    found = []
    with pytest.raises(executor.LostWorker, match=r"job \(4, .*\) has lost 3 workers"):
        found += executor.results(killed_always, jobs(log, (2, 4)), folder=tmp_path / "rows")
    assert times(log) == {2: 1, 4: 3}
    again = dict(executor.results(half, jobs(log, (2, 4)), folder=tmp_path / "rows"))
    assert [result["row"] for result in again.values()] == [{"half": 1}, {"half": 2}]
    assert times(log) == {2: 1, 4: 4}, "what was done is not done again"


def test_a_job_that_fails_is_not_tried_again(log):
    with pytest.raises(ValueError, match="4 is refused"):
        rows(unable, log)
    assert times(log)[4] == 1


def test_equal_jobs_are_one(log):
    assert len(list(executor.results(half, jobs(log, (2, 2))))) == 1
    assert times(log) == {2: 1}


@pytest.mark.parametrize(
    ("name", "value"), [("workers", 0), ("workers", True), ("tries", 0), ("workers", "2")]
)
def test_a_count_that_is_none_is_refused(name, value, log):
    with pytest.raises(ValueError, match=f"{name} must be a whole number from 1 up"):
        list(executor.results(half, jobs(log), **{name: value}))


def asked(monkeypatch, tmp_path, *words):
    monkeypatch.setattr(sys, "argv", ["halves.py", "--keep", str(tmp_path / "kept"), *words])
    return record.options("Halves.")


@pytest.fixture(autouse=True)
def same_threads_afterwards():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_half_a_line_of_a_collector_that_was_killed_is_neither_lost_nor_read(monkeypatch, tmp_path, log):
    options = asked(monkeypatch, tmp_path)
    kept = options.keep / "halves.jsonl"
    record.rows_of(half, jobs(log, (2, 4)), options)
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-20])
    assert record.rows_of(half, jobs(log, (2, 4)), options) == [{"half": 1}, {"half": 2}]
    assert times(log) == {2: 1, 4: 1}, "its own file still has the row"
    assert sorted(json.loads(line)[0] for line in kept.read_text().splitlines()) == sorted(
        repr(job) for job in jobs(log, (2, 4))
    )


def test_a_row_that_was_noted_is_not_noted_again(monkeypatch, tmp_path, log):
    options = asked(monkeypatch, tmp_path)
    for _ in range(2):
        record.rows_of(half, jobs(log), options)
    assert len((options.keep / "halves.jsonl").read_text().splitlines()) == 4


SCRIPT = '''"""Halves."""
import os, sys
from pathlib import Path
sys.path[:0] = [{experiments!r}, {root!r}]
import record
from resnet_utils.runtime import seeding

def half(number, tiny):
    with (Path(__file__).parent / "log").open("a") as file:
        file.write(f"{{number}}\\n")
    return {{"seed": number, "half": number / 2, "process": os.environ.get("RANK", "none")}}

def rows(asked):
    first = record.rows_of(half, [(n, True) for n in (5, 4, 3)], asked)
    return first + record.rows_of(half, [(n + 10, True) for n in range(2 if len(first) == 3 else 9)], asked)

if __name__ == "__main__":
    record._command = lambda: "python experiments/halves.py"
    record.run(rows, claim="Halves.", data="numbers")
'''


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "halves.py"
    path.write_text(SCRIPT.format(experiments=str(EXPERIMENTS), root=str(EXPERIMENTS.parent)))
    return path


@pytest.mark.parametrize("keep", [False, True])
def test_under_torchrun_the_jobs_are_spread_and_the_first_writes_the_record(keep, script, tmp_path):
    """Twice asked, the second time with jobs that follow from the rows of the first."""
    run = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        str(script),
    ]
    kept = ["--keep", str(tmp_path / "kept")] if keep else []
    done = subprocess.run(
        [*run, "--tiny", "--output", str(tmp_path / "out"), *kept],
        env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
        timeout=patience.seconds(300),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = json.loads((tmp_path / "out" / record.RECORDS / "halves.json").read_text())
    assert [row["seed"] for row in made["rows"]] == [5, 4, 3, 10, 11]
    assert [row["process"] for row in made["rows"]] == ["0", "1", "0", "0", "1"]
    assert sorted(map(int, (tmp_path / "log").read_text().split())) == [3, 4, 5, 10, 11], "each once"
    if keep:
        assert len((tmp_path / "kept" / "halves.jsonl").read_text().splitlines()) == 5


def test_a_cluster_beside_torchrun_is_refused(monkeypatch, log):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="leave out --cluster, or torchrun"):
        list(executor.results(half, jobs(log), cluster="slurm"))


def test_without_submitit_the_message_says_what_to_install(monkeypatch, log, tmp_path):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ModuleNotFoundError, match=r'--cluster slurm needs .* pip install "\.\[cluster\]"'):
        list(executor.results(half, jobs(log), cluster="slurm", folder=tmp_path))


class Uncompleted(RuntimeError):
    """What submitit says of a job that has ended without an answer."""


class StandIn:
    """What is used of submitit's executor: jobs run when they are sent; the first of number 4 is lost."""

    made: list[StandIn]

    def __init__(self, folder, cluster):
        self.folder, self.cluster, self.parameters, self.lost = folder, cluster, {}, 0
        StandIn.made.append(self)

    def update_parameters(self, **parameters):
        self.parameters |= parameters

    def submit(self, function, *arguments):
        job = Future()
        if arguments[2][0] == 4 and not self.lost:
            self.lost += 1
            job.set_exception(Uncompleted("gone"))
        else:
            job.set_result(function(*arguments))
        return job


@pytest.fixture
def stand_in(monkeypatch):
    StandIn.made = []
    package = SimpleNamespace(
        AutoExecutor=StandIn, core=SimpleNamespace(utils=SimpleNamespace(UncompletedJobError=Uncompleted))
    )
    monkeypatch.setitem(sys.modules, "submitit", package)
    monkeypatch.setenv("PYTHONPATH", "")
    return StandIn.made


def test_a_cluster_gets_its_options_and_a_job_that_it_has_lost_is_sent_again(stand_in, log, tmp_path):
    options = {"timeout_min": 600, "slurm_partition": "long"}
    assert rows(half, log, cluster="slurm", folder=tmp_path, options=options, workers=2) == due(log)
    (made,) = stand_in
    assert (made.cluster, made.folder, made.lost) == ("slurm", tmp_path / "submitit", 1)
    assert options.items() <= made.parameters.items()
    assert times(log) == {2: 1, 4: 1, 6: 1, 8: 1}


def test_the_options_of_a_cluster_come_from_the_command_line(monkeypatch, tmp_path):
    found = asked(
        monkeypatch,
        tmp_path,
        "--cluster",
        "slurm",
        "--cluster-options",
        "timeout_min=600",
        "slurm_partition=a",
    )
    assert dict(found.cluster_options) == {"timeout_min": 600, "slurm_partition": "a"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cluster", "slurm"], "--cluster needs --keep"),
        (["--keep", "x", "--cluster-options", "long"], "an option of the cluster is NAME=VALUE, got 'long'"),
    ],
)
def test_what_a_cluster_cannot_do_without_is_asked_for(words, said, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["halves.py", *words])
    with pytest.raises(SystemExit):
        record.options("Halves.")
    assert said in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # its Popen of the killed job
def test_submitit_itself_runs_the_jobs_where_it_is_installed(log, tmp_path):
    pytest.importorskip("submitit")
    assert rows(killed_once, log, cluster="local", folder=tmp_path / "rows", workers=2) == due(log)
    assert times(log) == {2: 1, 4: 2, 6: 1, 8: 1}
