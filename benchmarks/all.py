"""Run the rows, print the table, and put it on record.

    python -m benchmarks.all                         every row, for the record (hours on two cores)
    python -m benchmarks.all --rows 1 5              only these
    python -m benchmarks.all --quick                 ratios only, under five minutes
    python -m benchmarks.all --keep FOLDER           what is done is kept there; a second call goes on

``make bench`` calls it, with ROWS="1 5", QUICK=1, KEEP=folder, DEVICE=cuda. A record has a file of its own
for each kind of processor, ``resnet_utils/reporting/records/speed_KIND.json``; it is written by a full run
from a tree without changes, and rows that were not run stay in it. The exit status is 1 where a target is
missed.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType

import torch

from benchmarks import (
    clothes,
    features,
    gpu,
    growth,
    harness,
    inputs,
    machine,
    others,
    steps,
    table,
    transfer,
)
from benchmarks.harness import Kept, Settings
from benchmarks.table import Line
from resnet_utils.runtime import given

ROWS: dict[int, ModuleType] = {
    module.ROW: module for module in (others, features, steps, inputs, transfer, clothes, growth, gpu)
}
DATA = "random images; photographs of cats and dogs; Fashion-MNIST"


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line.

    Args:
        arguments: instead of those of the process.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.all", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--rows", nargs="*", default=[], help="numbers of rows, 1 to 8 (default: all)")
    parser.add_argument("--quick", action="store_true", help="ratios only, under five minutes; no record")
    parser.add_argument("--tiny", action="store_true", help="seconds, to see that it works; no record")
    parser.add_argument("--rounds", type=int, help=f"of each comparison, at least {harness.LEAST_ROUNDS}")
    parser.add_argument("--batch", type=int, help="images a batch")
    parser.add_argument("--networks", nargs="*", default=[], help="for the rows that compare networks")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2], help="of the trainings")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--keep", type=Path, help="folder for what is done; a second call goes on from there")
    parser.add_argument(
        "--whole", action="store_true", help="row 6: train d2l's recipe to its end too (hours)"
    )
    parser.add_argument("--output", type=Path, default=machine.ROOT, help="root under which the record lies")
    return parser.parse_args(arguments)


def settings_of(asked: argparse.Namespace) -> Settings:
    """The options as ``Settings``.

    Args:
        asked: as from ``options``.

    Raises:
        ValueError: for a value that is none; the message says what was wrong and what is allowed.
    """
    if asked.quick and asked.tiny:
        raise ValueError("give --quick or --tiny, not both")
    mode = "quick" if asked.quick else "tiny" if asked.tiny else "full"
    return Settings(
        mode=mode, rounds=asked.rounds, batch=asked.batch, networks=tuple(asked.networks),
        device=harness.chosen_device(asked.device), seeds=tuple(asked.seeds), keep=asked.keep,
        whole=asked.whole,
    )  # fmt: skip


def chosen(names: list[str]) -> list[int]:
    """The numbers of the rows that were asked for, in order; all where none was named.

    Args:
        names: as they were typed.

    Raises:
        ValueError: for a row that there is not.
    """
    for name in names:
        if not (name.isascii() and name.isdigit() and int(name) in ROWS):
            allowed = "; ".join(f"{number}: {module.TITLE}" for number, module in ROWS.items())
            raise ValueError(f"there is no row {name!r}; there are {allowed}")
    return sorted({int(name) for name in names}) or list(ROWS)


def measured(numbers: list[int], settings: Settings) -> list[dict]:
    """The rows, one after the other, each printed as soon as it is there.

    Each line has the commit, the day, the seconds of its row, and the noise of the machine just before: a
    convolution over itself, lower quartile, median, upper quartile.

    Args:
        numbers: of the rows.
        settings: how they are to be run.
    """
    kept = Kept(settings.keep, "rows")
    how = {name: str(value) for name, value in asdict(settings).items() if name != "keep"}
    rows: list[dict] = []
    for number in numbers:
        print(f"\n{number}  {ROWS[number].TITLE}", flush=True)
        found = kept.get(json.dumps([number, how]), lambda number=number: _of_row(ROWS[number], settings))
        of = found[0]
        noise = " ... ".join(f"{value:.3f}" for value in of["noise"])
        took = f"in {of['seconds']:.0f} s, {of['processor_seconds']:.0f} s of the processor"
        print(f"{took}, at {of['commit']}; the machine against itself: {noise}", flush=True)
        for row in found:
            print(table.printed(_line_of(row)), flush=True)
        rows += found
    return rows


def _of_row(module: ModuleType, settings: Settings) -> list[dict]:
    """One row as it stands in a record."""
    tiny, watch = settings.mode == "tiny", harness.Stopwatch()
    with watch.running():
        itself = harness.noise(rounds=2 if tiny else 31, device=settings.device, tiny=tiny)
        lines = [_unjudged(line) if tiny else line for line in module.run(settings)]
    noise = (itself.low, itself.middle, itself.high)
    of = {"commit": machine.commit(), "date": machine.today(), "noise": noise}
    of |= {"seconds": watch.wall, "processor_seconds": watch.processor}
    return [line.as_row(**of) for line in lines]


def _unjudged(line: Line) -> Line:
    """What a run of seconds has measured says nothing about a target."""
    reason = f"not judged in the tiny form; {line.reason}" if line.reason else "not judged in the tiny form"
    return replace(line, applies=False, reason=reason)


def _line_of(row: dict) -> Line:
    return Line(**{name: row[name] for name in Line.__dataclass_fields__})


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, run, print, record. 1 where a target is missed, 2 for a wrong option.

    Args:
        arguments: instead of those of the process.
    """
    asked = options(arguments)
    try:
        settings, numbers = settings_of(asked), chosen(asked.rows)
        given.yes_or_no("whole", settings.whole)
        for number in numbers:
            check = getattr(ROWS[number], "check", None)
            if check:
                check(settings)
    except ValueError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    if settings.device.type == "cpu":
        torch.set_num_threads(1)
    commit = machine.commit()
    print(f"{machine.hardware(settings.device)}\n{machine.versions()}\ncommit {commit}, {machine.today()}")
    watch = harness.Stopwatch()
    with watch.running():
        rows = measured(numbers, settings)
    verdicts = [row["verdict"] for row in rows]
    counts = {name: verdicts.count(name) for name in (table.MET, table.NOT_MET, table.NOT_HERE)}
    print(
        "\n"
        + ", ".join(f"{name}: {count}" for name, count in counts.items())
        + f"; {watch.wall:.0f} s, {watch.processor:.0f} s of the processor"
    )
    if settings.mode != "full":
        print(f"nothing is recorded in the {settings.mode} form")
    elif commit == "unknown" or commit.endswith("+"):
        print(f"nothing is recorded: a record names its commit, so commit first (now at {commit})")
    else:
        took = sum({row["row"]: row["seconds"] for row in rows}.values())
        path = table.write(
            rows, device=settings.device, command=machine.command("benchmarks.all", arguments), data=DATA,
            seconds=took, seeds=settings.seeds, output=asked.output,
        )  # fmt: skip
        print(f"recorded in {path.relative_to(asked.output)}")
    return 1 if counts[table.NOT_MET] else 0


if __name__ == "__main__":
    sys.exit(main())
