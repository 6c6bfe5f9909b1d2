"""Tests of the tests: each fault, planted on purpose, must turn the run red.

The last part works on a copy of the package and of chapter 3, and runs the copy's cells with nbval.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from house import hygiene, supply
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import notebooks, project

INSTALL = project.FIRST_CELL.replace(project.PLACEHOLDER, "https://github.com/a/b")
OPENING = """# Trying

**After this chapter you can**

- try.

**Needs** nothing. **Uses** nothing. **To read** 1 minute. **Runs in** a second."""
EXERCISE = """```{{exercise-start}}
:label: {0}
```
How many?
```{{exercise-end}}
```

```{{solution-start}} {0}
```"""
CLOSING = "```{solution-end}\n```"


def code(source, *outputs, tags=()):
    """A code cell that was run."""
    return new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags)} if tags else {})


def said(text, name="stdout"):
    """What a cell printed."""
    return new_output("stream", name=name, text=text)


@pytest.fixture
def good():
    """A small chapter that keeps every rule."""
    picture = new_output("display_data", data={"image/png": "AAAA", "text/plain": "<Figure size 600x350>"})
    cells = [
        new_markdown_cell(OPENING),
        code(INSTALL, tags=["hide-input"]),
        code("from matplotlib import pyplot as plt", tags=["hide-input"]),
        new_markdown_cell("The curve rises."),
        code("plt.plot()", picture, said("one line, 3 points\n"), tags=["hide-input", "remove-stdout"]),
        *[code(f"print({i})", said(f"{i}\n")) for i in range(5)],
        code("print(seconds())", said("1.2\n"), tags=["nbval-ignore-output"]),
        code("assert seconds() > 0, 'time passes'"),
        new_markdown_cell("## Exercises\n\n" + EXERCISE.format("ex-a")),
        code("assert 1 + 1 == 2"),
        new_markdown_cell(CLOSING + "\n\n" + EXERCISE.format("ex-b")),
        code("assert 1 + 2 == 3"),
        new_markdown_cell(CLOSING + "\n\n## Summary\n\n- Done.\n\n## References\n\n- None."),
    ]
    cell_in(cells, "plt.plot").metadata["mystnb"] = {
        "figure": {"name": "fig-curve", "caption": "The curve rises."},
        "image": {"alt": "A line of three points."},
    }
    notebook = new_notebook(cells=cells, metadata=notebooks.METADATA)
    for count, cell in enumerate(hygiene.code_cells(notebook), start=1):
        cell.execution_count = count
    return notebook


def cell_in(cells, text):
    """The first of the cells whose source has ``text``."""
    return next(cell for cell in cells if text in cell.source)


def cell_with(notebook, text):
    """The first cell of a notebook whose source has ``text``."""
    return cell_in(notebook.cells, text)


def drawn(svg):
    """A fault in a drawn figure."""
    return lambda notebook: cell_with(notebook, "plt.plot").outputs[0].data.update({"image/svg+xml": svg})


def words_of_figure(kind, word, value):
    """A fault in the words of the figure."""
    return lambda notebook: cell_with(notebook, "plt.plot").metadata.mystnb[kind].update({word: value})


def replace(old, new):
    """A fault that changes the source of one cell."""

    def plant(notebook):
        cell = cell_with(notebook, old)
        cell.source = cell.source.replace(old, new)

    return plant


def tag(text, name):
    """A fault that tags one cell."""
    return lambda notebook: cell_with(notebook, text).metadata.update(tags=[name])


def print_too(text, name="stdout"):
    """A fault that makes one cell print something more."""
    return lambda notebook: cell_with(notebook, "print(3)").outputs.append(said(text, name))


def strip(notebook):
    """What many tools do before a commit: no outputs, no counts. nbval then passes whatever happens."""
    for cell in hygiene.code_cells(notebook):
        cell.outputs, cell.execution_count = [], None


FAULTS = {
    "stripped": (strip, "was_run_in_order"),
    "run out of order": (
        lambda nb: cell_with(nb, "plt.plot").update(execution_count=99),
        "was_run_in_order",
    ),
    "private kernel": (lambda nb: nb.metadata.kernelspec.update(name="my-env"), "has_plain_metadata"),
    "widget state": (lambda nb: nb.metadata.update(widgets={}), "has_plain_metadata"),
    "timings kept": (
        lambda nb: cell_with(nb, "plt.plot").metadata.update(execution={"a": 1}),
        "has_plain_metadata",
    ),
    "skipped": (tag("plt.plot", "nbval-skip"), "has_allowed_tags"),
    "skipped by comment": (replace("print(2)", "# NBVAL_SKIP\nprint(2)"), "has_allowed_tags"),
    "warning": (print_too("UserWarning", "stderr"), "has_clean_outputs"),
    "path": (print_too("saved to /opt/x.pt"), "has_clean_outputs"),
    "path on Windows": (print_too("C:\\Users\\me"), "has_clean_outputs"),
    "address": (print_too("<object at 0x7f03b5a6e3e0>"), "has_clean_outputs"),
    "time of day": (print_too("2026-01-31 12:00"), "has_clean_outputs"),
    "too much ignored": (tag("print(1)", "nbval-ignore-output"), "has_few_ignored_outputs"),
    "ignored, no assert": (
        replace("assert seconds() > 0, 'time passes'", "seconds()"),
        "has_few_ignored_outputs",
    ),
    "picture without digest": (
        lambda nb: cell_with(nb, "plt.plot").outputs.pop(),
        "has_text_beside_pictures",
    ),
    "digest ignored": (tag("plt.plot", "nbval-ignore-output"), "has_text_beside_pictures"),
    "picture without words": (lambda nb: nb.cells.pop(3), "has_prose_before_pictures"),
    "figure without a name": (words_of_figure("figure", "name", "curve"), "has_words_for_eye_and_ear"),
    "figure without a caption": (words_of_figure("figure", "caption", ""), "has_words_for_eye_and_ear"),
    "alt text that is the caption": (
        words_of_figure("image", "alt", "The curve rises."),
        "has_words_for_eye_and_ear",
    ),
    "alt text that says what may be": (
        words_of_figure("image", "alt", "A line that may rise."),
        "has_words_for_eye_and_ear",
    ),
    "alt text with markup": (words_of_figure("image", "alt", "A line of $n$."), "has_words_for_eye_and_ear"),
    "caption in the prose": (
        replace("The curve rises.", "**Figure.** It rises."),
        "has_words_for_eye_and_ear",
    ),
    "words without a figure": (
        lambda nb: cell_with(nb, "print(2)").metadata.update(mystnb={"image": {"alt": "A line."}}),
        "has_words_for_eye_and_ear",
    ),
    "digest on the page": (tag("plt.plot", "hide-input"), "has_digests_off_the_page"),
    "result off the page": (tag("print(2)", "remove-stdout"), "has_digests_off_the_page"),
    "more than the digest off the page": (
        replace("plt.plot()", "plt.plot()\nprint(2 + 2)"),
        "has_digests_off_the_page",
    ),
    "letters too small": (drawn('<svg viewBox="0 0 656 9" font-size="11"/>'), "has_figures_for_every_page"),
    "line unseen in the dark": (drawn('<svg><path stroke="#101010"/></svg>'), "has_figures_for_every_page"),
    "letters unseen in the dark": (
        drawn('<svg><text x="1" fill="#202020">a</text></svg>'),
        "has_figures_for_every_page",
    ),
    "wide line": (replace("print(2)", "print(" + 90 * "2" + ")"), "has_short_cells"),
    "long sitting": (replace("The curve rises.", "word " * 5000), "is_one_sitting"),
    "many cells": (
        lambda nb: nb.cells.__setitem__(slice(5, 5), [code(f"print({i})") for i in range(40)]),
        "is_one_sitting",
    ),
    "wrong promise of minutes": (replace("**To read** 1 minute", "**To read** 9 minutes"), "is_one_sitting"),
    "argument folded away": (tag("print(2)", "hide-input"), "has_hidden_only_what_may_be"),
    "claim folded away": (replace("plt.plot()", "plt.plot()\nassert True"), "has_hidden_only_what_may_be"),
    "set-up in the open": (
        lambda nb: cell_with(nb, "from matplotlib").metadata.update(tags=[]),
        "has_hidden_only_what_may_be",
    ),
    "checker in a cell": (replace("print(2)", "def check_it(x):\n    return x"), "defines_no_checker"),
    "long cell": (replace("print(2)", "print(2)\n" * 26), "has_short_cells"),
    "one exercise": (replace(EXERCISE.format("ex-b"), ""), "has_checked_exercises"),
    "no solution": (replace("{solution-start} ex-b", "{solution-start} ex-c"), "has_checked_exercises"),
    "unchecked solution": (replace("assert 1 + 2 == 3", "1 + 2 == 3"), "has_checked_exercises"),
    "no goals": (replace("**After this chapter you can**", "Goals"), "has_the_parts_of_a_chapter"),
    "no references": (replace("## References", "## Links"), "has_the_parts_of_a_chapter"),
    "directive": (replace("The curve rises.", "```{tableofcontents}\n```"), "has_allowed_directives"),
    "no install": (replace("%pip install -q --no-deps", "%pip install -q"), "begins_by_installing"),
    "no word on Kaggle": (replace('    print("On Kaggle', '    # print("On Kaggle'), "begins_by_installing"),
    "install from elsewhere": (
        replace("https://github.com/a/b", "https://example.org/a"),
        "begins_by_installing",
    ),
}


@pytest.mark.parametrize("rule", hygiene.RULES, ids=lambda rule: rule.__name__)
def test_a_good_chapter_keeps_the_rule(good, rule):
    assert rule(good) == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_breaks_its_rule(good, name):
    plant, rule = FAULTS[name]
    plant(good)
    assert getattr(hygiene, rule)(good) != []


def test_every_rule_has_a_fault():
    assert {rule for _, rule in FAULTS.values()} == {rule.__name__ for rule in hygiene.RULES}


# ---- what no file may hold ----

NO_HASH = "a==1.0 \\\n    --hash=sha256:" + 64 * "0" + "\nb==2.0\n    # via a\n"
FAULTS_IN_FILES = {  # written so that this file has none of them itself
    "weights loaded as they come": (supply.opens_pickles, "import torch\ntorch.load('a.pth')"),
    "weights loaded, asked to run": (
        supply.opens_pickles,
        "from torch import load as get\nget('a.pth', weights_only=False)",
    ),
    "weights loaded as somebody decides": (
        supply.opens_pickles,
        "import torch\ntorch.load('a.pth', weights_only=safe)",
    ),
    "pickle": (supply.opens_pickles, "import pickle as p\np.load(open('a', 'rb'))"),
    "pickle of another library": (supply.opens_pickles, "from joblib import load\nload('a')"),
    "pickle in an array": (supply.opens_pickles, "import numpy as np\nnp.load('a.npy', allow_pickle=True)"),
    "weights of the network": (
        supply.opens_pickles,
        "import torch\ntorch.hub.load_state_dict_from_url('https://a.b/c.pth')",
    ),
    "home on Linux": (supply.names_a_machine, "see /ho" + "me/ada/notes"),
    "home on a Mac": (supply.names_a_machine, "see /Use" + "rs/ada/notes"),
    "home on Windows": (supply.names_a_machine, "see C:\\Use" + "rs\\ada"),
    "token of GitHub": (supply.holds_a_secret, "token = ghp_" + 36 * "a"),
    "token of Hugging Face": (supply.holds_a_secret, "token = hf_" + 34 * "a"),
    "key of Amazon": (supply.holds_a_secret, "id = AKIA" + 16 * "Q"),
    "private key": (supply.holds_a_secret, "-----BEGIN RSA " + "PRIVATE KEY-----"),
    "password in an address": (supply.holds_a_secret, "https://ada:" + "l0velace@example.org"),
    "key of Kaggle": (supply.holds_a_secret, '{"username":"ada","key":"' + 32 * "0" + '"}'),
    "package without a hash": (supply.unhashed, NO_HASH),
    "package without a version": (supply.unhashed, "a>=1.0\n"),
    "package from an address": (supply.unhashed, "a @ https://example.org/a.whl\n"),
    "index in the lock": (supply.unhashed, "--index-url https://example.org\n"),
}
FINE = {
    "weights, as numbers only": (
        supply.opens_pickles,
        "import torch\ntorch.load('a.pth', weights_only=True)",
    ),
    "something else that loads": (supply.opens_pickles, "import json\njson.load(file)\nmodel.load('a')"),
    "anybody's home": (supply.names_a_machine, "see /ho" + "me/me/notes, /workspace and ./root/a"),
    "place of a password": (supply.holds_a_secret, "https://x-access-token:$TOKEN@example.org"),
    "lock": (supply.unhashed, NO_HASH.partition("b==")[0] + "    # via\n    #   c-d\n    #   e (a.toml:b)\n"),
}


@pytest.mark.parametrize("name", FAULTS_IN_FILES)
def test_a_fault_planted_in_a_file_is_found(name):
    rule, content = FAULTS_IN_FILES[name]
    assert len(rule(content)) == 1


@pytest.mark.parametrize("name", FINE)
def test_what_only_looks_like_a_fault_is_left_alone(name):
    rule, content = FINE[name]
    assert rule(content) == []


def test_a_secret_that_is_found_is_not_told_again():
    secret = "ghp_" + 36 * "a"
    assert secret not in "".join(supply.holds_a_secret(f"token = {secret}"))


@pytest.fixture
def labelled(tmp_path):
    """A folder with the table of licences, and one file that it knows."""
    shutil.copy(project.ROOT / "REUSE.toml", tmp_path)
    shutil.copytree(project.ROOT / "LICENSES", tmp_path / "LICENSES")
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "known.py").write_text("# ours", encoding="utf-8")
    return tmp_path


def test_a_file_that_is_nobodys_is_found(labelled):
    assert supply.files_of_nobody(labelled) == []
    (labelled / "borrowed.js").write_text("// from somewhere", encoding="utf-8")
    assert supply.files_of_nobody(labelled) == ["borrowed.js is in no entry of REUSE.toml"]


def test_a_licence_without_its_text_is_found(labelled):
    (labelled / "LICENSES" / "MIT.txt").unlink()
    assert supply.files_of_nobody(labelled) == ["LICENSES has no text of MIT"]


def test_a_picture_that_only_a_wildcard_names_is_found():
    names = ["tests/photograph.jpg", "tests/house/test_faults.py", "site/static/card.png"]
    (found,) = supply.unnamed_binaries(names)
    assert found.startswith("tests/photograph.jpg is no text")


@pytest.mark.parametrize(
    ("use", "licence", "words"),
    [
        ("site", "", "is no licence that SPDX knows"),
        ("test", "see LICENSE", "is no licence that SPDX knows"),
        ("site", "GPL-3.0-only", "GPL-3.0-only is not among those"),
        ("build", "MPL-2.0", "MPL-2.0 is not among those"),
    ],
)
def test_a_package_under_an_unknown_licence_is_found(use, licence, words):
    (found,) = supply.unknown_terms("a", use, licence)
    assert words in found
    assert supply.unknown_terms("a", "test", "MPL-2.0") == []


# ---- nbval ----

OPTIONS = [
    *("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"),
    *("--nbval", "--nbval-current-env", "--nbval-sanitize-with=tests/nbval_sanitize.cfg"),
]
CHAPTER = "03_building_blocks"
ROOM = f"{CHAPTER}/batchnorm"  # where a forgotten eval() would be felt
needs_chapter = pytest.mark.skipif(
    not (project.BOOK / f"{CHAPTER}.ipynb").exists(), reason=f"book/{CHAPTER}.ipynb is not there yet"
)


WANTED = [
    (f"{home}/{name}", kind) for name in (CHAPTER, ROOM) for home, kind in (("book", "ipynb"), ("text", "md"))
]


@pytest.fixture
def copy(tmp_path):
    """A folder with all that chapter 3 needs, ready to be damaged."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("resnet_utils", "tools"):
        shutil.copytree(project.ROOT / name, tmp_path / name, ignore=ignore)
    files = ["conftest.py", "pyproject.toml", "_toc.yml", "book/references.bib", "tests/nbval_sanitize.cfg"]
    files += ["site/static/figures.css"]
    files += [f"tests/house/{name}.py" for name in ("depth", "hygiene", "test_notebooks")]
    files += [f"{folder}.{kind}" for folder, kind in WANTED if (project.ROOT / f"{folder}.{kind}").exists()]
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(project.ROOT / name, tmp_path / name)
    return tmp_path


