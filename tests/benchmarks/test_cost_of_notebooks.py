"""What a notebook costs: its imports by package, and the clocks of its kernel."""

import nbformat
import pytest

from benchmarks import notebooks

REPORT = """import time: self [us] | cumulative | imported package
import time:       100 |        100 |   torch.version
import time:      2000 |       2100 | torch
import time:       500 |        500 | matplotlib.pyplot
import time:        30 |         30 | json
a line of something else
"""


def made(*sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("import nothing"), *cells])


def test_import_times_are_added_up_by_package():
    found = notebooks.import_seconds(REPORT)
    assert found == {"torch": 0.0021, "matplotlib": 0.0005, "other": 0.00003}


def test_what_is_loaded_and_named_in_no_cell_could_be_left_out():
    assert notebooks.loaded_and_unnamed(REPORT, "import torch") == ["matplotlib"]
    assert notebooks.loaded_and_unnamed(REPORT, "import matplotlib.pyplot as plt") == []


def test_imports_are_read_from_the_cells_and_from_nowhere_else():
    code = notebooks.code_of(
        made(
            "%pip install x\nimport json\nfrom math import pi, tau",
            "import json\nif pi:\n    import os\n",
            "x = (",
        )
    )
    assert notebooks.imports_of(code) == ["import json", "from math import pi, tau"]


def test_a_notebook_is_run_and_timed(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks.project, "BOOK", tmp_path)
    nbformat.write(made("import json", "sum(range(10**6))"), tmp_path / "small.ipynb")
    row = notebooks.measured("small")
    assert row["notebook"] == "small"
    assert row["cells_wall"] > 0
    assert row["kernel_wall"] > 0
    assert row["cells_processor"] >= 0
    assert "small" in notebooks.printed(row)


def test_an_import_that_fails_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks.project, "BOOK", tmp_path)
    nbformat.write(made("import no_such_module"), tmp_path / "bad.ipynb")
    with pytest.raises(RuntimeError, match="no_such_module"):
        notebooks.measured("bad", imports_only=True)


def row(name, kernel, cells):
    return {"notebook": name, "kernel_processor": kernel, "cells_processor": cells}


def test_two_cores_share_the_processor_time_of_the_numbered_chapters():
    rows = [row("01_background", 1.0, 20.0), row("08_making_it_fast/roofline", 1.0, 30.0)]
    assert notebooks.shared_by_two(rows) == 26.0
    assert (
        notebooks.shared_by_two([*rows, row("outlook", 9.0, 99.0), row("articles/first", 9.0, 9.0)]) == 26.0
    )


@pytest.mark.parametrize(("seconds", "status"), [(959.0, 0), (961.0, 1)])
def test_the_bar_is_eight_minutes_of_two_cores_for_the_numbered_chapters(
    seconds, status, monkeypatch, tmp_path
):
    costs = row("01_background", 0.0, seconds) | {"import_wall": 1.0, "import_by_package": {}}
    costs["loaded_and_unnamed"] = []
    monkeypatch.setattr(notebooks, "chosen", lambda names: ["01_background"])
    monkeypatch.setattr(notebooks, "measured", lambda name, imports_only: costs)
    monkeypatch.setattr(notebooks.machine, "commit", lambda: "0123456789ab")
    assert notebooks.main(["--output", str(tmp_path)]) == status
    assert len(list(tmp_path.rglob("speed_notebooks.json"))) == 1


def test_an_unknown_notebook_is_refused_with_those_there_are(capsys):
    assert notebooks.main(["99_nothing"]) == 2
    assert "no notebook begins with '99_nothing'; there are 01_background" in capsys.readouterr().err
