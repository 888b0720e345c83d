"""The entropy-coded scans of a JPEG file, compiled by numba: bits to coefficients and back.

A scan visits blocks in an order that its header decides, and codes a band of the coefficients of each. Sequential files
code all 64 at once. Progressive ones code the upper bits of a band first, and refine them bit by bit in later scans;
blocks in which nothing more comes are counted, not coded: runs of ends of blocks.

Encoding makes tokens first, a Huffman symbol and the bits behind it each, since the Huffman tables may depend on them.
They are those that libjpeg makes of the same coefficients, upon which nearly all encoders are built: a file that is
only decoded and encoded again stays the same to the byte.

Reference:
    [ITU-T T.81, 1992](https://www.w3.org/Graphics/JPEG/itu-t81.pdf)
"""

from typing import NamedTuple

import numpy as np

from stego_lib.compilation import compiled

# fmt: off
ZIGZAG = np.array([
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47,
    55, 62, 63,
])
# fmt: on
TABLES = 8  # Huffman tables at a time: four for DC, then four for AC
NO_SYMBOL, RESTART = TABLES, TABLES + 1  # tokens of bits alone, and of restart markers
MOST_BITS = 15  # behind the symbol of a token
MOST_TOKENS = 80  # of a block
LONGEST_RUN = 0x7FFF  # ends of blocks that one symbol counts
MOST_CORRECTIONS = 937  # bits that may wait for the end of a run before libjpeg ends it
READ_AHEAD = 512  # bytes that a block takes at most
ZERO_RUN, END_OF_BLOCK = 0xF0, 0  # symbols


class Scan(NamedTuple):
    """What the header of a scan says.

    `order`: int64 array, the blocks that are visited. `pattern`: int64 array, the component, counted within the scan,
    of every block of a minimum coded unit. `dc` and `ac`: int64 arrays, the Huffman table of every component. `first`
    and `last`: the band, in zigzag order. `high` and `low`: the bit coded before, 0 for none, and the bit coded now.
    `part`: how many blocks lie between restart markers. `progressive`: 1 or 0.
    """

    order: np.ndarray
    pattern: np.ndarray
    dc: np.ndarray
    ac: np.ndarray
    first: int
    last: int
    high: int
    low: int
    part: int
    progressive: int


@compiled
def decode_scan(scan, data, starts, stops, lookup, blocks):
    """Decodes a scan.

    Args:
        scan: `Scan`.
        data: uint8 array: its bytes without stuffed zeros and restart markers, and `READ_AHEAD` more.
        starts: int64 array: where in them every part between restart markers begins.
        stops: int64 array: where it ends.
        lookup: uint16 array of shape `(TABLES, 65536)`: by the next 16 bits, 256 times the length of a code, which is 0
            where there is none, plus its symbol.
        blocks: int16 array of shape `(blocks, 64)`: the coefficients, which are filled in or refined.

    Returns:
        Whether the scan is whole.
    """
    previous = np.zeros(len(scan.dc), np.int64)
    for part in range(len(starts)):
        at, stop, run = 8 * starts[part], 8 * stops[part], 0
        previous[:] = 0
        for step in range(part * scan.part, min((part + 1) * scan.part, len(scan.order))):
            block, component = blocks[scan.order[step]], scan.pattern[step % len(scan.pattern)]
            if scan.first == 0 and scan.high == 0:
                at, change = _read_number(data, at, lookup[scan.dc[component]])
                previous[component] += change
                block[0] = previous[component] << scan.low
            elif scan.first == 0:
                block[0] |= _peek(data, at, 1) << scan.low
                at += 1
            if at >= 0 and scan.last > 0:
                if scan.high == 0:
                    at, run = _read_ac(data, at, block, lookup[scan.ac[component]], scan, run)
                else:
                    at, run = _read_refinement(data, at, block, lookup[scan.ac[component]], scan, run)
            if at < 0 or at > stop:
                return False
    return len(starts) * scan.part >= len(scan.order)


@compiled
def _peek(data, at, count):
    word = 0
    for i in range(4):
        word = word << 8 | np.int64(data[(at >> 3) + i])
    return (word >> (32 - count - (at & 7))) & ((1 << count) - 1)


@compiled
def _read_symbol(data, at, lookup):
    """Where the next bits are, and a symbol; -1 where none has these bits."""
    entry = np.int64(lookup[_peek(data, at, 16)])
    return (at + (entry >> 8), entry & 255) if entry else (-1, 0)


@compiled
def _read_number(data, at, lookup):
    at, size = _read_symbol(data, at, lookup)
    if at < 0 or size > MOST_BITS:
        return -1, 0
    return at + size, _signed(_peek(data, at, size), size)


