"""The portable notebooks: Markdown for every host, and code that is that of the tested notebooks."""

import base64
import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import notebooks, project, references
from tools.portable import branch, buttons, cells, leftovers, names, prose

ROOT = project.ROOT
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
FENCE = "```"


class SomeNames:
    """Names that stand for those of the website."""

    def role(self, name, content, page):
        return f"<<{content}>>"

    def number(self, kind, label, page):
        return f"{kind.capitalize()} 7.{len(label)}"

    def equation(self, label, page):
        return f"7.{len(label)}"


@pytest.fixture(scope="module")
def writer():
    enabled = set(CONFIG["parse"]["myst_enable_extensions"]) | {"substitution"}
    parser = create_md_parser(MdParserConfig(enable_extensions=enabled), RendererHTML)
    return prose.Writer(parser, SomeNames(), "book/some")


# --- one cell of prose


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("See {doc}`layers` and `{doc}`.", "See <<layers>> and `{doc}`."),
        ("`{ref}`, `a`: {ref}`a`", "`{ref}`, `a`: <<a>>"),
        ("A long {doc}`name\nof a <page>` here.", "A long <<name of a <page>>> here."),
        ("| a | b |\n|---|---|\n| {ref}`x` | {ref}`x` |", "| a | b |\n|---|---|\n| <<x>> | <<x>> |"),
        ("> He says {cite}`x`\n> twice {cite}`y`.", "> He says <<x>>\n> twice <<y>>."),
        ("- one {eq}`e`\n- two\n  {eq}`f`", "- one <<e>>\n- two\n  <<f>>"),
        ("(sec-a)=\n## A\n\nText.", "## A\n\nText."),
        ("One.\n\n(sec-a)=\n\nTwo.", "One.\n\nTwo."),
        ("% a remark\nText.", "Text."),
        ("$$\na = b\n$$ (here)", "$$\na = b\n\\tag{7.4}\n$$"),
        ("$$\na = b\n$$", "$$\na = b\n$$"),
        ("```{math}\n:label: here\na = b\n```", "$$\na = b\n\\tag{7.4}\n$$"),
        ("```python\n{doc}`x`\n\n\n\n:::{note}\n```", "```python\n{doc}`x`\n\n\n\n:::{note}\n```"),
        (":::{admonition} *So*?\n:class: x\nA {doc}`b`.\n\nC.\n:::", "> ***So*?**\n>\n> A <<b>>.\n>\n> C."),
        ("```{tip}\nTry.\n```", "> **Tip**\n>\n> Try."),
        (":::{tip}\n:class: dropdown\nTry.\n:::", "<details>\n<summary>Tip</summary>\n\nTry.\n\n</details>"),
        (":::{prf:proof}\nBy {prf:ref}`a`.\n:::", "*Proof.* By <<a>>. ∎"),
        (":::{prf:proof}\nIt is\n\n$$\na\n$$\n:::", "*Proof.* It is\n\n$$\na\n$$\n\n∎"),
        (
            "```{prf:lemma} Of *two*\n:label: lem\nLet\n\n$$\na =\nb\n$$\n```",
            "> **Lemma 7.3 (Of *two*).** Let\n>\n> $$ a = b $$",  # or the marks would become part of it
        ),
    ],
)  # fmt: skip
def test_a_piece_of_myst_becomes_markdown(writer, source, shown):
    assert writer.text(source) == shown
    assert leftovers.of_text(shown.replace("<<", "").replace(">>", "")) == []


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("```{iframe} x\n```", "the directive {iframe} has no Markdown"),
        ("- a\n\n  ```{note}\n  b\n  ```", "stands in a list"),
        ("```{note}\n---\nclass: x\n---\nb\n```", "options of {note} as lines"),
        ("```{prf:theorem} A\nb\n```", "needs a `:label:`"),
        ("[a](other.ipynb)", "'other.ipynb' leads nowhere on another host"),
        ("![a](figures/a.png)", "'figures/a.png' leads nowhere on another host"),
        ("a\n: b", "a list of definitions"),
        ("{{ minutes }} to read", "a substitution"),
        (":::\na\n:::", "without a directive"),
        (":::{note}\n```{exercise-start}\n:label: a\n```\n:::", "inside another directive"),
    ],
)
def test_what_has_no_markdown_is_refused_by_name(writer, source, said):
    with pytest.raises(prose.Unsupported, match=re.escape(said)):
        writer.text(source)


