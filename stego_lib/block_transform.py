"""The embedding that survives JPEG: in the coefficients that JPEG stores, in steps that outlive its rounding.

Coefficients are those of JPEG, of blocks of 8x8 pixels: YCbCr, cosine transform, in 8-bit steps around grey, in the
order of `component_and_frequency`.
"""

import keras
import numpy as np
from keras import ops

from stego_lib.channels import constant
from stego_lib.jpeg_standard import TO_YCBCR, cosine_basis
from stego_lib.layers import EightBit, Float32Layer, positive_integer

BLOCK = 8
COEFFICIENTS = 3 * BLOCK**2
LUMINANCE_CARRIERS, CHROMINANCE_CARRIERS = 36, 6
CARRIERS = LUMINANCE_CARRIERS + 2 * CHROMINANCE_CARRIERS  # the coefficients that may carry something, of each block
PERIODS = np.array(  # in 8-bit steps, as trained; twice the step of a JPEG table or more leaves something
    [
        *(25.9, 40.5, 89.2, 51.0, 62.7, 66.2, 43.0, 74.1, 54.9, 62.1, 54.7, 56.5),
        *(39.5, 27.1, 50.8, 40.2, 47.3, 22.9, 49.5, 44.2, 39.8, 25.4, 30.7, 25.4),
        *(92.0, 39.1, 80.7, 74.2, 76.2, 85.1, 92.0, 83.4, 108.0, 103.2, 113.7, 136.5),
        *(66.6, 50.8, 52.9, 31.0, 41.3, 36.3, 64.9, 63.0, 51.0, 29.2, 30.4, 51.4),
    ]
)


def component_and_frequency():
    """Lists what the coefficients of a block are, in their order: the carriers first, low frequencies before high ones.

    Returns:
        Three integer arrays of shape `(192,)`: component (0 luminance, 1 and 2 chrominance), vertical and horizontal
        frequency.
    """
    rows, columns = np.mgrid[:BLOCK, :BLOCK]
    order = np.argsort((rows + columns).ravel() + np.hypot(rows, columns).ravel() / 100, kind="stable")
    counts = (LUMINANCE_CARRIERS, CHROMINANCE_CARRIERS, CHROMINANCE_CARRIERS)
    carriers = [BLOCK**2 * component + order[:count] for component, count in enumerate(counts)]
    others = [BLOCK**2 * component + order[count:] for component, count in enumerate(counts)]
    return np.unravel_index(np.concatenate(carriers + others), (3, BLOCK, BLOCK))


def block_matrix():
    """Builds the matrix that takes the samples of a block, by rows, columns and colours, to its coefficients.

    Returns:
        Array of shape `(192, 192)`.
    """
    matrix = np.einsum("cs,ui,vj->cuvijs", TO_YCBCR, cosine_basis(BLOCK), cosine_basis(BLOCK))
    return matrix[component_and_frequency()].reshape(COEFFICIENTS, COEFFICIENTS)


def usual_sizes():
    """Estimates how large the coefficients of photographs are: inversely to the frequency, and a quarter for colours.

    Returns:
        Array of shape `(192,)`, standard deviations in 8-bit steps.
    """
    component, row, column = component_and_frequency()
    return np.where(component == 0, 110.0, 27.0) / np.maximum(np.hypot(row, column), 0.25)


