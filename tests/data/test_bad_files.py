"""Some two hundred bad files, made by code: each is refused in words or put aside with the reason."""

import bad_files
import pytest
import refusals

from resnet_utils import data


def test_there_are_many_kinds_of_bad_files(tmp_path):
    kinds = len(bad_files.BAD_PICTURES) + len(bad_files.BAD_ARCHIVES) + len(bad_files.BAD_WEIGHTS)
    assert kinds >= 60


def test_a_bad_picture_is_refused_with_the_reason():
    assert refusals.wrong_pictures() == []


def test_in_a_folder_every_file_is_kept_right_put_aside_or_ignored(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("BOOK_PROGRESS", "")
    assert refusals.wrong_folder(tmp_path) == []
    aside = len(bad_files.BAD_PICTURES) + 1
    kept = 2 * len(refusals.odd_pictures())
    assert f"{kept} pictures of {tmp_path} are read, {aside} files are put aside" in capsys.readouterr().err


def test_where_nothing_is_put_aside_nothing_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("BOOK_PROGRESS", "")
    for kind in ("cat", "dog"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "1.png").write_bytes(refusals.odd_pictures()["a PNG.jpg"])
    data.image_folder(tmp_path, size=8, strict=False)
    assert capsys.readouterr().err == ""


def test_a_bad_archive_is_refused_and_writes_nothing(tmp_path):
    assert refusals.wrong_archives(tmp_path) == ([], [])


def test_bad_weights_are_refused_and_change_nothing(tmp_path):
    assert refusals.wrong_weights(tmp_path) == []


def test_a_bad_checkpoint_is_refused_and_is_not_written_over(tmp_path):
    count, wrong = refusals.wrong_checkpoints(tmp_path)
    assert count >= 20
    assert wrong == []


@pytest.mark.parametrize("name", ["zip that explodes", "tar.gz that goes on for ever"])
def test_a_bomb_is_a_small_file(name):
    assert len(bad_files.BAD_ARCHIVES[name][0]) < 400_000
