"""Tests of ``resnet_utils.runtime.timing``: who is measured when, and what a busy machine cannot change."""

import itertools
import time
from collections import Counter

import pytest
import torch

from resnet_utils.runtime import timing


class Clock:
    """A clock that a piece of work moves by hand."""

    def __init__(self):
        self.now, self.pace = 0.0, 1.0

    def __call__(self):
        return self.now

    def taking(self, seconds):
        """A piece of work that takes so long when nothing else runs."""

        def work():
            self.now += seconds * self.pace

        return work


def test_each_piece_of_work_is_measured_once_a_round():
    clock = Clock()
    works = {"long": clock.taking(3.0), "short": clock.taking(2.0)}
    seconds = timing.alternated(works, rounds=3, clock=clock)
    assert seconds == {"long": [3.0] * 3, "short": [2.0] * 3}


def test_the_order_changes_and_the_first_call_is_not_counted():
    calls = []
    works = {name: lambda name=name: calls.append(name) for name in "abc"}
    timing.alternated(works, rounds=4)
    assert "".join(calls) == "abc" + "abc" + "bca" + "cab" + "cba"


def test_everybody_stands_everywhere_as_often():
    orders = timing.turns(["a", "b", "c"], 6)
    assert orders[:3] == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"]]
    assert orders[3] == ["c", "b", "a"]
    places = Counter((name, place) for order in orders for place, name in enumerate(order))
    assert set(places.values()) == {2}
    before = Counter((x, y) for order in orders for place, x in enumerate(order) for y in order[place + 1 :])
    assert set(before.values()) == {3}, "each stands before each other one in half of the rounds"


def test_two_things_alternate():
    assert timing.turns(["a", "b"], 4) == [["a", "b"], ["b", "a"], ["b", "a"], ["a", "b"]]


def test_a_machine_that_slows_down_for_some_rounds_does_not_change_the_ratio():
    """The truth is 2; a clock that runs a hundred times as fast in a third of the rounds."""
    clock = Clock()
    slow = itertools.cycle([1.0, 1.0, 100.0])

    def fast():
        clock.pace = next(slow)
        clock.now += 1.0 * clock.pace

    def twice():
        clock.now += 2.0 * clock.pace

    seconds = timing.alternated({"fast": fast, "twice": twice}, rounds=9, clock=clock)
    assert max(seconds["fast"]) == 100.0, "the slow rounds were there"
    assert timing.times_faster(seconds, "fast", than="twice") == pytest.approx(2.0)


def test_sleeping_takes_no_processor_time():
    if time.get_clock_info("process_time").resolution > 1e-4:
        pytest.skip("processor time is too coarse here")
    seconds = timing.alternated({"asleep": lambda: time.sleep(0.05)}, rounds=1)
    assert seconds["asleep"][0] < 0.04, "other programs may run meanwhile without being counted"


def test_torch_has_one_thread_meanwhile_and_its_own_number_afterwards():
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(2)
    try:
        timing.alternated({"look": lambda: seen.append(torch.get_num_threads())}, rounds=1)
        assert seen == [1, 1]
        assert torch.get_num_threads() == 2
        with pytest.raises(ZeroDivisionError):
            timing.alternated({"fail": lambda: 1 / 0}, rounds=1)
        assert torch.get_num_threads() == 2, "also after an error"
        timing.alternated({"look": lambda: seen.append(torch.get_num_threads())}, rounds=1, threads=2)
        assert seen[2:] == [2, 2]
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("options", "words"), [({"rounds": 0}, "rounds"), ({"threads": 1.5}, "threads")])
def test_counts_that_are_none_are_refused_by_name(options, words):
    with pytest.raises(ValueError, match=f"{words} must be"):
        timing.alternated({"nothing": lambda: None}, **options)


def test_no_work_and_work_that_is_no_function_are_refused():
    with pytest.raises(ValueError, match="at least one piece of work"):
        timing.alternated({})
    with pytest.raises(TypeError, match=r"works\['three'\] must be a function without arguments, got int"):
        timing.alternated({"three": 3})


def test_the_ratio_is_the_median_of_the_rounds_and_not_that_of_the_medians():
    seconds = {"a": [1.0, 4.0, 6.0], "b": [9.0, 3.0, 30.0]}  # the ratios are 9, 3/4 and 5; of medians: 9/4
    assert timing.times_faster(seconds, "a", than="b") == 5.0
    assert timing.times_faster(seconds, "b", than="a") == 0.2


def test_an_unknown_name_and_a_time_of_zero_are_refused():
    with pytest.raises(ValueError, match="nothing called 'c' was measured; there is 'a', 'b'"):
        timing.times_faster({"a": [1.0], "b": [1.0]}, "a", than="c")
    with pytest.raises(ValueError, match="'a' took no time"):
        timing.times_faster({"a": [0.0], "b": [1.0]}, "a", than="b")


def test_pieces_of_work_may_be_numbered():
    assert timing.alternated({0: list, (1, "b"): dict}, rounds=2).keys() == {0, (1, "b")}
