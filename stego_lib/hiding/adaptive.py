"""The adaptive embedding: bytes in few changes by 1 where a photograph is busy, and out again.

Every sample gets a cost by HILL: what a high-pass filter leaves of each channel, averaged, inverted, and averaged more
widely. Syndrome-trellis codes embed with nearly the least total cost, and whoever extracts does not need the costs. The
header is in samples that need no key, the body in all others, in an order that the seed decides.

Reference:
    [Li, Wang, Huang and Li, 2014](https://doi.org/10.1109/ICIP.2014.7025854) (HILL)
"""

import math

import cv2
import numpy as np

from stego_lib.hiding.keyed_order import EVERYBODY, keyed_order
from stego_lib.hiding.syndrome_trellis import embed_ternary, extract_ternary
from stego_lib.hiding.temperature import expected_changes

MOST = 0.9  # bits a sample; a sample that can only go up, or only down, carries no more than 1
# Of the header: samples for a byte, and the part of all samples, if that is more; but no more than it has a use for.
LEAST_WIDTH, PART, LARGEST_WIDTH = 10, 8, 256
HIGH_PASS = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]], "float32") / 4
FLATTEST = 1e-6  # of the averaged residuals; where there are none, a change is as dear as can be
LOOKED = 2**18  # samples, about, that tell what embedding would do
EFFICIENCY = 0.92  # syndrome-trellis codes carry so much of what the best of all codes would for the same cost


def hill_costs(cover):
    """Computes what it costs to change a sample by 1: little where a photograph is busy, much where it is smooth.

    Args:
        cover: uint8 array of shape `(height, width, channels)`.

    Returns:
        float32 array of the same shape, more than 0.
    """
    costs = np.empty(cover.shape, "float32")
    for channel in range(cover.shape[2]):
        plane = np.ascontiguousarray(cover[..., channel])
        residual = np.abs(cv2.filter2D(plane, cv2.CV_32F, HIGH_PASS, borderType=cv2.BORDER_REFLECT))
        activity = np.maximum(cv2.blur(residual, (3, 3), borderType=cv2.BORDER_REFLECT), FLATTEST)
        costs[..., channel] = cv2.blur(1 / activity, (15, 15), borderType=cv2.BORDER_REFLECT)
    return costs


def capacity_bytes(shape, header):
    """Computes how long the body may be.

    Args:
        shape: Of the cover.
        header: Length of the header in bytes.

    Returns:
        Number of bytes; negative where not even the header fits.
    """
    samples = math.prod(shape)
    return math.floor(MOST * (samples - _header_samples(samples, header)) / 8)


def embed(cover, header, body, *, seed, progress=None):
    """Embeds a header at places that need no key, and a body at the others, in an order that the seed decides.

    Args:
        cover: uint8 array of shape `(height, width, channels)`.
        header: bytes.
        body: bytes, at most `capacity_bytes(cover.shape, len(header))`.
        seed: 32 bytes.
        progress: Called with the part that is done, from 0 to 1. Defaults to `None`.

    Returns:
        uint8 array of the same shape; no sample has changed by more than 1.

    Raises:
        ValueError: If header and body do not fit.
    """
    if len(body) > capacity_bytes(cover.shape, len(header)):
        raise ValueError(f"{len(body)} bytes do not fit into {cover.size} samples.")
    costs = hill_costs(cover).reshape(-1)
    stego = cover.flatten()
    in_header = _header_places(stego.size, len(header))
    stego[in_header] = _embedded(stego[in_header], costs[in_header], header, seed=EVERYBODY)
    in_body = np.ones(stego.size, bool)
    in_body[in_header] = False
    costs = costs[in_body]
    stego[in_body] = _embedded(stego[in_body], costs, body, seed=seed, progress=progress)
    return stego.reshape(cover.shape)


def extract_header(stego, length):
    """Extracts what is where a header would be.

    Args:
        stego: uint8 array of shape `(height, width, channels)`.
        length: Of the header in bytes.

    Returns:
        bytes, or `None` where not even a header fits.
    """
    if capacity_bytes(stego.shape, length) < 0:
        return None
    return extract_ternary(stego.reshape(-1)[_header_places(stego.size, length)], length, seed=EVERYBODY)


def extract_body(stego, header, length, *, seed):
    """Extracts a body.

    Args:
        stego: uint8 array of shape `(height, width, channels)`.
        header: Length of the header in bytes.
        length: Of the body in bytes, at most `capacity_bytes`.
        seed: 32 bytes.

    Returns:
        bytes.
    """
    return extract_ternary(np.delete(stego.reshape(-1), _header_places(stego.size, header)), length, seed=seed)


def expected_effect(cover, num_bytes):
    """Computes what embedding so many bytes would do to a cover, without doing it.

    Args:
        cover: uint8 array of shape `(height, width, channels)`.
        num_bytes: List of numbers of bytes, of header and body together.

    Returns:
        float64 array of shape `(number, 2)`: the fraction of the samples that change, and the sum of their costs.
    """
    costs = hill_costs(cover).reshape(-1)
    looked = slice(None, None, max(1, cover.size // LOOKED))
    down = np.where(cover.reshape(-1)[looked] == 0, np.inf, costs[looked])
    up = np.where(cover.reshape(-1)[looked] == 255, np.inf, costs[looked])
    rates = 8 * np.array(num_bytes) / cover.size / EFFICIENCY
    return np.array([expected_changes([down, up], rate) for rate in rates]) * [1, cover.size]


def _embedded(samples, costs, message, *, seed, progress=None):
    return embed_ternary(samples, costs, costs, message, seed=seed, progress=progress)


def _header_samples(samples, length):
    return min(max(samples // PART, LEAST_WIDTH * length), LARGEST_WIDTH * length)


def _header_places(samples, length):
    return keyed_order(samples, EVERYBODY, count=_header_samples(samples, length))
