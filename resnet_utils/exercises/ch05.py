"""The checkers of chapter 5: fine-tuning, its data, its leaks, its maps and its probabilities.

Introduced in chapter 5.

Each returns "correct", or a sentence that says what is wrong and never what is right. They work on small
networks and drawings of their own, leave what they are handed as it was, and leave the global random state
alone.
"""

from __future__ import annotations

import math
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

from resnet_utils import data, deployment, evaluation, finetuning, models
from resnet_utils.analysis import grad_cam
from resnet_utils.evaluation import calibration
from resnet_utils.exercises.answers import Wrong, described, one_number, reply, result

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's weights and of the shipped ones
DEPTHS = (18, 34, 50, 101, 152)


# --- what all of them share ---------------------------------------------------------------------------


def _whole(value: object, what: str) -> int:
    """``value`` as a whole number."""
    number = one_number(value, what)
    if number != int(number):
        raise Wrong(f"{what} has to be a whole number, got {number:g}")
    return int(number)


def _tensor(value: object, shape: tuple[int, ...], what: str) -> Tensor:
    """``value`` as a float64 tensor of this shape, from a tensor, an array or nested lists of numbers."""
    try:
        found = torch.as_tensor(value).detach().cpu().double()
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(f"{what} has to be a tensor of shape {shape}, got {described(value)}") from None
    if tuple(found.shape) != shape:
        raise Wrong(f"the shape of {what} should be {shape}, it is {tuple(found.shape)}")
    if not torch.isfinite(found).all():
        raise Wrong(f"{what} has values that are not finite")
    return found


def _network(num_classes: int = 10, width: int = 4, seed: int = 0) -> models.ResNet:
    """A small network with BatchNorm, the same each time."""
    torch.manual_seed(seed)
    return models.build("resnet20", num_classes, width=width)


def _images(count: int, seed: int, size: int = 16) -> Tensor:
    """Random images, float32 (count, 3, size, size)."""
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def _moved(before: dict[str, Tensor], model: nn.Module) -> list[str]:
    """The names of what has changed by any bit since ``before``."""
    after = model.state_dict()
    return [key for key in before if key not in after or not torch.equal(after[key], before[key])]


def _state(model: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}


def _depends_on_company(model: nn.Module) -> bool:
    """Whether the answer for an image changes with the other images of its batch, or from call to call."""
    alone, others = _images(2, seed=1), _images(6, seed=2)
    with torch.no_grad():
        first = model(torch.cat([alone, others]))[:2]
        second = model(torch.cat([alone, 3 + 2 * others]))[:2]
    return not torch.allclose(first, second, rtol=1e-3, atol=1e-4)


# --- the chapter itself -------------------------------------------------------------------------------


def check_test_size(total: object) -> str:
    """Whether so many test images give 95 % to within one point either way.

    Half of Wilson's interval has to be one point, give or take 2 %.

    Args:
        total: the number of images: any kind of whole number above 0.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_count, total)


def _count(total: object) -> str:
    images = _whole(total, "the number of images")
    if images < 1:
        raise Wrong(f"the number of images has to be positive, got {images}")
    low, high = evaluation.accuracy_interval(round(0.95 * images), images)
    width = 50 * (high - low)
    if width > 1.02:
        return f"too few: {images} images leave {width:.2f} points either way"
    return "correct" if width > 0.98 else f"more than needed: {width:.2f} points either way"


def check_only_b(significant: object, not_significant: object) -> str:
    """Whether p lies below 0.05 for one number of images on which only B is right, and above for another.

    A is right on 900 of 1,000 images, and B on 915.

    Args:
        significant: the number of images with p below 0.05, a whole number.
        not_significant: the number of images with p above 0.05, a whole number.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_pair, significant, not_significant)


def _pair(significant: object, not_significant: object) -> str:
    found = []
    for given in (significant, not_significant):
        only_b = _whole(given, "a number of images on which only B is right")
        only_a = only_b - (915 - 900)
        if not 0 <= only_a <= 1000 - 915:
            return f"{only_b} cannot be: A is wrong on 100 images and B on 85, and B has 15 more right"
        right_a = torch.tensor([True] * only_a + [False] * only_b)
        found.append(evaluation.mcnemar(right_a, ~right_a).p)
    if found[0] >= 0.05:
        return f"with {described(significant)} images p is {found[0]:.3f}: a coin does that too often"
    if found[1] <= 0.05:
        return f"with {described(not_significant)} images p is {found[1]:.3f}: a coin hardly ever does that"
    return "correct"


