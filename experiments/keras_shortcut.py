"""Train an article's "ResNet" for 28x28x1 on Fashion-MNIST as printed, without a shortcut, and with it.

In Keras on PyTorch, with the article's optimizer (Adam as it comes) and batches of 64. The article has two
convolutions of 64 channels; two and sixteen of 16 channels stand beside it, to see where a shortcut matters.
With and without shortcuts a network has the same weights. The test images are looked at once, at the end.

    RESNET_BOOK_DATA=... python experiments/keras_shortcut.py [--workers 2] [--keep FOLDER]
"""

import numpy as np
import record

from resnet_utils import data, runtime
from resnet_utils.frameworks import import_keras, keras_networks

SIZES = ((2, 64), (2, 16), (16, 16))  # convolutions, channels
SHORTCUTS, SEEDS = (False, True), (0, 1, 2)
A_CLASS, A_CLASS_TESTED, EPOCHS, BATCH = 300, 200, 4, 64


def arrays(split: data.Split) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 28, 28, 1) from 0 to 1, and labels."""
    return split.images.permute(0, 2, 3, 1).numpy().astype("float32") / 255, split.labels.numpy()


def train(size: tuple[int, int], shortcut: bool, seed: int, tiny: bool) -> dict:
    """One training, one row."""
    runtime.setup(seed)
    keras = import_keras()
    keras.utils.set_random_seed(seed)
    convolutions, width = size
    every, held_out = data.fashion_mnist()
    images, labels = arrays(every.take(10 if tiny else A_CLASS, seed=seed))
    tests, answers = arrays(held_out.take(10 if tiny else A_CLASS_TESTED, seed=0))
    model = keras_networks.two_convolution_network(convolutions=convolutions, width=width, shortcut=shortcut)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    epochs = 1 if tiny else EPOCHS
    model.fit(images, labels, batch_size=BATCH, epochs=epochs, verbose=0)
    train_loss, train_accuracy = model.evaluate(images, labels, batch_size=200, verbose=0)
    test_loss, test_accuracy = model.evaluate(tests, answers, batch_size=200, verbose=0)
    return {
        "convolutions": convolutions, "width": width, "shortcut": shortcut, "seed": seed, "epochs": epochs,
        "train_images": len(images), "test_images": len(tests), "parameters": model.count_params(),
        "train_loss": train_loss, "train_accuracy": train_accuracy,
        "test_loss": test_loss, "test_accuracy": test_accuracy,
    }  # fmt: skip


if __name__ == "__main__":
    record.run(
        record.every(train, SIZES, SHORTCUTS, SEEDS, tiny=(SIZES, SHORTCUTS, SEEDS[:1])),
        claim="An article's network with and without shortcuts, at two and at sixteen convolutions.",
        data="Fashion-MNIST, 300 training and 200 test images of each class",
        needs="FashionMNIST",
    )
