"""How much fits into a cover, and how much of it a secret gets."""

import functools
import math
from typing import NamedTuple

import numpy as np

from stego_lib.hiding import adaptive, filling
from stego_lib.hiding.detectability import area_under_roc
from stego_lib.hiding.payload import HEADER
from stego_lib.hiding.seal import TAG
from stego_lib.images import MAX_PIXELS, check_photograph

BITS = (1, 2, 3, 4)  # that filling puts into every sample
FRACTIONS = (0.05, 0.1, 0.2, 0.3)  # of a bit a sample, that adaptive embedding is shown for
POOR = 28.0  # dB; a secret that comes back worse is hardly worth it
GOOD = 37.95  # dB; a secret that comes back like this, at 38.0, needs no more bits
SMALLEST = 16  # pixels, side of a cover
LARGEST = 64  # a secret has at most so many times the pixels of its cover


class CapacityError(ValueError):
    """The secret does not fit into the cover."""


class Capacity(NamedTuple):
    """What bits a sample offer.

    Bytes for the secret, the fraction of the samples that change, the PSNR in dB of cover and secret, and how easily it
    is found: the area under the ROC curve that `area_under_roc` tells.
    """

    bits: float
    num_bytes: int
    changed: float
    cover_psnr: float
    secret_psnr: float
    roc_auc: float


def capacity(cover, secret=None, *, quality=None, jpeg=None):
    """Estimates how good cover and secret will be with several rates. Says nothing about what is hidden.

    Args:
        cover: uint8 array of shape `(height, width, 3)`.
        secret: uint8 array of shape `(height, width, 3)`; `None` takes the cover itself for one. Defaults to `None`.
        quality: PSNR in dB at which the secret shall come back, as of `hide`: no more of the cover is changed than that
            takes. Defaults to `None`, the best quality that fits.
        jpeg: bytes of the JPEG file that the secret was read from, which `hide_file` may hide as it is. Defaults to
            `None`.

    Returns:
        List of `Capacity` for 0.05, 0.1, 0.2 and 0.3 bits a sample, embedded adaptively, and for 1 to 4 bits. The PSNR
        of a secret that does not fit is NaN, and that of one that is known to come back exactly infinite; where the
        pixels of the cover cannot carry so much, all but the bytes is NaN. With a quality, the bytes are those that the
        secret takes.

    Raises:
        CapacityError: If the cover is smaller than 16x16 pixels, or the secret has more than 64 times its pixels.
        ValueError: If an argument is wrong.
    """
    cover = check_photograph("cover", cover)
    secret = cover if secret is None else check_photograph("secret", secret)
    check_quality(quality)
    check_size(secret, cover)
    rates = (*FRACTIONS, *BITS)
    rooms = [stream_capacity(cover, bits) for bits in rates]
    num_bytes, secret_psnr, embedded = streams_for(secret, rooms, quality=quality, jpeg=jpeg)
    full = [quality is None and not math.isinf(psnr) for psnr in secret_psnr]  # as `hide` fills
    changed, cover_psnr = zip(*_effects(cover, embedded, rooms=rooms, full=full), strict=True)
    areas = [
        area_under_roc(
            8 * length / cover.size, cover.size / 3, embedding="uniform" if isinstance(bits, int) else "adaptive"
        )
        if math.isfinite(part)
        else math.nan
        for bits, length, part in zip(rates, embedded, changed, strict=True)
    ]
    return list(map(Capacity, rates, num_bytes, changed, cover_psnr, secret_psnr, areas))


def streams_for(secret, rooms, *, quality, jpeg):
    """Estimates what a secret takes where there is more room or less.

    Args:
        secret: uint8 array of shape `(height, width, 3)`.
        rooms: List of numbers of bytes that a stream may have.
        quality: As of `capacity`.
        jpeg: As of `capacity`.

    Returns:
        num_bytes: List of numbers of bytes: of the room, or of what the secret takes at that quality.
        secret_psnr: List of PSNR in dB, NaN where the secret does not fit.
        embedded: List of numbers of bytes that are embedded, header and seal together with what fits.
    """
    if quality is None:
        num_bytes, secret_psnr = rooms, codec().estimate(secret, rooms, jpeg=jpeg)
        needed = codec().estimate_bytes(secret, math.inf, jpeg=jpeg) if math.inf in secret_psnr else math.inf
    else:
        needed = codec().estimate_bytes(secret, quality, jpeg=jpeg)
        num_bytes = [needed] * len(rooms)
        secret_psnr = [quality if needed <= available else math.nan for available in rooms]
    embedded = [HEADER + TAG + min(needed, available) for available in rooms]
    return num_bytes, secret_psnr, embedded


