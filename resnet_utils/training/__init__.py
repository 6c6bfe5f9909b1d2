"""Training: the loop and its callbacks, optimisers and schedules, checkpoints, regularization."""

from resnet_utils.training.callbacks import (
    EMA,
    BestCheckpoint,
    CSVLog,
    GradientAccumulation,
    GradientClipping,
    TensorBoard,
)
from resnet_utils.training.loop import fit, train_mode, train_one_epoch
from resnet_utils.training.lr_finder import lr_range_test
from resnet_utils.training.optim import gradient_scaler, one_cycle, sgd, step_schedule
from resnet_utils.training.regularization import EarlyStopping, with_l1, with_l2_from_start
from resnet_utils.training.run import Callback, History, TrainingRun

__all__ = [
    "EMA",
    "BestCheckpoint",
    "CSVLog",
    "Callback",
    "EarlyStopping",
    "GradientAccumulation",
    "GradientClipping",
    "History",
    "TensorBoard",
    "TrainingRun",
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
