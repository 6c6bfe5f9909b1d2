"""How long a notebook takes to read, and whether that is one sitting.

The page prints the minutes that are counted here, and a test holds every notebook to the bounds. And how
long the numbered chapters run, all together, and how long they may.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from nbformat import NotebookNode

MOST_MINUTES = 25
MOST_CELLS = 40  # code cells before the exercises
MOST_MINUTES_TO_RUN = 8.0  # that nbval may take for the numbered chapters on two quiet cores
WORDS_A_MINUTE = 200
LINES_A_MINUTE = 20
PLACEHOLDER = "{{ reading_minutes }}"  # what a text writes where the page has the number
RUNS_IN = re.compile(r"\*\*Runs in\*\* (?:about )?(\d+) s\b.*")
TO_READ = re.compile(r"\*\*To read\*\* (\d+) min")
SOLUTION = re.compile(r"\{solution-(start|end)\}")


def shared_by_two(costs: Iterable[Mapping[str, Any]]) -> float:
    """Seconds that two quiet cores need for the numbered chapters, each notebook on one of them.

    Args:
        costs: a row for each notebook, as ``python -m benchmarks.notebooks`` measures it.
    """
    numbered = [row for row in costs if row["notebook"][0].isdigit()]
    return sum(row.get("kernel_processor", 0) + row.get("cells_processor", 0) for row in numbered) / 2


def outside_solutions(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells that a reader sees without opening a solution; Markdown is cut at the solution's marks."""
    seen, inside = [], False
    for cell in notebook.cells:
        if cell.cell_type == "code":
            if not inside:
                seen.append(cell)
            continue
        pieces = re.split(r"^(?=[`:]{3,}\{solution-(?:start|end)\})", cell.source, flags=re.M)
        kept = []
        for piece in pieces:
            if found := SOLUTION.match(piece.lstrip("`:")):
                inside = found[1] == "start"
            if not inside:
                kept.append(piece)
        seen.append(NotebookNode(cell_type="markdown", source="".join(kept), metadata=cell.metadata))
    return seen


def caption(cell: NotebookNode) -> str:
    """What stands below the figure of a code cell; empty without one."""
    return cell.metadata.get("mystnb", {}).get("figure", {}).get("caption", "")


def words(notebook: NotebookNode) -> int:
    """Words of prose: all Markdown and captions outside the solutions and the list of references."""
    cells = outside_solutions(notebook)
    text = "\n\n".join(cell.source if cell.cell_type == "markdown" else caption(cell) for cell in cells)
    return len(text.partition("\n## References")[0].split())


def code_lines(notebook: NotebookNode) -> int:
    """Lines of code in the open: no blank ones, no hidden cells, no solutions."""
    return sum(
        sum(bool(line.strip()) for line in cell.source.splitlines())
        for cell in outside_solutions(notebook)
        if cell.cell_type == "code" and "hide-input" not in cell.metadata.get("tags", [])
    )


def minutes(notebook: NotebookNode) -> float:
    """Minutes of reading: 200 words or 20 lines of code each."""
    return words(notebook) / WORDS_A_MINUTE + code_lines(notebook) / LINES_A_MINUTE


def rounded(notebook: NotebookNode) -> int:
    """The minutes as the page prints them: never fewer than counted."""
    return int(-(-minutes(notebook) // 1))


def promised_seconds(notebook: NotebookNode) -> int | None:
    """In how many seconds the notebook says that it runs on two cores; None where it does not say."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    found = RUNS_IN.search(text)
    return int(found[1]) if found else None


def cells_before_the_exercises(notebook: NotebookNode) -> int:
    """Code cells up to the heading "Exercises", or all of them where there is none."""
    count = 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and re.search(r"^## Exercises\b", cell.source, re.M):
            break
        count += cell.cell_type == "code"
    return count
