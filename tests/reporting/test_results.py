"""Recorded results: found in a checkout and in an installed package, and refused when damaged."""

import json
import subprocess
import sys
import zipfile
from dataclasses import replace

import pytest

from resnet_utils.reporting import results
from tools import project


def written(folder, name, rows):
    fields = {"claim": "", "command": "python experiments/x.py", "commit": "0000000", "date": "2026-01-31"}
    fields |= {"data": "drawings", "hardware": "a CPU", "versions": "", "seeds": [0, 1], "seconds": 121}
    (folder / f"{name}.json").write_text(json.dumps(fields | {"rows": rows}))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    return tmp_path


def test_what_is_written_is_what_is_read(folder):
    rows = [{"depth": 20, "loss": 0.1 + 0.2, "curve": [1, 2], "name": "猫", "none": None}]
    written(folder, "x", rows)
    record = results.load("x")
    record.write(folder / "new" / "y.json")
    assert [path.name for path in (folder / "new").iterdir()] == ["y.json"]
    (folder / "new" / "y.json").rename(folder / "y.json")
    assert results.load("y") == record


def test_every_stored_record_is_what_would_be_written(tmp_path):
    """To the byte, so that a record that is made again differs where its numbers differ, and nowhere else."""
    for path in sorted(results.FOLDER.glob("*.json")):
        results.load(path.stem).write(tmp_path / path.name)
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_record_gives_the_rows_that_were_written(folder):
    rows = [{"depth": 20, "loss": 0.5}, {"depth": 56, "loss": 1.5}, {"depth": 56, "loss": 1.25}]
    written(folder, "x", rows)
    record = results.load("x")
    assert record.rows == rows
    assert record.column("loss") == [0.5, 1.5, 1.25]
    assert record.column("loss", {"depth": 56}) == [1.5, 1.25]


def test_groups_are_the_columns_of_each_value_in_row_order(folder):
    rows = [{"part": "a", "way": w, "loss": x} for w, x in (("new", 3), ("old", 1), ("new", 2))]
    written(folder, "x", [*rows, {"part": "b", "loss": 9}, {"part": "c", "way": "new", "loss": 8}])
    groups = results.load("x").groups("loss", "way", {"part": "a"})
    assert list(groups.items()) == [("new", [3, 2]), ("old", [1])]
    scaled = results.load("x").groups("loss", "way", {"part": "a"}, factor=100)
    assert scaled == {"new": [300, 200], "old": [100]}
    with pytest.raises(ValueError, match="no column 'way'"):
        results.load("x").groups("loss", "way")


def test_origin_names_command_hardware_data_and_seeds(folder):
    written(folder, "x", [{"depth": 20}])
    origin = results.load("x").origin()
    assert all(part in origin for part in ("experiments/x.py", "2 min", "a CPU", "drawings", "0, 1"))


def test_origin_has_the_note_where_there_is_one(folder):
    written(folder, "x", [{"depth": 20}])
    record = results.load("x")
    noted = replace(record, note="the trials were not kept")
    assert noted.origin() == f"{record.origin()}\nnote: the trials were not kept"


def test_what_a_record_started_from_is_kept_and_nothing_is_written_where_it_had_nothing(folder):
    written(folder, "x", [{"depth": 20}])
    record = results.load("x")
    record.write(folder / "y.json")
    assert not {"inputs", "note"} & json.loads((folder / "y.json").read_text()).keys()
    started = replace(record, inputs={"start.safetensors": "ab" * 32}, note="by hand")
    started.write(folder / "y.json")
    assert results.load("y") == started


def test_column_that_nobody_measured_is_refused(folder):
    written(folder, "x", [{"depth": 20}])
    with pytest.raises(ValueError, match="no column 'loss'"):
        results.load("x").column("loss")
    with pytest.raises(ValueError, match="no row has"):
        results.load("x").column("depth", {"depth": 44})


def test_unknown_name_is_answered_with_the_known_ones(folder):
    written(folder, "x", [{}])
    with pytest.raises(FileNotFoundError, match="no recorded result 'y'; there are x"):
        results.load("y")


@pytest.mark.parametrize("content", ["{", "[]", '{"rows": []}'])
def test_damaged_record_is_refused(folder, content):
    (folder / "x.json").write_text(content)
    with pytest.raises(ValueError, match=r"x\.json is not a recorded result"):
        results.load("x")


def test_checkout_finds_every_stored_record():
    stored = sorted(results.FOLDER.glob("*.json"))
    assert stored
    for path in stored:
        assert results.load(path.stem).rows == json.loads(path.read_text())["rows"]


def test_installed_package_carries_the_records(tmp_path):
    pytest.importorskip("hatchling", reason="the build backend is fetched by pip when it builds")
    run = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(run, cwd=project.ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for path in results.FOLDER.glob("*.json"):
        assert f"resnet_utils/reporting/records/{path.name}" in names
