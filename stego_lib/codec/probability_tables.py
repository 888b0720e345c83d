"""The probabilities that symbols are coded with: tables in integers, so that every machine has the same ones."""

import numpy as np

from stego_lib.codec.entropy import ESCAPE_BITS, PRECISION, TOTAL

FRACTIONS = 8  # a mean is rounded to eighths of a unit
LEVELS = 72  # scales of a distribution,
LEVELS_PER_OCTAVE = 6  # a sixth of an octave apart
SCALES = 2.0 ** (np.arange(LEVELS) / LEVELS_PER_OCTAVE - 4)  # in units: 1/16 to 229
# Where a table ends: with the widest of the mixed distributions 4.5 times as wide as the scale, the probability that a
# value is beyond 12 scales is e^-2.7 of that one, a few thousandths; 3 keeps narrow tables useful, 1200 bounds memory.
LARGEST_SYMBOLS = np.minimum((12 * SCALES).astype(int) + 3, 1200)


def cumulative_distributions(weights, ratios):
    """Integrates mixtures of logistic distributions, as integers: whoever has these numbers computes the same tables.

    Args:
        weights: Of the logistic distributions that are mixed.
        ratios: Of their scales to the scale.

    Returns:
        List of int32 arrays, one for each of the `SCALES`: the probability of a value below 0, 1/8, 2/8 ... in units
        of 2^-24.
    """
    cdfs = []
    for scale, largest in zip(SCALES, LARGEST_SYMBOLS, strict=True):
        x = np.arange(FRACTIONS * (2 * largest + 2)) / FRACTIONS
        exponents = [np.minimum(x / (scale * ratio), 80) for ratio in np.float64(ratios)]
        below = sum(weight / (1 + np.exp(-e)) for weight, e in zip(np.float64(weights), exponents, strict=True))
        cdfs.append(np.rint(TOTAL * below).astype("int32"))
    return cdfs


class Tables:
    """Probabilities of symbols: a table for every quantizer (even, odd), scale, and fraction of the mean.

    The table of the even quantizer, level `l` and fraction `f` has the index `l * FRACTIONS + f`; those of the odd
    quantizer follow, `num_even` further. In the flat arrays, symbol `s` of a table stands at `middle + s`, and the
    escape, for symbols beyond `largest`, after the last symbol.

    Args:
        cdfs: List of int32 arrays that `cumulative_distributions` returns.

    Raises:
        ValueError: If they are something else.

    Attributes:
        cdf: int64 array, the cumulative probability below every symbol, 2^24 at the end of a table.
        bits: float32 array of the same shape, what every symbol costs.
        middle: int64 array, one for every table.
        largest: int64 array, the largest symbol of every table.
        num_even: Number of tables of one quantizer.
    """

    def __init__(self, cdfs):
        if [len(cdf) for cdf in cdfs] != (FRACTIONS * (2 * LARGEST_SYMBOLS + 2)).tolist():
            raise ValueError("there must be a distribution of a certain length for every scale")
        cdfs = [np.clip(cdf, TOTAL // 2, TOTAL) for cdf in cdfs]  # weights in float32 add up to 1 but nearly
        if any((np.diff(cdf) < 0).any() for cdf in cdfs):
            raise ValueError("a distribution must not fall")
        tables, largest = [], []
        for odd in (False, True):
            for cdf in cdfs:
                largest_symbol = len(cdf) // (2 * FRACTIONS) - 1
                low, high = _decision_bounds(np.arange(-largest_symbol, largest_symbol + 1), odd=odd)
                for fraction in range(-FRACTIONS // 2, FRACTIONS // 2):
                    masses = _below(cdf, FRACTIONS * high - fraction) - _below(cdf, FRACTIONS * low - fraction)
                    tables.append(_probabilities(np.append(masses, TOTAL - masses.sum())))
                    largest.append(largest_symbol)
        self.largest = np.array(largest, "int64")
        lengths = np.array([len(table) + 1 for table in tables])  # one more for the end
        self.middle = np.cumsum(lengths) - lengths + self.largest
        self.cdf = np.concatenate([np.append(0, np.cumsum(table)) for table in tables]).astype("int64")
        bits = [np.append(PRECISION - np.log2(table), 0) for table in tables]
        self.bits = np.concatenate(bits).astype("float32")
        self.bits[self.middle + self.largest + 1] += ESCAPE_BITS
        self.num_even = len(tables) // 2


def _decision_bounds(symbols, *, odd):
    """Where the values that are nearest to those of the symbols begin and end."""
    low, high = 2 * symbols - 1.0, 2 * symbols + 1.0
    if odd:
        low, high = low - np.sign(symbols), high - np.sign(symbols)
        low[symbols == 0], high[symbols == 0] = -0.5, 0.5
        low[symbols == 1], high[symbols == -1] = 0.5, -0.5
    return low, high


def _below(cdf, position):
    position = position.astype("int32")
    mass = cdf[np.minimum(np.abs(position), len(cdf) - 1)].astype("int64")
    return np.where(position < 0, TOTAL - mass, mass)


def _probabilities(masses):
    """At least 1 for every symbol, 2^24 in all: what is too much is taken from the likeliest."""
    probabilities = np.maximum(masses, 1)
    probabilities[probabilities.argmax()] -= probabilities.sum() - TOTAL
    if probabilities.min() < 1:
        raise ValueError("a distribution must leave room for every symbol")
    return probabilities
