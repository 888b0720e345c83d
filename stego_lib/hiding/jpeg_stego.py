"""Photographs hidden in JPEG files, which stay JPEG files: codec, seal and coefficients together."""

import math
import warnings

import numpy as np

from stego_lib.formats import UnsupportedFileError
from stego_lib.hiding.capacity import (
    GOOD,
    POOR,
    Capacity,
    CapacityError,
    check_find_at_most,
    check_quality,
    check_size,
    codec,
    streams_for,
)
from stego_lib.hiding.choice import LONGER, compress, compress_better
from stego_lib.hiding.detectability import HARDLY, area_under_roc, highest_rate
from stego_lib.hiding.jpeg import (
    MOST,
    capacity_bytes,
    choose_band,
    embed,
    expected_effect,
    extract_body,
    extract_header,
    num_nonzero,
)
from stego_lib.hiding.jpeg_file import JPEG_SIGNATURE, read_if_jpeg, read_jpeg, write_jpeg
from stego_lib.hiding.jpeg_metadata import choose_metadata
from stego_lib.hiding.outcome import NOT_READ_BACK, AlteredError, Hidden
from stego_lib.hiding.payload import HEADER, make_payload, open_header
from stego_lib.hiding.seal import TAG
from stego_lib.hiding.viterbi import NoSolutionError
from stego_lib.images import check_photograph, decode_image, image_psnr, read_image
from stego_lib.progress import Progress

REMEDY = "a larger cover, a smaller secret, or an output that ends in .png"
RATES = (0.05, 0.1, 0.2, 0.4)  # bits for every AC coefficient that is not 0, for which capacity is shown


def hide_in_jpeg(
    cover_path, secret, *, output_path, passphrase, bits, quality, find_at_most, keep_metadata, jpeg, progress
):
    """Hides a photograph in a JPEG file. What is returned has been read again, and the secret was found in it.

    Args:
        cover_path: As of `hide_file`.
        secret: uint8 array of shape `(height, width, 3)`.
        output_path: As of `hide_file`; only for errors.
        passphrase: As of `hide_file`.
        bits: As of `hide_file`.
        quality: As of `hide_file`.
        find_at_most: As of `hide_file`.
        keep_metadata: As of `hide_file`.
        jpeg: The secret as a JPEG file, bytes, or `None`.
        progress: As of `hide_file`.

    Returns:
        bytes of the stego image, and `Hidden`.

    Raises:
        CapacityError: If the secret does not fit into the cover.
        OSError: If a file cannot be read.
        ValueError: If the cover is no JPEG file, or one whose coefficients can not be read, or an argument is wrong.
    """
    _check_bits(bits)
    check_quality(quality)
    check_find_at_most(find_at_most, bits=bits)
    content = read_if_jpeg(cover_path)
    if content is None:
        raise ValueError(
            f"{output_path} would be a JPEG file, and {cover_path} is none: take a JPEG file as the cover, just as the "
            "camera wrote it, or choose an output that ends in .png."
        )
    picture = read_image(cover_path, as_stored=True)
    check_size(secret, picture)
    try:
        cover = read_jpeg(content)
    except UnsupportedFileError as error:
        raise UnsupportedFileError(f"{cover_path} cannot be the cover of a JPEG file: {error}.") from error
    if cover.trailing:
        warnings.warn(
            f"What follows the picture in {cover_path}, such as a second picture or a video, is not kept.", stacklevel=3
        )
    cover = cover._replace(segments=choose_metadata(cover.segments, keep=keep_metadata))
    num_pixels = picture.size / 3
    if find_at_most is not None:
        bits = highest_rate(find_at_most, num_pixels, embedding="jpeg")
    how = {"bits": bits, "quality": quality, "hardly": highest_rate(HARDLY, num_pixels, embedding="jpeg"), "jpeg": jpeg}
    progress = Progress(progress)
    stream, secret_psnr = _choose(secret, cover, **how, report=progress.between(0, 0.6))
    written, blocks = _write(cover, stream, passphrase=passphrase, report=progress.between(0.6, 0.95))
    stego = decode_image(written)
    rate = 8 * (HEADER + TAG + len(stream)) / num_nonzero(cover)
    changed = np.count_nonzero(blocks != cover.blocks) / blocks.size
    if secret_psnr < POOR and quality is None:
        warnings.warn(f"The secret will come back at only {secret_psnr:.1f} dB: take {REMEDY}.", stacklevel=3)
    progress.between(0, 1)(1)
    area = area_under_roc(rate, num_pixels, embedding="jpeg")
    qualities = image_psnr(picture, stego), secret_psnr
    return written, Hidden(stego, rate, len(stream), changed, *qualities, secret.shape[:2], area)


def _write(cover, stream, *, passphrase, report):
    """The stego image with a stream, bytes, of which it was read again; and its coefficients."""
    band = choose_band(cover, HEADER + TAG + len(stream))
    payload = make_payload(stream, passphrase, bits=band)
    try:
        blocks = embed(cover, payload.header, payload.body, band=band, seed=payload.seed, progress=report)
    except NoSolutionError as error:
        raise CapacityError(f"Too much of the cover is flat for {len(stream)} bytes: take {REMEDY}.") from error
    written = write_jpeg(cover, blocks)
    reread = read_jpeg(written)
    if not np.array_equal(reread.blocks, blocks) or _extract(reread, passphrase) != stream:
        raise AlteredError(NOT_READ_BACK)
    return written, blocks


