"""Photographs at half their size: where they are smooth or bytes are few, these are better spent on fewer pixels.

Pillow enlarges with integers, so that every machine makes the same of it.
"""

import math

import numpy as np
from PIL import Image

from stego_lib.images import image_psnr

SMALLEST = 32  # side of what may be halved
HEADROOM = 2.0  # dB that must be left between a quality and the best one at half the size (docs/experiments.md)
# Of the error of the reduced image so much is in the enlarged one: 0.86 to 1.0 on photographs (docs/experiments.md).
REMAINING, LEAST = 0.97, 0.1
# A quality is tried at most so often, until it is missed by no more decibels; what of the rest of the work a trial is.
TRIALS, EXCESS, PART = 3, 0.1, 0.8


def half(side):
    """Halves a side, rounded up."""
    return -(-side // 2)


def can_be_halved(height, width):
    """Whether an image is large enough."""
    return min(height, width) >= SMALLEST


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


def best_psnr(image):
    """Computes what an image is worth at half its size at most.

    Args:
        image: uint8 array of shape `(height, width, 3)`.

    Returns:
        PSNR in dB of the image reduced and enlarged; 0 where it is too small for that.
    """
    height, width, _ = image.shape
    return image_psnr(image, enlarged(reduced(image), height, width)) if can_be_halved(height, width) else 0.0


def is_worth_halving(image, psnr):
    """Tells whether an image may be better at half its size.

    Args:
        image: uint8 array of shape `(height, width, 3)`.
        psnr: Number in dB: how good it has to be.

    Returns:
        `True` or `False`.
    """
    return best_psnr(image) > psnr + HEADROOM  # not so if both are infinite


def psnr_when_enlarged(psnr, best):
    """Computes about what is left of a quality when an image is enlarged.

    Args:
        psnr: Array of PSNR in dB, of reduced images.
        best: What `best_psnr` returns.

    Returns:
        Array of PSNR in dB, of enlarged images.
    """
    return -10 * np.log10(REMAINING * _error(psnr) + _error(best))


def _error(psnr):
    return 10 ** (-psnr / 10)


def reach_at_half_size(codec, image, quality, *, progress=None):
    """Compresses an image at half its size, so that it reaches a quality when it is enlarged.

    Args:
        codec: `Codec`.
        image: uint8 array of shape `(height, width, 3)`.
        quality: PSNR in dB.
        progress: Called with the part that is done, from 0 to 1. Defaults to `None`.

    Returns:
        bytes, the stream of the reduced image, or `None` where none was found.
    """
    small, lost = reduced(image), _error(best_psnr(image))
    remaining, reaching, part = REMAINING, None, 0.0
    for _ in range(TRIALS):

        def report(done, start=part):
            progress(start + done * (1 - start) * PART)

        wanted = -10 * math.log10((_error(quality) - lost) / remaining)
        stream = codec.encode(small, quality=wanted, progress=progress and report)
        decoded = codec.decode(stream)
        psnr, psnr_of_small = image_psnr(image, enlarged(decoded, *image.shape[:2])), image_psnr(small, decoded)
        if psnr >= quality:
            reaching = stream
            if psnr <= quality + EXCESS or psnr_of_small >= wanted + EXCESS:  # which nothing but luck makes better
                break
        remaining = max((_error(psnr) - lost) / _error(psnr_of_small), LEAST)
        part += (1 - part) * PART
    return reaching
