"""Each notebook's last run is on record, and each page of the site says what it knows of itself."""

from __future__ import annotations

import copy
import datetime
import re
import subprocess

import nbformat
import pytest

from tools import executions, project
from tools.web import lists, page_facts

NAME = "01_background/layers"
MINE = "https://github.com/somebody/my-resnets"
RUN = executions.Execution(
    date="2026-11-29",
    commit="0123456789ab",
    seconds=20,
    busy=31,
    versions={"Python": "3.11.7", "torch": "2.15.0"},
    digest="0" * 16,
)


@pytest.fixture(scope="module")
def stored():
    return nbformat.read(project.BOOK / f"{NAME}.ipynb", as_version=4)


@pytest.fixture
def notebook(stored):
    return copy.deepcopy(stored)


def cell_that_prints(notebook, *, compared=True):
    """The last code cell with text among its outputs."""
    cells = [c for c in notebook.cells if c.cell_type == "code" and any("text" in o for o in c.outputs)]
    assert cells
    if not compared:
        cells[-1].metadata["tags"] = ["nbval-ignore-output"]
    return cells[-1]


def said(docname, run, address):
    """The foot of a page as text, and the addresses that it links to."""
    paragraphs = page_facts.facts(docname, run, address)
    linked = [node["refuri"] for paragraph in paragraphs for node in paragraph.findall() if "refuri" in node]
    return " ".join(paragraph.astext() for paragraph in paragraphs), linked


def test_another_output_is_another_notebook(stored, notebook):
    cell_that_prints(notebook).outputs[0].text += "!"
    assert executions.digest(notebook) != executions.digest(stored)


def test_an_output_that_is_not_compared_may_change(stored, notebook):
    cell = cell_that_prints(notebook, compared=False)
    before = executions.digest(notebook)
    cell.outputs[0].text += "!"
    assert executions.digest(notebook) == before != executions.digest(stored)


def test_prose_and_the_address_of_the_book_do_not_make_another_notebook(stored, notebook):
    notebook.cells[0].source += "\nMore prose."
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert project.address() in first.source
    first.source = first.source.replace(project.address(), MINE)
    assert executions.digest(notebook) == executions.digest(stored)


def test_a_run_takes_the_place_of_the_last_one_and_leaves_the_others(tmp_path):
    executions.keep("b", RUN, tmp_path)
    executions.keep("a", RUN, tmp_path)
    later = executions.Execution(**(vars(RUN) | {"seconds": 21}))
    executions.keep("b", later, tmp_path)
    assert list(executions.read(tmp_path).items()) == [("a", RUN), ("b", later)]
    lines = (tmp_path / executions.NAME).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2 + 2, "one line a notebook, so that changes are easy to read and to merge"


def test_the_versions_of_keras_are_named_where_it_is_used(notebook):
    assert "keras" not in executions.versions(notebook)
    notebook.cells.append(nbformat.v4.new_code_cell("import keras"))
    assert {"Python", "torch", "keras"} <= set(executions.versions(notebook))


def test_a_plus_says_that_the_text_was_changed_after_the_commit(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.invalid"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.md").write_text("one", encoding="utf-8")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "First")
    clean = executions.commit("a", tmp_path)
    (tmp_path / "text" / "a.md").write_text("two", encoding="utf-8")
    assert re.fullmatch(r"[0-9a-f]{12}", clean)
    assert executions.commit("a", tmp_path) == f"{clean}+"


def test_without_a_history_the_commit_is_unknown(tmp_path):
    assert executions.commit("a", tmp_path) == "unknown"


def test_a_page_says_with_what_and_when_it_was_tested():
    text, linked = said(f"book/{NAME}", RUN, None)
    assert "Tested with Python 3.11.7, torch 2.15.0." in text
    assert "Last executed on 29 November 2026 in 20 s (31 s of processor time), at commit 0123456." in text
    assert not linked


def test_a_page_leads_to_its_text_once_the_book_has_an_address():
    text, linked = said(f"book/{NAME}", RUN, MINE)
    assert linked == [
        f"{MINE}/commit/0123456789ab",
        f"{MINE}/edit/main/text/{NAME}.md",
        f"{MINE}/issues/new?title=book/01_background/layers%3A%20",
    ]
    assert text.endswith("Edit the text or report a mistake.")


def test_a_page_that_is_generated_or_not_executed_says_no_more_than_is_known():
    assert said("book/lists/notebooks", None, MINE) == ("", [])
    assert "Tested with" not in said("book/questions", None, MINE)[0]
    assert f"{MINE}/edit/main/book/questions.md" in said("book/questions", None, MINE)[1]


def test_the_day_of_a_change_is_that_of_git():
    days = page_facts.changed()
    if not days:
        pytest.skip("the history of this checkout is not whole")
    path = f"text/{NAME}.md"
    last = subprocess.run(
        ["git", "log", "-1", "--format=%cs", "--", path],
        cwd=project.ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert days[path] == last.stdout.strip()


def test_every_run_stands_in_the_table_of_its_versions():
    other = executions.Execution(
        **(vars(RUN) | {"versions": {"Python": "3.14.0"}, "commit": "abcdefabcdef+"})
    )
    page = lists.executions_page({"01_background": RUN, NAME: other})
    first, second = page.split("**With Python 3.14.0:**")
    assert "| {doc}`/book/01_background` | 2026-11-29 | `0123456` | 20 | 31 |" in first
    assert f"| {{doc}}`/book/{NAME}` | 2026-11-29 | `abcdefa+` | 20 | 31 |" in second


def test_no_run_is_kept_of_what_is_no_notebook_or_lies_in_the_future():
    runs = executions.read()
    assert set(runs) <= set(project.chapters())
    tomorrow = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=1)
    assert all(datetime.date.fromisoformat(run.date) <= tomorrow for run in runs.values())


def test_every_notebook_is_what_its_last_run_made():
    runs = executions.read()
    wrong = [
        name
        for name in project.chapters()
        if name not in runs
        or runs[name].digest != executions.digest(nbformat.read(project.BOOK / f"{name}.ipynb", as_version=4))
    ]
    assert not wrong, f"made in another way, or not yet: make notebooks NAMES={' '.join(wrong)!r}"