def check_new_head(prepare: object) -> str:
    """Whether a network gets a new head for two classes, with the body frozen, that one step moves.

    Args:
        prepare: a function ``prepare(model)`` that returns the model, whose head is ``fc``, and its
            optimiser.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_head, prepare)


def _head(prepare: object) -> str:
    given = result(prepare, _network(), what="prepare")
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise Wrong(f"prepare has to return the model and the optimiser, got {described(given)}")
    model, optimizer = given
    if not isinstance(model, nn.Module) or not isinstance(optimizer, torch.optim.Optimizer):
        raise Wrong(
            f"the model and its optimiser are wanted, got {described(model)} and {described(optimizer)}"
        )
    images, labels = _images(4, seed=3), torch.tensor([0, 1, 0, 1])
    logits = result(model, images, what="the model")
    if tuple(logits.shape) != (4, 2):
        raise Wrong(f"the new head has to have two outputs, it has {logits.shape[-1]}")
    head = {name: p for name, p in model.named_parameters() if name.startswith("fc.")}
    before = {name: p.detach().clone() for name, p in head.items()}
    try:
        nn.functional.cross_entropy(logits, labels).backward()
    except RuntimeError as error:
        return f"backward() stops: {str(error)[:42]}"
    open_ones = [n for n, p in model.named_parameters() if p.requires_grad and n not in head]
    if open_ones:
        return f"{open_ones[0]} and {len(open_ones) - 1} more below the head still take gradients"
    optimizer.step()
    if all(torch.equal(p, before[name]) for name, p in head.items()):
        return "the step did not move the head: which parameters does the optimiser hold?"
    return "correct"


def check_stem_rates(of_ours: object, of_resnet20: object) -> str:
    """Whether two predictions of the stem's learning rate are right.

    Args:
        of_ours: the rate for the chapter's network: any kind of number.
        of_resnet20: the rate for a ResNet-20, likewise.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_rates, of_ours, of_resnet20)


def _rates(of_ours: object, of_resnet20: object) -> str:
    for name, given in (("resnet18", of_ours), ("resnet20", of_resnet20)):
        said = one_number(given, f"the rate of the stem of a {name}")
        with torch.device("meta"):
            groups = finetuning.parameter_groups(models.build(name, 2), 0.1, factor=0.5)
        if not math.isclose(said, groups[0]["lr"], rel_tol=1e-3):
            way = "too fast: there are more steps down" if said > groups[0]["lr"] else "too slow: count again"
            return f"{said:g} is not the rate of the stem of a {name}, it is {way}"
    return "correct"


# --- the data -----------------------------------------------------------------------------------------


def check_torn(torn: object) -> str:
    """Whether a share is that of the pairs that a random cut tears.

    Compared with 200,000 simulated pairs, to within 0.01.

    Args:
        torn: a function ``torn(s)`` of the share s in the first part that returns a share, between 0 and 1.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_torn, torn)


def _torn(torn: object) -> str:
    generator = torch.Generator().manual_seed(0)
    for share in (0.5, 0.75, 0.9):
        first, second = torch.rand(2, 200_000, generator=generator, dtype=torch.float64) < share
        simulated = (first != second).double().mean().item()
        said = one_number(result(torn, share, what="torn", where=f"for s = {share}"), "what torn returns")
        if not 0 <= said <= 1:
            return f"a share lies between 0 and 1; for s = {share} it is {said:.3f}"
        if abs(said - simulated) > 0.01:
            return (
                f"for s = {share} it gives {said:.3f}, and simulated pairs are torn {_than(simulated, said)}"
            )
    return "correct"


def _than(truth: float, said: float) -> str:
    return "more often" if truth > said else "less often"


def check_cut(cut: object) -> str:
    """Whether a cut leaves no owner on both sides.

    The training part has to hold a third to two thirds of the pictures.

    Args:
        cut: a function ``cut(owner)`` of a list with the owner of each picture that returns the places of the
            training part: whole numbers in any container.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_cut, cut)


