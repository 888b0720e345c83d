"""Photographs hidden in photographs, as arrays and as files: what people call."""

from pathlib import Path

from stego_lib.hiding.capacity import codec, max_pixels
from stego_lib.hiding.finding import find
from stego_lib.hiding.jpeg_file import read_if_jpeg
from stego_lib.hiding.jpeg_stego import hide_in_jpeg, reveal_from_jpeg
from stego_lib.hiding.outcome import Extracted, Revealed
from stego_lib.hiding.samples import hide_in_samples, hide_in_samples_of_file
from stego_lib.hiding.seal import encode_passphrase
from stego_lib.hiding.survival import make_design
from stego_lib.images import (
    JPEG_SUFFIXES,
    LOSSLESS_SUFFIXES,
    check_output,
    check_photograph,
    encode_image,
    read_image,
    write_file,
)


def hide(
    cover,
    secret,
    passphrase=None,
    *,
    bits=None,
    quality=None,
    find_at_most=None,
    survive=None,
    cover_quality=None,
    shrink=False,
    details=False,
    progress=None,
):
    """Hides a photograph in another one of any size.

    The secret is compressed, sealed with the passphrase, and embedded: adaptively, by few changes of 1 where the cover
    is busy, or, where that is not enough, in the low bits of all samples, which is easily detected. What was embedded
    is extracted again and compared before it is returned.

    Args:
        cover: uint8 array of shape `(height, width, 3)`, RGB, at least 16x16.
        secret: uint8 array of shape `(height, width, 3)`, RGB, any size up to 64 times the pixels of the cover.
        passphrase: String that is needed to reveal the secret; `None` lets everybody reveal it. Defaults to `None`.
        bits: A float up to 1.0 embeds adaptively, at most so many bits a sample, and no more than 0.3; an integer from
            1 to 4 fills so many low bits of every sample: the cover keeps 51, 46, 41 or 35 dB. Either way the secret
            comes back as well as that allows. Defaults to `None`: the secret comes back at 38 dB (37.95), or better
            where that is hardly found, if adaptive embedding has room for that; else the fewest low bits are filled
            that are enough for it, or 4.
        quality: PSNR in dB at which the secret shall come back. No more is embedded than that takes; fewer changes are
            harder to detect. Defaults to `None`.
        find_at_most: Area under the ROC curve, more than 0.5 and less than 1, as of `area_under_roc`, in place of
            `bits`: no more is embedded than is found so easily. Defaults to `None`.
        survive: JPEG quality from 30 to 95. The secret survives when the stego image is saved as JPEG of this quality
            or a better one, or twice as the same, and comes back as well as there is room for; such images are easily
            detected. Two different qualities need a lower one here, 50 for two from 75 on. Defaults to `None`: it
            survives in lossless files only.
        cover_quality: PSNR in dB that the cover keeps where the secret has to survive. Defaults to `None`, 38 dB.
        shrink: Whether a secret that would survive at less than 28 dB is made smaller. Defaults to `False`.
        details: Whether to return more than the image. Defaults to `False`.
        progress: Called with the part that is done, from 0 to 1. Defaults to `None`.

    Returns:
        The stego image, uint8 array of the cover's shape, to be kept in a lossless file; with `details`, `Hidden`.

    Raises:
        CapacityError: If the secret does not fit into the cover, or would not survive in it.
        TypeError: If the passphrase is neither a string nor `None`.
        ValueError: If an argument is wrong.

    Example:

    >>> cover, secret = skimage.data.astronaut()[:128, :128], skimage.data.coffee()[:100, :150]
    >>> stego = hide(cover, secret, "correct horse battery staple")
    >>> reveal(stego, "correct horse battery staple").shape
    (100, 150, 3)
    """
    design = make_design(survive, cover_quality=cover_quality, shrink=shrink, bits=bits)
    hidden = hide_in_samples(
        cover,
        secret,
        passphrase=passphrase,
        bits=bits,
        quality=quality,
        find_at_most=find_at_most,
        design=design,
        progress=progress,
    )
    return hidden if details else hidden.stego


def reveal(stego, passphrase=None, *, details=False, progress=None):
    """Reveals a photograph that `hide` has hidden.

    Args:
        stego: uint8 array of shape `(height, width, 3)`, exactly as `hide` returned it, or what became of it if it was
            to survive. What `hide_file` hid in a JPEG file otherwise is not in the picture, and only `reveal_file`
            finds it.
        passphrase: The one that it was hidden with. Defaults to `None`.
        details: Whether to return more than the image. Defaults to `False`.
        progress: Called with the part that is done, from 0 to 1. Defaults to `None`.

    Returns:
        The secret, uint8 array of shape `(height, width, 3)`; with `details`, `Revealed`.

    Raises:
        NothingHiddenError: If nothing is hidden, or it was hidden with another passphrase.
        AlteredError: If the image was altered since, more than the secret survives.
        ValueError: If the image was made by a newer version, or the array is of another kind.
    """
    encode_passphrase(passphrase)
    revealed = _decoded(find(check_photograph("stego", stego), passphrase), stego.shape, progress=progress)
    return revealed if details else revealed.secret


