"""The checkers of chapter 1: each takes an answer and returns "correct", or says what is wrong.

Introduced in chapter 1.

A checker changes nothing that it is handed, and leaves the random state as it was.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_utils import evaluation
from resnet_utils.exercises.answers import Wrong, described, one_number, reply, result
from resnet_utils.toy import degradation

RATE = 0.1  # of the SGD steps that are checked
REMEDIES = ("more data", "another optimisation", "nothing much")
Loss = Callable[[Tensor, Tensor], Tensor | float]


def _items(answer: object, names: Sequence[str]) -> list[object]:
    """The parts of an answer that should be one value for each of ``names``."""
    if isinstance(answer, Tensor | np.ndarray):
        answer = answer.tolist()
    if isinstance(answer, str | Mapping) or not isinstance(answer, Iterable):
        raise Wrong(f"the answer should be ({', '.join(names)}), got {described(answer)}")
    items = list(answer)
    if len(items) != len(names):
        raise Wrong(f"the answer should be ({', '.join(names)}), got {len(items)} value(s)")
    return items


def _tensor(value: object, what: str) -> Tensor:
    """``value`` as a float64 tensor."""
    if not isinstance(value, Tensor | np.ndarray):
        raise Wrong(f"{what} should be a tensor, got {described(value)}")
    return torch.as_tensor(value).detach().double()


def _fields(run: object, names: Sequence[str]) -> list[Any]:
    """Attributes of what a training returns."""
    if not all(hasattr(run, name) for name in names):
        raise Wrong(
            f"a run should have {', '.join(names)}, as those of degradation.train; got {described(run)}"
        )
    return [getattr(run, name) for name in names]


def _losses(given: object, names: Sequence[str]) -> list[float]:
    """The losses of those names."""
    if not isinstance(given, Mapping) or not set(names) <= set(given):
        raise Wrong(f"the losses should be a dict with the keys {', '.join(names)}, got {described(given)}")
    return [one_number(given[name], f"the loss {name!r}") for name in names]


def _one_of(word: object, words: Sequence[str]) -> None:
    """Refuses a word that is none of those offered."""
    if not isinstance(word, str) or word not in words:
        raise Wrong(f"the answer should be one of {', '.join(map(repr, words))}, got {described(word)}")


def _rand(*shape: int, seed: int = 0) -> Tensor:
    """Numbers between 0 and 1 in the default dtype, so that a reader's ``torch.empty`` fits beside them."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64).to(torch.get_default_dtype())


def check_convolution(layer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    """Whether a function is a convolution layer: stride 1, no padding.

    Args:
        layer: a function ``layer(x, weight, bias)`` that returns (N, O, H - 2, W - 2), for ``x`` (N, C, H,
            W), ``weight`` (O, C, 3, 3) and ``bias`` (O,).

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_convolution, layer)


def _convolution(layer: object) -> None:
    x, weight, bias = _rand(1, 2, 5, 6), _rand(3, 2, 3, 3, seed=1), _rand(3, seed=2)
    pixel, plane = x.clone(), x.clone()
    pixel[0, 0, 2, 2] += 1.0  # one pixel changes
    plane[0, 1] += 1.0  # the second channel changes
    called = (result(layer, image.clone(), weight.clone(), bias.clone()) for image in (x, pixel, plane))
    out, after_pixel, after_plane = (_tensor(result, "what the layer returns") for result in called)
    expected = F.conv2d(x, weight, bias).double()
    if out.ndim == 4:
        if len((after_pixel != out).nonzero()[:, 2:].unique(dim=0)) < 2:
            raise Wrong("one pixel in changes one pixel out: nothing looks at its neighbours")
        if torch.equal(after_plane[0, 0], out[0, 0]):
            raise Wrong("the first output channel does not see the second input channel")
    if out.shape != expected.shape:
        raise Wrong(f"the output has the shape {tuple(out.shape)}, not {tuple(expected.shape)}")
    likely = {
        "the window is turned upside down and mirrored, as mathematicians do it": F.conv2d(
            x, weight.flip(2, 3), bias
        ),
        "rows and columns of the window are exchanged": F.conv2d(x, weight.mT, bias),
        "the bias is missing": F.conv2d(x, weight),
    }
    if torch.allclose(out, expected, atol=1e-5):
        return
    for sentence, values in likely.items():
        if torch.allclose(out, values.double(), atol=1e-5):
            raise Wrong(sentence)
    raise Wrong(f"the values differ from those of F.conv2d by up to {(out - expected).abs().max():.3g}")


def check_max_pool(pool: Callable[[Tensor], Tensor]) -> str:
    """Whether a function takes the maximum of each 2x2 window.

    Args:
        pool: a function ``pool(x)`` of one tensor: (N, C, H, W) -> (N, C, H / 2, W / 2).

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_max_pool, pool)


