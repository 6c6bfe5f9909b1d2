"""Keras is imported when asked for, leaves the reader's home alone, and says what is missing."""

import os
import subprocess
import sys

import pytest
from frameworks import networks  # noqa: F401  (it leaves all of this out where there is no Keras)

from resnet_utils.frameworks import backend
from tools import project

IMPORT = """
import os, sys
from resnet_utils.frameworks import backend
def ours():
    return {name: value for name, value in os.environ.items() if name.startswith(("KERAS", "TF_CPP"))}

before = ours()
keras = backend.import_keras()
assert ours() == before, "the variables are as they were"
print(keras.config.backend(), keras.config.image_data_format(), keras.config.floatx())
print(backend.import_keras() is keras)
"""
MISSING = """
import sys
from importlib import util
found = util.find_spec
util.find_spec = lambda name, *rest: None if name == "{0}" else found(name, *rest)
from resnet_utils.frameworks import backend
backend.import_keras()
"""


def answer(code, home, **variables):
    """What a fresh Python says, with a home of its own and no variable of Keras but those given."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KERAS_")}
    environment = clean | {"HOME": str(home), "PYTHONPATH": str(project.ROOT)} | variables
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )


def test_without_a_word_it_works_on_pytorch_and_leaves_the_home_alone(tmp_path):
    done = answer(IMPORT, tmp_path)
    assert done.stdout.split("\n")[:2] == ["torch channels_last float32", "True"], done.stderr
    assert done.stderr == ""
    assert not (tmp_path / ".keras").exists()


def test_a_home_that_cannot_be_written_and_another_keras_json_change_nothing(tmp_path):
    keras = tmp_path / ".keras"
    keras.mkdir()
    (keras / "keras.json").write_text('{"backend": "tensorflow", "floatx": "float16"}')
    tmp_path.chmod(0o500)
    done = answer(IMPORT, tmp_path)
    tmp_path.chmod(0o700)
    assert done.stdout.startswith("torch channels_last float32"), done.stderr
    assert (keras / "keras.json").read_text() == '{"backend": "tensorflow", "floatx": "float16"}'


def test_the_readers_own_folder_is_used_where_it_is_named(tmp_path):
    (tmp_path / "keras.json").write_text('{"floatx": "float64", "image_data_format": "channels_first"}')
    done = answer(IMPORT, tmp_path, KERAS_HOME=str(tmp_path))
    assert done.stdout.startswith("torch channels_first float64"), done.stderr


@pytest.mark.parametrize(
    ("name", "variables", "message"),
    [
        ("keras", {}, "Keras is not installed: pip install 'resnet-utils[keras]'"),
        ("jax", {"KERAS_BACKEND": "jax"}, "KERAS_BACKEND=jax, but jax is not installed: pip install jax"),
        ("-", {"KERAS_BACKEND": "theano"}, "must be one of torch, tensorflow, jax, got 'theano'"),
    ],
)
def test_what_is_missing_is_said_with_the_command_that_installs_it(tmp_path, name, variables, message):
    done = answer(MISSING.format(name), tmp_path, **variables)
    assert done.returncode == 1
    assert message in done.stderr.splitlines()[-1]


def test_an_older_keras_is_refused(tmp_path):
    code = (
        "import sys, types; sys.modules['keras'] = types.ModuleType('keras')\n"
        "sys.modules['keras'].__version__ = '2.15.0'\n"
        "from resnet_utils.frameworks import backend; backend.import_keras()"
    )
    assert "Keras 3 is needed, but here is Keras 2.15.0" in answer(code, tmp_path).stderr


def test_the_package_and_its_wing_take_no_keras(tmp_path):
    code = "import sys, resnet_utils.frameworks; print('keras' in sys.modules)"
    assert answer(code, tmp_path).stdout == "False\n"


def test_a_notebook_without_keras_shows_one_sentence_and_stops(tmp_path):
    pytest.importorskip("IPython", reason="IPython is not installed")
    code = (
        "from importlib import util\nfound = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'keras' else found(name, *rest)\n"
        "from IPython.core.interactiveshell import InteractiveShell\nshell = InteractiveShell()\n"
        "done = shell.run_cell('from resnet_utils import frameworks; frameworks.import_keras()')\n"
        "assert not done.success"
    )
    said = answer(code, tmp_path, IPYTHONDIR=str(tmp_path)).stdout.strip().splitlines()
    assert said == ["Keras is not installed: pip install 'resnet-utils[keras]', or: pip install keras"]


def test_what_the_reader_has_set_is_left_to_the_reader(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    monkeypatch.delenv("KERAS_TORCH_DEVICE", raising=False)
    wanted = backend._wanted()
    assert "TF_CPP_MIN_LOG_LEVEL" not in wanted
    assert "KERAS_TORCH_DEVICE" in wanted
