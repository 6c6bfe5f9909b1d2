"""The matrix of `make determinism`: settings are really had, differences found, draws can be repeated."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tools import determinism, notebooks, project

AXES = determinism.AXES
NAMES = [f"0{n}" for n in range(9)]
ODD = tuple(axis[-1] for axis in AXES.values())  # of everything the strangest


def machine(folder):
    """A machine that has everything; nothing is prepared."""
    return determinism.Machine(Path(folder))


def test_what_the_book_promises_to_be_independent_of_is_in_the_matrix():
    variables = {name for axis in AXES.values() for setting in axis for name in setting.variables}
    assert variables >= {
        *("OMP_NUM_THREADS", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "PYTHONHASHSEED", "LC_ALL", "TZ")
    }
    needs = {setting.needs for axis in AXES.values() for setting in axis}
    assert needs >= {"C", "de_DE.UTF-8", "tr_TR.UTF-8", "place", "home", "network", "fonts"}
    assert any("set_start_method('spawn'" in setting.startup for setting in AXES["workers"])


def test_the_same_seed_draws_the_same_and_another_something_else(tmp_path):
    drawn = [determinism.sample(NAMES, machine(tmp_path), 12, seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_in_a_sample_every_notebook_and_every_setting_has_its_turn(tmp_path):
    plan = determinism.sample(NAMES, machine(tmp_path), 36, seed=3)
    assert set(Counter(one.notebook for one in plan).values()) == {4}
    for place, axis in enumerate(AXES.values()):
        counts = Counter(one.settings[place].name for one in plan)
        assert set(counts) == {setting.name for setting in axis}
        assert set(counts.values()) == {36 // len(axis)}


def test_the_whole_is_each_notebook_under_each_setting_by_itself(tmp_path):
    plan = determinism.everything(NAMES, machine(tmp_path))
    unusual = sum(len(axis) - 1 for axis in AXES.values())
    assert len(plan) == len(NAMES) * (unusual + 1)
    usual = [axis[0] for axis in AXES.values()]
    assert {sum(a != b for a, b in zip(one.settings, usual, strict=True)) for one in plan} == {0, 1}
    assert len({(one.notebook, *(setting.name for setting in one.settings)) for one in plan}) == len(plan)


def test_what_a_machine_has_not_is_not_drawn(tmp_path):
    without = determinism.Machine(tmp_path, missing={"tr_TR.UTF-8": "", "network": ""})
    for plan in (determinism.sample(NAMES, without, 36, seed=0), determinism.everything(NAMES, without)):
        names = {setting.name for one in plan for setting in one.settings}
        assert "language de_DE.UTF-8" in names
        assert not names & {"language tr_TR.UTF-8", "no network"}


def test_a_locale_that_is_nowhere_is_left_out_in_words(tmp_path):
    here = determinism.Machine(tmp_path)
    here.find_locale("xx_XX.UTF-8")
    assert "xx_XX.UTF-8 is not installed" in here.missing["xx_XX.UTF-8"]
    assert "apt install locales" in here.missing["xx_XX.UTF-8"]
    assert here.locales == {}


def test_a_list_runs_nothing_and_says_the_seed_and_how_long(capsys, monkeypatch):
    monkeypatch.setattr(
        determinism.Machine, "prepared", classmethod(lambda cls, folder, settings: cls(folder))
    )
    monkeypatch.setattr(determinism, "execute", None)
    assert determinism.main(["--list", "--seed", "5", "--executions", "3", "01_background"]) == 0
    said = capsys.readouterr().out
    assert "3 executions, drawn with --seed 5, " in said
    assert len(re.findall(r"^ +\d 01_background", said, re.MULTILINE)) == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["99"], "no notebook begins with 99"),
        (["--executions", "0"], "must be 1 or more"),
        (["--workers", "0"], "must be 1 or more"),
        (["--only", "13", "--list"], "--only must be one of 1 to 12, got 13"),
    ],
)
def test_what_cannot_be_run_is_refused_in_words(monkeypatch, options, words):
    monkeypatch.setattr(
        determinism.Machine, "prepared", classmethod(lambda cls, folder, settings: cls(folder))
    )
    with pytest.raises(SystemExit, match=re.escape(words)):
        determinism.main(options)


def test_a_record_is_not_made_from_a_tree_with_changes(monkeypatch):
    monkeypatch.setattr(determinism, "commit", lambda: "abc+")
    with pytest.raises(SystemExit, match="commit first"):
        determinism.main(["--record"])


# really run, on a notebook of one cell

TELLING = """import locale, multiprocessing, os, socket, time
from pathlib import Path
from matplotlib import font_manager