def stream_capacity(cover, bits):
    """Computes how long a stream may be.

    Args:
        cover: uint8 array of shape `(height, width, 3)`.
        bits: Bits a sample: an integer from 1 to 4 for filling, a float up to 1 for adaptive embedding.

    Returns:
        Number of bytes.
    """
    if isinstance(bits, int):
        return filling.capacity_bytes(cover.shape, HEADER, bits=bits) - TAG
    wanted = math.floor(bits * cover.size / 8) - HEADER
    return max(min(wanted, adaptive.capacity_bytes(cover, HEADER)) - TAG, 0)


def check_bits(bits):
    """Makes sure that bits a sample are a rate.

    Args:
        bits: As of `hide`.

    Raises:
        ValueError: If they are neither an integer from 1 to 4, nor a float up to 1, nor `None`.
    """
    is_fraction = isinstance(bits, float) and 0 < bits <= 1
    is_whole = isinstance(bits, int) and not isinstance(bits, bool) and bits in BITS
    if bits is not None and not is_fraction and not is_whole:
        raise ValueError(f"`bits` must be 1, 2, 3 or 4, or a fraction of a bit such as 0.1. Received: bits={bits}")


def check_quality(quality):
    """Makes sure that a quality is one.

    Args:
        quality: As of `hide`.

    Raises:
        ValueError: If it is not.
    """
    if quality is not None and not quality > 0:
        raise ValueError(f"`quality` must be a positive number of decibels. Received: quality={quality}")


def check_find_at_most(area, *, bits):
    """Makes sure that how easily something may be found is said right.

    Args:
        area: As of `hide`.
        bits: As of `hide`.

    Raises:
        ValueError: If it is no area under a ROC curve, or bits are given, too.
    """
    if area is None:
        return
    if not 0.5 < area < 1:
        raise ValueError(f"`find_at_most` must be more than 0.5 and less than 1. Received: find_at_most={area}")
    if bits is not None:
        raise ValueError("`bits` and `find_at_most` both say how much is embedded: choose one of them.")


def check_size(secret, cover):
    """Makes sure that a cover is no smaller, and a secret no larger than they may be.

    Args:
        secret: uint8 array of shape `(height, width, 3)`.
        cover: uint8 array of shape `(height, width, 3)`.

    Raises:
        CapacityError: If they are.
    """
    height, width, _ = cover.shape
    if min(height, width) < SMALLEST:
        raise CapacityError(f"A cover of {width}x{height} pixels is too small: take one of 16x16 pixels or more.")
    if (times := secret.shape[0] * secret.shape[1] / max_pixels(cover.shape)) > 1:
        height, width = (math.floor(size / math.sqrt(times)) for size in secret.shape[:2])
        raise CapacityError(
            f"The secret has more than {LARGEST} times the pixels of the cover: make it {width}x{height} pixels or "
            "smaller, or take a larger cover."
        )


def max_pixels(shape):
    """Computes the most pixels that a secret may have; a forged stream with more could fill the memory.

    Args:
        shape: Of the cover.

    Returns:
        Number of pixels.
    """
    return min(LARGEST * shape[0] * shape[1], MAX_PIXELS)


def remedy(bits):
    """Says what helps where a secret does not fit.

    Args:
        bits: Bits a sample that were used.

    Returns:
        String.
    """
    return ("" if bits == BITS[-1] else "more bits, ") + "a larger cover or a smaller secret"


@functools.cache
def codec():
    """Loads the codec that comes with the library.

    Returns:
        `Codec`.
    """
    from stego_lib.codec.codec import load_codec  # imports Keras: errors that need none come at once

    return load_codec()


def _effects(cover, num_bytes, *, rooms, full):
    """What embedding does to a cover, for every rate: the fraction of samples that change, and the PSNR in dB.

    Both are NaN where there is no room for adaptive embedding. Where it is full, all samples are filled.
    """
    adaptively = adaptive.Embedding(cover).expected_effect(num_bytes[: len(FRACTIONS)])[:, 0]
    adaptively = np.where(rooms[: len(FRACTIONS)], adaptively, np.nan)
    effects = [(changed, changed) for changed in adaptively]  # by 1, whose square is 1
    values = np.bincount(cover.reshape(-1), minlength=256) / cover.size
    for bits, length, is_full in zip(BITS, num_bytes[len(FRACTIONS) :], full[len(FRACTIONS) :], strict=True):
        used = 1 if is_full else 8 * length / bits / cover.size
        effects.append((used * (1 - 2.0**-bits), used * values @ filling.expected_errors(bits)))
    return [(changed, 10 * math.log10(255**2 / error)) for changed, error in effects]
