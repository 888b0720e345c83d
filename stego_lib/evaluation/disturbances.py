"""What may happen to a stego image on its way: a changed sample, noise, JPEG, a resize, a crop."""

import functools

import cv2
import numpy as np

from stego_lib.hiding.channels import jpeg


def one_sample(image):
    """Changes one sample in the middle by 1."""
    changed = image.copy()
    changed[image.shape[0] // 2, image.shape[1] // 2, 1] ^= 1
    return changed


def noise(image, sigma, *, seed=0):
    """Adds rounded Gaussian noise.

    Args:
        image: uint8 array.
        sigma: Standard deviation in 8-bit steps, before rounding.
        seed: Of the noise; `None`: other noise every time. Defaults to `0`.

    Returns:
        uint8 array of the same shape.
    """
    values = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.clip(np.rint(image + values), 0, 255).astype("uint8")


def half_and_back(image):
    """Resizes an image to half its size by area and back by cubic interpolation."""
    size = image.shape[1::-1]
    half = cv2.resize(image, (size[0] // 2, size[1] // 2), interpolation=cv2.INTER_AREA)
    return cv2.resize(half, size, interpolation=cv2.INTER_CUBIC)


def cropped(image, margin=5):
    """Cuts a margin off every side."""
    return image[margin:-margin, margin:-margin]


DISTURBANCES = {
    "none": np.copy,
    "one sample": one_sample,
    **{f"noise, sigma {sigma}": functools.partial(noise, sigma=sigma) for sigma in (0.5, 1, 2, 5)},
    **{f"JPEG, quality {quality}": functools.partial(jpeg, quality=quality) for quality in (95, 90, 80, 75, 50)},
    "half size and back": half_and_back,
    "crop": cropped,
}
