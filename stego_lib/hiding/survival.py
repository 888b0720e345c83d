"""Hiding so that it survives: how much fits, and whether what was hidden comes through."""

import functools
import math
import os
import struct
from typing import NamedTuple

import cv2
import numpy as np

from stego_lib.hiding import robust
from stego_lib.hiding.capacity import POOR, CapacityError, codec, compress
from stego_lib.hiding.error_correction import LONGEST, encode
from stego_lib.hiding.payload import HEADER, LENGTH_BITS, make_payload, open_header
from stego_lib.hiding.robust import LEVELS, QUALITIES, Received
from stego_lib.hiding.seal import TAG
from stego_lib.images import image_psnr

TRIED = 2**20  # pixels of a cover in which room is tried, about
STRIP = 64  # rows
TOLERANCE = 1.01  # of the mean squared error
# What a code loses: a part of its rate, more the shorter it is and the more it has to correct.
LOSS, SHORT, NOISY = 0.012, 1.2, 0.08
LEAST = 64  # bytes; a stream takes about as many for nothing
MOST_NOISE = 75  # designs for up to this quality survive noise of sigma 2, others of sigma 1
TRIALS = 5  # of hiding what did not survive
HARDER = 0.95  # part of the bytes that the next trial gets
FINENESS = 2**-0.25  # of the sizes that a secret is reduced to
WHOLE, REDUCED = b"\0", b"\1"  # what a stream begins with; behind the second are height and width of the secret
SIZE = "<II"


class Survivor(NamedTuple):
    """What was hidden: the stego image as it was written, the stream, and the secret's size and PSNR in dB."""

    stego: np.ndarray
    stream: bytes
    secret_size: tuple
    secret_psnr: float


class Found(NamedTuple):
    """What was found: the stream, the size that the secret had, `None` if it has it still, and the wrong bits' part."""

    stream: bytes
    original_size: tuple
    wrong: float


def check_design(survive, cover_quality):
    """Makes sure that a design is one.

    Args:
        survive: JPEG quality that shall be survived.
        cover_quality: PSNR in dB that the cover shall keep.

    Raises:
        ValueError: If it is not.
    """
    if isinstance(survive, bool) or not isinstance(survive, int) or survive not in QUALITIES:
        raise ValueError(
            f"`survive` must be a JPEG quality from {QUALITIES[0]} to {QUALITIES[-1]}. Received: survive={survive}"
        )
    if not 20 <= cover_quality <= 60:
        raise ValueError(f"`cover_quality` must be from 20 to 60 decibels. Received: cover_quality={cover_quality}")


def hide_surviving(cover, secret, passphrase, *, survive, cover_quality, quality, shrink, jpeg, write, progress):
    """Hides a secret so that it survives, and makes sure that it does.

    Args:
        cover: uint8 array of shape `(height, width, 3)`.
        secret: uint8 array of shape `(height, width, 3)`.
        passphrase: As of `Seal`.
        survive: JPEG quality, one of `QUALITIES`.
        cover_quality: PSNR in dB that the cover keeps.
        quality: PSNR in dB at which the secret comes back, or `None`, the best that fits.
        shrink: Whether a secret that would come back poorly is made smaller.
        jpeg: As of `compress`.
        write: Function from an image to what is read from the file that it is written to.
        progress: Called with the part that is done, from 0 to 1.

    Returns:
        `Survivor`.

    Raises:
        CapacityError: If the secret does not fit, or the cover changes too much on the way.
    """
    highest, limit = room(cover, survive=survive, cover_quality=cover_quality, write=write)
    progress(0.2)
    original, stream = secret.shape[:2], None
    if shrink and quality is None:
        secret = shrunk(secret, limit)
    prefix = WHOLE if secret.shape[:2] == original else REDUCED + struct.pack(SIZE, *original)
    for trial in range(TRIALS):
        if stream is None or len(prefix) + len(stream) > limit:
            stream, secret_psnr = _compressed(
                secret, limit - len(prefix), quality=quality, jpeg=jpeg if prefix == WHOLE else None
            )
        level = math.ceil(highest * (len(prefix) + len(stream) + TAG) / (limit + TAG))
        payload = make_payload(prefix + stream, passphrase, bits=level, design=survive)
        stego = robust.embed(cover, payload.header, payload.body, quality=survive, level=level, seed=payload.seed)
        stego = write(stego)
        progress(0.4 + 0.1 * trial)
        if all(_comes_through(change(stego), payload, level, survive) for change in channels(survive)):
            return Survivor(stego, stream, secret.shape[:2], secret_psnr)
        limit = math.floor(limit * HARDER)
    raise CapacityError(
        f"What is hidden in this cover does not survive JPEG of quality {survive}: too much of it is black, white or "
        "of a pure colour. Take another cover, or a lower `cover_quality`."
    )


