"""The command: its rows by name, its errors, what it keeps, and what it records."""

import json

import pytest
import torch

from benchmarks import all as everything
from benchmarks import harness, machine, table
from benchmarks.harness import Spread


@pytest.fixture
def quick_row(monkeypatch):
    """A row that takes no time, in place of the eight."""
    calls = []

    class Row:
        ROW, TITLE = 3, "nothing"

        @staticmethod
        def run(settings):
            calls.append(settings)
            return [table.of_ratio(3, "a", "b", Spread(1, 2, 3), target=">= 1.5", quality={"error": 0.1})]

    monkeypatch.setattr(everything, "ROWS", {3: Row})
    monkeypatch.setattr(harness, "noise", lambda **options: Spread(0.9, 1.0, 1.1))
    return calls


def test_rows_are_numbered_as_they_are_listed():
    assert list(everything.ROWS) == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rows", "9"], "there is no row '9'; there are 1: our ResNets"),
        (["--rows", "one"], "there is no row 'one'"),
        (["--rounds", "0"], "rounds must be at least 1, got 0"),
        (["--rounds", "3"], "rounds must be at least 7"),
        (["--batch", "0"], "batch must be at least 1 image, got 0"),
        (["--rows", "1", "--networks", "resnet19"], "unknown network 'resnet19'; row 1 compares resnet18"),
        (["--quick", "--tiny"], "not both"),
        (["--device", "toaster"], "torch knows no device 'toaster'"),
        (["--seeds"], "at least one seed"),
    ],
)
def test_a_wrong_option_ends_with_what_is_allowed(capsys, arguments, message):
    assert everything.main(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is an accelerator here")
def test_an_accelerator_that_is_not_here_ends_with_what_is(capsys):
    assert everything.main(["--rows", "8", "--device", "cuda"]) == 2
    assert "there is no device 'cuda' here; there is cpu" in capsys.readouterr().err


def test_a_full_run_is_recorded_with_its_provenance(tmp_path, monkeypatch, quick_row, capsys):
    monkeypatch.setattr(machine, "commit", lambda: "0123456789ab")
    assert everything.main(["--rows", "3", "--output", str(tmp_path)]) == 0
    (path,) = tmp_path.rglob("speed_*.json")
    found = json.loads(path.read_text())
    assert path.stem == f"speed_{machine.kind(torch.device('cpu'))}"
    assert (found["commit"], found["command"]) == ("0123456789ab", "python -m benchmarks.all --rows 3")
    assert [row["row"] for row in found["rows"]] == [3]
    assert found["rows"][0]["noise"] == [0.9, 1.0, 1.1]
    assert found["rows"][0]["verdict"] == "met"
    assert found["rows"][0]["quality"] == {"error": 0.1}
    assert {"low", "high", "target", "commit", "date", "seconds", "processor_seconds"} <= set(
        found["rows"][0]
    )
    assert "met: 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "commit"), [(["--quick"], "0123456789ab"), ([], "0123456789ab+"), ([], "unknown")]
)
def test_nothing_else_is_recorded(tmp_path, monkeypatch, quick_row, capsys, arguments, commit):
    monkeypatch.setattr(machine, "commit", lambda: commit)
    everything.main([*arguments, "--output", str(tmp_path)])
    assert not list(tmp_path.rglob("*.json"))
    assert "nothing is recorded" in capsys.readouterr().out


def test_a_missed_target_is_an_exit_status_and_a_tiny_run_judges_nothing(monkeypatch, quick_row, capsys):
    monkeypatch.setattr(everything.ROWS[3], "run", lambda settings: [_missed()])
    assert everything.main(["--quick"]) == 1
    assert "not met: 1" in capsys.readouterr().out
    assert everything.main(["--tiny"]) == 0
    assert "not judged in the tiny form" in capsys.readouterr().out


def _missed():
    return table.of_ratio(3, "a", "b", Spread(1, 1, 1), target=">= 1.5", quality={"error": 0.1})


def test_a_second_call_goes_on_from_what_is_kept(tmp_path, quick_row):
    for _ in range(2):
        everything.main(["--quick", "--keep", str(tmp_path)])
    assert len(quick_row) == 1
    everything.main(["--quick", "--keep", str(tmp_path), "--batch", "2"])
    assert len(quick_row) == 2, "other settings are another run"
