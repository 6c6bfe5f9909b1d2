"""Ask TensorFlow 2 and Keras 3 for what three articles call, each in its smallest form; note the answers.

The articles print a TensorFlow 1 network for 32x32x3, a Keras network for 28x28x1 and one of [3, 3, 3, 3]
blocks. TensorFlow is in no environment of this book but that of `make test-keras`:

    .venv-keras/bin/python experiments/old_code.py
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata

import numpy as np
import record

from resnet_utils.frameworks import import_keras

ONE, TWO, THREE = "32x32x3, TensorFlow 1", "28x28x1, Keras", "[3, 3, 3, 3], Keras"


def calls() -> list[tuple[str, str, Callable]]:
    """Which article, what it calls, and the call in its smallest form."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    keras = import_keras()
    import tensorflow as tf

    x, one_hot_loss = np.zeros((2, 8, 8, 3), "float32"), keras.losses.categorical_crossentropy
    v1 = tf.compat.v1
    return [
        (ONE, "tf.placeholder", lambda: tf.placeholder(tf.float32, [None, 8, 8, 3])),
        (ONE, "tf.layers.conv2d", lambda: tf.layers.conv2d(x, 4, 3)),
        (ONE, "tf.layers.dense", lambda: tf.layers.dense(x, 10)),
        (ONE, "tf.losses.sparse_softmax_cross_entropy", lambda: tf.losses.sparse_softmax_cross_entropy),
        (ONE, "tf.train.AdamOptimizer", lambda: tf.train.AdamOptimizer(1e-4)),
        (ONE, "tf.Session", lambda: tf.Session()),
        (ONE, "tf.global_variables_initializer", lambda: tf.global_variables_initializer()),
        (ONE, "compat.v1.placeholder", lambda: v1.placeholder(tf.float32, [None, 8, 8, 3])),
        (ONE, "compat.v1.layers.conv2d", lambda: v1.layers.conv2d(x, 4, 3)),
        (ONE, "batch_normalization=", lambda: keras.layers.Conv2D(4, 3, batch_normalization=True)),
        (ONE, "batch_norm", lambda: eval("batch_norm(x)", {"x": x})),
        (ONE, "train_data", lambda: eval("train_data", {})),
        (TWO, "!pip install in a program", lambda: compile("!pip install tensorflow", "article", "exec")),
        (TWO, "tensorflow.keras.layers", lambda: tf.keras.layers.ReLU()),
        (TWO, "labels 3, 1 with the loss printed", lambda: one_hot_loss(np.array([3, 1]), np.ones((2, 10)))),
        (THREE, "keras.layers.Add", lambda: keras.layers.Add()([x, x])),
        (THREE, "Keras on Theano", lambda: on("theano")),
        (THREE, "Keras on CNTK", lambda: on("cntk")),
    ]


def on(backend: str) -> None:
    """Import Keras in a Python of its own on ``backend``, and raise what that raises."""
    code = f"import os; os.environ['KERAS_BACKEND'] = {backend!r}; import keras"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        kind, _, said = done.stderr.strip().splitlines()[-1].partition(": ")
        raise {"ValueError": ValueError}.get(kind, ImportError)(said)


def answer(call: Callable) -> tuple[str, str]:
    """The kind of error and its first sentence, or ``"none"`` twice."""
    try:
        call()
    except Exception as error:
        lines = str(error).strip().splitlines()
        return type(error).__name__, lines[0].partition(". ")[0]
    return "none", "none"


def measure(asked: argparse.Namespace) -> list[record.Row]:
    """A row for each call."""
    started = time.perf_counter()
    rows = []
    for article, name, call in calls():
        error, message = answer(call)
        rows.append({"article": article, "call": name, "error": error, "message": message})
    asked.seconds += time.perf_counter() - started
    return rows


def libraries(rows: list[record.Row]) -> str:
    """What the calls were made on."""
    found = [f"{name} {metadata.version(package)}" for name, package in
             (("TensorFlow", "tensorflow-cpu"), ("Keras", "keras"))]  # fmt: skip
    return f"{len(rows)} calls, no images; {', '.join(found)}"


if __name__ == "__main__":
    record.run(
        measure,
        claim="What the code of three articles meets today, call by call.",
        data=libraries,
        seeds=(),
        workers=False,
    )
