"""What files are asked for is refused in words where it can mean nothing."""

import math

import pytest

from resnet_utils.files import atomic, checked


@pytest.mark.parametrize("path", ["", "\0"])
def test_an_empty_path_is_not_the_working_folder(path):
    with pytest.raises(ValueError, match="path must be the path of a file or folder, got"):
        checked.path_of(path)


@pytest.mark.parametrize("value", [math.nan, -1e-9])
def test_an_amount_is_no_debt_and_no_nan(value):
    with pytest.raises(ValueError, match="rest must be a number of at least 0"):
        checked.amount("rest", value)
    assert checked.amount("rest", math.inf) == math.inf


def test_a_time_can_pass():
    with pytest.raises(ValueError, match="pause must be 0 seconds at least, and not endless; got inf"):
        checked.duration("pause", math.inf)
    assert checked.duration("pause", 0.5, least=0.5) == 0.5


@pytest.mark.parametrize("name", ["", ".", "..", "a/b"])
def test_a_plain_name_leads_nowhere(name):
    with pytest.raises(ValueError, match="name must be a plain file name"):
        checked.plain_name(name)


def test_the_folder_that_one_works_in_is_not_replaced(tmp_path, monkeypatch):
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "outer" / "inner")
    for path in ("..", ".", tmp_path / "outer"):
        with pytest.raises(ValueError, match="you work in it"), atomic.whole_folder(path):
            raise AssertionError("entered")
