"""Images and labels: the book's data sets, your own folders, transforms, near duplicates."""

from resnet_utils.data.batches import class_weights, loader, mean_std
from resnet_utils.data.datasets import cats_vs_dogs, cifar10, data_folder, drawn_animals, fashion_mnist
from resnet_utils.data.folder import image_folder, image_folder_on_disk, read_split
from resnet_utils.data.in_memory import Split
from resnet_utils.data.labels import labels_from_csv, name_prefix
from resnet_utils.data.on_disk import SplitOnDisk
from resnet_utils.data.pictures import read_picture
from resnet_utils.data.same_classes import require_same_classes
from resnet_utils.data.torchvision_v2 import MixedBatches, PerImage
from resnet_utils.data.transforms import Compose, Mixup, RandomCrop, RandomHorizontalFlip, RandomResizedCrop
from resnet_utils.data.upload import ask_for_photographs

__all__ = [
    "Compose",
    "MixedBatches",
    "Mixup",
    "PerImage",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "Split",
    "SplitOnDisk",
    "ask_for_photographs",
    "cats_vs_dogs",
    "cifar10",
    "class_weights",
    "data_folder",
    "drawn_animals",
    "fashion_mnist",
    "image_folder",
    "image_folder_on_disk",
    "labels_from_csv",
    "loader",
    "mean_std",
    "name_prefix",
    "read_picture",
    "read_split",
    "require_same_classes",
]
