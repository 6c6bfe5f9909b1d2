"""Recorded results: complete, from scripts that still run, and true of the files they speak about."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from resnet_utils import data, evaluation, models
from resnet_utils.data import synthetic
from resnet_utils.files import weights
from tools import patience

ROOT = Path(__file__).resolve().parents[2]
RECORDS = sorted((ROOT / "resnet_utils" / "reporting" / "records").glob("*.json"))
SHARED = {"record.py", "pets.py"}  # what the scripts have in common
SCRIPTS = sorted(path for path in (ROOT / "experiments").glob("*.py") if path.name not in SHARED)
FIELDS = {
    "claim": str, "command": str, "commit": str, "date": str, "data": str, "hardware": str,
    "versions": str, "seeds": list, "seconds": int, "rows": list,
}  # fmt: skip


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_record_says_where_its_numbers_come_from(path):
    record = json.loads(path.read_text())
    assert {key: type(value) for key, value in record.items()} == FIELDS
    assert record["rows"]
    assert all(isinstance(row, dict) for row in record["rows"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", record["date"])
    assert re.fullmatch(r"[0-9a-f]{7,40}\+?", record["commit"]), "a commit that can be looked up"
    assert record["command"].startswith(f"python experiments/{path.stem}.py"), (
        "the script has the record's name"
    )
    assert "/" not in record["hardware"]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_every_script_has_its_record(path):
    assert path.stem in {record.stem for record in RECORDS}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script_still_runs_in_its_tiny_mode(path, tmp_path):
    if data.data_folder() is None:
        pytest.skip("the experiments need the pictures in RESNET_BOOK_DATA")
    run = subprocess.run(
        [sys.executable, str(path), "--tiny", "--output", str(tmp_path)],
        env=os.environ | {"BOOK_PROGRESS": "0", "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=patience.seconds(1800),
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    made = json.loads((tmp_path / "resnet_utils" / "reporting" / "records" / f"{path.stem}.json").read_text())
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