# --- a notebook


def exercise(name, title=""):
    return f"{FENCE}{{exercise-start}} {title}\n:label: {name}\n{FENCE}"


def solution(name):
    return f"{FENCE}{{solution-start}} {name}\n:class: dropdown\n{FENCE}"


ENDS = {kind: f"{FENCE}{{{kind}-end}}\n{FENCE}" for kind in ("exercise", "solution")}


@pytest.fixture
def notebook():
    picture = new_output(
        "display_data", data={"image/png": "AAAA", "text/plain": "<Figure>"}, metadata={"a": 1}
    )
    made = [
        new_markdown_cell("(ch-a)=\n# A title\n\nWords."),
        new_code_cell("import a", metadata={"tags": ["hide-input"], "mystnb": {"image": {"alt": "b"}}}),
        new_code_cell("a.plot()\n", outputs=[picture], execution_count=2),
        new_markdown_cell(
            f"## Exercises\n\n{exercise('one')}\n**Three *halves*.**\nAsk.\n{ENDS['exercise']}"
        ),
        new_code_cell("answer = None"),
        new_markdown_cell(f"{solution('one')}\nIt is so:"),
        new_code_cell("answer = 1.5", execution_count=3),
        new_markdown_cell(
            f"And why.\n{ENDS['solution']}\n\n{exercise('second', 'By hand')}\nDo.\n{ENDS['exercise']}"
        ),
        new_markdown_cell(f"{solution('second')}\nSo.\n{ENDS['solution']}\n\n## Summary\n\nWords."),
    ]
    return new_notebook(cells=made)


def test_exercises_stand_under_headings_and_solutions_under_folded_ones(writer, notebook):
    made = cells.portable(notebook, writer)
    told = [cell.source for cell in made.cells if cell.cell_type == "markdown"]
    assert told == [
        "# A title\n\nWords.",
        "## Exercises",
        "### Exercise 7.3: Three *halves*\n\nAsk.",
        "#### Solution to Exercise 7.3",
        "It is so:",
        "And why.",
        "### Exercise 7.6: By hand\n\nDo.",
        "#### Solution to Exercise 7.6",
        "So.",
        "## Summary\n\nWords.",
    ]
    folded = [cell for cell in made.cells if cell.metadata.get("jp-MarkdownHeadingCollapsed")]
    assert [cell.source for cell in folded] == [text for text in told if "Solution" in text]
    assert made.metadata.colab.collapsed_sections == [cell.metadata.id for cell in folded]


def test_each_host_is_told_what_to_fold(writer, notebook):
    made = [cell for cell in cells.portable(notebook, writer).cells if cell.cell_type == "code"]
    setting_up, plot, _, solved = made
    assert setting_up.metadata["jupyter"] == {"source_hidden": True}
    assert setting_up.metadata["cellView"] == solved.metadata["cellView"] == "form"
    assert setting_up.metadata["_kg_hide-input"]
    assert solved.metadata["_kg_hide-output"]
    assert "_kg_hide-output" not in setting_up.metadata  # a figure whose code is folded is still to be seen
    assert plot.metadata == {}


