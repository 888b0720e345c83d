"""The codec beside AVIF and JPEG XL: quality at the same bytes, time and memory."""

import sys
import tempfile
import time
from pathlib import Path

import imagecodecs
import numpy as np
from tqdm.auto import tqdm

from stego_lib.codec.codec import TooFewBytesError
from stego_lib.evaluation.baselines import avif, jpegxl
from stego_lib.hiding.stego import hide_file, reveal_file
from stego_lib.images import image_psnr, write_image

ENVELOPE = 64  # bytes that hiding needs beside the stream
EQUAL = 68.0  # dB, the most that counts in a mean: one grey level wrong in a hundred samples


def compressors(codec):
    """Collects the codecs that are compared.

    Args:
        codec: `Codec`.

    Returns:
        Dictionary of functions from an image and the most bytes to a stream and the image decoded from it, or to `None`
        where nothing fits.
    """

    def ours(image, max_bytes):
        try:
            data = codec.encode(image, max_bytes=max_bytes)
        except TooFewBytesError:
            return None
        return data, codec.decode(data)

    return {"stego_lib": ours, "AVIF": avif, "JPEG XL": jpegxl}


def rate_distortion(images, codecs, bits=(1, 2, 3)):
    """Measures what is left of images in the room that a cover offers: real bytes, decoded, 8-bit RGB.

    Args:
        images: List of uint8 arrays of shape `(height, width, 3)`.
        codecs: Dictionary returned by `compressors`.
        bits: Numbers of bits per sample; `bits * samples / 8 - 64` bytes may be used. Defaults to `(1, 2, 3)`.

    Returns:
        Dictionary of arrays of shape `(images, len(bits))`, PSNR in dB, higher is better, at most 68, which is as good
        as equal; NaN where nothing fits.
    """
    result = {name: np.full((len(images), len(bits)), np.nan) for name in codecs}
    for number, image in enumerate(tqdm(images, desc="Compressing", disable=None)):
        for name, compress in codecs.items():
            for column, rate in enumerate(bits):
                compressed = compress(image, int(rate * image.size / 8) - ENVELOPE)
                if compressed is not None:
                    result[name][number, column] = min(image_psnr(image, compressed[1]), EQUAL)
    return result


def quality_table(measured, bits=(1, 2, 3)):
    """Puts means and worst values of `rate_distortion` into a Markdown table.

    Args:
        measured: Dictionary returned by `rate_distortion`.
        bits: The bits per sample that were measured. Defaults to `(1, 2, 3)`.

    Returns:
        String.
    """
    lines = ["| bits a sample | " + " | ".join(measured) + " |", "| --- |" + " --- |" * len(measured)]
    for column, rate in enumerate(bits):
        cells = [f"{values[:, column].mean():.2f} ({values[:, column].min():.1f})" for values in measured.values()]
        lines.append(f"| {rate} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def speed_table(photograph, codec, megapixels=(0.25, 1, 4, 12), bits=2):
    """Measures time and memory of compressing and hiding, and the time of AVIF and JPEG XL at a high quality.

    Args:
        photograph: uint8 array of shape `(height, width, 3)`; repeated in mirror images to the sizes wanted.
        codec: `Codec`.
        megapixels: Sizes. Defaults to `(0.25, 1, 4, 12)`.
        bits: Bits per sample. Defaults to `2`.

    Returns:
        String, a Markdown table: seconds, megapixels per second, and the growth of the peak memory of the process.
        Files are hidden and revealed with the codec that comes with the library.
    """
    codec.decode(codec.encode(_mirrored(photograph, 0.1), step=8))  # whatever happens only once
    before = _peak_memory()
    lines = [
        "| megapixels | encode to budget | decode | memory | hide a file | reveal a file | memory "
        "| AVIF (quality 90, speed 6) | JPEG XL (distance 0.5) |",
        "| --- |" + " --- |" * 8,
    ]
    rows = []
    for size in megapixels:
        image = _mirrored(photograph, size)
        encoding, data = _timed(codec.encode, image, max_bytes=image.size * bits // 8)
        decoding, _ = _timed(codec.decode, data)
        cells = [f"{size}", _speed(encoding, image), _speed(decoding, image), _growth(before)]
        with tempfile.TemporaryDirectory() as folder:
            cover, stego, revealed = (Path(folder) / f"{name}.png" for name in ("cover", "stego", "revealed"))
            write_image(cover, image)
            cells.append(_speed(_timed(hide_file, cover, cover, stego, bits=bits)[0], image))
            cells.append(_speed(_timed(reveal_file, stego, revealed)[0], image))
        rows.append([*cells, _growth(before)])
    for size, cells in zip(megapixels, rows, strict=True):  # afterwards, as their memory is not to be counted
        image = _mirrored(photograph, size)
        for encode, decode, quality in (
            (imagecodecs.avif_encode, imagecodecs.avif_decode, {"level": 90, "speed": 6, "pixelformat": "444"}),
            (imagecodecs.jpegxl_encode, imagecodecs.jpegxl_decode, {"distance": 0.5}),
        ):
            encoding, data = _timed(encode, image, numthreads=2, **quality)
            decoding, _ = _timed(decode, data, numthreads=2)
            cells.append(f"{encoding:.1f} s / {decoding:.1f} s")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _mirrored(photograph, megapixels):
    height, width = round((megapixels * 7.5e5) ** 0.5), round((megapixels * 1e6 / 0.75) ** 0.5)
    rows, columns = (max(length - side, 0) for length, side in zip((height, width), photograph.shape, strict=False))
    return np.pad(photograph, ((0, rows), (0, columns), (0, 0)), "symmetric")[:height, :width]


def _timed(function, *arguments, **options):
    start = time.perf_counter()
    result = function(*arguments, **options)
    return time.perf_counter() - start, result


def _speed(seconds, image):
    return f"{seconds:.1f} s ({image.size / 3e6 / seconds:.2f} MP/s)"


def _growth(before):
    return f"{(_peak_memory() - before) / 2**20:.0f} MiB"


def _peak_memory():
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
