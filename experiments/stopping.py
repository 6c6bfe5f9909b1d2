"""What the experiments on cures share: a training that may end with the weights of its best epoch."""

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from resnet_utils import evaluation, training
from resnet_utils.runtime.types import Batches, LossFunction


def fit(
    model: nn.Module,
    batches: Batches,
    watched: Batches | None,
    *,
    epochs: int,
    optimizer: Optimizer,
    scheduler: LRScheduler,
    loss_function: LossFunction,
) -> int:
    """Train for all ``epochs``, and return the number of the epoch, from 1, whose weights the model has then.

    That is the last one, or with ``watched`` images the one after which their loss was lowest. It only
    chooses the epoch: every run takes the same steps of the same schedule.
    """
    watch = training.EarlyStopping(model, patience=epochs)
    for _ in range(epochs):
        training.train_one_epoch(
            model, batches, optimizer, device="cpu", scheduler=scheduler, loss_function=loss_function
        )
        if watched is not None:
            watch.should_stop(evaluation.evaluate(model, watched)[0])
    if watched is None:
        return epochs
    watch.restore()
    return watch.best_epoch