def find_surviving(stego, passphrase):
    """Looks for what `hide_surviving` has hidden.

    Args:
        stego: uint8 array of shape `(height, width, 3)`.
        passphrase: As of `Seal`.

    Returns:
        header: `Header`, `None` if none was found.
        found: `Found`, `None` if the body cannot be read.
    """
    received = Received(stego)
    for sealed, distrust in robust.find_headers(received, HEADER):
        header = open_header(sealed, passphrase)
        if header is None:
            continue
        quality, length = header.design_and_length
        if quality not in QUALITIES or 8 * length >= robust.capacity_bits(stego.shape, HEADER, level=header.bits):
            return header, None
        body, wrong = robust.extract_body(
            received, HEADER, length, quality=quality, level=header.bits, seed=header.seal.seed, distrust=distrust
        )
        content = None if body is None else header.open_body(body)
        if content is None:
            return header, None
        if content.startswith(REDUCED):
            size, stream = struct.unpack_from(SIZE, content, 1), content[1 + struct.calcsize(SIZE) :]
            return header, Found(stream, size, wrong)
        return header, Found(content[1:], None, wrong)
    return None, None


def room(cover, *, survive, cover_quality, write=np.copy):
    """Tries how much comes through all that shall be survived.

    Of a large cover a part is tried: strips from top to bottom.

    Args:
        cover: uint8 array of shape `(height, width, 3)`.
        survive: JPEG quality.
        cover_quality: PSNR in dB that the cover keeps.
        write: As of `hide_surviving`.

    Returns:
        level: How many coefficients carry, as of `robust`.
        num_bytes: Length of the stream that they have room for, what tells its size included.

    Raises:
        CapacityError: If there is no room.
    """
    sample = _sample(cover)
    body_bits = functools.partial(robust.capacity_bits, sample.shape, HEADER)
    if not body_bits(level=LEVELS):
        raise CapacityError(
            f"A cover of {cover.shape[1]}x{cover.shape[0]} pixels is too small for what survives: take a larger one."
        )
    squares = robust.expected_errors(sample, HEADER, quality=survive)
    wanted = 255**2 / 10 ** (cover_quality / 10)
    seed, header = os.urandom(32), os.urandom(HEADER)
    for _ in range(2):  # clipping costs more than is expected
        level = int(np.searchsorted(squares, wanted, side="right")) - 1
        if level < 1:
            raise CapacityError(f"There is no room in this cover at `cover_quality={cover_quality}`: take a lower one.")
        length = body_bits(level=level) // 16
        body = os.urandom(length)
        stego = robust.embed(sample, header, body, quality=survive, level=level, seed=seed)
        error = 255**2 / 10 ** (image_psnr(sample, stego) / 10)
        if error <= wanted * TOLERANCE:
            break
        squares *= error / squares[level]
    stego = write(stego)
    signs = 1 - 2.0 * encode(np.unpackbits(np.frombuffer(body, "uint8")), body_bits(level=level))
    rate = min(_information(change(stego), signs, survive, level, seed) for change in channels(survive))
    size = robust.capacity_bits(cover.shape, HEADER, level=level)
    rate -= LOSS + SHORT / math.sqrt(min(size, LONGEST)) + NOISY * (1 - rate)
    num_bytes = math.floor(rate * size / 8) - TAG
    if num_bytes < LEAST:
        raise CapacityError(
            f"There is next to no room in this cover at `cover_quality={cover_quality}`: take a lower one, or a larger "
            "cover, or one with less black, white and pure colours."
        )
    return level, min(num_bytes, 2**LENGTH_BITS - TAG - 1)


