"""Where and how a chapter runs: seed, device, threads, and numbers printed the same on every machine.

Introduced in the front matter.

Environment variables read here: ``BOOK_DEVICE`` (auto, cpu, cuda, mps), ``BOOK_THREADS`` (a count) and
``BOOK_PROGRESS`` (0 hides the progress bars).
"""

from __future__ import annotations

import math
import numbers
import os
import platform
import random
import sys
from collections.abc import Iterable
from importlib import metadata

import numpy as np
import torch
from tqdm import tqdm

MAX_DIGITS = 10
ABSOLUTE_TOLERANCE = 1e-12  # below it a float64 result of a few hundred operations is noise


def setup(seed: int = 0) -> None:
    """Prepare the process so that a chapter gives the same results each time: call it in the first cell.

    Seeds every generator, fixes the number of threads (two at most, since sums in another order differ
    in their last bits), asks torch for deterministic algorithms and turns TF32 off. An operation that has no
    deterministic form raises an error instead of quietly giving other numbers.

    Raises:
        ValueError: if ``BOOK_THREADS`` is not a positive whole number.
    """
    seed_everything(seed)
    _set_threads()
    # cuBLAS reads this when it starts. Without it, deterministic mode refuses matrix products on CUDA.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # The same as use_deterministic_algorithms(True), which would also import torch's compiler (5 s of CPU).
    torch.set_deterministic_debug_mode("error")
    # It also makes torch fill fresh memory with NaN before every use, a tenth of the time in small networks.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, NumPy and torch (CPU and every GPU).

    Raises:
        ValueError: if ``seed`` does not fit NumPy's range, 0 to 2**32 - 1.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be between 0 and {2**32 - 1}, got {seed}")
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries that draw from NumPy's global state need it
    torch.manual_seed(seed)


def _set_threads() -> None:
    """Set torch's thread count: ``OMP_NUM_THREADS`` wins, then ``BOOK_THREADS``, then two at most."""
    if "OMP_NUM_THREADS" in os.environ:
        return  # torch has already obeyed it
    asked = os.environ.get("BOOK_THREADS", "")
    if asked and not (asked.isascii() and asked.isdigit() and int(asked) > 0):
        raise ValueError(f"BOOK_THREADS must be a whole number from 1 up, got {asked!r}")
    torch.set_num_threads(int(asked) if asked else min(2, os.cpu_count() or 1))


def device() -> torch.device:
    """The device to compute on: what ``BOOK_DEVICE`` names, else CUDA where there is one, else the CPU.

    Apple's MPS is used only on request, because its results differ from those printed in the book.

    Raises:
        ValueError: if ``BOOK_DEVICE`` is none of auto, cpu, cuda, mps.
        RuntimeError: if the device asked for is not available.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    asked = os.environ.get("BOOK_DEVICE", "auto").strip().lower() or "auto"
    if asked == "auto":
        return torch.device("cuda" if available["cuda"] else "cpu")
    if asked not in available:
        raise ValueError(f"BOOK_DEVICE must be one of auto, cpu, cuda, mps, got {asked!r}")
    if not available[asked]:
        usable = ", ".join(name for name, there in available.items() if there)
        raise RuntimeError(f"BOOK_DEVICE={asked}, but torch sees no such device here; available: {usable}")
    return torch.device(asked)


def show(name: str, value: object, digits: int = 3, *, unit: str = "", tolerance: float = 1e-6) -> None:
    """Print ``name: value unit``; floats with ``digits`` decimals, other values as they are.

    Printed text is compared on other machines, where the last bits of a float differ. So a float so near a
    rounding edge that a relative change of ``tolerance`` would alter its text is refused. The default suits
    one float32 forward pass; give 1e-9 for float64 mathematics and 0 for an exact value such as 1/8.
    After training no raw number is the same everywhere: show a comparison instead.
    Tuples and lists are printed item by item, 0-d tensors as the number they hold.

    Raises:
        ValueError: if a float is not finite, or lies near a rounding edge (the message advises ``digits``).
        TypeError: if a value has no short text of its own, such as a whole array.
    """
    if not 0 <= digits <= MAX_DIGITS:
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


def versions() -> str:
    """One line with the versions of Python, torch, torchvision and NumPy (for people, not for comparison)."""
    parts = [f"Python {platform.python_version()}"]
    for package in ("torch", "torchvision", "numpy"):
        try:
            parts.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            parts.append(f"{package} not installed")
    return ", ".join(parts)


def progress(iterable: Iterable, *, description: str, total: int | None = None) -> tqdm:
    """``iterable`` with a progress bar on stderr, in terminals and notebooks; a plain pass-through elsewhere.

    ``BOOK_PROGRESS=0`` hides the bar, ``BOOK_PROGRESS=1`` shows it even when stderr goes to a file.
    The bar is text, not a widget: a saved notebook then holds no widget state that other viewers cannot show.
    """
    wish = os.environ.get("BOOK_PROGRESS", "")
    visible = wish != "0" and (wish == "1" or sys.stderr.isatty() or _in_notebook())
    return tqdm(
        iterable, desc=description, total=total, disable=not visible, file=sys.stderr, ncols=80, leave=False
    )


def _in_notebook() -> bool:
    """Whether a Jupyter kernel runs this code; does not import IPython."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
