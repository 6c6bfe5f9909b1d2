"""The book as one PDF: what is joined, where links lead, and what is said where something is missing."""

from __future__ import annotations

import io

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.annotations import Link

from tools import pdf, project

A, B = "book/a", "book/b"


def sheet(*links, sheets=1):
    """A printed page of so many sheets, with links on its first."""
    writer = PdfWriter()
    for _ in range(sheets):
        writer.add_blank_page(200, 200)
    for address in links:
        writer.add_annotation(0, Link(rect=(10, 10, 50, 50), url=address))
    content = io.BytesIO()
    writer.write(content)
    return content.getvalue()


@pytest.fixture
def html(tmp_path):
    """A website of two pages."""
    (tmp_path / "book").mkdir()
    for name, title in ((A, "1. The first"), (B, "1.1. A room &amp; more")):
        head = f"<head><title>{title} \N{EM DASH} ResNet from Zero</title></head>"
        (tmp_path / f"{name}.html").write_text(head, encoding="utf-8")
    return tmp_path


@pytest.fixture
def joined(html):
    """The two pages as one PDF; the first links to the second, to a file beside it and to another site."""
    second = (html / f"{B}.html").as_uri()
    first = sheet(f"{second}#there", (html / "data.csv").as_uri(), "https://example.org/", sheets=2)
    output = html / "out" / "book.pdf"
    assert pdf.join(iter([first, sheet()]), [(A, 0), (B, 1)], html, output) == 3
    return PdfReader(output)


def test_every_page_has_a_bookmark_and_rooms_stand_below_their_chapter(joined):
    chapter, rooms = joined.outline
    assert chapter.title == "1. The first"
    assert [room.title for room in rooms] == ["1.1. A room & more"]
    assert joined.get_destination_page_number(chapter) == 0
    assert joined.get_destination_page_number(rooms[0]) == 2


def test_a_link_between_pages_leads_to_the_sheet_and_none_to_the_disk(joined):
    inner, beside, outer = (note.get_object() for note in joined.pages[0]["/Annots"])
    assert inner["/A"]["/S"] == "/GoTo"
    assert inner["/A"]["/D"][0].get_object() == joined.pages[2].get_object()
    assert "/A" not in beside
    assert outer["/A"]["/URI"] == "https://example.org/"


def test_the_pages_are_those_of_the_table_of_contents_in_its_order():
    assert [page for page, _ in pdf.contents()] == project.toc_pages()
    assert dict(pdf.contents())["book/01_background/layers"] == 1


def test_without_a_browser_one_is_told_how_to_get_it(monkeypatch):
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)
    monkeypatch.delenv("BOOK_CHROMIUM", raising=False)
    with pytest.raises(FileNotFoundError, match=r"no Chromium here.*apt install chromium"):
        pdf.browser_path()
    monkeypatch.setenv("BOOK_CHROMIUM", "/no/such/browser")
    with pytest.raises(FileNotFoundError, match=r"'/no/such/browser', which is no program"):
        pdf.browser_path()


def test_without_a_website_nothing_is_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pdf, "HTML", tmp_path)
    assert pdf.main([]) == 1
    assert "run make book first" in capsys.readouterr().out