def pytest_in(folder, *arguments):
    """Run pytest in ``folder`` on the folder's own package; return the finished process."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV_"))}
    variables |= {"PYTHONPATH": str(folder), "BOOK_PROGRESS": "0", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)


def change_notebook(folder, change, name=CHAPTER):
    """Apply ``change`` to a stored notebook."""
    path = folder / "book" / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    nbformat.write(notebook, path)


def change_a_number(notebook):
    """Add one to the last digit of the first number that a cell has printed."""
    for cell in hygiene.code_cells(notebook):
        for output in cell.outputs:
            if output.output_type == "stream" and re.search(r"\d\n", output.text):
                output.text = re.sub(r"(\d)\n", lambda m: f"{(int(m[1]) + 1) % 10}\n", output.text, count=1)
                return
    raise AssertionError("no number is printed in this notebook")


def forget_eval(notebook):
    """Take away the first line of a cell that is just ``block.eval()``."""
    for cell in hygiene.code_cells(notebook):
        changed = re.sub(r"^\w+\.eval\(\)$", "pass", cell.source, count=1, flags=re.MULTILINE)
        if changed != cell.source:
            cell.source = changed
            return
    raise AssertionError("no eval() stands on a line of its own in this notebook")


# Added to the end of blocks.py, so that the source which the chapter prints stays as it is.
NO_SHORTCUT = "\nBasicBlock.forward = lambda self, x: self.relu(self.branch(x))\n"
SWAPPED_STRIDE = """
_as_it_was = BasicBlock.__init__


