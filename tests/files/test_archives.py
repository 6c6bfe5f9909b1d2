"""Archives become files in their folder and nowhere else; a data set is there whole or not at all."""

import gzip
import hashlib
import os
import random
import time

import bad_files
import fault_server
import pytest

from resnet_utils.files import archives, atomic

MEMBERS = (("cat/1.jpg", b"a cat"), ("dog/1.jpg", b"a dog"))
TAR = bad_files.tarred(*MEMBERS)
WHOLE = {
    "a.zip": bad_files.zipped(*MEMBERS),
    "a.tar": TAR,
    "a.tar.gz": gzip.compress(TAR),
    "a.tgz": bad_files.tarred(*MEMBERS, mode="w:gz"),
    "a.tar.bz2": bad_files.tarred(*MEMBERS, mode="w:bz2"),
    "a.tar.xz": bad_files.tarred(*MEMBERS, mode="w:xz"),
    "called.jpg": bad_files.zipped(*MEMBERS),
}


def there(folder):
    """Every file in a folder, by name."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", WHOLE)
def test_the_content_of_an_archive_decides_and_not_its_name(tmp_path, name):
    (tmp_path / name).write_bytes(WHOLE[name])
    assert archives.unpack_archive(tmp_path / name, tmp_path / "to") == 2
    assert {inner: (tmp_path / "to" / inner).read_bytes() for inner, _ in MEMBERS} == dict(MEMBERS)
    assert there(tmp_path) == {name, *(f"to/{inner}" for inner, _ in MEMBERS)}


def test_one_packed_file_loses_its_ending(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"1,2"))
    assert archives.unpack_archive(tmp_path / "a.csv.gz", tmp_path) == 1
    assert (tmp_path / "a.csv").read_bytes() == b"1,2"


def test_what_lies_in_the_folder_stays_unless_it_has_the_same_name(tmp_path):
    (tmp_path / "cat").mkdir()
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / "cat" / name).write_bytes(b"old")
    (tmp_path / "a.zip").write_bytes(WHOLE["a.zip"])
    archives.unpack_archive(tmp_path / "a.zip", tmp_path)
    assert [(tmp_path / "cat" / name).read_bytes() for name in ("1.jpg", "2.jpg")] == [b"a cat", b"old"]


def test_a_file_in_the_way_of_a_folder_stops_it_before_anything_is_moved(tmp_path):
    (tmp_path / "dog").write_bytes(b"a file")
    (tmp_path / "a.zip").write_bytes(WHOLE["a.zip"])
    with pytest.raises(ValueError, match="cannot be a file beside what is there already"):
        archives.unpack_archive(tmp_path / "a.zip", tmp_path)
    assert there(tmp_path) == {"dog", "a.zip"}


def test_files_and_bytes_have_a_cap(tmp_path):
    (tmp_path / "a.zip").write_bytes(WHOLE["a.zip"])
    with pytest.raises(ValueError, match="more than 1 files"):
        archives.unpack_archive(tmp_path / "a.zip", tmp_path / "to", most_files=1)
    with pytest.raises(ValueError, match="would become more than"):
        archives.unpack_archive(tmp_path / "a.zip", tmp_path / "to", most_bytes=9)
    assert archives.unpack_archive(tmp_path / "a.zip", tmp_path / "to", most_bytes=10, most_files=2) == 2


def test_bytes_are_counted_as_they_come_and_not_as_they_are_stated(tmp_path, monkeypatch):
    content = WHOLE["a.zip"]
    (tmp_path / "a.zip").write_bytes(content)
    monkeypatch.setattr(
        archives.zipfile.ZipInfo, "file_size", property(lambda it: 5, lambda it, size: None), False
    )
    monkeypatch.setattr(archives._Budget, "member", lambda *given: None)
    with pytest.raises(ValueError, match="would become more than"):
        archives.unpack_archive(tmp_path / "a.zip", tmp_path / "to", most_bytes=7)


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_only_what_is_wanted_is_unpacked(tmp_path, name):
    (tmp_path / name).write_bytes(WHOLE[name])
    asked = []
    wanted = lambda inner: asked.append(inner) or inner.startswith("dog/")  # noqa: E731
    assert archives.unpack_archive(tmp_path / name, tmp_path / "to", wanted=wanted) == 1
    assert there(tmp_path / "to") == {"dog/1.jpg"}
    assert asked == [inner for inner, _ in MEMBERS]
    with pytest.raises(ValueError, match="no file that is wanted"):
        archives.unpack_archive(tmp_path / name, tmp_path / "to", wanted=lambda inner: False)


def test_an_archive_may_become_200_times_as_large_and_a_little_one_larger_still(tmp_path, monkeypatch):
    """A table of equal rows shrinks a thousandfold, which harms nobody while it is small."""
    rows, noise = b"1,2\n" * 250_000, random.Random(0).randbytes(20_000)
    (tmp_path / "rows.gz").write_bytes(gzip.compress(rows))
    (tmp_path / "noise.gz").write_bytes(gzip.compress(noise))
    assert len(rows) > archives.MOST_TIMES * (tmp_path / "rows.gz").stat().st_size
    for name, content in (("rows", rows), ("noise", noise)):
        archives.unpack_archive(tmp_path / f"{name}.gz", tmp_path / "to")
        assert (tmp_path / "to" / name).read_bytes() == content
    monkeypatch.setattr(archives, "FREE_BYTES", 1000)  # now none of the two is little
    assert archives.unpack_archive(tmp_path / "noise.gz", tmp_path / "to") == 1
    with pytest.raises(ValueError, match="more than 200 times as large"):
        archives.unpack_archive(tmp_path / "rows.gz", tmp_path / "to")


def test_no_archive_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="no archive at"):
        archives.unpack_archive(tmp_path / "a.zip", tmp_path)


# data sets


@pytest.fixture
def server():
    with fault_server.serving(WHOLE) as running:
        yield running


def fetched(server, folder, fault="good", names=("a.zip",)):
    made = [
        archives.Archive(name, (server.url(fault, name),), hashlib.md5(WHOLE[name]).hexdigest(), name[2:])
        for name in names
    ]
    return archives.fetch_folder(folder / "set", made, pause=0.001)


def test_a_data_set_is_its_archives_and_a_list_written_last(server, tmp_path, monkeypatch):
    written = []
    write = atomic.write
    monkeypatch.setattr(
        atomic, "write", lambda path, text: (written.append(there(path.parent)), write(path, text))
    )
    fetched(server, tmp_path, names=("a.zip", "a.tar.gz"))
    inner = {f"{into}/{name}" for into in ("zip", "tar.gz") for name, _ in MEMBERS}
    assert written == [inner]
    assert there(tmp_path) == {f"set/{name}" for name in (*inner, archives.MARK)}
    fetched(server, tmp_path, names=("a.zip", "a.tar.gz"))
    assert server.asked == ["good", "good"]


@pytest.mark.parametrize("damage", ["lost", "shorter", "no list", "list of nothing", "list that is none"])
def test_a_data_set_that_is_no_longer_whole_is_made_anew(server, tmp_path, damage):
    folder = fetched(server, tmp_path)
    assert archives.is_whole(folder)
    one, mark = folder / "zip" / "cat" / "1.jpg", folder / archives.MARK
    {
        "lost": one.unlink,
        "shorter": lambda: one.write_bytes(b"a"),
        "no list": mark.unlink,
        "list of nothing": lambda: mark.write_text("{}"),
        "list that is none": lambda: mark.write_text("[3]"),
    }[damage]()
    assert not archives.is_whole(folder)
    fetched(server, tmp_path)
    assert archives.is_whole(folder)
    assert there(tmp_path) == {"set/zip/cat/1.jpg", "set/zip/dog/1.jpg", f"set/{archives.MARK}"}


def test_a_hidden_folder_of_a_killed_process_is_removed_once_it_is_old(tmp_path):
    left = tmp_path / ".set-0a0a0a0a.part" / "new" / "images"
    left.mkdir(parents=True)
    (left / "1.jpg").write_bytes(b"half")
    with atomic.whole_folder(tmp_path / "set") as folder:
        (folder / "x").write_bytes(b"1")
    assert left.exists(), "another process may still be at work on it"
    long_ago = time.time() - atomic.ABANDONED - 1
    for path in (left / "1.jpg", left, left.parent, left.parent.parent):
        os.utime(path, (long_ago, long_ago))
    with atomic.whole_folder(tmp_path / "set") as folder:
        (folder / "y").write_bytes(b"2")
    assert there(tmp_path) == {"set/y"}


def test_an_error_leaves_the_old_folder_and_nothing_else(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "old").write_bytes(b"1")

    def fail():
        with atomic.whole_folder(tmp_path / "set") as folder:
            (folder / "new").write_bytes(b"2")
            raise KeyboardInterrupt  # not even an Exception

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert there(tmp_path) == {"set/old"}


def test_a_file_does_not_become_a_folder(tmp_path):
    (tmp_path / "set").write_bytes(b"mine")

    def make():
        with atomic.whole_folder(tmp_path / "set"):
            pass

    with pytest.raises(NotADirectoryError, match="is a file; give the name of a folder"):
        make()
    with (
        pytest.raises(FileNotFoundError, match="does not exist; make it first"),
        atomic.scratch(tmp_path / "no", "x"),
    ):
        pass