def _cut(cut: object) -> str:
    first = ["the friend"] * 40 + [f"owner {k % 20}" for k in range(80)]
    for owner in (first, [f"owner {k % 40}" for k in range(120)]):
        given = result(cut, list(owner), what="cut")
        try:
            listed = given.tolist() if isinstance(given, Tensor | np.ndarray) else list(given)
        except TypeError:
            raise Wrong(f"the places of the training part are wanted, got {described(given)}") from None
        if any(isinstance(place, bool) for place in listed):
            return "places are whole numbers, not True and False"
        part = {_whole(place, "a place") for place in listed}
        if not part <= set(range(len(owner))):
            return f"places lie between 0 and {len(owner) - 1}, got {max(part, key=abs)}"
        both = {owner[k] for k in part} & {owner[k] for k in range(len(owner)) if k not in part}
        if both:
            return f"{len(both)} owners have pictures on both sides"
        if not 40 <= len(part) <= 80:
            return f"{len(part)} of 120 pictures are not between a third and two thirds"
    return "correct"


# --- what the network is fed --------------------------------------------------------------------------


class _Asked(Exception):
    """Carries the weights that torchvision was about to fetch."""

    def __init__(self, weights: Any) -> None:
        super().__init__(str(weights))
        self.weights = weights


def check_weights(load: object) -> str:
    """Whether a function says which weights of a ResNet-50 it wants from torchvision.

    It is stopped before it fetches anything.

    Args:
        load: a function ``load()`` without arguments that calls torchvision.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_weights, load)


def _weights(load: object) -> str:
    import torchvision

    if not callable(load):
        raise Wrong(f"load has to be a function, got {described(load)}")

    def stop(wanted: Any, *_: Any, progress: bool = True, check_hash: bool = False) -> None:
        raise _Asked(wanted)

    weights = None
    with warnings.catch_warnings(record=True) as said, torch.device("meta"):
        warnings.simplefilter("always")
        with mock.patch.object(torchvision.models.WeightsEnum, "get_state_dict", stop):
            try:
                load()
            except _Asked as asked:
                weights = asked.weights
            except Exception as error:  # the reader's code may fail in any way
                return f"load stops with {type(error).__name__}: {str(error)[:60]}"
    if weights is None:
        return "it loads no weights at all"
    unnamed = ("'pretrained' is deprecated", "Arguments other than a weight enum")
    if any(words in str(warning.message) for warning in said for words in unnamed):
        return f"it does not name its weights; what it would load: {weights.name}"
    if type(weights) is not torchvision.models.ResNet50_Weights:
        return f"those are weights of another network: {type(weights).__name__}"
    if weights != torchvision.models.ResNet50_Weights.DEFAULT:
        return f"it names its weights, {weights.name}, but there are newer ones"
    return "correct"


def check_feed(feed: object) -> str:
    """Whether images become what a network with ImageNet's numbers wants.

    The shipped network answers about a hundred drawings.

    Args:
        feed: a function ``feed(images)`` of uint8 (N, 3, H, W) that returns a float tensor of the same shape.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_feed, feed)


@torch.no_grad()
def _feed(feed: object) -> str:
    split = data.drawn_animals(100, size=32, seed=11)
    wanted = next(iter(data.loader(split, 100, mean=MEAN, std=STD)))[0]
    given = result(feed, split.images.clone(), what="feed")
    fed = _tensor(given, tuple(wanted.shape), "what feed returns").float()
    if torch.allclose(fed, wanted, atol=1e-3):
        return "correct"
    model = models.from_card(models.shipped("resnet18-source")).eval()
    changed = int((model(fed).argmax(1) != model(wanted).argmax(1)).sum())
    off = (fed - wanted).abs().max().item()
    return (
        f"{changed} of 100 answers of a trained network are other ones; the pixels are off by up to {off:.2g}"
    )


# --- freezing -----------------------------------------------------------------------------------------


def check_still(forward: object) -> str:
    """Whether a pass leaves a network with a frozen body as it is.

    No number of the network may move, and no answer may depend on the other images of a batch.

    Args:
        forward: a function ``forward(model, images)`` that passes images (N, 3, H, W) through the model; what
            it returns does not matter.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_still, forward)


def _still(forward: object) -> str:
    model = _network(2)
    finetuning.freeze(model)
    before, calls = _state(model), []
    hook = model.conv1.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        result(forward, model, _images(8, seed=4), what="forward")
    hook.remove()
    if not calls:
        return "the images never went through the network"
    moved = _moved(before, model)
    if moved:
        kinds = sorted({key.rsplit(".", 1)[-1] for key in moved})
        return f"{len(moved)} tensors moved without a gradient: {', '.join(kinds)}"
    if _depends_on_company(model):
        return "nothing has moved, but an image's answer depends on the others in its batch"
    return "correct"


def check_frozen(freeze_all_but_head: object) -> str:
    """Whether a network is frozen but for its head.

    Afterwards no pass may move a number or let the answer for an image depend on its neighbours.

    Args:
        freeze_all_but_head: a function ``freeze_all_but_head(model)`` that freezes all but ``fc``, in place
            or in a copy that it returns.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_frozen, freeze_all_but_head)


