"""The bugs that are written down fit the code, and the program that plants them finds what can be found."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from collections import Counter

import pytest

from tools import mutants, patience, project
from tools.mutation import bugs, tests

LISTED = tomllib.loads((project.ROOT / bugs.LIST).read_text(encoding="utf-8"))
WRITTEN = [(file, what, *texts) for file, entries in LISTED.items() for what, texts in entries.items()]
NO_CODE = {"resnet_utils/runtime/types.py", "resnet_utils/reporting/roles.py"}  # names and colours
LEAST = 200


@pytest.mark.parametrize("file", LISTED)
def test_each_bug_changes_a_text_that_stands_once_in_its_file(file):
    text = (project.ROOT / file).read_text(encoding="utf-8")
    counts = {what: text.count(before) for what, (before, _) in LISTED[file].items()}
    assert {what: count for what, count in counts.items() if count != 1} == {}


@pytest.mark.parametrize("file", LISTED)
def test_each_bug_makes_another_program_that_compiles(file):
    text = (project.ROOT / file).read_text(encoding="utf-8")
    usual = ast.dump(ast.parse(text))
    for before, after in LISTED[file].values():
        assert ast.dump(ast.parse(text.replace(before, after))) != usual


def test_no_bug_is_written_down_twice():
    counts = Counter((file, *texts) for file, _, *texts in WRITTEN)
    assert not [bug for bug, count in counts.items() if count > 1]


def test_there_are_bugs_for_every_module():
    modules = {
        path.relative_to(project.ROOT).as_posix()
        for path in (project.ROOT / "resnet_utils").rglob("*.py")
        if path.name != "__init__.py" and path.parent.name != "exercises"
    }
    assert modules - LISTED.keys() <= NO_CODE
    assert len(WRITTEN) >= LEAST


def test_a_text_that_has_changed_stops_the_list_by_name(tmp_path):
    (tmp_path / "tests" / "house").mkdir(parents=True)
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / bugs.LIST).write_text('["a.py"]\n"the wrong number" = ["x = 2", "x = 3"]\n')
    with pytest.raises(ValueError, match=r"a\.py has 0 times what 'the wrong number' changes: 'x = 2'"):
        bugs.written(tmp_path)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def f(x: int | None) -> str | None:\n    return x + 1", ["int | None", "str | None"]),
        ("raise ValueError(1 + 1)", ["raise ValueError(1 + 1)"]),
        ("x = f'{1 + 1}'", ["f'{1 + 1}'"]),
        ("assert x > 1, 2 + 2", ["2 + 2"]),
        ("runtime.note(1 + 1)", ["runtime.note(1 + 1)"]),
        ("Device = torch.device | str", ["Device = torch.device | str"]),
        ("LIMIT = 2**30", []),
    ],
)
def test_messages_and_types_are_words_and_the_rest_is_code(code, words):
    lines = code.split("\n")
    spans = list(bugs.in_words(ast.parse(code)))
    assert sorted(lines[begin[0] - 1][begin[1] : end[1]] for begin, end in spans) == sorted(words)


def test_the_lines_of_a_bug_are_those_of_its_statement_and_of_the_function_around():
    text = "def f(\n    x,\n    y=1,\n):\n    z = (\n        x\n        + y\n    )\n    return z\n"
    assert tests.lines_of(text, 7, 7) == ({5, 6, 7, 8}, {5, 6, 7, 8, 9})
    assert tests.lines_of(text, 3, 3) == ({1, 2, 3, 4}, {5, 6, 7, 8, 9})


@pytest.mark.parametrize(
    ("file", "own"),
    [
        ("resnet_utils/models/blocks.py", "tests/models/test_blocks.py"),
        ("resnet_utils/__main__.py", "tests/test_command.py"),
        ("resnet_utils/evaluation/selective.py", "tests/evaluation/test_calibration.py"),
        ("tools/patience.py", "tests/house/test_setting_up.py"),
        ("tools/home.py", ""),
    ],
)
def test_a_module_has_the_tests_of_its_own_name(file, own):
    assert tests.mirrored(file) == own


def test_whatever_tells_of_a_module_is_there_and_so_is_the_module():
    named = {*tests.TOLD_BY, *tests.TOLD_BY.values()}
    assert not [file for file in named if not (project.ROOT / file).exists()]


def test_tests_that_mention_what_a_line_is_in_come_first_and_none_is_left_out():
    module = (
        "LIMIT = 3\n\n\ndef _inner(x):\n    return x + LIMIT\n\n\n"
        "def outer(x):\n    return _inner(x)\n\n\ndef other():\n    pass\n"
    )
    told = (
        "def helped():\n    return m.outer(1)\n\n\ndef test_a():\n    m.other()\n\n\n"
        "def test_b():\n    helped()\n\n\ndef test_c(helped):\n    pass\n\n\ndef test_d():\n    m._inner(2)\n"
    )
    assert tests.by_mention(told, module, 5) == ["test_d", "test_b", "test_c", "test_a"]
    assert tests.by_mention(told, module, 1) == ["test_d", "test_b", "test_c", "test_a"]
    assert tests.by_mention(told, module, 13)[0] == "test_a"


def test_others_that_reach_a_module_come_by_wing_and_exercises_last():
    found = tests.others("resnet_utils/models/initialization.py")
    wing = [place for place, file in enumerate(found) if file.startswith("tests/models/")]
    exercises = [place for place, file in enumerate(found) if file.startswith("tests/exercises/")]
    assert 0 in wing
    assert max(wing) < len(found) - len(exercises) == min(exercises)
    assert "tests/models/test_initialization.py" not in found


def test_a_chapter_reaches_the_modules_that_it_imports():
    near = [name for name, _ in tests.notebooks("resnet_utils/data/torchvision_v2.py")]
    assert len(near) > 0
    assert all((project.ROOT / name).exists() for name in near)


@pytest.mark.skipif(importlib.util.find_spec("cosmic_ray") is None, reason="cosmic-ray is not installed")
def test_mechanical_bugs_are_drawn_by_their_seed_and_compile():
    files = ["resnet_utils/models/blocks.py", "resnet_utils/evaluation/metrics.py"]
    first, again, other = (bugs.mechanical(files, 20, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    for bug in first:
        compile(bug.text, bug.file, "exec")


@pytest.mark.parametrize("count", [3, 40, 300])
def test_a_draw_has_a_bug_of_each_file_before_it_has_a_second_of_one(count):
    listed = bugs.written()
    drawn, files = mutants.spread(listed, count, seed=0), {bug.file for bug in listed}
    assert len(drawn) == len(set(map(mutants.key, drawn))) == count
    assert len({bug.file for bug in drawn}) == min(count, len(files))
    assert drawn == mutants.spread(listed, count, seed=0) != mutants.spread(listed, count, seed=1)
    assert [listed.index(bug) for bug in drawn] == sorted(listed.index(bug) for bug in drawn)


def test_an_unknown_module_is_refused_by_name():
    with pytest.raises(SystemExit, match=r"no module begins with models/bricks; there are: .*models/blocks"):
        mutants.main(["models/bricks", "--list"])


def a_row(what, by):
    """What is noted of a bug."""
    bug = bugs.Bug("a.py", 7, 7, what, bugs.WRITTEN, "")
    return mutants.row(bug, mutants.trial.Found(by, "", 1, 2.0))


def test_the_score_counts_bugs_and_names_those_that_lived(capsys):
    found, lived = [a_row("wrong sign", "a test")] * 97, a_row("off by one", "")
    assert mutants.report([*found, lived, lived, lived]) == 0
    assert mutants.report([*found, lived, lived, lived, lived]) == 1
    assert capsys.readouterr().out.splitlines()[:3] == ["LIVED a.py:7 off by one"] * 3


CODE = """
def total(values):
    found = 0
    while values:
        found += values.pop()
    return found


