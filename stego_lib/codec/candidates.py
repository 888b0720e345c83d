"""Which stream is the best: from the networks of the codec, of the image or of half its size, or another's file."""

import functools
import math

import numpy as np

from stego_lib.codec.container import HALF, OVERHEADS, SLOW, SMALL_SAMPLES, Stream, avif_streams, lossless, pack
from stego_lib.codec.estimates import expected_length, half_size_psnr, whole_psnr
from stego_lib.codec.half_size import HalfSize
from stego_lib.images import image_psnr
from stego_lib.progress import of_part

AVIF_BITS = 3.0  # bits a pixel up to which an AVIF file may be better (docs/experiments.md),
AVIF_SAMPLES = 2**20  # and samples of an image up to which such a file is made in some seconds
SMALL_BITS = 0.75  # bits a pixel from which the networks for small photographs may be better, likewise
SURE = 0.5  # dB, estimated, by which half the size is better or worse, so that only one of both is coded
FIRST = 0.9  # of the work is done when half the size was tried, which hardly ever turns out to be too long or too bad


class TooFewBytesError(ValueError):
    """Not even the coarsest step fits into the bytes that are allowed."""


def best_stream(codec, image, *, max_bytes, quality, jpeg, progress):
    """Finds the best stream that fits into a number of bytes, or the shortest one that reaches a quality.

    Args:
        codec: `Codec`.
        image: uint8 array of shape `(height, width, 3)`.
        max_bytes: The most bytes, or `None`.
        quality: PSNR in dB, or `None`; one of both must be given.
        jpeg: As of `Codec.encode`.
        progress: Called with the part that is done, from 0 to 1; `None` for nobody.

    Returns:
        bytes; the shortest stream where none fits.
    """
    limit = math.inf if quality == math.inf else max_bytes
    if limit is not None and (data := lossless(image, limit, jpeg=jpeg)):
        return data
    psnr = functools.cache(lambda data: image_psnr(image, codec.decode(data)))  # decoding a large one takes long

    def reached(streams):
        return quality or max((psnr(data) for data in streams if len(data) <= max_bytes), default=0)

    goal, half_size, streams = {"max_bytes": max_bytes, "quality": quality}, HalfSize(image), []
    gain = _gain_of_half_size(codec, half_size, **goal)
    if gain > SURE:
        streams = _half_size_streams(codec, half_size, **goal, progress=of_part(progress, 0, FIRST))
    if not streams:
        start = FIRST if gain > SURE else 0
        streams = _whole_streams(codec, image, **goal, progress=of_part(progress, start, 1))
        if gain > -SURE and half_size.may_reach(reached(streams)):
            streams += _half_size_streams(codec, half_size, **goal)
    if max_bytes is None and (data := lossless(image, min(map(len, streams)), jpeg=jpeg)):
        streams.append(data)
    length = min(map(len, streams)) if max_bytes is None else max_bytes
    if image.size <= AVIF_SAMPLES and 24 * length <= AVIF_BITS * image.size and math.isfinite(reached(streams)):
        streams += avif_streams(image, length, psnr=reached(streams), shortest=max_bytes is None)
    if len(streams) == 1:
        return streams[0]
    if max_bytes is None:
        return next((data for data in sorted(streams, key=len) if psnr(data) >= quality), streams[0])
    return max((data for data in streams if len(data) <= max_bytes), key=psnr, default=min(streams, key=len))


def _gain_of_half_size(codec, half_size, *, max_bytes, quality):
    """About how many dB half the size is better; 0 where that is quickly tried, minus infinity if it cannot be."""
    if not half_size.may_reach(quality or 0):
        return -math.inf
    image = half_size.image
    if image.size <= SLOW:
        return 0.0
    if max_bytes is None:
        max_bytes = expected_length(whole_psnr, codec.coder, image=image, quality=quality)
    num_bytes = np.array([max_bytes])
    expected = half_size_psnr(codec.coder, half_size, num_bytes), whole_psnr(codec.coder, image, num_bytes)
    return float(np.subtract(*np.nan_to_num(expected))[0])


def _whole_streams(codec, image, *, max_bytes, quality, progress):
    goal = {"max_bytes": max_bytes, "quality": quality}
    streams = [codec.encode_latents(image, **goal, progress=progress)]
    if codec.small and image.size <= SMALL_SAMPLES and 24 * (max_bytes or len(streams[0])) >= SMALL_BITS * image.size:
        streams.append(codec.small().encode_latents(image, **goal))
    return streams


def _half_size_streams(codec, half_size, *, max_bytes, quality, progress=None):
    """The stream of the image at half its size; none if it does not fit, or falls short of the quality."""
    try:
        if max_bytes is None:
            stream = half_size.encode(codec, quality, progress=progress)
        else:
            stream = codec.encode(half_size.reduced, max_bytes - OVERHEADS[HALF], progress=progress)
    except TooFewBytesError:
        stream = None
    return [pack(Stream(HALF, half_size.height, half_size.width, stream))] if stream else []
