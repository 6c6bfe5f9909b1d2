"""Where and how a chapter runs: set-up, device, seeds, progress, timing."""

from resnet_utils.runtime.classes import classes_of
from resnet_utils.runtime.environment import (
    chosen_device,
    device,
    device_of,
    download_bar,
    named_device,
    note,
    progress,
    setup,
    versions,
)
from resnet_utils.runtime.seeding import seed_everything
from resnet_utils.runtime.timing import alternated, times_faster

__all__ = [
    "alternated",
    "chosen_device",
    "classes_of",
    "device",
    "device_of",
    "download_bar",
    "named_device",
    "note",
    "progress",
    "seed_everything",
    "setup",
    "times_faster",
    "versions",
]
