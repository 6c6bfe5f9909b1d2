"""The whole way in one call: from a folder of your own photographs to a classifier, a report and a card.

Introduced in chapter 5. ``python -m resnet_utils finetune FOLDER`` calls it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from resnet_utils import deployment, runtime, training
from resnet_utils.data import near_duplicates
from resnet_utils.data.layout import find_layout
from resnet_utils.deployment.page import Section, to_html
from resnet_utils.deployment.report import Report, judge
from resnet_utils.files import atomic, checked
from resnet_utils.finetuning.backbones import Backbone, choose_backbone
from resnet_utils.finetuning.photographs import Parts, beyond_memory, read_photographs, split_photographs
from resnet_utils.finetuning.tuning import default_epochs, to_classifier, tune
from resnet_utils.runtime import given, speed
from resnet_utils.runtime.speed import Fast

CLASSIFIER, REPORT, CARD = "classifier.safetensors", "report.html", "card.md"
NUMBERS, STATE, CHECKPOINT = "report.json", "run.json", "checkpoint.pt"
LISTED = 30  # files named in a table of the report
LIMITS = (
    "pictures of anything else: it has no answer for them, and may be very sure",
    "photographs of another origin, before a test on some of them",
    "several things in one picture, or one that is small or not near the middle",
)


@dataclass(frozen=True)
class Finished:
    """What a run has made.

    Args:
        classifier: ready to answer.
        report: what its test has shown.
        history: of the training.
        folder: where the files lie: classifier, report, card.
    """

    classifier: deployment.Classifier
    report: Report
    history: training.History
    folder: Path


@given.explained
def default_output(folder: str | os.PathLike[str]) -> Path:
    """The folder, in the working folder, in which a run writes unless it is told another: NAME-classifier.

    Args:
        folder: the one with the photographs.

    Raises:
        ValueError: if it can be no name of a folder.
    """
    return Path(f"{checked.path_of(folder, name='folder').resolve().name or 'photographs'}-classifier")


@given.explained
def finetune_folder(
    folder: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    weights: str | Path = "auto",
    network: str | None = None,
    size: int | None = None,
    epochs: int | None = None,
    lr: float | None = None,
    seed: int = 0,
    balanced: bool = False,
    risk: float = 0.1,
    fast: Fast = None,
    tell: Callable[[str], None] = print,
    progress: bool = True,
) -> Finished:
    """Look at a folder, split it, fine-tune, judge, and write classifier, report and card.

    The state is kept after each epoch: the same call goes on where it was stopped, and ends with the same
    bits. A call that has nothing left to do writes the report anew. Photographs that memory would not hold
    are decoded whenever they are asked for: it takes longer, and ends with the same bits too.

    Args:
        folder: with the photographs, as ``data.layout`` understands it.
        output: the folder for what is made; None: ``default_output``.
        weights: as in ``choose_backbone``.
        network: as in ``choose_backbone``.
        size: as in ``choose_backbone``.
        epochs: as in ``tune``.
        lr: as in ``tune``.
        seed: of the parts and of the training.
        balanced: as in ``tune``.
        risk: as in ``to_classifier``.
        fast: in how many bits to train: False, True, "auto" or None, as ``runtime.speed`` says. What a folder
            was begun with stays. Temperature, threshold and report are those of float32 in any case.
        tell: is given each line about how it goes.
        progress: whether to show bars.

    Raises:
        FileNotFoundError, NotADirectoryError: if there is no such folder.
        ValueError: for a folder, file or setting that is not understood, or an output folder that holds
            another run.
        ConnectionError: if ImageNet's weights are asked for and cannot be had.
    """
    balanced, progress = given.yes_or_no("balanced", balanced), given.yes_or_no("progress", progress)
    runtime.setup(seed, fast=speed.asked(fast))
    folder = checked.path_of(folder, name="folder")
    target = _checked_output(folder, output)
    _check(epochs, lr, risk)
    layout = find_layout(folder)  # a wrong folder is noticed before anything is fetched
    start = choose_backbone(weights, network=network, size=size)
    _tell_first(
        tell, f"start: {start.network} with {start.weights}" + (f"; {start.advice}" if start.advice else "")
    )
    if line := beyond_memory(layout, size=start.size):
        tell(line)
    parts = split_photographs(read_photographs(folder, size=start.size), seed=seed)
    _tell_parts(parts, tell)
    epochs = default_epochs(len(parts.train)) if epochs is None else epochs
    settings = {
        "network": start.network, "weights": start.weights, "size": start.size, "epochs": epochs,
        "lr": start.lr if lr is None else lr, "seed": seed, "balanced": balanced,
    }  # fmt: skip
    target.mkdir(parents=True, exist_ok=True)
    _claim(target, settings | {"photographs": _digest(parts), "start": _digest_of_weights(start)})
    tell(f"training: {epochs} passes over {len(parts.train)} photographs; stop it at will, and call it again")
    model, history = tune(
        start, parts, epochs=epochs, lr=lr, seed=seed, balanced=balanced,
        checkpoint=target / CHECKPOINT, progress=progress,
    )  # fmt: skip
    tell(f"trained in {sum(history.seconds):.0f} s")
    with speed.using(False):  # the report of today and of a later call must be the same
        classifier = to_classifier(model, start, parts, risk=risk)
        report = judge(classifier, parts.test)
        _write(target, classifier, report, parts, start, settings)
    tell(str(report))
    return Finished(classifier, report, history, target)


def _checked_output(folder: Path, output: str | os.PathLike[str] | None) -> Path:
    """Where to write; not among the photographs, where it would become a class."""
    if output == "":
        raise ValueError("the name of the output folder is empty; give a folder, or leave it out")
    target = default_output(folder) if output is None else checked.path_of(output, name="output")
    if target.exists() and not target.is_dir():
        raise ValueError(f"the output {target} is a file; give a folder")
    inside = folder.resolve()
    if inside == target.resolve() or inside in target.resolve().parents:
        raise ValueError(f"the output {target} lies among the photographs in {folder}; give another folder")
    return target


def _check(epochs: int | None, lr: float | None, risk: float) -> None:
    """What would be noticed only after the training, or not at all."""
    if epochs is not None:
        given.whole_number("epochs", epochs)
    if lr is not None and not 0 < given.real_number("lr", lr) < 10:
        raise ValueError(f"lr must be above 0 and below 10, got {lr}")
    if not 0 < given.real_number("risk", risk) < 1:
        raise ValueError(f"risk must lie between 0 and 1, got {risk}")


def _tell_first(tell: Callable[[str], None], line: str) -> None:
    """The first line; who cannot take one is named."""
    try:
        tell(line)
    except TypeError as error:
        raise TypeError(f"tell must be a function that takes a line, got {tell!r:.100} ({error})") from error


def _tell_parts(parts: Parts, tell: Callable[[str], None]) -> None:
    """What was found in the folder, in a few lines."""
    counts = [
        part.labels.bincount(minlength=len(part.classes)) for part in (parts.train, parts.valid, parts.test)
    ]
    sizes = dict(zip(parts.train.classes, torch.stack(counts).sum(dim=0).tolist(), strict=True))
    tell(f"classes: {', '.join(f'{name} ({count})' for name, count in sizes.items())}")
    tell(f"photographs: {parts}")
    for pair in parts.mixed[:3]:
        tell(f"one of two labels is wrong: {pair[0]} and {pair[1]} are the same picture")
    for name, reason in parts.aside[:3]:
        tell(f"put aside: {name}: {reason}")
    if len(parts.aside) > 3:
        tell(f"... and {len(parts.aside) - 3} more; the report lists them")


def _digest(parts: Parts) -> str:
    """A mark of all photographs and their parts: another file, label or part gives another one."""
    import hashlib

    marks = [
        f"{name} {label} {mark}"
        for part in (parts.train, parts.valid, parts.test)
        for name, label, mark in zip(
            part.names, part.labels.tolist(), near_duplicates.fingerprints(part), strict=True
        )
    ]
    return hashlib.sha256("\n".join(marks).encode()).hexdigest()[:16]


def _digest_of_weights(start: Backbone) -> str:
    """A mark of the weights that a run starts from: two files may have the same name."""
    import hashlib

    mark = hashlib.sha256()
    for value in start.model.state_dict().values():
        mark.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return mark.hexdigest()[:16]


def _claim(target: Path, settings: dict[str, Any]) -> None:
    """Note what run a folder holds; refuse one that holds another."""
    path = target / STATE
    if path.exists():
        try:
            there = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            there = None
        if not isinstance(there, dict):
            raise ValueError(f"{path} is damaged; delete the folder {target} to begin anew")
        other = [
            f"{name} is {there.get(name)!r} there and {settings[name]!r} now"
            for name in settings
            if there.get(name) != settings[name]
        ]
        if other:
            raise ValueError(
                f"{target} holds another run: {'; '.join(other)}. Give another --output, or delete the folder"
            )
    elif (target / CHECKPOINT).exists():
        raise ValueError(
            f"{target} holds a checkpoint without its settings; give another --output, or delete it"
        )
    else:
        atomic.write(path, json.dumps(settings, indent=1, ensure_ascii=False) + "\n")


def _write(
    target: Path,
    classifier: deployment.Classifier,
    report: Report,
    parts: Parts,
    start: Backbone,
    settings: dict[str, Any],
) -> None:
    """The four files, each whole or not at all."""
    title = f"Telling {', '.join(classifier.classes)} apart"
    classifier.save(target / CLASSIFIER)
    trained_on = f"{len(parts.train)} {parts.train.source}, from {start.network} with {start.weights}"
    card = deployment.model_card(classifier, parts.test, name=title, trained_on=trained_on, limits=LIMITS)
    atomic.write(target / CARD, card)
    atomic.write(target / NUMBERS, json.dumps(asdict(report), indent=1, ensure_ascii=False) + "\n")
    sections = [*about_parts(parts), _about_training(start, settings), _about_use(target)]
    atomic.write(target / REPORT, to_html(report, parts.test, title=title, sections=sections, limits=LIMITS))


@given.explained
def about_parts(parts: Parts) -> list[Section]:
    """What a report says about the photographs: how many, which are copies, which were put aside, and why.

    Args:
        parts: the photographs.
    """
    columns = [
        part.labels.bincount(minlength=len(part.classes)).tolist()
        for part in (parts.train, parts.valid, parts.test)
    ]
    whose = f"The parts {', '.join(parts.given)} are the folder's own. " if parts.given else ""
    sections = [
        Section(
            "The photographs",
            [f"{whose}Nearly equal pictures never lie in two parts."],
            "Photographs of each class in each part.",
            ("class", "to train", "to set temperature and threshold", "to test"),
            list(zip(parts.train.classes, *columns, strict=True)),
        )
    ]
    for title, line, heads, rows in (
        ("The same picture in two classes", "One of the two labels is wrong.", ("file", "and"), parts.mixed),
        ("Copies", "Each pair is nearly the same picture.", ("file", "and"), parts.copies),
        ("Put aside", "These files took no part.", ("file", "reason"), parts.aside),
    ):
        if rows:
            more = f" The first {LISTED} of {len(rows)}." if len(rows) > LISTED else ""
            sections.append(Section(title, [line + more], f"{len(rows)} in all.", heads, rows[:LISTED]))
    return sections


def _about_training(start: Backbone, settings: dict[str, Any]) -> Section:
    advice = [f"{start.advice[0].upper()}{start.advice[1:]}."] if start.advice else []
    rows = [(name, str(value)) for name, value in settings.items()]
    return Section("How it was trained", advice, "The settings of the run.", ("setting", "value"), rows)


def _about_use(target: Path) -> Section:
    lines = (
        f"An answer for a new file: python -m resnet_utils predict FILE --classifier {target.name}",
        f'In Python: deployment.Classifier.load("{target.name}/{CLASSIFIER}").answer("photo.jpg")',
    )
    return Section("How to use it", lines)
