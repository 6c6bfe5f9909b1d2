"""The checkers of chapter 8, "Making it fast".

Introduced in chapter 8.

Each takes a reader's answer and returns "correct", or a sentence that says what is wrong and never what
would be right. None raises on an answer of a wrong kind, changes what it is given, or moves the global random
state. None measures a time: all judge by numbers that they give.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from resnet_utils.exercises.answers import Wrong, described, number, one_number, reply, result


def _value(function: object, *arguments: object, where: str, finite: bool = True) -> float:
    """The number that a reader's function returns."""
    found = result(function, *arguments, where=where)
    value = number(found, finite=finite)
    if value is None:
        raise Wrong(f"{where}: a number is wanted, this is {described(found)}")
    return value


def _near(value: float, right: float) -> bool:
    return math.isclose(value, right, rel_tol=1e-6, abs_tol=1e-9)


# --- the main notebook -------------------------------------------------------------------------------------


def check_share_of_peak(function: Callable[[float, float, float], float]) -> str:
    """Judges which share of a machine's peak a network uses.

    Args:
        function: from images a second, multiply-adds an image and the peak in multiply-adds a second to the
            share, from 0 to 1.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_share_of_peak, function)


def _share_of_peak(function: object) -> None:
    for images, cost, peak in ((10.0, 2e9, 40e9), (100.0, 1e9, 400e9), (30.0, 4e9, 150e9)):
        where = f"for {images:g} images a second of {cost:.0e} multiply-adds and a peak of {peak:.0e}"
        value, right = _value(function, images, cost, peak, where=where), images * cost / peak
        if _near(value, 2 * right) or _near(value, right / 2):
            raise Wrong(
                f"{where}: off by a factor of 2; all three count multiply-adds, none counts operations"
            )
        if _near(value, 100 * right):
            raise Wrong(f"{where}: that is in per cent; a share of one is wanted")
        if _near(value, 1 / right):
            raise Wrong(f"{where}: that is above 1 where the network is slow; the wrong way round")
        if not _near(value, right):
            raise Wrong(f"{where}: {value:g} is not what is used of what there is")


def check_fair_ratio(function: Callable[[Sequence[float], Sequence[float]], float]) -> str:
    """Judges how two ways that took turns are compared.

    Args:
        function: from the seconds of the old way and those of the new way, round by round, to how many times
            as fast the new one is, which a few disturbed rounds must not change.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_fair_ratio, function)


def _fair_ratio(function: object) -> None:
    quiet = [3.0, 3.0, 3.0], [2.0, 2.0, 2.0]
    value = _value(function, *quiet, where="in three quiet rounds")
    if _near(value, 2 / 3):
        raise Wrong("the new way takes two thirds of the time, so it is not slower: the wrong way round")
    if not _near(value, 1.5):
        raise Wrong(f"3 s against 2 s in each of three quiet rounds, and your function says {value:g}")
    # The machine is slow for a while: in the second and third rounds all takes ten times as long.
    slowed = [3.0, 30.0, 30.0, 3.0, 3.0], [2.0, 20.0, 20.0, 2.0, 2.0]
    value = _value(function, *slowed, where="when two rounds are slow")
    if not _near(value, 1.5):
        raise Wrong(f"two rounds in which both are ten times as slow make {value:.2g} of it")
    # Somebody else's program hits one way only, twice, and the pace of the machine changes between rounds.
    hit = [3.0, 6.0, 300.0, 30.0, 30.0], [2.0, 4.0, 2.0, 20.0, 200.0]
    value = _value(function, *hit, where="when two rounds are spoilt")
    if not _near(value, 1.5):
        raise Wrong(
            f"in three of five rounds the one takes one and a half times as long, two are spoilt, and your "
            f"function says {value:.3g}"
        )


