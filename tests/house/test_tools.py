"""The programs in ``tools/`` keep their shape: verbs, what they share, and parts for the website alone."""

from __future__ import annotations

import ast
import re

import pytest

from tools import project, web

TOOLS = project.ROOT / "tools"
SHARED = {
    "executions",
    "glossary",
    "home",
    "interface",
    "patience",
    "project",
    "references",
    "sitting",
    "strict",
}  # by several verbs
MODULES = {
    path.relative_to(project.ROOT).with_suffix("").as_posix().replace("/", "."): path
    for path in TOOLS.rglob("*.py")
    if path.name != "__init__.py"
}


def imported(name: str) -> set[str]:
    """The modules of ``tools`` that one of them imports."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tools":
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found & MODULES.keys()


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_what_stands_below_it(name):
    short = {other.removeprefix("tools.") for other in imported(name)}
    parts = {other for other in short if other.startswith(("web.", "portable.", "mutation.", "translation."))}
    own = name.removeprefix("tools.").rpartition(".")[0]
    if name.removeprefix("tools.") in SHARED:
        assert short <= SHARED
    elif own:
        assert short - parts <= SHARED | {"address"}
        assert all(part.startswith(f"{own}.") for part in parts)
    elif name == "tools.website":
        assert not any(part.startswith("mutation.") for part in parts)
    elif name == "tools.messages":
        assert not any(part.startswith(("mutation.", "portable.")) for part in parts)
    elif name == "tools.mutants":
        assert all(part.startswith("mutation.") for part in parts)
    else:
        assert not parts


def test_no_module_imports_itself_by_a_detour():
    below = {name: imported(name) for name in MODULES}
    while below:
        ready = {name for name, wanted in below.items() if not wanted & below.keys()}
        assert ready, f"these import each other: {', '.join(sorted(below))}"
        below = {name: wanted for name, wanted in below.items() if name not in ready}


def test_the_parts_of_the_website_are_told_and_no_others():
    there = {path.stem for path in (TOOLS / "web").glob("*.py")} - {"__init__"}
    assert set(re.findall(r"``([a-z_]+)``", web.__doc__ or "")) == there
