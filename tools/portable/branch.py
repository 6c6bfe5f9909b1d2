"""Gather what the branch `portable` holds: the notebooks, and what Binder needs to run them.

    python tools/portable/branch.py FOLDER

after `make book`. The workflow `site` commits the folder to the branch, as its only commit.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tools import interface, project
from tools.portable import buttons

WEBSITE = project.ROOT / "_build" / "html"
# What `pip install -e .` asks for, and the licences of what is handed on.
COPIED = ("LICENSE", "LICENSE-TEXT", "pyproject.toml", "README.md", "resnet_utils")
NOT_FOR_BINDER = "jupyterlab-myst"  # it would read the prose as MyST again, and there is none
README = """# Notebooks of "ResNet from Zero"

This branch is made by a program from the branch `main`, and made anew with each change there.
Its notebooks are those of [the book]({website}), with the same code and the same outputs,
in Markdown that Colab, Kaggle, GitHub and JupyterLab show as it is meant.
To change something, change it on [`main`]({repository}).
"""


def missing(website: Path = WEBSITE, book: Path = project.BOOK) -> list[str]:
    """Notebooks of the book that have no portable one on the website."""
    names = [path.relative_to(book).as_posix() for path in project.executed(book)]
    return [name for name in names if not (website / buttons.FOLDER / name).is_file()]


def gather(folder: Path, *, website: Path = WEBSITE, root: Path = project.ROOT) -> None:
    """Write the content of the branch into a new folder.

    Raises:
        FileExistsError: if the folder is there already.
        FileNotFoundError: if the website has not been built.
    """
    if absent := missing(website, root / "book"):
        raise FileNotFoundError(
            f"{website} has no portable notebook of {len(absent)}, such as {absent[0]}: run `make book` first"
        )
    for language, name in buttons.FOLDERS.items():
        site = website if language == interface.ENGLISH else website / interface.FOLDER
        shutil.copytree(site / buttons.FOLDER, folder / name)
    for name in COPIED:
        if (root / name).is_dir():
            shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(root / name, folder / name)
    environment = (root / "environment.yml").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = "".join(line for line in environment if NOT_FOR_BINDER not in line)
    (folder / "environment.yml").write_text(kept, encoding="utf-8")
    about = README.format(repository=project.address(root), website=project.site_address(root))
    (folder / "README.md").write_text(about, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python tools/portable/branch.py FOLDER (a new one)")
    gather(Path(sys.argv[1]))
    print(f"{sys.argv[1]} holds the branch {buttons.BRANCH}")
