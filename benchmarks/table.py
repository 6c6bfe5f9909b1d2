"""What a line of the table says: target, measurement, verdict, and the cost in accuracy."""

from __future__ import annotations

import json
import operator
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks import machine
from benchmarks.harness import Spread
from resnet_utils.reporting import results

RECORDS = Path("resnet_utils") / "reporting" / "records"
MET, NOT_MET, NOT_HERE, NO_TARGET = "met", "not met", "does not apply here", "no target"
OPERATORS = {">=": operator.ge, "<=": operator.le}


@dataclass(frozen=True)
class Line:
    """One thing that was measured.

    Args:
        row: the number of its row.
        what: that was measured, with network, pixels, batch and number format.
        measure: what the number is, such as "torchvision's time / ours".
        measured: the number, mostly a median; None where it does not apply here.
        low: its lower quartile; None where there is none.
        high: its upper quartile.
        target: ">= 1.8" or "<= 0.05"; "" where there is none.
        speed_up: whether the number says that one thing is faster than another.
        quality: accuracy or error of what was faster, by name; a speed-up has at least one.
        quality_holds: whether the quality is as good as the target asks for.
        rounds: of the comparison.
        applies: whether the target can be asked of this machine; where not, there is a reason.
        reason: why it does not apply here, or what a reader should know.
        more: other numbers, by name, such as seconds.
    """

    row: int
    what: str
    measure: str
    measured: float | None
    low: float | None = None
    high: float | None = None
    target: str = ""
    speed_up: bool = False
    quality: dict[str, Any] = field(default_factory=dict)
    quality_holds: bool = True
    rounds: int | None = None
    applies: bool = True
    reason: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.speed_up and self.measured is not None and not self.quality:
            raise ValueError(f"a speed-up needs its accuracy or error beside it: {self.what}, {self.measure}")
        if (self.measured is None or not self.applies) and not self.reason:
            raise ValueError(f"it does not apply here, and no reason is given: {self.what}, {self.measure}")
        if self.target:
            _parsed(self.target)

    @property
    def verdict(self) -> str:
        """met, not met, does not apply here, or no target."""
        if self.measured is None or not self.applies:
            return NOT_HERE
        if not self.target:
            return NO_TARGET
        sign, bar = _parsed(self.target)
        return MET if OPERATORS[sign](self.measured, bar) and self.quality_holds else NOT_MET

    def as_row(self, **provenance: Any) -> dict[str, Any]:
        """As it stands in a record.

        Args:
            provenance: commit, date, seconds of the row.
        """
        found = asdict(self) | {"verdict": self.verdict}
        return {name: _rounded(value) for name, value in (found | provenance).items()}


def _parsed(target: str) -> tuple[str, float]:
    sign, _, number = target.partition(" ")
    if sign not in OPERATORS:
        raise ValueError(f"a target is '>= 1.8' or '<= 0.05', got {target!r}")
    return sign, float(number)


def _rounded(value: Any) -> Any:
    """Numbers with five digits: more than a clock knows."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(part) for part in value]
    return value


def of_ratio(row: int, what: str, measure: str, ratio: Spread, **rest: Any) -> Line:
    """The line of a speed-up.

    Args:
        row: the number of its row.
        what: that was measured.
        measure: which ratio.
        ratio: its median and quartiles.
        rest: the other fields of ``Line``; ``quality`` must be among them.
    """
    return Line(
        row, what, measure, ratio.middle, low=ratio.low, high=ratio.high, speed_up=True, **rest
    )  # fmt: skip


def not_here(row: int, what: str, measure: str, reason: str, target: str = "") -> Line:
    """The line of what cannot be measured on this machine.

    Args:
        row: the number of its row.
        what: would be measured.
        measure: what the number would be.
        reason: why it is not.
        target: what would be asked for.
    """
    return Line(row, what, measure, None, target=target, reason=reason)


def printed(line: Line) -> str:
    """A line for people, with its quality beside the number."""
    if line.measured is None:
        number = "-"
    else:
        number = f"{line.measured:.4g}"
        if line.low is not None and line.high is not None:
            number += f" ({line.low:.4g} ... {line.high:.4g})"
    quality = ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in line.quality.items()
    )
    target = f"  target {line.target}: {line.verdict}" if line.target else f"  {line.verdict}"
    reason = f"  [{line.reason}]" if line.reason else ""
    beside = quality or "no accuracy involved"
    return f"{line.row}  {line.what}: {line.measure} = {number}{target}; {beside}{reason}"


def write(
    lines: Sequence[dict[str, Any]], *, device: torch.device, command: str, data: str, seconds: float,
    seeds: Sequence[int], output: Path = machine.ROOT,
) -> Path:  # fmt: skip
    """Put lines on record, in the file of this kind of processor: ``speed_avx2.json``, ...

    Lines of other rows that are on record already stay, each with its own commit and day. A bar that needs
    instructions which a processor lacks cannot be met there, so each kind has a table of its own.

    Args:
        lines: as from ``Line.as_row``, with "commit", "date", "seconds".
        device: what was computed on.
        command: what to type to run it again.
        data: the images, in words.
        seconds: how long it took.
        seeds: those of the trainings.
        output: the root under which it is written.

    Returns:
        The file.
    """
    path = output / RECORDS / f"speed_{machine.kind(device)}.json"
    measured = {line["row"] for line in lines}
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"rows": [], "seconds": 0}
    stay = [line for line in before["rows"] if line["row"] not in measured]
    record = results.Record(
        claim="How fast this book's ways are beside the usual ones on this kind of processor, with what "
        "they cost in accuracy.",
        command=command,
        commit=machine.commit(),
        date=machine.today(),
        data=data,
        hardware=machine.hardware(device),
        versions=machine.versions(),
        seeds=sorted(seeds),
        seconds=round(seconds + sum({line["row"]: line["seconds"] for line in stay}.values())),
        rows=sorted([*stay, *lines], key=lambda line: line["row"]),
        note="each row has its own commit and day; those of other rows stay when one is measured again",
    )
    record.write(path)
    return path
