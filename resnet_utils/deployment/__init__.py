"""From a trained network to something that answers: a classifier in one file, its card, its export."""

from resnet_utils.deployment.card import model_card
from resnet_utils.deployment.classifier import Answer, Classifier

__all__ = ["Answer", "Classifier", "model_card"]
