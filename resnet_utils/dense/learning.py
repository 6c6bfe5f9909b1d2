"""Short trainings for networks that answer with boxes or with a class for each pixel.

Introduced in chapter 6.

The loop of ``training.fit`` is for one answer an image. Here a loss has several parts, and a flip of the
image flips its boxes and masks too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from resnet_utils import runtime
from resnet_utils.data.synthetic.groups import DrawnGroups
from resnet_utils.evaluation import kept_modes
from resnet_utils.runtime import given, named_device
from resnet_utils.training.optim import one_cycle, sgd

IGNORED = -100  # torch's own: a pixel that does not count
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, as the shipped backbone wants them


@given.explained
def normalized(images: Tensor, *, device: torch.device | str = "cpu") -> Tensor:
    """float32 ``(N, 3, H, W)`` with ImageNet's mean and deviation taken out, channels last.

    Args:
        images: uint8 (N, 3, H, W).
        device: where the result lies.

    Raises:
        ValueError: for another type or shape, or a device that is not here.
    """
    _require_pixels(images)
    return _normalized(images, named_device(device))


def _normalized(images: Tensor, device: torch.device) -> Tensor:
    mean, std = (torch.tensor(values, device=device)[:, None, None] for values in (MEAN, STD))
    scaled = (images.to(device).float() / 255 - mean) / std
    return scaled.contiguous(memory_format=torch.channels_last)


def _require_pixels(images: Tensor) -> None:
    """Floats would be scaled a second time, and come out nearly black."""
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images must be uint8 (N, 3, H, W), got {images.dtype} {tuple(images.shape)}")


def _asked(model: nn.Module, *inputs: Any, wanted: str) -> Any:
    """What a network answers to images, with it said in words if it cannot take them.

    Raises:
        ValueError: if it cannot.
    """
    got = f"got a {type(model).__name__}, which cannot take them"
    with given.reason_told(
        f"the model must be {wanted} for such images, {got}", also=(KeyError, AssertionError)
    ):
        return model(*inputs)


def _maps(model: nn.Module, x: Tensor) -> Mapping[str, Tensor]:
    """The answers of a segmenter to normalised images."""
    out = _asked(model, x, wanted="a segmenter")
    if not isinstance(out, Mapping) or "out" not in out:
        raise ValueError(f'the model must answer {{"out": logits}}, got {type(out).__name__}')
    return out


@given.explained
def mirrored_batches(count: int, batch: int, *, steps: int, seed: int) -> Iterator[tuple[Tensor, bool]]:
    """``steps`` times the places of a batch, and whether to mirror it: each image once before one comes
    twice.

    Args:
        count: images there are, at least ``batch``.
        batch: images in a batch.
        steps: batches in all.
        seed: of order and mirrors.

    Raises:
        ValueError: if ``batch`` is not from 1 to ``count``, ``steps`` below 1, or a number no whole one.
    """
    count, batch = given.whole_number("count", count, least=0), given.whole_number("batch", batch)
    steps, seed = given.whole_number("steps", steps), given.whole_number("seed", seed, least=0)
    if batch > count:
        raise ValueError(f"batch must be 1 to {count}, as many as there are images, got {batch}")
    return _mirrored_batches(count, batch, steps, seed)


def _mirrored_batches(count: int, batch: int, steps: int, seed: int) -> Iterator[tuple[Tensor, bool]]:
    generator, order = torch.Generator().manual_seed(seed), torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(order) < batch:
            order = torch.randperm(count, generator=generator, device="cpu")
        chosen, order = order[:batch], order[batch:]
        yield chosen, bool(torch.rand((), generator=generator, device="cpu") < 0.5)


@given.explained
def train_segmenter(
    model: nn.Module,
    images: Tensor,
    masks: Tensor,
    *,
    steps: int,
    batch: int = 16,
    lr: float = 0.05,
    weight_decay: float = 1e-4,
    aux_weight: float = 0.5,
    seed: int = 0,
) -> list[float]:
    """Train a segmenter in place with the mean cross-entropy of its pixels; returns the loss of each step.

    SGD with momentum under one cycle; half of the batches are mirrored. The model is left in train mode.

    Args:
        model: images -> ``{"out": logits (N, classes, H, W)}``, and perhaps "aux" of the same shape.
        images: uint8 (N, 3, H, W).
        masks: int64 (N, H, W), class numbers; -100 for pixels that do not count.
        steps: batches in all.
        batch: images in a batch.
        lr: the peak of the rate.
        weight_decay: of all weights.
        aux_weight: of the loss of "aux", where there is one.
        seed: of order and mirrors.

    Raises:
        ValueError: if there is not one mask an image, of its size, in classes that the model has; for images
            of another type or shape, a number out of its range, another model, or as ``mirrored_batches``.
    """
    _require_pixels(images)
    aux_weight = given.number_within("aux_weight", aux_weight)
    if masks.shape != (len(images), *images.shape[2:]):
        raise ValueError(f"one class a pixel: got {tuple(images.shape)} and {tuple(masks.shape)}")
    if masks.dtype not in (torch.int64, torch.uint8):
        raise ValueError(f"masks must be int64, got {masks.dtype}")
    device = runtime.device_of(model)
    optimizer = sgd(model, lr, weight_decay=weight_decay)
    schedule, losses = one_cycle(optimizer, steps=steps), []
    model.train()
    for chosen, mirror in mirrored_batches(len(images), batch, steps=steps, seed=seed):
        x, y = _normalized(images[chosen], device), masks[chosen].to(device)
        x, y = (x.flip(-1), y.flip(-1)) if mirror else (x, y)
        out = _maps(model, x)
        if not losses:
            _require_classes(masks, out["out"])
        loss = _pixel_loss(out["out"], y)
        if "aux" in out:
            loss = loss + aux_weight * _pixel_loss(out["aux"], y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


def _require_classes(masks: Tensor, logits: Tensor) -> None:
    """Refuse classes that a segmenter has no logits for."""
    counted = masks[masks != IGNORED]
    if counted.numel() and not 0 <= int(counted.min()) <= int(counted.max()) < logits.shape[1]:
        span = f"{int(counted.min())} to {int(counted.max())}"
        raise ValueError(f"masks must be 0 to {logits.shape[1] - 1}, or {IGNORED}, got {span}")


def _pixel_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """Mean cross-entropy; one row a pixel, since the loss of whole maps has no deterministic form on CUDA."""
    return nn.functional.cross_entropy(logits.movedim(1, -1).flatten(0, -2), classes.flatten())


@given.explained
@torch.no_grad()
def segment(model: nn.Module, images: Tensor, *, batch: int = 50) -> Tensor:
    """The likeliest class of each pixel: int64 ``(N, H, W)``, on the CPU. The model's mode is left as it
    came.

    Args:
        model: as in ``train_segmenter``.
        images: uint8 (N, 3, H, W).
        batch: images at a time.

    Raises:
        ValueError: as ``normalized``, for a model that is no segmenter, or a ``batch`` below 1.
    """
    _require_pixels(images)
    batch = given.whole_number("batch", batch)
    device = runtime.device_of(model)
    with kept_modes(model):
        model.eval()
        parts = [
            _maps(model, _normalized(some, device))["out"].argmax(dim=1).cpu() for some in images.split(batch)
        ]
    return torch.cat(parts)


@given.explained
def box_targets(groups: DrawnGroups, *, masks: bool = False) -> list[dict[str, Tensor]]:
    """What torchvision's detectors learn from, one an image: "boxes" float (k, 4), "labels" (k,) from 1.

    Args:
        groups: the drawn pictures.
        masks: whether "masks", uint8 (k, size, size), come along.

    Raises:
        ValueError: if ``masks`` is neither True nor False.
    """
    masks = given.yes_or_no("masks", masks)
    found = []
    for boxes, labels, shapes in zip(groups.boxes, groups.labels, groups.masks, strict=True):
        target = {"boxes": torch.from_numpy(boxes).float(), "labels": torch.from_numpy(labels) + 1}
        found.append(target | ({"masks": torch.from_numpy(shapes).to(torch.uint8)} if masks else {}))
    return found


@given.explained
def mirrored(target: dict[str, Tensor], width: int) -> dict[str, Tensor]:
    """The target of the mirrored image, as another dictionary.

    Args:
        target: "boxes" (k, 4) and "labels" (k,), perhaps "masks" (k, H, W).
        width: of the image in pixels.

    Raises:
        ValueError: for a target without boxes, or a ``width`` that is no whole number from 1 up.
    """
    width = given.whole_number("width", width)
    _require_target(target)
    left, top, right, bottom = target["boxes"].unbind(dim=1)
    turned = target | {"boxes": torch.stack([width - right, top, width - left, bottom], dim=1)}
    return turned | ({"masks": target["masks"].flip(-1)} if "masks" in target else {})


def _require_target(target: dict[str, Tensor]) -> None:
    """Refuse what torchvision's detectors could not learn from."""
    boxes, labels = target.get("boxes"), target.get("labels")
    if boxes is None or labels is None or boxes.ndim != 2 or boxes.shape != (len(labels), 4):
        raise ValueError(
            'a target must have "boxes" (k, 4) and "labels" (k,), got '
            f"{ {name: tuple(value.shape) for name, value in target.items()} }"
        )


