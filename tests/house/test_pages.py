"""What the theme gets wrong is put right when the site is built; what is right stays as it was."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pydata_sphinx_theme
import pytest
import tinycss2
from lxml import html

from tools import project
from tools.web import icons, one_sheet, pages, scripts, search_index, styles

HEAD = """<!DOCTYPE html>
<html lang="en"><head>
<meta name="viewport" content="one" /><meta name="viewport" content="two" />
<script data-cfasync="false">document.documentElement.dataset.mode = "auto";</script>
<script defer src="../_static/scripts/fontawesome.js?digest=1"></script>
<link rel="preload" as="script" href="../_static/scripts/bootstrap.js" />
<script src="../_static/documentation_options.js"></script>
<script src="../_static/togglebutton.js"></script>
<script src="../_static/searchtools.js"></script>
<script src="../searchindex.js"></script>
<script>let toggleHintShow = 'Click to show';</script>
<link rel="stylesheet" href="../_static/sphinx-design.min.css" />
</head>
"""
BODY = """<body><div id="pst-primary-sidebar"><ul><li><a href="2.html">2. Chapter</a><details><summary>
<span class="toctree-toggle" role="presentation"><i class="fa-solid fa-chevron-down"></i></span></summary>
</details></li></ul><button class="btn search-button-field" aria-label="Search">
<i class="fa-solid fa-bars" title="Menu"></i> Search Ctrl+K</button></div>
<main><article><section id="a-title"><h1>1.2. A title<a class="headerlink" href="#a-title">#</a></h1>
<p>The first paragraph of the page says &lt;what&gt; it is about, with
<span class="math"><span class="katex"><math><annotation encoding="application/x-tex">x^2</annotation></math>
<span class="katex-html">x2</span></span></span>.</p>
<div class="cell"><details class="hide above-input"><summary><p class="collapsed">Show code cell source</p>
<p class="expanded">Hide code cell source</p></summary>plot()</details><img src="a.png" alt="a"></div>
<details class="hide"><summary aria-label="Toggle hidden content">Show code</summary><p>code</p></details>
<div class="dropdown admonition solution" id="s"><p class="admonition-title">Solution to
<a href="#e">Exercise 1</a></p>
<section id="solution-content"><p>The answer is 42.</p></section></div>
<section id="below"><h2>Below<a class="headerlink" href="#below">#</a></h2><p>Deeper.</p>
<div class="cell_output"><pre>0.123</pre></div></section>
<div role="list" class="citation-list"><div class="citation" role="doc-biblioentry" id="c">He 2016</div></div>
<table><thead><tr><th></th><th>head</th></tr></thead><tbody><tr><td>row</td><td>1</td></tr></tbody></table>
</section></article></main></body></html>
"""


@pytest.fixture(scope="module")
def mended():
    """A small page of the theme's, mended: its text, and its body as a tree."""
    page = pages.mend(HEAD + BODY)
    return page, html.document_fromstring(page.partition("</head>")[2])


def test_what_no_page_uses_is_not_loaded(mended):
    head = mended[0].partition("</head>")[0]
    assert re.findall(r'src="([^"]*)"', head) == ["../_static/documentation_options.js"]
    assert "toggleHint" not in head
    assert "preload" not in head
    assert "sphinx-design" not in head
    assert head.count('name="viewport"') == 1
    assert "dataset.mode" in head, "the colours must be known before the page is drawn"


def test_the_colours_are_known_before_the_page_is_drawn():
    """A new theme that says it in another way would compute every colour twice."""
    template = (THEME.parent / "layout.html").read_text(encoding="utf-8")
    assert template.count(pages.UNDECIDED.replace("auto", "{{ default_mode }}")) == 1
    head = HEAD.replace("</script>", f"{pages.UNDECIDED}</script>", 1)
    assert "prefers-color-scheme" in pages.mend(head + BODY)
    assert '|| "auto"' not in pages.mend(head + BODY)


def test_a_page_with_parts_of_sphinx_design_keeps_their_style():
    assert "sphinx-design" in pages.mend(
        HEAD + BODY.replace("<p>Deeper.</p>", '<div class="sd-card">x</div>')
    )


