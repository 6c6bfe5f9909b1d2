"""More rules for a notebook, on top of those of ``hygiene``: hints, boxes, numbers in prose, time.

Each rule returns what is wrong, as sentences; nothing if all is well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from house.hygiene import output_text, prose
from nbformat import NotebookNode

from tools import sitting

MOST_SECONDS = 30  # of the live part of a notebook, on two quiet cores
LONG_TRAINING = {"05_fine_tuning": 60}  # the one long training of the book
MOST_BOXES = 3
WHOLE_CHAPTER = ("", "The question", "Exercises", "Summary", "Proven, measured, folklore")
NUMBER = re.compile(r"(?<![\w.\-–/])\d+(?:[.,]\d+)*(?!\w)")  # 26, 0.417, 1,017; not ResNet-50 or x86


@dataclass
class Part:
    """What lies under one ``##`` heading: its prose, and all that its cells say."""

    title: str
    prose: str
    cells: str


def has_hints(notebook: NotebookNode) -> list[str]:
    """In each exercise a hint that the reader has to open."""
    exercises = re.findall(r"\{exercise-start\}([\s\S]*?)\{exercise-end\}", prose(notebook))
    labels = [re.search(r":label:\s*(\S+)", body)[1] for body in exercises]
    hint = re.compile(r":::\{hint\}\n:class: dropdown\n\s*\S")
    return [
        f"exercise {label} has no hidden hint"
        for label, body in zip(labels, exercises, strict=True)
        if not hint.search(body)
    ]


def has_boxes_with_checks(notebook: NotebookNode) -> list[str]:
    """At most three boxes "Spot the bug"; after each, before the next box or section, a check."""
    boxes: list[tuple[str, str]] = []
    is_open = False
    for cell in notebook.cells:
        if cell.cell_type == "code":
            if is_open:
                boxes[-1] = (boxes[-1][0], boxes[-1][1] + cell.source + "\n")
            continue
        for line in cell.source.splitlines():
            if found := re.match(r"\s*[:`]{3,}\{admonition\}\s*(Spot the bug.*)", line):
                boxes.append((found[1], ""))
                is_open = True
            elif line.startswith("## "):
                is_open = False
    many = [] if len(boxes) <= MOST_BOXES else [f"{len(boxes)} boxes 'Spot the bug'; at most {MOST_BOXES}"]
    return many + [
        f"after {title!r} nothing is checked"
        for title, source in boxes
        if not re.search(r"\bassert\b|\bcheck_\w+\(", source)
    ]


def has_accounted_numbers(notebook: NotebookNode) -> list[str]:
    """Every number in the prose is in a cell of its section, or stands beside a citation."""
    found_parts = [part for part in parts(notebook) if part.title != "References"]  # made from the .bib file
    everything = numbers("\n".join(part.cells for part in found_parts))
    wrong = []
    for part in found_parts:
        known = everything if part.title in WHOLE_CHAPTER else numbers(part.cells)
        for paragraph in paragraphs(part.prose):
            if "{cite" in paragraph:
                continue
            missing = sorted(numbers(plain(paragraph)) - known)
            if missing:
                where = part.title or "the introduction"
                said = " ".join(paragraph.split())[:90]
                wrong.append(f"{', '.join(missing)} in {where!r} comes from nowhere: {said!r}")
    return wrong


def has_a_kept_promise_of_time(notebook: NotebookNode, most: int = MOST_SECONDS) -> list[str]:
    """The notebook says in how many seconds it runs, and that is within what is allowed."""
    seconds = sitting.promised_seconds(notebook)
    if seconds is None:
        return ["there is no '**Runs in** 30 s ...'"]
    return [] if seconds <= most else [f"it runs {seconds} s; at most {most}"]


def parts(notebook: NotebookNode) -> list[Part]:
    """The notebook cut at its ``##`` headings; the part before the first has the title ""."""
    found = [Part("", "", "")]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            found[-1].cells += cell.source + "\n" + output_text(cell) + "\n"
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            found[-1].prose += f"{sitting.caption(cell)}\n\n{alt}\n\n"
            continue
        for piece in re.split(r"^(?=## )", cell.source, flags=re.M):
            if piece.startswith("## "):
                found.append(Part(piece.splitlines()[0].removeprefix("## ").strip(), "", ""))
            found[-1].prose += piece + "\n\n"
    return found


def paragraphs(text: str) -> list[str]:
    """Paragraphs, list items and rows of tables: as far as a citation reaches."""
    return [piece for piece in re.split(r"\n\s*\n|\n(?=\s*[-*|] ?)|\n(?=\s*\d+\. )", text) if piece.strip()]


def plain(text: str) -> str:
    """Prose without what is no statement about a number: formulas, code, links, options, list numbers."""
    text = re.sub(r"\$\$[\s\S]*?\$\$", " ", text)
    text = sitting.RUNS_IN.sub(" ", sitting.TO_READ.sub(" ", text))
    text = re.sub(r"^\s*[:`]{3,}.*$|^:\w+:.*$|^\(\S+\)=$|^\s*\d+\.\s", " ", text, flags=re.M)
    text = re.sub(r"\{[\w:]+\}`[^`]*`|`[^`]*`|\]\([^)]*\)", " ", text)
    return re.sub(r"\$([^$]*)\$", lambda found: _bare(found[1]), text)


def numbers(text: str) -> set[str]:
    """The numbers of a text, without the commas of thousands and the zeros that end decimals."""
    return {_canonical(found[0]) for found in NUMBER.finditer(text.replace("×", " "))}


def _bare(formula: str) -> str:
    """A formula that is one number and nothing else is a number in prose; other formulas are none."""
    formula = formula.replace("{,}", "")
    return formula if re.fullmatch(r"\s*[\d.]+\s*(?:\\?%)?\s*", formula) else " "


def _canonical(number: str) -> str:
    number = number.replace(",", "")
    return number.rstrip("0").rstrip(".") if number.count(".") == 1 else number


RULES = [
    has_hints,
    has_boxes_with_checks,
    has_accounted_numbers,
    has_a_kept_promise_of_time,
]
