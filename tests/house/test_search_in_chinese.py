"""The search finds Chinese, which has no gaps between its words, and English as if there were no Chinese."""

from __future__ import annotations

import json
import subprocess

import pytest

from tools import project
from tools.web import vendor

SCRIPT = project.ROOT / "site" / "live" / "search.js"
ASK = """
const { documents, queries, language } = JSON.parse(require("fs").readFileSync(0, "utf8"));
globalThis.MiniSearch = require(process.argv[1] + "/index.js");
const { optionsFor, marked } = require(process.argv[2]);
const options = optionsFor(language ?? "en");
if (!language) {
  options.processTerm = (term) => term.toLowerCase();
  delete options.searchOptions.processTerm;
}
const index = new MiniSearch(options);
index.addAll(documents.map((text, id) => ({ id, title: "", page: "", text })));
const found = (query) => index.search(query).map(({ id, score, terms }) => ({
  id, score, terms, marked: documents[id].match(marked(query, terms)),
}));
process.stdout.write(JSON.stringify(queries.map(found)));
"""
SECTIONS = [
    "残差网络把输入加到分支的输出上。捷径连接没有参数，深的网络也训练得动。",
    "网络越深，训练误差反而越大：这就是退化问题。",
    "批量归一化用批次的均值和方差。",
    "ResNet-50 的步幅在 3×3 卷积上；ResNet的残差块有三层。",
    "温度。熵，核。",
    "A residual network adds its input to the output of a branch.",
]


def found(*queries, documents=SECTIONS, language="zh-CN"):
    """For each query the results, the best one first; without a language as if Chinese were English."""
    asked = json.dumps({"documents": documents, "queries": queries, "language": language})
    command = [*vendor.node(), "-e", ASK, str(vendor.named("minisearch", "site")), str(SCRIPT)]
    done = subprocess.run(command, input=asked, capture_output=True, encoding="utf-8", check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("query", "sections"),
    [
        ("残差", {0, 3}),  # within a sentence, and after Latin letters
        ("退化", {1}),
        ("残差网络", {0}),  # and not the section that has network and residual apart
        ("训练误差", {1}),
        ("捷径连接", {0}),
        ("批量归一化", {2}),
        ("残差 卷积", {3}),
        ("ResNet 残差", {3}),
        ("ResNet残差", {3}),
        ("resnet", {3}),
        ("熵", {4}),  # one character that stands alone
        ("误", {1}),  # one within a sentence
        ("大", {1}),  # and one at its end
        ("层 步幅", {3}),
        ("差残", set()),
        ("网终", set()),  # one wrong character is another word
        ("resid", {5}),
        ("residaul", {5}),
    ],
)
def test_a_word_is_found_where_it_stands_and_nowhere_else(query, sections):
    (results,) = found(query)
    assert {one["id"] for one in results} == sections


def test_an_excerpt_marks_the_words_as_they_were_typed():
    whole, apart, mixed = found("残差网络", "网络 训练误差", "ResNet的残差")
    assert whole[0]["marked"][0] == "残差网络"
    assert [one["marked"] for one in apart if one["id"] == 1] == [["网络", "训练误差"]]
    assert "ResNet的残差" in mixed[0]["marked"]


def test_an_english_book_is_searched_in_chinese_too():
    for query, sections in (("残差网络", [0]), ("ResNet残差", [3]), ("训练误差", [1])):
        assert [one["id"] for one in found(query, language="en")[0]] == sections


def test_english_is_found_in_the_english_book_as_if_there_were_no_chinese_in_it():
    """Order and score, to the last digit, in the glossary and in the articles, which quote Chinese."""
    written = [project.BOOK / "glossary.md", *sorted((project.TEXT / "articles").glob("*.md"))]
    texts = [path.read_text(encoding="utf-8").split("\n\n") for path in written]
    documents = [text for parts in texts for text in parts if text]
    queries = ["resnet", "batch", "batchnrom", "learning rate", "Grad-CAM", "residual", "of the loss"]
    ours, plainly = (found(*queries, documents=documents, language=language) for language in ("en", None))
    assert ours == plainly
    assert all(ours)