def _max_pool(pool: object) -> None:
    x = (torch.arange(32) * 13 % 32 - 16).reshape(1, 2, 4, 4).to(torch.get_default_dtype())
    out, expected = _tensor(result(pool, x.clone()), "what the pooling returns"), F.max_pool2d(x, 2).double()
    if out.numel() == 1:
        raise Wrong("one number is left of two channels of 4x4 pixels: where are the windows?")
    if out.shape != expected.shape:
        raise Wrong(f"the output has the shape {tuple(out.shape)}, not {tuple(expected.shape)}")
    if torch.allclose(out, F.avg_pool2d(x, 2).double()):
        raise Wrong("these are the means of the windows, not the largest values")
    if not torch.equal(out, expected):
        raise Wrong("these are not the largest values of the windows")


def check_layers_work(net: nn.Sequential, x: Tensor) -> str:
    """Whether each layer of a network changes what it gets.

    Args:
        net: an ``nn.Sequential`` with at least one layer; a copy of it is run.
        x: a batch that the first layer takes, (N, C, H, W); it goes through the layers in order.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_layers_work, net, x)


def _layers_work(net: object, x: object) -> None:
    if not isinstance(net, nn.Sequential) or len(net) == 0:
        raise Wrong(f"the first argument should be an nn.Sequential with layers, got {described(net)}")
    if not isinstance(x, Tensor):
        raise Wrong(f"the second argument should be a batch of images, got {described(x)}")
    with torch.no_grad():
        for index, layer in enumerate(copy.deepcopy(net)):
            out = result(layer, x.clone())
            if not isinstance(out, Tensor):
                raise Wrong(f"layer {index} returns {described(out)}, not a tensor")
            if out.shape == x.shape and torch.equal(out, x):
                raise Wrong(f"layer {index}, {type(layer).__name__}, returns exactly what it gets")
            x = out


def check_table(answers: Mapping[str, Sequence[int] | None]) -> str:
    """Whether every shape of the table a to f is right; names the first that is not.

    Args:
        answers: a dictionary from each letter to a shape, such as ``(2, 3, 224, 224)``; None stands for no
            answer yet.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_table, answers)


def _table(answers: object) -> None:
    if not isinstance(answers, Mapping):
        raise Wrong(
            f'the answer should be a dict like {{"a": (2, 3, 224, 224), ...}}, got {described(answers)}'
        )
    sides = [224]
    for kernel, stride, padding in ((7, 2, 3), (3, 2, 1), (3, 2, 1)):
        sides.append((sides[-1] + 2 * padding - kernel) // stride + 1)
    shapes = {key: (2, c, side, side) for key, c, side in zip("abc", (64, 64, 128), sides[1:], strict=True)}
    shapes |= {"d": shapes["c"], "e": (2, 128), "f": (2, 1000)}
    for key, right in shapes.items():
        given = answers.get(key)
        if given is None:
            raise Wrong(f"{key} has no answer yet")
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise Wrong(f"{key} should be a shape such as (2, 3, 224, 224), got {described(given)}")
        shape = tuple(one_number(size, f"each size of {key}") for size in given)
        said = f"{key} is not {tuple(int(size) if size.is_integer() else size for size in shape)}"
        if len(shape) != len(right):
            raise Wrong(f"{said}: which of N, C, H and W does that layer keep?")
        if shape[:2] != right[:2]:
            raise Wrong(f"{said}: look at the number of images and of channels")
        if shape != right:
            raise Wrong(f"{said}: put K, s and p of that layer into the formula")


def check_cross_entropy(loss: Loss) -> str:
    """Whether a function is the mean cross-entropy of a batch, from logits.

    Args:
        loss: a function ``loss(logits, labels)`` of float64 (N, K) and int64 (N,) that returns one number, in
            nats.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_cross_entropy, loss)


def _cross_entropy(loss: object) -> None:
    def of(logits: Tensor, labels: Tensor) -> float:
        return one_number(result(loss, logits.clone(), labels.clone()), "the loss", finite=False)

    certain = of(20.0 * torch.eye(10, dtype=torch.float64), torch.arange(10))
    if not abs(certain) < 0.01:
        raise Wrong(f"a net that is right and certain, ten classes: the loss is {certain:.3f}, not 0.000")
    unsure = torch.tensor([[2.0, 1.0, 0.1]], dtype=torch.float64)
    for label, right in enumerate((unsure.logsumexp(dim=1) - unsure[0]).tolist()):
        given = of(unsure, torch.tensor([label]))
        if not abs(given - right) < 1e-4:
            raise Wrong(f"logits [2, 1, 0.1], class {label}: the loss is {given:.3f}, not {right:.3f}")
    batch, labels = torch.linspace(-2, 3, 12).double().reshape(4, 3), torch.tensor([0, 2, 1, 2])
    right, given = F.cross_entropy(batch, labels).item(), of(batch, labels)
    if not abs(given - right) < 1e-4:
        raise Wrong(f"each image alone is right, but a batch of four gives {given:.3f}, not {right:.3f}")
    given = of(batch + 1000, labels)
    if not abs(given - right) < 1e-4:
        raise Wrong(f"logits around 1000 give {given:.3f}")


def check_newborn(function: Callable[[int], float]) -> str:
    """Whether a function gives the cross-entropy of a net whose logits are all equal.

    Args:
        function: a function of the number of classes K that returns one number, in nats.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_newborn, function)


