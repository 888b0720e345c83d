"""From distributions to integers: tables of probabilities, and quantization along a trellis."""

from concurrent.futures import ThreadPoolExecutor

import constriction
import numpy as np

from stego_lib.codec.networks import FRACTIONS, SCALES

PRECISION = 24  # bits of a probability
ESCAPE_BITS = 16  # of a value that no table reaches
CHUNK = 32768  # chains that a thread quantizes at once; many small arrays would have threads wait for each other

# A chain of values goes through four states; 0 and 1 allow even values, 2 and 3 odd ones and zero. The symbol of a
# value is its place among those allowed, and the parity of the symbol leads to the next state.
NEXT_STATE = np.array([[0, 2], [2, 0], [1, 3], [3, 1]], "uint8")
# Seen from the next state, the two states before it, and which values lead there: even ones with even and odd symbols
# (0, 1), odd ones with even and odd symbols (2, 3).
STATE_BEFORE = np.array([[0, 1], [2, 3], [0, 1], [3, 2]], "uint8")
VALUES_BEFORE = np.array([[0, 1], [2, 3], [1, 0], [2, 3]], "uint8")


def cumulated_masses(weights, ratios):
    """Integrates the distributions of all scales, as integers: whoever has these numbers computes the same tables.

    Args:
        weights: Of the logistic distributions that are mixed.
        ratios: Of their scales to the scale.

    Returns:
        List of int32 arrays, one for each of the `SCALES`: the probability of a value below 0, 1/8, 2/8 ... in units
        of 2^-24.
    """
    masses = []
    for scale in SCALES:
        reach = min(int(12 * scale) + 3, 1200)
        x = np.arange(FRACTIONS * (2 * reach + 2)) / FRACTIONS
        exponents = [np.minimum(x / (scale * ratio), 80) for ratio in np.float64(ratios)]
        below = sum(weight / (1 + np.exp(-e)) for weight, e in zip(np.float64(weights), exponents, strict=True))
        masses.append(np.rint(2**PRECISION * below).astype("int32"))
    return masses


