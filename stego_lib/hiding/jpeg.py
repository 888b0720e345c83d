"""The embedding in JPEG files: bytes in few changes by 1 of their quantized coefficients, and out again.

Every coefficient gets a cost by UERD: its quantization step, divided by how much there is in its block and in those
around it. All may change, also those that are 0 and the mean of a block: in a busy block the cheapest changes are where
steps are small, whatever is there now. Syndrome-trellis codes embed with nearly the least total cost, and whoever
extracts does not need the costs. The header is in coefficients that need no key, the body in others, in an order that
the seed decides. A band, the first coefficients of every block in zigzag order, holds the body: behind it hardly any
would change, and to leave them out saves most of the time. The header says how wide it is.

Rates are bits per nonzero AC coefficient of the cover, as everywhere in the field.

Reference:
    [Guo, Ni, Su, Tang and Shi, 2015](https://doi.org/10.1109/TIFS.2015.2473815) (UERD)
"""

import math

import cv2
import numpy as np

from stego_lib.hiding.jpeg_scans import ZIGZAG
from stego_lib.hiding.keyed_order import EVERYBODY, keyed_order
from stego_lib.hiding.syndrome_trellis import embed_ternary, extract_ternary
from stego_lib.hiding.temperature import most_bits, temperature_of_rate

MOST = 0.6  # bits per nonzero AC coefficient; with more the files grow by more than 2 %
LARGEST = 1023  # of 8 bits a sample, no coefficient is greater, and only few decoders read one
# Of the header: coefficients for a byte, and the part of all of them, if that is more; but no more than are of use.
LEAST_WIDTH, PART, LARGEST_WIDTH = 10, 4, 2048
BEHIND = 0.005  # of all changes would be behind the band
LOOKED, STRIDE = 2**13, 7  # blocks, about, that tell it; and every which of them tells the temperature
IN_COLOURS = 1, (0.344**2 + 1.772**2) / 3, (1.402**2 + 0.714**2) / 3  # what errors of the components do to RGB
NEIGHBOURS = np.array([[1, 1, 1], [1, 4, 1], [1, 1, 1]], "float32") / 4


def uerd_costs(jpeg):
    """Computes what it costs to change a coefficient by 1.

    Args:
        jpeg: `JPEGFile`.

    Returns:
        float32 array of the shape of `jpeg.blocks`, more than 0; infinite where a block and all around it are flat, and
        in blocks that only fill up.
    """
    costs = np.full(jpeg.blocks.shape, np.inf, "float32")
    for component in jpeg.components:
        steps = component.quantization.astype("float32")
        magnitudes = np.abs(picture_blocks(component, jpeg.blocks))
        energy = np.ascontiguousarray(magnitudes[..., 1:] @ steps[1:])
        energy = cv2.filter2D(energy, -1, NEIGHBOURS, borderType=cv2.BORDER_REFLECT)
        weights = np.append((steps[1] + steps[8]) / 2, steps[1:])
        with np.errstate(divide="ignore"):
            picture_blocks(component, costs)[:] = weights / energy[..., None]
        # What fills up repeats the mean of the block before it, which has to stay as it is.
        if component.width > component.columns:
            picture_blocks(component, costs)[:, -1, 0] = np.inf
        if component.height > component.rows:
            picture_blocks(component, costs)[-1, :, 0] = np.inf
    return costs


def picture_blocks(component, blocks):
    """Finds the blocks of a component that hold the picture, without those that only fill up.

    Args:
        component: `Component`.
        blocks: Array of the shape of `JPEGFile.blocks`.

    Returns:
        View of shape `(rows, columns, 64)`.
    """
    stop = component.start + component.height * component.width
    whole = blocks[component.start : stop].reshape(component.height, component.width, 64)
    return whole[: component.rows, : component.columns]


def num_nonzero(jpeg):
    """Counts the AC coefficients that are not 0.

    Args:
        jpeg: `JPEGFile`.

    Returns:
        Integer.
    """
    return sum(int(np.count_nonzero(picture_blocks(component, jpeg.blocks)[..., 1:])) for component in jpeg.components)


def capacity_bytes(jpeg, header, *, rate=MOST):
    """Computes how long the body may be.

    Args:
        jpeg: `JPEGFile`, the cover.
        header: Length of the header in bytes.
        rate: Bits per nonzero AC coefficient, of header and body together. Defaults to `MOST`.

    Returns:
        Number of bytes; negative where not even the header fits.
    """
    return math.floor(rate * num_nonzero(jpeg) / 8) - header