def check_whole_gain(function: Callable[[float, float], float]) -> str:
    """Judges how much faster the whole becomes when a part of it does.

    Args:
        function: from the part's share of the time before, from 0 to 1, and how many times as fast it has
            become, to how many times as fast the whole is.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_whole_gain, function)


def _whole_gain(function: object) -> None:
    for share, times in ((0.5, 2.0), (0.8, 4.0), (1.0, 3.0), (0.0, 10.0), (0.9, 1e9)):
        where = f"for a share of {share:g} that becomes {times:g} times as fast"
        value, right = _value(function, share, times, where=where), 1 / (1 - share + share / times)
        if _near(value, 1 / right) and not _near(right, 1):
            raise Wrong(f"{where}: that is the time that is left; how many times as fast is asked")
        if _near(value, 1 - share + share * times) and not _near(value, right):
            raise Wrong(f"{where}: that is the mean of two speeds, and it is times that add up")
        if value > right * (1 + 1e-6):
            raise Wrong(f"{where}: {value:.3g} is more than is left over for")
        if not _near(value, right):
            raise Wrong(f"{where}: {value:.3g} is too little; add up the times of both parts")


def check_quarter_side(pixels: float) -> str:
    """Judges the side at which images cost a network a quarter of what they cost at 224 pixels.

    Args:
        pixels: the side.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_quarter_side, pixels)


def _quarter_side(pixels: object) -> None:
    value = one_number(pixels, "the side")
    if value == 56:
        raise Wrong("a quarter of the side leaves a sixteenth of the pixels")
    if not 8 <= value < 224:
        raise Wrong("the side is smaller than 224 pixels, and a picture still has to be there")
    share = (value / 224) ** 2
    if abs(share - 0.25) > 0.005:
        raise Wrong(f"a square of that side has {100 * share:.0f} % of the pixels")


# --- the roofline ------------------------------------------------------------------------------------------


def check_intensity(function: Callable[[int, int, int, int], float]) -> str:
    """Judges the arithmetic intensity of a convolution without stride and bias, in float32.

    Args:
        function: from images, side of the map, channels (as many in as out) and side of the kernel to
            multiply-adds for each byte: of what is read (map and weights) and what is written, each once.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_intensity, function)


def _intensity(function: object) -> None:
    for count, side, channels, kernel in ((8, 56, 64, 3), (1, 7, 512, 3), (16, 28, 128, 1), (1, 112, 4, 7)):
        where = f"for {count} images, {side} x {side} places, {channels} channels, kernel {kernel}"
        value = _value(function, count, side, channels, kernel, where=where)
        maps, weights = count * side**2 * channels, channels**2 * kernel**2
        work = count * side**2 * weights
        right = work / (4 * (2 * maps + weights))
        if _near(value, 4 * right):
            raise Wrong(f"{where}: that is for each number; a number in float32 has more bytes than one")
        if _near(value, 2 * right):
            raise Wrong(f"{where}: twice as much; operations were counted in place of multiply-adds?")
        if _near(value, work / (4 * 2 * maps)):
            raise Wrong(f"{where}: the weights have to be read as well")
        if _near(value, work / (4 * (maps + weights))):
            raise Wrong(f"{where}: the map is read, and another one is written")
        if not _near(value, right):
            raise Wrong(f"{where}: {value:.3g} multiply-adds for each byte are not what the layer has")


def check_roof(function: Callable[[float, float, float], float]) -> str:
    """Judges the most that a machine can do at a given intensity.

    Args:
        function: from intensity (multiply-adds for each byte), peak (multiply-adds a second) and bandwidth
            (bytes a second) to the most multiply-adds a second.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_roof, function)


def _roof(function: object) -> None:
    for intensity, peak, bandwidth in (
        (0.25, 100.0, 20.0),
        (50.0, 100.0, 20.0),
        (5.0, 100.0, 20.0),
        (2.0, 3.0, 4.0),
    ):
        where = f"for intensity {intensity:g}, peak {peak:g} and bandwidth {bandwidth:g}"
        value, right = (
            _value(function, intensity, peak, bandwidth, where=where),
            min(peak, intensity * bandwidth),
        )
        if value > peak * (1 + 1e-9):
            raise Wrong(f"{where}: {value:g} is more than the machine can compute, however fast data come")
        if value > right * (1 + 1e-9):
            raise Wrong(f"{where}: {value:g} would need more bytes than come in a second")
        if not _near(value, right):
            raise Wrong(f"{where}: {value:g} is below the roof; nothing would keep it there")


