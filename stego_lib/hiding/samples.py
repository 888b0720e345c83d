"""Photographs hidden in the samples of others: codec, seal and embedding together."""

import math
import warnings

import numpy as np

from stego_lib.hiding import adaptive, filling
from stego_lib.hiding.capacity import (
    POOR,
    CapacityError,
    check_bits,
    check_find_at_most,
    check_quality,
    check_size,
    codec,
    remedy,
)
from stego_lib.hiding.choice import choose
from stego_lib.hiding.detectability import area_under_roc, highest_rate, pixels_needed
from stego_lib.hiding.finding import check_written
from stego_lib.hiding.jpeg_file import is_jpeg
from stego_lib.hiding.outcome import Hidden
from stego_lib.hiding.payload import ADAPTIVE, HEADER, make_payload
from stego_lib.hiding.seal import TAG, encode_passphrase
from stego_lib.hiding.survival import hide_surviving
from stego_lib.hiding.viterbi import NoSolutionError
from stego_lib.images import check_photograph, decode_image, encode_image, image_psnr, read_image
from stego_lib.photographs import resized
from stego_lib.progress import Progress

PURE_COLOURS = (
    "Too many pixels of the cover are pure colours, with samples of 0 and of 255, which cannot change by 1 as a whole: "
    "take `bits=1` or another cover."
)


def hide_in_samples(
    cover, secret, *, passphrase, bits, quality, find_at_most, design, progress, write=np.copy, jpeg=None
):
    """Hides a photograph. What is returned has been read again, and the secret was found in it.

    Args:
        cover: uint8 array of shape `(height, width, 3)`.
        secret: uint8 array of shape `(height, width, 3)`.
        passphrase: As of `hide`.
        bits: As of `hide`.
        quality: As of `hide`.
        find_at_most: As of `hide`.
        design: `Design` of what has to survive, or `None`.
        progress: As of `hide`.
        write: Function from an image to what is read from the file that it is written to. Defaults to what changes
            nothing.
        jpeg: The secret as a JPEG file, bytes, or `None`.

    Returns:
        `Hidden`.

    Raises:
        CapacityError: If the secret does not fit into the cover, or would not survive in it.
        TypeError: If the passphrase is neither a string nor `None`.
        ValueError: If an argument is wrong.
    """
    encode_passphrase(passphrase)  # raises what is wrong with it before anything takes time
    cover, secret = check_photograph("cover", cover), check_photograph("secret", secret)
    check_bits(bits)
    check_quality(quality)
    check_size(secret, cover)
    check_find_at_most(find_at_most, bits=bits)
    if find_at_most is not None and design is not None:
        raise ValueError("`find_at_most` and `survive` are two ways: what survives is found easily.")
    how = {"quality": quality, "jpeg": jpeg, "write": write, "progress": Progress(progress)}
    if design is None:
        hidden = _hide_for_lossless_files(
            cover, secret, passphrase=passphrase, bits=bits, find_at_most=find_at_most, **how
        )
    else:
        hidden = hide_surviving(cover, secret, passphrase=passphrase, design=design, **how)
    if _is_grey(cover) and not _is_grey(hidden.stego):
        warnings.warn(
            "The cover is grey, and the stego image has a little colour, which is easily noticed: take one in colour.",
            stacklevel=3,
        )
    return hidden


def _is_grey(image):
    return (image == image[..., :1]).all()