def name():
    return "total"
"""
TESTS = """
import sums


def test_a_total():
    assert sums.total([1, 2]) == 3
"""
TRY = """
import json, sys
from pathlib import Path
from tools.mutation import bugs, fork, trial

root, folder = map(Path, sys.argv[1:])
fork.HEAVY, trial.LEAST = ("pytest", "torch"), 2
fork.warm()
ground = trial.Ground(folder / "copy", folder, budget=9, chapters=0, covers=trial.COVERS, root=root)
said = {}
for bug in bugs.written(root):
    said[bug.what] = ground.look(bug, near=True).by
print(json.dumps(said))
one, two = (place / "resnet_utils" / "sums.py" for place in (root, folder / "copy"))
print(one.read_text() == two.read_text())
"""


@pytest.fixture
def small(tmp_path):
    """A project of one module, one test and three bugs."""
    root = tmp_path / "root"
    (root / "resnet_utils").mkdir(parents=True)
    (root / "tests" / "house").mkdir(parents=True)
    (root / "resnet_utils" / "__init__.py").touch()
    (root / "resnet_utils" / "sums.py").write_text(CODE)
    (root / "tests" / "test_sums.py").write_text(TESTS.replace("import", "from resnet_utils import"))
    (root / bugs.LIST).write_text(
        '["resnet_utils/sums.py"]\n"wrong sign" = ["found +=", "found -="]\n'
        '"no end" = ["values.pop()", "0 * sum(values)"]\n'
        '"untested" = [\'return "total"\', \'return ""\']\n'
    )
    return root


def trying(root, folder):
    return subprocess.run(
        [sys.executable, "-c", TRY, str(root), str(folder)],
        cwd=project.ROOT, capture_output=True, text=True, timeout=patience.seconds(600),
        env=os.environ | {"PYTHONPATH": str(project.ROOT)},
    )  # fmt: skip


def test_a_bug_is_found_by_a_test_or_by_its_time_or_lives_and_the_file_is_put_back(small, tmp_path):
    done = trying(small, tmp_path)
    assert done.returncode == 0, done.stderr
    said, same = done.stdout.splitlines()
    test = "tests/test_sums.py::test_a_total"
    assert json.loads(said) == {"wrong sign": test, "no end": "time", "untested": ""}
    assert same == "True"


def test_nothing_is_planted_where_a_test_is_red_already(small, tmp_path):
    (small / "tests" / "test_sums.py").write_text("def test_a_total():\n    assert 1 == 2\n")
    done = trying(small, tmp_path)
    assert done.returncode == 1
    assert "red without any bug: tests/test_sums.py::test_a_total" in done.stderr
