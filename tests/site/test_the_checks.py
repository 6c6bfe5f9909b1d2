"""Pages that are broken on purpose: each check of the site tells what is wrong with them."""

from __future__ import annotations

import in_browser
import pytest

FRAME = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>{head}'
    '<link rel="icon" href="data:,">'
    '<meta name="viewport" content="width=device-width"></head>'
    "<body><main><h1>A page</h1>{body}</main></body></html>"
)
KATEX = (
    '<span class="math"><span class="katex"><span class="katex-html">'
    '<span class="katex-base">{}</span></span></span></span>'
)
LINE = "x" * 300
BROKEN = {
    "a script from elsewhere": (
        {"head": '<script src="https://cdn.example.org/x.js"></script>'},
        "asks another host: https://cdn"),
    "an error of a script": ({"head": "<script>nothing.here()</script>"}, "script: nothing is not defined"),
    "an error of the console": ({"head": "<script>console.error('lost')</script>"}, "console: lost"),
    "a file that is not there": ({"head": '<link rel="stylesheet" href="x.css">'}, "console: Failed to load"),
    "a picture without words": ({"body": '<img src="dot.svg">'}, "image-alt: "),
    "a picture that does not come": ({"body": '<img src="gone.png" alt="gone">'}, "no picture: gone.png"),
    "grey on white": ({"body": '<p style="color:#999">hardly to be read</p>'}, "color-contrast: "),
    "white in the dark": (
        {"head": "<style>@media (prefers-color-scheme: dark) {{ p {{ color: #ccc }} }}</style>",
         "body": "<p>hardly to be read by night</p>"}, "1280 px, dark: color-contrast"),
    "a formula as TeX": ({"body": r"<p>Then \(x\) follows.</p>"}, r"raw formula: Then \(x\)"),
    "a command of TeX": ({"body": r"<p>It is \frac{{1}}{{2}}.</p>"}, "raw formula: It is"),
    "a formula that nobody rendered": (
        {"body": '<p><span class="math">x = y</span></p>'}, "raw formula: x = y"),
    "something wide": ({"body": '<div style="width: 500px">wide</div>'}, "360 px, light: the page is"),
    "a formula that is cut": (
        {"body": '<div style="overflow: hidden">' + KATEX.format("x" * 90) + "</div>"},
        "light: formula is cut: xxx"),
    "a long line of code": (
        {"body": f'<div class="cell_input"><pre tabindex="0" style="overflow:auto">{LINE}</pre></div>'},
        "1280 px, dark: a line has to be scrolled"),
}  # fmt: skip
FADING = (
    "<style>@keyframes in {{ from {{ opacity: 0 }} }} @keyframes turn {{ to {{ rotate: 1turn }} }}"
    "details p {{ animation: in 2s ease-in }} i {{ animation: turn 1s infinite }}</style>"
).format()
VIEWS = [(in_browser.PHONE, "light"), (in_browser.DESK, "dark")]
DOT = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """Address of a server with the broken pages, a whole one, and a picture."""
    folder = tmp_path_factory.mktemp("broken")
    for number, (parts, _) in enumerate(BROKEN.values()):
        page = FRAME.format(**{"head": "", "body": "", **{k: v.format() for k, v in parts.items()}})
        (folder / f"{number}.html").write_text(page, encoding="utf-8")
    (folder / "whole.html").write_text(FRAME.format(head="", body=KATEX.format("x")), encoding="utf-8")
    body = "<details><summary>more</summary><p>to be read in two seconds</p></details><p><i>on and on</i></p>"
    (folder / "fading.html").write_text(FRAME.format(head=FADING, body=body), encoding="utf-8")
    (folder / "dot.svg").write_text(DOT, encoding="utf-8")
    with in_browser.served(folder) as address:
        yield address


@pytest.mark.parametrize("name", BROKEN)
def test_it_is_told(browser, broken, name):
    number = list(BROKEN).index(name)
    with in_browser.visit(browser, broken, f"{number}.html") as seen:
        found = in_browser.faults(seen, VIEWS)
    assert any(BROKEN[name][1] in fault for fault in found), found


def test_a_whole_page_has_no_fault(browser, broken):
    with in_browser.visit(browser, broken, "whole.html") as seen:
        assert in_browser.faults(seen, VIEWS) == []


def test_text_that_fades_in_is_looked_at_when_it_is_there(browser, broken):
    with in_browser.visit(browser, broken, "fading.html") as seen:
        assert in_browser.faults(seen, VIEWS) == []


def test_without_a_browser_the_reason_is_told(monkeypatch):
    monkeypatch.setenv("BOOK_CHROMIUM", "/nowhere/chromium")
    assert "apt install chromium" in in_browser.no_browser()


def test_without_a_site_the_reason_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(in_browser, "HTML", tmp_path)
    assert "make book" in in_browser.no_site()
