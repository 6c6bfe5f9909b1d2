"""The first bytes decide what a file is, and the message says it; a reader's own advice is not passed on."""

import argparse
import bz2
import gzip
import io
import json
import lzma
import pathlib
import pickle
import tarfile
import warnings
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch
import torchvision
from bits import assert_same_bits, state
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from resnet_utils import models
from resnet_utils.files import kinds, weights


def network(classes=3, **options):
    return models.build("resnet20", classes, width=4, **options)


def saved(content, **options):
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def packed(name="x.txt", body=b"x"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, body)
    return buffer.getvalue()


def tar():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("x"))
    return buffer.getvalue()


def numpy_file(save):
    buffer = io.BytesIO()
    save(buffer, np.zeros(3))
    return buffer.getvalue()


def script():
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is old; its files are still about
        torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), buffer)
    return buffer.getvalue()


def program():
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.zeros(1, 2),)), buffer)
    return buffer.getvalue()


WHOLE, OLD = saved(network().state_dict()), {"_use_new_zipfile_serialization": False}
TENSORS = safetensors.torch.save(network().state_dict())
FILES = {
    "whole model": (
        lambda: saved(torchvision.models.resnet18()),
        r"whole pickled model \(torchvision.models",
    ),
    "whole old model": (
        lambda: saved(nn.Linear(2, 2), **OLD),
        r"whole pickled model \(torch.nn.modules.linear",
    ),
    "page": (lambda: b"\n <!DOCTYPE html><title>Sign in", "an HTML page"),
    "message": (lambda: b"<?xml version='1.0'?><Error><Code>AccessDenied", "an XML message of a server"),
    "lfs": (lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:ab", "a pointer of Git LFS"),
    "annex": (lambda: b"/annex/objects/MD5E-s3--ab.pth\n", "a pointer of git-annex"),
    "gzip": (lambda: gzip.compress(WHOLE), r"an archive \(gzip\)"),
    "bzip2": (lambda: bz2.compress(b"x"), r"an archive \(bzip2\)"),
    "xz": (lambda: lzma.compress(b"x"), r"an archive \(xz\)"),
    "tar": (tar, r"an archive \(tar\)"),
    "zip": (lambda: packed("a/weights.pth"), "a zip archive with a/weights.pth: unpack it"),
    "npy": (lambda: numpy_file(np.save), "a NumPy array"),
    "npz": (lambda: numpy_file(np.savez), "several NumPy arrays"),
    "h5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file"),
    "keras": (lambda: packed("model.weights.h5"), "a Keras model"),
    "script": (script, "a TorchScript archive"),
    "program": (program, "a program of torch.export"),
    "onnx": (lambda: b"\x08\x0a\x12\x07pytorch", "an ONNX network"),
    "index": (lambda: json.dumps({"weight_map": {}}).encode(), "an index of a model in several files"),
    "text": (lambda: b"404: Not found", "a text that begins with '404: Not found'"),
    "escape codes": (lambda: b"\x1b[31mred\x1b[0m", "it begins with the bytes 1b 5b 33"),
    "picture": (lambda: b"\x89PNG\r\n\x1a\n", r"a picture \(PNG\)"),
    "pickle": (lambda: pickle.dumps({"a": 1}), "a pickle that torch.save did not write"),
    "empty": (lambda: b"", r"empty \(0 bytes\)"),
    "cut zip": (lambda: WHOLE[:-400], "cut off: it begins as a zip archive"),
    "cut tensors": (lambda: TENSORS[:40], "cut off: it begins as a safetensors file"),
    "cut later": (lambda: TENSORS[:-40], "damaged or cut off"),
    "cut old": (lambda: saved(network().state_dict(), **OLD)[:-40], "damaged or cut off"),
    "number": (lambda: saved(np.float64(3)), "is no checkpoint: expected names with tensors"),
}


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
@pytest.mark.parametrize("kind", FILES)
def test_what_is_no_checkpoint_is_called_by_its_name(kind, ending, tmp_path):
    make, message = FILES[kind]
    path, model = tmp_path / f"w{ending}", network()
    path.write_bytes(make())
    before = state(model)
    with pytest.raises(ValueError, match=message) as caught:
        weights.load_weights(model, path)
    said = str(caught.value)
    assert said.startswith(f"w{ending} is no checkpoint")
    assert "weights_only" not in said
    assert "\x1b" not in said
    assert caught.value.__cause__ is None, "the reader's own words would be printed above ours"
    assert_same_bits(state(model), before)


