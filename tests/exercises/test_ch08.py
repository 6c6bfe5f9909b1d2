"""The checkers of chapter 8: right answers in several forms are accepted, plausible wrong ones refused."""

from __future__ import annotations

import math
import statistics
from fractions import Fraction

import numpy as np

from resnet_utils.exercises import ch08

# --- comparing ---------------------------------------------------------------------------------------------


def median_of_ratios(old, new):
    return statistics.median(a / b for a, b in zip(old, new, strict=True))


def median_by_numpy(old, new):
    return np.median(np.array(old) / np.array(new))


def ratio_of_sums(old, new):
    return sum(old) / sum(new)


def mean_of_ratios(old, new):
    return statistics.mean(a / b for a, b in zip(old, new, strict=True))


def ratio_of_medians(old, new):
    return statistics.median(old) / statistics.median(new)


# --- roofs -------------------------------------------------------------------------------------------------


def intensity(count, side, channels, kernel):
    maps, weights = count * channels * side * side, channels * channels * kernel * kernel
    return count * side * side * weights / (4 * (maps + maps + weights))


def intensity_by_bytes(count, side, channels, kernel):
    work = count * side**2 * channels**2 * kernel**2
    moved = 8 * count * side**2 * channels + 4 * channels**2 * kernel**2
    return Fraction(work, moved)


def without_weights(count, side, channels, kernel):
    return channels * kernel * kernel / 8


def roof_by_cases(intensity, peak, bandwidth):
    return peak if intensity > peak / bandwidth else intensity * bandwidth


# --- pictures ----------------------------------------------------------------------------------------------


def folded(weight, mean, std):
    new = weight / (255 * std[:, None, None])
    return new, -(new * 255 * mean[:, None, None]).sum(dim=(1, 2, 3))


def folded_by_sums(weight, mean, std):
    bias = -(weight.sum(dim=(2, 3)) * (mean / std)).sum(dim=1)
    return [weight / std.view(1, 3, 1, 1) / 255, bias]


def folded_for_0_to_1(weight, mean, std):
    new, bias = folded(weight, mean, std)
    return 255 * new, bias


def waiting(load, compute, workers):
    return max(0, 1 - compute * workers / load)


def waiting_by_batch(load, compute, workers):
    each = max(load / workers, compute)
    return 1 - compute / each


# --- devices -----------------------------------------------------------------------------------------------


def timed(work, wait, clock):
    wait()
    begin = clock()
    work()
    wait()
    return clock() - begin


def timed_with_a_warm_up(work, wait, clock):
    work()
    return timed(work, wait, clock)


def without_waiting(work, wait, clock):
    begin = clock()
    work()
    return clock() - begin


def waits_at_the_end_only(work, wait, clock):
    begin = clock()
    work()
    wait()
    return clock() - begin


def waits_before_only(work, wait, clock):
    wait()
    return without_waiting(work, wait, clock)


def twice(work, wait, clock):
    wait()
    begin = clock()
    work()
    work()
    wait()
    return clock() - begin


def pays_after(compiling, seconds, times):
    return compiling / (seconds - seconds / times) if times > 1 else math.inf


def pays_after_fast(compiling, seconds, times):
    saved = seconds * (1 - 1 / times)
    return np.float64(compiling) / saved if saved > 0 else float("inf")


# --- many devices, imagenet --------------------------------------------------------------------------------


def weighted(gradients, sizes):
    return sum(n * g for g, n in zip(gradients, sizes, strict=True) if n) / sum(sizes)


def weighted_as_list(gradients, sizes):
    kept = [(g, n) for g, n in zip(gradients, sizes, strict=True) if n > 0]
    return [sum(n * g[k] for g, n in kept) / sum(sizes) for k in range(2)]


def mean_of_means(gradients, sizes):
    return sum(gradients) / len(gradients)


def with_the_empty(gradients, sizes):
    return sum(n * g for g, n in zip(gradients, sizes, strict=True)) / sum(sizes)


def warm(step, batch, steps):
    goal = 0.1 * batch / 256
    return goal if step >= steps else 0.1 + (goal - 0.1) * step / steps


def warm_by_numpy(step, batch, steps):
    return np.interp(step, [0, steps], [0.1, 0.1 * batch / 256])


