"""The package keeps its shape: wings on floors, imports only downward, everything defined once."""

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
# The floors, from the ground up: a wing imports from the floors below it, never from its own or a higher one.
FLOORS = (
    ("runtime",),
    ("files",),
    ("models", "data", "evaluation", "reporting"),
    ("training", "analysis", "deployment", "toy", "frameworks"),
    ("finetuning", "dense"),
    ("exercises",),
)
FLOOR_OF = {wing: number for number, wings in enumerate(FLOORS) for wing in wings}
MOST_WINGS, MOST_FLOORS = 14, 6  # twelve of the first part, and one for each chapter of the second
SLOW = {"torchvision", "matplotlib", "PIL", "sklearn", "pandas"}
EXTRAS = {"keras", "pycocotools", "tensorboard"}  # need not be there
LAZY = SLOW | EXTRAS  # wanted only inside functions
DRAWS = (
    "resnet_utils.reporting.plotting",
    "resnet_utils.reporting.digest",
    "resnet_utils.reporting.vector",
)  # matplotlib is what they are for
TWO_SUBJECTS = 400  # lines at which a module is asked whether it is two subjects
FUNCTION_LINES = 35  # without its docstring
COMMAND = "resnet_utils.__main__"  # above all floors: it reads the command line, and nothing asks it
MODULES = sorted(
    path.relative_to(project.ROOT).with_suffix("").as_posix().replace("/", ".")
    for path in PACKAGE.rglob("*.py")
    if path.name not in ("__init__.py", "__main__.py")
)
WINGS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
NOTEBOOKS = project.executed()


def tree_of(name: str) -> ast.Module:
    """The syntax tree of a module, or of a wing's ``__init__``."""
    path = project.ROOT / name.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


TREES = {name: tree_of(name) for name in MODULES}
FACES = {
    package: tree_of(package)
    for package in sorted(
        path.parent.relative_to(project.ROOT).as_posix().replace("/", ".")
        for path in PACKAGE.rglob("__init__.py")
    )
}


def wing(name: str) -> str:
    """``training`` for ``resnet_utils.training.loop``."""
    return name.split(".")[1]