# --- pictures in -------------------------------------------------------------------------------------------


def check_folded_normalization(function: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]) -> str:
    """Judges a first convolution that takes pixels from 0 to 255 as they are.

    Args:
        function: from the weight (O, C, k, k) of a convolution without bias and padding that expects
            ``(pixels / 255 - mean) / std``, and mean and std (C,), to the weight and the bias (O,) that give
            the same for the pixels themselves.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_folded_normalization, function)


def _folded_normalization(function: object) -> None:
    generator = torch.Generator().manual_seed(8)
    weight = torch.randn(4, 3, 3, 3, generator=generator, dtype=torch.float64)
    pixels = 255 * torch.rand(2, 3, 6, 6, generator=generator, dtype=torch.float64)
    mean, std = torch.tensor([0.5, 0.4, 0.3]).double(), torch.tensor([0.2, 0.25, 0.3]).double()
    found = result(function, weight.clone(), mean.clone(), std.clone())
    pair = list(found) if isinstance(found, tuple | list) else []
    if len(pair) != 2 or not all(isinstance(item, Tensor) for item in pair):
        raise Wrong(f"two tensors are wanted, weight and bias; this is {described(found)}")
    new, bias = (item.detach().double() for item in pair)
    if new.shape != weight.shape or bias.shape != (4,):
        raise Wrong(f"weight and bias have the shapes {tuple(new.shape)} and {tuple(bias.shape)}")
    normal = (pixels / 255 - mean[:, None, None]) / std[:, None, None]
    wanted, got = nn.functional.conv2d(normal, weight), nn.functional.conv2d(pixels, new, bias)
    if torch.allclose(got, wanted, atol=1e-6):
        return
    apart = (got - wanted).mean(dim=(0, 2, 3))
    if torch.allclose(got - wanted, apart[None, :, None, None].expand_as(got), atol=1e-6):
        raise Wrong("the weights are right, but each output channel is off by a number of its own: the bias")
    if torch.allclose(nn.functional.conv2d(pixels / 255, new, bias), wanted, atol=1e-6):
        raise Wrong("right for pixels from 0 to 1; these go to 255")
    raise Wrong("for an image of random pixels the two convolutions give different maps; look at the weights")


def check_waiting(function: Callable[[float, float, int], float]) -> str:
    """Judges the share of the time that a training waits for its data, when loading goes on meanwhile.

    Args:
        function: from the seconds that one worker needs for a batch, the seconds that the network needs for
            it, and the number of workers (each with a core of its own), to the share, from 0 to below 1.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_waiting, function)


def _waiting(function: object) -> None:
    for load, compute, workers in (
        (0.2, 0.1, 1),
        (0.2, 0.1, 4),
        (0.1, 0.1, 1),
        (0.6, 0.1, 2),
        (0.05, 0.3, 1),
    ):
        where = f"for {load:g} s to load, {compute:g} s to compute and {workers} worker(s)"
        value = _value(function, load, compute, workers, where=where)
        each = max(load / workers, compute)  # from one batch to the next
        right = (each - compute) / each
        if value < 0:
            raise Wrong(f"{where}: nobody waits for less than no time")
        if _near(value, load / (load + compute)) and not _near(value, right):
            raise Wrong(f"{where}: that would be so if loading and computing took turns")
        if _near(value, each - compute) and not _near(value, right):
            raise Wrong(f"{where}: that is in seconds for each batch; a share of the time is asked")
        if not _near(value, right):
            raise Wrong(f"{where}: {value:.3g} is not the share; how long is it from one batch to the next?")


# --- compiled, or on a GPU ---------------------------------------------------------------------------------


