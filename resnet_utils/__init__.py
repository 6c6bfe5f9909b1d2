"""The helper package of *ResNet from Zero*: one room for one subject, each introduced by a chapter."""

__version__ = "0.1.0"
