"""The package keeps its shape: one room for one subject, imports only downward, everything defined once."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import nbformat
import pytest

from tools import project

PACKAGE = project.ROOT / "resnet_utils"
# One room for one subject: what it may import from the package, and where the book introduces it.
ROOMS = {
    "runtime": (set(), "front matter"),
    "plotting": (set(), "front matter"),
    "degradation": ({"models", "training"}, "chapter 1"),
    "recorded": (set(), "chapter 1"),
    "theory": (set(), "chapter 2"),
    "landscape": (set(), "chapter 2"),
    "blocks": (set(), "chapter 3"),
    "diagrams": (set(), "chapter 3"),
    "orderings": ({"blocks"}, "chapter 3"),
    "relatives": ({"blocks"}, "chapter 3"),
    "trials": ({"blocks", "degradation", "runtime"}, "chapter 3"),
    "models": ({"blocks", "relatives"}, "chapter 4"),
    "complexity": (set(), "chapter 4"),
    "training": ({"runtime"}, "chapter 4"),
    "export": (set(), "chapter 4"),
    "drawn": (set(), "chapter 5"),
    "downloads": (set(), "chapters 4 and 5"),
    "data": ({"runtime", "drawn", "downloads"}, "chapters 4 and 5"),
    "checkpoints": ({"downloads"}, "chapters 4 and 5"),
    "copies": ({"data"}, "chapter 5"),
    "finetuning": ({"models", "training", "checkpoints"}, "chapter 5"),
    "evaluation": ({"training", "degradation"}, "chapter 5"),
    "calibration": (set(), "chapter 5"),
    "grad_cam": ({"models", "training"}, "chapter 5"),
    "classifier": (
        {"models", "training", "checkpoints", "data", "calibration", "evaluation", "export"},
        "chapter 5",
    ),
}
# Modules that share a room, where one file would be too long; `data_files` is in `data` by its name.
LIVES_IN = dict.fromkeys(("recipe", "range_test", "cures", "resume"), "training")
LAZY = {"torchvision", "matplotlib", "PIL", "sklearn", "pandas"}  # slow; wanted only inside functions
MOST_LINES = 230
FUNCTION_LINES = 35  # without its docstring
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")
TREES = {name: ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8")) for name in MODULES}
CHAPTERS = sorted(project.BOOK.glob("*.ipynb"))


def room(name: str) -> str:
    """The room of a module: its own name, or the one before the underscore."""
    return name if name in ROOMS else LIVES_IN.get(name, name.partition("_")[0])


def inner_imports(tree: ast.Module) -> set[str]:
    """Modules of the package that a module imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = ("resnet_utils." if node.level else "") + (node.module or "")
            if module.strip(".") == "resnet_utils":
                found |= {alias.name for alias in node.names}
            elif module.startswith("resnet_utils."):
                found.add(module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("resnet_utils.")}
    return found & set(MODULES)


def functions(tree: ast.AST) -> list[ast.FunctionDef]:
    """Every function and method."""
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def body_without_docstring(node: ast.AST) -> list[ast.stmt]:
    """The statements of a definition."""
    has_docstring = isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant)
    return node.body[1:] if has_docstring else node.body


def lines_of_code(node: ast.FunctionDef) -> int:
    """Lines from the first statement after the docstring to the last one."""
    body = body_without_docstring(node)
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def shape_of_body(node: ast.AST) -> str:
    """A definition without its name and docstring, to find the same code under two names."""
    return "\n".join(ast.dump(part) for part in body_without_docstring(node))


def definitions(tree: ast.Module) -> list[ast.AST]:
    """Classes and functions at the top of a module."""
    return [n for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef)]


def notebook_definitions(path: Path) -> list[ast.AST]:
    """Classes and functions that a notebook defines at the top of a cell."""
    found = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            source = re.sub(r"^(\s*)[%!].*$", r"\1pass", cell.source, flags=re.MULTILINE)
            found += definitions(ast.parse(source))
    return found


@pytest.mark.parametrize("name", MODULES)
def test_module_has_a_room(name):
    assert room(name) in ROOMS, f"{name}.py is new: give it its arrows and its chapter in this file"


@pytest.mark.parametrize("name", MODULES)
def test_imports_run_only_downward(name):
    allowed = ROOMS[room(name)][0]
    wrong = [other for other in inner_imports(TREES[name]) if room(other) not in {room(name), *allowed}]
    assert not wrong, f"{name} imports {sorted(wrong)}; allowed: {sorted(allowed)}"


@pytest.mark.parametrize("name", MODULES)
def test_a_room_is_entered_by_its_door(name):
    others = {other for other in inner_imports(TREES[name]) if room(other) != room(name)}
    assert others <= set(ROOMS), f"{name} imports a part of another room: {sorted(others - set(ROOMS))}"


def test_imports_make_no_circle():
    remaining = {name: inner_imports(tree) for name, tree in TREES.items()}
    while remaining:
        free = [name for name, needs in remaining.items() if not needs & set(remaining)]
        assert free, f"these import each other in a circle: {sorted(remaining)}"
        remaining = {name: needs for name, needs in remaining.items() if name not in free}


