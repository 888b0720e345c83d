"""AVIF files without what is the same in all of them: of a few hundred bytes of boxes, four numbers remain.

A file that Pillow writes holds, before the coded picture, boxes that say its size, the lengths, and how the picture is
coded. `shorten` takes them away and `lengthen` puts them back, which takes 3 bytes and not 275.

Reference:
    [AV1 Image File Format](https://aomediacodec.github.io/av1-avif/)
"""

import io
import math
import struct
from typing import NamedTuple

import numpy as np
from PIL import Image
from PIL.AvifImagePlugin import AvifImageFile

from stego_lib.images import image_psnr
from stego_lib.threads import map_chunks

CONFIGURATION = 3  # bytes: profile, level and sampling
QUICK, SLOW, SLOWEST = 6, 4, 1  # speeds; the slowest takes three times as long as the slow one and gains 0.2 dB,
SLOWEST_SAMPLES = 2**19  # and is for photographs of so many samples at most
ENCODER = {"autotiling": False, "max_threads": 1}  # so that the number of CPUs does not change the file
# Tuned for PSNR and not for looks, as by default, which is 0.2 to 0.7 dB worse; the flattest of the quantization
# matrices gains 0.02 dB (docs/experiments.md).
TUNING = {"tune": "psnr", "enable-qm": "1", "qm-min": "14", "qm-max": "14"}
# As good, and up to a quarter of a level shorter or longer: of a level that is a little too long, this may fit.
VARIATION = {"tune": "psnr", "enable-chroma-deltaq": "1"}
LITTLE = 0.3  # levels
SUBSAMPLED = 1.0  # bits a pixel below which colours may be better at half their size
LEVELS = 64  # of the quality, from 0 to 100: the encoder has so many quantizers
TYPICAL_LEVEL = 32  # where trials begin
GROWTH, DECIBELS = 0.055, 0.3  # of the logarithm of the bytes and of the PSNR with a level, about
NEAR = 8  # levels; slower speeds gain up to 7 on very small pictures, up to 5 on larger ones


class _File(NamedTuple):
    """A shortened file; its sampling, level of the quality, and by how many levels it is worse than it has to be."""

    content: bytes
    sampling: str
    level: int
    behind: float


def avif_file(image, max_bytes, *, psnr, shortest):
    """Compresses an image to a shortened AVIF file that is better than something else.

    Args:
        image: uint8 array of shape `(height, width, 3)`.
        max_bytes: Number of bytes.
        psnr: PSNR in dB, not infinite.
        shortest: Whether fewer bytes are wanted in which that is reached, and not more PSNR in these bytes at most.

    Returns:
        bytes, with the colours as they are or at half their size; `None` if none is better.
    """
    goal = {"max_bytes": max_bytes, "psnr": psnr, "shortest": shortest}
    samplings = ("4:4:4", "4:2:0") if 8 * max_bytes < SUBSAMPLED * image[..., 0].size else ("4:4:4",)

    quick = [_search(image, sampling, speed=QUICK, level=TYPICAL_LEVEL, **goal) for sampling in samplings]
    best = min(quick, key=lambda file: file.behind)
    if best.behind < NEAR:
        # At a level, a slower speed makes a better picture in a few more bytes.
        level = best.level - (2 if shortest else 1)
        speed = SLOWEST if image.size <= SLOWEST_SAMPLES else SLOW
        slow = _search(image, best.sampling, speed=speed, level=level, **goal)
        best = min(best, slow, key=lambda file: file.behind)
    return best.content if best.behind < 0 else None


def _search(image, sampling, *, speed, level, max_bytes, psnr, shortest):
    """The `_File` of the lowest level that reaches the PSNR, or of the highest one that fits.

    Two neighbouring levels are tried at once, of which one often is good enough and the other not.
    """
    low, high, best = -1, LEVELS, _File(None, sampling, level, math.inf)
    before, slope = None, -1 if shortest else 1  # levels by which the goal is missed, for each level
    missed_by = {}

    def attempt(level, options=TUNING):
        how = {"quality": round(level * 100 / (LEVELS - 1)), "speed": speed, "subsampling": sampling}
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "AVIF", **how, advanced=options, **ENCODER)
        short = shorten(buffer.getvalue())
        decoded = decode_avif(short, *image.shape[:2])
        too_long = math.log(len(short) / max(max_bytes, 1)) / GROWTH
        too_bad = math.inf if decoded is None else (psnr - image_psnr(image, decoded)) / DECIBELS
        behind, missed = (too_long, too_bad) if shortest else (too_bad, too_long)
        return _File(short, sampling, level, behind), min(max(missed, -100), 100)

    while high - low > 1:
        first = min(max(level, low + 1), high - 1)
        levels = range(first, min(first + 2, high))
        tried = map_chunks(lambda chunk, levels=levels: attempt(levels[chunk.start]), len(levels), chunk=1)
        for file, missed in tried:
            missed_by[file.level] = missed
            if missed <= 0:
                best = min(best, file, key=lambda file: file.behind)
            if (missed <= 0) == shortest:
                high = min(high, file.level)
            else:
                low = max(low, file.level)
        missed = tried[0][1]
        if before:
            slope *= min(max((missed - before[1]) / (first - before[0]) / slope, 0.5), 2)
        before, level = (first, missed), math.floor(first - missed / slope)
    if not shortest and missed_by.get(high, math.inf) < LITTLE:
        file, missed = attempt(high, VARIATION)
        best = best if missed > 0 else min(best, file, key=lambda file: file.behind)
    return best


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
    length = picture[3] if len(picture) > 3 else 0
    if picture[:3] != b"\x12\0\n" or picture[4 + length :][:1] != b"2":  # a delimiter, the header, a frame
        return None
    bits = "".join(f"{byte:08b}" for byte in picture[4:16].ljust(12, b"\0"))  # after its length
    if bits[3:5] != "11":  # a still picture, with the short header of one
        return None
    lengths = [int(bits[start : start + 4], 2) + 1 for start in (10, 14)]
    ends = 18 + lengths[0], 18 + sum(lengths)
    return int(bits[18 : ends[0]], 2) + 1, int(bits[ends[0] : ends[1]], 2) + 1


def _box(kind, content):
    return struct.pack(">I", 8 + len(content)) + kind + content
