"""What several rooms call by the same name: a device, a loss function, batches.

Introduced in chapter 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

Device = torch.device | str


LossFunction = Callable[[Tensor, Tensor], Tensor]


Batches = Iterable[tuple[Tensor, Tensor]]  # images (N, C, H, W) and labels (N,), batch by batch
