"""The adaptive embedding: bytes in few changes by 1 where a photograph is busy, and out again.

Every sample gets a cost by HILL: what a high-pass filter leaves of each channel, averaged, inverted, and averaged more
widely. A pixel changes as a whole, all channels by the same 1: detectors that look at differences between channels see
nothing of that, and find changes of single samples far more easily (docs/experiments.md). Neighbours change in the same
direction where they can, which looks less like noise. Syndrome-trellis codes embed in the greens with nearly the least
total cost, and whoever extracts does not need the costs. The header is in pixels
that need no key, the body in all others, in an order that the seed decides.

Reference:
    [Li, Wang, Huang and Li, 2014](https://doi.org/10.1109/ICIP.2014.7025854) (HILL)
    [Li, Wang, Li, Tan and Huang, 2015](https://doi.org/10.1109/TIFS.2015.2434600) (clustering of directions)
"""

import functools
import math

import cv2
import numpy as np

from stego_lib.hiding.keyed_order import EVERYBODY, keyed_order
from stego_lib.hiding.syndrome_trellis import embed_ternary, extract_ternary
from stego_lib.hiding.temperature import expected_changes

MOST = 0.3  # bits a sample, 0.9 a pixel
UNEVEN = 0.1  # at this, 0 of 80 embeddings failed with 70 and 90 % of the pixels of a pure colour; without it, 2 of 80
# Of the header: pixels for a byte, and the part of all pixels, if that is more; but no more than it has a use for.
LEAST_WIDTH, PART, LARGEST_WIDTH = 10, 8, 256
HIGH_PASS = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]], "float32") / 4
FLATTEST = 1e-6  # of the averaged residuals; where there are none, a change costs the most
ALIKE = 1 / 4  # of its cost is left of a change in the direction of most of the four neighbours
# Changes in the same direction are more by such a part of the logarithm of their fraction (docs/experiments.md).
SPREAD = 0.045
LOOKED = 2**17  # pixels, about, that tell what embedding would do
EFFICIENCY = 0.92  # syndrome-trellis codes carry so much of what the best of all codes would for the same cost
GREEN = 1


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


def pixel_costs(cover):
    """Computes what it costs to change all channels of a pixel by 1.

    Args:
        cover: uint8 array of shape `(height, width, channels)`.

    Returns:
        What it costs to subtract 1 and to add it, two float32 arrays of shape `(height * width,)`: the sum of the costs
        of the samples, infinite where a sample would leave 0 to 255.
    """
    costs = hill_costs(cover).sum(-1)
    directions = [(cover == limit).any(-1) for limit in (0, 255)]
    return [np.where(is_limit, np.float32(np.inf), costs).reshape(-1) for is_limit in directions]


def longest_body(shape, header):
    """Computes how long a body may be in any cover of this size.

    Args:
        shape: Of the cover.
        header: Length of the header in bytes.

    Returns:
        Number of bytes; negative where not even the header fits.
    """
    pixels, channels = math.prod(shape[:2]), shape[2]
    return math.floor(MOST * channels * (pixels - _header_pixels(pixels, header)) / 8)


def capacity_bytes(cover, header):
    """Computes how long a body this cover has room for.

    A pixel that can only go up, or only down, counts half; where many pixels cannot change, up to a tenth less fits,
    since they are not spread evenly.

    Args:
        cover: uint8 array of shape `(height, width, 3)`.
        header: Length of the header in bytes.

    Returns:
        Number of bytes; negative where not even the header fits.
    """
    channels = cv2.split(cover)
    darkest, lightest = (functools.reduce(function, channels) for function in (cv2.min, cv2.max))
    pixels = darkest.size
    part = (cv2.countNonZero(darkest) + cv2.countNonZero(255 - lightest)) / (2 * pixels)
    part *= 1 - UNEVEN * (1 - part)
    if 8 * header > MOST * len(channels) * _header_pixels(pixels, header) * part:
        return -1
    return math.floor(longest_body(cover.shape, header) * part)


