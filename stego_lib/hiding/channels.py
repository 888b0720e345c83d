"""What a stego image that survives has to survive."""

import functools

import cv2
import numpy as np

MOST_NOISE = 75  # designs for up to this quality survive noise of sigma 2, others of sigma 1


def channels(survive):
    """Lists what has to be survived, beginning with nothing at all.

    Args:
        survive: JPEG quality.

    Returns:
        List of functions from an image to an image.
    """
    qualities = [quality for quality in (survive, survive + 3, survive + 7, 90, 95) if survive <= quality <= 100]
    once = [functools.partial(jpeg, quality=quality) for quality in sorted(set(qualities))]
    full = [functools.partial(jpeg, quality=quality, subsampled=False) for quality in qualities[:2]]
    near, far = survive + 3, min(survive + 10, 100)
    pairs = (survive, survive), (near, survive), (far, survive), (near, near), (max(95, near), near)
    twice = [lambda image, pair=pair: jpeg(jpeg(image, pair[0]), pair[1]) for pair in pairs]
    return [np.copy, *once, *full, *twice, functools.partial(_noisy, sigma=2 if survive <= MOST_NOISE else 1)]


def jpeg(image, quality, *, subsampled=True):
    """Compresses an image as JPEG and decompresses it.

    Args:
        image: uint8 array of shape `(height, width, 3)`.
        quality: 1 to 100.
        subsampled: Whether chrominance is reduced to half the size. Defaults to `True`.

    Returns:
        uint8 array of the same shape.
    """
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420 if subsampled else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    file = cv2.imencode(".jpg", image[..., ::-1], options)[1]
    return cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1]


def _noisy(image, sigma):
    values = np.random.default_rng(0).standard_normal(image.shape, "float32")
    return np.clip(np.rint(image + sigma * values), 0, 255).astype("uint8")
