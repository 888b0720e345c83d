"""Convolutions in fixed point, which compute exactly the same on every machine.

Activations are integers within +-512, stored in float32, that stand for multiples of 1/64; kernels are multiples of
1/256. Every product is then a multiple of 1/256 and every sum, kept below 2^15, exact in the 24 bits of a float32, in
whatever order a backend adds.

Reference:
    [Balle et al., 2019](https://openreview.net/forum?id=S1zz2i0cY7) (integer networks for compression)
"""

import keras
import numpy as np
from keras import ops

from stego_lib.devices import jit_compile
from stego_lib.layers import straight_through_round

UNIT = 64  # activations are integers: this one stands for 1
LIMIT = 512  # and this is the largest
KERNEL_GRID = 256  # kernels are multiples of 1/256
KERNEL_LIMIT = 4.0
LARGEST_SUM = 2**15  # 24 bits of a float32, less the 8 of the grid and one for the half unit in the bias
# The absolute kernels of one filter add up to no more. 2^15 / 512 = 64 is where sums stop being exact; an eighth of
# that is left for the bias.
KERNEL_SUM = 56.0


@keras.saving.register_keras_serializable(package="stego_lib")
class KernelSum(keras.constraints.Constraint):
    """Keeps kernels within +-4, and the sum of the absolute values of every filter at 56 or below."""

    def __call__(self, kernel):
        kernel = ops.clip(kernel, -KERNEL_LIMIT, KERNEL_LIMIT)
        total = ops.sum(ops.abs(kernel), axis=(0, 1, 2), keepdims=True)
        return kernel * ops.minimum(1.0, KERNEL_SUM / ops.maximum(total, 1.0))


@keras.saving.register_keras_serializable(package="stego_lib")
class FixedPointConv2D(keras.layers.Layer):
    """A convolution that computes exactly the same on every machine.

    Activations are integers within +-512 that stand for multiples of 1/64; kernels are multiples of 1/256. So every
    product is a multiple of 1/256, and their sum stays below 2^15: it is exact in float32, whatever the order in which
    a backend adds. Half a unit of that grid in the bias keeps sums off the ties of the rounding that follows, so that
    even an approximate convolution (Winograd, TF32) is rounded to the same integer. In training, rounding passes
    gradients straight through. A layer that is not trainable takes its weights as they are: they must be on that grid.

    Args:
        filters: Number of output channels.
        kernel_size: Side of the kernel.
        activation: `"relu"` or `"linear"`, both rounded and clipped to +-512, or `None` for the sums as they are.
            Defaults to `"linear"`.
        kernel_initializer: Defaults to `"he_normal"`.
        **kwargs: Other arguments of `keras.layers.Layer`; computed in float32 whatever the policy.

    Input shape:
        `(batch, height, width, channels)`, integers in float32.

    Output shape:
        `(batch, height, width, filters)`, integers in float32; without activation, odd multiples of 1/512.

    Raises:
        ValueError: If the activation is unknown.
    """

    def __init__(self, filters, kernel_size, activation="linear", kernel_initializer="he_normal", **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        if activation not in ("relu", "linear", None):
            raise ValueError(f"`activation` must be 'relu', 'linear' or None. Received: activation={activation}")
        self.filters, self.kernel_size, self.activation = filters, kernel_size, activation
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(self.kernel_size, self.kernel_size, input_shape[-1], self.filters),
            initializer=self.kernel_initializer,
            constraint=KernelSum(),
            name="kernel",
        )
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, inputs):
        rounded, kernel, bias = ops.round, self.kernel, self.bias * UNIT
        if self.trainable:
            rounded = straight_through_round
            kernel, bias = (rounded(weight * KERNEL_GRID) / KERNEL_GRID for weight in (kernel, bias))
        sums = ops.conv(inputs, kernel, padding="same") + (bias + 0.5 / KERNEL_GRID)
        if self.activation is None:
            return sums
        return ops.clip(rounded(sums), 0 if self.activation == "relu" else -LIMIT, LIMIT)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "activation": self.activation,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


class Exactness:
    """Makes sure that this machine and backend convolve in float32, and not in less behind the scenes.

    A convolution is computed as the networks compute theirs, with a kernel of theirs and the largest activations, and
    compared with the same in 64 bits.

    Args:
        kernel: int16 array of shape `(3, 3, channels, filters)`, in units of 1/256.
    """

    def __init__(self, kernel):
        channels, filters = kernel.shape[2:]
        self._kernel, self._exact_shapes = kernel, set()
        self._bias = np.random.default_rng(1).integers(-9999, 9999, filters)
        inputs = keras.Input((None, None, channels), dtype="float32")
        self._network = keras.Model(inputs, FixedPointConv2D(filters, 3, None)(inputs))
        weights = [kernel / np.float32(KERNEL_GRID), self._bias / np.float32(KERNEL_GRID * UNIT)]
        self._network.set_weights(weights)
        self._network.trainable = False
        self._network.compile(jit_compile=jit_compile())

    def check(self, shape):
        """Checks windows of one shape, once.

        Args:
            shape: Batch, height and width of the windows that are computed.

        Raises:
            RuntimeError: If it is not exact: streams could not be read elsewhere.
        """
        if shape in self._exact_shapes:
            return
        channels = self._kernel.shape[2]
        activations = np.random.default_rng(0).integers(-LIMIT, LIMIT + 1, (*shape, channels))
        padded = np.pad(activations, ((0, 0), (1, 1), (1, 1), (0, 0))).astype("float64")
        height, width = shape[1:]
        sums = sum(
            padded[:, row : row + height, column : column + width] @ self._kernel[row, column].astype("float64")
            for row in range(3)
            for column in range(3)
        )
        computed = self._network.predict_on_batch(activations.astype("float32"))
        if not np.array_equal(computed, (sums + self._bias + 0.5) / KERNEL_GRID):
            raise RuntimeError(
                "This machine does not convolve in float32, and could not read what others have written: switch "
                "bfloat16, TF32 and the like off for the codec."
            )
        self._exact_shapes.add(shape)