def _newborn(function: object) -> None:
    for num_classes in (2, 10, 1000):
        given = one_number(result(function, num_classes), "the loss")
        if not abs(given - math.log(num_classes)) <= 1e-4:
            raise Wrong(
                f"{num_classes} classes: {given:.3f} is not the loss; is each class as likely as the others?"
            )


def check_named(answer: Sequence[float]) -> str:
    """Whether an answer says what the loss is for a net that only names a label.

    Args:
        answer: three values: the loss of a right name, the loss of a wrong name (numbers), and whether there
            is a gradient (True or False).

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_named, answer)


def _named(answer: object) -> None:
    right, wrong, gradient = _items(answer, ("loss if right", "loss if wrong", "True or False"))
    if one_number(right, "the loss of a right name", finite=False) != 0:
        raise Wrong(
            f"{described(right)} is not the loss of a right name: there y-hat is one, and its logarithm?"
        )
    if one_number(wrong, "the loss of a wrong name", finite=False) != math.inf:
        raise Wrong(
            f"{described(wrong)} is not the loss of a wrong name: what is minus the logarithm of zero?"
        )
    if not isinstance(gradient, bool | np.bool_):
        raise Wrong(f"the third value should be True or False, got {described(gradient)}")
    if gradient:
        raise Wrong(
            "a gradient? How does the name of the largest logit change when a logit changes a little?"
        )


def check_zero(answer: Sequence[float]) -> str:
    """Whether an answer says what stretching the labels does to the loss.

    Args:
        answer: two numbers: the loss of class 0, and the factor by which that of class 3 is multiplied.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_zero, answer)


def _zero(answer: object) -> None:
    names = ("loss of class 0", "factor for class 3")
    of_zero, of_three = (
        one_number(value, name) for value, name in zip(_items(answer, names), names, strict=True)
    )
    if not abs(of_zero) <= 1e-4:
        raise Wrong(f"for class 0 the loss is not {of_zero:g}: what is every term of the sum multiplied by?")
    if not abs(of_three - 3) <= 1e-4:
        raise Wrong(f"for class 3 the factor is not {of_three:g}: what does every y of its row become?")


def check_before(answer: Sequence[float]) -> str:
    """Whether two numbers are right for a layer in front of a BatchNorm in train mode.

    Args:
        answer: two numbers: the gradient of the layer's bias, and the factor by which the gradient of its
            weights is multiplied when they are made three times as large.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_before, answer)


def _before(answer: object) -> None:
    names = ("gradient of the bias", "factor")
    bias, factor = (one_number(value, name) for value, name in zip(_items(answer, names), names, strict=True))
    if not abs(bias) <= 1e-6:
        raise Wrong(
            f"the gradient of the bias is not {bias:g}: what is left of a shift of the whole channel?"
        )
    if not abs(factor - 1 / 3) <= 0.004:
        raise Wrong(f"the factor is not {factor:g}: put c = 3 into c f'(cW) = f'(W)")


def check_variance(function: Callable[[int, float], float]) -> str:
    """Whether weights of a variance keep the energy through LeakyReLU layers.

    Args:
        function: a function of ``n``, the inputs of a layer, and of ``alpha``, the slope of LeakyReLU, that
            returns the variance, one number above 0.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_variance, function)


