"""What newcomers and publishers meet first: environments, `make`, limits of time, what a failure says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tools import address, environment, home, lab, patience, project, publish, run_tests, website
from tools.web import settings

ROOT = project.ROOT
NAMES = (
    "pyproject.toml",
    "_config.yml",
    "CITATION.cff",
    "README.md",
    "CONTRIBUTING.md",
    "PUBLISHING.md",
    "CHANGELOG.md",
)
MINE = "https://github.com/somebody/my-resnets"
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def change(path: Path, old: str, new: str) -> None:
    """Put ``new`` for ``old`` in a file that has it."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def unpublished(tmp_path):
    """The files that name the address or the authors, as they are before anybody has published the book."""
    for name in NAMES:
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "book").mkdir()
    shutil.copy(ROOT / "book" / "01_background.ipynb", tmp_path / "book")
    for path in [*address.derived_files(tmp_path), tmp_path / "pyproject.toml"]:
        text = path.read_text(encoding="utf-8")
        slug = address.slug(project.address())
        path.write_text(text.replace(slug, f"{project.NO_OWNER}/resnet-from-zero"), encoding="utf-8")
    return tmp_path


def set_address(root: Path, url: str) -> None:
    """As a publisher does it: one line of pyproject.toml, without `make address`."""
    change(root / "pyproject.toml", project.address(root), url)


# publishing


def test_an_address_that_nobody_has_set_must_be_set_first(unpublished):
    (line,) = publish.must(unpublished)
    assert "placeholder" in line
    assert "make address" in line
    assert not project.is_published(unpublished)


def test_an_address_that_has_not_arrived_everywhere_is_noticed(unpublished):
    set_address(unpublished, MINE)
    (line,) = publish.must(unpublished)
    assert all(name in line for name in ("README.md", "_config.yml", "CITATION.cff", "01_background.ipynb"))
    address.rewrite(unpublished)
    assert publish.must(unpublished) == []
    assert project.is_published(unpublished)


def test_the_address_of_another_repository_is_noticed(unpublished):
    set_address(unpublished, MINE)
    address.rewrite(unpublished)
    assert publish.must(unpublished, repository="Somebody/my-resnets") == []  # GitHub does not mind the case
    (line,) = publish.must(unpublished, repository="fork/my-resnets")
    assert "somebody/my-resnets" in line
    assert "fork/my-resnets" in line


def test_an_address_of_another_form_is_told_as_such(unpublished):
    set_address(unpublished, MINE + ".git")
    (line,) = publish.must(unpublished)
    assert "without .git" in line


def test_what_a_citation_lacks_is_named_until_it_is_there(unpublished):
    assert [line.split()[0] for line in publish.should(unpublished)] == [
        "No",
        *["CITATION.cff"] * 2,
        "CHANGELOG.md",
    ]
    for name in publish.NAMING_AUTHORS:
        change(unpublished / name, publish.SOME_AUTHORS, "Ada Lovelace")
    change(
        unpublished / "CITATION.cff", "license:", "doi: 10.5281/zenodo.1\ndate-released: 2026-12-01\nlicense:"
    )
    change(unpublished / "CHANGELOG.md", "not yet released", "2026-12-01")
    assert publish.should(unpublished) == []


def test_a_site_without_an_address_has_no_buttons_that_lead_nowhere(unpublished):
    config = settings.configuration(unpublished)
    assert not config["html"]["use_repository_button"]
    assert not config["html"]["use_issues_button"]
    set_address(unpublished, MINE)
    config = settings.configuration(unpublished)
    assert config["html"]["use_repository_button"]


def test_a_link_to_no_address_is_noticed(tmp_path):
    (tmp_path / "good.html").write_text(f"<p>{project.NO_OWNER}</p>", encoding="utf-8")
    assert website.dead_links(tmp_path) == []
    link = f'<a href="https://github.com/{project.NO_OWNER}/x">'
    (tmp_path / "bad.html").write_text(link, encoding="utf-8")
    assert website.dead_links(tmp_path) == ["bad.html"]


