"""Random bits embedded at a given rate: as `hide` does it, and as others do."""

import math

import cv2
import numpy as np

from stego_lib.hiding import adaptive
from stego_lib.hiding.adaptive import EFFICIENCY
from stego_lib.hiding.payload import HEADER
from stego_lib.hiding.pixel_costs import HIGH_PASS
from stego_lib.hiding.temperature import temperature_of_rate
from stego_lib.hiding.viterbi import NoSolutionError

FEWER = 0.95  # bytes, where so many do not fit
FINE = 256  # steps of the temperature, from one power of 2 to the next
FLATTEST = 1e-6  # of the averaged residuals; where there are none, a change costs the most


def embed_uniformly(cover, rate, *, generator):
    """Changes samples by 1 at random, as filling with one bit does if so many of the samples are used.

    Args:
        cover: uint8 array of shape `(height, width, channels)`.
        rate: Bits a sample, up to 1.
        generator: NumPy random generator.

    Returns:
        uint8 array of the same shape.
    """
    inside = np.stack([cover > 0, cover < 255]).astype("float32")
    return _draw_changes(cover, rate / 2 * inside / inside.sum(0), generator=generator)


def embed_adaptively(cover, rate, *, generator):
    """Embeds as `hide` does.

    Args:
        cover: uint8 array of shape `(height, width, 3)`.
        rate: Bits a sample; where so many do not fit, it is as many as fit, and where not even the header fits, nothing
            is changed.
        generator: NumPy random generator, of the bits and of the key.

    Returns:
        uint8 array of the same shape.
    """
    length = min(math.floor(rate * cover.size / 8) - HEADER, adaptive.capacity_bytes(cover, HEADER))
    embedding = adaptive.Embedding(cover) if length >= 0 else None
    while length >= 0:
        header, body, seed = (generator.bytes(number) for number in (HEADER, length, 32))
        try:
            return embedding.embed(header, body, seed=seed, shares=embedding.shares(HEADER + length))
        except NoSolutionError:  # too many samples are 0 or 255
            length = math.floor(FEWER * length) - 1
    return cover


def hill_costs(cover):
    """Computes what it costs to change a sample by 1: little where a photograph is busy, much where it is smooth.

    Args:
        cover: uint8 array of shape `(height, width, channels)`.

    Returns:
        float32 array of the same shape, more than 0.

    Reference:
        [Li, Wang, Huang and Li, 2014](https://doi.org/10.1109/ICIP.2014.7025854) (HILL)
    """
    costs = np.empty(cover.shape, "float32")
    for channel in range(cover.shape[2]):
        plane = np.ascontiguousarray(cover[..., channel])
        residual = np.abs(cv2.filter2D(plane, cv2.CV_32F, HIGH_PASS, borderType=cv2.BORDER_REFLECT))
        activity = np.maximum(cv2.blur(residual, (3, 3), borderType=cv2.BORDER_REFLECT), FLATTEST)
        costs[..., channel] = cv2.blur(1 / activity, (15, 15), borderType=cv2.BORDER_REFLECT)
    return costs


def embed_in_each_channel(cover, rate, *, generator):
    """Simulates changes of single samples at their own costs, as the field embeds in grey images.

    They are those of the best of all codes at a rate that is higher by as much as syndrome-trellis codes fall short.

    Args:
        cover: uint8 array of shape `(height, width, channels)`.
        rate: Bits a sample, up to 1.
        generator: NumPy random generator.

    Returns:
        uint8 array of the same shape.

    Reference:
        [Filler and Fridrich, 2010](https://doi.org/10.1109/TIFS.2010.2077629) (Gibbs construction)
    """
    inside = np.stack([cover > 0, cover < 255])
    costs = hill_costs(cover)
    temperature = temperature_of_rate([np.where(way, costs, np.inf) for way in inside], rate / EFFICIENCY, steps=FINE)
    weights = np.exp(-costs / np.float32(temperature)) * inside
    return _draw_changes(cover, weights / (1 + weights.sum(0)), generator=generator)


def _draw_changes(cover, probabilities, *, generator):
    """Changes samples by 1 at random: the probabilities are those of subtracting and of adding it."""
    drawn = generator.random(cover.shape, "float32")
    down, up = probabilities
    return cover + (drawn < up) - (drawn >= 1 - down).astype("uint8")


EMBEDDINGS = {
    "uniform": embed_uniformly,
    "adaptive": embed_adaptively,
    "adaptive in each channel": embed_in_each_channel,
}