def _frozen(freeze_all_but_head: object) -> str:
    model = _network(2)
    returned = result(freeze_all_but_head, model, what="freeze_all_but_head")
    model = returned if isinstance(returned, nn.Module) else model
    head = {name: p for name, p in model.named_parameters() if name.startswith("fc.")}
    if any(p.requires_grad for name, p in model.named_parameters() if name not in head):
        return "a parameter below the head still takes gradients"
    if not head or not all(p.requires_grad for p in head.values()):
        return "the head is frozen too: nothing is left to learn"
    before = _state(model)
    with torch.no_grad():
        for seed, count in ((5, 8), (6, 4)):
            result(model, _images(count, seed), what="the network")
    moved = _moved(before, model)
    if moved:
        return f"moved without a gradient: {moved[0]} and {len(moved) - 1} more"
    if _depends_on_company(model):
        return "nothing has moved, but an image's answer depends on the others in its batch"
    return "correct"


def check_left_over(left: object) -> str:
    """Whether a share of the old running mean is left after so many batches in train mode.

    Compared with a BatchNorm of torch, to within 1e-4.

    Args:
        left: a function ``left(batches)`` of a whole number that returns the share, between 0 and 1.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_left, left)


def _left(left: object) -> str:
    for batches in (1, 2, 12, 40):
        norm = nn.BatchNorm1d(1, affine=False)
        mean = norm.get_buffer("running_mean").fill_(1.0)
        for _ in range(batches):
            norm(torch.zeros(4, 1))
        given = result(left, batches, what="left", where=f"for {batches} batches")
        said = one_number(given, "what left returns")
        if abs(said - mean.item()) > 1e-4:
            way = "more" if mean.item() > said else "less"
            return f"after {batches} batches it gives {said:.4f}; in a real BatchNorm {way} is left"
    return "correct"


# --- knowing by heart ---------------------------------------------------------------------------------


def check_cure(run: object, without: object) -> str:
    """Whether a cure against learning by heart works.

    The loss on others has to fall by more than 5 %, and their accuracy may fall by less than fifteen points.

    Args:
        run: what ``overfit`` returned with the cure: history, (loss, accuracy) on own images, and on others.
        without: what it returned without the cure.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_cure, run, without)


def _cure(run: object, without: object) -> str:
    scores = []
    for given in (run, without):
        if not isinstance(given, tuple | list) or len(given) != 3:
            raise Wrong(f"what overfit returns is wanted (three things), got {described(given)}")
        pair = given[2]
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise Wrong(f"the third has to be the loss and the accuracy on others, got {described(pair)}")
        scores.append([one_number(value, "loss and accuracy") for value in pair])
    (loss, accuracy), (usual, usual_accuracy) = scores
    if loss > 0.95 * usual:
        return f"the loss on other images is {loss:.2f} nats, without a cure {usual:.2f}"
    if accuracy <= usual_accuracy - 0.15:
        return "it gets the other images right less often, too"
    return "correct"


def check_pulls(pulls: object) -> str:
    """Whether three numbers are the gradients of three penalties by a weight.

    Compared with autograd at several places.

    Args:
        pulls: a function ``pulls(w, s, strength)`` of the weight, its start and the strength that returns
            three numbers: for the squared weight, the absolute weight and the squared distance from the
            start.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_pulls, pulls)


def _pulls(pulls: object) -> str:
    names = ("the squared weight", "the absolute weight", "the squared distance from the start")
    for w, s, strength in ((0.01, 0.02, 1.0), (-0.3, 0.1, 1.0), (0.5, -0.2, 0.1), (-2.0, -1.0, 3.0)):
        x = torch.tensor(w, dtype=torch.float64, requires_grad=True)
        penalties = strength / 2 * x**2, strength * x.abs(), strength / 2 * (x - s) ** 2
        wanted = [torch.autograd.grad(penalty, x)[0].item() for penalty in penalties]
        where = f"for w = {w}, s = {s} and a strength of {strength:g}"
        given = result(pulls, w, s, strength, what="pulls", where=where)
        try:
            found = list(given)
        except TypeError:
            raise Wrong(f"three numbers are wanted, got {described(given)}") from None
        if len(found) != 3:
            return f"three numbers are wanted, got {len(found)}"
        for name, value, truth in zip(names, found, wanted, strict=True):
            said = one_number(value, f"the pull of {name}")
            if not math.isclose(said, truth, rel_tol=1e-4, abs_tol=1e-7):
                way = "has the wrong sign" if said * truth < 0 else "is not its derivative"
                return f"{where} the pull of {name}, {said:g}, {way}"
    return "correct"


# --- leaks --------------------------------------------------------------------------------------------


def check_report(report: object, candidates: int = 20) -> str:
    """Whether what is reported of the best of several candidates is true.

    On average over a hundred rounds it has to be the accuracy of the equally good candidates, to within
    0.004, whatever that is.

    Args:
        report: a function ``report(valid, test)`` of right or wrong, bool (candidates, 1000), on two sets
            that returns an accuracy, between 0 and 1.
        candidates: how many there are in each round.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_report, report, candidates)