def test_no_script_holds_the_page_up(mended):
    scripts = re.findall(r"<script[^>]*src=[^>]*>", mended[0])
    assert scripts
    assert all("defer" in script for script in scripts)


def test_buttons_are_called_what_they_show(mended):
    assert "aria-label" not in mended[1].xpath("//details[@class='hide']/summary")[0].attrib
    assert mended[1].xpath("//li//summary/@aria-label") == ["Pages of 2. Chapter"]
    assert "aria-label" not in mended[1].xpath("//button")[0].attrib
    assert mended[1].xpath("//i")[0].get("aria-hidden") == "true"


def test_a_folded_cell_says_what_it_holds(mended):
    lines = mended[1].xpath("//details[contains(@class, 'above-input')]/summary/p/text()")
    assert lines == ["Show the code of the figure", "Hide the code of the figure"]
    other = pages.mend(HEAD + BODY.replace("plot()", "import importlib.util"))
    assert "Show the set-up" in other


def test_hints_and_solutions_fold_without_a_script(mended):
    (box,) = mended[1].xpath("//details[@id='s']")
    assert box.xpath("normalize-space(./summary)") == "Solution to Exercise 1"
    assert not box.xpath("./summary//a")
    assert "The answer is 42." in box.text_content()
    assert not mended[1].xpath("//div[contains(@class, 'dropdown')]")


def test_roles_and_heads_are_those_that_exist(mended):
    assert not mended[1].xpath("//*[starts-with(@role, 'doc-')] | //*[@role='list']")
    assert [cell.tag for cell in mended[1].xpath("//tr/*")] == ["td", "th", "th", "td"]
    assert mended[1].xpath("//tbody//th/@scope") == ["row"]
    assert mended[1].xpath("//div[@id='pst-primary-sidebar']/@aria-label")


def test_a_page_describes_itself_with_its_first_paragraph(mended):
    (text,) = re.findall(r'<meta name="description" content="([^"]*)">', mended[0])
    assert text == "The first paragraph of the page says &lt;what&gt; it is about, with x^2."
    long = BODY.replace("The first paragraph", "word " * 60)
    (text,) = re.findall(r'name="description" content="([^"]*)"', pages.mend(HEAD + long))
    assert text.endswith("word ...")
    assert len(text) < 170


def test_a_page_is_mended_once_and_for_all(mended):
    assert pages.mend(mended[0]) == mended[0]


# search


def test_each_section_is_found_by_its_own_words():
    found = search_index.sections(BODY, "book/a.html")
    assert [entry[:3] for entry in found] == [
        ("book/a.html", "A title", "A title"),
        ("book/a.html#below", "A title", "Below"),
    ]
    assert "The answer is 42." in found[0][3], "a solution belongs to the section that it stands in"
    assert "Deeper." not in found[0][3]
    assert "x^2" in found[0][3]
    assert "Show code" not in found[0][3], "what is folded only sets up or draws"
    assert found[1][3] == "Deeper.", "what a cell has printed is not searched"


def test_the_sections_come_as_a_script_that_a_file_may_load(tmp_path, monkeypatch):
    monkeypatch.setattr(project, "toc_pages", lambda: ["book/a"])
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "a.html").write_text(HEAD + BODY, encoding="utf-8")
    search_index.write(tmp_path)
    script = (tmp_path / "live" / "search-data.js").read_text(encoding="utf-8")
    entries = json.loads(script.removeprefix("window.BOOK_SECTIONS=").rstrip().removesuffix(";"))
    assert [entry[0] for entry in entries] == ["book/a.html", "book/a.html#below"]


# styles and icons

THEME = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static"


def used(style: str, *names: str) -> str:
    """A style sheet with what these classes can use, in one line."""
    rules = tinycss2.parse_stylesheet(style, skip_comments=True, skip_whitespace=True)
    return " ".join(styles.only_used(rules, set(names)).split())


