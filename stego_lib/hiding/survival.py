"""Hiding so that it survives: how much fits into a cover, and whether what is hidden comes through."""

import functools
import itertools
import math
import os
import warnings
from typing import NamedTuple

import cv2
import numpy as np

from stego_lib.hiding import carriers, robust
from stego_lib.hiding.capacity import POOR, CapacityError, codec
from stego_lib.hiding.channels import channels
from stego_lib.hiding.choice import compress
from stego_lib.hiding.error_correction import LONGEST, encode
from stego_lib.hiding.finding import check_written
from stego_lib.hiding.jpeg_blocks import SIDE
from stego_lib.hiding.outcome import Hidden
from stego_lib.hiding.payload import HEADER, LENGTH_BITS, make_payload, pack_size
from stego_lib.hiding.seal import TAG
from stego_lib.images import image_psnr

COVER_QUALITY = 38.0  # dB that a cover keeps by default
TRIED = 2**20  # pixels of a cover in which room is tried, about
STRIP = 64  # rows
TOLERANCE = 1.01  # of the mean squared error
# What codes lose of their rate, in bits a coefficient:
LOSS = 0.012  # every one
SHORT = 1.2  # divided by the square root of its length, since short codes are worse
NOISY = 0.1  # times the part of the bits that it has to make up for
MANY = 0.025  # where there are several, all of which have to be corrected
LEAST = 64  # bytes; the smallest streams are about as long
TRIALS = 5  # of hiding what did not survive
EASIER = 0.03  # bits a coefficient more than the hardest change leaves: nothing that large covers must be tried with
SMALLER = 0.95  # part of the bytes that the next trial gets,
HIGHER = 0.05  # and the part by which more coefficients carry them, times the square of the number of the trial
FINENESS = 2**-0.25  # of the sizes that a secret is reduced to
SMALLEST = 16  # pixels of its shorter side


class Design(NamedTuple):
    """What a secret shall survive, JPEG of this quality, and the PSNR in dB that the cover keeps; whether to shrink."""

    quality: int
    cover_quality: float
    shrink: bool


def make_design(survive, *, cover_quality, shrink, bits, fit=None):
    """Makes a design of the arguments of `hide`.

    Args:
        survive: As of `hide`.
        cover_quality: As of `hide`.
        shrink: As of `hide`.
        bits: As of `hide`.
        fit: As of `hide_file`. Defaults to `None`.

    Returns:
        `Design`; `None` where nothing has to survive.

    Raises:
        ValueError: If they are wrong, or do not go together.
    """
    if survive is None:
        for name, value in ("cover_quality", cover_quality), ("shrink", shrink), ("fit", fit):
            if value not in (None, False):
                raise ValueError(f"`{name}` is for a secret that has to survive: `survive=75` says what.")
        return None
    if bits is not None:
        raise ValueError("`bits` is for a secret that need not survive: leave it out, or `survive`.")
    low, high = robust.QUALITIES[0], robust.QUALITIES[-1]
    if isinstance(survive, bool) or not isinstance(survive, int) or not low <= survive <= high:
        raise ValueError(f"`survive` must be a JPEG quality from {low} to {high}, not {survive}.")
    cover_quality = COVER_QUALITY if cover_quality is None else cover_quality
    if not 20 <= cover_quality <= 60:
        raise ValueError(f"`cover_quality` must be from 20 to 60 decibels. Received: cover_quality={cover_quality}")
    if fit is not None and fit < SIDE:
        raise ValueError(f"`fit` must be a number of pixels, at least {SIDE}. Received: fit={fit}")
    return Design(survive, cover_quality, shrink)