@keras.saving.register_keras_serializable(package="stego_lib")
class BlockTransform(Float32Layer):
    """Transforms an image into the coefficients of its blocks.

    Input shape:
        Image in [0, 1], `(batch, height, width, 3)`, sides multiples of 8.

    Output shape:
        `(batch, height / 8, width / 8, 192)`, in 8-bit steps, 0 is grey; float32.

    Raises:
        ValueError: If a known height or width is not a multiple of 8.

    Example:

    >>> BlockTransform()(np.full((1, 16, 24, 3), 1.0)).shape
    (1, 2, 3, 192)
    """

    def call(self, inputs):
        if any(size is not None and size % BLOCK for size in inputs.shape[1:3]):
            raise ValueError(
                f"Height and width of the input must be multiples of {BLOCK}. "
                f"Received: inputs.shape={tuple(inputs.shape)}"
            )
        blocks = ops.space_to_depth(255.0 * inputs - 128.0, BLOCK, data_format="channels_last")
        return ops.matmul(blocks, constant(block_matrix().T))

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        return (batch, *(size if size is None else size // BLOCK for size in (height, width)), COEFFICIENTS)


@keras.saving.register_keras_serializable(package="stego_lib")
class InverseBlockTransform(Float32Layer):
    """Transforms coefficients into the image: the inverse of `BlockTransform`.

    Input shape:
        `(batch, height / 8, width / 8, 192)`.

    Output shape:
        Image, `(batch, height, width, 3)`; may leave [0, 1], float32.

    Example:

    >>> InverseBlockTransform()(np.zeros((1, 2, 3, 192))).shape
    (1, 16, 24, 3)
    """

    def call(self, inputs):
        blocks = ops.matmul(inputs, constant(np.linalg.inv(block_matrix()).T))
        return (ops.depth_to_space(blocks, BLOCK, data_format="channels_last") + 128.0) / 255.0

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        return (batch, *(size if size is None else size * BLOCK for size in (height, width)), 3)


@keras.saving.register_keras_serializable(package="stego_lib")
class CarrierPhase(Float32Layer):
    """The position of each carrier within its period, as a cosine: 1 at multiples of the period, -1 half-way between.

    Args:
        multiple: Positive integer, how many periods are taken for one. Defaults to `1`.

    Input shape:
        Coefficients, `(batch, rows, columns, 192)`.

    Output shape:
        `(batch, rows, columns, 48)`, from -1 to 1; float32.

    Raises:
        ValueError: If the multiple is not a positive integer.

    Example:

    >>> CarrierPhase()(np.zeros((1, 1, 1, 192))).shape
    (1, 1, 1, 48)
    """

    def __init__(self, multiple=1, **kwargs):
        super().__init__(**kwargs)
        self.multiple = positive_integer("multiple", multiple)

    def call(self, inputs):
        periods = self.multiple * constant(PERIODS)
        return ops.cos(2 * np.pi * offset(inputs[..., :CARRIERS], periods) / periods)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], CARRIERS)

    def get_config(self):
        return {**super().get_config(), "multiple": self.multiple}


@keras.saving.register_keras_serializable(package="stego_lib")
class CarrierEmbedding(Float32Layer):
    """Moves every carrier to the nearest value that stands for the message: quantization index modulation.

    ```
    value    = nearest one to the carrier of period * (n + message / 2) and period * (n - message / 2), n any integer
    carrier' = carrier + sigmoid(logit) * (value - carrier)
    ```
    So 0 is at the multiples of the period, 1 is half-way between them, and nothing jumps. The logit decides how much of
    the way is gone: a carrier that costs more than it brings stays.

    Call arguments:
        cover: Image in [0, 1], `(batch, height, width, 3)`, sides multiples of 8.
        coefficients: Of the cover, from `BlockTransform`.
        message: From 0 to 1, `(batch, height / 8, width / 8, 48)`.
        logit: Real numbers, same shape; around 0, the cheapest carriers move and the others hardly.

    Output shape:
        Same as the cover; multiples of 1/255 in [0, 1], float32.

    Example:

    >>> cover, zeros = np.full((1, 8, 8, 3), 0.5), np.zeros((1, 1, 1, 48))
    >>> CarrierEmbedding()(cover, BlockTransform()(cover), zeros, zeros).shape
    (1, 8, 8, 3)

    Reference:
        [Chen & Wornell, 2001](https://doi.org/10.1109/18.923725)
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.eight_bit = EightBit(dtype=self.dtype_policy)

    def call(self, cover, coefficients, message, logit):
        periods = constant(PERIODS)
        place, goal = offset(coefficients[..., :CARRIERS], periods), message * periods / 2
        up, down = offset(goal - place, periods), offset(-goal - place, periods)
        way = ops.where(ops.abs(up) < ops.abs(down), up, down)
        change = ops.sigmoid(logit + constant(_first_logits())) * way
        samples = ops.matmul(change, constant(np.linalg.inv(block_matrix())[:, :CARRIERS].T))
        return self.eight_bit(cover + ops.depth_to_space(samples, BLOCK, data_format="channels_last") / 255.0)

    def compute_output_shape(self, cover_shape, *other_shapes):
        return cover_shape


def offset(values, periods):
    """Measures how far values are from the nearest multiple of their periods; the gradient is that of the values.

    Args:
        values: Tensor.
        periods: Tensor that broadcasts against it.

    Returns:
        Tensor of the same shape, from minus to plus half a period.
    """
    return values - ops.stop_gradient(ops.round(values / periods) * periods)


def _first_logits(budget=25.0):
    """High for the cheapest carriers, which cost the cover 25 squared 8-bit steps a sample, 34 dB; low for others."""
    weights = np.square(np.linalg.inv(TO_YCBCR)).mean(0)[component_and_frequency()[0][:CARRIERS]]
    cost = weights * PERIODS**2 / 12 / BLOCK**2
    order = np.argsort(cost)
    is_used = np.zeros(CARRIERS, bool)
    is_used[order] = np.cumsum(cost[order]) < budget
    return np.where(is_used, 2.5, -2.0)
