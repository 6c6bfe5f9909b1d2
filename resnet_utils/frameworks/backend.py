"""Keras 3, imported only when somebody asks for it, with the defaults that its documentation names.

Introduced in chapter 7.

Keras works on top of PyTorch, TensorFlow or JAX; ``KERAS_BACKEND`` chooses, and here PyTorch is taken where
it is not set, since PyTorch is what this package has anyway. At its import Keras reads, or else writes, a
file ``keras.json`` in the reader's home. Nothing of a book should depend on that file, so it lies in a
temporary folder unless ``KERAS_HOME`` names one.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import util
from typing import Any

from resnet_utils.runtime import environment

BACKENDS = {"torch": "torch", "tensorflow": "tensorflow-cpu", "jax": "jax"}  # and the package that has it
OLDEST = 3
_HOMES: list[tempfile.TemporaryDirectory] = []  # they last as long as the process


class MissingKeras(ImportError):
    """Keras, or what it works on, is not there. A notebook shows only the sentence, and the run ends."""

    def _render_traceback_(self) -> list[str]:
        """What IPython prints in place of a traceback."""
        return [f"{self}"]


def import_keras() -> Any:
    """The module ``keras``, version 3, on the backend that ``KERAS_BACKEND`` names (default: ``torch``).

    Where Keras has been imported before, it stays as it is. On PyTorch it computes on ``runtime.device()``.
    The environment variables are afterwards as they were.

    Raises:
        MissingKeras: (an ImportError) if Keras or its backend is missing, or Keras is older than 3; the
            message says what to install.
        ValueError: if ``KERAS_BACKEND`` is none of ``BACKENDS``.
    """
    if "keras" not in sys.modules:
        backend = os.environ.get("KERAS_BACKEND", "torch")
        _check(backend)
        # PyTorch's compiler and TensorFlow each bring an LLVM; the other order ends the process.
        if backend == "tensorflow" and util.find_spec("triton"):
            importlib.import_module("triton")
        with _variables(_wanted()):
            importlib.import_module("keras")
    keras = sys.modules["keras"]
    version = str(getattr(keras, "__version__", "2"))
    if int(version.partition(".")[0]) < OLDEST:
        raise MissingKeras(f"Keras {OLDEST} is needed, but here is Keras {version}: pip install -U keras")
    return keras


def is_there() -> bool:
    """Whether Keras is installed; it is not imported for that."""
    return "keras" in sys.modules or util.find_spec("keras") is not None


def _check(backend: str) -> None:
    """Refuse what cannot work, before Keras is half imported."""
    if backend not in BACKENDS:
        raise ValueError(f"KERAS_BACKEND must be one of {', '.join(BACKENDS)}, got {backend!r}")
    if not is_there():
        raise MissingKeras("Keras is not installed: pip install 'resnet-utils[keras]', or: pip install keras")
    if util.find_spec(backend) is None:
        raise MissingKeras(
            f"KERAS_BACKEND={backend}, but {backend} is not installed: pip install {BACKENDS[backend]}; "
            "without the variable, PyTorch is used"
        )


def _wanted() -> dict[str, str]:
    """The variables that Keras is to find, where the reader has not set them."""
    wanted = {"KERAS_BACKEND": "torch", "KERAS_TORCH_DEVICE": str(environment.device())}
    wanted["TF_CPP_MIN_LOG_LEVEL"] = "3"  # TensorFlow would tell at length which processor it has found
    if "KERAS_HOME" not in os.environ:
        _HOMES.append(tempfile.TemporaryDirectory(prefix="keras-"))
        wanted["KERAS_HOME"] = _HOMES[-1].name
    return {name: value for name, value in wanted.items() if name not in os.environ}


@contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for a while; none of them was set before."""
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            os.environ.pop(name, None)