def test_the_caption_of_a_figure_stands_below_it_with_its_number(writer, notebook):
    figures = ({"caption": "It *rises* {cite}`x`.", "name": "fig-a"}, {"caption": "It falls."})
    for cell, figure in zip(notebook.cells[1:3], figures, strict=True):
        cell.metadata["mystnb"] = {"figure": figure}
    made = cells.portable(notebook, writer).cells
    told = {made[place - 1].source: cell for place, cell in enumerate(made) if cell.id.endswith("-caption")}
    assert {above: cell.source for above, cell in told.items()} == {
        "import a": "**Figure 7.5.** It *rises* <<x>>.",
        "a.plot()\n": "It falls.",
    }


def test_what_comes_after_a_solution_is_not_folded_with_it(writer, notebook):
    notebook.cells[-1].source = notebook.cells[-1].source.replace("## Summary\n\n", "")
    told = cells.portable(notebook, writer).cells[-1].source
    assert told == "### Back to: Exercises\n\nWords."
    notebook.cells[-1].source = notebook.cells[-1].source.removesuffix("\n\nWords.")
    notebook.cells.append(new_code_cell("b"))
    with pytest.raises(prose.Unsupported, match=r"cell 10: code right after a solution"):
        cells.portable(notebook, writer)


def test_the_page_on_the_website_is_linked_below_the_title(writer, notebook):
    told = cells.portable(notebook, writer, website="https://example.org/a.html").cells[0].source
    assert told.startswith(
        "# A title\n\n*[This page on the website of the book](https://example.org/a.html)*\n\nWords."
    )


def test_a_paper_that_is_cited_and_not_listed_is_listed_at_the_end(writer, notebook):
    papers = references.entries(ROOT / "book" / "references.bib")
    assert "papers" not in [cell.id for cell in cells.portable(notebook, writer, papers=papers).cells]
    notebook.cells[0].source += "\nSee {cite}`he2016deep,wilson1927probable`."
    shown = cells.portable(notebook, writer, papers=papers).cells[-1].source
    listed = [references.line(papers[key]) for key in ("he2016deep", "wilson1927probable")]
    assert shown == "\n".join(["## References", "", *listed])
    notebook.cells[-1].source += f"\n\n## References\n\n{listed[0]}"
    shown = cells.portable(notebook, writer, papers=papers).cells[-1].source
    assert shown == f"The papers in full:\n\n{listed[1]}"


def same_code(stored, made):
    """Whether the code cells agree in all that was tested."""

    def tested(notebook):
        kept = [copy.deepcopy(cell) for cell in notebook.cells if cell.cell_type == "code"]
        for cell in kept:
            cell.metadata = {key: cell.metadata[key] for key in ("tags", "mystnb") if key in cell.metadata}
        return json.dumps(kept, sort_keys=True)

    return tested(stored) == tested(made)


def test_a_change_of_code_or_output_is_noticed(writer, notebook):
    made = cells.portable(notebook, writer)
    assert same_code(notebook, made)
    for change in (
        lambda cell: cell.update(source="a.plot()"),
        lambda cell: cell.outputs[0].metadata.clear(),
        lambda cell: cell.update(execution_count=None),
    ):
        changed = copy.deepcopy(made)
        change(next(cell for cell in changed.cells if cell.source == "a.plot()\n"))
        assert not same_code(notebook, changed)


@pytest.mark.parametrize("path", project.executed(), ids=lambda path: path.stem)
def test_a_notebook_of_the_book_keeps_its_code_and_no_myst(path, writer):
    stored = nbformat.read(path, as_version=4)
    made = cells.portable(stored, writer)
    assert same_code(stored, made)
    assert leftovers.of_notebook(made) == []
    assert len({cell.id for cell in made.cells}) == len(made.cells)
    assert sum(len(leftovers.of_text(cell.source)) for cell in stored.cells if cell.cell_type == "markdown")


# --- what is left


@pytest.mark.parametrize(
    "source",
    [
        "```{note}\nA\n```",
        ":::{note}\nA\n:::",
        "A\n:::",
        "See {doc}`a`.",
        "| {cite:t}`a` |\n|---|",
        "(sec-a)=\n## A",
        "{{ minutes }}",
        "$$\na\n$$ (label)",
        "$$\na\n$$\n(label)",
        "% remark",
        ":label: a\n\nB",
        "````{exercise-start} A\n:label: b\n````",
    ],
)
def test_a_piece_of_myst_is_found(source):
    assert leftovers.of_text(source)


