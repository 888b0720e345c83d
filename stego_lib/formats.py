"""Formats of photograph files: which of them are decoded, and which are refused and why."""

import itertools
import re
import struct

import numpy as np
from PIL import ExifTags, Image, ImageOps
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    COMPRESSION,
    IMAGELENGTH,
    IMAGEWIDTH,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    YCBCRSUBSAMPLING,
    TiffImageFile,
)
from PIL.WebPImagePlugin import WebPImageFile

READERS = {  # by what a file begins with
    rb"\xff\xd8\xff": JpegImageFile,  # also the MPO files of phones: a JPEG file, and others behind it
    rb"\x89PNG\r\n\x1a\n": PngImageFile,
    rb"RIFF....WEBP": WebPImageFile,
    rb"....ftyp(.{4})*avi[fs]": AvifImageFile,
    rb"II[*+]\0|MM\0[*+]": TiffImageFile,
    rb"BM": BmpImageFile,
    rb"GIF8[79]a": GifImageFile,
}
HEIC = rb"....ftyp(.{4})*(hei[cfmsx]|hev[cx]|mif1|msf1)"
RAW = rb"....ftypcrx |FUJIFILM|II(RO|RS|U\0)|MMOR|II\*\0....CR|FOVb|\0MRM"
RAW_SUFFIX = r"\.(3fr|arw|cr2|cr3|crw|dcr|dng|erf|iiq|kdc|mef|mos|mrw|nef|nrw|orf|pef|raf|raw|rw2|rwl|sr2|srf|srw|x3f)"
IS_RAW = "it is a camera raw file; export it as JPEG"
SUBFILE_TYPE, DNG_VERSION = 254, 50706  # TIFF tags
REDUCED, MASK = 1, 4  # bits of the first
UNCOMPRESSED, JPEG = 1, 7  # compressions of TIFF
WHITE_IS_ZERO, RGB, CMYK, YCBCR = 0, 2, 5, 6  # photometric interpretations of TIFF
UNDONE = {  # by orientation: what turns a picture back that was turned upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
MODES = {"1": "L", "PA": "RGBA", "La": "LA", "RGBa": "RGBA", "YCbCr": "RGB"}  # of Pillow; what they become


class UnsupportedFileError(ValueError):
    """A file is damaged, or of a kind that cannot be read as a photograph."""


def open_photograph(file, suffix=""):
    """Reads the header of a photograph file, of its first picture if it has several.

    The classes of Pillow's formats are called directly: `PIL.Image.open` refuses or warns of large photographs, by a
    limit that only holds for the whole process.

    Args:
        file: Binary file that can seek.
        suffix: Suffix of its name. Defaults to `""`.

    Returns:
        Pillow image, not decoded yet; `info["cicp"]`, where it is, are code points of the colours.

    Raises:
        UnsupportedFileError: If the format is none that can be read; the text is a reason, not a sentence.
    """
    head = file.read(64)
    reader = next((reader for pattern, reader in READERS.items() if re.match(pattern, head, re.DOTALL)), None)
    named_raw = reader in (None, TiffImageFile) and re.fullmatch(RAW_SUFFIX, suffix, re.IGNORECASE)
    if named_raw or re.match(RAW, head, re.DOTALL):
        raise UnsupportedFileError(IS_RAW)
    if reader is None:
        if re.match(HEIC, head, re.DOTALL):
            raise UnsupportedFileError("it is a HEIC file; export it as JPEG")
        raise UnsupportedFileError("it is not a JPEG, PNG, WebP, AVIF, TIFF, BMP or GIF file")
    colours = UNREAD_COLOURS[reader](file) if reader in UNREAD_COLOURS else {}
    file.seek(0)
    image = reader(file)
    image.info |= colours
    if reader is TiffImageFile:
        _check_tiff(image.tag_v2)
    if reader is PngImageFile:
        _scale_transparent_colour(image, head[24])
    return image


def _png_cicp(file):
    """The content of the chunk cICP of a PNG file."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"cICP":
            return {"cicp": tuple(file.read(length))}
        if kind == b"IDAT":
            break
        file.seek(length + 4, 1)
    return {}


def _avif_cicp(file):
    """Code points of primaries and transfer of an AVIF file, from the box colr of its first picture."""
    file.seek(0)
    meta = _box(memoryview(file.read()), b"meta")[4:]
    primary = _box(meta, b"pitm")
    item = int.from_bytes(primary[4:])
    properties = _box(meta, b"iprp")
    boxes = list(_boxes(_box(properties, b"ipco")))
    for number in _associations(_box(properties, b"ipma"), item):
        kind, content = boxes[number - 1]
        if kind == b"colr" and content[:4] == b"nclx":
            return {"cicp": struct.unpack_from(">HH", content, 4)}
    return {}


def _boxes(content):
    """Kinds and contents of the boxes of an ISO base media file, one after another."""
    position = 0
    while position + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, position)
        start = position + 8
        if size == 1:  # then 64 bits say it
            (size,), start = struct.unpack_from(">Q", content, start), start + 8
        end = position + size if size else len(content)
        if end < start:
            return
        yield kind, content[start:end]
        position = end


def _box(content, kind):
    return next((value for name, value in _boxes(content) if name == kind), content[:0])


def _associations(content, item):
    """Numbers, from 1, of the properties of an item."""
    if not content:
        return []
    version, wide = content[0], content[3] & 1
    (items,), position = struct.unpack_from(">I", content, 4), 8
    identifier, number = (">IB" if version else ">HB"), (">H" if wide else ">B")
    for _ in range(items):
        name, count = struct.unpack_from(identifier, content, position)
        position += struct.calcsize(identifier)
        numbers = struct.unpack_from(f">{count}{number[1]}", content, position)
        position += struct.calcsize(f">{count}{number[1]}")
        if name == item:
            masked = [value & (0x7FFF if wide else 0x7F) for value in numbers]  # the first bit means "essential"
            return [value for value in masked if value]
    return []


def _bmp_profile(file):
    """The ICC profile of a BMP file, where the fifth version of its header says that one is embedded."""
    file.seek(14)
    header = file.read(124)
    if header[:4] != struct.pack("<I", 124) or header[56:60] != b"DEBM":
        return {}
    offset, size = struct.unpack_from("<II", header, 112)
    file.seek(14 + offset)
    return {"icc_profile": file.read(size)}


# What Pillow does not read, by its class: functions from a file to what belongs into `Image.info`.
UNREAD_COLOURS = {PngImageFile: _png_cicp, AvifImageFile: _avif_cicp, BmpImageFile: _bmp_profile}


def _check_tiff(tags):
    """Refuses what Pillow would decode to another picture."""
    if DNG_VERSION in tags:
        raise UnsupportedFileError(IS_RAW)
    if tags.get(SUBFILE_TYPE, 0) & REDUCED:
        raise UnsupportedFileError("it begins with a small preview, as camera raw files do; export it as JPEG")
    photometric, compression = tags.get(PHOTOMETRIC_INTERPRETATION), tags.get(COMPRESSION, UNCOMPRESSED)
    bits = tags.get(BITSPERSAMPLE, (1,))
    planes = len(bits) > 1 and tags.get(PLANAR_CONFIGURATION, 1) == 2
    if planes and (photometric not in (RGB, CMYK) or (max(bits) > 8 and compression == UNCOMPRESSED)):
        raise UnsupportedFileError("it is a TIFF file with a plane for every colour; save it with interleaved colours")
    if photometric == YCBCR and compression == UNCOMPRESSED and tags.get(YCBCRSUBSAMPLING, (2, 2)) != (1, 1):
        raise UnsupportedFileError("it is an uncompressed TIFF file with subsampled colours; save it as RGB")
    if max(bits) > 8 and compression == JPEG:
        raise UnsupportedFileError("it is a TIFF file with JPEG compression of more than 8 bits; save it with 8 bits")


def _scale_transparent_colour(image, bits):
    """Gives the colour that a PNG file calls transparent the scale of the samples that Pillow decodes."""
    if "transparency" not in image.info or image.mode not in ("L", "RGB"):
        return
    if bits == 16:
        raise UnsupportedFileError("it is a PNG file of 16 bits with a transparent colour; save it with 8 bits")
    if image.mode == "L":
        image.info["transparency"] *= 255 // (2**bits - 1)


def has_more_pictures(image):
    """Tells whether a file has pictures behind the first one: frames or pages, not smaller copies or masks of it.

    Args:
        image: Pillow image returned by `open_photograph`.

    Returns:
        Boolean.
    """
    if image.format != "TIFF" or not image.is_animated:
        return getattr(image, "is_animated", False)
    try:
        return _has_another_page(image)
    finally:
        image.seek(0)


def _has_another_page(image):
    for number in itertools.count(1):
        try:
            image.seek(number)
        except EOFError:
            return False
        except Exception:  # a page that cannot be read is a page nevertheless
            return True
        if not image.tag_v2.get(SUBFILE_TYPE, 0) & (REDUCED | MASK):
            return True


def decode(image, *, as_stored=False):
    """Decodes a picture to 8 bits a sample.

    Args:
        image: Pillow image returned by `open_photograph`.
        as_stored: Whether the picture is left as it lies in the file, and not turned upright. Defaults to `False`.

    Returns:
        Pillow image of mode `"L"`, `"LA"`, `"RGB"`, `"RGBA"`, `"CMYK"` or `"LAB"`.

    Raises:
        UnsupportedFileError: If the samples are neither 8 nor 16 bits; the text is a reason, not a sentence.
    """
    if image.format == "TIFF":
        image = _decode_tiff(image, as_stored=as_stored)
    else:
        image.load()
        if not as_stored:
            ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I;16"):
        image = _high_bytes(image, 16)
    if image.mode == "P" or (image.mode == "RGB" and "transparency" in image.info):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode in ("1", "L") and "transparency" in image.info:
        return image.convert("LA")
    image = image.convert(MODES[image.mode]) if image.mode in MODES else image
    if image.mode not in ("L", "LA", "RGB", "RGBA", "CMYK", "LAB"):
        raise UnsupportedFileError(
            "it has samples that are not whole numbers of 8 or 16 bits; save it with 8 or 16 bits"
        )
    return image


def _decode_tiff(image, *, as_stored):
    tags = image.tag_v2
    orientation, bits = image.getexif().get(ExifTags.Base.Orientation), tags.get(BITSPERSAMPLE, (1,))[0]
    inverted = tags.get(PHOTOMETRIC_INTERPRETATION) == WHITE_IS_ZERO
    # Memory that is there already is not compared with Pillow's limit of pixels.
    image.im = Image.new(image.mode, (tags[IMAGEWIDTH], tags[IMAGELENGTH])).im
    image.load()  # turns it upright
    if image.mode.startswith("I;16"):
        image = _high_bytes(image, bits)
        image = ImageOps.invert(image) if inverted else image
    if as_stored and orientation in UNDONE:
        return image.transpose(UNDONE[orientation])
    return image


def _high_bytes(image, bits):
    """The upper 8 bits of grey samples of more; a transparent colour becomes an alpha channel."""
    samples = np.asarray(image)
    high = Image.fromarray((samples >> (bits - 8)).astype(np.uint8))
    if "transparency" in image.info:
        high.putalpha(Image.fromarray(np.where(samples == image.info["transparency"], 0, 255).astype(np.uint8)))
    return high