def _swapped(self, *arguments, **options):
    _as_it_was(self, *arguments, **options)
    self.conv1.stride, self.conv2.stride = self.conv2.stride, self.conv1.stride


BasicBlock.__init__ = _swapped
"""


def append_to_blocks(text):
    """A fault in the package."""

    def plant(folder):
        with (folder / "resnet_utils" / "models" / "blocks.py").open("a", encoding="utf-8") as file:
            file.write(text)

    return plant


CHAPTER_FAULTS = {
    "changed number": lambda folder: change_notebook(folder, change_a_number),
    "forgotten eval()": lambda folder: change_notebook(folder, forget_eval, ROOM),
    "missing shortcut": append_to_blocks(NO_SHORTCUT),
    "swapped stride": append_to_blocks(SWAPPED_STRIDE),
}


@needs_chapter
def test_the_undamaged_copy_is_green(copy):
    done = pytest_in(copy, *OPTIONS, f"book/{CHAPTER}.ipynb")
    assert done.returncode == 0, done.stdout


@needs_chapter
@pytest.mark.parametrize("name", CHAPTER_FAULTS)
def test_nbval_turns_red(copy, name):
    CHAPTER_FAULTS[name](copy)
    notebook = ROOM if name == "forgotten eval()" else CHAPTER
    done = pytest_in(copy, *OPTIONS, f"book/{notebook}.ipynb")
    assert done.returncode == 1, done.stdout
    assert "Cell outputs differ" in done.stdout or "AssertionError" in done.stdout, done.stdout


@needs_chapter
def test_a_stripped_notebook_passes_nbval_but_not_the_rules(copy):
    change_notebook(copy, strip)
    done = pytest_in(
        copy, "-q", "-p", "no:cacheprovider", "tests/house/test_notebooks.py", "-k", "keeps_the_rule"
    )
    assert done.returncode == 1, done.stdout
    assert "was_run_in_order" in done.stdout


def tiny(folder, *cells, options=()):
    """Store a small notebook and run nbval on it."""
    notebook = new_notebook(cells=list(cells), metadata=notebooks.METADATA)
    for count, cell in enumerate(notebook.cells, start=1):
        cell.execution_count = count
    nbformat.write(notebook, folder / "book" / "tiny.ipynb")
    return pytest_in(folder, *OPTIONS, *options, "book/tiny.ipynb")


def test_a_run_in_which_every_cell_passes_is_green(copy):
    done = tiny(
        copy, code("1 + 1", new_output("execute_result", data={"text/plain": "2"}, execution_count=1))
    )
    assert done.returncode == 0, done.stdout
    assert "1 of 1 passed" in done.stdout


@pytest.mark.parametrize(("said_then", "passes"), [("a curve", True), ("two curves", False)])
def test_a_drawn_figure_is_not_compared_but_its_digest_is(copy, said_then, passes):
    source = """from IPython.display import display

