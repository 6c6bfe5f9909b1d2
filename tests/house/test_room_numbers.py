"""Chapters and rooms are numbered plainly."""

from __future__ import annotations

from types import SimpleNamespace

from docutils import nodes

from tools.web import room_numbers


def link(page, anchor, number):
    """A line of a page's contents."""
    return nodes.reference("", "", refuri=page, anchorname=anchor, secnumber=number)


def test_rooms_are_counted_from_one_in_each_chapter():
    titles = {"b": (2,), "b/y": (2, 9), "a/x": (1, 12), "a": (1,), "a/w": (1, 13), "b/z": (2, 10)}
    assert room_numbers.plain(titles) == {
        **{"a": (1,), "a/x": (1, 1), "a/w": (1, 2)},
        **{"b": (2,), "b/y": (2, 1), "b/z": (2, 2)},
    }


def test_headings_and_lists_of_pages_have_the_same_numbers_and_sections_none():
    env = SimpleNamespace(
        toc_secnumbers={"a": {"": (1,), "#one": (1, 1)}, "a/x": {"": (1, 2), "#two": (1, 2, 1)}, "index": {}},
        titles={"a": nodes.title(secnumber=(1,)), "a/x": nodes.title(secnumber=(1, 2))},
        tocs={
            "a": nodes.bullet_list("", link("a", "", (1,)), link("a", "#one", (1, 1))),
            "a/x": nodes.bullet_list("", link("a/x", "", (1, 2)), link("a/x", "#two", (1, 2, 1))),
        },
    )
    assert room_numbers.renumber(None, env) == []
    assert env.toc_secnumbers == {
        "a": {"": (1,), "#one": None},
        "a/x": {"": (1, 1), "#two": None},
        "index": {},
    }
    assert env.titles["a/x"]["secnumber"] == (1, 1)
    assert [node.get("secnumber") for node in env.tocs["a/x"].children] == [(1, 1), None]
    assert [node.get("secnumber") for node in env.tocs["a"].children] == [(1,), None]
