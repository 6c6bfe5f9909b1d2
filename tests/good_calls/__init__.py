"""Every public function, and a call of each that goes right: ``bad_calls`` spoils one argument at a time."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import resnet_utils
from good_calls.makers import BY_NAME

Arguments = dict[str, Any]
# Checkers say it in words; Keras; a command line; what torch calls in a worker, and nobody else can; what
# fetches weights whose checksum is known; what needs a package that most readers do without.
NOT_CALLED = (
    "exercises.", "frameworks.", "__main__.", "runtime.seeding.seed_worker",
    "models.pretrained.load_imagenet", "training.callbacks.TensorBoard",
)  # fmt: skip


def is_made_by_callers(thing: Any) -> bool:
    """Whether it is a class with a constructor of its own; a dataclass that checks nothing is a result."""
    own = "__post_init__" if dataclasses.is_dataclass(thing) else "__init__"
    return inspect.isclass(thing) and own in vars(thing) and not getattr(thing, "_is_protocol", False)


def public_functions() -> dict[str, Callable]:
    """All functions that the reference shows, classes to call, and methods in ``CALLS``, by their place."""
    found = {}
    for module in pkgutil.walk_packages(resnet_utils.__path__, "resnet_utils."):
        room = module.name.removeprefix("resnet_utils.")
        if module.ispkg or f"{room}.".startswith(NOT_CALLED):
            continue
        for name, thing in vars(importlib.import_module(module.name)).items():
            here = getattr(thing, "__module__", None) == module.name
            is_called = not f"{room}.{name}".startswith(NOT_CALLED) and not name.startswith("_")
            if here and is_called and (inspect.isfunction(thing) or is_made_by_callers(thing)):
                found[f"{room}.{name}"] = thing
                methods = {f"{room}.{name}.{each}": getattr(thing, each) for each in vars(thing)}
                found |= {place: method for place, method in methods.items() if place in CALLS}
    return found


WINGS = sorted(path.stem for path in Path(__file__).parent.glob("of_*.py"))
# Function -> the arguments that are not made by name; it is given an empty folder.
CALLS: dict[str, Callable[[Path], Arguments]] = {}
# (function, parameter) -> why what ``bad_calls`` calls out of bounds means something there.
UNBOUND: dict[tuple[str, str], str] = {}
# Function -> why its errors give the reason, and not the argument.
NAMELESS: dict[str, str] = {}
for wing in WINGS:
    module = importlib.import_module(f"good_calls.{wing}")
    CALLS |= module.CALLS
    UNBOUND |= module.UNBOUND
    NAMELESS |= getattr(module, "NAMELESS", {})
FUNCTIONS = public_functions()


def arguments(name: str, folder: Path) -> Arguments:
    """Those of a call that goes right, made anew.

    Args:
        name: of a function, a key of ``FUNCTIONS``.
        folder: an empty one, for what needs files.

    Raises:
        KeyError: if an argument stands neither in ``CALLS`` nor in ``makers.BY_NAME``.
    """
    made = CALLS[name](folder) if name in CALLS else {}
    for parameter in inspect.signature(FUNCTIONS[name]).parameters.values():
        free = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if parameter.name not in made and parameter.default is parameter.empty and not free:
            made[parameter.name] = BY_NAME[parameter.name]()
    return made


def call(name: str, given: Arguments) -> Any:
    """Call a function with arguments by name, entering what it returns if that is a context.

    Args:
        name: a key of ``FUNCTIONS``.
        given: as ``arguments`` makes them; ``*args`` under the name of the parameter, as a list.
    """
    function, positional, named = FUNCTIONS[name], [], {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name not in given:
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional += given[parameter.name]
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            positional.append(given[parameter.name])
        else:
            named[parameter.name] = given[parameter.name]
    made = function(*positional, **named)
    if hasattr(made, "__enter__") and hasattr(made, "gen"):  # of @contextmanager: nothing has run yet
        with made as inside:
            if isinstance(inside, Path) and not inside.exists():  # of a file that is to be written
                inside.write_bytes(b"a file")
            return inside
    if inspect.isgenerator(made):
        return list(made)
    return made
