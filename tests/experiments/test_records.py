"""Recorded results: complete, from scripts that still run, and true of the files they speak about."""

import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load

from resnet_utils import data, evaluation, models
from resnet_utils.data import synthetic
from resnet_utils.files import atomic, weights
from tools import patience

ROOT = Path(__file__).resolve().parents[2]
RECORDS = sorted((ROOT / "resnet_utils" / "reporting" / "records").glob("*.json"))
SHARED = {
    "record.py",
    "executor.py",
    "pets.py",
    "small_images.py",
    "live_graph.py",
}  # what the scripts have in common
SCRIPTS = sorted(path for path in (ROOT / "experiments").glob("*.py") if path.name not in SHARED)
AWAITED: set[str] = set()  # records of scripts that run for hours, not yet measured
ELSEWHERE = {"old_code"}  # needs TensorFlow, and no pictures
FIELDS = {
    "claim": str, "command": str, "commit": str, "date": str, "data": str, "hardware": str,
    "versions": str, "seeds": list, "seconds": int, "rows": list,
}  # fmt: skip
SOMETIMES = {"inputs": dict, "note": str}  # left out where there is nothing to say
CHANGED = {"cifar10", "fashion_mnist"}  # run from a tree with changes, before that was refused
# The shipped backbone, and the same weights with the card that it had until f1f06b24.
BACKBONE = "resnet18-source.safetensors"
FORMER = "c20097573c9c4b8c2d8bdd0968622012c491c6e0b548abd0a1f87808be1e487b", "358ad8b92fd7"


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_record_says_where_its_numbers_come_from(path):
    record = json.loads(path.read_text())
    kinds = {key: type(value) for key, value in record.items()}
    assert FIELDS.items() <= kinds.items() <= (FIELDS | SOMETIMES).items()
    assert record["rows"]
    assert all(isinstance(row, dict) for row in record["rows"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", record["date"])
    changed = "\\+" if path.stem in CHANGED else ""
    assert re.fullmatch(rf"[0-9a-f]{{7,40}}{changed}", record["commit"]), "a commit that can be looked up"
    assert record["command"].startswith(maker(path.stem)[0]), "the script has the record's name"
    assert "/" not in record["hardware"]


def maker(name):
    """How the command begins that writes a record, and the file behind it; `make bench` writes speed_..."""
    if not name.startswith("speed_"):
        return f"python experiments/{name}.py", f"experiments/{name}.py"
    module = "notebooks" if name == "speed_notebooks" else "all"
    return f"python -m benchmarks.{module}", f"benchmarks/{module}.py"


def git(*command):
    """What git answers, as bytes; skips the test where there is no history to ask."""
    found = subprocess.run(["git", *command], cwd=ROOT, capture_output=True)
    if found.returncode:
        pytest.skip(f"git does not know it here: {' '.join(command)}")
    return found.stdout


def loads_the_backbone(script):
    return "pets.backbone" in script.read_text() or "tuning_cures.trained" in script.read_text()


@pytest.mark.parametrize("path", [path for path in SCRIPTS if loads_the_backbone(path)], ids=lambda p: p.stem)
def test_record_names_the_backbone_that_it_started_from(path):
    record = json.loads((RECORDS[0].parent / f"{path.stem}.json").read_text())
    shipped = atomic.sha256(models.shipped("resnet18-source"))
    assert record["inputs"][BACKBONE] in {shipped, FORMER[0]}


def test_the_former_file_of_the_backbone_has_the_same_weights():
    content = git("show", f"{FORMER[1]}:resnet_utils/weights/{BACKBONE}")
    assert hashlib.sha256(content).hexdigest() == FORMER[0]
    former, shipped = load(content), load(models.shipped("resnet18-source").read_bytes())
    assert former.keys() == shipped.keys()
    assert all(torch.equal(former[name], shipped[name]) for name in former)


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_commit_of_a_record_has_its_script_and_what_it_loads_or_the_note_says_where(path):
    record = json.loads(path.read_text())
    files = git("ls-tree", "-r", "--name-only", record["commit"].rstrip("+")).decode().splitlines()
    assert maker(path.stem)[1] in files or path.stem in CHANGED
    for name in record.get("inputs", {}):
        assert any(file.endswith(f"/{name}") for file in files) or "committed after" in record["note"]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_every_script_has_its_record_or_is_known_to_await_it(path):
    assert (path.stem in {record.stem for record in RECORDS}) != (path.stem in AWAITED)


def test_a_ratio_on_record_stands_beside_its_accuracy_or_error():
    rows = [row for path in RECORDS for row in json.loads(path.read_text())["rows"] if row.get("speed_up")]
    assert all(row["quality"] for row in rows if row["measured"] is not None)


def test_only_rows_of_awaited_records_are_kept_as_begun():
    begun = sorted((ROOT / "experiments" / "begun").glob("*"))
    assert {file.stem for file in begun} <= AWAITED, "its record is there: remove the rows"
    for file in begun:
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        assert len({job for job, _ in rows}) == len(rows), f"{file.name}: a row twice"
        assert all(result["seconds"] > 0 and result["row"] for _, result in rows)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script_still_runs_in_its_tiny_mode(path, tmp_path):
    if path.stem in ELSEWHERE:
        if importlib.util.find_spec("tensorflow") is None:
            pytest.skip("TensorFlow is not here; `make test-keras` runs this script")
    elif data.data_folder() is None:
        pytest.skip("the experiments need the pictures in RESNET_BOOK_DATA")
    run = subprocess.run(
        [sys.executable, str(path), "--tiny", "--output", str(tmp_path)],
        env=os.environ | {"BOOK_PROGRESS": "0", "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=patience.seconds(1800),
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    made = json.loads((tmp_path / "resnet_utils" / "reporting" / "records" / f"{path.stem}.json").read_text())
    if path.stem in AWAITED:
        assert made["rows"]
        return
    stored = json.loads((ROOT / "resnet_utils" / "reporting" / "records" / f"{path.stem}.json").read_text())
    columns, stored_columns = ({tuple(sorted(row)) for row in record["rows"]} for record in (made, stored))
    assert columns == stored_columns  # a tiny run may have fewer rows
    sizes, stored_sizes = ({row.get("parameters") for row in record["rows"]} for record in (made, stored))
    assert sizes <= stored_sizes, "the networks are no longer those of the record"


def test_shipped_backbone_is_the_recorded_one_and_reaches_its_accuracy():
    record = json.loads(
        (ROOT / "resnet_utils" / "reporting" / "records" / "pretrain_source.json").read_text()
    )
    rows = {row["part"]: row for row in record["rows"]}
    path = models.shipped("resnet18-source")
    net = models.from_card(path, pretrained=False)
    weights.load_weights(net, path, sha256=rows["checkpoint"]["sha256"])
    assert path.stat().st_size < 4_000_000
    images = data.drawn_animals(400, size=32, seed=5, species=synthetic.SOURCE, first_label=8)
    loader = data.loader(images, 200, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    _, accuracy = evaluation.evaluate(net, loader)
    assert accuracy == pytest.approx(rows["drawn"]["accuracy"], abs=0.05)  # 400 other drawings


def test_shipped_backbone_knows_neither_cats_nor_dogs():
    classes = weights.card(models.shipped("resnet18-source"))["classes"]
    assert len(classes) == 16
    assert not {"cat", "dog", "drawn cat", "drawn dog"} & set(classes)
