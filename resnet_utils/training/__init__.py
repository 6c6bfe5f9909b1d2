"""Training: the loop, optimisers and schedules, checkpoints, regularization."""

from resnet_utils.training.loop import History, fit, train_mode, train_one_epoch
from resnet_utils.training.lr_finder import lr_range_test
from resnet_utils.training.optim import gradient_scaler, one_cycle, sgd, step_schedule
from resnet_utils.training.regularization import EarlyStopping, with_l1, with_l2_from_start

__all__ = [
    "EarlyStopping",
    "History",
    "fit",
    "gradient_scaler",
    "lr_range_test",
    "one_cycle",
    "sgd",
    "step_schedule",
    "train_mode",
    "train_one_epoch",
    "with_l1",
    "with_l2_from_start",
]
