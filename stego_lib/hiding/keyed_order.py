"""The order that a key puts samples into."""

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from stego_lib.compilation import compiled

KEYSTREAM = 2**20  # random numbers at once
EVERYBODY = bytes(32)  # the seed of places that need no key


def keyed_order(size, seed, *, count=None):
    """Shuffles the numbers from 0 on: the same on every machine, now and later.

    Args:
        size: How many numbers there are, less than `2**32`.
        seed: 32 bytes, the key.
        count: How many of them are wanted. Defaults to `None`, all.

    Returns:
        uint32 array of shape `(count,)`.
    """
    count = size if count is None else count
    order = np.arange(size, dtype="uint32")
    keystream = Cipher(ChaCha20(seed, bytes(16)), None).encryptor()
    for start in range(0, count, KEYSTREAM):
        number = min(KEYSTREAM, count - start)
        _draw(order, np.frombuffer(keystream.update(bytes(8 * number)), "<u8"), start)
    return order[:count]


@compiled
def _draw(order, random, start):
    for i in range(start, start + len(random)):
        j = i + np.int64(random[i - start] % np.uint64(len(order) - i))
        order[i], order[j] = order[j], order[i]
