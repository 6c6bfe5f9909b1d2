"""Classes of files that lie in no class folder: out of their names, or out of a table.

Introduced in chapter 5.
"""

from __future__ import annotations

import csv
import os
import re
from pathlib import PurePosixPath

from resnet_utils.files import checked
from resnet_utils.runtime import given


@given.explained
def name_prefix(name: str) -> str:
    """The class that stands before the number in a file's name: "cat" for ``train/cat.0.jpg``.

    The last number and the signs around it are taken off: ``great_pyrenees_17.jpg`` is a "great_pyrenees".

    Args:
        name: of the file; its folders do not count.

    Raises:
        ValueError: if there is no number at the end, or no letter before it.
        TypeError: if ``name`` is no text.
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of a file is a text, got {type(name).__name__}")
    found = re.fullmatch(r"(.+?)[\W_]*\d+[\W_]*", PurePosixPath(name).stem)
    if found is None or not re.search(r"[^\W\d_]", found[1]):
        raise ValueError(f"{name!r} has no class before a number, as cat.0.jpg has")
    return found[1]


@given.explained
def labels_from_csv(
    path: str | os.PathLike[str],
    *,
    file: str | None = None,
    label: str | None = None,
    has_headings: bool = True,
) -> dict[str, str]:
    """File -> class, out of a table in CSV; spaces at the ends of a cell go.

    Args:
        path: the table, in UTF-8.
        file: heading of the column with the files' names, with or without their endings; None: the first.
        label: heading of the column with the classes' names; None: the second.
        has_headings: whether the first line names the columns; without, it is a row as any other.

    Raises:
        FileNotFoundError: if there is no such table.
        IsADirectoryError: if it is a folder.
        ValueError: if it is no such table, has no row, lacks a column or has it twice, gives one file two
            classes, or if the first line looks like a row and not like headings (where neither ``file`` nor
            ``label`` names one).
    """
    given.yes_or_no("has_headings", has_headings)
    for name, heading in (("file", file), ("label", label)):
        given.of_kind(name, heading, (str, type(None)))
    rows = _rows(path)
    if has_headings:
        head, rows, start = (rows[0] if rows else []), rows[1:], 2
    elif file is not None or label is not None:
        raise ValueError("a table without headings has no column of that name: leave out file and label")
    else:
        head, start = ["the file", "the class"], 1
    columns = (file or (head[0] if head else "")), (label or (head[1] if len(head) > 1 else ""))
    if absent := [name for name in columns if name not in head]:
        raise ValueError(f"{path} has no column {absent}; its columns are {head}")
    if columns[0] == columns[1] or any(head.count(name) > 1 for name in columns):
        raise ValueError(f"files and classes need a column each in {path}: {columns} of the columns {head}")
    if not rows:
        raise ValueError(f"{path} has {f'headings, {head}, and ' if has_headings else ''}no row")
    if has_headings and file is None and label is None:
        _require_headings(path, head, rows)
    return _told(path, rows, [head.index(name) for name in columns], head, start=start)


def _rows(path: str | os.PathLike[str]) -> list[list[str]]:
    """The rows of a table that have anything in them."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"a table is given by its path, got {type(path).__name__}")
    try:
        with open(checked.file_at(path), encoding="utf-8-sig", newline="") as table:
            return [[cell.strip() for cell in row] for row in csv.reader(table) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is no table in CSV and UTF-8: {error}") from None


def _require_headings(path: str | os.PathLike[str], head: list[str], rows: list[list[str]]) -> None:
    """Refuse a first line that names a file as all others do, or a class that others have."""
    endings = {PurePosixPath(row[0]).suffix.lower() for row in rows}
    names_a_file = PurePosixPath(head[0]).suffix.lower() in endings - {""}
    if names_a_file or head[1] in {row[1] for row in rows if len(row) > 1}:
        raise ValueError(
            f"the first line of {path} looks like a row, {head[:2]}, and would be lost as headings: give "
            "has_headings=False, or if it names the columns, say so with file= and label="
        )


def _told(
    path: str | os.PathLike[str], rows: list[list[str]], places: list[int], head: list[str], *, start: int
) -> dict[str, str]:
    """File -> class out of the columns at ``places``; ``start`` is the number of the first row."""
    found: dict[str, str] = {}
    for number, row in enumerate(rows, start=start):
        if len(row) != len(head) or not row[places[0]] or not row[places[1]]:
            raise ValueError(f"row {number} of {path} should have {head}, got {row}")
        name, label_here = row[places[0]], row[places[1]]
        if found.setdefault(name, label_here) != label_here:
            raise ValueError(f"{path} says that {name!r} is {found[name]!r} and {label_here!r}")
    return found