def _report(report: object, candidates: int) -> str:
    generator = torch.Generator().manual_seed(0)
    for truth in (0.9, 0.7):
        excess = []
        for _ in range(100):
            shape = (2, candidates, 1000)
            valid, test = torch.rand(shape, generator=generator) < truth
            given = result(report, valid.clone(), test.clone(), what="report")
            excess.append(one_number(given, "what report returns") - truth)
        points = 100 * float(np.mean(excess))
        if abs(points) > 25:
            return "what it returns is no accuracy of these models; a share between 0 and 1 is wanted"
        if abs(points) > 0.4:
            way = "much" if points > 0 else "little"
            return (
                f"it reports {abs(points):.1f} points too {way}, and all of the {candidates} are equally good"
            )
    return "correct"


def check_leak_formula(measured: object) -> str:
    """Whether a formula is the score that a leak makes of the true accuracy.

    Compared with a simulation, to within 0.005.

    Args:
        measured: a function ``measured(a, s)`` of the true accuracy a and the share s of copies known by
            heart that returns the score, between 0 and 1.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_leak_formula, measured)


def _leak_formula(measured: object) -> str:
    generator = torch.Generator().manual_seed(0)
    for a, s in ((0.8, 0.1), (0.6, 0.5), (0.9, 0.0)):
        right, copied = torch.rand(2, 200_000, generator=generator, dtype=torch.float64)
        simulated = ((right < a) | (copied < s)).double().mean().item()
        where = f"for a = {a} and s = {s}"
        said = one_number(result(measured, a, s, what="measured", where=where), "what measured returns")
        if not 0 <= said <= 1:
            return f"{where} it gives {said:.3f}, and a score lies between 0 and 1"
        if abs(said - simulated) > 0.005:
            way = "higher" if simulated > said else "lower"
            return f"{where} it gives {said:.3f}, and the simulated score is {way}"
    return "correct"


# --- where it looks -----------------------------------------------------------------------------------


def check_map(candidate: object) -> str:
    """Whether a function computes Grad-CAM at the last stage.

    Compared with the package's, on six random images and a small network.

    Args:
        candidate: a function ``candidate(model, x, target)`` of images (N, 3, H, W) and classes (N,) that
            returns maps (N, h, w), at least 0.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_map, candidate)


def _map(candidate: object) -> str:
    model = _network(3, width=8).eval()
    x, target = _images(6, seed=7, size=32), torch.tensor([0, 1, 2, 0, 1, 2])
    expected = grad_cam.grad_cam(model, x, target).double()
    given = result(candidate, model, x.clone(), target.clone(), what="the map")
    found = _tensor(given, tuple(expected.shape), "the maps")
    if (found < 0).any():
        return "what speaks against the class has to be cut off"
    if torch.allclose(found, expected, rtol=1e-3, atol=1e-5):
        return "correct"
    scaled = [maps / maps.sum(dim=(1, 2), keepdim=True).clamp_min(1e-12) for maps in (found, expected)]
    same = torch.allclose(*scaled, rtol=1e-3, atol=1e-5)
    return "the maps differ by a factor for each image" if same else "the maps differ, and not by a factor"