def hide_surviving(cover, secret, *, passphrase, design, quality, jpeg, write, progress):
    """Hides a secret so that it survives, and makes sure that it does.

    Args:
        cover: uint8 array of shape `(height, width, 3)`.
        secret: uint8 array of shape `(height, width, 3)`.
        passphrase: As of `Seal`.
        design: `Design`.
        quality: PSNR in dB at which the secret comes back, or `None`, the best that fits.
        jpeg: As of `compress`.
        write: Function from an image to what is read from the file that it is written to.
        progress: `Progress`.

    Returns:
        `Hidden`, with the stego image as it was written.

    Raises:
        CapacityError: If the secret does not fit, or the cover changes too much on the way.
    """
    room, hardest = robust_capacity(cover, design, write=write, progress=progress.between(0, 0.2))
    smaller = _shrunk(secret, int(room[-1])) if design.shrink and quality is None else secret
    pack = functools.partial(pack_size, size=None if smaller is secret else secret.shape[:2])
    overhead, content = len(pack(b"")), None
    for trial in range(TRIALS):
        limit = int(room[-1])
        if content is None or len(content) > limit:
            how = {"quality": quality, "jpeg": jpeg if smaller is secret else None}
            stream, secret_psnr = _compressed(smaller, limit - overhead, **how, progress=progress.between(0.2, 0.5))
            content = pack(stream)
        level = math.ceil(np.searchsorted(room, len(content)) * (1 + HIGHER * trial**2))
        level = min(level, len(room) - 1)
        payload = make_payload(content, passphrase, bits=level, design=design.quality)
        setting = {"level": level, "quality": design.quality}
        stego = write(robust.embed(cover, payload.header, payload.body, **setting, seed=payload.seed))
        if _survives(stego, payload, **setting, changes=hardest[level], progress=progress.between(0.6, 0.95)):
            break
        room = room * SMALLER
    else:
        raise CapacityError(
            f"What is hidden in this cover does not survive JPEG of quality {design.quality}, after {TRIALS} trials: "
            "take another cover, a lower `cover_quality`, or a smaller secret."
        )
    check_written(stego, passphrase, stream)
    if secret_psnr < POOR and quality is None and not design.shrink:
        _warn(smaller, secret_psnr, num_bytes=limit)
    progress.between(0, 1)(1)
    embedded, changed = 8 * (HEADER + len(payload.body)) / cover.size, float(np.mean(stego != cover))
    return Hidden(stego, embedded, len(stream), changed, image_psnr(cover, stego), secret_psnr, smaller.shape[:2])


def robust_capacity(cover, design, *, write=np.copy, progress=None):
    """Tries how much comes through all that shall be survived; of a large cover, in strips from top to bottom.

    Args:
        cover: uint8 array of shape `(height, width, 3)`.
        design: `Design`.
        write: As of `hide_surviving`. Defaults to what changes nothing.
        progress: Called with the part that is done, from 0 to 1. Defaults to `None`.

    Returns:
        room: float64 array: for every level of `robust` from 0 to the highest that leaves the cover its quality, the
            length in bytes of the stream that there is room for, what tells its size included.
        hardest: For every level a list of functions: all `channels`, or of those for a large cover the hardest to come
            through.

    Raises:
        CapacityError: If there is no room.
    """
    sample = _sample(cover)
    highest, stego, body, seed = _tried(sample, design, write=write)
    size = carriers.capacity_bits(sample.shape, HEADER, level=highest)
    signs = 1 - 2.0 * encode(np.unpackbits(np.frombuffer(body, "uint8")), size)
    how = {"quality": design.quality, "level": highest, "seed": seed}
    changes, rates = channels(design.quality), []
    for change in changes:
        rates.append(_information(change(stego), signs, **how))
        if progress:
            progress(len(rates) / len(changes))
    rate = np.min(rates, axis=0)
    hard = np.array(rates) <= rate + (math.inf if sample is cover else EASIER)
    size = np.array([carriers.capacity_bits(cover.shape, HEADER, level=level) for level in range(highest + 1)])
    rate -= LOSS + SHORT / np.sqrt(np.clip(size, 1, LONGEST)) + NOISY * (1 - rate) + MANY * (size > LONGEST)
    num_bytes = np.minimum(np.floor(rate * size / 8) - TAG, 2**LENGTH_BITS - TAG - 1)
    if num_bytes.max() < LEAST:
        raise CapacityError(
            f"This cover has hardly any room at `cover_quality={design.cover_quality}`: take a lower one, or a larger "
            "cover, or one with less black, white and pure colours."
        )
    return np.maximum.accumulate(num_bytes), [list(itertools.compress(changes, column)) for column in hard.T]


def _sample(cover):
    """Strips of a large cover, so many that they have about a million pixels together."""
    strips = len(cover) // STRIP
    number = max(1, round(TRIED / (STRIP * cover.shape[1])))
    if strips <= number:
        return cover
    starts = np.arange(number) * strips // number * STRIP
    return np.concatenate([cover[start : start + STRIP] for start in starts])