@compiled
def _signed(bits, size):
    return bits if size == 0 or bits >> (size - 1) else bits - (1 << size) + 1


@compiled
def _read_ac(data, at, block, lookup, scan, run):
    if run:
        return at, run - 1
    k = max(scan.first, 1)
    while k <= scan.last:
        at, symbol = _read_symbol(data, at, lookup)
        if at < 0:
            return -1, 0
        zeros, size = symbol >> 4, symbol & 15
        if size == 0 and zeros < 15:
            run = (1 << zeros) - 1 + _peek(data, at, zeros)
            return (at + zeros, run) if zeros == 0 or scan.progressive else (-1, 0)
        k += zeros
        if size:
            if k > scan.last:
                return -1, 0
            block[ZIGZAG[k]] = _signed(_peek(data, at, size), size) << scan.low
            at += size
        k += 1
    return at, 0


@compiled
def _read_refinement(data, at, block, lookup, scan, run):
    one = 1 << scan.low
    k = scan.first
    while run == 0 and k <= scan.last:
        at, symbol = _read_symbol(data, at, lookup)
        if at < 0 or symbol & 15 > 1:
            return -1, 0
        zeros, new = symbol >> 4, 0
        if symbol & 15:
            new = one if _peek(data, at, 1) else -one
            at += 1
        elif zeros < 15:
            run = (1 << zeros) + _peek(data, at, zeros)
            at += zeros
            break
        while k <= scan.last:
            if block[ZIGZAG[k]]:
                at = _correct(data, at, block, ZIGZAG[k], one)
            elif zeros == 0:
                break
            else:
                zeros -= 1
            k += 1
        if new:
            if k > scan.last:
                return -1, 0
            block[ZIGZAG[k]] = new
        k += 1
    if run == 0:
        return at, 0
    while k <= scan.last:
        if block[ZIGZAG[k]]:
            at = _correct(data, at, block, ZIGZAG[k], one)
        k += 1
    return at, run - 1


@compiled
def _correct(data, at, block, index, one):
    if _peek(data, at, 1):
        block[index] += one if block[index] > 0 else -one
    return at + 1


@compiled
def make_tokens(scan, blocks):
    """Makes the tokens of a scan.

    Args:
        scan: `Scan`.
        blocks: int16 array of shape `(blocks, 64)`: the coefficients.

    Returns:
        uint32 array. From its highest bits to its lowest, a token is the number of a table, `NO_SYMBOL` or `RESTART`
        (5 bits); the number of bits behind the symbol (4); the symbol (8); these bits (15).
    """
    tokens = np.empty(MOST_TOKENS * len(scan.order), np.uint32)
    previous = np.zeros(len(scan.dc), np.int64)
    waiting = np.empty(MOST_CORRECTIONS + 2 * 64, np.uint8)  # corrections behind a run
    count, run, corrections = 0, 0, 0
    for step in range(len(scan.order)):
        block, component = blocks[scan.order[step]], scan.pattern[step % len(scan.pattern)]
        if step and step % scan.part == 0:
            count = _end_run(tokens, count, scan.ac[0], run)
            count = _add_corrections(tokens, count, waiting, 0, corrections)
            count = _add(tokens, count, RESTART, 0, 0, 0)
            run, corrections = 0, 0
            previous[:] = 0
        if scan.first == 0 and scan.high == 0:
            value = np.int64(block[0]) >> scan.low
            count = _add_number(tokens, count, scan.dc[component], 0, value - previous[component])
            previous[component] = value
        elif scan.first == 0:
            count = _add(tokens, count, NO_SYMBOL, 0, (np.int64(block[0]) >> scan.low) & 1, 1)
        if scan.last > 0:
            if scan.high == 0:
                count, run = _add_ac(tokens, count, scan.ac[component], block, scan, run)
            else:
                count, run, corrections = _add_refinement(
                    tokens, count, scan.ac[component], block, scan, run, waiting, corrections
                )
    count = _end_run(tokens, count, scan.ac[0], run)
    count = _add_corrections(tokens, count, waiting, 0, corrections)
    return tokens[:count].copy()


@compiled
def _add(tokens, count, table, symbol, bits, size):
    tokens[count] = table << 27 | size << 23 | symbol << 15 | bits
    return count + 1


@compiled
def _add_number(tokens, count, table, zeros, value):
    size = _size(abs(value))
    bits = value if value >= 0 else value + (1 << size) - 1
    return _add(tokens, count, table, zeros << 4 | size, bits, size)


@compiled
def _size(magnitude):
    size = 0
    while magnitude >> size:
        size += 1
    return size


