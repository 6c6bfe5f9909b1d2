"""The two to the power of L paths of a residual network, and what each branch adds.

Introduced in chapter 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from resnet_utils.analysis.gradients import Function
from resnet_utils.runtime import given

MOST_BLOCKS = 1029  # math.comb(1030, 515) is the first that is larger than every float


@given.explained
@torch.no_grad()
def branch_share(blocks: Sequence[Function], x: Tensor) -> tuple[Tensor, Tensor]:
    """Variance after each block, and the branch's share of it: two tensors ``(num_blocks,)``.

    A block must be ``x + F(x)`` with nothing after the addition; its branch is taken to be
    ``block(x) - x``. The variance is over the batch (dimension 0), averaged over everything else.

    Args:
        blocks: the blocks, in the order they run.
        x: input of the first one, ``(N, ...)``, floating point.

    Raises:
        ValueError: if there is no block, one changes the shape, so that it has no identity shortcut, or one
            cannot take what it gets; or if ``x`` is not such a batch.
        TypeError: if a block cannot be called.

    Source: De and Smith 2020, arXiv:2002.10444, section 3.
    """
    if len(blocks) == 0:
        raise ValueError(f"blocks must be one block or more, got {blocks!r}")
    if x.ndim == 0 or not x.numel() or not x.is_floating_point():
        raise ValueError(f"x must be a floating-point batch (N, ...), got {x.dtype} {tuple(x.shape)}")
    variances, shares = [], []
    for index, block in enumerate(blocks):
        out = given.answer_of(block, x, name=f"block {index} of blocks")
        if out.shape != x.shape:
            raise ValueError(f"block {index} turns {tuple(x.shape)} into {tuple(out.shape)}: no identity")
        total = out.var(dim=0, correction=0).mean()
        variances.append(total)
        shares.append((out - x).var(dim=0, correction=0).mean() / total)
        x = out
    return torch.stack(variances), torch.stack(shares)


@given.explained
def path_lengths(num_blocks: int, *, probability: float = 0.5) -> Tensor:
    """Share of the paths that go through 0, 1, ... ``num_blocks`` branches: ``(num_blocks + 1,)``, sums to 1.

    Each block doubles the number of paths, one through its branch and one around it, so the lengths are
    binomial.

    Args:
        num_blocks: number of blocks, 0 or more.
        probability: weight p of a branch against its shortcut, in [0, 1]; a path through k branches weighs
            ``p**k * (1 - p)**(num_blocks - k)``. With 1/2 all paths weigh the same.

    Raises:
        ValueError: if ``num_blocks`` is negative, so large that the number of paths is no float any more
            (from 1030 on), or no whole number, or ``probability`` is outside [0, 1].

    Source: Veit et al. 2016, arXiv:1605.06431, section 3.
    """
    num_blocks = given.whole_number("num_blocks", num_blocks, least=0)
    if num_blocks > MOST_BLOCKS:
        raise ValueError(f"num_blocks must be at most {MOST_BLOCKS}, got {num_blocks}")
    probability = given.number_within("probability", probability, least=0, most=1)
    p, q = probability, 1 - probability
    shares = [math.comb(num_blocks, k) * p**k * q ** (num_blocks - k) for k in range(num_blocks + 1)]
    return torch.tensor(shares, dtype=torch.float64)


@given.explained
def path_terms(jacobians: Tensor) -> Tensor:
    """Sum over all paths of each length: ``(L, d, d)`` branch Jacobians -> ``(L + 1, d, d)``.

    Entry k is the sum of the products of k branch Jacobians, over every choice of k blocks, later blocks
    on the left. All entries together add up to the product of ``I + J``: the 2**L paths, sorted by
    length. One sweep over the blocks does it, because a path of length k either goes around the next
    block or reaches it with length k - 1.

    Args:
        jacobians: d F_l / d x of each branch, first block first, floating point or complex.

    Raises:
        ValueError: if ``jacobians`` is not a stack of square matrices of such numbers.
    """
    if jacobians.ndim != 3 or jacobians.shape[1] != jacobians.shape[2]:
        raise ValueError(f"jacobians must be (L, d, d), got shape {tuple(jacobians.shape)}")
    if not (jacobians.is_floating_point() or jacobians.is_complex()):
        raise ValueError(f"jacobians must be floating point or complex, got {jacobians.dtype}")
    num_blocks, width, _ = jacobians.shape
    terms = jacobians.new_zeros(num_blocks + 1, width, width)
    terms[0] = torch.eye(width, dtype=jacobians.dtype, device=jacobians.device)
    for branch in jacobians:
        through = branch @ terms[:-1]  # one branch longer
        terms[1:] = terms[1:] + through
    return terms
