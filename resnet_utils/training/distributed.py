"""One training on several devices: a thin layer over torch's DistributedDataParallel.

Introduced in chapter 8. Started by ``torchrun --nproc-per-node 2 script.py``, where the script has

    with distributed.process_group() as device:
        model = distributed.parallel(models.build("resnet18", 10).to(device))
        batches = distributed.Shares(data.loader(...))
        training.fit(model, batches, ...)

and the rest as in one process. Batches are those of one process, cut into shares, and the gradient is that of
the whole batch, so how many compute does not change what is computed: but for BatchNorm in train mode, where
each process measures its own share. What ``data.loader`` and ``fit`` do not draw themselves, such as dropout,
is drawn in each process from its own generators.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.modules.batchnorm import SyncBatchNorm, _BatchNorm
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler

from resnet_utils import runtime
from resnet_utils.runtime import given, processes, speed
from resnet_utils.runtime.processes import Shares, is_first
from resnet_utils.runtime.types import Batches
from resnet_utils.training.run import TrainingRun, is_parallel, unwrapped

__all__ = ["Shares", "is_first", "parallel", "process_group"]

NUMBERS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")  # what torchrun tells each process
TIMEOUTS = (0.001, 1e8)  # seconds; torch counts milliseconds, and up to some centuries
NEEDED = (*NUMBERS, "MASTER_ADDR", "MASTER_PORT")


@contextmanager
def process_group(*, timeout: float = 600.0) -> Iterator[torch.device]:
    """Inside, this process computes together with the others that ``torchrun`` has started.

    They exchange tensors by NCCL where ``runtime.device`` is a GPU, and by gloo on the CPU. Gives the device
    of this process: "cpu", or its own GPU. A process that fails, or that is gone, ends the others: torchrun
    stops them, and whoever waits for an answer longer than ``timeout`` stops by itself.

    Args:
        timeout: seconds to wait for the others, wherever they meet, from a millisecond to 1e8.

    Raises:
        RuntimeError: if torchrun has not started this process, or it belongs to a group already.
        ValueError: if what torchrun says is no number or does not fit together, there are more processes than
            GPUs, the device is one on which processes cannot exchange tensors, or ``timeout`` is out of
            range.
    """
    if not TIMEOUTS[0] <= given.real_number("timeout", timeout) <= TIMEOUTS[1]:
        raise ValueError(f"timeout must be a number of seconds above 0, up to 1e8, got {timeout}")
    if not dist.is_available():
        raise RuntimeError("this build of torch has no torch.distributed")
    if processes.is_together():
        raise RuntimeError("this process belongs to a group already: process_group() stands once, around all")
    place = _own_device(_told())
    if place.type == "cuda":
        torch.cuda.set_device(place)
    dist.init_process_group(
        "nccl" if place.type == "cuda" else "gloo", timeout=datetime.timedelta(seconds=timeout)
    )
    who = f"process {processes.rank()} of {processes.world_size()}"
    try:
        yield place
    except BaseException as error:
        error.add_note(f"({who} ends here, and torchrun ends the others. If it is about a connection or a "
                       "time-out, another one failed before: its message tells why)")  # fmt: skip
        raise
    finally:
        dist.destroy_process_group()


def _told() -> dict[str, int]:
    """What torchrun has told this process, checked."""
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        raise RuntimeError(
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set: start the script by "
            "`torchrun --standalone --nproc-per-node 2 script.py`, which sets them in each process"
        )
    told = {}
    for name in NUMBERS:
        if not os.environ[name].isascii() or not os.environ[name].isdigit():
            raise ValueError(f"{name} must be a whole number, got {os.environ[name]!r}")
        told[name] = int(os.environ[name])
    for one, of in (("RANK", "WORLD_SIZE"), ("LOCAL_RANK", "LOCAL_WORLD_SIZE")):
        if told[one] >= told[of]:
            raise ValueError(f"{one} must be below {of}, got {told[one]} and {told[of]}")
    return told


def _own_device(told: dict[str, int]) -> torch.device:
    """The device of this process: a GPU for each, or the CPU for all."""
    kind = runtime.device().type
    if kind not in ("cpu", "cuda"):
        raise ValueError(
            f"processes exchange tensors on a CPU or on CUDA, not on {kind}: set BOOK_DEVICE=cpu"
        )
    if kind == "cpu":
        return torch.device("cpu")
    here, gpus = told["LOCAL_WORLD_SIZE"], torch.cuda.device_count()
    if here > gpus:
        raise ValueError(
            f"{here} processes on this machine need as many GPUs, and torch sees {gpus}: start it by "
            f"`torchrun --nproc-per-node {gpus}`, or set BOOK_DEVICE=cpu"
        )
    return torch.device("cuda", told["LOCAL_RANK"])


@given.explained
def parallel(model: nn.Module, *, sync_batchnorm: bool = False) -> DistributedDataParallel:
    """``model``, trained by all processes together: after each backward pass they average their gradients.

    Every process gets the weights of the first. The optimizer is made afterwards; ``fit``, its checkpoints
    and callbacks take the result as they take the model, and files of weights are those of the bare network.
    The running statistics of BatchNorm are those of the first process, as torch has it.
    Source: Li et al. 2020, arXiv:2006.15704.

    Args:
        model: on the device that ``process_group`` gives.
        sync_batchnorm: whether each BatchNorm measures the whole batch, over all processes, so that the
            training is that of one process; torch can do it on GPUs only.

    Raises:
        RuntimeError: outside of ``process_group``.
        ValueError: if ``model`` is parallel already or has nothing to learn, or ``sync_batchnorm`` is asked
            for on a CPU.
        TypeError: if it is no network.
    """
    if not processes.is_together():
        raise RuntimeError("parallel() needs the other processes: call it inside `with process_group():`")
    place = runtime.chosen_device(None, model)
    if isinstance(model, DistributedDataParallel):
        raise ValueError("this model is parallel already")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError(
            "parallel() needs a network with at least one parameter that learns, but all are frozen"
        )
    if given.yes_or_no("sync_batchnorm", sync_batchnorm):
        if place.type == "cpu":
            raise ValueError(
                "torch has SyncBatchNorm for GPUs only. On a CPU: GroupNorm, a frozen BatchNorm, or "
                "sync_batchnorm=False, where each process normalizes its own share"
            )
        model = SyncBatchNorm.convert_sync_batchnorm(model)
    return DistributedDataParallel(model, device_ids=None if place.type == "cpu" else [place])


@given.explained
def normalizes_alone(model: nn.Module) -> bool:
    """Whether a BatchNorm of ``model``, not frozen, will measure what this process sees and no more.

    Args:
        model: any network.
    """
    return any(
        isinstance(module, _BatchNorm) and not isinstance(module, SyncBatchNorm) and _measures(module)
        for module in unwrapped(model).modules()
    )


def _measures(norm: _BatchNorm) -> bool:
    """Whether a BatchNorm does in training: ``train_mode`` spares one whose parameters are all frozen.

    One that has no parameters is never frozen, and one that keeps no statistics has nothing else to go by.
    """
    own = list(norm.parameters(recurse=False))
    return norm.running_mean is None or not own or any(parameter.requires_grad for parameter in own)


@given.explained
def settings_of(run: TrainingRun) -> dict[str, Any]:
    """The number of processes, where the numbers of a run depend on it; otherwise any may go on with it.

    Args:
        run: as it was built.
    """
    alone = is_parallel(run.model) and processes.world_size() > 1 and normalizes_alone(run.model)
    return {"processes, each with a BatchNorm of its own": processes.world_size()} if alone else {}


@given.explained
def require_shares(model: nn.Module, loader: Batches) -> None:
    """Check that a model and its batches agree on whether other processes take part.

    Args:
        model: that is to be trained.
        loader: of the training batches.

    Raises:
        TypeError: if one of them is none.
        ValueError: if the first of a list is no batch, one of the two is for several processes and the other
            for one, or shares lie inside of something that mixes.
    """
    given.of_kind("model", model, nn.Module)
    given.require_batches(loader, name="loader", times=1)
    if isinstance(loader, (list, tuple)) and loader:
        given.pair_of(loader[0], where="train_one_epoch(), batch 1")
    if processes.world_size() == 1:
        return
    if processes.is_shared(loader) and not isinstance(loader, Shares):
        raise ValueError(
            f"{type(loader).__name__} would mix within a share: put Shares(...) around all of it"
        )
    if processes.is_shared(loader) and not is_parallel(model):
        raise ValueError(
            "the batches are one process's share, but the model is trained by this process alone: "
            "distributed.parallel(model)"
        )
    if is_parallel(model) and isinstance(loader, DataLoader):
        samplers = (loader.sampler, getattr(loader.batch_sampler, "sampler", None))
        if not any(isinstance(sampler, DistributedSampler) for sampler in samplers):
            raise ValueError(
                "the model is trained by several processes, but each of them would see whole batches: "
                "distributed.Shares(loader)"
            )


@given.explained
def agree_on(path_is_there: bool) -> bool:
    """Whether a file is there, which all processes have to see alike.

    Args:
        path_is_there: what this process sees.

    Raises:
        ValueError: if some see it and some do not, or ``path_is_there`` is neither True nor False.
    """
    seen = processes.total(float(given.yes_or_no("path_is_there", path_is_there)))[0]
    if seen not in (0, processes.world_size()):
        raise ValueError(
            f"{seen:.0f} of {processes.world_size()} processes see the checkpoint: its folder must be "
            "one that all machines share"
        )
    return path_is_there


@given.explained
def loss_of_all(run: TrainingRun, loss: Tensor, samples: int) -> tuple[float, int, int]:
    """The mean loss of the whole batch, its samples, and what a sample of this share counts times.

    DistributedDataParallel divides the sum of the gradients by the number of processes; so each share counts
    by its size times that number, and the result is the gradient of the mean over the batch.

    Args:
        run: with its model.
        loss: the mean over this process's share; of no samples, anything.
        samples: in the share.

    Raises:
        ValueError: if the loss is no single number, or ``samples`` no whole one.
    """
    samples = given.whole_number("samples", samples, least=0)
    if loss.numel() != 1 or loss.is_complex():
        raise ValueError(f"the loss must be one number, got {loss.dtype} {tuple(loss.shape)}")
    if not is_parallel(run.model):
        return loss.item(), samples, 1
    losses, in_all = processes.total(loss.item() * samples if samples else 0.0, samples)
    return losses / in_all, int(in_all), processes.world_size()


@given.explained
def require_a_share_each(run: TrainingRun, samples: int) -> None:
    """Check, where a BatchNorm measures each share by itself, that no process has an empty one.

    Args:
        run: with its model, in train mode.
        samples: in this process's share.

    Raises:
        ValueError: in every process, if some have none; or if ``samples`` is no whole number.
    """
    samples = given.whole_number("samples", samples, least=0)
    if is_parallel(run.model) and normalizes_alone(run.model):
        empty = processes.total(float(samples == 0))[0]
        if empty:
            raise ValueError(
                f"a batch has too few images for {processes.world_size()} processes: {empty:.0f} of them "
                "would have none, and a BatchNorm nothing to measure. Make the loader with drop_last=True or "
                "another batch size"
            )


@given.explained
def pace_of_first(pace: speed.Pace) -> speed.Pace:
    """How the first process has chosen to compute, which all that train with it do then.

    Args:
        pace: what this process has chosen.
    """
    return speed.Pace(*processes.said_by_first(pace.channels_last, pace.half))


@given.explained
def same_statistics(model: nn.Module) -> None:
    """Give the running statistics of the first process to all, where they train a model together.

    Args:
        model: any network.
    """
    if is_parallel(model):
        processes.same_tensors(list(unwrapped(model).buffers()))
