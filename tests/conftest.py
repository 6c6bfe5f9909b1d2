"""What holds for every test: none is held to the clock, and unequal tensors say how far apart they are."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest
import torch
from hypothesis import HealthCheck, settings

from resnet_utils.runtime import speed

# Hypothesis would measure each example, and a machine with other work is slow at some of them.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# Tests compare numbers, like the notebooks, which call runtime.setup(): no measurement chooses a faster way.
# What a process does that has said nothing, tests/runtime/test_speed.py asks in a fresh one.
speed.use(False)

APART = pytest.StashKey[list[str]]()


def how_far_apart(one: torch.Tensor, other: torch.Tensor) -> str:
    """In words, what ``torch.equal`` keeps to itself: shapes that differ, or the largest difference."""
    if one.shape != other.shape:
        return f"shapes differ: {tuple(one.shape)} and {tuple(other.shape)}"
    left, right = one.detach().cpu().double(), other.detach().cpu().double()
    count, most = int((left != right).sum()), (left - right).abs().max().item()
    return f"{count} of {left.numel()} values differ, by {most:.3g} at most"


@pytest.fixture(autouse=True)
def _noted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``torch.equal`` note how far its tensors are apart, for the report of a test that fails."""
    notes = request.node.stash[APART] = []
    equal = torch.equal

    @functools.wraps(equal, assigned=("__name__", "__doc__"))
    def noting(one: torch.Tensor, other: torch.Tensor) -> bool:
        same = equal(one, other)
        if not same:
            notes.append(how_far_apart(one, other))
        return same

    monkeypatch.setattr(torch, "equal", noting)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """Add the last note to the message of a failed ``assert torch.equal(...)``."""
    report = yield
    notes = item.stash.get(APART, [])
    if call.when == "call" and call.excinfo and notes:
        crash = getattr(report.longrepr, "reprcrash", None)
        if crash and "equal(" in str(call.excinfo.traceback[-1].statement):
            report.sections.append(("torch.equal", notes[-1]))
            first = crash.message.partition("\n")[0]
            crash.message = f"{first}: {notes[-1]}"
    return report
