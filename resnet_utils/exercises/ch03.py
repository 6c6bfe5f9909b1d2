"""Checkers for the exercises about building blocks.

Introduced in chapter 3.

Each ``check_...`` takes an answer and returns "correct", or one sentence that says what is wrong and never
what would be right. An answer may be wrong in any way, of a wrong type too; it is left as it was, and so is
torch's random state. Values are drawn in float64 by default while a checker runs.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from resnet_utils.exercises.answers import CORRECT, Wrong, described, one_number, reply, result
from resnet_utils.models import blocks, preactivation

QUESTIONS = {  # the layers of the first exercise, and the shape that goes in
    "a": (lambda: nn.Conv2d(64, 64, 3, padding=1), (2, 64, 56, 56)),
    "b": (lambda: nn.Conv2d(64, 128, 3, stride=2, padding=1), (2, 64, 56, 56)),
    "c": (lambda: nn.Conv2d(64, 128, 1, stride=2), (2, 64, 56, 56)),
    "d": (lambda: nn.Conv2d(64, 128, 3, stride=2, padding=1), (2, 64, 7, 7)),
    "e": (lambda: nn.Conv2d(64, 128, 1, stride=2), (2, 64, 7, 7)),
    "f": (lambda: nn.Conv2d(64, 64, 3), (2, 64, 56, 56)),
}
STEP_ROWS = ("output", "gradient at x", "gradients", "buffers", "new weights")
STEPS = ("conv1", "bn1", "relu", "conv2", "bn2")


def _checker(check: Callable[[Any], str]) -> Callable[[Any], str]:
    """Let a checker refuse by ``Wrong`` from any depth: it returns the sentence.

    Random state and default dtype are put back afterwards.
    """

    def in_float64(answer: Any) -> str:
        torch.manual_seed(3)
        torch.set_default_dtype(torch.float64)
        return check(answer)

    @functools.wraps(check)
    def wrapped(answer: Any) -> str:
        dtype = torch.get_default_dtype()
        try:
            return reply(in_float64, answer)
        finally:
            torch.set_default_dtype(dtype)

    return wrapped


def _need(condition: object, sentence: str) -> None:
    """Refuse with ``sentence`` unless ``condition`` holds."""
    if not condition:
        raise Wrong(sentence)


def _tensor(what: str, function: Callable[..., Any], *arguments: object) -> Tensor:
    """Call ``function`` and insist on a tensor, which comes back in float64 and without a graph."""
    out = result(function, *arguments, what=what)
    _need(isinstance(out, Tensor), f"{what} returned {described(out)}; a tensor is wanted")
    return out.detach().double()


def _module(what: str, function: Callable[..., Any], *arguments: object) -> nn.Module:
    """Call ``function`` and insist on a module, which comes back in float64."""
    made = result(function, *arguments, what=what)
    _need(isinstance(made, nn.Module), f"{what} returned {described(made)}; an nn.Module is wanted")
    return made.double()


def _copy(block: Any) -> Any:
    """A copy of a module in float64, so that running it leaves no trace; another callable as it is."""
    _need(callable(block), f"this is {described(block)}; a block is wanted, a module or a function of x")
    return copy.deepcopy(block).double() if isinstance(block, nn.Module) else block


def _function(answer: Any, signature: str) -> Callable[..., Any]:
    """Insist on something that can be called."""
    _need(callable(answer), f"this is {described(answer)}; a function {signature} is wanted")
    return answer


def _is_close(a: Tensor, b: Tensor, *, within: float = 1e-6) -> bool:
    """Whether two tensors have one shape and agree up to ``within``."""
    return a.shape == b.shape and bool(torch.allclose(a, b, rtol=0, atol=within))


def _bend(function: Callable[[Tensor], Tensor], channels: int) -> float:
    """How far a function is from a straight line, as a share of its answers; 0 for a linear one."""
    a, b = torch.rand(2, 1, channels, 6, 6) - 0.5
    answers = [_tensor("the branch", function, x) for x in (a + b, a, b, torch.zeros_like(a))]
    largest = max(answer.abs().max().item() for answer in answers)
    gap = (answers[0] - answers[1] - answers[2] + answers[3]).abs().max().item()
    return gap / largest if largest else 0.0


# --- The published block, and the comparison of one training step -------------------------------------------


def trusted_block(
    name: str, in_channels: int, width: int, stride: int = 1, *, groups: int = 1, width_per_group: int = 64
) -> nn.Module:
    """torchvision's block of that name, with a projection where one is needed.

    Every learned number is drawn between -0.5 and 0.5 from torch's own random state.

    Args:
        name: "BasicBlock" or "Bottleneck".
        in_channels: channels of the block's input.
        width: channels of the block's 3x3 convolution; its output has as many, or four times as many in a
            bottleneck.
        stride: 1, or 2 to halve the image.
        groups: groups of the 3x3 convolution, as in ``blocks.Bottleneck``.
        width_per_group: its channels in a group, for a width of 64, as in ``blocks.Bottleneck``.

    Returns:
        The block in train mode.
    """
    from torchvision.models import resnet

    kind = getattr(resnet, name)
    out_channels = width * kind.expansion
    fits = stride == 1 and in_channels == out_channels
    downsample = None if fits else blocks.make_shortcut(in_channels, out_channels, stride, shortcut="B")
    made = kind(in_channels, width, stride, downsample, groups=groups, base_width=width_per_group)
    with torch.no_grad():
        for p in made.parameters():
            p.copy_(torch.rand(p.shape) - 0.5)
    return made


def rows_that_differ(ours: nn.Module, theirs: nn.Module, x: Tensor) -> list[str]:
    """In what two blocks differ after one step of SGD from the same weights.

    Looks at names and shapes, then at output, gradient at ``x``, gradients of the weights, buffers and new
    weights, to twelve digits. Both blocks are left as they came.

    Args:
        ours: the block that is judged.
        theirs: the block whose weights both begin with.
        x: images that both take, (N, C, H, W).

    Returns:
        The rows that differ, of ``STEP_ROWS`` or only "names"; empty if in nothing.
    """
    pair = [copy.deepcopy(block).double().train() for block in (ours, theirs)]
    shapes = [{name: value.shape for name, value in block.state_dict().items()} for block in pair]
    if shapes[0] != shapes[1]:
        return ["names"]
    pair[0].load_state_dict(pair[1].state_dict())
    steps = [_one_step(block, x.double()) for block in pair]
    return [row for row, a, b in zip(STEP_ROWS, *steps, strict=True) if not all(map(_twelve_digits, a, b))]


def _twelve_digits(a: Tensor, b: Tensor) -> bool:
    return _is_close(a.double(), b.double(), within=1e-12)


def _one_step(block: nn.Module, x: Tensor) -> list[list[Tensor]]:
    """What one step of SGD computes: a list of tensors for each of ``STEP_ROWS``, sorted by name."""
    x = x.clone().requires_grad_()
    out = block(x)
    (out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)).sum().backward()
    learned = dict(sorted(block.named_parameters()))
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in learned.values()]
    torch.optim.SGD(learned.values(), lr=0.1).step()
    buffers = [value.clone() for _, value in sorted(block.named_buffers())]
    at_x = torch.zeros_like(x) if x.grad is None else x.grad
    return [[out.detach()], [at_x], gradients, buffers, [p.detach() for p in learned.values()]]


# --- The main notebook --------------------------------------------------------------------------------------


@_checker
def check_shapes(answers: Mapping[str, Iterable[int]]) -> str:
    """Whether the shapes that leave the layers a to f are right; names the first that is not.

    Args:
        answers: a dictionary from each letter to four whole numbers (N, C, H, W).

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    _need(isinstance(answers, Mapping), f"this is {described(answers)}; a dictionary of shapes is wanted")
    for key, (make, shape) in QUESTIONS.items():
        given: Any = answers.get(key)
        _need(given is not None, f"there is no answer to {key} yet")
        is_row = hasattr(given, "__iter__") and not isinstance(given, str | bytes)
        _need(is_row, f"the answer to {key} is {described(given)}; a shape such as (1, 3, 5, 5) is wanted")
        numbers = tuple(one_number(n, f"a part of the answer to {key}") for n in given)
        _need(len(numbers) == 4, f"the answer to {key} has {len(numbers)} parts; a shape has N, C, H and W")
        right = tuple(make().to("meta")(torch.empty(shape, device="meta")).shape)
        _need(numbers == right, f"{key} does not give {_integers(numbers)}{_which_part(numbers, right)}")
    unknown = [key for key in answers if key not in QUESTIONS]
    _need(not unknown, f"there is no layer {unknown[:1]}")
    return CORRECT