@given.explained
def train_detector(
    model: nn.Module,
    images: Tensor,
    targets: list[dict[str, Tensor]],
    *,
    steps: int,
    batch: int = 8,
    lr: float = 0.02,
    weight_decay: float = 1e-4,
    seed: int = 0,
) -> list[dict[str, float]]:
    """Train one of torchvision's detectors in place on the sum of its losses; returns these of each step.

    SGD with momentum under one cycle; half of the batches are mirrored. The model is left in train mode.

    Args:
        model: ``faster_rcnn``, ``mask_rcnn`` or another with torchvision's interface.
        images: uint8 (N, 3, H, W).
        targets: one an image, as of ``box_targets``.
        steps: batches in all.
        batch: images in a batch.
        lr: the peak of the rate.
        weight_decay: of all weights.
        seed: of order and mirrors, and of the boxes that the detector draws to learn from.

    Raises:
        ValueError: for images of another type or shape, other than one target an image, a model that is no
            detector, a number out of its range, or as ``mirrored_batches``.
    """
    _require_pixels(images)
    if len(images) != len(targets):
        raise ValueError(f"one target an image: got {len(images)} images and {len(targets)} targets")
    for target in targets:
        _require_target(target)
    device, width = runtime.device_of(model), images.shape[-1]
    optimizer = sgd(model, lr, weight_decay=weight_decay)
    schedule, history = one_cycle(optimizer, steps=steps), []
    runtime.seed_everything(seed)
    model.train()
    for chosen, mirror in mirrored_batches(len(images), batch, steps=steps, seed=seed):
        x = images[chosen].to(device).float() / 255
        aims = [targets[place] for place in chosen.tolist()]
        if mirror:
            x, aims = x.flip(-1), [mirrored(aim, width) for aim in aims]
        aims = [{name: value.to(device) for name, value in aim.items()} for aim in aims]
        losses = _asked(model, list(x), aims, wanted="a detector of torchvision's")
        if not isinstance(losses, Mapping):
            raise ValueError(f"the model must answer with its losses by name, got {type(losses).__name__}")
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        schedule.step()
        history.append({name: value.item() for name, value in losses.items()})
    return history


@given.explained
@torch.no_grad()
def detect(model: nn.Module, images: Tensor, *, batch: int = 25) -> list[dict[str, Tensor]]:
    """The answers of a detector, one an image, on the CPU. The model's mode is left as it came.

    Args:
        model: as in ``train_detector``.
        images: uint8 (N, 3, H, W).
        batch: images at a time.

    Raises:
        ValueError: for images of another type or shape, a model that is no detector, or a ``batch`` below 1.
    """
    _require_pixels(images)
    batch = given.whole_number("batch", batch)
    device, answers = runtime.device_of(model), []
    with kept_modes(model):
        model.eval()
        for some in images.split(batch):
            found = _asked(model, list(some.to(device).float() / 255), wanted="a detector of torchvision's")
            if not isinstance(found, list) or not all(isinstance(answer, Mapping) for answer in found):
                raise ValueError(f"the model must answer with a list of boxes, got {type(found).__name__}")
            answers += found
    return [{name: value.cpu() for name, value in answer.items()} for answer in answers]
