"""Every chapter's notebook keeps the rules, and agrees with its text."""

from __future__ import annotations

import nbformat
import pytest
import yaml
from house import depth, hygiene

from tools import notebooks, project

MOST_BYTES = 1_500_000  # the five chapters together stay small enough to clone and to open in a browser
AT_FULL_DEPTH = (
    "01_background",
    "02_residual_math",
    "03_building_blocks",
    "04_full_network",
    "05_fine_tuning",
)
PRESENT = sorted({*project.chapters(), *(path.stem for path in project.BOOK.glob("*.ipynb"))})


@pytest.mark.parametrize("rule", hygiene.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", PRESENT)
def test_notebook_keeps_the_rule(name, rule):
    notebook = nbformat.read(project.BOOK / f"{name}.ipynb", as_version=4)
    wrong = rule(notebook)
    assert not wrong, f"{name}: " + "; ".join(wrong)


@pytest.mark.parametrize("rule", depth.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", AT_FULL_DEPTH)
def test_chapter_at_full_depth_keeps_the_rule(name, rule):
    notebook = nbformat.read(project.BOOK / f"{name}.ipynb", as_version=4)
    wrong = rule(notebook)
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


def test_every_listed_page_exists():
    missing = [
        page
        for page in project.toc_pages()
        if not any((project.ROOT / f"{page}{suffix}").exists() for suffix in (".md", ".ipynb"))
    ]
    assert not missing


def test_every_page_of_the_book_is_listed():
    pages = {f"book/{path.stem}" for suffix in ("md", "ipynb") for path in project.BOOK.glob(f"*.{suffix}")}
    assert pages == set(project.toc_pages())
