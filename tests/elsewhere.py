"""Tensors that only claim to lie on a GPU, so that mixed devices are found on machines without one."""

import torch
from torch.utils import _pytree as pytree


class Elsewhere(torch.Tensor):
    """A tensor whose device reads "cuda:0" and whose numbers lie on the CPU.

    Operations that would mix it with a tensor of the CPU are refused, as on a real GPU; a single number may
    come from the CPU.
    """

    where = "cuda:0"

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, dtype=inner.dtype, device=cls.where, strides=inner.stride()
        )

    def __init__(self, inner):
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        given = [x for x in pytree.tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        moving = func in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
        here = [x for x in given if not isinstance(x, Elsewhere) and x.ndim > 0]
        if here and not moving:
            raise RuntimeError(
                f"Expected all tensors to be on the same device: {func} got {cls.where} and cpu"
            )
        wanted = torch.device(kwargs.pop("device", None) or cls.where)
        outer = args[0] if args and isinstance(args[0], cls) else None
        args, kwargs = pytree.tree_map_only(cls, lambda x: x.inner, (args, kwargs))
        out = func(*args, **kwargs)
        if outer is not None and func._schema.name.endswith("_") and out is args[0]:
            return outer  # in place: the same tensor as before
        return cls.wrap(out) if wanted.type != "cpu" else out

    @classmethod
    def wrap(cls, out):
        """What an operation gave, on the device that is claimed."""
        return pytree.tree_map_only(torch.Tensor, cls, out)


class WithoutFloat64(Elsewhere):
    """As on Apple's GPUs: no tensor of 64-bit floats can lie there."""

    where = "mps:0"

    @classmethod
    def wrap(cls, out):
        for tensor in pytree.tree_leaves(out):
            if isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float64:
                raise TypeError(
                    "Cannot convert a MPS Tensor to float64 dtype as MPS does not support float64"
                )
        return super().wrap(out)