display({"image/svg+xml": "<svg/>", "text/plain": "a figure"}, raw=True)
print("a curve")"""
    stored = {"image/svg+xml": "<svg><g/></svg>", "text/plain": "a figure"}
    done = tiny(copy, code(source, new_output("display_data", data=stored), said(f"{said_then}\n")))
    assert (done.returncode == 0) == passes, done.stdout


def test_a_failed_cell_is_named_as_jupyter_counts_it(copy):
    done = tiny(copy, code("x = 0"), code("1 / x"), code("x = 1"), options=["--maxfail=9"])
    assert done.returncode == 1, done.stdout
    assert "FAILED book/tiny.ipynb In [2]: ZeroDivisionError: division by zero\n" in done.stdout
    assert "book/tiny.ipynb begins (1 of 1)\n" in done.stdout
    assert "book/tiny.ipynb ends: 2 of 3 passed" in done.stdout


def test_what_comes_after_a_cell_that_took_too_long_does_not_bury_it(copy):
    after = [code(f"x = {n}") for n in range(5)]
    options = ["-rfE", "--maxfail=9", "--nbval-cell-timeout=1"]
    done = tiny(copy, code("import time; time.sleep(60)"), *after, options=options)
    assert done.returncode == 1, done.stdout
    assert "FAILED book/tiny.ipynb In [1]: Timeout of 1 seconds" in done.stdout
    assert "XFAIL" not in done.stdout


UNEQUAL = """
import torch

