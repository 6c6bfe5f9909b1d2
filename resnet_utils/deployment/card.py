"""The card of a classifier: what it is, how it does, and its limits.

Introduced in chapter 5.
"""

from __future__ import annotations

from collections.abc import Sequence

from resnet_utils import evaluation
from resnet_utils.data.pieces import AnySplit
from resnet_utils.deployment.classifier import Classifier
from resnet_utils.evaluation import calibration
from resnet_utils.runtime import given


@given.explained
def model_card(
    classifier: Classifier, test: AnySplit, *, name: str, trained_on: str, limits: Sequence[str]
) -> str:
    """A page in Markdown about a classifier: what it is, how it does, and its limits.

    Every number is computed here.

    Args:
        classifier: the one that the page is about.
        test: images of its size and classes that have taken no part in training or in any choice, in memory
            or on disk.
        name: the heading of the page.
        trained_on: what it learned from, in words.
        limits: what it is not for, in words; at least one.

    Source: Mitchell et al. 2019, arXiv:1810.03993, section 4.

    Raises:
        ValueError: if the classes of ``test`` are others, or no limit is named.
        TypeError: if ``limits`` is a single text, or something that is to be printed is none.
    """
    given.of_kind("name", name, str)
    given.of_kind("trained_on", trained_on, str)
    if test.classes != classifier.classes:
        raise ValueError(f"the test has classes {test.classes}, the classifier {classifier.classes}")
    if not given.texts("limits", limits):
        raise ValueError("name at least one limit: every classifier has some")
    size, mirror = classifier.size, "the mean of both" if classifier.flip else "not looked at"
    lines = [
        f"# {name}",
        "",
        f"Tells {', '.join(classifier.classes)} apart in pictures of {size} x {size} pixels, the centred "
        f"square of a photograph. Network: {classifier.network}, {classifier.model.conv1.out_channels} "
        f"channels in its first stage. Trained on: {trained_on}.",
        "",
        f'Temperature {classifier.temperature:.3f}. Mirror image: {mirror}. Says "I don\'t know" below a '
        f"probability of {classifier.threshold:.3f}.",
        "",
        f"| on {len(test)} images ({test.source}) | |",
        "|---|---|",
        *(f"| {what} | {value} |" for what, value in _measured(classifier, test)),
        "",
        "## Not for",
        "",
        *(f"- {limit}" for limit in limits),
    ]
    return "\n".join(lines) + "\n"


def _measured(classifier: Classifier, test: AnySplit) -> list[tuple[str, str]]:
    """What the card says about the test, in words and with units."""
    logits = classifier.logits(test)
    right = evaluation.correct(logits, test.labels).double()
    given = calibration.confidence(logits) >= classifier.threshold
    low, high = evaluation.accuracy_interval(int(right.sum()), len(test))
    error = calibration.expected_calibration_error(logits, test.labels)
    mistakes = f", {100 * (1 - right[given].mean()):.1f} % of them wrong" if given.any() else ""
    by_class = [(kind, right[test.labels == k]) for k, kind in enumerate(test.classes)]
    return [
        ("accuracy", f"{100 * right.mean():.1f} % (95 % interval {100 * low:.1f} to {100 * high:.1f} %)"),
        *((f"accuracy on {kind}", f"{100 * hits.mean():.1f} %") for kind, hits in by_class if len(hits)),
        ("expected calibration error", f"{error:.3f}"),
        ("answers given", f"{100 * given.double().mean():.1f} %{mistakes}"),
    ]
