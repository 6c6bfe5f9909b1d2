"""Draw the picture that other sites show beside a link to the book: ``site/static/card.png``.

It is kept in the repository, since the website is built without Matplotlib. To make it anew: ``python
tools/web/card.py``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tools import project

CARD = project.ROOT / "site" / "static" / "card.png"
WIDTH, HEIGHT, DPI = 1200, 630, 100  # pixels; what the large previews of links are cut for
INK, PAPER, BLUE = "#1c1c28", "#ffffff", "#0072b2"


def block(ax: Axes, x: float, top: float, step: float) -> None:
    """A residual block from ``top`` down: two layers, a line around them, and the sum."""
    line = {"color": INK, "linewidth": 5, "solid_capstyle": "round", "solid_joinstyle": "round"}
    ax.plot([x, x], [top + 0.7 * step, top - 3.4 * step], **line)
    ax.plot(
        [x, x + 150, x + 150, x + 32],
        [top + 0.3 * step, top + 0.3 * step, top - 2.5 * step, top - 2.5 * step],
        **line,
    )
    for layer in (0, 1):
        corner = (x - 95, top - (layer + 0.85) * step)
        ax.add_patch(
            FancyBboxPatch(
                corner, 190, 0.5 * step, boxstyle="round,pad=0,rounding_size=10", fc=BLUE, zorder=3
            )
        )
    ax.plot(x, top - 2.5 * step, marker="o", markersize=46, mfc=PAPER, mec=INK, mew=5, zorder=3)
    ax.plot(x, top - 2.5 * step, marker="+", markersize=26, mec=INK, mew=5, zorder=4)


def draw(path: Path = CARD) -> None:
    """Write the card."""
    figure = plt.figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, facecolor=PAPER)
    ax = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, HEIGHT))
    ax.axis("off")
    block(ax, 960, 470, 110)
    ax.text(80, 400, "ResNet from Zero", fontsize=52, fontweight="bold", color=INK)
    ax.text(
        80,
        300,
        "Residual networks, built from nothing\nin PyTorch.",
        fontsize=27,
        color=INK,
        va="top",
        linespacing=1.4,
    )
    ax.text(80, 120, "Every claim is executed.", fontsize=27, color=BLUE)
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    draw()
