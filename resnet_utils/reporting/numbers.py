"""Numbers printed the same on every machine.

Introduced in the front matter.
"""

from __future__ import annotations

import math
import numbers

import numpy as np
import torch

from resnet_utils.runtime import given

MAX_DIGITS = 10


ABSOLUTE_TOLERANCE = 1e-12  # below it a float64 result of a few hundred operations is noise


@given.explained
def show(name: str, value: object, digits: int = 3, *, unit: str = "", tolerance: float = 1e-6) -> None:
    """Print ``name: value unit``; floats with ``digits`` decimals, other values as they are.

    Printed text is compared on other machines, where the last bits of a float differ. So a float so near a
    rounding edge that a relative change of ``tolerance`` would alter its text is refused.
    After training no raw number is the same everywhere: show a comparison instead.

    Args:
        name: what stands before the colon.
        value: a number, a bool, a text or None; a tuple or list of them is printed item by item, a 0-d tensor
            as the number it holds.
        digits: decimals of a float, 0 to 10.
        unit: what stands behind the value.
        tolerance: the relative change that must not alter the text, at least 0 and below 1. The default suits
            one float32 forward pass; give 1e-9 for float64 mathematics and 0 for an exact value such as 1/8.

    Raises:
        ValueError: if a float is not finite, or lies near a rounding edge (the message advises ``digits``);
            for ``digits`` or a ``tolerance`` that cannot be.
        TypeError: if a value has no short text of its own, such as a whole array.
    """
    given.of_kind("name", name, str)
    given.of_kind("unit", unit, str)
    if given.whole_number("digits", digits, least=0) > MAX_DIGITS:
        raise ValueError(f"digits must be between 0 and {MAX_DIGITS}, got {digits}")
    if not 0 <= tolerance < 1:
        raise ValueError(f"tolerance must be at least 0 and below 1, got {tolerance}")
    text = _text(name, value, digits, tolerance)
    print(f"{name}: {text} {unit}".rstrip())


def _text(name: str, value: object, digits: int, tolerance: float) -> str:
    """The text of one value, whatever its type."""
    if isinstance(value, torch.Tensor | np.ndarray | np.generic):
        if value.ndim > 0:
            given = f"{type(value).__name__} of shape {tuple(value.shape)}"
            raise TypeError(
                f"show({name!r}) takes single numbers, got a {given}; use .tolist() or show its shape"
            )
        value = value.item()
    if isinstance(value, tuple | list):
        items = [_text(name, item, digits, tolerance) for item in value]
        inner = ", ".join(items) + ("," if isinstance(value, tuple) and len(items) == 1 else "")
        return f"({inner})" if isinstance(value, tuple) else f"[{inner}]"
    if value is None or isinstance(value, str | numbers.Integral):  # bool is Integral
        return str(value)
    if not isinstance(value, float):
        raise TypeError(
            f"show({name!r}) takes numbers, bools, strings and tuples, got {type(value).__name__}"
        )
    if not math.isfinite(value):
        raise ValueError(f"show({name!r}) got {value}: only finite numbers are the same everywhere")
    if not _is_stable(value, digits, tolerance):
        raise ValueError(_advice(name, value, digits, tolerance))
    return _decimal(value, digits)


def _decimal(value: float, digits: int) -> str:
    """``value`` with ``digits`` decimals; never a negative zero."""
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


def _is_stable(value: float, digits: int, tolerance: float) -> bool:
    """Whether the text stays the same when ``value`` moves by ``tolerance``."""
    change = max(abs(value) * tolerance, ABSOLUTE_TOLERANCE if tolerance else 0.0)
    return _decimal(value - change, digits) == _decimal(value + change, digits)


def _advice(name: str, value: float, digits: int, tolerance: float) -> str:
    """What to do about a value near a rounding edge."""
    stable = [d for d in range(MAX_DIGITS + 1) if _is_stable(value, d, tolerance)]
    near = min(stable, key=lambda d: (abs(d - digits), -d), default=None)
    way = f"use digits={near}" if near is not None else "show it in a larger unit"
    return (
        f"show({name!r}): {value!r} with {digits} decimals is too near a rounding edge, "
        f"a relative change of {tolerance:g} alters the text; {way}, "
        "or give a smaller tolerance if the value is computed in float64"
    )
