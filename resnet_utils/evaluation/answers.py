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
from collections.abc import Callable

import torch
from torch import Tensor, nn

from resnet_utils.runtime.types import LossFunction

NEAR = 1e-3  # how far the shares of classes may be from a sum of one, in 16 bits too
FIT = "expected input"  # in torch's words about a convolution that got other channels
PRECISION = (
    "expected scalar type",
    "should be the same",
)  # and about numbers of another precision than the weights
ALONE = "more than 1 value per channel"  # and about a BatchNorm that got a single value


def is_binary(loss_function: LossFunction | None) -> bool:
    """Whether a loss takes each logit for an answer of its own, yes or no.

    Args:
        loss_function: any; looked for inside what ``functools.partial`` or a penalty (``training.with_l1``)
            puts around it. None: cross-entropy.
    """
    while True:
        if isinstance(loss_function, functools.partial):
            loss_function = loss_function.func
        elif hasattr(loss_function, "__wrapped__"):
            loss_function = inspect.unwrap(loss_function)  # pyright: ignore[reportArgumentType]
        else:
            break
    named = loss_function is nn.functional.binary_cross_entropy_with_logits
    return named or isinstance(loss_function, nn.BCEWithLogitsLoss)


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
    if not isinstance(loss_function, nn.Module):
        return
    name = type(loss_function).__name__
    reduction = getattr(loss_function, "reduction", "mean")
    if reduction != "mean":
        raise ValueError(f"the loss must be the mean over a batch: make {name} without {reduction=}")
    if isinstance(loss_function, nn.NLLLoss) and logits.numel() and logits.max() > 0:
        raise ValueError(
            f"{name} is for logarithms of probabilities, which are at most 0, got {logits.max().item():g}; "
            "nn.CrossEntropyLoss is the one for logits"
        )
    weight = loss_function.weight if isinstance(loss_function, nn.CrossEntropyLoss) else None
    if weight is not None and logits.ndim == 2 and len(weight) != logits.shape[1]:
        raise ValueError(f"{name} has weights for {len(weight)} classes, the network {logits.shape[1]}")


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


def right_answers(logits: Tensor, labels: Tensor, *, loss_function: LossFunction | None = None) -> Tensor:
    """Which answers are right: bool ``(N,)``, or in the shape of the logits where each is an answer.

    Args:
        logits: of a batch.
        labels: of the same batch, as ``require_labels`` takes them, on the same device.
        loss_function: of the training; None: cross-entropy.
    """
    if is_binary(loss_function):
        return (logits > 0) == (labels > 0.5)
    return logits.argmax(dim=1) == (labels if labels.ndim == 1 else labels.argmax(dim=1))


def logits_of(model: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """``model(images)``, with the usual misfits said in words.

    Args:
        model: from images to logits, or to any other answers.
        images: float ``(N, C, H, W)``, where the model lies.

    Raises:
        ValueError: if the images are whole numbers or of another precision, have other channels than the
            network takes, or are too few for a BatchNorm in train mode.
    """
    if not images.is_floating_point():
        raise ValueError(f"images must be float, got {_kind(images)}: images.float() / 255 may be meant")
    try:
        return model(images)
    except (RuntimeError, ValueError) as error:
        said = str(error)
        if any(words in said for words in PRECISION):
            raise ValueError(f"images {_kind(images)} are of another precision than the network") from error
        if FIT in said and "channels" in said:
            raise ValueError(
                f"images {_kind(images)} do not fit the network: grey pictures have 1 channel, colour "
                f"pictures 3; build it with in_channels={images.shape[1]}, or change the pictures "
                f"({said.partition(chr(10))[0]})"
            ) from error
        if ALONE in said:
            raise ValueError(
                f"a BatchNorm in train mode has one value a channel here (images {_kind(images)}), and no "
                "spread to measure. Either the last batch has one image: make the loader with drop_last=True "
                "or another batch size. Or the network should only answer: call model.eval() first"
            ) from error
        raise


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _span(labels: Tensor) -> str:
    return f"{labels.min().item():g} to {labels.max().item():g}"
