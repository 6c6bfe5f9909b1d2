"""The command ``python -m resnet_utils``: from a folder to an answer, through a real process."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from resnet_utils import data, deployment
from resnet_utils.__main__ import main, parser
from resnet_utils.files import atomic
from resnet_utils.finetuning import own
from tools import project

SETTINGS = ["--weights", "book", "--size", "32", "--epochs", "3"]
KINDS = ("cat", "dog", "rabbit")
NAMES = (
    "cat & co",
    "小狗",
    "<script>alert(1)<∕script>",
)  # what a folder may be called, and a page must survive


def draw(root, count, *, names=KINDS, seed=3):
    """A folder of drawn photographs, one folder a class."""
    drawn = data.drawn_animals(count, size=40, seed=seed, species=KINDS)
    for number, (image, label) in enumerate(zip(drawn.images, drawn.labels.tolist(), strict=True)):
        file = root / names[label] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(file)
    return root


def command(*words, cwd):
    """The words of a command line, run as a reader would."""
    variables = {**os.environ, "PYTHONPATH": str(project.ROOT), "BOOK_THREADS": "1", "BOOK_PROGRESS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "resnet_utils", *map(str, words)],
        cwd=cwd, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finished(*words, cwd):
    """Exit status and both streams."""
    process = command(*words, cwd=cwd)
    out, err = process.communicate(timeout=900)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """300 drawn photographs of three classes with difficult names."""
    return draw(tmp_path_factory.mktemp("photographs") / "animals", 300, names=NAMES)


@pytest.fixture(scope="module")
def run(folder):
    """A whole run: the folder that it wrote, and what it printed."""
    started = time.perf_counter()
    status, out, err = finished("finetune", folder, *SETTINGS, cwd=folder.parent)
    assert status == 0, err
    print(f"300 photographs: {time.perf_counter() - started:.0f} s")
    return folder.parent / "animals-classifier", out


def test_a_run_prints_the_accuracy_with_its_interval_and_the_source_of_the_weights(run):
    _, out = run
    assert re.search(r"accuracy \d+\.\d % on 60 test photographs \(95 % interval \d+\.\d to \d+\.\d %\)", out)
    assert out.startswith("start: resnet18 with the small weights that come with the book")
    assert "--weights imagenet" in out.splitlines()[0]
    assert "180 to train, 60 to set the temperature, 60 to test" in out


def test_a_run_writes_a_classifier_a_report_and_a_card(run):
    written, _ = run
    files = {path.name for path in written.iterdir()}
    assert files == {own.CLASSIFIER, own.REPORT, own.CARD, own.NUMBERS, own.STATE, own.CHECKPOINT}
    assert set(deployment.Classifier.load(written / own.CLASSIFIER).classes) == set(NAMES)


def test_an_answer_for_a_new_file(run, tmp_path):
    written, _ = run
    new = draw(tmp_path / "new", 3, seed=99) / "cat"
    status, out, _ = finished("predict", new, "--classifier", written, cwd=tmp_path)
    assert status == 0
    assert re.search(r"\.png: .*\(\d+ %\)|\.png: I don't know", out)


def test_a_file_without_an_answer_is_told_and_the_others_are_answered(run, tmp_path, capsys):
    written, _ = run
    good = next((draw(tmp_path, 3) / "cat").iterdir())
    (tmp_path / "letter.jpg").write_text("a cat, I promise")
    files = [str(tmp_path / "letter.jpg"), str(good), str(tmp_path / "nowhere.jpg")]
    assert main(["predict", *files, "--classifier", str(written)]) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert "letter.jpg: no answer: no picture" in err
    assert "nowhere.jpg: no answer: the file is missing" in err


def test_a_folder_inside_of_a_folder_is_said_to_be_left_out_and_the_files_are_answered(run, tmp_path, capsys):
    written, _ = run
    folder = draw(tmp_path, 3) / "cat"
    (folder / "more").mkdir()
    (folder / ".hidden").mkdir()
    assert main(["predict", str(folder), "--classifier", str(written)]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == len(list(folder.glob("*.png")))
    assert err == f"{folder / 'more'}: left out: a folder inside of one; ask about it by its name\n"
    assert main(["predict", str(tmp_path), "--classifier", str(written)]) == 2  # nothing but folders
    assert "no file in the folder" in (said := capsys.readouterr().err)
    assert f"ask about the folders in it, such as {folder}" in said


@pytest.mark.skipif(os.name == "nt", reason="a process is killed by a signal")
def test_a_killed_run_goes_on_and_ends_with_the_same_bits(folder, run):
    written, _ = run
    again = folder.parent / "again"
    words = ("finetune", folder, *SETTINGS, "--output", again)
    process = command(*words, cwd=folder.parent)
    checkpoint = again / own.CHECKPOINT
    while not checkpoint.exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (again / own.CLASSIFIER).exists(), "it was killed in the middle"
    done = len(torch.load(checkpoint, weights_only=True)["history"]["train_loss"])
    assert 1 <= done < 3
    status, _, err = finished(*words, cwd=folder.parent)
    assert status == 0, err
    assert not re.search(r"epoch 1/3", err), "the passes before are not done again"
    for name in (own.CLASSIFIER, own.CARD, own.NUMBERS):
        assert atomic.sha256(again / name) == atomic.sha256(written / name), name


def test_another_run_in_the_same_folder_is_refused_with_both_sides_named(run, folder, capsys):
    written, _ = run
    words = ["finetune", str(folder), *SETTINGS, "--output", str(written), "--seed", "1"]
    assert main(words) == 2
    assert "seed is 0 there and 1 now" in capsys.readouterr().err


def test_other_photographs_in_the_same_folder_are_noticed(run, folder, tmp_path, capsys):
    written, _ = run
    shutil.copytree(folder, tmp_path / "animals")
    next((tmp_path / "animals").rglob("*.png")).unlink()
    assert main(["finetune", str(tmp_path / "animals"), *SETTINGS, "--output", str(written)]) == 2
    assert "photographs is" in capsys.readouterr().err


WRONG = {
    "no folder": (["nowhere"], "no folder nowhere"),
    "a file": (["file.jpg"], "is a file"),
    "one class": (["one"], "at least two classes"),
    "an output among the photographs": (["good", "--output", "good/out"], "lies among the photographs"),
    "an output that is a file": (["good", "--output", "file.jpg"], "is a file; give a folder"),
    "weights from nowhere": (["good", "--weights", "imagenets"], "must be auto, imagenet, book or a file"),
    "a file of weights that is missing": (["good", "--weights", "a.pth"], "no file a.pth"),
    "another network of the book": (["good", "--network", "resnet50"], "not of resnet50"),
    "an unknown network": (["good", "--network", "vgg"], "unknown network 'vgg'"),
    "no pass": (["good", "--epochs", "0"], "epochs must be at least 1"),
    "too small": (["good", "--size", "8"], "size must be at least 32"),
    "no rate": (["good", "--lr", "0"], "lr must be above 0"),
    "no risk": (["good", "--risk", "1"], "risk must lie between 0 and 1"),
    "too large for the memory": (["good", "--size", "60000"], "GB of memory"),
    "too few": (["few"], "too few photographs"),
    "other classes in the parts": (["parts"], "train has 'cat', 'dog'; val has 'cat', 'dogs'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_call_gets_one_line_and_status_two(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOOK_PROGRESS", "0")  # a bar would stand before the line
    draw(tmp_path / "good", 30)
    draw(tmp_path / "few", 6)
    draw(tmp_path / "one", 3, names=("cat", "cat", "cat"))
    for file in ("train/cat/1.png", "train/dog/1.png", "val/cat/1.png", "val/dogs/1.png"):
        (tmp_path / "parts" / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(next((tmp_path / "good").rglob("*.png")), tmp_path / "parts" / file)
    (tmp_path / "file.jpg").touch()
    words, message = WRONG[name]
    assert main(["finetune", "--weights", "book", *words]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert message in err
    assert not (tmp_path / f"{words[0]}-classifier" / own.CLASSIFIER).exists()


def test_a_classifier_that_is_none_is_refused(tmp_path, capsys):
    (tmp_path / "x.safetensors").write_bytes(b"no")
    for path in (tmp_path / "x.safetensors", tmp_path / "nowhere", tmp_path):
        assert main(["predict", "x.jpg", "--classifier", str(path)]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_help_needs_no_torch_and_has_an_example():
    code = "import sys; sys.modules['torch'] = None; from resnet_utils.__main__ import main; main(['--help'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "python -m resnet_utils finetune pets" in done.stdout


def test_every_option_says_what_it_is_for():
    groups = parser()._subparsers._group_actions[0].choices.values()
    assert [action.dest for group in groups for action in group._actions if not action.help] == []


def test_ctrl_c_says_that_nothing_is_lost(tmp_path, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(own, "finetune_folder", interrupted)
    assert main(["finetune", str(tmp_path)]) == 130
    assert "goes on" in capsys.readouterr().err


WORDS = st.lists(
    st.sampled_from(["finetune", "predict", "x", "--size", "-3", "--epochs", "nan", "--weights", ""])
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WORDS)
def test_no_command_line_ends_in_a_traceback(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "resnet_utils.models.load_imagenet", lambda *_: pytest.fail("a connection was asked for")
    )
    try:
        status = main(words)
    except SystemExit as end:  # argparse has said what is wrong
        status = end.code
    assert status in (0, 1, 2)


def test_every_option_reaches_what_it_is_meant_for(monkeypatch, tmp_path):
    asked = []

    def finetune(folder, output, **options):
        asked.append((folder, output, options))
        raise ValueError("that is all")

    monkeypatch.setattr(own, "finetune_folder", finetune)
    words = ["--output", "o", "--weights", "w.pth", "--network", "resnet50", "--size", "64", "--epochs", "7"]
    words += ["--lr", "0.5", "--seed", "3", "--balanced", "--risk", "0.25", "--fast", "yes"]
    assert main(["finetune", "pets", *words]) == 2
    folder, output, options = asked[0]
    assert (folder, output) == ("pets", "o")
    del options["tell"]
    assert options == {
        "weights": "w.pth", "network": "resnet50", "size": 64, "epochs": 7, "lr": 0.5, "seed": 3,
        "balanced": True, "risk": 0.25, "fast": True,
    }  # fmt: skip