@pytest.mark.parametrize(
    "source",
    [
        "`{doc}` and `a`, $F(x, \\{W_i\\})$ and `b`, ${{a}}$",
        "```python\n{doc}`x`\n:::\n```",
        "A colon: (in brackets) = 3, 10 %\n(really)\n\n> **Note**",
        "$$\n\\{a\\}\n\\tag{1}\n$$",
        "<details>\n<summary>Hint</summary>\n\nA\n\n</details>",
    ],
)
def test_markdown_is_not_taken_for_myst(source):
    assert leftovers.of_text(source) == []


def test_what_is_left_is_named_with_its_place(tmp_path):
    nbformat.write(
        new_notebook(cells=[new_markdown_cell("A"), new_markdown_cell("{doc}`b`")]), tmp_path / "a.ipynb"
    )
    assert leftovers.of_folder(tmp_path) == ["a.ipynb, cell 2: a role: {doc}`b`"]


# --- a small website

CONF = """
extensions = ["myst_nb", "sphinx_exercise", "sphinx_proof", "sphinxcontrib.bibtex"]
extensions += ["tools.portable.extension"]
html_theme = "sphinx_book_theme"
nb_execution_mode = "off"
numfig = math_numfig = True
myst_enable_extensions = ["dollarmath", "colon_fence"]
bibtex_bibfiles = ["book/references.bib"]
bibtex_reference_style = "author_year"
portable_repository = {repository!r}
portable_website = {website!r}
"""
INDEX = """# Some book

```{toctree}
:numbered:
book/01_one
book/01_one/room
```

```{toctree}
book/reproducing
```
"""
BIB = """@article{he2016deep, author={He, K. and Sun, J.}, title={A}, journal={B}, year={2016}, url={https://example.org/he}}
@article{doe2017, author={Doe, Jane}, title={C}, journal={D}, year={2017}, doi={10.1/x}}
@article{roe2018, author={Roe, Ann}, title={E}, journal={F}, year={2018}}
"""
ONE = rf"""(ch-one)=
# One `thing`

See {{doc}}`01_one/room`, {{doc}}`the room <01_one/room>`, {{ref}}`sec-two`, {{ref}}`there <sec-two>`
and {{ref}}`second`.
Known {{cite}}`he2016deep`, {{cite}}`he2016deep,doe2017`, {{cite:t}}`roe2018`;
a {{term}}`residual`, {{eq}}`sum`, {{numref}}`fig-plot`.

$$
a = b
$$ (sum)

(sec-two)=
## Two *parts*

{FENCE}{{prf:theorem}} Large
:label: thm-large
Big.
{FENCE}

By {{prf:ref}}`thm-large`.

{exercise("first", "A")}
Do.
{ENDS["exercise"]}
"""
ROOM = f"""# A room

{exercise("second", "B")}
Do.
{ENDS["exercise"]}

{solution("second")}
So.
{ENDS["solution"]}
"""
HOME = f"""# At home

## One notebook in your own JupyterLab

So.

{FENCE}{{glossary}}
residual
  What is left.
{FENCE}
"""
BIBLIOGRAPHY = f"\n{FENCE}{{bibliography}}\n{FENCE}\n"
PICTURE = base64.b64encode(b"\x89PNG").decode()
FIGURE = {"caption": "As {cite}`he2016deep` say.", "name": "fig-plot"}
PLOT = {
    "outputs": [new_output("display_data", data={"image/png": PICTURE})],
    "metadata": {"mystnb": {"figure": FIGURE, "image": {"alt": "A plot"}}},
}
REPOSITORY, SITE = "https://github.com/Somebody/a-book", "https://somebody.github.io/a-book/"


