"""Logits on a GPU and labels on the CPU, or the other way round: the answers are those of the CPU."""

import matplotlib.pyplot as plt
import pytest
import torch
from bits import used
from elsewhere import Elsewhere, WithoutFloat64

from resnet_utils import evaluation, finetuning, models, training
from resnet_utils.analysis import grad_cam, loss_landscape
from resnet_utils.evaluation import calibration, selective
from resnet_utils.reporting import plotting

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = 3 * torch.rand(200, 3, generator=GENERATOR)
LABELS = torch.multinomial(LOGITS.softmax(dim=1), 1, generator=GENERATOR)[:, 0]
FUNCTIONS = {
    "recall": evaluation.recall,
    "balanced_accuracy": evaluation.balanced_accuracy,
    "prior_corrected": lambda logits, _: calibration.prior_corrected(logits, trained=[1, 2, 3]),
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


# what came from a network


def network():
    torch.manual_seed(0)
    return used(models.build("resnet20", 3, width=4)).eval()


NETWORK, IMAGES = network(), torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(2))
PIXELS = (255 * IMAGES).to(torch.uint8)
MASKS = IMAGES[:, 0] > 0.5


def test_labels_of_a_probe_may_lie_elsewhere():
    features = torch.rand(40, 5, generator=torch.Generator().manual_seed(3))
    labels = (3 * features[:, 0]).long()
    expected = finetuning.linear_probe(features, labels, num_classes=3)
    found = finetuning.linear_probe(features, Elsewhere(labels), num_classes=3)
    torch.testing.assert_close(found.weight.detach(), expected.weight.detach(), rtol=0, atol=0)


def test_maps_and_weights_without_float64_are_taken_to_the_cpu():
    maps, weight = IMAGES[:, 1], NETWORK.conv1.weight.detach()
    torch.testing.assert_close(
        grad_cam.mass_inside(WithoutFloat64(maps), MASKS), grad_cam.mass_inside(maps, MASKS), rtol=0, atol=0
    )
    found = loss_landscape.filter_norms(WithoutFloat64(weight))
    torch.testing.assert_close(found, loss_landscape.filter_norms(weight), rtol=0, atol=0)
    with pytest.raises(TypeError, match="float64"):
        WithoutFloat64(weight).double()


def test_a_distance_from_the_start_goes_where_the_model_goes():
    model = network()
    penalty = training.with_l2_from_start(model, 1.0)
    logits, labels = torch.zeros(2, 3), torch.zeros(2, dtype=torch.long)
    expected = penalty(logits, labels)
    model.to("meta")  # stands for a GPU: nothing may be mixed there with the CPU
    assert penalty(logits.to("meta"), labels.to("meta")).is_meta
    assert expected > 0


def test_pictures_and_curves_are_drawn_from_a_gpu():
    figure = plotting.image_grid(Elsewhere(PIXELS))
    ax = figure.axes[0]
    plotting.curve(ax, Elsewhere(torch.arange(3)), Elsewhere(IMAGES[0, 0, 0, :3]), role="plain", label="x")
    assert len(ax.lines) == 1
    plt.close(figure)
