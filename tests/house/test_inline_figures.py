"""Drawn figures stand in the page, with names of their own, said by their author; photographs are files."""

from __future__ import annotations

import base64
import io
import re
import sys

import pytest
from PIL import Image
from sphinx.application import Sphinx

from tools import project
from tools.web import inline_figures

DRAWN = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" role="img" aria-label=\'a "digest"\'>'
    '<rect width="9" height="9" fill="#ffffff"/><defs><path id="m1" d="M0 0"/><clipPath id="p1"/></defs>'
    '<g clip-path="url(#p1)"><use href="#m1" x="1"/></g><text>loss</text>{0}</svg>'
)


def photograph():
    written = io.BytesIO()
    Image.new("RGB", (3, 2), "#123456").save(written, "png")
    return written.getvalue()


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A page in a folder, with two figures; its HTML, and the folder it was built in."""
    (tmp_path / "deep").mkdir()
    data = base64.b64encode(photograph()).decode()
    (tmp_path / "a.svg").write_text(DRAWN.format(""))
    (tmp_path / "b.svg").write_text(DRAWN.format(f'<image href="data:image/png;base64,{data}"/>'))
    figure = ".. figure:: ../{0}.svg\n   :alt: Two lines & a dot.\n\n   They meet.\n\n"
    (tmp_path / "index.rst").write_text("Book\n====\n\n.. toctree::\n\n   deep/page\n")
    (tmp_path / "deep" / "page.rst").write_text("Page\n====\n\n" + figure.format("a") + figure.format("b"))
    monkeypatch.setattr(sys, "path", [str(project.ROOT), *sys.path])
    extensions = {"extensions": ["tools.web.inline_figures"]}
    out = tmp_path / "html"
    app = Sphinx(tmp_path, None, out, tmp_path / "trees", "html", extensions, status=None, freshenv=True)
    app.build()
    return (out / "deep" / "page.html").read_text(encoding="utf-8"), out


def test_figures_are_part_of_the_page_with_their_captions(page):
    html, _ = page
    assert html.count('<svg class="figure"') == 2
    assert html.count("They meet.") == 2
    assert ".svg" not in html


def test_a_figure_is_said_in_its_author_s_words(page):
    html, _ = page
    assert html.count('aria-label="Two lines &amp; a dot."') == 2
    assert "digest" not in html


def test_no_name_stands_twice_on_a_page(page):
    html, _ = page
    names = re.findall(r'\bid="([^"]+)"', html)
    assert sorted(names) == sorted(set(names))
    for svg in re.findall(r"<svg.*?</svg>", html, re.S):
        used = re.findall(r'(?:href="#|url\(#)([^")]+)', svg)
        assert len(used) == 2
        assert set(used) <= set(re.findall(r'\bid="([^"]+)"', svg))


def test_a_photograph_is_a_file_beside_the_page_byte_for_byte(page):
    html, out = page
    assert "data:image" not in html
    (address,) = re.findall(r'<image href="([^"]+)"', html)
    assert (out / "deep" / address).resolve().read_bytes() == photograph()


def test_without_words_of_an_author_the_digest_stays():
    assert inline_figures.with_words(DRAWN, "") == DRAWN