def check_break_even(function: Callable[[float, float, float], float]) -> str:
    """Judges after how many batches compiling has paid for itself.

    Args:
        function: from the seconds of compiling, the seconds of a batch without it, and how many times as fast
            a batch is afterwards, to the number of batches, not rounded; infinity where it never pays.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_break_even, function)


def _break_even(function: object) -> None:
    for compiling, seconds, times in ((30.0, 0.1, 3.0), (24.0, 0.5, 1.2), (30.0, 0.1, 1.0), (40.0, 0.2, 0.9)):
        where = f"for {compiling:g} s of compiling and batches of {seconds:g} s, {times:g} times as fast"
        value = _value(function, compiling, seconds, times, where=where, finite=False)
        saved = seconds - seconds / times
        if saved <= 0:
            if value != math.inf:
                raise Wrong(f"{where}: no batch becomes shorter, and your function says {value:g} batches")
            continue
        if _near(value, compiling / seconds) or _near(value, compiling / (seconds / times)):
            raise Wrong(f"{where}: what counts is not what a batch takes, but what it saves")
        if not _near(value, compiling / saved):
            raise Wrong(f"{where}: after {value:g} batches the seconds saved are not those spent")


class _Device:
    """A device that works on its own: a call returns at once, and what it does is done ten seconds later."""

    def __init__(self) -> None:
        self.now, self.done = 100.0, 0.0
        self.looks: list[float] = []
        self.submitted = 0

    def work(self) -> None:
        self.submitted += 1
        self.now += 0.001
        self.done = max(self.done, self.now) + 10.0

    def wait(self) -> None:
        self.now = max(self.now, self.done)

    def clock(self) -> float:
        return self.now


def check_device_seconds(function: Callable[[Callable, Callable, Callable], float]) -> str:
    """Judges how a piece of work is timed on a device that works on its own, as GPUs do.

    Args:
        function: from ``work()``, which hands work to the device and returns at once, ``wait()``, which
            returns when the device has nothing left to do, and ``clock()``, which gives seconds, to the
            seconds that one ``work()`` takes on the device.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_device_seconds, function)


def _device_seconds(function: object) -> None:
    for busy in (False, True):
        device: Any = _Device()
        if busy:
            device.work()  # somebody's work from before is still going on
            device.submitted = 0
        where = (
            "on a device that still has other work to do" if busy else "on a device that has nothing to do"
        )
        value = _value(function, device.work, device.wait, device.clock, where=where)
        if device.submitted == 0:
            raise Wrong(f"{where}: the work was never handed over")
        if device.submitted > 1 and abs(value - 10.0) > 0.1:
            raise Wrong(f"{where}: the work was handed over {device.submitted} times, one is to be timed")
        if value < 1:
            raise Wrong(
                f"{where}: {value:.3f} s is the time to hand the work over; nobody waited for its end"
            )
        if value > 10.1:
            raise Wrong(f"{where}: {value:.1f} s, with somebody else's work in it")
        if value < 9.9:
            raise Wrong(f"{where}: {value:.1f} s is less than the work takes")


# many_devices, imagenet


def check_whole_gradient(function: Callable[[Sequence[Any], Sequence[int]], Any]) -> str:
    """Judges how the gradients of several processes become that of the whole batch.

    Args:
        function: from the mean gradient of each process, NumPy arrays of one shape, and how many images each
            had, to the mean gradient over all images.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_whole_gradient, function)


def _whole_gradient(function: object) -> None:
    cases = [
        ("for equal shares", [[1.0, 2.0], [3.0, 6.0]], [4, 4], [2.0, 4.0]),
        ("for shares of 1 and 3", [[1.0, 2.0], [3.0, 6.0]], [1, 3], [2.5, 5.0]),
        ("for shares of 2, 0 and 6", [[4.0, 0.0], [math.nan, math.nan], [0.0, 8.0]], [2, 0, 6], [1.0, 6.0]),
    ]
    for where, gradients, sizes, right in cases:
        arrays = [np.array(each) for each in gradients]
        found = result(function, arrays, list(sizes), where=where)
        try:
            values = np.asarray(found, dtype=float)
        except (TypeError, ValueError):
            raise Wrong(f"{where}: an array of numbers is wanted, this is {described(found)}") from None
        if values.shape != (2,):
            raise Wrong(f"{where}: the gradients have 2 numbers, your answer has the shape {values.shape}")
        if not np.isfinite(values).all():
            raise Wrong(f"{where}: a process without images has spoilt the answer")
        if not np.allclose(values, right, rtol=1e-6, atol=1e-9):
            plain = np.allclose(values, np.nanmean(arrays, axis=0))
            hint = "each process counts alike, whatever its share" if plain else "it is another vector"
            raise Wrong(f"{where}: {hint}")


def check_busiest(function: Callable[[int, int], float]) -> str:
    """Judges how many bytes the first process sends where all gradients go through it.

    Args:
        function: from the number of parameters and of processes to the bytes that the busiest process sends,
            in float32.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_busiest, function)


