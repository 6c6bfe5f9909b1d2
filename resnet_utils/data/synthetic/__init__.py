"""The drawn animals: labelled pictures made by code, with every factor known."""

from resnet_utils.data.synthetic.animals import HABITATS, PETS, SOURCE, DrawnImages, draw
from resnet_utils.data.synthetic.faces import EAR_KINDS, PARTS, PATTERNS, SPECIES, TEXTURES, Factors

__all__ = [
    "EAR_KINDS",
    "HABITATS",
    "PARTS",
    "PATTERNS",
    "PETS",
    "SOURCE",
    "SPECIES",
    "TEXTURES",
    "DrawnImages",
    "Factors",
    "draw",
]
