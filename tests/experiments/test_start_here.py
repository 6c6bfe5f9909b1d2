"""The table of first recipes says what the scripts behind its rows did."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from resnet_utils.reporting import results

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "text" / "04_full_network" / "start_here.md").read_text(encoding="utf-8")


def dictionary(name):
    """A dictionary of literals that a cell of the room defines."""
    cell = next(
        cell for cell in re.findall(r"```\{code-cell\}.*?\n(.*?)```", TEXT, re.S) if f"{name} = {{" in cell
    )
    found = [node for node in ast.parse(cell).body if isinstance(node, ast.Assign)]
    return next(ast.literal_eval(node.value) for node in found if node.targets[0].id == name)


RECIPES, MEASURED = dictionary("RECIPES"), dictionary("MEASURED")
IN_THE_SCRIPT = {  # row: where rate, batch, decay and epochs stand in the script or in pets.py
    "A": ("100, 50, 30, 0.1", "100, 50, 30, 0.1", "decay = 5e-3", "100, 50, 30, 0.1"),
    "B": (
        "(0.003, 0.01, 0.03, 0.1, 0.3, 1.0)",
        "(16, 64, 256)",
        "weight_decay=5e-4",
        "PER_CLASS, EPOCHS = 400, 4",
    ),
    "C": ("= 64, 40, 0.1", "= 64, 40, 0.1", "weight_decay=5e-4", "= 64, 40, 0.1"),
    "D": ("lr=0.1, weight_decay=5e-4", "images, 64, shuffle=True", "lr=0.1, weight_decay=5e-4", "(ours, 16)"),
    "E": ("96, 64, 16, 0.05", "batch: int = 32", "weight_decay=1e-3", "96, 64, 16, 0.05"),
}


def numbers(text):
    return {float(found) for found in re.findall(r"\d+(?:\.\d+)?(?:e-\d+)?", text)}


@pytest.mark.parametrize("row", RECIPES)
def test_the_recipe_of_a_row_is_that_of_its_script(row):
    script = (ROOT / "experiments" / f"{MEASURED[row][0]}.py").read_text(encoding="utf-8")
    script += (ROOT / "experiments" / "pets.py").read_text(encoding="utf-8")
    for value, place in zip(RECIPES[row][1:], IN_THE_SCRIPT[row], strict=True):
        assert place in script, f"row {row}: {place!r} stands no more in the script"
        assert value in numbers(place)


@pytest.mark.parametrize("row", RECIPES)
def test_the_table_for_readers_has_the_numbers_of_the_cell(row):
    _, rate, batch, decay, epochs = RECIPES[row]
    line = next(line for line in TEXT.splitlines() if line.startswith(f"| {row} |"))
    assert f"| {rate}, {batch} | {decay} |" in line
    assert f"| {epochs} |" in line
    assert f"{RECIPES[row][0]:,}" in line


def test_the_recorded_number_of_images_is_that_of_the_row():
    assert set(results.load("cifar10").column("train_images", {"weights": "ours"})) == {RECIPES["C"][0]}
    assert set(results.load("fashion_mnist").column("train_images")) == {RECIPES["D"][0]}
    assert "2,000 photographs" in results.load("best_recipe").data
