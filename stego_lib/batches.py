"""Batches that are drawn at random, and are the same again for the same seed."""

import keras
import numpy as np


class SeededDataset(keras.utils.PyDataset):
    """Batches that depend on a seed and on the epoch alone: a training that resumes gets those it would have got.

    Args:
        seed: Integer.
        **kwargs: Other arguments of `keras.utils.PyDataset`.
    """

    def __init__(self, seed, **kwargs):
        super().__init__(**kwargs)
        self.seed, self.epoch = seed, 0

    def generator(self, index):
        """Makes the NumPy random generator of a batch.

        Args:
            index: Of the batch.

        Returns:
            `numpy.random.Generator`.
        """
        return np.random.default_rng((self.seed, self.epoch, index))

    def on_epoch_end(self):
        """Goes on to the batches of the next epoch."""
        self.set_epoch(self.epoch + 1)

    def set_epoch(self, epoch):
        """Chooses the batches of an epoch.

        Args:
            epoch: Integer, 0 for the first.
        """
        self.epoch = epoch


def augment(image, size, *, generator):
    """Cuts a random part out of an image, and flips and turns it at random; what is not square is not turned.

    Args:
        image: Array of shape `(height, width, channels)`.
        size: Height and width of the part.
        generator: NumPy random generator.

    Returns:
        Array of the same kind.
    """
    top, left = generator.integers(np.array(image.shape[:2]) - size + 1)
    part = image[top : top + size[0], left : left + size[1]][:, :: generator.choice((-1, 1))]
    return np.rot90(part, generator.integers(4) if size[0] == size[1] else 0)
