"""What lies below a folder: the files of each class, and everything else with the reason.

Introduced in chapter 5.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from resnet_utils.runtime import given

# Left behind by file managers and archives; not part of anybody's data.
LITTER = {"thumbs.db", "desktop.ini", "__macosx"}
PARTS = re.compile(r"(train|val|valid|validation|test|dev|eval)(ing|_?set|ing_?set)?[ _-]?\d*", re.IGNORECASE)
LAYOUT = "expected one folder a class, as in cat/1.jpg and dog/1.jpg"
Labels = Mapping[str, str] | Callable[[str], str | None]


@dataclass(frozen=True)
class Listing:
    """The files below a folder, each in one of three lists.

    Args:
        classes: names of the classes.
        names: files of a class, relative to the folder, with /, in order of class, then of name.
        labels: the class of each, index into ``classes``.
        unusable: (file, reason) of what belongs to a class, or should, and cannot be opened at all.
        ignored: (file, reason) of what is no part of the data: hidden, left by a file manager, of no class.
    """

    classes: tuple[str, ...]
    names: tuple[str, ...]
    labels: tuple[int, ...]
    unusable: tuple[tuple[str, str], ...] = ()
    ignored: tuple[tuple[str, str], ...] = ()


@given.explained
def by_folder(root: Path, classes: Sequence[str] | None) -> Listing:
    """The files of a folder that holds one folder a class.

    Args:
        root: the folder.
        classes: names of the folders in the order of the labels; None: all, sorted by name.

    Raises:
        FileNotFoundError, NotADirectoryError: if there is no such folder.
        ValueError: if the folders in it cannot be classes, two of them look or are the same, or one of them
            has no file.
    """
    require_folder(root)
    found = [entry.name for entry in root.iterdir() if is_class(entry) and not _is_litter(entry.name)]
    if classes is None:
        classes = sorted(found)
        _require_classes(root, classes)
        require_clear(root, classes)
    else:
        classes = _checked(classes)
        require_clear(root, found)
        if unknown := sorted(set(found) - set(classes)):
            raise ValueError(f"{root} has folders of no class: {unknown}; the classes are {list(classes)}")
        if not set(found) & set(classes):
            raise ValueError(f"{root} has none of the class folders {list(classes)}; {LAYOUT}")

    def label_of(name: str) -> str:
        folder, slash, _ = name.partition("/")
        return folder if slash else ""

    listing = _sorted_out(root, tuple(classes), label_of, "lies beside the class folders")
    filled = {name.partition("/")[0] for name in listing.names} | {
        name.partition("/")[0] for name, _ in listing.unusable
    }
    if empty := [name for name in found if name not in filled]:
        raise ValueError(f"no file in the class folder(s) {sorted(empty)} of {root}; fill or remove them")
    return listing


@given.explained
def by_labels(root: Path, labels: Labels, classes: Sequence[str] | None) -> Listing:
    """The files of a folder whose classes a mapping or a function tells; folders mean nothing.

    Args:
        root: the folder.
        labels: class of each file by its name relative to ``root`` with /, by its last part, or by that
            without its ending; or a function of the first that tells it: None for a file to be ignored,
            ValueError where it does not know.
        classes: names of the classes in the order of the labels; None: those that occur, sorted by name.

    Raises:
        FileNotFoundError, NotADirectoryError: if there is no such folder.
        ValueError: if there are fewer than two classes, two that look the same, or every file would be a
            class of its own.
    """
    require_folder(root)
    told, missing = _told(root, labels)
    found = sorted({label for label in told.values() if label})
    if classes is None:
        classes = found
        if len(found) < 2:
            raise ValueError(
                f"the labels name {found or 'no class'} of files in {root}; a classifier needs at least two"
            )
        if len(found) > 2 and len(found) == sum(map(bool, told.values())):
            raise ValueError(f"each of the {len(found)} files of {root} would be a class of its own")
        require_different(found, what="classes in the labels")
    elif unknown := sorted(set(found) - set(_checked(classes))):
        raise ValueError(f"the labels name {unknown}, which are not among the classes {list(classes)}")
    listing = _sorted_out(root, tuple(classes), lambda name: told.get(name, ""), "its label says so")
    lost = tuple((name, "has a label, but there is no such file") for name in missing)
    return Listing(listing.classes, listing.names, listing.labels, listing.unusable + lost, listing.ignored)


@given.explained
def folder_of(root: str | os.PathLike[str]) -> Path:
    """The path; an empty text, as an unset variable leaves, is not the working folder.

    Args:
        root: where pictures should be.

    Raises:
        ValueError: for an empty text.
        TypeError: for what is no path.
    """
    if not isinstance(root, (str, os.PathLike)):
        raise TypeError(f"a folder is given by its path, got {type(root).__name__}")
    if root == "":
        raise ValueError(f"the name of the folder is empty, got {root!r}; the working folder is called '.'")
    return Path(root)


@given.explained
def require_folder(root: Path) -> None:
    """Check that there is a folder.

    Args:
        root: where pictures should be.

    Raises:
        FileNotFoundError, NotADirectoryError: if ``root`` is none.
    """
    if not root.exists():
        raise FileNotFoundError(f"no folder {root}; {LAYOUT}")
    if not root.is_dir():
        raise NotADirectoryError(f"{root} is a file, not a folder; {LAYOUT}")


@given.explained
def walk(root: Path, *, links: bool = True) -> Iterator[tuple[str, str, str]]:
    """Every file below ``root``: (name with /, why it is no part of the data, why it cannot be opened).

    Both reasons are "" for an ordinary file. Links to files are followed.

    Args:
        root: the folder.
        links: whether a link to a folder is followed where it lies in ``root`` itself. Deeper, where it could
            lead in a circle, it counts as one file that cannot be opened.

    Raises:
        OSError: if a folder is none, or cannot be listed.
        ValueError: if ``links`` is neither True nor False.
    """
    require_folder(root)
    return _walked(root, links=given.yes_or_no("links", links))


def _walked(root: Path, *, links: bool) -> Iterator[tuple[str, str, str]]:
    for entry in sorted(root.iterdir()):
        hidden = "hidden, or left by a file manager" if _is_litter(entry.name) else ""
        if not _is_text(entry.name):
            shown = os.fsencode(entry.name).decode("utf-8", "backslashreplace")
            yield shown, hidden, "" if hidden else "its name is not UTF-8; rename it"
        elif entry.is_symlink() and entry.is_dir() and (not links or _holds(entry, root)):
            yield entry.name, hidden, "" if hidden else "a link to a folder, which is not followed"
        elif entry.is_dir():
            for name, why, unusable in _walked(entry, links=False):
                yield f"{entry.name}/{name}", hidden or why, "" if hidden else unusable
        else:
            yield entry.name, hidden, "" if hidden else _why_unusable(entry)


def _holds(link: Path, folder: Path) -> bool:
    """Whether a link leads to a folder itself, or to one around it."""
    return folder.resolve().is_relative_to(link.resolve())


@given.explained
def require_clear(root: Path, classes: Sequence[str]) -> None:
    """Refuse folders that cannot be classes: by their names, or because two of them are the same folder.

    Args:
        root: the folder they lie in.
        classes: the names of the folders.

    Raises:
        ValueError: for a name that is not in UTF-8, two that look the same (``require_different``), or a link
            to the folder of another class, to a part of it, or to the place that another link leads to.
    """
    for name in classes:
        if not _is_text(name):
            raise ValueError(
                f"the name of the folder {os.fsencode(name)!r} in {root} is not UTF-8: rename it"
            )
    require_different(classes, what=f"folders in {root}")
    links = [name for name in classes if (root / name).is_symlink()]
    places = {name: (root / name).resolve() for name in classes} if links else {}
    for link in links:
        for other in (name for name in classes if name != link):
            one, two = places[link], places[other]
            if one.is_relative_to(two) or two.is_relative_to(one):
                raise ValueError(
                    f"the classes {other!r} and {link!r} of {root} hold the same files: {link!r} is a link "
                    f"to {one}. Remove the link, or let it lead to files of its own"
                )


@given.explained
def require_different(names: Sequence[str], *, what: str) -> None:
    """Refuse two names of classes that look the same: a reader would never mean two classes by them.

    Args:
        names: of the classes.
        what: what has these names, for the message.

    Raises:
        ValueError: for two that differ only in capitals, in spaces at their ends, or in how Unicode writes an
            accent (``unicodedata.normalize``).
    """
    given.of_kind("what", what, str)
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(unicodedata.normalize("NFC", name).strip().casefold(), name)
        if other != name:
            raise ValueError(
                f"two names of {what} look the same, {other!a} and {name!a}: rename or join them, so that "
                "they are one class or clearly two"
            )


def _is_text(name: str) -> bool:
    """Whether a name from the disk is in UTF-8; any other comes with surrogates, which no file can hold."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


