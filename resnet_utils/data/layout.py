"""How a folder of photographs is laid out: one folder a class, names that begin with the class, or parts.

Introduced in chapter 5.

People have folders as a camera, a friend or Kaggle's archive left them. What is understood here: one folder
a class (``cat/1.jpg``); all files in one folder, the class in front (``cat.1.jpg``, ``my_dog_7.jpg``); either
of them inside ``train``, ``val`` and ``test``; and any of these one or more folders deeper. What is not
understood is refused with what was found.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from resnet_utils.data.folder import read_split, split_on_disk
from resnet_utils.data.labels import name_prefix
from resnet_utils.data.listing import (
    LITTER,
    PARTS,
    folder_of,
    is_class,
    require_clear,
    require_different,
    require_folder,
    walk,
)
from resnet_utils.data.pieces import AnySplit
from resnet_utils.runtime import given

USES = {"train": "train", "test": "test"}  # every other part validates
CAMERAS = {"img", "image", "dsc", "dscn", "dscf", "photo", "picture", "pic", "pxl", "screenshot", "p", "vid"}
PICTURES = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".heic", ".avif"}
AGAIN = re.compile(r"\s*\(\d+\)$")  # what a file manager puts behind the name of a second copy
FEWEST = 2  # files of a class whose name stands in the names of the files
SHOWN = 5  # names in a message
EXPECTED = (
    "expected one folder a class, as in cat/1.jpg and dog/1.jpg, or the class in front of the names, as in "
    "cat.1.jpg and dog.1.jpg; either may lie in the folders train and val"
)


@dataclass(frozen=True)
class Layout:
    """Which files of a folder belong to which class and part.

    Args:
        root: the folder that was asked for; the names count from it.
        classes: the name of each class, sorted.
        files: for each part ("train", "valid", "test", or "all" where the folder has no parts) the files, as
            (name with /, number of the class).
        aside: (file or folder, reason) of what belongs to no class.
    """

    root: Path
    classes: tuple[str, ...]
    files: dict[str, list[tuple[str, int]]]
    aside: tuple[tuple[str, str], ...]

    def counts(self) -> dict[str, dict[str, int]]:
        """For each part, how many files each class has."""
        return {
            part: {name: sum(label == k for _, label in files) for k, name in enumerate(self.classes)}
            for part, files in self.files.items()
        }


@given.explained
def find_layout(folder: str | os.PathLike[str]) -> Layout:
    """How a folder of photographs is laid out; the files themselves are not opened.

    Hidden files, Thumbs.db, desktop.ini and __MACOSX are passed over.

    Args:
        folder: the folder with the photographs.

    Raises:
        FileNotFoundError, NotADirectoryError: if it is not there, or no folder.
        ValueError: if there are fewer than two classes, one of them is empty, or the parts have different
            classes; the message says what was found, and what is understood.
    """
    root, inside = folder_of(folder), ""
    require_folder(root)
    folders, files = _entries(root)
    outside: list[str] = []
    while len(folders) == 1 and not any(Path(name).suffix.lower() in PICTURES for name in files):
        outside += [inside + name for name in files]
        inside += f"{folders[0]}/"
        folders, files = _entries(root / inside)
    parts = {_part(name): name for name in folders}
    if folders and None not in parts:
        if "train" not in parts or len(parts) < len(folders):
            raise ValueError(
                f"the folders {', '.join(folders)} of {root / inside} look like parts of a data set, not "
                "like classes; there has to be one train, and at most one val and one test"
            )
        outside += [inside + name for name in files]
        aside = [(name, "lies beside the folders of the parts") for name in outside]
        return _with_parts(root, inside, parts, aside)
    found, aside = _classes(root, inside)
    _require_two(root / inside, found)
    classes = tuple(sorted(found))
    aside = [(name, "lies beside the class folders") for name in outside] + aside
    return Layout(root, classes, {"all": _numbered(found, classes)}, tuple(aside))


@given.explained
def read_layout(
    layout: Layout, *, size: int, source: str = "photographs", on_disk: bool = False
) -> dict[str, AnySplit]:
    """The pictures of a layout, part by part; what is no whole picture stands in ``quarantine``.

    Args:
        layout: from ``find_layout``.
        size: side in pixels of the squares that ``read_picture`` makes.
        source: where the pictures come from, in words.
        on_disk: whether they stay there until a batch asks for them; otherwise they are read into memory.

    Raises:
        ValueError: if a class has no whole picture in one of the parts, ``size`` is no whole number from 1
            up, or ``on_disk`` neither True nor False.
    """
    given.yes_or_no("on_disk", on_disk)
    read = split_on_disk if on_disk else functools.partial(read_split, strict=False)
    return {
        part: read(
            layout.root,
            [name for name, _ in files],
            [label for _, label in files],
            classes=layout.classes,
            size=size,
            source=source,
        )
        for part, files in layout.files.items()
    }


def _entries(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the folders and of the files in a folder, sorted, without what nobody put there."""
    entries = [
        entry
        for entry in folder.iterdir()
        if not entry.name.startswith(".") and entry.name.lower() not in LITTER
    ]
    folders = sorted(entry.name for entry in entries if is_class(entry))
    return folders, sorted(entry.name for entry in entries if not entry.is_dir())


