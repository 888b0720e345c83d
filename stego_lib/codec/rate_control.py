"""Which step fills a number of bytes, or reaches a quality."""

from typing import NamedTuple

import numpy as np

from stego_lib.codec.container import checksum
from stego_lib.codec.scaling import STEPS
from stego_lib.codec.tiling import patches
from stego_lib.images import image_psnr
from stego_lib.progress import of_part

LARGE = 2**19  # latents of an image from which on it is searched until the step is nearly the best one,
TOLERANCE = 2  # missed by at most so many steps
# The bits of a sample fall with the logarithm of the step as a softplus: `log(expm1(bits / 1.5))` falls by 1/88 with
# each step, within a tenth, on photographs of any kind from 0.1 to 6 bits (docs/experiments.md).
SOFTPLUS_BITS, SOFTPLUS_STEPS = 1.5, 88
DECIBELS = 5.5 / 64  # of the PSNR that a step makes, between half of what theory says at high rates and all of it
# Where the search begins: the mean of photographs has 1 bit a sample at a step of 9 grey levels, 2 bits at 3.6.
TYPICAL_INDEX, TYPICAL_SLOPE = 500, 85
EXACT_INDEX, EXACT = 256, 53.0  # the step of two grey levels leaves about 53 dB
BEST = 58.0  # dB; for more, as for an exact image, the search begins at the step that makes this
REMAINING = 0.6  # of the search, thought to be left after every trial


class Trial(NamedTuple):
    """What was made with one step.

    Index of the step, number of groups of channels that were left out, payload, and a checksum of the latents in it.
    """

    index: int
    left_out: int
    payload: bytes
    latents_check: int


class StepSearch:
    """Codes an image with one step after another.

    Args:
        coder: `LatentCodec`.
        image: uint8 array of shape `(height, width, 3)`.
        progress: Called with the part that is done, from 0 to 1; `None` for nobody.
    """

    def __init__(self, coder, image, progress):
        self._coder, self._image, self._progress = coder, image, progress
        self._latents = coder.transform.analyze(image[None])
        self._remaining = 1.0

    def at(self, index):
        """Codes with one step.

        Args:
            index: Index of the step; the finest one that the coder allows if it is finer.

        Returns:
            `Trial`.
        """
        return self._coded(max(index, self._coder.finest))[0]

    def within(self, max_bytes):
        """Codes with the finest step whose payload has no more than so many bytes.

        Args:
            max_bytes: Number of bytes.

        Returns:
            `Trial`; with the coarsest step where none fits.
        """
        wanted = 8 * max_bytes / self._latents.size
        fitting = None

        def excess(index):
            nonlocal fitting
            trial, _ = self._coded(index)
            if len(trial.payload) <= max_bytes:
                fitting = trial
            return _steps_between(8 * len(trial.payload) / self._latents.size, wanted)

        def sampled_excess(sample, quantized):
            ratio = activity(self._latents[:, ::8, ::8], quantized.index) / activity(sample, quantized.index)
            return _steps_between(quantized.bits / sample.size * ratio, wanted)

        guess, tolerance = self._guess(sampled_excess, TYPICAL_INDEX - TYPICAL_SLOPE * wanted)
        _bracket(excess, guess, tolerance=tolerance, finest=self._coder.finest)
        return fitting or self.at(len(STEPS) - 1)

    def reaching(self, quality):
        """Codes with the coarsest step that reaches a quality.

        Args:
            quality: PSNR in dB, or infinity.

        Returns:
            `Trial`; with the finest step where none reaches it.
        """
        aim = min(quality, BEST)
        height, width, _ = self._image.shape
        reaching = None

        def excess(index):
            nonlocal reaching
            trial, values = self._coded(index)
            restored = self._coder.restore(values, index)[0, :height, :width]
            psnr = image_psnr(np.ascontiguousarray(restored), self._image)
            if psnr >= quality:
                reaching = trial
            if np.isinf(psnr) or np.isinf(quality):
                return np.inf if psnr >= quality else -np.inf
            return (psnr - quality) / DECIBELS - tolerance + 1e-9

        def sampled_excess(sample, quantized):
            psnr = psnr_of_latents(self._coder.refine(quantized.values, quantized.index), sample)
            return (psnr - aim) / DECIBELS - TOLERANCE

        guess, tolerance = self._guess(sampled_excess, EXACT_INDEX - (aim - EXACT) / DECIBELS)
        _bracket(excess, guess, tolerance=tolerance, finest=self._coder.finest)
        return reaching or self.at(0)

    def _coded(self, index):
        start = 1 - self._remaining
        self._remaining *= REMAINING
        progress = of_part(self._progress, start, 1 - self._remaining)
        encoder = self._coder.encoder()
        quantized = self._coder.quantize(self._latents, index, encoder=encoder, progress=progress)
        trial = Trial(index, quantized.left_out, encoder.finish(), checksum(quantized.values))
        return trial, quantized.values

    def _clipped(self, index):
        return int(np.clip(np.rint(index), self._coder.finest, len(STEPS) - 1))

    def _guess(self, excess, guess):
        """A guess of the step, and by how many steps the best one may be missed; of a large photograph by patches."""
        guess = self._clipped(guess)
        if self._latents.size <= LARGE:
            return guess, 0
        sample = patches(self._latents, 24, side=48, least=3)
        if len(sample) > 1:
            for _ in range(2):
                guess = self._clipped(guess + excess(sample, self._coder.quantize(sample, guess)) + TOLERANCE / 2)
        return guess, TOLERANCE


def _bracket(excess, guess, *, tolerance, finest):
    """Finds the two neighbouring steps between which something that falls as they grow, by about 1, passes zero."""
    low, high, last, slope = finest - 1, len(STEPS), None, 1.0
    while high - low > 1:
        value = excess(guess)
        low, high = (guess, high) if value > 0 else (low, guess)
        if -tolerance <= value <= 0:
            break
        if np.isinf(value):
            guess, last = (low + high) // 2, None
            continue
        if last and last[0] != guess:
            slope = np.clip((last[1] - value) / (guess - last[0]), slope / 2, slope * 2)
        last = guess, value
        guess = int(np.clip(guess + np.ceil(value / slope), low + 1, high - 1))


def _steps_between(bits, wanted):
    """How many steps are about between two numbers of bits a sample."""
    bits, wanted = np.log(np.expm1(np.clip([bits, wanted], 1e-6, 64) / SOFTPLUS_BITS))
    return SOFTPLUS_STEPS * (bits - wanted)


def activity(latents, index):
    """Measures what grows nearly as the bits that latents take: what is sampled is scaled by it to the whole.

    Args:
        latents: float32 array of any shape, in grey levels.
        index: Index of the step.

    Returns:
        Number.
    """
    return np.log2(1 + np.abs(latents) / STEPS[index]).mean()


def psnr_of_latents(refined, latents):
    """Computes the PSNR of the image that latents make, about: rounding it to 8 bits adds a twelfth to the error.

    Args:
        refined: float32 array, in grey levels.
        latents: float32 array of the same shape, as they were.

    Returns:
        Number in dB.
    """
    error = ((refined - latents) ** 2).mean(dtype="float64")
    return 10 * np.log10(255**2 / (error + 1 / 12))
