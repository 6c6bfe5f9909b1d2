"""Plant bugs in the package, one at a time, and note which test or chapter turns red first.

300 of the bugs that are written down in ``tests/house/mutants.toml``, and 100 that cosmic-ray makes, all
drawn by seed 0. ``tools/mutants.py`` is the program, and plants all that are written down unless told
otherwise; that takes three times as long.

    python experiments/reliability_mutants.py [--workers 2] [--keep FOLDER]
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools import mutants

DRAWN = ["--count", "300", "--mechanical", "100"]
TINY = ["runtime/given", "--near", "--mechanical", "0", "--count", "1"]


def measure(asked: argparse.Namespace) -> list[dict]:
    """One row a bug."""
    keep = ["--keep", str(asked.keep)] if asked.keep else []
    given = [*(TINY if asked.tiny else DRAWN), "--workers", str(asked.workers), *keep]
    options = mutants.parser().parse_args(given)
    rows, seconds = mutants.measure(mutants.chosen(options), options)
    asked.seconds += seconds / asked.workers
    return rows


if __name__ == "__main__":
    import record  # here: the processes that plant the bugs must not have the package in them

    record.run(
        measure,
        claim="How many of the bugs that a person might make turn a test or a chapter red.",
        data="no data sets: the drawn images, and what the tests make",
        seeds=[0],
    )
