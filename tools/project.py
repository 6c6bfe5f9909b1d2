"""Where things are, and the facts that stand in one place only.

Needs nothing beyond Python itself; only what reads ``_toc.yml`` needs PyYAML.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEXT = ROOT / "text"
BOOK = ROOT / "book"
PLACEHOLDER = "{{ repository }}"  # what a text twin writes where the notebook has the address
# What every notebook begins with. Where the package is there, it does and says nothing.
FIRST_CELL = f"""import importlib.util

if importlib.util.find_spec("resnet_utils") is None:  # Colab, Kaggle, Binder
    print("On Kaggle, switch Internet on in the notebook's settings first.")
    %pip install -q --no-deps "resnet-utils @ git+{PLACEHOLDER}"
    print("No restart is needed, whatever pip says above.")"""
NO_OWNER = "-owner-not-set-"  # stands in the address until somebody publishes the book
NOT_PUBLISHED = (
    "The address of the book is not set: links to Colab, Binder and the repository lead nowhere.\n"
    "Write yours into pyproject.toml ([project.urls]) and run `make address`; PUBLISHING.md has all steps."
)


def address(root: Path = ROOT) -> str:
    """Web address of the repository, from ``[project.urls]`` in pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"][
        "Repository"
    ]


def is_published(root: Path = ROOT) -> bool:
    """Whether the address of the repository is somebody's, and no longer the one that stands in for it."""
    return NO_OWNER not in address(root)


def site_address(root: Path = ROOT) -> str:
    """Web address of the book, as GitHub Pages gives it to the repository; it ends in a slash."""
    owner, name = address(root).split("/")[-2:]
    host = f"{owner.lower()}.github.io"
    return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"


def toc_pages(root: Path = ROOT) -> list[str]:
    """Every page of ``_toc.yml``, root first, as a path without suffix: ``book/01_background``."""
    import yaml  # here, so that `make address` runs on a bare Python

    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    pages = [toc["root"]]

    def walk(entries: list[dict]) -> None:
        for entry in entries:
            if "file" in entry:
                pages.append(entry["file"])
            walk(entry.get("sections", []))

    walk(toc.get("chapters", []))
    for part in toc.get("parts", []):
        walk(part.get("chapters", []))
    return pages


def chapters(folder: Path = TEXT) -> list[str]:
    """Names of all notebooks in reading order: ``01_background``, its rooms ``01_background/losses``, ...

    A chapter comes before its rooms; the rooms stand as in ``_toc.yml``, and what is not listed there last.
    """
    found = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.md")}
    listed = [page.partition("/")[2] for page in toc_pages()]
    place = {name: index for index, name in enumerate(listed)}
    return sorted(found, key=lambda name: (name.partition("/")[0], place.get(name, len(place)), name))


def executed(folder: Path = BOOK) -> list[Path]:
    """Every executed notebook, main ones and rooms, in the order of their paths."""
    return sorted(path for path in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