def _tried(cover, design, *, write):
    """The highest level that leaves the cover its quality, and something random embedded with it."""
    if not carriers.capacity_bits(cover.shape, HEADER, level=carriers.LEVELS):
        raise CapacityError(
            f"A cover of {cover.shape[1]}x{cover.shape[0]} pixels is too small for what survives: take a larger one."
        )
    squares = robust.expected_errors(cover, HEADER, quality=design.quality)
    allowed = 255**2 / 10 ** (design.cover_quality / 10)
    seed, header = os.urandom(32), os.urandom(HEADER)
    while (level := int(np.searchsorted(squares, allowed, side="right")) - 1) > 0:
        body = os.urandom(max(1, carriers.capacity_bits(cover.shape, HEADER, level=level) // 16))
        stego = write(robust.embed(cover, header, body, quality=design.quality, level=level, seed=seed))
        error = 255**2 / 10 ** (image_psnr(cover, stego) / 10)
        if error <= allowed * TOLERANCE:
            return level, stego, body, seed
        squares += error - squares[level]  # what clipping costs, and writing a JPEG file
    raise CapacityError(
        f"What survives leaves this cover less than `cover_quality={design.cover_quality}`: take a lower one, or a "
        "larger cover, or one with less black, white and pure colours."
    )


def _information(image, signs, *, quality, level, seed):
    """How many bits a coefficient tells on the average, for every level up to this, by the best soft values."""
    received, how = robust.Received(image), {"quality": quality, "level": level, "seed": seed}
    kinds = carriers.body_places(image.shape, HEADER, **how)[1]
    told, number = np.zeros(level + 1), np.bincount(kinds).cumsum()
    used = np.arange(level + 1) * number[-1] / level
    for distrust in robust.DISTRUST:
        soft = robust.body_soft_values(received, HEADER, **how, distrust=distrust)
        bits = np.bincount(kinds, 1 - np.logaddexp(0, -signs * soft) / math.log(2)).cumsum()
        told = np.maximum(told, np.interp(used, [0, *number], [0, *bits]) / np.maximum(used, 1))
    return told


def _survives(stego, payload, *, level, quality, changes, progress):
    for number, change in enumerate(changes, 1):
        if not _comes_through(change(stego), payload, level=level, quality=quality):
            return False
        progress(number / len(changes))
    return True


def _comes_through(image, payload, *, level, quality):
    received = robust.Received(image)
    for header, distrust in robust.find_headers(received, HEADER, qualities=(quality,)):
        if header == payload.header:
            how = {"quality": quality, "level": level, "seed": payload.seed, "distrust": distrust}
            return robust.extract_body(received, HEADER, len(payload.body), **how)[0] == payload.body
    return False


def _compressed(secret, limit, *, quality, jpeg, progress):
    """The stream of a secret, at a quality or at the best that fits, and its PSNR in dB."""
    from stego_lib.codec.codec import TooFewBytesError

    try:
        max_bytes = None if quality else limit
        stream, secret_psnr = compress(secret, max_bytes=max_bytes, quality=quality, jpeg=jpeg, progress=progress)
    except TooFewBytesError:
        stream = None
    if stream is None or len(stream) > limit:
        needed = "more at any quality" if stream is None else f"{len(stream)} at that quality"
        raise CapacityError(
            f"The cover has room for {limit} bytes that survive, and the secret needs {needed}: take a larger cover, a "
            "lower `cover_quality`, or a smaller secret; `shrink=True` makes it smaller."
        )
    return stream, secret_psnr


def _shrunk(secret, num_bytes):
    """The secret, so small that it comes back at 28 dB or better; the very array if it is small enough."""
    smaller, (height, width) = secret, secret.shape[:2]
    while not codec().estimate(smaller, [num_bytes])[0] >= POOR and min(height, width) > SMALLEST:
        height, width = max(1, round(height * FINENESS)), max(1, round(width * FINENESS))
        smaller = cv2.resize(secret, (width, height), interpolation=cv2.INTER_AREA)
    return smaller


def _warn(secret, secret_psnr, *, num_bytes):
    height, width = _shrunk(secret, num_bytes).shape[:2]
    warnings.warn(
        f"The secret will come back at only {secret_psnr:.1f} dB: take a larger cover, or a secret of about "
        f"{width}x{height} pixels; `shrink=True` makes it so small.",
        stacklevel=5,
    )