def _integers(given: tuple[float, ...]) -> str:
    return f"({', '.join(f'{number:g}' for number in given)})"


def _which_part(given: tuple[float, ...], right: tuple[int, ...]) -> str:
    """Which of N, C, H, W to look at again."""
    parts = [name for name, a, b in zip("NCHW", given, right, strict=True) if a != b]
    return f": look at {', '.join(parts)} again"


@_checker
def check_branch(branch: Callable[[Tensor], Tensor]) -> str:
    """Whether a branch is of use in a residual block of 8 channels.

    Args:
        branch: a module or a function of x with 8 channels in and out, (N, 8, H, W) -> (N, 8, H, W).

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    run = _copy(branch)
    if isinstance(run, nn.Module):
        run.eval()  # with the statistics of a batch even BatchNorm is not linear
    x = torch.rand(4, 8, 6, 6) - 0.5
    out = _tensor("the branch", run, x)
    _need(out.shape == x.shape, f"the branch turns {tuple(x.shape)} into {tuple(out.shape)}")
    _need(out.any(), "the branch is silent: every output is zero, so nothing can be seen of it")
    _need(
        _bend(run, 8) > 1e-7,
        "the branch is linear, so one convolution could do all that the block does",
    )
    _need((out < 0).any(), "the branch ends in a ReLU, so it can only add")
    return CORRECT


PRICED = ((256, 64, 1), (256, 64, 2), (64, 64, 1), (256, 128, 2))


@_checker
def check_price(price: Callable[[int, int, int], int]) -> str:
    """Whether a number is that of the parameters of a ``Bottleneck``.

    Args:
        price: a function of (in_channels, width, stride) that returns that number.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    _function(price, "of in_channels, width and stride")
    for shape in PRICED:
        name = f"Bottleneck{shape}"
        given = one_number(result(price, *shape, what=f"the price of {name}"), f"the price of {name}")
        block = blocks.Bottleneck(*shape)
        sizes = {key: p.numel() for key, p in block.named_parameters()}
        right = sum(sizes.values())
        projection = sum(n for key, n in sizes.items() if "downsample" in key)
        norms = sum(n for key, n in sizes.items() if "bn" in key or "downsample.1" in key)
        known = {
            right - norms: "yours is that of the convolutions alone; what does a BatchNorm learn?",
            right - projection: "yours is that of the block without its projection",
        }
        advice = known.get(int(given)) if given.is_integer() else None
        side = "yours is too large" if given > right else "yours is too small"
        _need(given == right, f"{name} has another number of parameters: {advice or side}")
    return CORRECT