@pytest.mark.parametrize(
    ("style", "left"),
    [
        ("a{color:red}", "a{color:red}"),
        (".there{a:b}", ".there{a:b}"),
        (".gone{a:b}", ""),
        (".there .gone,.there>p,#gone{a:b}", ".there>p,#gone{a:b}"),
        (".there:not(.gone){a:b}", ".there:not(.gone){a:b}"),
        ("@media print{.gone{a:b}}", ""),
        ("@media print{.gone{a:b}.there{a:b}}", "@media print{.there{a:b}}"),
        ('@font-face{src:url("x")}', '@font-face{src:url("x")}'),
        (".bs-tooltip-top{a:b}", ".bs-tooltip-top{a:b}"),
    ],
)
def test_a_rule_goes_only_where_no_page_has_its_class(style, left):
    assert used(style, "there") == left


def test_classes_that_a_script_sets_are_in_use(tmp_path):
    (tmp_path / "a.html").write_text('<p class="one two"><b class="three">not-this</b></p>', encoding="utf-8")
    (tmp_path / "a.js").write_text("element.classList.add('four')", encoding="utf-8")
    assert {"one", "two", "three", "four"} <= styles.names_in_use(tmp_path)
    assert "not-this" not in styles.names_in_use(tmp_path)


def test_the_theme_s_icons_are_only_those_in_use():
    """A new theme that writes its rules in another way would bring all icons, or none."""
    style = (THEME / "styles" / "pydata-sphinx-theme.css").read_text(encoding="utf-8")
    found = icons.signs(used(style, "fa-bars"))
    assert 0xF0C9 in found
    assert len(found) < 60 < 1000 < len(icons.signs(style))
    assert len(icons.FACE.findall(style)) == 3


def test_a_font_of_few_signs_is_small():
    font = icons.small_font(
        THEME / "vendor" / "fontawesome" / "webfonts" / "fa-solid-900.ttf", {0xF0C9, 0xF0F3}
    )
    assert font.startswith("data:font/woff;base64,")
    assert len(font) < 5000


# one sheet a page

SHEETS = """<head><link href="../_static/styles/theme.css?digest=1" rel="stylesheet" />
<link rel="stylesheet" href="../_static/../vendor/katex/katex.min.css" />
<link rel="icon" href="../_static/favicon.svg"/>
<link rel="stylesheet" href="../_static/book.css?v=2" /><title>A</title></head><body>A</body>"""


def test_a_page_waits_for_one_sheet_that_says_what_its_sheets_said(tmp_path):
    for place, style in (
        ("_static/styles/theme.css", "a{color:red}"),
        ("vendor/katex/katex.min.css", "@font-face{src:url(fonts/a.woff2)}"),
        ("_static/book.css", 'a{color:blue;background:url("data:x,(")}'),
    ):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(style, encoding="utf-8")
    for name in ("book/a.html", "book/b.html"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(SHEETS, encoding="utf-8")
    one_sheet.finish(tmp_path)
    page = (tmp_path / "book/a.html").read_text(encoding="utf-8")
    assert page == (tmp_path / "book/b.html").read_text(encoding="utf-8")
    (address,) = re.findall(r'<link rel="stylesheet" href="([^"]*)"', page)
    assert "favicon" in page
    style = (tmp_path / "book" / address).read_text(encoding="utf-8")
    assert style.splitlines() == [
        "a{color:red}",
        "@font-face{src:url(../vendor/katex/fonts/a.woff2)}",
        'a{color:blue;background:url("data:x,(")}',
    ]


def test_a_page_at_the_address_of_any_other_finds_its_sheet():
    page = SHEETS.replace("../", "/book/", 1)
    assert 'href="/book/_static/page.css"' in one_sheet.with_one(page, lambda places: "_static/page.css")


def test_a_sheet_that_imports_another_is_refused(tmp_path):
    (tmp_path / "a.css").write_text("@import 'b.css';", encoding="utf-8")
    with pytest.raises(ValueError, match=r"a\.css imports another"):
        one_sheet.joined(tmp_path, ("a.css",))


# scripts


def test_the_theme_does_not_measure_the_whole_page():
    """A new theme that measures in another way would lay out every page twice."""
    script = (THEME / "scripts" / "pydata-sphinx-theme.js").read_text(encoding="utf-8")
    shorter = scripts.without_measuring(script)
    assert 0 < len(script) - len(shorter) < 100
    with pytest.raises(ValueError, match="0 times, not once"):
        scripts.without_measuring(shorter)
