"""Images and labels: the book's data sets, your own folders, transforms, near duplicates."""

from resnet_utils.data.datasets import cats_vs_dogs, cifar10, data_folder, drawn_animals, fashion_mnist
from resnet_utils.data.folder import image_folder, read_picture, read_split
from resnet_utils.data.in_memory import Split, loader, mean_std
from resnet_utils.data.same_classes import require_same_classes
from resnet_utils.data.transforms import Compose, Mixup, RandomCrop, RandomHorizontalFlip, RandomResizedCrop

__all__ = [
    "Compose",
    "Mixup",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "Split",
    "cats_vs_dogs",
    "cifar10",
    "data_folder",
    "drawn_animals",
    "fashion_mnist",
    "image_folder",
    "loader",
    "mean_std",
    "read_picture",
    "read_split",
    "require_same_classes",
]