RIGHT = [
    (ch08.check_share_of_peak, (lambda images, cost, peak: images * cost / peak,)),
    (ch08.check_share_of_peak, (lambda images, cost, peak: np.float32(images) / (peak / cost),)),
    (ch08.check_fair_ratio, (median_of_ratios,)),
    (ch08.check_fair_ratio, (median_by_numpy,)),
    (ch08.check_whole_gain, (lambda share, times: 1 / (1 - share + share / times),)),
    (ch08.check_whole_gain, (lambda share, times: times / (times - times * share + share),)),
    (ch08.check_quarter_side, (112,)),
    (ch08.check_quarter_side, (np.sqrt(224**2 / 4),)),
    (ch08.check_intensity, (intensity,)),
    (ch08.check_intensity, (intensity_by_bytes,)),
    (ch08.check_roof, (lambda intensity, peak, bandwidth: min(peak, intensity * bandwidth),)),
    (ch08.check_roof, (roof_by_cases,)),
    (ch08.check_folded_normalization, (folded,)),
    (ch08.check_folded_normalization, (folded_by_sums,)),
    (ch08.check_waiting, (waiting,)),
    (ch08.check_waiting, (waiting_by_batch,)),
    (ch08.check_break_even, (pays_after,)),
    (ch08.check_break_even, (pays_after_fast,)),
    (ch08.check_device_seconds, (timed,)),
    (ch08.check_device_seconds, (timed_with_a_warm_up,)),
    (ch08.check_whole_gradient, (weighted,)),
    (ch08.check_whole_gradient, (weighted_as_list,)),
    (ch08.check_busiest, (lambda parameters, count: 4 * parameters * (count - 1),)),
    (ch08.check_busiest, (lambda p, n: float(sum(4 * p for _ in range(n - 1))),)),
    (ch08.check_gpu_hours, (lambda n, e, pace, share: n * e / (3600 * pace * share),)),
    (ch08.check_gpu_hours, (lambda n, e, p, s: Fraction(n * e) / Fraction(3600 * p * s),)),
    (ch08.check_warm_up, (warm,)),
    (ch08.check_warm_up, (warm_by_numpy,)),
]

