"""HTML that a page brings itself, and a figure to touch, speak the language of their page."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from markdown_it import MarkdownIt

from tools import interface, project
from tools.translation import catalogue

PAGE = """# A page

<div class="live">
<p>A still picture of it: the first twelve maps of the stem and of each stage,
a row each, for a drawn cat.</p>
<p>Nobody has translated this.</p>
<img src="cat.png" alt="Accuracy after one cut, by the block; the numbers stand in the table below.">
</div>

```{raw} html
:file: cuts.html
```

```{code-block} html
<p>The same as a table</p>
```

```{touch} descent
- {name: rate, label: Learning rate, from: 0.005, to: 0.21, step: 0.005, start: 0.035}
- {name: walls, label: "Steepness, walls to floor", from: 10, to: 50, step: 10, start: 50}
- {name: momentum, label: Momentum, from: 0, to: 0.9, step: 0.1, start: 0}
- {name: steps, label: Steps, from: 0, to: 40, start: 40}
```
"""
CUTS = """<figure><figcaption>Nothing but a caption.</figcaption>
<details><summary>The same as a table</summary><table><tr><th>block</th><th>1</th><td>block</td></tr></table>
</details></figure>"""
CONFIGURATION = f"""
import sys
sys.path.insert(0, {str(project.ROOT)!r})
extensions = ["myst_parser", "tools.web.touch", "tools.web.translated"]
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The same page by language."""
    made = {}
    for language in interface.TAGS:
        folder = tmp_path_factory.mktemp(language)
        (folder / "index.md").write_text(PAGE, encoding="utf-8")
        (folder / "cuts.html").write_text(CUTS, encoding="utf-8")
        (folder / "conf.py").write_text(f"{CONFIGURATION}language = {language!r}\n", encoding="utf-8")
        command = [sys.executable, "-m", "sphinx", "-q", "--no-color", str(folder), str(folder / "html")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        made[language] = (folder / "html" / "index.html").read_text(encoding="utf-8")
    return made


def test_what_a_page_says_in_html_is_said_in_its_language(pages):
    chinese = pages[interface.CHINESE]
    assert "<p>先看一幅静止的图：" in chinese
    assert 'src="cat.png" alt="切一刀之后的准确率，按块排列；' in chinese
    assert "<summary>同样的内容，列成表格</summary>" in chinese, "in a file that the page takes in"
    assert "<th>块</th><th>1</th><td>block</td>" in chinese


def test_what_has_no_translation_and_what_is_code_stays(pages):
    chinese = pages[interface.CHINESE]
    assert "<p>Nobody has translated this.</p>" in chinese
    assert "<figcaption>Nothing but a caption.</figcaption>" in chinese
    assert re.search("The same as a table", re.sub("<[^>]*>", "", chinese)), "the listing"


def test_in_english_the_html_is_the_pages_own_to_the_byte(pages):
    assert CUTS in pages[interface.ENGLISH]
    assert PAGE[PAGE.index("<div") : PAGE.index("</div>")] in pages[interface.ENGLISH]


def test_a_figure_to_touch_speaks_the_language_of_its_page(pages):
    english, chinese = (pages[language] for language in (interface.ENGLISH, interface.CHINESE))
    assert "Height at the start 57" in english
    assert "起点的高度为 57" in chinese
    assert ">逐步的高度</text>" in chinese
    assert "<legend>移动滑块</legend>" in chinese
    assert "Height" not in chinese


def test_a_message_is_a_whole_element_with_what_is_marked_up_in_it():
    markup = '<p class="a">One\n  and <em>two</em>.</p><path d="M0"><th>3 %</th><text>x axis</text>'
    assert interface.html_messages(markup) == ["One and <em>two</em>.", "x axis"]
    assert interface.html_messages('<img alt="A cat" title="no"><svg aria-label="A  drawing">') == [
        "A cat",
        "A drawing",
    ]


def test_what_is_replaced_is_what_was_gathered_and_nothing_around_it():
    markup = '<div><p>\n  One\n  line </p><img alt="A cat"/><p>Other</p></div>'
    known = {"One line": "1", "A cat": "2"}
    said = interface.said_in_html(markup, lambda text: known.get(text, text))
    assert said == '<div><p>1</p><img alt="2"/><p>Other</p></div>'
    assert interface.said_in_html(markup, lambda text: text) == markup


def raw_html(path):
    """The HTML of a page, and of the files that it takes in, as a reader of Markdown finds it."""
    text = path.read_text(encoding="utf-8")
    for token in MarkdownIt("commonmark").parse(text):
        if token.type == "html_block":
            yield token.content
        elif token.type == "fence" and token.info.strip() == "{raw} html":
            file = re.search(r"^:file: (.+)$", token.content, re.M)
            yield (path.parent / file[1]).read_text(encoding="utf-8") if file else token.content


def test_all_that_pages_say_in_html_is_translated():
    written = [path for folder in (project.BOOK, project.TEXT) for path in sorted(folder.rglob("*.md"))]
    messages = {text for path in written for part in raw_html(path) for text in interface.html_messages(part)}
    assert len(messages) > 8
    assert messages <= {text for _, text in catalogue.html_words()}
    assert messages <= interface.catalogue(interface.CHINESE, "interface").keys()
