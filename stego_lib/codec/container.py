"""The stream: a head that says what follows, and the payload; latents, or the file of another format.

    kind  height  width  (content  (index  fingerprint))  check  payload
    1     2       2      (2        (2      2))            2      the rest, in bytes

`content` is a checksum of what the payload decodes to, latents or the pixels of a JPEG or AVIF file, whose decoders
differ; the pixels of a WebP file cannot. `index` is that of the step, and in its highest bits the number of groups of
channels that are left out, all zero; `fingerprint` is that of the weights. Latents alone have them. `check` is a
checksum of all else. The payload of a picture at half its size is a stream of its own.
"""

import binascii
import io
import struct
import zlib
from typing import NamedTuple

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.WebPImagePlugin import WebPImageFile

from stego_lib.codec.avif import avif_file, decode_avif

LATENTS, WEBP, JPEG, AVIF, HALF = KINDS = (1, 2, 3, 4, 5)
READERS = {WEBP: WebPImageFile, JPEG: JpegImageFile}
HEAD = "<BHH"
INDEX_BITS = 10  # of the index of a step; above them is the number of groups that are left out
MORE = {LATENTS: "<HHH", WEBP: "", JPEG: "<H", AVIF: "<H", HALF: ""}  # what follows the head
CHECK = "<H"
OVERHEADS = {  # bytes of a stream before the payload
    kind: sum(map(struct.calcsize, (HEAD, more, CHECK))) for kind, more in MORE.items()
}
OVERHEAD = OVERHEADS[LATENTS]
MAX_SIDE = 2**16 - 1
WEBP_SIDE, WEBP_PIXELS = 16383, 2**26  # the largest lossless WebP file that is written or read
SMALL_SAMPLES = 2**19  # the most of a photograph that the networks for small ones may have coded: part of the format
SLOW = 2**19  # samples from which on a quick look tells whether a slow compression is worth trying,
STRIPS, ROWS = 8, 32  # as at so many strips, of so many rows
DAMAGED = "The data are not a whole stream: damaged or cut short."


class Stream(NamedTuple):
    """What a stream holds; the last ones are 0 where the kind does not have them."""

    kind: int
    height: int
    width: int
    payload: bytes
    content_check: int = 0
    index: int = 0
    fingerprint: int = 0
    left_out: int = 0


def pack(stream):
    """Makes bytes of a `Stream`."""
    latents = stream.content_check, stream.left_out << INDEX_BITS | stream.index, stream.fingerprint
    more = {LATENTS: latents, JPEG: latents[:1], AVIF: latents[:1]}.get(stream.kind, ())
    head = struct.pack(HEAD, *stream[:3]) + struct.pack(MORE.get(stream.kind, ""), *more)
    return head + struct.pack(CHECK, binascii.crc_hqx(head + stream.payload, 0)) + stream.payload


def unpack(data):
    """Makes a `Stream` of bytes.

    Args:
        data: bytes that `pack` returned.

    Returns:
        `Stream`.

    Raises:
        ValueError: If the data are damaged, or of a kind that only later versions know.
    """
    data = bytes(data)
    kind = data[0] if data else 0
    length = struct.calcsize(HEAD) + struct.calcsize(MORE.get(kind, ""))
    start = length + struct.calcsize(CHECK)
    if len(data) < start:
        raise ValueError(DAMAGED)
    head, payload = data[:length], data[start:]
    if struct.pack(CHECK, binascii.crc_hqx(head + payload, 0)) != data[length:start]:
        raise ValueError(DAMAGED)
    if kind not in KINDS:
        raise ValueError(f"The stream is of kind {kind}, which this version does not know: take a newer stego_lib.")
    kind, height, width = struct.unpack(HEAD, head[: struct.calcsize(HEAD)])
    if not height or not width:
        raise ValueError(DAMAGED)
    stream = Stream(kind, height, width, payload, *struct.unpack(MORE[kind], head[struct.calcsize(HEAD) :]))
    left_out, index = divmod(stream.index, 1 << INDEX_BITS)
    return stream._replace(index=index, left_out=left_out)


def checksum(*arrays):
    """Computes 16 bits that tell arrays apart.

    Args:
        *arrays: Arrays of any shape; integers count as little-endian ones on every machine.

    Returns:
        Integer from 0 to 65535.
    """
    value = 0
    for array in arrays:
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        value = zlib.crc32(little.data.cast("B") if little.size else b"", value)
    return value & 0xFFFF


