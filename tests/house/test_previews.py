"""What a link to another page shows lies in a script, which a page without a server may load."""

from __future__ import annotations

import json
import re

import pytest

from tools.web import previews

THEOREM = '<div class="proof theorem" id="thm-a"><p>By <a href="#x">x</a>, $</p></div>'
EQUATION = '<div class="math notranslate" id="equation-eq-a">a = b</div>'
EXERCISE = '<div class="exercise admonition" id="ex-a"><p>Do.</p></div>'
THERE = f"""<html><body><article><section id="sec-a"><h2>A</h2>
{THEOREM}{EQUATION}<span id="ex-span">{EXERCISE}</span></section></article></body></html>"""
LINKED = '<a class="reference internal" href="{}">'


@pytest.fixture
def site(tmp_path):
    """Finish a page in a room that has these links; what became of it, and the scripts."""

    def build(*links, title=""):
        room = tmp_path / "book" / "one" / "room.html"
        room.parent.mkdir(parents=True)
        (tmp_path / "book" / "two.html").write_text(THERE, encoding="utf-8")
        told = "".join(LINKED.format(link).replace(">", f"{title}>") for link in links)
        room.write_text(f"<html><body>{told}</body></html>", encoding="utf-8")
        previews.finish(tmp_path)
        scripts = {
            path.relative_to(tmp_path).as_posix(): path.read_text(encoding="utf-8")
            for path in tmp_path.rglob("*.js")
        }
        return re.findall(r'data-beside="([^"]*)"', room.read_text(encoding="utf-8")), scripts

    return build


@pytest.mark.parametrize(
    ("name", "shown"),
    [("thm-a", THEOREM), ("equation-eq-a", EQUATION), ("ex-a", EXERCISE), ("ex-span", EXERCISE)],
)
def test_a_link_is_told_where_its_preview_lies(site, name, shown):
    beside, scripts = site(f"../two.html#{name}")
    assert beside == ["book/two"]
    head, _, data = scripts["previews/book/two.js"].partition(" = ")
    assert head == 'window.bookPreviews["book/two"]'
    assert json.loads(data.rstrip(";\n")) == {name: shown}


def test_a_script_holds_each_part_once_and_no_other(site):
    beside, scripts = site("../two.html#thm-a", "../two.html#thm-a", "../two.html#ex-a")
    assert len(beside) == 3
    assert list(json.loads(scripts["previews/book/two.js"].partition(" = ")[2].rstrip(";\n"))) == [
        "thm-a",
        "ex-a",
    ]


@pytest.mark.parametrize(
    "link", ["../two.html#sec-a", "../two.html#none", "../three.html#thm-a", "https://a.org/b.html#c"]
)
def test_a_link_without_anything_to_show_is_left_alone(site, link):
    assert site(link) == ([], {})


def test_a_link_that_has_its_words_with_it_needs_no_script(site):
    assert site("../two.html#thm-a", title=' title="Words."') == ([], {})