def hide_in_samples_of_file(cover_path, secret, *, output_path, keep_metadata, design, fit, **how):
    """Hides a photograph in the samples of a file.

    Args:
        cover_path: As of `hide_file`.
        secret: uint8 array of shape `(height, width, 3)`.
        output_path: As of `hide_file`.
        keep_metadata: As of `hide_file`.
        design: As of `hide_in_samples`.
        fit: As of `hide_file`.
        **how: Other arguments of `hide_in_samples`.

    Returns:
        bytes of the stego image, and `Hidden`.

    Raises:
        CapacityError: If the secret does not fit into the cover, or would not survive in it.
        OSError: If a file cannot be read.
        ValueError: If an argument is wrong.
    """
    if keep_metadata:
        raise ValueError(f"`keep_metadata` is for JPEG covers that stay as they are: {output_path} gets no metadata.")
    written = []

    def write(stego):
        written[:] = [encode_image(stego, output_path)]
        return decode_image(written[0])

    cover = read_image(cover_path)
    if design is None and is_jpeg(cover_path):
        warnings.warn(
            f"{cover_path} is a JPEG file: what JPEG did to it gives changes of its samples away, and a large file "
            "of another kind is noticed. An output that ends in .jpg hides better.",
            stacklevel=3,
        )
    cover = cover if fit is None else resized(cover, fit)
    hidden = hide_in_samples(cover, secret, design=design, write=write, **how)
    return written[0], hidden


def _hide_for_lossless_files(cover, secret, *, passphrase, bits, quality, find_at_most, jpeg, write, progress):
    if find_at_most is not None:
        bits = highest_rate(find_at_most, cover.size / 3)
    try:
        choice = choose(secret, cover, bits=bits, quality=quality, jpeg=jpeg, progress=progress.between(0, 0.6))
    except CapacityError as error:
        if find_at_most is None:
            raise
        better = _better_cover(secret, find_at_most, quality=quality or POOR)
        raise CapacityError(f"The secret does not fit with `find_at_most={find_at_most}`: {better}.") from error
    # Noise in all samples hides how much is used; but what comes back exactly has no use for more.
    fill = quality is None and math.isfinite(choice.secret_psnr)
    try:
        stego, embedded = _embed(cover, choice, passphrase, fill=fill, progress=progress.between(0.6, 0.95))
    except NoSolutionError as error:
        raise CapacityError(PURE_COLOURS) from error
    check_written(write(stego), passphrase, choice.stream)
    if choice.secret_psnr < POOR and quality is None:
        better = f"take {remedy(choice.bits)}" if find_at_most is None else _better_cover(secret, find_at_most)
        warnings.warn(f"The secret will come back at only {choice.secret_psnr:.1f} dB: {better}.", stacklevel=4)
    progress.between(0, 1)(1)
    is_full = choice.bits != ADAPTIVE and fill
    rate = choice.bits if is_full else 8 * embedded / cover.size
    changed = float(np.mean(stego != cover))
    embedding = "adaptive" if choice.bits == ADAPTIVE else "uniform"
    qualities = image_psnr(cover, stego), choice.secret_psnr
    area = area_under_roc(rate, cover.size / 3, embedding=embedding)
    return Hidden(stego, rate, len(choice.stream), changed, *qualities, secret.shape[:2], area)


def _better_cover(secret, area, *, quality=POOR):
    num_bytes = HEADER + TAG + codec().estimate_bytes(secret, quality)
    megapixels = pixels_needed(area, num_bytes) / 1e6
    wanted = f"{quality:.0f} dB" if math.isfinite(quality) else "an exact copy"
    return f"for {wanted} take a cover of about {megapixels:.2g} megapixels, a smaller secret or a lower quality"


def _embed(cover, choice, passphrase, *, fill, progress):
    """The stego image, and how many bytes were embedded."""
    embedded = HEADER + len(choice.stream) + TAG
    if choice.bits == ADAPTIVE:
        embedding = adaptive.Embedding(cover)
        shares = embedding.shares(embedded)
        header, body, seed = make_payload(choice.stream, passphrase, bits=ADAPTIVE, design=shares)
        return embedding.embed(header, body, seed=seed, shares=shares, progress=progress), embedded
    header, body, seed = make_payload(choice.stream, passphrase, bits=choice.bits)
    return filling.embed(cover, header, body, bits=choice.bits, seed=seed, fill=fill), embedded
