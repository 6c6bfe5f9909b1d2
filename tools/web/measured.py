"""Write two tables for "Running this book yourself": how reliable the book is, and how fast.

They are read from the records at every build, and each number stands beside its bar. What has not been
recorded yet is said to be so; a record that contradicts itself stops the build.
"""

from __future__ import annotations

import json
import operator
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tools import interface, project
from tools.web import lists

PAGE = "reproducing"  # in whose text both tables are included
NOT_YET, NOTHING = "not recorded yet", "\N{EN DASH}"
FAULTS, INPUTS = "reliability_faults", "reliability_inputs"
MUTANTS, DETERMINISM = "reliability_mutants", "determinism.json"
SPEED = "speed_"
LEAST_FOUND = 97  # per cent of the planted bugs; `tools/mutants.py` has the same as a share
AWAITED = {
    FAULTS: {
        "downloads": "faults of a server while a file is fetched",
        "kill -9 in a download": "kills while a file is fetched",
        "kill -9 in a training": "kills while a network is trained",
        "bad files": "bad and odd pictures, archives, weights and checkpoints",
    },
    INPUTS: {"bad arguments": "public functions and constructors with one argument spoilt"},
}
SIGNS = {
    ">=": (operator.ge, "\N{GREATER-THAN OR EQUAL TO}"),
    "<=": (operator.le, "\N{LESS-THAN OR EQUAL TO}"),
}
VERDICTS = {True: "met", False: "**not met**"}
OUTSIDE = ("does not apply here", "no target")  # verdicts of `make bench` on lines that ask for nothing
Row = dict[str, Any]


class Tried(NamedTuple):
    """A row of the table of reliability.

    Args:
        what: was tried.
        often: how many times, or ``NOT_YET``.
        wrong: what went wrong, each with its number; "" where nothing is recorded.
        bar: that it has to meet.
        met: whether it does; None where nothing is recorded.
        source: where the numbers come from; "" where nothing is recorded.
    """

    what: str
    often: str
    wrong: str
    bar: str
    met: bool | None = None
    source: str = ""


def meets(number: float, bar: str) -> bool:
    """Whether a number of a record of counts meets its bar, such as "0" or "at least 200".

    Args:
        number: as it was counted.
        bar: in the words of the record.

    Raises:
        ValueError: if the bar has another form.
    """
    found = re.fullmatch(r"(at least )?(\d+)", bar)
    if not found:
        raise ValueError(f"a bar is a number or 'at least' a number, got {bar!r}")
    return number >= int(found[2]) if found[1] else number == int(found[2])


def of_counts(name: str, record: dict[str, Any] | None) -> list[Tried]:
    """A row for each part of a record of counts: its first number says how often, others what went wrong.

    Args:
        name: of the record, ``FAULTS`` or ``INPUTS``.
        record: as it is kept; None: there is none.

    Raises:
        ValueError: if it has not all parts, or a bar of another form.
    """
    if record is None:
        return [Tried(what, NOT_YET, "", "0 of each kind of harm") for what in AWAITED[name].values()]
    parts: dict[str, list[Row]] = {}
    for row in record["rows"]:
        parts.setdefault(row["part"], []).append(row)
    if parts.keys() != AWAITED[name].keys():
        raise ValueError(f"{name} must have the parts {sorted(AWAITED[name])}, it has {sorted(parts)}")
    made = []
    for part, (tries, *outcomes) in parts.items():
        bars = " and ".join(dict.fromkeys(row["bar"] for row in outcomes))
        wrong = "; ".join(f"{row['number']} {row['what']}" for row in outcomes)
        if not any(row["number"] for row in outcomes):
            wrong = f"0 of each: {'; '.join(row['what'] for row in outcomes)}"
        met = all(meets(row["number"], row["bar"]) for row in (tries, *outcomes))
        often = f"{tries['number']:,} {tries['what']}"
        bar = f"{tries['bar']} tried; {bars} of each"
        made.append(Tried(AWAITED[name][part], often, wrong, bar, met, _recorded(name, record)))
    return made


def of_mutants(record: dict[str, Any] | None) -> Tried:
    """The row of the bugs that were planted.

    Args:
        record: as it is kept; None: there is none.
    """
    what, bar = "bugs planted one at a time", f"at least {LEAST_FOUND} % turn a test or a chapter red"
    if record is None:
        return Tried(what, NOT_YET, "", bar)
    count, lived = len(record["rows"]), [row for row in record["rows"] if not row["found_by"]]
    found = 100 * (count - len(lived)) / count
    wrong = f"{len(lived)} turned nothing red; {found:.1f} % did"
    return Tried(what, f"{count:,} bugs", wrong, bar, found >= LEAST_FOUND, _recorded(MUTANTS, record))


