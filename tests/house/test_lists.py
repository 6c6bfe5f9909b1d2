"""The lists of the appendices: recorded results, exercises, and words that lead to the glossary."""

from __future__ import annotations

import re

import pytest
from docutils import nodes

from tools import glossary, project
from tools.web import glossary_links, lists

CHINESE = re.compile("[\u4e00-\u9fff]")
FEWEST_WORDS = 80


def test_every_record_stands_in_the_table_with_its_provenance():
    page = lists.results_page(lists.records(), lists.users())
    for name, record in lists.records().items():
        part = page.split(f"(record-{name})=")[1].split("\n(record-")[0]
        assert f"{{ref}}`{name} <record-{name}>`" in page
        for key in lists.PROVENANCE:
            assert record[key] in part, (name, key)


def test_a_record_that_no_notebook_shows_is_seen():
    shown = lists.users()
    assert shown["passes"] == ["01_background", "01_background/a_solution_was_there"]
    assert shown["degradation_conv"][-1] == "touch/degradation", "figures to touch show records too"
    assert shown["reliability_faults"] == ["reproducing"]
    unseen = set(lists.records()) - set(shown)
    assert unseen <= {"pretrain_source"}, "the backbone's own training has its card"


def test_every_exercise_of_the_texts_is_listed_once():
    page = lists.exercises_page()
    texts = [path.read_text(encoding="utf-8") for path in project.TEXT.rglob("*.md")]
    labels = [label for text in texts for label in re.findall(r"\{exercise-start\}.*\n:label: (\S+)", text)]
    assert len(labels) > 100
    assert [page.count(f"<{label}>`") for label in labels] == [1] * len(labels)


def test_every_notebook_is_listed_with_its_minutes_and_seconds():
    page = lists.notebooks_page()
    rows = [line for line in page.splitlines() if line.startswith("| {doc}")]
    assert len(rows) == len(project.chapters())
    for row in rows:
        minutes, seconds = (int(cell) for cell in row.split("|")[2:4])
        assert 0 < minutes <= 25, row
        assert 0 < seconds <= 60, row


def costs(name, **more):
    """A row of the record of costs, as `python -m benchmarks.notebooks` writes it."""
    parts = {"torch": 2.24, "torchvision": 0.01, "matplotlib": 0.5}
    row = {"notebook": name, "kernel_wall": 0.7, "kernel_processor": 0.6, "import_wall": 3.2}
    row |= {"import_processor": 3.0, "import_by_package": parts, "loaded_and_unnamed": ["PIL"]}
    return row | {"cells_wall": 40.0, "cells_processor": 65.0} | more


def test_the_costs_of_the_notebooks_are_those_of_the_record_and_add_up():
    rows = [
        costs("01_background", cells_processor=900.0),
        costs("outlook", cells_wall=100.04, loaded_and_unnamed=[]),
    ]
    record = {"hardware": "two cores", "versions": "torch 2", "data": "photographs", "rows": rows}
    made = lists.costs_section(record).splitlines()
    assert "| {doc}`/book/01_background` | 0.7 | 3.2 | 2.2 |  | 0.5 | 40.0 | `PIL` |" in made
    assert "| {doc}`/book/outlook` | 0.7 | 3.2 | 2.2 |  | 0.5 | 100.0 |  |" in made
    assert "| **2 notebooks** | 1 | 6 | 4 | 0 | 1 | 140 | |" in made
    said = made[3].replace("\N{NO-BREAK SPACE}", " ")
    assert "two cores; torch 2; photographs" in said
    assert "take 2 min, and 16 min of the processor" in said, "141 and 966 seconds"
    assert "the numbered chapters take two quiet cores about 8 min, the bar is 8 min" in said, "450 seconds"
    columns = {line.count("|") for line in made if line.startswith("|")}
    assert columns == {9}


def test_the_costs_stand_in_reading_order_and_a_notebook_that_is_gone_stands_last():
    names = ["gone", "outlook", "02_residual_math/paths", "02_residual_math", "01_background/losses"]
    record = {"hardware": "", "versions": "", "data": "", "rows": [costs(name) for name in names]}
    lines = [line for line in lists.costs_section(record).splitlines() if line.startswith("| {doc}")]
    assert [line.split("/book/")[1].partition("`")[0] for line in lines] == [
        "01_background/losses", "02_residual_math", "02_residual_math/paths", "outlook", "gone",
    ]  # fmt: skip