def inner_imports(tree: ast.Module) -> set[str]:
    """Every module, wing or name of the package that a module imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the package: from resnet_utils.wing import module"
            if (node.module or "").split(".")[0] == "resnet_utils":
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("resnet_utils.")}
    return found


def module_of(imported: str) -> str:
    """The module or face that an import makes Python load: the longest beginning that is one."""
    while imported not in TREES and imported not in FACES:
        imported = imported.rpartition(".")[0]
    return imported


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


def test_every_wing_has_a_floor():
    assert sorted(FLOOR_OF) == WINGS, "a new wing gets its floor in this file"
    assert len(WINGS) <= MOST_WINGS
    assert len(FLOORS) <= MOST_FLOORS


def test_every_module_is_in_a_wing():
    assert [name for name in MODULES if name.count(".") < 2] == []


@pytest.mark.parametrize("name", [*MODULES, *FACES])
def test_imports_run_only_downward(name):
    if name == "resnet_utils":
        assert inner_imports(FACES[name]) == set(), "import resnet_utils loads nothing"
        return
    own = wing(name)
    others = {module_of(imported) for imported in inner_imports(TREES.get(name) or FACES[name])}
    others = {other for other in others if other != "resnet_utils" and wing(other) != own}
    wrong = sorted(other for other in others if FLOOR_OF[wing(other)] >= FLOOR_OF[own])
    assert not wrong, f"{name}, on floor {FLOOR_OF[own]}, imports {wrong}, which are not below it"


def test_the_command_only_reads_the_command_line():
    """It asks the wings inside its functions, after the words are understood, and no module asks it."""
    tree = tree_of(COMMAND)
    top = {alias.name for n in tree.body if isinstance(n, ast.Import) for alias in n.names}
    top |= {n.module for n in tree.body if isinstance(n, ast.ImportFrom)}
    assert not [name for name in top if name.split(".")[0] in {"resnet_utils", "torch", *LAZY}]
    wings = {module_of(imported).split(".")[1] for imported in inner_imports(tree)} - {"__init__"}
    assert wings <= {"finetuning", "deployment"}
    assert COMMAND not in {i for each in [*TREES.values(), *FACES.values()] for i in inner_imports(each)}
    assert [f.name for f in functions(tree) if lines_of_code(f) > FUNCTION_LINES] == []


def test_imports_make_no_circle():
    """Faces are left out: they only hand on what their modules define."""
    remaining = {
        name: {module_of(i) for i in inner_imports(tree)} & set(TREES) for name, tree in TREES.items()
    }
    while remaining:
        free = [name for name, needs in remaining.items() if not needs & set(remaining)]
        assert free, f"these import each other in a circle: {sorted(remaining)}"
        remaining = {name: needs for name, needs in remaining.items() if name not in free}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_does_not_ask_its_own_face(name):
    packages = {name.rpartition(".")[0]}
    wrong = [i for i in inner_imports(TREES[name]) if module_of(i) in packages]
    assert not wrong, f"{name} takes {wrong} from its own wing's face; name the module"


@pytest.mark.parametrize("name", [name for name in FACES if name != "resnet_utils"])
def test_a_face_hands_on_names_of_its_own_wing_only(name):
    tree = FACES[name]
    assert ast.get_docstring(tree), f"{name} says in a sentence what it is for"
    assert all(module_of(i).startswith(name + ".") for i in inner_imports(tree))
    handed = {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    named = [node.value for node in tree.body if isinstance(node, ast.Assign)]
    assert handed == (set(ast.literal_eval(named[0])) if named else set()), f"{name}.__all__ is another list"


@pytest.mark.parametrize("name", MODULES)
def test_docstring_names_the_chapter(name):
    docstring = ast.get_docstring(TREES[name]) or ""
    first, _, rest = docstring.partition("\n\n")
    assert first.endswith("."), f"{name}: the first paragraph says in a sentence what the module is"
    assert re.match(r"Introduced (?:in the front matter|in chapters? \d|on the pages to touch)", rest), (
        f"{name}: its docstring should go on with: Introduced in chapter ..."
    )


@pytest.mark.parametrize("name", MODULES)
def test_first_page_lists_the_module(name):
    page = (project.BOOK / "index.md").read_text(encoding="utf-8")
    told = re.findall(rf"^`{wing(name)}` \(.*\)\n: (.*)$", page, re.M)
    assert len(told) == 1, f"book/index.md needs one entry for the wing `{wing(name)}`"
    if wing(name) != "exercises":
        assert f"`{name.rpartition('.')[2]}`" in told[0], f"the entry of `{wing(name)}` does not name {name}"


@pytest.mark.parametrize("name", MODULES)
def test_chapter_really_uses_the_module(name):
    """The notebooks of the chapters that a docstring names use the module, or a name of it."""
    docstring = ast.get_docstring(TREES[name])
    found = re.search(r"Introduced in chapters? ([^.]*)", docstring)
    public = [node.name for node in definitions(TREES[name]) if not node.name.startswith("_")]
    words = "|".join([*name.split(".")[1:], *public])
    for number in re.findall(r"\d", found[1]) if found else []:
        sources = [
            cell.source
            for path in NOTEBOOKS
            if path.relative_to(project.BOOK).as_posix().startswith(f"0{number}_")
            for cell in nbformat.read(path, as_version=4).cells
        ]
        assert any(re.search(rf"\b(?:{words})\b", source) for source in sources), (
            f"chapter {number} should introduce {name}"
        )


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_one_subject_and_a_function_one_screen(name):
    path = project.ROOT / (name.replace(".", "/") + ".py")
    if wing(name) != "exercises":
        assert len(path.read_text(encoding="utf-8").splitlines()) <= TWO_SUBJECTS
    long = [f.name for f in functions(TREES[name]) if lines_of_code(f) > FUNCTION_LINES]
    assert not long, f"{name}: too long: {long}"


def stands_in_for_another(function: ast.FunctionDef) -> bool:
    """Whether a decorator returns it in the place of the function that it got, under ``functools.wraps``."""
    return any(ast.unparse(each).startswith("functools.wraps(") for each in function.decorator_list)


@pytest.mark.parametrize("name", MODULES)
def test_nothing_is_passed_through_by_double_star(name):
    # what a decorator returns has the signature of the function inside
    wrong = [f.name for f in functions(TREES[name]) if f.args.kwarg and not stands_in_for_another(f)]
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
    names = {part for name in MODULES for part in name.split(".")}
    assert not {"utils", "helpers", "common", "misc", "registry"} & names


def test_package_defines_each_name_once():
    where = defaultdict(list)
    for name, tree in TREES.items():
        for node in definitions(tree):
            if not node.name.startswith("_"):
                where[node.name].append(name)
    assert {k: v for k, v in where.items() if len(v) > 1} == {}


def test_notebooks_define_nothing_that_the_package_has():
    public = {node.name for tree in TREES.values() for node in definitions(tree) if node.name[0] != "_"}
    wrong = [
        (p.name, node.name) for p in NOTEBOOKS for node in notebook_definitions(p) if node.name in public
    ]
    assert not wrong, f"give the toy another name than the module's: {wrong}"


def test_no_body_is_written_twice():
    where = defaultdict(list)
    places = [(name, definitions(tree)) for name, tree in TREES.items()]
    places += [(path.relative_to(project.BOOK).as_posix(), notebook_definitions(path)) for path in NOTEBOOKS]
    for place, nodes in places:
        for node in nodes:
            if node.end_lineno - node.lineno >= 5:  # shorter ones may well agree by chance
                where[shape_of_body(node)].append(f"{place}: {node.name}")
    assert [names for names in where.values() if len(names) > 1] == []


def test_everything_the_package_reads_lies_in_it():
    """Weights and records are package data; only the folder with data sets may lie beside the package."""
    climbing = {
        name
        for name in MODULES
        if re.search(
            r"parents\[[2-9]\]|\.parent\.parent",
            (project.ROOT / (name.replace(".", "/") + ".py")).read_text(),
        )
    }
    assert climbing <= {"resnet_utils.data.datasets"}, "RESNET_BOOK_DATA may be relative to the project"


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
    importlib.import_module(name)
    print(name, *sorted({m.split(".")[0] for m in sys.modules} & set(sys.argv[2].split(","))))
"""


