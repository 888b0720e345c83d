"""Error correction: low-density parity-check codes of any length and rate, decoded from soft values.

The codes are irregular repeat-accumulate codes. A codeword is a message and, behind it, one parity bit for every check.
Check number `j` says that some message bits, and the parity bits `j - 1` and `j`, add up to an even number: so encoding
is a running sum. A fifth of the message bits are in twelve checks each, which helps the others, in three, along.

    message   m0 m1 m2 m3 ..      drawn into checks by a keystream that never changes
    checks     +  +  +  ..
    parity    p0-p1-p2 ..         a chain through all checks

The matrix follows from the two lengths alone: nothing but them has to be known to decode.

Codewords of 60000 bits that a uniform error of 0.44 steps and a Gaussian one had disturbed, all of nine corrected: at
rate 0.9 the channel's capacity was 0.92, at 0.8 it was 0.82, at 0.6 0.64, and at 0.35 0.40.
"""

import functools

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from stego_lib.compilation import compiled
from stego_lib.threads import map_chunks

LONGEST = 2**16  # bits of one codeword; longer ones gain little
MANY, FEW = 12, 3  # checks that a bit of the message is in
KEY = b"stego_lib error correction".ljust(32, b"\0")
TRIES = 40  # checks that are looked at for one that closes no cycle of four
ITERATIONS = 80
FINENESS = 256  # entries of the table for a difference of 1 in the logarithm
LARGEST = 16  # logarithm; all larger ones are the same
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def encode(message, length):
    """Encodes a message as one or several codewords.

    Args:
        message: uint8 array, 0 or 1.
        length: Of the codewords together, larger than that of the message by a bit for every 65536.

    Returns:
        uint8 array of shape `(length,)`, 0 or 1.
    """
    number, size, dimension = _division(len(message), length)
    parts = np.zeros((number, dimension), "uint8")
    parts.reshape(-1)[: len(message)] = message
    columns, ends = parity_check_matrix(dimension, size)
    codewords = np.zeros(length, "uint8")
    for part, codeword in zip(parts, codewords[: number * size].reshape(number, size), strict=True):
        codeword[:dimension] = part
        _accumulate(part, columns, ends, codeword[dimension:])
    return codewords


def decode(soft, length):
    """Finds the message whose codewords explain what was received.

    Args:
        soft: float32 array: for every bit the natural logarithm of how many times likelier a 0 is than a 1.
        length: Of the message.

    Returns:
        uint8 array of shape `(length,)`, 0 or 1; `None` where a codeword was not found.

    Reference:
        [Hocevar, 2004](https://doi.org/10.1109/SIPS.2004.1363033) (layered belief propagation),
        [Jin et al., 2000](https://www.itsoc.org/publications/papers/irregular-repeat-accumulate-codes) (the codes)
    """
    number, size, dimension = _division(length, len(soft))
    columns, ends = parity_check_matrix(dimension, size)
    received = soft[: number * size].reshape(number, size)
    beliefs = np.clip(received, -LARGEST, LARGEST).astype("float32")
    lost = []

    def correct(codeword):
        if not lost and not _propagate(beliefs[codeword.start], columns, ends, _table(), ITERATIONS):
            lost.append(codeword)  # then the others are of no use

    map_chunks(correct, number, chunk=1)
    return None if lost else (beliefs[:, :dimension] < 0).astype("uint8").reshape(-1)[:length]


