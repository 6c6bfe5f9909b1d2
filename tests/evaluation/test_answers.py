"""Tests of ``resnet_utils.evaluation.answers``: which labels are understood, and what is refused in words."""

import functools

import pytest
import torch
from torch import nn

from resnet_utils import evaluation, training
from resnet_utils.evaluation import answers


def logits(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_a_binary_loss_is_known_inside_what_is_around_it():
    model = nn.Linear(2, 2)
    binary = nn.BCEWithLogitsLoss()

    class Focal(nn.BCEWithLogitsLoss):
        pass

    plain = nn.functional.binary_cross_entropy_with_logits
    around = [binary, Focal(), plain, functools.partial(plain, reduction="mean")]
    around += [training.with_l1(model, 0.1, loss_function=binary)]
    around += [training.with_l2_from_start(model, 0.1, loss_function=around[-1])]
    assert all(answers.is_binary(loss) for loss in around)
    others = [None, nn.CrossEntropyLoss(), nn.functional.cross_entropy, training.with_l1(model, 0.1)]
    assert not any(answers.is_binary(loss) for loss in others)


BCE = nn.BCEWithLogitsLoss()


@pytest.mark.parametrize(
    ("shape", "labels", "loss_function", "message"),
    [
        ((3, 4), torch.tensor([0, 1, 4]), None, "labels must be 0 to 3, since .* 4 outputs, got 0 to 4"),
        ((3, 4), torch.tensor([-1, 1, 2]), None, "got -1 to 2"),
        ((3, 4), torch.tensor([0, 1, 2]).int(), None, r"got int32 \(3,\) labels for float32 \(3, 4\)"),
        ((3, 4), torch.tensor([[0], [1], [2]]), None, r"got int64 \(3, 1\).*labels.long\(\).flatten\(\)"),
        ((3, 4), torch.tensor([0.0, 1.0, 2.0]), None, r"or shares of classes.*float32 \(3,\)"),
        ((3, 4), torch.tensor([True, False, True]), None, r"got bool \(3,\)"),
        ((3, 4), torch.tensor([[1.0, 1, 0, 0]] * 3), None, "several labels at once.*BCEWithLogitsLoss"),
        ((3, 4), torch.zeros(3, 4), None, "do not sum to 1"),
        ((3, 4), torch.tensor([[1, 1, 0, 0]] * 3), None, r"must be int64 \(N,\), got int64 \(3, 4\)"),
        ((3, 1), torch.tensor([0, 1, 0]), None, "cross-entropy over one output is always 0.*two outputs"),
        ((3, 1), torch.tensor([[0.0], [1], [0]]), None, "cross-entropy over one output"),
        ((3, 1), torch.tensor([0.0, 1, 0]), BCE, r"got float32 \(3,\) labels for float32 \(3, 1\)"),
        ((3, 4), torch.tensor([0, 1, 2]), BCE, "needs float labels in the shape of the logits"),
        ((3, 1), torch.tensor([[0.0], [1], [2]]), BCE, "must lie in 0 to 1, got 0 to 2"),
        ((3, 1), torch.tensor([[0.0], [1], [torch.nan]]), BCE, "must lie in 0 to 1"),
        ((2, 4), torch.tensor([0, 1, 2]), None, "one label an image"),
        ((3, 4, 2), torch.tensor([0, 1, 2]), None, r"labels go with logits \(N, num_classes\)"),
    ],
)  # fmt: skip
def test_labels_that_do_not_fit_are_refused_with_both_sides(shape, labels, loss_function, message):
    with pytest.raises(ValueError, match=message):
        answers.require_labels(logits(*shape), labels, loss_function=loss_function)


@pytest.mark.parametrize(
    ("shape", "labels", "loss_function"),
    [
        ((3, 4), torch.tensor([0, 3, 2]), None),
        ((3, 4), torch.tensor([0, 3, 2], dtype=torch.uint8), None),
        ((3, 4), torch.tensor([[0.3, 0.7, 0, 0]] * 3), None),
        ((3, 4), torch.tensor([[0.3, 0.7, 0, 0]] * 3).bfloat16(), None),
        ((3, 4), torch.tensor([[1.0, 1, 0, 0]] * 3), BCE),
        ((3, 1), torch.tensor([[1.0], [0], [1]]), BCE),
        ((3,), torch.tensor([1.0, 0, 1]), BCE),
        ((0, 4), torch.zeros(0, dtype=torch.int64), None),
    ],
)
def test_labels_that_fit_are_taken(shape, labels, loss_function):
    answers.require_labels(logits(*shape), labels, loss_function=loss_function)


def test_every_yes_or_no_is_an_answer_of_its_own():
    guesses = torch.tensor([[2.0, -1.0, 0.5], [-3.0, 1.0, -0.1]])
    labels = torch.tensor([[1.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    right = answers.right_answers(guesses, labels, loss_function=BCE)
    assert right.tolist() == [[True, False, True], [True, True, False]]


@pytest.mark.parametrize("outputs", [1, 3])
def test_one_output_or_several_labels_are_learned_and_counted_right(outputs):
    """Each label says on which side of 0 one number lies: a linear network must get nearly all of them."""
    torch.manual_seed(0)
    images = torch.randn(60, 4)
    labels = (images[:, :outputs] > 0).float()
    batches = list(zip(images.split(20), labels.split(20), strict=True))
    model = nn.Linear(4, outputs)
    optimizer = training.sgd(model, 0.5)
    history = training.fit(
        model, batches, batches, epochs=40, optimizer=optimizer, loss_function=BCE, progress=False
    )
    with torch.no_grad():
        expected = ((model(images) > 0).float() == labels).double().mean().item()
        loss = BCE(model(images), labels).item()
    assert history.valid_accuracy[-1] == pytest.approx(expected)
    assert history.valid_loss[-1] == pytest.approx(loss, rel=1e-5)  # float32, batch by batch
    assert expected > 0.95
    assert history.train_loss[-1] < 0.5 * history.train_loss[0]


def test_mixed_labels_are_evaluated_by_their_larger_share():
    model = nn.Identity()
    guesses = torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0]])
    shares = torch.tensor([[0.6, 0.4], [0.7, 0.3], [0.9, 0.1]])
    _, accuracy = evaluation.evaluate(model, [(guesses, shares)], device="cpu")
    assert accuracy == pytest.approx(2 / 3)


def network():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(4, 3, 6, 6), r"images float32 \(4, 3, 6, 6\) do not fit.*in_channels=3"),
        (torch.zeros(4, 1, 6, 6, dtype=torch.uint8), r"images must be float, got uint8 \(4, 1, 6, 6\)"),
    ],
)
def test_images_that_do_not_fit_the_network_are_refused_by_training_and_evaluation(images, message):
    model = network()
    batches = [(images, torch.zeros(4, dtype=torch.int64))]
    with pytest.raises(ValueError, match=message):
        training.train_one_epoch(model, batches, training.sgd(model, 0.1))
    with pytest.raises(ValueError, match=message):
        evaluation.evaluate(model, batches)


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (network(), (4, 3, 6, 6)),
        (network(), (4, 1, 2, 2)),
        (nn.Sequential(network(), nn.Linear(3, 2)), (4, 1, 6, 6)),
        (nn.Bilinear(2, 2, 2), (4, 2)),
    ],
    ids=["channels", "small", "size", "two inputs"],
)
def test_the_first_line_of_what_torch_said_of_images_that_do_not_fit_is_passed_on(model, shape):
    images = torch.zeros(shape)
    with pytest.raises((RuntimeError, TypeError)) as theirs:
        model(images)
    with pytest.raises(ValueError, match=r"^(images float32|the network)") as ours:
        answers.logits_of(model, images)
    assert str(ours.value).endswith(f"({str(theirs.value).splitlines()[0]})")