def _busiest(function: object) -> None:
    for parameters, count in ((1000, 4), (10, 2), (25_000_000, 64)):  # for two, wrong ways look alike
        where = f"for {parameters} parameters and {count} processes"
        value, right = _value(function, parameters, count, where=where), 4 * parameters * (count - 1)
        if _near(value, right):
            continue
        if _near(value, right / 4):
            raise Wrong(f"{where}: those are numbers; each has four bytes")
        if _near(value, 4 * parameters * count):
            raise Wrong(f"{where}: it need not send anything to itself")
        if _near(value, 8 * parameters * (count - 1) / count):
            raise Wrong(f"{where}: that is what each sends in a ring")
        if _near(value, 2 * right):
            raise Wrong(f"{where}: what it receives is not to be counted, only what it sends")
        raise Wrong(f"{where}: {value:.6g} is another number of bytes")


def check_gpu_hours(function: Callable[[float, float, float, float], float]) -> str:
    """Judges the price of a training in hours of GPUs.

    Args:
        function: from images a pass, passes, images a second of one GPU and the efficiency of several, from 0
            to 1, to the hours of all GPUs together.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_gpu_hours, function)


def _gpu_hours(function: object) -> None:
    for images, passes, pace, efficiency in ((3600.0, 10.0, 10.0, 1.0), (1.28e6, 90.0, 2500.0, 0.8)):
        where = f"for {images:g} images, {passes:g} passes, {pace:g} images a second and {efficiency:g}"
        value = _value(function, images, passes, pace, efficiency, where=where)
        right = images * passes / pace / efficiency / 3600
        if _near(value, 3600 * right):
            raise Wrong(f"{where}: those are seconds")
        if efficiency < 1 and _near(value, right * efficiency**2):
            raise Wrong(f"{where}: a worse efficiency should make it dearer, not cheaper")
        if efficiency < 1 and _near(value, right * efficiency):
            raise Wrong(f"{where}: the efficiency plays no part in it")
        if not _near(value, right):
            raise Wrong(f"{where}: {value:.6g} hours is another number")


def check_warm_up(function: Callable[[int, int, int], float]) -> str:
    """Judges the rate of a large batch while it is warmed up, by the linear rule.

    Args:
        function: from the step, from 0, the batch and the steps of the warm-up to the rate: 0.1 belongs to
            a batch of 256; at step 0 the rate is 0.1, at the end of the warm-up that of the batch, in between
            on a straight line, afterwards the same.

    Returns:
        "correct", or a sentence that says what is wrong.
    """
    return reply(_warm_up, function)


def _warm_up(function: object) -> None:
    for step, batch, steps in ((0, 8192, 780), (390, 8192, 780), (780, 8192, 780), (5000, 2048, 100)):
        where = f"at step {step} of a warm-up of {steps}, batch {batch}"
        value, goal = _value(function, step, batch, steps, where=where), 0.1 * batch / 256
        right = 0.1 + (goal - 0.1) * min(1.0, step / steps)
        if _near(value, right):
            continue
        if step == 0 and abs(value) < 1e-9:
            raise Wrong(f"{where}: the rate is 0, and should be that of a batch of 256")
        if step > steps and value > goal:
            raise Wrong(f"{where}: the rate goes on rising after the warm-up")
        if step < steps and _near(value, goal):
            raise Wrong(f"{where}: the full rate, without a warm-up")
        if _near(value, 0.1 * math.sqrt(batch / 256)):
            raise Wrong(f"{where}: that grows with the root of the batch; the rule is a proportion")
        raise Wrong(f"{where}: {value:.6g} is another rate")
