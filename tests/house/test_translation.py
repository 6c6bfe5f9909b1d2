"""The book in Chinese: what a translation must keep, and that the catalogue keeps it."""

from __future__ import annotations

import nbformat
import pytest

pytest.importorskip("myst_parser")

from babel.messages import Catalog
from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

from tools import interface, project
from tools.portable import buttons, translated
from tools.translation import catalogue, faithful, terms
from tools.web import languages

MESSAGE = (
    "With {cite}`he2016deep`, *two* of $n$ steps take 3.5 s in `fit`, "
    "see {doc}`the chapter <01_a>` and [here](x.html)."
)
GOOD = "按 {cite}`he2016deep`，$n$ 步中的*两*步在 `fit` 里用 3.5 秒，见{doc}`这一章 <01_a>`和[这里](x.html)。"


def test_a_faithful_translation_has_no_faults():
    assert faithful.faults(MESSAGE, GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("3.5", "3.6", "numbers: lost ['3.5'], added ['3.6']"),
        ("$n$", "$N$", "lost: $n$"),
        ("`fit`", "fit", "lost: `fit`"),
        ("{cite}`he2016deep`", "", "lost: {cite}`he2016deep`"),
        ("<01_a>", "<01_b>", "lost: {doc}`<01_a>`"),
        ("(x.html)", "(y.html)", "lost: (x.html)"),
        ("*两*", "两", "emphasis"),
        ("`fit` 里", "`fit`, 里", "half-width"),
        ("用 3.5 秒", "用 3.5 秒(快)", "half-width"),
        ("。", "。\n再来一行", "several lines"),
    ],
)
def test_what_a_translation_loses_or_adds_is_named(old, new, fault):
    assert any(fault in told for told in faithful.faults(MESSAGE, GOOD.replace(old, new)))


@pytest.mark.parametrize(
    ("message", "translation"),
    [
        ("1.28 million images", "128 万张图像"),
        ("last on 3 May 2016", "最后是 2016 年 5 月 3 日"),
        ("May you use it in 2016?", "2016 年可以用它吗？"),
        ("each 3x3 window", "每个 3×3 窗口"),
        ("the md5 of it", "它的摘要"),
    ],
)
def test_numbers_are_compared_by_what_they_say(message, translation):
    assert faithful.numbers(message) == faithful.numbers(translation)


def test_what_has_no_words_stays_as_it_is():
    for message in ("$x + y$", "`fit`", "12", "{doc}`01_a`", "\nx = \\text{all of it}\n"):
        assert not faithful.has_words(message)
    assert faithful.faults("12", "12") == []
    assert faithful.faults("12", "十二") != []


def test_a_word_of_the_glossary_is_said_one_way():
    assert terms.faults("Each shortcut has a stride.", "每条捷径连接都有步幅。") == []
    assert terms.faults("Each shortcut.", "每个快捷方式。") == [
        "shortcut is 捷径连接, not 快捷方式",
        "shortcut is not said as 捷径连接 or 捷径",
    ]
    assert terms.faults("the training error", "训练误差") == []
    assert terms.faults("`shortcut` in code", "代码里的 `shortcut`") == []


def test_terms_speak_of_words_of_the_glossary_only(tmp_path):
    more = tmp_path / "terms.toml"
    more.write_text('["no such word"]\nfree = true\n', encoding="utf-8")
    with pytest.raises(ValueError, match="not in the glossary: no such word"):
        terms.terms(more=more)


@pytest.mark.parametrize("domain", catalogue.DOMAINS)
def test_everything_that_is_translated_is_faithful(domain):
    assert catalogue.faults(catalogue.read(catalogue.place(domain))) == []


@pytest.mark.parametrize("domain", catalogue.DOMAINS)
def test_the_file_is_as_the_program_writes_it(domain):
    path = catalogue.place(domain)
    assert catalogue.written(catalogue.read(path), domain) == path.read_text(encoding="utf-8")


def test_every_word_of_the_website_is_in_the_catalogue_with_the_same_names():
    known = interface.catalogue(interface.CHINESE, "interface")
    for entry in catalogue.gathered_words():
        if entry.id:
            assert entry.id in known, f"run `make messages`, and translate {entry.id!r}"
            names = [
                sorted(set(translated.re.findall(r"\{(\w+)\}", text))) for text in (entry.id, known[entry.id])
            ]
            assert names[0] == names[1], entry.id


def made(**messages: str) -> Catalog:
    """A catalogue of these messages, by their numbers."""
    found = Catalog(locale="zh_CN")
    for message, translation in messages.items():
        found.add(message.replace("_", " "), translation)
    return found


def test_a_message_that_moved_keeps_its_translation_and_a_changed_one_is_in_doubt():
    old = made(one_plain_sentence_of_it="一", another_sentence="二", gone="三")
    new = made(another_sentence="", one_plain_sentence_of_that="", quite_new_here="")
    found = {entry.id: entry for entry in catalogue.updated(old, new) if entry.id}
    assert list(found) == ["another sentence", "one plain sentence of that", "quite new here"]
    assert (found["another sentence"].string, found["another sentence"].fuzzy) == ("二", False)
    changed = found["one plain sentence of that"]
    assert (changed.string, changed.fuzzy) == ("一", True)
    assert {
        kind: [entry.id for entry in left] for kind, left in catalogue.unfinished(found.values()).items()
    } == {
        "missing": ["quite new here"],
        "fuzzy": ["one plain sentence of that"],
    }