def build(folder, repository, website):
    """Build a website of four pages with Sphinx in a process of its own; return its folder."""
    (folder / "book" / "01_one").mkdir(parents=True)
    texts = {"index.md": INDEX, "book/references.bib": BIB, "book/reproducing.md": HOME + BIBLIOGRAPHY}
    texts["conf.py"] = CONF.format(repository=repository, website=website)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name, text in {"01_one": ONE, "01_one/room": ROOM}.items():
        made = [new_markdown_cell(text), new_code_cell("plot()", **PLOT)]
        page = new_notebook(cells=made if "fig-plot" in text else made[:1])
        page.metadata = nbformat.from_dict(notebooks.METADATA)
        nbformat.write(page, folder / "book" / f"{name}.ipynb")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", ".", "html"]
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return build(tmp_path_factory.mktemp("published"), REPOSITORY, SITE)


@pytest.fixture(scope="module")
def unpublished(tmp_path_factory):
    return build(tmp_path_factory.mktemp("unpublished"), "", "")


def prose_of(website, name):
    notebook = nbformat.read(website / "notebooks" / f"{name}.ipynb", as_version=4)
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def test_references_lead_to_the_website_and_citations_to_the_papers(published):
    told, site = prose_of(published, "01_one"), f"{SITE}book/"
    room, here = f"{site}01_one/room.html", f"{site}01_one.html"
    assert (
        f"See [A room]({room}), [the room]({room}), [Two parts]({here}#sec-two), [there]({here}#sec-two)\nand"
        in told
    )
    assert f"\nand [Exercise 2.1]({room}#second)." in told
    assert "[[He and Sun, 2016](https://example.org/he)]" in told
    assert "[[Doe, 2017](https://doi.org/10.1/x), [He and Sun, 2016](https://example.org/he)]" in told
    assert "Roe \\[2018\\]" in told  # that paper has no address
    assert f"[residual]({site}reproducing.html#term-residual)" in told
    assert f"[(1.1)]({here}#equation-sum)" in told
    assert "\\tag{1.1}" in told
    assert f"[Fig. 1.1]({here}#fig-plot)" in told
    assert "**Fig. 1.1.** As [[He and Sun, 2016](https://example.org/he)] say." in told
    assert f"By [Theorem 1.1]({here}#thm-large)." in told
    assert f"# One `thing`\n\n*[This page on the website of the book]({here})*\n" in told


def test_without_an_address_there_are_plain_words_and_only_papers_are_linked(unpublished):
    told = prose_of(unpublished, "01_one")
    assert "See *A room*, the room, *Two parts*, there\nand *Exercise 2.1*." in told
    assert "By Theorem 1.1." in told
    assert set(re.findall(r"\]\((.*?)\)", told)) == {"https://example.org/he", "https://doi.org/10.1/x"}


def test_numbers_are_those_of_the_page(published):
    for name in ("01_one", "01_one/room"):
        page = (published / "book" / f"{name}.html").read_text(encoding="utf-8")
        shown = re.findall(r'class="caption-number">((?:Exercise|Theorem) [\d.]+)', page)
        told = re.findall(r"(?:^#+ |\*\*)((?:Exercise|Theorem) [\d.]+\d)", prose_of(published, name), re.M)
        assert sorted(told) == sorted(shown)
        assert shown


def links(website, page):
    html = (website / "book" / f"{page}.html").read_text(encoding="utf-8")
    return dict(
        re.findall(
            r'<a href="([^"]+)"[^>]*class="btn[^"]*dropdown-item"[^>]*>.*?__text-container">([^<]+)<',
            html,
            re.S,
        )
    )


