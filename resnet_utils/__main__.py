"""The command: ``python -m resnet_utils finetune FOLDER`` and ``python -m resnet_utils predict FILE ...``.

Introduced in chapter 5. It only reads the command line; the work is done in ``finetuning.own`` and
``deployment.classifier``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

USER_ERRORS = (
    ValueError,
    OSError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
)  # a TypeError is a fault of ours
FAILED, INTERRUPTED = 2, 130
FAST = {"auto": "auto", "yes": True, "no": False}
EXAMPLES = """
examples:
  python -m resnet_utils finetune pets
  python -m resnet_utils predict new.jpg --classifier pets-classifier

The folder holds one folder a class (pets/cat/1.jpg, pets/dog/1.jpg), or files whose names begin with the
class (pets/cat.1.jpg); either may lie in pets/train and pets/val.
"""


def parser() -> argparse.ArgumentParser:
    """The command line, with the help that it prints."""
    top = argparse.ArgumentParser(
        prog="python -m resnet_utils",
        description="From a folder of your own photographs to a classifier, and from a file to an answer.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="finetune | predict")
    _add_finetune(commands)
    ask = commands.add_parser("predict", help="ask a classifier about files")
    _add_fast(ask)
    ask.add_argument("files", nargs="+", metavar="FILE", help="pictures, or folders of pictures")
    ask.add_argument(
        "--classifier",
        required=True,
        metavar="PATH",
        help="the folder that finetune wrote, or its .safetensors",
    )
    return top


def _add_finetune(commands: argparse._SubParsersAction) -> None:
    tune = commands.add_parser(
        "finetune",
        help="make a classifier, a report and a card from a folder of photographs",
        epilog="Stop it with Ctrl-C whenever you like: the same command goes on where it stopped.",
    )
    tune.add_argument("folder", metavar="FOLDER", help="the photographs, one folder a class")
    tune.add_argument("--output", metavar="FOLDER", help="where to write (default: FOLDER-classifier)")
    tune.add_argument(
        "--weights",
        default="auto",
        metavar="auto|imagenet|book|FILE",
        help="trained weights to start from: ImageNet's (fetched once), the book's small ones (no connection "
        "needed), a file, or auto: the first that can be had (default: %(default)s)",
    )
    tune.add_argument("--network", metavar="NAME", help="such as resnet50 (default: resnet18)")
    tune.add_argument("--size", type=int, metavar="PIXELS", help="side of the pictures (default: 96 or 224)")
    tune.add_argument(
        "--epochs", type=int, metavar="N", help="passes over the photographs (default: 8 to 60)"
    )
    tune.add_argument(
        "--lr", type=float, metavar="RATE", help="learning rate (default: what suits the weights)"
    )
    tune.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random (default: 0)")
    tune.add_argument(
        "--balanced", action="store_true", help="let rare classes count as much as frequent ones"
    )
    tune.add_argument(
        "--risk",
        type=float,
        default=0.1,
        metavar="SHARE",
        help='share of the answers that may be wrong; less sure ones become "I don\'t know" '
        "(default: %(default)s)",
    )
    _add_fast(tune)


def _add_fast(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--fast",
        choices=tuple(FAST),
        default="auto",
        help="yes: channels last, and 16 bits where the processor has them; no: float32, the same numbers on "
        "every machine; auto: what a check at the start finds fastest (default: %(default)s)",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks; return the exit status: 0, 1 (a file had no answer), 2 (nothing done).

    Args:
        arguments: the words of the command line; None: those of the process.
    """
    options = parser().parse_args(arguments)
    try:
        return _finetune(options) if options.command == "finetune" else _predict(options)
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from the last whole pass", file=sys.stderr)
        return INTERRUPTED
    except USER_ERRORS as error:
        text = " ".join(str(error).split()) or type(error).__name__
        print(f"error: {text}", file=sys.stderr)
        return FAILED


def _finetune(options: argparse.Namespace) -> int:
    from resnet_utils.finetuning import own  # here, so that --help takes no seconds

    done = own.finetune_folder(
        options.folder,
        options.output,
        weights=options.weights,
        network=options.network,
        size=options.size,
        epochs=options.epochs,
        lr=options.lr,
        seed=options.seed,
        balanced=options.balanced,
        risk=options.risk,
        fast=FAST[options.fast],
        tell=lambda line: print(line, flush=True),
    )
    print(f"report: {done.folder / own.REPORT}")
    print(f"ask it: python -m resnet_utils predict FILE --classifier {done.folder}")
    return 0


def _predict(options: argparse.Namespace) -> int:
    from resnet_utils import deployment
    from resnet_utils.finetuning import own

    path = Path(options.classifier)
    classifier = deployment.Classifier.load(path / own.CLASSIFIER if path.is_dir() else path)
    files, folders = _pictures(options.files)
    for folder in folders:
        print(f"{folder}: left out: a folder inside of one; ask about it by its name", file=sys.stderr)
    unanswered = 0
    for name in files:
        try:
            print(f"{name}: {classifier.answer(name, fast=FAST[options.fast])}", flush=True)
        except ValueError as error:
            unanswered += 1
            print(f"{name}: no answer: {str(error).partition(': ')[2] or error}", file=sys.stderr, flush=True)
    return 1 if unanswered else 0


def _pictures(names: Sequence[str]) -> tuple[list[Path], list[Path]]:
    """The files, and those inside of the folders among them; and the folders inside of folders."""
    files: list[Path] = []
    folders: list[Path] = []
    if "" in names:
        raise ValueError("the name of a file is empty")
    for name in map(Path, names):
        inside = sorted(p for p in name.iterdir() if p.name[0] != ".") if name.is_dir() else [name]
        deeper = [path for path in inside if path.is_dir()]
        if len(deeper) == len(inside):
            hint = f"; ask about the folders in it, such as {deeper[0]}" if deeper else ""
            raise ValueError(f"no file in the folder {name}{hint}")
        files += [path for path in inside if path not in deeper]
        folders += deeper
    return files, folders


if __name__ == "__main__":
    raise SystemExit(main())
