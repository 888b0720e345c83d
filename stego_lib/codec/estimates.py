"""How good an image will be with how many bytes, without compressing all of a large one."""

import hashlib

import numpy as np
from scipy.interpolate import PchipInterpolator

from stego_lib.codec.container import HALF, OVERHEAD, OVERHEADS
from stego_lib.codec.half_size import HalfSize
from stego_lib.codec.rate_control import activity, psnr_of_latents
from stego_lib.codec.scaling import STEPS
from stego_lib.codec.tiling import patches

# Steps of the curve; those between are met within 0.3 dB (docs/experiments.md).
ESTIMATED = range(96, len(STEPS), 112)
BEST = 99.0  # dB, as good as any
NUMBER, SIDE = 12, 24  # of the patches of a large photograph, in latents
KEPT = 4  # curves: of two photographs, each as it is and at half its size
LEAST = 1e-3  # bytes
FINENESS = 8  # numbers of bytes that are looked at from one power of 2 to the next


def whole_psnr(coder, image, num_bytes):
    """Estimates how good an image will be, coded as it is.

    Args:
        coder: `LatentCodec`.
        image: uint8 array of shape `(height, width, 3)`.
        num_bytes: Array of numbers of bytes.

    Returns:
        float64 array of PSNR in dB; NaN where the image does not fit.
    """
    curve = _curve(coder, image)
    payloads = np.log2(np.maximum(num_bytes - OVERHEAD, LEAST))
    return curve(np.minimum(payloads, curve.x[-1]))


def half_size_psnr(coder, half_size, num_bytes):
    """Estimates how good an image will be, coded at half its size and enlarged.

    Args:
        coder: `LatentCodec`.
        half_size: `HalfSize`.
        num_bytes: Array of numbers of bytes, of the whole stream.

    Returns:
        float64 array of PSNR in dB; NaN where the image does not fit.
    """
    return half_size.psnr_when_enlarged(whole_psnr(coder, half_size.reduced, num_bytes - OVERHEADS[HALF]))


def expected_psnr(coder, image, num_bytes):
    """Estimates how good an image will be, coded as it is or at half its size: as `whole_psnr`."""
    psnr, half_size = whole_psnr(coder, image, num_bytes), HalfSize(image)
    if half_size.may_reach(np.nan_to_num(psnr).min()):
        psnr = np.fmax(psnr, half_size_psnr(coder, half_size, num_bytes))
    return psnr


def expected_length(expected, coder, *, image, quality):
    """Estimates how many bytes an image takes.

    Args:
        expected: `whole_psnr` or `expected_psnr`.
        coder: `LatentCodec`.
        image: uint8 array of shape `(height, width, 3)`.
        quality: PSNR in dB.

    Returns:
        Number of bytes; about those of the samples where they do not suffice.
    """
    lengths = 2 ** np.arange(4, max(np.log2(image.size), 5), 1 / FINENESS)
    psnr = np.maximum.accumulate(np.nan_to_num(expected(coder, image, lengths)))
    return 2 ** np.interp(quality, psnr, np.log2(lengths))


def _curve(coder, image):
    """PSNR in dB, of the logarithm of bytes; whoever hides asks several times for the same secret."""
    image_key = image.shape, hashlib.sha256(np.ascontiguousarray(image)).digest()
    curve = coder.curves.get(image_key) or _estimated_curve(coder, image)
    others = [item for item in coder.curves.items() if item[0] != image_key]
    coder.curves = dict([*others, (image_key, curve)][-KEPT:])
    return curve


def _estimated_curve(coder, image):
    latents = coder.transform.analyze(image[None])
    sample = patches(latents, NUMBER, side=SIDE)
    num_bytes, psnr = [], []
    for index in ESTIMATED:
        quantized = coder.quantize(sample, index)
        ratio = activity(latents[:, ::8, ::8], index) / activity(sample, index) if len(sample) > 1 else 1
        num_bytes.append(max(quantized.bits / 8 / sample.size * latents.size * ratio, LEAST))
        psnr.append(min(psnr_of_latents(coder.refine(quantized.values, index), sample), BEST))
    logarithms = np.maximum.accumulate(np.log2(num_bytes[::-1])) + 1e-6 * np.arange(len(num_bytes))  # of flat images
    return PchipInterpolator(logarithms, psnr[::-1], extrapolate=False)
