"""How a secret is compressed for a cover: as well as that has room for, or to a quality, at the least rate it needs."""

import contextlib
from typing import NamedTuple

from stego_lib.hiding import adaptive
from stego_lib.hiding.capacity import BITS, GOOD, CapacityError, codec, remedy, stream_capacity
from stego_lib.hiding.detectability import HARDLY, highest_rate
from stego_lib.hiding.payload import ADAPTIVE
from stego_lib.images import image_psnr
from stego_lib.progress import of_part

MARGIN = 1.0  # dB by which an estimate may be wrong,
LONGER = 1.2  # and how many times longer the stream may be than an estimate says


class Choice(NamedTuple):
    """A secret as it will be embedded: the stream, its PSNR in dB, and bits a sample, or `ADAPTIVE`."""

    stream: bytes
    secret_psnr: float
    bits: int


def choose(secret, cover, *, bits, quality, jpeg, progress):
    """Compresses a secret as well as its cover has room for, or to a quality.

    Args:
        secret: uint8 array of shape `(height, width, 3)`.
        cover: uint8 array of shape `(height, width, 3)`.
        bits: As of `hide`.
        quality: As of `hide`.
        jpeg: As of `compress`.
        progress: Called with the part that is done, from 0 to 1.

    Returns:
        `Choice`.

    Raises:
        CapacityError: If the secret does not fit into the cover.
    """
    if quality is not None:
        rates = (adaptive.MOST, *BITS) if bits is None else (bits,)
        return _reaching(secret, cover, rates=rates, quality=quality, jpeg=jpeg, progress=progress)
    if bits is not None:
        return _fitting(secret, cover, rates=(bits,), jpeg=jpeg, progress=progress)
    expected, hardly = codec().estimate_bytes(secret, GOOD, jpeg=jpeg), highest_rate(HARDLY, cover.size / 3)
    if better := compress_better(
        secret, stream_capacity(cover, hardly), expected=expected, jpeg=jpeg, progress=progress
    ):
        return Choice(*better, ADAPTIVE)
    if expected <= LONGER * stream_capacity(cover, adaptive.MOST):
        with contextlib.suppress(CapacityError):
            return _reaching(secret, cover, rates=(adaptive.MOST,), quality=GOOD, jpeg=jpeg, progress=progress)
    expected = codec().estimate(secret, [stream_capacity(cover, number) for number in BITS], jpeg=jpeg)
    rates = [number for number, psnr in zip(BITS, expected, strict=True) if psnr >= GOOD - MARGIN] or [BITS[-1]]
    return _fitting(secret, cover, rates=rates, jpeg=jpeg, progress=progress)


def _reaching(secret, cover, *, rates, quality, jpeg, progress):
    """The secret at a quality, with the least of the rates that it fits into."""
    stream, secret_psnr = compress(secret, quality=quality, jpeg=jpeg, progress=progress)
    rooms = [stream_capacity(cover, rate) for rate in rates]
    for rate, available in zip(rates, rooms, strict=True):
        if len(stream) <= available:
            return Choice(stream, secret_psnr, _in_header(rate))
    raise CapacityError(
        f"The secret needs {len(stream)} bytes at that quality, and with `bits={rates[-1]}` the cover has room for "
        f"{rooms[-1]}: take {remedy(rates[-1])}, or a lower quality."
    )


def _fitting(secret, cover, *, rates, jpeg, progress):
    """The secret at the best quality that fits, with the least of the rates that makes it good, or else the last."""
    from stego_lib.codec.codec import TooFewBytesError

    for rate in rates:
        available = stream_capacity(cover, rate)
        try:
            stream, secret_psnr = compress(secret, max_bytes=available, jpeg=jpeg, progress=progress)
        except TooFewBytesError as error:
            raise CapacityError(
                f"With `bits={rate}` the cover has room for {available} bytes, too few for the secret at any quality: "
                f"take {remedy(rate)}."
            ) from error
        if secret_psnr >= GOOD:
            break
    return Choice(stream, secret_psnr, _in_header(rate))


def compress(secret, *, max_bytes=None, quality=None, jpeg=None, progress=None):
    """Compresses a secret to a number of bytes or to a quality, and looks at what that reveals.

    Args:
        secret: uint8 array of shape `(height, width, 3)`.
        max_bytes: As of `Codec.encode`.
        quality: As of `Codec.encode`.
        jpeg: As of `Codec.encode`.
        progress: Called with the part that is done, from 0 to 1. Defaults to `None`.

    Returns:
        The stream, bytes, and the PSNR of the revealed secret in dB.

    Raises:
        TooFewBytesError: If the secret does not fit into the bytes at any quality.
    """
    stream = codec().encode(secret, max_bytes=max_bytes, quality=quality, jpeg=jpeg, progress=of_part(progress, 0, 0.7))
    revealed = codec().decode(stream, progress=of_part(progress, 0.7, 1))
    return stream, image_psnr(secret, revealed)


def compress_better(secret, room, *, expected, jpeg, progress):
    """Compresses a secret to as many bytes as are hardly found, where 38 dB take fewer.

    A few bytes bring a smooth photograph back at 38 dB, and still blurred.

    Args:
        secret: uint8 array of shape `(height, width, 3)`.
        room: The number of these bytes.
        expected: About how many bytes 38 dB take.
        jpeg: As of `compress`.
        progress: As of `compress`.

    Returns:
        As `compress`; `None` where the secret does not come back at 38 dB.
    """
    from stego_lib.codec.codec import TooFewBytesError

    if expected <= room:
        with contextlib.suppress(TooFewBytesError):
            stream, secret_psnr = compress(secret, max_bytes=room, jpeg=jpeg, progress=progress)
            if secret_psnr >= GOOD:
                return stream, secret_psnr
    return None


def _in_header(rate):
    return rate if isinstance(rate, int) else ADAPTIVE