def _division(message, length):
    """How many codewords there are, how long each is, and how many bits of the message it has."""
    number = -(-length // LONGEST)
    size, dimension = length // number, -(-message // number)
    if not 0 < dimension < size:
        raise ValueError(f"A message of {message} bits can not have a codeword of {length}.")
    return number, size, dimension


@functools.lru_cache(4)
def parity_check_matrix(dimension, length):
    """Makes the part of the parity-check matrix of one codeword that belongs to the message.

    Args:
        dimension: Length of the message.
        length: Of the codeword.

    Returns:
        columns: uint32 array: numbers of the message bits, check after check.
        ends: int64 array of shape `(length - dimension,)`: where those of every check end.
    """
    checks = length - dimension
    degrees = np.full(dimension, min(FEW, checks))
    degrees[: dimension // 5] = min(MANY, checks)
    keystream = Cipher(ChaCha20(KEY, bytes(16)), None).encryptor()
    random = np.frombuffer(keystream.update(bytes(8 * int(degrees.sum()))), "<u8")
    return _draw(degrees, checks, random)


@compiled
def _draw(degrees, checks, random):
    """Draws the checks of all message bits, so that the checks are equally large.

    Checks are dealt from a shuffled pack; one that the bit has already, or next to it, or that would close a cycle of
    four, is left in the pack if another one is found soon.
    """
    most = -(-degrees.sum() // checks)
    members = np.empty((checks, most), np.uint32)
    sizes = np.zeros(checks, np.int64)
    pack = np.arange(checks)
    dealt = checks
    partner = np.full(len(degrees), -1, np.int64)  # the last bit that shared a check with this one
    mine = np.empty(MANY, np.int64)
    number = 0
    for bit in range(len(degrees)):
        for edge in range(degrees[bit]):
            if dealt == checks:
                dealt = 0
            chosen = -1
            for attempt in range(TRIES):
                draw = random[number] + np.uint64(attempt) * GOLDEN
                place = dealt + np.int64(draw % np.uint64(checks - dealt))
                check = pack[place]
                if np.any(np.abs(mine[:edge] - check) <= 1):
                    continue
                if chosen < 0:
                    chosen = place
                short = False
                for member in members[check, : sizes[check]]:
                    short |= partner[member] == bit
                if not short:
                    chosen = place
                    break
            number += 1
            chosen = max(chosen, dealt)
            check = pack[chosen]
            pack[chosen], pack[dealt] = pack[dealt], check
            dealt += 1
            for member in members[check, : sizes[check]]:
                partner[member] = bit
            members[check, sizes[check]] = bit
            sizes[check] += 1
            mine[edge] = check
    columns = np.empty(degrees.sum(), np.uint32)
    ends = np.cumsum(sizes)
    for check in range(checks):
        columns[ends[check] - sizes[check] : ends[check]] = members[check, : sizes[check]]
    return columns, ends


@compiled
def _accumulate(message, columns, ends, parity):
    total, start = np.uint8(0), 0
    for check in range(len(ends)):
        for column in columns[start : ends[check]]:
            total ^= message[column]
        start = ends[check]
        parity[check] = total


@functools.cache
def _table():
    """The function -log(tanh(x / 2)), its own inverse, that makes the sum of logarithms of a check of a product."""
    return -np.log(np.tanh((np.arange(LARGEST * FINENESS) + 0.5) / FINENESS / 2)).astype("float32")


@compiled
def _propagate(beliefs, columns, ends, table, iterations):
    """Lets beliefs pass, check by check, until all checks are satisfied; tells whether they are."""
    dimension, last = len(beliefs) - len(ends), len(table) - 1
    messages = np.zeros(len(columns) + 2 * len(ends), np.float32)
    longest = np.max(np.diff(ends)) if len(ends) > 1 else 0
    longest = max(longest, ends[0]) + 2
    bits, values, terms = np.empty(longest, np.int64), np.empty(longest, np.float32), np.empty(longest, np.float32)
    for _ in range(iterations):
        start, edge, unsatisfied = 0, 0, 0
        for check in range(len(ends)):
            size = ends[check] - start
            for i in range(size):
                bits[i] = columns[start + i]
            start = ends[check]
            bits[size] = dimension + check
            size += 1
            if check:
                bits[size] = dimension + check - 1
                size += 1
            odd, negative, total = False, False, np.float32(0)
            for i in range(size):
                belief = beliefs[bits[i]]
                odd ^= belief < 0
                value = belief - messages[edge + i]
                negative ^= value < 0
                values[i] = value
                terms[i] = table[min(np.int32(abs(value) * np.float32(FINENESS)), last)]
                total += terms[i]
            unsatisfied += odd
            for i in range(size):
                place = np.int32((total - terms[i]) * np.float32(FINENESS))
                message = table[max(0, min(place, last))]
                if negative ^ (values[i] < 0):
                    message = -message
                messages[edge + i] = message
                beliefs[bits[i]] = values[i] + message
            edge += size
        if not unsatisfied:
            return True
    return False
