"""Train ResNet-56 in the five orders of He et al. 2016, as ``orderings.py`` trains ResNet-20.

RESNET_BOOK_DATA=... python experiments/orderings_deep.py [--workers 2] [--keep FOLDER]
"""

import orderings
import record
import small_images

from resnet_utils.models.preactivation import ORDERS

NETWORKS = ("resnet56",)

if __name__ == "__main__":
    record.run(
        record.every(
            orderings.train, NETWORKS, ORDERS, orderings.SEEDS, tiny=(NETWORKS, list(ORDERS)[:1], (0,))
        ),
        claim="What the order of BatchNorm, ReLU and addition does to a ResNet-56 within "
        "six passes over a sixth of CIFAR-10, in pairs of the same seed.",
        data=small_images.images_at_hand,
        needs="cifar10",
    )
