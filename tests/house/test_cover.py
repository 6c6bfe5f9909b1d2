"""The cover page: its pictures come from the notebooks, its map has every chapter, room and module."""

from __future__ import annotations

import re

import nbformat
import pytest

from tools import project, sitting
from tools.web import cover

MODULES = {
    ".".join(path.relative_to(project.ROOT / "resnet_utils").with_suffix("").parts)
    for path in (project.ROOT / "resnet_utils").rglob("*.py")
    if not path.name.startswith("__")
}


@pytest.fixture(scope="module")
def page():
    return cover.map_page()


@pytest.mark.parametrize("name", project.chapters())
def test_the_map_has_each_notebook_with_its_minutes_and_seconds(page, name):
    notebook = nbformat.read(project.BOOK / f"{name}.ipynb", as_version=4)
    facts = f"{sitting.rounded(notebook)} min to read, {sitting.promised_seconds(notebook)} s to run"
    told = re.findall(rf"^(?:### .*|- ){{doc}}`/book/{name}`(?:\n\n|: )(.*)", page, re.M)
    assert len(told) == 1
    assert told[0].startswith(facts)


def test_what_the_map_links_to_is_in_the_book(page):
    linked = set(re.findall(r"\{doc\}`(?:[^`<]*<)?([^`<>]+)>?`", page))
    assert linked <= {f"/{name}" for name in project.toc_pages()}
    assert "/book/04_full_network/learning_by_heart" in linked, "a room that another room needs"


def test_every_module_is_introduced_somewhere():
    told = [module for modules in cover.introduced().values() for module in modules]
    assert sorted(told) == sorted(name for name in MODULES if not name.startswith("exercises."))


def test_a_module_is_in_the_map_under_the_chapter_that_introduces_it(page):
    chapters = re.split(r"^### ", page, flags=re.M)
    (place,) = [part for part in chapters if "resnet_utils.training.lr_finder>" in part]
    assert place.startswith("Chapter 4.")


@pytest.mark.parametrize(
    ("name", "role", "absolute"),
    [
        ("04_full_network", "{doc}`03_building_blocks`", "{doc}`/book/03_building_blocks`"),
        ("04_full_network/recipe", "{doc}`../04_full_network`", "{doc}`/book/04_full_network`"),
        ("04_full_network/recipe", "{doc}`averages`", "{doc}`/book/04_full_network/averages`"),
        ("articles/first", "{doc}`them <in_all_five>`", "{doc}`them </book/articles/in_all_five>`"),
    ],
)
def test_a_link_of_a_notebook_leads_to_the_same_page_from_the_cover(name, role, absolute):
    assert cover.needs(name, f"**Needs** {role}, too. **Uses** nothing.") == f"{absolute}, too"


def test_the_pictures_are_those_of_the_notebooks(tmp_path):
    page = cover.pictures_page(tmp_path)
    files = re.findall(r"^:::\{figure\} /book/lists/(\S+)$", page, re.M)
    assert len(files) == len(cover.PICTURES)
    assert all((tmp_path / file).stat().st_size for file in files)
    assert all(re.findall(r"^:alt: .{40}", page, re.M))


def test_a_picture_that_is_gone_is_noticed():
    notebook = nbformat.read(project.BOOK / "01_background.ipynb", as_version=4)
    with pytest.raises(ValueError, match="no picture whose name or description has the words 'a unicorn'"):
        cover.picture(notebook, "a unicorn")