def _variance(function: object) -> None:
    for alpha in (0.0, 0.2, 0.5, 1.0, -0.5, 0.6):
        for width in (64, 256, 1000):
            variance = one_number(result(function, width, alpha), "the variance")
            if not variance > 0:
                raise Wrong(f"n = {width}, alpha = {alpha}: {variance:g} is no variance")
            kept = (1 + alpha**2) * width * variance / 2
            if not abs(kept - 1) < 1e-3:
                change = "grows" if kept > 1 else "shrinks"
                raise Wrong(f"n = {width}, alpha = {alpha}: the energy {change} from layer to layer")


def check_training_step(step: Callable[[nn.Parameter, Tensor], None]) -> str:
    """Whether calls of a function are plain steps of SGD with rate 0.1.

    Args:
        step: a function ``step(weight, loss)`` of a parameter and a scalar loss that changes ``weight`` in
            place; what it returns does not matter.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_training_step, step)


def _training_step(step: object) -> None:
    weight = nn.Parameter(torch.tensor([2.0, -1.0]))
    for count in (1, 2):
        before = weight.detach().clone()
        result(step, weight, weight.square().sum())  # the gradient is 2 w
        too_far = "; is the gradient of the step before still in there?" if count == 2 else ""
        _compare_step(weight, before, 2 * before, f"step {count}: ", too_far)


def check_step_in_parts(step: Callable[[nn.Parameter, list[Tensor]], None]) -> str:
    """Whether a function makes the SGD step, rate 0.1, of a batch that comes in equal parts.

    Args:
        step: a function ``step(weight, losses)`` that changes ``weight`` in place; ``losses`` holds the mean
            loss of each part, and the step wanted is that of the whole batch's mean loss.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_step_in_parts, step)


def _step_in_parts(step: object) -> None:
    for count in (2, 4):
        weight = nn.Parameter(torch.tensor([2.0, -1.0]))
        weight.grad = torch.ones(2)  # left over from an earlier step
        before = weight.detach().clone()
        losses = [(part * weight.square()).sum() for part in range(1, count + 1)]
        gradient = (count + 1) * before  # of the mean: (1 + ... + count) / count * 2 w
        result(step, weight, losses)
        too_far = (
            "; is the sum of the parts' gradients that of their mean, and was the old gradient forgotten?"
        )
        _compare_step(weight, before, gradient, f"{count} parts: ", too_far)


def _compare_step(weight: Tensor, before: Tensor, gradient: Tensor, where: str, too_far: str) -> None:
    """Refuses a step that is not minus the rate times ``gradient``."""
    moved = (before - weight.detach()) / (RATE * gradient)  # 1 where all is well
    if torch.equal(weight.detach(), before):
        left = "" if weight.grad is None else f"the gradient is {weight.grad.tolist()}, but "
        raise Wrong(f"{where}{left}no weight has moved")
    if torch.allclose(moved, torch.ones(2), atol=1e-4):
        return
    if (moved < 0).any():
        raise Wrong(f"{where}the weights moved up the slope")
    if (moved < 1).all():
        raise Wrong(
            f"{where}the weights moved in the right direction, but not far enough for a rate of {RATE}"
        )
    raise Wrong(f"{where}the weights moved too far{too_far}")


def check_rate(largest_rate: Callable[[float], float]) -> str:
    """Whether descent gets nearer just below a learning rate, and further away just above.

    Args:
        largest_rate: a function of the curvature of a parabola that returns that rate, one number.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_rate, largest_rate)


def _rate(largest_rate: object) -> None:
    for curvature in (1.0, 50.0, 0.5, 3.0):
        rate = one_number(result(largest_rate, curvature), "the rate")
        for factor, goal in ((0.999, "nearer"), (1.001, "further away")):
            each_step = 1 - factor * rate * curvature  # what w is multiplied by
            if (abs(each_step) < 1) != (goal == "nearer") or not rate > 0:
                raise Wrong(f"curvature {curvature:g}, {factor:g} times your rate: it does not get {goal}")


def check_shortcut(net: nn.Module, x: Tensor) -> str:
    """Whether the input of a network can go around at least one of its weighted layers.

    Each layer in turn gets weights of zero; if the inputs then still get different answers, something went
    around it.

    Args:
        net: an ``nn.Module`` with linear or convolution layers; a copy of it is run.
        x: a batch of at least two different inputs for ``net``.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_shortcut, net, x)


