"""Several processes train what one process trains, and where they cannot, or one of them is gone, say so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn
from training import together

from resnet_utils import data, evaluation, training
from resnet_utils.files import weights
from resnet_utils.runtime import processes, speed
from resnet_utils.training import distributed
from tools import patience

ROOT = Path(__file__).resolve().parents[2]
SAME = {"rtol": 0.0, "atol": 1e-12}  # float64 sums in another order, over a few dozen steps
VARIABLES = {
    "RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29500",
}  # fmt: skip


def torchrun(name, folder, *, workers=2):
    """Start a training in processes of their own; what became of it, and the seconds it took."""
    folder.mkdir(exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        str(workers),
    ]
    started = time.monotonic()
    done = subprocess.run(
        [*command, str(Path(together.__file__)), name, str(folder)],
        env=os.environ | {
            "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "BOOK_DEVICE": "cpu", "BOOK_PROGRESS": "1",
        },
        capture_output=True, text=True, timeout=patience.seconds(300), check=False,
    )  # fmt: skip
    return done, time.monotonic() - started


TOGETHER = "GroupNorm", "frozen", "accumulate", "mixed", "one left"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of all trainings in which nobody dies, and what was said."""
    folder = tmp_path_factory.mktemp("together")
    done, _ = torchrun(",".join([*TOGETHER, "BatchNorm", "none left", "BatchNorm files", "files"]), folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stderr


def found(name, folder):
    """What both processes ended with."""
    return [torch.load(folder / f"{name}-{number}.pt", weights_only=True) for number in (0, 1)]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def assert_same(one, other, **tolerance):
    """All numbers of two trainings."""
    for part in ("weights", "average"):
        assert one[part].keys() == other[part].keys()
        for key, value in one[part].items():
            torch.testing.assert_close(value, other[part][key], **tolerance)
    for part in ("numbers", "logits", "labels", "evaluated"):
        torch.testing.assert_close(one[part], other[part], **tolerance)


@pytest.mark.parametrize("name", TOGETHER)
def test_two_processes_train_what_one_trains(name, made):
    """Weights, averages of them, history and answers; with batches of unequal shares, and an empty one."""
    alone = together.trained(**together.JOBS[name])
    for each in found(name, made[0]):
        assert_same(each, alone, **SAME)


def test_with_batchnorm_two_processes_train_as_one_that_normalizes_halves(made):
    both = found("BatchNorm", made[0])
    ghosts = together.trained("BatchNorm", halves=True)
    assert both[0]["weights"].keys() == ghosts["weights"].keys()
    for each in both:
        for key, value in each["weights"].items():
            torch.testing.assert_close(value, ghosts["weights"][key], **SAME)
        for part in ("numbers", "logits"):
            torch.testing.assert_close(each[part], ghosts[part], **SAME)
    alone = together.trained("BatchNorm")
    apart = (both[0]["numbers"] - alone["numbers"]).abs().max().item()
    assert apart > 1e-3, "each process has measured its own share, and that is another training"


def test_files_are_whole_and_a_run_of_two_goes_on_as_one_or_as_two(tmp_path):
    done, _ = torchrun("killed", tmp_path)
    assert done.returncode != 0
    assert "Signal 9" in done.stderr
    (tmp_path / "resumed.pt").write_bytes((tmp_path / "killed.pt").read_bytes())  # the first epoch was kept
    done, _ = torchrun("resumed", tmp_path)
    assert done.returncode == 0, done.stderr
    through = together.trained()
    assert_same(together.trained(checkpoint=tmp_path / "killed.pt"), through, **SAME)
    for each in found("resumed", tmp_path):
        assert_same(each, through, **SAME)


def test_log_weights_and_lines_come_from_the_first_process_only(made):
    folder, said = made
    rows = (folder / "log.csv").read_text().splitlines()
    assert [row.partition(",")[0] for row in rows] == ["epoch", "1", "2"]
    assert said.count("epoch 1/2: training loss") == 1
    best = weights.card(folder / "best.safetensors")
    losses = [float(row.split(",")[3]) for row in rows[1:]]
    assert best["valid_loss"] == pytest.approx(min(losses), abs=1e-12)
    assert not list(folder.glob(".*")), "no unfinished file of another process"


def test_with_batchnorm_a_run_of_two_does_not_go_on_as_one(made):
    with pytest.raises(ValueError, match="processes, each with a BatchNorm of its own is 2 in the file"):
        together.trained("BatchNorm", checkpoint=made[0] / "BatchNorm files.pt", epochs=3)


@pytest.mark.parametrize(("name", "said"), [("error", "this one fails"), ("hangs", "[Tt]imed out")])
def test_a_process_that_fails_or_hangs_ends_the_others(name, said, tmp_path):
    done, seconds = torchrun(name, tmp_path)
    assert done.returncode != 0
    assert re.search(said, done.stderr)
    assert "ends here, and torchrun ends the others" in done.stderr
    assert not list(tmp_path.glob(f"{name}-*.pt")), "nobody has come to the end"
    assert seconds < patience.seconds(240), "torch itself would wait for half an hour"


def test_all_processes_compute_at_the_pace_that_the_first_has_chosen(made):
    for agreed in found("pace", made[0]):
        assert agreed.tolist() == [True, False]


def test_a_process_takes_the_pace_that_the_first_one_says_in_place_of_its_own(monkeypatch):
    monkeypatch.setattr(processes, "said_by_first", lambda *own: (not own[0], not own[1]))
    assert distributed.pace_of_first(speed.Pace(channels_last=True)) == speed.Pace(half=True)


def test_an_empty_share_is_refused_in_every_process_where_batchnorm_would_measure_it(made):
    said = [path.read_text() for path in made[0].glob("none left-error-*")]
    assert len(said) == 2
    assert all("too few images for 2 processes: 1 of them" in each for each in said)


@pytest.mark.parametrize("missing", VARIABLES)
def test_without_torchrun_the_message_says_how_to_start(missing, monkeypatch):
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(missing)
    with (
        pytest.raises(RuntimeError, match=rf"{missing} is not set: start the script by `torchrun"),
        distributed.process_group(),
    ):
        pass


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("RANK", "first", "RANK must be a whole number, got 'first'"),
        ("RANK", "1", "RANK must be below WORLD_SIZE, got 1 and 1"),
        ("LOCAL_RANK", "3", "LOCAL_RANK must be below LOCAL_WORLD_SIZE, got 3 and 1"),
        ("BOOK_DEVICE", "tpu", "BOOK_DEVICE must be one of"),
    ],
)
def test_variables_that_do_not_fit_are_named(name, value, said, monkeypatch):
    for each, usual in VARIABLES.items():
        monkeypatch.setenv(each, usual)
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=said), distributed.process_group():
        pass