BAD_SHAPES = ((8, 8, 1), (8, 16, 2))


@_checker
def check_repaired(kind: Callable[[int, int, int], nn.Module]) -> str:
    """Whether a basic block does in a step of training what torchvision's does.

    Args:
        kind: a class, or a function, that makes a block of (in_channels, width, stride), with the names of
            torchvision's layers.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    _function(kind, "or class that makes a block of in_channels, width and stride")
    for shape in BAD_SHAPES:
        theirs, name = trusted_block("BasicBlock", *shape), f"the block of stride {shape[2]}"
        ours = _module(f"making {name}", kind, *shape)
        found = result(rows_that_differ, ours, theirs, torch.rand(4, shape[0], 9, 7), what=name)
        _need(not found, f"at stride {shape[2]} the block differs in: {', '.join(found)}")
    return CORRECT


class _DeafToEval(blocks.BasicBlock):
    """A block that never leaves training mode, whichever way one asks."""

    def train(self, mode: bool = True) -> _DeafToEval:
        return super().train(True)


def _without_shortcut(in_channels: int, width: int, stride: int = 1) -> nn.Module:
    return blocks.BasicBlock(in_channels, width, stride, shortcut="none")


def _with_late_stride(in_channels: int, width: int, stride: int = 1) -> nn.Module:
    block = blocks.BasicBlock(in_channels, width, stride)
    block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride
    return block


def _with_early_relu(in_channels: int, width: int, stride: int = 1) -> nn.Module:
    return preactivation.OrderedBlock(in_channels, width, stride, order="ReLU before addition")


BAD_BLOCKS = {
    "one without its shortcut": _without_shortcut,
    "one with its stride on the second convolution": _with_late_stride,
    "one with its ReLU before the addition": _with_early_relu,
    "one that stays in training mode": _DeafToEval,
}


@_checker
def check_test(test: Callable[[Callable[..., nn.Module]], object]) -> str:
    """Whether a test lets the good block through and finds each of several bad ones.

    Args:
        test: a function of a maker of blocks, such as ``blocks.BasicBlock``, that raises AssertionError on a
            bad one; the maker takes (in_channels, width, stride).

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    _function(test, "of a maker of blocks")
    try:
        test(blocks.BasicBlock)
    except AssertionError:
        raise Wrong("the test refuses the good block") from None
    except Exception as error:
        raise Wrong(f"on the good block the test stops with {type(error).__name__}: {error}") from error
    escaped = []
    for name, make_block in BAD_BLOCKS.items():
        try:
            test(make_block)
            escaped.append(name)
        except AssertionError:
            pass
        except Exception as error:
            kind = type(error).__name__
            raise Wrong(f"on a bad block the test stops with {kind}, not AssertionError: {error}") from error
    _need(not escaped, f"the test lets bad blocks through: {', '.join(escaped)}")
    return CORRECT


