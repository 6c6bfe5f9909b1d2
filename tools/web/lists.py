"""Write lists for the website: every notebook, its last execution, every recorded result, every exercise.

They are read from where things are kept, the records, the texts and the notebooks, so none can fall behind.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import nbformat

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tools import executions, project, sitting
from tools.web import touch

FOLDER = project.BOOK / "lists"
RECORDS = project.ROOT / "resnet_utils" / "reporting" / "records"
LOADS, QUOTED = "results.load(", re.compile(r"\"(\w+)\"")
REFERRED = re.compile(r"<record-(\w+)>`")
EXERCISE = re.compile(r"^```\{exercise-start\}[ \t]*(.*)\n:label: (\S+)\n```\n+(.*)", re.M)
MEASURED = ("reliability_", "speed_")  # records of which ``measured`` makes tables
COSTS = "speed_notebooks"  # the record of `python -m benchmarks.notebooks`
SLOW_IMPORTS = {"torch": "PyTorch", "torchvision": "torchvision", "matplotlib": "Matplotlib"}
PROVENANCE = ("command", "commit", "date", "data", "hardware", "versions")


def pages() -> list[str]:
    """The pages that are made here, by their names in ``_toc.yml``."""
    return [f"book/lists/{name}" for name in ("notebooks", "executions", "results", "exercises")]


def records(folder: Path = RECORDS) -> dict[str, dict[str, Any]]:
    """Name -> content of every record, by name."""
    paths = sorted(folder.glob("*.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def users(text: Path = project.TEXT) -> dict[str, list[str]]:
    """Name of a record -> the notebooks that load records and name this one, in reading order.

    Behind them the figures to touch, the pages with a network in them, "Running this book yourself" with its
    tables of reliability and speed, and the table of all notebooks with their costs.
    """
    kept, found = set(records()), {}
    for name in project.chapters(text):
        source = (text / f"{name}.md").read_text(encoding="utf-8")
        for record in sorted(set(QUOTED.findall(source)) & kept) if LOADS in source else []:
            found.setdefault(record, []).append(name)
    for name, figure in touch.figures().items():
        if "record" in figure.data:
            found.setdefault(figure.data["record"], []).append(f"touch/{name}")
    for path in sorted((project.BOOK / "live").glob("*.md")):
        for record in sorted(set(REFERRED.findall(path.read_text(encoding="utf-8"))) & kept):
            found.setdefault(record, []).append(f"live/{path.stem}")
    for record in sorted(kept):
        if record.startswith(MEASURED):
            found.setdefault(record, []).append("lists/notebooks" if record == COSTS else "reproducing")
    return found


def duration(seconds: float) -> str:
    """A time in the unit that people would use: ``40 s``, ``35 min``, ``4.5 h``."""
    if seconds < 120:
        return f"{seconds:.0f}\N{NO-BREAK SPACE}s"
    hours, minutes = f"{seconds / 3600:.1f}", f"{seconds / 60:.0f}"
    return f"{minutes}\N{NO-BREAK SPACE}min" if seconds < 7200 else f"{hours}\N{NO-BREAK SPACE}h"


def results_page(found: dict[str, dict[str, Any]], used: dict[str, list[str]]) -> str:
    """One table of all records, then each with all that is needed to make it again."""
    rows, parts = [], []
    for name, record in found.items():
        links = ", ".join(f"{{doc}}`/book/{page}`" for page in used.get(name, [])) or "none"
        seeds = len(set(record["seeds"]))
        rows.append(
            f"| {{ref}}`{name} <record-{name}>` | {seeds} | {duration(record['seconds'])} | {links} |"
        )
        facts = [f"**{key}**: {_value(key, record[key])}" for key in PROVENANCE]
        facts.append(f"**seeds**: {', '.join(str(seed) for seed in record['seeds'])}")
        facts.append(f"**rows**: {len(record['rows'])}, with {_columns(record['rows'])}")
        facts += [
            f"**starts from** `{file}`, SHA-256 `{sha}`" for file, sha in record.get("inputs", {}).items()
        ]
        facts += [f"**note**: {record['note']}"] if record.get("note") else []
        body = "\n".join(f"- {fact}" for fact in facts)
        parts.append(f"(record-{name})=\n## {name}\n\n{record['claim']}\n\n{body}")
    head = (
        "(results)=\n# Recorded results\n\n"
        "Some trainings take longer than a chapter may. Each was run once by a script in `experiments/`, "
        "or of `benchmarks/` where it is about speed, mostly with several seeds, and what it measured is "
        "kept in the package, in "
        "`resnet_utils/reporting/records/`. "
        "The notebooks load it, draw it and check their claims on its rows.\n\n"
        "The command under each name makes it again, from the commit that is named there. "
        "The time is that of all its runs together, on the hardware that is named there.\n\n"
        "| record | seeds | time | shown in |\n|---|---|---|---|\n" + "\n".join(rows)
    )
    return "\n\n".join([head, *parts]) + "\n"


def exercises_page(text: Path = project.TEXT) -> str:
    """Every exercise, notebook by notebook, with a link to where it stands."""
    parts = [
        "(all-exercises)=\n# Exercises and solutions\n\n"
        "All exercises of the book, in reading order. Each has a hint and a checker that says what is "
        "wrong with an answer and never what is right. Its solution stands folded right below it, and it "
        "is executed with the rest of the page."
    ]
    for name in project.chapters(text):
        source = (text / f"{name}.md").read_text(encoding="utf-8")
        found = EXERCISE.findall(source)
        if not found:
            continue
        level = "###" if "/" in name else "##"
        items = "\n".join(f"- {{ref}}`{_title(title, first)} <{label}>`" for title, label, first in found)
        parts.append(f"{level} {{doc}}`/book/{name}`\n\n{items}")
    return "\n\n".join(parts) + "\n"


def notebooks_page(book: Path = project.BOOK) -> str:
    """Every notebook with its minutes to read, its seconds to run and its exercises, and the sums."""
    rows, sums = [], [0.0, 0, 0]
    for name in project.chapters():
        notebook = nbformat.read(book / f"{name}.ipynb", as_version=4)
        minutes, seconds = sitting.minutes(notebook), sitting.promised_seconds(notebook) or 0
        exercises = sum(cell.source.count("{exercise-start}") for cell in notebook.cells)
        sums = [sums[0] + minutes, sums[1] + seconds, sums[2] + exercises]
        rows.append(f"| {{doc}}`/book/{name}` | {minutes:.0f} | {seconds} | {exercises or ''} |")
    rows.append(f"| **{len(rows)} notebooks** | {sums[0]:.0f} | {sums[1]} | {sums[2]} |")
    head = (
        "(all-notebooks)=\n# Every notebook, and how long it takes\n\n"
        f"A minute is {sitting.WORDS_A_MINUTE} words or {sitting.LINES_A_MINUTE} lines of code; "
        "the seconds are what a notebook promises on two quiet processor cores.\n\n"
        "| notebook | to read (min) | runs in (s) | exercises |\n|---|---|---|---|\n"
    )
    return head + "\n".join(rows) + "\n"


def costs_section(record: dict[str, Any]) -> str:
    """Where the seconds of each notebook go: the start of its kernel, its imports by package, its cells.

    Args:
        record: ``COSTS``, as it is kept.
    """
    rows, totals = [], dict.fromkeys(("kernel", "imports", *SLOW_IMPORTS, "cells"), 0.0)
    place = {name: index for index, name in enumerate(project.chapters())}
    for row in sorted(record["rows"], key=lambda row: place.get(row["notebook"], len(place))):
        seconds = {"kernel": row["kernel_wall"], "imports": row["import_wall"], "cells": row["cells_wall"]}
        seconds |= {package: row["import_by_package"].get(package, 0.0) for package in SLOW_IMPORTS}
        totals = {name: total + seconds[name] for name, total in totals.items()}
        cells = [f"{seconds[name]:.1f}" if seconds[name] >= 0.05 else "" for name in totals]
        unnamed = ", ".join(f"`{package}`" for package in row["loaded_and_unnamed"])
        rows.append(f"| {{doc}}`/book/{row['notebook']}` | {' | '.join([*cells, unnamed])} |")
    sums = " | ".join(f"{total:.0f}" for total in totals.values())
    rows.append(f"| **{len(rows)} notebooks** | {sums} | |")
    busy = sum(row["kernel_processor"] + row["cells_processor"] for row in record["rows"])
    shared, most = sitting.shared_by_two(record["rows"]), 60 * sitting.MOST_MINUTES_TO_RUN
    heads = ["start", "imports", *SLOW_IMPORTS.values(), "cells", "loaded, though no cell names it"]
    return (
        "(costs-of-notebooks)=\n## Where the seconds go\n\n"
        f"One notebook after the other, wall time in seconds; {record['hardware']}; {record['versions']}; "
        f"{record['data']}. All together take {duration(totals['kernel'] + totals['cells'])}, "
        f"and {duration(busy)} of the processor. nbval runs two at a time: the numbered chapters take two "
        f"quiet cores about {duration(shared)}, the bar is {duration(most)}. "
        "The imports were measured in a fresh process; the first cell runs them, so the seconds of the cells "
        "include them. Each package is counted without those that it loads itself.\n\n"
        f"| notebook | {' | '.join(heads)} |\n|{'---|' * (len(heads) + 1)}\n" + "\n".join(rows) + "\n\n"
        f"{{ref}}`{COSTS} <record-{COSTS}>` has the same with more digits, and the command that makes it.\n"
    )


def executions_page(runs: dict[str, executions.Execution]) -> str:
    """Every notebook with the day and the seconds of its last run, one table for each set of versions."""
    parts = [
        "(executions)=\n# When each notebook was last executed\n\n"
        "What a notebook prints here comes from this run of it. The seconds are those of a wall clock; "
        "beside them is the processor time of all cores, since other programs may have been at work too. "
        "A plus after a commit: the text or the package was changed on top of it, and committed together "
        "with the outputs."
    ]
    for used in dict.fromkeys(run.tested_with() for run in runs.values()):
        rows = [
            f"| {{doc}}`/book/{name}` | {runs[name].date} | `{runs[name].short_commit()}` "
            f"| {runs[name].seconds} | {runs[name].busy} |"
            for name in project.chapters()
            if name in runs and runs[name].tested_with() == used
        ]
        head = "| notebook | day | commit | wall (s) | processor (s) |\n|---|---|---|---|---|\n"
        parts.append(f"**With {used}:**\n\n{head}" + "\n".join(rows))
    return "\n\n".join(parts) + "\n"


def write(folder: Path = FOLDER) -> list[Path]:
    """Write the pages and return them; what was there before goes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    found, whole = records(), notebooks_page()
    if COSTS in found:
        whole += "\n" + costs_section(found[COSTS])
    (folder / "notebooks.md").write_text(whole, encoding="utf-8")
    (folder / "executions.md").write_text(executions_page(executions.read()), encoding="utf-8")
    (folder / "results.md").write_text(results_page(found, users()), encoding="utf-8")
    (folder / "exercises.md").write_text(exercises_page(), encoding="utf-8")
    return sorted(folder.glob("*.md"))


def _value(key: str, value: str) -> str:
    return f"`{value}`" if key in ("command", "commit") else value


def _columns(rows: list[dict[str, Any]]) -> str:
    names = dict.fromkeys(name for row in rows for name in row)
    return ", ".join(f"`{name}`" for name in names)


def _title(title: str, first: str) -> str:
    """Title of an exercise: that of its directive, else its bold words, else its first sentence."""
    bold = re.match(r"\*\*(.+?)\*\*", first)
    chosen = title.strip() or (bold[1] if bold else re.split(r"(?<=[.?:!]) ", first)[0])
    return re.sub(r"[`$<>*]|\{\w+\}", "", chosen).strip().rstrip(".:")


if __name__ == "__main__":
    print(f"{len(write())} pages in {FOLDER.relative_to(project.ROOT)}")