def _choose(secret, cover, *, bits, quality, hardly, jpeg, report):
    """The stream of the secret and its PSNR: to a quality, or as good as there is room for; `hardly`: a rate."""
    from stego_lib.codec.codec import TooFewBytesError

    def room_at(rate):
        return max(capacity_bytes(cover, HEADER, rate=rate) - TAG, 0)

    room, expected = room_at(MOST if bits is None else min(bits, MOST)), math.inf
    if quality is None and bits is None:
        expected = codec().estimate_bytes(secret, GOOD, jpeg=jpeg)
        if better := compress_better(secret, room_at(hardly), expected=expected, jpeg=jpeg, progress=report):
            return better
    if quality is not None or expected <= LONGER * room:
        stream, secret_psnr = compress(secret, quality=quality or GOOD, jpeg=jpeg, progress=report)
        if len(stream) <= room:
            return stream, secret_psnr
        if quality is not None:
            raise CapacityError(
                f"The secret needs {len(stream)} bytes at that quality, and in {num_nonzero(cover)} coefficients that "
                f"are not 0 there is room for {room}: take a lower quality, or {REMEDY}."
            )
    try:
        return compress(secret, max_bytes=room, jpeg=jpeg, progress=report)
    except TooFewBytesError as error:
        raise CapacityError(
            f"In {num_nonzero(cover)} coefficients that are not 0 there is room for {room} bytes, too few for "
            f"the secret at any quality: take {REMEDY}."
        ) from error


def _check_bits(bits):
    if bits is not None and not (isinstance(bits, float) and 0 < bits <= 1):
        raise ValueError(
            f"In a JPEG file, `bits` must be a fraction such as 0.1: bits for every coefficient that is not 0. "
            f"Received: bits={bits}"
        )


def _extract(file, passphrase):
    header = open_header(extract_header(file, HEADER), passphrase)
    if header is None:
        return None
    try:
        body = extract_body(file, HEADER, header.length, band=header.bits, seed=header.seal.seed)
    except ValueError:  # the header was made for something else
        body = b""
    stream = header.open_body(body)
    if stream is None:
        raise AlteredError("A secret is hidden in this file, but the file was altered since: it cannot be revealed.")
    return stream


def reveal_from_jpeg(content, passphrase):
    """Extracts the stream that is hidden in the coefficients of a file, if that is a JPEG file.

    Args:
        content: bytes of any file.
        passphrase: As of `reveal`.

    Returns:
        bytes, or `None` if nothing is hidden there, or it was hidden with another passphrase.

    Raises:
        AlteredError: If the file was altered since.
        ValueError: If the file was made by a newer version.
    """
    if not content.startswith(JPEG_SIGNATURE):
        return None
    try:
        file = read_jpeg(content)
    except UnsupportedFileError:  # then nothing was hidden in its coefficients
        return None
    return _extract(file, passphrase)


def jpeg_capacity(content, secret=None, *, quality=None, jpeg=None):
    """Estimates how good cover and secret will be with several rates.

    Args:
        content: bytes of the cover, a JPEG file.
        secret: uint8 array of shape `(height, width, 3)`; `None` takes the cover itself for one. Defaults to `None`.
        quality: PSNR in dB at which the secret shall come back. Defaults to `None`, the best quality that fits.
        jpeg: As of `capacity`. Defaults to `None`.

    Returns:
        List of `Capacity` for 0.05, 0.1, 0.2, 0.4 and 0.6 bits for every AC coefficient that is not 0. The PSNR of
        a secret that does not fit is NaN. With a quality, the bytes are those that the secret takes.

    Raises:
        CapacityError: If the cover is smaller than 16x16 pixels, or the secret has more than 64 times its pixels.
        UnsupportedFileError: If the coefficients of the cover can not be read; the text is a reason, not a sentence.
        ValueError: If an argument is wrong.
    """
    check_quality(quality)
    cover, picture = read_jpeg(content), decode_image(content)
    secret = picture if secret is None else check_photograph("secret", secret)
    check_size(secret, picture)
    rates = (*RATES, MOST)
    rooms = [max(capacity_bytes(cover, HEADER, rate=rate) - TAG, 0) for rate in rates]
    num_bytes, secret_psnr, embedded = streams_for(secret, rooms, quality=quality, jpeg=jpeg)
    changed, errors = expected_effect(cover, embedded).T
    cover_psnr = [10 * math.log10(255**2 / error) for error in errors]
    coefficients = max(num_nonzero(cover), 1)
    areas = [
        area_under_roc(8 * length / coefficients, picture.size / 3, embedding="jpeg")
        if math.isfinite(error)
        else math.nan
        for length, error in zip(embedded, errors, strict=True)
    ]
    return list(map(Capacity, rates, num_bytes, changed, cover_psnr, secret_psnr, areas))
