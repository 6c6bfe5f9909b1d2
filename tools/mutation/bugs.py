"""Bugs to plant, one at a time: those that people wrote down, and those that cosmic-ray makes."""

from __future__ import annotations

import ast
import random
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools import project

LIST = "tests/house/mutants.toml"
WRITTEN = "written down"
# Of cosmic-ray's operators those whose result a person could have written. The rest, such as `+` turned into
# `<<`, fails at once and would only raise the score.
OPERATORS = {
    *("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Mul", "Mod_Mul", "Pow_Mul"),
    *("BitAnd_BitOr", "BitOr_BitAnd", "Eq_NotEq", "NotEq_Eq", "Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt"),
    *("Lt_Gt", "Gt_Lt", "Is_IsNot", "IsNot_Is", "Delete_Not", "Delete_USub", "Delete_Invert"),
    *("ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd"),
    *("ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "NumberReplacer", "ZeroIterationForLoop"),
}
SAYS = {"print", "note", "tell", "say", "warn"}  # functions whose argument is a message
Span = tuple[tuple[int, int], tuple[int, int]]  # line and column of the beginning, and of the end


@dataclass(frozen=True)
class Bug:
    """A bug and where it stands.

    Attributes:
        file: which one, seen from the root.
        line: the first line that it changes, from 1.
        last: the last one.
        what: in words.
        source: ``WRITTEN``, or the name of an operator of cosmic-ray.
        text: the whole file with the bug.
    """

    file: str
    line: int
    last: int
    what: str
    source: str
    text: str


def written(root: Path = project.ROOT) -> list[Bug]:
    """Every bug of the list.

    Raises:
        ValueError: if the text before does not stand in its file exactly once.
    """
    found = []
    for file, entries in tomllib.loads((root / LIST).read_text(encoding="utf-8")).items():
        text = (root / file).read_text(encoding="utf-8")
        for what, (before, after) in entries.items():
            if (times := text.count(before)) != 1:
                raise ValueError(f"{LIST}: {file} has {times} times what {what!r} changes: {before!r}")
            line = text[: text.index(before)].count("\n") + 1
            last = line + before.rstrip("\n").count("\n")
            found.append(Bug(file, line, last, what, WRITTEN, text.replace(before, after)))
    return found


def mechanical(files: Sequence[str], count: int, *, seed: int, root: Path = project.ROOT) -> list[Bug]:
    """``count`` bugs of cosmic-ray's, each drawn from all places of all files that are no mere words.

    So a file is drawn from in proportion to its code.

    Args:
        files: seen from the root.
        count: how many; fewer where there are fewer places.
        seed: of the draw.
        root: of the project.

    Raises:
        SystemExit: if cosmic-ray is not installed.
    """
    try:
        from cosmic_ray.ast import ast_nodes, get_ast
        from cosmic_ray.mutating import mutate_code
        from cosmic_ray.plugins import get_operator, operator_names
    except ImportError:
        raise SystemExit(
            "mechanical bugs need cosmic-ray (pip install cosmic-ray); or ask for none: --mechanical 0"
        ) from None
    names = [name for name in operator_names() if name.partition("Operator_")[2] in OPERATORS]
    names += [name for name in operator_names() if name.partition("/")[2] in OPERATORS]
    places = []
    for file in sorted(files):
        text = (root / file).read_text(encoding="utf-8")
        words, nodes = list(in_words(ast.parse(text))), list(ast_nodes(get_ast(text)))
        for name in sorted(names):
            spots = [span for node in nodes for span in get_operator(name)().mutation_positions(node)]
            places += [
                (file, name, number, spot[0][0])
                for number, spot in enumerate(spots)
                if not any(inside(spot, other) for other in words)
            ]
    found = []
    for file, name, number, line in random.Random(seed).sample(places, min(count, len(places))):
        text = (root / file).read_text(encoding="utf-8")
        changed = mutate_code(text, get_operator(name)(), number)
        before, after = text.split("\n")[line - 1].strip(), changed.split("\n")[line - 1].strip()
        what = f"{after}  # was: {before}"
        found.append(Bug(file, line, line, what, name.partition("/")[2], changed))
    return found


def in_words(tree: ast.AST) -> Iterator[Span]:
    """What nobody computes with: annotations, what only type checkers read, messages, exported names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise | ast.JoinedStr):
            yield span(node)
        elif isinstance(node, ast.Assert) and node.msg is not None:
            yield span(node.msg)
        elif isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            yield span(node.annotation)
        elif isinstance(node, ast.FunctionDef) and node.returns is not None:
            yield span(node.returns)
        elif (
            (isinstance(node, ast.Call) and name_of(node.func) in SAYS)
            or (isinstance(node, ast.If) and name_of(node.test) == "TYPE_CHECKING")
            or is_name_of_a_type(node)
        ):
            yield span(node)


def is_name_of_a_type(node: ast.AST) -> bool:
    """Whether it is as ``Device = torch.device | str``."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.BinOp):
        return False
    name, parts = name_of(node.targets[0]), (node.value.left, node.value.right)
    named = all(isinstance(part, ast.Name | ast.Attribute | ast.Subscript | ast.BinOp) for part in parts)
    return named and isinstance(node.value.op, ast.BitOr) and name[:1].isupper() and not name.isupper()


def name_of(node: ast.expr) -> str:
    """The last part of a name such as ``runtime.note``; empty for anything else."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def span(node: ast.AST) -> Span:
    """From where to where it stands."""
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]


def inside(one: Span, other: Span) -> bool:
    """Whether the first lies within the second."""
    return other[0] <= one[0] and one[1] <= other[1]
