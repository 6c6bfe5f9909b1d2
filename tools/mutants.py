"""Plant bugs, one at a time, and see whether a test or a chapter turns red.

    python tools/mutants.py                                 every bug of the list, and 100 mechanical ones
    python tools/mutants.py models/blocks training/loop     only those in these modules
    python tools/mutants.py --count 30 --mechanical 0       a sample of the first kind
    python tools/mutants.py --list                          which they are, without planting one

The bugs of the list stand in ``tests/house/mutants.toml``; the mechanical ones are cosmic-ray's.
A test is tried if it runs the changed line; the package coverage says so. With ``--keep``, a second call
goes on from there.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools import home, project
from tools.mutation import bugs, fork, trial

LEAST_SCORE = 0.97
TEMPORARY = re.compile(r"/\S*?pytest-of-[^/\s]+/pytest-\d+/")  # the folder that pytest makes for a run
Row = dict[str, Any]


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    made.add_argument("modules", nargs="*", help="such as models/blocks or tools/sitting (default: all)")
    made.add_argument("--count", type=int, help="a sample of so many of the bugs that are written down")
    made.add_argument("--mechanical", type=int, default=100, help="how many of cosmic-ray's (default: 100)")
    made.add_argument("--seed", type=int, default=0, help="of the samples (default: 0)")
    made.add_argument("--workers", type=int, default=1, help="bugs at a time, one thread each (default: 1)")
    made.add_argument("--budget", type=float, default=120, help="seconds of tests for a bug (default: 120)")
    made.add_argument(
        "--chapters", type=float, default=90, help="seconds of chapters for a bug that no test finds"
    )
    made.add_argument("--quick", action="store_true", help="do not measure which tests run a line")
    made.add_argument("--near", action="store_true", help="ask only the tests of each bug's own module")
    made.add_argument("--keep", type=Path, help="folder for what is done; a second call goes on from there")
    made.add_argument("--list", action="store_true", help="name the bugs and plant none")
    return made


def chosen(options: argparse.Namespace) -> list[bugs.Bug]:
    """The bugs that the options ask for: those of the list in its order, then the mechanical ones.

    Raises:
        SystemExit: if a module has another name.
    """
    names = [_short(name) for name in options.modules]
    files = {
        path.relative_to(project.ROOT).as_posix()
        for path in (project.ROOT / "resnet_utils").rglob("*.py")
        if path.name != "__init__.py" and path.parent.name != "exercises"
    }
    listed = bugs.written()
    known = {_short(file) for file in files | {bug.file for bug in listed}}
    if unknown := [name for name in names if not any(other.startswith(name) for other in known)]:
        raise SystemExit(f"no module begins with {', '.join(unknown)}; there are: {', '.join(sorted(known))}")

    def is_asked(file: str) -> bool:
        return not names or _short(file).startswith(tuple(names))

    found = [bug for bug in listed if is_asked(bug.file)]
    if options.count is not None and options.count < len(found):
        found = spread(found, options.count, seed=options.seed)
    if options.mechanical:
        some = [file for file in files if is_asked(file)]
        found += bugs.mechanical(some, options.mechanical, seed=options.seed)
    return found


def spread(some: Sequence[bugs.Bug], count: int, *, seed: int) -> list[bugs.Bug]:
    """``count`` bugs, in their order: one of each file while they last, the others drawn from the rest."""
    draw = random.Random(seed)
    places: dict[str, list[int]] = {}
    for place, bug in enumerate(some):
        places.setdefault(bug.file, []).append(place)
    first = [draw.choice(those) for those in places.values()]
    rest = sorted(set(range(len(some))) - set(first))
    more = draw.sample(rest, max(0, count - len(first)))
    return [some[place] for place in sorted(draw.sample(first, min(count, len(first))) + more)]


def _short(file: str) -> str:
    return file.removesuffix(".py").removeprefix("resnet_utils/")


def key(bug: bugs.Bug) -> str:
    """By what a bug is known when a run goes on."""
    return f"{bug.file}:{bug.line}:{bug.source}:{bug.what}"


def row(bug: bugs.Bug, found: trial.Found) -> Row:
    """What is put on record."""
    return {
        "file": bug.file, "line": bug.line, "bug": bug.what, "source": bug.source, "found_by": found.by,
        "why": TEMPORARY.sub("", found.why), "tests": found.tests, "seconds": round(found.seconds, 1),
    }  # fmt: skip


def work(tasks: Any, answers: Any, kept: Path, options: argparse.Namespace) -> None:
    """One worker: a copy of the project, and bugs, or tests to run without one, until there are no more."""
    signal.signal(signal.SIGTERM, _leave)  # so that what it has started ends too
    multiprocessing.set_start_method(None, force=True)  # tests start processes in the way of the system
    fork.warm()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        try:
            ground = trial.Ground(
                Path(folder) / "book", kept, budget=options.budget, chapters=options.chapters,
                covers=trial.COVERS and not options.quick,
            )  # fmt: skip
            while (task := tasks.get()) is not None:
                one, near = task
                if isinstance(one, bugs.Bug):
                    answers.put((key(one), row(one, ground.look(one, near=near))))
                else:
                    answers.put(("red", ground.reds(one)))
        except BaseException as error:
            answers.put((None, f"{type(error).__name__}: {error}"))
            raise
    answers.put((None, None))


def trials(
    some: Sequence[bugs.Bug] | Sequence[list[str]], options: argparse.Namespace, kept: Path, *, near: bool
) -> Iterator[tuple[str, Any]]:
    """Each bug and what became of it, as they come; ``near``: by the tests of its own module.

    In place of a bug there may be tests to run without one; then it is said which of them are red.

    Raises:
        SystemExit: if a test is red without any bug.
    """
    context = multiprocessing.get_context("spawn")
    tasks, answers = context.Queue(), context.Queue()
    for one in some:
        tasks.put((one, near))
    workers = []
    for _ in range(max(1, min(options.workers, len(some)))):
        tasks.put(None)
        given = (tasks, answers, kept, options)
        workers.append(context.Process(target=work, args=given))
        workers[-1].start()
    running = len(workers)
    try:
        while running:
            name, made = answers.get()
            if name is not None:
                yield name, made
            elif made is None:
                running -= 1
            else:
                raise SystemExit(made)
    finally:
        tasks.cancel_join_thread()  # else a run that is stopped waits for somebody to take what is left
        for worker in workers:
            if worker.is_alive() and running:
                worker.terminate()
            worker.join()


def measure(some: Sequence[bugs.Bug], options: argparse.Namespace) -> tuple[list[Row], float]:
    """The rows of all bugs, in their order, and the seconds of processor time they took."""
    if not trial.COVERS:
        print(
            "it is not measured which tests run a line, so more are tried than need be: pip install coverage"
        )
    with tempfile.TemporaryDirectory() as folder:
        kept = options.keep or Path(folder)
        kept.mkdir(parents=True, exist_ok=True)
        done: dict[str, Row] = {}
        for near in (True, False)[: 1 if options.near else 2]:
            path = kept / ("near.jsonl" if near else "far.jsonl")
            lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
            done |= {name: made for name, made in map(json.loads, lines) if near or name in done}
            known = {json.loads(line)[0] for line in lines}
            rest = [b for b in some if key(b) not in known and (near or not done[key(b)]["found_by"])]
            random.Random(options.seed).shuffle(rest)  # what is done when it is stopped is a fair sample
            for number, (name, made) in enumerate(trials(rest, options, kept, near=near), start=1):
                done[name] = made if near else made | _both(done[name], made)
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps([name, done[name]], ensure_ascii=False) + "\n")
                by = made["found_by"] or ("not by its own tests" if near else "LIVED")
                print(
                    f"{number}/{len(rest)} {made['file']}:{made['line']} {made['bug'][:70]}: {by}", flush=True
                )
        rows = [done[key(bug)] for bug in some]
        if options.quick or not trial.COVERS:
            _require_green(rows, options, kept)
    return rows, sum(made["seconds"] for made in rows)


def _require_green(rows: Sequence[Row], options: argparse.Namespace, kept: Path) -> None:
    """Run each test that found a bug once more, without any.

    Raises:
        SystemExit: if one is red.
    """
    by_file: dict[str, set[str]] = {}
    for made in rows:
        if "::" in made["found_by"]:
            by_file.setdefault(made["found_by"].partition("::")[0], set()).add(made["found_by"])
    some = [sorted(names) for names in by_file.values()]
    reds = [name for _, found in trials(some, options, kept, near=True) for name in found]
    if reds:
        raise SystemExit(f"red without any bug: {', '.join(sorted(reds))}")


def _leave(*_: object) -> None:
    raise SystemExit("stopped; with --keep, the same command goes on")


def _both(one: Row, other: Row) -> Row:
    """The costs of both rounds."""
    return {"tests": one["tests"] + other["tests"], "seconds": round(one["seconds"] + other["seconds"], 1)}


def report(rows: Sequence[Row]) -> int:
    """Print the score and who lived; the exit status is 1 below the bar."""
    lived = [made for made in rows if not made["found_by"]]
    for made in lived:
        print(f"LIVED {made['file']}:{made['line']} {made['bug']}")
    share = 1 - len(lived) / len(rows)
    mean = sum(made["seconds"] for made in rows) / len(rows)
    found = f"{len(rows) - len(lived)} of {len(rows)} bugs turn something red"
    print(f"{found}: {100 * share:.1f} %; {mean:.1f} s a bug")
    return 0 if share >= LEAST_SCORE else 1


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks; return the exit status."""
    options = parser().parse_args(arguments)
    home.provide()
    some = chosen(options)
    if options.list:
        for bug in some:
            print(f"{bug.file}:{bug.line} [{bug.source}] {bug.what}")
        print(f"{len(some)} bugs")
        return 0
    started = time.monotonic()
    rows, _ = measure(some, options)
    print(f"in {(time.monotonic() - started) / 60:.0f} min")
    return report(rows)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _leave)
    raise SystemExit(main())
