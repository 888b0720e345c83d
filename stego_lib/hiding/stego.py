"""Photographs hidden in photographs, as arrays and as files: codec, seal and embedding together."""

import functools
import math
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stego_lib.hiding.filling import capacity_bytes, embed, expected_errors, extract_body, extract_header
from stego_lib.hiding.payload import HEADER, make_payload, open_header
from stego_lib.hiding.seal import TAG, encode_passphrase
from stego_lib.images import (
    MAX_PIXELS,
    check_output,
    check_photograph,
    decode_image,
    encode_image,
    image_psnr,
    read_image,
    write_file,
)

BITS = (1, 2, 3, 4)
GOOD = 37.95  # dB; a secret that comes back like this, at 38.0, needs no more bits
POOR = 28.0  # dB; a secret that comes back worse is hardly worth it
MARGIN = 1.0  # dB by which an estimate may be wrong
SMALLEST = 16  # pixels, side of a cover
LARGEST = 64  # a secret has at most so many times the pixels of its cover


class NothingHiddenError(ValueError):
    """Nothing is hidden in the image, or it was hidden with another passphrase: nobody can tell which."""


class AlteredError(ValueError):
    """The image was altered after the secret had been hidden."""


class CapacityError(ValueError):
    """The secret does not fit into the cover."""


class Hidden(NamedTuple):
    """A stego image, and how good it is: PSNR in dB of cover and secret, bits a sample, bytes embedded."""

    stego: np.ndarray
    bits: int
    num_bytes: int
    cover_psnr: float
    secret_psnr: float


class Capacity(NamedTuple):
    """What a number of bits a sample offers: bytes for the secret, and the PSNR in dB of cover and secret."""

    bits: int
    num_bytes: int
    cover_psnr: float
    secret_psnr: float


def hide(cover, secret, passphrase=None, *, bits=None, quality=None, details=False, progress=None):
    """Hides a photograph in another one of any size.

    The secret is compressed, sealed with the passphrase, and embedded in the low bits of the cover's samples. What was
    embedded is extracted again and compared before it is returned.

    Args:
        cover: uint8 array of shape `(height, width, 3)`, RGB, at least 16x16.
        secret: uint8 array of shape `(height, width, 3)`, RGB, any size up to 64 times the pixels of the cover.
        passphrase: String that is needed to reveal the secret; `None` lets everybody reveal it. Defaults to `None`.
        bits: Bits of every sample that are used, 1 to 4: the cover keeps 51, 46, 41 or 35 dB. Defaults to `None`, the
            fewest with which the secret comes back at 38 dB (37.95) or better, or else 4.
        quality: PSNR in dB at which the secret shall come back. No more samples are used than that takes; fewer
            changes are harder to detect. Defaults to `None`, the best quality that fits.
        details: Whether to return more than the image. Defaults to `False`.
        progress: Called with the part that is done, from 0 to 1. Defaults to `None`.

    Returns:
        The stego image, uint8 array of the cover's shape, to be kept in a lossless file; with `details`, `Hidden`.

    Raises:
        CapacityError: If the secret does not fit into the cover.
        TypeError: If the passphrase is neither a string nor `None`.
        ValueError: If an argument is wrong.

    Example:

    >>> cover, secret = skimage.data.astronaut()[:128, :128], skimage.data.coffee()[:100, :150]
    >>> stego = hide(cover, secret, "correct horse battery staple")
    >>> reveal(stego, "correct horse battery staple").shape
    (100, 150, 3)
    """
    hidden = _hide(cover, secret, passphrase, bits=bits, quality=quality, progress=progress)
    return hidden if details else hidden.stego


def reveal(stego, passphrase=None, *, progress=None):
    """Reveals a photograph that `hide` has hidden.

    Args:
        stego: uint8 array of shape `(height, width, 3)`, exactly as `hide` returned it.
        passphrase: The one that it was hidden with. Defaults to `None`.
        progress: Called with the part that is done, from 0 to 1. Defaults to `None`.

    Returns:
        The secret, uint8 array of shape `(height, width, 3)`.

    Raises:
        NothingHiddenError: If nothing is hidden, or it was hidden with another passphrase.
        AlteredError: If the image was altered since.
        ValueError: If the image was made by a newer version, or the array is of another kind.
    """
    encode_passphrase(passphrase)
    data = _extract(check_photograph("stego", stego), passphrase)
    return _codec().decode(data, max_pixels=_max_pixels(stego.shape), progress=progress)


