"""Tensors that only claim to lie on a GPU, so that mixed devices are found on machines without one."""

import torch
from torch.utils import _pytree as pytree


class Elsewhere(torch.Tensor):
    """A tensor whose device reads "cuda:0" and whose numbers lie on the CPU.

    Operations that would mix it with a tensor of the CPU are refused, as on a real GPU; a single number may
    come from the CPU.
    """

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, dtype=inner.dtype, device="cuda:0", strides=inner.stride()
        )

    def __init__(self, inner):
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        given = [x for x in pytree.tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        moving = func in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
        here = [x for x in given if not isinstance(x, cls) and x.ndim > 0]
        if here and not moving:
            raise RuntimeError(f"Expected all tensors to be on the same device: {func} got cuda:0 and cpu")
        wanted = torch.device(kwargs.pop("device", None) or "cuda:0")
        args, kwargs = pytree.tree_map_only(cls, lambda x: x.inner, (args, kwargs))
        out = func(*args, **kwargs)
        return pytree.tree_map_only(torch.Tensor, cls, out) if wanted.type == "cuda" else out
