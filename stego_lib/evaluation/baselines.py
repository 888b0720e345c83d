"""What people would use instead: least significant bits, and the file of an image codec in them."""

import functools

import imagecodecs
import numpy as np

from stego_lib.hiding.filling import capacity_bytes, embed, extract_body, extract_header, nearest_values
from stego_lib.images import image_psnr

LENGTH = 4  # bytes that say how long the file is
PLACES = bytes(32)  # seed of the places of its bytes: without a key
SUBSAMPLED = 3  # bits a pixel below which AVIF is tried with subsampled colours, too; above, it never is better


def lsb_hide(cover, secret, *, bits, adjust=True):
    """Hides the upper bits of a secret in the lower bits of a cover.

    Args:
        cover: uint8 array.
        secret: uint8 array of the same shape.
        bits: 1 to 7.
        adjust: Whether the nearest value with these lower bits is taken (optimal pixel adjustment), and not the one
            with the same upper bits. Defaults to `True`.

    Returns:
        uint8 array of the same shape.

    Reference:
        [Chan and Cheng, 2004](https://doi.org/10.1016/j.patcog.2003.08.007)
    """
    digits = secret >> (8 - bits)
    return nearest_values(cover, digits, bits=bits) if adjust else cover & np.uint8(256 - 2**bits) | digits


def lsb_reveal(stego, bits, *, midpoint=True):
    """Reveals what `lsb_hide` has hidden.

    Args:
        stego: uint8 array.
        bits: As they were for hiding.
        midpoint: Whether lost bits are taken for the middle of what they may be, and not for 0. Defaults to `True`.

    Returns:
        uint8 array of the same shape.
    """
    return (stego << (8 - bits)) + np.uint8(2 ** (7 - bits) if midpoint else 0)


def codec_hide(cover, secret, *, bits, compress):
    """Hides an image file in the lower bits of a cover, at the best quality that fits.

    Args:
        cover: uint8 array of shape `(height, width, 3)`.
        secret: uint8 array of shape `(height, width, 3)`, of any size.
        bits: 1 to 4, of every sample.
        compress: `avif`, `jpegxl`, `jpeg2000` or `webp`.

    Returns:
        uint8 array of the shape of the cover, or `None` if no quality fits.
    """
    compressed = compress(secret, capacity_bytes(cover.shape, LENGTH, bits=bits))
    if compressed is None:
        return None
    data, _ = compressed
    return embed(cover, len(data).to_bytes(LENGTH, "big"), data, bits=bits, seed=PLACES)


def codec_reveal(stego, bits, *, decode):
    """Reveals what `codec_hide` has hidden.

    Args:
        stego: uint8 array.
        bits: As they were for hiding.
        decode: Function of `imagecodecs` that decodes the format.

    Returns:
        uint8 array of shape `(height, width, 3)`.

    Raises:
        ValueError: If there is no such file.
    """
    length = int.from_bytes(extract_header(stego, LENGTH), "big")
    if length > capacity_bytes(stego.shape, LENGTH, bits=bits):
        raise ValueError("There is no file in this image.")
    try:
        revealed = decode(extract_body(stego, LENGTH, length, bits=bits, seed=PLACES))
    except RuntimeError as error:  # what all errors of imagecodecs are
        raise ValueError("The file in this image is damaged.") from error
    if revealed.dtype != np.uint8 or revealed.ndim != 3 or revealed.shape[2] != 3:
        raise ValueError("The file in this image is damaged.")
    return revealed


def avif(image, max_bytes, *, speed=2):
    """Compresses an image to AVIF, with or without subsampling of colours, whichever is better in the bytes.

    Args:
        image: uint8 array of shape `(height, width, 3)`.
        max_bytes: The most bytes.
        speed: Of libavif, 0 (slowest, best) to 10. Defaults to `2`.

    Returns:
        The file's bytes and the decoded image, or `None` if no quality fits.
    """

    def best(sampling):
        def encoded(level):  # 100 is lossless
            return _avif_file(image.tobytes(), image.shape, level, speed=speed, sampling=sampling)

        return _best(encoded, range(101), max_bytes=max_bytes, decode=imagecodecs.avif_decode)

    samplings = ("444", "420") if 8 * max_bytes < SUBSAMPLED * image.shape[0] * image.shape[1] else ("444",)
    fitting = [compressed for compressed in map(best, samplings) if compressed is not None]
    return max(fitting, key=lambda compressed: image_psnr(image, compressed[1]), default=None)


@functools.lru_cache(512)  # other numbers of bytes ask for many of the same files
def _avif_file(samples, shape, level, *, speed, sampling):
    image = np.frombuffer(samples, "uint8").reshape(shape)
    return imagecodecs.avif_encode(image, level=level, speed=speed, pixelformat=sampling, numthreads=2)


def jpegxl(image, max_bytes, *, effort=7):
    """Compresses an image to JPEG XL at the highest quality that fits.

    Args:
        image: uint8 array of shape `(height, width, 3)`.
        max_bytes: The most bytes.
        effort: Of libjxl, 1 to 10 (slowest, best). Defaults to `7`.

    Returns:
        The file's bytes and the decoded image, or `None` if no quality fits.
    """

    def encoded(octave):
        return imagecodecs.jpegxl_encode(image, distance=2.0 ** (-octave / 32), effort=effort, numthreads=2)

    lossless = imagecodecs.jpegxl_encode(image, lossless=True, effort=effort, numthreads=2)
    return _best(encoded, range(-149, 213), max_bytes=max_bytes, decode=imagecodecs.jpegxl_decode, lossless=lossless)


def jpeg2000(image, max_bytes):
    """Compresses an image to a JPEG 2000 code stream at the highest PSNR that fits.

    Args:
        image: uint8 array of shape `(height, width, 3)`.
        max_bytes: The most bytes.

    Returns:
        The file's bytes and the decoded image, or `None` if no quality fits.
    """

    def encoded(quarter):
        return imagecodecs.jpeg2k_encode(image, level=quarter / 4, codecformat="j2k")

    lossless = imagecodecs.jpeg2k_encode(image, reversible=True, codecformat="j2k")
    return _best(encoded, range(40, 281), max_bytes=max_bytes, decode=imagecodecs.jpeg2k_decode, lossless=lossless)


def webp(image, max_bytes):
    """Compresses an image to WebP, which subsamples the colours unless lossless, at the highest quality that fits.

    Args:
        image: uint8 array of shape `(height, width, 3)`.
        max_bytes: The most bytes.

    Returns:
        The file's bytes and the decoded image, or `None` if no quality fits.
    """

    def encoded(level):
        return imagecodecs.webp_encode(image, level=level, lossless=False, method=6)

    lossless = imagecodecs.webp_encode(image, lossless=True, method=6)
    return _best(encoded, range(101), max_bytes=max_bytes, decode=imagecodecs.webp_decode, lossless=lossless)


def _best(encode, qualities, *, max_bytes, decode, lossless=None):
    """Bisects for the highest quality that fits; none is higher than lossless."""
    if lossless is not None and len(lossless) <= max_bytes:
        return bytes(lossless), decode(lossless)
    encoded = functools.cache(lambda quality: bytes(encode(quality)))
    low, high = 0, len(qualities)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if len(encoded(qualities[middle])) <= max_bytes else (low, middle)
    if not low:
        return None
    data = encoded(qualities[low - 1])
    return data, decode(data)
