"""Tests of ``evaluation.calibration`` and ``evaluation.selective``."""

import math

import pytest
import torch

from resnet_utils import evaluation
from resnet_utils.evaluation import calibration, selective


def of_confidence(shares, right):
    """Two-class logits with ``shares`` as the larger probability; labels that agree where ``right``."""
    shares = torch.tensor(shares, dtype=torch.float64)
    logits = torch.stack([(shares / (1 - shares)).log(), torch.zeros_like(shares)], dim=1)
    return logits, torch.tensor([0 if correct else 1 for correct in right])


def honest(count, *, classes=3, sharper=1.0, seed=0):
    """Logits whose softmax is the true distribution of the labels, then made ``sharper`` times as large."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.rand(count, classes, generator=generator, dtype=torch.float64) - 1
    logits *= 4
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=generator)[:, 0]
    return logits * sharper, labels


def test_a_small_case_by_hand():
    # bins of a fifth: 0.55 and 0.58 in the third (one right), 0.7 and 0.75 in the fourth (both), 0.95 (wrong)
    logits, labels = of_confidence([0.55, 0.58, 0.7, 0.75, 0.95], [True, False, True, True, False])
    table = calibration.reliability(logits, labels, bins=5)
    assert table.counts.tolist() == [0, 0, 2, 2, 1]
    torch.testing.assert_close(table.confidence[2:], torch.tensor([0.565, 0.725, 0.95], dtype=torch.float64))
    assert table.accuracy[2:].tolist() == [0.5, 1.0, 0.0]
    assert table.accuracy[:2].isnan().all()
    by_hand = 2 / 5 * 0.065 + 2 / 5 * 0.275 + 1 / 5 * 0.95
    assert calibration.expected_calibration_error(logits, labels, bins=5) == pytest.approx(by_hand)


def test_an_answer_on_an_edge_belongs_to_the_bin_below():
    logits = torch.tensor([[math.log(3.0), 0.0]], dtype=torch.float64)  # 3/4, up to rounding
    exact = torch.tensor([[60.0, 0.0]], dtype=torch.float64)  # 1.0 in float64
    assert calibration.reliability(exact, torch.tensor([0]), bins=4).counts.tolist() == [0, 0, 0, 1]
    half = torch.zeros(1, 2, dtype=torch.float64)  # exactly 1/2
    assert calibration.reliability(half, torch.tensor([0]), bins=4).counts.tolist() == [0, 1, 0, 0]
    assert calibration.reliability(logits, torch.tensor([0])).counts.sum() == 1


def test_probabilities_that_are_true_have_a_small_error_and_sharpened_ones_a_large_one():
    for sharper, low, high in ((1.0, 0.0, 0.02), (3.0, 0.1, 0.5)):
        found = calibration.expected_calibration_error(*honest(20_000, sharper=sharper))
        assert low <= found <= high


@pytest.mark.parametrize("sharper", [0.3, 1.0, 2.5])
def test_the_temperature_undoes_what_made_the_logits_sharper(sharper):
    # 20,000 labels: the standard error of the estimate is below 2 %
    assert calibration.fit_temperature(*honest(20_000, sharper=sharper)) == pytest.approx(sharper, rel=0.05)


def test_no_other_temperature_has_a_lower_loss():
    logits, labels = honest(200, sharper=2.0)
    best = calibration.fit_temperature(logits, labels)

    def loss(temperature):
        return torch.nn.functional.cross_entropy(logits / temperature, labels).item()

    grid = torch.logspace(math.log10(0.05), math.log10(20), 4001, dtype=torch.float64).tolist()
    assert loss(best) <= min(map(loss, grid))
    nearby = min(grid, key=loss)
    assert best == pytest.approx(nearby, rel=0.002)  # the grid's step


def test_temperature_changes_no_answer():
    logits, _ = honest(500)
    assert torch.equal((logits / 3.7).argmax(dim=1), logits.argmax(dim=1))
    assert (calibration.confidence(logits, temperature=3.7) <= calibration.confidence(logits)).all()


def test_a_split_without_mistakes_or_without_hits_gives_the_ends():
    logits, labels = of_confidence([0.6, 0.7, 0.8], [True] * 3)
    assert calibration.fit_temperature(logits, labels) == calibration.TEMPERATURES[0]
    assert calibration.fit_temperature(logits, 1 - labels) == calibration.TEMPERATURES[1]


def test_float32_logits_lose_nothing_on_the_way():
    logits, labels = honest(300, sharper=8.0)
    low = logits.float()
    assert calibration.fit_temperature(low, labels) == calibration.fit_temperature(low.double(), labels)
    assert calibration.confidence(low).dtype == torch.float64


def test_the_risk_curve_by_hand():
    logits, labels = of_confidence([0.9, 0.6, 0.8, 0.7], [True, False, False, True])
    curve = selective.risk_curve(logits, labels)
    torch.testing.assert_close(curve.threshold, torch.tensor([0.9, 0.8, 0.7, 0.6], dtype=torch.float64))
    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    torch.testing.assert_close(curve.risk, torch.tensor([0, 1 / 2, 1 / 3, 1 / 2], dtype=torch.float64))


def test_equal_confidences_stay_together():
    logits, labels = of_confidence([0.9, 0.7, 0.7, 0.7], [True, False, True, True])
    curve = selective.risk_curve(logits, labels)
    assert curve.coverage.tolist() == [0.25, 1.0]
    assert curve.risk.tolist() == [0.0, 0.25]


def test_the_threshold_keeps_its_promise_on_new_images():
    """Over 60 draws the promise may fail in about one of twenty; it must not fail more often."""
    broken = 0
    for seed in range(60):
        logits, labels = honest(1000, classes=2, seed=seed)
        threshold = selective.threshold_for_risk(logits, labels, risk=0.1)
        new_logits, new_labels = honest(4000, classes=2, seed=10_000 + seed)
        given = calibration.confidence(new_logits) >= threshold
        wrong = (new_logits.argmax(dim=1) != new_labels)[given].double().mean()
        broken += int(wrong > 0.1)
    assert broken <= 9  # 0.05 of 60 would be 3; more than 9 by chance has odds of one in a thousand


def test_a_smaller_risk_means_a_higher_threshold():
    logits, labels = honest(2000, classes=2)
    strict, mild = (selective.threshold_for_risk(logits, labels, risk=risk) for risk in (0.05, 0.15))
    assert strict > mild


def test_a_promise_that_few_images_cannot_back_is_refused():
    logits, labels = of_confidence([0.9] * 10, [True] * 10)
    with pytest.raises(ValueError, match="10 images cannot promise a risk"):
        selective.threshold_for_risk(logits, labels, risk=0.01)


@pytest.mark.parametrize("count", [16, 40])
def test_few_images_are_refused_with_the_number_it_takes_or_get_what_was_said(count):
    """All right, all of another confidence: the search costs as many parts of delta as it has steps.

    Of 40 images it takes log2(40) = 6 of them; without a mistake a risk of 0.1 then takes
    log(0.05 / 6) / log(0.9) = 45.4 images. One step alone would be content with 28.4.
    """
    logits, labels = of_confidence([0.6 + 0.005 * k for k in range(count)], [True] * count)
    with pytest.raises(ValueError, match=rf"^{count} images cannot promise a risk of 0.1 .* at least 46"):
        selective.threshold_for_risk(logits, labels, risk=0.1)
    assert selective.threshold_for_risk(logits, labels, risk=0.1, otherwise=0.9) == 0.9
    assert selective.fewest_images(risk=0.1) == 46


@pytest.mark.parametrize(("risk", "delta"), [(0.1, 0.05), (0.05, 0.05), (0.2, 0.1), (0.3, 0.5)])
def test_from_the_fewest_images_on_the_promise_can_be_made(risk, delta):
    fewest = selective.fewest_images(risk=risk, delta=delta)
    for count, possible in ((fewest - 1, False), (fewest, True)):
        logits, labels = of_confidence([0.9] * count, [True] * count)
        found = selective.threshold_for_risk(logits, labels, risk=risk, delta=delta, otherwise=0.0)
        assert (found > 0) == possible


def test_fifteen_bins_unless_said():
    """As in Guo et al. 2017. Two answers that fall into one of 10 bins, but into two of 15."""
    logits, labels = of_confidence([0.72, 0.78], [True, False])
    fine, coarse = (calibration.expected_calibration_error(logits, labels, bins=bins) for bins in (15, 10))
    assert fine != pytest.approx(coarse, abs=0.1)
    assert calibration.expected_calibration_error(logits, labels) == fine


def test_probabilities_change_with_the_shares_of_the_classes_by_bayes_rule():
    logits = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    trained, wanted = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.1, 0.3, 0.6])
    shares = logits.double().softmax(dim=1) * (wanted / trained)
    expected = shares / shares.sum(dim=1, keepdim=True)
    found = calibration.prior_corrected(logits, trained=trained, wanted=wanted).softmax(dim=1)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)  # the shares are float32
    counts = calibration.prior_corrected(logits, trained=[700, 200, 100])
    torch.testing.assert_close(
        counts, calibration.prior_corrected(logits, trained=trained), rtol=1e-6, atol=1e-6
    )
    same = calibration.prior_corrected(logits, trained=trained, wanted=trained)
    torch.testing.assert_close(same, logits.double())


def test_corrected_for_equal_shares_the_small_class_is_found():
    """Two normal distributions, 20 to 1: log odds of the truth, so the balanced rule is the best one."""
    generator = torch.Generator().manual_seed(1)
    labels = (torch.rand(20_000, generator=generator) < 1 / 21).long()
    x = torch.randn(20_000, generator=generator, dtype=torch.float64) + 2 * labels
    logits = torch.stack([torch.zeros_like(x), 2 * x - 2 + math.log(1 / 20)], dim=1)
    before = evaluation.balanced_accuracy(logits, labels)
    after = evaluation.balanced_accuracy(calibration.prior_corrected(logits, trained=[20, 1]), labels)
    assert evaluation.accuracy(logits, labels) > 0.95
    assert before < 0.75
    assert after == pytest.approx(0.841, abs=0.02)  # the normal distribution up to 1 standard deviation


@pytest.mark.parametrize("trained", [[0.5, 0.5, 0], [0.5, 0.5], [math.nan, 1, 1], [[1, 1, 1]]])
def test_shares_that_are_none_are_refused(trained):
    with pytest.raises(
        ValueError, match=r"one share above 0 for each of 3 classes|number 1 of trained must be a number"
    ):
        calibration.prior_corrected(torch.zeros(2, 3), trained=trained)


LOGITS, LABELS = torch.zeros(3, 2), torch.tensor([0, 1, 0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: calibration.confidence(torch.zeros(0, 2)), "N > 0"),
        (lambda: calibration.confidence(torch.zeros(3, 1)), "K > 1"),
        (lambda: calibration.confidence(torch.tensor([[math.nan, 0.0]])), "finite"),
        (lambda: calibration.confidence(LOGITS, temperature=0), "temperature must be above 0"),
        (lambda: calibration.reliability(LOGITS, LABELS, bins=0), "bins must be at least 1"),
        (lambda: calibration.reliability(LOGITS, LABELS[:2]), r"got \(3, 2\) and \(2,\)"),
        (lambda: calibration.fit_temperature(LOGITS, LABELS + 1), "from 0 to 1, got torch.int64 from 1 to 2"),
        (lambda: calibration.fit_temperature(LOGITS, LABELS.float()), "whole numbers"),
        (lambda: selective.threshold_for_risk(LOGITS, LABELS, risk=0), "risk must be between"),
        (lambda: selective.threshold_for_risk(LOGITS, LABELS, risk=0.1, otherwise=2), "otherwise must be a"),
        (lambda: selective.fewest_images(risk=1), "risk must be between"),
        (lambda: selective.fewest_images(risk=1e-320), "at least 1e-300"),
        (lambda: selective.fewest_images(risk=0.5, delta=5e-324), "at least 1e-300"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_nothing_given_is_changed():
    logits, labels = honest(50)
    before = logits.clone(), labels.clone()
    calibration.expected_calibration_error(logits, labels, temperature=2.0)
    calibration.fit_temperature(logits, labels)
    assert torch.equal(logits, before[0])
    assert torch.equal(labels, before[1])


@pytest.mark.parametrize("delta", [0.9, 0.5, 0.05, 1e-6])
@pytest.mark.parametrize("risk", [0.001, 0.013, 0.1, 0.4, 0.6, 0.97])
def test_the_fewest_images_are_those_that_counting_up_would_find(risk, delta):
    from scipy import stats  # Clopper and Pearson's bound, image by image

    images = 1
    while stats.beta.ppf(1 - delta / max(1, math.ceil(math.log2(images))), 1, images) > risk:
        images += 1
    assert selective.fewest_images(risk=risk, delta=delta) == images


def test_a_tiny_risk_takes_many_images_and_no_time():
    assert 3e9 < selective.fewest_images(risk=1e-9) < 1e10


def test_the_temperature_is_the_same_for_labels_of_any_whole_kind():
    logits = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(20) % 3
    wanted = calibration.fit_temperature(logits, labels)
    assert calibration.fit_temperature(logits, labels.to(torch.uint8)) == wanted


def test_a_temperature_that_leaves_no_number_is_refused():
    with pytest.raises(ValueError, match="makes the logits infinite"):
        calibration.expected_calibration_error(
            torch.rand(4, 3), torch.tensor([0, 1, 2, 0]), temperature=1e-320
        )