def test_apart():
    x = torch.zeros(2, 3)
    assert torch.equal(x, x)
    assert torch.equal(*(x, x + torch.tensor([0.0, 0.25, 0.5])))

def test_other_shapes():
    assert torch.equal(torch.zeros(2), torch.zeros(3)), "a message of its own"

def test_something_else():
    assert not torch.equal(torch.zeros(2), torch.ones(2))
    raise ValueError("no tensor")
"""


def test_unequal_tensors_say_how_far_they_are_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")  # pytest cuts its last lines to the width of the terminal
    shutil.copy(project.ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "test_planted.py").write_text(UNEQUAL, encoding="utf-8")
    done = pytest_in(tmp_path, "-p", "no:cacheprovider", "-p", "no:xdist", "test_planted.py")
    assert "::test_apart - assert False: 4 of 6 values differ, by 0.5 at most\n" in done.stdout
    assert "shapes differ: (2,) and (3,)\n" in done.stdout
    assert "::test_something_else - ValueError: no tensor\n" in done.stdout


def test_a_skipped_cell_turns_the_run_red(copy):
    done = tiny(copy, code("x = 1"), code("x = 2", tags=["nbval-skip"]))
    assert done.returncode == 1, done.stdout
    assert "1 of 2 passed" in done.stdout


OLD_WAY = """import warnings

