"""Entropy coding: tables of probabilities in integers, and a range coder, compiled by numba.

Both sides of the range coder compute with integers alone, so that every machine writes and reads the same bytes.
"""

import numpy as np

from stego_lib.compilation import compiled

FRACTIONS = 8  # a mean is rounded to eighths of a unit
LEVELS = 72  # scales of a distribution,
LEVELS_PER_OCTAVE = 6  # a sixth of an octave apart
SCALES = 2.0 ** (np.arange(LEVELS) / LEVELS_PER_OCTAVE - 4)  # in units: 1/16 to 229
PRECISION = 24  # bits of a probability
TOTAL = 1 << PRECISION
ESCAPE_BITS = 16  # of a value that no table reaches
# Where a table ends: with the widest of the mixed distributions 4.5 times as wide as the scale, the probability that a
# value is beyond 12 scales is e^-2.7 of that one, a few thousandths; 3 keeps narrow tables useful, 1200 bounds memory.
LARGEST_SYMBOLS = np.minimum((12 * SCALES).astype(int) + 3, 1200)

LOW_BITS = 48  # of the interval of the range coder; the 8 bits above its 40 leave while it shrinks
LOW_MASK = (1 << LOW_BITS) - 1
SMALLEST_RANGE = 1 << (LOW_BITS - 8)


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


