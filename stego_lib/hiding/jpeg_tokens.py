"""The scans of a JPEG file encoded, compiled by numba: coefficients to tokens, and tokens to bits.

A token is a Huffman symbol and the bits behind it; the Huffman tables may depend on all of them. Tokens are those that
libjpeg makes of the same coefficients, upon which nearly all encoders are built: a file that is only decoded and
encoded again stays the same to the byte.

Reference:
    [ITU-T T.81, 1992](https://www.w3.org/Graphics/JPEG/itu-t81.pdf)
"""

import numpy as np

from stego_lib.compilation import compiled
from stego_lib.hiding.jpeg_scans import MOST_BITS, TABLES, ZIGZAG

NO_SYMBOL, RESTART = TABLES, TABLES + 1  # tokens of bits alone, and of restart markers
ZERO_RUN, END_OF_BLOCK = 0xF0, 0  # symbols
MOST_TOKENS = 80  # of a block
LONGEST_RUN = 0x7FFF  # ends of blocks that one symbol counts
MOST_CORRECTIONS = 937  # bits that may wait for the end of a run before libjpeg ends it


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
