"""Where and how a chapter runs: seed, device, threads, and numbers printed the same on every machine.

Introduced in the front matter.

Environment variables read here: ``BOOK_DEVICE`` (auto, cpu, cuda, mps), ``BOOK_THREADS`` (a count) and
``BOOK_PROGRESS`` (0 hides the progress bars and lines).
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable
from importlib import metadata
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from resnet_utils.runtime import given, speed
from resnet_utils.runtime.seeding import seed_everything


def setup(seed: int = 0, *, fast: bool | str | speed.Pace = False) -> None:
    """Prepare the process so that a chapter gives the same results each time: call it in the first cell.

    Seeds every generator, fixes the number of threads (two at most, since sums in another order differ
    in their last bits), asks torch for deterministic algorithms and turns TF32 off. An operation that has no
    deterministic form raises an error instead of quietly giving other numbers. For the same reason it says
    that networks compute in float32 unless a call asks for something else (``speed.use(False)``).

    Args:
        seed: for all generators, 0 to 2**32 - 1.
        fast: what ``fast=None`` is to mean from now on (``runtime.speed``): False, True, or "auto", which
            measures what is fastest on this machine.

    Raises:
        ValueError: if ``BOOK_THREADS`` is not a positive whole number, ``seed`` out of range, or ``fast``
            something else.
    """
    speed.use(fast)
    seed_everything(seed)
    _set_threads()
    # cuBLAS reads this when it starts. Without it, deterministic mode refuses matrix products on CUDA.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # The same as use_deterministic_algorithms(True), which would also import torch's compiler (5 s of CPU).
    torch.set_deterministic_debug_mode("error")
    # It also makes torch fill fresh memory with NaN before every use, a tenth of the time in small networks.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")


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


@given.explained
def device_of(model: nn.Module) -> torch.device:
    """Where ``model`` lies, the default wherever a ``device`` stands beside a model.

    Args:
        model: any module, on one device.

    Returns:
        The device of its first parameter, else of its first buffer, else the CPU.
    """
    for tensor in model.parameters():
        return tensor.device
    for tensor in model.buffers():
        return tensor.device
    return torch.device("cpu")


def named_device(device: torch.device | str) -> torch.device:
    """A device that can compute here, by its name.

    Args:
        device: "cpu", "cuda" or "cuda:1", "mps", or another that this torch knows and finds.

    Raises:
        ValueError: if torch knows no such device, finds none here, or it is "meta", which holds no numbers;
            the message says which ones there are.
    """
    usable = ", ".join(name for name in ("cpu", "cuda", "mps") if _is_here(torch.device(name)))
    try:
        place = torch.device(device)
    except (RuntimeError, TypeError, ValueError):
        raise ValueError(f"torch knows no device {device!r}; here there is {usable}") from None
    if place.type == "meta":
        raise ValueError(f"the device 'meta' has shapes and no numbers; here there is {usable}")
    if not _is_here(place):
        raise ValueError(f"there is no device {str(place)!r} here; there is {usable}")
    return place


def chosen_device(device: torch.device | str | None, model: nn.Module) -> torch.device:
    """Where to compute with ``model``: the device that is named, else where the model lies.

    Args:
        device: a name as in ``named_device``; None: none is named.
        model: any module, on one device.

    Raises:
        ValueError: as ``named_device``, if ``model`` lies elsewhere, or if it lies on "meta".
        TypeError: if ``model`` is no module.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"a network is a torch.nn.Module, got {type(model).__name__}")
    own = device_of(model)
    if own.type == "meta":
        raise ValueError(
            "the network lies on the device 'meta': it has shapes and no weights. Build it outside of "
            "`with torch.device('meta')`, or model.to_empty(device=...) and load its weights"
        )
    place = own if device is None else named_device(device)
    has_tensors = any(True for _ in model.parameters()) or any(True for _ in model.buffers())
    if has_tensors and place.type != own.type:
        raise ValueError(
            f"the network lies on {own}, the computing is to be on {place}: move it first, "
            f"model.to({str(place)!r})"
        )
    return place


def _is_here(place: torch.device) -> bool:
    """Whether torch finds a device of that kind, and of that number, on this machine."""
    if place.type in ("cpu", "mps"):
        return place.type == "cpu" or torch.backends.mps.is_available()
    kind: Any = getattr(torch, place.type, None)  # torch.cuda, torch.xpu, ...
    if not hasattr(kind, "is_available") or not kind.is_available():
        return False
    return place.index is None or place.index < kind.device_count()


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

    Args:
        iterable: what to go through.
        description: text before the bar.
        total: how many items are to come; None: its length, where it has one.

    Raises:
        TypeError: if ``iterable`` cannot be gone through.
        ValueError: if ``total`` is no whole number, or below 0.
    """
    if not isinstance(iterable, Iterable) and not hasattr(iterable, "__getitem__"):
        raise TypeError(f"iterable must be a list or a loader, got {iterable!r:.100}")
    given.of_kind("description", description, str)
    total = None if total is None else given.whole_number("total", total, least=0)
    wish = os.environ.get("BOOK_PROGRESS", "")
    visible = wish != "0" and (wish == "1" or sys.stderr.isatty() or _in_notebook())
    return tqdm(
        iterable, desc=description, total=total, disable=not visible, file=sys.stderr, ncols=80, leave=False
    )


def download_bar(name: str) -> tqdm:
    """A progress bar that counts the bytes of one file, for ``downloads.fetch``; shown where ``progress`` is.

    Args:
        name: of the file, the text before the bar.
    """
    given.of_kind("name", name, str)
    bar = progress((), description=name, total=1)  # the server says the total; a bar of 0 would count as none
    bar.unit, bar.unit_scale = "B", True
    return bar


def note(line: str) -> None:
    """Print a line about a long computation on stderr, in terminals, notebooks and files alike.

    ``BOOK_PROGRESS=0`` hides it.

    Args:
        line: what to say.
    """
    given.of_kind("line", line, str)
    if os.environ.get("BOOK_PROGRESS", "") != "0":
        print(line, file=sys.stderr, flush=True)


def _in_notebook() -> bool:
    """Whether a Jupyter kernel runs this code; does not import IPython."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