def lossless(image, max_bytes, *, jpeg=None):
    """Makes the shortest stream from which an image comes back exactly: a WebP file, or the JPEG file that it was.

    Args:
        image: uint8 array of shape `(height, width, 3)`.
        max_bytes: The most bytes. Of more than half a million samples WebP is tried only if some rows do not tell that
            it takes more.
        jpeg: bytes of the JPEG file that the image was read from, if it was one. Defaults to `None`.

    Returns:
        bytes, or `None` if that takes more bytes.
    """
    candidates = []
    if jpeg is not None and (stripped := _stripped(jpeg)) and np.array_equal(_decoded(stripped, JPEG), image):
        candidates.append(pack(Stream(JPEG, *image.shape[:2], stripped, checksum(image))))
        max_bytes = min(max_bytes, len(candidates[0]))
    if _fits_into_webp(*image.shape[:2]) and (image.size <= SLOW or _is_promising(image, max_bytes)):
        candidates.append(pack(Stream(WEBP, *image.shape[:2], _webp(image))))
    return min((data for data in candidates if len(data) <= max_bytes), key=len, default=None)


def avif_streams(image, max_bytes, *, psnr, shortest):
    """Makes a stream that is an AVIF file, and better than something else.

    Args:
        image: uint8 array of shape `(height, width, 3)`.
        max_bytes: Number of bytes.
        psnr: PSNR in dB, not infinite.
        shortest: Whether fewer bytes are wanted in which that is reached, and not more PSNR in these bytes at most.

    Returns:
        List of bytes, empty if there is none.
    """
    height, width, _ = image.shape
    file = avif_file(image, max_bytes - OVERHEADS[AVIF], psnr=psnr, shortest=shortest)
    return [pack(Stream(AVIF, height, width, file, checksum(decode_avif(file, height, width))))] if file else []


def decode_file(stream):
    """Decodes a stream that is the file of another format.

    Args:
        stream: `Stream`, WebP, JPEG or AVIF.

    Returns:
        uint8 array of shape `(height, width, 3)`.

    Raises:
        ValueError: If the file is damaged, or not of the size that the stream says.
    """
    payload, (height, width) = stream.payload, stream[1:3]
    if stream.kind == WEBP:
        sides = int.from_bytes(payload[21:25], "little")  # 14 bits each, less 1: before the decoder takes any memory
        expected = width - 1 | (height - 1) << 14
        if not _fits_into_webp(height, width) or payload[12:16] != b"VP8L" or sides & 2**28 - 1 != expected:
            raise ValueError(DAMAGED)
    if stream.kind == AVIF:
        image = decode_avif(payload, height, width)
    else:
        image = _decoded(payload, stream.kind, size=(width, height))
    if image is None:
        raise ValueError(DAMAGED)
    if stream.kind != WEBP and checksum(image) != stream.content_check:
        raise ValueError(
            f"The stream is whole, but the {'AVIF' if stream.kind == AVIF else 'JPEG'} decoder of this machine gives "
            "other pixels than that of the machine where it was made. Decode it with another version of Pillow."
        )
    return image


def _decoded(payload, kind, *, size=None):
    """The image in a file, or `None` if there is none, or none of that size."""
    try:
        # Not `Image.open`, which warns of large images or refuses them, by a limit of the whole process.
        with READERS[kind](io.BytesIO(payload)) as image:
            return np.array(image.convert("RGB")) if size in (None, image.size) else None
    except MemoryError:
        raise
    except Exception:  # Pillow raises what it likes
        return None


def _fits_into_webp(height, width):
    return max(height, width) <= WEBP_SIDE and height * width <= WEBP_PIXELS


def _is_promising(image, max_bytes):
    """Whether the whole may fit, as some rows tell: of photographs within a tenth (docs/experiments.md).

    Drawings, whose rows take half a bit a sample or less, repeat themselves, and take as little as a third of that.
    """
    if len(image) <= STRIPS * ROWS:
        return True
    starts = np.linspace(0, len(image) - ROWS, STRIPS).astype(int)
    rows = np.concatenate([image[start : start + ROWS] for start in starts])
    expected = len(_webp(rows)) * len(image) / len(rows)
    return expected <= 1.1 * max_bytes or (expected <= 3 * max_bytes and 8 * expected <= 0.5 * image.size)


def _webp(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "WEBP", lossless=True, quality=75, method=4)
    return file.getvalue()


def _stripped(jpeg):
    """A JPEG file without metadata, thumbnails, and what follows the picture; `None` if it has no such parts."""
    kept, position = [jpeg[:2]], 2
    while jpeg[position : position + 1] == b"\xff" and position + 4 <= len(jpeg):
        marker, end = jpeg[position + 1], position + 2 + int.from_bytes(jpeg[position + 2 : position + 4], "big")
        if marker == 0xDA:  # the scans, up to the end of the image
            end = jpeg.find(b"\xff\xd9", position) + 2
            return b"".join([*kept, jpeg[position:end]]) if end > position else None
        if not (0xE0 <= marker <= 0xEF or marker == 0xFE) or marker == 0xEE:  # Adobe's tells the colour transform
            kept.append(jpeg[position:end])
        position = end
    return None