@compiled
def _add_ac(tokens, count, table, block, scan, run):
    zeros = 0
    for k in range(max(scan.first, 1), scan.last + 1):
        value = np.int64(block[ZIGZAG[k]])
        value = value >> scan.low if value >= 0 else -(-value >> scan.low)
        if value == 0:
            zeros += 1
            continue
        count, run = _end_run(tokens, count, table, run), 0
        while zeros > 15:
            count = _add(tokens, count, table, ZERO_RUN, 0, 0)
            zeros -= 16
        count = _add_number(tokens, count, table, zeros, value)
        zeros = 0
    if zeros:
        if not scan.progressive:
            return _add(tokens, count, table, END_OF_BLOCK, 0, 0), 0
        run += 1
        if run == LONGEST_RUN:
            return _end_run(tokens, count, table, run), 0
    return count, run


@compiled
def _add_refinement(tokens, count, table, block, scan, run, waiting, corrections):
    last_new = 0
    for k in range(scan.first, scan.last + 1):
        if abs(np.int64(block[ZIGZAG[k]])) >> scan.low == 1:
            last_new = k
    start = corrections  # of the corrections of this block
    zeros = 0
    for k in range(scan.first, scan.last + 1):
        value = np.int64(block[ZIGZAG[k]])
        magnitude = abs(value) >> scan.low
        if magnitude == 0:
            zeros += 1
            continue
        while zeros > 15 and k <= last_new:
            count = _end_run(tokens, count, table, run)
            count = _add_corrections(tokens, count, waiting, 0, start)
            count = _add(tokens, count, table, ZERO_RUN, 0, 0)
            count = _add_corrections(tokens, count, waiting, start, corrections)
            run, start, corrections, zeros = 0, 0, 0, zeros - 16
        if magnitude > 1:
            waiting[corrections] = magnitude & 1
            corrections += 1
            continue
        count = _end_run(tokens, count, table, run)
        count = _add_corrections(tokens, count, waiting, 0, start)
        count = _add(tokens, count, table, zeros << 4 | 1, value > 0, 1)
        count = _add_corrections(tokens, count, waiting, start, corrections)
        run, start, corrections, zeros = 0, 0, 0, 0
    if zeros or corrections > start:
        run += 1
        if run == LONGEST_RUN or corrections > MOST_CORRECTIONS:
            count = _end_run(tokens, count, table, run)
            return _add_corrections(tokens, count, waiting, 0, corrections), 0, 0
    return count, run, corrections


@compiled
def _end_run(tokens, count, table, run):
    if run == 0:
        return count
    size = _size(run) - 1
    return _add(tokens, count, table, size << 4, run - (1 << size), size)


@compiled
def _add_corrections(tokens, count, waiting, start, stop):
    for first in range(start, stop, MOST_BITS):
        size, bits = min(MOST_BITS, stop - first), 0
        for i in range(first, first + size):
            bits = bits << 1 | np.int64(waiting[i])
        count = _add(tokens, count, NO_SYMBOL, 0, bits, size)
    return count


@compiled
def count_symbols(tokens):
    """Counts the symbols of tokens.

    Args:
        tokens: uint32 array, as `make_tokens` returns it.

    Returns:
        int64 array of shape `(TABLES, 256)`.
    """
    counts = np.zeros((TABLES, 256), np.int64)
    for token in tokens:
        if token >> 27 < TABLES:
            counts[token >> 27, token >> 15 & 255] += 1
    return counts


@compiled
def encode_tokens(tokens, codes, lengths):
    """Encodes tokens.

    Args:
        tokens: uint32 array, as `make_tokens` returns it.
        codes: int64 array of shape `(TABLES, 256)`: Huffman codes by symbol.
        lengths: int64 array of the same shape: their lengths in bits.

    Returns:
        uint8 array: the bytes of the scan, with stuffed zeros and restart markers.
    """
    data = np.empty(8 * len(tokens) + 8, np.uint8)
    size, word, held, restarts = 0, 0, 0, 0
    for i in range(len(tokens) + 1):
        token = np.int64(tokens[i]) if i < len(tokens) else np.int64(RESTART << 27)
        table, count, symbol = token >> 27, token >> 23 & 15, token >> 15 & 255
        if table < TABLES:
            word, held = word << lengths[table, symbol] | codes[table, symbol], held + lengths[table, symbol]
        word, held = word << count | (token & 0x7FFF), held + count
        if table == RESTART and held % 8:  # ones fill the last byte
            word, held = word << (8 - held % 8) | (0xFF >> held % 8), held + 8 - held % 8
        while held >= 8:
            held -= 8
            data[size] = word >> held & 255
            size += 1
            if data[size - 1] == 0xFF:
                data[size] = 0
                size += 1
        word &= 0xFF
        if table == RESTART and i < len(tokens):
            data[size], data[size + 1] = 0xFF, 0xD0 + restarts % 8
            size, restarts = size + 2, restarts + 1
    return data[:size].copy()
