"""The embedding: bytes in the low residues of the samples of a cover, and out again."""

import math
import os

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from stego_lib.hiding.keyed_order import EVERYBODY

CHUNK = 2**20  # digits at once, a multiple of 8


def capacity_bytes(shape, header, *, bits):
    """Computes how long the body may be.

    Args:
        shape: Of the cover.
        header: Length of the header in bytes.
        bits: Bits of the body in each sample.

    Returns:
        Number of bytes; negative where not even the header fits.
    """
    return (math.prod(shape) - 8 * header) * bits // 8


def embed(cover, header, body, *, bits, seed, fill=True):
    """Embeds a header, one bit a sample at places that need no key, and a body at places that the seed decides.

    The residue of a sample modulo `2**bits` becomes the digit: the nearest value with that residue is taken, and where
    two are equally near, chance decides. The places of a body that is shorter than its room are spread evenly.

    Args:
        cover: uint8 array.
        header: bytes.
        body: bytes, at most `capacity_bytes(cover.shape, len(header), bits=bits)`.
        bits: Bits of the body in each sample, 1 to 4.
        seed: 32 bytes.
        fill: Whether all other samples get random digits, so that they look like those of the body; if not, they remain
            as they are. Defaults to `True`.

    Returns:
        uint8 array of the same shape.

    Raises:
        ValueError: If header and body do not fit.

    Reference:
        [Chan and Cheng, 2004](https://doi.org/10.1016/j.patcog.2003.08.007) (optimal pixel adjustment)
    """
    if len(body) > capacity_bytes(cover.shape, len(header), bits=bits):
        raise ValueError(f"{len(body)} bytes do not fit into {math.prod(cover.shape)} samples of {bits} bits.")
    stego = cover.flatten()
    in_header = _header_places(stego.size, len(header))
    marks = _digits(header, 1)
    if fill:  # the lowest bit is the header's, the others are random
        marks |= np.frombuffer(os.urandom(marks.size), "uint8") & np.uint8(2**bits - 2)
    stego[in_header] = nearest_values(stego[in_header], marks, bits=bits if fill else 1)
    in_body = np.ones(stego.size, bool)
    in_body[in_header] = False
    samples = stego[in_body]
    digits = np.frombuffer(os.urandom(samples.size), "uint8") if fill else samples
    digits = digits & np.uint8(2**bits - 1)
    for start, stop, places in _places(samples.size, -(-8 * len(body) // bits), seed=seed):
        chunk_of_body = body[start * bits // 8 : -(-stop * bits // 8)]
        digits[places] = _digits(chunk_of_body + os.urandom(1), bits)[: stop - start]
    for start in range(0, samples.size, CHUNK):
        chunk = slice(start, start + CHUNK)
        samples[chunk] = nearest_values(samples[chunk], digits[chunk], bits=bits)
    stego[in_body] = samples
    return stego.reshape(cover.shape)


def extract_header(stego, length):
    """Extracts what is where a header would be.

    Args:
        stego: uint8 array.
        length: Of the header in bytes.

    Returns:
        bytes, or `None` where not even a header fits.
    """
    if stego.size < 8 * length:
        return None
    return _bytes(stego.reshape(-1)[_header_places(stego.size, length)], 1)


def extract_body(stego, header, length, *, bits, seed):
    """Extracts a body.

    Args:
        stego: uint8 array.
        header: Length of the header in bytes.
        length: Of the body in bytes, at most `capacity_bytes`.
        bits: Bits in each sample.
        seed: 32 bytes.

    Returns:
        bytes.
    """
    samples = np.delete(stego.reshape(-1), _header_places(stego.size, header))
    places = _places(samples.size, -(-8 * length // bits), seed=seed)
    return b"".join(_bytes(samples[chunk], bits) for _, _, chunk in places)[:length]


def expected_errors(bits):
    """Computes what filling a cover does to it.

    Args:
        bits: Bits in each sample.

    Returns:
        float64 array of shape `(256,)`: the mean squared change of a sample of every value.
    """
    values, digits = np.repeat(np.arange(256, dtype="uint8"), 2**bits), np.tile(np.arange(2**bits), 256)
    return ((nearest_values(values, digits, bits=bits) - values.astype("float64")) ** 2).reshape(256, -1).mean(1)


def nearest_values(samples, digits, *, bits):
    """Finds the values nearest to the samples that have given residues modulo `2**bits`.

    Where two are equally near, chance decides. No value leaves 0 to 255.

    Args:
        samples: uint8 array.
        digits: The residues, uint8 array of the same shape.
        bits: 1 to 8.

    Returns:
        uint8 array of the same shape.
    """
    period = 2**bits
    change = (digits - samples.astype("int16") + period // 2) % period - period // 2
    coins = np.unpackbits(np.frombuffer(os.urandom(-(-samples.size // 8)), "uint8"), count=samples.size)
    moved = samples + change + period * ((change == -period // 2) & (coins.reshape(samples.shape) == 1))
    return (moved + period * (moved < 0) - period * (moved > 255)).astype("uint8")


def _header_places(samples, length):
    return np.concatenate([places for _, _, places in _places(samples, 8 * length, seed=EVERYBODY)])


def _places(samples, number, *, seed):
    """Cuts the samples into as many equal parts as there are digits, and draws one place in each."""
    keystream = Cipher(ChaCha20(seed, bytes(16)), None).encryptor()
    for start in range(0, number, CHUNK):
        stop = min(start + CHUNK, number)
        bounds = np.arange(start, stop + 1) * samples // number
        drawn = np.frombuffer(keystream.update(bytes(4 * (stop - start))), "<u4").astype("int64")
        yield start, stop, bounds[:-1] + (drawn * np.diff(bounds) >> 32)


def _digits(data, bits):
    unpacked = np.unpackbits(np.frombuffer(data, "uint8"))
    digits = unpacked[: unpacked.size // bits * bits].reshape(-1, bits)
    return np.packbits(digits, axis=1)[:, 0] >> (8 - bits)


def _bytes(samples, bits):
    return np.packbits(np.unpackbits(samples[:, None] << (8 - bits), axis=1, count=bits)).tobytes()
