"""Steps of the quantizer, and how latents and the numbers of the context model are scaled by them."""

import numpy as np
from keras import ops

from stego_lib.codec.fixed_point import KERNEL_GRID, LIMIT, UNIT
from stego_lib.codec.probability_tables import FRACTIONS, LEVELS_PER_OCTAVE

PER_OCTAVE = 64  # steps; one changes PSNR by less than a tenth of a decibel
OCTAVES = np.arange(-256, LIMIT + 1, dtype="float32") / PER_OCTAVE
# Units of the values, in grey levels: 1/16 to 256. The quantizer, even or odd, has twice that step.
STEPS = np.rint(2.0 ** np.float64(OCTAVES) * 2**16).astype("float32") / 2**16
OCTAVES_PER_UNIT = 2  # by which a parameter of 1 changes a scale
# Of a parameter of 0: a scale of half the deviation of its channel. Of a logistic distribution that is a deviation 0.9
# times as large. `LEVELS` begin at 2^-4 units.
SCALE_ORIGIN = (4 - 1) * LEVELS_PER_OCTAVE
SHIFT = 32  # binary places of a gain in fixed point


def nearest_index(step):
    """Finds the nearest step that there is.

    Args:
        step: Of the quantizer, in grey levels: twice the unit of the values.

    Returns:
        Its index in `STEPS`.
    """
    return int(np.abs(np.log2(2 * STEPS / step)).argmin())


class Scaling:
    """How latents, in units of the step, become activations of the context model, and its parameters distributions.

    Args:
        index: Index in `STEPS` of the step of every image, shape `(batch,)`.
        deviations: Standard deviations of the channels of the latents, in grey levels.
        octaves: Their logarithms to base 2, multiples of 1/64.
        ops: `keras.ops`, or `numpy` for what must be the same on every machine. Defaults to `keras.ops`.
    """

    def __init__(self, index, deviations, octaves, *, ops=ops):
        self.deviations, self.octaves = ops.array(np.float32(deviations)), ops.array(np.float32(octaves))
        self._ops = ops
        self._step = ops.reshape(ops.take(STEPS, index), (-1, 1, 1, 1))
        self._octave = ops.reshape(ops.take(OCTAVES, index), (-1, 1, 1, 1))

    def compand(self, x, start, stop):
        """Turns latents into activations: the signed root, 1 where a latent is as large as its deviation."""
        size = self._ops.sqrt(self._ops.abs(x) * (self._step / self.deviations[start:stop])) * UNIT
        return self._ops.clip(self._ops.round(self._ops.sign(x) * size), -LIMIT, LIMIT)

    def features(self, x, start, stop):
        """Lists what the networks are told of latents: the companded ones, and small ones as they are, in quarters."""
        return [self.compand(x, start, stop), self._ops.clip(x * (UNIT // 4), -LIMIT, LIMIT)]

    def constants(self, like):
        """Lists what the networks are told beside latents: 1, which ends at the edge of an image, and the step."""
        ones = self._ops.ones_like(like[..., :1])
        return [ones * np.float32(UNIT), ones * (self._octave * np.float32(UNIT))]

    def means_and_scales(self, prediction, start, stop):
        """Turns what is predicted into distributions, for training.

        Args:
            prediction: `Prediction`.
            start: First channel.
            stop: The channel after the last one.

        Returns:
            List of means, in units, and scales, as indices of `SCALES` that are not rounded; one pair for each place.
        """
        gain = self.deviations[start:stop] / self._step / UNIT
        origin = LEVELS_PER_OCTAVE * (self.octaves[start:stop] - self._octave) + SCALE_ORIGIN
        parameters = self._ops.split(prediction.parameters, prediction.parameters.shape[-1] // (stop - start), axis=-1)
        bases = prediction.bases or [0] * (len(parameters) // 2)
        return [
            (mean * gain + base, scale * (OCTAVES_PER_UNIT * LEVELS_PER_OCTAVE / UNIT) + origin)
            for mean, scale, base in zip(parameters[::2], parameters[1::2], bases, strict=True)
        ]


def integer_scaling(index, deviations, octaves):
    """Computes `means_and_scales` in integers, for coding.

    Args:
        index: Index of the step, the same for all images.
        deviations: As of `Scaling`.
        octaves: As of `Scaling`.

    Returns:
        Gains of the means and origins of the scales, int64 arrays with a value for each channel.
    """
    eighths = FRACTIONS * np.float64(deviations) / np.float64(STEPS[index]) / (UNIT * 2 * KERNEL_GRID)
    steps_apart = np.rint((np.float64(octaves) - np.float64(OCTAVES[index])) * PER_OCTAVE)
    return np.rint(eighths * 2.0**SHIFT).astype("int64"), steps_apart.astype("int64")