def of_determinism(record: dict[str, Any] | None) -> Tried:
    """The row of the notebooks that were executed elsewhere.

    Args:
        record: as `make determinism` keeps it; None: there is none.

    Raises:
        ValueError: if its sums are not those of its rows.
    """
    what = "notebooks executed under other threads, instructions, languages, clocks and paths"
    bar = "all print what is stored"
    if record is None:
        return Tried(what, NOT_YET, "", bar)
    rows = record["rows"]
    sums = {"executions": len(rows), "differed": sum(bool(row["differed"]) for row in rows)}
    told = {name: record[name] for name in sums}
    if told != sums:
        raise ValueError(f"book/{DETERMINISM} says {told}, and its rows say {sums}")
    wrong = f"{sums['differed']} printed something else than is stored"
    source = f"`book/{DETERMINISM}`, {interface.day(record['date'])}"
    return Tried(what, f"{len(rows):,} executions", wrong, bar, sums["differed"] == 0, source)


def reliability(found: dict[str, dict[str, Any]], determinism: dict[str, Any] | None) -> str:
    """The table of all that was tried.

    Args:
        found: name -> content of the records that there are.
        determinism: the record of the notebooks elsewhere; None: there is none.
    """
    rows = [row for name in AWAITED for row in of_counts(name, found.get(name))]
    rows += [of_mutants(found.get(MUTANTS)), of_determinism(determinism)]
    lines = [
        f"| {row.what} | {row.often} | {row.wrong or NOTHING} | {row.bar} "
        f"| {NOTHING if row.met is None else VERDICTS[row.met]} | {row.source or NOTHING} |"
        for row in rows
    ]
    head = "| what was tried | how often | what went wrong | the bar | is it met? | recorded |\n"
    return head + "|---|---|---|---|---|---|\n" + "\n".join(lines) + "\n"


def verdict(row: Row) -> str:
    """What `make bench` must have said about a line, from its number and its target.

    Args:
        row: of a record of speed.

    Raises:
        ValueError: if the record says something else, or a speed-up has no accuracy beside it.
    """
    name = f"{row['what']}, {row['measure']}"
    if row["measured"] is None or not row["applies"]:
        due = OUTSIDE[0]
    elif not row["target"]:
        due = OUTSIDE[1]
    else:
        sign, number = row["target"].split()
        due = "met" if SIGNS[sign][0](row["measured"], float(number)) and row["quality_holds"] else "not met"
    if row["verdict"] != due:
        raise ValueError(f"the record says {row['verdict']!r} of {name}, and its number says {due!r}")
    if row["speed_up"] and row["measured"] is not None and not row["quality"]:
        raise ValueError(f"a speed-up needs its accuracy or error beside it: {name}")
    return "**not met**" if due == "not met" else due


def speed(found: dict[str, dict[str, Any]]) -> str:
    """A table of speed for each kind of processor, or a sentence that none is recorded yet.

    Args:
        found: name -> content of all records.
    """
    kinds = {name: it for name, it in found.items() if name.startswith(SPEED) and name != lists.COSTS}
    parts = []
    for name, record in kinds.items():
        rows = [_of_speed(row) for row in record["rows"]]
        parts.append(
            f"**{name.removeprefix(SPEED)}**: {record['hardware']}; {record['versions']}. "
            f"{_recorded(name, record)}.\n\n"
            "| what, and what the number is | measured | target | is it met? | accuracy or error |\n"
            "|---|---|---|---|---|\n" + "\n".join(rows)
        )
    if not kinds:
        parts.append("No table of `make bench` is recorded yet, of any kind of processor.")
    if lists.COSTS in found:
        parts.append("What each notebook costs has {ref}`a table of its own <costs-of-notebooks>`.")
    return "\n\n".join(parts) + "\n"


def write(folder: Path = lists.FOLDER, book: Path = project.BOOK) -> None:
    """Write both tables into ``folder``, where ``book/reproducing.md`` includes them.

    Args:
        folder: of what is made for the website.
        book: where the record of the notebooks elsewhere lies, if there is one.
    """
    found, place = lists.records(), book / DETERMINISM
    elsewhere = json.loads(place.read_text(encoding="utf-8")) if place.exists() else None
    folder.mkdir(parents=True, exist_ok=True)
    table = reliability(found, elsewhere)
    (folder / "reliability.txt").write_text(table, encoding="utf-8")
    (folder / "speed.txt").write_text(speed(found), encoding="utf-8")


def _recorded(name: str, record: dict[str, Any]) -> str:
    return f"{{ref}}`{name} <record-{name}>`, {interface.day(record['date'])}"


def _of_speed(row: Row) -> str:
    """A line of `make bench` as a row of the table."""
    number = "none" if row["measured"] is None else f"{row['measured']:.4g}"
    if row["measured"] is not None and row["low"] is not None:
        number += f" ({row['low']:.4g} to {row['high']:.4g})"
    beside = ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in row["quality"].items()
    )
    sign, _, bar = row["target"].partition(" ")
    target = f"{SIGNS[sign][1]}\N{NO-BREAK SPACE}{bar}" if row["target"] else "none"
    said = verdict(row) + (f": {row['reason']}" if row["reason"] else "")
    cells = (f"{row['what']}: {row['measure']}", number, target, said, beside or "no accuracy involved")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    write()
