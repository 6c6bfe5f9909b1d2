"""What a chapter shows: numbers, figures, diagrams, recorded results."""

from resnet_utils.reporting.numbers import show

__all__ = ["show"]