@given.explained
def is_class(entry: Path) -> bool:
    """Whether an entry of a folder is a folder of its own, or a link to one elsewhere.

    Args:
        entry: in the folder.
    """
    return entry.is_dir() and not (entry.is_symlink() and _holds(entry, entry.parent))


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.lower() in LITTER


def _why_unusable(path: Path) -> str:
    """Why a file cannot even be opened, or "": a broken link, a pipe, a device."""
    try:
        return "" if stat.S_ISREG(path.stat().st_mode) else "no ordinary file"
    except OSError as error:
        return f"a broken link to {os.readlink(path)!r}" if path.is_symlink() else f"{error.strerror}"


def _sorted_out(
    root: Path, classes: tuple[str, ...], label_of: Callable[[str], str | None], else_ignored: str
) -> Listing:
    """Every file in its list; ``label_of`` says "" for what is no part of the data, None for unknown."""
    number = {name: place for place, name in enumerate(classes)}
    kept, unusable, ignored = [], [], []
    for name, not_data, cannot_open in walk(root):
        label = label_of(name)
        if not_data or label == "":
            ignored.append((name, not_data or else_ignored))
        elif cannot_open or label is None:
            unusable.append((name, cannot_open or "no label names its class"))
        else:
            kept.append((number[label], name))
    kept.sort()
    return Listing(
        classes, tuple(n for _, n in kept), tuple(k for k, _ in kept), tuple(unusable), tuple(ignored)
    )


