"""The codec beside AVIF, JPEG XL and WebP: quality at the same bytes, time and memory."""

import sys
import tempfile
import time
from pathlib import Path

import imagecodecs
import numpy as np
from tqdm.auto import tqdm

from stego_lib.codec.codec import TooFewBytesError
from stego_lib.evaluation.baselines import avif, jpegxl, webp
from stego_lib.hiding.stego import hide_file, reveal_file
from stego_lib.images import image_psnr, write_image
from stego_lib.metrics import ssim

BITS_PER_PIXEL = (0.1, 0.15, 0.25, 0.35, 0.5, 0.75, 1, 1.5, 2, 3, 6, 9)
# Bits a pixel and PSNR in dB that CompressAI publishes for the Kodak photographs (results/image/kodak in
# https://github.com/InterDigitalInc/CompressAI). Not measured here, and other photographs than those measured here.
PUBLISHED = {
    "hyperprior (Balle et al., 2018)": (
        (0.131, 0.209, 0.320, 0.478, 0.669, 0.939, 1.259, 1.660),
        (27.58, 29.20, 30.97, 32.84, 34.53, 36.74, 38.58, 40.56),
    ),
    "Cheng et al., 2020": (
        (0.120, 0.184, 0.271, 0.417, 0.594, 0.806),
        (28.58, 29.97, 31.34, 33.39, 35.12, 36.70),
    ),
    "VVC (VTM)": (
        (0.112, 0.246, 0.491, 0.875, 1.431, 2.325, 3.633),
        (28.49, 31.20, 34.26, 37.42, 40.42, 43.51, 46.59),
    ),
    "AV1": (
        (0.110, 0.170, 0.246, 0.352, 0.499, 0.683, 0.909, 1.167, 1.415, 1.805, 2.608),
        (27.56, 29.02, 30.44, 31.99, 33.65, 35.32, 36.99, 38.56, 39.81, 41.43, 43.97),
    ),
}
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

    return {"stego_lib": ours, "AVIF": avif, "JPEG XL": jpegxl, "WebP": webp}


def rate_distortion(images, codecs, bits_per_pixel=BITS_PER_PIXEL):
    """Measures what is left of images in a number of bytes: real bytes, decoded, 8-bit RGB.

    Args:
        images: List of uint8 arrays of shape `(height, width, 3)`, at least 11x11.
        codecs: Dictionary returned by `compressors`.
        bits_per_pixel: Numbers; `bits * pixels / 8` bytes may be used. Defaults to 0.1 to 9; 3 is one bit a sample.

    Returns:
        Dictionary of arrays of shape `(images, len(bits_per_pixel), 2)`: PSNR in dB, at most 68, which is as good as
        equal, and SSIM, both higher is better; NaN where nothing fits.
    """
    result = {name: np.full((len(images), len(bits_per_pixel), 2), np.nan) for name in codecs}
    for number, image in enumerate(tqdm(images, desc="Compressing", disable=None)):
        for name, compress in codecs.items():
            for column, rate in enumerate(bits_per_pixel):
                compressed = compress(image, int(rate * image.size / 24))
                if compressed is not None:
                    result[name][number, column] = _quality(image, compressed[1])
    return result


def quality_table(measured, bits_per_pixel=BITS_PER_PIXEL):
    """Puts means and worst PSNR of `rate_distortion` into a Markdown table.

    Args:
        measured: Dictionary returned by `rate_distortion`.
        bits_per_pixel: The bits per pixel that were measured. Defaults to 0.1 to 9.

    Returns:
        String; a codec has no number where one of the images did not fit.
    """
    lines = ["| bits a pixel | " + " | ".join(measured) + " |", "| --- |" + " --- |" * len(measured)]
    for column, rate in enumerate(bits_per_pixel):
        cells = []
        for values in measured.values():
            psnr, ssim = values[:, column].T
            fits = not np.isnan(psnr).any()
            cells.append(f"{psnr.mean():.2f} ({psnr.min():.1f}) / {ssim.mean():.4f}" if fits else "")
        lines.append(f"| {rate} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def speed_table(photograph, codec, *, megapixels=(0.25, 1, 4, 12), bits=2):
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


def _quality(image, decoded):
    return min(image_psnr(image, decoded), EQUAL), float(ssim(image[None], decoded[None])[0])


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
    return "-" if before is None else f"{(_peak_memory() - before) / 2**20:.0f} MiB"


def _peak_memory():
    try:
        import resource
    except ImportError:  # on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