def choose_band(jpeg, num_bytes):
    """Chooses how many coefficients of every block are used.

    Args:
        jpeg: `JPEGFile`, the cover.
        num_bytes: Length of header and body together.

    Returns:
        Integer, 1 to 64.
    """
    costs = uerd_costs(jpeg)[:: max(1, len(jpeg.blocks) // LOOKED)]
    changes = np.cumsum(_change_rates(costs, 8 * num_bytes / jpeg.blocks.size).mean(axis=0)[ZIGZAG])
    return int(np.searchsorted(changes, (1 - BEHIND) * changes[-1])) + 1


def expected_effect(jpeg, num_bytes):
    """Computes what embedding so many bytes would do to a cover, without doing it.

    Args:
        jpeg: `JPEGFile`, the cover.
        num_bytes: List of numbers of bytes, of header and body together.

    Returns:
        float64 array of shape `(number, 2)`: the fraction of the coefficients that change, and the mean squared error
        of red, green and blue values; NaN where too much is flat to carry so many.
    """
    costs, effects = uerd_costs(jpeg), []
    most = most_bits([costs, costs])
    for length in num_bytes:
        rate = 8 * length / jpeg.blocks.size
        if rate > most:
            effects.append((math.nan, math.nan))
            continue
        rates = _change_rates(costs, rate)
        errors = [
            np.mean(picture_blocks(component, rates) * component.quantization**2) for component in jpeg.components
        ]
        effects.append((rates.mean(), np.dot(errors, IN_COLOURS[: len(errors)])))
    return np.array(effects)


def _change_rates(costs, rate):
    """How likely the best of all codes changes each coefficient, where all together carry so many bits each."""
    weights = 2 * np.exp(-costs / np.float32(temperature_of_rate([costs[::STRIDE], costs[::STRIDE]], rate)))
    return weights / (1 + weights)


def embed(jpeg, header, body, *, band, seed, progress=None):
    """Embeds a header at places that need no key, and a body at the others, in an order that the seed decides.

    Args:
        jpeg: `JPEGFile`, the cover.
        header: bytes.
        body: bytes.
        band: How many coefficients of every block may hold the body, 1 to 64.
        seed: 32 bytes.
        progress: Called with the part that is done, from 0 to 1. Defaults to `None`.

    Returns:
        int16 array of the shape of `jpeg.blocks`; no coefficient has changed by more than 1.

    Raises:
        NoSolutionError: If header and body do not fit.
    """
    costs, stego = uerd_costs(jpeg).reshape(-1), jpeg.blocks.flatten()
    in_header = _header_places(stego.size, len(header))
    stego[in_header] = _embedded(stego[in_header], costs[in_header], header, seed=EVERYBODY)
    in_body = _body_places(jpeg.blocks.shape, in_header, band=band)
    stego[in_body] = _embedded(stego[in_body], costs[in_body], body, seed=seed, progress=progress)
    return stego.reshape(jpeg.blocks.shape)


def extract_header(jpeg, length):
    """Extracts what is where a header would be.

    Args:
        jpeg: `JPEGFile`.
        length: Of the header in bytes.

    Returns:
        bytes, or `None` where not even a header fits.
    """
    if jpeg.blocks.size < 2 * LEAST_WIDTH * length:
        return None
    places = _header_places(jpeg.blocks.size, length)
    return extract_ternary(jpeg.blocks.reshape(-1)[places], length, seed=EVERYBODY)


def extract_body(jpeg, header, length, *, band, seed):
    """Extracts a body.

    Args:
        jpeg: `JPEGFile`.
        header: Length of the header in bytes.
        length: Of the body in bytes.
        band: As of `embed`.
        seed: 32 bytes.

    Returns:
        bytes.

    Raises:
        ValueError: If so few coefficients can not hold a body of this length.
    """
    in_header = _header_places(jpeg.blocks.size, header)
    coefficients = jpeg.blocks.reshape(-1)[_body_places(jpeg.blocks.shape, in_header, band=band)]
    return extract_ternary(coefficients, length, seed=seed)


def _embedded(coefficients, costs, message, *, seed, progress=None):
    down = np.where(coefficients <= -LARGEST, np.float32(np.inf), costs)
    up = np.where(coefficients >= LARGEST, np.float32(np.inf), costs)
    return embed_ternary(coefficients, down, up, message, seed=seed, progress=progress)


def _header_places(size, length):
    count = min(max(size // PART, LEAST_WIDTH * length), LARGEST_WIDTH * length)
    return keyed_order(size, EVERYBODY, count=count)


def _body_places(shape, in_header, *, band):
    in_body = np.zeros(shape, bool)
    in_body[:, ZIGZAG[:band]] = True
    in_body.reshape(-1)[in_header] = False
    return in_body.reshape(-1)