def test_more_processes_than_gpus_are_refused(monkeypatch):
    for name, value in (VARIABLES | {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "4"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("BOOK_DEVICE", "cuda")
    with (
        pytest.raises(ValueError, match="4 processes on this machine need as many GPUs, and torch sees 1"),
        distributed.process_group(),
    ):
        pass


def test_a_device_without_exchange_is_refused(monkeypatch):
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setenv("BOOK_DEVICE", "mps")
    with pytest.raises(ValueError, match="not on mps"), distributed.process_group():
        pass


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan"), "long"])
def test_a_timeout_that_is_none_is_refused(timeout):
    with pytest.raises(ValueError, match="timeout must be"), distributed.process_group(timeout=timeout):
        pass


@pytest.fixture
def group(monkeypatch):
    """A group of one process, on a free port."""
    for name, value in (VARIABLES | {"MASTER_PORT": "0"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BOOK_DEVICE", "cpu")
    with distributed.process_group() as device:
        yield device


def test_a_group_of_one_is_the_single_process(group):
    assert (group.type, processes.world_size(), distributed.is_first()) == ("cpu", 1, True)
    one = together.trained()
    torch.distributed.destroy_process_group()
    assert_same(one, together.trained(), **SAME)
    torch.distributed.init_process_group("gloo")  # for the fixture to end


def test_an_error_inside_a_group_says_which_process_ends_by_it(monkeypatch):
    for name, value in (VARIABLES | {"MASTER_PORT": "0"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BOOK_DEVICE", "cpu")
    with pytest.raises(ZeroDivisionError) as caught, distributed.process_group():
        1 / 0  # noqa: B018
    (note,) = caught.value.__notes__
    assert "process 0 of 1 ends here" in note
    assert not processes.is_together(), "the group is left"


@pytest.mark.parametrize(
    ("make", "alone"),
    [
        (lambda: nn.BatchNorm2d(4), True),
        (lambda: nn.BatchNorm2d(4).requires_grad_(False), False),
        (lambda: nn.BatchNorm2d(4, affine=False), True),
        (lambda: nn.BatchNorm2d(4, track_running_stats=False).requires_grad_(False), True),
        (lambda: nn.SyncBatchNorm(4), False),
        (lambda: nn.GroupNorm(2, 4), False),
    ],
)
def test_what_normalizes_alone_answers_an_image_by_the_others_beside_it_in_training(make, alone):
    norm = make()
    assert distributed.normalizes_alone(nn.Sequential(nn.Conv2d(3, 4, 1), norm)) == alone
    if not isinstance(norm, nn.SyncBatchNorm):  # torch has it for GPUs only
        training.train_mode(norm)
        x = torch.rand(6, 4, 2, 2, generator=torch.Generator().manual_seed(0))
        assert torch.allclose(norm(x)[:3], norm(x[:3]), atol=1e-6) != alone


def test_what_cannot_be_parallel_is_refused(group):
    model = nn.Linear(2, 2)
    with pytest.raises(RuntimeError, match="belongs to a group already"), distributed.process_group():
        pass
    with pytest.raises(ValueError, match="parallel already"):
        distributed.parallel(distributed.parallel(model))
    with pytest.raises(ValueError, match="all are frozen"):
        distributed.parallel(nn.Linear(2, 2).requires_grad_(False))
    with pytest.raises(ValueError, match="SyncBatchNorm for GPUs only"):
        distributed.parallel(nn.BatchNorm1d(2), sync_batchnorm=True)
    with pytest.raises(ValueError, match="sync_batchnorm must be True or False"):
        distributed.parallel(model, sync_batchnorm="no")
    with pytest.raises(TypeError, match="a network is a"):
        distributed.parallel("resnet18")


def test_torch_has_no_batchnorm_over_processes_on_a_cpu(group):
    """The reason why equality with BatchNorm is shown without it."""
    with pytest.raises(ValueError, match="SyncBatchNorm expected input tensor to be on"):
        nn.SyncBatchNorm(2)(torch.zeros(2, 2, 1, 1))


def test_outside_of_a_group_nothing_is_parallel():
    with pytest.raises(RuntimeError, match="inside `with process_group"):
        distributed.parallel(nn.Linear(2, 2))
    assert distributed.is_first()


def as_one_of(monkeypatch, number, count):
    monkeypatch.setattr(processes, "rank", lambda: number)
    monkeypatch.setattr(processes, "world_size", lambda: count)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda loader: distributed.Shares(loader), "the model is trained by this process alone"),
        (lambda loader: data.Mixup(distributed.Shares(loader), 3), "would mix within a share"),
    ],
)
def test_batches_and_model_have_to_agree_on_who_takes_part(make, said, monkeypatch):
    as_one_of(monkeypatch, 0, 2)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    loader = make(data.loader(together.split(), 8))
    with pytest.raises(ValueError, match=said):
        training.train_one_epoch(model, loader, training.sgd(model, 0.1))


def test_a_parallel_model_wants_shares(group, monkeypatch):
    model = distributed.parallel(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)))
    as_one_of(monkeypatch, 0, 2)
    with pytest.raises(ValueError, match=r"distributed.Shares\(loader\)"):
        training.train_one_epoch(model, data.loader(together.split(), 8), training.sgd(model, 0.1))


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_on_gpus_the_same_script_exchanges_by_nccl(tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "BOOK_DEVICE": "cuda"}
    done = subprocess.run(
        [*command, str(Path(together.__file__)), "GroupNorm", str(tmp_path)], env=environment, check=False
    )
    assert done.returncode == 0
    one, other = (torch.load(tmp_path / f"GroupNorm-{n}.pt", weights_only=True) for n in (0, 1))
    assert_same(one, other, rtol=0.0, atol=1e-9)


def test_predictions_of_a_group_of_one_are_in_order(group):
    loader = data.loader(together.split(), 8)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    one, labels = evaluation.predict(model, distributed.Shares(loader))
    other, due = evaluation.predict(model, loader)
    assert torch.equal(one, other)
    assert torch.equal(labels, due)
