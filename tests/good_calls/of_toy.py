"""Calls of the functions in ``toy``."""

from torch import nn

from resnet_utils.models.blocks import BasicBlock
from resnet_utils.toy import block_comparison, degradation
from resnet_utils.toy.residual_stream import Stream


def flat():
    """The smallest network for the pictures of ``block_comparison``."""
    return nn.Sequential(nn.Flatten(), nn.Linear(block_comparison.SIDE**2, block_comparison.NUM_CLASSES))


def few_points():
    """As many as there are clusters."""
    return degradation.points(degradation.NUM_CLUSTERS)


def few_pictures():
    """One a class."""
    return block_comparison.pictures(block_comparison.NUM_CLASSES)


def plain():
    """A net of four layers without shortcuts."""
    return degradation.fresh_net(4, residual=False, seed=0, width=4)


def judged():
    """A net, and what it is judged by."""
    x, labels = few_points()
    return {"model": plain(), "x": x, "labels": labels}


CALLS = {
    "toy.block_comparison.SmallNet": lambda _: {"make_block": BasicBlock},
    "toy.connections.DenseLayer": lambda _: {"growth": 4},
    "toy.connections.ConnectedNet": lambda _: {"layers": [nn.Linear(8, 8)]},
    "toy.degradation.Pair": lambda _: {"residual": True},
    "toy.degradation.Net": lambda _: {"depth": 4, "residual": True, "width": 4},
    "toy.heartbeats.SignalNet": lambda _: {"per_stage": 1, "residual": True, "width": 2},
    "toy.residual_stream.Attention": lambda _: {"heads": 2},
    "toy.residual_stream.Stream": lambda _: {"width": 4},
    "toy.block_comparison.pictures": lambda _: {"count": 20},
    "toy.block_comparison.train_small": lambda _: {
        "model": flat(), "train_data": few_pictures(), "test_data": few_pictures(),
    },
    "toy.block_comparison.compare": lambda _: {
        "kinds": {"flat": flat}, "seeds": [0], "count": 20, "epochs": 1,
    },
    "toy.connections.highway": lambda _: {"depth": 4, "gate_bias": -1.0, "width": 4},
    "toy.connections.dense": lambda _: {"depth": 4, "growth": 4},
    "toy.degradation.points": lambda _: {"count": 200},
    "toy.degradation.fresh_net": lambda _: {"depth": 4, "residual": True},
    "toy.degradation.start_as_identity": lambda _: {"net": plain(), "x": few_points()[0], "pairs": 1},
    "toy.degradation.train": lambda _: {
        "model": plain(), "train_data": few_points(), "valid_data": few_points(), "epochs": 1,
    },
    "toy.degradation.sweep": lambda _: {
        "depths": [4], "seeds": [0], "epochs": 1, "num_points": 100, "width": 4,
    },
    "toy.degradation.pick": lambda _: {
        "runs": [degradation.Run(4, True, 0, (1.0,), 1.0, 1.0)], "depth": 4, "residual": True,
    },
    "toy.heartbeats.fresh_signal_net": lambda _: {"per_stage": 1, "residual": True, "width": 2},
    "toy.residual_stream.train_backward": lambda _: {"model": Stream(1, width=4)},
    "toy.trainer.moved": lambda _: {"data": few_points()},
    "toy.trainer.train_epochs": lambda _: {"model": plain(), "data": few_points()},
    "toy.trainer.loss_on": lambda _: judged(),
    "toy.trainer.share_right": lambda _: judged(),
    "toy.trainer.eval_logits": lambda _: {"model": plain(), "x": few_points()[0]},
}  # fmt: skip

UNBOUND: dict[tuple[str, str], str] = {}
