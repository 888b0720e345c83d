"""Embedding simulated: how probably a sample changes by 1, and changes drawn at random without a message."""

import math

import numpy as np
from scipy.optimize import brentq

from stego_lib.hiding.adaptive import EFFICIENCY, hill_costs


def uniform_probabilities(cover, rate):
    """Computes how probably filling with one bit changes each sample, if so many of the samples are used.

    Args:
        cover: uint8 array of any shape.
        rate: Bits a sample, up to 1.

    Returns:
        float32 array with one dimension more, `(2, ...)`: of subtracting 1, and of adding 1.
    """
    inside = np.stack([cover > 0, cover < 255]).astype("float32")
    return rate / 2 * inside / inside.sum(0)


def adaptive_probabilities(cover, rate):
    """Computes how probably the adaptive embedding changes each pixel, all of its channels alike.

    They are those of the best of all codes at a rate that is higher by as much as the code of
    `stego_lib.hiding.adaptive` falls short of it.

    Args:
        cover: uint8 array of shape `(height, width, channels)`.
        rate: Bits a sample; where so many do not fit into one change a pixel, it is as many as fit.

    Returns:
        float32 array of shape `(2, height, width, 1)`: of subtracting 1, and of adding 1.

    Reference:
        [Filler and Fridrich, 2010](https://doi.org/10.1109/TIFS.2010.2077629) (Gibbs construction)
    """
    inside = np.stack([cover.min(-1, keepdims=True) > 0, cover.max(-1, keepdims=True) < 255])
    return _least_cost(hill_costs(cover).sum(-1, keepdims=True), inside, rate=rate * cover.shape[-1])


def channel_probabilities(cover, rate):
    """Computes the same for changes of single samples at their own costs, as the field embeds in grey images.

    Args:
        cover: uint8 array of shape `(height, width, channels)`.
        rate: Bits a sample, up to 1.

    Returns:
        float32 array of shape `(2, height, width, channels)`: of subtracting 1, and of adding 1.
    """
    return _least_cost(hill_costs(cover), np.stack([cover > 0, cover < 255]), rate=rate)


def _least_cost(costs, inside, *, rate):
    ways = inside.sum(0)  # to change a sample

    def excess(logarithm):
        exponents = costs / math.exp(logarithm)
        weights = np.exp(-exponents) * ways
        return np.mean(np.log1p(weights) + exponents * weights / (1 + weights)) / math.log(2) - rate / EFFICIENCY

    low, high = math.log(costs.min() / 100), math.log(costs.max() * 100)
    logarithm = brentq(excess, low, high, xtol=5e-3) if excess(high) > 0 else high
    weights = np.exp(-costs / math.exp(logarithm)) * inside
    return weights / (1 + weights.sum(0))


def draw_changes(cover, probabilities, *, generator):
    """Changes samples by 1 at random.

    Args:
        cover: uint8 array of any shape.
        probabilities: Array of shape `(2, ...)`, of subtracting 1, and of adding 1; where a dimension has length 1, all
            samples along it change alike.
        generator: NumPy random generator.

    Returns:
        uint8 array of the same shape.
    """
    drawn = generator.random(probabilities[0].shape, "float32")
    down, up = probabilities
    return cover + (drawn < up) - (drawn >= 1 - down).astype("uint8")


EMBEDDINGS = {
    "uniform": uniform_probabilities,
    "adaptive": adaptive_probabilities,
    "adaptive in each channel": channel_probabilities,
}
