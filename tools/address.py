"""Bring the repository's address from pyproject.toml to every file that needs it; a bare Python 3.11 will do.

python tools/address.py           rewrite them
python tools/address.py --check   only tell which ones differ
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools import project

GITHUB = "https://github.com/"
CONFIGURED = re.compile(r"^repository:\n\s+url: (\S+)", re.M)  # in _config.yml


def slug(address: str) -> str:
    """``owner/name`` of an address on GitHub, which the launch buttons need."""
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", address) or address.endswith(".git"):
        raise ValueError(f"the address must look like {GITHUB}OWNER/NAME, without .git, got {address!r}")
    return address.removeprefix(GITHUB)


def derived_files(root: Path = project.ROOT) -> list[Path]:
    """Every file in which the address stands a second time."""
    names = ["_config.yml", "README.md", "CITATION.cff", "CONTRIBUTING.md", "PUBLISHING.md", "CHANGELOG.md"]
    return (
        [root / name for name in names]
        + sorted((root / "book").glob("*.md"))
        + project.executed(root / "book")
    )


def rewrite(root: Path = project.ROOT, *, check: bool = False) -> list[Path]:
    """Replace the address in ``_config.yml`` by the one in pyproject.toml; return the files that differ."""
    new = slug(project.address(root))
    config = (root / "_config.yml").read_text(encoding="utf-8")
    found = CONFIGURED.search(config)
    if found is None:
        raise ValueError("_config.yml must have `repository:` with `url:` as its first line, and has none")
    old = slug(found[1])
    changed = []
    for path in derived_files(root):
        before = path.read_text(encoding="utf-8")
        after = before.replace(old, new)
        if after != before:
            changed.append(path)
            if not check:
                path.write_text(after, encoding="utf-8")
    return changed


def main(arguments: list[str]) -> int:
    """Rewrite or check; return the exit status."""
    check = "--check" in arguments
    changed = rewrite(check=check)
    for path in changed:
        print(f"{path.relative_to(project.ROOT)} {'differs; run: make address' if check else 'written'}")
    if not changed:
        print(f"every file names {project.address()}")
    return 1 if check and changed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
