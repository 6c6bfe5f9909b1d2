"""Public functions and classes take bad arguments in words: no raw error from inside, no silence, no hang."""

from __future__ import annotations

import bad_calls
import good_calls
import pytest

EXAMPLES = 12  # here; experiments/reliability_inputs.py draws more
SPOILT = [name for name in good_calls.FUNCTIONS if bad_calls.can_be_spoilt(name)]


@pytest.mark.parametrize("name", good_calls.FUNCTIONS)
def test_the_call_that_is_spoilt_goes_right_when_it_is_not(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOOK_OFFLINE", "1")
    with bad_calls.kept():
        good_calls.call(name, good_calls.arguments(name, tmp_path))


@pytest.mark.parametrize("name", SPOILT)
def test_a_public_function_takes_bad_arguments_in_words(name, tmp_path_factory, monkeypatch):
    here = tmp_path_factory.mktemp("around") / "here"  # what a call finds in ".." is here and nothing else
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("BOOK_OFFLINE", "1")

    _, found = bad_calls.complaints(name, EXAMPLES, lambda: tmp_path_factory.mktemp("call"))
    assert not found, "\n".join(found)


def test_what_callers_make_is_called_and_what_only_the_package_makes_is_not():
    """A block, a data set, what goes around a loader; results of three kinds, a protocol, an exception."""
    made = {"models.blocks.BasicBlock", "models.resnet.Spec", "data.in_memory.Split", "data.transforms.Mixup"}
    results = {"deployment.classifier.Answer", "training.run.History", "evaluation.statistics.Interval"}
    others = {"runtime.seeding.HasGenerators", "files.naming.NoStateError"}
    assert made <= set(good_calls.FUNCTIONS)
    assert not (results | others) & set(good_calls.FUNCTIONS)


def trusting(images, count: int = 1):
    """A function as they were."""
    return images.shape[0] // count


def test_a_raw_error_a_silent_answer_and_a_hang_are_told(monkeypatch, tmp_path):
    def forever(count: int) -> None:
        while True:
            pass

    for name, function in {"t": trusting, "f": forever, "s": lambda count=1: 0}.items():
        monkeypatch.setitem(good_calls.FUNCTIONS, name, function)
    monkeypatch.setattr(bad_calls, "PATIENCE", 0.2)
    found = [
        bad_calls.complaint("t", "images", "x", bad_calls.MUST, tmp_path),
        bad_calls.complaint("f", "count", 1, bad_calls.MAY, tmp_path),
        bad_calls.complaint("s", "count", -1, bad_calls.MUST, tmp_path),
        bad_calls.complaint("s", "count", -1, bad_calls.MAY, tmp_path),
    ]
    assert [said.partition(":")[0] for said in found] == ["raw", "hangs", "silent", ""]
