"""The helper package of *ResNet from Zero*: one module for one subject, each introduced by a chapter."""

__version__ = "0.1.0"
