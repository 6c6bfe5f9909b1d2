"""Where and how a chapter runs: set-up, device, seeds, progress."""

from resnet_utils.runtime.classes import classes_of
from resnet_utils.runtime.environment import device, device_of, note, progress, setup, versions
from resnet_utils.runtime.seeding import seed_everything

__all__ = ["classes_of", "device", "device_of", "note", "progress", "seed_everything", "setup", "versions"]