def _checked(classes: Sequence[str]) -> list[str]:
    if not isinstance(classes, (list, tuple)) or not all(isinstance(name, str) and name for name in classes):
        raise TypeError(f"classes must be a list of names, got {classes!r}")
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise ValueError(f"classes must be two different names or more, got {list(classes)}")
    return list(classes)


def _require_classes(root: Path, names: list[str]) -> None:
    """Refuse folders that are no classes: too few, or the parts of a data set, each with its own classes."""
    if len(names) < 2:
        inner = [entry.name for entry in _folders(root / names[0])] if names else []
        hint = f"; perhaps you mean {root / names[0]}, which has {inner[:5]}" if len(inner) > 1 else ""
        loose = next((entry.name for entry in sorted(root.iterdir()) if entry.is_file()), None)
        if not names and loose is not None:
            hint = f"; for loose files such as {loose!r} give labels=, as in labels=data.name_prefix"
        found = f"only the class folder {names[0]!r}" if names else "no class folder"
        raise ValueError(f"{root} has {found}; a classifier needs at least two ({LAYOUT}){hint}")
    inner = {name: {entry.name for entry in _folders(root / name)} for name in names}
    shared = set.intersection(*inner.values())
    has_files = any(e.is_file() and not _is_litter(e.name) for name in names for e in (root / name).iterdir())
    if all(PARTS.fullmatch(name) for name in names) or (len(shared) > 1 and not has_files):
        held = "; ".join(f"{name} holds {sorted(inner[name])[:5] or 'files'}" for name in names[:5])
        raise ValueError(
            f"the folders of {root} look like parts of a data set, not like its classes: {held}. Read each "
            f"part by itself, as in image_folder({str(root / names[0])!r}); if they are classes, name them "
            "in classes="
        )


def _folders(root: Path) -> list[Path]:
    return sorted(entry for entry in root.iterdir() if entry.is_dir() and not _is_litter(entry.name))


def _told(root: Path, labels: Labels) -> tuple[dict[str, str | None], list[str]]:
    """The class of each file: "" to be ignored, None not known; and the names of ``labels`` without file."""
    files = [name for name, not_data, _ in walk(root) if not not_data]
    if not isinstance(labels, Mapping):
        if not callable(labels):
            raise TypeError(f"labels must be a mapping or a function of a file's name, got {labels!r}")
        return {name: _asked(labels, name) for name in files}, []
    table = {str(n).replace("\\", "/").removeprefix("./"): (n, label) for n, label in labels.items()}
    told: dict[str, str | None] = {}
    used: dict[str, str] = {}
    for name in files:
        path = PurePosixPath(name)
        key = next((k for k in (name, path.name, path.stem) if k in table), None)
        told[name] = None if key is None else _name_of_class(table[key][1], name)
        if key is not None and used.setdefault(key, name) != name:
            raise ValueError(
                f"the label of {key!r} fits two files, {used[key]} and {name}; give their folders too"
            )
    return told, [str(name) for key, (name, _) in table.items() if key not in used]


def _asked(labels: Callable[[str], str | None], name: str) -> str | None:
    try:
        label = labels(name)
    except ValueError:
        return None
    except TypeError as error:
        raise TypeError(
            f"labels must be a function of a file's name, got {labels!r:.100}: {error}"
        ) from error
    return "" if label is None else _name_of_class(label, name)


def _name_of_class(label: object, name: str) -> str:
    if not isinstance(label, str):
        raise TypeError(f"the label of {name} must be the name of its class, got {label!r}")
    return label
