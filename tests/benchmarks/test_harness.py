"""The harness: its statistics by hand, its order, its clocks, what it refuses, and how it goes on."""

import json
import time

import pytest
import torch

from benchmarks import harness
from benchmarks.harness import Comparison, Kept, Settings, Spread, Stopwatch, Waiting

CPU = torch.device("cpu")


def test_median_and_quartiles_are_those_computed_by_hand():
    # Sorted 1 2 3 4 10: the quartiles of five values are the second and the fourth (Hyndman and Fan, type 7).
    assert Spread.of([10.0, 1.0, 3.0, 2.0, 4.0]) == Spread(2.0, 3.0, 4.0)
    # Sorted 1 2 3 4: a quarter of the way from 1 to 4 is 1.75, half 2.5, three quarters 3.25.
    assert Spread.of([4.0, 3.0, 2.0, 1.0]) == Spread(1.75, 2.5, 3.25)


def test_one_value_is_its_own_median_and_none_has_none():
    assert Spread.of([0.5]) == Spread(0.5, 0.5, 0.5)
    with pytest.raises(ValueError, match="no median of no values"):
        Spread.of([])


def test_a_ratio_is_the_median_of_the_rounds_ratios_and_not_the_ratio_of_medians():
    found = Comparison({"ours": [1.0, 2.0, 4.0], "theirs": [3.0, 4.0, 4.0]})
    # round by round 3, 2, 1: median 2; the quartiles of three lie half way
    assert found.ratio("ours", "theirs") == Spread(1.5, 2.0, 2.5)
    assert found.ratio("ours", "theirs", factor=0.5).middle == 1.0
    uneven = Comparison({"ours": [1.0, 1.0, 10.0], "theirs": [5.0, 3.0, 10.0]})
    assert uneven.ratio("ours", "theirs").middle == 3.0  # 5 would be that of the medians


def test_what_the_peak_would_give_goes_by_its_operations_a_second():
    found = Comparison({"peak": [0.5, 0.5, 0.5], "usual": [4.0, 6.0, 8.0]})
    # the peak does 100 operations in half a second; 300 would take it 1.5 s, and the usual way takes 6 s
    assert found.at_peak("usual", needed=300, operations=100) == 4.0


def test_each_work_runs_once_unmeasured_and_then_once_a_round():
    calls = []
    found = harness.compare({name: lambda name=name: calls.append(name) for name in "ab"}, rounds=3)
    assert calls == ["a", "b", "a", "b", "b", "a", "b", "a"]
    assert [len(times) for times in found.times.values()] == [3, 3]
    assert found.rounds == 3


def test_processor_time_does_not_count_waiting():
    assert harness.seconds(lambda: time.sleep(0.2), CPU) < 0.1  # sleeping costs next to nothing


def test_threads_are_one_while_comparing_and_as_before_afterwards():
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(2)
    try:
        harness.compare({"a": lambda: seen.append(torch.get_num_threads())}, rounds=1)
        assert set(seen) == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("rounds", [0, -1, 1.5, True])
def test_no_round_is_refused(rounds):
    with pytest.raises(ValueError, match="rounds must be"):
        harness.compare({"a": lambda: None}, rounds=rounds)


def test_nothing_to_compare_is_refused():
    with pytest.raises(ValueError, match="at least one piece of work"):
        harness.compare({}, rounds=1)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"rounds": 0}, "rounds must be at least 1, got 0"),
        ({"rounds": 6}, "rounds must be at least 7"),
        ({"batch": 0}, "batch must be at least 1 image, got 0"),
        ({"mode": "fast"}, "mode must be one of full, quick, tiny, got 'fast'"),
        ({"seeds": ()}, "at least one seed"),
        ({"seeds": (-1,)}, "seed must be at least 0, got -1"),
    ],
)
def test_settings_that_are_none_are_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        Settings(**bad)


def test_a_tiny_run_may_have_fewer_rounds_than_count():
    assert Settings(mode="tiny", rounds=2).num_rounds() == 2
    assert Settings(mode="full").num_rounds() >= harness.LEAST_ROUNDS
    assert Settings(mode="quick").num_rounds() == harness.LEAST_ROUNDS


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is an accelerator here")
def test_an_accelerator_that_is_not_here_is_refused():
    with pytest.raises(ValueError, match="no device 'cuda' here; there is cpu"):
        harness.chosen_device("cuda")


def test_operations_of_the_fat_convolution_are_those_counted_by_hand():
    _, operations = harness.convolution(2, 3, 5, dtype=torch.float32, device=CPU)
    assert operations == 2 * (2 * 5 * 5 * 3) * (
        3 * 3 * 3
    )  # a multiply and an add for each weight of an output


def test_the_noise_of_a_machine_is_near_one():
    found = harness.noise(rounds=2, tiny=True)
    assert 0.02 < found.low <= found.middle <= found.high < 50  # two rounds, on a machine with other work


def test_what_is_kept_is_not_computed_again(tmp_path):
    calls = []
    for _ in range(2):
        kept = Kept(tmp_path / "new", "rows")
        assert kept.get("a", lambda: calls.append(1) or {"x": 0.5}) == {"x": 0.5}
    assert kept.get("b", lambda: 2) == 2
    assert len(calls) == 1
    lines = (tmp_path / "new" / "rows.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [["a", {"x": 0.5}], ["b", 2]]


def test_a_run_that_was_killed_within_a_line_goes_on(tmp_path):
    (tmp_path / "rows.jsonl").write_text('["a", 1]\n["b", {"half')
    kept = Kept(tmp_path, "rows")
    assert kept.get("a", lambda: 0) == 1
    assert kept.get("b", lambda: 2) == 2
    again = Kept(tmp_path, "rows")
    assert again.done == {"a": 1, "b": 2}


def test_without_a_folder_nothing_is_kept():
    assert Kept(None, "rows").get("a", lambda: 1) == 1


def test_a_stopwatch_adds_up_only_while_it_runs():
    watch = Stopwatch()
    with watch.running():
        time.sleep(0.02)
    once = watch.wall
    time.sleep(0.05)
    assert watch.wall == once >= 0.02
    with watch.running():
        pass
    assert watch.wall >= once


def test_waiting_for_batches_is_counted_and_working_on_them_is_not():
    ticks = iter([0.0, 2.0, 10.0, 13.0, 20.0, 20.5])
    waits = Waiting([1, 2], clock=lambda: next(ticks))
    assert list(waits) == [1, 2]
    assert waits.seconds == 5.5  # 2 and 3 for the batches, half for the end
    assert len(waits) == 2