def test_the_record_of_costs_is_shown_where_its_table_is(monkeypatch):
    monkeypatch.setattr(lists, "records", lambda: {lists.COSTS: {}, "speed_cuda": {}})
    shown = lists.users()
    assert (shown[lists.COSTS], shown["speed_cuda"]) == (["lists/notebooks"], ["reproducing"])


def test_every_entry_of_the_bibliography_is_cited_somewhere():
    keys = set(
        re.findall(r"^@\w+\{([^,]+),", (project.BOOK / "references.bib").read_text(encoding="utf-8"), re.M)
    )
    texts = [*project.TEXT.rglob("*.md"), *project.BOOK.glob("*.md")]
    groups = re.findall(
        r"\{cite(?::\w+)?\}`([^`]+)`", "\n".join(path.read_text(encoding="utf-8") for path in texts)
    )
    assert keys == {key.strip() for group in groups for key in group.split(",")}


@pytest.mark.parametrize(
    ("title", "first", "shown"),
    [
        ("Shapes", "The input is a batch.", "Shapes"),
        ("", "**How many?** Count.", "How many?"),
        ("", "Write `f(x)` by hand. Then run it.", "Write f(x) by hand"),
    ],
)
def test_an_exercise_is_listed_by_its_title_or_its_first_words(title, first, shown):
    assert lists._title(title, first) == shown


@pytest.mark.parametrize(("seconds", "said"), [(40, "40 s"), (2124, "35 min"), (9000, "2.5 h")])
def test_a_time_is_given_in_the_unit_that_people_use(seconds, said):
    assert lists.duration(seconds) == said.replace(" ", "\N{NO-BREAK SPACE}")


def test_the_glossary_has_eighty_words_in_two_languages():
    entries = glossary.entries()
    words = [word for word, _, _ in entries]
    assert len(words) >= FEWEST_WORDS
    assert words == sorted(words, key=str.lower)
    assert [word for word, other, _ in entries if not CHINESE.search(other)] in ([], ["Grad-CAM"])
    for _, _, meaning in entries:
        assert set(re.findall(r"\{term\}`([^`]*)`", meaning)) <= set(words)


def linked(*parts, language="en"):
    """What the words of a page become: the pieces of one paragraph, links as ``[word]``."""
    page = nodes.paragraph("", "", *parts)
    document = nodes.section("", page)
    names = {word.lower(): word for word in glossary_links.entries(language)}
    seen: set[str] = set()
    for text in list(document.findall(nodes.Text)):
        if glossary_links._is_prose(text):
            found = glossary_links.pattern(language).finditer(text.astext())
            text.parent.replace(text, glossary_links._linked(text.astext(), found, names, seen, "page"))
    said = [f"[{n.astext()}]" if isinstance(n, nodes.Element) else n.astext() for n in page.children]
    return "".join(said)


def test_the_first_use_of_a_word_is_linked_and_no_other():
    assert linked(nodes.Text("Two strides, one stride.")) == "Two [strides], one stride."


def test_the_longer_of_two_words_is_meant():
    assert linked(nodes.Text("a plain network")) == "a [plain network]"


def test_a_chinese_word_needs_no_space_around_it_and_the_longer_of_two_is_meant():
    told = linked(nodes.Text("把残差网络的捷径连接去掉，残差还在。"), language="zh_CN")
    assert told == "把[残差网络]的[捷径连接]去掉，[残差]还在。"


def test_what_a_link_shows_is_the_first_sentence_in_the_language_of_the_page():
    english, chinese = glossary_links.entries("en")["accuracy"], glossary_links.entries("zh_CN")["准确率"]
    assert english == "Right answers over all answers."
    assert chinese.endswith("。")
    assert chinese.count("。") == 1
    assert "{term}" not in "".join(glossary_links.entries("zh_CN").values())


def test_a_word_within_a_word_or_in_code_is_not_linked():
    assert linked(nodes.Text("a stride-free batched blockage")) == "a stride-free batched blockage"
    assert (
        linked(nodes.literal("", "stride"), nodes.Text(" here")) == "[stride] here"
    )  # its own element, not a link
    code = nodes.literal("", "stride")
    nodes.paragraph("", "", code)
    assert not glossary_links._is_prose(code.children[0])
