"""Long runs: rows in the order of the jobs, kept when done, and not done twice."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

from resnet_utils import runtime

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
sys.path.append(str(EXPERIMENTS))  # as Python does where it runs a script
SPEC = importlib.util.spec_from_file_location("record", EXPERIMENTS / "record.py")
record = importlib.util.module_from_spec(SPEC)
sys.modules["record"] = record  # the workers find the functions they run by the name of their module
SPEC.loader.exec_module(record)


def half(number, log):
    """A job that leaves a trace of having been done, and fails for odd numbers."""
    with Path(log).open("a") as file:
        file.write(f"{number}\n")
    if number % 2:
        raise ValueError(f"{number} is odd")
    return {"half": number // 2}


def threads():
    """A job that prepares itself as every training does."""
    runtime.setup(0)
    return {"threads": torch.get_num_threads()}


@pytest.fixture(autouse=True)
def same_threads_afterwards():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def asked(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["halves.py", "--workers", "2", "--keep", str(tmp_path / "kept")])
    return record.options("Halves.")


def test_rows_come_in_the_order_of_the_jobs_and_are_not_computed_twice(asked, tmp_path):
    log = tmp_path / "log"
    jobs = [(number, str(log)) for number in (8, 2, 6)]
    rows = record.rows_of(half, jobs, asked)
    assert rows == [{"half": 4}, {"half": 1}, {"half": 3}]
    seconds = asked.seconds
    assert seconds > 0
    again = record.rows_of(half, [*jobs, (10, str(log))], asked)
    assert again == [*rows, {"half": 5}]
    assert asked.seconds >= 2 * seconds, "what was done the first time counts as if it were done again"
    assert sorted(map(int, log.read_text().split())) == [2, 6, 8, 10]


def test_what_was_done_before_an_error_is_kept(asked, tmp_path):
    log = str(tmp_path / "log")
    asked.workers = 1  # so that the even one is done first
    with pytest.raises(ValueError, match="3 is odd"):
        record.rows_of(half, [(4, log), (3, log)], asked)
    lines = (tmp_path / "kept" / "halves.jsonl").read_text().splitlines()
    assert [json.loads(line)[1]["row"] for line in lines] == [{"half": 2}]


def test_without_a_folder_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["halves.py"])
    monkeypatch.chdir(tmp_path)
    asked = record.options("Halves.")
    assert record.rows_of(half, [(4, str(tmp_path / "log"))], asked) == [{"half": 2}]
    assert {path.name for path in tmp_path.iterdir()} == {"log"}


def test_a_training_has_one_thread_after_its_own_setup_too(asked, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("BOOK_THREADS", "2")
    assert record.rows_of(threads, [()], asked) == [{"threads": 1}]


def test_the_recorded_command_names_no_folder_of_the_machine(tmp_path, monkeypatch):
    script = str(EXPERIMENTS / "halves.py")
    monkeypatch.setattr(sys, "argv", [script, "--keep", str(tmp_path), "--workers", "2"])
    assert record._command() == "python experiments/halves.py --workers 2"


def measured(asked):
    """Two rows, the second seed first."""
    asked.seconds += 90.4
    return [{"seed": 1, "x": 0.25}, {"seed": 0, "x": 0.5}, {"x": "published"}]


def pair(letter, number, tiny):
    """A job that says what it was asked for."""
    return {"letter": letter, "seed": number, "tiny": tiny}


def test_every_combination_of_values_is_measured_and_in_tiny_those_named(asked):
    measure = record.every(pair, "ab", (0, 1), tiny=("a", (7,)))
    pairs = [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    assert measure(asked) == [{"letter": x, "seed": n, "tiny": False} for x, n in pairs]
    asked.tiny = True
    assert measure(asked) == [{"letter": "a", "seed": 7, "tiny": True}]


def test_a_script_is_its_rows_its_claim_and_its_data(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(EXPERIMENTS / "halves.py"), "--output", str(tmp_path)])
    monkeypatch.setattr(record, "_commit", lambda: "0123456789ab")
    weights = tmp_path / "start.safetensors"
    weights.write_bytes(b"abc")
    record.run(measured, claim="Halves.", data=lambda rows: f"{len(rows)} numbers", inputs=[weights])
    monkeypatch.setattr(record.results, "FOLDER", tmp_path / "resnet_utils" / "reporting" / "records")
    found = record.results.load("halves")
    assert (found.claim, found.data, found.seeds, found.seconds) == ("Halves.", "3 numbers", [0, 1], 90)
    assert found.column("x") == [0.25, 0.5, "published"]
    assert found.command.startswith("python experiments/halves.py --output")
    published = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert (found.commit, found.inputs) == ("0123456789ab", {"start.safetensors": published})


@pytest.mark.parametrize("commit", ["0123456789ab+", "unknown"])
def test_nothing_is_recorded_from_a_tree_that_no_commit_describes(tmp_path, monkeypatch, commit):
    monkeypatch.setattr(record, "_commit", lambda: commit)
    monkeypatch.setattr(sys, "argv", ["halves.py", "--output", str(tmp_path)])
    with pytest.raises(SystemExit, match="commit first"):
        record.run(measured, claim="", data="")
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(sys, "argv", [str(EXPERIMENTS / "halves.py"), "--tiny", "--output", str(tmp_path)])
    record.run(measured, claim="", data="")  # a tiny run records nothing, and may try out a change
    assert list(tmp_path.rglob("halves.json"))


def test_a_script_without_its_images_measures_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["halves.py", "--output", str(tmp_path)])
    monkeypatch.setenv("RESNET_BOOK_DATA", "")
    with pytest.raises(SystemExit, match="needs FashionMNIST/"):
        record.run(measured, claim="", data="", needs="FashionMNIST")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", "cifar10"])
def test_an_experiment_without_its_images_ends_and_says_which_it_needs(tmp_path, monkeypatch, name):
    (tmp_path / "cifar10").mkdir()
    monkeypatch.setenv("RESNET_BOOK_DATA", str(tmp_path) if name else "")
    with pytest.raises(SystemExit, match="needs FashionMNIST/"):
        record.given("FashionMNIST")
    if name:
        assert record.given(name) == tmp_path / name
