"""The range coder, compiled by numba.

Both sides compute with integers alone, so that every machine writes and reads the same bytes.
"""

import numpy as np

from stego_lib.compilation import compiled

PRECISION = 24  # bits of a probability
TOTAL = 1 << PRECISION
ESCAPE_BITS = 16  # of a value that no table reaches
LOW_BITS = 48  # of the interval of the range coder; the 8 bits above its 40 leave while it shrinks
LOW_MASK = (1 << LOW_BITS) - 1
SMALLEST_RANGE = 1 << (LOW_BITS - 8)


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
