"""The same networks in other frameworks: Keras 3 on PyTorch, TensorFlow or JAX, and weights carried over."""

from resnet_utils.frameworks.backend import import_keras, is_there
from resnet_utils.frameworks.keras_networks import keras_resnet
from resnet_utils.frameworks.keras_weights import from_keras, to_keras

__all__ = ["from_keras", "import_keras", "is_there", "keras_resnet", "to_keras"]