def hide_file(
    cover_path, secret_path, output_path, passphrase=None, *, bits=None, quality=None, overwrite=False, progress=None
):
    """Hides a photograph file in another one.

    The file is written only after what it will hold has been read and the secret found in it. No metadata of the cover
    are kept: colours are converted to sRGB.

    Args:
        cover_path: Path of the cover: JPEG, PNG, WebP, AVIF, TIFF or BMP.
        secret_path: Path of the secret, likewise.
        output_path: Path of the stego image: `.png`, or another lossless format.
        passphrase: As of `hide`.
        bits: As of `hide`.
        quality: As of `hide`.
        overwrite: Whether an existing file may be replaced; never the cover or the secret. Defaults to `False`.
        progress: As of `hide`.

    Returns:
        `Hidden`.

    Raises:
        CapacityError: If the secret does not fit into the cover.
        OSError: If a file cannot be read or written, or exists.
        ValueError: If a file is not a whole image, the format of the output would destroy the secret, or an argument
            is wrong.
    """
    check_files(output_path, cover_path, secret_path, overwrite=overwrite)
    written = []

    def write(stego):
        written[:] = [encode_image(stego, output_path)]
        return decode_image(written[0])

    cover, secret, content = read_image(cover_path), read_image(secret_path), Path(secret_path).read_bytes()
    jpeg = content if content.startswith(b"\xff\xd8") else None
    hidden = _hide(cover, secret, passphrase, bits=bits, quality=quality, progress=progress, write=write, jpeg=jpeg)
    write_file(output_path, written[0], overwrite=overwrite)
    return hidden


def reveal_file(stego_path, output_path, passphrase=None, *, overwrite=False, progress=None):
    """Reveals the photograph that is hidden in a file.

    Args:
        stego_path: Path of the file that `hide_file` wrote.
        output_path: Path of the revealed image: `.png`, or another lossless format.
        passphrase: As of `reveal`.
        overwrite: Whether an existing file may be replaced; never the stego image. Defaults to `False`.
        progress: As of `reveal`.

    Returns:
        The secret, uint8 array of shape `(height, width, 3)`.

    Raises:
        NothingHiddenError: If nothing is hidden, or it was hidden with another passphrase.
        AlteredError: If the image was altered since.
        OSError: If a file cannot be read or written, or exists.
        ValueError: If the file is not a whole image, was made by a newer version, or the output is not lossless.
    """
    check_files(output_path, stego_path, overwrite=overwrite)
    revealed = reveal(read_image(stego_path, as_stored=True), passphrase, progress=progress)
    write_file(output_path, encode_image(revealed, output_path), overwrite=overwrite)
    return revealed


def capacity(cover, secret=None, *, quality=None):
    """Estimates how good cover and secret will be with every number of bits. Says nothing about what is hidden.

    Args:
        cover: uint8 array of shape `(height, width, 3)`.
        secret: uint8 array of shape `(height, width, 3)`; `None` takes the cover itself for one. Defaults to `None`.
        quality: PSNR in dB at which the secret shall come back, as of `hide`: no more of the cover is changed than that
            takes. Defaults to `None`, the best quality that fits.

    Returns:
        List of `Capacity` for 1 to 4 bits; the PSNR of a secret that does not fit is NaN, and that of one that is known
        to come back exactly infinite. With a quality, the bytes are those that the secret takes.

    Raises:
        CapacityError: If the cover is smaller than 16x16 pixels, or the secret has more than 64 times its pixels.
        ValueError: If an argument is wrong.
    """
    cover = check_photograph("cover", cover)
    secret = cover if secret is None else check_photograph("secret", secret)
    _check_quality(quality)
    capacities = _capacities(cover.shape)
    _check_size(secret, cover)
    values = np.bincount(cover.reshape(-1), minlength=256) / cover.size
    errors = [values @ expected_errors(bits) for bits in BITS]
    if quality is None:
        num_bytes, secret_psnr = capacities, _codec().estimate(secret, capacities)
        used = [1.0] * len(BITS)
    else:
        needed = _codec().estimate_bytes(secret, quality)
        num_bytes = [needed] * len(BITS)
        used = [needed / max(available, 1) for available in capacities]
        secret_psnr = [quality if used_part <= 1 else math.nan for used_part in used]
    cover_psnr = [
        10 * math.log10(255**2 / (error * min(used_part, 1))) for error, used_part in zip(errors, used, strict=True)
    ]
    return list(map(Capacity, BITS, num_bytes, cover_psnr, secret_psnr))


def check_files(output_path, *inputs, overwrite):
    """Makes sure that there are input files, and that the output may be written.

    Args:
        output_path: Path of the output.
        *inputs: Paths of the inputs.
        overwrite: Whether an existing file may be replaced; never an input.

    Raises:
        OSError: If an input or the folder of the output does not exist, or the output exists and may not be replaced.
        ValueError: If the format of the output is not lossless, or the output is an input.
    """
    output_path = Path(output_path)
    for path in inputs:
        if not Path(path).exists():
            raise FileNotFoundError(f"There is no file {path}.")
        if output_path.exists() and output_path.samefile(path):
            raise ValueError(f"{output_path} is the input itself: choose another name for the output.")
    check_output(output_path, overwrite=overwrite)
    if not output_path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {output_path.parent}.")


