"""What a browser hands over becomes files in a folder; an archive cannot write anywhere else."""

from __future__ import annotations

import io
import sys
import types
import zipfile

import pytest

from resnet_utils import data
from resnet_utils.data import layout, upload


def packed(**files):
    """A .zip as bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


@pytest.fixture
def colab(monkeypatch):
    """A stand-in for Colab's module, which answers with what is in ``uploaded``."""
    module = types.ModuleType("google.colab.files")
    module.uploaded = {}
    module.upload = lambda: module.uploaded
    for name in ("google", "google.colab"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "google.colab.files", module)
    return module


def test_outside_of_colab_nothing_happens(tmp_path):
    assert data.ask_for_photographs(tmp_path / "mine") == 0
    assert not (tmp_path / "mine").exists()


def test_an_archive_uploaded_in_colab_becomes_a_folder_of_classes(tmp_path, colab):
    content = packed(
        **{"pets/cat/1.jpg": "c", "pets/dog/1.jpg": "d", "__MACOSX/pets/._x": "", "pets/.DS_Store": ""}
    )
    colab.uploaded = {"pets.zip": content}
    assert data.ask_for_photographs(tmp_path / "mine") == 2
    assert layout.find_layout(tmp_path / "mine").classes == ("cat", "dog")
    assert {p.name for p in (tmp_path / "mine").rglob("*") if p.is_file()} == {"1.jpg"}


def test_photographs_uploaded_class_by_class(tmp_path, colab):
    for kind in ("cat", "小狗"):
        colab.uploaded = {"C:\\photos\\one.jpg": b"1", "two.jpg": b"2"}
        assert data.ask_for_photographs(tmp_path, kind=kind) == 2
    assert layout.find_layout(tmp_path).counts() == {"all": {"cat": 2, "小狗": 2}}


@pytest.mark.parametrize(
    "value",
    [
        ({"name": "a.jpg", "content": memoryview(b"x"), "size": 1},),
        {"a.jpg": {"content": b"x", "metadata": {}}},
    ],
    ids=["ipywidgets 8", "ipywidgets 7"],
)
def test_the_widget_of_jupyter_hands_over_the_same(tmp_path, value):
    assert upload.store(value, tmp_path, kind="cat") == 1
    assert (tmp_path / "cat" / "a.jpg").read_bytes() == b"x"


@pytest.mark.parametrize("name", ["../out.jpg", "a/../../out.jpg", "/out.jpg", "..\\out.jpg"])
def test_an_archive_that_leads_out_of_the_folder_is_refused(tmp_path, name):
    archive = tmp_path / "evil.zip"
    archive.write_bytes(packed(**{name: "x", "ok.jpg": "y"}))
    with pytest.raises(ValueError, match="lead out of the folder"):
        upload.unpack(archive, tmp_path / "in" / "here")
    assert not list(tmp_path.rglob("out.jpg"))


def test_what_is_no_whole_archive_or_would_fill_the_disk_is_refused(tmp_path, monkeypatch):
    archive = tmp_path / "x.zip"
    archive.write_bytes(packed(**{"a.jpg": "x" * 5000})[:-30])
    with pytest.raises(ValueError, match="no archive that can be unpacked"):
        upload.unpack(archive, tmp_path / "here")
    archive.write_bytes(packed(**{"a.jpg": "x" * 5000}))
    monkeypatch.setattr(upload, "MOST_BYTES", 4000)
    with pytest.raises(ValueError, match="would become"):
        upload.unpack(archive, tmp_path / "here")


@pytest.mark.parametrize("kind", ["a/b", "..", "a\\b"])
def test_a_class_is_a_plain_name(tmp_path, kind):
    with pytest.raises(ValueError, match="plain name"):
        upload.store({"a.jpg": b"x"}, tmp_path, kind=kind)


def test_a_number_is_not_taken_for_so_many_zero_bytes(tmp_path):
    with pytest.raises(TypeError, match="each file in uploaded must be a bytes"):
        upload.store({"1.jpg": 3}, tmp_path)
    assert list(tmp_path.iterdir()) == []