@pytest.mark.parametrize("name", MODULES)
def test_docstring_names_the_chapter(name):
    docstring = ast.get_docstring(TREES[name]) or ""
    first, _, rest = docstring.partition("\n\n")
    assert first.endswith("."), f"{name}: the first paragraph says in a sentence what the module is"
    chapter = ROOMS[room(name)][1]
    wanted = f"Introduced in {'the ' if chapter == 'front matter' else ''}{chapter}"
    assert wanted in " ".join(rest.split()), f"{name}: its docstring should say: {wanted}."


@pytest.mark.parametrize("name", MODULES)
def test_first_page_lists_the_module(name):
    page = (project.BOOK / "index.md").read_text(encoding="utf-8")
    row = re.search(rf"^\|[^|]*`{name}`[^|]*\|\s*([^|]+?)\s*\|", page, re.MULTILINE)
    assert row, f"book/index.md has no row for `{name}`"
    chapter = ROOMS[room(name)][1]
    assert row[1] == chapter.removeprefix("chapters ").removeprefix("chapter ").replace(" and ", ", ")


@pytest.mark.parametrize("name", [name for name in ROOMS if ROOMS[name][1].startswith("chapter")])
def test_chapter_really_uses_the_module(name):
    for number in re.findall(r"\d", ROOMS[name][1]):
        for path in project.BOOK.glob(f"0{number}_*.ipynb"):
            source = json.dumps([c.source for c in nbformat.read(path, as_version=4).cells])
            assert re.search(rf"\b{name}\b", source), f"{path.name} should introduce {name}"


@pytest.mark.parametrize("name", MODULES)
def test_module_can_be_read_in_one_sitting(name):
    lines = (PACKAGE / f"{name}.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MOST_LINES
    long = [f.name for f in functions(TREES[name]) if lines_of_code(f) > FUNCTION_LINES]
    assert not long, f"{name}: too long: {long}"


@pytest.mark.parametrize("name", MODULES)
def test_nothing_is_passed_through_by_double_star(name):
    wrong = [f.name for f in functions(TREES[name]) if f.args.kwarg is not None]
    assert not wrong, f"{name}: name the options of {wrong}"


@pytest.mark.parametrize("name", MODULES)
def test_public_functions_have_types_and_a_docstring(name):
    wrong = [
        node.name
        for node in functions(TREES[name])
        if not node.name.startswith("_") and (node.returns is None or ast.get_docstring(node) is None)
        if node in TREES[name].body
    ]
    assert not wrong, f"{name}: {wrong} lack a return type or a docstring"


def test_there_is_no_room_for_everything():
    assert not {"utils", "helpers", "common", "misc", "registry"} & set(MODULES)


def test_package_defines_each_name_once():
    where = defaultdict(list)
    for name, tree in TREES.items():
        for node in definitions(tree):
            if not node.name.startswith("_"):
                where[node.name].append(name)
    assert {k: v for k, v in where.items() if len(v) > 1} == {}


def test_notebooks_define_nothing_that_the_package_has():
    public = {node.name for tree in TREES.values() for node in definitions(tree) if node.name[0] != "_"}
    wrong = [(p.name, node.name) for p in CHAPTERS for node in notebook_definitions(p) if node.name in public]
    assert not wrong, f"give the toy another name than the module's: {wrong}"


def test_no_body_is_written_twice():
    where = defaultdict(list)
    places = [(name, definitions(tree)) for name, tree in TREES.items()]
    places += [(path.name, notebook_definitions(path)) for path in CHAPTERS]
    for place, nodes in places:
        for node in nodes:
            if node.end_lineno - node.lineno >= 5:  # shorter ones may well agree by chance
                where[shape_of_body(node)].append(f"{place}: {node.name}")
    assert [names for names in where.values() if len(names) > 1] == []


def test_importing_the_package_loads_neither_torchvision_nor_matplotlib():
    command = [sys.executable, "-X", "importtime", "-c", "import resnet_utils"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert "resnet_utils" in loaded
    assert not LAZY & loaded


IMPORT_WITHOUT_NETWORK = """
import sys

def hook(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        raise RuntimeError(f"network on import: {event} {arguments}")

sys.addaudithook(hook)
import importlib
for name in sys.argv[1].split(","):
    importlib.import_module(f"resnet_utils.{name}")
    print(name, *sorted({m.split(".")[0] for m in sys.modules} & set(sys.argv[2].split(","))))
"""


def test_no_module_takes_the_network_or_a_slow_library_at_its_top():
    names = [name for name in MODULES if name != "plotting"]  # matplotlib is what plotting is for
    command = [
        sys.executable,
        "-c",
        IMPORT_WITHOUT_NETWORK,
        ",".join(names),
        ",".join(sorted(LAZY - {"PIL"})),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = [line for line in done.stdout.splitlines() if len(line.split()) > 1]
    assert not loaded, f"imported at the top of a module: {loaded[0]}"
