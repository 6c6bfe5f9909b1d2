"""The switch ``fast``: how a network computes, channels last and in 16 bits, and when that is measured first.

Introduced in chapter 8.

Every function of the package that trains a network or asks it about many images takes ``fast``:

==========  =========================================================================================
``False``   float32, in the order of memory that the network and its images have: the same numbers
            on every machine, to the last digits
``True``    channels last, and 16 bits (``autocast``) where the processor has instructions for them
``"auto"``  whichever is fastest in a check on the first batch, if it gains at least 15 %; the check takes
            about two seconds at most, and a tenth of the work to come where that is less
``None``    what ``use`` has said for this process; ``"auto"`` where nobody has said anything
==========  =========================================================================================

``runtime.setup`` says False, since the numbers of a notebook have to be the same on every machine;
``runtime.setup(fast="auto")`` leaves the measuring on. What comes out is float32 in every case. Channels last
adds up in another order and differs in the last digits; 16 bits keep two to three digits of each answer.
The weights, the optimiser and the statistics of BatchNorms are float32 always.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from resnet_utils.runtime import given
from resnet_utils.runtime.seeding import kept_generators

GAIN = 1.15  # at least so many times as fast as float32, or nothing is changed
ROUNDS = 5  # of a check, each pace once a round, the first of them to warm up
CLEAR = 1.3  # a difference that two rounds in a row suffice for
MOST_SECONDS, MOST_SHARE = 2.0, 0.1  # of a check, and of the time that all images take; the less counts
FEW, MANY, SHORT = 2, 64, 0.5  # images in a check; seconds below which the first pass, cold, is repeated
WORTH = 512  # images to come; for fewer a check would cost more than it brings
BELOW_BF16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI")  # as oneDNN calls them


@given.explained
@dataclass(frozen=True)
class Pace:
    """How a network computes; the default is float32 in the order of memory that is there.

    Args:
        channels_last: whether the channels of a pixel lie side by side in memory.
        half: whether to compute in 16 bits where that is safe.

    Raises:
        ValueError: if one is neither True nor False.
    """

    channels_last: bool = False
    half: bool = False

    def __post_init__(self) -> None:
        given.yes_or_no("channels_last", self.channels_last)
        given.yes_or_no("half", self.half)

    def __str__(self) -> str:
        return ("16 bits" if self.half else "float32") + (", channels last" if self.channels_last else "")


PLAIN = Pace()
Fast = bool | str | Pace | None  # what the argument ``fast`` may be
_state: dict[str, Any] = {"default": "auto"}
_chosen: WeakKeyDictionary[nn.Module, dict[tuple, Pace]] = WeakKeyDictionary()


def use(fast: bool | str | Pace) -> None:
    """Say what ``fast=None`` means from now on in this process.

    Args:
        fast: False, True, "auto" or a ``Pace``.

    Raises:
        ValueError: for anything else.
    """
    if fast is None:
        raise ValueError("fast=None means what use() says: give it True, False or 'auto'")
    _state["default"] = asked(fast)


@contextmanager
def using(fast: Fast) -> Iterator[None]:
    """Inside, ``fast=None`` means this.

    Args:
        fast: as for ``use``; None: as outside.

    Raises:
        ValueError: for anything else.
    """
    before = _state["default"]
    _state["default"] = asked(fast)
    try:
        yield
    finally:
        _state["default"] = before


def asked(fast: Fast) -> bool | str | Pace:
    """What is asked for: False, True, "auto" or a ``Pace``, with None replaced by what the process uses.

    Args:
        fast: the argument of that name.

    Raises:
        ValueError: for anything that it cannot be.
    """
    if fast is None:
        return _state["default"]
    if isinstance(fast, (bool, Pace)) or (isinstance(fast, str) and fast == "auto"):
        return fast
    raise ValueError(f"fast must be True, False, 'auto' or None, got {fast!r:.100}")


def has_half(device: torch.device) -> bool:
    """Whether the processor has instructions for 16 bits; without, they are slower than float32.

    On the CPU that is bfloat16 (AVX-512 BF16, AMX, Arm's BF16), unless ``ONEDNN_MAX_CPU_ISA`` forbids it; on
    CUDA it is always so, on other devices never.

    Args:
        device: where the network computes.
    """
    given.of_kind("device", device, torch.device)
    if device.type != "cpu":
        return device.type == "cuda"
    if os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() in BELOW_BF16:
        return False
    if getattr(torch.cpu, "_is_avx512_bf16_supported", bool)():
        return True
    more = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(more.get("amx_bf16") or more.get("arm_bf16") or more.get("bf16"))


def sixteen_bits(device: torch.device) -> torch.dtype:
    """The 16-bit type of ``autocast``: bfloat16, but float16 on GPUs that only emulate bfloat16.

    Args:
        device: where the network computes.
    """
    given.of_kind("device", device, torch.device)
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16


def fastest(device: torch.device) -> Pace:
    """What ``fast=True`` means on a device: channels last and 16 bits, as far as it has them.

    Args:
        device: where the network computes.
    """
    return Pace(half=has_half(device), channels_last=device.type in ("cpu", "cuda"))


def choose(
    fast: Fast,
    model: nn.Module,
    images: Tensor,
    *,
    training: bool = False,
    half: bool | None = None,
    to_come: int | None = None,
    clock: Callable[[], float] | None = None,
) -> Pace:
    """How ``model`` is to compute.

    For "auto" it measures a pass, in training with its backward pass, of a copy of the model on a few of the
    images, in each pace that the device has, in turn. The model, its optimiser, its BatchNorms and all
    generators are afterwards what they were, to the bit. What was measured for a model is remembered. The
    check ends when two rounds agree clearly, or after about two seconds, or a tenth of the time that the
    images to come take; only a network that needs a good part of that for two images gets one round more.

    Args:
        fast: as at the top of this module; a ``Pace`` is the answer.
        model: in the mode that it will compute in.
        images: the first batch, float (N, C, H, W), where the model lies.
        training: whether there are backward passes.
        half: what an explicit ``autocast=`` says, which decides alone; None: nothing was said.
        to_come: how many images there are in all; below 512 a check is not worth it, and nothing is changed.
            None: unknown, so many.
        clock: gives seconds. None: on a processor with one thread the processor time, which stands still
            while other programs run; else, and on Windows, where that is too coarse, the time of day.

    Returns:
        The pace. Its ``half`` is ``half`` wherever that was given.

    Raises:
        ValueError: if ``fast``, ``training``, ``half`` or ``to_come`` cannot be that.
    """
    given.of_kind("model", model, nn.Module)
    given.of_kind("images", images, Tensor)
    given.of_kind("clock", clock, (Callable, type(None)))
    training = given.yes_or_no("training", training)
    half = None if half is None else given.yes_or_no("half", half)
    to_come = None if to_come is None else given.whole_number("to_come", to_come, least=0)
    wish = asked(fast)
    if isinstance(wish, Pace):
        return wish
    if wish != "auto":
        pace = fastest(images.device) if wish else PLAIN
        return settle(_with(pace, half)) if training else _with(pace, half)
    plain, best = _with(PLAIN, half), _with(fastest(images.device), half)
    paces = list(dict.fromkeys([plain, Pace(best.channels_last, plain.half), best]))
    if to_come is not None and to_come < WORTH:
        return settle(plain) if training else plain
    known = _chosen.setdefault(model, {})
    key = (training, half, tuple(images.shape[1:]), images.dtype, images.device, torch.get_num_threads())
    if key not in known:
        clock = clock or _clock(images.device)
        known[key] = _measured(paces, model, images, training=training, to_come=to_come, clock=clock)
    return settle(known[key]) if training else known[key]


def settle(pace: Pace) -> Pace:
    """The pace of a training, the same in every process that takes part in it: each asks here, once.

    Alone, a process takes what it has chosen. ``agree`` puts a broadcast in.

    Args:
        pace: what this process has chosen.
    """
    given.of_kind("pace", pace, Pace)
    together = _state.get("together")
    return pace if together is None else together(pace)


def agree(together: Callable[[Pace], Pace] | None) -> None:
    """Let all processes of a training choose alike.

    Args:
        together: from the pace that a process has chosen to that of all, such as the first one's; None: each
            takes its own.
    """
    given.of_kind("together", together, (Callable, type(None)))
    _state["together"] = together


def computing(pace: Pace, device: torch.device) -> AbstractContextManager:
    """Where a network computes at a ``pace``: with autocast to 16 bits, or as it is.

    Args:
        pace: from ``choose``.
        device: where the network lies.
    """
    given.of_kind("pace", pace, Pace)
    given.of_kind("device", device, torch.device)
    return torch.autocast(device.type, sixteen_bits(device)) if pace.half else nullcontext()


@given.explained
def arranged(images: Tensor, pace: Pace) -> Tensor:
    """Images in the order of memory of a ``pace``; others than (N, C, H, W) as they are.

    Args:
        images: of a batch.
        pace: from ``choose``.
    """
    if pace.channels_last and images.ndim == 4:
        return images.contiguous(memory_format=torch.channels_last)
    return images


@contextmanager
def kept_order(model: nn.Module, pace: Pace) -> Iterator[None]:
    """Inside, the filters of ``model`` lie in the order of memory of a ``pace``; outside as they did.

    A network that DistributedDataParallel has taken in is left as it is: its gradients lie in buckets.

    Args:
        model: any; its numbers stay the same.
        pace: from ``choose``.
    """
    given.of_kind("model", model, nn.Module)
    given.of_kind("pace", pace, Pace)
    moved = []
    if pace.channels_last and not isinstance(model, nn.parallel.DistributedDataParallel):
        moved = [one for one in model.parameters() if one.ndim == 4 and one.is_contiguous()]
    try:
        for parameter in moved:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        yield
    finally:
        for parameter in moved:
            parameter.data = parameter.data.contiguous()


def _with(pace: Pace, half: bool | None) -> Pace:
    """A pace with what was said about 16 bits."""
    return pace if half is None else Pace(pace.channels_last, half)


def _clock(device: torch.device) -> Callable[[], float]:
    """What measures a check: processor time where that is the time of one thread."""
    alone = device.type == "cpu" and torch.get_num_threads() == 1 and os.name != "nt"
    return time.process_time if alone else time.perf_counter


def _measured(
    paces: list[Pace],
    model: nn.Module,
    images: Tensor,
    *,
    training: bool,
    to_come: int | None,
    clock: Callable[[], float],
) -> Pace:
    """The fastest of the paces; the first one unless another gains enough, or nothing can be measured."""
    if len(paces) == 1:
        return paces[0]
    times: dict[Pace, list[float]] = {pace: [] for pace in paces}
    began = time.perf_counter()
    try:
        with kept_generators(None):
            stand_in = _copy(model)
            few = images[:FEW].detach().clone()
            first = _pass(stand_in, few, paces[0], training, clock)
            if first < SHORT:
                first = min(first, _pass(stand_in, few, paces[0], training, clock))
            each = first / max(1, len(few))
            most = MOST_SECONDS if to_come is None else min(MOST_SECONDS, MOST_SHARE * each * to_come)
            count = most / (ROUNDS * len(paces) * each) if each else MANY
            few = images[: max(FEW, min(MANY, int(count)))].detach().clone()
            for _ in range(ROUNDS):
                for pace in paces:
                    times[pace].append(_pass(stand_in, few, pace, training, clock))
                spent = max(first + sum(map(sum, times.values())), time.perf_counter() - began)
                if spent > most or _is_clear(times):
                    break
    except Exception:  # whatever is wrong with model or images, the computing itself says it in words
        return paces[0]
    return fastest_of({pace: min(each) for pace, each in times.items()})


def _is_clear(times: dict[Pace, list[float]]) -> bool:
    """Whether the last two rounds say the same beyond doubt; the first one of all does not count."""
    plain, *others = times.values()
    if len(plain) < 3:
        return False
    gains = [max(plain[number] / other[number] for other in others) for number in (-1, -2)]
    return min(gains) >= CLEAR or max(gains) <= 1.0


@given.explained
def fastest_of(seconds: dict[Pace, float]) -> Pace:
    """The pace that took least time, if it gains at least 15 % on the first one; else the first one.

    Args:
        seconds: by pace; the first is what would be without any switch.

    Raises:
        ValueError: if there is none, or a time is no number.
    """
    if not seconds or not all(isinstance(pace, Pace) for pace in seconds):
        raise ValueError(f"seconds must hold a time for each Pace, got {seconds!r:.100}")
    given.real_numbers("seconds", list(seconds.values()))
    plain = next(iter(seconds))
    best = min(seconds, key=seconds.__getitem__)
    return best if seconds[plain] >= GAIN * seconds[best] else plain


def _copy(model: nn.Module) -> nn.Module:
    """A copy of the network alone: no processes beside it, nobody who looks on."""
    while isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        model = model.module
    stand_in = copy.deepcopy(model)
    for module in stand_in.modules():
        module._forward_hooks.clear()
    return stand_in


def _pass(model: nn.Module, images: Tensor, pace: Pace, training: bool, clock: Callable[[], float]) -> float:
    """Seconds of a pass forward, in training also backward."""
    with kept_order(model, pace), torch.set_grad_enabled(training):
        _wait(images.device)
        started = clock()
        with computing(pace, images.device):
            answers = model(arranged(images, pace))
        if training:
            answers.float().square().mean().backward()
            model.zero_grad()
        _wait(images.device)
        return clock() - started


def _wait(device: torch.device) -> None:
    """For a GPU to have done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