def check_mass(inside: object) -> str:
    """Whether a score is the share of each map's mass where its mask is True.

    Args:
        inside: a function ``inside(maps, masks)`` of float (N, H, W), at least 0, and bool of the same shape
            that returns (N,).

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_mass, inside)


def _mass(inside: object) -> str:
    generator = torch.Generator().manual_seed(8)
    maps = torch.rand(5, 12, 12, generator=generator, dtype=torch.float64) ** 2
    masks = torch.rand(5, 12, 12, generator=generator) < 0.3
    wanted = grad_cam.mass_inside(maps, masks)

    def score(bright: Tensor) -> Tensor:
        return _tensor(result(inside, bright, masks.clone(), what="inside"), (5,), "the score")

    found = score(maps.clone())
    if torch.allclose(found, wanted, atol=1e-5):
        return "correct"
    if not torch.allclose(score(2 * maps), found):
        return "a map that is twice as bright gets another score"
    if (found < 0).any() or (found > 1).any():
        return "a share lies between 0 and 1"
    return "the share of the mass that lies where the mask is True is another one"


# --- how sure -----------------------------------------------------------------------------------------


def check_temperature(temperature: object) -> str:
    """Whether a number is the temperature for answers of 99 % of which 90 % are right.

    Args:
        temperature: any kind of number above 0, to within 0.005.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_temperature, temperature)


def _temperature(temperature: object) -> str:
    given = one_number(temperature, "the temperature")
    if given <= 0:
        return f"a temperature is above 0, got {given:g}"
    z = torch.tensor([[math.log(0.99 / 0.01), 0.0]], dtype=torch.float64).repeat(1000, 1)
    labels = (torch.arange(1000) >= 900).long()
    if abs(calibration.fit_temperature(z, labels) - given) < 5e-3:
        return "correct"
    sure = 100 * calibration.confidence(z, temperature=given)[0].item()
    near = " (near, but compute it to two decimals)" if abs(sure - 90) < 0.5 else ""
    return f"its confidence is then {sure:.2f} %, and of the answers 90 % are right{near}"


def check_threshold(threshold_for: object) -> str:
    """Whether a threshold is the cheapest, for calibrated answers of every confidence.

    Args:
        threshold_for: a function ``threshold_for(w, d)`` of the costs of a mistake, w, and of silence, d,
            that returns the threshold, between 0 and 1.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_threshold, threshold_for)


def _threshold(threshold_for: object) -> str:
    p = torch.linspace(0.5, 1, 2001, dtype=torch.float64)  # every confidence equally often

    def cost(threshold: float, w: float, d: float) -> float:
        return torch.where(p >= threshold, (1 - p) * w, torch.tensor(d, dtype=p.dtype)).mean().item()

    for w, d in ((5.0, 1.0), (10.0, 3.0), (3.0, 0.5)):
        where = f"for w = {w:g} and d = {d:g}"
        given = one_number(result(threshold_for, w, d, what="threshold_for", where=where), "the threshold")
        if not 0 <= given <= 1:
            return f"{where} it gives {given:g}, and a threshold lies between 0 and 1"
        best = min(p.tolist(), key=lambda t: cost(t, w, d))
        if cost(given, w, d) > cost(best, w, d) + 1e-4:
            way = "higher" if best > given else "lower"
            return f"{where} there is a cheaper threshold than {given:.2f}, and it is {way}"
    return "correct"


# --- your own photographs -----------------------------------------------------------------------------


def check_balanced_accuracy(mean_of_recalls: object) -> str:
    """Whether a function gives the mean of the recalls of the classes.

    It is tried on random answers about classes of very different sizes, and where one class has no image.

    Args:
        mean_of_recalls: a function ``mean_of_recalls(logits, labels)`` that returns a number in [0, 1].

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_balanced_accuracy, mean_of_recalls)


def _balanced_accuracy(function: object) -> str:
    generator = torch.Generator().manual_seed(1)
    for sizes in ((50, 50), (200, 10), (120, 30, 6), (40, 0, 10)):
        labels = torch.tensor([k for k, size in enumerate(sizes) for _ in range(size)])
        logits = torch.randn(len(labels), len(sizes), generator=generator)
        logits[:, 0] += 0.7  # the first class is answered more often
        where = f"for classes of {' and '.join(map(str, sizes))} images"
        about = result(function, logits, labels, what="mean_of_recalls", where=where)
        found = one_number(about, f"the result {where}")
        answers = logits.argmax(dim=1)
        right = (answers == labels).double()
        wanted = float(torch.stack([right[labels == k].mean() for k in labels.unique()]).mean())
        if not 0 <= found <= 1:
            return f"{where} it gives {found:g}, and a share lies between 0 and 1"
        if abs(found - wanted) > 1e-6:
            plain = abs(found - float(right.mean())) < 1e-6
            more = "that is the accuracy, in which the large class counts most" if plain else ""
            return (
                f"{where} it gives {found:.3f}, and that is too {'large' if found > wanted else 'small'}"
                + (f": {more}" if more else "")
            )
    return "correct"


