"""Every notebook keeps the rules, agrees with its text, is one sitting; five are one book, others follow."""

from __future__ import annotations

import re

import nbformat
import pytest
import yaml
from house import depth, hygiene

from tools import notebooks, project, sitting
from tools.web import lists, reference

MOST_BYTES = 600_000  # a page that opens at once
MOST_MINUTES_OF_THE_STORY = 125  # the five main notebooks of the first part together
FEWEST_EXERCISES = 8  # of a chapter with its rooms
PRESENT = sorted(
    {
        *project.chapters(),
        *(p.relative_to(project.BOOK).with_suffix("").as_posix() for p in project.executed()),
    }
)
APPENDICES = [name for name in PRESENT if not name[0].isdigit()]  # to look things up in: no exercises
NOT_IN_APPENDICES = {hygiene.has_checked_exercises, hygiene.has_the_parts_of_a_chapter}
MAIN = [name for name in PRESENT if "/" not in name and name not in APPENDICES]
STORY = [name for name in MAIN if name < "06"]  # the first part; a second part may follow


def notebook_of(name):
    """The stored notebook."""
    return nbformat.read(project.BOOK / f"{name}.ipynb", as_version=4)


@pytest.mark.parametrize("rule", [*hygiene.RULES, *depth.RULES], ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", PRESENT)
def test_notebook_keeps_the_rule(name, rule):
    if name in APPENDICES and rule in NOT_IN_APPENDICES:
        pytest.skip("an appendix has no exercises")
    options = {}
    if rule is depth.has_a_kept_promise_of_time and name in depth.LONG_TRAINING:
        options = {"most": depth.LONG_TRAINING[name]}
    wrong = rule(notebook_of(name), **options)
    assert not wrong, f"{name}: " + "; ".join(wrong)


@pytest.mark.parametrize("name", PRESENT)
def test_text_and_notebook_agree(name):
    assert (project.TEXT / f"{name}.md").exists(), f"book/{name}.ipynb has no text/{name}.md"
    assert not notebooks.disagreements(name)


@pytest.mark.parametrize("name", PRESENT)
def test_notebook_is_listed_in_the_table_of_contents(name):
    assert f"book/{name}" in project.toc_pages()


@pytest.mark.parametrize("name", PRESENT)
def test_notebook_is_small(name):
    assert (project.BOOK / f"{name}.ipynb").stat().st_size < MOST_BYTES


@pytest.mark.parametrize("name", PRESENT)
def test_text_begins_with_the_minimal_header(name):
    header = yaml.safe_load((project.TEXT / f"{name}.md").read_text(encoding="utf-8").split("---")[1])
    assert header["kernelspec"]["name"] == "python3"
    assert header["jupytext"]["text_representation"] == {"extension": ".md", "format_name": "myst"}


def test_the_five_main_notebooks_are_the_book_in_two_hours():
    assert len(STORY) == 5
    minutes = {name: sitting.minutes(notebook_of(name)) for name in STORY}
    assert sum(minutes.values()) <= MOST_MINUTES_OF_THE_STORY, minutes


@pytest.mark.parametrize("chapter", MAIN)
def test_a_chapter_with_its_rooms_has_enough_exercises(chapter):
    rooms = [name for name in PRESENT if name == chapter or name.startswith(f"{chapter}/")]
    count = sum(hygiene.prose(notebook_of(name)).count("{exercise-start}") for name in rooms)
    assert count >= FEWEST_EXERCISES


@pytest.mark.parametrize("chapter", [*MAIN, "articles"])
def test_a_chapter_leads_to_each_of_its_rooms(chapter):
    told = hygiene.prose(notebook_of(chapter))
    missing = [
        name for name in PRESENT if name.startswith(f"{chapter}/") and not re.search(rf"[`<]{name}[`>]", told)
    ]
    assert not missing, f"{chapter} has no link {{doc}}`...` to {missing}"


def test_every_label_stands_once_in_the_book():
    labels = [
        label
        for name in PRESENT
        for label in re.findall(r"^(?:\((\S+)\)=|:label: (\S+))$", hygiene.prose(notebook_of(name)), re.M)
    ]
    names = ["".join(pair) for pair in labels]
    assert sorted(names) == sorted(set(names))


def test_every_figure_has_a_name_of_its_own():
    given = [
        cell.metadata.get("mystnb", {}).get("figure", {}).get("name")
        for name in PRESENT
        for cell in hygiene.code_cells(notebook_of(name))
    ]
    names = [name for name in given if name]
    assert sorted(names) == sorted(set(names))


def test_every_listed_page_exists():
    missing = [
        page
        for page in project.toc_pages()
        if not any((project.ROOT / f"{page}{suffix}").exists() for suffix in (".md", ".ipynb"))
    ]
    assert set(missing) <= {*reference.pages(), *lists.pages()}, "these are made when the website is built"


def test_every_page_of_the_book_is_listed():
    pages = {
        path.relative_to(project.ROOT).with_suffix("").as_posix()
        for suffix in ("md", "ipynb")
        for path in project.BOOK.rglob(f"*.{suffix}")
        if ".ipynb_checkpoints" not in path.parts
    }
    assert pages | {*reference.pages(), *lists.pages()} == set(project.toc_pages())