# --- The room about shortcuts -------------------------------------------------------------------------------


@_checker
def check_join(join: Callable[[Tensor, Tensor], Tensor]) -> str:
    """Whether a way to bring x and F(x) together suits a residual block.

    Args:
        join: a function of two tensors of one shape, x and F(x), (N, C, H, W), that returns a tensor.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    _function(join, "of x and F(x)")
    x, f = torch.rand(2, 2, 8, 5, 5) - 0.5
    nothing = torch.zeros_like(x)

    def joined(a: Tensor, b: Tensor) -> Tensor:
        return _tensor("joining", join, a.clone(), b.clone())

    out = joined(x, f)
    grown = out.shape[:1] + out.shape[2:] == x.shape[:1] + x.shape[2:] and out.ndim == 4
    if grown and out.shape[1] > x.shape[1]:
        raise Wrong(f"{x.shape[1]} channels became {out.shape[1]}, and the next block will get more")
    _need(out.shape == x.shape, f"two tensors of shape {tuple(x.shape)} became one of {tuple(out.shape)}")
    _need(_is_close(joined(x, nothing), x), "a branch that says nothing must change nothing")
    _need(_is_close(joined(nothing, f), f), "what the branch says must arrive unchanged")
    _need(_is_close(out - x, f), "what the branch adds must not depend on x")
    return CORRECT


@_checker
def check_option_a(shortcut: Callable[[Tensor, int, int], Tensor]) -> str:
    """Whether a function is the shortcut of option A.

    Args:
        shortcut: a function of (x, out_channels, stride): (N, C, H, W) -> (N, out_channels, H / stride, W /
            stride).

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    _function(shortcut, "of x, out_channels and stride")
    for in_channels, out_channels, stride, side in ((4, 8, 2, 6), (4, 8, 2, 5), (3, 7, 2, 7), (4, 4, 1, 5)):
        x = torch.rand(2, in_channels, side, side)
        wanted = blocks.PadShortcut(in_channels, out_channels, stride)(x)
        case = f"{in_channels} -> {out_channels} channels, stride {stride}, {side}x{side} pixels"
        out = _tensor(f"option A ({case})", shortcut, x.clone(), out_channels, stride)
        if out.shape != wanted.shape:
            same = out.ndim == 4 and out.shape[2:] == wanted.shape[2:]
            raise Wrong(f"{case}: {'the number of channels' if same else 'the shape'} is not right")
        pixels = _is_close(out.sort(1).values, wanted.sort(1).values)
        _need(pixels, f"{case}: other pixels were kept")
        _need(_is_close(out, wanted), f"{case}: the zeros must be half in front, half behind")
    return CORRECT


