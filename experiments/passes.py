"""Count the passes that plain and residual networks of 6 to 26 layers need to reach a training loss of 0.1.

The small networks of chapter 1, at its rate. Beside the counts stand the losses after the twelve passes of
the chapter's sweep, for the deepest nets at four other rates too. He et al. 2015, section 4.1, conjecture for
deep plain nets "exponentially low convergence rates". The losses are means over the batches of a pass, in
train mode.

    python experiments/passes.py [--workers 2] [--keep FOLDER]
"""

import argparse
from itertools import product

import record
import torch

from resnet_utils.toy import degradation, trainer

SEEDS, DEPTHS, LR = range(5), (6, 10, 14, 18, 22, 26), 0.03  # the chapter's rate
OTHER_RATES, FEWER = (0.001, 0.003, 0.01, 0.1), range(3)  # for the deepest, as long as the sweep only
GOAL, MOST, SWEEP = 0.1, 300, 12  # nats, passes, passes


def train(depth: int, residual: bool, lr: float, seed: int, most: int) -> dict:
    """One training, one row; "passes" is None if the goal was not reached in ``most``."""
    net = degradation.fresh_net(depth, residual=residual, seed=seed)
    points = degradation.points(2000, seed=0)
    with trainer.one_thread():
        curve = trainer.train_epochs(
            net, points, seed=seed, epochs=most, lr=lr, sums=torch.float32, until=GOAL
        )
    return {
        "depth": depth, "residual": residual, "lr": lr, "seed": seed,
        "most": most, "passes": len(curve) if curve[-1] <= GOAL else None,
        "loss_after_12": round(curve[:SWEEP][-1], 3), "last_loss": round(curve[-1], 3),
        "every_tenth": [round(loss, 2) for loss in curve[9::10]],
    }  # fmt: skip


def rows(asked: argparse.Namespace) -> list[record.Row]:
    if asked.tiny:
        jobs = [(6, residual, 0.03, 0, 2 * SWEEP) for residual in (False, True)]
    else:
        kinds = (False, True)
        jobs = [(*job, SWEEP) for job in product(DEPTHS[-1:], kinds, OTHER_RATES, FEWER)]
        jobs += [(*job, MOST) for job in product(DEPTHS, kinds, (LR,), SEEDS)]
    return record.rows_of(train, jobs, asked)


if __name__ == "__main__":
    record.run(
        rows,
        claim="A plain net needs more passes with each layer, by a factor that hardly changes; a residual "
        "one needs about as many at any depth.",
        data="2,000 points of 100 clusters in 8 dimensions, drawn by degradation.points",
    )
