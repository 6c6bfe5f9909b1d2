"""Which classes a loader or a data set is about, whoever made it.

Introduced in chapters 4 and 5.
"""

from __future__ import annotations

from collections.abc import Iterator

from resnet_utils.runtime import given

# Where loaders, data sets and their parts of torch and of this package keep each other.
INNER = ("loader", "dataset", "datasets")


def classes_of(holder: object) -> tuple[str, ...] | None:
    """The names of the classes, in the order of the labels; None where nobody says.

    A list or tuple of names is taken as it is. Of a loader, a data set or a wrapper around one, the attribute
    ``classes`` counts, as a ``data.Split`` and torchvision's data sets have it, then what the attributes in
    ``INNER`` hold, by the same rule.

    Args:
        holder: names, a split, a data set (``Subset`` and ``ConcatDataset`` too), a loader, or anything else.

    Raises:
        ValueError: if it is made of parts with different classes.
    """
    found = list(dict.fromkeys(_said_by(holder, seen=set())))
    if len(found) > 1:
        raise ValueError(f"its parts have different classes: {difference(found[0], found[1])}")
    return found[0] if found else None


@given.explained
def difference(
    first: tuple[str, ...], second: tuple[str, ...], *, names: tuple[str, str] = ("the first", "the second")
) -> str:
    """In words, how two different lists of classes differ: which names, or which order.

    Args:
        first: the classes of the one.
        second: the classes of the other.
        names: what to call the two.

    Raises:
        ValueError: if ``names`` are not two.
    """
    if len(names) != 2:
        raise ValueError(f"names are those of the two, got {names!r:.100}")
    parts = []
    for side, own, others in ((names[0], first, second), (names[1], second, first)):
        if only := tuple(name for name in own if name not in others):
            parts.append(f"{_short(only)} only in {side}")
    what = " and ".join(parts) or "the same names, but not in the same order and number"
    return f"{what} ({names[0]}: {_short(first)}; {names[1]}: {_short(second)})"


def _short(names: tuple[str, ...], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{list(names[:most])}{more}"


def _said_by(holder: object, seen: set[int]) -> Iterator[tuple[str, ...]]:
    """Every list of classes that ``holder`` and what it holds state; each object is asked once."""
    if holder is None or isinstance(holder, str) or id(holder) in seen:
        return
    seen.add(id(holder))
    own = holder if isinstance(holder, (list, tuple)) else getattr(holder, "classes", None)
    if isinstance(own, (list, tuple)) and own and all(isinstance(name, str) for name in own):
        yield tuple(own)
        return
    for name in INNER:
        inner = getattr(holder, name, None)
        for item in inner if isinstance(inner, (list, tuple)) else [inner]:
            yield from _said_by(item, seen)