def test_a_message_with_other_numbers_takes_them_into_the_known_translation():
    assert catalogue.like("9 min, 30 s", "7 min, 20 s", "7 分钟，20 秒") == "9 分钟，30 秒"
    assert catalogue.like("9 and 8", "7 and 7", "7 和 7") is None  # which is which?
    assert catalogue.like("**commit**: `b2`", "**commit**: `a1`", "**提交**：`a1`") == "**提交**：`b2`"
    found = made(takes_7_min="要 7 分钟", takes_12_min="")
    assert catalogue.fill(found) == 1
    assert found["takes 12 min"].string == "要 12 分钟"


def test_a_message_is_looked_for_without_sphinx_as_it_is_with_it():
    known = interface.catalogue(interface.CHINESE, "book")
    extensions = {"amsmath", "colon_fence", "deflist", "dollarmath", "tasklist"}
    parser = create_md_parser(MdParserConfig(enable_extensions=extensions), RendererHTML)
    translator = translated.Translator(parser, known)
    for path in project.executed():
        notebook = nbformat.read(path, as_version=4)
        twin = translated.translated(notebook, translator)
        for cell, other in zip(notebook.cells, twin.cells, strict=True):
            assert cell.cell_type == other.cell_type
            if cell.cell_type == "code":
                assert (cell.source, cell.outputs, cell.id) == (other.source, other.outputs, other.id)
    told = "\n".join(translator.missing[:5])
    assert not translator.missing, f"no translation of {len(translator.missing)} messages, such as\n{told}"


def cell(source: str, **known: str) -> str:
    """A cell of prose, translated with these messages."""
    extensions = {"amsmath", "colon_fence", "dollarmath"}
    parser = create_md_parser(MdParserConfig(enable_extensions=extensions), RendererHTML)
    return translated.Translator(parser, {key.replace("_", " "): said for key, said in known.items()}).source(
        source
    )


def test_a_paragraph_of_several_lines_becomes_one_and_its_neighbours_stay():
    assert cell(
        "(a)=\n## A title\n\nOne\nsentence.\n\n$$\nx\n$$", A_title="标题", **{"One_sentence.": "一句。"}
    ) == ("(a)=\n## 标题\n\n一句。\n\n$$\nx\n$$")


def test_lists_tables_and_boxes_keep_their_form():
    assert cell("- one\n- two\n  more", one="一", two_more="二") == "- 一\n- 二"
    assert (
        cell("| one | two |\n|---|---|\n| two | $x$ |", one="一", two="二")
        == "| 一 | 二 |\n|---|---|\n| 二 | $x$ |"
    )
    source = ":::{admonition} A title\n:class: tip\nText\nhere.\n:::"
    assert (
        cell(source, A_title="标题", **{"Text_here.": "正文。"})
        == ":::{admonition} 标题\n:class: tip\n正文。\n:::"
    )
    proof = "```{prf:proof}\nTrivial.\n```"
    assert cell(proof, **{"Proof._Trivial.": "证明。显然。"}) == "```{prf:proof}\n显然。\n```"


PAGE = '<html lang="en" data-x><head></head><body><div class="article-header-buttons"></div></body></html>'


@pytest.mark.parametrize(
    ("page", "language", "way"),
    [
        ("book/01_background.html", "en", "../zh/book/01_background.html"),
        ("book/01_background/losses.html", "zh_CN", "../../../book/01_background/losses.html"),
        ("index.html", "en", "zh/index.html"),
        ("search.html", "zh_CN", "../search.html"),
    ],
)
def test_each_page_leads_to_the_same_page_in_the_other_language(page, language, way):
    made = languages.with_both(PAGE, page, language, "")
    assert f'href="{way}"' in made
    assert f'<html lang="{interface.TAGS[language]}" data-x>' in made
    assert "alternate" not in made.partition("</head>")[0]  # without an address there is none to tell


def test_search_engines_are_told_both_addresses_on_both_pages_and_none_of_the_search_page():
    told = [
        languages.with_both(PAGE, "book/a.html", language, "https://example.org/b/").partition("</head>")[0]
        for language in ("en", "zh_CN")
    ]
    for head in told:
        assert 'hreflang="en" href="https://example.org/b/book/a.html"' in head
        assert 'hreflang="zh-CN" href="https://example.org/b/zh/book/a.html"' in head
        assert 'hreflang="x-default" href="https://example.org/b/book/a.html"' in head
    search = languages.with_both(PAGE, "search.html", "en", "https://example.org/b/")
    assert "hreflang" not in search.partition("</head>")[0]


def test_the_buttons_of_a_chinese_page_open_chinese_notebooks():
    urls = [button.url for button in buttons.hosts("me/book", "01_background", interface.CHINESE)]
    assert urls
    assert all("notebooks-zh%2F01_background" in url or "notebooks-zh/01_background" in url for url in urls)


def test_a_formula_in_a_box_of_its_own_is_no_prose():
    box = "```{math}\n:label: eq-a\nx = \\text{words of it}\n```"
    assert cell(box, **{"x = \\text{words of it}": "错"}) == box
