"""Classes of files that lie in no class folder: out of their names, or out of a table.

Introduced in chapter 5.
"""

from __future__ import annotations

import csv
import os
import re
from pathlib import PurePosixPath


def name_prefix(name: str) -> str:
    """The class that stands before the number in a file's name: "cat" for ``train/cat.0.jpg``.

    The last number and the signs around it are taken off: ``great_pyrenees_17.jpg`` is a "great_pyrenees".

    Args:
        name: of the file; its folders do not count.

    Raises:
        ValueError: if there is no number at the end, or no letter before it.
    """
    found = re.fullmatch(r"(.+?)[\W_]*\d+[\W_]*", PurePosixPath(name).stem)
    if found is None or not re.search(r"[^\W\d_]", found[1]):
        raise ValueError(f"{name!r} has no class before a number, as cat.0.jpg has")
    return found[1]


def labels_from_csv(
    path: str | os.PathLike[str], *, file: str | None = None, label: str | None = None
) -> dict[str, str]:
    """File -> class, out of a table in CSV with a line of headings; spaces at the ends of a cell go.

    Args:
        path: the table, in UTF-8.
        file: heading of the column with the files' names, with or without their endings; None: the first.
        label: heading of the column with the classes' names; None: the second.

    Raises:
        FileNotFoundError: if there is no such table.
        ValueError: if it is no such table, has no row, lacks a column or has it twice, or gives one file two
            classes.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as table:
            rows = [[cell.strip() for cell in row] for row in csv.reader(table) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is no table in CSV and UTF-8: {error}") from None
    head = rows[0] if rows else []
    columns = (file or (head[0] if head else "")), (label or (head[1] if len(head) > 1 else ""))
    if absent := [name for name in columns if name not in head]:
        raise ValueError(f"{path} has no column {absent}; its columns are {head}")
    if columns[0] == columns[1] or any(head.count(name) > 1 for name in columns):
        raise ValueError(f"files and classes need a column each in {path}: {columns} of the columns {head}")
    if len(rows) == 1:
        raise ValueError(f"{path} has headings, {head}, and no row")
    places = [head.index(name) for name in columns]
    found: dict[str, str] = {}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(head) or not row[places[0]] or not row[places[1]]:
            raise ValueError(f"row {number} of {path} should have {head}, got {row}")
        name, label_here = row[places[0]], row[places[1]]
        if found.setdefault(name, label_here) != label_here:
            raise ValueError(f"{path} says that {name!r} is {found[name]!r} and {label_here!r}")
    return found