def _part(folder: str) -> str | None:
    """The part that a folder's name stands for, or None."""
    found = PARTS.fullmatch(folder)
    return USES.get(found[1].lower(), "valid") if found else None


def _with_parts(
    root: Path, inside: str, parts: dict[str | None, str], aside: Sequence[tuple[str, str]]
) -> Layout:
    """A folder with ``train`` and others, each of which is laid out by classes."""
    found: dict[str, dict[str, list[str]]] = {}
    put_aside = list(aside)
    for part, folder in ((part, folder) for part, folder in parts.items() if part):
        found[part], more = _classes(root, f"{inside}{folder}/")
        if part == "test" and len(found[part]) < 2:  # Kaggle's test pictures have no labels
            put_aside.append((f"{inside}{folder}/", "its files have no class, so they can test nothing"))
            del found[part]
        else:
            put_aside += more
    _require_two(root / inside / parts["train"], found["train"])
    classes = tuple(sorted(found["train"]))
    for part in found:
        if set(found[part]) != set(classes):
            here, there = (", ".join(map(repr, sorted(found[p]))) or "none" for p in ("train", part))
            raise ValueError(
                f"the parts of {root / inside} have different classes: {parts['train']} has {here}; "
                f"{parts[part]} has {there}. Give both the same folders"
            )
    return Layout(root, classes, {part: _numbered(found[part], classes) for part in found}, tuple(put_aside))


def _classes(root: Path, inside: str) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
    """Class -> files relative to ``root``, of the folder ``inside`` it, and what belongs to no class."""
    folder = root / inside
    folders, _ = _entries(folder)
    found: dict[str, list[str]] = {name: [] for name in folders}
    loose, aside = [], []
    for name, hidden, unusable in walk(folder):
        head, slash, _ = name.partition("/")
        if not hidden and unusable:
            aside.append((inside + name, unusable))
        elif not hidden:
            (found[head] if slash else loose).append(inside + name)
    if folders:
        require_clear(folder, folders)
        empty = [name for name, names in found.items() if not names]
        if empty:
            raise ValueError(f"no file in the class folder(s) {empty} of {folder}; fill or remove them")
        return found, aside + [(name, "lies beside the class folders") for name in loose]
    for name in loose:
        found.setdefault(_in_front(name), []).append(name)
    odd = [kind for kind, names in found.items() if not kind or len(names) < FEWEST]
    aside += [
        (name, "its name begins with no class that others have") for kind in odd for name in found.pop(kind)
    ]
    if CAMERAS & {name.lower() for name in found}:
        return {}, []
    require_different(tuple(found), what=f"classes in front of the files in {folder}")
    return found, aside


def _in_front(name: str) -> str:
    """The class before the number in a file's name; "" where there is none."""
    stem = Path(name).stem
    for text in (AGAIN.sub("", stem), stem):
        try:
            return name_prefix(f"{text}.")
        except ValueError:
            continue
    return ""


def _numbered(found: dict[str, list[str]], classes: tuple[str, ...]) -> list[tuple[str, int]]:
    return [(name, label) for label, kind in enumerate(classes) for name in found[kind]]


def _require_two(folder: Path, found: dict[str, list[str]]) -> None:
    """At least two classes, or a message that says what is there instead."""
    if len(found) >= 2:
        return
    folders, files = _entries(folder)
    there = [f"only the class {name!r}" for name in found]
    if not there and folders:
        there = [f"the folders {', '.join(folders[:SHOWN])}"]
    if not there:
        more = f" and {len(files) - SHOWN} more" if len(files) > SHOWN else ""
        there = [
            f"{len(files)} file(s) without a class: {', '.join(files[:SHOWN])}{more}" if files else "no file"
        ]
    raise ValueError(f"{folder} has {there[0]}; a classifier needs at least two classes ({EXPECTED})")
