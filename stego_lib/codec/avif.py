"""AVIF files without what is the same in all of them: of a few hundred bytes of boxes, four numbers remain.

A file that Pillow writes holds, before the coded picture, boxes that say its size, the lengths, and how the picture is
coded. `shorten` takes them away and `lengthen` puts them back, which takes 3 bytes and not 275.

Reference:
    [AV1 Image File Format](https://aomediacodec.github.io/av1-avif/)
"""

import io
import math
import struct

import numpy as np
from PIL import Image
from PIL.AvifImagePlugin import AvifImageFile

CONFIGURATION = 3  # bytes: profile, level and sampling
SPEED = 6
SUBSAMPLED = 1.0  # bits a pixel below which colours may be better at half their size
TRIALS = 4  # qualities that are tried; more gain a few hundredths of a decibel
# The logarithm of the bytes of a photograph grows by about so much with a step of the quality, which here begins.
GROWTH, TYPICAL_QUALITY = 0.04, 50


def avif_files(image, max_bytes):
    """Compresses an image to shortened AVIF files of about so many bytes, at most.

    Args:
        image: uint8 array of shape `(height, width, 3)`.
        max_bytes: The most bytes.

    Returns:
        List of bytes: with the colours as they are, and at half their size where that may be better; none that does
        not fit.
    """
    samplings = ("4:4:4", "4:2:0") if 8 * max_bytes < SUBSAMPLED * image[..., 0].size else ("4:4:4",)
    files = [_fitting(image, max_bytes, sampling) for sampling in samplings]
    return [file for file in files if file is not None and decode_avif(file, *image.shape[:2]) is not None]


def decode_avif(file, height, width):
    """Decodes a shortened file.

    Args:
        file: bytes that `shorten` returned.
        height: Height of the image.
        width: Width of the image.

    Returns:
        uint8 array of shape `(height, width, 3)`; `None` if the file is damaged.
    """
    if _coded_size(file[CONFIGURATION:]) != (width, height):  # before the decoder takes any memory
        return None
    try:
        with AvifImageFile(io.BytesIO(lengthen(file, height, width))) as image:
            return np.array(image.convert("RGB")) if image.size == (width, height) else None
    except MemoryError:
        raise
    except Exception:  # Pillow raises what it likes
        return None


def shorten(file):
    """Takes the boxes of an AVIF file away.

    Args:
        file: bytes of a file that Pillow wrote of an image without transparency and metadata.

    Returns:
        bytes.
    """
    configuration = file.index(b"av1C") + 5  # after a version
    return file[configuration : configuration + CONFIGURATION] + file[file.index(b"mdat") + 4 :]


def lengthen(file, height, width):
    """Puts the boxes of an AVIF file back.

    Args:
        file: bytes that `shorten` returned.
        height: Height of the image.
        width: Width of the image.

    Returns:
        bytes, a whole file.
    """
    configuration, picture = file[:CONFIGURATION], file[CONFIGURATION:]
    properties = [
        _box(b"ispe", struct.pack(">III", 0, width, height)),
        _box(b"pixi", b"\0\0\0\0\3\10\10\10"),  # three channels of 8 bits
        _box(b"av1C", b"\x81" + configuration),
        _box(b"colr", b"nclx" + struct.pack(">HHHB", 1, 13, 6, 0x80)),  # sRGB; the matrix is that of JPEG
    ]
    associations = struct.pack(">IIHB4B", 0, 1, 1, 4, 1, 2, 0x83, 4)
    entry = _box(b"infe", struct.pack(">IHH", 2 << 24, 1, 0) + b"av01Color\0")
    file_type = _box(b"ftyp", b"avif\0\0\0\0avifmif1miafMA1B")

    def meta(offset):
        return _box(
            b"meta",
            bytes(4)
            + _box(b"hdlr", bytes(8) + b"pict" + bytes(13))
            + _box(b"pitm", struct.pack(">IH", 0, 1))
            + _box(b"iloc", struct.pack(">IBBHHHHII", 0, 0x44, 0, 1, 1, 0, 1, offset, len(picture)))
            + _box(b"iinf", struct.pack(">IH", 0, 1) + entry)
            + _box(b"iprp", _box(b"ipco", b"".join(properties)) + _box(b"ipma", associations)),
        )

    offset = len(file_type) + len(meta(0)) + 8
    return file_type + meta(offset) + _box(b"mdat", picture)


def _coded_size(picture):
    """Width and height as the header of the coded picture says them; `None` if it is not that of a still picture."""
    if picture[:3] != b"\x12\0\n":  # a delimiter, then the header
        return None
    bits = "".join(f"{byte:08b}" for byte in picture[4:16].ljust(12, b"\0"))  # after its length
    if bits[3:5] != "11":  # a still picture, with the short header of one
        return None
    lengths = [int(bits[start : start + 4], 2) + 1 for start in (10, 14)]
    ends = 18 + lengths[0], 18 + sum(lengths)
    return int(bits[18 : ends[0]], 2) + 1, int(bits[ends[0] : ends[1]], 2) + 1


def _box(kind, content):
    return struct.pack(">I", 8 + len(content)) + kind + content


def _fitting(image, max_bytes, sampling):
    """The shortened file of the highest quality that fits, of few that are tried."""
    low, high, quality, fitting = -1, 101, TYPICAL_QUALITY, None
    for _ in range(TRIALS):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "AVIF", quality=quality, speed=SPEED, subsampling=sampling)
        short = shorten(file.getvalue())
        if len(short) <= max_bytes:
            low, fitting = quality, short
        else:
            high = quality
        if high - low <= 1:
            break
        missed = math.log(max(max_bytes, 1) / len(short)) / GROWTH
        quality = min(max(quality + math.floor(missed), low + 1), high - 1)
    return fitting
