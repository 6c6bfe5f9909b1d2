"""A line of the table: verdicts, and no speed-up without its accuracy."""

import json

import pytest
import torch

from benchmarks import machine, table
from benchmarks.harness import Spread
from benchmarks.table import Line


def line(**changes):
    return Line(**{"row": 1, "what": "a", "measure": "theirs / ours", "measured": 1.5, **changes})


def test_a_speed_up_without_accuracy_or_error_is_refused():
    with pytest.raises(ValueError, match="needs its accuracy or error beside it"):
        line(speed_up=True)
    with pytest.raises(ValueError, match="needs its accuracy"):
        table.of_ratio(1, "a", "theirs / ours", Spread(1, 2, 3))
    assert table.of_ratio(1, "a", "b", Spread(1, 2, 3), quality={"error": 0.0}).measured == 2


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"target": ">= 1.5"}, "met"),
        ({"target": ">= 1.51"}, "not met"),
        ({"target": "<= 1.5"}, "met"),
        ({"target": "<= 1.49"}, "not met"),
        ({}, "no target"),
        ({"target": ">= 1.0", "quality_holds": False}, "not met"),
        ({"target": ">= 1.0", "applies": False, "reason": "no bfloat16"}, "does not apply here"),
        ({"measured": None, "target": ">= 1.0", "reason": "no GPU"}, "does not apply here"),
    ],
)
def test_the_verdict_follows_from_target_and_quality(changes, verdict):
    assert line(**changes).verdict == verdict
    assert line(**changes).as_row()["verdict"] == verdict


def test_what_does_not_apply_has_a_reason():
    with pytest.raises(ValueError, match="no reason is given"):
        line(measured=None)
    with pytest.raises(ValueError, match="no reason is given"):
        line(applies=False)


@pytest.mark.parametrize("target", ["1.5", "> 1.5", "about 2"])
def test_a_target_that_cannot_be_judged_is_refused(target):
    with pytest.raises(ValueError, match="a target is"):
        line(target=target)


def test_what_is_printed_has_the_quality_beside_the_number():
    text = table.printed(line(low=1.4, high=1.6, target=">= 1.2", quality={"error": 0.00012}))
    assert "1.5 (1.4 ... 1.6)" in text
    assert "target >= 1.2: met; error 0.00012" in text


def test_the_record_has_accuracy_beside_each_ratio_and_keeps_the_rows_that_were_not_run(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(machine, "commit", lambda: "0123456789ab")
    monkeypatch.setattr(machine, "kind", lambda device: "avx2")
    cpu, of = torch.device("cpu"), {"commit": "0123456789ab", "date": "2026-01-31", "seconds": 10.0}
    rest = {
        "device": cpu,
        "command": "python -m benchmarks.all",
        "data": "",
        "seeds": [0],
        "output": tmp_path,
    }

    def ratio(row, value):
        return table.of_ratio(row, "a", "b", Spread(value, value, value), quality={"error": 0.1}).as_row(**of)

    table.write([ratio(1, 1.0), ratio(2, 2.0)], seconds=20, **rest)
    path = table.write([ratio(2, 3.0)], seconds=10, **rest)
    assert path.name == "speed_avx2.json"
    found = json.loads(path.read_text())
    assert [(row["row"], row["measured"]) for row in found["rows"]] == [(1, 1.0), (2, 3.0)]
    assert all(row["quality"] for row in found["rows"] if row["speed_up"])
    assert all(row["commit"] == "0123456789ab" for row in found["rows"])
    assert found["seconds"] == 20  # ten of the row that stayed, ten of the new one
