"""Two splits that are used together have the same classes in the same order, or the labels shift.

Introduced in chapters 4 and 5.
"""

from __future__ import annotations

from resnet_utils.runtime import given
from resnet_utils.runtime.classes import classes_of, difference


@given.explained
def require_same_classes(
    first: object, second: object, *, names: tuple[str, str] = ("the first", "the second")
) -> tuple[str, ...] | None:
    """The classes that both have, in the order of the labels; None where one of them does not say.

    A label is a place in a list of names. If validation lacks a class, or sorts ``Dog`` before ``cat``, the
    same number means another class, and every score is nonsense without an error.

    Args:
        first: a split, a loader, a data set or a list of names (``runtime.classes_of`` says what counts).
        second: likewise.
        names: what to call the two in the error, such as ("training", "validation").

    Raises:
        ValueError: if both name their classes, and not the same in the same order; both sides are named.
        TypeError: if ``names`` are not two texts.
    """
    if not isinstance(names, (list, tuple)) or [type(name) for name in names] != [str, str]:
        raise TypeError(f"names must be two texts, got {names!r:.100}")
    one, two = classes_of(first), classes_of(second)
    if one is None or two is None or one == two:
        return one if one == two else None
    raise ValueError(
        f"{names[0]} and {names[1]} have different classes, so equal labels would mean different things: "
        f"{difference(one, two, names=names)}. Read both with the classes of one of them, as in "
        "data.image_folder(folder, size=..., classes=train.classes)"
    )