def _hide(cover, secret, passphrase, *, bits, quality, progress, write=None, jpeg=None):
    """Hides, and compares with what is read from what `write` returns."""
    encode_passphrase(passphrase)  # raises what is wrong with it before anything takes time
    cover, secret = check_photograph("cover", cover), check_photograph("secret", secret)
    if bits is not None and (isinstance(bits, bool) or not isinstance(bits, int) or bits not in BITS):
        raise ValueError(f"`bits` must be 1, 2, 3 or 4. Received: bits={bits}")
    _check_quality(quality)
    capacities = dict(zip(BITS, _capacities(cover.shape), strict=True))
    _check_size(secret, cover)
    if (cover == cover[..., :1]).all():
        warnings.warn(
            "The cover is grey, and the stego image has a little colour, which is easily noticed: take one in colour.",
            stacklevel=3,
        )
    progress = _Progress(progress)
    if quality is not None:
        data = _codec().encode(secret, quality=quality, jpeg=jpeg, progress=progress.between(0, 0.6))
        bits = _fewest(len(data), capacities, bits)
        revealed = _codec().decode(data, progress=progress.between(0.6, 0.9))
    else:
        data, bits, revealed = _best(secret, capacities, bits, jpeg, progress)
    secret_psnr = image_psnr(secret, revealed)
    # Noise in all samples hides how much is used; but what comes back exactly has no use for more.
    fill = quality is None and math.isfinite(secret_psnr)
    payload = make_payload(data, passphrase, bits=bits)
    stego = embed(cover, payload.header, payload.body, bits=bits, seed=payload.seed, fill=fill)
    if _extract(write(stego) if write else stego, passphrase) != data:
        raise AlteredError("What was written is not what is read from it.")
    if secret_psnr < POOR and quality is None:
        warnings.warn(f"The secret will come back at only {secret_psnr:.1f} dB: take {_remedy(bits)}.", stacklevel=3)
    progress.between(0, 1)(1)
    return Hidden(stego, bits, len(data), image_psnr(cover, stego), secret_psnr)


class _Progress:
    """Reports how much is done of several parts of work, and never less than before."""

    def __init__(self, report):
        self._report, self._done = report or (lambda done: None), 0.0

    def between(self, start, end):
        """Makes the function that one part of the work reports to."""

        def report(done):
            self._done = max(self._done, start + done * (end - start))
            self._report(self._done)

        return report


def _fewest(length, capacities, bits):
    """The fewest bits with which so many bytes fit."""
    for number in BITS if bits is None else (bits,):
        if length <= capacities[number]:
            return number
    raise CapacityError(
        f"The secret needs {length} bytes at that quality, and with `bits={number}` the cover has room for "
        f"{capacities[number]}: take {_remedy(number)}, or a lower quality."
    )


def _best(secret, capacities, bits, jpeg, progress):
    """The secret at the best quality that fits: into the bits given, or the fewest that are enough."""
    from stego_lib.codec.codec import TooFewBytesError

    choices = [bits]
    if bits is None:
        expected = _codec().estimate(secret, list(capacities.values()))
        choices = [number for number, psnr in zip(BITS, expected, strict=True) if psnr >= GOOD - MARGIN] or [BITS[-1]]
    for number in choices:
        try:
            data = _codec().encode(secret, max_bytes=capacities[number], jpeg=jpeg, progress=progress.between(0, 0.6))
        except TooFewBytesError as error:
            raise CapacityError(
                f"With `bits={number}` the cover has room for {capacities[number]} bytes, too few for the secret at "
                f"any quality: take {_remedy(number)}."
            ) from error
        revealed = _codec().decode(data, progress=progress.between(0.6, 0.9))
        if image_psnr(secret, revealed) >= GOOD:
            break
    return data, number, revealed


def _remedy(bits):
    return ("" if bits == BITS[-1] else "more bits, ") + "a larger cover or a smaller secret"


def _extract(stego, passphrase):
    """The stream that is hidden in an image."""
    header = open_header(extract_header(stego, HEADER), passphrase)
    if header is None:
        raise NothingHiddenError(
            "Nothing is hidden in this image, or it was hidden with another passphrase, or the image was altered since."
        )
    data = None
    if header.bits in BITS and header.length <= capacity_bytes(stego.shape, HEADER, bits=header.bits):
        body = extract_body(stego, HEADER, header.length, bits=header.bits, seed=header.seal.seed)
        data = header.open_body(body)
    if data is None:
        raise AlteredError("A secret is hidden in this image, but the image was altered since: it cannot be revealed.")
    return data


def _check_quality(quality):
    if quality is not None and not quality > 0:
        raise ValueError(f"`quality` must be a positive number of decibels. Received: quality={quality}")


def _check_size(secret, cover):
    if secret.shape[0] * secret.shape[1] > _max_pixels(cover.shape):
        raise CapacityError(
            f"The secret has more than {LARGEST} times the pixels of the cover: take {_remedy(BITS[-1])}."
        )


def _max_pixels(shape):
    """The most pixels that a secret may have in a cover of this shape: enough, and no bomb."""
    return min(LARGEST * shape[0] * shape[1], MAX_PIXELS)


def _capacities(shape):
    """Bytes that the stream may have, for every number of bits."""
    if min(shape[:2]) < SMALLEST:
        raise CapacityError(f"A cover of {shape[1]}x{shape[0]} pixels is too small: take one of 16x16 pixels or more.")
    return [capacity_bytes(shape, HEADER, bits=bits) - TAG for bits in BITS]


@functools.cache
def _codec():
    from stego_lib.codec.codec import load_codec  # imports Keras: errors that need none come at once

    return load_codec()
