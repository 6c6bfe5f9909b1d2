"""A network at work: its answers to every sample of a loader, with its modes kept.

Introduced in chapter 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from resnet_utils.evaluation.answers import (
    logits_of,
    loss_of,
    require_labels,
    require_numbers,
    right_answers,
)
from resnet_utils.runtime import chosen_device, classes_of, given, processes, speed
from resnet_utils.runtime.speed import Fast
from resnet_utils.runtime.types import Batches, Device, LossFunction


@contextmanager
def kept_modes(model: nn.Module) -> Iterator[None]:
    """On leaving, put every module back into the mode (train/eval) it came in, also after an error.

    Args:
        model: any module; inside, its modes may be changed at will.

    Raises:
        TypeError: if it is none.
    """
    given.of_kind("model", model, nn.Module)
    modes = {module: module.training for module in model.modules()}
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@given.explained
@torch.no_grad()
def collected(
    model: nn.Module,
    loader: Batches,
    *,
    compute: Callable[[Tensor], Tensor],
    caller: str,
    device: Device | None = None,
    fast: Fast = None,
) -> tuple[Tensor, Tensor]:
    """What ``compute`` gives for all images, joined to ``(N, ...)``, and the labels ``(N,)``, on the CPU.

    Args:
        model: the network that ``compute`` uses; in eval mode meanwhile.
        loader: images ``(N, C, H, W)`` and labels ``(N,)``, batch by batch.
        compute: from a batch of images to ``(N, ...)``, such as ``model`` itself or ``model.features``.
        caller: the name of the function that asks, for the error.
        device: where ``model`` lies, and the images go (default: found out).
        fast: in which order of memory and how many bits to compute: False, True, "auto" or None, as
            ``runtime.speed`` says.

    Raises:
        ValueError: if ``loader`` yields no sample, no pair of images and labels, not a label for each image,
            images that do not fit or are not finite, or if there is no such ``device``.
        FloatingPointError: if an answer to finite images is NaN.
    """
    given.of_kind("caller", caller, str)
    place, together = chosen_device(device, model), processes.is_shared(loader)
    results, all_labels, asker = [], [], _Asker(model, loader, fast)
    with kept_modes(model):
        model.eval()
        batches = given.batches(loader, caller=caller)
        for number, (images, labels) in enumerate(batches, start=1):  # (N, C, H, W), (N,)
            images = images.to(place)
            asker.choose(images)
            if together and not len(labels):  # a share of a small batch may be empty
                results.append(images.cpu())
                all_labels.append(labels.cpu())
                continue
            answers = asker(images, compute)
            require_numbers(answers, images, where=f"{caller}(), batch {number}")
            results.append(answers.cpu())
            all_labels.append(labels.cpu())
            if all_labels[-1].shape[:1] != results[-1].shape[:1]:
                both = f"{tuple(all_labels[-1].shape)} for answers {tuple(results[-1].shape)}"
                raise ValueError(f"{caller}() needs a label for each image, got labels {both}")
    seen = sum(len(labels) for labels in all_labels)
    if (processes.total(seen)[0] if together else seen) == 0:
        raise ValueError(f"{caller}() needs at least one sample, but the loader was empty")
    if together:
        return processes.joined(results), processes.joined(all_labels)
    return torch.cat(results), torch.cat(all_labels)


@given.explained
def predict(
    model: nn.Module, loader: Batches, *, device: Device | None = None, fast: Fast = None
) -> tuple[Tensor, Tensor]:
    """Logits ``(N, num_classes)`` and labels ``(N,)`` of every sample of a loader, in order, on the CPU.

    The model computes in eval mode and is left in the mode it came in. Of ``Shares`` every process, and each
    has to ask, gets the answers to all images, in the order of one process.

    Args:
        model: from images to logits.
        loader: images ``(N, C, H, W)`` and labels ``(N,)``, batch by batch.
        device: where ``model`` lies, and the images go (default: found out).
        fast: in which order of memory and how many bits to compute: False, True, "auto" or None, as
            ``runtime.speed`` says.

    Raises:
        ValueError: if ``loader`` yields no sample, no pair of images and labels, not a label for each image,
            images that do not fit the network or are not finite, or names more classes than it has outputs;
            or if there is no such ``device``.
        FloatingPointError: if the network answers NaN to finite images.
    """
    compute = _bare(model)
    logits, labels = collected(model, loader, compute=compute, caller="predict", device=device, fast=fast)
    _require_outputs(logits, loader)
    return logits, labels


@given.explained
@torch.no_grad()
def evaluate(
    model: nn.Module,
    loader: Batches,
    *,
    device: Device | None = None,
    loss_function: LossFunction | None = None,
    fast: Fast = None,
) -> tuple[float, float]:
    """Mean loss (nats) and accuracy (fraction in [0, 1]) over every sample of a loader.

    What counts as an answer, and which labels are understood, stands in ``answers``.
    Sums over samples and divides once, so a short last batch is not over-weighted. Of ``Shares`` it sums over
    all processes, each of which has to ask, and gets the same numbers.
    The model computes in eval mode, in float32 unless ``fast`` says otherwise, and is left in the mode it
    came in. The loss is computed from float32 logits always.

    Args:
        model: from images to logits.
        loader: images ``(N, C, H, W)`` and labels, batch by batch.
        device: where ``model`` lies, and the batches go (default: found out).
        loss_function: of logits and labels, the mean over a batch (default: cross-entropy).
        fast: in which order of memory and how many bits to compute: False, True, "auto" or None, as
            ``runtime.speed`` says.

    Raises:
        ValueError: if ``loader`` yields no sample, no pair of images and labels, images or labels that do not
            fit the network, images that are not finite, or names more classes than it has outputs; if there
            is no such ``device``, or the loss gives no single number.
        FloatingPointError: if the network answers NaN to finite images.
    """
    place, together, compute = chosen_device(device, model), processes.is_shared(loader), _bare(model)
    loss_sum, correct, asked, seen = 0.0, 0, 0, 0
    asker = _Asker(model, loader, fast)
    with kept_modes(model):
        model.eval()
        batches = given.batches(loader, caller="evaluate")
        for number, (images, labels) in enumerate(batches, start=1):  # (N, C, H, W), (N,)
            images = images.to(place)
            asker.choose(images)
            if together and not len(labels):  # a share of a small batch may be empty
                continue
            logits = asker(images, compute)  # (N, num_classes)
            require_numbers(logits, images, where=f"evaluate(), batch {number}")
            labels = labels.to(place)
            require_labels(logits, labels, loss_function=loss_function)
            _require_outputs(logits, loader)
            if loss_function is None:
                loss_sum += nn.functional.cross_entropy(logits, labels, reduction="sum").item()
            else:
                loss_sum += loss_of(loss_function, logits, labels).item() * len(labels)
            right = right_answers(logits, labels, loss_function=loss_function)
            correct += right.sum().item()
            asked += right.numel()
            seen += len(labels)
    if together:
        loss_sum, correct, asked, seen = processes.total(loss_sum, correct, asked, seen)
    if seen == 0:
        raise ValueError("evaluate() needs at least one sample, but the loader was empty")
    return loss_sum / seen, correct / asked


def _bare(model: nn.Module) -> nn.Module:
    """The network inside of DistributedDataParallel, which would wait for all processes at each answer."""
    return model.module if isinstance(model, nn.parallel.DistributedDataParallel) else model


class _Asker:
    """Asks a network about batch after batch, at the pace that is chosen on the first one.

    Args:
        model: the network, in eval mode by the time it is asked.
        loader: of the batches; how many there are to come decides whether a check is worth it.
        fast: as in ``runtime.speed``.
    """

    def __init__(self, model: nn.Module, loader: Batches, fast: Fast) -> None:
        self.model, self.fast, self.together = model, speed.asked(fast), processes.is_shared(loader)
        try:
            self.batches = len(loader)  # pyright: ignore[reportArgumentType] - not each has one
        except TypeError:
            self.batches = None
        self.pace: speed.Pace | None = None

    def choose(self, images: Tensor) -> speed.Pace:
        """The pace, chosen on the first batch; of several processes each takes the choice of the first.

        Args:
            images: (N, C, H, W), where the network lies; N may be 0 where others have the rest.
        """
        if self.pace is None:
            to_come = None if self.batches is None else self.batches * len(images)
            pace = speed.PLAIN
            if len(images):
                pace = speed.choose(self.fast, self.model, images, to_come=to_come)
            if self.together:
                pace = speed.Pace(*processes.said_by_first(pace.channels_last, pace.half))
            self.pace = pace
        return self.pace

    def __call__(self, images: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
        """Answers ``(N, ...)``, 16 bits made float32.

        Args:
            images: (N, C, H, W), where the network lies.
            compute: from such images to answers.

        Raises:
            ValueError: as ``answers.logits_of``.
        """
        pace = self.choose(images)
        with speed.computing(pace, images.device):
            answers = logits_of(compute, speed.arranged(images, pace), model=self.model)
        low = pace.half and answers.dtype in (torch.bfloat16, torch.float16)
        return answers.float() if low else answers


def _require_outputs(logits: Tensor, loader: Batches) -> None:
    """Refuse a network with fewer outputs than ``loader`` names classes; more of them do no harm."""
    classes = classes_of(loader)
    if classes is not None and logits.ndim == 2 and logits.shape[1] < len(classes):
        raise ValueError(
            f"the network has {logits.shape[1]} outputs, too few for the loader's {len(classes)} classes "
            f"({', '.join(map(repr, classes[:12]))})"
        )