def test_a_last_batch_of_one_image_names_both_causes():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(2), nn.Flatten())
    images, labels = torch.rand(5, 1, 6, 6), torch.zeros(5, dtype=torch.int64)
    batches = list(zip(images.split(4), labels.split(4), strict=True))
    with pytest.raises(ValueError, match=r"last batch has one image.*drop_last=True.*model.eval\(\)"):
        training.fit(model, batches, epochs=1, optimizer=training.sgd(model, 0.1), progress=False)
    assert evaluation.evaluate(model, batches)[1] >= 0  # in eval mode one image is enough


def test_another_error_of_the_network_stays_as_it_is():
    class Broken(nn.Module):
        def forward(self, images):
            raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match=r"^something else$"):
        answers.logits_of(Broken(), torch.zeros(1, 1, 2, 2))


@pytest.mark.parametrize(
    ("loss", "labels", "message"),
    [
        (None, torch.tensor([[2.0, -1.0, 0.0]]), "must not be below 0, got -1 to 2"),
        (None, torch.tensor(1), "one label an image"),
        (torch.nn.CrossEntropyLoss(reduction="sum"), torch.tensor([1]), "the mean over a batch"),
        (torch.nn.CrossEntropyLoss(reduction="none"), torch.tensor([1]), "the mean over a batch"),
        (torch.nn.CrossEntropyLoss(torch.ones(2)), torch.tensor([1]), "weights for 2 classes, the network 3"),
        (torch.nn.NLLLoss(), torch.tensor([1]), "at most 0, got 4"),
    ],
)
def test_losses_and_shares_that_would_count_wrongly_are_refused(loss, labels, message):
    with pytest.raises(ValueError, match=message):
        answers.require_labels(torch.tensor([[1.0, 4.0, 0.0]]), labels, loss_function=loss)


