"""Photographs at half their size: where they are smooth or bytes are few, these are better spent on fewer pixels.

Pillow enlarges with integers, so that every machine makes the same of it.
"""

import functools
import math

import numpy as np
from PIL import Image

from stego_lib.images import image_psnr
from stego_lib.progress import of_part

SMALLEST = 32  # side of what may be halved
HEADROOM = 2.0  # dB that must be left between a quality and the best one at half the size (docs/experiments.md)
# Part of the error of the reduced image that is in the enlarged one: 0.86 to 1.01 on photographs, once 0.64
# (docs/experiments.md).
REMAINING = 0.97
LEAST = 0.1  # of it that a trial may seem to have left
TRIALS = 3  # of reaching a quality
EXCESS = 0.1  # dB more than is wanted; then no other trial follows
PART = 0.8  # of the work that is left is a trial
LOWEST = 1.0  # dB, worse than the coarsest step


def half(side):
    """Halves a side, rounded up."""
    return -(-side // 2)


def can_be_halved(height, width):
    """Whether an image is large enough."""
    return min(height, width) >= SMALLEST


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


class HalfSize:
    """An image, and what it is at half its size; computed once, when it is asked for.

    Args:
        image: uint8 array of shape `(height, width, 3)`.
    """

    def __init__(self, image):
        self.image = image
        self.height, self.width, _ = image.shape

    @functools.cached_property
    def reduced(self):
        """The image half as wide and half as high, uint8 array of shape `(ceil(height / 2), ceil(width / 2), 3)`."""
        sides = half(self.width), half(self.height)
        return np.asarray(Image.fromarray(self.image).resize(sides, Image.Resampling.LANCZOS))

    @functools.cached_property
    def best_psnr(self):
        """PSNR in dB of the image reduced and enlarged, the most it is worth; 0 where it is too small for that."""
        return self.psnr_of(self.reduced) if can_be_halved(self.height, self.width) else 0.0

    def psnr_of(self, reduced):
        """Computes what is left of the image.

        Args:
            reduced: uint8 array of the shape of the reduced image.

        Returns:
            PSNR in dB of the image enlarged from it.
        """
        return image_psnr(self.image, enlarged(reduced, self.height, self.width))

    def may_reach(self, psnr):
        """Tells whether a quality is so far below the best one at half the size that it may take fewer bytes there.

        Args:
            psnr: Number in dB.

        Returns:
            `True` or `False`.
        """
        return self.best_psnr > psnr + HEADROOM  # not so if both are infinite

    def psnr_when_enlarged(self, psnr):
        """Computes about what is left of a quality when the reduced image is enlarged.

        Args:
            psnr: Array of PSNR in dB, of reduced images.

        Returns:
            Array of PSNR in dB, of enlarged images.
        """
        return -10 * np.log10(REMAINING * _error(psnr) + _error(self.best_psnr))

    def encode(self, codec, quality, *, progress=None):
        """Compresses the reduced image, so that it reaches a quality when it is enlarged.

        Args:
            codec: `Codec`.
            quality: PSNR in dB.
            progress: Called with the part that is done, from 0 to 1. Defaults to `None`.

        Returns:
            bytes, the stream of the reduced image, or `None` where none was found.
        """
        lost, remaining, reaching, part = _error(self.best_psnr), REMAINING, None, 0.0
        for _ in range(TRIALS):
            wanted = max(-10 * math.log10((_error(quality) - lost) / remaining), LOWEST)
            start, part = part, part + (1 - part) * PART
            stream = codec.encode(self.reduced, quality=wanted, progress=of_part(progress, start, part))
            decoded = codec.decode(stream)
            psnr, psnr_of_reduced = self.psnr_of(decoded), image_psnr(self.reduced, decoded)
            if psnr >= quality:
                reaching = stream
                if psnr <= quality + EXCESS or psnr_of_reduced >= wanted + EXCESS:  # a better one would be chance
                    break
            remaining = max((_error(psnr) - lost) / _error(psnr_of_reduced), LEAST)
        return reaching


def _error(psnr):
    return 10 ** (-psnr / 10)