class RangeEncoder:
    """Writes symbols into bytes.

    Args:
        tables: `Tables`.

    Reference:
        [Martin, 1979](https://sachingarg.com/compression/entropy_coding/range_coder.pdf) (range encoding)
    """

    def __init__(self, tables):
        self.tables = tables
        self._state = np.array([0, LOW_MASK], "int64")  # low end and size of the interval
        self._chunks = []

    def encode(self, table_indices, symbols, values):
        """Writes the symbols of one pass.

        Args:
            table_indices: uint16 array, the table of every symbol.
            symbols: int32 array of the same shape.
            values: int16 array of the same shape, written as they are where the table does not reach the symbol.
        """
        tables = self.tables
        # At most 24 bits for a symbol, 16 for what the table does not reach, and a little for rounding.
        room = 5 * len(symbols) + len(symbols) // 1000 + 16
        carry, chunk = _encode(
            self._state, tables.cdf, tables.middle, tables.largest, table_indices, symbols, values, room
        )
        if carry:
            self._carry()
        self._chunks.append(bytearray(chunk))

    def finish(self):
        """Ends the stream.

        Returns:
            bytes; zeros at the end are left out.
        """
        low, size = (int(number) for number in self._state)
        for num_bytes in range(LOW_BITS // 8 + 1):
            unit = 1 << (LOW_BITS - 8 * num_bytes)
            last = -(-low // unit) * unit
            if last < low + size:
                break
        if last >> LOW_BITS:
            self._carry()
        data = b"".join(map(bytes, self._chunks)) + (last & LOW_MASK).to_bytes(LOW_BITS // 8, "big")[:num_bytes]
        return data.rstrip(b"\0")

    def _carry(self):
        """Adds 1 to the number that the bytes written so far make."""
        for chunk in reversed(self._chunks):
            for position in reversed(range(len(chunk))):
                chunk[position] = (chunk[position] + 1) % 256
                if chunk[position]:
                    return


class RangeDecoder:
    """Reads symbols from bytes.

    Args:
        tables: `Tables`.
        data: bytes that `RangeEncoder.finish` returned.
    """

    def __init__(self, tables, data):
        self.tables = tables
        self._data = np.frombuffer(data, "uint8")
        first = int.from_bytes(data[: LOW_BITS // 8].ljust(LOW_BITS // 8, b"\0"), "big")
        self._state = np.array([first, LOW_MASK, LOW_BITS // 8], "int64")  # offset in the interval, its size, position

    def decode(self, table_indices, centres, chain_length, next_state):
        """Reads the values of one pass, which go along chains through the trellis.

        Args:
            table_indices: uint16 array, the table of every value for the even quantizer.
            centres: int16 array of the same shape, what the values are relative to.
            chain_length: Values of a chain; the last chain may be shorter.
            next_state: int64 array of shape `(4, 2)`, the state of the trellis after a state and the parity of a
                symbol.

        Returns:
            Values relative to the centres, int32 array of the same shape.
        """
        tables = self.tables
        return _decode(
            self._state,
            self._data,
            tables.cdf,
            tables.middle,
            tables.largest,
            tables.num_even,
            table_indices,
            centres,
            chain_length,
            next_state,
        )

    def is_exhausted(self):
        """Tells whether all bytes have been read, as after a whole stream."""
        return self._state[2] >= len(self._data)


@compiled
def _encode(state, cdf, middle, largest, table_indices, symbols, values, room):
    """Returns whether 1 is to be added to what was written before, and the bytes."""
    low, size = state
    data, length, carry = np.empty(room, np.uint8), 0, False
    for i in range(len(symbols)):
        table, symbol = table_indices[i], np.int64(symbols[i])
        escaped = abs(symbol) > largest[table]
        position = middle[table] + (largest[table] + 1 if escaped else symbol)
        for step in range(2 if escaped else 1):
            if step == 0:
                unit = size >> PRECISION
                low += unit * cdf[position]
                size = unit * (cdf[position + 1] - cdf[position])
            else:
                unit = size >> ESCAPE_BITS
                low += unit * (np.int64(values[i]) + (1 << (ESCAPE_BITS - 1)))
                size = unit
            if low > LOW_MASK:
                low &= LOW_MASK
                back = length - 1
                while back >= 0 and data[back] == 255:
                    data[back] = 0
                    back -= 1
                if back >= 0:
                    data[back] += 1
                else:
                    carry = True
            while size < SMALLEST_RANGE:
                data[length] = low >> (LOW_BITS - 8)
                length += 1
                low = (low << 8) & LOW_MASK
                size <<= 8
    state[0], state[1] = low, size
    return carry, data[:length].copy()


@compiled
def _refill(offset, size, read, data):
    while size < SMALLEST_RANGE:
        offset = ((offset << 8) | (data[read] if read < len(data) else 0)) & LOW_MASK
        size <<= 8
        read += 1
    return offset, size, read


@compiled
def _decode(state, data, cdf, middle, largest, num_even, table_indices, centres, chain_length, next_state):
    offset, size, read = state
    result = np.empty(len(table_indices), np.int32)
    trellis = 0
    for i in range(len(table_indices)):
        if i % chain_length == 0:
            trellis = 0
        odd = trellis >> 1
        table = table_indices[i] + odd * num_even
        unit = size >> PRECISION
        target = min(offset // unit, TOTAL - 1)
        # The symbol is looked for from 0 outwards, where it probably is, and by bisection further out.
        low = middle[table]
        first, last = low - largest[table], low + largest[table] + 1
        if target >= cdf[low]:
            step = 1
            while low + step <= last and target >= cdf[low + step]:
                low += step
                step *= 2
            high = min(low + step, last + 1)
        else:
            step, high = 1, low
            while high - step >= first and target < cdf[high - step]:
                high -= step
                step *= 2
            low = max(high - step, first)
        while high - low > 1:
            between = (low + high) // 2
            if target >= cdf[between]:
                low = between
            else:
                high = between
        offset -= unit * cdf[low]
        size = unit * (cdf[low + 1] - cdf[low])
        offset, size, read = _refill(offset, size, read, data)
        symbol = low - middle[table]
        if symbol > largest[table]:
            unit = size >> ESCAPE_BITS
            number = min(offset // unit, (1 << ESCAPE_BITS) - 1)
            offset -= unit * number
            size = unit
            offset, size, read = _refill(offset, size, read, data)
            value = number - (1 << (ESCAPE_BITS - 1)) - centres[i]
            symbol = (value + odd * np.sign(value)) // 2
        else:
            value = 2 * symbol - odd * np.sign(symbol)
        result[i] = value
        trellis = next_state[trellis, symbol & 1]
    state[0], state[1], state[2] = offset, size, read
    return result
