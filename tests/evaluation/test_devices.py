"""Logits on a GPU and labels on the CPU, or the other way round: the answers are those of the CPU."""

import pytest
import torch
from elsewhere import Elsewhere

from resnet_utils import evaluation
from resnet_utils.evaluation import calibration, selective

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = 3 * torch.rand(200, 3, generator=GENERATOR)
LABELS = torch.multinomial(LOGITS.softmax(dim=1), 1, generator=GENERATOR)[:, 0]
FUNCTIONS = {
    "accuracy": evaluation.accuracy,
    "correct": evaluation.correct,
    "confusion": lambda *given: evaluation.confusion(*given, 3),
    "most_wrong": lambda *given: evaluation.most_wrong(*given, 5),
    "confidence": lambda logits, _: calibration.confidence(logits),
    "reliability": lambda *given: vars(calibration.reliability(*given)),
    "expected_calibration_error": calibration.expected_calibration_error,
    "fit_temperature": calibration.fit_temperature,
    "risk_curve": lambda *given: vars(selective.risk_curve(*given)),
    "threshold_for_risk": lambda *given: selective.threshold_for_risk(*given, risk=0.6),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_logits_and_labels_may_lie_on_different_devices(name):
    expected = FUNCTIONS[name](LOGITS, LABELS)
    for logits, labels in (
        (Elsewhere(LOGITS), LABELS),
        (LOGITS, Elsewhere(LABELS)),
        (Elsewhere(LOGITS), Elsewhere(LABELS)),
    ):
        torch.testing.assert_close(FUNCTIONS[name](logits, labels), expected, rtol=0, atol=0, equal_nan=True)


def test_two_classifiers_may_have_answered_on_different_devices():
    first, second = LABELS == 0, LABELS != 1
    assert evaluation.mcnemar(Elsewhere(first), second) == evaluation.mcnemar(first, second)


def test_the_stand_in_refuses_what_a_gpu_refuses():
    with pytest.raises(RuntimeError, match="same device"):
        torch.eq(Elsewhere(LOGITS).argmax(dim=1), LABELS)
    assert Elsewhere(LOGITS).device.type == "cuda"
    assert torch.equal(Elsewhere(LOGITS).cpu(), LOGITS)
