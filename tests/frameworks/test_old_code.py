"""What old code meets today is what the record says, and the repaired networks have no such call."""

import importlib.util
import sys
from importlib import util
from pathlib import Path

import numpy as np
import pytest
from frameworks.networks import keras

from resnet_utils.frameworks import keras_networks
from resnet_utils.reporting import results

HERE = Path(__file__).resolve().parents[2]
RECORD = results.load("old_code")
NEEDS_TENSORFLOW = pytest.mark.skipif(
    util.find_spec("tensorflow") is None or keras.config.backend() != "tensorflow",
    reason="Keras is not on TensorFlow here; `make test-keras` runs this",
)


def script(monkeypatch):
    """The module ``experiments/old_code.py``."""
    monkeypatch.syspath_prepend(str(HERE / "experiments"))
    spec = importlib.util.spec_from_file_location("old_code", HERE / "experiments" / "old_code.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "old_code", module)
    spec.loader.exec_module(module)
    return module


@NEEDS_TENSORFLOW
@pytest.mark.filterwarnings("default")  # TensorFlow's own
def test_every_call_meets_the_recorded_answer(monkeypatch):
    old_code = script(monkeypatch)
    found = {(article, name): old_code.answer(call) for article, name, call in old_code.calls()}
    assert found == {(row["article"], row["call"]): (row["error"], row["message"]) for row in RECORD.rows}


def test_what_needs_no_tensorflow_is_as_recorded(monkeypatch):
    """The calls that are Keras's or Python's own, on the backend at hand."""
    answer = script(monkeypatch).answer
    said = {row["call"]: (row["error"], row["message"]) for row in RECORD.rows}
    loss, x = keras.losses.categorical_crossentropy, np.zeros((2, 8, 8, 3), "float32")
    calls = {
        "batch_normalization=": lambda: keras.layers.Conv2D(4, 3, batch_normalization=True),
        "labels 3, 1 with the loss printed": lambda: loss(np.array([3, 1]), np.ones((2, 10))),
        "keras.layers.Add": lambda: keras.layers.Add()([x, x]),
        "!pip install in a program": lambda: compile("!pip install tensorflow", "article", "exec"),
        "batch_norm": lambda: eval("batch_norm(x)", {"x": x}),
    }
    for name, call in calls.items():
        error, message = answer(call)
        assert error == said[name][0], name
        assert message[:40] == said[name][1][:40], name  # each backend ends it in its own words


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (keras_networks.one_stage_network, (32, 32, 3)),
        (keras_networks.residual_28_network, (28, 28, 1)),
        (keras_networks.network_of_26_layers, (64, 64, 3)),
    ],
)
def test_what_the_articles_meant_is_built_trained_saved_and_read(network, shape, tmp_path):
    """Each has an addition, takes integer labels, and its loss falls on a few images that it sees often."""
    keras.utils.set_random_seed(0)
    model = network(4)
    assert any(isinstance(layer, keras.layers.Add) for layer in model.layers)
    images = np.random.default_rng(0).random((8, *shape), "float32")
    labels = np.arange(8) % 4
    model.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    losses = model.fit(images, labels, batch_size=8, epochs=6, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    one, other = (keras.ops.convert_to_numpy(net(images, training=False)) for net in (model, again))
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