def check_prior(for_equal_classes: object) -> str:
    """Whether a function takes out of the logits what the network knows of how frequent the classes are.

    It is tried where the truth is known: two or three kinds of points whose best answer follows from Bayes'
    rule, once with the frequencies of the training and once with equal ones.

    Args:
        for_equal_classes: a function ``for_equal_classes(logits, counts)`` of logits ``(N, K)`` and the
            number of training images of each class ``(K,)``, that returns logits ``(N, K)``; a number added
            to a whole row changes nothing.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_prior, for_equal_classes)


def _prior(function: object) -> str:
    x = torch.linspace(-3, 5, 17, dtype=torch.float64)
    for counts in ((100, 100), (400, 20), (300, 60, 15)):
        centers = torch.arange(len(counts), dtype=torch.float64)
        evidence = -((x[:, None] - 2 * centers) ** 2) / 2  # log of the density of x in each class
        logits = evidence + torch.tensor(counts, dtype=torch.float64).log()
        where = f"with {' and '.join(map(str, counts))} training images"
        given = result(function, logits.clone(), torch.tensor(counts), what="for_equal_classes", where=where)
        found = _tensor(given, tuple(logits.shape), f"the result {where}")
        if not torch.allclose(found.softmax(dim=1), evidence.softmax(dim=1), atol=1e-4):
            if torch.allclose(found.softmax(dim=1), logits.softmax(dim=1), atol=1e-4):
                return f"{where} the probabilities are still those of the training"
            rare = found.softmax(dim=1)[:, -1].mean() > evidence.softmax(dim=1)[:, -1].mean()
            return f"{where} the last class gets too {'much' if rare else 'little'}"
    return "correct"


# --- using it -----------------------------------------------------------------------------------------


def check_sorting(sort_folder: object) -> str:
    """Whether a function sorts a folder into heaps, whatever lies in it.

    There are four pictures and two files that are none, and a classifier that always answers, then one that
    never does.

    Args:
        sort_folder: a function ``sort_folder(judge, folder)`` of a ``deployment.Classifier`` and a path that
            returns a dictionary from each file name to a class, "unknown" or "no picture".

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_sorting, sort_folder)


def _sorting(sort_folder: object) -> str:
    from PIL import Image

    pictures = data.drawn_animals(4, size=32, seed=9).images
    model = _network(2).eval()
    judge = deployment.Classifier(model, "resnet20", ("cat", "dog"), size=32, mean=MEAN, std=STD)
    judge = replace(judge, model=_balanced(judge, pictures))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for k, picture in enumerate(pictures):
            Image.fromarray(picture.numpy().transpose(1, 2, 0)).save(folder / f"{k}.png")
        (folder / "letter.jpg").write_text("meow", encoding="utf-8")
        (folder / "empty.jpg").touch()
        for asked in (replace(judge, threshold=0.0), replace(judge, threshold=1.0)):
            files = [folder / f"{k}.png" for k in range(len(pictures))]
            wanted = {file.name: asked.answer(file).label or "unknown" for file in files}
            wanted |= {"letter.jpg": "no picture", "empty.jpg": "no picture"}
            _compare_heaps(_heaps(sort_folder, asked, folder), wanted, asked.threshold)
    return "correct"


def _balanced(judge: deployment.Classifier, pictures: Tensor) -> models.ResNet:
    """The network with a bias that lets it call half of the pictures dogs."""
    lead = judge.logits(pictures)
    between = (lead[:, 1] - lead[:, 0]).sort().values[1:3].mean()
    with torch.no_grad():
        judge.model.fc.bias[0] += between
    return judge.model


def _heaps(sort_folder: object, judge: deployment.Classifier, folder: Path) -> dict[str, object]:
    if not callable(sort_folder):
        raise Wrong(f"sort_folder has to be a function, got {described(sort_folder)}")
    try:
        found = sort_folder(judge, folder)
    except Exception as error:  # the reader's code may fail in any way
        raise Wrong(f"one bad file ended the run: {str(error).replace(str(folder), '')[:40]}") from error
    if not isinstance(found, dict):
        raise Wrong(f"a dictionary is wanted, file name to heap, got {described(found)}")
    return {Path(str(key)).name: value for key, value in found.items()}


