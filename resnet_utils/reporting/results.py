"""Results of runs too long for a chapter, with the command, hardware, versions and seeds behind them.

Introduced in chapter 1.

The scripts in ``experiments/`` write them to the folder ``records`` beside this file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "records"


@dataclass(frozen=True)
class Record:
    """One recorded experiment; ``rows`` are its measurements, the rest says how they came about."""

    claim: str
    command: str
    commit: str
    date: str
    data: str
    hardware: str
    versions: str
    seeds: list[int]
    seconds: int
    rows: list[dict[str, Any]]

    def column(self, name: str, where: Mapping[str, Any] | None = None) -> list[Any]:
        """The values of one column, in row order; with ``where``, only of the rows that hold all of it.

        Raises:
            ValueError: if no row fits, or the rows that fit have no such column.
        """
        fitting = [row for row in self.rows if row.items() >= (where or {}).items()]
        if not fitting:
            raise ValueError(f"no row has {where}; the first row is {self.rows[0]}")
        if any(name not in row for row in fitting):
            raise ValueError(f"there is no column {name!r} in these rows; they have {sorted(fitting[0])}")
        return [row[name] for row in fitting]

    def groups(
        self, name: str, by: str, where: Mapping[str, Any] | None = None, *, factor: float = 1
    ) -> dict[Any, list[Any]]:
        """``column(name, where)``, apart for each value of the column ``by``, in row order.

        Each number times ``factor``: 100 turns shares into per cent.
        """
        return {
            value: [factor * number for number in self.column(name, {**(where or {}), by: value})]
            for value in dict.fromkeys(self.column(by, where))
        }

    def origin(self) -> str:
        """Where the numbers come from, in two lines for the reader."""
        return (
            f"recorded {self.date} by `{self.command}` in {self.seconds / 60:.0f} min ({self.hardware})\n"
            f"data: {self.data}; seeds {', '.join(map(str, self.seeds))}"
        )


def load(name: str) -> Record:
    """The record that ``experiments/<name>.py`` wrote.

    Raises:
        FileNotFoundError: if there is none of that name.
        ValueError: if the file is damaged.
    """
    found = {path.stem: path for path in sorted(FOLDER.glob("*.json"))}
    if name not in found:
        raise FileNotFoundError(f"no recorded result {name!r}; there are {', '.join(found) or 'none'}")
    try:
        return Record(**json.loads(found[name].read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{found[name].name} is not a recorded result: {error}") from error
