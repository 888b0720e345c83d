"""How many bits samples carry at least cost: the bound of all codes.

Where a change of a sample costs `c`, it is made with a probability that grows as `e^(-c / temperature)`. The
temperature decides how many bits the samples carry in the mean.

Reference:
    [Filler and Fridrich, 2010](https://doi.org/10.1109/TIFS.2010.2077629) (Gibbs construction)
"""

import bisect
import math

import numpy as np


def temperature_of_rate(costs, rate, *, steps=8):
    """Computes at which temperature samples carry so many bits.

    Args:
        costs: List of arrays of floats, one for every way to change a sample.
        rate: Bits a sample.
        steps: From one power of 2 to the next. Defaults to `8`, few enough for every machine to find the same.

    Returns:
        Float, rounded up to such a step.
    """
    temperatures = [math.ldexp(step % steps + steps, step // steps) for step in range(-100 * steps, 100 * steps)]
    step = bisect.bisect(temperatures, rate, key=lambda temperature: _entropy(costs, temperature))
    return temperatures[min(step, len(temperatures) - 1)]


def most_bits(costs):
    """Computes how many bits samples carry at any cost.

    Args:
        costs: List of arrays of floats, one for every way to change a sample; infinite where it must not be.

    Returns:
        Bits a sample.
    """
    return np.mean(np.log2(1 + sum(np.isfinite(cost) for cost in costs)))


def _entropy(costs, temperature):
    exponents = [np.minimum(cost / np.float64(temperature), 100) for cost in costs]
    weights = [np.exp(-exponent) for exponent in exponents]
    total = 1 + sum(weights)
    moments = sum(exponent * weight for exponent, weight in zip(exponents, weights, strict=True))
    return np.mean(np.log(total) + moments / total) / math.log(2)