ONE_HOT = nn.functional.one_hot(torch.tensor([0, 1, 2])).float()


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (nn.MSELoss(), r"MSELoss compares numbers.*one_hot\(labels, num_classes\).*got int64 \(3,\)"),
        (nn.L1Loss(), "L1Loss compares numbers"),
        (nn.functional.mse_loss, "mse_loss compares numbers"),
        (functools.partial(nn.functional.huber_loss, delta=2.0), "huber_loss compares numbers"),
        (functools.partial(nn.functional.cross_entropy, reduction="sum"), "without reduction='sum'"),
        (lambda z, y: -z.log_softmax(1)[:, 0], r"one float tensor.*gives float32 \(3,\)"),
        (lambda z, y: 1.0, r"must give one float tensor.*gives float 1\.0"),
        (lambda z, y: (z.argmax(1) == y).sum(), r"one float tensor.*gives int64 \(\)"),
        (lambda z: z.mean(), "cannot be computed from float32.*takes 1 positional argument"),
        (nn.BCELoss(), r"BCELoss cannot be computed from float32 \(3, 3\) logits and int64 \(3,\) labels"),
        (nn.CrossEntropyLoss, "CrossEntropyLoss"),
    ],
)  # fmt: skip
def test_a_loss_that_is_none_for_class_numbers_is_refused_by_training_and_evaluation(loss, message):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))  # three images, three classes: all would broadcast
    batches = [(torch.rand(3, 1, 2, 2), torch.tensor([0, 1, 2]))]
    with pytest.raises(ValueError, match=message):
        training.train_one_epoch(model, batches, training.sgd(model, 0.1), loss_function=loss)
    with pytest.raises(ValueError, match=message):
        evaluation.evaluate(model, batches, loss_function=loss)


@pytest.mark.parametrize("loss", ["mse", [], 0, False])
def test_what_is_no_function_is_not_taken_for_the_loss_that_stands_for_none(loss):
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    batches = [(torch.rand(3, 1, 2, 2), torch.tensor([0, 1, 2]))]
    with pytest.raises(TypeError, match="loss_function must be a function or None, got"):
        training.train_one_epoch(model, batches, training.sgd(model, 0.1), loss_function=loss)
    with pytest.raises(TypeError, match="loss_function must be a function or None, got"):
        evaluation.evaluate(model, batches, loss_function=loss)
    with pytest.raises(TypeError, match="loss_function must be a function or None, got"):
        training.with_l1(model, 0.1, loss_function=loss)


@pytest.mark.parametrize("labels", [torch.tensor([1]), torch.tensor(1), torch.tensor([[1], [0], [1]])])
def test_labels_that_torch_would_stretch_over_all_answers_are_refused(labels):
    with pytest.raises(ValueError, match="right answers need float logits"):
        answers.right_answers(torch.rand(3, 2), labels)
    with pytest.raises(ValueError, match="right answers need float logits"):
        answers.right_answers(torch.rand(3, 2), labels.float(), loss_function=nn.BCEWithLogitsLoss())


def test_a_loss_of_shares_of_classes_may_compare_number_with_number():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    batches = [(torch.rand(3, 1, 2, 2), ONE_HOT)]
    expected = ((model(batches[0][0]) - ONE_HOT) ** 2).mean().item()
    assert evaluation.evaluate(model, batches, loss_function=nn.MSELoss())[0] == pytest.approx(expected)
    one = nn.Sequential(nn.Flatten(), nn.Linear(4, 1))
    with pytest.raises(ValueError, match="MSELoss over one output is a regression"):
        evaluation.evaluate(one, [(batches[0][0], ONE_HOT[:, :1])], loss_function=nn.MSELoss())


def test_a_loss_that_no_parameter_can_lower_is_refused():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    batches = [(torch.rand(3, 1, 2, 2), torch.tensor([0, 1, 2]))]
    with pytest.raises(ValueError, match="does not depend on any parameter that learns"):
        training.train_one_epoch(
            model,
            batches,
            training.sgd(model, 0.1),
            loss_function=lambda z, y: nn.functional.cross_entropy(z.detach(), y),
        )


def test_logarithms_of_probabilities_go_with_their_loss():
    logits = torch.tensor([[1.0, 4.0, 0.0]]).log_softmax(dim=1)
    answers.require_labels(logits, torch.tensor([1]), loss_function=torch.nn.NLLLoss())


@pytest.mark.parametrize("share", [0.9, 1.1, 0.5])
def test_shares_of_classes_have_to_add_up_to_one(share):
    labels = torch.tensor([[share, 0.0], [0.5, 0.5]])
    with pytest.raises(ValueError, match="shares of classes"):
        evaluation.evaluate(nn.Flatten(), [(torch.rand(2, 2, 1, 1), labels)])
