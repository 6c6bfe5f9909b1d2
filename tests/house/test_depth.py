"""Tests of the further rules for notebooks: each fault, planted on purpose, must break its rule."""

from __future__ import annotations

import pytest
from house import depth
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

EXERCISE = """```{{exercise-start}}
:label: ex-{0}
```
How many?

:::{{hint}}
:class: dropdown
Count.
:::
```{{exercise-end}}
```"""
CHECKER = """print(ch01.check_sum(25))"""


@pytest.fixture
def good():
    """A small chapter that keeps every rule."""
    exercises = "\n\n".join(EXERCISE.format(k) for k in range(8))
    cells = [
        new_markdown_cell("# Trying\n\n**Runs in** about 30 s on two cores."),
        new_markdown_cell(
            "## Images\n\nA ResNet-50 of 1,017 images, $2^{54}$ paths, and lag-1.\n\n1. First."
        ),
        new_code_cell("images = 1017"),
        new_markdown_cell("## Depth\n\nIt takes 26 layers.\n\nHe used 152 {cite}`he2016deep`."),
        new_code_cell("depth()", outputs=[new_output("stream", text="depth: 26\n")]),
        new_markdown_cell("## Bugs\n\n:::{admonition} Spot the bug: a sum\n:class: warning\nWhy?\n:::"),
        new_code_cell(CHECKER),
        new_markdown_cell("## Exercises\n\nThere were 26.\n\n" + exercises),
        new_markdown_cell("## References\n\n- He, 2016."),
    ]
    return new_notebook(cells=cells)


def put(old, new):
    """A fault that changes one piece of one cell."""

    def plant(notebook):
        cell = next(cell for cell in notebook.cells if old in cell.source)
        cell.source = cell.source.replace(old, new)

    return plant


def forget_the_output(notebook):
    """What a chapter says was never computed."""
    notebook.cells[4].outputs = []


FAULTS = {
    "no hint": (put(":::{hint}\n:class: dropdown\nCount.", "Count."), "has_hints"),
    "a hint in the open": (put(":class: dropdown\n", ""), "has_hints"),
    "a box too many": (
        put("## Bugs", "\n".join(4 * [":::{admonition} Spot the bug: more\n:::"]) + "\n\n## Bugs"),
        "has_boxes_with_checks",
    ),
    "box without check": (
        put("## Bugs", ":::{admonition} Spot the bug: first\n:::\n\n## Bugs"), "has_boxes_with_checks"
    ),
    "number from nowhere": (put("It takes 26", "It takes 27"), "has_accounted_numbers"),
    "number in a formula of its own": (put("It takes 26", "It takes $27$"), "has_accounted_numbers"),
    "number never computed": (forget_the_output, "has_accounted_numbers"),
    "number of another section": (put("A ResNet-50", "Of 26 layers, a ResNet-50"), "has_accounted_numbers"),
    "citation next door": (put("used 152 {cite}`he2016deep`", "used 152"), "has_accounted_numbers"),
    "number in a list": (put("1. First.", "1. First of 99."), "has_accounted_numbers"),
    "number of the exercises": (put("There were 26", "There were 28"), "has_accounted_numbers"),
    "too slow": (put("30 s", "31 s"), "has_a_kept_promise_of_time"),
    "no promise": (put("**Runs in**", "Runs in"), "has_a_kept_promise_of_time"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_breaks_its_rule(good, name):
    assert [rule.__name__ for rule in depth.RULES if rule(good)] == [], "without it every rule is kept"
    plant, broken = FAULTS[name]
    plant(good)
    assert broken in [rule.__name__ for rule in depth.RULES if rule(good)]


def test_every_rule_has_a_fault():
    assert {rule for _, rule in FAULTS.values()} == {rule.__name__ for rule in depth.RULES}
