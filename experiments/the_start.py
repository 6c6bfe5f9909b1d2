"""Train deep plain networks from other first weights: the functions are the same, only the start differs.

Two kinds of network on the points of chapter 1. "chain": 32 linear layers of width 32, ReLUs between them,
without BatchNorm or shortcuts, from He's start, from orthogonal matrices of the same scale, and from mirrored
weights, Gaussian and orthogonal ("looks linear", Balduzzi et al. 2017). "BatchNorm": the plain net of 26
layers from its usual start, with its last 20 layers starting as the identity, and its residual twin.

    python experiments/the_start.py [--workers 2] [--keep FOLDER]
"""

import argparse
import math
from itertools import pairwise, product

import record
import torch
from torch import nn

from resnet_utils.models import initialization
from resnet_utils.toy import degradation, trainer

SEEDS = range(8)
CHAIN, WIDTH, CHAIN_RATES = 32, 32, (0.003, 0.01, 0.03, 0.1)
CHAIN_STARTS = ("he", "orthogonal", "mirrored he", "looks linear")
DEEP, IDENTITY_PAIRS, DEEP_RATES = 26, 10, (0.01, 0.03, 0.1)
DEEP_STARTS = ("he", "identity", "residual")


def chain(start: str, seed: int) -> nn.Sequential:
    """32 linear layers with ReLUs between: (N, 8) -> (N, 10)."""
    generator = torch.Generator().manual_seed(seed)
    widths = [degradation.IN_FEATURES, *[WIDTH] * (CHAIN - 1), degradation.NUM_CLASSES]
    layers = [nn.Linear(a, b) for a, b in pairwise(widths)]
    initialization.looks_linear(layers, generator=generator)  # also sets the biases to zero
    with torch.no_grad():
        for index, layer in enumerate(layers):
            rows, columns = layer.weight.shape
            if start == "he":
                initialization.he_normal(layer.weight, generator=generator)
            elif start == "orthogonal":
                nn.init.orthogonal_(layer.weight, gain=2**0.5, generator=generator)
            elif start == "mirrored he" and 0 < index < CHAIN - 1:
                w = torch.randn(rows // 2, columns // 2, generator=generator) * (2 / columns) ** 0.5
                layer.weight.copy_(torch.cat([torch.cat([w, -w], 1), torch.cat([-w, w], 1)]))
    parts = [part for layer in layers for part in (layer, nn.ReLU())]
    return nn.Sequential(*parts[:-1])


def train_chain(net: nn.Module, x: torch.Tensor, labels: torch.Tensor, lr: float, steps: int, seed: int):
    """Nesterov momentum, batches of 200 and a one-cycle rate, as in chapter 2; the loss of each step."""
    optimizer = torch.optim.SGD(
        net.parameters(), lr, momentum=0.9, nesterov=True, weight_decay=1e-4, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    generator, losses = torch.Generator().manual_seed(seed), []
    while len(losses) < steps:
        for batch in torch.randperm(len(x), generator=generator).split(200)[: steps - len(losses)]:
            loss = nn.functional.cross_entropy(net(x[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
    return losses


def measure(network: str, start: str, lr: float, steps: int, seed: int, tiny: bool) -> dict:
    """One training, one row; a loss that is no number any more is None."""
    x, labels = degradation.points(2000, seed=0)
    with trainer.one_thread():
        if network == "chain":
            net = chain(start, seed)
            losses = train_chain(net, x, labels, lr, steps, seed)
            tenths = torch.tensor(losses).split(max(1, steps // 10))
            curve = [part.mean().item() for part in tenths][:10]
        else:
            net = degradation.fresh_net(DEEP, residual=start == "residual", seed=seed)
            if start == "identity":
                degradation.start_as_identity(net, x, pairs=IDENTITY_PAIRS)
            curve = list(trainer.train_epochs(net, (x, labels), seed=seed, epochs=steps // 20, lr=lr))
        loss = trainer.loss_on(net, x, labels)  # in eval mode
    finite = math.isfinite(loss)
    return {
        "network": network, "start": start, "lr": lr, "steps": steps, "seed": seed,
        "train_loss": round(loss, 4) if finite else None,
        "curve": [round(value, 3) if math.isfinite(value) else None for value in curve],
    }  # fmt: skip


def rows(asked: argparse.Namespace) -> list[record.Row]:
    if asked.tiny:
        jobs = [("chain", "looks linear", 0.03, 20, 0), ("BatchNorm", "identity", 0.03, 20, 0)]
    else:
        jobs = [("chain", *job) for job in product(CHAIN_STARTS, CHAIN_RATES, (150,), SEEDS)]
        jobs += [("chain", "he", lr, 1500, seed) for lr, seed in product(CHAIN_RATES, SEEDS)]
        jobs += [("BatchNorm", *job) for job in product(DEEP_STARTS, DEEP_RATES, (240,), SEEDS)]
    return record.rows_of(measure, [(*job, asked.tiny) for job in jobs], asked)


if __name__ == "__main__":
    record.run(
        rows,
        claim="Deep plain nets that hardly learn from He's start in a given number of steps learn in the "
        "same steps from mirrored first weights, or when their last layers start as the identity.",
        data="2,000 points of 100 clusters in 8 dimensions, drawn by degradation.points",
    )
