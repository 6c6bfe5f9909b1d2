"""From a trained network to something that answers: a classifier in one file, its card, its export."""

from resnet_utils.deployment.card import model_card
from resnet_utils.deployment.classifier import Answer, Classifier
from resnet_utils.deployment.page import Section, to_html
from resnet_utils.deployment.report import Report, judge

__all__ = ["Answer", "Classifier", "Report", "Section", "judge", "model_card", "to_html"]
