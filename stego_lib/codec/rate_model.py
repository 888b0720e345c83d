"""The loss that the context model is trained on: bits that photographs take."""

import keras
import numpy as np
from keras import ops

from stego_lib.codec.latents import MULTIPLIER
from stego_lib.codec.passes import run_passes
from stego_lib.codec.probability_tables import FRACTIONS, LEVELS, LEVELS_PER_OCTAVE
from stego_lib.codec.scaling import STEPS, Scaling
from stego_lib.layers import straight_through_round


class RateModel(keras.Model):
    """Bits per sample of photographs: the loss that the context model is trained on.

    While training, a latent is quantized to even or to odd values at random, as the trellis will have it, and to a
    smaller value where that saves more bits than it costs in error.

    Args:
        context: `ContextModel`.
        seed: Of the random quantizers. Defaults to `0`.

    Input shape:
        Dictionary of `latents`, float32 in grey levels of shape `(batch, height, width, depth)`, sides multiples of 16,
        and `index`, the index of each image's step in `STEPS`, int32 of shape `(batch,)`.

    Output shape:
        `(batch,)`, bits per sample; lower is better.
    """

    def __init__(self, context, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.context, self.networks = context, context.networks  # Keras finds the weights in the list
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.mixture_weights = self.add_weight(shape=(2, 3), initializer="zeros", name="mixture")
        self.built = True

    def call(self, inputs):
        """Adds up the bits of all passes."""
        index = inputs["index"]
        latents = inputs["latents"] / ops.reshape(ops.take(STEPS, index), (-1, 1, 1, 1))
        scaling = Scaling(index, self.context.deviations, self.context.octaves)
        total = 0.0

        def code_pass(places, prediction):
            nonlocal total
            values = []
            distributions = scaling.means_and_scales(prediction, places[0].start, places[0].stop)
            for place, (mean, scale) in zip(places, distributions, strict=True):
                value, bits = self._quantized(latents[:, *place.slices], mean, scale)
                values.append(value)
                total += ops.sum(bits, axis=(1, 2, 3))
            return values

        def predict(network, *inputs):
            return network([ops.concatenate(arrays, -1) for arrays in inputs])

        shape = ops.shape(latents)
        run_passes(self.context, scaling, shape=shape[:3], predict=predict, code_pass=code_pass)
        return total / (shape[1] * shape[2] * shape[3])

    def mixture(self):
        """Weights of the three logistic distributions that are mixed, and the ratios of their scales to the scale."""
        weights = ops.softmax(ops.add(self.mixture_weights[0] * 10, np.array([0, 0, -2], "float32")))
        return weights, ops.exp(ops.add(self.mixture_weights[1] * 10, np.array([-0.4, 0.4, 1.5], "float32")))

    def _quantized(self, latents, mean, scale):
        centre = ops.stop_gradient(ops.round(mean))
        shift = centre - straight_through_round(mean * FRACTIONS) / FRACTIONS
        x = latents - centre
        size = ops.abs(x)
        odd = keras.random.uniform(ops.shape(mean), seed=self.seed_generator) < 0.5
        one = ops.cast(odd, "float32")
        nearest = ops.where(odd & (size < 0.5), 0.0, ops.round((size + one) / 2))
        values = [ops.sign(x) * ops.maximum(2 * k - one, 0) for k in (nearest, ops.maximum(nearest - 1, 0))]
        bits = [self._bits(value, odd, shift, scale) for value in values]
        costs = [(x - value) ** 2 + float(MULTIPLIER) * cost for value, cost in zip(values, bits, strict=True)]
        smaller = costs[1] < costs[0]
        return centre + ops.where(smaller, values[1], values[0]), ops.where(smaller, bits[1], bits[0])

    def _bits(self, values, odd, shift, scale):
        size = ops.abs(values)
        low = ops.where(odd & (size < 2), size - 0.5, size - 1)
        high = ops.where(odd & (size < 0.5), 0.5, size + 1)
        shift = ops.where(values < 0, -shift, shift)
        low, high = low + shift, high + shift
        mirrored = low + high > 0  # the difference of two numbers near 0 is precise, that of two near 1 is not
        low, high = ops.where(mirrored, -high, low), ops.where(mirrored, -low, high)
        size = 2.0 ** (ops.clip(scale, 0, LEVELS - 1) / LEVELS_PER_OCTAVE - 4)
        mass = 0.0
        weights, ratios = self.mixture()
        for i in range(3):
            mass += weights[i] * (ops.sigmoid(high / (size * ratios[i])) - ops.sigmoid(low / (size * ratios[i])))
        return -ops.log(mass * (1 - 1e-4) + 1e-7) / np.log(2)