class Tables:
    """Probabilities of symbols: a table for every quantizer (even, odd), scale, and fraction of the mean.

    Args:
        masses: What `cumulated_masses` returns.
    """

    def __init__(self, masses):
        self.probabilities, reaches, self._models = [], [], {}
        for odd in (False, True):
            for below in masses:
                reach = len(below) // (2 * FRACTIONS) - 1
                cells = _cells(np.arange(-reach, reach + 1), odd)
                for fraction in range(-FRACTIONS // 2, FRACTIONS // 2):
                    low, high = (_below(below, FRACTIONS * cell - fraction) for cell in cells)
                    escape = 2**PRECISION - (high - low).sum()
                    self.probabilities.append(np.maximum(np.append(high - low, escape), 1))
                    reaches.append(reach)
        self.reach = np.array(reaches, "int32")
        starts = np.cumsum([0] + [len(p) for p in self.probabilities[:-1]]).astype("int32")
        self._middle = starts + self.reach
        self._bits = np.concatenate([np.log2(p.sum() / p) for p in self.probabilities]).astype("float32")
        self._bits[self._middle + self.reach + 1] += ESCAPE_BITS

    def __len__(self):
        return len(self.probabilities)

    def bits(self, tables, symbols):
        """Looks up what symbols cost.

        Args:
            tables: Integer array.
            symbols: Integer array of the same shape.

        Returns:
            float32 array of the same shape.
        """
        reach = self.reach[tables]
        return self._bits[self._middle[tables] + np.where(np.abs(symbols) <= reach, symbols, reach + 1)]

    def model(self, table):
        """Builds the entropy model of a table, or finds it again.

        Args:
            table: Integer.

        Returns:
            Categorical distribution over the symbols from `-reach` to `reach`, and the escape.
        """
        if table not in self._models:
            probabilities = self.probabilities[table].astype("float64")
            self._models[table] = constriction.stream.model.Categorical(probabilities, perfect=False)
        return self._models[table]


def _cells(symbols, odd):
    """Where the values nearest to those of the symbols begin and end."""
    low, high = 2 * symbols - 1.0, 2 * symbols + 1.0
    if odd:
        low, high = low - np.sign(symbols), high - np.sign(symbols)
        low[symbols == 0], high[symbols == 0] = -0.5, 0.5
        low[symbols == 1], high[symbols == -1] = 0.5, -0.5
    return low, high


def _below(masses, position):
    position = position.astype("int32")
    mass = masses[np.minimum(np.abs(position), len(masses) - 1)]
    return np.where(position < 0, 2**PRECISION - mass, mass)


def quantize(latents, tables, numbers, active, multiplier):
    """Finds the cheapest way through the trellis, for many chains of latents at once.

    Trellis-coded quantization comes within half a decibel of what vectors of any length could gain, up to 1.5 dB;
    here, as in the dependent quantization of VVC, the price of a way is its squared error and its bits.

    Args:
        latents: float32 array of shape `(length, chains)`, in units of the step, relative to their centres.
        tables: `Tables`.
        numbers: uint16 array of the same shape, their tables for even values.
        active: Boolean array of the same shape, false for latents that are not coded and remain 0.
        multiplier: The squared error that is worth a bit.

    Returns:
        Values, int16 array of the same shape, and whether each is one of the odd quantizer, boolean array.

    Reference:
        [Marcellin and Fischer, 1990](https://doi.org/10.1109/26.46532),
        [Schwarz et al., 2019](https://doi.org/10.1109/DCC.2019.00012)
    """
    values, odd = np.zeros(latents.shape, "int16"), np.zeros(latents.shape, bool)

    def work(start):
        part = slice(start, start + CHUNK)
        values[:, part], odd[:, part] = _quantize(
            latents[:, part], tables, numbers[:, part], active[:, part], multiplier
        )

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(0, latents.shape[1], CHUNK)))
    return values, odd


def _quantize(latents, tables, numbers, active, multiplier):
    length, chains = latents.shape
    price = np.full((4, chains), np.inf, "float32")
    price[0] = 0
    values = np.zeros((length, 4, chains), "int16")
    second = np.zeros((length, 4, chains), bool)
    for i, x in enumerate(latents):
        size, sign = np.abs(x), np.where(x < 0, np.float32(-1), np.float32(1))
        nearest = np.stack(
            [
                4 * np.rint(x / 4),
                4 * np.rint((x - 2) / 4) + 2,
                sign * np.maximum(4 * np.rint((size + 1) / 4) - 1, 0),
                sign * (4 * np.rint((size - 1) / 4) + 1),
            ]
        )
        number = numbers[i] + np.array([[0], [0], [1], [1]], "uint16") * np.uint16(len(tables) // 2)
        symbols = nearest.astype("int32")
        symbols[2:] += np.sign(symbols[2:])
        prices = (x - nearest) ** 2 + multiplier * tables.bits(number, symbols // 2)
        zero = x**2 + multiplier * tables.bits(number[::2], np.zeros((2, chains), "int32"))
        nearest[::2][zero < prices[::2]] = 0
        prices[::2] = np.minimum(prices[::2], zero)
        values[i] = nearest
        ways = price[STATE_BEFORE] + prices[VALUES_BEFORE]
        second[i] = ways[:, 1] < ways[:, 0]
        price = np.where(active[i], ways.min(1), price)
    state = price.argmin(0).astype("uint8")
    result, odd, every = np.zeros((length, chains), "int16"), np.zeros((length, chains), bool), np.arange(chains)
    for i in reversed(range(length)):
        way = second[i, state, every].astype("uint8")
        allowed = VALUES_BEFORE[state, way]
        result[i] = np.where(active[i], values[i, allowed, every], 0)
        odd[i] = allowed > 1
        state = np.where(active[i], STATE_BEFORE[state, way], state)
    return result, odd