def _compare_heaps(found: dict[str, object], wanted: dict[str, str], threshold: float) -> None:
    missing = sorted(wanted.keys() - found.keys())
    if missing:
        raise Wrong(f"{missing[0]} is in no heap; every file of the folder belongs in one")
    more = sorted(found.keys() - wanted.keys())
    if more:
        raise Wrong(f"{more[0]} is no file of the folder")
    wrong = [name for name in wanted if found[name] != wanted[name]]
    if wrong:
        raise Wrong(
            f"with a threshold of {threshold:g} {wrong[0]} and {len(wrong) - 1} more lie in a wrong heap"
        )


def check_decision(decide: object) -> str:
    """Whether a function names a class where it is sure enough, and withholds it elsewhere.

    Args:
        decide: a function ``decide(logits, classes, threshold)`` of a list of numbers for one image, a list
            of names and a share that returns one of the names, or None below the threshold.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_decision, decide)


DECISIONS = (
    ([2.0, 0.0], 0.85), ([0.0, 2.0], 0.9), ([0.3, 0.1, 0.2], 0.3), ([0.3, 0.1, 0.2], 0.5),
    ([-5.0, -9.0], 0.9), ([1000.0, 0.0], 0.99), ([-1000.0, -1001.0], 0.7),
)  # fmt: skip


def _decision(decide: object) -> str:
    for logits, threshold in DECISIONS:
        classes = ["cat", "dog", "fox"][: len(logits)]
        shares = torch.tensor(logits, dtype=torch.float64).softmax(dim=0)
        wanted = classes[int(shares.argmax())] if float(shares.max()) >= threshold else None
        where = f"for logits {logits} and a threshold of {threshold}"
        given = result(decide, list(logits), list(classes), threshold, what="decide", where=where)
        if given is not None and given not in classes:
            return f"{where} it gives {described(given)}; a class or None is wanted"
        if given != wanted:
            way = "withholds an answer that is sure enough" if given is None else "answers wrongly"
            return f"{where} it {way}"
    return "correct"


# --- choosing a model ---------------------------------------------------------------------------------


def check_cheapest(cheapest: object) -> str:
    """Whether a function finds the cheapest of torchvision's ResNets that is good enough.

    Args:
        cheapest: a function ``cheapest(top1)`` of an accuracy in percent that returns a pair: the names of a
            network and of its weights. The weights may be torchvision's enum member, too.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_cheapest, cheapest)


def _cheapest(cheapest: object) -> str:
    import torchvision

    table = {}
    for name in (f"resnet{depth}" for depth in DEPTHS):
        for weights in torchvision.models.get_model_weights(name):
            top1 = weights.meta["_metrics"]["ImageNet-1K"]["acc@1"]
            table[name, weights.name] = weights.meta["_ops"], -top1
    for wanted in (69, 71, 74, 76, 78, 81, 82):
        given = result(cheapest, wanted, what="cheapest", where=f"for {wanted} %")
        if not isinstance(given, tuple | list) or len(given) != 2:
            raise Wrong(f"two names are wanted, of a network and of its weights, got {described(given)}")
        named = str(given[0]), getattr(given[1], "name", str(given[1]))
        if named not in table:
            return f"{named[0]} with {named[1]} is none of torchvision's five ResNets with their weights"
        cost, top1 = table[named]
        if -top1 < wanted:
            return f"for {wanted} % it names {' '.join(named)}, which has only {-top1:.1f} %"
        best = min(row for row in table.values() if -row[1] >= wanted)
        if cost > best[0]:
            return f"for {wanted} % it names {' '.join(named)}, and a cheaper one is good enough"
        if (cost, top1) != best:
            return f"for {wanted} % it names {' '.join(named)}, and a better one costs the same"
    return "correct"


def check_side(side: object) -> str:
    """Whether a number is the largest side of an image that a budget affords.

    Args:
        side: a function ``side(c, s, b)`` that returns the side in whole pixels for b multiply-adds, where an
            image of side s costs c.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_side, side)


def _side(side: object) -> str:
    for c, s, b in ((1.0, 100, 2.0), (4.1, 224, 8.2), (1.8, 224, 0.9), (10.0, 64, 40.0), (3.0, 50, 1.0)):
        where = f"for c = {c}, s = {s} and b = {b}"
        given = _whole(result(side, c, s, b, what="side", where=where), "the side")
        if c * (given / s) ** 2 > b * (1 + 1e-9):
            return f"{where} it gives {given} pixels, which cost more than that"
        if c * ((given + 1) / s) ** 2 <= b * (1 - 1e-9):
            return f"{where} it gives {given} pixels, and one more can be afforded"
    return "correct"
