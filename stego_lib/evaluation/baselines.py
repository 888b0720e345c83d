"""What people would use instead: image codecs, each at the best quality that fits into a number of bytes."""

import functools

import imagecodecs


def avif(image, max_bytes, speed=2):
    """Compresses an image to AVIF without subsampling of colours, at the highest quality that fits.

    Args:
        image: uint8 array of shape `(height, width, 3)`.
        max_bytes: The most bytes.
        speed: Of libavif, 0 (slowest, best) to 10. Defaults to `2`.

    Returns:
        The file's bytes and the decoded image, or `None` if no quality fits.
    """

    @functools.cache
    def encoded(level):
        return bytes(imagecodecs.avif_encode(image, level=level, speed=speed, pixelformat="444", numthreads=2))

    return _best(encoded, range(101), max_bytes, imagecodecs.avif_decode)


def jpegxl(image, max_bytes, effort=7):
    """Compresses an image to JPEG XL at the highest quality that fits.

    Args:
        image: uint8 array of shape `(height, width, 3)`.
        max_bytes: The most bytes.
        effort: Of libjxl, 1 to 10 (slowest, best). Defaults to `7`.

    Returns:
        The file's bytes and the decoded image, or `None` if no quality fits.
    """

    @functools.cache
    def encoded(octave):
        return bytes(imagecodecs.jpegxl_encode(image, distance=2.0 ** (-octave / 32), effort=effort, numthreads=2))

    return _best(encoded, range(-149, 213), max_bytes, imagecodecs.jpegxl_decode)


def _best(encoded, qualities, max_bytes, decode):
    """Bisects for the highest quality that fits."""
    low, high = 0, len(qualities)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if len(encoded(qualities[middle])) <= max_bytes else (low, middle)
    if not low:
        return None
    data = encoded(qualities[low - 1])
    return data, decode(data)
