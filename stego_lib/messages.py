"""Layers between a secret and a message: one digit for every sample of a cover."""

import math

import keras
import numpy as np
from keras import ops

from stego_lib.block_code import (
    BLOCK,
    CLASS_BITS,
    CLASSES,
    DEPTH,
    MOST_BITS,
    BlockCode,
    design_code,
    expand,
    quantization_levels,
)
from stego_lib.layers import even_period

FINE = 3  # bits of a latent from which on the error of quantization is as good as random


class _CodedLayer(keras.layers.Layer):
    """What both layers share: the period, and the code as weights that no gradient changes."""

    def __init__(self, period=8, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.period = even_period(period)
        self.bits_per_sample = int(math.log2(period))

    def build(self, input_shape):
        code = design_code(self.bits_per_sample)
        for name, values in zip(BlockCode._fields, code, strict=True):
            weight = self.add_weight(shape=values.shape, initializer="zeros", trainable=False, name=name)
            setattr(self, name, weight)
        self.set_code(code)

    def set_code(self, code):
        """Replaces the code.

        Args:
            code: `BlockCode` for as many bits a sample as the period has.

        Raises:
            ValueError: If the code is for another number of bits.
        """
        wanted = DEPTH * self.bits_per_sample - CLASS_BITS
        if not np.array_equal(np.sum(code.bits, axis=1), np.full(CLASSES, wanted)):
            raise ValueError(f"`code` must have {wanted} bits in every class. Received: {np.sum(code.bits, axis=1)}")
        for name, values in zip(BlockCode._fields, code, strict=True):
            getattr(self, name).assign(values)

    def get_config(self):
        return {**super().get_config(), "period": self.period}


@keras.saving.register_keras_serializable(package="stego_lib")
class SecretToMessage(_CodedLayer):
    """Turns a secret into a message that `ModularEmbedding` can embed: one digit for every sample.

    Blocks of 4x4 pixels are transformed to 48 latents, companded, and quantized with a fixed number of bits each. There
    are 32 ways to do so, for blocks of different contrast and with edges of different directions; the one that makes
    the smallest error is chosen. The number of the choice and the bits of all latents fill the digits of the block.
    Gradients pass quantizers of 3 bits or more as if they were not there. Those of coarser ones are zero: a network can
    foresee their errors, and would try to make up for them, in vain.

    The code is designed from an idea of natural images; `set_code` replaces it by one that was learned from photographs
    (see `learn_code`). It is part of the weights.

    Args:
        period: Even integer from 2 to 256, of the embedding, in 8-bit steps; powers of two make the most of it.
            Defaults to `8`.

    Input shape:
        Image in [0, 1], `(batch, height, width, 3)`, sides multiples of 4.

    Output shape:
        Same as the input; the middles of `2**floor(log2(period))` equal parts of (-0.5, 0.5), float32.

    Raises:
        ValueError: If the period is not an even integer from 2 to 256.

    Example:

    >>> message = SecretToMessage(period=8)(np.zeros((1, 8, 8, 3)))
    >>> MessageToSecret(period=8)(message)[0].shape
    (1, 8, 8, 3)

    Reference:
        [Chen and Smith, 1977](https://doi.org/10.1109/TCOM.1977.1093763)
    """

    def call(self, image):
        blocks = ops.space_to_depth(255.0 * image - 127.5, BLOCK, data_format="channels_last")
        least = None
        for kind in range(CLASSES):
            scale, reach, cells = self.scales[kind], self.reaches[kind], 2.0 ** self.bits[kind]
            latents = ops.matmul(blocks, self.bases[kind])
            companders = {"scales": scale, "reaches": reach, "cells": cells, "ops": ops}
            levels = quantization_levels(latents, **companders)
            quantized, _, _ = expand(levels, **companders)
            error = ops.sum(ops.square(quantized - latents), axis=-1, keepdims=True)
            carried = latents * ops.cast(self.bits[kind] >= FINE, "float32")
            if least is None:
                least, chosen, carriers, kinds = error, levels, carried, ops.zeros_like(error, dtype="int32")
            else:
                better = error < least
                least = ops.where(better, error, least)
                chosen = ops.where(better, levels, chosen)
                carriers = ops.where(better, carried, carriers)
                kinds = ops.where(better, kind, kinds)
        digits = ops.cast(self._digits(ops.cast(chosen, "int32"), kinds), "float32")
        digits += carriers - ops.stop_gradient(carriers)  # zero, but for the gradient
        message = (digits + 0.5) / 2**self.bits_per_sample - 0.5
        return ops.depth_to_space(message, BLOCK, data_format="channels_last")

    def _digits(self, levels, kinds):
        """The bits of the class, then those of the levels, least significant first, `bits_per_sample` to a digit."""
        ends = ops.cast(ops.cumsum(self.bits, axis=-1), "int32")
        starts = ends - ops.cast(self.bits, "int32")
        numbers = ops.arange(DEPTH * self.bits_per_sample - CLASS_BITS, dtype="int32")
        latent = ops.sum(ops.cast(ends[:, None] <= numbers[:, None], "int32"), axis=-1)
        shift = numbers - ops.take_along_axis(starts, latent, axis=-1)
        latent, shift = (ops.take(table, kinds[..., 0], axis=0) for table in (latent, shift))
        bits = ops.right_shift(ops.take_along_axis(levels, latent, axis=-1), shift)
        bits = ops.concatenate([ops.right_shift(kinds, ops.arange(CLASS_BITS, dtype="int32")), bits], axis=-1)
        bits = ops.reshape(ops.bitwise_and(bits, 1), (*ops.shape(levels), self.bits_per_sample))
        return ops.sum(bits * 2 ** ops.arange(self.bits_per_sample, dtype="int32"), axis=-1)

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="stego_lib")
class MessageToSecret(_CodedLayer):
    """Turns the phase of a stego image back into the secret, as far as its digits tell: see `SecretToMessage`.

    Args:
        period: Even integer from 2 to 256, of the embedding. Defaults to `8`.

    Input shape:
        Phase, `(batch, height, width, 3)` in (-0.5, 0.5), sides multiples of 4.

    Output shape:
        Three tensors: the secret, `(batch, height, width, 3)`, about in [0, 1]; and of each of its latents, of shape
        `(batch, height / 4, width / 4, 48)`, the companded value in (-1, 1), and the logarithm of how wide the cell of
        the quantizer is, in grey levels: what a network needs to know to do better.

    Raises:
        ValueError: If the period is not an even integer from 2 to 256.

    Example:

    >>> [output.shape for output in MessageToSecret(period=8)(np.zeros((1, 8, 8, 3)))]
    [(1, 8, 8, 3), (1, 2, 2, 48), (1, 2, 2, 48)]

    Reference:
        [Chen and Smith, 1977](https://doi.org/10.1109/TCOM.1977.1093763)
    """

    def call(self, phase):
        digits = (ops.space_to_depth(phase, BLOCK, data_format="channels_last") + 0.5) * 2**self.bits_per_sample
        levels, kinds = self._levels(ops.cast(ops.floor(digits), "int32"))
        chosen = ops.one_hot(kinds, CLASSES)
        scale, reach, bits = (ops.take(table, kinds, axis=0) for table in (self.scales, self.reaches, self.bits))
        levels = ops.cast(levels, "float32")
        latents, companded, width = expand(levels, scales=scale, reaches=reach, cells=2.0**bits, ops=ops)
        latents += digits - ops.stop_gradient(digits)  # zero, but for the gradient
        bases = ops.swapaxes(self.bases, 1, 2)
        blocks = sum(ops.matmul(latents * chosen[..., kind, None], bases[kind]) for kind in range(CLASSES))
        blocks = ops.depth_to_space(blocks, BLOCK, data_format="channels_last")
        return (blocks + 127.5) / 255.0, companded, ops.log(width)

    def _levels(self, digits):
        """The level of every latent, and the class."""
        bits = ops.right_shift(digits[..., None], ops.arange(self.bits_per_sample, dtype="int32"))
        bits = ops.reshape(ops.bitwise_and(bits, 1), (*ops.shape(digits)[:-1], DEPTH * self.bits_per_sample))
        kinds = ops.sum(bits[..., :CLASS_BITS] * 2 ** ops.arange(CLASS_BITS, dtype="int32"), axis=-1)
        number = ops.cast(self.bits, "int32")[..., None]
        ends = CLASS_BITS + ops.cumsum(number, axis=1)
        powers = ops.arange(MOST_BITS, dtype="int32")
        last = DEPTH * self.bits_per_sample  # a place where there is a zero
        place = ops.where(powers < number, ends - number + powers, last)
        place = ops.take(ops.reshape(place, (CLASSES, DEPTH * MOST_BITS)), kinds, axis=0)
        bits = ops.concatenate([bits, ops.zeros_like(bits[..., :1])], axis=-1)
        bits_of_levels = ops.reshape(ops.take_along_axis(bits, place, axis=-1), (*ops.shape(digits), MOST_BITS))
        return ops.sum(bits_of_levels * 2**powers, axis=-1), kinds

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        sides = [None if side is None else side // BLOCK for side in (height, width)]
        return input_shape, (batch, *sides, DEPTH), (batch, *sides, DEPTH)