own = Path(font_manager.__file__).parent
assert all(own in Path(font.fname).parents for font in font_manager.fontManager.ttflist), "fonts"
assert multiprocessing.get_start_method() == "spawn"
assert time.tzname[0] == "+14"
assert locale.str(0.5) in {"0,5", "0.5"} and locale.setlocale(locale.LC_ALL).startswith(os.environ["LC_ALL"])
assert Path.cwd().parent.name.endswith("路径 und Größe")
try:
    socket.create_connection(("192.0.2.1", 80), timeout=5).close()
    raise AssertionError("there is a network")
except OSError as error:
    assert error.errno == 101, error
print("done")"""
MOODY = "import time\nprint(time.tzname[0] == 'UTC')"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """This machine with everything that it can have; three small notebooks are in its copy of the project."""
    here = determinism.Machine.prepared(
        tmp_path_factory.mktemp("elsewhere"), [setting for axis in AXES.values() for setting in axis]
    )
    for name, source, said in (("telling", TELLING, "done"), ("moody", MOODY, "True")):
        cell = new_code_cell(
            source, execution_count=1, outputs=[new_output("stream", name="stdout", text=f"{said}\n")]
        )
        notebook = new_notebook(cells=[cell], metadata=notebooks.METADATA)
        nbformat.write(notebook, here.folder / determinism.ELSEWHERE / "book" / f"{name}.ipynb")
    return here


def settings(here):
    """The strangest of everything that this machine has, and its copy of the project."""
    return tuple([setting for setting in axis if here.has(setting)][-1] for axis in AXES.values())


@pytest.mark.parametrize("shut", ["by the system", "in the kernel"])
def test_every_setting_is_really_had(prepared, monkeypatch, shut):
    if shut == "in the kernel":
        monkeypatch.setattr(prepared, "network", [])
    elif not prepared.network:
        pytest.skip("this system lets us make no network namespace")
    found = determinism.execute(determinism.Execution("telling", settings(prepared)), prepared)
    assert found.differed == []
    assert found.cells == 1
    assert found.settings == [setting.name for setting in settings(prepared)]


def test_an_output_that_differs_is_found_and_named(prepared):
    found = determinism.execute(determinism.Execution("moody", settings(prepared)), prepared)
    (line,) = found.differed
    assert line.startswith("In [1]: Cell outputs differ")
    kept = determinism.record([found], prepared, "python tools/determinism.py", 1.6, "abc")
    assert (kept["executions"], kept["differed"], kept["seconds"]) == (1, 1, 2)
    assert kept["rows"][0]["differed"] == [line]


def test_a_run_that_never_began_is_no_success(prepared):
    done = subprocess.CompletedProcess([], 4, stdout="", stderr="ERROR: file not found\n")
    found = determinism.outcome(determinism.Execution("x", ODD), done, 1)
    assert found.differed == ["the run ended with 4: ERROR: file not found"]
    assert found.cells == 0


def test_a_cell_that_was_left_out_is_no_success():
    done = subprocess.CompletedProcess([], 0, stdout="book/x.ipynb: 1 of 2 passed in 1 s\n", stderr="")
    assert determinism.outcome(determinism.Execution("x", ODD), done, 1).differed


# the record

RECORD = project.BOOK / determinism.RECORD


@pytest.mark.skipif(not RECORD.exists(), reason="not recorded yet: python tools/determinism.py --record")
def test_the_record_says_how_many_were_run_and_that_none_differed():
    kept = json.loads(RECORD.read_text(encoding="utf-8"))
    assert kept["executions"] == len(kept["rows"]) >= 60
    assert kept["differed"] == sum(bool(row["differed"]) for row in kept["rows"]) == 0
    assert re.fullmatch(r"[0-9a-f]{7,40}", kept["commit"])
    assert kept["command"].startswith("python tools/determinism.py ")
    assert "--seed" in kept["command"] or "--all" in kept["command"]
    names = {path.relative_to(project.BOOK).with_suffix("").as_posix() for path in project.executed()}
    assert {row["notebook"] for row in kept["rows"]} <= names