@torch.no_grad()
def _shortcut(net: object, x: object) -> None:
    if not isinstance(net, nn.Module):
        raise Wrong(f"the first argument should be a network, got {described(net)}")
    if not isinstance(x, Tensor) or x.ndim < 2 or len(x) < 2:
        raise Wrong(f"the second argument should be a batch of at least two inputs, got {described(x)}")
    net = copy.deepcopy(net).eval()
    layers = [m for m in net.modules() if isinstance(m, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d)]
    if not layers or not _tells_apart(net, x):
        raise Wrong("the network has no layer with weights, or gives all these inputs the same answer")
    for layer in layers:
        before = layer.weight.clone()
        layer.weight.zero_()
        if _tells_apart(net, x):
            return
        layer.weight.copy_(before)
    raise Wrong(
        f"each of the {len(layers)} weighted layers can block everything: nothing goes around any of them"
    )


def _tells_apart(net: nn.Module, x: Tensor) -> bool:
    """Whether the inputs of a batch get different answers."""
    out = _tensor(result(net, x), "what the network returns")
    return not torch.allclose(out, out[:1].expand_as(out), atol=1e-4)


def check_count(answer: Sequence[int]) -> str:
    """Whether two numbers are those of the parameters of the twins of 56 layers, width 64.

    Args:
        answer: two whole numbers: of the plain net and of the residual one.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_count, answer)


def _count(answer: object) -> None:
    names = ("plain", "residual")
    plain, residual = (
        one_number(value, name) for value, name in zip(_items(answer, names), names, strict=True)
    )
    matrix, norm, num_pairs = 64 * 64, 2 * 64, 56 // 2 - 1
    if plain != residual:
        raise Wrong(f"the two differ by {abs(plain - residual):g}: which numbers does an addition learn?")
    if plain == 2 * num_pairs * matrix:
        raise Wrong("these are the matrices of the pairs alone")
    right = 8 * 64 + norm + 2 * num_pairs * (matrix + norm) + 64 * 10 + 10
    if plain != right:
        raise Wrong(f"{plain:,.0f} is too {'many' if plain > right else 'few'}: first layer, pairs, head?")


def check_diagnosis(answers: Mapping[str, str], runs: Mapping[str, degradation.Run]) -> str:
    """Whether each net got the remedy that its two losses ask for.

    Args:
        answers: a dictionary from the name of each run to "more data", "another optimisation" or "nothing
            much".
        runs: a dictionary from names to runs, with ``train_loss`` and ``valid_loss`` in nats.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_diagnosis, answers, runs)


def _diagnosis(answers: object, runs: object) -> None:
    if not isinstance(runs, Mapping) or not isinstance(answers, Mapping) or not set(runs) <= set(answers):
        names = ", ".join(map(repr, runs)) if isinstance(runs, Mapping) else "'A', 'B', 'C'"
        raise Wrong(f"the answer should be a dict with the keys {names}, got {described(answers)}")
    for name, run in runs.items():
        train_loss, valid_loss = _fields(run, ("train_loss", "valid_loss"))
        answer, gap = answers[name], valid_loss - train_loss
        _one_of(answer, REMEDIES)
        if answer == "more data" and train_loss > 0.5:
            raise Wrong(f"{name} does not even fit the points it has; more of them will not help")
        if answer == "another optimisation" and train_loss < 0.5:
            raise Wrong(f"{name} fits its training points well: the search has done its work")
        if answer == "nothing much" and (gap > 0.5 or train_loss > 0.5):
            raise Wrong(f"{name} is bad at {'new points' if gap > 0.5 else 'all points'}")
        if answer == "more data" and gap < 0.5:
            raise Wrong(f"{name} has a small gap; there is little to gain")


