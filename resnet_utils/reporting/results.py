"""Results of runs too long for a chapter, with the command, hardware, versions and seeds behind them.

Introduced in chapter 1.

The scripts in ``experiments/`` write them to the folder ``records`` beside this file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from resnet_utils.files import atomic
from resnet_utils.runtime import given

FOLDER = Path(__file__).parent / "records"


@dataclass(frozen=True)
class Record:
    """One recorded experiment: its measurements, and how they came about.

    claim: what the rows show, in a sentence.
    command: what to type to run it again.
    commit: of the code that ran.
    date: the day on which it ended, as 2026-01-31.
    data: what it learned from and was tested on, in words.
    hardware: the processor or GPU, and the number of threads.
    versions: those of Python and of the libraries.
    seeds: those of the runs, each once.
    seconds: how long the runs took together.
    rows: the measurements, one dictionary each, by column.
    inputs: the files of weights that it started from, by name, each with its SHA-256; none where it had none.
    note: what else a reader should know of how it came about; mostly nothing.
    """

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
    inputs: dict[str, str] = field(default_factory=dict)
    note: str = ""

    def column(self, name: str, where: Mapping[str, Any] | None = None) -> list[Any]:
        """The values of one column, in row order.

        Args:
            name: the column.
            where: take only the rows that hold all of these values, by column (default: all rows).

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
        """The numbers of one column, apart for each value of another, in row order.

        Args:
            name: the column of numbers.
            by: the column whose values are the keys.
            where: as in ``column``.
            factor: what each number is multiplied by: 100 turns shares into per cent.

        Raises:
            ValueError: as ``column``.
        """
        return {
            value: [factor * number for number in self.column(name, {**(where or {}), by: value})]
            for value in dict.fromkeys(self.column(by, where))
        }

    def origin(self) -> str:
        """Where the numbers come from, in two lines for the reader; in a third, what the note says."""
        return (
            f"recorded {self.date} by `{self.command}` in {self.seconds / 60:.0f} min ({self.hardware})\n"
            f"data: {self.data}; seeds {', '.join(map(str, self.seeds))}"
            + (f"\nnote: {self.note}" if self.note else "")
        )

    def write(self, path: str | Path) -> None:
        """Write it as JSON; the file appears under its name only when complete.

        Args:
            path: the file to write, ``<name>.json``; its folder is made if need be.
        """
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        fields = asdict(self)
        fields |= {"rows": fields.pop("rows")}  # the long one last
        kept = {name: value for name, value in fields.items() if value or name not in ("inputs", "note")}
        atomic.write(path, json.dumps(kept, indent=1) + "\n")


@given.explained
def load(name: str) -> Record:
    """The record that ``experiments/<name>.py`` wrote.

    Args:
        name: that of the script, without ending.

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
