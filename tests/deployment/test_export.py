"""Tests of ``resnet_utils.export``."""

import logging
import os
import subprocess
import sys

import pytest
import torch
from bits import assert_same_bits, state, used

from resnet_utils import models
from resnet_utils.deployment import export

SHAPE = (1, 28, 28)


@pytest.fixture(scope="module")
def model():
    """A small network with running statistics of its own, left in train mode."""
    torch.manual_seed(0)
    return used(models.build("resnet20", 10, in_channels=1, width=4))


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    """Both files, and what writing them printed."""
    path = tmp_path_factory.mktemp("exported")
    export.to_program(model, path / "net.pt2", SHAPE)
    if not export.missing():
        export.to_onnx(model, path / "net.onnx", SHAPE)
    return path


def expected(model, images):
    was = model.training
    with torch.inference_mode():
        logits = model.eval()(images)
    model.train(was)
    return logits


needs_onnx = pytest.mark.skipif(bool(export.missing()), reason="needs the packages for ONNX")


@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_program_gives_the_same_logits_for_any_number_of_images(model, folder, count):
    images = torch.rand(count, *SHAPE)
    loaded = torch.export.load(folder / "net.pt2").module()
    # the same operations, perhaps in other memory layouts: float32 rounding
    torch.testing.assert_close(loaded(images), expected(model, images), rtol=1e-4, atol=1e-5)


@needs_onnx
@pytest.mark.parametrize("count", [1, 2, 7])
def test_onnxruntime_gives_the_same_logits_for_any_number_of_images(model, folder, count):
    images = torch.rand(count, *SHAPE)
    # onnxruntime folds BatchNorm into the convolutions: float32 rounding
    torch.testing.assert_close(
        export.run_onnx(folder / "net.onnx", images), expected(model, images), rtol=1e-4, atol=1e-5
    )


@needs_onnx
def test_the_file_says_what_goes_in_and_out(folder):
    import onnx

    graph = onnx.load(folder / "net.onnx").graph
    assert [item.name for item in graph.input] == ["images"]
    assert [item.name for item in graph.output] == ["logits"]
    sizes = graph.input[0].type.tensor_type.shape.dim
    assert [size.dim_value for size in sizes][1:] == list(SHAPE)
    assert sizes[0].dim_param


def test_nothing_but_the_files_is_left(folder):
    wanted = {"net.pt2"} | (set() if export.missing() else {"net.onnx"})
    assert {path.name for path in folder.iterdir()} == wanted


@needs_onnx
def test_exporting_changes_and_prints_nothing(model, tmp_path, capfd):
    before = state(model)
    export.to_onnx(model, tmp_path / "net.onnx", SHAPE)
    assert model.training
    assert_same_bits(before, state(model))
    assert capfd.readouterr() == ("", "")


def test_the_program_runs_without_the_package(model, folder):
    """In a process in which ``resnet_utils`` cannot be imported."""
    images = torch.linspace(0, 1, 2 * 28 * 28).reshape(2, *SHAPE)
    code = (
        "import sys; sys.modules['resnet_utils'] = None\n"
        "import torch\n"
        "x = torch.linspace(0, 1, 2 * 28 * 28).reshape(2, 1, 28, 28)\n"
        "print(torch.export.load(sys.argv[1]).module()(x).argmax(1).tolist())"
    )
    command = [sys.executable, "-c", code, str(folder / "net.pt2")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(expected(model, images).argmax(1).tolist())


def test_a_wrong_name_is_refused(model, tmp_path):
    with pytest.raises(ValueError, match=r"must end in .pt2, got 'net.pt'"):
        export.to_program(model, tmp_path / "net.pt", SHAPE)
    with pytest.raises(ValueError, match=r"must end in .onnx, got 'net'"):
        export.to_onnx(model, tmp_path / "net", SHAPE)
    with pytest.raises(FileNotFoundError, match="does not exist; make it first"):
        export.to_program(model, tmp_path / "nowhere" / "net.pt2", SHAPE)


def test_images_that_do_not_fit_are_refused(model, tmp_path):
    with pytest.raises(ValueError, match=r"net.pt2: images of \(3, 28, 28\) do not go through"):
        export.to_program(model, tmp_path / "net.pt2", (3, 28, 28))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["net.pt2", pytest.param("net.onnx", marks=needs_onnx)])
def test_an_export_that_fails_while_it_is_written_leaves_the_old_file_and_nothing_else(
    model, tmp_path, monkeypatch, name
):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    (tmp_path / name).write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        (export.to_program if name.endswith("pt2") else export.to_onnx)(model, tmp_path / name, SHAPE)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"old"


def test_missing_packages_are_named(model, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "ONNX_PACKAGES", ("torch", "no_such_package"))
    assert export.missing() == ["no_such_package"]
    for call in (
        lambda: export.to_onnx(model, tmp_path / "net.onnx", SHAPE),
        lambda: export.run_onnx(tmp_path / "net.onnx", torch.rand(1, *SHAPE)),
    ):
        with pytest.raises(ModuleNotFoundError, match="ONNX needs no_such_package, not installed here"):
            call()


def test_a_model_in_channels_last_is_exported_without_a_warning(tmp_path):
    net = models.build("resnet20", 10, width=2).to(memory_format=torch.channels_last)
    export.to_program(net, tmp_path / "net.pt2", (3, 32, 32))
    images = torch.rand(2, 3, 32, 32)
    loaded = torch.export.load(tmp_path / "net.pt2").module()
    torch.testing.assert_close(loaded(images), expected(net, images), rtol=1e-4, atol=1e-5)
    assert net.layer1[0].conv1.weight.is_contiguous(memory_format=torch.channels_last)


@needs_onnx
def test_what_torch_logs_while_it_exports_is_no_concern_of_the_reader(tmp_path, monkeypatch, caplog):
    if export.missing():
        pytest.skip("needs the packages for ONNX")
    talker, inner = logging.getLogger("torch.onnx._internal.exporter._schemas"), torch.onnx.export

    def talkative(*args, **kwargs):
        talker.warning("Missing annotation for parameter 'rois'")
        talker.error("this is an error")
        return inner(*args, **kwargs)

    monkeypatch.setattr(torch.onnx, "export", talkative)
    export.to_onnx(models.build("resnet18", num_classes=2), tmp_path / "net.onnx", (3, 32, 32))
    talker.warning("now it is said again")
    told = [record.getMessage() for record in caplog.records if record.name == talker.name]
    assert told == ["this is an error", "now it is said again"]


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no network at"):
        export.run_onnx(tmp_path / "net.onnx", torch.rand(1, *SHAPE))
