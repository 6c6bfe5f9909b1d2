"""The tables of reliability and speed: each number beside its bar, and no record that contradicts itself."""

from __future__ import annotations

import copy
import json

import pytest

from benchmarks import table
from benchmarks.harness import Spread
from tools import mutants, project
from tools.web import lists, measured

RECORDS = lists.records()
FAULTS = RECORDS[measured.FAULTS]
PLACE = project.BOOK / measured.DETERMINISM
ELSEWHERE = json.loads(PLACE.read_text(encoding="utf-8")) if PLACE.exists() else None
OTHER = {"notebook": "a", "settings": [], "cells": 3, "seconds": 1}
CALM = {"date": "2026-11-30", "executions": 2, "differed": 0, "rows": [{**OTHER, "differed": []}] * 2}


def planted(lived):
    """Bugs, of which so many lived."""
    rows = [{"found_by": "a test"}] * (100 - lived) + [{"found_by": ""}] * lived
    return {"date": "2026-11-30", "rows": rows}


def bench(**changes):
    """A record of speed with one line, as `make bench` writes it."""
    line = table.of_ratio(
        1, "ResNet-18", "theirs / ours", Spread(1.9, 2.0, 2.1), target=">= 1.5", quality={"error": 0.0012}
    )
    row = line.as_row(commit="d513d9af09ca", date="2026-11-30", seconds=1) | changes
    return {"date": "2026-11-30", "hardware": "a processor", "versions": "torch 2", "rows": [row]}


def test_what_is_on_record_meets_its_bars():
    made = measured.reliability(RECORDS, ELSEWHERE)
    assert "not met" not in made


def test_every_number_of_the_faults_stands_in_the_table_with_its_name():
    other = copy.deepcopy(FAULTS)
    for number, row in enumerate(other["rows"], start=1000):
        row["number"] = number
    made = measured.reliability({measured.FAULTS: other}, None)
    for row in other["rows"]:
        first = row["bar"] != "0"
        assert f"{row['number']:{',' if first else ''}} {row['what']}" in made
    calm = measured.reliability({measured.FAULTS: FAULTS}, None)
    assert all(row["what"] in calm for row in FAULTS["rows"])
    assert calm.count("| 0 of each: ") == 4


@pytest.mark.parametrize("place", range(len(FAULTS["rows"])))
def test_a_wrong_number_is_not_met(place):
    wrong = copy.deepcopy(FAULTS)
    row = wrong["rows"][place]
    row["number"] = 1 if row["bar"] == "0" else 7
    assert measured.reliability({measured.FAULTS: wrong}, None).count("**not met**") == 1


@pytest.mark.parametrize("bar", ["few", "", "at most 3"])
def test_a_bar_of_another_form_stops_the_build(bar):
    with pytest.raises(ValueError, match="a bar is a number or 'at least' a number"):
        measured.meets(0, bar)


def test_a_part_that_is_missing_stops_the_build():
    less = FAULTS | {"rows": [row for row in FAULTS["rows"] if row["part"] != "bad files"]}
    with pytest.raises(ValueError, match=r"must have the parts .*'bad files'"):
        measured.of_counts(measured.FAULTS, less)


def test_what_is_not_recorded_yet_is_said_so():
    rows = [row for row in measured.reliability({}, None).splitlines() if row.startswith("| ")][1:]
    assert len(rows) == 7
    assert all(f"| {measured.NOT_YET} |" in row for row in rows)
    assert not any(row.count("met |") for row in rows)


def test_the_bar_of_planted_bugs_is_that_of_make_mutants():
    assert measured.LEAST_FOUND == 100 * mutants.LEAST_SCORE
    assert [measured.of_mutants(planted(lived)).met for lived in (0, 3, 4)] == [True, True, False]
    assert measured.of_mutants(planted(3)).wrong == "3 turned nothing red; 97.0 % did"


def test_a_notebook_that_differed_is_not_met_and_sums_are_those_of_the_rows():
    assert measured.of_determinism(CALM).met is True
    rows = [CALM["rows"][0], {**OTHER, "differed": ["In [3]: 1 is not 2"]}]
    assert measured.of_determinism(CALM | {"rows": rows, "differed": 1}).met is False
    for wrong in (CALM | {"rows": rows}, CALM | {"executions": 3}):
        with pytest.raises(ValueError, match="its rows say"):
            measured.of_determinism(wrong)


def test_a_kind_of_processor_without_a_record_has_no_table_and_a_sentence_says_so():
    assert "recorded yet" in measured.speed({})
    assert "recorded yet" not in measured.speed({"speed_avx2": bench()})


def test_each_kind_of_processor_has_its_table_with_the_error_beside_the_speed():
    made = measured.speed({"speed_avx2": bench(), "speed_cuda": bench(), "passes": {}})
    row = "| ResNet-18: theirs / ours | 2 (1.9 to 2.1) | >= 1.5 | met | error 0.0012 |"
    plain = made.replace("\N{NO-BREAK SPACE}", " ").replace("\N{GREATER-THAN OR EQUAL TO}", ">=")
    assert plain.count(row) == 2
    assert "**avx2**" in made
    assert "**cuda**" in made


def test_a_line_that_asks_nothing_of_this_machine_gives_its_reason():
    line = table.not_here(1, "ResNet-18", "theirs / ours", "it has no bfloat16", target=">= 1.5").as_row()
    made = measured.speed({"speed_avx2": bench() | {"rows": [line]}})
    assert "| none |" in made
    assert "does not apply here: it has no bfloat16" in made


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"measured": 1.2}, "its number says 'not met'"),
        ({"verdict": "not met"}, "its number says 'met'"),
        ({"quality_holds": False}, "its number says 'not met'"),
        ({"quality": {}}, "needs its accuracy or error beside it"),
    ],
)
def test_a_record_of_speed_that_contradicts_itself_stops_the_build(changes, words):
    with pytest.raises(ValueError, match=words):
        measured.speed({"speed_avx2": bench(**changes)})


def test_records_of_speed_here_are_true_to_their_numbers():
    assert measured.speed(RECORDS)


def test_the_page_includes_both_tables(tmp_path):
    measured.write(tmp_path)
    page = (project.BOOK / f"{measured.PAGE}.md").read_text(encoding="utf-8")
    for path in tmp_path.iterdir():
        assert f"```{{include}} lists/{path.name}\n```" in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["reliability.txt", "speed.txt"]
