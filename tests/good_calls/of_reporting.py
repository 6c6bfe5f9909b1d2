"""Calls of the functions in ``reporting``."""

import matplotlib.pyplot as plt
import numpy as np

from good_calls.makers import images
from resnet_utils.models import blocks
from resnet_utils.reporting import diagrams


def a_figure():
    """One line, with labels."""
    figure, ax = plt.subplots()
    ax.plot([1, 2], [3, 4])
    ax.set(xlabel="step", ylabel="loss")
    return figure


def an_axis():
    """The panel of a new figure."""
    return plt.subplots()[1]


def a_block():
    """A residual block from 4 to 8 channels."""
    return blocks.BasicBlock(4, 8, stride=2)


def of_block(_):
    """A block, and the shape of its input."""
    return {"block": a_block(), "input_shape": (1, 4, 8, 8)}


def of_steps(_):
    """The steps of a block."""
    return {"steps": diagrams.trace(a_block(), (1, 4, 8, 8))}


def bytes_of_images():
    """Images as a picture holds them."""
    return (255 * images()).byte()


CALLS = {
    "reporting.diagrams.Drawing": lambda _: {"blocks": {"a block": (a_block(), (1, 4, 8, 8))}},
    "reporting.svg.Svg": lambda _: {"width": 100, "height": 50, "words": "a line"},
    "reporting.diagrams.trace": of_block,
    "reporting.diagrams.describe": of_block,
    "reporting.diagrams.main_path": of_steps,
    "reporting.diagrams.shortcuts": of_steps,
    "reporting.diagrams.whole_network": lambda _: {"image_shape": (1, 3, 16, 16)},
    "reporting.digest.digest": lambda _: {"figure": a_figure(), "digits": 2},
    "reporting.drawings.twins": lambda _: {"steps": ["conv", "ReLU", "conv"]},
    "reporting.numbers.show": lambda _: {"name": "loss", "value": 0.25},
    "reporting.plotting.curve": lambda _: {
        "ax": an_axis(), "x": [1, 2, 3], "y": np.ones(3), "error": [0.1] * 3,
        "role": "plain", "label": "plain",
    },
    "reporting.plotting.effects": lambda _: {"ax": an_axis(), "gains": {"flip": (0.1, 0.3)}},
    "reporting.plotting.image_grid": lambda _: {"images": bytes_of_images(), "titles": list("abcd")},
    "reporting.plotting.readable": lambda _: {"names": ["cat", "dog"]},
    "reporting.plotting.finish": lambda _: {"figure": a_figure()},
    "reporting.results.load": lambda _: {"name": "cifar10"},
    "reporting.vector.to_svg": lambda _: {"figure": a_figure(), "words": "a line"},
}  # fmt: skip

UNBOUND: dict[tuple[str, str], str] = {}
