"""What a build leaves out changes no page."""

from __future__ import annotations

import re
import subprocess
import sys

import pybtex.plugin
import pytest

from tools import project
from tools.web import thrift

CONFIGURATION = f"""
import sys
sys.path.insert(0, {str(project.ROOT)!r})
html_theme = "sphinx_book_theme"
html_theme_options = {{"home_page_in_toc": True}}
"""
PAGES = {
    "index": "Book\n====\n\n.. toctree::\n   :numbered:\n   :caption: Part\n\n   one\n   two\n",
    "one": "One\n===\n\nFirst\n-----\n\nSecond\n------\n\nUnforgettable.\n\n.. toctree::\n\n   room\n",
    "room": "Room\n====\n\nInside\n------\n\nWords.\n",
    "two": "Two\n===\n\nWords.\n",
}


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    """A small site, and the same without thrift."""
    folder = tmp_path_factory.mktemp("sites")
    for name, text in PAGES.items():
        (folder / f"{name}.rst").write_text(text, encoding="utf-8")
    (folder / "conf.py").write_text(CONFIGURATION, encoding="utf-8")
    for name, extensions in (("thrifty", "tools.web.thrift"), ("plain", "sphinx.ext.mathjax")):
        command = ["-q", "-W", "-D", f"extensions={extensions}", str(folder), str(folder / name)]
        done = subprocess.run(
            [sys.executable, "-m", "sphinx", *command], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    return folder / "thrifty", folder / "plain"


def test_the_pages_are_the_same(sites):
    thrifty, plain = ({path.name: path.read_text() for path in site.glob("*.html")} for site in sites)
    assert set(PAGES) <= {name.removesuffix(".html") for name in plain}
    assert re.search(r'class="current reference internal" href="#">[\d.]+ Room', plain["room.html"])
    assert thrifty == plain


def test_no_words_are_gathered_for_a_search_that_nobody_loads(sites):
    thrifty, plain = ((site / "searchindex.js").read_text() for site in sites)
    assert "unforgett" in plain
    assert "unforgett" not in thrifty


def test_packages_are_not_looked_through_for_each_citation(monkeypatch):
    thrift.find_plugins_once(None)
    monkeypatch.setattr(pybtex.plugin, "entry_points", lambda **_: pytest.fail("looks through the packages"))
    for group, name in thrift.PLUGINS:
        assert pybtex.plugin.find_plugin(group, name).__name__ == "Backend"