def test_each_page_has_the_buttons_of_its_own_notebook(published):
    path = "Somebody/a-book/blob/portable/notebooks/01_one/room.ipynb"
    found = links(published, "01_one/room")
    assert [text for text in found.values() if text[0].isalpha()] == [
        "Colab",
        "Kaggle",
        "JupyterLab",
        "Binder",
    ]
    where = {text: url.replace("&amp;", "&") for url, text in found.items()}
    assert where["Colab"] == f"https://colab.research.google.com/github/{path}"
    assert where["Kaggle"] == (
        "https://kaggle.com/kernels/welcome?src=https%3A%2F%2Fgithub.com%2F" + path.replace("/", "%2F")
    )
    assert where["Binder"] == (
        "https://mybinder.org/v2/gh/Somebody/a-book/portable?urlpath=lab%2Ftree%2Fnotebooks%2F01_one%2Froom.ipynb"
    )
    assert where["JupyterLab"] == "../reproducing.html#one-notebook-in-your-own-jupyterlab"
    assert where[".ipynb"] == "../../notebooks/01_one/room.ipynb"
    assert "Colab" not in links(published, "reproducing").values()


def test_without_an_address_a_page_has_only_the_buttons_that_lead_somewhere(unpublished):
    found = links(unpublished, "01_one/room")
    assert set(found.values()) == {"JupyterLab", ".ipynb"}
    assert (
        unpublished / "book" / "01_one" / next(url for url, text in found.items() if text == ".ipynb")
    ).is_file()


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"url": "https://a.org", "doi": "10.1/b"}, "https://a.org"),
        ({"doi": "10.1/b"}, "https://doi.org/10.1/b"),
        ({"journal": "arXiv preprint arXiv:1512.03385"}, "https://arxiv.org/abs/1512.03385"),
        ({"note": "In print"}, ""),
    ],
)
def test_a_paper_is_linked_by_what_its_entry_has(fields, url):
    assert names.paper(fields) == url


# --- the branch


def test_the_branch_has_what_pip_and_binder_need(tmp_path):
    site = tmp_path / "html"
    with pytest.raises(
        FileNotFoundError, match=r"no portable notebook of \d+, such as 01_\S+\.ipynb: run `make book` first"
    ):
        branch.gather(tmp_path / "branch", website=site)
    for path in project.executed():
        for folder in (site / buttons.FOLDER, site / "zh" / buttons.FOLDER):
            portable = folder / path.relative_to(project.BOOK)
            portable.parent.mkdir(parents=True, exist_ok=True)
            portable.write_text("{}", encoding="utf-8")
    branch.gather(tmp_path / "branch", website=site)
    found = {path.name for path in (tmp_path / "branch").iterdir()}
    assert found == {*branch.COPIED, "environment.yml", "notebooks", "notebooks-zh"}
    environment = yaml.safe_load((tmp_path / "branch" / "environment.yml").read_text(encoding="utf-8"))
    assert environment["dependencies"][-1] == {"pip": ["-e ."]}
    assert not [entry for entry in environment["dependencies"] if "myst" in str(entry)]
    assert "branch is made by a program" in (tmp_path / "branch" / "README.md").read_text(encoding="utf-8")
    assert len(list((tmp_path / "branch" / "notebooks").rglob("*.ipynb"))) == len(project.executed())
    assert not list(Path(tmp_path / "branch").rglob("__pycache__"))


def test_only_the_job_that_pushes_the_branch_may_write_and_it_runs_nothing_else():
    jobs = yaml.safe_load((ROOT / ".github/workflows/site.yml").read_text(encoding="utf-8"))["jobs"]
    writing = [name for name, job in jobs.items() if job["permissions"].get("contents") == "write"]
    assert writing == ["notebooks"]
    uses = [step["uses"].partition("@")[0] for step in jobs["notebooks"]["steps"] if "uses" in step]
    assert uses == [
        "actions/download-artifact"
    ]  # nothing of the repository and of PyPI runs beside the token
    (push,) = [step for step in jobs["notebooks"]["steps"] if "run" in step]
    assert "--force" in push["run"]
    assert f"--initial-branch={buttons.BRANCH}" in push["run"]
    assert "notebooks" in jobs["deploy"]["needs"]  # no button before there is something to open