def test_no_module_takes_the_network_or_a_slow_library_at_its_top():
    names = [name for name in [*FACES, *MODULES] if name not in DRAWS and wing_is_light(name)]
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


def wing_is_light(name: str) -> bool:
    """The checkers hold answers against torchvision; a chapter that imports them has it already."""
    return name == "resnet_utils" or wing(name) != "exercises"


def test_the_records_are_json_of_one_shape():
    for path in sorted((PACKAGE / "reporting" / "records").glob("*.json")):
        assert set(json.loads(path.read_text(encoding="utf-8"))) >= {"claim", "command", "rows", "seeds"}


INHERITED = {"forward", "extra_repr"}  # torch says what these are; the class says what goes in and comes out


def documented_callables(tree: ast.Module) -> list[tuple[str, ast.FunctionDef, str]]:
    """Name, definition and docstring (with that of the class) of everything public that takes parameters."""
    found = []
    for node in definitions(tree):
        if node.name.startswith("_"):
            continue
        own = ast.get_docstring(node) or ""
        if isinstance(node, ast.FunctionDef):
            found.append((node.name, node, own))
            continue
        for method in node.body:
            if not isinstance(method, ast.FunctionDef) or method.name in INHERITED:
                continue
            if method.name == "__init__" or not method.name.startswith("_"):
                said = f"{own}\n{ast.get_docstring(method) or ''}"
                found.append((f"{node.name}.{method.name}", method, said))
    return found


@pytest.mark.parametrize("name", MODULES)
def test_every_public_parameter_has_a_word(name):
    silent = []
    for label, node, said in documented_callables(TREES[name]):
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        arguments += [a for a in (node.args.vararg, node.args.kwarg) if a is not None]
        silent += [
            f"{label}({argument.arg})"
            for argument in arguments
            if argument.arg not in ("self", "cls") and not re.search(rf"\b{argument.arg}\b", said)
        ]
    assert not silent, f"{name}: no docstring mentions {', '.join(silent)}"


@pytest.mark.parametrize("name", MODULES)
def test_every_public_method_says_what_it_does(name):
    silent = [
        label
        for label, node, _ in documented_callables(TREES[name])
        if not label.endswith(".__init__") and ast.get_docstring(node) is None
    ]
    assert not silent, f"{name}: {silent} have no docstring"