def check_patience(prediction: str, losses: Mapping[str, float]) -> str:
    """Whether a prediction of what twice the training does to a plain net is what happened.

    Args:
        prediction: "overtake", "help" or "no difference".
        losses: training losses (nats): of the plain net in the ``first`` training, of the same in ``twice``
            the passes, and of its residual ``twin``.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_patience, prediction, losses)


def _patience(prediction: object, losses: object) -> None:
    first, twice, twin = _losses(losses, ("first", "twice", "twin"))
    _one_of(prediction, ("overtake", "help", "no difference"))
    outcome = "overtake" if twice < twin else "help" if twice < 0.9 * first else "no difference"
    if prediction != outcome:
        raise Wrong(f"no, {prediction!r} is not what happened")


def check_start(prediction: str, losses: Mapping[str, float]) -> str:
    """Whether a prediction of what training does to a good start is what happened.

    Args:
        prediction: "fall back", "stay" or "better".
        losses: training losses (nats): ``at_start``, ``after`` the training from there, and what nets reach
            ``from_random`` starts.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_start, prediction, losses)


def _start(prediction: object, losses: object) -> None:
    at_start, after, from_random = _losses(losses, ("at_start", "after", "from_random"))
    _one_of(prediction, ("fall back", "stay", "better"))
    outcome = "fall back" if after > from_random / 2 else "better" if after < 0.7 * at_start else "stay"
    if prediction != outcome:
        raise Wrong(f"no, it did not {str(prediction).replace('better', 'improve')}")


def check_identity_kernel(function: Callable[[int], Tensor]) -> str:
    """Whether a convolution with a kernel, padding 1, changes nothing.

    Args:
        function: a function of the number of channels that returns the kernel, a tensor (channels, channels,
            3, 3).

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_identity_kernel, function)


def _identity_kernel(function: object) -> None:
    for channels in (1, 4):
        weight, x = _tensor(result(function, channels), "the kernel"), _rand(2, channels, 6, 5).double()
        if tuple(weight.shape) != (channels, channels, 3, 3):
            raise Wrong(f"the shape for {channels} channels is {tuple(weight.shape)}")
        out = F.conv2d(x, weight, padding=1)
        if torch.allclose(out, x, atol=1e-6):
            continue
        for down, right in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)):
            moved = x.roll((down, right), dims=(2, 3))
            if torch.allclose(out[..., 1:-1, 1:-1], moved[..., 1:-1, 1:-1], atol=1e-6):
                raise Wrong("the image comes out shifted: which entry of the window is the pixel itself?")
        raise Wrong(f"with {channels} channel(s) the image that comes out is another")


def check_study(runs: Sequence[degradation.Run], verdict: str) -> str:
    """What a referee would say of a study of plain and residual nets.

    Args:
        runs: what ``degradation.train`` returned, in a list: at least two depths, and three seeds of each
            kind.
        verdict: what holds of the training loss of the deepest nets: "residual lower", "plain lower" or
            "cannot tell".

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_study, runs, verdict)


def _study(runs: object, verdict: object) -> None:
    if isinstance(runs, str | Mapping) or not isinstance(runs, Iterable):
        raise Wrong(f"the study should be a list of runs, got {described(runs)}")
    _one_of(verdict, ("residual lower", "plain lower", "cannot tell"))
    kinds: dict[tuple[int, bool], dict[int, float]] = {}
    for run in runs:
        depth, residual, seed, loss = _fields(run, ("depth", "residual", "seed", "train_loss"))
        losses = kinds.setdefault((depth, residual), {})
        if seed in losses:
            raise Wrong(f"depth {depth}: seed {seed} stands there twice; a copy is no second run")
        losses[seed] = loss
    depths = {depth for depth, _ in kinds}
    if len(depths) < 2:
        raise Wrong("one depth shows no trend: compare at least two")
    counts = [len(kinds.get((depth, residual), {})) for depth in depths for residual in (False, True)]
    if min(counts) < 3:
        raise Wrong("fewer than three seeds for some nets: the difference may be luck")
    if not all(math.isfinite(loss) for losses in kinds.values() for loss in losses.values()):
        raise Wrong("some losses are no numbers: nets that blew up are a finding, but have no interval")
    plain, residual = (
        evaluation.mean_interval(list(kinds[max(depths), kind].values())) for kind in (False, True)
    )
    truth = "cannot tell"
    if plain[1] < residual[0] or residual[1] < plain[0]:
        truth = "plain lower" if plain[1] < residual[0] else "residual lower"
    if verdict != truth:
        raise Wrong(f"{verdict!r} is not what the intervals at {max(depths)} layers say")
