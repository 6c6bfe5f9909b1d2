"""The residual stream of a Transformer in small: layers whose norm stands before the branch or after the sum.

Introduced in chapter 6.

A Transformer is a residual network with other branches: attention, and two linear layers. Sources: Vaswani et
al. 2017, arXiv:1706.03762 (the norm after the sum); Xiong et al. 2020, arXiv:2002.04745 (before the branch).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from resnet_utils.runtime import given
from resnet_utils.toy.trainer import Data, one_thread

PLACES = ("pre", "post")
LETTERS, LENGTH = 16, 12


@given.explained
class Attention(nn.Module):
    """Every place takes from the others a mean of what they offer, weighted by how well it fits.

    Shapes: ``x`` (N, T, width) -> ``(N, T, width)``.

    Args:
        width: numbers a place.
        heads: how many such means, each of ``width / heads`` numbers.

    Raises:
        ValueError: if one is no whole number from 1 up, or the heads do not divide the width.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if given.whole_number("width", width) % given.whole_number("heads", heads):
            raise ValueError(f"width must be a multiple of heads, got {width} and {heads}")
        self.heads = heads
        self.ask_fit_offer = nn.Linear(width, 3 * width)
        self.back = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        shape = (*x.shape[:2], 3, self.heads, -1)
        ask, fit, offer = self.ask_fit_offer(x).view(shape).permute(2, 0, 3, 1, 4)  # each (N, heads, T, w/h)
        mean = nn.functional.scaled_dot_product_attention(ask, fit, offer)
        return self.back(mean.transpose(1, 2).flatten(2))


@given.explained
class StreamLayer(nn.Module):
    """Two branches around the stream, attention and a small network: (N, T, width) -> (N, T, width).

    With the norm ``"pre"`` each step is ``x + F(norm(x))``: nothing stands on the stream. With ``"post"`` it
    is ``norm(x + F(x))``.

    Args:
        width: numbers a place.
        heads: of the attention; a divisor of ``width``.
        norm: one of ``PLACES``.

    Raises:
        ValueError: for another ``norm``, or as ``Attention``.
    """

    def __init__(self, width: int, heads: int = 2, *, norm: str = "pre") -> None:
        super().__init__()
        if norm not in PLACES:
            raise ValueError(f"norm must be one of {', '.join(PLACES)}, got {norm!r}")
        self.norm = norm
        self.attention = Attention(width, heads)
        self.network = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def steps(self) -> list[tuple[nn.Module, nn.Module]]:
        """The branches in their order, each with its norm."""
        return [(self.attention, self.norm1), (self.network, self.norm2)]

    def forward(self, x: Tensor) -> Tensor:
        for branch, norm in self.steps():
            x = x + branch(norm(x)) if self.norm == "pre" else norm(x + branch(x))
        return x


@given.explained
class Stream(nn.Module):
    """A Transformer encoder: letters ``(N, 12)``, int64 -> logits ``(N, 12, 16)``, one answer a place.

    Letters and places are embedded and added, ``depth`` layers follow; before the head a pre-norm stream has
    one last norm, since none has stood on it so far.

    Args:
        depth: layers, at least 1.
        width: numbers a place.
        heads: of the attention.
        norm: one of ``PLACES``.
        seed: decides the weights; pre- and post-norm begin with the same.

    Raises:
        ValueError: as ``StreamLayer``, or for a ``depth`` below 1.
    """

    def __init__(
        self, depth: int, *, width: int = 32, heads: int = 2, norm: str = "pre", seed: int = 0
    ) -> None:
        super().__init__()
        depth, width = given.whole_number("depth", depth), given.whole_number("width", width)
        seed = given.whole_number("seed", seed, least=0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.letters, self.places = nn.Embedding(LETTERS, width), nn.Embedding(LENGTH, width)
            self.layers = nn.ModuleList(StreamLayer(width, heads, norm=norm) for _ in range(depth))
            self.last = nn.LayerNorm(width) if norm == "pre" else nn.Identity()
            self.fc = nn.Linear(width, LETTERS)
            for module in self.modules():
                if isinstance(module, nn.Linear):
                    nn.init.xavier_normal_(module.weight)
                    nn.init.zeros_(module.bias)

    def embed(self, letters: Tensor) -> Tensor:
        """Where the stream begins: (N, T, width), of ``letters`` (N, T)."""
        return self.letters(letters) + self.places.weight[: letters.shape[1]]

    def forward(self, letters: Tensor) -> Tensor:
        x = self.embed(letters)
        for layer in self.layers:
            x = layer(x)
        return self.fc(self.last(x))


@given.explained
def words(count: int, *, seed: int = 0) -> Data:
    """``count`` words of 12 random letters out of 16, int64, and the same words read backward.

    Args:
        count: words.
        seed: decides the letters.

    Raises:
        ValueError: if one is no whole number from 0 up.
    """
    count, seed = given.whole_number("count", count, least=0), given.whole_number("seed", seed, least=0)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(LETTERS, (count, LENGTH), generator=generator, device="cpu")
    return drawn, drawn.flip(1)


@given.explained
@one_thread()
def train_backward(model: Stream, *, steps: int, lr: float, warmup: int = 0, seed: int = 0) -> list[float]:
    """Teach ``model`` in place to read words backward; returns the loss of each step (nats a letter).

    Adam on fresh words, 64 a step. A learning rate that climbs in ``warmup`` steps, then stays. One CPU
    thread.

    Args:
        model: on the CPU.
        steps: batches in all, at least 1.
        lr: the rate after the climb.
        warmup: steps of the climb; 0 for none.
        seed: decides the words.

    Raises:
        ValueError: if ``steps`` is below 1, another number below 0, or one is none.
    """
    steps, warmup = given.whole_number("steps", steps), given.whole_number("warmup", warmup, least=0)
    lr = given.number_within("lr", lr, least=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    x, y = words(64 * steps, seed=seed)
    losses = []
    for step, (some, aims) in enumerate(zip(x.split(64), y.split(64), strict=True)):
        optimizer.param_groups[0]["lr"] = lr * min(1.0, (step + 1) / (warmup + 1))
        loss = nn.functional.cross_entropy(model(some).flatten(0, 1), aims.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