def hide_file(
    cover_path,
    secret_path,
    output_path,
    passphrase=None,
    *,
    bits=None,
    quality=None,
    find_at_most=None,
    survive=None,
    cover_quality=None,
    fit=None,
    shrink=False,
    keep_metadata=False,
    overwrite=False,
    progress=None,
):
    """Hides a photograph file in another one.

    The file is written only after what it will hold has been read and the secret found in it.

    A JPEG cover and an output that ends in `.jpg` stay JPEG: the secret is embedded in the coefficients, few of which
    change by 1, and the picture is never decoded and compressed anew. What a picture needs to look right, ICC profile
    and orientation, is kept; data behind the picture never are. Any other output holds the samples, converted to sRGB,
    without metadata.

    Args:
        cover_path: Path of the cover: JPEG, PNG, WebP, AVIF, TIFF, BMP or GIF.
        secret_path: Path of the secret, likewise.
        output_path: Path of the stego image: `.png`, or another lossless format; or `.jpg`, if the cover is a JPEG or
            the secret is to survive.
        passphrase: As of `hide`.
        bits: As of `hide`. In a JPEG file, a float: at most so many bits for every AC coefficient that is not 0, and no
            more than 0.6. Defaults to `None`: the secret comes back at 38 dB, or better where that is hardly found,
            or as well as there is room for.
        quality: As of `hide`.
        find_at_most: As of `hide`.
        survive: As of `hide`. A `.jpg` is then a new one, of quality 98.
        cover_quality: As of `hide`.
        fit: The most pixels that the longer side of the stego image may have: a larger cover is made smaller first, so
            that services need not do that. For a secret that has to survive. Defaults to `None`, the size of the cover.
        shrink: As of `hide`.
        keep_metadata: Whether a JPEG file keeps all metadata of the cover, as they are: EXIF, which may tell where and
            when a photograph was taken, and comments. Defaults to `False`.
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
    check_files(output_path, cover_path, secret_path, overwrite=overwrite, suffixes=LOSSLESS_SUFFIXES + JPEG_SUFFIXES)
    encode_passphrase(passphrase)
    design = make_design(survive, cover_quality=cover_quality, shrink=shrink, fit=fit, bits=bits)
    secret = read_image(secret_path)
    how = {
        "output_path": output_path,
        "passphrase": passphrase,
        "bits": bits,
        "quality": quality,
        "find_at_most": find_at_most,
        "keep_metadata": keep_metadata,
        "jpeg": read_if_jpeg(secret_path),
        "progress": progress,
    }
    if design is None and Path(output_path).suffix.lower() in JPEG_SUFFIXES:
        written, hidden = hide_in_jpeg(cover_path, secret, **how)
    else:
        written, hidden = hide_in_samples_of_file(cover_path, secret, design=design, fit=fit, **how)
    write_file(output_path, written, overwrite=overwrite)
    return hidden


def reveal_file(stego_path, output_path, passphrase=None, *, details=False, overwrite=False, progress=None):
    """Reveals the photograph that is hidden in a file.

    Args:
        stego_path: Path of the file that `hide_file` wrote, or of what became of it if it was to survive.
        output_path: Path of the revealed image: `.png`, or another lossless format.
        passphrase: As of `reveal`.
        details: As of `reveal`.
        overwrite: Whether an existing file may be replaced; never the stego image. Defaults to `False`.
        progress: As of `reveal`.

    Returns:
        As `reveal`.

    Raises:
        NothingHiddenError: If nothing is hidden, or it was hidden with another passphrase.
        AlteredError: If the image was altered since, more than the secret survives.
        OSError: If a file cannot be read or written, or exists.
        ValueError: If the file is not a whole image, was made by a newer version, or the output is not lossless.
    """
    check_files(output_path, stego_path, overwrite=overwrite)
    encode_passphrase(passphrase)
    stego = read_image(stego_path, as_stored=True)
    stream = reveal_from_jpeg(Path(stego_path).read_bytes(), passphrase)
    extracted = find(stego, passphrase) if stream is None else Extracted(stream)
    revealed = _decoded(extracted, stego.shape, progress=progress)
    write_file(output_path, encode_image(revealed.secret, output_path), overwrite=overwrite)
    return revealed if details else revealed.secret


def _decoded(extracted, shape, *, progress):
    secret = codec().decode(extracted.stream, max_pixels=max_pixels(shape), progress=progress)
    return Revealed(secret, extracted.original_size, extracted.wrong)


def check_files(output_path, *inputs, overwrite, suffixes=LOSSLESS_SUFFIXES):
    """Makes sure that there are input files, and that the output may be written.

    Args:
        output_path: Path of the output.
        *inputs: Paths of the inputs.
        overwrite: Whether an existing file may be replaced; never an input.
        suffixes: Those that the output may have. Defaults to those of lossless formats.

    Raises:
        OSError: If an input or the folder of the output does not exist, or the output exists and may not be replaced.
        ValueError: If the output has another suffix, or is an input.
    """
    output_path = Path(output_path)
    for path in inputs:
        if not Path(path).exists():
            raise FileNotFoundError(f"There is no file {path}.")
        if output_path.exists() and output_path.samefile(path):
            raise ValueError(f"{output_path} is the input itself: choose another name for the output.")
    check_output(output_path, overwrite=overwrite, suffixes=suffixes)
    if not output_path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {output_path.parent}.")
