"""Huffman tables of JPEG files: their codes, and the best tables for given symbols, as libjpeg makes them."""

import struct
from typing import NamedTuple

import numpy as np

LONGEST = 16  # bits of a code
PSEUDO_SYMBOL = 256  # takes the code of ones alone, which no symbol may have


class Table(NamedTuple):
    """A Huffman table: how many codes there are of 1 to 16 bits, and the symbols in the order of their codes; bytes."""

    counts: bytes
    symbols: bytes


def read_tables(content):
    """Reads a segment DHT.

    Args:
        content: bytes of the segment, without marker and length.

    Returns:
        List of pairs: the number, 0 to 3 for DC, 4 to 7 for AC, and the `Table`.

    Raises:
        ValueError: If the segment is damaged.
    """
    tables, position = [], 0
    while position < len(content):
        number, counts = content[position], content[position + 1 : position + 1 + LONGEST]
        start = position + 1 + LONGEST
        position = start + sum(counts)
        symbols = content[start:position]
        if number & 0xF > 3 or number >> 4 > 1 or len(counts) < LONGEST or len(symbols) < sum(counts):
            raise ValueError("A Huffman table is damaged.")
        tables.append((4 * (number >> 4) + (number & 0xF), Table(counts, symbols)))
    return tables


def write_tables(tables):
    """Writes a segment DHT.

    Args:
        tables: List as `read_tables` returns it.

    Returns:
        bytes of the segment, with marker and length.
    """
    content = b"".join(
        bytes([number // 4 << 4 | number % 4]) + table.counts + table.symbols for number, table in tables
    )
    return b"\xff\xc4" + struct.pack(">H", len(content) + 2) + content


def codes(table):
    """Assigns the codes.

    Args:
        table: `Table`.

    Returns:
        Two int64 arrays of shape `(256,)`: code and length in bits by symbol; length 0 where there is no code.

    Raises:
        ValueError: If there are more codes than can be.
    """
    code_of, length_of = np.zeros(256, "int64"), np.zeros(256, "int64")
    symbols, code = iter(table.symbols), 0
    for length, count in enumerate(table.counts, 1):
        for _ in range(count):
            symbol = next(symbols)
            code_of[symbol], length_of[symbol] = code, length
            code += 1
        if code > 1 << length:
            raise ValueError("A Huffman table is damaged.")
        code <<= 1
    return code_of, length_of


def lookup(table):
    """Makes what decoding looks symbols up in.

    Args:
        table: `Table`.

    Returns:
        uint16 array of shape `(65536,)`: by the next 16 bits, 256 times the length of a code plus its symbol.
    """
    code_of, length_of = codes(table)
    entries = np.zeros(2**LONGEST, "uint16")
    for symbol in set(table.symbols):
        start, width = code_of[symbol] << (LONGEST - length_of[symbol]), 1 << (LONGEST - length_of[symbol])
        entries[start : start + width] = length_of[symbol] << 8 | symbol
    return entries


def best_table(counts):
    """Makes the table that codes symbols in the fewest bits, by the procedure of the standard.

    Args:
        counts: int array of shape `(256,)`: how often each symbol occurs.

    Returns:
        `Table`.

    Reference:
        [ITU-T T.81, 1992](https://www.w3.org/Graphics/JPEG/itu-t81.pdf), annex K.2
    """
    lengths = _lengths([*map(int, counts), 1])
    of_length = [0] * 64
    for length in lengths.values():
        of_length[length] += 1
    for length in range(len(of_length) - 1, LONGEST, -1):
        while of_length[length]:  # two codes that are too long; one of them takes the place of what both began with
            shorter = next(number for number in range(length - 2, 0, -1) if of_length[number])
            of_length[length] -= 2
            of_length[length - 1] += 1
            of_length[shorter + 1] += 2
            of_length[shorter] -= 1
    of_length[max(length for length in range(LONGEST + 1) if of_length[length])] -= 1  # that of the pseudo-symbol
    symbols = sorted((length, symbol) for symbol, length in lengths.items() if symbol != PSEUDO_SYMBOL)
    return Table(bytes(of_length[1 : LONGEST + 1]), bytes(symbol for _, symbol in symbols))


def _lengths(counts):
    """Lengths of codes by symbol, before the long ones are shortened; of equally rare ones the last is joined first."""
    groups = {symbol: [symbol] for symbol, count in enumerate(counts) if count}
    lengths = dict.fromkeys(groups, 0)
    frequencies = {symbol: counts[symbol] for symbol in groups}
    while len(frequencies) > 1:
        first = min(frequencies, key=lambda symbol: (frequencies[symbol], -symbol))
        frequency = frequencies.pop(first)
        second = min(frequencies, key=lambda symbol: (frequencies[symbol], -symbol))
        frequencies[first] = frequency + frequencies.pop(second)
        groups[first] += groups[second]
        for symbol in groups[first]:
            lengths[symbol] += 1
    return lengths
