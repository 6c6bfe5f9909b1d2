"""Hundreds of faults of servers: each ends in the right file or in words, and nothing half-written stays."""

import fault_server
import injected


def test_each_fault_of_the_server_is_one_of_the_cases():
    assert fault_server.every_fault_has_its_method()
    assert {case.fault for case in injected.cases()} == {*fault_server.FAULTS, *fault_server.NO_FAULT}


def test_over_two_hundred_injected_faults_lose_nothing_hang_nowhere_and_heal(tmp_path):
    cases, wrong = injected.run(tmp_path, every=4)
    assert sum(case.fault in fault_server.FAULTS for case in cases) >= 200
    assert wrong == {kind: [] for kind in wrong}


def test_a_fault_that_is_not_noticed_turns_the_cases_red(tmp_path, monkeypatch):
    """The cases themselves, tried on a download that believes everything."""
    monkeypatch.setattr(injected.downloads._Digest, "fits", lambda digest, path: path.is_file())
    _, wrong = injected.run(tmp_path, every=40)
    assert wrong["another result"]
