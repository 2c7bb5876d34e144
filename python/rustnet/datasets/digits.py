"""1,797 hand-written digits of 8×8 pixels, inside the package: a real data set that needs no download.

The data are the test part of the *Optical Recognition of Handwritten Digits* data set of the UCI Machine
Learning Repository, by E. Alpaydin and C. Kaynak (1998), https://doi.org/10.24432/C50P49, under the Creative
Commons Attribution 4.0 licence. Each pixel counts how many of the 4×4 dots of a scanned bitmap were set.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rustnet.datasets.files import Arrays

TRAINING_IMAGES = 1437


def load_data() -> Arrays:
    """Loads the digits as `(x_train, y_train), (x_test, y_test)`.

    The split is fixed: the first 1,437 images in the file's order are for training and the last 360 for
    testing. The file goes from writer to writer, so most of the test digits are by hands that the training
    set does not have.

    Returns:
        `x_train` (1437, 8, 8) and `x_test` (360, 8, 8), uint8 from 0 (background) to 16 (ink); `y_train`
        (1437,) and `y_test` (360,), uint8 labels from 0 to 9.

    Example:
        >>> from rustnet.datasets import digits
        >>> (x_train, y_train), (x_test, y_test) = digits.load_data()
        >>> x_train.shape, int(x_train.max()), y_test.shape
        ((1437, 8, 8), 16, (360,))
    """
    with np.load(Path(__file__).parent / "data" / "digits.npz", allow_pickle=False) as archive:
        images, labels = archive["images"], archive["labels"]
    split = TRAINING_IMAGES
    return (images[:split], labels[:split]), (images[split:], labels[split:])