@pytest.mark.parametrize("ending", [".pth", ".safetensors", ".bin", ""])
@pytest.mark.parametrize("write", [saved, safetensors.torch.save, lambda content: saved(content, **OLD)])
def test_the_name_of_a_file_decides_nothing(write, ending, tmp_path):
    model, other = network(), network()
    path = tmp_path / f"w{ending}"
    path.write_bytes(write(other.state_dict()))
    weights.load_weights(model, path)
    assert_same_bits(state(model), state(other))


def test_notes_beside_the_weights_are_passed_over(tmp_path):
    """As training scripts write them: their options, the best accuracy as a NumPy number, a path."""
    other, model = network(), network()
    notes = {"args": argparse.Namespace(lr=0.1), "best": np.float64(91.7), "at": pathlib.PurePosixPath("/x")}
    for options in ({}, OLD):
        torch.save({"state_dict": other.state_dict(), **notes}, tmp_path / "w.pth", **options)
        weights.load_weights(model, tmp_path / "w.pth")
        assert_same_bits(state(model), state(other))


class Spy:
    seen: list = []  # noqa: RUF012 - what ran

    def __init__(self):
        self.seen.append("init")

    def __reduce__(self):
        return (Spy, ())


def test_a_class_that_a_file_names_is_neither_imported_nor_run(tmp_path, monkeypatch):
    body = saved({"state_dict": network().state_dict(), "more": Spy()})
    (tmp_path / "w.pth").write_bytes(body)
    Spy.seen.clear()
    with pytest.raises(ValueError, match=r"would run code named in the file \(.*test_kinds.Spy\)"):
        weights.load_weights(network(), tmp_path / "w.pth")
    # also under a name that notes have: it is replaced by something inert
    monkeypatch.setattr(Spy, "__module__", "argparse")
    monkeypatch.setattr(argparse, "Spy", Spy, raising=False)
    (tmp_path / "w.pth").write_bytes(saved({"state_dict": network().state_dict(), "more": Spy()}))
    Spy.seen.clear()
    weights.load_weights(network(), tmp_path / "w.pth")
    assert Spy.seen == []


def test_a_folder_is_refused_with_the_weights_in_it(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder; and no file of weights lies in it"):
        weights.load_weights(network(), tmp_path)
    (tmp_path / "model.safetensors").write_bytes(TENSORS)
    with pytest.raises(IsADirectoryError, match=r"is a folder; give the file in it: model.safetensors"):
        weights.load_weights(network(), tmp_path)


def test_the_two_kinds_that_hold_weights_are_told(tmp_path):
    for body, kind in ((WHOLE, kinds.TORCH), (TENSORS, kinds.SAFETENSORS), (saved({}, **OLD), kinds.TORCH)):
        (tmp_path / "x").write_bytes(body)
        assert kinds.kind_of(tmp_path / "x") == kind


@settings(max_examples=60, deadline=None)
@given(
    start=st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02", kinds.LEGACY, TENSORS[:60], *kinds.STARTS]),
    rest=st.binary(max_size=300),
    name=st.sampled_from(["w.pth", "w.safetensors", "w.onnx"]),
)
def test_no_bytes_get_another_error_than_the_documented_one(start, rest, name, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(start + rest)
    with pytest.raises(ValueError, match="is no checkpoint") as caught:
        weights.load_weights(network(), path)
    assert "weights_only" not in str(caught.value)
    assert str(caught.value).isprintable()


@settings(max_examples=40, deadline=None)
@given(body=st.sampled_from([WHOLE, TENSORS]), data=st.data())
def test_a_file_cut_anywhere_is_refused(body, data, tmp_path_factory):
    cut = data.draw(st.integers(0, len(body) - 1))
    path = tmp_path_factory.getbasetemp() / "cut.pth"
    path.write_bytes(body[:cut])
    with pytest.raises(ValueError, match="is no checkpoint that can be read safely"):
        weights.load_weights(network(), path)
