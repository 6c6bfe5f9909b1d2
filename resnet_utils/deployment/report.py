"""An honest report about a classifier: how good, how sure, where wrong, and what it says to a stranger.

Introduced in chapter 5. ``page`` writes it as a page for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from resnet_utils import data, evaluation
from resnet_utils.data import synthetic
from resnet_utils.data.pieces import AnySplit
from resnet_utils.deployment.classifier import Classifier
from resnet_utils.evaluation import calibration
from resnet_utils.runtime import given

WORST = 12  # mistakes that are shown
STRANGERS = 20  # pictures of each kind of stranger
UNEVEN = 1.5  # largest class over smallest, from which on the accuracy alone misleads
BINS = 5  # few answers fill few bins


@dataclass(frozen=True)
class ClassRow:
    """What happened to the test photographs of one class.

    Args:
        name: the class.
        count: how many there are.
        recall: share of them that is answered rightly; None where there is none.
        low: lower end of its 95 % interval.
        high: upper end.
        precision: of all answers with this class, the share that is right; None where there is none.
    """

    name: str
    count: int
    recall: float | None
    low: float | None
    high: float | None
    precision: float | None


@dataclass(frozen=True)
class Mistake:
    """One wrong answer.

    Args:
        place: of the photograph in the test part.
        file: its name.
        truth: its class.
        answer: the class that was answered.
        probability: that was given to it.
    """

    place: int
    file: str
    truth: str
    answer: str
    probability: float


@dataclass(frozen=True)
class Stranger:
    """What is said to pictures of none of the classes.

    Args:
        kind: what they show.
        count: how many there are.
        answered: how many of them get the name of a class all the same.
        probability: mean of the largest probability.
    """

    kind: str
    count: int
    answered: int
    probability: float


@dataclass(frozen=True)
class Report:
    """What a test has shown; every share lies in [0, 1].

    Args:
        count: photographs in the test.
        accuracy: share of right answers, if each photograph is answered.
        low: lower end of its 95 % interval (Wilson).
        high: upper end.
        always_largest: what the answer "always the most frequent class" would reach.
        balanced: mean of the classes' recalls.
        uneven: whether the classes differ so much in size that ``balanced`` is the number to look at.
        classes: a row for each class.
        confusion: counts, row = true class, column = answer.
        calibration_error: mean distance of probability and accuracy, in bins of equal width.
        bins: (from, to, answers, mean probability, share right) of each bin that holds an answer.
        temperature: what the logits are divided by.
        threshold: below this probability the classifier says that it does not know.
        given: share of the photographs that get an answer.
        wrong_of_given: share of those answers that is wrong; None where none is given.
        mistakes: the worst first.
        strangers: kind by kind.
    """

    count: int
    accuracy: float
    low: float
    high: float
    always_largest: float
    balanced: float
    uneven: bool
    classes: tuple[ClassRow, ...]
    confusion: tuple[tuple[int, ...], ...]
    calibration_error: float
    bins: tuple[tuple[float, float, int, float, float], ...]
    temperature: float
    threshold: float
    given: float
    wrong_of_given: float | None
    mistakes: tuple[Mistake, ...]
    strangers: tuple[Stranger, ...]

    def __str__(self) -> str:
        interval = f"95 % interval {100 * self.low:.1f} to {100 * self.high:.1f} %"
        lines = [
            f"accuracy {100 * self.accuracy:.1f} % on {self.count} test photographs ({interval}); "
            f"always the largest class: {100 * self.always_largest:.1f} %"
        ]
        if self.uneven:
            lines.append(f"balanced accuracy {100 * self.balanced:.1f} %: the classes differ much in size")
        return "\n".join(lines)


@given.explained
def judge(classifier: Classifier, test: AnySplit, strangers: Mapping[str, Tensor] | None = None) -> Report:
    """All that a test says about a classifier.

    Args:
        classifier: to be judged.
        test: photographs of its size and classes that have taken no part in training or in any choice, in
            memory or on disk.
        strangers: by kind, uint8 (N, 3, size, size) of none of the classes; None: those of
            ``strangers_for``.

    Raises:
        ValueError: if the classes of ``test`` are others, or it is empty.
        TypeError: if ``test`` is no split.
    """
    if not isinstance(test, (data.Split, data.SplitOnDisk)):
        raise TypeError(f"a test is a data.Split or data.SplitOnDisk, got {type(test).__name__}")
    if test.classes != classifier.classes:
        raise ValueError(f"the test has the classes {test.classes}, the classifier {classifier.classes}")
    logits = classifier.logits(test)
    right = evaluation.correct(logits, test.labels)
    table = evaluation.confusion(logits, test.labels, len(test.classes))
    sizes = table.sum(dim=1)
    low, high = evaluation.accuracy_interval(int(right.sum()), len(test))
    rows = _rows(test.classes, table)
    given = calibration.confidence(logits) >= classifier.threshold
    others = strangers_for(classifier) if strangers is None else strangers
    return Report(
        count=len(test),
        accuracy=float(right.double().mean()),
        low=low,
        high=high,
        always_largest=int(sizes.max()) / len(test),
        balanced=evaluation.balanced_accuracy(logits, test.labels),
        uneven=bool(sizes.max() > UNEVEN * sizes.min()),
        classes=rows,
        confusion=tuple(tuple(row) for row in table.tolist()),
        calibration_error=calibration.expected_calibration_error(logits, test.labels, bins=BINS),
        bins=_bins(logits, test.labels),
        temperature=classifier.temperature,
        threshold=classifier.threshold,
        given=float(given.double().mean()),
        wrong_of_given=float((~right[given]).double().mean()) if given.any() else None,
        mistakes=_mistakes(logits, test),
        strangers=tuple(_told(classifier, kind, images) for kind, images in others.items()),
    )


@given.explained
def strangers_for(classifier: Classifier, *, seed: int = 0) -> dict[str, Tensor]:
    """Pictures of none of the classes, by kind: noise, blurred colours, drawn animals of other species.

    Args:
        classifier: whose size they have, and whose classes they avoid.
        seed: of the drawing.

    Raises:
        ValueError: if ``seed`` is no whole number, or below 0.
    """
    seed = given.whole_number("seed", seed, least=0)
    size, known = classifier.size, {name.lower() for name in classifier.classes}
    dice = np.random.Generator(np.random.PCG64(seed))
    noise = dice.integers(0, 256, (STRANGERS, 3, size, size), dtype=np.uint8)
    few = torch.from_numpy(dice.integers(0, 256, (STRANGERS, 3, 3, 3), dtype=np.uint8)).float()
    soft = torch.nn.functional.interpolate(few, (size, size), mode="bicubic", align_corners=True)
    found = {"noise": torch.from_numpy(noise), "blurred colours": soft.round().clamp(0, 255).to(torch.uint8)}
    species = [name for name in synthetic.SPECIES if name not in known]
    if species:
        drawn = data.drawn_animals(STRANGERS, size=size, seed=seed, species=species)
        found[f"drawn animals ({', '.join(species)})"] = drawn.images
    return found


def _rows(classes: tuple[str, ...], table: Tensor) -> tuple[ClassRow, ...]:
    rows = []
    for k, name in enumerate(classes):
        count, hits, answers = int(table[k].sum()), int(table[k, k]), int(table[:, k].sum())
        low, high = evaluation.accuracy_interval(hits, count) if count else (None, None)
        recall, precision = hits / count if count else None, hits / answers if answers else None
        rows.append(ClassRow(name, count, recall, low, high, precision))
    return tuple(rows)


def _bins(logits: Tensor, labels: Tensor) -> tuple[tuple[float, float, int, float, float], ...]:
    table = calibration.reliability(logits, labels, bins=BINS)
    ends = zip(table.edges[:-1].tolist(), table.edges[1:].tolist(), strict=True)
    columns = (table.counts.tolist(), table.confidence.tolist(), table.accuracy.tolist())
    return tuple(
        (low, high, count, sure, right)
        for (low, high), count, sure, right in zip(ends, *columns, strict=True)
        if count
    )


def _mistakes(logits: Tensor, test: AnySplit) -> tuple[Mistake, ...]:
    shares = logits.double().softmax(dim=1)
    return tuple(
        Mistake(
            place,
            test.names[place] if test.names else f"number {place}",
            test.classes[int(test.labels[place])],
            test.classes[int(shares[place].argmax())],
            float(shares[place].max()),
        )
        for place in evaluation.most_wrong(logits, test.labels, WORST).tolist()
    )


def _told(classifier: Classifier, kind: str, images: Tensor) -> Stranger:
    sure = calibration.confidence(classifier.logits(images))
    return Stranger(kind, len(images), int((sure >= classifier.threshold).sum()), float(sure.mean()))
