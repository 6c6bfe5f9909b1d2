"""How a folder of photographs is laid out: one folder a class, names that begin with the class, or parts.

Introduced in chapter 5.

People have folders as a camera, a friend or Kaggle's archive left them. What is understood here: one folder
a class (``cat/1.jpg``); all files in one folder, the class in front (``cat.1.jpg``, ``my_dog_7.jpg``); either
of them inside ``train``, ``val`` and ``test``; and any of these one or more folders deeper. What is not
understood is refused with what was found.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from resnet_utils.data.folder import LITTER, read_split
from resnet_utils.data.in_memory import Split

PARTS = {
    "train": ("train", "training"),
    "valid": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "test1"),  # test1 is Kaggle's
}
IGNORED = {"__macosx"}  # what macOS puts into an archive beside the files
CAMERAS = {"img", "image", "dsc", "dscn", "dscf", "photo", "picture", "pic", "pxl", "screenshot", "p", "vid"}
IN_FRONT = re.compile(r"(.*?)[\W_]*\(?\d+\)?(?:[\W_]*\(\d+\))?$", re.DOTALL)  # cat.12, cat_12 (1), cat12
PICTURES = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".heic", ".avif"}
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
        root: the folder that the names count from; it may lie deeper than the one asked for.
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
    asked = Path(folder)
    if not asked.exists():
        raise FileNotFoundError(f"no folder {asked}; {EXPECTED}")
    if not asked.is_dir():
        raise NotADirectoryError(f"{asked} is a file, not a folder; {EXPECTED}")
    root = asked
    folders, files = _entries(root)
    outside: list[tuple[str, str]] = []
    while len(folders) == 1 and not any(Path(name).suffix.lower() in PICTURES for name in files):
        outside += [(_inside(asked, root / name), "lies beside the class folders") for name in files]
        root = root / folders[0]
        folders, files = _entries(root)
    parts = {_part(name): name for name in folders}
    if "train" in parts and None not in parts and len(parts) == len(folders):
        outside += [(_inside(asked, root / name), "lies beside the folders of the parts") for name in files]
        return _with_parts(root, parts, outside)
    found, aside = _classes(root, "")
    _require_two(root, found)
    classes = tuple(sorted(found))
    return Layout(root, classes, {"all": _numbered(found, classes)}, tuple(outside + aside))


def read_layout(layout: Layout, *, size: int, source: str = "photographs") -> dict[str, Split]:
    """The pictures of a layout in memory, part by part; what is no whole picture stands in ``quarantine``.

    Args:
        layout: from ``find_layout``.
        size: side in pixels of the squares that ``read_picture`` makes.
        source: where the pictures come from, in words.

    Raises:
        ValueError: if a class has no whole picture in one of the parts.
    """
    return {
        part: read_split(
            layout.root,
            [name for name, _ in files],
            [label for _, label in files],
            classes=layout.classes,
            size=size,
            strict=False,
            source=source,
        )
        for part, files in layout.files.items()
    }


def _inside(asked: Path, path: Path) -> str:
    return path.relative_to(asked).as_posix()


def _entries(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the folders and of the files in a folder, sorted, without what nobody put there."""
    entries = [
        entry
        for entry in folder.iterdir()
        if not entry.name.startswith(".") and entry.name.lower() not in LITTER | IGNORED
    ]
    folders = sorted(entry.name for entry in entries if entry.is_dir())
    return folders, sorted(entry.name for entry in entries if entry.is_file())


def _part(folder: str) -> str | None:
    """The part that a folder's name stands for, or None."""
    return next((part for part, names in PARTS.items() if folder.lower() in names), None)


def _with_parts(root: Path, parts: dict[str, str], outside: Sequence[tuple[str, str]]) -> Layout:
    """A folder with ``train`` and others, each of which is laid out by classes."""
    found: dict[str, dict[str, list[str]]] = {}
    aside = list(outside)
    for part, folder in parts.items():
        found[part], more = _classes(root, folder)
        if part == "test" and len(found[part]) < 2:  # Kaggle's test pictures have no labels
            aside.append((f"{folder}/", "its files have no class, so they can test nothing"))
            del found[part]
        else:
            aside += more
    _require_two(root / parts["train"], found["train"])
    classes = tuple(sorted(found["train"]))
    for part in found:
        if set(found[part]) != set(classes):
            here, there = (", ".join(map(repr, sorted(found[p]))) or "none" for p in ("train", part))
            raise ValueError(
                f"the parts of {root} have different classes: {parts['train']} has {here}; "
                f"{parts[part]} has {there}. Give both the same folders"
            )
    return Layout(root, classes, {part: _numbered(found[part], classes) for part in found}, tuple(aside))


def _classes(root: Path, inside: str) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
    """Class -> files relative to ``root``, of the folder ``inside`` it, and what belongs to no class."""
    folder = root / inside
    folders, files = _entries(folder)
    start = f"{inside}/" if inside else ""
    if folders:
        found = {name: _below(root, f"{start}{name}") for name in folders}
        empty = [name for name, names in found.items() if not names]
        if empty:
            raise ValueError(f"no file in the class folder(s) {empty} of {folder}; fill or remove them")
        return found, [(f"{start}{name}", "lies beside the class folders") for name in files]
    in_front: dict[str, list[str]] = {}
    for name in files:
        stem = IN_FRONT.match(Path(name).stem)
        in_front.setdefault(stem[1] if stem else "", []).append(f"{start}{name}")
    found = {name: names for name, names in in_front.items() if name and len(names) >= FEWEST}
    if CAMERAS & {name.lower() for name in found}:
        return {}, []
    odd = [name for key, names in in_front.items() if key not in found for name in names]
    return found, [(name, "its name begins with no class that others have") for name in odd]


def _below(root: Path, folder: str) -> list[str]:
    """All files below a folder, relative to ``root``, with /; hidden ones and litter left out."""
    names = [path.relative_to(root) for path in (root / folder).rglob("*") if path.is_file()]
    return sorted(
        name.as_posix()
        for name in names
        if name.name.lower() not in LITTER
        and not any(part.startswith(".") or part.lower() in IGNORED for part in name.parts)
    )


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