library = compile("warnings.warn('this goes soon', DeprecationWarning)", "library.py", "exec")
exec(library, {"__name__": "library", "warnings": warnings})"""


def test_a_new_home_has_its_list_of_fonts_before_the_first_cell(copy, tmp_path_factory, monkeypatch):
    for name in ("MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    new = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(new))
    source = f"from pathlib import Path\nassert list(Path({str(new)!r}).rglob('fontlist*.json'))"
    done = tiny(copy, code(source))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("tags", [[], ["nbval-ignore-output"]], ids=["compared", "ignored"])
def test_a_warning_turns_the_run_red_even_one_that_python_would_not_show(copy, tags):
    done = tiny(copy, code(OLD_WAY, tags=tags))
    assert done.returncode == 1, done.stdout
    assert "DeprecationWarning: this goes soon" in done.stdout


@pytest.mark.parametrize(("speaker", "code_of_the_run"), [("matplotlib.mathtext", 0), ("library", 1)])
def test_a_warning_that_pyproject_names_is_none_from_the_library_it_names(copy, speaker, code_of_the_run):
    named = OLD_WAY.replace("this goes soon", r"\\'parseString\\' deprecated - use \\'parse_string\\'")
    done = tiny(copy, code(named.replace('"__name__": "library"', f'"__name__": "{speaker}"')))
    assert done.returncode == code_of_the_run, done.stdout
