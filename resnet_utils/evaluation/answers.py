"""What a batch of labels asks of a network, and which of its answers are right.

Introduced in chapter 4.

Three kinds of labels are understood. Class numbers ``(N,)``: one answer an image, the largest logit. Shares
of classes ``(N, num_classes)`` that sum to one, as from mixed images: likewise, and the largest share is
right. With a binary cross-entropy, ``nn.BCEWithLogitsLoss`` or what is derived from it, numbers from 0 to 1
in the shape of the logits: every logit is an answer of its own, and says yes above 0; so train networks with
one output, or with several labels at once. Whatever else is refused in words.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from types import NoneType

import torch
from torch import Tensor, nn

from resnet_utils.runtime import given
from resnet_utils.runtime.types import LossFunction

NEAR = 1e-3  # how far the shares of classes may be from a sum of one, in 16 bits too
FIT = "expected input"  # in torch's words about a convolution that got other channels
PRECISION = (
    "expected scalar type",
    "should be the same",
)  # and about numbers of another precision than the weights
ALONE = "more than 1 value per channel"  # and about a BatchNorm that got a single value
SMALL = ("can't be greater than actual input size", "Output size is too small", "Padding size should be less")
SIZE = ("shapes cannot be multiplied", "should contain", "size mismatch")  # and about a layer of a fixed size
OTHERS = ("positional argument", "takes no arguments")  # and Python's about a function with other arguments
ONE_SHAPE = (nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss, nn.GaussianNLLLoss, nn.PoissonNLLLoss)
ONE_SHAPE_FUNCTIONS = (
    *(nn.functional.mse_loss, nn.functional.l1_loss, nn.functional.smooth_l1_loss, nn.functional.huber_loss),
    *(nn.functional.poisson_nll_loss, nn.functional.gaussian_nll_loss),
)


@given.explained
def is_binary(loss_function: LossFunction | None) -> bool:
    """Whether a loss takes each logit for an answer of its own, yes or no.

    Args:
        loss_function: any; looked for inside what ``functools.partial`` or a penalty (``training.with_l1``)
            puts around it. None: cross-entropy.
    """
    loss = list(_layers(loss_function))[-1]
    named = loss is nn.functional.binary_cross_entropy_with_logits
    return named or isinstance(loss, nn.BCEWithLogitsLoss)


def _layers(loss_function: LossFunction | None) -> Iterator[object]:
    """A loss, and what is inside of ``functools.partial`` or a penalty around it, the innermost last."""
    given.of_kind("loss_function", loss_function, (Callable, NoneType))
    loss: object = loss_function
    yield loss
    while isinstance(loss, functools.partial) or hasattr(loss, "__wrapped__"):
        loss = loss.func if isinstance(loss, functools.partial) else inspect.unwrap(loss)  # pyright: ignore
        yield loss


@given.explained
def require_labels(logits: Tensor, labels: Tensor, *, loss_function: LossFunction | None = None) -> None:
    """Check that labels ask for what a network answers.

    Args:
        logits: of a batch, ``(N, num_classes)``; with a binary cross-entropy of any shape.
        labels: of the same batch, on any device.
        loss_function: of the training; None: cross-entropy.

    Raises:
        ValueError: if they do not go together, or the loss is one of torch's that is not for logits, or gives
            no mean: what was given, and what is allowed.
    """
    given = f"got {_kind(labels)} labels for {_kind(logits)} logits"
    _require_mean_of(loss_function, logits)
    _require_one_shape(loss_function, logits, labels, given)
    if is_binary(loss_function):
        if not labels.is_floating_point() or labels.shape != logits.shape:
            raise ValueError(f"binary cross-entropy needs float labels in the shape of the logits, {given}")
        if labels.numel() and not (labels.min() >= 0 and labels.max() <= 1):
            raise ValueError(f"yes-or-no labels must lie in 0 to 1, got {_span(labels)}")
        return
    if logits.ndim != 2 or labels.ndim == 0 or len(labels) != len(logits):
        raise ValueError(f"labels go with logits (N, num_classes), one label an image, {given}")
    if logits.shape[1] == 1:
        raise ValueError(
            "cross-entropy over one output is always 0, so nothing is learned: give the network two outputs, "
            f"or train with nn.BCEWithLogitsLoss() and float labels (N, 1) of 0 and 1; {given}"
        )
    if labels.is_floating_point():
        _require_shares(logits, labels, given)
    else:
        _require_classes(logits, labels, given)


def _require_mean_of(loss_function: LossFunction | None, logits: Tensor) -> None:
    """Refuse losses of torch that give no mean over a batch, or are for other numbers than logits."""
    layers = list(_layers(loss_function))
    for layer in layers:
        given = layer.keywords if isinstance(layer, functools.partial) else {}
        reduction = given.get("reduction", getattr(layer, "reduction", "mean"))
        if reduction != "mean":
            raise ValueError(
                f"the loss must be the mean over a batch: make {_name(layer)} without {reduction=}"
            )
    loss = layers[-1]
    if isinstance(loss, nn.NLLLoss) and logits.numel() and logits.max() > 0:
        raise ValueError(
            f"{_name(loss)} is for logarithms of probabilities, which are at most 0, got "
            f"{logits.max().item():g}; nn.CrossEntropyLoss is the one for logits"
        )
    weight = loss.weight if isinstance(loss, nn.CrossEntropyLoss) else None
    if weight is not None and logits.ndim == 2 and len(weight) != logits.shape[1]:
        raise ValueError(
            f"{_name(loss)} has weights for {len(weight)} classes, the network {logits.shape[1]}"
        )


def _require_one_shape(
    loss_function: LossFunction | None, logits: Tensor, labels: Tensor, given: str
) -> None:
    """Refuse class numbers where the loss compares number with number: torch would stretch them to fit."""
    loss = list(_layers(loss_function))[-1]
    if not isinstance(loss, ONE_SHAPE) and loss not in ONE_SHAPE_FUNCTIONS:
        return
    if logits.ndim == 2 and logits.shape[1] == 1:
        raise ValueError(
            f"{_name(loss)} over one output is a regression, which has no right answers to count; this "
            f"training is for classes. {given}"
        )
    if not labels.is_floating_point() or labels.shape != logits.shape:
        raise ValueError(
            f"{_name(loss)} compares numbers, so it needs float labels in the shape of the logits, as from "
            f"nn.functional.one_hot(labels, num_classes).float(), {given}; nn.CrossEntropyLoss() takes class "
            "numbers as they are"
        )


@given.explained
def loss_of(loss_function: LossFunction | None, logits: Tensor, labels: Tensor) -> Tensor:
    """The loss of a batch, a single number, with what goes wrong said in words.

    Args:
        loss_function: any; None: cross-entropy.
        logits: of a batch.
        labels: of the same batch, as ``require_labels`` takes them, on the same device.

    Raises:
        ValueError: if the loss cannot be computed from these, or gives anything but one float.
    """
    given.of_kind("loss_function", loss_function, (Callable, NoneType))
    loss_function = nn.functional.cross_entropy if loss_function is None else loss_function
    both = f"{_kind(logits)} logits and {_kind(labels)} labels"
    try:
        loss = loss_function(logits, labels)
    except (TypeError, ValueError, IndexError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"the loss {_name(loss_function)} cannot be computed from {both}: {reason}. A loss_function "
            "takes logits and labels and gives their mean over the batch, such as nn.CrossEntropyLoss()"
        ) from error
    if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.is_floating_point():
        kind = _kind(loss) if isinstance(loss, Tensor) else f"{type(loss).__name__} {loss!r:.40}"
        raise ValueError(
            f"loss_function must give one float tensor, the mean over a batch; of {both} "
            f"{_name(loss_function)} gives {kind}"
        )
    return loss.reshape(())


def _name(loss_function: object) -> str:
    """What a message calls a loss."""
    while isinstance(loss_function, functools.partial):
        loss_function = loss_function.func
    return getattr(loss_function, "__qualname__", type(loss_function).__name__)


def _require_classes(logits: Tensor, labels: Tensor, given: str) -> None:
    if labels.ndim != 1 or labels.dtype not in (torch.int64, torch.uint8):
        raise ValueError(f"class numbers must be int64 (N,), {given}; labels.long().flatten() may be meant")
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < logits.shape[1]:
        raise ValueError(
            f"labels must be 0 to {logits.shape[1] - 1}, since the network has {logits.shape[1]} outputs, "
            f"got {_span(labels)}"
        )


def _require_shares(logits: Tensor, labels: Tensor, given: str) -> None:
    if labels.shape != logits.shape:
        raise ValueError(
            f"labels must be class numbers, int64 (N,), or shares of classes, float (N, num_classes), {given}"
        )
    if len(labels) and not labels.min() >= 0:
        raise ValueError(f"shares of classes must not be below 0, got {_span(labels)}")
    if len(labels) and not bool(((labels.sum(dim=1) - 1).abs() < NEAR).all()):
        raise ValueError(
            "the labels of an image do not sum to 1, so they are no shares of classes; for several labels at "
            "once train with nn.BCEWithLogitsLoss(), or a loss derived from it"
        )


@given.explained
def right_answers(logits: Tensor, labels: Tensor, *, loss_function: LossFunction | None = None) -> Tensor:
    """Which answers are right: bool ``(N,)``, or in the shape of the logits where each is an answer.

    Args:
        logits: of a batch.
        labels: of the same batch, as ``require_labels`` takes them, on the same device.
        loss_function: of the training; None: cross-entropy.

    Raises:
        ValueError: if their shapes or kinds do not go together; the values are ``require_labels``'s to judge.
    """
    binary = is_binary(loss_function)
    shares = labels.is_floating_point() and labels.shape == logits.shape
    one_each = not binary and labels.ndim == 1 and labels.shape == logits.shape[:1]
    if not logits.is_floating_point() or (not binary and logits.ndim != 2) or not (shares or one_each):
        raise ValueError(
            "right answers need float logits (N, num_classes), and as labels class numbers (N,), or float "
            f"numbers in the shape of the logits; got {_kind(labels)} labels for {_kind(logits)} logits"
        )
    if binary:
        return (logits > 0) == (labels > 0.5)
    return logits.argmax(dim=1) == (labels if labels.ndim == 1 else labels.argmax(dim=1))


@given.explained
def require_numbers(logits: Tensor, images: Tensor, *, where: str) -> None:
    """Check that the answers to a batch are numbers: the largest of logits that are NaN is any class.

    Args:
        logits: of the batch.
        images: what was asked.
        where: which batch of what, for the message.

    Raises:
        ValueError: if some are NaN and the images have values that are not finite, or the two are not as
            many.
        FloatingPointError: if some are NaN, and the images are not to blame.
    """
    if not (lost := _images_with(logits.isnan(), images, where)):
        return
    require_finite_images(images, where=where)
    raise FloatingPointError(
        f"{where}: the network answers NaN to {lost} of {len(images)} images, whose values are all finite: "
        "its weights or the statistics of its BatchNorms went wrong"
    )


@given.explained
def require_finite_images(images: Tensor, *, where: str) -> None:
    """Check the values of images, after something has gone wrong with them.

    Args:
        images: of a batch.
        where: which batch of what, for the message.

    Raises:
        ValueError: if some are NaN or infinite; the message counts the images.
    """
    if odd := _images_with(~images.isfinite(), images, where):
        raise ValueError(f"{where}: {odd} of {len(images)} images have values that are NaN or infinite")


def _images_with(marks: Tensor, images: Tensor, where: str) -> int:
    """How many images have a mark among those that are theirs."""
    given.of_kind("where", where, str)
    if images.ndim == 0 or marks.numel() % max(1, len(images)):
        raise ValueError(
            f"{where}: one answer an image, got answers {tuple(marks.shape)} to images {tuple(images.shape)}"
        )
    return int(marks.reshape(max(1, len(images)), -1).any(dim=1).sum())


@given.explained
def logits_of(
    compute: Callable[[Tensor], Tensor], images: Tensor, *, model: nn.Module | None = None
) -> Tensor:
    """``compute(images)``, with the usual misfits said in words.

    Args:
        compute: from images to logits, or to any other answers: a network, or a part of one.
        images: float ``(N, C, H, W)``, where the network lies; also uint8, for a network that takes pixels
            (``models.fold_normalization``).
        model: the network that ``compute`` uses; None: ``compute`` itself, where it is one.

    Raises:
        ValueError: if the images are whole numbers or of another precision, are no batch, have other channels
            or another size than the network takes, or are too few for a BatchNorm in train mode; or if the
            answer is no tensor.
    """
    given.of_kind("model", model, (nn.Module, NoneType))
    if not images.is_floating_point() and not _takes_pixels(model if model is not None else compute):
        raise ValueError(f"images must be float, got {_kind(images)}: images.float() / 255 may be meant")
    _require_batch(images, model if model is not None else compute)
    try:
        answers = compute(images)
    except (RuntimeError, ValueError, TypeError) as error:
        if (meant := _misfit(str(error), images)) is None:
            raise
        raise ValueError(meant) from error
    if not isinstance(answers, Tensor):
        who = "the network" if isinstance(compute, nn.Module) else f"compute() ({_name(compute)})"
        raise ValueError(
            f"{who} must give a tensor of logits (N, num_classes), it gives {type(answers).__name__}; "
            "put a small module around it that returns the logits alone"
        )
    return answers


def _takes_pixels(model: object) -> bool:
    """Whether a network takes pixels as they are, from 0 to 255."""
    modules = model.modules() if isinstance(model, nn.Module) else ()
    return any(getattr(module, "takes_pixels", False) for module in modules)


def _require_batch(images: Tensor, model: object) -> None:
    """Refuse images without a dimension for the batch, which a convolution would take for one image."""
    modules = model.modules() if isinstance(model, nn.Module) else ()
    if images.ndim != 4 and any(isinstance(module, nn.Conv2d) for module in modules):
        hint = ": images[:, None] gives grey ones their channel, image[None] makes a batch of one image"
        raise ValueError(
            f"images must be a batch (N, C, H, W), got {_kind(images)}{hint if images.ndim == 3 else ''}"
        )


def _misfit(said: str, images: Tensor) -> str | None:
    """What torch ``said`` about images that do not fit, in plainer words; None: it is about another thing."""
    kind, reason = _kind(images), said.partition("\n")[0]
    if any(words in said for words in PRECISION):
        return f"images {kind} are of another precision than the network"
    if FIT in said and "channels" in said:
        return (
            f"images {kind} do not fit the network: grey pictures have 1 channel, colour pictures 3; build "
            f"it with in_channels={images.shape[1]}, or change the pictures ({reason})"
        )
    if ALONE in said:
        return (
            f"a BatchNorm in train mode has one value a channel here (images {kind}), and no spread to "
            "measure. Either the last batch has one image: make the loader with drop_last=True or another "
            "batch size. Or the network should only answer: call model.eval() first"
        )
    if any(words in said for words in SMALL):
        return f"images {kind} are too small for the network ({reason})"
    if any(words in said for words in SIZE):
        return f"images {kind} have another size than the network takes ({reason})"
    if any(words in said for words in OTHERS):
        return f"the network, or what computes in its place, is given the images alone ({reason})"
    return None


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _span(labels: Tensor) -> str:
    return f"{labels.min().item():g} to {labels.max().item():g}"
