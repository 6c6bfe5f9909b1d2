"""The checkers of chapter 6, "Beyond classification".

Introduced in chapter 6.

Each takes a reader's answer and returns "correct", or a sentence that says what is wrong and never what
would be right. None raises on an answer of a wrong kind, changes what it is given, or moves the global random
state.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from resnet_utils.dense import dilate
from resnet_utils.evaluation import segmentation
from resnet_utils.exercises.answers import CORRECT, described, number, tried
from resnet_utils.models import ResNet, build

# --- reading an answer -------------------------------------------------------------------------------------


def _whole_number(answer: object, truth: int, what: str) -> str:
    """The verdict on a number that can be counted."""
    value = number(answer)
    if value is None:
        return f"the answer should be {what}, but this is {described(answer)}"
    if value != int(value) or value <= 0:
        return f"{what} is a whole number above zero"
    return CORRECT if value == truth else ("too few" if value < truth else "too many")


def _drawn(*shape: int, seed: int) -> Tensor:
    """Numbers in [0, 1), float64, from a generator of their own."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# --- the main notebook -------------------------------------------------------------------------------------


def check_iou(function: Callable[[Any, Any], Any]) -> str:
    """Whether a function gives the intersection over union of two boxes.

    Args:
        function: of two boxes, each (left, top, right, bottom), that returns a number in [0, 1].

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    cases = [
        ((0, 0, 2, 2), (0, 0, 2, 2), 1.0, "of a box and itself"),
        ((0, 0, 2, 2), (1, 1, 3, 3), 1 / 7, "of two boxes that overlap at a corner"),
        ((0, 0, 4, 4), (1, 1, 2, 3), 2 / 16, "of a box inside another"),
        ((0, 0, 2, 2), (2, 0, 4, 2), 0.0, "of two boxes that only touch"),
        ((0, 0, 1, 1), (5, 0, 6, 1), 0.0, "of two boxes side by side"),
        ((0, 0, 1, 1), (5, 5, 6, 6), 0.0, "of two boxes apart in both directions"),
        ((0, 2, 10, 4), (3, 0, 5, 9), 4 / 34, "of two boxes that cross"),
    ]
    for first, second, truth, where in cases:
        for pair in ((first, second), (second, first)):
            found, wrong = tried(function, *pair)
            if wrong:
                return wrong
            value = number(found)
            if value is None:
                return f"the answer should be a number, but {where} it is {described(found)}"
            if abs(value - truth) > 1e-6:
                return (
                    f"{where} the answer is {value:.3f}, which is too {'large' if value > truth else 'small'}"
                )
    return CORRECT


def check_anchors(answer: float) -> str:
    """Whether this is the number of anchors that the live detector lays over one image.

    Args:
        answer: how many.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    places = sum((64 // stride) ** 2 for stride in (4, 8, 16))
    value = number(answer)
    if value == places:
        return "so many places there are; what stands at each?"
    return _whole_number(answer, 3 * places, "the number of anchors")


# --- the rooms ---------------------------------------------------------------------------------------------


def check_affine(function: Callable[[nn.Module], Any]) -> str:
    """Whether a function turns a BatchNorm in eval mode into a factor and a summand for each channel.

    Args:
        function: of a BatchNorm2d that returns two tensors (channels,): what each channel is multiplied by,
            and what is added then.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    norm = nn.BatchNorm2d(3, eps=1e-2).double().eval()
    with torch.no_grad():
        for seed, tensor in enumerate((norm.weight, norm.bias, norm.running_mean, norm.running_var)):
            assert isinstance(tensor, Tensor)
            tensor.copy_(0.5 + _drawn(3, seed=seed))
        x = _drawn(2, 3, 4, 4, seed=9)
        truth = norm(x)
    found, wrong = tried(function, norm)
    if wrong:
        return wrong
    if not isinstance(found, tuple | list) or len(found) != 2:
        return f"two tensors are wanted, but this is {described(found)}"
    if not all(isinstance(one, Tensor) and one.shape == (3,) for one in found):
        return "both should be tensors with one number a channel"
    factor, summand = (one.detach().double()[:, None, None] for one in found)
    if torch.allclose(factor * x + summand, truth, atol=1e-9, rtol=0):
        return CORRECT
    constant = (truth - factor * x).std(dim=(0, 2, 3)).max() < 1e-9
    return (
        "the factor is right, the summand is not" if constant else "the factor is not that of the BatchNorm"
    )


def check_trained(names: object) -> str:
    """Whether these are the stages whose weights move in torchvision's Faster R-CNN from published weights.

    Args:
        names: names of the parts of the backbone, as a list, a tuple or a set of texts.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    if isinstance(names, str) or not isinstance(names, list | tuple | set | frozenset):
        return f"several names are wanted, but this is {described(names)}"
    known = ("conv1", "layer1", "layer2", "layer3", "layer4")
    given = {str(name) for name in names}
    if not given <= set(known):
        return f"the parts are called {', '.join(known)}"
    right = set(known[2:])
    if given == right:
        return CORRECT
    return "one that you name stays as it is" if given - right else "one that moves is missing"


def check_mean_iou(function: Callable[[Tensor], Any]) -> str:
    """Whether a function gives the mean intersection over union of a confusion matrix.

    Args:
        function: of counts, int64 (classes, classes), row = truth, that returns a number.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    cases = [
        (torch.tensor([[5, 0], [0, 3]]), "where all is right"),
        (torch.tensor([[6, 2], [1, 1]]), "of two classes"),
        (torch.tensor([[90, 0, 0], [5, 0, 0], [5, 0, 0]]), "where everything is coloured alike"),
        (torch.tensor([[7, 1, 2], [0, 4, 4], [3, 0, 9]]), "of three classes"),
    ]
    for counts, where in cases:
        found, wrong = tried(function, counts.clone())
        if wrong:
            return wrong
        value, truth = number(found), segmentation.mean_iou(counts)
        if value is None:
            return f"the answer should be a number, but {where} it is {described(found)}"
        if abs(value - truth) > 1e-6:
            return f"{where} the answer is {value:.3f}, which is too {'large' if value > truth else 'small'}"
    return CORRECT


def check_every_second(function: Callable[[ResNet, Tensor], Any]) -> str:
    """Whether a function gets a network's own last map out of the dilated network.

    Args:
        function: of a dilated network and images that returns the map that the network without dilation has.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build("resnet18", 2, width=4).double().eval()
    x = _drawn(1, 3, 64, 96, seed=3)
    with torch.no_grad():
        truth = model.forward_features(x)
        found, wrong = tried(function, dilate(model), x.clone())
    if wrong:
        return wrong
    if not isinstance(found, Tensor):
        return f"a map is wanted, but this is {described(found)}"
    if found.shape != truth.shape:
        return f"the map without dilation has another size than {tuple(found.shape)}"
    return (
        CORRECT
        if torch.allclose(found.detach(), truth, atol=1e-9)
        else "the size is right, the numbers are not"
    )


def check_spread(answer: float) -> str:
    """Whether this is the standard deviation of a pre-norm stream after twelve layers.

    Args:
        answer: in units of the standard deviation with which the stream begins.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    value = number(answer)
    if value is None:
        return f"the answer should be a number, but this is {described(answer)}"
    if abs(value - 25.0) < 0.01:
        return "that is the variance"
    if abs(value - math.sqrt(13.0)) < 0.01:
        return "how many branches does a layer have?"
    if abs(value - 5.0) < 0.01:
        return CORRECT
    return "too small" if value < 5 else "too large"


def check_pre_norm(function: Callable[..., Any]) -> str:
    """Whether a function takes one step of a pre-norm stream.

    Args:
        function: of the stream x, a branch and a norm (two functions) that returns the stream after the step.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    x, matrix = _drawn(2, 3, 4, seed=5) - 0.5, _drawn(4, 4, seed=6)

    def branch(value: Tensor) -> Tensor:
        return torch.relu(value @ matrix)

    def norm(value: Tensor) -> Tensor:
        return nn.functional.layer_norm(value, (4,)) * 2

    found, wrong = tried(function, x.clone(), branch, norm)
    if wrong:
        return wrong
    if not isinstance(found, Tensor) or found.shape != x.shape:
        return f"the stream keeps its shape, but this is {described(found)}"
    others = {
        "the norm stands on the stream, after the sum": norm(x + branch(x)),
        "the stream itself was normalised: what is added to x, and what is x?": norm(x) + branch(norm(x)),
        "the norm stands behind the branch": x + norm(branch(x)),
        "the shortcut is missing": branch(norm(x)),
        "the branch sees a stream that was not normalised": x + branch(x),
    }
    if torch.allclose(found, x + branch(norm(x)), atol=1e-9):
        return CORRECT
    named = [what for what, value in others.items() if torch.allclose(found, value, atol=1e-9)]
    return named[0] if named else "that is another step"


def check_seconds(answer: float) -> str:
    """Whether this is how many samples of the signal one place of the last map of the small net can see.

    Args:
        answer: the receptive field of ``SignalNet(1, ...)``, in samples.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    side, step = 15, 4
    for stride in (1, 1, 2, 1, 2, 1):  # two convolutions a block, one block a stage
        side, step = side + 2 * step, step * stride
    return _whole_number(answer, side, "the number of samples")


def check_as_plane(function: Callable[[nn.Module], Any]) -> str:
    """Whether a function makes a two-dimensional convolution do what a one-dimensional one does.

    Args:
        function: of a Conv1d that returns a Conv2d: for x (N, C, 1, L) it gives what the Conv1d gives for
            (N, C, L).

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    for seed, (kernel, stride, padding, bias) in enumerate(((3, 1, 1, False), (5, 2, 2, True))):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            line = nn.Conv1d(2, 4, kernel, stride, padding, bias=bias).double()
        x = _drawn(2, 2, 12, seed=seed)
        plane, wrong = tried(function, line)
        if wrong:
            return wrong
        if not isinstance(plane, nn.Conv2d):
            return f"a Conv2d is wanted, but this is {described(plane)}"
        found, wrong = tried(plane.double(), x[:, :, None])
        if wrong:
            return wrong
        truth = line(x)[:, :, None]
        if found.shape != truth.shape:
            return f"for signals of 12 samples its output has the shape {tuple(found.shape)}"
        if not torch.allclose(found, truth, atol=1e-9):
            return "the shapes agree, the numbers do not"
    return CORRECT
