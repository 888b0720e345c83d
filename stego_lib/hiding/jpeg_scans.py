"""The entropy-coded scans of a JPEG file, and how they are decoded, compiled by numba.

A scan visits blocks in an order that its header decides, and codes a band of the coefficients of each. Sequential files
code all 64 at once. Progressive ones code the upper bits of a band first, and refine them bit by bit in later scans;
blocks in which nothing more comes are counted, not coded: runs of ends of blocks.

Reference:
    [ITU-T T.81, 1992](https://www.w3.org/Graphics/JPEG/itu-t81.pdf)
"""

from typing import NamedTuple

import numpy as np

from stego_lib.compilation import compiled

# fmt: off
ZIGZAG = np.array([  # rows of 8, in the order of the file
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
])
# fmt: on
TABLES = 8  # Huffman tables at a time: four for DC, then four for AC
MOST_BITS = 15  # behind a symbol
READ_AHEAD = 512  # bytes that a block takes at most


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