WRONG = [
    (ch08.check_share_of_peak, (lambda images, cost, peak: 2 * images * cost / peak,), "factor of 2"),
    (ch08.check_share_of_peak, (lambda images, cost, peak: 100 * images * cost / peak,), "per cent"),
    (ch08.check_share_of_peak, (lambda images, cost, peak: peak / cost / images,), "wrong way round"),
    (ch08.check_share_of_peak, (lambda images, cost, peak: images / peak,), "not what is used"),
    (ch08.check_share_of_peak, (lambda images, cost, peak: None,), "return missing"),
    (ch08.check_fair_ratio, (ratio_of_sums,), "two are spoilt"),
    (ch08.check_fair_ratio, (mean_of_ratios,), "two are spoilt"),
    (ch08.check_fair_ratio, (ratio_of_medians,), "two are spoilt"),
    (ch08.check_fair_ratio, (lambda old, new: median_of_ratios(new, old),), "wrong way round"),
    (ch08.check_fair_ratio, (lambda old, new: max(old) - max(new),), "quiet rounds"),
    (ch08.check_fair_ratio, (1.5,), "a function is wanted"),
    (ch08.check_whole_gain, (lambda share, times: 1 - share + share / times,), "the time that is left"),
    (ch08.check_whole_gain, (lambda share, times: 1 - share + share * times,), "mean of two speeds"),
    (ch08.check_whole_gain, (lambda share, times: times,), "more than is left over for"),
    (ch08.check_whole_gain, (lambda share, times: 1.0,), "too little"),
    (ch08.check_quarter_side, (56,), "a sixteenth"),
    (ch08.check_quarter_side, (128,), "% of the pixels"),
    (ch08.check_quarter_side, (448,), "smaller than 224"),
    (ch08.check_quarter_side, ("half",), "the side should be a number"),
    (ch08.check_intensity, (lambda *given: 4 * intensity(*given),), "for each number"),
    (ch08.check_intensity, (lambda *given: 2 * intensity(*given),), "operations"),
    (ch08.check_intensity, (without_weights,), "weights have to be read"),
    (ch08.check_intensity, (lambda count, side, channels, kernel: channels,), "are not what the layer has"),
    (ch08.check_roof, (lambda intensity, peak, bandwidth: intensity * bandwidth,), "more than the machine"),
    (ch08.check_roof, (lambda intensity, peak, bandwidth: peak,), "more bytes than come"),
    (ch08.check_roof, (lambda intensity, peak, bandwidth: 0.1,), "below the roof"),
    (ch08.check_folded_normalization, (folded_for_0_to_1,), "these go to 255"),
    (
        ch08.check_folded_normalization,
        (lambda w, mean, std: (folded(w, mean, std)[0], 0 * w[:, 0, 0, 0]),),
        "bias",
    ),
    (ch08.check_folded_normalization, (lambda w, mean, std: (w, w[:, 0, 0, 0]),), "different maps"),
    (ch08.check_folded_normalization, (lambda w, mean, std: w,), "two tensors are wanted"),
    (ch08.check_folded_normalization, (lambda w, mean, std: (w, mean),), "have the shapes"),
    (ch08.check_waiting, (lambda load, compute, workers: load / (load + compute),), "took turns"),
    (ch08.check_waiting, (lambda load, compute, workers: 1 - compute * workers / load,), "less than no time"),
    (ch08.check_waiting, (lambda load, compute, workers: max(load / workers - compute, 0),), "in seconds"),
    (ch08.check_waiting, (lambda load, compute, workers: 0.9,), "is not the share"),
    (ch08.check_break_even, (lambda compiling, seconds, times: compiling / seconds,), "what it saves"),
    (ch08.check_break_even, (lambda *given: abs(pays_after(*given)) + 1,), "are not those spent"),
    (ch08.check_break_even, (lambda c, s, times: c / (s - s / times or 1e-9),), "no batch becomes shorter"),
    (ch08.check_break_even, (lambda c, s, times: "never",), "a number is wanted"),
    (ch08.check_device_seconds, (without_waiting,), "hand the work over"),
    (ch08.check_device_seconds, (waits_before_only,), "hand the work over"),
    (ch08.check_device_seconds, (waits_at_the_end_only,), "somebody else's work"),
    (ch08.check_device_seconds, (twice,), "one is to be timed"),
    (ch08.check_device_seconds, (lambda work, wait, clock: 10.0,), "never handed over"),
    (ch08.check_whole_gradient, (mean_of_means,), "counts alike"),
    (ch08.check_whole_gradient, (with_the_empty,), "without images has spoilt"),
    (ch08.check_whole_gradient, (lambda gradients, sizes: sum(gradients),), "another vector"),
    (ch08.check_whole_gradient, (lambda gradients, sizes: 1.0,), "shape"),
    (ch08.check_whole_gradient, (lambda gradients, sizes: "mean",), "an array of numbers is wanted"),
    (ch08.check_busiest, (lambda p, n: 8 * p * (n - 1) / n,), "in a ring"),
    (ch08.check_busiest, (lambda p, n: p * (n - 1),), "four bytes"),
    (ch08.check_busiest, (lambda p, n: 4 * p * n,), "to itself"),
    (ch08.check_busiest, (lambda p, n: 8 * p * (n - 1),), "receives"),
    (ch08.check_busiest, (lambda p, n: 1.0,), "another number"),
    (ch08.check_gpu_hours, (lambda n, e, pace, share: n * e / pace / share,), "seconds"),
    (ch08.check_gpu_hours, (lambda n, e, pace, share: n * e / pace * share / 3600,), "dearer"),
    (ch08.check_gpu_hours, (lambda n, e, pace, share: n * e / pace / 3600,), "no part"),
    (ch08.check_gpu_hours, (lambda n, e, pace, share: 1.0,), "another number"),
    (ch08.check_warm_up, (lambda step, batch, steps: 0.1 * batch / 256,), "without a warm-up"),
    (ch08.check_warm_up, (lambda s, b, w: 0.1 * b / 256 * min(1, s / w),), "rate is 0"),
    (ch08.check_warm_up, (lambda s, b, w: 0.1 + (0.1 * b / 256 - 0.1) * s / w,), "goes on rising"),
    (ch08.check_warm_up, (lambda s, b, w: 0.1 if s == 0 else 0.1 * math.sqrt(b / 256),), "proportion"),
    (ch08.check_warm_up, (lambda step, batch, steps: 7.0,), "another rate"),
]
SECRETS = {
    ch08.check_quarter_side: ["112"],
    ch08.check_folded_normalization: ["/ 255", "std"],
    ch08.check_fair_ratio: ["median"],
    ch08.check_roof: ["min("],
}