@pytest.mark.parametrize("tool", [["address.py", "--check"], ["publish.py"]], ids=lambda tool: tool[0])
def test_a_bare_python_is_enough_to(tool):
    """-I -S: no package that anybody has installed."""
    command = [sys.executable, "-I", "-S", str(ROOT / "tools" / tool[0]), *tool[1:]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert project.address() in done.stdout


# make


@needs_make
@pytest.mark.parametrize(
    ("verb", "kinds"),
    [("address", []), ("publish-check", []), ("lint", ["lint"]), ("format", ["lint"]), ("book", ["site"]),
     ("test", ["full"]), ("test-lowest", ["lowest"]), ("test-keras", ["keras"]), ("determinism", ["full"])],
)  # fmt: skip
def test_a_verb_asks_for_no_larger_environment_than_it_needs(tmp_path, verb, kinds):
    shutil.copy(ROOT / "Makefile", tmp_path)
    done = subprocess.run(["make", "-n", verb], cwd=tmp_path, capture_output=True, text=True, check=True)
    asked = [line.split()[-1] for line in done.stdout.splitlines() if "tools/environment.py" in line]
    assert asked == kinds


@needs_make
def test_lint_takes_the_full_environment_where_it_is_there(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / ".ready").touch()
    done = subprocess.run(["make", "-n", "lint"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "tools/environment.py full" in done.stdout
    assert ".venv/bin/python tools/run_tests.py lint" in done.stdout


@needs_make
def test_names_and_options_reach_the_programs(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    command = [
        "make",
        "-n",
        "test",
        "lab",
        "NAMES=03 05_fine_tuning/using_it",
        "OPTIONS=--allow-root --port=1",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "run_tests.py --names 03 05_fine_tuning/using_it\n" in done.stdout
    assert "lab.py --allow-root --port=1\n" in done.stdout


def test_root_is_told_how_to_start_the_lab():
    assert "make lab OPTIONS=--allow-root" in lab.refusal([], 0)
    assert lab.refusal(["--allow-root"], 0) is None
    assert lab.refusal([], 1000) is None
    assert lab.refusal([], None) is None  # Windows has no such user


# environments

ASK = "import sys; from tools import environment; environment.probe(sys.executable)"


def test_without_a_network_the_question_is_whether_there_is_one(tmp_path):
    closed = "http://127.0.0.1:9/simple"  # nobody listens on this port
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    variables |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": closed, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", ASK]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Is there a network?" in done.stderr
    assert "HTTPS_PROXY" in done.stderr


def test_an_index_that_answers_is_a_network(tmp_path):
    """A folder of packages stands in for the index, as on machines that have only that."""
    with zipfile.ZipFile(tmp_path / "tqdm-9.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tqdm-9.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tqdm\nVersion: 9.0\n")
        wheel.writestr(
            "tqdm-9.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("tqdm-9.0.dist-info/RECORD", "")
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    variables |= {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    variables["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-c", ASK]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_conflict_for_want_of_a_network_is_told_as_what_it_is(capsys):
    broken = "WARNING: Retrying after connection broken by 'NameResolutionError'\nERROR: ResolutionImpossible"
    with pytest.raises(SystemExit, match="Is there a network"):
        environment.ask_for_a_network(broken)
    environment.ask_for_a_network("ERROR: ResolutionImpossible: torch 2.8 wants another numpy")  # a real one


def test_the_lowest_versions_are_refused_where_nobody_has_built_them():
    code = (
        "import runpy, sys; sys.version_info = (3, 13, 0, 'final', 0); "
        "sys.argv = ['environment.py', 'lowest']; "
        "runpy.run_path('tools/environment.py', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "make PYTHON=python3.11 test-lowest" in done.stderr


def test_a_folder_that_is_not_there_yet_lies_on_the_disk_of_its_parent(tmp_path):
    assert environment.disk(str(tmp_path / "a" / "b")) == os.stat(tmp_path).st_dev


@pytest.mark.parametrize(("same", "expected"), [(True, None), (False, "copy")])
def test_files_are_linked_on_one_disk_and_copied_aloud_between_two(monkeypatch, capsys, same, expected):
    monkeypatch.delenv("UV_LINK_MODE", raising=False)
    monkeypatch.setattr(environment, "heard", lambda *command: (True, "cache"))
    monkeypatch.setattr(environment, "disk", lambda path: 1 if same or path == "cache" else 2)
    environment.link_or_copy("python", "6 GB")
    assert os.environ.pop("UV_LINK_MODE", None) == expected
    assert ("a second time" in capsys.readouterr().out) == (not same)


# a home that cannot be written

IMPORT = "import matplotlib.pyplot"


@pytest.mark.parametrize("provided", [False, True])
def test_matplotlib_is_silent_in_a_home_that_cannot_be_written(tmp_path, provided):
    """A file in place of the folder: nothing can be made in it, not even by root."""
    (tmp_path / "file").touch()
    gone = ("MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
    variables = {name: value for name, value in os.environ.items() if name not in gone}
    variables |= {"HOME": str(tmp_path / "file"), "PYTHONPATH": str(ROOT)}
    inner = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {IMPORT!r}], check=True)"
    code = f"from tools import home; home.provide(); {inner}" if provided else inner
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True
    )
    assert ("temporary" in done.stderr) == (not provided), done.stderr
    assert ("is the home folder here" in done.stderr) == provided


def test_a_home_that_can_be_written_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("USERPROFILE" if os.name == "nt" else "HOME", str(tmp_path))
    assert home.provide() is None
    assert not list(tmp_path.iterdir())


def test_the_list_of_fonts_is_made_before_a_notebook_waits_for_it(tmp_path, monkeypatch):
    """Matplotlib tells those who wait for more than five seconds, on the error stream."""
    for name in ("MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("USERPROFILE" if os.name == "nt" else "HOME", str(tmp_path))
    home.list_fonts()
    (made,) = tmp_path.rglob("fontlist*.json")
    assert "DejaVu Sans" in made.read_text(encoding="utf-8")


# limits of time


@pytest.mark.parametrize(("text", "expected"), [(None, 600), ("", 600), ("5", 3000), ("0.5", 300)])
def test_every_limit_follows_one_variable(monkeypatch, text, expected):
    monkeypatch.delenv(patience.VARIABLE, raising=False)
    if text is not None:
        monkeypatch.setenv(patience.VARIABLE, text)
    assert patience.seconds(600) == expected


@pytest.mark.parametrize("text", ["0", "-1", "five", "nan", "inf"])
def test_a_factor_that_is_none_is_refused(monkeypatch, text):
    monkeypatch.setenv(patience.VARIABLE, text)
    with pytest.raises(
        ValueError, match=f"BOOK_TIMEOUT_FACTOR must be a positive number such as 5, got '{text}'"
    ):
        patience.seconds(600)


@pytest.mark.parametrize("deaths", [0, 1, 2])
def test_a_kernel_that_dies_at_its_start_is_started_again(deaths):
    calls = []

    def start(name, *, cwd):
        calls.append((name, cwd))
        if len(calls) <= deaths:
            raise RuntimeError("Kernel died before replying to kernel_info")
        return "running"

    assert patience.started_again(start)("python3", cwd="here") == "running"
    assert calls == [("python3", "here")] * (deaths + 1)


def test_a_kernel_that_never_starts_is_given_up_and_says_why():
    calls = []

    def start():
        calls.append(1)
        raise RuntimeError("Kernel died")

    with pytest.raises(RuntimeError, match="Kernel died"):
        patience.started_again(start)()
    assert len(calls) == 3


# what is said at the end

PYTEST_SAID = """
FAILED tests/models/test_blocks.py::test_a[1-2] - AssertionError: assert 3 == 4
ERROR tests/files/test_atomic.py::test_b
==== 1 failed, 7 passed, 1 error in 2.00s ====
"""
CELLS_SAID = """
book/03_building_blocks.ipynb: 1 of 3 passed in 4 s  <- NOT ALL
FAILED book/03_building_blocks.ipynb In [2]: ZeroDivisionError: division by zero
FAILED book/03_building_blocks.ipynb::Cell 1
==== 1 failed, 1 passed, 1 xfailed in 4.00s ====
"""


def saying(text: str) -> list[str]:
    """A command that prints ``text`` and fails."""
    return [sys.executable, "-c", f"print({text!r}); raise SystemExit(1)"]


def test_the_summary_names_failed_tests_and_the_command_for_just_those(capsys):
    result = run_tests.tests("tests", saying(PYTEST_SAID), minutes=3)
    assert run_tests.report([result]) == 1
    said = capsys.readouterr().out
    assert "##### tests (about 3 min on two idle cores)" in said
    summary = said.partition("##### summary")[2]
    assert "- tests/models/test_blocks.py::test_a[1-2] - AssertionError: assert 3 == 4" in summary
    assert (
        "-m pytest 'tests/models/test_blocks.py::test_a[1-2]' tests/files/test_atomic.py::test_b" in summary
    )


def test_the_summary_names_a_failed_cell_as_jupyter_does_and_its_notebook(capsys, monkeypatch):
    monkeypatch.setattr(run_tests, "PYTEST", saying(CELLS_SAID))
    monkeypatch.setattr(run_tests, "NBVAL", [])
    result = run_tests.notebooks("notebooks", {run_tests.DATA: None}, ["03"])
    assert run_tests.report([result]) == 1
    summary = capsys.readouterr().out.partition("##### summary")[2]
    assert "- book/03_building_blocks.ipynb In [2]: ZeroDivisionError: division by zero\n" in summary
    assert "Cell 1" not in summary
    assert "again: RESNET_BOOK_DATA= make test NAMES=03_building_blocks\n" in summary


def test_many_failures_are_counted_and_not_all_named(capsys):
    many = "\n".join(f"FAILED tests/test_x.py::test_{n} - no" for n in range(119))
    run_tests.report([run_tests.tests("tests", saying(many), minutes=1)])
    summary = capsys.readouterr().out.partition("##### summary")[2]
    assert summary.count("- tests/test_x.py") == run_tests.MOST_NAMED
    assert f"and {119 - run_tests.MOST_NAMED} more" in summary
    assert summary.rstrip().endswith("-m pytest tests/test_x.py") or "-m pytest tests/test_x.py\n" in summary


@pytest.mark.parametrize("published", [True, False])
def test_the_summary_says_that_the_address_is_not_set(capsys, monkeypatch, published):
    monkeypatch.setattr(project, "is_published", lambda: published)
    assert run_tests.report([run_tests.Result("tests", True, "2 passed")]) == 0
    assert ("address of the book is not set" in capsys.readouterr().out) == (not published)


def test_a_name_that_no_notebook_has_is_refused():
    with pytest.raises(SystemExit, match="no notebook begins with 99"):
        run_tests.notebooks("notebooks", {}, ["99"])


def test_without_an_extra_the_notebooks_that_want_it_are_left_out_with_a_line(capsys, monkeypatch):
    commands = []

    def noted(title, command, *rest, **more):
        commands.append(command)
        return run_tests.Result(title, True, "")

    monkeypatch.setattr(run_tests.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(run_tests, "run", noted)
    run_tests.notebooks("notebooks", {}, [])
    said = capsys.readouterr().out
    assert "left out for want of keras (pip install keras): 07_other_frameworks, 07_other" in said
    assert "left out for want of pycocotools (pip install pycocotools): 06_beyond_classification, 06" in said
    assert {"book/05_fine_tuning.ipynb", "book/06_beyond_classification/signals.ipynb"} <= set(commands[0])
    assert "book/06_beyond_classification.ipynb" not in commands[0]
    assert not [part for part in commands[0] if "07_other" in part]
