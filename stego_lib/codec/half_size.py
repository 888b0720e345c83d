"""Photographs at half their size: where there are hardly any bytes, they are better spent on fewer pixels.

Pillow enlarges with integers, so that every machine makes the same of it.
"""

import numpy as np
from PIL import Image

from stego_lib.codec.container import HALF, Stream, pack


def half(side):
    """Halves a side, rounded up."""
    return -(-side // 2)


def reduced(image):
    """Makes an image half as wide and half as high.

    Args:
        image: uint8 array of shape `(height, width, 3)`.

    Returns:
        uint8 array of shape `(ceil(height / 2), ceil(width / 2), 3)`.
    """
    height, width, _ = image.shape
    return np.asarray(Image.fromarray(image).resize((half(width), half(height)), Image.Resampling.LANCZOS))


def enlarged(image, height, width):
    """Makes an image twice as wide and twice as high, or a pixel less.

    Args:
        image: uint8 array of shape `(ceil(height / 2), ceil(width / 2), 3)`.
        height: Height in pixels.
        width: Width in pixels.

    Returns:
        uint8 array of shape `(height, width, 3)`.
    """
    return np.array(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))


def half_size_stream(image, stream):
    """Makes the stream of an image from one of the image at half its size.

    Args:
        image: uint8 array of shape `(height, width, 3)`.
        stream: bytes, of the reduced image.

    Returns:
        bytes.
    """
    return pack(Stream(HALF, *image.shape[:2], stream))
