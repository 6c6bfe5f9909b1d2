"""Say in words what the one who publishes the book still has to do; a bare Python 3.11 will do.

    python tools/publish.py

What must be done makes the exit status 1, so that the site's workflow stops before it publishes run buttons
that lead nowhere. What is only missed by somebody who cites the book is said, and stops nothing.
PUBLISHING.md has the steps in order.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools import address, project

SOME_AUTHORS = "The ResNet from Zero authors"
NAMING_AUTHORS = ("pyproject.toml", "CITATION.cff", "_config.yml")


def must(root: Path = project.ROOT, *, repository: str = "") -> list[str]:
    """What keeps the book from being published: a line each.

    Args:
        root: folder of the project.
        repository: ``owner/name`` that a workflow runs for, as GitHub tells it; empty elsewhere.
    """
    try:
        named = address.slug(project.address(root))
    except ValueError as error:
        return [f"pyproject.toml, [project.urls]: {error}."]
    if not project.is_published(root):
        return [
            f"The address is a placeholder: pyproject.toml, [project.urls], says {project.address(root)}. "
            "Write yours there, run `make address`, and commit what it writes."
        ]
    missed = []
    if repository and repository.lower() != named.lower():
        missed.append(
            f"The address is that of {named}, but this is {repository}: the buttons would open the former. "
            "Write yours into pyproject.toml, [project.urls], and run `make address`."
        )
    if differing := address.rewrite(root, check=True):
        names = ", ".join(path.relative_to(root).as_posix() for path in differing)
        missed.append(f"The address has not reached {names}. Run `make address`.")
    return missed


def should(root: Path = project.ROOT) -> list[str]:
    """What a reader who cites the book will miss: a line each."""
    texts = {name: (root / name).read_text(encoding="utf-8") for name in (*NAMING_AUTHORS, "CHANGELOG.md")}
    missed = []
    if unnamed := [name for name in NAMING_AUTHORS if SOME_AUTHORS in texts[name]]:
        missed.append(f'No author has a name: {", ".join(unnamed)} say "{SOME_AUTHORS}".')
    if not re.search(r"^doi: \S+", texts["CITATION.cff"], re.M):
        missed.append("CITATION.cff has no `doi:`. An archive such as Zenodo gives one to each release.")
    if not re.search(r"^date-released: \S+", texts["CITATION.cff"], re.M):
        missed.append("CITATION.cff has no `date-released:`.")
    if "not yet released" in texts["CHANGELOG.md"]:
        missed.append("CHANGELOG.md says of its first version that it is not yet released.")
    return missed


def main() -> int:
    """Print both lists; return 1 where something must be done."""
    needed, wished = must(repository=os.environ.get("GITHUB_REPOSITORY", "")), should()
    for title, lines in (("This must be done first:", needed), ("This is still missing:", wished)):
        if lines:
            print("\n  - ".join([title, *lines]))
    if not needed:
        print(f"The book can be published from {project.address()}; PUBLISHING.md has the steps.")
    return 1 if needed else 0


if __name__ == "__main__":
    raise SystemExit(main())