@_checker
def check_projection(make: Callable[[int, int, int], nn.Module]) -> str:
    """Whether a function makes the projection of option B.

    Args:
        make: a function of (in_channels, out_channels, stride) that returns an ``nn.Module``; published
            weights have to load into it.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    _function(make, "of in_channels, out_channels and stride")
    for in_channels, out_channels, stride in ((8, 16, 2), (4, 8, 1)):
        what = f"the projection for {in_channels} -> {out_channels} channels at stride {stride}"
        made = _module(f"making {what}", make, in_channels, out_channels, stride)
        layers = [m for m in made.modules() if not any(m.children())]
        wanted: Any = blocks.make_shortcut(in_channels, out_channels, stride, shortcut="B")
        _need(
            isinstance(layers[-1], nn.BatchNorm2d),
            "no BatchNorm follows the projection, so its size depends on the size of x",
        )
        biased = any(isinstance(m, nn.Conv2d) and m.bias is not None for m in layers)
        _need(not biased, "the projection has a bias, which its BatchNorm subtracts again")
        kernels = [m.kernel_size for m in layers if isinstance(m, nn.Conv2d)]
        _need(kernels == [(1, 1)], "a projection has one convolution, and it looks at single pixels")
        x = torch.rand(2, in_channels, 9, 7)
        out = _tensor(what, made, x)
        fits = out.shape == wanted(x).shape
        _need(fits, f"{what} turns {tuple(x.shape)} into {tuple(out.shape)}, not into the branch's shape")
        theirs = {name: value.shape for name, value in wanted.state_dict().items()}
        names = {name: value.shape for name, value in made.state_dict().items()}
        _need(names == theirs, "published weights do not load: other names, or numbers of another shape")
    return CORRECT


# --- The room about BatchNorm -------------------------------------------------------------------------------


@_checker
def check_pair(make: Callable[[int, int], nn.Module]) -> str:
    """Whether a function makes a convolution and the BatchNorm behind it.

    Args:
        make: a function of (in_channels, width) that returns both in one ``nn.Module``.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    _function(make, "of in_channels and width")
    try:
        made = make(8, 16)
    except TypeError as error:
        if "unexpected keyword" not in str(error):
            raise Wrong(f"making the pair stops with TypeError: {error}") from error
        raise Wrong("a convolution has no such argument: BatchNorm is a layer of its own") from error
    except Exception as error:
        raise Wrong(f"making the pair stops with {type(error).__name__}: {error}") from error
    _need(isinstance(made, nn.Module), f"the function returned {described(made)}; an nn.Module is wanted")
    layers = [m for m in made.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    _need(any(isinstance(m, nn.Conv2d) for m in layers), "there is no convolution")
    _need(any(isinstance(m, nn.BatchNorm2d) for m in layers), "there is no BatchNorm")
    biased = any(isinstance(m, nn.Conv2d) and m.bias is not None for m in layers)
    _need(not biased, "the convolution has a bias that BatchNorm subtracts again")
    _need(isinstance(layers[-1], nn.BatchNorm2d), "the BatchNorm must come behind the convolution")
    out = _tensor("the pair", made.double(), torch.rand(2, 8, 6, 6))
    _need(out.shape[:2] == (2, 16), f"8 -> 16 channels are wanted, the output has {tuple(out.shape)}")
    return CORRECT


class _Operations(TorchDispatchMode):
    """Notes the name of every operation that torch carries out."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func.overloadpacket.__name__.removesuffix("_"))
        return func(*args, **(kwargs or {}))


@_checker
def check_folded(make_folded: Callable[[nn.Module], nn.Module]) -> str:
    """Whether a block without BatchNorms computes what a block in eval mode does.

    Args:
        make_folded: a function of a ``BasicBlock`` in eval mode that returns the new block, an ``nn.Module``,
            and leaves the old one as it was.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    _function(make_folded, "of a block")
    for in_channels, stride in ((16, 1), (8, 2)):
        block = blocks.BasicBlock(in_channels, 16, stride)
        for p in block.parameters():
            p.data = torch.rand(p.shape) - 0.5
        for _ in range(3):
            block(2 * torch.rand(4, in_channels, 9, 7))  # give the buffers a history
        x = torch.rand(4, in_channels, 9, 7)
        wanted, before = block.eval()(x).detach(), copy.deepcopy(block.state_dict())
        folded = result(make_folded, block, what="folding")
        _need(isinstance(folded, nn.Module), f"folding returned {described(folded)}; a block is wanted")
        after = block.state_dict()
        same = after.keys() == before.keys() and all(torch.equal(after[key], before[key]) for key in after)
        _need(same and not block.training, "the block that was handed in must stay as it was")
        left = [name for name, m in folded.named_modules() if isinstance(m, nn.modules.batchnorm._NormBase)]
        _need(not left, f"stride {stride}: still a BatchNorm at {', '.join(left)}")
        with torch.no_grad(), _Operations() as operations:
            out = _tensor("the folded block", folded, x.clone())
        _need(_is_close(out, wanted), f"stride {stride}: another output")
        names = operations.names
        arithmetic = {"mul", "div", "sub", "addcmul", "addcdiv", "rsqrt", "sqrt"} & names
        arithmetic |= {name for name in names if "norm" in name}
        _need(
            not arithmetic,
            f"stride {stride}: forward still computes ({', '.join(sorted(arithmetic))}); fold it in",
        )
    return CORRECT


@_checker
def check_asleep(names: Iterable[str]) -> str:
    """Whether names are those of the parameters without a gradient while a block's last scale is zero.

    The block is ``Bottleneck(32, 8)``.

    Args:
        names: names of parameters, strings in any container, as ``named_parameters`` gives them.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    is_row = hasattr(names, "__iter__") and not isinstance(names, str | bytes)
    _need(is_row, f"this is {described(names)}; a list of names of parameters is wanted")
    given = list(names)
    block = blocks.Bottleneck(32, 8)
    blocks.zero_last_scale(block)
    block(torch.rand(4, 32, 6, 6)).square().sum().backward()
    sleeping = {name: bool((p.grad == 0).all()) for name, p in block.named_parameters()}
    unknown = [name for name in given if not isinstance(name, str) or name not in sleeping]
    _need(not unknown, f"the block has no parameter called {unknown[:1]}")
    awake = sum(not sleeping[name] for name in set(given))
    _need(not awake, f"{awake} of these names do get a gradient in the first step")
    _need(len(set(given)) == sum(sleeping.values()), "all of these sleep, but they are not all that sleep")
    return CORRECT


# --- The room about orders ----------------------------------------------------------------------------------


@_checker
def check_can_subtract(block: Callable[[Tensor], Tensor]) -> str:
    """Whether a block is free to raise and to lower what goes through it.

    Args:
        block: a module or a function of x with 16 channels in and out, (N, 16, H, W) -> (N, 16, H, W).

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    _can_subtract(_copy(block))
    return CORRECT


def _can_subtract(run: Callable[[Tensor], Tensor]) -> None:
    """Refuse a block that never lowers an activation, or never raises one."""
    x = torch.rand(8, 16, 12, 12)
    out = _tensor("the block", run, x.clone())
    _need(out.shape == x.shape, f"the block turns {tuple(x.shape)} into {tuple(out.shape)}")
    _need((out < x).any(), "no activation became smaller: the branch ends in a ReLU and can only add")
    _need((out > x).any(), "no activation became larger")


@_checker
def check_order(order: preactivation.Order) -> str:
    """Whether an order of steps is a sixth one that passes its input on where the branch is silent.

    Args:
        order: a ``preactivation.Order``, or three strings of steps: entry, branch and after. The steps are
            those of ``STEPS``, with spaces between them.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    _need(
        isinstance(order, tuple | list) and len(order) == 3 and all(isinstance(part, str) for part in order),
        f"this is {described(order)}; an Order is wanted: three strings, entry, branch and after",
    )
    order = preactivation.Order(*order)
    _fault_in_steps(order)

    def made() -> nn.Module:
        block = preactivation.OrderedBlock(16, 16)
        block.order = order
        return block

    _can_subtract(made())
    silent, x = made(), torch.rand(4, 16, 6, 6) - 0.5
    nn.init.zeros_(silent.get_parameter("conv2.weight"))
    _need(torch.equal(silent(x), x), "with a silent branch the block changes its input")
    return CORRECT


def _fault_in_steps(order: preactivation.Order) -> None:
    """Refuse a list of steps that is none, or is one of the five, or has no bend between its convolutions."""
    steps = " ".join(order).split()
    unknown = [step for step in steps if step not in STEPS]
    _need(not unknown, f"there is no step called {unknown[:1]}; the steps are {', '.join(STEPS)}")
    once = sorted(step for step in steps if step != "relu") == ["bn1", "bn2", "conv1", "conv2"]
    _need(once, "each convolution and each BatchNorm should occur once")
    _need(
        order.branch.split()[:1] == ["conv1"],
        "what stands before the first convolution belongs into `entry`, and the branch begins with it",
    )
    spaced = preactivation.Order(*(" ".join(part.split()) for part in order))
    _need(spaced not in preactivation.ORDERS.values(), "that is one of the five")
    branch = order.branch.split()
    _need("conv2" in branch, "the second convolution belongs into the branch")
    between = branch[1 : branch.index("conv2")]
    _need("relu" in between, "between its two convolutions the branch is linear, so they are one: no ReLU")


# --- The room about relatives -------------------------------------------------------------------------------


@_checker
def check_grouped(convolve: Callable[[Tensor, Tensor, int], Tensor]) -> str:
    """Whether a function is a 3x3 convolution in groups with padding 1.

    Args:
        convolve: a function of (x, weight, groups) that returns (N, C, H, W), for ``x`` (N, C, H, W) and
            ``weight`` (C, C / groups, 3, 3).

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    _function(convolve, "of x, weight and groups")
    for channels, groups in ((16, 4), (12, 3), (8, 8), (8, 1)):
        x, weight = torch.rand(2, channels, 6, 5), torch.rand(channels, channels // groups, 3, 3)
        wanted = nn.functional.conv2d(x, weight, padding=1, groups=groups)
        case = f"{channels} channels in {groups} groups"
        out = _tensor(case, convolve, x.clone(), weight.clone(), groups)
        _need(out.shape == wanted.shape, f"{case}: shape {tuple(out.shape)}, not that of x")
        _need(_is_close(out, wanted), f"{case}: other values")
    return CORRECT


@_checker
def check_expected(expected: Callable[[int], float]) -> str:
    """Whether a number is how many blocks are active on average in stochastic depth.

    Args:
        expected: a function of the number of blocks that returns that mean, one number.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    _function(expected, "of the number of blocks")
    for num_blocks in (1, 3, 54):
        what = f"the mean for {num_blocks} blocks"
        given = one_number(result(expected, num_blocks, what=what), what)
        right = sum(1 - 0.5 * block / num_blocks for block in range(1, num_blocks + 1))
        side = "too many" if given > right else "too few"
        _need(abs(given - right) < 1e-5 * num_blocks, f"{num_blocks} blocks: {given:g} is {side}")
    return CORRECT


# --- The room about small batches ---------------------------------------------------------------------------


@_checker
def check_group_norm(normalize: Callable[[Tensor, int], Tensor]) -> str:
    """Whether a function normalizes the channels of an image in groups, without scale and shift.

    Args:
        normalize: a function of ``x`` (N, C, H, W) and the number of groups that returns a tensor of the
            same shape; to the variance it may add up to 1e-5.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    _function(normalize, "of x and the number of groups")
    for channels, groups in ((8, 2), (6, 3), (4, 1), (4, 4)):
        x = 3 * torch.rand(3, channels, 5, 4) + torch.arange(channels).view(-1, 1, 1)
        case = f"{channels} channels in {groups} groups"
        out = _tensor(case, normalize, x.clone(), groups)
        _need(out.shape == x.shape, f"{case}: shape {tuple(out.shape)}, not that of x")
        alone = _tensor(case, normalize, x[:1].clone(), groups)
        _need(_is_close(alone, out[:1]), f"{case}: an image gets another answer in company")
        parted = out.view(3, groups, -1)  # the values of each group in a row
        variance, mean = torch.var_mean(parted, dim=2, correction=0)
        _need(_is_close(mean, 0 * mean), f"{case}: the mean of a group is not zero")
        _need(_is_close(variance, 0 * mean + 1, within=1e-3), f"{case}: the variance of a group is off")
        known = nn.functional.group_norm(x, groups)
        _need(_is_close(out, known, within=1e-3), f"{case}: other values")
    return CORRECT


@_checker
def check_accumulated(step: Callable[[nn.Module, Tensor, Tensor, int], object]) -> str:
    """Whether a function leaves the gradient of a whole batch, although it sees a few images at a time.

    Args:
        step: a function of (model, images, labels, most) that puts the gradient of the mean cross-entropy
            over all images into ``p.grad`` and runs the model on at most ``most`` images at a time.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    _function(step, "of a model, images, labels and the largest number of images at a time")
    for count, most in ((8, 4), (7, 3), (5, 5), (6, 1)):
        body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.Flatten())
        model = nn.Sequential(body, nn.Linear(4 * 9, 3)).double()
        images, labels = torch.rand(count, 1, 5, 5).double(), torch.arange(count) % 3
        loss = nn.functional.cross_entropy(model(images), labels)
        wanted = torch.autograd.grad(loss, list(model.parameters()))
        sizes: list[int] = []

        def counted(module: nn.Module, given: tuple[Tensor, ...], sizes: list[int] = sizes) -> None:
            sizes.append(len(given[0]))

        hook = model.register_forward_pre_hook(counted)
        model.zero_grad()
        before = [p.detach().clone() for p in model.parameters()]
        case = f"{count} images, {most} at a time"
        result(step, model, images.clone(), labels.clone(), most, what=case)
        hook.remove()
        _need(sizes, f"{case}: the model was not run")
        _need(max(sizes) <= most, f"{case}: the model was run on {max(sizes)} images at once")
        _need(sum(sizes) == count, f"{case}: the model saw {sum(sizes)} images in all")
        same = all(torch.equal(p.detach(), old) for p, old in zip(model.parameters(), before, strict=True))
        _need(same, f"{case}: the weights were moved; only the gradient was asked for")
        grads = [p.grad for p in model.parameters()]
        _need(all(grad is not None for grad in grads), f"{case}: some weights have no gradient")
        given = torch.cat([grad.flatten() for grad in grads if grad is not None])
        whole = torch.cat([grad.flatten() for grad in wanted])
        times = float((given @ whole) / (whole @ whole))
        _need(
            _is_close(given, whole), f"{case}: another gradient, {times:.3g} times as long in its direction"
        )
    return CORRECT
