"""Which tests and notebooks may turn red by a bug: those that reach its file by imports."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from tools import project

LEFT_OUT = ("tests/site/", "tests/house/test_faults.py", "tests/experiments/test_records.py")  # minutes each
TOLD_BY = {  # a module whose tests have another name
    "resnet_utils/__main__.py": "tests/test_command.py",
    "resnet_utils/analysis/paths.py": "tests/analysis/test_gradients.py",
    "resnet_utils/data/listing.py": "tests/data/test_folder.py",
    "resnet_utils/data/synthetic/faces.py": "tests/data/synthetic/test_animals.py",
    "resnet_utils/data/synthetic/parts.py": "tests/data/synthetic/test_animals.py",
    "resnet_utils/data/synthetic/scene.py": "tests/data/synthetic/test_animals.py",
    "resnet_utils/dense/learning.py": "tests/dense/test_segmenters.py",
    "resnet_utils/deployment/card.py": "tests/deployment/test_classifier.py",
    "resnet_utils/deployment/inputs.py": "tests/deployment/test_classifier.py",
    "resnet_utils/deployment/page.py": "tests/deployment/test_report.py",
    "resnet_utils/evaluation/selective.py": "tests/evaluation/test_calibration.py",
    "resnet_utils/files/transfer.py": "tests/files/test_downloads.py",
    "resnet_utils/finetuning/backbones.py": "tests/finetuning/test_own.py",
    "resnet_utils/finetuning/parts.py": "tests/finetuning/test_strategies.py",
    "resnet_utils/finetuning/photographs.py": "tests/finetuning/test_own.py",
    "resnet_utils/finetuning/probe.py": "tests/finetuning/test_strategies.py",
    "resnet_utils/finetuning/tuning.py": "tests/finetuning/test_own.py",
    "resnet_utils/reporting/digest.py": "tests/reporting/test_plotting.py",
    "resnet_utils/reporting/numbers.py": "tests/runtime/test_environment.py",
    "resnet_utils/reporting/svg.py": "tests/reporting/test_drawings.py",
    "resnet_utils/training/optim.py": "tests/training/test_loop.py",
    "resnet_utils/training/run.py": "tests/training/test_callbacks.py",
    "tools/notebooks.py": "tests/house/test_project.py",
    "tools/patience.py": "tests/house/test_setting_up.py",
    "tools/portable/cells.py": "tests/house/test_portable.py",
    "tools/portable/prose.py": "tests/house/test_portable.py",
    "tools/portable/translated.py": "tests/house/test_translation.py",
    "tools/references.py": "tests/house/test_project.py",
    "tools/translation/catalogue.py": "tests/house/test_translation.py",
    "tools/translation/faithful.py": "tests/house/test_translation.py",
    "tools/translation/terms.py": "tests/house/test_translation.py",
    "tools/web/search_index.py": "tests/house/test_pages.py",
}


def mirrored(file: str, root: Path = project.ROOT) -> str:
    """The file of tests that belongs to a module; empty where it has none of its own."""
    name = Path(file).stem
    parts = Path(file).parent.parts
    folder = Path("tests", *parts[1:]) if parts[0] == "resnet_utils" else Path("tests/house")
    found = TOLD_BY.get(file, (folder / f"test_{name}.py").as_posix())
    return found if (root / found).exists() else ""


@cache
def imports(path: Path, root: Path = project.ROOT) -> frozenset[str]:
    """The files of the project that a file imports by itself; a package counts as its ``__init__``."""
    return _imported(ast.parse(path.read_text(encoding="utf-8")), root)


def _imported(tree: ast.AST, root: Path) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    found = set()
    for name in names:
        if name.split(".")[0] in ("resnet_utils", "tools", "experiments"):
            path = root / name.replace(".", "/")
            for each in (path.with_suffix(".py"), path / "__init__.py"):
                if each.is_file():
                    found.add(each.relative_to(root).as_posix())
    return frozenset(found)


def _steps(first: frozenset[str], root: Path) -> dict[str, int]:
    """Every file that is reached from the first ones, and in how many imports."""
    found, new, step = dict.fromkeys(first, 1), set(first), 1
    while new:
        step += 1
        new = set().union(*(imports(root / file, root) for file in new)) - found.keys()
        found |= dict.fromkeys(new, step)
    return found


@cache
def reach(root: Path = project.ROOT) -> dict[str, dict[str, int]]:
    """File of tests -> file of the project -> how many imports lie between."""
    files = sorted(path.relative_to(root).as_posix() for path in (root / "tests").rglob("test_*.py"))
    return {file: _steps(imports(root / file, root), root) for file in files if not file.startswith(LEFT_OUT)}


def others(file: str, root: Path = project.ROOT) -> list[str]:
    """The files of tests that a bug in ``file`` may turn red, but for its own: the nearest first.

    Those of its own wing come before those of others, and the exercises last, which reach everything.
    """
    near = {tests: found[file] for tests, found in reach(root).items() if file in found}
    wing = (Path("tests") / Path(*Path(file).parent.parts[1:])).as_posix()

    def far(tests: str) -> tuple[bool, bool, int, str]:
        return tests.startswith("tests/exercises/"), not tests.startswith(wing), near[tests], tests

    return sorted(near.keys() - {mirrored(file, root)}, key=far)


@cache
def _notebooks(root: Path = project.ROOT) -> dict[str, tuple[dict[str, int], int]]:
    import nbformat

    from tools import sitting

    found = {}
    for path in project.executed(root / "book"):
        notebook = nbformat.read(path, as_version=4)
        code = "\n".join(
            re.sub(r"^([ \t]*)[%!].*$", r"\1pass", cell.source, flags=re.M)
            for cell in notebook.cells
            if cell.cell_type == "code"
        )
        try:
            first = _imported(ast.parse(code), root)
        except SyntaxError:
            first = frozenset()
        name = path.relative_to(root).as_posix()
        found[name] = (_steps(first, root), sitting.promised_seconds(notebook) or 60)
    return found


def notebooks(file: str, root: Path = project.ROOT) -> list[tuple[str, int]]:
    """The notebooks that reach a module, with their promised seconds: the nearest and shortest first."""
    known = _notebooks(root).items()
    near = [(steps[file], seconds, name) for name, (steps, seconds) in known if file in steps]
    return [(name, seconds) for _, seconds, name in sorted(near)]


def lines_of(text: str, first: int, last: int) -> tuple[set[int], set[int]]:
    """Of the statements on some lines their own lines, and all lines of the functions around.

    Args:
        text: a module as it stands.
        first: of the lines, from 1.
        last: of the lines.
    """
    own, around = set(range(first, last + 1)), set()
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.stmt):
            continue
        body = getattr(node, "body", None)
        end = body[0].lineno - 1 if isinstance(body, list) else node.end_lineno or node.lineno
        if node.lineno <= last and end >= first:
            own |= set(range(node.lineno, end + 1))
        inside = node.lineno <= last and (node.end_lineno or node.lineno) >= first
        if isinstance(node, ast.FunctionDef) and inside:
            around |= set(range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1))
    return own, around


def by_mention(told: str, text: str, line: int) -> list[str]:
    """The names of the tests in a file, those first that mention what stands on a line of a module.

    What mentions it in the module counts too, and so does what mentions that; a test mentions what its
    helpers and fixtures do.

    Args:
        told: the file of tests.
        text: the module.
        line: of it, from 1.
    """
    parts = _mentions(ast.parse(text))
    near = [{name for name, (first, last, _) in parts.items() if first <= line <= last}]
    helpers = _mentions(ast.parse(told))
    while new := {n for n, (_, _, words) in parts.items() if words & near[-1]} - set().union(*near):
        near.append(new)
    tests = [name for name in helpers if name.startswith("test")]
    order: dict[str, None] = {}
    for names in near:
        wanted = set(names)
        while more := {n for n, (_, _, words) in helpers.items() if words & wanted} - wanted:
            wanted |= more
        order |= dict.fromkeys(name for name in tests if name in wanted)
    return list(order | dict.fromkeys(tests))


def _mentions(tree: ast.Module) -> dict[str, tuple[int, int, set[str]]]:
    """What a file defines: first and last line, and all names in it."""
    found: dict[str, tuple[int, int, set[str]]] = {}
    for node in tree.body:
        inside = [node, *(getattr(node, "body", []) if isinstance(node, ast.ClassDef) else [])]
        for part in inside:
            names = [part.name] if isinstance(part, ast.FunctionDef | ast.ClassDef) else []
            if isinstance(part, ast.Assign):
                names = [target.id for target in part.targets if isinstance(target, ast.Name)]
            words = {getattr(n, "id", None) or getattr(n, "attr", None) for n in ast.walk(part)}
            words |= {
                argument.arg for n in ast.walk(part) if isinstance(n, ast.arguments) for argument in n.args
            }
            first = min([part.lineno, *(d.lineno for d in getattr(part, "decorator_list", []))])
            found |= dict.fromkeys(names, (first, part.end_lineno or first, words))
    return found
