"""Give the small networks of chapter 2 that hardly learn in 150 steps more steps, or help for the first ones.

Sixteen blocks of two layers of width 32 on the points of chapter 1: plain at He's scale, plain with
BatchNorm, and residual with neither BatchNorm nor a rule in its place. Each is trained for 150 and for 1,000
steps with a one-cycle rate; the residual one also with its gradients clipped to a norm of one, and by AdamW.
The losses are means over the last steps, in train mode.

    python experiments/more_steps.py [--workers 2] [--keep FOLDER]
"""

import argparse
from itertools import product

import record
import torch
from torch import nn

from resnet_utils.toy import degradation, trainer

SEEDS, SHORT, LONG = range(5), 150, 1000
RATES = {"plain": (0.003, 0.01, 0.03), "plain + BatchNorm": (0.05, 0.2), "residual": (0.003, 0.01)}
HELPED = [("clipping", 0.03), ("clipping", 0.1), ("AdamW", 0.003), ("AdamW", 0.01)]


class Shortcut(nn.Sequential):
    """x plus what the layers inside make of it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + super().forward(x)


def build(kind: str) -> nn.Sequential:
    """A first layer, sixteen blocks and a head: (N, 8) -> (N, 10)."""
    norm = kind == "plain + BatchNorm"

    def layer() -> list[nn.Module]:
        linear = nn.Linear(32, 32, bias=not norm)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        if not norm:
            nn.init.zeros_(linear.bias)
        return [nn.ReLU(), linear, *([nn.BatchNorm1d(32)] if norm else [])]

    block = Shortcut if kind == "residual" else nn.Sequential
    body = [block(*layer(), *layer()) for _ in range(16)]
    return nn.Sequential(nn.Linear(8, 32), *body, nn.ReLU(), nn.Linear(32, 10))


def train(kind: str, rule: str, lr: float, steps: int, seed: int) -> dict:
    """One training, one row."""
    torch.manual_seed(seed)
    net = build(kind)
    x, labels = degradation.points(2000, seed=0)
    if rule == "AdamW":
        optimizer = torch.optim.AdamW(net.parameters(), lr)
    else:
        optimizer = torch.optim.SGD(
            net.parameters(), lr, momentum=0.9, nesterov=True, weight_decay=1e-4, fused=True
        )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    losses: list[float] = []
    with trainer.one_thread():
        while len(losses) < steps:
            for batch in torch.randperm(len(x)).split(200):
                loss = nn.functional.cross_entropy(net(x[batch]), labels[batch])
                optimizer.zero_grad()
                loss.backward()
                if rule == "clipping":
                    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                losses.append(loss.item())
    curve = torch.tensor(losses).split(max(1, steps // 20))
    return {
        "kind": kind, "rule": rule, "lr": lr, "steps": steps, "seed": seed,
        "last_loss": round(sum(losses[-10:]) / 10, 4),
        "curve": [round(part.mean().item(), 3) for part in curve],
    }  # fmt: skip


def rows(asked: argparse.Namespace) -> list[record.Row]:
    kinds = [(kind, "none", lr) for kind, rates in RATES.items() for lr in rates]
    jobs = [(*kind, steps, seed) for kind, steps, seed in product(kinds, (SHORT, LONG), SEEDS)]
    jobs += [("residual", rule, lr, SHORT, seed) for (rule, lr), seed in product(HELPED, SEEDS)]
    if asked.tiny:
        jobs = [("residual", "clipping", 0.1, 20, 0), ("plain + BatchNorm", "none", 0.2, 20, 0)]
    return record.rows_of(train, jobs, asked)


if __name__ == "__main__":
    record.run(
        rows,
        claim="At He's scale a plain and a residual net of 33 layers without BatchNorm come down to a small "
        "loss, in several times more steps than a residual one with BatchNorm takes.",
        data="2,000 points of 100 clusters in 8 dimensions, drawn by degradation.points",
    )
