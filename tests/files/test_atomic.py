"""A file appears whole or not at all, whatever happens while it is written."""

import hashlib
import os
import signal
import subprocess
import sys
import time

import pytest

from resnet_utils.files import atomic


@pytest.fixture
def old(tmp_path):
    """A file with an old content, in a folder of its own."""
    path = tmp_path / "kept.bin"
    path.write_bytes(b"old")
    return path


def names(folder):
    """Everything in a folder, hidden or not."""
    return sorted(os.listdir(folder))


def test_the_new_content_takes_the_place_of_the_old(old):
    with atomic.whole(old) as unfinished:
        unfinished.write_bytes(b"new")
        assert old.read_bytes() == b"old"
        assert unfinished.parent == old.parent, "in the same folder: a rename cannot cross disks"
        assert unfinished.name.startswith("."), "hidden, so that no *.bin finds it"
        assert unfinished.suffix == ".bin"
    assert old.read_bytes() == b"new"
    assert names(old.parent) == ["kept.bin"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])  # the second is not even an Exception
def test_an_error_leaves_the_old_file_and_nothing_else(old, error):
    def fail():
        with atomic.whole(old) as unfinished:
            unfinished.write_bytes(b"ne")
            raise error

    with pytest.raises(error):
        fail()
    assert old.read_bytes() == b"old"
    assert names(old.parent) == ["kept.bin"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_error_of_the_disk_leaves_the_old_file_and_nothing_else(old, monkeypatch, step):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match="No space left"):
        atomic.write(old, b"new")
    assert old.read_bytes() == b"old"
    assert names(old.parent) == ["kept.bin"]


def test_the_bytes_are_on_the_disk_before_the_name(old, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (done.append("fsync"), fsync(file)))
    monkeypatch.setattr(os, "replace", lambda *paths: (done.append("replace"), replace(*paths)))
    atomic.write(old, b"new")
    assert done == ["fsync", "replace"]


KILLED = """
import sys, time
from resnet_utils.files import atomic
with atomic.whole(sys.argv[1]) as unfinished:
    with unfinished.open("wb") as file:
        file.write(b"ne")
        file.flush()
        print("writing", flush=True)
        time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_killed_process_leaves_the_old_file_and_a_later_one_its_unfinished_file_too(old):
    with subprocess.Popen([sys.executable, "-c", KILLED, str(old)], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"writing\n"
        process.send_signal(signal.SIGKILL)
    assert old.read_bytes() == b"old"
    (left,) = set(names(old.parent)) - {"kept.bin"}
    assert left.startswith(".kept.bin-")
    atomic.write(old, b"newer")
    assert left in names(old.parent), "it may be another process's that is still at work"
    long_ago = time.time() - atomic.ABANDONED - 1
    os.utime(old.parent / left, (long_ago, long_ago))
    atomic.write(old, b"newest")
    assert names(old.parent) == ["kept.bin"]
    assert old.read_bytes() == b"newest"


def test_only_unfinished_files_of_the_same_name_are_removed(old):
    others = [".kept.bin-notes.txt", ".other.bin-0a0a0a0a.part.bin", "kept.bin-0a0a0a0a.part.bin"]
    for name in others:
        (old.parent / name).touch()
        os.utime(old.parent / name, (0, 0))
    atomic.write(old, b"new")
    assert names(old.parent) == sorted([*others, "kept.bin"])


def test_two_that_write_at_once_do_not_meet(old):
    with atomic.whole(old) as first, atomic.whole(old) as second:
        first.write_bytes(b"first")
        second.write_bytes(b"second")
    assert old.read_bytes() == b"first", "the one that is done last"
    assert names(old.parent) == ["kept.bin"]


def test_the_permissions_are_those_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        atomic.write(tmp_path / "a", b"a")
        (tmp_path / "b").touch()
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_stays_one(old, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.bin"
    link.symlink_to(old)
    atomic.write(link, b"new")
    assert link.is_symlink()
    assert old.read_bytes() == b"new"
    assert names(link.parent) == ["link.bin"]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no.where does not exist; make it first"):
        atomic.write(tmp_path / "no" / "where" / "file", b"")
    assert names(tmp_path) == []


def test_to_write_nothing_is_an_error_and_no_empty_file(old):
    def nothing():
        with atomic.whole(old):
            pass

    with pytest.raises(FileNotFoundError):
        nothing()
    assert old.read_bytes() == b"old"


def test_text_is_utf8_on_every_system(tmp_path):
    atomic.write(tmp_path / "t", "猫\n")
    assert (tmp_path / "t").read_bytes() == "猫\n".encode()


def test_the_sha256_is_that_of_hashlib(old):
    assert atomic.sha256(old) == atomic.sha256(str(old)) == hashlib.sha256(b"old").hexdigest()
