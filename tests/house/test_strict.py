"""A warning in a notebook's kernel is an error, with the exceptions that the tests have and no others."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook

from tools import notebooks, project, strict

FILTERS = tomllib.loads((project.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"][
    "ini_options"
]["filterwarnings"]
# A library that is deprecated deep inside: Python itself would say nothing of it.
OLD = "exec(compile(\"import warnings; warnings.warn('{}', {})\", 'x.py', 'exec'), {{'__name__': 'x'}})"
GONE = OLD.format("this goes soon", "DeprecationWarning")
EXCEPTION = OLD.format("__array__ implementation doesn" + r"\\'" + "t accept a copy", "DeprecationWarning")


def after_start_up(code: str) -> subprocess.CompletedProcess:
    """What becomes of ``code`` after the start-up file, in a Python of its own."""
    command = [sys.executable, "-c", strict.startup() + code]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_an_old_way_is_an_error_after_the_start_up():
    assert subprocess.run([sys.executable, "-c", GONE], capture_output=True, check=True).stderr == b""
    done = after_start_up(GONE)
    assert done.returncode == 1
    assert "DeprecationWarning: this goes soon" in done.stderr


def test_an_exception_of_the_tests_is_one_here_too():
    done = after_start_up(EXCEPTION)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_machinery_of_the_kernel_may_warn():
    done = after_start_up(GONE.replace("'__name__': 'x'", "'__name__': 'ipykernel.kernelbase'"))
    assert done.returncode == 0
    assert "this goes soon" in done.stderr


def test_the_start_up_leaves_no_name_behind():
    assert after_start_up("print(sorted(n for n in dir() if n[0] != '_'))").stdout == "[]\n"


def test_every_exception_has_its_reason_beside_it():
    text = (project.ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lines = text.partition("filterwarnings = [")[2].partition("]")[0].strip().splitlines()
    assert lines[0].strip() == '"error",'
    assert len(lines) == len(FILTERS)
    assert all("  # " in line for line in lines[1:])
    assert strict.filters() == FILTERS


@pytest.mark.parametrize("lines", ["[]", '["ignore::DeprecationWarning"]'])
def test_a_project_without_strictness_is_refused(tmp_path, lines):
    (tmp_path / "pyproject.toml").write_text(f"[tool.pytest.ini_options]\nfilterwarnings = {lines}\n")
    with pytest.raises(ValueError, match='must begin with "error"'):
        strict.filters(tmp_path)


def test_a_category_that_would_need_an_import_is_refused():
    with pytest.raises(
        ValueError, match=r"one of Python's own, such as UserWarning, got 'torch\.jit\.TracerWarning'"
    ):
        strict.call("ignore::torch.jit.TracerWarning")


def test_a_folder_that_an_outer_program_made_is_kept_and_a_readers_is_not(tmp_path, monkeypatch):
    monkeypatch.setenv(strict.VARIABLE, str(tmp_path))  # a reader's own
    folder = strict.kernels()
    assert folder != tmp_path
    assert os.environ[strict.VARIABLE] == str(folder)
    assert strict.kernels() == folder
    assert list(tmp_path.iterdir()) == []


def one_cell(source: str) -> nbformat.NotebookNode:
    """A notebook of one cell."""
    return new_notebook(cells=[new_code_cell(source)], metadata=notebooks.METADATA)


def test_a_notebook_that_warns_is_not_made(tmp_path, monkeypatch):
    monkeypatch.delenv(strict.VARIABLE, raising=False)
    with pytest.raises(CellExecutionError) as caught:
        notebooks.execute(one_cell(GONE), Path(tmp_path))
    assert (caught.value.ename, caught.value.evalue) == ("DeprecationWarning", "this goes soon")
