"""Photographs hidden in photographs, as arrays and as files: codec, seal and embedding together."""

import math
import warnings
from pathlib import Path

import numpy as np

from stego_lib.hiding import adaptive, filling
from stego_lib.hiding.capacity import (
    BITS,
    CapacityError,
    check_bits,
    check_quality,
    check_size,
    choose,
    codec,
    max_pixels,
    remedy,
)
from stego_lib.hiding.detectability import area_under_roc, highest_rate, pixels_needed
from stego_lib.hiding.outcome import AlteredError, Hidden, NothingHiddenError, Progress
from stego_lib.hiding.payload import ADAPTIVE, HEADER, make_payload, open_header
from stego_lib.hiding.seal import TAG, encode_passphrase
from stego_lib.images import (
    check_output,
    check_photograph,
    decode_image,
    encode_image,
    image_psnr,
    read_image,
    write_file,
)

POOR = 28.0  # dB; a secret that comes back worse is hardly worth it


def hide(cover, secret, passphrase=None, *, bits=None, quality=None, find_at_most=None, details=False, progress=None):
    """Hides a photograph in another one of any size.

    The secret is compressed, sealed with the passphrase, and embedded: adaptively, by few changes of 1 where the cover
    is busy, or, where that is not enough, in the low bits of all samples, which is easily detected. What was embedded
    is extracted again and compared before it is returned.

    Args:
        cover: uint8 array of shape `(height, width, 3)`, RGB, at least 16x16.
        secret: uint8 array of shape `(height, width, 3)`, RGB, any size up to 64 times the pixels of the cover.
        passphrase: String that is needed to reveal the secret; `None` lets everybody reveal it. Defaults to `None`.
        bits: A float up to 1.0 embeds adaptively, at most so many bits a sample, and no more than 0.9; an integer from
            1 to 4 fills so many low bits of every sample: the cover keeps 51, 46, 41 or 35 dB. Either way the secret
            comes back as well as that allows. Defaults to `None`: the secret comes back at 38 dB (37.95) if adaptive
            embedding has room for that; else the fewest low bits are filled that are enough for it, or 4.
        quality: PSNR in dB at which the secret shall come back. No more is embedded than that takes; fewer changes are
            harder to detect. Defaults to `None`.
        find_at_most: Area under the ROC curve, more than 0.5 and less than 1, as of `area_under_roc`, in place of
            `bits`: no more is embedded than is found so easily. Defaults to `None`.
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
    how = {"bits": bits, "quality": quality, "find_at_most": find_at_most}
    hidden = _hide(cover, secret, passphrase, progress=progress, **how)
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
    return codec().decode(data, max_pixels=max_pixels(stego.shape), progress=progress)


def hide_file(
    cover_path,
    secret_path,
    output_path,
    passphrase=None,
    *,
    bits=None,
    quality=None,
    find_at_most=None,
    overwrite=False,
    progress=None,
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
        find_at_most: As of `hide`.
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
    how = {"bits": bits, "quality": quality, "find_at_most": find_at_most}
    hidden = _hide(cover, secret, passphrase, progress=progress, write=write, jpeg=jpeg, **how)
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


def _hide(cover, secret, passphrase, *, bits, quality, find_at_most, progress, write=None, jpeg=None):
    """Hides, and compares with what is read from what `write` returns."""
    encode_passphrase(passphrase)  # raises what is wrong with it before anything takes time
    cover, secret = check_photograph("cover", cover), check_photograph("secret", secret)
    check_bits(bits)
    check_quality(quality)
    check_size(secret, cover)
    if find_at_most is not None:
        bits = _rate_found_at_most(find_at_most, cover, bits=bits)
    if (cover == cover[..., :1]).all():
        warnings.warn(
            "The cover is grey, and the stego image has a little colour, which is easily noticed: take one in colour.",
            stacklevel=3,
        )
    progress = Progress(progress)
    try:
        choice = choose(secret, cover.shape, bits=bits, quality=quality, jpeg=jpeg, progress=progress.between(0, 0.6))
    except CapacityError as error:
        if find_at_most is None:
            raise
        better = _better_cover(secret, find_at_most, quality=quality or POOR)
        raise CapacityError(f"The secret does not fit with `find_at_most={find_at_most}`: {better}.") from error
    payload = make_payload(choice.stream, passphrase, bits=choice.bits)
    # Noise in all samples hides how much is used; but what comes back exactly has no use for more.
    fill = quality is None and math.isfinite(choice.secret_psnr)
    stego = _embed(cover, payload, bits=choice.bits, fill=fill, progress=progress.between(0.6, 0.95))
    if _extract(write(stego) if write else stego, passphrase) != choice.stream:
        raise AlteredError("What was written is not what is read from it.")
    if choice.secret_psnr < POOR and quality is None:
        better = f"take {remedy(choice.bits)}" if find_at_most is None else _better_cover(secret, find_at_most)
        warnings.warn(f"The secret will come back at only {choice.secret_psnr:.1f} dB: {better}.", stacklevel=3)
    progress.between(0, 1)(1)
    is_full = choice.bits != ADAPTIVE and fill
    rate = choice.bits if is_full else 8 * (len(payload.header) + len(payload.body)) / cover.size
    changed = float(np.mean(stego != cover))
    embedding = "adaptive" if choice.bits == ADAPTIVE else "uniform"
    found = area_under_roc(rate, cover.size / 3, embedding=embedding)
    return Hidden(stego, rate, len(choice.stream), changed, image_psnr(cover, stego), choice.secret_psnr, found)


def _rate_found_at_most(area, cover, *, bits):
    if not 0.5 < area < 1:
        raise ValueError(f"`find_at_most` must be more than 0.5 and less than 1. Received: find_at_most={area}")
    if bits is not None:
        raise ValueError("`bits` and `find_at_most` both say how much is embedded: choose one of them.")
    return min(highest_rate(area, cover.size / 3), 1.0)


def _better_cover(secret, area, *, quality=POOR):
    num_bytes = HEADER + TAG + codec().estimate_bytes(secret, quality)
    megapixels = pixels_needed(area, num_bytes) / 1e6
    return (
        f"for {quality:.0f} dB take a cover of about {megapixels:.2g} megapixels, a smaller secret or a lower quality"
    )


def _embed(cover, payload, *, bits, fill, progress):
    if bits == ADAPTIVE:
        return adaptive.embed(cover, payload.header, payload.body, seed=payload.seed, progress=progress)
    return filling.embed(cover, payload.header, payload.body, bits=bits, seed=payload.seed, fill=fill)


def _extract(stego, passphrase):
    """The stream that is hidden in an image."""
    for extract_sealed in (_sealed_in_texture, _sealed_in_residues):
        header, body = extract_sealed(stego, passphrase)
        if header is not None:
            stream = None if body is None else header.open_body(body)
            if stream is None:
                raise AlteredError(
                    "A secret is hidden in this image, but the image was altered since: it cannot be revealed."
                )
            return stream
    raise NothingHiddenError(
        "Nothing is hidden in this image, or it was hidden with another passphrase, or the image was altered since."
    )


def _sealed_in_texture(stego, passphrase):
    """Header and body that were embedded adaptively, `None` where there are none."""
    header = open_header(adaptive.extract_header(stego, HEADER), passphrase)
    if header is None or header.bits != ADAPTIVE or header.length > adaptive.capacity_bytes(stego.shape, HEADER):
        return header, None
    return header, adaptive.extract_body(stego, HEADER, header.length, seed=header.seal.seed)


def _sealed_in_residues(stego, passphrase):
    """Header and body that fill a cover, `None` where there are none."""
    header = open_header(filling.extract_header(stego, HEADER), passphrase)
    if header is None or header.bits not in BITS:
        return header, None
    if header.length > filling.capacity_bytes(stego.shape, HEADER, bits=header.bits):
        return header, None
    return header, filling.extract_body(stego, HEADER, header.length, bits=header.bits, seed=header.seal.seed)