def _sample(cover):
    """Strips of a large cover, so many that they have about a million pixels together."""
    strips = len(cover) // STRIP
    number = max(1, min(strips, round(TRIED / (STRIP * cover.shape[1]))))
    if strips <= number:
        return cover
    starts = np.arange(number) * strips // number * STRIP
    return np.concatenate([cover[start : start + STRIP] for start in starts])


def _information(image, signs, survive, level, seed):
    """How many bits a coefficient tells on the average, by the soft values that fit best."""
    received = Received(image)
    lost = [
        np.logaddexp(
            0,
            -signs
            * robust.body_soft_values(received, HEADER, quality=survive, level=level, seed=seed, distrust=distrust),
        ).mean()
        for distrust in robust.DISTRUST
    ]
    return 1 - min(lost) / math.log(2)


def channels(survive):
    """Lists what has to be survived, beginning with nothing at all.

    Args:
        survive: JPEG quality.

    Returns:
        List of functions from an image to an image.
    """
    qualities = [quality for quality in (survive, survive + 3, survive + 7, 90, 95) if survive <= quality <= 100]
    once = [functools.partial(_jpeg, quality=quality) for quality in sorted(set(qualities))]
    full = [functools.partial(_jpeg, quality=quality, subsampled=False) for quality in qualities[:2]]
    pairs = ((survive, survive), (survive + 3, survive), (min(survive + 10, 100), survive), (survive + 3, survive + 3))
    twice = [lambda image, pair=pair: _jpeg(_jpeg(image, pair[0]), pair[1]) for pair in pairs]
    return [np.copy, *once, *full, *twice, functools.partial(_noisy, sigma=2 if survive <= MOST_NOISE else 1)]


def _jpeg(image, quality, *, subsampled=True):
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420 if subsampled else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    file = cv2.imencode(".jpg", image[..., ::-1], options)[1]
    return cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1]


def _noisy(image, sigma):
    values = np.random.default_rng(0).standard_normal(image.shape, "float32")
    return np.clip(np.rint(image + sigma * values), 0, 255).astype("uint8")


def _comes_through(image, payload, level, survive):
    received = Received(image)
    length = len(payload.body)
    for header, distrust in robust.find_headers(received, HEADER, qualities=(survive,)):
        if header == payload.header:
            how = {"quality": survive, "level": level, "seed": payload.seed, "distrust": distrust}
            return robust.extract_body(received, HEADER, length, **how)[0] == payload.body
    return False


def _compressed(secret, limit, *, quality, jpeg):
    """The stream of a secret, at a quality or at the best that fits, and its PSNR in dB."""
    from stego_lib.codec.codec import TooFewBytesError

    try:
        stream, secret_psnr = compress(secret, max_bytes=None if quality else limit, quality=quality, jpeg=jpeg)
    except TooFewBytesError:
        stream = None
    if stream is None or len(stream) > limit:
        needed = "more" if stream is None else f"{len(stream)} bytes"
        raise CapacityError(
            f"The cover has room for {limit} bytes that survive, and the secret needs {needed}: take a larger cover, a "
            "lower `cover_quality`, or a smaller secret; `shrink=True` makes it smaller."
        )
    return stream, secret_psnr


def shrunk(secret, num_bytes):
    """Makes a secret so small that it comes back at 28 dB or better.

    Args:
        secret: uint8 array of shape `(height, width, 3)`.
        num_bytes: The room that there is.

    Returns:
        uint8 array, the secret itself if it is small enough.
    """
    smaller, (height, width) = secret, secret.shape[:2]
    while not codec().estimate(smaller, [num_bytes])[0] >= POOR and min(height, width) > 16:
        height, width = round(height * FINENESS), round(width * FINENESS)
        smaller = cv2.resize(secret, (width, height), interpolation=cv2.INTER_AREA)
    return smaller