def embed(cover, header, body, *, seed, progress=None):
    """Embeds a header at places that need no key, and a body at the others, in an order that the seed decides.

    Args:
        cover: uint8 array of shape `(height, width, 3)`.
        header: bytes.
        body: bytes, at most `longest_body(cover.shape, len(header))`.
        seed: 32 bytes.
        progress: Called with the part that is done, from 0 to 1. Defaults to `None`.

    Returns:
        uint8 array of the same shape; no sample has changed by more than 1.

    Raises:
        NoSolutionError: If too many pixels cannot change; hardly ever for what `capacity_bytes` has room for.
        ValueError: If header and body do not fit.
    """
    if len(body) > longest_body(cover.shape, len(header)):
        raise ValueError(f"{len(body)} bytes do not fit into {cover.size} samples.")
    (height, width), costs, greens = cover.shape[:2], pixel_costs(cover), cover[..., GREEN].reshape(-1)
    changes = np.zeros((height + 2, width + 2), "int8")

    def weights(places, stego):
        changes[1:-1, 1:-1] = (stego - greens).view("int8").reshape(height, width)
        return _weights_of_directions(changes, places)

    in_header = _header_places(greens.size, len(header))
    in_body = np.delete(np.arange(greens.size, dtype="uint32"), in_header)
    stego = embed_ternary(greens, *costs, header, seed=EVERYBODY, within=in_header, weights=weights)
    stego = embed_ternary(stego, *costs, body, seed=seed, within=in_body, weights=weights, progress=progress)
    return cover + (stego - greens).reshape(height, width, 1)  # modulo 256


def _weights_of_directions(changes, places):
    """What makes neighbours change in the same direction: it costs less than in the other one.

    Args:
        changes: int8 array of shape `(height + 2, width + 2)`: -1, 0 and 1, with a border of 0.
        places: Array of indices of pixels, without the border.

    Returns:
        What costs down and up are multiplied by, two float32 arrays of the shape of the places.
    """
    row = changes.shape[1]
    centres = places + np.uint32(row + 1) + places // (row - 2) * 2
    flat = changes.reshape(-1)
    majority = flat[centres - row] + flat[centres + row] + flat[centres - 1] + flat[centres + 1]
    return [np.where(sign * majority > 0, np.float32(ALIKE), np.float32(1)) for sign in (-1, 1)]


def extract_header(stego, length):
    """Extracts what is where a header would be.

    Args:
        stego: uint8 array of shape `(height, width, 3)`.
        length: Of the header in bytes.

    Returns:
        bytes, or `None` where not even a header fits.
    """
    if longest_body(stego.shape, length) < 0:
        return None
    greens = stego[..., GREEN].reshape(-1)
    return extract_ternary(greens[_header_places(greens.size, length)], length, seed=EVERYBODY)


def extract_body(stego, header, length, *, seed):
    """Extracts a body.

    Args:
        stego: uint8 array of shape `(height, width, 3)`.
        header: Length of the header in bytes.
        length: Of the body in bytes, at most `longest_body`.
        seed: 32 bytes.

    Returns:
        bytes.
    """
    greens = stego[..., GREEN].reshape(-1)
    return extract_ternary(np.delete(greens, _header_places(greens.size, header)), length, seed=seed)


def expected_effect(cover, num_bytes):
    """Computes what embedding so many bytes would do to a cover, without doing it.

    Args:
        cover: uint8 array of shape `(height, width, 3)`.
        num_bytes: List of numbers of bytes, of header and body together.

    Returns:
        float64 array of shape `(number, 2)`: the fraction of the pixels that change, and the sum of their costs.
    """
    pixels = cover[..., GREEN].size
    looked = [costs[:: max(1, pixels // LOOKED)] for costs in pixel_costs(cover)]
    rates = 8 * np.array(num_bytes) / pixels / EFFICIENCY
    changed, cost = np.transpose([expected_changes(looked, rate) for rate in rates])
    more = 1 - SPREAD * np.log(np.maximum(changed, 1 / pixels))
    return np.transpose([more * changed, more * cost * pixels])


def _header_pixels(pixels, length):
    return min(max(pixels // PART, LEAST_WIDTH * length), LARGEST_WIDTH * length)


def _header_places(pixels, length):
    return keyed_order(pixels, EVERYBODY, count=_header_pixels(pixels, length))
